//! Adds up what policies make of objects, in the order of the dump: the same result on any number of threads.

use std::collections::BTreeMap;

use policy_verify_model::behaviour::Class;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::rehearsal::{
    Audit, Counts, Differences, Finding, NamespaceResult, Note, ObjectPlace, PolicyChange, PolicyResult, Rehearsal,
    Verdict, WorkloadResult,
};
use policy_verify_model::suite::Step;

use super::ask::{Asked, AuditResult, Questions, Target};
use super::causes::Causes;
use super::dump::{Dump, StoredObject};
use super::options::RehearsalOptions;
use super::owners::{Owners, Workload};
use crate::pipeline::ready::Ready;

/// What is known so far.
pub(super) struct Tally<'a> {
    policies: Vec<PolicyResult>,
    /// Whether each entry of `policies` is about a new policy.
    is_new: Vec<bool>,
    findings: Causes<(usize, Verdict), (String, ObjectPlace)>,
    notes: Causes<usize, ()>,
    changes: Causes<(Class, usize), (String, String, ObjectPlace)>,
    same: usize,
    objects: usize,
    rejected_objects: usize,
    namespaces: BTreeMap<String, NamespaceResult>,
    workloads: BTreeMap<Workload, WorkloadResult>,
    wanted: &'a RehearsalOptions,
}

impl<'a> Tally<'a> {
    pub(super) fn new(ready: &Ready<'_>, wanted: &'a RehearsalOptions, questions: &Questions<'_>) -> Self {
        let named = wanted.policies.iter().zip(&questions.pairs);
        let policies = named.map(|(named, pair)| {
            let result = PolicyResult { name: named.name.clone(), ..PolicyResult::default() };
            pair.new.as_ref().map_or(result.clone(), |target| described(result, target, ready))
        });
        Self {
            policies: policies.collect(),
            is_new: questions.pairs.iter().map(|pair| pair.new.is_some()).collect(),
            findings: Causes::default(),
            notes: Causes::default(),
            changes: Causes::default(),
            same: 0,
            objects: 0,
            rejected_objects: 0,
            namespaces: BTreeMap::new(),
            workloads: BTreeMap::new(),
            wanted,
        }
    }

    /// Adds what all policies make of an object.
    pub(super) fn add(&mut self, object: &StoredObject, answers: Vec<Asked>, owners: &Owners) {
        self.objects += 1;
        let workload = owners.workload(&object.kind, &object.namespace, &object.name);
        let place = || ObjectPlace {
            object: object.title(),
            workload: title(&workload),
            file: object.file.to_string(),
            line: object.line,
        };
        let (mut counts, mut of_policies) = (Counts::default(), BTreeMap::<String, Counts>::new());
        for (index, asked) in answers.into_iter().enumerate() {
            let policy = &mut self.policies[index];
            if let Some(verdict) = asked.verdict {
                policy.counts.add(verdict);
                counts.add(verdict);
                if verdict.is_remarkable() {
                    of_policies.entry(policy.name.clone()).or_default().add(verdict);
                    let (cause, message) = asked.cause.unwrap_or_default();
                    self.findings.add((index, verdict), cause, || (message, place()));
                }
            }
            let audit = &mut policy.audit;
            match asked.audit {
                Some(AuditResult::Pass) => audit.pass += 1,
                Some(AuditResult::Fail) => audit.fail += 1,
                Some(AuditResult::Error) => audit.error += 1,
                None => {}
            }
            asked.notes.into_iter().for_each(|note| self.notes.add(index, note, || ()));
            if let Some(changes) = asked.changes {
                self.same += usize::from(changes.is_empty());
                for change in changes {
                    let (old, new) = (change.old, change.new);
                    self.changes.add((change.class, index), change.cause, || (old, new, place()));
                }
            }
        }
        let is_rejected = counts.rejected > 0;
        self.rejected_objects += usize::from(is_rejected);
        let namespace = self.namespaces.entry(object.namespace.to_string()).or_default();
        namespace.objects += 1;
        namespace.rejected_objects += usize::from(is_rejected);
        namespace.counts += counts;
        of_policies.iter().for_each(|(name, counts)| *namespace.policies.entry(name.clone()).or_default() += *counts);
        let result = self.workloads.entry(workload).or_default();
        result.objects += 1;
        result.rejected_objects += usize::from(is_rejected);
        result.counts += counts;
        of_policies.into_iter().for_each(|(name, counts)| *result.policies.entry(name).or_default() += counts);
    }

