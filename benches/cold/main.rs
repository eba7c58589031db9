//! What a first run costs, when nothing was compiled before: all policies of `testdata/policies` in one suite, once with each
//! choice of a compiler. Prints the times, and their ratios to code of the quick compiler alone and of the optimising one.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it cannot go on")]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;

/// A suite that needs every policy, and asks none: one check of the size for each.
fn suite(policies: &Path) -> (String, usize) {
    let mut names: Vec<String> = fs::read_dir(policies)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("policy.wasm").exists())
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    let mut text = "version: 1\nkubewarden: '1.39'\npolicies:\n".to_owned();
    for name in &names {
        let uri = format!("{name}/policy.wasm, metadata: {name}/metadata.yml");
        writeln!(text, "  {name}: {{ uri: {uri}, check: {{ size: <= 100MiB }} }}").unwrap();
    }
    (text, names.len())
}

fn run(folder: &Path, compiler: &str) -> Duration {
    let start = Instant::now();
    let output = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["run", "suite.yml", "--code-cache", "none", "--compiler", compiler])
        .current_dir(folder)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    start.elapsed()
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
}

fn main() {
    let policies = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/policies");
    let (text, number) = suite(&policies);
    let folder = tempfile::tempdir().unwrap();
    for name in fs::read_dir(&policies).unwrap().map(|entry| entry.unwrap().path()) {
        let to = folder.path().join(name.file_name().unwrap());
        for file in ["policy.wasm", "metadata.yml"].into_iter().filter(|file| name.join(file).exists()) {
            fs::create_dir_all(&to).unwrap();
            fs::copy(name.join(file), to.join(file)).unwrap();
        }
    }
    fs::write(folder.path().join("suite.yml"), text).unwrap();
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        for (times, compiler) in times.iter_mut().zip(["auto", "winch", "cranelift"]) {
            times.push(run(folder.path(), compiler));
        }
    }
    let [auto, winch, cranelift] = times.map(median);
    println!("{number} policies, nothing kept: seconds of a run, median of {ROUNDS} rounds");
    println!("  --compiler auto               {auto:>10.3}");
    println!("  --compiler winch              {winch:>10.3}");
    println!("  --compiler cranelift          {cranelift:>10.3}");
    println!("  auto against winch            {:>10.3}", auto / winch);
    println!("  auto against cranelift        {:>10.3}", auto / cranelift);
}
