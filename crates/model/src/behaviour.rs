//! How two versions of a policy differ in what they do: the result of `verify diff`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How much fuel and size may grow before that is a difference, in percent.
pub const TOLERATED_GROWTH: u64 = 5;

/// What a difference means for those who use the policy, the gravest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// A request that passed is rejected, or settings that were accepted are refused: breaking.
    NewDenial,
    /// A request that was rejected passes, is no longer evaluated, or settings that were refused are accepted: security.
    NewAllowance,
    /// A version ends without a verdict where the other one gives one.
    Faults,
    /// The policy may ask its host for more, or more requests are sent to it.
    Privilege,
    /// A request passes with another object.
    OtherMutation,
    /// The same verdict in other words: message, code, warnings, audit annotations.
    Wording,
    /// More than [`TOLERATED_GROWTH`] percent more instructions or bytes.
    Cost,
    /// Anything else: fewer privileges, fewer host calls, other metadata.
    Other,
}

/// A word that is no [`Class`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("unknown class `{0}`: expected one of {names}", names = Class::ALL.map(Class::word).join(", "))]
pub struct UnknownClass(pub String);

impl Class {
    /// Every class, the gravest first.
    pub const ALL: [Self; 8] = [
        Self::NewDenial,
        Self::NewAllowance,
        Self::Faults,
        Self::Privilege,
        Self::OtherMutation,
        Self::Wording,
        Self::Cost,
        Self::Other,
    ];

    /// The word in JSON and on the command line.
    pub fn word(self) -> &'static str {
        match self {
            Self::NewDenial => "new-denial",
            Self::NewAllowance => "new-allowance",
            Self::Faults => "faults",
            Self::Privilege => "privilege",
            Self::OtherMutation => "other-mutation",
            Self::Wording => "wording",
            Self::Cost => "cost",
            Self::Other => "other",
        }
    }

    /// The word for people, with what it means where that has a name.
    pub fn title(self) -> &'static str {
        match self {
            Self::NewDenial => "new denial (breaking)",
            Self::NewAllowance => "new allowance (security)",
            Self::Faults => "faults",
            Self::Privilege => "privilege",
            Self::OtherMutation => "other mutation",
            Self::Wording => "wording",
            Self::Cost => "cost",
            Self::Other => "other",
        }
    }

    /// What it means for those who use the policy.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::NewDenial => "A request that passed is rejected, or settings that were accepted are refused.",
            Self::NewAllowance => {
                "A rejected request passes, a rule is gone, or settings that were refused are accepted."
            }
            Self::Faults => "One version ends without a verdict: a trap, a timeout, an error of its own.",
            Self::Privilege => "The policy may ask its host for more, or more requests are sent to it.",
            Self::OtherMutation => "A request passes with another object.",
            Self::Wording => "The same verdict with another message, code, warning or audit annotation.",
            Self::Cost => "More executed instructions with the same verdict, or more bytes.",
            Self::Other => "Fewer privileges, fewer host calls, or other metadata.",
        }
    }

    /// Whether a version with such a difference is more than a patch.
    pub fn needs_more_than_a_patch(self) -> bool {
        matches!(self, Self::NewDenial | Self::NewAllowance)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl FromStr for Class {
    type Err = UnknownClass;

    fn from_str(text: &str) -> Result<Self, UnknownClass> {
        Self::ALL.into_iter().find(|class| class.word() == text).ok_or_else(|| UnknownClass(text.to_owned()))
    }
}

/// How two versions of a policy differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Behaviour {
    /// The version of verify.
    pub version: String,
    /// The old version.
    pub old: PolicyVersion,
    /// The new version.
    pub new: PolicyVersion,
    /// Whether both are the same module with the same metadata: then nothing is evaluated.
    pub is_identical: bool,
    /// How the version in the metadata changed; none where one of them has none.
    pub step: Option<Step>,
    /// What does not fit this step.
    pub warning: Option<String>,
    /// How many requests and settings of the suites were put to both.
    pub compared: usize,
    /// How many cases made a difference, those of cost and new host calls without a mock included.
    pub differing: usize,
    /// Which could not be compared.
    pub not_compared: Vec<NotCompared>,
    /// Instructions of all requests and settings that both versions gave the same verdict on.
    pub instructions: Option<Instructions>,
    /// What differs, the gravest first, grouped by cause.
    pub differences: Vec<Difference>,
    /// The search for requests beyond the suites; none where it was not wanted.
    pub search: Option<Searched>,
}

impl Behaviour {
    /// How many differences there are of a class.
    pub fn number_of(&self, class: Class) -> usize {
        self.differences.iter().filter(|it| it.class == class).count()
    }

