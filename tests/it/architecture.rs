//! What ARCHITECTURE.md says about crates, folders and imports, held against the code.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use regex::Regex;

use crate::support::project;

/// What each part of the root package may import of its own crate besides itself.
const ALLOWED: &[(&str, &[&str])] = &[
    (
        "lib",
        &[
            "compare", "coverage", "error", "evaluate", "fuzzing", "live", "measure", "pipeline", "prepare", "resolve",
            "sabotage", "select", "server", "vary",
        ],
    ),
    (
        "pipeline",
        &[
            "compare", "coverage", "error", "evaluate", "form", "live", "measure", "prepare", "resolve", "sabotage",
            "select", "server", "vary",
        ],
    ),
    ("evaluate", &["prepare::PreparedPolicy"]),
    ("select", &["error"]),
    ("compare", &[]),
    ("coverage", &["evaluate::Policies"]),
    ("error", &[]),
    ("form", &[]),
    ("fuzzing", &["compare", "prepare"]),
    ("live", &[]),
    ("measure", &[]),
    ("prepare", &[]),
    ("resolve", &[]),
    ("sabotage", &[]),
    ("server", &[]),
    ("vary", &[]),
];

/// A file of ours, without comments, texts and unit tests, which may look around.
struct Source {
    /// Its crate: `policy-verify`, or `model` for `crates/model`.
    package: String,
    /// Path relative to the project, with forward slashes.
    path: String,
    /// The module it is, from the root of its crate.
    module: Vec<String>,
    code: String,
}

impl Source {
    /// The first folder or file under `src/`.
    fn part(&self) -> &str {
        self.module.first().map_or("lib", String::as_str)
    }
}

fn sources() -> Vec<Source> {
    let mut roots = vec![("policy-verify".to_owned(), "src".to_owned())];
    roots.extend(crates().into_iter().map(|name| (name.clone(), format!("crates/{name}/src"))));
    let mut sources = Vec::new();
    for (package, root) in roots {
        for path in rust_files(&project().join(&root)) {
            let relative = path.strip_prefix(project().join(&root)).unwrap().to_string_lossy().replace('\\', "/");
            if ["tests.rs", "testing.rs"].iter().any(|name| relative.ends_with(name)) {
                continue;
            }
            let mut module: Vec<String> = relative.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
            if ["mod", "lib", "main"].contains(&module.last().unwrap().as_str()) {
                module.pop();
            }
            let code = code(&std::fs::read_to_string(&path).unwrap());
            sources.push(Source { package: package.clone(), path: format!("{root}/{relative}"), module, code });
        }
    }
    sources
}

