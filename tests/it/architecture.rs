//! The direction of imports: `cli → lib API → pipeline → steps → {runtime → host} → model`.
//!
//! Reads the `use` lines and paths under `src/`; the picture and its reasons are in ARCHITECTURE.md.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

/// What each part may import besides itself, and why where it is not plain from the picture.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "lib",
        &[
            "model",
            "report",
            "compare",
            "error",
            "evaluate",
            "expression",
            "host",
            "load",
            "nearest",
            "patch",
            "pipeline",
            "network",
            "prepare",
            "publish",
            "registry",
            "resolve",
            "runtime",
            "select",
            "signature",
        ],
    ),
    (
        "pipeline",
        &[
            "model",
            "error",
            "load",
            "resolve",
            "prepare",
            "evaluate",
            "compare",
            "select",
            "publish",
            "registry",
            "network",
            "signature",
            "host::Journal",
            "host::Outside",
            "host::live",
            "host::record",
            "registry",
            "runtime::engine",
        ],
    ),
    // The mistakes of a suite are what most errors consist of.
    ("error", &["model", "load::Mistake"]),
    ("select", &["model", "error", "nearest"]),
    // Which capabilities and recordings there are, and what their answers look like, only the host knows.
    (
        "load",
        &[
            "model",
            "expression",
            "host",
            "nearest",
            "registry::location",
            "registry::name",
            "signature::check_key",
            "yaml",
        ],
    ),
    ("resolve", &["model", "durable", "registry", "network", "signature"]),
    ("prepare", &["model", "nearest", "runtime", "host", "yaml"]),
    ("evaluate", &["model", "runtime", "host", "expression", "patch", "prepare::PreparedPolicy"]),
    ("publish", &["model", "registry"]),
    ("compare", &["model", "patch"]),
    ("report", &["model", "yaml"]),
    // Reports of several machines are joined after all steps, as plain data.
    ("merge", &["model"]),
    ("runtime", &["model", "durable", "host", "patch"]),
    // Live answers come through the door to registries.
    ("host", &["model", "yaml", "registry", "network", "signature"]),
    ("registry", &["model", "durable"]),
    ("network", &[]),
    ("durable", &[]),
    ("nearest", &[]),
    ("signature", &["model", "registry", "yaml"]),
    ("expression", &[]),
    ("patch", &[]),
    ("yaml", &["model"]),
    ("model", &[]),
];

struct Source {
    /// Relative to `src/`, with forward slashes.
    path: String,
    /// Without comments and without unit tests, which may look around.
    text: String,
}

impl Source {
    fn part(&self) -> &str {
        self.path.split('/').next().unwrap().trim_end_matches(".rs")
    }
}

fn sources() -> Vec<Source> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    walk(&root, &mut paths);
    paths.sort();
    let relative = |path: &Path| path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/");
    let is_test = |path: &str| path.ends_with("tests.rs") || path.ends_with("testing.rs");
    let read = |path: PathBuf| Source { path: relative(&path), text: code(&std::fs::read_to_string(&path).unwrap()) };
    paths.into_iter().map(read).filter(|source| !is_test(&source.path)).collect()
}

