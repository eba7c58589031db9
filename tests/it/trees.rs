//! Which suites and fixtures a tree holds: links, circles, hidden folders, and what cannot be read.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::time::{Duration, Instant};

use crate::support::{Finished, POD, Repository, program};

const YES: &str = r#"{"valid":true,"accepted":true}"#;

fn suite(case: &str) -> String {
    format!("version: 1\npolicies: {{ yes: {{ uri: yes.wasm }} }}\ncases:\n  - {{ name: {case}, object: POD, expect: allow }}\n")
        .replace("POD", POD)
}

/// A repository with a suite in each of these files, and the policy beside it.
fn repository(suites: &[&str]) -> Repository {
    let mut repository = Repository::new();
    for path in suites {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let policy = format!("{folder}/yes").trim_start_matches('/').to_owned();
        repository = repository.write(path, suite("a")).replying(&policy, YES);
    }
    repository
}

fn link(repository: &Repository, path: &str, target: &str) {
    let path = repository.path(path);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

/// The files of the cases that are listed.
#[track_caller]
fn listed(repository: &Repository, arguments: &[&str]) -> Vec<String> {
    files(&repository.verify(&["list", "--format=json"]).args(arguments).run().exits_with(0))
}

fn files(list: &Finished) -> Vec<String> {
    let list: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    list.as_array().unwrap().iter().map(|case| case["file"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn suites_of_both_endings_run() {
    let all = ["suite.yml", "suite.yaml", "labels.suite.yml", "labels.suite.yaml"];
    let repository = repository(&all);
    assert_eq!(listed(&repository, &[]), ["suite.yml", "suite.yaml", "labels.suite.yml", "labels.suite.yaml"]);
    assert_eq!(listed(&repository, &["."]).len(), 4);
    assert_eq!(listed(&repository, &["*.yaml"]), ["labels.suite.yaml", "suite.yaml"]);
    for file in &all[..3] {
        fs::remove_file(repository.path(file)).unwrap();
    }
    repository.verify(&[]).run().exits_with(0).says(&["labels.suite.yaml", "1 test: 1 passed"]);
    repository.verify(&["."]).run().exits_with(0);
    fs::remove_file(repository.path(all[3])).unwrap();
    for arguments in [&[][..], &["."]] {
        repository.verify(arguments).run().exits_with(2).says(&["no suite.yml and no *.suite.yml (or .yaml)"]);
    }
}

#[test]
fn a_suite_that_cannot_be_read_is_an_error_that_names_it() {
    let repository = repository(&["good/suite.yml"]);
    link(&repository, "dangling/suite.yml", "gone");
    link(&repository, "circle/suite.yaml", "suite.yaml");
    fs::create_dir_all(repository.path("folder/suite.yml")).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(repository.path("s.suite.yml")).unwrap();
    for arguments in [&["."][..], &["**/*suite.y*ml"], &["good", "."]] {
        let run = repository.verify(arguments).run().exits_with(2).reports_nothing();
        run.says(&[
            "dangling/suite.yml`: it is a link to a file that does not exist",
            "circle/suite.yaml`: ",
            "folder/suite.yml`: it is a folder, not a file",
            "s.suite.yml`: it is not a regular file",
            "name only the suites to run",
        ]);
    }
    // In CI the annotation is at the file, for a terminal it is one from the working directory.
    let run = repository.verify(&["../dangling", "--report=json"]).directory("good").on_github().run().exits_with(2);
    assert!(run.stderr.contains("::error file=dangling/suite.yml,line=1,title=cannot read"), "{run}");
    assert!(run.stderr.contains("../dangling/suite.yml:1"), "{run}");
    assert!(run.stdout.contains("\"file\": \"dangling/suite.yml\""), "{run}");
    repository.verify(&["good"]).run().exits_with(0);
    for name in ["dangling/suite.yml", "circle/suite.yaml", "s.suite.yml"] {
        let run = repository.verify(&[name]).run().exits_with(2).reports_nothing();
        run.says(&["cannot read", name]);
    }
    // Without arguments, too.
    let run = repository.verify(&[]).run().exits_with(2).reports_nothing();
    run.says(&["s.suite.yml"]);
}

#[test]
fn a_pipe_is_no_suite_and_no_fixture_and_blocks_nothing() {
    let Some(mkfifo) = program::program("mkfifo") else { return };
    let repository = repository(&["suite.yml"]);
    for name in ["p/suite.yml", "pipe.yaml"] {
        let path = repository.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        assert!(std::process::Command::new(&mkfifo).arg(path).status().unwrap().success());
    }
    repository.verify(&["p"]).run().exits_with(2).says(&["p/suite.yml`: it is not a regular file"]);
    repository.verify(&["p/suite.yml"]).run().exits_with(2).says(&["it is not a regular file"]);
    for key in ["object: pipe.yaml", "objects: \"*.yaml\"", "object: POD, settings: pipe.yaml"] {
        let text = suite("a").replace("object: POD", key).replace(&format!("object: {POD}"), key).replace("POD", POD);
        let repository = Repository::with_suite(&text).replying("yes", YES);
        assert!(std::process::Command::new(&mkfifo).arg(repository.path("pipe.yaml")).status().unwrap().success());
        let run = repository.verify(&[]).run().exits_with(2).reports_nothing();
        run.says(&["pipe.yaml", "it is not a regular file", "suite.yml:4:"]);
    }
}

#[test]
fn a_fixture_under_a_glob_that_cannot_be_read_is_an_error() {
    let text = suite("a").replace(&format!("object: {POD}"), "objects: \"pods/**/*.yaml\"");
    let repository = Repository::with_suite(&text).replying("yes", YES).write("pods/a.yaml", POD);
    repository.verify(&[]).run().exits_with(0).says(&["1 passed"]);
    link(&repository, "pods/deep/b.yaml", "../../gone.yaml");
    let run = repository.verify(&[]).run().exits_with(2).reports_nothing();
    run.says(&["pods/deep/b.yaml", "it is a link to a file that does not exist", "suite.yml:4:"]);
}

/// A line of a shell as a user whom permissions stop; none where tests run as root and cannot be anybody else.
fn unprivileged(repository: &Repository, line: &str) -> Option<Finished> {
    let probe = repository.path("probe");
    fs::write(&probe, "").unwrap();
    fs::set_permissions(&probe, fs::Permissions::from_mode(0o0)).unwrap();
    if fs::read(&probe).is_err() {
        return Some(repository.shell(line).run());
    }
    program::program("setpriv")?;
    fs::set_permissions(repository.path("."), fs::Permissions::from_mode(0o755)).unwrap();
    let nobody = "setpriv --reuid=65534 --regid=65534 --clear-groups";
    let probe = repository.shell(&format!("{nobody} verify --version")).run();
    if !probe.stdout.starts_with("verify ") {
        program::unusable("setpriv", &format!("{} {}", probe.stdout, probe.stderr));
        return None;
    }
    Some(repository.shell(&format!("{nobody} {line}")).env("VERIFY_CODE_CACHE", "none").run())
}

#[test]
fn folders_and_files_without_permission_are_errors_that_name_them() {
    let text = suite("b").replace(&format!("object: {POD}"), "objects: \"pods/**/*.yaml\"");
    let repository = repository(&["closed/suite.yml", "a/suite.yml"])
        .write("c/suite.yml", text)
        .replying("c/yes", YES)
        .write("c/pods/in/a.yaml", POD)
        .write("c/pods/b.yaml", POD);
    let set =
        |path: &str, mode: u32| fs::set_permissions(repository.path(path), fs::Permissions::from_mode(mode)).unwrap();
    let says = |line: &str, texts: &[&str]| {
        if let Some(run) = unprivileged(&repository, line) {
            run.exits_with(2).reports_nothing().says(texts);
        }
    };
    fs::create_dir_all(repository.path("a/.hidden")).unwrap();
    set("a/.hidden", 0o0);
    if let Some(run) = unprivileged(&repository, "verify a") {
        run.exits_with(0);
    }
    set("closed", 0);
    says("verify .", &["closed`: Permission denied"]);
    says("verify '**/suite.yml'", &["closed`: Permission denied"]);
    says("verify '*/suite.yml'", &["closed", "Permission denied"]);
    says("verify closed", &["closed", "Permission denied"]);
    says("verify closed/suite.yml", &["cannot read the suite `closed/suite.yml`: Permission denied"]);
    set("closed", 0o755);
    set("closed/suite.yml", 0);
    says("verify .", &["closed/suite.yml`", "Permission denied"]);
    set("c/pods/in", 0);
    says("verify c", &["pods/in", "Permission denied"]);
    set("c/pods/in", 0o755);
    set("c/pods/in/a.yaml", 0);
    says("verify c", &["pods/in/a.yaml`", "Permission denied"]);
}

#[test]
fn circles_of_links_end() {
    let repository = repository(&["packages/a/suite.yml", "packages/b/suite.yml"]);
    for (path, target) in [
        ("x", "."),
        ("y", "."),
        ("packages/a/node_modules/b", "../../b"),
        ("packages/b/node_modules/a", "../../a"),
        ("packages/a/to-b", "../b"),
        ("packages/b/to-a", "../a"),
        ("packages/b/up", "../.."),
    ] {
        link(&repository, path, target);
    }
    let begun = Instant::now();
    for arguments in [&["."][..], &["**/suite.yml"], &["x", "packages"]] {
        let mut found = listed(&repository, arguments);
        found.sort();
        assert_eq!(found.len(), 2, "{arguments:?}: {found:?}");
    }
    assert_eq!(listed(&repository, &["."]), ["packages/a/suite.yml", "packages/b/suite.yml"]);
    // A fixture is a case once.
    let text = suite("a").replace(&format!("object: {POD}"), "objects: \"**/pod.yaml\"");
    let fixtures = Repository::with_suite(&text).replying("yes", YES).write("p/pod.yaml", POD);
    link(&fixtures, "p/x", ".");
    link(&fixtures, "p/y", "..");
    assert_eq!(listed(&fixtures, &[]).len(), 1);
    assert!(begun.elapsed() < Duration::from_secs(60));
}

#[test]
fn what_is_named_is_never_hidden() {
    let repository = repository(&[
        ".jenkins/workspace/job/policies/suite.yml",
        ".jenkins/workspace/job/policies/.hidden/suite.yml",
        ".github/policies/suite.yml",
        "node_modules/x/suite.yml",
        "plain/suite.yml",
    ]);
    let job = repository.path(".jenkins/workspace/job/policies");
    for arguments in [".jenkins/workspace/job/policies", job.to_str().unwrap(), "./.jenkins/workspace/job/policies/"] {
        assert_eq!(listed(&repository, &[arguments]), [".jenkins/workspace/job/policies/suite.yml"], "{arguments}");
    }
    assert_eq!(listed(&repository, &[".github/**/suite.yml"]), [".github/policies/suite.yml"]);
    assert_eq!(listed(&repository, &[".github"]), [".github/policies/suite.yml"]);
    assert_eq!(listed(&repository, &["node_modules/x"]), ["node_modules/x/suite.yml"]);
    assert_eq!(listed(&repository, &["."]), ["plain/suite.yml"]);
    assert_eq!(listed(&repository, &["**/suite.yml"]), ["plain/suite.yml"]);
    let here =
        repository.verify(&["list", "--format=json", "."]).directory(".jenkins/workspace/job").run().exits_with(0);
    assert_eq!(files(&here), [".jenkins/workspace/job/policies/suite.yml"]);
}

/// A folder without `.git`: `job/policies/suite.yml`, with a fixture in `job/common`.
fn exported() -> Repository {
    let text = suite("a").replace(&format!("object: {POD}"), "object: ../common/pod.yaml");
    let repository = Repository::new().write("job/policies/suite.yml", text).replying("job/policies/yes", YES);
    fs::remove_dir_all(repository.path(".git")).unwrap();
    repository.write("job/common/pod.yaml", POD)
}

#[test]
fn the_workspace_of_a_ci_system_is_the_root() {
    let repository = exported();
    let job = repository.path("job");
    let at = |arguments: &[&str]| repository.verify(arguments).directory("job/policies");
    let run = at(&["suite.yml"]).run().exits_with(2);
    run.says(&["`../common/pod.yaml` is outside the repository", "(the working directory)", "--root DIR"]);
    for variable in [
        "GITHUB_WORKSPACE",
        "CI_PROJECT_DIR",
        "BITBUCKET_CLONE_DIR",
        "BUILD_SOURCESDIRECTORY",
        "CIRCLE_WORKING_DIRECTORY",
        "WORKSPACE",
    ] {
        let run = at(&["list", "--format=json", "suite.yml"]).env(variable, &job).run().exits_with(0);
        assert_eq!(files(&run), ["policies/suite.yml"], "{variable}");
        // Of somebody else's workspace nothing is known.
        let elsewhere = at(&["suite.yml"]).env(variable, repository.path("job/common")).run();
        elsewhere.exits_with(2).says(&["(the working directory)"]);
    }
    let home = at(&["suite.yml"]).env("HOME", repository.path(".")).env("CIRCLE_WORKING_DIRECTORY", "~/job");
    home.run().exits_with(0);
    for arguments in [&["suite.yml", "--root", ".."][..], &["suite.yml", "--root=../../job"]] {
        at(arguments).run().exits_with(0);
    }
    at(&["suite.yml"]).env("VERIFY_ROOT", "..").run().exits_with(0);
    let run = at(&["suite.yml"]).env("GITHUB_WORKSPACE", repository.path("job/policies")).run().exits_with(2);
    run.says(&["(from GITHUB_WORKSPACE)"]);
    at(&["suite.yml", "--root", "."]).run().exits_with(2).says(&["(from --root)"]);
    at(&["suite.yml", "--root", "gone"]).run().exits_with(2).reports_nothing().says(&["`--root gone`"]);
    at(&["suite.yml", "--root", "suite.yml"]).run().exits_with(2).says(&["it is not a folder"]);
    at(&["suite.yml", "--root", "../common"]).run().exits_with(2).says(&["the suite `suite.yml` is outside"]);
}

#[test]
fn a_submodule_reads_the_repository_around_it() {
    let repository =
        exported().write("job/.git/HEAD", "").write("job/policies/.git", "gitdir: ../.git/modules/policies\n");
    let run = repository.verify(&["list", "--format=json", "suite.yml"]).directory("job/policies").run().exits_with(0);
    assert_eq!(files(&run), ["policies/suite.yml"]);
    let repository = repository.write("job/policies/.git", "gitdir: /elsewhere/.git/worktrees/policies\n");
    let run = repository.verify(&["job/policies"]).run().exits_with(2);
    run.says(&["is outside the repository", "job/policies` (it has `.git`)"]);
}

#[test]
fn a_linked_suite_has_its_files_beside_the_link() {
    let text = "version: 1\nname: shared\npolicies: { yes: { uri: ../yes.wasm } }\ncases:\n  \
                - { name: a, object: pod.yaml, expect: allow }\n";
    let repository = Repository::new()
        .write("shared/suite.yml", text)
        .replying("yes", YES)
        .write("shared/pod.yaml", POD)
        .write("a/pod.yaml", POD);
    link(&repository, "a/suite.yml", "../shared/suite.yml");
    // `b/pod.yaml` is missing, and is not taken from the folder of the target.
    link(&repository, "b/suite.yml", "../shared/suite.yml");
    let run = repository.verify(&["."]).run().exits_with(2);
    run.says(&["b/suite.yml:5:", "file not found: `pod.yaml`", "1 mistake"]);
    let repository = repository.write("b/pod.yaml", POD);
    let report = repository.report(&["."]);
    report.all_passed();
    let ids: Vec<&str> = report.cases().iter().map(|case| case["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["shared (a/suite.yml) › a", "shared (b/suite.yml) › a", "shared (shared/suite.yml) › a"]);
    assert_eq!(report.0["suites"][0]["path"], "a/suite.yml");
    // Alone, it has its own name.
    assert_eq!(repository.report(&["a"]).cases()[0]["id"], "shared › a");
}

#[test]
fn a_mounted_config_map_has_the_names_of_its_mount() {
    let text = suite("a").replace(&format!("object: {POD}"), "objects: \"**/*.yaml\"");
    let repository =
        Repository::new().write("tests/..2026_11_28/suite.yml", text).replying("tests/..2026_11_28/yes", YES);
    let repository =
        repository.write("tests/..2026_11_28/pod.yaml", POD).write("tests/..2026_11_28/sub/suite.yml", suite("b"));
    let repository = repository.replying("tests/..2026_11_28/sub/yes", YES);
    let repository = repository.write("tests/..2026_11_28/suite.lock", "version: 1\npolicies: {}\n");
    link(&repository, "tests/..data", "..2026_11_28");
    for name in ["suite.yml", "pod.yaml", "yes.wasm", "sub"] {
        link(&repository, &format!("tests/{name}"), &format!("..data/{name}"));
    }
    let report = repository.report(&["tests"]);
    let cases = report.all_passed().cases();
    assert_eq!((&cases[0]["file"], &cases[0]["name"]), (&"tests/sub/suite.yml".into(), &"b".into()));
    assert_eq!((cases.len(), &cases[1]["suite"]), (2, &"tests/suite.yml".into()));
    let name = cases[1]["name"].as_str().unwrap();
    assert!(name.contains("pod.yaml") && !name.contains(".."), "{name}");
}

#[test]
fn no_link_leads_out_of_the_root() {
    let outside = repository(&["suite.yml"]).write("pod.yaml", "secret: sesame\n");
    let inside = repository(&["good/suite.yml"]);
    let to = |path: &str| outside.path(path).to_str().unwrap().to_owned();
    link(&inside, "farm/suite.yml", &to("suite.yml"));
    link(&inside, "folder", &to("."));
    for arguments in [&["farm"][..], &["farm/suite.yml"], &["folder"], &["**/suite.yml"], &["folder/suite.yml"]] {
        let run = inside.verify(arguments).run().exits_with(2).reports_nothing();
        run.says(&["is outside the repository", "(it has `.git`)"]).never_says("sesame");
    }
    // A root around both is the user's word.
    let root = outside.path(".").parent().unwrap().parent().unwrap().to_str().unwrap().to_owned();
    link(&inside, "farm/yes.wasm", &to("yes.wasm"));
    inside.verify(&["farm", "--root", &root]).run().exits_with(0);
}

#[test]
fn a_terminal_gets_paths_from_the_working_directory_and_machines_from_the_root() {
    let failing = suite("a").replace("expect: allow", "expect: deny");
    let repository = Repository::new().write("tests/deep/suite.yml", failing).replying("tests/deep/yes", YES);
    let verify = |arguments: &[&str], folder: &str| repository.verify(arguments).directory(folder);
    let run =
        verify(&["suite.yml", "--report=json=a.json", "--color=never"], "tests/deep").on_github().run().exits_with(1);
    assert!(run.stdout.contains("\n      suite.yml:4 ·") && !run.stdout.contains("tests/deep/"), "{run}");
    assert!(run.stderr.contains("::error file=tests/deep/suite.yml,line=4,"), "{run}");
    assert_eq!(repository.read_json("tests/deep/a.json")["cases"][0]["file"], "tests/deep/suite.yml");
    let run = verify(&["deep"], "tests").run().exits_with(1);
    assert!(run.stdout.contains("      deep/suite.yml:4 ·"), "{run}");
    let run = verify(&["../tests/deep/suite.yml"], "tests").run().exits_with(1);
    assert!(run.stdout.contains("      deep/suite.yml:4 ·"), "{run}");
    let repository = repository.write("other/x", "").write("tests/deep/bad.yml", "version: 1\nstray: 1\n");
    let run = repository.verify(&["../tests/deep/bad.yml", "--report=json"]).directory("other").run().exits_with(2);
    assert!(run.stderr.contains("\n  ../tests/deep/bad.yml:2:1\n"), "{run}");
    assert!(run.stdout.contains("\"file\": \"tests/deep/bad.yml\""), "{run}");
}

#[test]
fn a_suite_from_stdin_belongs_to_the_working_directory() {
    let repository = repository(&["tests/suite.yml"]).write("tests/pod.yaml", POD);
    let text = suite("from stdin").replace(&format!("object: {POD}"), "object: pod.yaml");
    let repository = repository.write("in.yml", text).write("empty.yml", "").write("bad.yml", "version: 1\nstray: 1\n");
    for name in ["-", "/dev/stdin", "- -", "- /dev/stdin", "/dev/fd/0", "run -", "tests -"] {
        let line = format!("cat ../in.yml | verify {} --report=json", name.replace("tests", "suite.yml"));
        let run = repository.shell(&line).directory("tests").run().exits_with(0);
        let report: serde_json::Value = serde_json::from_str(&run.stdout).unwrap();
        let case = report["cases"].as_array().unwrap().last().unwrap().clone();
        assert_eq!(case["name"], "from stdin", "{name}");
        assert_eq!(case["file"], if name == "/dev/fd/0" { "/dev/fd/0" } else { "<stdin>" }, "{name}");
    }
    let shell = |line: &str| repository.shell(line).directory("tests").run();
    shell("verify - < ../in.yml").exits_with(0).says(&["<stdin> · Kubewarden", "1 passed"]);
    shell("verify list - < ../in.yml").exits_with(0).says(&["<stdin> › from stdin"]);
    shell("verify - < ../empty.yml")
        .exits_with(2)
        .reports_nothing()
        .says(&["cannot read the suite `-`: the file is empty"]);
    shell("verify - < ../bad.yml").exits_with(2).says(&["<stdin>:2:1", "`stray`"]);
    shell("head -c 20000000 /dev/zero | verify -").exits_with(2).says(&["it is larger than 16 MiB"]);
    shell("printf '\\377' | verify -").exits_with(2).says(&["it is not UTF-8 text"]);
    shell("verify - --update < ../in.yml").exits_with(2).says(&["`--update`", "stdin"]);
    let text = repository.read("in.yml").replace("pod.yaml", "../../x.yaml");
    let repository = repository.write("in.yml", text);
    repository.shell("verify - < in.yml").run().exits_with(2).says(&["outside the repository"]);
}

#[test]
fn a_suite_without_cases_beside_others_is_a_warning() {
    let repository = repository(&["good/suite.yml"])
        .write("empty/suite.yml", "version: 1\npolicies: { yes: { uri: ../good/yes.wasm } }\n");
    let run = repository.verify(&[".", "--report=json=a.json", "-q"]).on_github().run().exits_with(0);
    let run = run.says(&["the suite `empty/suite.yml` has no cases"]);
    assert!(run.stderr.contains("::warning file=empty/suite.yml,line=1,"), "{run}");
    assert_eq!(repository.read_json("a.json")["warnings"][0]["place"]["file"], "empty/suite.yml");
    repository.verify(&["empty"]).run().exits_with(4).says(&["has no cases"]);
}
