//! Which of the requests that its rules select a policy was asked about.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::policy::RuleOperation;
use super::request::api_version;
use super::source::Span;

/// The rules of a policy or group, and what the cases of its suite exercise of them.
#[derive(Debug, Clone, PartialEq)]
pub struct RuleCoverage {
    /// Index into the suites of the run.
    pub suite: usize,
    /// Name of the policy or group.
    pub policy: String,
    /// Where the rules are from.
    pub origin: RuleOrigin,
    /// Where the suite defines it.
    pub span: Span,
    /// What the rules select: one request of each group, version, resource and operation, in the order of the rules.
    pub requests: Vec<RequestCoverage>,
    /// What else is to be known: a wildcard is a sample.
    pub notes: Vec<String>,
    /// Parts of the rules that select no request at all.
    pub mistakes: Vec<String>,
}

impl RuleCoverage {
    /// How many of the requests were evaluated.
    pub fn exercised(&self) -> usize {
        self.requests.iter().filter(|request| request.exercise() != Exercise::Never).count()
    }
}

/// Where rules are from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuleOrigin {
    /// The metadata of the policy.
    Metadata,
    /// The manifest of a deployment.
    Manifest,
}

/// A request that rules select, and how often it was evaluated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RequestCoverage {
    /// API group of the resource; empty for the core group.
    pub group: String,
    /// Version of the resource; nothing where the rule selects all versions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// `pods`, `pods/exec`
    pub resource: String,
    /// The operation, never [`RuleOperation::All`].
    pub operation: RuleOperation,
    /// What is sent, where its kind is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub object: Option<SentKind>,
    /// How it was decided.
    #[serde(flatten)]
    pub verdicts: VerdictCounts,
}

/// The kind of an object that is sent with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentKind {
    /// `apps/v1`
    pub api_version: String,
    /// `Deployment`
    pub kind: String,
}

/// How often a policy gave which verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct VerdictCounts {
    /// Requests that it let pass as they are.
    pub allowed: usize,
    /// Requests that it mutated.
    pub mutated: usize,
    /// Requests that it rejected.
    pub rejected: usize,
}

impl VerdictCounts {
    /// Adds the counts of another run.
    pub fn add(&mut self, other: Self) {
        self.allowed = self.allowed.saturating_add(other.allowed);
        self.mutated = self.mutated.saturating_add(other.mutated);
        self.rejected = self.rejected.saturating_add(other.rejected);
    }

    /// Requests that it did not let pass as they are.
    pub fn decided(&self) -> usize {
        self.mutated.saturating_add(self.rejected)
    }
}

/// How well a request of the rules is exercised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exercise {
    /// No case has such a request.
    Never,
    /// The policy lets every one of them pass.
    OnlyAllowed,
    /// The policy rejects or mutates one of them.
    Decided,
}

impl RequestCoverage {
    /// How well it is exercised.
    pub fn exercise(&self) -> Exercise {
        match (self.verdicts.allowed, self.verdicts.decided()) {
            (0, 0) => Exercise::Never,
            (_, 0) => Exercise::OnlyAllowed,
            _ => Exercise::Decided,
        }
    }

    /// Whether this is the same request of the rules as `other`, whatever its counts.
    pub fn is_same(&self, other: &Self) -> bool {
        let key = |it: &Self| (it.group.clone(), it.version.clone(), it.resource.clone(), it.operation);
        key(self) == key(other)
    }
}

impl fmt::Display for RequestCoverage {
    /// `UPDATE deployments (apps/v1)`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { group, version, resource, operation, .. } = self;
        let place = match (version, group.as_str()) {
            (Some(version), group) => api_version(group, version),
            (None, "") => "any version of the core group".to_owned(),
            (None, group) => format!("any version of {group}"),
        };
        write!(f, "{} {resource} ({place})", operation.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(group: &str, version: Option<&str>, counts: [usize; 3]) -> RequestCoverage {
        let [allowed, mutated, rejected] = counts;
        RequestCoverage {
            group: group.to_owned(),
            version: version.map(str::to_owned),
            resource: "deployments".to_owned(),
            operation: RuleOperation::Update,
            object: None,
            verdicts: VerdictCounts { allowed, mutated, rejected },
        }
    }

    #[test]
    fn requests_are_shown_with_group_and_version() {
        for (group, version, shown) in [
            ("apps", Some("v1"), "UPDATE deployments (apps/v1)"),
            ("", Some("v1"), "UPDATE deployments (v1)"),
            ("apps", None, "UPDATE deployments (any version of apps)"),
            ("", None, "UPDATE deployments (any version of the core group)"),
        ] {
            assert_eq!(request(group, version, [0; 3]).to_string(), shown);
        }
    }

    #[test]
    fn an_allowed_request_is_exercised_and_not_decided() {
        for (counts, exercise) in [
            ([0, 0, 0], Exercise::Never),
            ([2, 0, 0], Exercise::OnlyAllowed),
            ([2, 1, 0], Exercise::Decided),
            ([0, 0, 1], Exercise::Decided),
        ] {
            assert_eq!(request("", None, counts).exercise(), exercise);
        }
    }
}
