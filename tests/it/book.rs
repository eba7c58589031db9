//! The pages as a whole: every link leads somewhere, on GitHub as in the book that mdBook makes of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;

use crate::support::markdown::{Page, pages};
use crate::support::project;

#[test]
fn the_book_has_every_page() {
    let listed = Page::read(&project().join("docs/SUMMARY.md")).links;
    for page in pages().iter().filter(|page| page.starts_with(project().join("docs"))) {
        let name = page.file_name().unwrap().to_str().unwrap();
        assert!(name == "SUMMARY.md" || listed.contains(&name.to_owned()), "{name} is not in docs/SUMMARY.md");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for page in pages() {
        for link in Page::read(&page).links.iter().filter(|link| !link.starts_with("https://")) {
            seen += 1;
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if path.is_empty() { page.clone() } else { page.parent().unwrap().join(path) };
            assert!(target.exists(), "{}: {link} leads nowhere", page.display());
            let is_there = anchor.is_empty() || Page::read(&target).anchors.iter().any(|known| known == anchor);
            assert!(is_there, "{}: there is no such heading: {link}", page.display());
        }
    }
    assert!(seen > 100, "{seen} links");
}

/// A promise without a test is none.
#[test]
fn every_promise_of_the_threat_model_has_its_test() {
    let text = fs::read_to_string(project().join("docs/threat-model.md")).unwrap();
    let tests = Regex::new(r"`(\w+)::(\w+)`").unwrap();
    let mut seen = 0;
    for row in text.lines().filter(|line| line.starts_with("| ") && !line.contains("| test |")) {
        for named in tests.captures_iter(row) {
            seen += 1;
            let file = project().join(format!("tests/it/{}.rs", &named[1]));
            let source = fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            let is_there = source.contains(&format!("#[test]\nfn {}() {{", &named[2]));
            assert!(is_there, "there is no test {}", &named[0]);
        }
    }
    assert!(seen > 30, "{seen} tests");
    let promised = text.split("## What is promised").nth(1).unwrap().split("## What is not").next().unwrap();
    let rows = promised.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| promise"));
    rows.for_each(|row| assert!(tests.is_match(row), "no test: {row}"));
}

#[cfg(unix)]
#[test]
fn the_book_builds_and_its_links_lead_somewhere() {
    use crate::support::act::ACTION;
    use crate::support::program::program;

    let (Some(mdbook), Some(_)) = (program("mdbook"), program("jq")) else { return };
    let folder = tempfile::tempdir().unwrap();
    let made = Command::new(mdbook).arg("build").arg(project().join("docs")).arg("-d").arg(folder.path()).output();
    let made = made.unwrap();
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(made.status.success() && !said.contains("WARN") && !said.contains("ERROR"), "{said}");
    // Generated around the pages: the same links from elsewhere, and one page of all.
    let is_page = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.ends_with(".html") && !["404.html", "print.html", "toc.html"].contains(&name)
    };
    let files = fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<PathBuf> = files.filter(is_page).collect();
    let written = fs::read_dir(project().join("docs"))
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|extension| extension == "md"));
    // Without the summary, and with the first page as `index.html` once more.
    assert_eq!(files.len(), written.count());
    let repository = format!("https://github.com/{ACTION}/blob/main/");
    let (mut inside, mut outside) = (0, 0);
    for file in &files {
        for link in attributes(file, "href").iter().chain(&attributes(file, "src")) {
            if let Some(path) = link.strip_prefix(&repository) {
                outside += 1;
                let path = path.split('#').next().unwrap();
                assert!(project().join(path).exists(), "{}: {link} leads nowhere", file.display());
            } else if !link.starts_with("https://") {
                inside += 1;
                let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = if path.is_empty() { file.clone() } else { file.parent().unwrap().join(path) };
                assert!(target.starts_with(folder.path()) && !path.starts_with(".."), "{}: {link}", file.display());
                assert!(target.exists(), "{}: {link} leads nowhere", file.display());
                let is_there = anchor.is_empty() || attributes(&target, "id").iter().any(|known| known == anchor);
                assert!(is_there, "{}: there is no such heading: {link}", file.display());
            }
        }
    }
    assert!(inside > 100 && outside > 5, "{inside} links in the book, {outside} out of it");
}

/// What an attribute is set to in a page of HTML.
fn attributes(page: &Path, name: &str) -> Vec<String> {
    let pattern = Regex::new(&format!(r#"[\s"]{name}="([^"]*)""#)).unwrap();
    let text = fs::read_to_string(page).unwrap();
    pattern.captures_iter(&text).map(|found| found[1].replace("&amp;", "&")).collect()
}
