//! Code that is kept between runs: compiled once on a machine, and never in the way.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::support::{POD, Report, Repository, without_times};

/// A repository, and a folder that is none of it.
struct Project {
    repository: Repository,
    beside: tempfile::TempDir,
}

impl std::ops::Deref for Project {
    type Target = Repository;

    fn deref(&self) -> &Repository {
        &self.repository
    }
}

/// One case that passes and one that fails, for two real policies.
fn repository() -> Project {
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
    let repository = Repository::with_suite(&suite).policy("safe-labels").policy("default-labels");
    Project { repository, beside: tempfile::tempdir().unwrap() }
}

/// A folder for compiled code beside the repository: inside, none is used.
fn code(project: &Project) -> String {
    project.beside.path().join("code").display().to_string()
}

/// Removes the folder for compiled code.
fn forget(project: &Project) {
    let _ = fs::remove_dir_all(code(project));
}

/// What is in the folder for compiled code.
fn kept(repository: &Project) -> Vec<PathBuf> {
    fn files(folder: PathBuf) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files(path) } else { vec![path] }).collect()
    }
    files(code(repository).into())
}

fn run(repository: &Project) -> Report {
    repository.report(&["--code-cache", &code(repository)])
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
    fs::write(repository.path("safe-labels/metadata.yml"), metadata).unwrap();
    assert_eq!((compiled(&run(&repository)), kept(&repository).len()), (1, 3));
}

#[test]
fn the_usual_folder_is_in_the_cache_and_none_keeps_nothing() {
    let repository = repository();
    let cache = repository.beside.path().join("cache");
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
    let folder = PathBuf::from(code(&repository)).join("compiled-code");
    fs::create_dir_all(&folder).unwrap();
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
    let run = || repository.verify(&["--code-cache", &code(&repository)]).run();
    run().exits_with(1).says(&["1 failed"]).says(&["compiled code is not kept: `"]);
    assert_eq!(kept(&repository).len(), 0);
    forget(&repository);
    fs::write(code(&repository), "a file").unwrap();
    run().exits_with(1).says(&["compiled code is not kept: `"]);
}

#[test]
fn runs_that_are_killed_leave_nothing_wrong() {
    let repository = repository();
    let whole = lasting(&run(&repository));
    for round in 0..10_u64 {
        forget(&repository);
        let mut child = repository.verify(&["--code-cache", &code(&repository)]).start();
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
    let runs: Vec<_> =
        (0..4).map(|_| repository.verify(&["--code-cache", &code(&repository), "--report=json"]).start()).collect();
    let outputs: Vec<String> = runs
        .into_iter()
        .map(|child| String::from_utf8(child.wait_with_output().unwrap().stdout).unwrap())
        .map(|report| without_times(&report))
        .collect();
    assert!(outputs.iter().all(|output| output == &outputs[0] && output.contains("mutates")), "{outputs:?}");
    assert_eq!(kept(&repository).len(), 2);
    assert_eq!(compiled(&run(&repository)), 0);
}

/// Code in a repository may be anybody's, whatever it is called: a stranger needs no more than a module and its name.
#[test]
fn code_inside_the_repository_is_never_run() {
    let project = repository();
    run(&project);
    let prepared = kept(&project);
    assert_eq!(prepared.len(), 2);
    // Prepared where each of these would look for it.
    let folders = ["cache/policy-verify/compiled-code", "code/compiled-code", "sub/deep/compiled-code"];
    for folder in folders.map(|folder| project.path(folder)) {
        fs::create_dir_all(&folder).unwrap();
        for path in &prepared {
            fs::copy(path, folder.join(path.file_name().unwrap())).unwrap();
        }
    }
    let outside = project.beside.path().join("link");
    #[cfg(unix)]
    std::os::unix::fs::symlink(project.path("code"), &outside).unwrap();
    let code = project.path("code").display().to_string();
    let elsewhere = project.beside.path().display().to_string();
    for (arguments, cache) in [
        (&[][..], Some(project.path("cache"))),
        (&["--code-cache=code"], None),
        (&["--code-cache=./sub/../code"], None),
        (&["--code-cache=new"], None),
        (&["--code-cache", &code], None),
        (&["--code-cache", outside.to_str().unwrap()], None),
    ] {
        if cfg!(not(unix)) && arguments.get(1).is_some_and(|it| it.ends_with("link")) {
            continue;
        }
        let verify = || {
            let verify = project.verify(arguments).arg("--report=json").without("VERIFY_CODE_CACHE");
            match &cache {
                Some(cache) => verify.env("XDG_CACHE_HOME", cache),
                None => verify,
            }
        };
        let run = verify().run().exits_with(1);
        let run = run.says(&["compiled code is not kept: `", "it is inside the repository, whose root is"]);
        let report = Report(serde_json::from_str(&run.stdout).unwrap());
        assert_eq!(compiled(&report), 2, "{arguments:?}");
        assert!(!project.path("new").exists());
    }
    // The repository is that of the suite, wherever the run is.
    let suite = project.path("suite.yml").display().to_string();
    let line = format!("cd '{elsewhere}'; verify '{suite}' --code-cache '{code}'");
    project.shell(&line).run().exits_with(1).says(&["it is inside the repository"]);
    assert_eq!(compiled(&run(&project)), 0);
}

#[cfg(unix)]
#[test]
fn a_folder_that_others_can_swap_is_told_and_not_used() {
    use std::os::unix::fs::PermissionsExt as _;

    let project = repository();
    run(&project);
    let around = project.beside.path();
    for (mode, is_used) in [(0o777, false), (0o1777, true), (0o755, true)] {
        fs::set_permissions(around, fs::Permissions::from_mode(mode)).unwrap();
        let run = project.verify(&["--code-cache", &code(&project)]).run().exits_with(1);
        assert_eq!(!run.stderr.contains("other users may write to"), is_used, "{mode:o}\n{run}");
        assert_eq!(compiled(&self::run(&project)) == 0, is_used, "{mode:o}");
    }
}
