//! Suites, which pull requests bring with them.

use std::cell::OnceCell;
use std::fs;
use std::path::Path;

use policy_verify_model::suite::Suite;
use policy_verify_suite::{Overrides, suite as load};
use tempfile::TempDir;

use super::checks;

/// Files that suites name, by their names.
const FILES: &[(&str, &str)] = &[
    (
        "pod.yaml",
        "{ apiVersion: v1, kind: Pod, metadata: { name: web, labels: { owner: a } }, spec: { containers: [] } }\n",
    ),
    ("policy.yaml", include_str!("../seeds/manifest.yaml")),
    ("session.yml", "[]\n"),
    ("metadata.yml", "rules: []\nmutating: false\n"),
    ("policy.wasm", ""),
];

/// Mistakes that are printed: each quotes its line.
const SHOWN: usize = 20;

thread_local! {
    /// A repository of its own for each thread: tests run side by side.
    static REPOSITORY: OnceCell<TempDir> = const { OnceCell::new() };
}

/// Any file is a suite or a list of mistakes, the same each time it is read; every place is in the file.
pub fn suite(bytes: &[u8]) {
    REPOSITORY.with(|repository| {
        let folder = repository.get_or_init(|| new().expect("a folder can be made")).path();
        let path = folder.join("suite.yml");
        fs::write(&path, bytes).expect("a file can be written");
        let first = read(folder, &path);
        assert_eq!(first, read(folder, &path), "read again");
    });
}

fn new() -> std::io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    FILES.iter().try_for_each(|(name, text)| fs::write(folder.path().join(name), text))?;
    Ok(folder)
}

/// Reads the suite; gives what it says.
fn read(folder: &Path, path: &Path) -> Result<Vec<String>, Vec<String>> {
    let overrides = Overrides { root: Some(folder.to_owned()), ..Overrides::default() };
    match load(path, &overrides, |_| Ok(())) {
        Ok(suite) => {
            places(&suite);
            Ok(suite.cases.iter().map(|case| format!("{} {:?}", case.name, case.span)).collect())
        }
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            mistakes.iter().take(SHOWN).for_each(checks::mistake);
            mistakes.iter().for_each(|mistake| checks::place(mistake.span.as_ref().expect("a suite is a file")));
            Err(mistakes.iter().map(|mistake| format!("{:?} {mistake}", mistake.span)).collect())
        }
    }
}

fn places(suite: &Suite) {
    suite.cases.iter().for_each(|case| checks::place(&case.span));
    suite.policies.iter().for_each(|policy| checks::place(&policy.span));
    suite.warnings.iter().for_each(checks::mistake);
}
