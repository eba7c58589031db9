//! What a rehearsal costs: 50,000 objects × 20 policies, on one thread and on two, and a tenth of the objects. Prints times, their
//! ratios, and the most memory.
//!
//! `cargo bench --bench rehearse -- write DIR` only writes the dump and the policies.

#![expect(clippy::unwrap_used, clippy::print_stdout, reason = "a benchmark prints, and ends where it cannot go on")]

mod dump;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

/// How many objects the cluster has.
const OBJECTS: usize = 50_000;

/// Time between two looks at the memory of the process.
const LOOK: Duration = Duration::from_millis(20);

/// Time and most memory of a rehearsal, from the start of the process to its end.
fn rehearse(folder: &Path, code: &Path, jobs: &str) -> (Duration, u64) {
    let start = Instant::now();
    let mut process = Command::new(env!("CARGO_BIN_EXE_verify"))
        .args(["rehearse", "policies.yaml", "--objects", "dump.yaml", "--format", "json", "-j", jobs, "--code-cache"])
        .arg(code)
        .current_dir(folder)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let status = format!("/proc/{}/status", process.id());
    let mut memory = 0;
    let ended = loop {
        memory = most_memory(&status).unwrap_or(memory);
        match process.try_wait().unwrap() {
            Some(status) => break status,
            None => thread::sleep(LOOK),
        }
    };
    assert!(ended.success());
    (start.elapsed(), memory)
}

/// Most memory that a process had, in MB; nothing where the system does not tell, or the process has ended.
fn most_memory(status: &str) -> Option<u64> {
    let text = fs::read_to_string(status).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024 / 1_000_000)
}

fn main() {
    let testdata = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    if let [word, folder] = words.as_slice() {
        assert_eq!(word, "write", "expected `write DIR`");
        let folder = PathBuf::from(folder);
        dump::write_policies(&folder, &testdata).unwrap();
        println!("{} objects", dump::write(&folder, OBJECTS).unwrap());
        return;
    }
    let (folder, beside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (path, code) = (folder.path(), beside.path().join("code"));
    // A repository of its own: modules in files have to be inside.
    fs::create_dir(path.join(".git")).unwrap();
    fs::write(path.join(".git/HEAD"), "ref: refs/heads/main\n").unwrap();
    dump::write_policies(path, &testdata).unwrap();
    for objects in [OBJECTS / 10, OBJECTS] {
        let written = dump::write(path, objects).unwrap();
        let size = fs::metadata(path.join("dump.yaml")).unwrap().len() / 1_000_000;
        println!("{written} objects × 20 policies, a dump of {size} MB");
        rehearse(path, &code, "2");
        let [(one, memory), (two, more)] = ["1", "2"].map(|jobs| rehearse(path, &code, jobs));
        println!("  one thread   {one:>7.1?}  {memory} MB");
        println!("  two threads  {two:>7.1?}  {more} MB  {:.2} times as fast", one.as_secs_f64() / two.as_secs_f64());
    }
}
