//! The requests that a relation makes of the request of a case.

use std::sync::Arc;

use policy_verify_model::budget::Budget;
use policy_verify_model::conversion::Equivalent;
use policy_verify_model::patch;
use policy_verify_model::relation::Relation;
use policy_verify_model::request::{AdmissionRequest, Request};
use policy_verify_model::stored_request::StoredRequest;
use policy_verify_model::suite::{Case, RequestCase, RulesMode};
use policy_verify_model::workload::Workload;
use policy_verify_suite::related::{self, order};
use serde_json::Value;

use super::asked::Answered;
use super::left_out::LeftOut;
use crate::compare;
use crate::evaluate::{self, Applicability, Policies};
use crate::pipeline::suite_words::{self, dotted};
use crate::vary::{Change, Edit};

/// Lists that are tried alone where an order breaks the relation.
const MOST_LISTS: usize = 20;

/// Changes of an object that are named.
const MOST_CHANGES: usize = 4;

/// Longest change that is written as in a suite.
const LONGEST_CHANGE: usize = 200;

/// A request that a relation makes of another one.
pub(super) struct Variant {
    /// The request.
    pub(super) request: Request,
    /// The policy and its mocks; rules have to select the request.
    pub(super) body: RequestCase,
    /// How it differs, in the words of a suite where there are some.
    pub(super) change: String,
    /// The workload that it puts the pod into.
    pub(super) kind: Option<Workload>,
    /// The lists that have another order.
    lists: Vec<String>,
}

impl Variant {
    fn of(request: Request, body: &RequestCase, equivalents: Vec<Equivalent>, change: String) -> Self {
        let body = body.about_other_requests(RulesMode::Enforce, equivalents);
        Self { request, body, change, kind: None, lists: Vec::new() }
    }

    /// A variant about the same resource. A request that no rule had to select needs none now.
    fn alike(request: Request, body: &RequestCase, change: String) -> Self {
        let other = body.about_other_requests(body.rules, body.equivalents.clone());
        Self { request, body: other, change, kind: None, lists: Vec::new() }
    }

    /// Whether the rules select it.
    pub(super) fn is_selected(&self, policies: &Policies<'_>) -> bool {
        let request = Arc::new(StoredRequest::quick(self.request.clone()));
        let body = self.body.about_other_requests(self.body.rules, self.body.equivalents.clone());
        !matches!(evaluate::applicability(&RequestCase { request, ..body }, policies), Applicability::NotApplicable(_))
    }

    /// Variants that change a part of what this one changes.
    pub(super) fn parts(&self, usual: &Answered, body: &RequestCase) -> Vec<Self> {
        let Some(object) = usual.request.mutable_document().filter(|_| self.lists.len() > 1) else { return Vec::new() };
        let lists = self.lists.iter().take(MOST_LISTS);
        lists.map(|list| in_other_order(&usual.request, object, body, vec![list.clone()])).collect()
    }
}

/// The variants of the request of a case, or why there are none.
pub(super) fn of(
    relation: Relation,
    case: &Case,
    body: &RequestCase,
    usual: &Answered,
    policies: &Policies<'_>,
) -> Result<Vec<Variant>, LeftOut> {
    let variants = match relation {
        Relation::Workloads => workloads(admission(&usual.request)?, body),
        Relation::Update => updates(admission(&usual.request)?, body),
        Relation::Order => orders(&usual.request, body),
        Relation::Idempotent => vec![again(usual, body)?.ok_or(LeftOut::NoVariant)?],
        Relation::Itself => itself(usual, body, policies.has_rules_for(case))?,
    };
    if variants.is_empty() { Err(LeftOut::NoVariant) } else { Ok(variants) }
}

fn admission(request: &Request) -> Result<&AdmissionRequest, LeftOut> {
    match request {
        Request::Admission(request) => Ok(request),
        Request::Raw(_) => Err(LeftOut::NoVariant),
    }
}

fn workloads(request: &AdmissionRequest, body: &RequestCase) -> Vec<Variant> {
    let is_pod = request.kind.kind == Workload::Pod.kind();
    let variant = |kind: Workload| {
        let related = related::in_workload(request, kind)?;
        let change = match (is_pod, kind) {
            (true, _) => format!("wrap: {}", kind.kind()),
            (false, Workload::Pod) => "its pod alone".to_owned(),
            (false, _) => format!("its pod in a {}", kind.kind()),
        };
        let request = Request::Admission(Box::new(related.request));
        Some(Variant { kind: Some(kind), ..Variant::of(request, body, related.equivalents, change) })
    };
    Workload::ALL.into_iter().filter_map(variant).collect()
}

