//! What policies would do to the objects of a cluster: the result of `verify rehearse`.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

use super::behaviour::Class;

/// What policies would do to the objects of a cluster.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rehearsal {
    /// The version of verify.
    pub version: String,
    /// How many objects were read.
    pub objects: usize,
    /// How many of them at least one policy would reject.
    pub rejected_objects: usize,
    /// How many of these workloads there are; see [`WorkloadResult`].
    pub rejected_workloads: usize,
    /// How many objects are in the dump more than once. Each is evaluated; the cluster that policies see has the first.
    pub repeated: usize,
    /// What is not part of the result because it could not be read, by reason.
    pub unread: Vec<Unread>,
    /// Objects of unknown kinds that were passed over because that was wanted, by reason.
    pub passed_over: Vec<Unread>,
    /// The policies, in the order of the command line.
    pub policies: Vec<PolicyResult>,
    /// The namespaces of the objects, by name; that of objects outside of namespaces is empty.
    pub namespaces: Vec<NamespaceResult>,
    /// The workloads that a policy would do something to, those with most rejections first.
    pub workloads: Vec<WorkloadResult>,
    /// How the result differs from that of the old policies; none where there are no old ones.
    pub differences: Option<Differences>,
    /// What is valid and most likely not meant.
    pub warnings: Vec<String>,
}

/// What a policy would make of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The request is rejected.
    Rejected,
    /// There is no verdict: a trap, a timeout, a host call without an answer.
    Fault,
    /// The object is changed.
    Mutated,
    /// The request passes because of `mode: monitor`; else it would be rejected.
    MonitoredRejection,
    /// The object stays as it is because of `mode: monitor`; else it would be changed.
    MonitoredMutation,
    /// The request passes as it is.
    Allowed,
    /// No rule or selector selects it.
    NotAsked,
}

impl Verdict {
    /// Every verdict, the gravest first.
    pub const ALL: [Self; 7] = [
        Self::Rejected,
        Self::Fault,
        Self::Mutated,
        Self::MonitoredRejection,
        Self::MonitoredMutation,
        Self::Allowed,
        Self::NotAsked,
    ];

    /// What people call it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Rejected => "rejected",
            Self::Fault => "fault",
            Self::Mutated => "mutated",
            Self::MonitoredRejection => "monitored rejection",
            Self::MonitoredMutation => "monitored mutation",
            Self::Allowed => "allowed",
            Self::NotAsked => "not asked",
        }
    }

    /// Whether the policy does more than to let the request pass.
    pub fn is_remarkable(self) -> bool {
        !matches!(self, Self::Allowed | Self::NotAsked)
    }
}

/// How often each [`Verdict`] was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the members are the verdicts")]
pub struct Counts {
    pub rejected: usize,
    pub faults: usize,
    pub mutated: usize,
    pub monitored_rejections: usize,
    pub monitored_mutations: usize,
    pub allowed: usize,
    pub not_asked: usize,
}

impl Counts {
    /// Counts a verdict.
    pub fn add(&mut self, verdict: Verdict) {
        *self.of_mut(verdict) += 1;
    }

    /// How often a verdict was given.
    pub fn of(&self, verdict: Verdict) -> usize {
        *self.clone().of_mut(verdict)
    }

    /// How often a policy was asked.
    pub fn asked(&self) -> usize {
        Verdict::ALL.iter().filter(|it| **it != Verdict::NotAsked).map(|it| self.of(*it)).sum()
    }

    fn of_mut(&mut self, verdict: Verdict) -> &mut usize {
        match verdict {
            Verdict::Rejected => &mut self.rejected,
            Verdict::Fault => &mut self.faults,
            Verdict::Mutated => &mut self.mutated,
            Verdict::MonitoredRejection => &mut self.monitored_rejections,
            Verdict::MonitoredMutation => &mut self.monitored_mutations,
            Verdict::Allowed => &mut self.allowed,
            Verdict::NotAsked => &mut self.not_asked,
        }
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        for verdict in Verdict::ALL {
            *self.of_mut(verdict) += other.of(verdict);
        }
    }
}

/// What became of a policy.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PolicyResult {
    /// Its name.
    pub name: String,
    /// Where its module is.
    pub uri: String,
    /// The digest of its module; none of a group and of what is unavailable.
    pub digest: Option<String>,
    /// Whether it is deployed with `mode: monitor`.
    pub is_monitor: bool,
    /// Why it is unavailable, so that nothing is known of it.
    pub unavailable: Option<String>,
    /// What it does.
    pub counts: Counts,
    /// What the reports of a background audit would say.
    pub audit: Audit,
    /// What it does, by cause: the gravest first, then what most objects have.
    pub findings: Vec<Finding>,
    /// What could not be decided, or is to be known.
    pub notes: Vec<Note>,
}

