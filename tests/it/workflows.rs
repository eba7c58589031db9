//! What GitHub runs of ours: the action, its scripts, the workflows of the project and those of the documentation.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::Value;

use crate::support::act::{ACTION, Act, actions, reusable_workflows, used};
use crate::support::markdown::{Block, Page, pages};
use crate::support::program::program;
use crate::support::{POD, Repository, guests, project};

/// Every workflow there is, by where it stands: those of the project, those beside the documentation, those on its
/// pages, and those that `verify init` writes.
fn workflows() -> Vec<(String, String)> {
    let folders = [".github/workflows", "docs/examples/github"];
    let files = folders.iter().flat_map(|folder| fs::read_dir(project().join(folder)).unwrap());
    let files = files.map(|entry| entry.unwrap().path());
    let place = |path: &Path| path.strip_prefix(project()).unwrap().display().to_string();
    let mut found: Vec<(String, String)> =
        files.map(|path| (place(&path), fs::read_to_string(path).unwrap())).collect();
    for page in pages() {
        for Block { text, line, .. } in Page::read(&page).blocks {
            if [" uses:", " runs-on:"].iter().any(|word| text.contains(word)) {
                // A part of a workflow could not be checked.
                assert!(text.contains("\njobs:\n"), "{}:{line}: no whole workflow", page.display());
                found.push((format!("{}:{line}", place(&page)), text));
            }
        }
    }
    assert!(found.iter().any(|(place, _)| place.starts_with("README.md:")), "{found:?}");
    for (name, repository) in crate::init::with_workflows() {
        for entry in fs::read_dir(repository.path(".github/workflows")).unwrap() {
            let path = entry.unwrap().path();
            let place = format!("verify init, {name}, {}", path.file_stem().unwrap().display()).replace(' ', "-");
            found.push((place, fs::read_to_string(path).unwrap()));
        }
    }
    found.sort();
    found
}

/// A repository whose root is the action, with all workflows. They use what is ours by its path, so that inputs and
/// outputs are known to who reads them; the name of the file is the place of the workflow, unless others call it.
fn repository_of_workflows() -> Repository {
    let place = |path: &Path| path.strip_prefix(project()).unwrap().to_str().unwrap().to_owned();
    let copy = |repository: Repository, path: PathBuf| repository.write(&place(&path), fs::read(&path).unwrap());
    let repository = actions().into_iter().fold(Repository::new(), copy);
    let ours = Regex::new(&format!("{ACTION}(?:/([a-z./-]+))?@v1")).unwrap();
    workflows().into_iter().fold(repository, |repository, (place, text)| {
        let called = place.strip_prefix(".github/workflows/").filter(|name| name.starts_with("reusable-"));
        let name = called.map_or_else(|| format!("{}.yml", place.replace(['/', ':'], "-")), str::to_owned);
        repository.write(&format!(".github/workflows/{name}"), ours.replace_all(&text, "./$1").into_owned())
    })
}

fn scripts() -> Vec<PathBuf> {
    let files = fs::read_dir(project().join("action")).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = files.filter(|path| path.is_file()).collect();
    files.sort();
    files
}

