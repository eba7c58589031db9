//! Which code of policies a run executed: plain data for reports and gates.

use std::collections::BTreeMap;
use std::ops::Add;
use std::sync::Arc;

/// The coverage of the code of a module, by the cases of one suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyCoverage {
    /// Index into [`RunReport::suites`](crate::outcome::RunReport::suites).
    pub suite: usize,
    /// The policies of the suite that are this module, in the order of the suite; at least one.
    pub policies: Vec<String>,
    /// What was measured, or why nothing was.
    pub result: Result<Coverage, String>,
}

impl PolicyCoverage {
    /// How much of the policy's own code was executed: of its lines, or of its functions where nothing tells lines. None
    /// where nothing was measured.
    pub fn own(&self) -> Option<Share> {
        let coverage = self.result.as_ref().ok()?;
        Some(if coverage.has_lines() { coverage.lines() } else { coverage.functions() })
    }

    /// Its policies, for people.
    pub fn name(&self) -> String {
        self.policies.join(", ")
    }
}

/// What was executed of a policy's own code, and how much of the code of others that is in its module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage {
    /// The policy's own source files, by path.
    pub files: Vec<FileCoverage>,
    /// Its own functions in no known file.
    pub functions: Vec<FunctionCoverage>,
    /// Functions of the SDK, of libraries and of the language.
    pub others: Share,
    /// What to change in the build to get lines, where there are none; or what the lines leave out.
    pub advice: Option<String>,
}

/// A source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileCoverage {
    /// Its path from the root of the repository if it is in there, otherwise as the compiler wrote it.
    pub path: String,
    /// How often each line was executed that there is code for.
    pub lines: BTreeMap<u32, u64>,
    /// Its functions, by line.
    pub functions: Vec<FunctionCoverage>,
    /// Its text, if it is in the repository. Not in reports that are read back.
    pub source: Option<Arc<str>>,
}

/// A function.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FunctionCoverage {
    /// Where it begins.
    pub line: Option<u32>,
    /// Its name.
    pub name: String,
    /// How often it was called.
    pub hits: u64,
}

/// How many of so many were executed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// Those that were.
    pub covered: u64,
    /// All of them.
    pub total: u64,
}

impl Share {
    /// The share of those with hits.
    pub fn of(hits: impl IntoIterator<Item = u64>) -> Self {
        hits.into_iter().fold(Self::default(), |share, hits| Self {
            covered: share.covered + u64::from(hits > 0),
            total: share.total + 1,
        })
    }

    /// Tenths of a percent, rounded down: only what is complete is 1000. None where there is nothing.
    pub fn per_mille(self) -> Option<u64> {
        self.covered.saturating_mul(1000).checked_div(self.total)
    }
}

impl Add for Share {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { covered: self.covered + other.covered, total: self.total + other.total }
    }
}

impl FileCoverage {
    /// Its lines.
    pub fn share(&self) -> Share {
        Share::of(self.lines.values().copied())
    }

    /// The lines that were not executed, as ranges: between two of a range there is no other line with code.
    pub fn gaps(&self) -> Vec<(u32, u32)> {
        let mut gaps: Vec<(u32, u32)> = Vec::new();
        let mut is_open = false;
        for (line, hits) in &self.lines {
            match (gaps.last_mut(), *hits) {
                (_, 1..) => is_open = false,
                (Some(gap), 0) if is_open => gap.1 = *line,
                (_, 0) => {
                    gaps.push((*line, *line));
                    is_open = true;
                }
            }
        }
        gaps
    }
}

impl Coverage {
    /// Whether lines are known.
    pub fn has_lines(&self) -> bool {
        self.files.iter().any(|file| !file.lines.is_empty())
    }

    /// The lines of the policy's own code.
    pub fn lines(&self) -> Share {
        self.files.iter().map(FileCoverage::share).fold(Share::default(), Share::add)
    }

    /// The functions of the policy's own code.
    pub fn functions(&self) -> Share {
        let of_files = self.files.iter().flat_map(|file| &file.functions);
        Share::of(of_files.chain(&self.functions).map(|function| function.hits))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(lines: &[(u32, u64)]) -> FileCoverage {
        FileCoverage {
            path: "src/lib.rs".into(),
            lines: lines.iter().copied().collect(),
            functions: Vec::new(),
            source: None,
        }
    }

    #[test]
    fn gaps_are_lines_without_a_covered_one_between_them() {
        assert_eq!(file(&[(1, 1), (2, 0), (4, 0), (9, 3), (10, 0)]).gaps(), [(2, 4), (10, 10)]);
        assert_eq!(file(&[(1, 1)]).gaps(), []);
        assert_eq!(file(&[(3, 0), (8, 0)]).gaps(), [(3, 8)]);
    }

    #[test]
    fn lines_count_before_functions() {
        let function = |hits| FunctionCoverage { line: None, name: String::new(), hits };
        let mut coverage = Coverage { functions: vec![function(0), function(7)], ..Coverage::default() };
        let own = |coverage: &Coverage| {
            let result = Ok(coverage.clone());
            PolicyCoverage { suite: 0, policies: vec!["a".into()], result }.own().unwrap()
        };
        assert_eq!(own(&coverage), Share { covered: 1, total: 2 });
        coverage.files.push(file(&[(1, 1), (2, 1), (3, 0)]));
        assert_eq!(own(&coverage), Share { covered: 2, total: 3 });
        assert_eq!(own(&coverage).per_mille(), Some(666));
        assert_eq!(Share::default().per_mille(), None);
    }
}
