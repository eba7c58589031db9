//! What policies do differently than the versions that their suite calls their baselines.

use std::collections::HashSet;
use std::fmt;
use std::hash::Hash;

use serde::{Deserialize, Serialize};

use super::behaviour::Class;
use super::policy::PolicyRef;
use super::source::Spanned;

/// The version that a policy is compared with, as a suite declares it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// Where the module is.
    pub uri: Spanned<PolicyRef>,
    /// The same for reports.
    pub uri_text: String,
    /// The classes of changes of its metadata and its code that are intended.
    pub expected_changes: Vec<Class>,
}

/// What the policies of a suite do differently than their baselines.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuiteChanges {
    /// Index into the suites of the run.
    pub suite: usize,
    /// How many cases were put to both versions.
    pub compared: usize,
    /// What differs, in suite order; what is about a module comes first.
    pub changes: Vec<BaselineChange>,
    /// What was to differ and does not.
    pub missing: Vec<MissingChange>,
    /// What could not be compared.
    pub not_compared: Vec<NotComparable>,
}

/// One difference from a baseline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct BaselineChange {
    /// The name of the case, or of the policy where the difference is about the module.
    pub subject: String,
    /// File and line of the same, as reports show them.
    pub place: String,
    /// What it means for those who use the policy.
    pub class: Class,
    /// What of the module differs, such as `hostCapabilities`; nothing for an answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// What the baseline does.
    pub old: String,
    /// What the policy does.
    pub new: String,
    /// Whether the suite says so.
    pub is_expected: bool,
}

/// A difference from a baseline that the suite announces and that is not there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct MissingChange {
    /// The name of the case or the policy.
    pub subject: String,
    /// File and line of the same.
    pub place: String,
    /// The class that is announced.
    pub class: Class,
}

/// A case or a policy that could not be compared with its baseline.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct NotComparable {
    /// The name of the case or the policy.
    pub subject: String,
    /// File and line of the same.
    pub place: String,
    /// Why.
    pub reason: String,
}

impl fmt::Display for BaselineChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { subject, place, class, about, old, new, .. } = self;
        let about = about.as_ref().map(|about| format!("{about}: ")).unwrap_or_default();
        write!(f, "{place} {subject}: {}: {about}{old} → {new}", class.title())
    }
}

impl fmt::Display for MissingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: `expectChange: {}`, but nothing changed", self.place, self.subject, self.class)
    }
}

impl fmt::Display for NotComparable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: not compared: {}", self.place, self.subject, self.reason)
    }
}

impl SuiteChanges {
    /// Adds what another shard found of the same suite. Every shard compares the modules.
    pub fn add(&mut self, other: &Self) {
        self.compared = self.compared.saturating_add(other.compared);
        add_new(&mut self.changes, &other.changes);
        add_new(&mut self.missing, &other.missing);
        add_new(&mut self.not_compared, &other.not_compared);
    }
}

fn add_new<T: Clone + Eq + Hash>(known: &mut Vec<T>, others: &[T]) {
    let there: HashSet<&T> = known.iter().collect();
    let new: Vec<T> = others.iter().filter(|it| !there.contains(it)).cloned().collect();
    known.extend(new);
}
