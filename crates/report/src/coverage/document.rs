//! Coverage in the JSON document of a report, for writing and for reading.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use policy_verify_model::coverage::{Coverage, FileCoverage, FunctionCoverage, PolicyCoverage, Share};

/// The coverage of a module by a suite.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Document<'a> {
    /// Path of the suite.
    pub(crate) suite: Cow<'a, str>,
    policies: Vec<Cow<'a, str>>,
    /// Why nothing was measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lines: Option<Counts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    functions: Option<Counts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    others: Option<Counts>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    advice: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    files: Vec<File<'a>>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    without_file: Vec<Function<'a>>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Counts {
    covered: u64,
    total: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct File<'a> {
    path: Cow<'a, str>,
    /// Number and hits.
    lines: Vec<(u32, u64)>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    functions: Vec<Function<'a>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Function<'a> {
    name: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    hits: u64,
}

impl From<Share> for Counts {
    fn from(Share { covered, total }: Share) -> Self {
        Self { covered, total }
    }
}

/// The document of what was measured in the suite of this path.
pub(crate) fn document<'a>(policy: &'a PolicyCoverage, suite: &'a str) -> Document<'a> {
    let measured = policy.result.as_ref().ok();
    Document {
        suite: suite.into(),
        policies: policy.policies.iter().map(Cow::from).collect(),
        error: policy.result.as_ref().err().map(Cow::from),
        lines: measured.filter(|it| it.has_lines()).map(|it| it.lines().into()),
        functions: measured.map(|it| it.functions().into()),
        others: measured.map(|it| it.others.into()),
        advice: measured.and_then(|it| it.advice.as_ref()).map(Cow::from),
        files: measured.map(|it| it.files.iter().map(file).collect()).unwrap_or_default(),
        without_file: measured.map(|it| it.functions.iter().map(function).collect()).unwrap_or_default(),
    }
}

fn file(file: &FileCoverage) -> File<'_> {
    File {
        path: (&file.path).into(),
        lines: file.lines.iter().map(|(line, hits)| (*line, *hits)).collect(),
        functions: file.functions.iter().map(function).collect(),
    }
}

fn function(function: &FunctionCoverage) -> Function<'_> {
    Function { name: (&function.name).into(), line: function.line, hits: function.hits }
}

/// What a document says was measured; `suite` is the index of its suite. The shares of lines and functions follow from these.
pub(crate) fn read(document: Document<'_>, suite: usize) -> PolicyCoverage {
    let Document { policies, error, others, advice, files, without_file, .. } = document;
    let functions = |functions: Vec<Function<'_>>| -> Vec<FunctionCoverage> {
        let read = |it: Function<'_>| FunctionCoverage { line: it.line, name: it.name.into_owned(), hits: it.hits };
        functions.into_iter().map(read).collect()
    };
    let file = |file: File<'_>| FileCoverage {
        path: file.path.into_owned(),
        lines: file.lines.into_iter().collect(),
        functions: functions(file.functions),
        source: None,
    };
    let result = match error {
        Some(error) => Err(error.into_owned()),
        None => Ok(Coverage {
            files: files.into_iter().map(file).collect(),
            functions: functions(without_file),
            others: others.map(|Counts { covered, total }| Share { covered, total }).unwrap_or_default(),
            advice: advice.map(Cow::into_owned),
        }),
    };
    PolicyCoverage { suite, policies: policies.into_iter().map(Cow::into_owned).collect(), result }
}
