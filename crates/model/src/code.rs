//! The short codes of everything that can go wrong: stable names for scripts, searches and `verify explain`.
//!
//! A code belongs to a kind of error, not to a sentence: the words of a message may change, its code does not. The
//! explanations are the sections of `docs/errors.md`, which is part of the program; a test keeps both complete.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The page that explains every code: the same bytes as `docs/errors.md`, kept equal by a test.
const PAGE: &str = include_str!("errors.md");

macro_rules! codes {
    ($($variant:ident = $number:literal, $name:literal, $title:literal;)*) => {
        /// A kind of error, written `PV011`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $title] $variant = $number,)*
        }

        impl Code {
            /// Every code, by number.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// The name in words, `message-mismatch`.
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// What it means, in one line.
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => $title,)* }
            }
        }
    };
}

codes! {
    Weak = 2, "weak-expectation", "the expectation matches different answers";

    SelectsNothing = 3, "rule-selects-nothing", "a part of the rules selects no request";

    Verdict = 10, "verdict-mismatch", "unexpected verdict";
    Message = 11, "message-mismatch", "unexpected message or code";
    Mutation = 12, "mutation-mismatch", "unexpected mutation";
    Warnings = 13, "warnings-mismatch", "unexpected warnings or audit annotations";
    Response = 14, "response-mismatch", "unexpected response";
    Calls = 15, "calls-mismatch", "unexpected host calls";
    OtherFault = 16, "fault-mismatch", "unexpected fault";
    SettingsVerdict = 17, "settings-mismatch", "unexpected answer about settings";
    Check = 18, "check-failed", "a static check of the module failed";
    UnexpectedPass = 19, "unexpected-pass", "a case marked `xfail` passed";

    Unstable = 20, "unstable", "a repetition gave another answer";
    NotRun = 21, "not-run", "the run was stopped before the case";
    ServerDiffers = 22, "server-differs", "policy-server gave another answer";

    Gate = 23, "gate-missed", "the run did not reach a goal of `gates:`";
    Snapshot = 24, "snapshot-mismatch", "the answer differs from its snapshot, or there is none";
    Relation = 25, "relation-broken", "two requests that must be answered alike are not";

    Guest = 30, "guest-error", "the policy reported an error instead of a verdict";
    Trap = 31, "trap", "the policy trapped";
    Timeout = 32, "timeout", "the policy exceeded its timeout";
    Memory = 33, "memory", "the policy exceeded its memory limit";
    Init = 34, "init-failed", "the policy failed at its start";
    InvalidResponse = 35, "invalid-response", "invalid response";
    Host = 36, "host-call", "no mock for a host call, or denied by the access rules";
    MissingBuiltins = 37, "missing-builtins", "the policy needs Rego built-ins that policy-server does not have";
    Limit = 38, "limit", "the policy exceeded a limit";
    Settings = 39, "settings-refused", "the policy rejects the settings of the case";
    NotApplicable = 40, "not-applicable", "no rule of the metadata matches the request";
    Internal = 41, "internal", "a bug in verify";
    Expression = 42, "expression-failed", "an expression of the deployment cannot be evaluated";
    Conversion = 43, "not-converted", "the request needs a conversion that verify does not make";
    Server = 44, "server-fault", "no usable answer from policy-server";

    Fetch = 50, "fetch-failed", "the module is unavailable";
    Metadata = 51, "metadata-invalid", "the metadata is invalid";
    Compile = 52, "compile-failed", "the module does not compile";
    Unsigned = 53, "not-signed", "a required signature is missing";

    Mistake = 60, "mistake", "invalid suite";
    Syntax = 61, "syntax", "invalid YAML or JSON";
    UnknownKey = 62, "unknown-key", "unknown key";
    WrongType = 63, "wrong-type", "wrong type";
    MissingKey = 64, "missing-key", "missing key";
    FileNotFound = 65, "file-not-found", "file not found";
    OutsideRepository = 66, "outside-repository", "the file is outside the repository";
    UnknownName = 67, "unknown-name", "unknown policy, variant or capability";
    NameTwice = 68, "name-twice", "duplicate case name";
    Variable = 69, "variable", "unknown, unused or misplaced variable";
    NeverRuns = 70, "never-runs", "the case would never run";
    Contradiction = 71, "contradiction", "keys exclude each other";
    HoldsAlways = 72, "holds-always", "every answer matches the expectation";
    OnlyInCi = 73, "only-in-ci", "`only` is refused in CI, and where stdout is no terminal";
    UnusedSnapshot = 74, "unused-snapshot", "a snapshot without a case";

    NothingSelected = 80, "nothing-selected", "no case is selected";
    Engine = 81, "engine", "the Wasm engine could not be set up";
    Sources = 82, "sources", "invalid sources file or lock";
    Usage = 83, "usage", "a flag or an argument is invalid";
    Output = 84, "output", "a report or another output cannot be written";
    ReportUnreadable = 90, "report-unreadable", "incomplete report, or from another version";
    ShardMissing = 91, "shard-missing", "the report of a shard is missing";
    ReportsDiffer = 92, "reports-differ", "the reports belong to different runs";
}

