//! The image: its last stage is built by `buildah`, without an engine, and judges suites as a user who is nobody.
//!
//! Its base comes from a registry; here the C library of this machine takes its place.
#![cfg(target_os = "linux")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use crate::support::program::{program, unusable};
use crate::support::{BINARY, POD, Repository, project};

/// Images and containers of one test, in a folder of its own.
struct Buildah {
    folder: tempfile::TempDir,
}

impl Buildah {
    /// None where there is no `buildah`, or none that this user may use.
    fn new() -> Option<Self> {
        program("buildah")?;
        let buildah = Self { folder: tempfile::tempdir().unwrap() };
        let info = buildah.run(&["info"]);
        if !info.status.success() {
            unusable("buildah", &String::from_utf8_lossy(&info.stderr));
            return None;
        }
        Some(buildah)
    }

    fn run(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new("buildah");
        command.args(["--storage-driver", "vfs", "--root"]).arg(self.folder.path().join("images"));
        command.arg("--runroot").arg(self.folder.path().join("run"));
        command.args(arguments).current_dir(self.folder.path()).output().unwrap()
    }

    /// What a command prints that succeeds.
    #[track_caller]
    fn prints(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// `verify ARGUMENTS` in a container, where the repository is mounted read-only: what it prints, and its exit code.
    fn verify(&self, container: &str, repository: &Repository, arguments: &[&str]) -> (String, Option<i32>) {
        let mount = format!("{}:/work:ro", repository.path("").display());
        let head = ["run", "--isolation", "chroot", "--cap-drop", "all", "--volume", &mount, container, "--"];
        let output = self.run(&[&head, &["/usr/local/bin/verify"][..], arguments].concat());
        let said = [output.stdout, output.stderr].concat();
        (String::from_utf8(said).unwrap(), output.status.code())
    }
}

/// The libraries the binary is linked with, as `ldd` finds them.
fn libraries() -> Vec<String> {
    let listed = Command::new("ldd").arg(BINARY).output().unwrap();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let paths = listed.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    paths.map(str::to_owned).collect()
}

/// Copies a file that may be a link, with the folders above it.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to.parent().unwrap()).unwrap();
    fs::copy(from, to).unwrap_or_else(|error| panic!("{}: {error}", from.display()));
}

#[test]
fn image_runs_suites_as_an_unprivileged_user() {
    let Some(buildah) = Buildah::new() else { return };
    let folder = buildah.folder.path();
    for library in libraries() {
        copy(Path::new(&library), &folder.join("base").join(library.trim_start_matches('/')));
    }
    let base = buildah.prints(&["from", "scratch"]);
    buildah.prints(&["copy", "--quiet", &base, "base", "/"]);
    buildah.prints(&["commit", "--quiet", &base, "localhost/base"]);
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    for file in ["Dockerfile", ".dockerignore"] {
        copy(&project().join(file), &folder.join("context").join(file));
    }
    copy(Path::new(BINARY), &folder.join(format!("context/dist/{architecture}/verify")));
    let build = ["build", "--isolation", "chroot", "--build-arg", "BINARY=dist", "--build-arg", "BASE=localhost/base"];
    buildah.prints(&[&build[..], &["--tag", "localhost/verify", "context"]].concat());

    let container = buildah.prints(&["from", "localhost/verify"]);
    let config: Value = serde_json::from_str(&buildah.prints(&["inspect", &container])).unwrap();
    let config = &config["OCIv1"]["config"];
    assert_eq!(config["User"], "65532:65532");
    assert_eq!(config["Entrypoint"], serde_json::json!(["/usr/local/bin/verify"]));

    let cases = |expected: &str| {
        format!(
            "version: 1\npolicies: {{ p: {{ uri: safe-labels/policy.wasm, metadata: safe-labels/metadata.yml }} }}\n\
             cases: [{{ name: a, object: {POD}, expect: {expected} }}]\n"
        )
    };
    let repository = Repository::with_suite(&cases("allow")).policy("safe-labels").write("red.yml", cases("deny"));
    let permit = |mode| fs::set_permissions(repository.path(""), fs::Permissions::from_mode(mode)).unwrap();
    permit(0o700);
    assert_ne!(buildah.verify(&container, &repository, &["suite.yml"]).1, Some(0), "others may not read this folder");
    permit(0o755);
    let (said, code) = buildah.verify(&container, &repository, &["suite.yml"]);
    assert!(code == Some(0) && said.contains("1 test: 1 passed"), "{said}");
    let (said, code) = buildah.verify(&container, &repository, &["red.yml"]);
    assert!(code == Some(1) && said.contains("1 test: 1 failed"), "{said}");
    // Nobody may write there either.
    let (said, code) = buildah.verify(&container, &repository, &["suite.yml", "--report=junit=junit.xml"]);
    assert!(code == Some(2) && said.contains("cannot write the report"), "{said}");
}
