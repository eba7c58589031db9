//! Relations between requests: what a policy has to answer alike, whatever its cases expect. The entries of `relations:`.

use serde::{Deserialize, Serialize};

use super::source::Span;
use super::workload::Workload;

/// How a request and what is made of it belong together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Relation {
    /// The same pod in every workload kind that the rules select has the same verdict.
    Workloads,
    /// The same object has the same verdict when it is created and when it is updated without a change.
    Update,
    /// A mutated object that is sent again is not mutated again.
    Idempotent,
    /// An object whose lists are in another order, where Kubernetes gives the order no meaning, has the same answer.
    Order,
    /// What the policy lets pass is let pass again: the mutated object, and an update without a change.
    #[serde(rename = "self")]
    Itself,
}

impl Relation {
    /// Its name in a suite.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workloads => "workloads",
            Self::Update => "update",
            Self::Idempotent => "idempotent",
            Self::Order => "order",
            Self::Itself => "self",
        }
    }
}

/// What a relation leaves out: cases, kinds of workloads, or some kinds in some cases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelationException {
    /// The name of a case, or a part of it; any case where there is none.
    pub case: Option<String>,
    /// Kinds of workloads; any where there are none.
    pub kinds: Vec<Workload>,
    /// Why.
    pub reason: String,
    /// Where it is written.
    pub span: Span,
}

impl RelationException {
    /// Whether it is about the case of this name.
    pub fn covers_case(&self, name: &str) -> bool {
        self.case.as_ref().is_none_or(|part| name.contains(part.as_str()))
    }

    /// Whether it is about this kind of workload; of none in a relation that is not about kinds.
    pub fn covers_kind(&self, kind: Option<Workload>) -> bool {
        self.kinds.is_empty() || kind.is_some_and(|kind| self.kinds.contains(&kind))
    }
}
