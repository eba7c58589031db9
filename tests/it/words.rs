//! The words of messages: phrases that made readers stumble stay out of them.

use std::fs;
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::project;

/// Phrases with a plainer one in their place.
const BANNED: &[(&str, &str)] = &[
    ("nobody", "no mock, not called, unanswered"),
    ("could not be had", "is unavailable"),
    ("cannot be had", "is unavailable"),
    ("leads out of", "is outside"),
    ("stay at home", "are not published"),
    ("means nothing", "cannot be combined, unknown"),
    ("cannot be meant", "invalid"),
    ("that is too much", "overflows"),
    ("its teeth", "is escaped"),
    ("nothing can be said here", "takes no value"),
    ("every text holds", "an empty text matches"),
    ("is no duration", "invalid duration"),
    ("is no day", "invalid date"),
    ("is no tag", "invalid tag"),
    ("is no unit", "unknown unit"),
    ("a refusal that is wanted", "to test a rejection"),
    ("the rules ask for", "no rule matches"),
    ("as it is taken", "effective"),
];

/// Texts of the sources and of the pages, with the place of each.
fn texts() -> Vec<(String, String)> {
    let literal = Regex::new(r#""((?:\\.|[^"\\])*)""#).unwrap();
    let mut texts = Vec::new();
    for path in files(&["src", "crates", "docs", "README.md", "action.yml"].map(|name| project().join(name))) {
        let place = path.strip_prefix(project()).unwrap().display().to_string();
        let text = fs::read_to_string(&path).unwrap();
        if path.extension().is_some_and(|extension| extension == "rs") {
            // Unit tests may quote what policies and servers say.
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            let is_test = ["tests.rs", "testing.rs"].iter().any(|name| path.ends_with(name));
            if !is_test {
                texts.extend(literal.captures_iter(code).map(|found| (place.clone(), found[1].to_lowercase())));
            }
        } else {
            texts.extend(text.lines().map(|line| (place.clone(), line.to_lowercase())));
        }
    }
    assert!(texts.len() > 5_000, "{} texts", texts.len());
    texts
}

fn files(roots: &[PathBuf]) -> Vec<PathBuf> {
    let is_text = |path: &Path| path.extension().is_some_and(|it| ["rs", "md", "yml"].iter().any(|known| it == *known));
    let mut found = Vec::new();
    for root in roots {
        if root.is_dir() {
            let inside: Vec<PathBuf> = fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
            found.extend(files(&inside));
        } else if is_text(root) {
            found.push(root.clone());
        }
    }
    found
}

#[test]
fn messages_and_pages_use_plain_words() {
    let texts = texts();
    let mut found = Vec::new();
    for (place, text) in &texts {
        for (phrase, instead) in BANNED.iter().filter(|(phrase, _)| text.contains(phrase)) {
            // Pages tell of people as well, and `answered_by` of the JSON report is a contract.
            let is_fine = *phrase == "nobody" && (place.ends_with(".md") || text.trim() == *phrase);
            if !is_fine {
                found.push(format!("{place}: `{phrase}` (better: {instead}): {text}"));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