/// The tool finds nothing.
#[track_caller]
fn finds_nothing(tool: &str, arguments: &[&str], files: &[PathBuf], folder: &Path) {
    let Some(tool) = program(tool) else { return };
    let output = Command::new(tool).args(arguments).args(files).current_dir(folder).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

/// A repository whose policy rejects everything, with a suite that says so.
fn green() -> Repository {
    let suite = format!(
        "version: 1\nname: s\npolicies: {{ no: {{ uri: no.wasm }} }}\ncases: [{{ name: a, object: {POD}, expect: {{ deny: no }} }}]\n"
    );
    Repository::with_suite(&suite).write("no.wasm", guests::denying("no"))
}

#[test]
fn the_recipe_for_gitlab_works() {
    let Some(act) = Act::new() else { return };
    act.tool("apt-get", "true");
    let text = fs::read_to_string(project().join("docs/examples/gitlab-ci.yml")).unwrap();
    // The version in the example is that of the last release, the archive here that of today.
    act.offer_release("0.1.0");
    let job = &serde_saphyr::from_str::<Value>(&text).unwrap()["verify"];
    let steps = ["before_script", "script"].map(|key| job[key].as_array().unwrap().clone()).concat();
    let script: String = steps.iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect();
    let repository = green();
    let path = std::env::var("PATH").unwrap();
    let mut run = repository.shell(&format!("set -e\n{script}"));
    for (name, value) in job["variables"].as_object().unwrap() {
        run = run.env(name, value.as_str().unwrap());
    }
    run.env("PATH", format!("{}:{path}", act.path("tools").display()))
        .run()
        .exits_with(0)
        .says(&["1 test: 1 passed", ": OK"]);
    let report = job["artifacts"]["reports"]["junit"].as_str().unwrap();
    assert!(repository.read(report).contains("tests=\"1\""));
}

#[test]
fn the_recipe_for_jenkins_works() {
    let text = fs::read_to_string(project().join("docs/examples/Jenkinsfile")).unwrap();
    let quoted = |word: &str| {
        let line = text.lines().map(str::trim).find_map(|line| line.strip_prefix(&format!("{word} '")));
        line.unwrap().trim_end_matches('\'').to_owned()
    };
    let repository = green();
    repository.shell(&quoted("sh")).run().exits_with(0);
    assert!(repository.read(&quoted("junit")).contains("tests=\"1\""));
}

#[test]
fn actionlint_finds_nothing() {
    let repository = repository_of_workflows();
    finds_nothing("actionlint", &["-no-color"], &[], &repository.path(""));
}

#[test]
fn zizmor_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut files: Vec<PathBuf> = Vec::new();
    for (place, text) in workflows().into_iter().filter(|(place, _)| !place.starts_with(".github")) {
        let file = folder.path().join(format!("{}.yml", place.replace(['/', ':'], "-")));
        fs::write(&file, text).unwrap();
        files.push(file);
    }
    let arguments = ["--offline", "--no-progress", "--config=.github/zizmor.yml"];
    finds_nothing("zizmor", &arguments, &files, project());
    // What is ours has no excuse; examples leave out names and limits of concurrency.
    let own = ["action.yml", "action", ".github/workflows"].map(|path| project().join(path));
    finds_nothing("zizmor", &[&arguments[..], &["--persona=pedantic"]].concat(), &own, project());
}

#[test]
fn shellcheck_finds_nothing() {
    let mut files = scripts();
    files.push(project().join("docs/repository.sh"));
    files.push(project().join("docs/examples/shards.sh"));
    finds_nothing("shellcheck", &["--external-sources"], &files, project());
}

#[test]
fn actions_of_others_are_pinned_by_hash_and_say_their_version() {
    let pinned = Regex::new(r"uses: [\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+$").unwrap();
    let own = Regex::new(&format!("uses: (\\./ |{ACTION}(/[a-z./-]+)?@v1$)")).unwrap();
    let mut texts = workflows();
    texts.extend(actions().into_iter().map(|path| (path.display().to_string(), fs::read_to_string(&path).unwrap())));
    for (place, text) in texts {
        for line in text.lines().filter(|line| !used(line).is_empty()) {
            assert!(own.is_match(line) || pinned.is_match(line), "{place}: {line}");
        }
    }
}

/// The steps of an action, or of all jobs of a workflow.
fn steps(document: &Value) -> Vec<&Value> {
    let jobs = document["jobs"].as_object().map(|jobs| jobs.values().collect::<Vec<_>>());
    let lists = jobs.unwrap_or_else(|| vec![&document["runs"]]);
    lists.into_iter().filter_map(|list| list["steps"].as_array()).flatten().collect()
}

#[test]
fn nothing_a_user_says_is_made_part_of_a_script() {
    for path in actions().into_iter().chain(reusable_workflows()) {
        let text = fs::read_to_string(&path).unwrap();
        for script in steps(&serde_saphyr::from_str(&text).unwrap()).iter().filter_map(|step| step["run"].as_str()) {
            assert!(!script.contains("${{"), "{}: {script}", path.display());
        }
    }
    for script in scripts() {
        let text = fs::read_to_string(&script).unwrap();
        assert!(!text.contains("${{") && !text.contains("eval "), "{}", script.display());
    }
}
