//! Hostile guests of all kinds in one suite, beside healthy cases: each ends with its own fault in its own time, and nobody
//! else notices. A new guest is a row in one of the files of this folder.
//!
//! With `VERIFY_TEST_CORPUS_ROUNDS=5` the suite runs five times on one thread and five times on two.
#![cfg(target_os = "linux")]

mod compile;
mod groups;
mod guest;
mod rego;
mod wapc;
mod wasi;

use std::io::Write as _;

use serde_json::Value;

use self::guest::{Ask, Hostile};
use crate::support::{POD, Report, Repository};

/// Memory that a guest may have.
const MEMORY: &str = "--max-memory=64MiB";

/// Processor time that a module may be compiled for.
const COMPILING: &str = "--compile-timeout=1s";

/// Bytes that a run may have at a time for each thread, beyond what it has without hostile guests: the memory of a guest,
/// what the work for it may hold, and what is on its way from one to the other.
const FOR_EACH_THREAD: u64 = 192 << 20;

/// Milliseconds that a case may be late on a machine that has much else to do. What is promised is half a second.
const LATE: u64 = 10_000;

fn corpus() -> Vec<Hostile> {
    let files = [wapc::guests(), wasi::guests(), rego::guests(), groups::guests(), compile::guests()];
    files.into_iter().flatten().collect()
}

/// A suite of these guests, with a healthy case after each.
fn repository(corpus: &[Hostile]) -> Repository {
    let mut policies = "version: 1\npolicies:\n  healthy: { uri: healthy.wasm }\n".to_owned();
    let (mut groups, mut cases, mut settings) =
        ("groups:\n".to_owned(), "cases:\n".to_owned(), "settingsCases:\n".to_owned());
    let mut repository = Repository::new().replying("healthy", r#"{"valid":true,"accepted":true}"#);
    for (index, Hostile { name, mode, module, ask, timeout, .. }) in corpus.iter().enumerate() {
        repository = repository.write(&format!("g{index}.wasm"), module);
        policies += &format!("  p{index}: {{ uri: g{index}.wasm, executionMode: {mode} }}\n");
        let case = format!("  - {{ name: {name}, timeout: {timeout}ms");
        match ask {
            Ask::Object => cases += &format!("{case}, policy: p{index}, object: {POD}, expect: allow }}\n"),
            Ask::Raw(document) => {
                repository = repository.write(&format!("d{index}.json"), document);
                cases += &format!("{case}, policy: p{index}, raw: d{index}.json, expect: allow }}\n");
            }
            Ask::Settings => settings += &format!("{case}, policy: p{index}, value: {{}}, expect: valid }}\n"),
            Ask::Group(expression) => {
                groups += &format!(
                    "  g{index}: {{ expression: \"{expression}\", message: no, members: {{ it: {{ policy: p{index} }}, yes: \
                     {{ policy: healthy }} }} }}\n"
                );
                cases += &format!("{case}, policy: g{index}, object: {POD}, expect: allow }}\n");
            }
        }
        cases +=
            &format!("  - {{ name: beside {name}, policy: healthy, timeout: 60s, object: {POD}, expect: allow }}\n");
    }
    repository.write("suite.yml", policies + &groups + &cases + &settings)
}

/// What is wrong with the case of a guest.
fn mistake(hostile: &Hostile, case: &Value) -> Option<String> {
    let fault = &case["fault"];
    let is_expected = case["outcome"] == "error"
        && fault["kind"] == hostile.kind
        && fault["message"].as_str().unwrap_or_default().contains(hostile.words);
    // In the code of the quick compiler a guest is asked twice, with the whole deadline each time.
    let most = 2 * hostile.timeout + LATE;
    let is_in_time = case["duration_us"].as_u64().unwrap() <= most * 1000;
    let shown: String = fault["message"].as_str().unwrap_or_default().chars().take(300).collect();
    let (name, kind, outcome, time) = (&hostile.name, &fault["kind"], &case["outcome"], &case["duration_us"]);
    (!is_expected || !is_in_time).then(|| format!("{name}: {outcome} {kind} after {time} µs: {shown}"))
}

/// By how many milliseconds the guests were later than their deadlines, the latest first.
fn delays(corpus: &[Hostile], report: &Report) -> Vec<(i128, String)> {
    let delay = |hostile: &Hostile| {
        let took = i128::from(report.case(&hostile.name)["duration_us"].as_u64().unwrap()) / 1000;
        (took - i128::from(hostile.timeout), hostile.name.clone())
    };
    let mut delays: Vec<_> = corpus.iter().map(delay).collect();
    delays.sort();
    delays.reverse();
    delays
}

#[test]
fn every_guest_ends_with_its_fault_and_healthy_cases_pass_beside_it() {
    let corpus = corpus();
    assert!(corpus.len() >= 80, "{}", corpus.len());
    let rounds = std::env::var("VERIFY_TEST_CORPUS_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let hostile = repository(&corpus);
    for round in 1..=rounds {
        for threads in [1, 2] {
            let jobs = format!("--jobs={threads}");
            let flags = ["--report=json=report.json", "--quiet", MEMORY, COMPILING, &jobs];
            let healthy = hostile.verify(&flags).arg("--filter=beside").run_with_peak();
            healthy.0.exits_with(0);
            let start = std::time::Instant::now();
            let (run, peak) = hostile.verify(&flags).run_with_peak();
            let time = start.elapsed();
            let run = run.exits_with(3);
            let report = Report(hostile.read_json("report.json"));
            let mut mistakes: Vec<String> =
                corpus.iter().filter_map(|hostile| mistake(hostile, report.case(&hostile.name))).collect();
            let beside = report.cases().iter().filter(|case| case["policy"] == "healthy");
            mistakes.extend(beside.filter(|case| case["outcome"] != "passed").map(|case| format!("{case:#}")));
            assert!(mistakes.is_empty(), "{threads} threads, round {round}:\n{}\n{}", mistakes.join("\n"), run.stderr);
            let delays = delays(&corpus, &report);
            let _ = writeln!(
                std::io::stderr(),
                "{} hostile guests, {threads} threads, round {round}: {time:.1?}; {} MiB at most, {} MiB without them; the \
                 latest after their deadlines, in ms: {:?}",
                corpus.len(),
                peak >> 20,
                healthy.1 >> 20,
                &delays[..4]
            );
            assert!(peak <= healthy.1 + threads * FOR_EACH_THREAD, "{peak} {}", healthy.1);
        }
    }
}
