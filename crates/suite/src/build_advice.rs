//! A module that is not there: where it may be instead, and how it is built.

use std::path::{Path, PathBuf};

/// Largest makefile that is looked at, in bytes.
const LARGEST_MAKEFILE: u64 = 64 * 1024;

/// Names of the targets and profiles of cargo that are mistaken for each other.
const TARGETS: [&str; 4] = ["wasm32-wasip1", "wasm32-wasi", "wasm32-unknown-unknown", "wasm32-wasip2"];
const PROFILES: [&str; 2] = ["release", "debug"];

/// Whether a path is that of a module.
pub(crate) fn is_module(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "wasm")
}

/// The same module of another target or profile, or with the name that cargo gives it.
pub(crate) fn elsewhere(path: &Path) -> Option<PathBuf> {
    let text = path.to_str()?;
    let name = path.file_name()?.to_str()?;
    let as_built = path.with_file_name(name.replace('-', "_"));
    let places = [text.to_owned(), as_built.to_str()?.to_owned()].into_iter().flat_map(|text| {
        let target = TARGETS.iter().find(|target| text.contains(&format!("/{target}/"))).copied().unwrap_or("\0");
        let profile = PROFILES.iter().find(|profile| text.contains(&format!("/{profile}/"))).copied().unwrap_or("\0");
        TARGETS
            .iter()
            .flat_map(move |other_target| {
                let text = text.replace(&format!("/{target}/"), &format!("/{other_target}/"));
                PROFILES.map(|other| PathBuf::from(text.replace(&format!("/{profile}/"), &format!("/{other}/"))))
            })
            .collect::<Vec<_>>()
    });
    places.into_iter().find(|place| place.is_file())
}

/// The command that builds a module, from what is in the folders above it, up to `root`. `here` is the folder of the suite.
pub(crate) fn command(path: &Path, root: &Path, here: &Path) -> Option<String> {
    let name = path.file_name()?.to_str()?;
    let folders = path.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
    let (folder, command) = folders.filter_map(|folder| Some((folder, of_folder(folder, path, name)?))).next()?;
    let shown = folder.strip_prefix(here).ok().map(|inside| inside.display().to_string());
    Some(match shown.or_else(|| folder.strip_prefix(root).ok().map(|inside| inside.display().to_string())) {
        Some(inside) if !inside.is_empty() => format!("build the policy first: `cd {inside} && {command}`"),
        _ if folder == here => format!("build the policy first: `{command}`"),
        _ => format!("build the policy first, in the root of the repository: `{command}`"),
    })
}

/// The command of a folder with a makefile, a crate, a Go module or Rego.
fn of_folder(folder: &Path, path: &Path, name: &str) -> Option<String> {
    let has = |file: &str| folder.join(file).is_file();
    if path.parent() == Some(folder) && is_target(&folder.join("Makefile"), name) {
        return Some(format!("make {name}"));
    }
    if has("Cargo.toml") {
        let text = path.to_string_lossy();
        let target = TARGETS.iter().find(|target| text.contains(&format!("/{target}/"))).unwrap_or(&TARGETS[0]);
        let profile = if text.contains("/debug/") { "" } else { " --release" };
        return Some(format!("cargo build --target {target}{profile}"));
    }
    if has("go.mod") {
        return Some(format!("tinygo build -o {name} -target wasip1 ."));
    }
    let is_rego = |entry: std::fs::DirEntry| entry.path().extension().is_some_and(|extension| extension == "rego");
    let has_rego = folder.read_dir().ok()?.filter_map(Result::ok).any(is_rego);
    has_rego.then(|| "opa build -t wasm -e policy/main *.rego && tar -xzf bundle.tar.gz /policy.wasm".to_owned())
}

/// Whether a makefile has a target of this name.
fn is_target(makefile: &Path, name: &str) -> bool {
    let is_small = std::fs::metadata(makefile).is_ok_and(|metadata| metadata.len() <= LARGEST_MAKEFILE);
    let text = is_small.then(|| std::fs::read_to_string(makefile).ok()).flatten().unwrap_or_default();
    text.lines().any(|line| line.strip_prefix(name).is_some_and(|rest| rest.trim_start().starts_with(':')))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        folder
    }

    #[test]
    fn the_command_is_that_of_the_folder() {
        for (files, path, wanted) in [
            (
                [("Cargo.toml", ""), ("x", "")],
                "target/wasm32-wasip1/release/p.wasm",
                Some("build the policy first: `cargo build --target wasm32-wasip1 --release`"),
            ),
            (
                [("Cargo.toml", ""), ("x", "")],
                "target/wasm32-wasip1/debug/p.wasm",
                Some("build the policy first: `cargo build --target wasm32-wasip1`"),
            ),
            (
                [("Makefile", "policy.wasm: src\n"), ("Cargo.toml", "")],
                "policy.wasm",
                Some("build the policy first: `make policy.wasm`"),
            ),
            (
                [("Makefile", "all:\n"), ("Cargo.toml", "")],
                "policy.wasm",
                Some("build the policy first: `cargo build --target wasm32-wasip1 --release`"),
            ),
            (
                [("p/go.mod", ""), ("x", "")],
                "p/policy.wasm",
                Some("build the policy first: `cd p && tinygo build -o policy.wasm -target wasip1 .`"),
            ),
            (
                [("policy.rego", ""), ("x", "")],
                "policy.wasm",
                Some(
                    "build the policy first: `opa build -t wasm -e policy/main *.rego && tar -xzf bundle.tar.gz /policy.wasm`",
                ),
            ),
            ([("x", ""), ("y", "")], "policy.wasm", None),
        ] {
            let folder = folder(&files);
            let found = command(&folder.path().join(path), folder.path(), folder.path());
            assert_eq!(found.as_deref(), wanted, "{path}");
        }
        // The folder of the suite is below that of the policy.
        let folder = folder(&[("Cargo.toml", ""), ("tests/suite.yml", "")]);
        let path = folder.path().join("target/wasm32-wasip1/release/p.wasm");
        let found = command(&path, folder.path(), &folder.path().join("tests")).unwrap();
        assert!(found.starts_with("build the policy first, in the root of the repository: `cargo build"), "{found}");
    }

    #[test]
    fn other_targets_profiles_and_names_are_found() {
        let folder = folder(&[("target/wasm32-wasip1/debug/safe_labels.wasm", "")]);
        let built = folder.path().join("target/wasm32-wasip1/debug/safe_labels.wasm");
        for path in [
            "target/wasm32-wasip1/release/safe_labels.wasm",
            "target/wasm32-wasip1/debug/safe-labels.wasm",
            "target/wasm32-wasi/release/safe-labels.wasm",
        ] {
            assert_eq!(elsewhere(&folder.path().join(path)).as_ref(), Some(&built), "{path}");
        }
        assert_eq!(elsewhere(&folder.path().join("policy.wasm")), None);
    }
}
