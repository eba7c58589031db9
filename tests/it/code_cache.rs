//! Code that is kept between runs: compiled once on a machine, and never in the way.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::{POD, Report, Repository, without_times};

/// One case that passes and one that fails, for two real policies.
fn repository() -> Repository {
    let suite = format!(
        "version: 1\n\
         policies:\n\
         \x20 labels: {{ uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml }}\n\
         \x20 defaults: {{ uri: default-labels/policy.wasm, metadata: default-labels/metadata.yml }}\n\
         cases:\n\
         \x20 - {{ name: passes, policy: labels, settings: {{ mandatory_labels: [owner] }}, object: {POD}, expect: allow }}\n\
         \x20 - {{ name: fails, policy: labels, settings: {{ mandatory_labels: [team] }}, object: {POD}, expect: allow }}\n\
         \x20 - {{ name: mutates, policy: defaults, settings: {{ labels: {{ team: a }} }}, object: {POD}, expect: allow }}\n"
    );
    Repository::with_suite(&suite).policy("safe-labels").policy("default-labels")
}

/// What is in the folder for compiled code.
fn kept(repository: &Repository) -> Vec<PathBuf> {
    fn files(folder: PathBuf) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect()
    }
    files(repository.path("code"))
}

fn run(repository: &Repository) -> Report {
    repository.report(&["--code-cache", "code"])
}

/// The report without what differs from run to run.
fn lasting(report: &Report) -> String {
    without_times(&serde_json::to_string_pretty(&report.0).unwrap())
}

/// How many policies were compiled.
fn compiled(report: &Report) -> usize {
    let policies = report.0["policies"].as_array().unwrap();
    policies.iter().filter(|policy| policy["compile_us"] != 0).count()
}

#[test]
fn a_second_run_compiles_nothing_and_says_the_same() {
    let repository = repository();
    let first = run(&repository);
    assert_eq!((compiled(&first), kept(&repository).len()), (2, 2));
    let second = run(&repository);
    assert_eq!((compiled(&second), kept(&repository).len()), (0, 2));
    assert_eq!(lasting(&first), lasting(&second));
    assert_eq!(second.0["summary"]["failed"], 2, "{}", second.0);
}

#[test]
fn another_module_is_another_entry() {
    let repository = repository();
    run(&repository);
    let metadata = repository.read("safe-labels/metadata.yml").replace("title: safe-labels", "title: other");
    let repository = repository.write("safe-labels/metadata.yml", metadata);
    assert_eq!((compiled(&run(&repository)), kept(&repository).len()), (1, 3));
}

#[test]
fn the_usual_folder_is_in_the_cache_and_none_keeps_nothing() {
    let repository = repository();
    let cache = repository.path("cache");
    repository.verify(&["--code-cache", "none"]).env("XDG_CACHE_HOME", &cache).run().exits_with(1);
    assert!(!cache.join("policy-verify/compiled-code").exists());
    repository.verify(&[]).without("VERIFY_CODE_CACHE").env("XDG_CACHE_HOME", &cache).run().exits_with(1);
    assert!(cache.join("policy-verify/compiled-code").exists());
    assert!(!repository.path("none").exists());
}

#[test]
fn what_was_damaged_is_compiled_again() {
    let repository = repository();
    let first = run(&repository);
    for (index, path) in kept(&repository).iter().enumerate() {
        let whole = fs::read(path).unwrap();
        let damaged = if index == 0 { vec![0; whole.len()] } else { whole[..whole.len() / 2].to_vec() };
        fs::write(path, damaged).unwrap();
    }
    let second = run(&repository);
    assert_eq!(compiled(&second), 2);
    assert_eq!(lasting(&first), lasting(&second));
    assert_eq!(compiled(&run(&repository)), 0);
}

#[cfg(unix)]
#[test]
fn a_folder_that_cannot_be_used_is_told_and_no_failure() {
    use std::os::unix::fs::PermissionsExt as _;

    let repository = repository();
    let folder = repository.path("code/compiled-code");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let run = || repository.verify(&["--code-cache", "code"]).run();
    run().exits_with(1).says(&["1 failed"]).says(&["compiled code is not kept: `code`"]);
    assert_eq!(kept(&repository).len(), 0);
    fs::remove_dir_all(repository.path("code")).unwrap();
    fs::write(repository.path("code"), "a file").unwrap();
    run().exits_with(1).says(&["compiled code is not kept: `code`"]);
}

#[test]
fn runs_that_are_killed_leave_nothing_wrong() {
    let repository = repository();
    let whole = lasting(&run(&repository));
    for round in 0..10_u64 {
        fs::remove_dir_all(repository.path("code")).unwrap();
        let mut child = repository.verify(&["--code-cache", "code"]).start();
        // From the start to some time after the end, on a machine of any speed: until so many files are there.
        let begun = std::time::Instant::now();
        while kept(&repository).len() < usize::try_from(round % 4).unwrap()
            && begun.elapsed() < Duration::from_secs(20)
            && child.try_wait().unwrap().is_none()
        {
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(round % 5));
        child.kill().unwrap();
        child.wait().unwrap();
        let next = run(&repository);
        assert_eq!(lasting(&next), whole, "round {round}");
        assert_eq!(compiled(&run(&repository)), 0, "round {round}");
    }
}

#[test]
fn two_runs_at_once_share_a_folder() {
    let repository = repository();
    let runs: Vec<_> = (0..4).map(|_| repository.verify(&["--code-cache", "code", "--report=json"]).start()).collect();
    let outputs: Vec<String> = runs
        .into_iter()
        .map(|child| String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
        .map(|report| without_times(&report))
        .collect();
    assert!(outputs.iter().all(|output| output == &outputs[0] && output.contains("mutates")), "{outputs:?}");
    assert_eq!(kept(&repository).len(), 2);
    assert_eq!(compiled(&run(&repository)), 0);
}
