//! The page: no text becomes a tag or an attribute.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::{page, run};

/// Texts that make every part of a page.
const HARMLESS: &[&str] = &["", "x", "x\ny\n", "a.yml", "--flag x --exact"];

/// The tags of pages about harmless runs.
static KNOWN: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let long = "word ".repeat(20_000);
    let lines = "line\n".repeat(2_000);
    let texts = HARMLESS.iter().copied().chain([long.as_str(), lines.as_str()]);
    texts.flat_map(|text| [run::hostile(text), run::not_started(text)]).flat_map(|run| tags(&run)).collect()
});

/// A page about any text has only the tags and attributes of a page about harmless ones.
pub fn html(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for run in [run::hostile(&text), run::not_started(&text)] {
        let foreign: Vec<String> = tags(&run).difference(&KNOWN).cloned().collect();
        assert_eq!(foreign, Vec::<String>::new(), "of {text:?}");
    }
}

fn tags(run: &policy_verify_model::outcome::RunReport) -> BTreeSet<String> {
    page::tags(&run::written("html", run))
}