/// The names of the folders in `crates/`.
fn crates() -> Vec<String> {
    let entries = std::fs::read_dir(project().join("crates")).unwrap();
    let mut names: Vec<String> = entries.map(|it| it.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The code of a file: unit tests stand last in it.
fn code(text: &str) -> String {
    let (code, _) = text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((text, ""));
    let texts = Regex::new(r#""(?:\\.|[^"\\])*""#).unwrap();
    let lines = code.lines().map(|line| {
        let comment = line.find("//").filter(|at| !line[..*at].ends_with(':'));
        comment.map_or(line, |at| &line[..at])
    });
    texts.replace_all(&lines.collect::<Vec<_>>().join("\n"), "\"\"").into_owned()
}

/// Every path that code names from `crate`, `super` or `self`, and from its child modules.
fn paths(code: &str) -> BTreeSet<String> {
    // Who may see something is no import.
    let code = &*Regex::new(r"\bpub\(in [\w:]+\)").unwrap().replace_all(code, "pub");
    let import = Regex::new(r"\buse\s+([^;]+);").unwrap();
    let mut found = BTreeSet::new();
    for import in import.captures_iter(code) {
        expand("", &import[1].split_whitespace().collect::<Vec<_>>().join(" "), &mut found);
    }
    let body = import.replace_all(code, "");
    let path = Regex::new(r"\b(?:crate|super|self)(?:::\w+)+").unwrap();
    found.extend(path.find_iter(&body).map(|found| found.as_str().to_owned()));
    let child = Regex::new(r"(?m)^\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+);").unwrap();
    let children: BTreeSet<&str> = child.captures_iter(code).map(|found| found.get(1).unwrap().as_str()).collect();
    let any = Regex::new(r"(?:^|[^\w:])(\w+)((?:::\w+)+)").unwrap();
    for found_path in any.captures_iter(&body).filter(|found| children.contains(&found[1])) {
        found.insert(format!("self::{}{}", &found_path[1], &found_path[2]));
    }
    let from_child = |path: String| {
        let is_child = children.contains(path.split("::").next().unwrap_or_default());
        if is_child { format!("self::{path}") } else { path }
    };
    found.into_iter().map(from_child).collect()
}

/// `a::{b, c::{self, d as e}}` as `a::b`, `a::c`, `a::c::d`.
fn expand(prefix: &str, tree: &str, found: &mut BTreeSet<String>) {
    let tree = tree.trim();
    let Some((path, group)) = tree.split_once('{') else {
        let name = tree.split(" as ").next().unwrap_or(tree);
        let path = if name == "self" { prefix.trim_end_matches("::").to_owned() } else { format!("{prefix}{name}") };
        found.insert(path);
        return;
    };
    let (mut depth, mut start) = (0, 0);
    let group = group.strip_suffix('}').unwrap_or(group);
    for (index, letter) in group.char_indices().chain([(group.len(), ',')]) {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let item = &group[start..index];
                if !item.trim().is_empty() {
                    expand(&format!("{prefix}{path}"), item, found);
                }
                start = index + 1;
            }
            _ => {}
        }
    }
}

/// The module in which a path from `module` ends; `modules` are all of the crate.
fn target(path: &str, module: &[String], modules: &BTreeSet<Vec<String>>) -> Option<Vec<String>> {
    let mut segments = path.split("::").peekable();
    let mut reached = match segments.next()? {
        // The command is a crate of its own, in a folder of this one.
        "crate" if module.first().is_some_and(|first| first == "cli") => vec!["cli".to_owned()],
        "crate" => Vec::new(),
        "self" => module.to_vec(),
        "super" => module.split_last()?.1.to_vec(),
        _ => return None,
    };
    while segments.next_if_eq(&"super").is_some() {
        reached.pop();
    }
    for segment in segments {
        reached.push(segment.to_owned());
        if !modules.contains(&reached) {
            reached.pop();
            break;
        }
    }
    Some(reached)
}

/// Which modules of a crate each of its modules imports, `mod.rs` and `lib.rs` counted like any other file.
fn imports(package: &str) -> BTreeMap<Vec<String>, BTreeSet<Vec<String>>> {
    let sources: Vec<Source> = sources().into_iter().filter(|source| source.package == package).collect();
    let modules: BTreeSet<Vec<String>> = sources.iter().map(|source| source.module.clone()).collect();
    let of = |source: &Source| {
        let targets = paths(&source.code).into_iter().filter_map(|path| target(&path, &source.module, &modules));
        targets.filter(|target| *target != source.module).collect()
    };
    sources.iter().map(|source| (source.module.clone(), of(source))).collect()
}

/// A way from `start` back to it.
fn circle(start: &[String], edges: &BTreeMap<Vec<String>, BTreeSet<Vec<String>>>) -> Option<Vec<String>> {
    let mut came_from: BTreeMap<&[String], &[String]> = BTreeMap::new();
    let mut open = vec![start];
    while let Some(module) = open.pop() {
        for next in edges.get(module).into_iter().flatten() {
            if next == start {
                let back = std::iter::successors(Some(module), |&at| came_from.get(at).copied());
                return Some(back.map(|it| it.join("::")).collect());
            }
            if !came_from.contains_key(next.as_slice()) {
                came_from.insert(next, module);
                open.push(next);
            }
        }
    }
    None
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let packages = crates().into_iter().chain(["policy-verify".to_owned()]);
    let mut circles = Vec::new();
    for package in packages {
        let edges = imports(&package);
        circles.extend(edges.keys().filter_map(|module| Some(format!("{package}: {:?}", circle(module, &edges)?))));
    }
    assert!(circles.is_empty(), "{}", circles.join("\n"));
}

#[test]
fn imports_point_one_way() {
    for source in sources().iter().filter(|source| source.package == "policy-verify" && source.part() != "cli") {
        let part = source.part();
        let (_, allowed) = ALLOWED
            .iter()
            .find(|(name, _)| *name == part)
            .unwrap_or_else(|| panic!("{}: a new part of the picture; say here what it may import", source.path));
        for import in paths(&source.code).iter().filter_map(|path| path.strip_prefix("crate::")) {
            let import = if import == "Error" { "error::Error" } else { import };
            let is_under = |prefix: &str| import == prefix || import.starts_with(&format!("{prefix}::"));
            assert!(
                is_under(part) || allowed.iter().any(|prefix| is_under(prefix)),
                "{} imports crate::{import}, against the direction {part} → {allowed:?}",
                source.path
            );
        }
    }
}

/// The rows of a table of ARCHITECTURE.md, by the head of its first column.
fn table(head: &str) -> Vec<Vec<String>> {
    let page = std::fs::read_to_string(project().join("ARCHITECTURE.md")).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with(&format!("| {head} |"))).skip(2);
    let cells = |line: &str| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

fn words_in_ticks(text: &str) -> BTreeSet<String> {
    let ticks = Regex::new("`([^`]+)`").unwrap();
    ticks.captures_iter(text).map(|found| found[1].to_owned()).collect()
}

#[test]
fn crates_use_each_other_as_the_picture_says() {
    let rows = table("crate");
    let named: Vec<String> = rows.iter().filter_map(|row| words_in_ticks(&row[0]).pop_first()).collect();
    let mut present: Vec<String> = crates().iter().map(|name| format!("policy-verify-{name}")).collect();
    present.push("policy-verify".to_owned());
    assert_eq!(named.iter().collect::<BTreeSet<_>>(), present.iter().collect(), "the table of crates");
    let dependency = Regex::new(r"(?m)^policy-verify-(\w+)").unwrap();
    for (row, name) in rows.iter().zip(&named).filter(|(_, name)| *name != "policy-verify") {
        let path = format!("crates/{}/Cargo.toml", name.trim_start_matches("policy-verify-"));
        let manifest = std::fs::read_to_string(project().join(&path)).unwrap();
        let (_, rest) = manifest.split_once("[dependencies]").unwrap();
        let dependencies = rest.split("[dev-dependencies]").next().unwrap();
        let uses: BTreeSet<String> = dependency.captures_iter(dependencies).map(|found| found[1].to_owned()).collect();
        assert_eq!(uses, words_in_ticks(&row[2]), "{path} against the table");
    }
}

#[test]
fn every_folder_of_the_root_package_is_in_the_code_map() {
    let mut named = BTreeSet::new();
    for row in table("folder") {
        named.extend(words_in_ticks(&row[0]).into_iter().map(|name| name.trim_start_matches("src/").to_owned()));
    }
    let page = std::fs::read_to_string(project().join("ARCHITECTURE.md")).unwrap();
    for source in sources().iter().filter(|source| source.package == "policy-verify" && source.module.len() > 1) {
        let folder = source.part();
        assert!(page.contains(&format!("`{folder}/`")) || page.contains(&format!("`src/{folder}/`")), "src/{folder}");
    }
    for name in named.iter().filter(|name| !name.contains('.')) {
        let exists = [project().join(name), project().join("src").join(name)].iter().any(|path| path.exists());
        assert!(exists, "ARCHITECTURE.md names `{name}`, which is not there");
    }
}

#[test]
fn the_command_sees_only_what_everybody_sees() {
    for source in sources().iter().filter(|source| source.package == "policy-verify" && source.part() == "cli") {
        assert!(!source.code.contains("crate::"), "{}: `super::`, else `policy_verify::`", source.path);
        assert!(!source.code.contains("policy_verify_"), "{}: what others see is `policy_verify`", source.path);
    }
}

/// Crates of others that belong to one place.
#[test]
fn some_dependencies_are_known_in_one_place() {
    for (place, names) in [
        ("crates/engine/", &["wasmtime", "wapc::"][..]),
        ("crates/registry/src/signature/", &["sigstore::", "x509_cert"]),
        ("src/live/", &["kube::"]),
    ] {
        for source in sources().iter().filter(|source| !source.path.starts_with(place)) {
            for name in names {
                assert!(!source.code.contains(name), "{} names {name}", source.path);
            }
        }
    }
}

#[test]
fn the_model_is_plain_data() {
    for source in sources().iter().filter(|source| source.package == "model") {
        for name in
            ["std::fs", "std::net", "std::env", "std::process", "std::io", "std::thread", "tokio", "clap", "rayon"]
        {
            assert!(!source.code.contains(name), "{} names {name}", source.path);
        }
    }
}

#[test]
fn printing_is_up_to_the_command_and_comparing_is_pure() {
    let printing = Regex::new(r"\be?print(ln)?!|io::std(out|err)\(").unwrap();
    for source in sources() {
        let is_command = source.package == "policy-verify" && source.part() == "cli";
        assert!(is_command || !printing.is_match(&source.code), "{} prints", source.path);
        if source.package == "report" || source.part() == "compare" {
            for name in ["std::fs", "std::net", "std::env", "Instant::now", "Timestamp::now"] {
                assert!(!source.code.contains(name), "{} names {name}", source.path);
            }
        }
    }
}

#[test]
fn nothing_is_unsafe_but_the_code_that_is_kept() {
    let unsafe_code = Regex::new(r"\bunsafe\s*(\{|fn|impl|trait|extern)").unwrap();
    let (kept, rest): (Vec<Source>, _) =
        sources().into_iter().partition(|source| source.path == "crates/engine/src/code_cache.rs");
    assert_eq!(unsafe_code.find_iter(&kept[0].code).count(), 1, "one block, about one file");
    for source in rest {
        assert!(!unsafe_code.is_match(&source.code), "{}", source.path);
        assert!(
            !source.code.contains("allow(unsafe_code)") && !source.code.contains("expect(unsafe_code"),
            "{}",
            source.path
        );
    }
    let manifest = std::fs::read_to_string(project().join("Cargo.toml")).unwrap();
    assert!(manifest.contains("unsafe_code = \"deny\""));
    for name in crates() {
        let manifest = std::fs::read_to_string(project().join(format!("crates/{name}/Cargo.toml"))).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "crates/{name} has lints of its own");
    }
}

