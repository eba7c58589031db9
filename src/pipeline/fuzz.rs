//! Requests that no case has, made of those of the cases: none may trap a policy, take too long, or be answered in two ways.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use policy_verify_model::answer::{AdmissionResponse, Answer, FaultKind};
use policy_verify_model::found::{Finding, Findings, Flaw};
use policy_verify_model::split_mix::SplitMix64;
use policy_verify_model::yaml::emit::Node;
use policy_verify_suite::SnapshotUse;
use rayon::prelude::*;
use serde_json::Value;

use super::effort::{SHORT, SearchEffort};
use super::options::{Options, Progress};
use super::probe::Probe;
use super::ready::{self, Code, Ready};
use crate::error::Error;
use crate::evaluate::{CallTime, Policies};
use crate::select::SelectedCase;
use crate::vary::{self, Change};

/// Requests that a finding may take to become smaller.
const MOST_STEPS: usize = 400;

/// Time that a finding may take to become smaller.
const LONGEST_SHRINK: Duration = Duration::from_secs(8);

/// Other clusters in which each answer is compared.
const CLUSTERS: [u64; 2] = [1, 2];

/// A way in which a policy fails, and a request that shows it.
struct Hit {
    case: usize,
    object: Value,
    changes: Vec<Change>,
}

/// Searches: the same number of requests with the same seed gives the same findings.
///
/// # Errors
///
/// When nothing could be run: see [`verify`](super::verify()).
pub fn fuzz(options: &Options, effort: SearchEffort, progress: &dyn Progress) -> Result<Findings, Error> {
    ready::with_suites(options, SnapshotUse::Compared, progress, |loaded| {
        loaded.with_policies(options, Code::Plain, progress, |ready| {
            let findings = Search::of(ready, options).run(effort);
            ready.engine.finish();
            findings
        })
    })
}

/// A case and its policies.
type Subject<'a> = (SelectedCase<'a>, Probe<'a>, Policies<'a>);

struct Search<'a> {
    options: &'a Options,
    subjects: Vec<Subject<'a>>,
    requests: AtomicU64,
    errors: AtomicU64,
    without_mock: AtomicU64,
}

impl<'a> Search<'a> {
    fn of(ready: &'a Ready<'a>, options: &'a Options) -> Self {
        let subjects = ready.loaded.selected.cases.iter().filter_map(|selected| {
            let policies = &ready.policies[selected.suite.0];
            if selected.case.skip.is_some() || policies.unavailable_for(selected.case).is_some() {
                return None;
            }
            let probe = Probe::of(*selected, policies)?;
            // What a case does not get a verdict for says nothing about other requests.
            let is_usual = probe.usual(policies).is_ok() && probe.object().is_some();
            is_usual.then(|| (*selected, probe, policies.with_call_time(SHORT)))
        });
        Self {
            options,
            subjects: subjects.collect(),
            requests: AtomicU64::new(0),
            errors: AtomicU64::new(0),
            without_mock: AtomicU64::new(0),
        }
    }

    fn run(self, effort: SearchEffort) -> Findings {
        let mut hits: BTreeMap<(String, Flaw), Hit> = BTreeMap::new();
        let has_subjects = !self.subjects.is_empty();
        for group in effort.groups(&self.options.interrupt).take_while(|_| has_subjects) {
            let found: Vec<_> = group.into_par_iter().map(|number| self.one(effort.random(number))).collect();
            // In their order: the first request that shows a flaw is the same on any number of threads.
            for (flaw, hit) in found.into_iter().flatten() {
                hits.entry((self.subjects[hit.case].0.case.subject.clone(), flaw)).or_insert(hit);
            }
        }
        let findings = hits.into_par_iter().filter_map(|(key, hit)| self.finding(key, &hit)).collect();
        Findings {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            seed: effort.seed,
            requests: self.requests.into_inner(),
            errors: self.errors.into_inner(),
            without_mock: self.without_mock.into_inner(),
            findings,
        }
    }

    /// Evaluates one request: that of a case, with changes to its object.
    fn one(&self, mut random: SplitMix64) -> Option<(Flaw, Hit)> {
        let case = random.below(self.subjects.len());
        let (_, probe, _) = &self.subjects[case];
        let (object, changes) = vary::at_random(probe.object()?, &mut random);
        self.requests.fetch_add(1, Ordering::Relaxed);
        let (flaw, _) = self.flaw(case, &object)?;
        Some((flaw, Hit { case, object, changes }))
    }

    /// What is wrong with the answer to this object.
    fn flaw(&self, index: usize, object: &Value) -> Option<(Flaw, String)> {
        self.flaw_of(index, object, &self.subjects[index].2)
    }

