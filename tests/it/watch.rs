//! `--watch` and `--last-failed`: the next run is about what changed, or what went wrong.

use std::io::{BufRead as _, BufReader};
use std::process::Child;
use std::sync::mpsc::{self, Receiver};
use std::time::Duration;

use crate::support::Repository;

const SUITE: &str = "version: 1
policies: { yes: { uri: yes.wasm, settings: settings.yml } }
cases:
  - { name: a, object: objects/pod.yaml, expect: allow }
";

fn repository() -> Repository {
    Repository::with_suite(SUITE)
        .replying("yes", r#"{"valid":true,"accepted":true}"#)
        .write("settings.yml", "a: 1\n")
        .write("objects/pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec: {}\n")
}

/// A command that does not end by itself.
struct Watching {
    child: Child,
    lines: Receiver<String>,
}

impl Watching {
    fn start(repository: &Repository, arguments: &[&str]) -> Self {
        let (child, output) = repository.verify(arguments).arg("--watch").start_joined();
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// Waits for a line that begins like this.
    fn until(&self, beginning: &str) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(60)).expect(beginning);
            if line.trim_start().starts_with(beginning) {
                return line;
            }
        }
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_saved_file_is_followed_by_a_run() {
    let repository = repository();
    let watching = Watching::start(&repository, &["suite.yml"]);
    watching.until("1 test: 1 passed");
    let write = |path: &str, text: &str| std::fs::write(repository.path(path), text).unwrap();
    // The suite, with a mistake and without.
    write("suite.yml", &SUITE.replace("expect: allow", "expect: deny"));
    watching.until("── suite.yml changed ──");
    watching.until("1 test: 1 failed");
    write("suite.yml", "version: 1\npolicies: {");
    watching.until("error[");
    write("suite.yml", SUITE);
    watching.until("1 test: 1 passed");
    // What it names: settings, objects, modules.
    write("settings.yml", "[]\n");
    watching.until("── settings.yml changed ──");
    watching.until("error[");
    write("settings.yml", "a: 2\n");
    watching.until("1 test: 1 passed");
    write("objects/pod.yaml", "apiVersion: v1\n");
    watching.until("── objects/pod.yaml changed ──");
    watching.until("error[");
    // Another file in its place, as editors do it.
    write("objects/new", "apiVersion: v1\nkind: Pod\nmetadata: { name: web }\nspec: {}\n");
    std::fs::rename(repository.path("objects/new"), repository.path("objects/pod.yaml")).unwrap();
    watching.until("1 test: 1 passed");
    let denying = crate::support::guests::denying("no");
    std::fs::write(repository.path("yes.wasm"), denying).unwrap();
    watching.until("── yes.wasm changed ──");
    watching.until("1 test: 1 failed");
}

#[test]
fn what_is_included_is_watched() {
    let cases = "version: 1\ncases:\n  - { name: a, object: pod.yaml, expect: allow }\n";
    let suite = "version: 1\ninclude: objects/pods.cases.yml\npolicies: { yes: { uri: yes.wasm } }\n";
    let repository = repository().write("suite.yml", suite).write("objects/pods.cases.yml", cases);
    let watching = Watching::start(&repository, &["suite.yml"]);
    watching.until("1 test: 1 passed");
    std::fs::write(repository.path("objects/pods.cases.yml"), cases.replace("allow", "deny")).unwrap();
    watching.until("── objects/pods.cases.yml changed ──");
    watching.until("1 test: 1 failed");
}

#[test]
fn snapshots_are_watched_before_and_after_they_are_there() {
    let suite = SUITE.replace("expect: allow", "snapshot: true, expect: allow");
    let repository = repository().write("suite.yml", suite);
    let watching = Watching::start(&repository, &["suite.yml"]);
    watching.until("1 test: 1 failed");
    repository.verify(&["suite.yml", "--bless"]).run().exits_with(0);
    watching.until("1 test: 1 passed");
    std::fs::write(repository.path("snapshots/suite/a.yaml"), "case: a\nverdict: deny\n").unwrap();
    watching.until("── snapshots/suite/a.yaml changed ──");
    watching.until("1 test: 1 failed");
}

#[test]
fn what_no_suite_names_changes_nothing() {
    let repository = repository();
    let watching = Watching::start(&repository, &["suite.yml", "--report=junit=out.xml"]);
    watching.until("1 test: 1 passed");
    std::fs::write(repository.path("notes.txt"), "x").unwrap();
    std::fs::write(repository.path(".swap.yml"), "x").unwrap();
    std::fs::write(repository.path("settings.yml"), "a: 3\n").unwrap();
    let line = watching.until("──");
    assert!(line.contains("settings.yml"), "{line}");
    assert!(repository.path("out.xml").exists());
}

#[cfg(unix)]
#[test]
fn it_ends_by_a_signal() {
    let repository = repository();
    let mut watching = Watching::start(&repository, &["suite.yml"]);
    watching.until("1 test: 1 passed");
    std::thread::sleep(Duration::from_millis(100));
    std::process::Command::new("kill").args(["-INT", &watching.child.id().to_string()]).status().unwrap();
    assert_eq!(watching.child.wait().unwrap().code(), Some(130));
}

#[test]
fn it_is_refused_where_nobody_watches() {
    let repository = repository();
    repository.verify(&["suite.yml", "--watch"]).env("CI", "true").run().exits_with(2).says(&["never ends"]);
    repository.shell("verify - --watch < suite.yml").run().exits_with(2).says(&["needs a suite in a file"]);
    repository.verify(&["gone.yml", "--watch", "--bless"]).run().exits_with(2).says(&["cannot be used with"]);
}

#[test]
fn the_last_failures_run_alone_until_they_pass() {
    let suite = |second: &str| {
        format!(
            "version: 1\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ndefaults: {{ object: objects/pod.yaml }}\ncases:\n  - {{ name: a, expect: allow }}\n  - {{ name: b, expect: {second} }}\n  - {{ name: c, expect: allow }}\n"
        )
    };
    let repository = repository();
    let write = |second: &str| std::fs::write(repository.path("suite.yml"), suite(second)).unwrap();
    let run = |code: i32| {
        let run = repository.verify(&["suite.yml", "--last-failed"]).run().exits_with(code);
        run.stdout.lines().last().unwrap().to_owned()
    };
    write("deny");
    assert!(run(1).starts_with("3 tests: "));
    assert!(run(1).starts_with("1 test: 1 failed"));
    // A run of other cases leaves it.
    repository.verify(&["suite.yml", "--filter", "a$"]).run().exits_with(0);
    write("allow");
    assert!(run(0).starts_with("1 test: 1 passed"));
    assert!(run(0).starts_with("3 tests: 3 passed"));
    // CI keeps nothing.
    write("deny");
    repository.verify(&["suite.yml"]).env("CI", "true").run().exits_with(1);
    assert!(run(1).starts_with("3 tests: "));
    repository.verify(&["suite.yml", "--last-failed"]).env("CI", "true").run().exits_with(2).says(&["refused in CI"]);
    repository.verify(&["suite.yml", "--last-failed", "--failed", "x.json"]).run().exits_with(2);
    // A case that is gone is not waited for.
    assert!(run(1).starts_with("1 test: 1 failed"));
    std::fs::write(repository.path("suite.yml"), suite("allow").replace("name: b", "name: renamed")).unwrap();
    assert!(run(0).starts_with("3 tests: 3 passed"));
}