    /// Whether anything could be said: something was compared, or the metadata differs, or there is nothing to compare.
    pub fn shows_something(&self) -> bool {
        self.is_identical || self.compared > 0
    }
}

/// One version of a policy.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyVersion {
    /// As it was named: a path or a URI.
    pub uri: String,
    /// Where its metadata was read, where the module has none.
    pub metadata: Option<String>,
    /// Digest of the module with its metadata.
    pub digest: String,
    /// Bytes of the same.
    pub size: u64,
    /// The version in its metadata: the annotation `io.kubewarden.policy.version`.
    pub version: Option<String>,
    /// Remarks about its source, such as a tag that has moved.
    pub remarks: Vec<String>,
}

/// How a version changed. Before 1.0.0 the minor number counts as the major one, as in Cargo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    /// What breaks.
    Major,
    /// What is new.
    Minor,
    /// What is repaired.
    Patch,
    /// The same version.
    None,
    /// An older version.
    Back,
}

impl Step {
    /// The step between two versions.
    pub fn between(old: &semver::Version, new: &semver::Version) -> Self {
        let is_early = old.major == 0 && new.major == 0;
        match () {
            () if new < old => Self::Back,
            () if new == old => Self::None,
            () if new.major != old.major || (is_early && new.minor != old.minor) => Self::Major,
            () if new.minor != old.minor => Self::Minor,
            () => Self::Patch,
        }
    }

    /// Whether users may take the new version for one that only repairs.
    pub fn promises_no_change(self) -> bool {
        matches!(self, Self::Patch | Self::None)
    }
}

/// Cases that could not be compared, for one reason.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NotCompared {
    /// Why.
    pub reason: String,
    /// How many.
    pub number: usize,
    /// One of them: `suite › case`.
    pub example: String,
}

/// Executed WebAssembly instructions, as wasmtime counts them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instructions {
    /// Of the old version.
    pub old: u64,
    /// Of the new version.
    pub new: u64,
}

/// A difference, with everything that has the same cause.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Difference {
    /// What it means.
    pub class: Class,
    /// The cause: a message without what differs from request to request, the changed paths, a host call.
    pub cause: String,
    /// How many requests or settings show it; 0 where it is in the module itself.
    pub number: usize,
    /// Whether only searched requests show it.
    pub is_searched: bool,
    /// What the old version does in the example.
    pub old: String,
    /// What the new version does in it.
    pub new: String,
    /// Where the example is; none where the difference is in the module itself.
    pub example: Option<Example>,
}

/// A request or settings on which two versions differ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Example {
    /// `suite › case`; of a searched request the case it was made from.
    pub case: String,
    /// Where that case is written: a path relative to the repository root.
    pub file: String,
    /// The line there, counted from 1.
    pub line: usize,
    /// The smallest object found, of a searched request.
    pub object: Option<Value>,
    /// A case for the suite that holds for the old version, or for the new one where the old one gives no verdict; YAML, of a
    /// searched request.
    pub yaml: Option<String>,
}

/// What was searched beyond the suites.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Searched {
    /// The seed of the search.
    pub seed: u64,
    /// From how many cases requests were made.
    pub cases: usize,
    /// How many requests were put to both versions.
    pub requests: u64,
    /// How many could not be compared: a host call had no mock.
    pub without_mock: u64,
    /// How many differences were dropped because a version answers the same request in several ways.
    pub unstable: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_found_by_their_words() {
        for class in Class::ALL {
            assert_eq!(class.word().parse(), Ok(class));
            assert_eq!(serde_json::to_value(class).unwrap(), class.word());
        }
        let error = Class::from_str("breaking").unwrap_err().to_string();
        assert!(error.starts_with("unknown class `breaking`: expected one of new-denial, "), "{error}");
    }

    #[test]
    fn steps_are_those_of_semver() {
        for (old, new, step) in [
            ("1.2.3", "2.0.0", Step::Major),
            ("1.2.3", "1.3.0", Step::Minor),
            ("1.2.3", "1.2.4", Step::Patch),
            ("1.2.3", "1.2.3", Step::None),
            ("1.2.3", "1.2.2", Step::Back),
            ("0.1.0", "0.2.0", Step::Major),
            ("0.1.0", "0.1.1", Step::Patch),
            ("0.9.0", "1.0.0", Step::Major),
            ("1.0.0-rc.1", "1.0.0", Step::Patch),
        ] {
            assert_eq!(Step::between(&old.parse().unwrap(), &new.parse().unwrap()), step, "{old} → {new}");
        }
    }
}