    /// The result.
    pub(super) fn finish(mut self, dump: &Dump, warnings: Vec<Diagnostic>) -> Rehearsal {
        let differences = self.differences();
        for ((index, verdict), cause, number, example) in self.findings.finish() {
            let (message, example) = example.map_or((String::new(), None), |(message, place)| (message, Some(place)));
            self.policies[index].findings.push(Finding { verdict, cause, number, message, example });
        }
        for (index, text, number, _) in self.notes.finish() {
            self.policies[index].notes.push(Note { text, number });
        }
        let namespaces = self.namespaces.into_iter().map(|(name, it)| NamespaceResult { name, ..it });
        let rejected_workloads = self.workloads.values().filter(|it| it.rejected_objects > 0).count();
        let policies = self.policies.into_iter().zip(self.is_new).filter_map(|(it, is_new)| is_new.then_some(it));
        Rehearsal {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            objects: self.objects,
            rejected_objects: self.rejected_objects,
            rejected_workloads,
            repeated: dump.repeated,
            unread: dump.unread.clone(),
            passed_over: dump.passed_over.clone(),
            policies: policies.collect(),
            namespaces: namespaces.collect(),
            workloads: workloads(self.workloads),
            differences,
            warnings: warnings.into_iter().map(|warning| warning.to_string()).collect(),
        }
    }

    fn differences(&mut self) -> Option<Differences> {
        if !self.wanted.has_old {
            return None;
        }
        let named = |is_wanted: &dyn Fn(bool, bool) -> bool| {
            let policies = self.wanted.policies.iter();
            let wanted = policies.filter(|it| is_wanted(it.new.is_some(), it.old.is_some()));
            wanted.map(|it| it.name.clone()).collect()
        };
        let (added, removed) = (named(&|new, old| new && !old), named(&|new, old| !new && old));
        let mut changes: Vec<PolicyChange> = Vec::new();
        for ((class, index), cause, number, example) in std::mem::take(&mut self.changes).finish() {
            let policy = self.wanted.policies[index].name.clone();
            let (old, new, example) =
                example.map_or_else(Default::default, |(old, new, place)| (old, new, Some(place)));
            changes.push(PolicyChange { policy, class, cause, number, old, new, example });
        }
        changes.sort_by_key(|it| (it.class, std::cmp::Reverse(it.number)));
        Some(Differences { added, removed, same: self.same, changes })
    }
}

/// What is known about a policy before it is asked.
fn described(result: PolicyResult, target: &Target<'_>, ready: &Ready<'_>) -> PolicyResult {
    let suite = target.policies.suite;
    let (uri, digest) = match target.step {
        Step::Policy(used) => {
            let digest = ready.records.iter().find(|it| it.key.policy == used.policy);
            let digest = digest.and_then(|it| it.prepared.as_ref().ok()).map(|policy| policy.digest.to_string());
            (suite.policies[used.policy.0].uri_text.clone(), digest)
        }
        Step::Group(_) => ("a group".to_owned(), None),
    };
    let raw = "a raw policy: the API server sends it no requests";
    let note = target.is_raw.then(|| Note { text: raw.to_owned(), number: 0 });
    PolicyResult {
        uri,
        digest,
        is_monitor: target.is_monitor,
        unavailable: target.unavailable.map(|unavailable| unavailable.message.clone()),
        audit: Audit { skipped: target.audit.as_ref().err().cloned(), ..Audit::default() },
        notes: note.into_iter().collect(),
        ..result
    }
}

/// Those that a policy does something to, the most rejected first.
fn workloads(all: BTreeMap<Workload, WorkloadResult>) -> Vec<WorkloadResult> {
    let remarkable = all.into_iter().filter(|(_, result)| !result.policies.is_empty());
    let mut found: Vec<(Workload, WorkloadResult)> = remarkable.collect();
    found.sort_by(|(one, a), (other, b)| {
        let gravity = |it: &WorkloadResult| (it.counts.rejected, it.counts.faults, it.counts.mutated);
        gravity(b).cmp(&gravity(a)).then_with(|| one.cmp(other))
    });
    let result = |(Workload { namespace, kind, name }, it)| WorkloadResult { namespace, kind, name, ..it };
    found.into_iter().map(result).collect()
}

/// `Deployment shop/web`
fn title(workload: &Workload) -> String {
    let Workload { namespace, kind, name } = workload;
    match namespace.is_empty() || kind == "Namespace" {
        true => format!("{kind} {name}"),
        false => format!("{kind} {namespace}/{name}"),
    }
}
