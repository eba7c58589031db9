//! A release of this project: its workflow from the tag to the major tag, run by `act`. Compilers and registries are
//! stood in for; what is packed, summed and said is real.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use regex::Regex;
use serde_json::json;

use crate::support::act::{ACTION, Act, Log};
use crate::support::markdown::Page;
use crate::support::{BINARY, Repository, project};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The project in this version, as far as its release looks at it, with a changelog that knows the version, and a tag.
fn repository(version: &str, tag: &str) -> Repository {
    let copied = [
        "Cargo.toml",
        "README.md",
        "LICENSE",
        ".github/workflows/release.yml",
        "testdata/suites/docs/readme/suite.yml",
        "testdata/suites/docs/readme/pod.yaml",
        "testdata/policies/safe-labels/policy.wasm",
        "testdata/policies/safe-labels/metadata.yml",
    ];
    let repository = copied
        .iter()
        .fold(Repository::new(), |repository, path| repository.write(path, fs::read(project().join(path)).unwrap()));
    let changelog = format!(
        "# Changes\n\n## Unreleased\n\n- later\n\n## {version}\n\n- news\n\n### Fixed\n\n- a bug\n\n## 0.0.1\n\n- old\n"
    );
    let manifest = repository.read("Cargo.toml").replacen(VERSION, version, 1);
    let repository = repository.write("CHANGELOG.md", changelog).write("Cargo.toml", manifest);
    let git = format!(
        "git init -q; git add -A; git -c user.name=t -c user.email=t@example.com commit -qm all; git tag {tag}"
    );
    repository.shell(&git).env("HOME", repository.path("")).run().exits_with(0);
    repository
}

/// Runs the release of a tag. `cargo` puts the binary under test where a build would, and fails at these of its commands;
/// `gh` keeps what it is given.
fn release(act: &Act, version: &str, tag: &str, failing: &[&str]) -> Log {
    let noted = act.path("noted").display().to_string();
    act.tool("rustup", "true");
    act.tool("sudo", &format!("echo \"sudo $*\" >> '{noted}/tools'"));
    // What is built here has the libraries of this machine.
    act.tool("readelf", &format!("echo \"readelf $*\" >> '{noted}/tools'"));
    act.tool(
        "cargo",
        &format!(
            "echo \"cargo $*\" >> '{noted}/tools'\nfor word in {}; do [ \"$1\" != \"$word\" ] || exit 1; done\n[ \"$1\" = build ] || exit 0\nmkdir -p \"target/$TARGET/dist\"\n\
             for name in verify verify.exe; do printf '#!/bin/sh\\nexec \"{BINARY}\" \"$@\"\\n' > \"target/$TARGET/dist/$name\"; \
             chmod +x \"target/$TARGET/dist/$name\"; done",
            failing.join(" ")
        ),
    );
    act.tool(
        "gh",
        &format!(
            "echo \"gh $*\" >> '{noted}/tools'\n[ \"$1 $2\" != 'release create' ] || cp notes.md dist/* '{}/'",
            act.path("releases").display()
        ),
    );
    act.run(&repository(version, tag), "push", &json!({ "ref": format!("refs/tags/{tag}") }))
}

