//! `snapshot: true`: the whole answer in a file beside the suite, compared on every run and written by `--bless`.

use std::fs;

use serde_json::{Value, json};

use crate::support::{POD, Repository, guests, line_of};

const YES: &str = r#"{"valid":true,"accepted":true}"#;

const HEADING: &str = "# The whole answer to a case: `verify --bless` writes it anew.\n";

fn denying(message: &str) -> String {
    json!({ "valid": true, "accepted": false, "message": message, "code": 403, "warnings": ["careful"] }).to_string()
}

/// A repository with a policy `no` that denies, and these cases.
fn repository(cases: &str) -> Repository {
    let head = format!("version: 1\npolicies: {{ no: {{ uri: no.wasm }} }}\ndefaults: {{ object: {POD} }}\ncases:\n");
    Repository::with_suite(&(head + cases)).replying("no", &denying("no owner"))
}

const CASE: &str = "  - name: labels are listed\n    snapshot: true\n    expect: deny\n";

const KEPT: &str = "snapshots/suite/labels-are-listed.yaml";

/// The files of snapshots, from the folder of the suite.
fn files(repository: &Repository, folder: &str) -> Vec<String> {
    let entries = fs::read_dir(repository.path(folder)).map(|entries| entries.collect::<Vec<_>>()).unwrap_or_default();
    let mut names: Vec<String> =
        entries.into_iter().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn an_answer_is_kept_and_every_other_one_is_a_difference() {
    let repository = repository(CASE);
    let missing = repository.verify(&[]).run().exits_with(1);
    missing.says(&["PV024", "no snapshot: run with `--bless` to write it", KEPT]);
    assert!(!repository.path("snapshots").exists());

    let blessed = repository.verify(&["--bless"]).run().exits_with(0);
    blessed.says(&["wrote 1 snapshot", &format!("+++ b/{KEPT}"), "+message: no owner", "1 test: 1 passed"]);
    let wanted = format!(
        "{HEADING}case: labels are listed\nverdict: deny\nmessage: no owner\ncode: 403\nwarnings:\n- careful\n"
    );
    assert_eq!(repository.read(KEPT), wanted);
    repository.verify(&[]).run().exits_with(0).never_says("weak");

    // The policy changes its mind.
    let repository = repository.replying("no", &denying("no team"));
    let report = repository.report(&[]);
    let case = report.case("labels are listed");
    let suite = repository.read("suite.yml");
    let difference = &case["mismatches"][0];
    assert_eq!(
        (&difference["kind"], &difference["code"], &difference["at"]),
        (&json!("snapshot"), &json!("PV024"), &json!(KEPT))
    );
    assert_eq!(difference["line"], line_of(&suite, "labels are listed"));
    assert!(difference["expected"].as_str().unwrap().contains("\nmessage: no owner\n"), "{difference}");
    assert!(difference["actual"].as_str().unwrap().contains("\nmessage: no team\n"), "{difference}");
    let junit = repository.verify(&["--report=junit"]).run().exits_with(1);
    junit.says(&["type=\"snapshot\"", "- message: no owner", "+ message: no team"]);
    for format in ["human", "html", "markdown", "sarif", "github", "tap", "ndjson"] {
        let run = repository.verify(&["--report", format]).run().named(format).exits_with(1);
        run.says(&["no team", KEPT]);
    }
    let diff = repository.verify(&["--bless"]).run().exits_with(0);
    diff.says(&["-message: no owner +message: no team", "wrote 1 snapshot"]);
    assert_eq!(repository.read(KEPT), wanted.replace("no owner", "no team"));
    repository.verify(&["--bless"]).run().exits_with(0).says(&["no expectation was rewritten"]);
}

#[test]
fn comments_and_layout_of_a_snapshot_are_its_readers_business() {
    let repository = repository(CASE);
    let text = "# Reviewed.\n{ verdict: deny, case: labels are listed, code: 403, warnings: [careful], message: 'no owner' }\n";
    let repository = repository.write(KEPT, text);
    repository.verify(&[]).run().exits_with(0);
    repository.verify(&["--bless"]).run().exits_with(0);
    assert_eq!(repository.read(KEPT), text);
}

/// The expectation and the snapshot are both rewritten, or none of them.
#[test]
fn a_snapshot_stands_beside_the_expectation() {
    let repository = repository("  - { name: labels are listed, snapshot: true, expect: allow }\n");
    repository.verify(&["--bless"]).run().exits_with(0).says(&["of 1 case in 1 file", "wrote 1 snapshot"]);
    assert!(repository.read("suite.yml").contains("expect: { deny: no owner }"));
    assert!(repository.read(KEPT).contains("verdict: deny\n"));

    let left = self::repository(
        "  - { name: labels are listed, snapshot: true, expect: { deny: { contains: x, not: owner } } }\n",
    );
    left.verify(&["--bless"]).run().exits_with(1).says(&["not rewritten", "what `not` excludes"]);
    assert!(!left.path(KEPT).exists());
}

/// What is weak without is not with a snapshot, and stays as it is.
#[test]
fn a_snapshot_makes_an_expectation_strong() {
    let repository = repository(CASE);
    repository.verify(&["--bless"]).run().exits_with(0);
    let before = repository.read("suite.yml");
    repository.verify(&["--bless=all"]).run().exits_with(0);
    repository.verify(&["--bless=weak"]).run().exits_with(0);
    assert_eq!(repository.read("suite.yml"), before);
    assert_eq!(repository.report(&[]).0["summary"]["weak"], 0);
}

#[test]
fn a_snapshot_without_a_case_is_a_mistake_of_the_whole_suite() {
    let repository = repository(&format!("{CASE}  - {{ name: other, tags: [t], expect: deny }}\n"));
    repository.verify(&["--bless"]).run().exits_with(0);
    let old = "snapshots/suite/an-old-name.yaml";
    let repository = repository
        .write(old, "case: an old name\n")
        .write("snapshots/suite/README.md", "What is here.\n")
        .write("snapshots/other/of-another-suite.yaml", "case: x\n");
    for arguments in [&[][..], &["--filter", "other"], &["--tag", "t"], &["--partition", "hash:1/2"]] {
        let run = repository.verify(arguments).run().exits_with(2);
        run.says(&["PV074", &format!("no case has the snapshot `{old}`"), "`--bless=prune`"])
            .never_says("another-suite");
    }
    // It is neither in the way of writing others, nor removed by that.
    repository.verify(&["--bless"]).run().exits_with(2).says(&["no case has the snapshot"]);
    assert!(repository.path(old).exists());
    let pruned = repository.verify(&["--bless=prune", "--filter", "other"]).run().exits_with(0);
    pruned.says(&["removed 1 snapshot without a case", &format!("--- a/{old}"), "-case: an old name"]);
    assert_eq!(files(&repository, "snapshots/suite"), ["README.md", "labels-are-listed.yaml"]);
    repository.verify(&[]).run().exits_with(0);
}

/// The cases that a run leaves out have snapshots all the same.
#[test]
fn a_part_of_a_suite_calls_no_snapshot_unused() {
    let repository = repository(&format!("{CASE}  - {{ name: b, snapshot: true, expect: deny }}\n"));
    repository.verify(&["--bless", "--filter", "listed"]).run().exits_with(0);
    assert_eq!(files(&repository, "snapshots/suite"), ["labels-are-listed.yaml"]);
    repository.verify(&["--filter", "listed"]).run().exits_with(0);
    repository.verify(&[]).run().exits_with(1).says(&["1 failed"]);
    repository.verify(&["--bless"]).run().exits_with(0);
    for arguments in [["--partition", "hash:1/2"], ["--partition", "hash:2/2"], ["--filter", "b$"], ["--skip", "b$"]] {
        let run = repository.verify(&arguments).arg("--allow-empty").run();
        run.exits_with(0);
    }
    // One that is skipped, or is known to fail, still has its file.
    let suite = repository.read("suite.yml").replace("name: b,", "name: b, skip: not now,");
    let repository = repository.write("suite.yml", suite);
    repository.verify(&[]).run().exits_with(0);
}

/// What variables make of the names of cases depends on the run.
#[test]
fn names_that_a_run_gives_make_no_snapshot_unused() {
    let suite = format!(
        "version: 1\nvars: {{ team: a }}\npolicies: {{ no: {{ uri: no.wasm }} }}\ncases:\n  - {{ name: \"of ${{team}}\", snapshot: true, object: {POD}, expect: deny }}\n"
    );
    let repository = Repository::with_suite(&suite).replying("no", &denying("no"));
    repository.verify(&["--bless"]).run().exits_with(0);
    repository.verify(&["--bless", "--var", "team=b"]).run().exits_with(0);
    assert_eq!(files(&repository, "snapshots/suite"), ["of-a.yaml", "of-b.yaml"]);
    repository.verify(&["--var", "team=b"]).run().exits_with(0);
    repository.verify(&["--bless=prune", "--var", "team=b"]).run().exits_with(0);
    assert_eq!(files(&repository, "snapshots/suite"), ["of-a.yaml", "of-b.yaml"]);
    repository.verify(&[]).run().exits_with(2).says(&["no case has the snapshot `snapshots/suite/of-b.yaml`"]);
}

/// Every kind of case has a snapshot of its own.
#[test]
fn every_kind_of_case_has_a_snapshot() {
    let mutated = r#"{"valid":true,"accepted":true,"mutated_object":{"apiVersion":"v1","kind":"Pod","metadata":{"name":"web","namespace":"default"},"spec":{"containers":[{"name":"web","image":"pinned"}]}}}"#;
    let suite = format!(
        "version: 1
policies:
  yes: {{ uri: yes.wasm }}
  no: {{ uri: no.wasm }}
  watching: {{ uri: no.wasm, mode: monitor }}
  mutating: {{ uri: mutating.wasm }}
  picky: {{ uri: picky.wasm }}
  failing: {{ uri: failing.wasm }}
groups:
  both: {{ expression: yes() && no(), message: the group says no, members: {{ yes: {{ policy: yes }}, no: {{ policy: no }} }} }}
defaults: {{ snapshot: true, policy: no, object: {POD} }}
cases:
  - {{ name: 'row ${{n}}', each: [{{ n: 1 }}, {{ n: 2 }}], dryRun: true, expect: deny }}
  - {{ name: matrix, matrix: {{ operation: [CREATE, CONNECT] }}, rules: ignore, operation: '${{operation}}', expect: deny }}
  - {{ name: several, policy: [yes, no], expect: {{ response: {{ uid: 705ab4f5-6393-11e8-b7cc-42010a800002 }} }} }}
  - {{ name: chain, chain: [mutating, no], expect: deny }}
  - {{ name: group, group: both, expect: deny }}
  - {{ name: monitor, policy: watching, expect: allow }}
  - {{ name: raw, raw: {{ a: 1 }}, expect: deny }}
  - {{ name: mutation, policy: mutating, expect: mutate }}
  - {{ name: fault, policy: failing, expect: {{ fault: guest }} }}
  - {{ name: all, objects: all.yaml, expect: deny }}
  - {{ name: without, snapshot: false, expect: deny }}
settingsCases:
  - {{ name: settings, policy: picky, value: {{}}, expect: invalid }}
"
    );
    let all =
        "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\n---\napiVersion: v1\nkind: Pod\nmetadata: { name: b }\n";
    let repository = Repository::with_suite(&suite)
        .replying("yes", YES)
        .write("no.wasm", guests::denying("no owner"))
        .replying("mutating", mutated)
        .replying("picky", r#"{"valid":false,"message":"not like this","accepted":true}"#)
        .write("failing.wasm", guests::failing_when_asked("out of order"))
        .write("all.yaml", all);
    let run = repository.verify(&["--bless"]).run().exits_with(0);
    assert_eq!(
        files(&repository, "snapshots/suite"),
        [
            "all-pod-a-all-yaml.yaml",
            "all-pod-b-all-yaml.yaml",
            "chain.yaml",
            "fault.yaml",
            "group.yaml",
            "matrix-operation-connect.yaml",
            "matrix-operation-create.yaml",
            "monitor.yaml",
            "mutation.yaml",
            "raw.yaml",
            "row-1.yaml",
            "row-2.yaml",
            "settings.yaml",
            "several-no.yaml",
            "several-yes.yaml",
        ],
        "{run}"
    );
    let kept = |name: &str| repository.read(&format!("snapshots/suite/{name}.yaml")).replace(HEADING, "");
    assert_eq!(kept("all-pod-b-all-yaml"), "case: all [Pod b (all.yaml)]\nverdict: deny\nmessage: no owner\n");
    assert_eq!(
        kept("mutation"),
        "case: mutation\nverdict: mutate\npatch:\n- op: remove\n  path: /metadata/labels\n- op: replace\n  path: /spec/containers/0/image\n  value: pinned\n"
    );
    let chain = kept("chain");
    let steps = chain.split_once("steps:\n").unwrap().1;
    assert!(chain.starts_with("case: chain\nverdict: deny\nmessage: no owner\nsteps:\n"), "{chain}");
    assert!(steps.starts_with("- policy: mutating\n  verdict: mutate\n  patch:\n  - op: remove\n"), "{chain}");
    assert!(steps.ends_with("- policy: no\n  verdict: deny\n"), "{chain}");
    let group = kept("group");
    assert!(group.starts_with("case: group\nverdict: deny\nmessage: the group says no\n"), "{group}");
    let members = "members:\n  no:\n    verdict: deny\n    message: no owner\n  yes:\n    verdict: allow\n";
    assert!(group.ends_with(members), "{group}");
    assert_eq!(kept("monitor"), "case: monitor\nverdict: allow\nmonitored:\n  verdict: deny\n  message: no owner\n");
    assert!(kept("fault").starts_with("case: fault\nverdict: fault\nfault:\n  kind: guest\n  message: "));
    assert_eq!(kept("settings"), "case: settings\nverdict: invalid\nmessage: not like this\n");
    repository.report(&[]).all_passed();

    // The line of an object is no part of the name: what is above it may change.
    let repository = repository.write("all.yaml", format!("# Objects.\n{all}"));
    repository.report(&[]).all_passed();
    // Each of them is compared.
    for name in files(&repository, "snapshots/suite") {
        let path = format!("snapshots/suite/{name}");
        let before = repository.read(&path);
        fs::write(repository.path(&path), before.replace("verdict: ", "verdict: x")).unwrap();
        let report = repository.report(&[]);
        let failed: Vec<&Value> = report.cases().iter().filter(|case| case["outcome"] == "failed").collect();
        assert_eq!(failed.len(), 1, "{name}");
        assert_eq!((&failed[0]["mismatches"][0]["at"], &failed[0]["mismatches"][1]), (&json!(path), &Value::Null));
        fs::write(repository.path(&path), before).unwrap();
    }
}

#[test]
fn a_request_that_no_rule_matches_has_a_snapshot() {
    let suite = "version: 1\npolicies: { safe-labels: { uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml, settings: {} } }\ncases:\n  - { name: a, snapshot: true, object: { apiVersion: v1, kind: Binding, metadata: { name: x } }, expect: not-applicable }\n";
    let repository = Repository::with_suite(suite).policy("safe-labels");
    let run = repository.verify(&["--bless"]).run();
    assert_eq!(
        repository.read("snapshots/suite/a.yaml"),
        format!("{HEADING}case: a\nverdict: not-applicable\n"),
        "{run}"
    );
    run.exits_with(0);
}

#[test]
fn an_unexpected_fault_is_never_kept() {
    let repository = repository(CASE).guest("wapc-trap");
    let suite = repository.read("suite.yml").replace("no.wasm", "wapc-trap.wasm");
    let repository = repository.write("suite.yml", suite);
    repository.verify(&["--bless"]).run().exits_with(1).says(&["PV031"]);
    assert!(!repository.path("snapshots").exists());
}

/// The day the case passes, somebody has to notice.
#[test]
fn a_known_failure_needs_no_snapshot() {
    let repository = repository(
        "  - { name: labels are listed, snapshot: true, xfail: \"#41\", expect: allow }\n  - { name: b, expect: deny }\n",
    );
    repository.verify(&["--bless"]).run().exits_with(0);
    assert!(!repository.path("snapshots").exists());
    let suite = repository.read("suite.yml").replace("expect: allow", "expect: deny");
    let repository = repository.write("suite.yml", suite);
    repository.verify(&[]).run().exits_with(1).says(&["PV019"]);
    let repository = repository.write(KEPT, "case: labels are listed\nverdict: deny\nmessage: another one\n");
    repository.verify(&[]).run().exits_with(0);
}

#[test]
fn what_is_no_snapshot_is_a_mistake_at_its_line() {
    for (text, line, says) in [
        ("case: labels are listed\n<<<<<<< ours\nverdict: deny\n=======\n", 2, "PV061"),
        ("case: labels are listed\nverdict: deny\ncase: again\n", 3, "duplicate key `case`"),
        ("# nothing but\n- a list\n", 2, "expected a mapping, found a list"),
        ("", 1, "expected a mapping, found nothing"),
        ("a: 1\n---\nb: 2\n", 3, "PV061"),
    ] {
        let repository = repository(CASE).write(KEPT, text);
        let run = repository.verify(&[]).run().named(text).exits_with(2);
        run.says(&[says, &format!("{KEPT}:{line}"), "run with `--bless` to write the snapshot anew"]);
        repository.verify(&["--bless"]).run().named(text).exits_with(0).says(&["wrote 1 snapshot"]);
        repository.verify(&[]).run().exits_with(0);
    }
    let repository = repository(CASE).write(KEPT, b"\xff\xfe");
    for arguments in [&[][..], &["--bless"]] {
        repository.verify(arguments).run().exits_with(2).says(&["it is not UTF-8 text"]);
    }
    let repository = self::repository(CASE).write(KEPT, "x".repeat(2 << 20));
    repository.verify(&["--max-file-size", "1MiB"]).run().exits_with(2).says(&["it is larger than 1 MiB"]);
}

/// Names come from cases, which a stranger may have called anything.
#[test]
fn no_name_leaves_the_folder_and_no_two_cases_share_a_file() {
    let long = "a".repeat(3000);
    let names = [
        "../../../etc/passwd",
        "/etc/passwd",
        "etc passwd",
        "Etc Passwd",
        "日本",
        "中国",
        "nul",
        "$${x}",
        ". . .",
        &long,
    ];
    let cases: Vec<String> = names
        .iter()
        .map(|name| format!("  - {{ name: {}, snapshot: true, expect: deny }}\n", Value::from(*name)))
        .collect();
    let repository = repository(&cases.concat());
    repository.verify(&["--bless"]).run().exits_with(0).says(&["wrote 10 snapshots"]);
    let found = files(&repository, "snapshots/suite");
    assert_eq!(found.len(), names.len(), "{found:?}");
    for name in &found {
        let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || "-.".contains(letter);
        assert!(name.len() < 120 && name.chars().all(plain) && name.ends_with(".yaml"), "{name}");
    }
    assert_eq!(files(&repository, "snapshots"), ["suite"]);
    repository.report(&[]).all_passed();
}

#[cfg(unix)]
#[test]
fn a_snapshot_is_neither_read_nor_written_through_a_link() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    let secret = outside.path().join("secret.yaml");
    for (link, target) in [(KEPT, "secret.yaml"), ("snapshots/suite", "."), ("snapshots", ".")] {
        fs::write(&secret, "password: x\n").unwrap();
        fs::create_dir_all(outside.path().join("suite")).unwrap();
        let repository = repository(CASE);
        let path = repository.path(link);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        symlink(outside.path().join(target), &path).unwrap();
        for arguments in [&[][..], &["--bless"], &["--bless=prune"]] {
            let run = repository.verify(arguments).run().named(link).exits_with(2);
            run.says(&["is a link"]).never_says("password");
        }
        assert_eq!(fs::read_to_string(&secret).unwrap(), "password: x\n");
        assert!(path.is_symlink());
    }
    // One that leads nowhere would be made by writing.
    let repository = repository(CASE);
    fs::create_dir_all(repository.path("snapshots/suite")).unwrap();
    symlink(outside.path().join("new.yaml"), repository.path(KEPT)).unwrap();
    repository.verify(&["--bless"]).run().exits_with(2).says(&["is a link"]);
    assert!(!outside.path().join("new.yaml").exists());
    // Another suite in a linked folder is fine to read, and not written.
    let repository = self::repository(CASE);
    repository.verify(&["--bless"]).run().exits_with(0);
    symlink(".", repository.path("here")).unwrap();
    repository.verify(&["here/suite.yml"]).run().exits_with(0);
    let repository = repository.replying("no", &denying("no team"));
    repository.verify(&["here/suite.yml", "--bless"]).run().exits_with(2).says(&["is a link inside the repository"]);
}

#[test]
fn snapshots_are_not_written_in_ci_or_for_stdin() {
    let repository = repository(CASE);
    repository.verify(&["--bless"]).env("CI", "true").run().exits_with(2).says(&["`--bless` is refused in CI"]);
    repository.verify(&[]).env("CI", "true").run().exits_with(1).says(&["no snapshot"]);
    repository.shell("verify - < suite.yml").run().exits_with(2).says(&["`snapshot` needs a suite in a file"]);
    assert!(!repository.path("snapshots").exists());
}

#[test]
fn suites_of_a_folder_have_folders_of_their_own() {
    let suite = repository(CASE).read("suite.yml");
    let repository = repository(CASE)
        .write("more.suite.yml", &suite)
        .write("deep/suite.yml", suite.replace("no.wasm", "../no.wasm"));
    repository.verify(&[".", "--bless"]).run().exits_with(0).says(&["wrote 3 snapshots"]);
    assert_eq!(files(&repository, "snapshots"), ["more.suite", "suite"]);
    assert_eq!(files(&repository, "deep/snapshots/suite"), ["labels-are-listed.yaml"]);
    repository.verify(&["."]).run().exits_with(0);
    let repository = repository.write("suite.yaml", suite);
    let run = repository.verify(&["suite.yml"]).run().exits_with(2);
    run.says(&["`suite.yml` and `suite.yaml` would have their snapshots in the same folder"]);
}

/// A folder is searched for files that are called like suites.
#[test]
fn a_snapshot_is_never_taken_for_a_suite() {
    let repository = repository("  - { name: suite, snapshot: true, expect: deny }\n");
    repository.verify(&["--bless"]).run().exits_with(0);
    repository.verify(&["."]).run().exits_with(0).says(&["1 test: 1 passed"]);
}

#[test]
fn lists_and_explanations_name_the_snapshot() {
    let repository = repository(CASE);
    repository.verify(&["list", "--explain"]).run().exits_with(0).says(&[&format!("\"snapshot\": \"{KEPT}\"")]);
    let listed: Value = serde_json::from_str(&repository.verify(&["list", "--format=json"]).run().stdout).unwrap();
    assert_eq!(listed[0]["snapshot"], KEPT);
    repository.verify(&["debug", "labels are listed"]).run().exits_with(1).says(&["no snapshot", KEPT]);
    repository.verify(&["list"]).run().exits_with(0).says(&["suite.yml › labels are listed"]);
}
