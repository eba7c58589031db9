//! What other systems run of ours: a hook for pre-commit, a component for GitLab, a task for Tekton.
#![cfg(unix)]

use std::fs;

use serde_json::Value;

use crate::support::act::{Act, verify};
use crate::support::program::program;
use crate::support::{POD, Repository, guests, project};

fn read(path: &str) -> String {
    fs::read_to_string(project().join(path)).unwrap()
}

/// A repository with two suites whose policy rejects everything; the second one expects something else.
fn two_suites() -> Repository {
    let suite = |expect: &str| {
        format!(
            "version: 1\npolicies: {{ no: {{ uri: no.wasm }} }}\ncases: [{{ name: a, object: {POD}, expect: {expect} }}]\n"
        )
    };
    Repository::new()
        .write("a/suite.yml", suite("{ deny: no }"))
        .write("b/suite.yml", suite("allow"))
        .write("a/no.wasm", guests::denying("no"))
        .write("b/no.wasm", guests::denying("no"))
}

#[test]
fn pre_commit_runs_the_suites_that_changed() {
    let Some(_) = program("pre-commit") else { return };
    let git = "git -c user.name=t -c user.email=t@example.com";
    let hooks = Repository::new().write(".pre-commit-hooks.yaml", read(".pre-commit-hooks.yaml"));
    hooks
        .shell(&format!("git init -q; git add -A; {git} commit -qm hooks"))
        .env("HOME", hooks.path(""))
        .run()
        .exits_with(0);
    let repository = two_suites().write("tools/verify", format!("#!/bin/sh\n{}\n", verify()));
    let home = repository.path("");
    let path = format!("{}:{}", repository.path("tools").display(), std::env::var("PATH").unwrap());
    let run = |script: &str| {
        let script = format!("chmod +x tools/verify; {script}");
        repository
            .shell(&script)
            .env("HOME", &home)
            .env("PATH", &path)
            .env("PRE_COMMIT_HOME", repository.path("kept"))
            .run()
    };
    run(&format!("git init -q; git add -A; {git} commit -qm base")).exits_with(0);
    let hook =
        |hook: &str| format!("pre-commit try-repo --verbose --color never '{}' {hook}", hooks.path("").display());
    run(&format!("echo >> a/suite.yml; git add -A; {}", hook("verify"))).exits_with(0).says(&["1 test: 1 passed"]);
    run(&format!("echo >> b/suite.yml; git add -A; {}", hook("verify")))
        .exits_with(1)
        .says(&["2 tests: 1 passed, 1 failed"]);
    run(&format!("git reset -q --hard; echo > note; git add -A; {}", hook("verify"))).exits_with(0).says(&["Skipped"]);
    run(&format!("git reset -q --hard; echo >> a/no.wasm; git add -A; {}", hook("verify-all")))
        .exits_with(1)
        .says(&["2 tests"]);
}

/// The documents of a component: what may be put in, with the defaults, and the jobs.
fn component(inputs: &[(&str, &str)]) -> Value {
    let text = read("templates/verify/template.yml");
    let (specification, jobs) = text.split_once("\n---\n").unwrap();
    let specification: Value = serde_saphyr::from_str(specification).unwrap();
    let known = specification["spec"]["inputs"].as_object().unwrap();
    let jobs = known.iter().fold(jobs.to_owned(), |jobs, (name, input)| {
        let mark = format!("$[[ inputs.{name} ]]");
        assert!(jobs.contains(&mark), "the input `{name}` is not used");
        let given = inputs.iter().find(|(given, _)| given == name).map(|(_, value)| *value);
        jobs.replace(&mark, given.unwrap_or_else(|| input["default"].as_str().unwrap()))
    });
    assert!(!jobs.contains("$[["), "{jobs}");
    serde_saphyr::from_str(&jobs).unwrap()
}

#[test]
fn component_for_gitlab_runs_a_suite() {
    let Some(act) = Act::new() else { return };
    act.tool("apt-get", "true");
    let version = env!("CARGO_PKG_VERSION");
    for (suite, code, says) in [
        ("a/suite.yml", 0, "1 test: 1 passed"),
        ("*/suite.yml", 1, "2 tests: 1 passed, 1 failed"),
        ("$(touch pwned)", 2, "touch pwned"),
        ("none\\\"; touch pwned; \\\"", 2, "touch pwned"),
    ] {
        // An input is put into the text of a quoted value.
        let jobs = component(&[("version", version), ("suite", suite), ("job", "policies"), ("allow-hosts", "none")]);
        let job = &jobs["policies"];
        let steps = ["before_script", "script"].map(|key| job[key].as_array().unwrap().clone()).concat();
        let script: String = steps.iter().map(|line| format!("{}\n", line.as_str().unwrap())).collect();
        let repository = two_suites();
        let path = format!("{}:{}", act.path("tools").display(), std::env::var("PATH").unwrap());
        let mut run = repository.shell(&format!("set -e\n{script}")).env("PATH", path);
        for (name, value) in job["variables"].as_object().unwrap() {
            run = run.env(name, value["value"].as_str().or(value.as_str()).unwrap());
        }
        run.run().exits_with(code).says(&[says]);
        assert!(!repository.path("pwned").exists());
        assert!(repository.path(job["artifacts"]["reports"]["junit"].as_str().unwrap()).is_file());
    }
}

#[test]
fn task_for_tekton_runs_suites() {
    let task: Value = serde_saphyr::from_str(&read("tekton/verify.yaml")).unwrap();
    let step = &task["spec"]["steps"][0];
    let dockerfile = read("Dockerfile");
    assert!(dockerfile.contains(&format!("ENTRYPOINT [{}]", step["command"][0])), "{step}");
    assert!(dockerfile.contains(&format!("USER {}:", step["securityContext"]["runAsUser"])), "{step}");
    for (suites, flags, code, says) in [
        (&["suite.yml"][..], &[][..], 0, "1 test: 1 passed"),
        (&["suite.yml", "../b/suite.yml"], &["--fail-fast"], 1, "1 failed"),
        (&["$(touch pwned)"], &[], 2, "touch pwned"),
    ] {
        let repository = two_suites();
        let source = repository.path("").display().to_string();
        let lists = [("$(params.suites[*])", suites), ("$(params.flags[*])", flags)];
        let arguments: Vec<String> = step["args"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|argument| {
                let argument = argument.as_str().unwrap();
                match lists.iter().find(|(mark, _)| *mark == argument) {
                    Some((_, values)) => values.iter().map(|value| (*value).to_owned()).collect(),
                    None => vec![argument.replace("$(workspaces.source.path)", &source)],
                }
            })
            .collect();
        assert!(!arguments.iter().any(|argument| argument.contains("$(params")), "{arguments:?}");
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        repository.verify(&arguments).directory("a").run().exits_with(code).says(&[says]);
        assert!(!repository.path("a/pwned").exists());
    }
}
