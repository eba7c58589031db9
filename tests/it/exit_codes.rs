//! What each exit code is for, and that every mistake is told with its file and line.

use crate::support::{POD, Repository, guests, line_of};

/// A suite with one policy that accepts everything; `cases` follow, with their two blanks of indentation.
fn suite(cases: &str) -> String {
    format!("version: 1\nname: table\npolicies:\n  yes: {{ uri: \"yes.wasm\" }}\ncases:\n{}", cases.replace("POD", POD))
}

fn repository(suite: &str) -> Repository {
    Repository::with_suite(suite).guest("wapc-accepts").replying("yes", r#"{"valid":true,"accepted":true}"#)
}

const GOOD: &str = "  - { name: fine, object: POD, expect: allow }\n";

/// Runs a suite with a mistake on the line that holds `# here`; nothing must have been run.
#[track_caller]
fn refuses(text: &str, says: &[&str]) {
    let place = format!("suite.yml:{}:", line_of(text, "# here"));
    let run = repository(text).verify(&["suite.yml"]).run().exits_with(2).reports_nothing().says(says);
    run.says(&[&place, "nothing was run"]);
}

#[test]
fn passing_suite_exits_with_0() {
    repository(&suite(GOOD)).verify(&[]).run().exits_with(0).says(&["1 test: 1 passed"]);
}

#[test]
fn unknown_names_exit_with_2_and_their_line() {
    refuses(&suite("  - name: a\n    objet: POD # here\n    expect: allow\n"), &["unknown key `objet`", "`object`"]);
    refuses(&suite("  - { name: a, policy: yse, object: POD, expect: allow } # here\n"), &["policy `yse`", "`yes`"]);
    refuses(&suite("  - name: ${who} # here\n    object: POD\n    expect: allow\n"), &["who"]);
    refuses(&suite("  - { name: a, object: POD, expect: alow } # here\n"), &["alow", "allow"]);
    refuses(&suite("  - { name: a, object: POD, expect: { fault: oops } } # here\n"), &["oops"]);
    refuses(&suite("  - { name: a, object: POD, variant: strict, expect: allow } # here\n"), &["variant `strict`"]);
    refuses(&suite("  - { name: a, object: POD, timeout: 2, expect: allow } # here\n"), &["a timeout needs a unit"]);
    refuses(&suite("  - { name: a, object: POD, timeout: 2 apples, expect: allow } # here\n"), &["2 apples"]);
    refuses(
        &suite("  - { name: a, object: POD, expect: { deny: { matches: '(' } } } # here\n"),
        &["regular expression"],
    );
    let vars = suite(GOOD).replace("policies:", "vars:\n  idle: 1 # here\npolicies:");
    refuses(&vars, &["unused variable `idle`"]);
    refuses(&suite(GOOD).replace("version: 1", "version: 2 # here"), &["version 2"]);
    refuses(&suite(GOOD).replace("name: table", "requires: '>=99' # here"), &["requires verify >=99"]);
}

#[test]
fn duplicate_case_name_exits_with_2_and_both_lines() {
    let text =
        suite("  - { name: same, object: POD, expect: allow }\n  - { name: same, object: POD, expect: deny } # here\n");
    let first = format!("line {}", line_of(&text, "name: same"));
    refuses(&text, &["duplicate case name `same`", &first]);
}

#[test]
fn missing_file_exits_with_2_and_its_line() {
    refuses(&suite("  - { name: a, object: gone.yaml, expect: allow } # here\n"), &["file not found: `gone.yaml`"]);
    refuses(
        &suite("  - { name: a, objects: gone/*.yaml, expect: allow } # here\n"),
        &["no file matches `gone/*.yaml`"],
    );
    let no_module = suite(GOOD).replace("\"yes.wasm\" }", "gone.wasm } # here");
    refuses(&no_module, &["file not found: `gone.wasm`"]);
    let no_metadata = suite(GOOD).replace("\"yes.wasm\" }", "yes.wasm, metadata: gone.yml } # here");
    refuses(&no_metadata, &["file not found: `gone.yml`"]);
    refuses(
        &suite("  - { name: a, object: POD, replay: gone.yml, expect: allow } # here\n"),
        &["file not found: `gone.yml`"],
    );
    refuses(
        &suite("  - { name: a, object: POD, settings: gone.yml, expect: allow } # here\n"),
        &["file not found: `gone.yml`"],
    );
}

#[test]
fn invalid_yaml_exits_with_2_and_its_line() {
    let text = suite("  - name: a\n    object: [ # here\n    expect: allow\n");
    repository(&text).verify(&[]).run().exits_with(2).reports_nothing().says(&["suite.yml:"]);
    refuses(&suite("  - name: a\n    name: b # here\n    object: POD\n    expect: allow\n"), &["name"]);
    let twice = suite(GOOD) + "cases: [] # here\n";
    refuses(&twice, &["cases"]);
    repository("just a text\n").verify(&[]).run().exits_with(2).says(&["suite.yml:1:1", "expected a mapping"]);
    repository("").verify(&[]).run().exits_with(2).says(&["suite.yml"]);
}

#[test]
fn a_fixture_that_cannot_be_parsed_is_shown_at_its_own_line() {
    let text = suite(
        "  - { name: a, object: broken.yaml, expect: allow }\n  - { name: b, object: broken.json, expect: allow }\n",
    );
    let repository = repository(&text).write("broken.yaml", "a: 1\nb: [\n").write("broken.json", "{\n  \"a\": 1,\n}\n");
    repository.verify(&[]).run().exits_with(2).reports_nothing().says(&[
        "broken.yaml:",
        "broken.json:3:",
        "2 mistakes",
    ]);
}

#[test]
fn nothing_outside_the_repository_is_read() {
    let outside = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(outside.path(), "secret: sesame").unwrap();
    let absolute = outside.path().to_str().unwrap().to_owned();
    for path in ["../outside.yaml", "a/../../outside.yaml", absolute.as_str(), &format!("file://{absolute}")] {
        refuses(&suite(&format!("  - {{ name: a, object: \"{path}\", expect: allow }} # here\n")), &["repository"]);
    }
    for case in ["object: link.yaml", "objects: \"l*.yaml\"", "object: POD, settings: link.yaml"] {
        let text = suite(&format!("  - {{ name: a, {case}, expect: allow }}\n"));
        let repository = repository(&text);
        std::os::unix::fs::symlink(outside.path(), repository.path("link.yaml")).unwrap();
        let run = repository.verify(&[]).run().exits_with(2).reports_nothing();
        run.says(&["is outside the repository", "suite.yml:6:"]).never_says("sesame");
    }
}

#[test]
fn all_mistakes_are_told_in_one_go_in_the_order_of_the_file() {
    let text = suite("  - { name: a, objct: POD, expect: allow }\n  - { name: b, object: gone.yaml, expect: allow }\n")
        + "x-fine: 1\nstray: 1\n";
    let run = repository(&text).verify(&[]).run().exits_with(2).says(&["mistakes"]);
    let places: Vec<usize> =
        ["suite.yml:6:", "suite.yml:7:", "suite.yml:9:"].map(|place| run.stderr.find(place).expect(place)).into();
    assert!(places.is_sorted(), "{run}");
}

#[test]
fn mistakes_of_several_suites_are_told_together() {
    let repository = repository(&suite("  - { name: a, objct: 1, expect: allow }\n"))
        .write("b.suite.yml", suite("  - { name: b, object: gone.yaml, expect: allow }\n"));
    repository.verify(&[]).run().exits_with(2).says(&["suite.yml:6:", "b.suite.yml:6:"]);
}

#[test]
fn gator_suite_and_missing_suite_exit_with_2() {
    let gator = "kind: Suite\napiVersion: test.gatekeeper.sh/v1alpha1\ntests: []\n";
    repository(gator).verify(&[]).run().exits_with(2).says(&["gator", "suite.yml:1:"]);
    repository("").verify(&["gone.yml"]).run().exits_with(2).reports_nothing().says(&["gone.yml"]);
    Repository::new().verify(&[]).run().exits_with(2).says(&["no suite.yml"]);
    Repository::new().verify(&["*.nothing"]).run().exits_with(2).says(&["*.nothing"]);
}

#[test]
fn invalid_flags_exit_with_2() {
    let repository = repository(&suite(GOOD));
    for arguments in [
        &["--frobnicate"] as &[&str],
        &["--filter", "("],
        &["--jobs", "0"],
        &["--report", "pdf"],
        &["--report", "json="],
        &["--status", "loud"],
        &["--var", "novalue"],
        &["--max-memory", "5 bananas"],
        &["--tag", "a,,b"],
    ] {
        repository.verify(arguments).run().exits_with(2).reports_nothing().says(&[arguments[0]]);
    }
    let both = repository.verify(&["--report", "json", "--report", "junit"]).run().exits_with(2).reports_nothing();
    both.says(&["two reports for stdout: `json` and `junit`"]);
    repository.verify(&["--var", "stranger=1"]).run().exits_with(2).says(&["stranger"]);
    repository.verify(&["--help"]).run().exits_with(0);
    repository.verify(&["--version"]).run().exits_with(0);
}

#[test]
fn empty_selection_exits_with_4_unless_allowed() {
    let repository = repository(&suite(GOOD));
    repository
        .verify(&["--filter", "nothing"])
        .run()
        .exits_with(4)
        .reports_nothing()
        .says(&["1 case", "--allow-empty"]);
    repository.verify(&["--filter", "nothing", "--allow-empty"]).run().exits_with(0);
    repository.verify(&["--filter", "nothing", "--no-fail"]).run().exits_with(4);
    repository.verify(&["list", "--filter", "nothing"]).run().exits_with(4);
    self::repository(&suite("  []\n")).verify(&[]).run().exits_with(4);
}

#[test]
fn run_with_only_skipped_cases_exits_with_4() {
    let skipped = "  - { name: later, skip: not now, object: POD, expect: deny }\n".replace("POD", POD);
    let repository = repository(&suite(&skipped));
    repository.verify(&[]).run().exits_with(4).says(&["1 skipped", "--allow-empty"]);
    repository.verify(&["--allow-empty"]).run().exits_with(0);
    self::repository(&(suite(GOOD) + &skipped)).verify(&[]).run().exits_with(0);
}

#[test]
fn only_is_refused_in_ci() {
    let text = suite(
        "  - { name: a, object: POD, expect: deny }\n  - { name: b, object: POD, only: true, expect: allow } # here\n",
    );
    let repository = repository(&text);
    repository.verify(&["--allow-only"]).run().exits_with(0).says(&["1 test"]);
    let place = format!("suite.yml:{}:", line_of(&text, "# here"));
    for name in ["CI", "TF_BUILD"] {
        repository.verify(&[]).env(name, "true").run().exits_with(2).reports_nothing().says(&["`only`", &place]);
    }
    repository.verify(&[]).env("GITHUB_ACTIONS", "true").run().exits_with(2).says(&[&place]);
    repository.verify(&["--allow-only"]).env("CI", "").run().exits_with(0);
}

#[test]
fn a_fault_is_never_a_denial() {
    let denials = "  - { name: strict, object: POD, expect: { deny: \"not today\" } }\n  - { name: loose, object: POD, expect: deny }\n";
    for (guest, kind) in [
        ("wapc-trap", "trap"),
        ("wapc-loop", "timeout"),
        ("wapc-garbage-reply", "invalid-response"),
        ("wapc-guest-error", "settings"),
        ("wapc-succeeds-silently", "settings"),
        ("wapc-init-traps", "init"),
        ("wasi-garbage-reply", "invalid-response"),
        ("wasi-trap", "trap"),
    ] {
        let mode = if guest.starts_with("wasi") { ", executionMode: wasi" } else { "" };
        let timeout = if kind == "timeout" { "100ms" } else { "60s" };
        let text = suite(denials).replace("\"yes.wasm\"", &format!("{guest}.wasm{mode}"));
        let text = text + "  - { name: wanted, object: POD, expect: allow }\n";
        let text = text.replace("cases:", &format!("defaults: {{ timeout: {timeout} }}\ncases:"));
        let repository = Repository::with_suite(&text.replace("POD", POD)).guest(guest);
        repository.verify(&[]).run().exits_with(1).says(&["suite.yml:7"]);
        let report = repository.report(&[]);
        for case in report.cases() {
            assert_eq!(
                (&case["outcome"], &case["fault"]["kind"]),
                (&"error".into(), &kind.into()),
                "{guest}: {case:#}"
            );
            assert_eq!(case["response"], serde_json::Value::Null, "{guest}");
        }
    }
}

#[test]
fn a_denial_is_never_a_fault() {
    let cases = "  - { name: a, object: POD, expect: { fault: guest } }\n  - { name: b, object: POD, expect: allow }\n";
    let repository = repository(&suite(cases)).write("yes.wasm", guests::denying("not today"));
    repository.verify(&[]).run().exits_with(1).says(&["2 failed", "suite.yml:6", "suite.yml:7", "not today"]);
}

#[test]
fn rejected_settings_exit_with_1_and_the_message_of_the_policy() {
    let text = "version: 1\npolicies:\n  labels: { uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml }\ncases:\n  \
                - name: denied and wanted\n    settings: { denied_labels: [a], mandatory_labels: [a] }\n    object: POD\n    expect: deny\n"
        .replace("POD", POD);
    let repository = Repository::with_suite(&text).policy("safe-labels");
    let run = repository.verify(&[]).run().exits_with(1);
    run.says(&["settings", "cannot be denied and mandatory at once: a", "suite.yml:6", "settingsCases"]);
}

#[test]
fn unmocked_host_call_exits_with_1_even_when_the_policy_handles_the_error() {
    // This policy turns the error into a denial of its own, and the suite would even take that denial.
    let text = "version: 1\npolicies:\n  licence:\n    uri: image-licence/policy.wasm\n    metadata: image-licence/metadata.yml\n    \
                settings: { allowed: [MIT] }\ncases:\n  - name: unanswered\n    object: POD\n    expect: deny\n  \
                - name: answered with an error\n    object: POD\n    host: { oci/v1/oci_manifest: { \"ghcr.io/acme/web:1\": { error: down } } }\n    \
                expect: { deny: \"image ghcr.io/acme/web:1: manifest not available: Callback evaluation failure: down\" }\n"
        .replace("POD", POD);
    let repository = Repository::with_suite(&text).policy("image-licence");
    let run = repository.verify(&[]).run().exits_with(1);
    let run = run.says(&["1 passed", "1 error", "suite.yml:8", "no mock for oci/v1/oci_manifest"]);
    let run = run.says(&["host:", "oci/v1/oci_manifest: { \"ghcr.io/acme/web:1\":"]);

    // What is printed is what has to be added: put it in, and the case has its verdict.
    let advice = run.stdout.lines().find(|line| line.contains("oci/v1/oci_manifest: {")).unwrap().trim();
    let entry = format!("    host:\n      {advice}\n");
    let text = text.replacen("    expect: deny\n", &format!("{entry}    expect: deny\n"), 1);
    let manifest = r#"{"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a", "size": 1}, "layers": []}"#;
    let fixed = repository.write("suite.yml", text).write("fixtures/manifest.json", manifest);
    fixed.verify(&[]).run().exits_with(0);
}

#[test]
fn unused_mock_exits_with_1() {
    let text = suite(
        "  - name: a\n    object: POD\n    host:\n      net/v1/dns_lookup_host: { acme.test: [10.0.0.7] } # here\n    expect: allow\n",
    );
    let place = format!("suite.yml:{}", line_of(&text, "# here"));
    repository(&text).verify(&[]).run().exits_with(1).says(&[&place, "net/v1/dns_lookup_host", "acme.test", "unused"]);
}

#[test]
fn allow_does_not_cover_a_mutation() {
    let text = "version: 1\npolicies:\n  labels:\n    uri: default-labels/policy.wasm\n    metadata: default-labels/metadata.yml\n    \
                settings: { labels: { team: a } }\ncases:\n  - { name: a, object: POD, expect: allow }\n  \
                - { name: b, object: POD, expect: accept }\n  - { name: c, object: POD, expect: mutate }\n  \
                - { name: d, object: POD, expect: deny }\n"
        .replace("POD", POD);
    let repository = Repository::with_suite(&text).policy("default-labels");
    repository.verify(&[]).run().exits_with(1).says(&["suite.yml:8", "mutated", "2 passed, 2 failed"]);
    let outcomes = repository.report(&[]);
    assert_eq!(outcomes.outcomes(), [("a", "failed"), ("b", "passed"), ("c", "passed"), ("d", "failed")]);
}

#[test]
fn xfail_exits_with_0_until_the_case_passes() {
    let text = suite(
        "  - { name: known, object: POD, xfail: \"acme#41\", expect: deny }\n  - { name: over, object: POD, xfail: \"acme#42\", expect: allow } # here\n",
    );
    let place = format!("suite.yml:{}", line_of(&text, "# here"));
    let repository = repository(&text);
    repository.verify(&[]).run().exits_with(1).says(&[&place, "acme#42", "1 failed", "1 xfailed"]);
    // Nothing passed: that is no success.
    let run = repository.verify(&["--filter", "known"]).run().exits_with(4);
    run.says(&["no case passed: 1 failed as known, 0 skipped", "--allow-empty"]);
    repository.verify(&["--filter", "known", "--allow-empty"]).run().exits_with(0);
    let with_good = self::repository(
        &(text.clone() + "  - { name: fine, object: POD, expect: allow }\n".replace("POD", POD).as_str()),
    );
    with_good.verify(&["--filter", "known|fine"]).run().exits_with(0);
    assert_eq!(repository.report(&[]).outcomes(), [("known", "xfailed"), ("over", "xpassed")]);
}

#[test]
fn xfail_covers_a_fault_only_by_its_name() {
    let outcome = |guest: &str, rest: &str| {
        let text = format!(
            "version: 1\npolicies: {{ p: {{ uri: {guest}.wasm }} }}\ncases:\n  - {{ name: a, object: {POD}, timeout: 200ms, {rest} }}\n"
        );
        let repository = Repository::with_suite(&text).write("denies.wasm", guests::denying("no"));
        let repository = if guest.starts_with("wapc") { repository.guest(guest) } else { repository };
        let report = repository.report(&[]);
        report.outcomes()[0].1.to_owned()
    };
    for (guest, rest, wanted) in [
        ("wapc-trap", "expect: allow, xfail: known", "error"),
        ("wapc-loop", "expect: allow, xfail: known", "error"),
        ("wapc-trap", "expect: allow, xfail: { reason: known }", "error"),
        ("wapc-trap", "expect: allow, xfail: { reason: known, fault: trap }", "xfailed"),
        ("wapc-loop", "expect: allow, xfail: { reason: known, fault: timeout }", "xfailed"),
        ("wapc-trap", "expect: allow, xfail: { reason: known, fault: timeout }", "error"),
        ("wapc-loop", "expect: allow, xfail: { reason: known, fault: trap }", "error"),
        ("wapc-garbage-reply", "expect: allow, xfail: { reason: known, fault: invalid-response }", "xfailed"),
        // A mismatch is not that fault.
        ("denies", "expect: allow, xfail: { reason: known, fault: trap }", "failed"),
        ("denies", "expect: allow, xfail: { reason: known }", "xfailed"),
        ("denies", "expect: allow, xfail: known", "xfailed"),
        ("wapc-accepts", "expect: allow, xfail: { reason: known, fault: trap }", "xpassed"),
        ("wapc-trap", "expect: { fault: trap }, xfail: { reason: known, fault: trap }", "xpassed"),
        ("wapc-trap", "expect: { fault: timeout }, xfail: known", "error"),
    ] {
        assert_eq!(outcome(guest, rest), wanted, "{guest} {rest}");
    }
    let text = format!(
        "version: 1\npolicies: {{ p: {{ uri: wapc-trap.wasm }} }}\ncases:\n  - {{ name: a, object: {POD}, expect: allow, xfail: 'acme#1' }}\n"
    );
    let run = Repository::with_suite(&text).guest("wapc-trap").verify(&[]).run().exits_with(1);
    run.says(&["`xfail` covers no such fault", "xfail: { reason: \"acme#1\", fault: trap }"]);
    for (xfail, says) in [
        ("{ reason: a, fault: internal }", "internal"),
        ("{ reason: a, fault: settings }", "settings"),
        ("{ reason: a, fault: crash }", "crash"),
        ("{ reason: '', fault: trap }", "the reason is empty"),
        ("{ fault: trap }", "reason"),
        ("{ reason: a, kind: trap }", "kind"),
    ] {
        refuses(&suite(&format!("  - {{ name: a, object: POD, expect: allow, xfail: {xfail} }} # here\n")), &[says]);
    }
}

#[test]
fn only_is_refused_where_nobody_watches() {
    let text =
        suite("  - { name: a, object: POD, expect: deny }\n  - { name: b, object: POD, only: true, expect: allow }\n");
    let repository = repository(&text);
    for arguments in [&[][..], &["--report=json"], &["--report=junit=j.xml"]] {
        let run = repository.verify(arguments).run().exits_with(2);
        run.says(&["`only` would hide the other cases, and is refused where stdout is no terminal", "`--allow-only`"]);
    }
    repository.verify(&[]).env("VERIFY_ALLOW_ONLY", "true").run().exits_with(0);
    repository.verify(&["--allow-only"]).env("CI", "true").run().exits_with(2).says(&["is refused in CI"]);
    repository.verify(&["list"]).run().exits_with(0);
    #[cfg(target_os = "linux")]
    if let Some(run) = repository.terminal("verify suite.yml") {
        run.run().exits_with(0).says(&["1 test: 1 passed"]);
    }
}

#[test]
fn a_run_in_which_nothing_passed_is_no_success() {
    let skipped = "  - { name: later, skip: not now, object: POD, expect: deny }\n";
    let known = "  - { name: known, object: POD, xfail: '#1', expect: deny }\n";
    let good = "  - { name: good, object: POD, expect: allow }\n";
    for (cases, code, conclusion) in [
        ([skipped, ""], 4, "error"),
        ([known, ""], 4, "error"),
        ([known, skipped], 4, "error"),
        ([known, good], 0, "success"),
        ([skipped, good], 0, "success"),
    ] {
        let repository = repository(&suite(&cases.concat()));
        let run = repository.verify(&["--report=json=whole.json"]).on_github();
        run.env("GITHUB_OUTPUT", repository.path("outputs")).run().exits_with(code);
        assert!(repository.read("outputs").contains(&format!("conclusion={conclusion}\n")), "{cases:?}");
        repository.verify(&["--allow-empty"]).run().exits_with(0);
        // A part may have nothing that passes; the whole may not.
        repository.verify(&["--partition=hash:1/1", "--report=json=part.json"]).run().exits_with(0);
        repository.verify(&["merge", "part.json"]).run().exits_with(code);
        repository.verify(&["merge", "part.json", "--allow-empty"]).run().exits_with(0);
        repository.verify(&["--no-fail"]).run().exits_with(code);
    }
}

#[test]
fn skip_until_ends_on_its_date() {
    let text = suite(
        "  - { name: long ago, object: POD, skip: { reason: later, until: 2020-01-31 }, expect: deny }\n  \
         - { name: not yet, object: POD, skip: { reason: later, until: 2999-01-31 }, expect: deny }\n  \
         - { name: simply, object: POD, skip: no reason, expect: deny }\n",
    );
    let repository = repository(&text);
    repository.verify(&[]).run().exits_with(1).says(&["1 failed, 2 skipped"]);
    assert_eq!(
        repository.report(&[]).outcomes(),
        [("long ago", "failed"), ("not yet", "skipped"), ("simply", "skipped")]
    );
    refuses(&suite("  - { name: a, object: POD, skip: { reason: b, until: soon }, expect: deny } # here\n"), &["soon"]);
}

#[test]
fn expectations_that_match_everything_exit_with_2() {
    for (expect, says) in [
        ("{ response: { alowed: null } }", "did you mean `allowed`?"),
        ("{ response: { status: { mesage: null } } }", "did you mean `message`?"),
        ("{ response: {} }", "matches any response"),
        ("{ deny: { contains: \"\" } }", "an empty `contains` matches any message"),
        ("{ deny: { matches: \".*\" } }", "matches any message"),
        ("{ mutate: { includes: [] } }", "an empty `includes` matches any patch"),
        ("{ mutate: { includes: [{}] } }", "an empty `includes` matches any patch"),
        ("{ allow: , warnings: }", "`warnings` is empty"),
        ("{ allow: , calls: }", "`calls` is empty"),
        ("not-applicable, rules: ignore", "cannot be combined"),
        ("allow, xfail: \"\"", "the reason is empty"),
        ("allow, skip: \" \"", "the reason is empty"),
    ] {
        refuses(&suite(&format!("  - {{ name: a, object: POD, expect: {expect} }} # here\n")), &[says]);
    }
}

#[test]
fn xfail_does_not_cover_rejected_settings() {
    let text = "version: 1\npolicies:\n  labels: { uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml }\ncases:\n  \
                - { name: a, object: POD, settings: { mandatory_labels: 5 }, expect: deny, xfail: some day }\n"
        .replace("POD", POD);
    Repository::with_suite(&text)
        .policy("safe-labels")
        .verify(&[])
        .run()
        .exits_with(1)
        .says(&["rejects these settings"]);
}

#[test]
fn rejected_settings_of_a_policy_are_reported_once() {
    let text = "version: 1\npolicies:\n  labels:\n    uri: safe-labels/policy.wasm\n    metadata: safe-labels/metadata.yml\n    \
                settings: { mandatory_labels: 5 }\ncases:\n  - { name: first, object: POD, expect: allow }\n  \
                - { name: second, object: POD, expect: deny }\n"
        .replace("POD", POD);
    let repository = Repository::with_suite(&text).policy("safe-labels");
    let run = repository.verify(&["--report", "tap=report.tap"]).run().exits_with(1);
    assert_eq!(run.stdout.matches("the policy rejects these settings").count(), 1, "{run}");
    run.says(&["settings: {\"mandatory_labels\":5}", "2 cases", "cases first second", "2 errors"]);
    let tap = repository.read("report.tap");
    assert_eq!(tap.matches("\nnot ok").count(), 2, "{tap}");
}

#[test]
fn request_outside_the_rules_exits_with_1_unless_expected() {
    let text = "version: 1\npolicies:\n  labels: { uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml }\ncases:\n  \
                - { name: deletes, oldObject: POD, expect: allow }\n"
        .replace("POD", POD);
    let run = Repository::with_suite(&text).policy("safe-labels").verify(&[]).run().exits_with(1);
    run.says(&["suite.yml:5", "not-applicable", "rules: ignore", "1 error"]);
}

#[test]
fn unwritable_report_exits_with_2_before_any_case_runs() {
    let repository = repository(&suite(GOOD));
    let run = repository.verify(&["--report", "junit=suite.yml/report.xml"]).run().exits_with(2).reports_nothing();
    run.says(&["suite.yml/report.xml"]);
}

#[cfg(target_os = "linux")]
#[test]
fn report_on_a_full_disk_exits_with_2() {
    let repository = repository(&suite(GOOD));
    let full = ["json", "junit", "ndjson"].map(|format| format!("--report={format}=/dev/full"));
    let run = repository
        .verify(&full.each_ref().map(String::as_str))
        .arg("--report=html=a.html")
        .on_github()
        .env("GITHUB_OUTPUT", repository.path("out"))
        .run()
        .exits_with(2)
        .says(&["1 passed"]);
    assert_eq!(run.stderr.matches("cannot write the report `/dev/full`").count(), 3, "{run}");
    // What can be written is.
    assert!(repository.read("a.html").contains("</html>"));
    assert!(repository.read("out").contains("conclusion=error\n"));
}

#[test]
fn closed_stdout_is_not_a_failure() {
    repository(&suite(GOOD)).shell("{ verify --status all; echo code $? >&2; } | true").run().says(&["code 0"]);
}

#[test]
fn unavailable_policy_exits_with_3_and_the_others_run() {
    let text = suite(GOOD)
        .replace("cases:", "  no: { uri: no.wasm }\n  metadata: { uri: yes.wasm, metadata: bad.yml }\ncases:")
        + "  - { name: other, policy: no, object: POD, expect: allow }\n  - { name: wrong, policy: yes, object: POD, expect: deny }\n";
    let text = text.replace("{ name: fine,", "{ name: fine, policy: yes,").replace("POD", POD);
    let repository = repository(&text).write("no.wasm", "this is no module").write("bad.yml", "rules: 7\n");
    let run = repository.verify(&[]).run().exits_with(3);
    let run = run.says(&["1 passed", "1 failed", "2 errors", "suite.yml:5", "no.wasm", "bad.yml:1"]);
    drop(run);
    // A policy that no case uses has an error of its own, so that no report is all green beside exit code 3.
    let outcomes = [("policy metadata", "error"), ("fine", "passed"), ("other", "error"), ("wrong", "failed")];
    assert_eq!(repository.report(&[]).outcomes(), outcomes);
    repository.verify(&["--no-fail"]).run().exits_with(3);
    // Only what is asked for has to be there.
    repository.verify(&["--filter", "fine"]).run().exits_with(0);
    repository.verify(&["--filter", "wrong"]).run().exits_with(1);
    repository.verify(&["--filter", "other"]).run().exits_with(3);
}

#[test]
fn unused_unavailable_policy_exits_with_3_in_a_full_run() {
    let text = suite(GOOD)
        .replace("cases:", "  no: { uri: no.wasm }\ncases:")
        .replace("{ name: fine,", "{ name: fine, policy: yes,");
    let repository = repository(&text).write("no.wasm", "\0asm\x01\0\0\0");
    let run = repository.verify(&[]).run().exits_with(3);
    run.says(&["1 passed", "suite.yml:5"]);
}

#[test]
fn no_fail_ignores_failures_but_not_errors() {
    let repository = repository(&suite("  - { name: a, object: POD, expect: deny }\n"));
    repository.verify(&["--no-fail"]).run().exits_with(0).says(&["1 failed"]);
    repository.verify(&[]).env("VERIFY_NO_FAIL", "true").run().exits_with(0);
    repository.verify(&["--no-fail", "--frobnicate"]).run().exits_with(2);
    repository.verify(&["--no-fail", "gone.yml"]).run().exits_with(2);
}

#[test]
fn exit_code_is_the_same_for_every_report_format() {
    let repository = repository(&suite("  - { name: a, object: POD, expect: deny }\n"));
    for format in ["human", "junit", "json", "github", "markdown"] {
        repository.verify(&["--report", format]).run().exits_with(1);
    }
}

#[test]
fn empty_selection_suggests_similar_names() {
    let cases = "  - { name: pod alone, tags: [wording], object: POD, expect: allow }\n";
    let repository = repository(&suite(cases));
    let run = repository.verify(&["--exact", "--filter", "pod alome"]).run().exits_with(4);
    let run = run.says(&["no case is called `pod alome`: did you mean `pod alone`?", "`verify list` prints the names"]);
    let list = run.stderr.find("verify list").unwrap();
    assert!(list < run.stderr.find("--allow-empty").unwrap(), "the cure before the way out\n{run}");
    let run = repository.verify(&["--tag", "wordnig"]).run().exits_with(4);
    run.says(&["no case has the tag `wordnig`: did you mean `wording`?"]);
    repository.verify(&["--tag", "unheard"]).run().exits_with(4).says(&["the tags are `wording`"]);
}

#[test]
fn suite_without_cases_exits_with_4() {
    let repository = repository("version: 1\nname: table\npolicies: { yes: { uri: yes.wasm } }\n");
    repository.verify(&[]).run().exits_with(4).says(&["`suite.yml` has no cases: write `cases:`"]);
}

#[test]
fn module_or_manifest_instead_of_a_suite_is_identified() {
    let repository =
        repository(&suite(GOOD)).write("pod.yaml", "apiVersion: v1\nkind: Pod\nmetadata: { name: a }\nspec: {}\n");
    repository.verify(&["yes.wasm"]).run().exits_with(2).says(&[
        "`yes.wasm` is a module, not a suite",
        "`policies:` of a suite",
        "`verify inspect yes.wasm`",
    ]);
    let run = repository.verify(&["pod.yaml"]).run().exits_with(2);
    run.says(&["this is a Kubernetes manifest (`Pod`), not a suite", "invalid suite: 1 mistake; nothing was run"]);
    repository
        .verify(&["inspct"])
        .run()
        .exits_with(2)
        .says(&["`inspct` is neither a command nor a file", "did you mean `verify inspect`?"]);
    repository.verify(&["gone.suite.yml"]).run().exits_with(2).never_says("did you mean");
}

#[test]
fn var_for_a_suite_without_vars_quotes_no_source() {
    let repository = repository(&suite(GOOD));
    let run = repository.verify(&["--var", "a=b"]).run().exits_with(2);
    let run = run.says(&["unknown variable `a` of `--var`: the suite `suite.yml` has no `vars:`"]);
    run.never_says("nothing may stand here").never_says("version: 1");
}

/// Help that names what is outside would show a stranger what the machine has.
#[cfg(unix)]
#[test]
fn nothing_outside_is_named_in_help() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("id_rsa_work.yaml"), "secret").unwrap();
    std::fs::write(outside.path().join("Makefile"), "policy.wasm:\n").unwrap();
    let object = |path: &str| suite(&format!("  - {{ name: a, object: '{path}', expect: allow }} # here\n"));
    for path in ["away/id_rsa_work.yml", "away/id_rsa_wrok.yaml", "away/gone.yaml", "sub/../away/id_rsa_work.yml"] {
        let repository = repository(&object(path)).write("sub/.keep", "");
        symlink(outside.path(), repository.path("away")).unwrap();
        let run = repository.verify(&[]).run().exits_with(2).never_says("id_rsa_work.yaml").never_says("secret");
        run.says(&["is outside the repository"]).never_says("not found");
    }
    let module = suite(GOOD).replace("\"yes.wasm\"", "away/policy.wasm");
    let repository = repository(&module);
    symlink(outside.path(), repository.path("away")).unwrap();
    repository.verify(&[]).run().exits_with(2).says(&["is outside the repository"]).never_says("make policy.wasm");
    // Inside, help is as it was.
    let inside = self::repository(&object("sub/pod.yml")).write("sub/pod.yaml", POD);
    inside.verify(&[]).run().exits_with(2).says(&["did you mean `sub/pod.yaml`?"]);
}

#[test]
fn arguments_are_no_commands_of_a_runner() {
    for argument in [
        "--filter=(\n::error::pwned",
        "--no-such\n::error::pwned",
        "--jobs=##[error]pwned",
        "--report=a\n  ::warning::x",
    ] {
        let run = repository(&suite(GOOD)).verify(&[argument]).run().exits_with(2);
        let text = format!("{}\n{}", run.stdout, run.stderr);
        assert!(!text.lines().any(|line| line.trim_start().starts_with("::")) && !text.contains("##["), "{text}");
    }
    for arguments in [&["list", "--format=\n::error::x"][..], &["inspect", "-o", "\n::error::x"], &["no\n::error::x"]] {
        let run = repository(&suite(GOOD)).verify(arguments).run().exits_with(2);
        assert!(!run.stderr.lines().any(|line| line.trim_start().starts_with("::")), "{run}");
    }
}
