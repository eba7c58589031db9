//! `verify bench`: what cases cost.

use serde_json::{Value, json};

use crate::support::{Repository, testdata};

/// A policy that compares every label of an object costs more, the more there are.
fn labels() -> Repository {
    let policy = std::fs::read(testdata().join("policies/safe-labels/policy.wasm")).unwrap();
    let metadata = std::fs::read(testdata().join("policies/safe-labels/metadata.yml")).unwrap();
    let suite = "version: 1\n\
                 name: cost\n\
                 policies: { labels: { uri: policy.wasm, metadata: metadata.yml } }\n\
                 defaults: { policy: labels, object: pod.yaml, settings: { mandatory_labels: [owner] } }\n\
                 cases:\n\
                 \x20 - { name: small, expect: allow }\n\
                 \x20 - { name: large, expect: allow, object: large.yaml }\n\
                 \x20 - { name: another, expect: deny }\n";
    let pod = |labels: usize| {
        let labels: Vec<String> = (0..labels).map(|number| format!("label-{number}: x")).collect();
        let labels = [vec!["owner: a".to_owned()], labels].concat().join(", ");
        format!(
            "apiVersion: v1\nkind: Pod\nmetadata: {{ name: web, namespace: default, labels: {{ {labels} }} }}\n\
             spec: {{ containers: [{{ name: web, image: web }}] }}\n"
        )
    };
    let files = [("pod.yaml", pod(0)), ("large.yaml", pod(500))];
    let repository = Repository::with_suite(suite).write("policy.wasm", policy).write("metadata.yml", metadata);
    files.into_iter().fold(repository, |repository, (name, text)| repository.write(name, text))
}

/// The case of a result.
fn case<'a>(costs: &'a Value, name: &str) -> &'a Value {
    let id = format!("cost › {name}");
    costs["cases"].as_array().unwrap().iter().find(|case| case["id"] == id).unwrap()
}

#[test]
fn instructions_are_the_same_each_time_and_grow_with_the_work() {
    let repository = labels();
    let measure = |more: &[&str]| {
        let arguments = [&["bench", "suite.yml", "--rounds=3", "--format=json"], more].concat();
        let run = repository.verify(&arguments).run();
        serde_json::from_str::<Value>(&run.stdout).unwrap()
    };
    let first = measure(&[]);
    repository
        .verify(&["bench", "suite.yml", "--rounds=1"])
        .run()
        .exits_with(1)
        .says(&["not timed: cost › another: failed"]);
    assert_eq!(first["rounds"], 3);
    let number = |costs: &Value, name: &str| case(costs, name)["instructions"].as_u64().unwrap();
    let (small, large) = (number(&first, "small"), number(&first, "large"));
    assert!(large > 2 * small && small > 1_000, "{small} {large}");
    // Alone, or beside others that share the settings.
    for more in [&[][..], &["--filter=small"], &["--code-cache=none"]] {
        assert_eq!(number(&measure(more), "small"), small, "{more:?}");
    }
    let time = |name: &str| case(&first, name)["time"]["median_us"].as_f64().unwrap();
    assert!(time("large") > time("small"), "{first}");
    let untimed = case(&first, "another");
    assert_eq!((&untimed["time"], &untimed["outcome"]), (&Value::Null, &json!("failed")));
    assert_eq!((&untimed["file"], &untimed["line"]), (&json!("suite.yml"), &json!(8)));
}

#[test]
fn a_result_is_compared_with_an_earlier_one() {
    let repository = labels();
    let bench = |more: &[&str]| {
        repository.verify(&[&["bench", "suite.yml", "--rounds=2", "--skip=another"], more].concat()).run()
    };
    bench(&["--save=before.json"]).exits_with(0).says(&["2 cases, 2 rounds: "]);
    let large = repository.read("large.yaml");
    let repository = repository.write("pod.yaml", large);
    let bench = |more: &[&str]| {
        repository.verify(&[&["bench", "suite.yml", "--rounds=2", "--skip=another"], more].concat()).run()
    };
    let run = bench(&["--compare=before.json"]).exits_with(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    // What became dearer comes first, whatever was dear before.
    assert!(lines[1].ends_with("cost › small") && !lines[1].contains("1.00 ×"), "{run}");
    assert!(lines[2].ends_with("cost › large") && lines[2].contains(" 1.00 ×   cost"), "{run}");
    assert!(run.stdout.contains("(the median of 2 cases)"), "{run}");
    bench(&["--compare=before.json", "--filter=small"])
        .exits_with(0)
        .says(&["1 case of the earlier result not measured"]);
    bench(&["--save=-"]).exits_with(2).says(&["--format json"]);
    bench(&["--compare=suite.yml"]).exits_with(2).says(&["cannot use the report `suite.yml`"]);
    bench(&["--compare=gone.json"]).exits_with(2).says(&["gone.json"]);
}

#[test]
fn a_suite_from_stdin_is_read_once() {
    let run = labels().shell("cat suite.yml | verify bench - --rounds=1 --skip=another").run();
    run.exits_with(0).says(&["2 cases, 1 round"]);
}

#[test]
fn what_is_not_timed_is_told_with_its_reason() {
    let with = |case: &str| {
        let repository = labels();
        let suite = repository.read("suite.yml");
        let (head, _) = suite.split_once("cases:").unwrap();
        let suite = format!("{head}cases: [{case}]\n");
        repository.write("suite.yml", suite)
    };
    let bench = |repository: &Repository| repository.verify(&["bench", "suite.yml", "--rounds=1"]).run();
    bench(&with("{ name: a, skip: later, expect: allow }")).exits_with(4).says(&["skipped, later"]);
    let known = "{ name: a, expect: deny, xfail: known }, { name: b, expect: allow }";
    bench(&with(known)).exits_with(0).says(&["1 case, 1 round", "xfailed, known"]);
    bench(&with("{ name: a, expect: deny }")).exits_with(1).says(&["failed, expected"]);
    bench(&with("{ name: a, expect: allow }").write("policy.wasm", b"\0asm")).exits_with(3).says(&["unavailable, "]);
}

#[test]
fn a_result_replaces_nothing_that_is_read() {
    let repository = labels();
    let before = repository.read("suite.yml");
    repository.verify(&["bench", "suite.yml", "--save=suite.yml"]).run().exits_with(2).says(&["suite.yml"]);
    assert_eq!(repository.read("suite.yml"), before);
    repository.verify(&["bench", "suite.yml", "--rounds=0"]).run().exits_with(2);
    repository.verify(&["bench", "suite.yml", "--filter=nothing"]).run().exits_with(4);
}