impl Code {
    /// The section of the documentation about it: meaning, example, remedy, in Markdown, without its heading.
    pub fn explanation(self) -> &'static str {
        let heading = format!("\n## {self} ");
        let Some(start) = PAGE.find(&heading) else { return "" };
        let section = &PAGE[start + heading.len()..];
        let section = section.split_once('\n').map_or("", |(_, text)| text);
        section.split("\n## ").next().unwrap_or("").trim()
    }

    /// The first paragraph of the explanation.
    pub fn meaning(self) -> &'static str {
        self.explanation().split("\n\n").next().unwrap_or("")
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PV{:03}", *self as u16)
    }
}

/// A text that is neither a code nor the name of one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownCode(String);

impl fmt::Display for UnknownCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown code `{}`", self.0)
    }
}

impl std::error::Error for UnknownCode {}

impl FromStr for Code {
    type Err = UnknownCode;

    /// Parses `PV011`, `pv11` and `message-mismatch`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_prefix("PV").or_else(|| text.strip_prefix("pv"));
        let number = digits.and_then(|digits| digits.parse::<u16>().ok());
        let is_meant = |code: &&Self| number == Some(**code as u16) || text == code.name();
        Self::ALL.iter().find(is_meant).copied().ok_or_else(|| UnknownCode(text.to_owned()))
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Code {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_explained_in_the_documentation_with_an_example_and_a_remedy() {
        for code in Code::ALL {
            let text = code.explanation();
            assert!(PAGE.contains(&format!("\n## {code} {}\n", code.name())), "{code} has no section");
            assert!(!code.meaning().is_empty() && !code.meaning().starts_with("```"), "{code} is not explained");
            assert!(text.contains("\n```"), "{code} has no example");
            assert!(text.contains("\n**Remedy.** "), "{code} has no remedy");
        }
    }

    #[test]
    fn the_documentation_explains_no_code_that_does_not_exist() {
        let headings: Vec<&str> = PAGE.lines().filter_map(|line| line.strip_prefix("## PV")).collect();
        let known: Vec<String> =
            Code::ALL.iter().map(|code| format!("{} {}", &code.to_string()[2..], code.name())).collect();
        assert_eq!(headings, known, "the sections are those of the codes, in their order");
        for code in Code::ALL {
            let row = format!("| [{code}](#{}-{}) | {} |", code.to_string().to_lowercase(), code.name(), code.title());
            assert!(PAGE.contains(&row), "the table at the top lacks\n{row}");
        }
    }

    #[test]
    fn codes_are_read_back_in_any_form() {
        for code in Code::ALL {
            for text in [code.to_string(), code.to_string().to_lowercase(), code.name().to_owned()] {
                assert_eq!(text.parse(), Ok(*code), "{text}");
            }
        }
        assert_eq!("PV11".parse(), Ok(Code::Message));
        for text in ["", "PV", "PV999", "message", "11"] {
            assert!(text.parse::<Code>().is_err(), "{text}");
        }
    }

    #[test]
    fn numbers_and_names_are_given_once() {
        assert!(Code::ALL.is_sorted_by(|a, b| a < b));
        let mut names: Vec<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Code::ALL.len());
    }
}
