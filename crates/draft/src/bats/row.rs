//! What the translation of bats tests takes and gives.

use super::expect::Weakness;
use crate::draft::Draft;
use crate::imported;

/// A file with tests, or one with functions that they load.
#[derive(Debug, Clone)]
pub struct BatsFile {
    /// Its path from the root of the repository, with forward slashes.
    pub path: String,
    /// What it contains. Files that do not end in `.bats` are only loaded by others.
    pub text: String,
}

/// Where the suite is written, and what is around it.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// The folder of the suite, from the root of the repository; empty for the root itself.
    pub folder: String,
    /// Name of the policy for `annotated-policy.wasm` and `policy.wasm`, usually that of its folder.
    pub policy: String,
    /// Files of the repository, for patterns such as `test_data/*.json`.
    pub files: Vec<String>,
}

/// The suite, and what became of each test.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The suite.
    pub draft: Draft,
    /// Each test, in the order of the files.
    pub tests: Vec<TestRow>,
}

/// What became of a test.
#[derive(Debug, Clone)]
pub struct TestRow {
    /// Path of its file.
    pub file: String,
    /// The line it starts on, from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// How much of it was translated.
    pub fate: Fate,
    /// The cases made of it.
    pub cases: Vec<CaseRow>,
}

/// A case made of a test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseRow {
    /// Its name, unique within the suite.
    pub name: String,
    /// Whether it is one of `settingsCases`.
    pub is_settings_case: bool,
    /// What the test left open.
    pub weakness: Option<Weakness>,
}

/// How much of a test was translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// All of it.
    Whole,
    /// Not these parts.
    Partly(Vec<Reason>),
    /// Nothing, for these reasons.
    Not(Vec<Reason>),
}

/// Why a part of a test was not translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason {
    /// Its line in the file.
    pub line: usize,
    /// What it is.
    pub text: String,
}

impl From<Imported> for imported::Imported {
    fn from(it: Imported) -> Self {
        let tests = it.tests.into_iter().map(imported::TestRow::from).collect();
        Self { draft: it.draft, files: Vec::new(), tests }
    }
}

impl From<TestRow> for imported::TestRow {
    fn from(it: TestRow) -> Self {
        let TestRow { file, line, name, fate, cases } = it;
        let told = |reasons: Vec<Reason>| {
            reasons.into_iter().map(|reason| format!("{file}:{}: {}", reason.line, reason.text)).collect()
        };
        let fate = match fate {
            Fate::Whole => imported::Fate::Whole,
            Fate::Partly(reasons) => imported::Fate::Partly(told(reasons)),
            Fate::Not(reasons) => imported::Fate::Not(told(reasons)),
        };
        let weak = cases.iter().filter(|case| case.weakness.is_some()).map(|case| case.name.clone()).collect();
        let cases = cases.into_iter().map(|case| case.name).collect();
        Self { file, line, name, fate, cases, weak }
    }
}
