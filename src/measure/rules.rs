//! Where the rules of a Rego policy are defined. `opa build` compiles each rule to a function with its name and writes no lines:
//! the files beside the module have them, if they are in the repository.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use policy_verify_files::bounded;
use policy_verify_model::coverage::{Coverage, FileCoverage, FunctionCoverage};
use policy_verify_suite::Root;

/// Most bytes of a source.
const MAX_BYTES: u64 = 1 << 20;

/// Most files that are read.
const MAX_FILES: usize = 200;

/// Folders below that of the module, such as `policy/lib`.
const MAX_DEPTH: usize = 2;

/// Gives rules in files below the folder of the module their places. The line of a rule is that of its first definition: it
/// counts as executed when the rule was evaluated.
pub(crate) fn place(coverage: &mut Coverage, folder: &Path, root: &Root) {
    if !coverage.functions.iter().any(|function| rule(&function.name).is_some()) {
        return;
    }
    let mut sources = Vec::new();
    collect(folder, root, MAX_DEPTH, &mut sources);
    let sources: Vec<Source> = sources.into_iter().filter_map(|path| Source::read(path, root)).collect();
    let mut files: BTreeMap<String, FileCoverage> = BTreeMap::new();
    let mut without_file = Vec::new();
    for function in std::mem::take(&mut coverage.functions) {
        let found = rule(&function.name).and_then(|rule| {
            let of_package = sources.iter().filter(|source| source.package == rule.package);
            of_package.filter_map(|source| Some((source, source.line_of(rule.name)?))).next()
        });
        let Some((source, line)) = found else {
            without_file.push(function);
            continue;
        };
        let file = files.entry(source.shown.clone()).or_insert_with(|| FileCoverage {
            path: source.shown.clone(),
            lines: BTreeMap::new(),
            functions: Vec::new(),
            source: Some(source.text.as_str().into()),
        });
        *file.lines.entry(line).or_default() += function.hits;
        file.functions.push(FunctionCoverage { line: Some(line), ..function });
    }
    files.values_mut().for_each(|file| file.functions.sort());
    coverage.files.extend(files.into_values());
    coverage.functions = without_file;
}

/// The rule that a function is compiled from.
struct Rule<'a> {
    package: &'a str,
    name: &'a str,
}

/// `g0.data.policy.lib.deny` is the rule `deny` of the package `policy.lib`.
fn rule(function: &str) -> Option<Rule<'_>> {
    let (group, path) = function.split_once(".data.")?;
    let is_group = group.strip_prefix('g')?.bytes().all(|byte| byte.is_ascii_digit());
    let (package, name) = path.rsplit_once('.')?;
    is_group.then_some(Rule { package, name })
}

/// The files of Rego in a folder of the repository, in the order of their names; tests are none of the policy.
fn collect(folder: &Path, root: &Root, depth: usize, found: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut entries: Vec<PathBuf> = entries.take(MAX_FILES).filter_map(|entry| Some(entry.ok()?.path())).collect();
    entries.sort();
    for path in entries.into_iter().filter(|path| !path.is_symlink() && root.contains(path)) {
        let is_source = path.extension().is_some_and(|extension| extension == "rego");
        let is_test = path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("_test"));
        if path.is_dir() && depth > 0 {
            collect(&path, root, depth - 1, found);
        } else if is_source && !is_test && path.is_file() && found.len() < MAX_FILES {
            found.push(path);
        }
    }
}

/// A file of Rego.
struct Source {
    shown: String,
    package: String,
    text: String,
}

impl Source {
    fn read(path: PathBuf, root: &Root) -> Option<Self> {
        let text = bounded::read_text(&path, MAX_BYTES).ok()?;
        let package = text.lines().find_map(|line| line.strip_prefix("package "))?;
        let package = package.split(['#', ' ']).next().unwrap_or_default().trim().to_owned();
        Some(Self { shown: root.shown(&path), package, text })
    }

    /// The line of the first definition of a rule: rules begin a line. A default is one only where there is no other.
    fn line_of(&self, rule: &str) -> Option<u32> {
        let begins = |line: &str| {
            let rest = line.strip_prefix(rule);
            rest.is_some_and(|rest| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_'))
        };
        let line = |test: &dyn Fn(&str) -> bool| (1_u32..).zip(self.text.lines()).find(|(_, text)| test(text));
        let found = line(&begins).or_else(|| line(&|text| text.strip_prefix("default ").is_some_and(begins)));
        found.map(|(number, _)| number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_verify_suite::root_of;

    fn function(name: &str, hits: u64) -> FunctionCoverage {
        FunctionCoverage { line: None, name: name.into(), hits }
    }

    #[test]
    fn rules_are_found_in_the_files_of_their_package() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("lib")).unwrap();
        fs::write(
            folder.path().join("policy.rego"),
            "package policy # main\n\ndefault deny := 1\ndenying := 2\ndeny := 3\n",
        )
        .unwrap();
        fs::write(folder.path().join("lib/a.rego"), "package policy.lib\ndefault found := 1\n").unwrap();
        fs::write(folder.path().join("policy_test.rego"), "package policy\nmain := 1\n").unwrap();
        let root = root_of(&folder.path().join("suite.yml"), Some(folder.path())).unwrap();
        let names = ["g0.data.policy.deny", "g0.data.policy.main", "g1.data.policy.lib.found"];
        let functions = names.iter().zip([3, 0, 4]).map(|(name, hits)| function(name, hits)).collect();
        let mut coverage = Coverage { functions, ..Coverage::default() };
        place(&mut coverage, folder.path(), &root);
        let lines: Vec<_> = coverage.files.iter().map(|file| (file.path.as_str(), file.lines.clone())).collect();
        assert_eq!(lines, [("lib/a.rego", [(2, 4)].into()), ("policy.rego", [(5, 3)].into())]);
        assert_eq!(coverage.functions, [function("g0.data.policy.main", 0)]);
    }
}
