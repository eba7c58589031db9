//! Differences as a comment of a pull request, in GitHub's Markdown. A comment has a largest size.

use std::io;

use policy_verify_model::behaviour::{Behaviour, Class, Difference, PolicyVersion};

use super::words::{extent, number, pasted, verdict};
use crate::{escape, phrases};

/// Bytes of a comment, below GitHub's limit of 65,536 characters.
const BUDGET: usize = 60_000;

/// Characters of a cell.
const LONGEST: usize = 300;

/// Writes a comment: a table of what differs, then the cases that searched requests make.
pub fn markdown(behaviour: &Behaviour, out: &mut dyn io::Write) -> io::Result<()> {
    let is_good = behaviour.differences.is_empty() && behaviour.shows_something();
    let mut text = format!("## {} {}\n\n", if is_good { "✅" } else { "❌" }, escape::markdown(&verdict(behaviour)));
    for (word, version) in [("old", &behaviour.old), ("new", &behaviour.new)] {
        text.push_str(&format!("- {word}: {}\n", facts(version)));
    }
    if let Some(warning) = &behaviour.warning {
        text.push_str(&format!("\n⚠ {}\n", cell(warning)));
    }
    let mut end = String::from("\n");
    for left in behaviour.not_compared.iter().take(10) {
        let (what, reason) = (phrases::count(left.number, "case"), cell(&left.reason));
        end.push_str(&format!("- not compared, {what}: {reason}, such as {}\n", cell(&left.example)));
    }
    for line in extent(behaviour) {
        end.push_str(&format!("- {}\n", escape::markdown(&line)));
    }
    let room = BUDGET.saturating_sub(end.len());
    add_table(&mut text, &behaviour.differences, room);
    add_cases(&mut text, &behaviour.differences, room);
    text.push_str(&end);
    out.write_all(text.as_bytes())
}

fn add_table(text: &mut String, differences: &[Difference], room: usize) {
    if differences.is_empty() {
        return;
    }
    text.push_str("\n| difference | cause | old | new | example |\n|---|---|---|---|---|\n");
    for (index, difference) in differences.iter().enumerate() {
        let row = row(difference);
        if text.len() + row.len() > room {
            text.push_str(&format!("\n… and {} more differences\n", differences.len() - index));
            return;
        }
        text.push_str(&row);
    }
}

fn row(difference: &Difference) -> String {
    let sign = match difference.class {
        Class::NewDenial | Class::NewAllowance | Class::Faults => "❌ ",
        Class::Privilege | Class::OtherMutation => "⚠ ",
        Class::Wording | Class::Cost | Class::Other => "",
    };
    let example = difference.example.as_ref().map_or_else(String::new, |example| {
        let place = format!("{}:{}", example.file, example.line);
        format!("{} <code>{}</code>", cell(&example.case), cell(&place))
    });
    let (class, number) = (escape::markdown(difference.class.title()), number(difference));
    let [cause, old, new] = [&difference.cause, &difference.old, &difference.new].map(|it| cell(it));
    format!("| {sign}{class}, {number} | {cause} | {old} | {new} | {example} |\n")
}

fn add_cases(text: &mut String, differences: &[Difference], room: usize) {
    let cases = differences.iter().filter_map(|it| Some((it, it.example.as_ref()?.yaml.as_ref()?)));
    for (difference, yaml) in cases {
        let block = escape::markdown_block("yaml", &pasted(yaml).join("\n"));
        let (class, cause) = (escape::markdown(difference.class.title()), cell(&difference.cause));
        let added = format!("\n<details><summary>{class}: {cause}</summary>\n\n{block}\n</details>\n");
        if text.len() + added.len() > room {
            return;
        }
        text.push_str(&added);
    }
}

fn facts(version: &PolicyVersion) -> String {
    let mut facts = vec![format!("<code>{}</code>", cell(&version.uri))];
    facts.extend(version.version.as_ref().map(|it| format!("version {}", cell(it))));
    facts.push(phrases::size(version.size));
    facts.push(format!("<code>{}</code>", cell(&version.digest)));
    facts.join(" · ")
}

fn cell(text: &str) -> String {
    escape::markdown(&phrases::one_line(text, LONGEST))
}
