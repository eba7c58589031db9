//! On GitHub: annotations and the job summary are ours, and nothing else in the log is a command.

use std::fmt::Write as _;

use crate::support::runner::{Command, commands};
use crate::support::{Finished, POD, Repository, guests, line_of};

/// Text in the mouth of a stranger.
const HOSTILE: &str = "first\n::error file=a::forged\r\n  ::set-env name=PATH::evil\n##[group]open\na ##[error]b\n\
                       %0A::warning::encoded%0D%0A\n\u{a0}::stop-commands::token\n::add-mask::a\u{1b}[2J\u{2028}::debug::x";

fn suite(cases: &str) -> String {
    format!("version: 1\nname: labels\npolicies:\n  no: {{ uri: no.wasm }}\ncases:\n{}", cases.replace("POD", POD))
}

fn repository(cases: &str) -> Repository {
    Repository::with_suite(&suite(cases)).write("no.wasm", guests::annotated(guests::denying("not today")))
}

fn log(run: &Finished) -> String {
    // The runner reads both streams.
    format!("{}\n{}", run.stdout, run.stderr)
}

fn named<'a>(commands: &'a [Command], name: &str) -> Vec<&'a Command> {
    commands.iter().filter(|command| command.name == name).collect()
}

#[test]
fn each_failed_case_is_one_error_at_its_place() {
    let cases = "  - { name: fine, object: POD, expect: { deny: not today } }\n  \
                 - { name: \"50%: a, b\", object: POD, expect: allow }\n  - name: other words\n    object: POD\n    expect:\n      deny: never\n";
    let repository = repository(cases);
    let run = repository.verify(&[]).on_github().run().exits_with(1);
    let commands = commands(&log(&run));
    let errors = named(&commands, "error");
    assert_eq!(errors.len(), 2, "{run}");
    assert_eq!(commands.len(), 2, "{run}");
    let text = suite(cases);
    for (error, title, marker) in
        [(errors[0], "labels › 50%: a, b", "50%"), (errors[1], "labels › other words", "deny: never")]
    {
        assert_eq!(error.property("title"), title);
        assert_eq!(error.property("file"), "suite.yml");
        assert_eq!(error.property("line"), line_of(&text, marker).to_string());
        assert!(error.data.contains("expected") && error.data.contains("actual"), "{error:?}");
        let name = title.strip_prefix("labels › ").unwrap();
        assert!(error.data.ends_with(&format!("verify suite.yml --filter '{name}' --exact")), "{error:?}");
    }
    assert!(errors[1].data.contains("never") && errors[1].data.contains("not today"));
    assert!(run.stderr.contains("title=labels › 50%25%3A a%2C b::"), "{run}");
    // Pipes stay clean.
    assert_eq!(crate::support::runner::commands(&run.stdout), []);
}

#[test]
fn the_place_is_relative_to_the_repository() {
    let text = suite("  - { name: a, object: POD, expect: allow }\n");
    let repository = Repository::new().write("deep/er/suite.yml", text).write("deep/er/no.wasm", guests::denying("no"));
    let run = repository.verify(&["suite.yml"]).directory("deep/er").on_github().run().exits_with(1);
    assert_eq!(commands(&run.stderr)[0].property("file"), "deep/er/suite.yml");
}

#[test]
fn nothing_is_annotated_elsewhere_or_when_all_is_well() {
    let failing = repository("  - { name: a, object: POD, expect: allow }\n");
    let run = failing.verify(&[]).run().exits_with(1);
    assert_eq!(commands(&log(&run)), []);
    let run = failing.verify(&[]).env("GITHUB_ACTIONS", "false").run().exits_with(1);
    assert_eq!(commands(&log(&run)), []);
    let run = failing.verify(&["--report", "github"]).run().exits_with(1);
    assert_eq!(commands(&run.stderr).len(), 1);
    let run = repository("  - { name: a, object: POD, expect: { deny: not today } }\n").verify(&[]).on_github().run();
    assert_eq!(commands(&log(&run.exits_with(0))), []);
}