/// What the reports of the audit scanner would say of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Audit {
    /// Why the scanner passes over the policy.
    pub skipped: Option<String>,
    /// How many objects fulfil it.
    pub pass: usize,
    /// How many do not.
    pub fail: usize,
    /// About how many it gives no answer.
    pub error: usize,
}

/// What a policy does to objects for one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What it does.
    pub verdict: Verdict,
    /// The message without what differs from object to object, or the changed paths.
    pub cause: String,
    /// How many objects.
    pub number: usize,
    /// What is said or done about the example; none for the causes that are counted only.
    pub message: String,
    /// The first of the objects; none for the causes that are counted only.
    pub example: Option<ObjectPlace>,
}

/// An object, and where it is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectPlace {
    /// `Pod shop/web-1`
    pub object: String,
    /// The object that controls it, and that controls that one: `Deployment shop/web`. The object itself where none does.
    pub workload: String,
    /// Path of the file.
    pub file: String,
    /// Line in it.
    pub line: usize,
}

/// A remark about a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The remark, without what differs from object to object.
    pub text: String,
    /// At how many objects.
    pub number: usize,
}

/// What happens in a namespace.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct NamespaceResult {
    /// Its name; empty for what is outside of namespaces.
    pub name: String,
    /// How many objects.
    pub objects: usize,
    /// How many of them at least one policy would reject.
    pub rejected_objects: usize,
    /// The verdicts of all policies.
    pub counts: Counts,
    /// Those of the policies that do something.
    pub policies: BTreeMap<String, Counts>,
}

/// What happens to a workload: to the object that controls others, and to those.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct WorkloadResult {
    /// Its namespace; empty outside of namespaces.
    pub namespace: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// How many objects.
    pub objects: usize,
    /// How many of them at least one policy would reject.
    pub rejected_objects: usize,
    /// The verdicts of all policies.
    pub counts: Counts,
    /// Those of the policies that do something.
    pub policies: BTreeMap<String, Counts>,
}

/// What is not part of the result, for one reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unread {
    /// Why.
    pub reason: String,
    /// What to do about it.
    pub help: Option<String>,
    /// How many objects, or files.
    pub number: usize,
    /// The file of the first.
    pub file: String,
    /// Its line there.
    pub line: usize,
}

/// How policies differ from the old ones.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Differences {
    /// Policies that are new.
    pub added: Vec<String>,
    /// Policies that are gone.
    pub removed: Vec<String>,
    /// How many pairs of an object and a policy have the same result.
    pub same: usize,
    /// What differs, the gravest first, then what most objects have.
    pub changes: Vec<PolicyChange>,
}

impl Differences {
    /// How many pairs of an object and a policy differ so.
    pub fn number_of(&self, class: Class) -> usize {
        self.changes.iter().filter(|it| it.class == class).map(|it| it.number).sum()
    }
}

/// How a policy differs from the old one, for one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyChange {
    /// The policy.
    pub policy: String,
    /// What it means.
    pub class: Class,
    /// The cause, without what differs from object to object.
    pub cause: String,
    /// At how many objects.
    pub number: usize,
    /// What the old policy does about the example; empty for the causes that are counted only.
    pub old: String,
    /// What the new one does.
    pub new: String,
    /// The first of the objects; none for the causes that are counted only.
    pub example: Option<ObjectPlace>,
}

impl Rehearsal {
    /// The verdicts of all policies.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        self.policies.iter().for_each(|policy| counts += policy.counts);
        counts
    }

    /// How many policies are unavailable.
    pub fn unavailable(&self) -> usize {
        self.policies.iter().filter(|policy| policy.unavailable.is_some()).count()
    }

    /// Whether anything is missing from the result: an object that was not read, or a fault.
    pub fn is_incomplete(&self) -> bool {
        !self.unread.is_empty() || self.counts().faults > 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_is_counted_on_its_own() {
        let mut counts = Counts::default();
        for (number, verdict) in Verdict::ALL.into_iter().enumerate() {
            (0..=number).for_each(|_| counts.add(verdict));
        }
        assert_eq!(Verdict::ALL.map(|verdict| counts.of(verdict)), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(counts.asked(), 21);
        let mut twice = counts;
        twice += counts;
        assert_eq!((twice.rejected, twice.not_asked), (2, 14));
    }
}
