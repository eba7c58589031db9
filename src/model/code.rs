//! The short codes of everything that can go wrong: stable names for scripts, searches and `verify explain`.
//!
//! A code is given to a kind of trouble, not to a sentence: the words of a message may change, its code does not. The
//! explanations are the sections of `docs/errors.md`, which is part of the program; a test keeps both complete.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::answer::FaultKind;
use super::outcome::{CaseReport, MismatchKind, Outcome, UnavailableStage};

/// The page that explains every code.
const PAGE: &str = include_str!("../../docs/errors.md");

macro_rules! codes {
    ($($variant:ident = $number:literal, $name:literal, $title:literal;)*) => {
        /// A kind of trouble, written `PV011`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[non_exhaustive]
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
    Weak = 2, "weak-expectation", "any rejection would meet the expectation, for whatever reason";

    Verdict = 10, "verdict-mismatch", "the policy decided otherwise";
    Message = 11, "message-mismatch", "the policy said or coded something else";
    Mutation = 12, "mutation-mismatch", "the policy changed the object otherwise";
    Warnings = 13, "warnings-mismatch", "the warnings or audit annotations are others";
    Response = 14, "response-mismatch", "the response as a document is another";
    Calls = 15, "calls-mismatch", "the policy asked its host otherwise";
    OtherFault = 16, "fault-mismatch", "there is a fault, but not the expected one";
    SettingsVerdict = 17, "settings-mismatch", "the policy judged the settings otherwise";
    Check = 18, "check-failed", "a static check of the module does not hold";
    UnexpectedPass = 19, "unexpected-pass", "a case that is announced to fail passed";

    Unstable = 20, "unstable", "the policy answered otherwise when it was asked again";
    NotRun = 21, "not-run", "the run was stopped before the case was reached";

    Guest = 30, "guest-error", "the policy reported an error instead of a verdict";
    Trap = 31, "trap", "the policy trapped";
    Timeout = 32, "timeout", "the policy ran into its deadline";
    Memory = 33, "memory", "the policy wanted more memory than it may have";
    Init = 34, "init-failed", "the policy failed while it was being started";
    InvalidResponse = 35, "invalid-response", "the policy answered, but not with a readable verdict";
    Host = 36, "host-call", "a host call was unanswered, or refused by the access rules";
    MissingBuiltins = 37, "missing-builtins", "the policy needs Rego built-ins that policy-server does not offer";
    Limit = 38, "limit", "the policy wrote or asked for more than the limits allow";
    Settings = 39, "settings-refused", "the policy refuses the settings of the case";
    NotApplicable = 40, "not-applicable", "no rule of the policy's metadata selects the request";
    Internal = 41, "internal", "a bug in verify itself";
    Expression = 42, "expression-failed", "the expression of a policy group could not be evaluated";

    Fetch = 50, "fetch-failed", "the module of a policy could not be read";
    Metadata = 51, "metadata-invalid", "the metadata of a policy could not be read or attached";
    Compile = 52, "compile-failed", "the module of a policy is no module that can run";
    Unsigned = 53, "not-signed", "a policy is not signed as it has to be";

    Mistake = 60, "mistake", "the suite says something that cannot be meant";
    Syntax = 61, "syntax", "a file is not the YAML or JSON it should be";
    UnknownKey = 62, "unknown-key", "a key that means nothing at its place";
    WrongType = 63, "wrong-type", "a value of another kind than its key takes";
    MissingKey = 64, "missing-key", "a key that has to be there is not";
    FileNotFound = 65, "file-not-found", "the suite names a file that cannot be read";
    OutsideRepository = 66, "outside-repository", "the suite names a file outside its repository";
    UnknownName = 67, "unknown-name", "a policy, variant or capability that is defined nowhere";
    NameTwice = 68, "name-twice", "two cases have the same name";
    Variable = 69, "variable", "a variable that is unknown, unused or used wrongly";
    NeverRuns = 70, "never-runs", "an empty list: the case would never run";
    Contradiction = 71, "contradiction", "keys that exclude each other";
    HoldsAlways = 72, "holds-always", "an expectation that every answer would meet";
    OnlyInCi = 73, "only-in-ci", "`only` is refused in CI";

    NothingSelected = 80, "nothing-selected", "no case was selected";
    Engine = 81, "engine", "the Wasm engine could not be set up";
    Sources = 82, "sources", "the sources file, or the lock of a suite, cannot be used";
    ReportUnreadable = 90, "report-unreadable", "a file is no complete report of this version of verify";
    ShardMissing = 91, "shard-missing", "the report of a shard is missing";
    ReportsDiffer = 92, "reports-differ", "reports do not belong to the same run";
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

    /// The code of what went wrong with a case; none when nothing did.
    pub fn of(case: &CaseReport) -> Option<Self> {
        match &case.outcome {
            Outcome::Failed(mismatches) => Some(mismatches.first().map_or(Self::Verdict, |first| first.kind.into())),
            Outcome::Error(fault) => Some(fault.kind.into()),
            Outcome::Unavailable(why) => Some(why.stage.into()),
            Outcome::Xpassed(_) => Some(Self::UnexpectedPass),
            Outcome::NotRun(_) => Some(Self::NotRun),
            Outcome::Passed | Outcome::Skipped(_) | Outcome::Xfailed(_) => None,
        }
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PV{:03}", *self as u16)
    }
}

impl FromStr for Code {
    type Err = String;

    /// Takes `PV011`, `pv11` and `message-mismatch`.
    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.strip_prefix("PV").or_else(|| text.strip_prefix("pv"));
        let number = digits.and_then(|digits| digits.parse::<u16>().ok());
        let is_meant = |code: &&Self| number == Some(**code as u16) || text == code.name();
        Self::ALL.iter().find(is_meant).copied().ok_or_else(|| format!("there is no code `{text}`"))
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

impl From<MismatchKind> for Code {
    fn from(kind: MismatchKind) -> Self {
        match kind {
            MismatchKind::Verdict => Self::Verdict,
            MismatchKind::Message => Self::Message,
            MismatchKind::Mutation => Self::Mutation,
            MismatchKind::Warnings => Self::Warnings,
            MismatchKind::Response => Self::Response,
            MismatchKind::Calls => Self::Calls,
            MismatchKind::Fault => Self::OtherFault,
            MismatchKind::Settings => Self::SettingsVerdict,
            MismatchKind::Check => Self::Check,
            MismatchKind::Stability => Self::Unstable,
        }
    }
}

impl From<FaultKind> for Code {
    fn from(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Guest => Self::Guest,
            FaultKind::Trap => Self::Trap,
            FaultKind::Timeout => Self::Timeout,
            FaultKind::Memory => Self::Memory,
            FaultKind::Init => Self::Init,
            FaultKind::InvalidResponse => Self::InvalidResponse,
            FaultKind::Host => Self::Host,
            FaultKind::MissingBuiltins => Self::MissingBuiltins,
            FaultKind::Limit => Self::Limit,
            FaultKind::Settings => Self::Settings,
            FaultKind::NotApplicable => Self::NotApplicable,
            FaultKind::Expression => Self::Expression,
            FaultKind::Internal => Self::Internal,
        }
    }
}

impl From<UnavailableStage> for Code {
    fn from(stage: UnavailableStage) -> Self {
        match stage {
            UnavailableStage::Fetch => Self::Fetch,
            UnavailableStage::Signature => Self::Unsigned,
            UnavailableStage::Metadata => Self::Metadata,
            UnavailableStage::Compile => Self::Compile,
        }
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