/// The code of a file: unit tests stand last in it, comments from `//` to the end of a line.
fn code(text: &str) -> String {
    let (code, _) = text.split_once("#[cfg(test)]\nmod ").unwrap_or((text, ""));
    let lines = code.lines().map(|line| {
        let comment = line.find("//").filter(|at| !line[..*at].ends_with(':'));
        comment.map_or(line, |at| &line[..at])
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The paths a file imports from this crate, such as `model::suite` and `prepare::PreparedPolicy`.
fn imports(text: &str) -> BTreeSet<String> {
    let groups = Regex::new(r"\bcrate::\{([^}]*)\}").unwrap();
    let single = Regex::new(r"\bcrate::(\w+(?:::\w+)*)(?:::\{([^}]*)\})?").unwrap();
    let mut found = BTreeSet::new();
    for group in groups.captures_iter(text) {
        found.extend(group[1].split(',').map(|item| item.trim().to_owned()).filter(|item| !item.is_empty()));
    }
    for path in single.captures_iter(text) {
        match path.get(2) {
            Some(items) => {
                let items = items.as_str().split(',').map(str::trim).filter(|item| !item.is_empty());
                found.extend(items.map(|item| match item.strip_prefix("self") {
                    Some(_) => path[1].to_owned(),
                    None => format!("{}::{item}", &path[1]),
                }));
            }
            None => {
                found.insert(path[1].to_owned());
            }
        }
    }
    // The crate root re-exports one thing.
    found.into_iter().map(|path| if path == "Error" { "error::Error".to_owned() } else { path }).collect()
}

#[test]
fn imports_point_one_way() {
    for source in sources().iter().filter(|source| source.part() != "cli") {
        let part = source.part();
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(name, _)| *name == part)
            .unwrap_or_else(|| panic!("{}: a new part of the picture; say here what it may import", source.path));
        for import in imports(&source.text) {
            let is_under = |prefix: &str| import == prefix || import.starts_with(&format!("{prefix}::"));
            assert!(
                is_under(part) || allowed.iter().any(|prefix| is_under(prefix)),
                "src/{} imports crate::{import}, against the direction {part} → {allowed:?}",
                source.path
            );
        }
    }
}

#[test]
fn the_command_sees_only_what_everybody_sees() {
    for source in sources().iter().filter(|source| source.part() == "cli") {
        let found = imports(&source.text);
        assert!(
            found.is_empty(),
            "src/{}: {found:?}; within the command it is `super::`, else `policy_verify::`",
            source.path
        );
    }
}

#[test]
fn only_the_runtime_knows_wasmtime() {
    for source in sources().iter().filter(|source| source.part() != "runtime") {
        for name in ["wasmtime", "wasmtime_wasi", "wapc::", "wapc;"] {
            assert!(!source.text.contains(name), "src/{} names {name}", source.path);
        }
    }
}

#[test]
fn only_signatures_know_sigstore() {
    for source in sources().iter().filter(|source| source.part() != "signature") {
        for name in ["sigstore::", "x509_cert"] {
            assert!(!source.text.contains(name), "src/{} names {name}", source.path);
        }
    }
}

#[test]
fn the_model_is_plain_data() {
    for source in sources().iter().filter(|source| source.part() == "model") {
        for name in
            ["std::fs", "std::net", "std::env", "std::process", "std::io", "std::thread", "tokio", "clap", "rayon"]
        {
            assert!(!source.text.contains(name), "src/{} names {name}", source.path);
        }
    }
}

#[test]
fn printing_is_up_to_the_command_and_comparing_is_pure() {
    let printing = Regex::new(r"\be?print(ln)?!|io::std(out|err)\(").unwrap();
    for source in sources() {
        if source.part() != "cli" {
            assert!(!printing.is_match(&source.text), "src/{} prints", source.path);
        }
        if ["compare", "report"].contains(&source.part()) {
            for name in ["std::fs", "std::net", "std::env", "Instant::now", "Timestamp::now"] {
                assert!(!source.text.contains(name), "src/{} names {name}", source.path);
            }
        }
    }
}

#[test]
fn nothing_is_unsafe_but_the_code_that_is_kept() {
    let unsafe_code = Regex::new(r"\bunsafe\s*(\{|fn|impl|trait|extern)").unwrap();
    let (kept, rest): (Vec<Source>, _) =
        sources().into_iter().partition(|source| source.path == "runtime/code_cache.rs");
    assert_eq!(unsafe_code.find_iter(&kept[0].text).count(), 1, "one block, about one file");
    for source in rest {
        assert!(!unsafe_code.is_match(&source.text), "src/{}", source.path);
        assert!(
            !source.text.contains("allow(unsafe_code)") && !source.text.contains("expect(unsafe_code"),
            "src/{}",
            source.path
        );
    }
    let manifest = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""));
}

#[test]
fn every_file_says_what_it_is_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for source in sources() {
        let text = std::fs::read_to_string(root.join(&source.path)).unwrap();
        assert!(text.starts_with("//! "), "src/{}", source.path);
    }
}

#[test]
fn the_reader_of_imports_sees_all_forms() {
    let text = "use crate::model::{self, suite::Case};\nuse crate::{Error, load};\nfn f() -> crate::host::Journal {}\nuse crate::x::{\n    a, b,\n};\n";
    let found: Vec<String> = imports(text).into_iter().collect();
    assert_eq!(found, ["error::Error", "host::Journal", "load", "model", "model::suite::Case", "x::a", "x::b"]);
    assert_eq!(code("a // b\nlet u = \"http://c\";\n#[cfg(test)]\nmod tests {}"), "a \nlet u = \"http://c\";");
}
