//! Shards on several machines, which are processes here, and their reports made one.

use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{BINARY, POD, Repository};

/// Two suites with every outcome and a policy no case uses; which cases go wrong is chosen by `bad`.
fn repository(bad: &str) -> Repository {
    let one = format!(
        "version: 1
name: one
policies:
  yes: {{ uri: yes.wasm }}
  no: {{ uri: no.wasm }}
  trap: {{ uri: trap.wasm }}
  idle: {{ uri: idle.wasm }}
cases:
  - {{ name: \"row ${{n}}\", policy: [yes, no], matrix: {{ n: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9] }}, object: POD, set: {{ metadata.labels.n: \"${{n}}\" }}, expect: accept, xfail: all of no }}
  - {{ name: denied, policy: no, object: POD, expect: {{ deny: not today }} }}
  - {{ name: later, policy: no, object: POD, skip: not now, expect: deny }}
  - {{ name: known, policy: trap, object: POD, xfail: {{ reason: \"acme#1\", fault: trap }}, expect: allow }}
  - {{ name: weak, policy: no, object: POD, expect: deny }}
{bad}settingsCases:
  - {{ name: taken, policy: yes, value: {{}}, expect: valid }}
"
    )
    .replace(", expect: accept, xfail: all of no", ", expect: { response: { uid: 705ab4f5-6393-11e8-b7cc-42010a800002 } }")
    .replace("POD", POD);
    let two = format!(
        "version: 1\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases: [{{ name: fine, object: {POD}, expect: allow }}]\n"
    );
    Repository::with_suite(&one)
        .write("two.suite.yml", two)
        .replying("yes", r#"{"valid":true,"accepted":true}"#)
        .replying("idle", r#"{"valid":true,"accepted":true}"#)
        .replying("no", r#"{"valid":true,"accepted":false,"message":"not today"}"#)
        .write("trap.wasm", crate::support::guests::from_testdata("wapc-trap"))
}

const FAILURES: &str = "  - { name: wrong, policy: no, object: POD, expect: { deny: never } }\n  \
                        - { name: trapped, policy: trap, object: POD, expect: allow }\n";

static FAILING: LazyLock<Repository> = LazyLock::new(|| repository(FAILURES));

/// Runs N shards beside each other, as N machines would; their exit codes.
fn run_shards(repository: &Repository, by: &str, of: usize, format: &str, more: &[&str]) -> Vec<Option<i32>> {
    let start = |number: usize| -> Child {
        let mut command = Command::new(BINARY);
        command.env_clear().current_dir(repository.path(""));
        command.args(["run", "suite.yml", "two.suite.yml", "-qq", &format!("--partition={by}:{number}/{of}")]);
        command.arg(format!("--report={format}={by}-{number}-of-{of}.{format}")).args(more);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let shards: Vec<Child> = (1..=of).map(start).collect();
    shards.into_iter().map(|mut shard| shard.wait().unwrap().code()).collect()
}

fn reports(by: &str, of: usize, format: &str) -> Vec<String> {
    (1..=of).map(|number| format!("{by}-{number}-of-{of}.{format}")).collect()
}

/// Takes out what differs from run to run: times, and which compiler was first.
fn timeless(report: &Value) -> Value {
    let mut report = report.clone();
    for key in ["started_at", "duration_us"] {
        report.as_object_mut().unwrap().remove(key);
    }
    report["summary"].as_object_mut().unwrap().remove("duration_ms");
    for (list, key) in [("cases", "duration_us"), ("policies", "compile_us"), ("policies", "compilers")] {
        for entry in report[list].as_array_mut().unwrap() {
            entry.as_object_mut().unwrap().remove(key);
        }
    }
    report
}

#[test]
fn merged_shards_equal_the_undivided_run() {
    for (name, repository) in [("green", &repository("")), ("failing", &*FAILING)] {
        let whole = repository.verify(&["suite.yml", "two.suite.yml", "--report", "json=whole.json", "-qq"]).run();
        let code = if name == "green" { 0 } else { 1 };
        let whole_code = whole.exits_with(code).stdout;
        let counts = whole_code.split(" · ").next().unwrap().to_owned();
        for (of, by, format) in [
            (1, "hash", "json"),
            (2, "hash", "ndjson"),
            (3, "policy", "json"),
            (3, "hash", "json"),
            (7, "hash", "json"),
            (7, "policy", "ndjson"),
        ] {
            let codes = run_shards(repository, by, of, format, &[]);
            assert!(codes.iter().all(|found| [Some(0), Some(code)].contains(found)), "{name} {by}:{of} {codes:?}");
            assert!(codes.contains(&Some(code)), "{name} {by}:{of} {codes:?}");
            let mut files = reports(by, of, format);
            for _ in 0..2 {
                // Whatever order they come in.
                files.reverse();
                let mut merge = repository.verify(&["merge", "-qq", "--report", "json=merged.json"]);
                for file in &files {
                    merge = merge.arg(file);
                }
                let merged = merge.run().exits_with(code);
                assert!(merged.stdout.starts_with(&counts), "{merged}");
                let (whole, merged) = (repository.read_json("whole.json"), repository.read_json("merged.json"));
                assert_eq!(timeless(&merged), timeless(&whole), "{name} {by}:{of}");
            }
        }
    }
}

/// Runs the whole with these arguments and then its shards; the cases of both by name and outcome.
fn whole_and_merged(repository: &Repository, by: &str, more: &[&str]) -> (Vec<String>, Vec<String>) {
    let cases = |file: &str| -> Vec<String> {
        let report = repository.read_json(file);
        let case = |case: &Value| format!("{} {}", case["id"], case["outcome"]);
        report["cases"].as_array().unwrap().iter().map(case).collect()
    };
    let whole = ["run", "suite.yml", "two.suite.yml", "-qq", "--report=json=whole.json"];
    repository.verify(&[&whole[..], more].concat()).run();
    run_shards(repository, by, 3, "json", more);
    let mut merge = repository.verify(&["merge", "-qq", "--report=json=merged.json"]);
    for file in reports(by, 3, "json") {
        merge = merge.arg(&file);
    }
    merge.run();
    (cases("whole.json"), cases("merged.json"))
}

#[test]
fn what_is_selected_in_any_way_is_divided_and_adds_up_again() {
    let only = repository(FAILURES);
    let text = only.read("suite.yml");
    let marked = ["name: denied,", "name: wrong,", "name: weak,", "name: trapped,"];
    let marked = marked.iter().fold(text, |text, name| text.replace(name, &format!("only: true, {name}")));
    let only = only.write("suite.yml", marked);
    let failing = repository(FAILURES);
    failing.verify(&["suite.yml", "two.suite.yml", "--report=json=last.json", "-qq"]).run().exits_with(1);
    for by in ["hash", "policy"] {
        for (repository, more, number) in [
            (&only, &["--allow-only"] as &[&str], 4),
            (&only, &["--allow-only", "--filter", "wrong|weak"], 2),
            (&failing, &["--failed=last.json"], 2),
            (&failing, &["--repeat=2", "--shuffle=7"], 28),
            (&failing, &["--filter", "row", "--skip", "[13579]"], 10),
        ] {
            let (whole, merged) = whole_and_merged(repository, by, more);
            assert_eq!((whole.len(), &merged), (number, &whole), "{by} {more:?}");
        }
    }
    // Where somebody may have forgotten it, no shard runs.
    let verify = only.verify(&["suite.yml", "--partition=hash:1/3"]).env("CI", "true").run();
    verify.exits_with(2).reports_nothing().says(&["`only` would hide the other cases"]);
}

#[test]
fn shards_stop_each_for_itself_and_what_they_left_out_is_not_green() {
    let after = "  - { name: after no, policy: no, object: POD, expect: { deny: not today } }\n  \
                 - { name: after trap, policy: trap, object: POD, expect: { fault: trap } }\n";
    let repository = repository(&format!("{FAILURES}{after}"));
    for more in [["--fail-fast", "-j1"], ["--max-fail=1", "-j1"]] {
        let (_, merged) = whole_and_merged(&repository, "policy", &more);
        // What goes wrong is about two modules, so on two shards.
        let ends = ["wrong\" \"failed", "trapped\" \"error", "after no\" \"not-run", "after trap\" \"not-run"];
        for end in ends {
            assert!(merged.iter().any(|case| case.contains(end)), "{end}: {merged:#?}");
        }
        assert_eq!(merged.len(), 30);
        let merge = ["merge", "--no-fail", "policy-1-of-3.json", "policy-2-of-3.json", "policy-3-of-3.json"];
        repository.verify(&merge).run().exits_with(1).says(&["not run"]);
    }
}

#[test]
fn every_format_of_a_merged_report_is_that_of_a_run() {
    run_shards(&FAILING, "hash", 2, "json", &[]);
    for format in ["junit", "sarif", "tap", "markdown", "html", "ndjson", "human"] {
        let run =
            FAILING.verify(&["merge", "hash-1-of-2.json", "hash-2-of-2.json", "--report", format]).run().exits_with(1);
        run.named(format).says(&["wrong", "PV011"]);
    }
    let github = FAILING.verify(&["merge", "hash-2-of-2.json", "hash-1-of-2.json"]).on_github().run().exits_with(1);
    assert_eq!(github.stderr.lines().filter(|line| line.starts_with("::error ")).count(), 2, "{github}");
    // The lines of the suite are quoted although nobody read the suite again.
    github.says(&["^^^^^"]).quotes(&["deny: never"]);
}

#[test]
fn all_cases_of_a_policy_are_on_one_shard_balanced_by_the_last_run() {
    FAILING.verify(&["suite.yml", "two.suite.yml", "--report", "json=last.json", "-qq"]).run().exits_with(1);
    for more in [&[] as &[&str], &["--timings=last.json"]] {
        run_shards(&FAILING, "policy", 3, "json", more);
        let mut shards_of_policy = std::collections::BTreeMap::<String, Vec<usize>>::new();
        for (number, file) in reports("policy", 3, "json").iter().enumerate() {
            let report = FAILING.read_json(file);
            assert_eq!(report["shard"]["of"], 3);
            for policy in report["policies"].as_array().unwrap() {
                // `yes` is the same module in both suites.
                let name = policy["uri"].as_str().unwrap().to_owned();
                let shards = shards_of_policy.entry(name).or_default();
                if !shards.contains(&number) {
                    shards.push(number);
                }
            }
        }
        assert!(shards_of_policy.values().all(|shards| shards.len() == 1), "{shards_of_policy:?}");
        let used: std::collections::BTreeSet<usize> = shards_of_policy.into_values().flatten().collect();
        assert_eq!(used.len(), 3);
    }
    FAILING.verify(&["--timings=last.json"]).run().exits_with(2).says(&["--partition"]);
}

#[test]
fn a_new_case_moves_no_other_to_another_shard() {
    let listed = |repository: &Repository, number: usize| {
        let part = format!("--partition=hash:{number}/3");
        repository.verify(&["list", "suite.yml", "two.suite.yml", &part]).run().exits_with(0).stdout
    };
    let (few, many) = (repository(""), repository(FAILURES));
    for number in 1..=3 {
        let (few, many) = (listed(&few, number), listed(&many, number));
        assert!(few.lines().all(|line| many.lines().any(|other| other == line)), "{few}\n{many}");
    }
}

#[test]
fn unused_unavailable_policy_is_counted_once_across_shards() {
    let repository = repository("").write("idle.wasm", "nothing");
    repository.verify(&["suite.yml", "two.suite.yml", "--report=json=whole.json", "-qq"]).run().exits_with(3);
    for by in ["hash", "policy"] {
        let codes = run_shards(&repository, by, 3, "json", &[]);
        assert_eq!(codes.iter().filter(|code| **code == Some(3)).count(), 1, "{by} {codes:?}");
        let mut merge = repository.verify(&["merge", "-qq", "--report=json=merged.json"]);
        for file in reports(by, 3, "json") {
            merge = merge.arg(&file);
        }
        merge.run().exits_with(3);
        assert_eq!(timeless(&repository.read_json("merged.json")), timeless(&repository.read_json("whole.json")));
    }
}

#[test]
fn merge_refuses_reports_of_different_runs() {
    let repository = repository("");
    run_shards(&repository, "hash", 3, "json", &[]);
    run_shards(&repository, "hash", 2, "ndjson", &[]);
    let merge = |files: &[&str]| {
        let merge = repository.verify(&["merge"]);
        files.iter().fold(merge, |merge, file| merge.arg(file)).run().exits_with(2).reports_nothing()
    };
    merge(&["hash-1-of-3.json", "hash-3-of-3.json"]).says(&["shard 2 of 3 is missing", "PV091"]);
    let all = ["hash-1-of-3.json", "hash-2-of-3.json", "hash-3-of-3.json"];
    merge(&[&all[..], &["hash-3-of-3.json"]].concat()).says(&["both shard 3 of 3", "PV092"]);
    merge(&["hash-1-of-2.ndjson", "hash-2-of-3.json"]).says(&["is shard hash:1/2", "PV092"]);
    merge(&["hash-1-of-2.ndjson", "gone.json"]).says(&["gone.json", "PV090"]);
    merge(&["suite.yml"]).says(&["not a report", "PV090"]);

    // A shard of another commit.
    let other = self::repository(FAILURES);
    run_shards(&other, "hash", 3, "json", &[]);
    let stranger = std::fs::read(other.path("hash-2-of-3.json")).unwrap();
    std::fs::write(repository.path("stranger.json"), stranger).unwrap();
    merge(&["hash-1-of-3.json", "stranger.json", "hash-3-of-3.json"]).says(&["are shards of different cases", "PV092"]);

    // A shard that was cut off.
    let text = repository.read("hash-2-of-2.ndjson");
    let cut = text.trim_end().rsplit_once('\n').unwrap().0;
    std::fs::write(repository.path("cut.ndjson"), cut).unwrap();
    merge(&["hash-1-of-2.ndjson", "cut.ndjson"]).says(&["cut off", "PV090"]);

    // Another module under the same name.
    let mut report = repository.read_json("hash-2-of-3.json");
    for policy in report["policies"].as_array_mut().unwrap() {
        policy["digest"] = format!("sha256:{}", "0".repeat(64)).into();
    }
    std::fs::write(repository.path("rebuilt.json"), report.to_string()).unwrap();
    merge(&["hash-1-of-3.json", "rebuilt.json", "hash-3-of-3.json"]).says(&["in one report and", "PV092"]);
}

#[test]
fn runs_of_different_suites_are_merged_too() {
    let repository = repository("");
    repository.verify(&["suite.yml", "--report=json=one.json", "-qq"]).run().exits_with(0);
    repository.verify(&["two.suite.yml", "--report=ndjson=two.ndjson", "-qq"]).run().exits_with(0);
    let merged = repository.verify(&["merge", "two.ndjson", "one.json", "-qq"]).run().exits_with(0);
    assert!(merged.stdout.starts_with("26 tests"), "{merged}");
    repository.verify(&["merge", "one.json", "one.json"]).run().exits_with(2).says(&["duplicate case"]);
}

fn example(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples").join(path)
}

#[test]
fn the_script_of_the_documentation_runs_shards_as_processes() {
    let script = example("shards.sh");
    for number in [1, 2, 3, 7] {
        let line = format!("sh '{}' {number} suite.yml two.suite.yml", script.display());
        let run = FAILING.shell(&line).run().exits_with(1);
        let run = run.says(&["28 tests: 24 passed, 1 failed, 1 error, 1 skipped, 1 xfailed"]);
        run.says(&["expected \"never\" actual \"not today\""]).quotes(&["deny: never"]);
    }
    let line = format!("sh '{}' 3 gone.yml", script.display());
    FAILING.shell(&line).run().exits_with(2).says(&["PV090"]);
}

#[test]
fn the_job_for_kubernetes_runs_its_shards() {
    let text = std::fs::read_to_string(example("kubernetes/shards.yaml")).unwrap();
    let job: Value = serde_saphyr::from_str(&text).unwrap();
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    let script = container["args"][0].as_str().unwrap().replace("/work/reports/", "pod-");
    for index in 0..job["spec"]["completions"].as_u64().unwrap() {
        FAILING.shell(&script).env("JOB_COMPLETION_INDEX", index.to_string()).run().exits_with(0);
    }
    FAILING.shell("verify merge pod-*.ndjson").run().exits_with(1).says(&["28 tests"]);
}

/// Reports are artifacts of other jobs, which a stranger's code may have written.
#[test]
fn a_forged_report_is_refused_at_once() {
    use serde_json::json;

    let repository = Repository::passing();
    repository.verify(&["--partition=hash:1/1", "--report=json=part.json"]).run().exits_with(0);
    let part = repository.read_json("part.json");
    let file = part["cases"][0]["file"].as_str().unwrap().to_owned();
    let many: serde_json::Map<String, Value> =
        (0..7_000).map(|number| (format!("{number}.yml"), json!({ "999999": "" }))).collect();
    assert!(serde_json::to_string(&many).unwrap().len() > 127 * 1024);
    let mismatch = json!({ "code": "PV010", "kind": "verdict", "at": "/allowed", "expected": "a", "actual": "b", "file": file, "line": 1, "column": 1, "length": 1 });
    for (pointer, value, says) in [
        ("/shard/of", json!(1_u64 << 32), "4294967275 more shards of 4294967296 are missing"),
        ("/shard/of", json!(u64::MAX), "more shards of 18446744073709551615 are missing"),
        ("/shard/of", json!(0), "which there cannot be"),
        ("/shard/number", json!(2), "which there cannot be"),
        ("/shard/number", json!(u64::MAX), "which there cannot be"),
        ("/sources", json!(many), "beyond the limit of 1000000 lines"),
        ("/cases/0/length", json!(u64::MAX), "which no file has"),
        ("/cases/0/line", json!(u64::MAX), "which no file has"),
        ("/cases/0/column", json!(u64::MAX), "which no file has"),
        ("/cases/0/duration_us", json!(u64::MAX), "which no run takes"),
        ("/policies/0/compile_us", json!(u64::MAX), "which no run takes"),
        ("/cases/0/mismatches", json!([mismatch]), "has what only a case with another outcome has"),
        ("/cases/0/skip_reason", json!("later"), "has what only a case with another outcome has"),
    ] {
        let mut forged = part.clone();
        *forged.pointer_mut(pointer).unwrap() = value;
        std::fs::write(repository.path("forged.json"), forged.to_string()).unwrap();
        let start = std::time::Instant::now();
        let run = repository.verify(&["merge", "forged.json"]).run().exits_with(2).reports_nothing();
        run.says(&[says]);
        assert!(start.elapsed() < std::time::Duration::from_secs(2), "{pointer}: {:?}", start.elapsed());
    }
}
