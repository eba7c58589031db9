//! How a run goes on: stopping early, repeating, shuffling, running again what failed.

use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{POD, Repository, guests};

/// Twenty cases, of which the fourth and the twelfth fail.
static REPOSITORY: LazyLock<Repository> = LazyLock::new(|| {
    let case = |n: usize| {
        let expect = if [3, 11].contains(&n) { "{ deny: never }" } else { "allow" };
        format!("  - {{ name: case {n}, object: {POD}, expect: {expect} }}\n")
    };
    let cases: String = (0..20).map(case).collect();
    Repository::with_suite(&format!("version: 1\nname: s\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases:\n{cases}"))
        .replying("yes", r#"{"valid":true,"accepted":true}"#)
});

fn outcomes(report: &Value) -> Vec<String> {
    report["cases"].as_array().unwrap().iter().map(|case| case["outcome"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn cases_not_run_after_max_fail_are_errors_in_every_report() {
    for (arguments, failed) in [(&["--fail-fast"] as &[&str], 1), (&["--max-fail=1"], 1), (&["--max-fail=2"], 2)] {
        for no_fail in [&[] as &[&str], &["--no-fail"]] {
            let arguments = [arguments, no_fail, &["-j1", "--report=json=a.json", "--report=junit=a.xml"]].concat();
            let run = REPOSITORY.verify(&arguments).run().exits_with(1);
            let report = REPOSITORY.read_json("a.json");
            let found = outcomes(&report);
            let count = |word: &str| found.iter().filter(|outcome| *outcome == word).count();
            assert_eq!((found.len(), count("failed")), (20, failed), "{run}");
            assert_eq!(report["summary"]["not_run"], count("not-run"));
            assert!(count("not-run") > 0 && run.stdout.contains(&format!("{} not run", count("not-run"))), "{run}");
            let text = REPOSITORY.read("a.xml");
            let document = roxmltree::Document::parse(&text).unwrap();
            let errors = document.root_element().attribute("errors").unwrap();
            assert_eq!(errors.parse(), Ok(count("not-run")), "what is not green looks so everywhere");
            let is_not_run = |node: &roxmltree::Node<'_, '_>| node.attribute("type") == Some("not-run");
            assert_eq!(document.descendants().filter(is_not_run).count(), count("not-run"));
        }
    }
    REPOSITORY.verify(&["--max-fail=3", "--no-fail"]).run().exits_with(0);
    REPOSITORY.verify(&["--fail-fast", "--max-fail=3"]).run().exits_with(2);
    REPOSITORY.verify(&["--max-fail=0"]).run().exits_with(2);
}

#[test]
fn failed_flag_selects_failed_and_not_run_cases() {
    for format in ["json", "ndjson"] {
        REPOSITORY.verify(&["-qq", &format!("--report={format}=last.{format}")]).run().exits_with(1);
        let failed = format!("--failed=last.{format}");
        let list = REPOSITORY.verify(&["list", &failed]).run().exits_with(0);
        assert_eq!(list.stdout, "s › case 3\ns › case 11\n");
        REPOSITORY.verify(&[&failed]).run().exits_with(1).says(&["2 tests: 2 failed"]);
    }
    REPOSITORY.verify(&["-qq", "-j1", "--fail-fast", "--report=json=stopped.json"]).run().exits_with(1);
    let stopped = outcomes(&REPOSITORY.read_json("stopped.json"));
    let list = REPOSITORY.verify(&["list", "--failed=stopped.json"]).run().exits_with(0).stdout;
    assert_eq!(list.lines().count(), stopped.iter().filter(|outcome| *outcome != "passed").count());
    REPOSITORY.verify(&["--failed=gone.json"]).run().exits_with(2).says(&["gone.json", "PV090"]);
}

#[test]
fn a_shuffled_run_prints_its_seed_and_reports_in_suite_order() {
    let plain = REPOSITORY.verify(&["--report=json"]).run().exits_with(1);
    let plain: Value = serde_json::from_str(&plain.stdout).unwrap();
    let shuffled = REPOSITORY.verify(&["--shuffle", "--report=json", "-j1"]).run().exits_with(1);
    let seed: u64 = shuffled.stderr.trim().strip_prefix("verify: --shuffle=").unwrap().parse().unwrap();
    let report: Value = serde_json::from_str(&shuffled.stdout).unwrap();
    assert_eq!(report["seed"], seed);
    let ids =
        |report: &Value| report["cases"].as_array().unwrap().iter().map(|case| case["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&report), ids(&plain));

    // The order in which cases finish is the one the seed makes.
    let order = |seed: u64| {
        let run = REPOSITORY.verify(&[&format!("--shuffle={seed}"), "--report=ndjson", "-j1"]).run().exits_with(1);
        let lines: Vec<Value> = run.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        lines[1..21].iter().map(|case| case["name"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(order(7), order(7));
    assert_ne!(order(7), order(8));
    let mut names = order(7);
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 20);
    REPOSITORY.verify(&["--shuffle=often"]).run().exits_with(2).says(&["a seed is a whole number"]);
}

/// `live.rs` has a policy whose answers do change.
#[test]
fn repeat_passes_for_policies_that_read_the_clock_and_randomness() {
    let guests = [
        ("clock", guests::denying_with("clock_time_get", "i32 i64 i32", "(i32.const 0) (i64.const 1) (i32.const 0)")),
        ("random", guests::denying_with("random_get", "i32 i32", "(i32.const 0) (i32.const 8)")),
    ];
    for (name, guest) in guests {
        let repository = Repository::with_suite(&format!(
            "version: 1\nname: s\npolicies: {{ {name}: {{ uri: {name}.wasm }} }}\n\
             cases: [{{ name: a, object: {POD}, expect: {{ deny: {{ matches: '^[0-9a-f]{{16}}$' }} }} }}]\n"
        ))
        .write(&format!("{name}.wasm"), guest);
        // The expectation holds for any message, which is other in each repetition.
        let run = repository.verify(&["--repeat=5"]).run().exits_with(0);
        run.says(&["1 test: 1 passed", "the message differs from cluster to cluster"]);
        let message = repository.report(&[]).case("a")["response"]["status"]["message"].clone();
        assert_ne!(message, "0000000000000000", "{name} was not read");
    }
    REPOSITORY.verify(&["--repeat=3"]).run().exits_with(1).says(&["18 passed, 2 failed"]).never_says("PV020");
    REPOSITORY.verify(&["--repeat=0"]).run().exits_with(2);
}

#[test]
fn list_explain_prints_the_request_that_a_run_sends() {
    let run = REPOSITORY.verify(&["list", "--explain", "--filter", "case 3$"]).run().exits_with(0);
    let (name, document) = run.stdout.split_once('\n').unwrap();
    assert_eq!(name, "s › case 3");
    let document: Value = serde_json::from_str(document).unwrap();
    assert_eq!(document["request"]["operation"], "CREATE");
    assert_eq!(document["request"]["object"]["metadata"]["name"], "web");
    assert_eq!(document["policy"], "yes");
    assert_eq!(document["settings"], serde_json::json!([{}]));
    let sent = REPOSITORY.verify(&["--report=json", "--filter", "case 3$"]).run();
    let sent: Value = serde_json::from_str(&sent.stdout).unwrap();
    assert_eq!(sent["cases"][0]["request"], document["request"]);
}

#[test]
fn manual_pages_are_printed() {
    let repository = Repository::new();
    let page = repository.verify(&["man"]).run().exits_with(0).stdout;
    assert!(page.contains(".TH verify 1") && page.contains("verify\\-run"), "{page}");
    let page = repository.verify(&["man", "run"]).run().exits_with(0).stdout;
    assert!(page.contains("\\-\\-fail\\-fast"), "{page}");
    repository.verify(&["man", "nothing"]).run().exits_with(2);
}