fn updates(request: &AdmissionRequest, body: &RequestCase) -> Vec<Variant> {
    let of_creation = || (request.operation == "CREATE").then(|| related::as_update(request))?;
    let update = of_creation().map(|request| (request, "operation: UPDATE, with the same oldObject"));
    let creation = || Some((related::as_creation(request)?, "operation: CREATE, without oldObject"));
    let variants = update.or_else(creation).into_iter();
    let variant = |(request, change): (AdmissionRequest, &str)| {
        Variant::of(Request::Admission(Box::new(request)), body, body.equivalents.clone(), change.to_owned())
    };
    variants.map(variant).collect()
}

fn orders(request: &Request, body: &RequestCase) -> Vec<Variant> {
    let Request::Admission(admission) = request else { return Vec::new() };
    let Some(object) = &admission.object else { return Vec::new() };
    let lists = order::unordered_lists(object);
    let variant = in_other_order(request, object, body, lists);
    if variant.request == *request { Vec::new() } else { vec![variant] }
}

fn in_other_order(request: &Request, object: &Value, body: &RequestCase, lists: Vec<String>) -> Variant {
    let changed = order::reversed(object, &lists);
    let set = match lists.as_slice() {
        [list] => changed
            .pointer(list)
            .map(|items| suite_words::written(&Change { at: list.clone(), edit: Edit::Set(items.clone()) })),
        _ => None,
    };
    let in_words = || format!("in reverse: {}", shortened(lists.iter().map(|list| dotted(list)).collect()));
    let change = set.filter(|set| set.len() <= LONGEST_CHANGE).unwrap_or_else(in_words);
    let mut request = request.clone();
    if let Request::Admission(request) = &mut request {
        // An update without a change stays one.
        if request.old_object == request.object {
            request.old_object = request.old_object.as_ref().map(|_| changed.clone());
        }
        request.object = Some(changed);
    }
    Variant { lists, ..Variant::alike(request, body, change) }
}

/// The mutated object in the same request; nothing for an object that is not mutated.
fn again(usual: &Answered, body: &RequestCase) -> Result<Option<Variant>, LeftOut> {
    if !usual.response.allowed {
        return Err(LeftOut::Rejected);
    }
    let mutated = compare::mutated_document(&usual.request, &usual.response).map_err(|_| LeftOut::NoVerdict)?;
    let Some((mutated, original)) = mutated.zip(usual.request.mutable_document()) else { return Ok(None) };
    let change = format!("the mutated object, {}", changes(original, &mutated));
    let request = usual.request.with_document(mutated);
    Ok(Some(Variant::alike(request, body, change)))
}

/// What the policy let pass, once more: the mutated object, and the object as an update of itself.
fn itself(usual: &Answered, body: &RequestCase, has_rules: bool) -> Result<Vec<Variant>, LeftOut> {
    let again = again(usual, body)?;
    let stored = again.as_ref().map_or(&usual.request, |again| &again.request);
    let update = match stored {
        Request::Admission(request) if has_rules => related::as_update(request),
        _ => None,
    };
    let update = update.map(|request| Request::Admission(Box::new(request))).filter(|update| *update != usual.request);
    let what = again.as_ref().map_or_else(String::new, |again| format!("{}, ", again.change));
    let update = update.map(|request| {
        let change = format!("{what}operation: UPDATE, with the same oldObject");
        Variant::of(request, body, body.equivalents.clone(), change)
    });
    Ok(again.into_iter().chain(update).collect())
}

/// The changes from one object to another, as a suite writes them.
pub(super) fn changes(from: &Value, to: &Value) -> String {
    let operations = match patch::between(from, to, &Budget::default()) {
        Ok(Some(patch)) => patch::decode(&patch).unwrap_or_default(),
        _ => Value::Null,
    };
    let written = operations.as_array().into_iter().flatten().filter_map(|operation| {
        let at = operation.get("path")?.as_str()?.to_owned();
        let edit = operation.get("value").map_or(Edit::Remove, |value| Edit::Set(value.clone()));
        let written = suite_words::written(&Change { at: at.clone(), edit });
        Some(if written.len() <= LONGEST_CHANGE { written } else { format!("another {}", dotted(&at)) })
    });
    shortened(written.collect())
}

/// The first of several texts, and how many more there are.
fn shortened(mut texts: Vec<String>) -> String {
    let more = texts.len().saturating_sub(MOST_CHANGES);
    texts.truncate(MOST_CHANGES);
    texts.extend((more > 0).then(|| format!("and {more} more")));
    texts.join(", ")
}