#[test]
fn the_tenth_error_stands_for_the_rest() {
    let failing = |count: usize| {
        let mut cases = String::new();
        for n in 0..count {
            let _ = writeln!(cases, "  - {{ name: case {n}, object: POD, expect: allow }}");
        }
        let run = repository(&cases).verify(&["-q"]).on_github().run().exits_with(1);
        commands(&log(&run))
    };
    let ten = failing(10);
    assert_eq!(ten.len(), 10);
    assert_eq!(ten[9].property("title"), "labels › case 9");
    let many = failing(37);
    assert_eq!(named(&many, "error").len(), 10);
    assert_eq!(many.len(), 10);
    assert_eq!(many[9].property("title"), "and 28 more, see the summary");
    for n in 9..37 {
        assert!(many[9].data.contains(&format!("labels › case {n}")), "{n}");
    }
}

#[test]
fn the_summary_is_added_to_what_is_there() {
    let repository = repository(
        "  - { name: a, object: POD, expect: allow }\n  - { name: b, object: POD, expect: { deny: not today } }\n",
    )
    .write("summary.md", "# of the step before\n");
    let path = repository.path("summary.md");
    repository.verify(&[]).on_github().env("GITHUB_STEP_SUMMARY", &path).run().exits_with(1);
    let text = repository.read("summary.md");
    let ours = text.strip_prefix("# of the step before\n").unwrap();
    let first = ours.lines().find(|line| !line.is_empty()).unwrap();
    assert!(first.contains("2 tests: 1 passed, 1 failed"), "{first}");
    assert!(ours.contains("suite.yml:6") && ours.contains("labels › a"), "{ours}");
    repository.verify(&[]).on_github().env("GITHUB_STEP_SUMMARY", &path).run().exits_with(1);
    assert_eq!(repository.read("summary.md").matches("2 tests: 1 passed").count(), 2);
    // Elsewhere the variable is somebody else's.
    repository.verify(&[]).env("GITHUB_STEP_SUMMARY", &path).run().exits_with(1);
    assert_eq!(repository.read("summary.md").matches("2 tests: 1 passed").count(), 2);
}

#[test]
fn guest_output_is_never_a_workflow_command() {
    let reply = serde_json::json!({
        "valid": true, "accepted": false, "message": HOSTILE, "warnings": [HOSTILE], "audit_annotations": { HOSTILE: HOSTILE },
    });
    let cases = "  - { name: message, object: POD, expect: allow }\n  - { name: text, object: POD, expect: { deny: other } }\n  \
                 - { name: warnings, object: POD, expect: { deny: { contains: first }, warnings: [] } }\n  \
                 - { name: notes, object: POD, expect: { deny: { contains: first }, auditAnnotations: {} } }\n  \
                 - { name: whole, object: POD, expect: { response: { allowed: true, status: { message: x } } } }\n  \
                 - { name: refused, policy: refuses, object: POD, expect: allow }\n  \
                 - { name: error, policy: fails, object: POD, expect: allow }\n";
    let cases = cases.replace("{ name: message,", "{ policy: no, name: message,");
    let text = suite(&cases).replace(
        "cases:",
        "  refuses: { uri: refuses.wasm }\n  fails: { uri: fails.wasm }\ndefaults: { policy: no }\ncases:",
    );
    let refusal = serde_json::json!({ "valid": false, "message": HOSTILE });
    let repository = Repository::with_suite(&text)
        .write("no.wasm", guests::annotated(guests::printing_and_replying(HOSTILE, &reply.to_string())))
        .write("refuses.wasm", guests::annotated(guests::replying(&refusal.to_string())))
        .write("fails.wasm", guests::annotated(guests::failing(HOSTILE)));
    for arguments in [
        &[] as &[&str],
        &["-v", "--status=all"],
        &["-v", "--color=always"],
        &["--report=json"],
        &["--report=junit"],
        &["--report=markdown"],
    ] {
        let summary = repository.path("summary.md");
        let run = repository.verify(arguments).on_github().env("GITHUB_STEP_SUMMARY", &summary).run().exits_with(1);
        let found = commands(&log(&run));
        assert_eq!(named(&found, "error").len(), 7, "{arguments:?}\n{run}");
        assert_eq!(found.len(), 7, "{arguments:?}\n{run}");
        for command in &found {
            let names: Vec<&str> = command.properties.iter().map(|(name, _)| name.as_str()).collect();
            assert_eq!(names, ["file", "line", "title"], "{command:?}");
            assert_eq!(command.property("file"), "suite.yml");
        }
        assert!(!log(&run).contains("\u{1b}[2J"), "{arguments:?}");
        // Nor is there one for those who are not on GitHub, or not yet.
        let run = repository.verify(arguments).run().exits_with(1);
        assert_eq!(commands(&log(&run)), [], "{arguments:?}\n{run}");
    }
}

