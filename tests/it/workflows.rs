//! What GitHub runs of ours: the action, its scripts, the workflows of the project and those of the documentation.
#![cfg(unix)]

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use regex::Regex;

use crate::support::act::{ACTION, program, used};
use crate::support::project;

/// The workflows: those of the project, then those the documentation shows.
fn workflows() -> Vec<PathBuf> {
    let folders = [".github/workflows", "docs/examples/github"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(project().join(folder)).into_iter().flatten());
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 2, "{files:?}");
    files
}

fn scripts() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(project().join("action")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The tool finds nothing.
#[track_caller]
fn finds_nothing(tool: &str, arguments: &[&str], files: &[PathBuf]) {
    let Some(tool) = program(tool) else { return };
    let output = Command::new(tool).args(arguments).args(files).current_dir(project()).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn actionlint_finds_nothing() {
    finds_nothing("actionlint", &["-no-color"], &workflows());
}

#[test]
fn zizmor_finds_nothing() {
    let mut files = workflows();
    files.push(project().join("action.yml"));
    finds_nothing("zizmor", &["--offline", "--no-progress", "--config=.github/zizmor.yml"], &files);
}

#[test]
fn shellcheck_finds_nothing() {
    finds_nothing("shellcheck", &["--external-sources"], &scripts());
}

#[test]
fn actions_of_others_are_pinned_by_hash_and_say_their_version() {
    let pinned = Regex::new(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$").unwrap();
    let mut files = workflows();
    files.push(project().join("action.yml"));
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        for line in text.lines().filter(|line| !used(line).is_empty()) {
            let is_own = line.contains("uses: ./ ") || line.contains(&format!("uses: {ACTION}@v1"));
            assert!(is_own || pinned.is_match(line), "{}: {line}", file.display());
        }
    }
}

#[test]
fn nothing_a_user_says_is_made_part_of_a_script() {
    let text = fs::read_to_string(project().join("action.yml")).unwrap();
    for line in text.lines().filter(|line| line.trim_start().starts_with("run:")) {
        assert!(!line.contains("${{"), "{line}");
    }
    for script in scripts() {
        let text = fs::read_to_string(&script).unwrap();
        assert!(!text.contains("${{") && !text.contains("eval "), "{}", script.display());
    }
}