#[test]
fn a_tag_becomes_archives_sums_an_image_a_crate_and_the_major_tag_at_last() {
    let Some(act) = Act::new() else { return };
    let log = release(&act, VERSION, &format!("v{VERSION}"), &["info"]);
    log.0.exits_with(0).says(&["2 tests: 2 passed"]);
    let releases = act.path("releases");
    let sums = fs::read_to_string(releases.join("SHA256SUMS")).unwrap();
    let targets =
        ["aarch64-apple-darwin", "aarch64-unknown-linux-musl", "x86_64-pc-windows-msvc", "x86_64-unknown-linux-musl"];
    let names: Vec<String> = targets.map(|target| format!("policy-verify-{VERSION}-{target}.tar.gz")).into();
    let listed: Vec<&str> = sums.lines().map(|line| line.split("  ").nth(1).unwrap()).collect();
    assert_eq!(listed, names);
    let here = Repository::new();
    here.shell("sha256sum --check SHA256SUMS").directory(releases.to_str().unwrap()).run().exits_with(0);
    assert_eq!(fs::read_to_string(releases.join("notes.md")).unwrap(), "\n- news\n\n### Fixed\n\n- a bug\n\n");

    // The image is of these binaries.
    let image = act.noted("docker-build-push-action");
    for word in
        ["IN_BUILD_ARGS=BINARY=dist", "IN_PLATFORMS=linux/amd64,linux/arm64", &format!(":{VERSION},"), ":latest"]
    {
        assert!(image.contains(word), "{word}: {image}");
    }
    let attested = act.noted("actions-attest");
    assert!(attested.contains("IN_SUBJECT_PATH=dist/policy-verify-*.tar.gz"), "{attested}");
    assert!(attested.contains("IN_SUBJECT_DIGEST=sha256:0123"), "{attested}");

    let tools = act.noted("tools");
    let place = |text: &str| tools.find(text).unwrap_or_else(|| panic!("{text} is missing\n{tools}"));
    let major = format!("refs/tags/v{} ", env!("CARGO_PKG_VERSION_MAJOR"));
    let last = place(&major);
    for before in
        [&format!("gh release create v{VERSION} --verify-tag"), "cargo publish --locked --package policy-verify\n"]
    {
        assert!(place(before) < last, "{tools}");
    }
    assert_eq!(tools[last..].lines().count(), 1, "{tools}");

    // The action takes the archive that was made.
    let archive = &names[if cfg!(target_arch = "aarch64") { 1 } else { 3 }];
    here.shell(&format!("tar -xzf '{}/{archive}' && ls */", releases.display())).run().exits_with(0).says(&[
        "CHANGELOG.md",
        "LICENSE",
        "README.md",
        "verify",
    ]);
}

/// Crates are published one after the other, each after those it uses.
#[test]
fn crates_are_published_in_the_order_of_their_dependencies() {
    let workflow = fs::read_to_string(project().join(".github/workflows/release.yml")).unwrap();
    let (_, list) = workflow.split_once("for crate in ").unwrap();
    let list = list.lines().next().unwrap().trim_end_matches("; do");
    let order: Vec<&str> = list.split(' ').map(|name| name.trim_matches('\'')).collect();
    let folders = fs::read_dir(project().join("crates")).unwrap().count();
    assert_eq!(order.len(), folders + 1, "{order:?}");
    let ours = Regex::new(r"(?m)^policy-verify(-\w+)").unwrap();
    for (index, name) in order.iter().enumerate() {
        let folder = if name.is_empty() { String::new() } else { format!("crates/{}/", name.trim_start_matches('-')) };
        let manifest = fs::read_to_string(project().join(format!("{folder}Cargo.toml"))).unwrap();
        let (_, dependencies) = manifest.split_once("\n[dependencies]").unwrap();
        for used in ours.captures_iter(dependencies) {
            let place = order.iter().position(|other| *other == &used[1]);
            assert!(place.is_some_and(|place| place < index), "`{name}` is published before `{}`", &used[1]);
        }
    }
}

#[test]
fn a_release_candidate_moves_neither_latest_nor_the_major_tag() {
    let Some(act) = Act::new() else { return };
    let version = format!("{VERSION}-rc.1");
    release(&act, &version, &format!("v{version}"), &["info"]).0.exits_with(0);
    let tools = act.noted("tools");
    assert!(tools.contains("--prerelease") && tools.contains("cargo publish"), "{tools}");
    assert!(!tools.contains("refs/tags/"), "{tools}");
    let image = act.noted("docker-build-push-action");
    assert!(image.contains(&format!(":{version}")) && !image.contains(":latest"), "{image}");
}

#[test]
fn a_release_that_is_not_whole_leaves_the_major_tag_where_it_is() {
    let Some(act) = Act::new() else { return };
    release(&act, VERSION, &format!("v{VERSION}"), &["info", "publish"]).0.exits_with(1);
    let tools = act.noted("tools");
    assert!(tools.contains("cargo publish") && !tools.contains("refs/tags/"), "{tools}");
}