#[test]
fn suite_text_is_never_a_workflow_command() {
    let name = serde_json::to_string(HOSTILE).unwrap();
    let cases = format!(
        "  - {{ name: {name}, object: POD, tags: [{name}], expect: allow }}\n  - {{ name: b, object: POD, skip: {name}, expect: allow }}\n  \
                         - {{ name: c, object: POD, xfail: {name}, expect: allow }}\n"
    );
    let text = suite(&cases).replace("name: labels", &format!("name: {name}"));
    let repository = Repository::with_suite(&text).write("no.wasm", guests::annotated(guests::denying("not today")));
    for arguments in [&["--status=all"] as &[&str], &["--report=json"], &["--report=junit"], &["-v", "--color=always"]]
    {
        let run = repository.verify(arguments).on_github().run().exits_with(1);
        let found = commands(&log(&run));
        assert_eq!((found.len(), found[0].name.as_str()), (1, "error"), "{arguments:?}\n{run}");
    }
    for arguments in [&["list"] as &[&str], &["list", "--format=json"]] {
        let run = repository.verify(arguments).on_github().run().exits_with(0);
        assert_eq!(commands(&log(&run)), [], "{run}");
    }
}

#[test]
fn suite_errors_are_never_workflow_commands() {
    let hostile = serde_json::to_string(HOSTILE).unwrap();
    let text = format!(
        "version: 1\npolicies:\n  {hostile}: {{ uri: no.wasm }}\n  b: {{ uri: {hostile}, variants: {{ {hostile}: {{}} }} }}\ncases:\n  \
         - {{ name: a, policy: zzzz, object: {POD}, expect: allow }}\n  - {{ name: {hostile}, policy: {hostile}, {hostile}: 1, expect: allow }}\n  \
         - {{ name: c, policy: b, variant: zzzz, object: {POD}, expect: allow }}\n  \
         - {{ name: d, policy: b, object: {hostile}, set: {{ {hostile}: 1 }}, expect: {hostile} }}\n"
    );
    let repository = Repository::with_suite(&text).write("no.wasm", guests::annotated(guests::denying("not today")));
    for colour in ["--color=always", "--color=never"] {
        let run = repository.verify(&[colour]).on_github().run().exits_with(2);
        let found = commands(&log(&run));
        assert!(!found.is_empty(), "{run}");
        for command in found {
            assert_eq!((command.name.as_str(), command.property("file")), ("error", "suite.yml"), "{command:?}\n{run}");
        }
        assert!(!run.stderr.contains("\u{1b}[2J"), "{run}");
        assert!(run.stderr.contains("suite.yml:6:"), "{run}");
    }
}

