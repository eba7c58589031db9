//! What a run costs before its first case: the Go policy compiled, the same policy with the code an earlier run kept, and
//! as the floor a policy of a few hundred bytes, kept as well. Prints the times and their ratios to the floor.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it cannot go on")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 15;

/// A waPC guest that accepts everything.
const SMALL: &str = r#"(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 8) "{\22valid\22:true,\22accepted\22:true}")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $respond (i32.const 8) (i32.const 30))
    (i32.const 1)))"#;

const INGRESS: &str = "{ apiVersion: networking.k8s.io/v1, kind: Ingress, metadata: { name: shop }, \
                       spec: { rules: [{ host: a.test }] } }";

fn suite(policy: &str) -> String {
    format!(
        "version: 1\npolicies: {{ p: {{ {policy} }} }}\n\
         cases: [{{ name: c, policy: p, object: {INGRESS}, cluster: [], expect: accept }}]\n"
    )
}

/// The time of a run, from the start of the process to its end.
fn run(folder: &Path, code: &Path, suite: &str) -> Duration {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["run", suite, "--code-cache"])
        .arg(code)
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn main() {
    let (folder, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let path = folder.path();
    // Inside the folder of the suites no code is kept.
    let code = beside.path().join("code");
    let run = |suite: &str| run(path, &code, suite);
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/policies/unique-host-go");
    for file in ["policy.wasm", "metadata.yml"] {
        fs::copy(policies.join(file), path.join(file)).unwrap();
    }
    fs::write(path.join("small.wasm"), wat::parse_str(SMALL).unwrap()).unwrap();
    fs::write(path.join("go.yml"), suite("uri: policy.wasm, metadata: metadata.yml, contextAware: true")).unwrap();
    fs::write(path.join("small.yml"), suite("uri: small.wasm")).unwrap();
    let (mut cold, mut warm, mut floor) = (Vec::new(), Vec::new(), Vec::new());
    run("small.yml");
    for round in 0..ROUNDS {
        if round % 5 == 0 {
            fs::remove_dir_all(&code).unwrap();
            cold.push(run("go.yml"));
            run("small.yml");
        }
        floor.push(run("small.yml"));
        warm.push(run("go.yml"));
    }
    let floor = median(floor);
    let show = |name: &str, time: Duration| {
        println!("{name:<28} {time:>9.1?}   {:>6.1} × the floor", time.as_secs_f64() / floor.as_secs_f64());
    };
    show("a small policy, kept (floor)", floor);
    show("the Go policy, kept", median(warm));
    show("the Go policy, compiled", median(cold));
}
