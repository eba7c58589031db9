//! The documentation says what is: tables come from what they describe, quoted files are those files, links lead
//! somewhere.
//!
//! `VERIFY_TEST_WRITE_DOCS=1 cargo test --test it docs::` writes the generated parts anew.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::project;

/// Every page: those of the book, and those beside it.
fn pages() -> Vec<PathBuf> {
    let mut pages: Vec<PathBuf> =
        ["README.md", "ARCHITECTURE.md", "CHANGELOG.md"].map(|name| project().join(name)).into();
    let mut folders = vec![project().join("docs")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                pages.push(path);
            }
        }
    }
    pages.sort();
    assert!(pages.len() > 5);
    pages
}

/// What is generated stands behind a comment: `<!-- file: PATH -->` the file in a code block, `<!-- inputs -->` and
/// `<!-- outputs -->` tables of the action.
fn generated(page: &Path, mark: &str) -> Option<String> {
    let action: Value = serde_saphyr::from_str(&fs::read_to_string(project().join("action.yml")).unwrap()).unwrap();
    let row = |cells: &[&str]| format!("| {} |\n", cells.join(" | "));
    match mark.split_once(": ").unwrap_or((mark, "")) {
        ("file", path) => {
            let file = page.parent().unwrap().join(path);
            let text = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let language = match file.extension().and_then(|extension| extension.to_str()) {
                Some("yml" | "yaml") => "yaml",
                Some("sh") => "sh",
                Some("html") => "html",
                _ => "groovy",
            };
            Some(format!("```{language}\n{text}```\n"))
        }
        ("inputs", "") => {
            let mut text = String::from("| input | default | meaning |\n|---|---|---|\n");
            for (name, input) in action["inputs"].as_object().unwrap() {
                let default = match input["default"].as_str().unwrap() {
                    "" => String::new(),
                    default => format!("`{default}`"),
                };
                text += &row(&[&format!("`{name}`"), &default, input["description"].as_str().unwrap()]);
            }
            Some(text)
        }
        ("outputs", "") => {
            let mut text = String::from("| output | meaning |\n|---|---|\n");
            for (name, output) in action["outputs"].as_object().unwrap() {
                text += &row(&[&format!("`{name}`"), output["description"].as_str().unwrap()]);
            }
            Some(text)
        }
        _ => None,
    }
}

/// The page with its generated parts as they are to be. A part ends with its code block, or with its table.
fn as_it_should_be(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    let mut made = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        made += &format!("{line}\n");
        let mark = line.strip_prefix("<!-- ").and_then(|rest| rest.strip_suffix(" -->"));
        let Some(part) = mark.and_then(|mark| generated(page, mark)) else { continue };
        if part.starts_with("```") {
            if lines.next_if(|line| line.starts_with("```")).is_some() {
                lines.by_ref().find(|line| *line == "```");
            }
        } else {
            while lines.next_if(|line| line.starts_with('|')).is_some() {}
        }
        made += &part;
    }
    made
}

#[test]
fn generated_parts_are_what_they_are_generated_from() {
    for page in pages() {
        let wanted = as_it_should_be(&page);
        if std::env::var_os("VERIFY_TEST_WRITE_DOCS").is_some() {
            fs::write(&page, &wanted).unwrap();
        }
        assert!(
            fs::read_to_string(&page).unwrap() == wanted,
            "{} is behind; VERIFY_TEST_WRITE_DOCS=1 cargo test --test it docs:: writes it anew",
            page.display()
        );
    }
}

/// Links of a page outside its code, as written.
fn links(text: &str) -> Vec<String> {
    let mut is_code = false;
    let mut links = Vec::new();
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        }
        if is_code {
            continue;
        }
        // What stands between backticks is no link.
        let prose: String =
            line.split('`').enumerate().map(|(index, part)| if index % 2 == 0 { part } else { "x" }).collect();
        for (start, _) in prose.match_indices("](") {
            let rest = &prose[start + 2..];
            links.push(rest[..rest.find(')').unwrap()].to_owned());
        }
    }
    links
}

/// The names that headings of a page can be reached by, as GitHub and mdBook make them.
fn anchors(text: &str) -> Vec<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let made = headings.map(|line| {
        let heading = line.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|letter| letter.is_alphanumeric() || " -_".contains(*letter));
        kept.map(|letter| if letter == ' ' { '-' } else { letter }).collect()
    });
    made.collect()
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for link in links(&text) {
            if link.starts_with("https://") {
                continue;
            }
            seen += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            if !anchor.is_empty() {
                let known = anchors(&fs::read_to_string(&target).unwrap());
                assert!(
                    known.contains(&anchor.to_owned()),
                    "{}: {link}: no such heading among {known:?}",
                    page.display()
                );
            }
        }
    }
    assert!(seen > 20, "{seen} links");
}