#[test]
fn a_crate_that_is_there_already_is_no_obstacle() {
    let Some(act) = Act::new() else { return };
    release(&act, VERSION, &format!("v{VERSION}"), &[]).0.exits_with(0);
    let tools = act.noted("tools");
    assert!(!tools.contains("cargo publish") && tools.contains("refs/tags/"), "{tools}");
}

#[test]
fn a_tag_that_is_not_the_version_builds_nothing() {
    let Some(act) = Act::new() else { return };
    let log = release(&act, VERSION, "v9.9.9", &[]);
    log.0.exits_with(1).says(&["Failure - Main The tag is the version of the crate"]);
    assert_eq!(act.noted("tools"), "");
}

/// The crate is published from a list of files; what the code includes from elsewhere has to be on it.
#[test]
fn the_crate_holds_what_it_is_built_from() {
    let crates = fs::read_dir(project().join("crates")).unwrap().map(|entry| entry.unwrap().path());
    let folders: Vec<PathBuf> = crates.chain([project().to_owned()]).collect();
    assert!(folders.len() > 5, "{folders:?}");
    folders.iter().for_each(|folder| crate_holds_what_it_is_built_from(folder));
}

fn crate_holds_what_it_is_built_from(folder: &Path) {
    let list = ["package", "--list", "--allow-dirty", "--offline"];
    let list = Command::new(env!("CARGO")).args(list).current_dir(folder).output().unwrap();
    let listed = String::from_utf8(list.stdout).unwrap();
    let listed: Vec<&str> = listed.lines().collect();
    let included = Regex::new(r#"include_(?:str|bytes)!\("([^"]+)"\)"#).unwrap();
    let mut files = vec!["Cargo.toml".to_owned()];
    if folder == project() {
        files.extend(["Cargo.lock", "LICENSE", "README.md"].map(str::to_owned));
    }
    let is_rust = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "rs");
    for source in sources(&folder.join("src")).into_iter().filter(is_rust) {
        let text = fs::read_to_string(&source).unwrap();
        // Tests stand at the end of a file.
        let code = text.split("#[cfg(test)]\nmod ").next().unwrap();
        for found in included.captures_iter(code) {
            files.push(within(folder, &source.parent().unwrap().join(&found[1])));
        }
        files.push(within(folder, &source));
    }
    for file in &files {
        assert!(listed.contains(&file.as_str()), "{file} is not in the crate {}", folder.display());
    }
    assert!(!listed.iter().any(|file| file.starts_with("testdata/") || file.starts_with("tests/")), "{listed:?}");
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] }).collect()
}

fn within(folder: &Path, path: &Path) -> String {
    let folder = folder.canonicalize().unwrap();
    path.canonicalize().unwrap().strip_prefix(folder).unwrap().to_str().unwrap().to_owned()
}

/// The command of `docs/releasing.md` leaves no place without a name, and spoils nothing else.
#[test]
fn one_command_names_the_account() {
    let page = Page::read(&project().join("docs/releasing.md"));
    let block = page.blocks.iter().find(|block| block.text.contains(ACTION)).unwrap();
    let repository = Repository::new();
    let copied = "README.md Cargo.toml action.yml action docs .github src templates tekton tests";
    let copy = format!(
        "cd '{}' && tar -cf - {copied} | tar -xf - -C \"$HERE\" && cd \"$HERE\" && git init -q && git add -A",
        project().display()
    );
    repository.shell(&copy).env("HERE", repository.path("")).run().exits_with(0);
    repository.shell(&block.text).run().exits_with(0);
    repository.shell(&format!("! git grep -n '{ACTION}'")).run().exits_with(0);
    let uses = repository.shell("git grep -h 'uses: acme/policy-verify@v1$' | wc -l").run().stdout;
    assert!(uses.trim().parse::<usize>().unwrap() > 5, "{uses}");
    let changed = repository.shell("git diff --unified=0 | grep '^+[^+]' | grep -v acme/policy-verify").run();
    assert_eq!(changed.stdout, "");
}