/// Flags that the parser refuses: the step has an annotation, and nothing that was typed is a command.
#[test]
fn refused_flags_are_one_error() {
    let repository = repository("  - { name: a, object: POD, expect: { deny: not today } }\n");
    for (arguments, says) in [
        (&["--no-such-flag"] as &[&str], "unexpected argument"),
        (&["--no-such-flag=##[error]x"], "unexpected argument"),
        (&["--\n::error::forged"], "unexpected argument"),
        (&["-\n##[group]open"], "unexpected argument"),
        (&["--jobs=::error::x"], "invalid value"),
        (&["--jobs", "1\n::error file=a::forged\n  ::set-env name=PATH::evil"], "invalid value"),
        (&["--partition=##[error]x\r\n##vso[task]y"], "invalid value"),
        (&["--report=##[group]x"], "unknown format"),
        (&["--color=\u{1b}[2J::add-mask::a"], "invalid value"),
        (&["--skip=(\n::error::x"], "invalid value"),
        (&["--fail-fast", "--max-fail=2"], "cannot be used with"),
        (&["--dry-run"], "needs"),
        (&["--junit", "::error::.xml"], "unexpected argument"),
        (&["--report=json=a", "--report=tap=./a"], "two reports for the file"),
        (&["explain", "##[error]x\n::error::y"], "invalid value"),
        (&["completions", "::error::\n::error::z"], "invalid value"),
        (&["merge"], "required arguments"),
        (&["push", "--output=\n::error::z"], "invalid value"),
        (&["test"], "unknown command"),
    ] {
        let name = format!("{arguments:?}");
        let run = repository.verify(arguments).on_github().run().named(&name).exits_with(2).reports_nothing();
        let found = commands(&log(&run));
        let [error] = &found[..] else { panic!("{name}: {found:?}\n{run}") };
        assert_eq!(error.name, "error", "{run}");
        assert!(error.property("title").contains(says), "{error:?}");
        assert!(error.data.contains("PV"), "{error:?}");
        let run = repository.verify(arguments).run().named(&name).exits_with(2).says(&[says]);
        assert_eq!(commands(&log(&run)), [], "{run}");
    }
    for (arguments, variable) in [(&["--jobs=x", "--no-annotations"][..], "false"), (&["--jobs=x"], "true")] {
        let run = repository.verify(arguments).on_github().env("VERIFY_NO_ANNOTATIONS", variable).run().exits_with(2);
        assert_eq!(commands(&log(&run)), [], "{run}");
    }
    // What a variable of the environment says is refused in the same way.
    let run = repository.verify(&[]).on_github().env("VERIFY_JOBS", "##[error]x").run().exits_with(2);
    assert_eq!(commands(&log(&run)).len(), 1, "{run}");
}

/// A report that would overwrite the suite is refused before any report is written, the annotation is not.
#[test]
fn refused_outputs_are_one_error() {
    let repository = repository("  - { name: a, object: POD, expect: { deny: not today } }\n");
    let run = repository.verify(&["--report=json=suite.yml"]).on_github().run().exits_with(2);
    let found = commands(&log(&run));
    let [error] = &found[..] else { panic!("{found:?}\n{run}") };
    assert!(error.name == "error" && error.property("title").contains("would overwrite"), "{error:?}");
}

/// What keeps another command from its work is an annotation as well, at its place.
#[test]
fn refusals_of_other_commands_are_one_error() {
    let text = suite("  - { name: a, object: POD, expect: denied }\n");
    let repository = Repository::with_suite(&text)
        .write("bad.yml", "rules: []\n")
        .guest("wapc-accepts")
        .write("no.wasm", guests::denying("no"));
    for (arguments, code, line) in [
        (&["list"] as &[&str], 2, Some("6")),
        (&["list", "gone.yml"], 2, Some("1")),
        (&["inspect", "gone.wasm"], 3, None),
        (&["annotate", "wapc-accepts.wasm", "-m", "bad.yml", "-o", "out.wasm"], 3, Some("1")),
        (&["push", "wapc-accepts.wasm", "::error::/acme/p"], 2, None),
        (&["server-config"], 2, Some("6")),
    ] {
        let name = format!("{arguments:?}");
        let run = repository.verify(arguments).on_github().run().named(&name).exits_with(code);
        let found = commands(&log(&run));
        let [error] = &found[..] else { panic!("{name}: {found:?}\n{run}") };
        assert_eq!(error.name, "error", "{run}");
        assert_eq!(
            error.properties.iter().find(|(key, _)| key == "line").map(|(_, line)| line.as_str()),
            line,
            "{run}"
        );
        assert_eq!(commands(&log(&repository.verify(arguments).run())), [], "{name}");
    }
}