    fn flaw_of(&self, index: usize, object: &Value, policies: &Policies<'_>) -> Option<(Flaw, String)> {
        let (_, probe, _) = &self.subjects[index];
        let request = probe.with_object(object.clone());
        let answer = probe.ask(&request, policies);
        if self.options.interrupt.is_stopped() {
            return None;
        }
        match &answer {
            Err(fault) => match fault.kind {
                FaultKind::Guest => drop(self.errors.fetch_add(1, Ordering::Relaxed)),
                FaultKind::Host => drop(self.without_mock.fetch_add(1, Ordering::Relaxed)),
                FaultKind::Settings | FaultKind::Conversion | FaultKind::NotApplicable | FaultKind::Expression => {}
                kind => return Some((Flaw::Fault(kind), fault.message.clone())),
            },
            Ok(_) => {
                let elsewhere =
                    CLUSTERS.into_iter().map(|number| probe.ask(&request, &policies.with_variation(number)));
                return elsewhere.into_iter().find_map(|other| difference(&answer, &other));
            }
        }
        None
    }

    /// The finding with the smallest object that shows it.
    fn finding(&self, (policy, flaw): (String, Flaw), hit: &Hit) -> Option<Finding> {
        let (selected, probe, policies) = &self.subjects[hit.case];
        let object = self.shrunk(flaw, probe.object()?, hit);
        // With all the time that a server gives.
        let policies = policies.with_call_time(CallTime::Usual);
        let (_, details) = self.flaw_of(hit.case, &object, &policies).filter(|(found, _)| *found == flaw)?;
        let place = selected.case.place();
        Some(Finding {
            case: case(flaw, &policy, &object),
            policy,
            flaw,
            details,
            from: selected.case.id.clone(),
            file: place.file.path.clone(),
            line: place.line,
            fields: fields(&object),
            object,
        })
    }

    /// Takes away what is not needed, members of the whole first.
    fn shrunk(&self, flaw: Flaw, base: &Value, hit: &Hit) -> Value {
        let start = Instant::now();
        let mut steps = 0;
        let mut shows = |candidate: &Value| {
            steps += 1;
            let has_time =
                steps <= MOST_STEPS && start.elapsed() < LONGEST_SHRINK && !self.options.interrupt.is_stopped();
            has_time && self.flaw(hit.case, candidate).is_some_and(|(found, _)| found == flaw)
        };
        // One change is often enough.
        let mut single = hit.changes.iter().filter_map(|change| change.applied(base));
        let first = single.find(|candidate| shows(candidate)).unwrap_or_else(|| hit.object.clone());
        vary::smallest(first, shows)
    }
}

/// How two answers to the same request differ.
fn difference(one: &Answer, other: &Answer) -> Option<(Flaw, String)> {
    let (Ok(one), other) = (one, other) else { return None };
    let Ok(other) = other else { return Some((Flaw::UnstableVerdict, "a verdict, and a fault".to_owned())) };
    let verdict = |it: &AdmissionResponse| (it.allowed, it.patch.clone(), it.code());
    let words = |allowed: bool| if allowed { "allowed" } else { "rejected" };
    if verdict(one) != verdict(other) {
        let details = format!("{}, and elsewhere {}", words(one.allowed), words(other.allowed));
        return Some((Flaw::UnstableVerdict, details));
    }
    if one.message() == other.message() {
        return None;
    }
    let text = |it: Option<&str>| it.unwrap_or_default().to_owned();
    Some((Flaw::UnstableMessage, format!("`{}`, and elsewhere `{}`", text(one.message()), text(other.message()))))
}

/// Members at the ends of all paths, without those that every object has.
fn fields(value: &Value) -> usize {
    fn ends(value: &Value) -> usize {
        match value {
            Value::Object(members) if !members.is_empty() => members.values().map(ends).sum(),
            Value::Array(items) if !items.is_empty() => items.iter().map(ends).sum(),
            _ => 1,
        }
    }
    match value {
        Value::Object(members) => members
            .iter()
            .filter(|(key, _)| !["apiVersion", "kind"].contains(&key.as_str()))
            .map(|(_, it)| ends(it))
            .sum(),
        other => ends(other),
    }
}

/// A case with the object. Whether the policy is to allow or to deny it is for its author to say.
fn case(flaw: Flaw, policy: &str, object: &Value) -> String {
    let (name, expect) = match flaw {
        Flaw::Fault(kind) => (format!("{policy} answers instead of a fault: {kind}"), "accept"),
        Flaw::UnstableVerdict => (format!("{policy} decides the same everywhere"), "accept"),
        Flaw::UnstableMessage => (format!("{policy} words its message the same everywhere"), "deny"),
    };
    policy_verify_draft::case(&name, policy, object, Node::text(expect))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fields_are_the_ends_of_paths() {
        for (object, number) in [
            (json!({ "apiVersion": "v1", "kind": "Pod" }), 0),
            (json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": "a", "labels": {} } }), 2),
            (json!({ "spec": { "containers": [{ "image": "" }, null] } }), 2),
        ] {
            assert_eq!(fields(&object), number, "{object}");
        }
    }
}
