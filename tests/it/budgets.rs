//! The gates `fuel` and `memory`: what a case may use, in numbers that are the same on every machine.

use serde_json::Value;

use crate::diff::{ALLOWS, replying, version};
use crate::readers;
use crate::support::{POD, Repository, guests, testdata};

/// A policy that goes around a loop so many times and takes so many pages of memory.
fn busy(rounds: usize, pages: usize) -> Vec<u8> {
    let body = format!(
        "(drop (memory.grow (i32.const {pages})))
         (loop $more (local.set $at (i32.add (local.get $at) (i32.const 1)))
           (br_if $more (i32.lt_u (local.get $at) (i32.const {rounds}))))
         (call $respond (i32.const 1024) (i32.const 17)) (i32.const 1)"
    );
    version(guests::wapc_with("", r#"(data (i32.const 1024) "{\22accepted\22:true}")"#, &body), |_| ())
}

fn repository(new: Vec<u8>, gates: &str) -> Repository {
    Repository::with_suite(&format!(
        "version: 1\npolicies:\n  p: {{ uri: new.wasm, baseline: old.wasm }}\n  other: {{ uri: other.wasm }}\n\
         cases:\n  - {{ name: busy, policy: p, object: {POD}, expect: {{ allow: }} }}\n  \
         - {{ name: elsewhere, policy: other, object: {POD}, expect: {{ allow: }} }}\n\
         gates: {{ behaviour: same, {gates} }}\n"
    ))
    .write("old.wasm", busy(1_000, 0))
    .write("new.wasm", new)
    .write("other.wasm", replying(ALLOWS))
}

#[test]
fn fuel_is_held_against_a_number_or_the_baseline() {
    for (rounds, gate, code) in [
        (1_000, "fuel: +0%", 0),
        (1_040, "fuel: +5%", 0),
        (1_100, "fuel: +5%", 1),
        (900, "fuel: +0%", 0),
        (1_000, "fuel: 20000", 0),
        (1_000, "fuel: 1000", 1),
    ] {
        repository(busy(rounds, 0), gate).verify(&["suite.yml"]).run().named(gate).exits_with(code);
    }
    let run = repository(busy(2_000, 0), "fuel: +5%").verify(&["suite.yml", "--report", "tap"]).run().exits_with(1);
    run.says(&["gate fuel", "no case executes 5% more instructions than the baseline", "1 of 1 use more"])
        .says(&["suite.yml:6 busy: ", " instructions"])
        .never_says("elsewhere: ");
}

#[test]
fn memory_is_held_against_a_size() {
    for (gate, code) in [("memory: 2MiB", 0), ("memory: 1MiB", 1)] {
        repository(busy(1_000, 16), gate).verify(&["suite.yml"]).run().named(gate).exits_with(code);
    }
    let run = repository(busy(1_000, 32), "memory: 1MiB").verify(&["suite.yml", "--report", "tap"]).run();
    run.exits_with(1).says(&["gate memory", "1 of 2 use more", "suite.yml:6 busy: 2162688 bytes"]);
}

#[test]
fn the_numbers_are_always_the_same() {
    let text = std::fs::read_to_string(testdata().join("suites/context-aware/suite.yml")).unwrap();
    let repository = Repository::new();
    let target = repository.path("testdata");
    let copied = std::process::Command::new("cp").arg("-r").arg(testdata()).arg(&target).status().unwrap();
    assert!(copied.success());
    let suite = "testdata/suites/context-aware/suite.yml";
    let repository = repository.write(suite, text.replace("hollow: 0", "fuel: 1000000000\n  memory: 64MiB"));
    let uses = |jobs: &str, extra: &[&str]| -> Value {
        let arguments = [&[suite, "--report", "json=report.json", "-j", jobs], extra].concat();
        repository.verify(&arguments).run().exits_with(0);
        repository.read_json("report.json")["uses"].clone()
    };
    let first = uses("1", &[]);
    assert!(first[0]["cases"].as_array().unwrap().len() > 30, "{first}");
    for _ in 0..10 {
        assert_eq!(uses("2", &[]), first);
        assert_eq!(uses("1", &["--shuffle=7"]), first);
    }
    assert_eq!(uses("2", &["--compiler", "cranelift"]), first);
}

#[test]
fn reports_tell_what_each_case_uses() {
    let repository = repository(busy(1_000, 0), "fuel: +5%, memory: 1MiB");
    let report = repository.report(&[]).0;
    readers::fits("report", &report);
    let cases = report["uses"][0]["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 2);
    assert_eq!(cases[0]["instructions"], cases[0]["baseline"]);
    assert_eq!(cases[1]["baseline"], Value::Null);
    for part in ["1/2", "2/2"] {
        let target = format!("json={}.json", &part[..1]);
        repository.verify(&["suite.yml", "--partition", &format!("hash:{part}"), "--report", &target]).run();
    }
    repository.verify(&["merge", "1.json", "2.json"]).run().exits_with(0).says(&["5 tests: 5 passed"]);
}

#[test]
fn wrong_limits_are_mistakes() {
    for (gate, says) in [
        ("fuel: 5%", "invalid number of instructions `5%`"),
        ("fuel: +200%", "invalid number of instructions"),
        ("memory: lots", "unknown unit of size `lots`"),
        ("memory: 5 pages", "unknown unit of size `pages`"),
    ] {
        repository(busy(1, 0), gate).verify(&["suite.yml"]).run().exits_with(2).says(&[says]);
    }
}
