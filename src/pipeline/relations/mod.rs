//! Whether a policy keeps a relation: each case that is about it alone is compared with requests that are made of its own.
//!
//! `variants` makes these requests, `asked` puts them to the policy, `agreement` compares the answers, `findings` is the
//! result. What cases expect does not matter here, only that the policy decides alike. What could not be compared never
//! counts as agreement.

mod agreement;
mod asked;
mod findings;
mod left_out;
mod variants;

use std::sync::atomic::Ordering;

use policy_verify_model::answer::FaultKind;
use policy_verify_model::relation::{Relation, RelationException};
use policy_verify_model::suite::{Case, CaseBody, Expectation, RelationCase, RequestCase};
use rayon::prelude::*;

use self::asked::{Answered, Asked, ask};
pub(super) use self::findings::Judged;
use self::findings::{Broken, Compared, Findings, NotCompared};
use self::left_out::LeftOut;
use self::variants::Variant;
use crate::evaluate::{self, Policies};

/// Compares the cases of a policy with what a relation makes of them. The cases come from the suite, whatever was selected.
pub(super) fn judge(test: &Case, relation: &RelationCase, policies: &Policies<'_>) -> Judged {
    let cases: Vec<(&Case, &RequestCase)> =
        policies.suite.cases.iter().filter_map(|case| about(case, relation)).collect();
    let is_stopped = || policies.backend.is_stopped.load(Ordering::Relaxed);
    let compared = cases
        .into_par_iter()
        .filter(|_| !is_stopped())
        .map(|(case, body)| Comparison { case, body, relation, policies }.compare());
    Findings::of(compared.collect()).judged(test, relation)
}

/// The body of a case that is about the policy of a relation alone.
fn about<'a>(case: &'a Case, relation: &RelationCase) -> Option<(&'a Case, &'a RequestCase)> {
    match &case.body {
        CaseBody::Request(body) if case.only_policy() == Some(relation.policy) => Some((case, body)),
        _ => None,
    }
}

/// A case and what a relation makes of it.
struct Comparison<'a> {
    case: &'a Case,
    body: &'a RequestCase,
    relation: &'a RelationCase,
    policies: &'a Policies<'a>,
}

impl<'a> Comparison<'a> {
    fn compare(&self) -> Compared<'a> {
        let left_out = |why| Compared { left_out: Some(why), ..Compared::default() };
        if self.case.skip.is_some() {
            return left_out(LeftOut::Skipped);
        }
        if matches!(*self.body.expect, Expectation::NotApplicable) {
            return left_out(LeftOut::NotSelected);
        }
        if self.exceptions().any(|exception| exception.kinds.is_empty()) {
            return left_out(LeftOut::Excepted);
        }
        let needs_rules = matches!(self.relation.relation, Relation::Workloads | Relation::Update);
        if needs_rules && !self.policies.has_rules_for(self.case) {
            return left_out(LeftOut::NoRules);
        }
        let sent = evaluate::effective_request(self.body, self.policies).request;
        let usual = match ask(self.case, self.body, &sent, self.policies) {
            Asked::Answered(answered) => answered,
            Asked::NotSelected => return left_out(LeftOut::NotSelected),
            // The case itself is there to judge that.
            Asked::Fault(_) => return left_out(LeftOut::NoVerdict),
        };
        match variants::of(self.relation.relation, self.case, self.body, &usual, self.policies) {
            Ok(variants) => self.compare_with(&usual, variants),
            Err(why) => left_out(why),
        }
    }

    fn compare_with(&self, usual: &Answered, variants: Vec<Variant>) -> Compared<'a> {
        let mut compared = Compared::default();
        for variant in variants {
            if let Some(exception) = self.exceptions().find(|exception| exception.covers_kind(variant.kind)) {
                if variant.is_selected(self.policies) {
                    compared.used.push(exception);
                }
                continue;
            }
            match self.ask(&variant) {
                Asked::NotSelected => continue,
                Asked::Fault(fault) if fault.kind == FaultKind::Host => {
                    compared.not_compared.push(NotCompared { case: self.case, change: variant.change, fault });
                }
                asked => compared.broken.extend(self.broken(usual, variant, &asked)),
            }
            compared.number += 1;
        }
        if compared.number == 0 {
            compared.left_out = Some(if compared.used.is_empty() { LeftOut::NoVariant } else { LeftOut::Excepted });
        }
        compared
    }

    /// How the answer to a variant breaks the relation, shown with as small a change as does it.
    fn broken(&self, usual: &Answered, variant: Variant, asked: &Asked) -> Option<Broken<'a>> {
        let relation = self.relation.relation;
        let difference = agreement::difference(relation, usual, &variant, asked)?;
        let mut parts = variant.parts(usual, self.body).into_iter().filter_map(|part| {
            let difference = agreement::difference(relation, usual, &part, &self.ask(&part))?;
            Some((part, difference))
        });
        let (variant, difference) = parts.next().unwrap_or((variant, difference));
        Some(Broken { case: self.case, change: variant.change, kind: variant.kind, difference })
    }

    fn ask(&self, variant: &Variant) -> Asked {
        ask(self.case, &variant.body, &variant.request, self.policies)
    }

    /// The exceptions that are about the case, or about kinds in any case.
    fn exceptions(&self) -> impl Iterator<Item = &'a RelationException> {
        self.relation.exceptions.iter().filter(|exception| exception.covers_case(&self.case.name))
    }
}
