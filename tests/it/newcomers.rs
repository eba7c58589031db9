//! What a new user gets wrong first, and the message that says what to write.

use crate::support::{POD, Repository};

/// A repository with one policy and these cases.
fn repository(cases: &str) -> Repository {
    Repository::with_suite(&format!(
        "version: 1\nname: s\npolicies:\n  p:\n    uri: safe-labels/policy.wasm\n    metadata: safe-labels/metadata.yml\n    \
         settings: {{ mandatory_labels: [owner] }}\ncases:\n{cases}"
    ))
    .policy("safe-labels")
}

#[test]
fn commands_of_other_tools_have_advice() {
    let repository = Repository::new();
    for (line, message, help) in [
        ("new", "unknown command `new`", "run `verify init POLICY`, which makes a first suite"),
        ("test", "unknown command `test`", "run `verify run`, or `verify suite.yml`"),
        ("test suite.yml", "unknown command `test`", "run `verify run`, or `verify suite.yml`"),
        ("lint suite.yml", "unknown command `lint`", "run `verify list SUITE`"),
        ("validate", "unknown command `validate`", "run `verify list SUITE`"),
        ("scaffold manifest -t x", "unknown command `scaffold manifest`", "run `kwctl scaffold manifest`"),
        ("version", "unknown command `version`", "run `verify --version`"),
        ("watch", "unknown command `watch`", "run `verify --watch`"),
        ("runn suite.yml", "`runn` is neither a command nor a file", "did you mean `verify run`?"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let run = repository.verify(&arguments).run().exits_with(2).reports_nothing();
        run.says(&["error[PV083]", message, help]);
    }
    // A file or folder of such a name is a suite.
    let folder = Repository::new().write("test/suite.yml", "version: 1\n");
    folder.verify(&["test"]).run().exits_with(4).never_says("unknown command");
}

#[test]
fn flags_of_other_tools_have_advice() {
    let repository = repository(&format!("  - {{ name: a, object: {POD}, expect: allow }}\n"));
    for (line, flag, help) in [
        ("suite.yml --junit out.xml", "--junit", "write `--report junit=out.xml`"),
        ("suite.yml --junit", "--junit", "write `--report junit`"),
        ("--html suite.yml", "--html", "write `--report html`"),
        ("suite.yml -o json", "-o", "write `--report json`"),
        ("suite.yml --output=json", "--output", "write `--report json`"),
        ("suite.yml --format junit", "--format", "write `--report junit`"),
        ("suite.yml --format pretty", "--format", "write `--report FORMAT`, one of: human,"),
        ("suite.yml -w", "-w", "write `--watch`"),
        ("suite.yml --parallel 4", "--parallel", "write `--jobs N`"),
        ("suite.yml -k owner", "-k", "write `--filter PATTERN`"),
        ("suite.yml --settings-path s.yml", "--settings-path", "write `settings:` in the suite"),
        ("suite.yml --filtr a", "--filtr", "did you mean `--filter`?"),
        ("list suite.yml -o json", "-o", "write `--format json`"),
        ("suite.yml --banana", "--banana", "run `verify help run` for all flags"),
        ("inspect p.wasm --junit", "--junit", "run `verify help inspect` for all flags"),
    ] {
        let arguments: Vec<&str> = line.split(' ').collect();
        let run = repository.verify(&arguments).run().exits_with(2).reports_nothing();
        run.says(&["error[PV083]", &format!("unexpected argument `{flag}`"), help]).never_says("as a value");
    }
    repository.verify(&["suite.yml", "--report", "json"]).run().exits_with(0);
}

#[test]
fn mistakes_of_yaml_are_told_in_columns_and_lines() {
    for (cases, message, help, line) in [
        (
            "  - name: a\n   object: x\n    expect: allow\n",
            "line 10 is indented by 3, its siblings by 4",
            "indent line 10 by 4 spaces",
            10,
        ),
        ("  - name: a\n\tobject: x\n", "line 10 is indented with a tab", "indent with spaces, not with tabs", 10),
        ("  - name: a\n    name: b\n    expect: allow\n", "duplicate key `name`", "keep one of them", 10),
        (
            "  - name: a\n    object: *pod\n    expect: allow\n",
            "unknown anchor `pod`",
            "define it before: `x-pod: &pod …`",
            10,
        ),
        ("  name: a\n  expect: allow\n", "expected a list, found a mapping", "begin each item with `- `", 9),
    ] {
        let run = repository(cases).verify(&[]).run().exits_with(2).reports_nothing();
        run.says(&[message, help, &format!("suite.yml:{line}:")]);
    }
    let fixture = "apiVersion: v1\nkind: Pod\nmetadata:\n    name: a\n  labels: {}\n";
    let run = repository("  - { name: a, object: pod.yaml, expect: allow }\n").write("pod.yaml", fixture);
    run.verify(&[]).run().exits_with(2).says(&["line 5 is indented by 2, its siblings by 4", "pod.yaml:5:"]);
}

#[test]
fn a_request_that_no_rule_matches_has_the_rules_as_a_list() {
    let ingress = "{ apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: { name: i } }";
    let run =
        repository(&format!("  - {{ name: a, object: {ingress}, expect: allow }}\n")).verify(&[]).run().exits_with(1);
    let lines: Vec<&str> = run.stdout.lines().map(str::trim).collect();
    for line in ["- CREATE, UPDATE pods (v1)", "- CREATE, UPDATE deployments (apps/v1)", "- CREATE namespaces (v1)"] {
        assert!(lines.contains(&line), "{line}\n{run}");
    }
    run.says(&["no rule in the metadata matches CREATE ingresses (networking.k8s.io/v1); rules:"]).says(&[
        "help - add a rule to the metadata if the policy should see such requests - write `expect: not-applicable`",
    ]);
    let run =
        repository(&format!("  - {{ name: a, oldObject: {POD}, expect: allow }}\n")).verify(&[]).run().exits_with(1);
    run.says(&["matches DELETE pods (v1)", "- CREATE, UPDATE pods (v1) (another operation)"]);
    let chart = repository("  - { name: a, objects: chart.yaml, expect: allow }\n").write("chart.yaml", ingress);
    chart
        .verify(&[])
        .run()
        .exits_with(1)
        .says(&["help - write `rules: skip` to pass over objects that no rule matches"]);
    let skipped =
        repository("  - { name: a, objects: chart.yaml, rules: skip, expect: allow }\n").write("chart.yaml", ingress);
    let report = skipped.report(&[]);
    let reason = report.cases()[0]["skip_reason"].as_str().unwrap();
    assert_eq!(reason, "not applicable: no rule in the metadata matches CREATE ingresses (networking.k8s.io/v1)");
}

#[test]
fn rejected_settings_are_at_their_own_line() {
    let case = |settings: &str| {
        format!(
            "  - name: a\n    object: {POD}\n{settings}    expect: allow\n  - {{ name: b, object: {POD}, expect: allow }}\n"
        )
    };
    let own = repository(&case("    settings: { mandatory_label: [x] }\n"));
    let run = own.verify(&[]).run().exits_with(1);
    run.says(&["suite.yml:11 · PV039", "to test a rejection of settings"])
        .quotes(&["settings: { mandatory_label: [x] }"]);
    let text = own.read("suite.yml").replace("mandatory_labels", "mandatory_label");
    let both =
        Repository::with_suite(&text.replace("    settings: { mandatory_label: [x] }\n", "")).policy("safe-labels");
    let run = both.verify(&[]).run().exits_with(1).quotes(&["settings: { mandatory_label: [owner] }"]);
    assert_eq!(run.stdout.matches("PV039").count(), 1, "{run}");
    run.says(&["2 cases", "suite.yml:7 · PV039"]);
}

#[test]
fn a_module_that_is_not_built_has_the_command() {
    let suite = "version: 1\npolicies: { p: { uri: target/wasm32-wasip1/release/labels.wasm } }\ncases: []\n";
    let crate_folder = || Repository::with_suite(suite).write("Cargo.toml", "");
    crate_folder().verify(&[]).run().exits_with(2).says(&[
        "file not found: `target/wasm32-wasip1/release/labels.wasm`",
        "build the policy first: `cargo build --target wasm32-wasip1 --release`",
    ]);
    let debug = crate_folder().write("target/wasm32-wasip1/debug/labels.wasm", "");
    debug.verify(&[]).run().exits_with(2).says(&["did you mean `target/wasm32-wasip1/debug/labels.wasm`?"]);
    let above =
        Repository::new().write("Cargo.toml", "").write("tests/suite.yml", suite.replace("target", "../target"));
    let built = above.write("target/wasm32-wasip1/debug/labels.wasm", "");
    built.verify(&["tests"]).run().exits_with(2).says(&["did you mean `../target/wasm32-wasip1/debug/labels.wasm`?"]);
    let makefile = Repository::with_suite(&suite.replace("target/wasm32-wasip1/release/labels", "policy"))
        .write("Makefile", "policy.wasm: main.go\n\ttinygo build\n");
    makefile.verify(&[]).run().exits_with(2).says(&["build the policy first: `make policy.wasm`"]);
}