#[test]
fn every_file_says_what_it_is_for() {
    for source in sources() {
        let text = std::fs::read_to_string(project().join(&source.path)).unwrap();
        assert!(text.starts_with("//! "), "{}", source.path);
    }
}

#[test]
fn the_reader_of_imports_sees_all_forms() {
    let text = "use crate::model::{self, suite::Case};\nuse crate::{Error, load};\nmod y;\nfn f() -> crate::host::Journal { y::g() }\nuse crate::x::{\n    a as z, b,\n};\n";
    let found: Vec<String> = paths(text).into_iter().collect();
    assert_eq!(
        found,
        [
            "crate::Error",
            "crate::host::Journal",
            "crate::load",
            "crate::model",
            "crate::model::suite::Case",
            "crate::x::a",
            "crate::x::b",
            "self::y::g"
        ]
    );
    assert_eq!(code("a // b\nlet u = \"http://c\";\n#[cfg(test)]\nmod tests {}"), "a \nlet u = \"\";");
}

#[test]
fn a_circle_through_mod_rs_is_found() {
    let module = |name: &str| name.split("::").map(str::to_owned).collect::<Vec<_>>();
    let edges: BTreeMap<_, BTreeSet<_>> = [
        (module("a"), [module("a::b")].into()),
        (module("a::b"), [module("c"), module("a")].into()),
        (module("c"), BTreeSet::new()),
    ]
    .into();
    assert!(circle(&module("a::b"), &edges).is_some());
    assert!(circle(&module("c"), &edges).is_none());
    let modules: BTreeSet<_> = edges.into_keys().collect();
    assert_eq!(target("super::Type", &module("a::b"), &modules), Some(module("a")));
    assert_eq!(target("crate::a::b::Type", &module("c"), &modules), Some(module("a::b")));
}
