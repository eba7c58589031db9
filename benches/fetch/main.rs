//! What it is worth to fetch policies side by side: 20 of them in one run against 20 runs of one each, from a registry whose
//! every answer is 50 ms late. Prints the ratio; the same runs with a warm store and `--offline` are taken off both sides,
//! so that only fetching is compared.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it cannot go on")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use policy_verify_registry::testing::FakeRegistry;

const POLICIES: usize = 20;
const LATENCY: Duration = Duration::from_millis(50);
const ROUNDS: usize = 5;

/// A waPC guest that accepts everything; the number makes it one of its own.
fn module(number: usize) -> Vec<u8> {
    let reply = r#"{"valid":true,"accepted":true}"#;
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 8) "{}")
          (data (i32.const 1024) "{number}")
          (func (export "__guest_call") (param i32 i32) (result i32)
            (call $respond (i32.const 8) (i32.const {}))
            (i32.const 1)))"#,
        reply.replace('"', "\\22"),
        reply.len(),
    );
    wat::parse_str(text).unwrap()
}

fn suite(fake: &FakeRegistry, numbers: impl Iterator<Item = usize> + Clone) -> String {
    let mut text = "version: 1\npolicies:\n".to_owned();
    for number in numbers.clone() {
        text += &format!("  p{number}: {{ uri: \"registry://{}/p{number}:v1\" }}\n", fake.host());
    }
    text += "cases:\n";
    for number in numbers {
        text += &format!(
            "  - {{ name: c{number}, policy: p{number}, object: {{ apiVersion: v1, kind: Pod, metadata: {{ name: web }} }}, expect: allow }}\n"
        );
    }
    text
}

/// The time of a run.
fn run(folder: &Path, suite: &str, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["run", suite, "--sources-path", "sources.yaml"])
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", folder.join("cache"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    start.elapsed()
}

/// The time of fetching alone.
fn fetching(folder: &Path, suites: &[String]) -> Duration {
    let _ = fs::remove_dir_all(folder.join("cache"));
    let cold: Duration = suites.iter().map(|suite| run(folder, suite, &[])).sum();
    let warm: Duration = suites.iter().map(|suite| run(folder, suite, &["--offline"])).sum();
    cold.saturating_sub(warm)
}

fn main() {
    let fake = FakeRegistry::start();
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("sources.yaml"), fake.sources()).unwrap();
    let mut single = Vec::new();
    for number in 0..POLICIES {
        fake.add_policy(&format!("p{number}"), "v1", &module(number));
        single.push(format!("p{number}.yml"));
        fs::write(folder.path().join(&single[number]), suite(&fake, std::iter::once(number))).unwrap();
    }
    fs::write(folder.path().join("all.yml"), suite(&fake, 0..POLICIES)).unwrap();
    fake.latency(LATENCY);
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let together = fetching(folder.path(), &["all.yml".to_owned()]);
        let apart = fetching(folder.path(), &single);
        let ratio = together.as_secs_f64() / apart.as_secs_f64();
        println!("at once {together:>8.0?}   one after the other {apart:>8.0?}   1/{:.1}", 1.0 / ratio);
        ratios.push(ratio);
    }
    ratios.sort_by(f64::total_cmp);
    println!("median: 1/{:.1}", 1.0 / ratios[ROUNDS / 2]);
}
