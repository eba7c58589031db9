//! Workflow commands: whatever a text is, exactly one command with this text comes out, and none of any other format.

use std::sync::LazyLock;

use policy_verify_report::{escape, names};

use super::run;
use super::runner::{self, Command};

/// Characters of a text that no format shortens.
const SHORT: usize = 150;

/// The levels of the annotations of a harmless run.
static HARMLESS: LazyLock<Vec<String>> =
    LazyLock::new(|| levels(&runner::commands(&run::written("github", &run::hostile("x")))));

/// A runner reads one annotation for each mistake and failure, and no command in any other report.
pub fn github(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    one_annotation(&text);
    let run = run::hostile(&text);
    let annotations = run::written("github", &run);
    let found = runner::commands(&annotations);
    assert_eq!(found.len(), annotations.lines().count(), "a line that is no command: {annotations:?}");
    assert_eq!(levels(&found), *HARMLESS);
    for command in &found {
        let names: Vec<&str> = command.properties.iter().map(|(name, _)| name.as_str()).collect();
        assert!(names.iter().all(|name| ["file", "line", "title"].contains(name)), "{command:?}");
    }
    // One of them: all are slow, and a fuzzer has texts of every length.
    let others: Vec<&str> = names().filter(|name| *name != "github").collect();
    let name = others[bytes.len() % others.len()];
    assert_eq!(runner::commands(&run::written(name, &run)), [], "{name}");
}

/// The annotation of a mistake, which says what the mistake says.
fn one_annotation(text: &str) {
    let found = runner::commands(&run::written("github", &run::not_started(text)));
    let [command] = &found[..] else { panic!("one command of {text:?}: {found:?}") };
    assert_eq!(command.name, "error");
    let line = escape::terminal_line(text);
    if line.chars().count() <= SHORT {
        assert_eq!(command.property("title").unwrap_or_default(), line, "the title of {text:?}");
        let file = command.property("file").unwrap_or_default();
        assert_eq!(file, line, "the file of {text:?}");
    }
    let help = escape::terminal(text.trim_end());
    if help.chars().count() <= SHORT {
        assert!(command.data.ends_with(&format!(" help: {help}")), "{help:?} in {:?}", command.data);
    }
}

fn levels(commands: &[Command]) -> Vec<String> {
    commands.iter().map(|command| command.name.clone()).collect()
}
