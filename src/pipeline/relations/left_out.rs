//! Why cases say nothing about a relation.

use policy_verify_model::relation::Relation;

/// Why a case says nothing about a relation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum LeftOut {
    /// Nothing can be made of its request.
    NoVariant,
    /// The policy rejects it.
    Rejected,
    /// There are no rules that would select other requests.
    NoRules,
    /// No rule selects its request.
    NotSelected,
    /// Its own request has no verdict.
    NoVerdict,
    /// It is skipped.
    Skipped,
    /// It is an exception.
    Excepted,
}

impl LeftOut {
    /// The reason in words.
    pub(super) fn reason(self, relation: Relation) -> &'static str {
        match (self, relation) {
            (Self::NoVariant, Relation::Workloads) => "no pod that the rules select in another workload",
            (Self::NoVariant, Relation::Update) => "no object that the rules select both on CREATE and on UPDATE",
            (Self::NoVariant, Relation::Order) => "no list of several items without an order",
            (Self::NoVariant, Relation::Idempotent) => "not mutated",
            (Self::NoVariant, Relation::Itself) => "not mutated, and no rule selects its update",
            (Self::Rejected, _) => "rejected",
            (Self::NoRules, _) => "no rules: the policy has no metadata",
            (Self::NotSelected, _) => "no rule selects the request",
            (Self::NoVerdict, _) => "no verdict",
            (Self::Skipped, _) => "skipped",
            (Self::Excepted, _) => "an exception",
        }
    }
}
