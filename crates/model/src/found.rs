//! What searched requests show about policies: the results of `verify fuzz` and `verify why`.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::answer::FaultKind;

/// What was found with requests that no case has.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Findings {
    /// The version of verify.
    pub version: String,
    /// The seed of the search.
    pub seed: u64,
    /// How many requests were evaluated.
    pub requests: u64,
    /// How many of them a policy refused with an error of its own.
    pub errors: u64,
    /// How many could not be judged: a host call had no mock.
    pub without_mock: u64,
    /// What no policy should do, one finding for each policy and kind.
    pub findings: Vec<Finding>,
}

/// Something that no policy should do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// Name of the policy or group, or the steps of a chain.
    pub policy: String,
    /// What it does.
    pub flaw: Flaw,
    /// What it says, or both answers.
    pub details: String,
    /// The case whose request was changed: `suite › case`.
    pub from: String,
    /// Where that case is written: a path relative to the repository root.
    pub file: String,
    /// The line there, counted from 1.
    pub line: usize,
    /// The smallest object found with which it does it.
    pub object: Value,
    /// Members of that object, at the ends of all paths, without `apiVersion` and `kind`.
    pub fields: usize,
    /// A case for the suite, in YAML.
    pub case: String,
}

/// What no policy should do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Flaw {
    /// It ends without a verdict.
    Fault(FaultKind),
    /// Its verdict, mutation or code differs from cluster to cluster.
    UnstableVerdict,
    /// Its message differs from cluster to cluster.
    UnstableMessage,
}

impl Flaw {
    /// What the policy does, in words.
    pub fn does(self) -> String {
        match self {
            Self::Fault(kind) => format!("ends in a fault: {kind}"),
            Self::UnstableVerdict => "decides differently from cluster to cluster".to_owned(),
            Self::UnstableMessage => "words its message differently from cluster to cluster".to_owned(),
        }
    }
}

/// Which changes of the request of a case change its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reasons {
    /// `suite › case`.
    pub id: String,
    /// Where it is written: a path relative to the repository root.
    pub file: String,
    /// The line there, counted from 1.
    pub line: usize,
    /// What its policies answer.
    pub verdict: String,
    /// How many changes were tried.
    pub tried: usize,
    /// The changes that change the verdict, the smallest first.
    pub changes: Vec<Reason>,
}

/// A change of a request, and what policies answer then.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// What is changed, as a suite writes it: `unset: [metadata.labels.owner]`.
    pub change: String,
    /// The JSON pointer of the change.
    pub at: String,
    /// The file in which the member is written that is changed or removed, or the one it would be in: a path relative to the
    /// repository root. It is the suite where the case makes the member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line there, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What the policies answer then.
    pub verdict: String,
}
