//! What measuring code coverage costs: runs of the same suite with `--coverage` and without, by turns, with code that was
//! kept. What a run with one case costs is taken off both. Prints the ratio for a policy of Rust and one of Go.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it cannot go on")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const WARM_UP: usize = 2;
const ROUNDS: usize = 7;

/// A policy, and how many cases are long enough to be measured.
struct Subject {
    name: &'static str,
    module: &'static str,
    cases: usize,
    settings: &'static str,
    defaults: &'static str,
}

const SUBJECTS: [Subject; 2] = [
    Subject {
        name: "safe-labels",
        module: "policy-with-lines.wasm",
        cases: 4_000,
        settings: "{ mandatory_labels: [owner], constrained_labels: { owner: '^team-' } }",
        defaults: "",
    },
    Subject {
        name: "image-licence-go",
        module: "policy.wasm",
        cases: 800,
        settings: "{ allowed: [MIT] }",
        defaults: "  host: { oci/v1/oci_manifest: { '*': { schemaVersion: 2, mediaType: application/vnd.oci.image.manifest.v1+json, \
                   config: { mediaType: application/vnd.oci.image.config.v1+json, digest: 'sha256:\
                   3333333333333333333333333333333333333333333333333333333333333333', size: 2 }, layers: [], \
                   annotations: { org.opencontainers.image.licenses: MIT } } } }\n",
    },
];

fn suite(subject: &Subject, cases: usize) -> String {
    let Subject { module, settings, defaults, .. } = subject;
    let mut text = format!(
        "version: 1\npolicies: {{ p: {{ uri: {module}, metadata: metadata.yml, settings: {settings} }} }}\n\
         defaults:\n  object: {{ apiVersion: v1, kind: Pod, metadata: {{ name: web, labels: {{ owner: team-a }} }}, \
         spec: {{ containers: [{{ name: web, image: 'ghcr.io/acme/web:1' }}] }} }}\n{defaults}cases:\n"
    );
    for number in 0..cases {
        writeln!(text, "  - {{ name: case {number}, set: {{ metadata.name: web-{number} }}, expect: allow }}").unwrap();
    }
    text
}

/// The time of a run on one thread, from the start of the process to its end.
fn run(folder: &Path, code: &Path, arguments: &[&str]) -> Duration {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["run", "--jobs", "1", "--code-cache"])
        .arg(code)
        .args(arguments)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    start.elapsed()
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn measure(subject: &Subject) {
    let (folder, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path();
    let policy = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/policies").join(subject.name);
    for file in [subject.module, "metadata.yml"] {
        fs::copy(policy.join(file), path.join(file)).unwrap();
    }
    fs::write(path.join("one.yml"), suite(subject, 1)).unwrap();
    fs::write(path.join("all.yml"), suite(subject, subject.cases)).unwrap();
    let code = beside.path().join("code");
    let coverage = ["--coverage", "lcov=a.lcov"];
    let of_cases = |flags: &[&str]| {
        let [all, one] = ["all.yml", "one.yml"].map(|suite| run(path, &code, &[&[suite], flags].concat()));
        all.saturating_sub(one).as_secs_f64() / subject.cases as f64
    };
    // What is compiled for the first time, and what better code is made of, is not measured.
    let rounds = (0..WARM_UP + ROUNDS).map(|_| (of_cases(&[]), of_cases(&coverage)));
    let rounds: Vec<(f64, f64)> = rounds.skip(WARM_UP).collect();
    let time = |of: fn(&(f64, f64)) -> f64| median(rounds.iter().map(of).collect()) * 1e3;
    let ratio = median(rounds.iter().map(|(without, with)| with / without).collect());
    println!(
        "{:<20} {:>7.3} ms a case, {:>7.3} ms with coverage: {ratio:>5.2} × as long",
        subject.name,
        time(|round| round.0),
        time(|round| round.1)
    );
}

fn main() {
    SUBJECTS.iter().for_each(measure);
}
