//! Requests that no case has and on which two versions differ: made of those of the cases with the same verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use policy_verify_model::behaviour::{Class, Example, Searched};
use policy_verify_model::split_mix::SplitMix64;
use policy_verify_model::yaml::emit::Node;
use rayon::prelude::*;
use serde_json::Value;

use super::classify::{self, Change};
use super::groups::{Groups, example};
use super::observe::{Seen, Verdict};
use crate::evaluate::{CallTime, Policies};
use crate::pipeline::effort::{SHORT, SearchEffort};
use crate::pipeline::interrupt::Interrupt;
use crate::pipeline::probe::Probe;
use crate::select::SelectedCase;
use crate::vary::{self, Edit};

/// Requests that a finding may take to become smaller, and time.
const MOST_STEPS: usize = 400;
const LONGEST_SHRINK: Duration = Duration::from_secs(5);

/// Causes of a class that are made small and told.
const MOST_OF_A_CLASS: usize = 5;

/// Other cases whose objects tell what may be added, and changes made of them for each case.
const MOST_OTHERS: usize = 200;
const MOST_ADDITIONS: usize = 2_000;

/// Words of the modules that are tried, and bytes of one.
const MOST_WORDS: usize = 200;
const SHORTEST_WORD: usize = 4;
const LONGEST_WORD: usize = 63;

/// Characters of the name of a case.
const LONGEST_NAME: usize = 100;

/// A case with the same verdict of both versions, and its policies with each of them.
pub(super) struct Subject<'a> {
    selected: SelectedCase<'a>,
    probe: Probe<'a>,
    policies: [Policies<'a>; 2],
    additions: Vec<vary::Change>,
    /// How many single changes of the object there are.
    singles: usize,
}

/// What one request shows; no changes where a host call has no mock.
struct Found {
    subject: usize,
    object: Value,
    changes: Option<Vec<Change>>,
}

/// A cause that is new, with the first request that shows it.
struct Hit {
    subject: usize,
    object: Value,
    change: Change,
    number: usize,
}

/// A search.
pub(super) struct Search<'a> {
    subjects: Vec<Subject<'a>>,
    words: Vec<String>,
    known: BTreeSet<(Class, String)>,
    interrupt: &'a Interrupt,
    searched: Searched,
    hits: BTreeMap<(Class, String), Hit>,
}

impl<'a> Search<'a> {
    /// A search from these cases, each with the policies of both versions. `modules` are those of the versions.
    pub(super) fn new(
        cases: Vec<(SelectedCase<'a>, [Policies<'a>; 2])>,
        modules: [&[u8]; 2],
        groups: &Groups,
        interrupt: &'a Interrupt,
    ) -> Self {
        let words = words(modules);
        let probes = cases.into_iter().filter_map(|(selected, policies)| {
            let probe = Probe::of(selected, &policies[0])?;
            probe.object()?;
            let policies = policies.map(|policies| policies.with_call_time(SHORT));
            Some(Subject { selected, probe, policies, additions: Vec::new(), singles: 0 })
        });
        let mut subjects: Vec<Subject<'a>> = probes.collect();
        let objects: Vec<Value> =
            subjects.iter().take(MOST_OTHERS).filter_map(|subject| subject.probe.object().cloned()).collect();
        subjects.par_iter_mut().for_each(|subject| {
            let Some(object) = subject.probe.object() else { return };
            let others: Vec<&Value> = objects.iter().filter(|other| other.get("kind") == object.get("kind")).collect();
            subject.additions = vary::additions(object, &others, &words);
            subject.additions.truncate(MOST_ADDITIONS);
            subject.singles = vary::changes(object).len();
        });
        let known = groups.keys();
        let searched = Searched { cases: subjects.len(), ..Searched::default() };
        Self { subjects, words, known, interrupt, searched, hits: BTreeMap::new() }
    }

    /// Searches, and adds what is found. Without a case to begin with there are no requests.
    pub(super) fn run(mut self, wanted: SearchEffort, groups: &mut Groups) -> Searched {
        let has_subjects = !self.subjects.is_empty();
        for group in wanted.groups(self.interrupt).take_while(|_| has_subjects) {
            let found: Vec<_> = group.into_par_iter().map(|number| self.one(wanted, number)).collect();
            // In their order: the same requests give the same result, on any number of threads.
            found.into_iter().flatten().for_each(|found| self.keep(found));
        }
        let hits = std::mem::take(&mut self.hits);
        let found: Vec<_> = hits.into_par_iter().filter_map(|(_, hit)| self.finding(hit)).collect();
        for (change, number, example) in found {
            groups.add_searched(change, number, example);
        }
        Searched { seed: wanted.seed, ..self.searched }
    }

    /// Puts one request to both versions. Single changes of each case and random ones take turns.
    fn one(&self, wanted: SearchEffort, number: u64) -> Option<Found> {
        let mut random = wanted.random(number);
        let turn = usize::try_from(number / 2).unwrap_or(usize::MAX);
        let is_single = number.is_multiple_of(2);
        let index = if is_single { turn % self.subjects.len() } else { random.below(self.subjects.len()) };
        let subject = &self.subjects[index];
        let object = subject.probe.object()?;
        let single = is_single.then(|| subject.single(object, turn / self.subjects.len())).flatten();
        let object = single.unwrap_or_else(|| self.random(subject, object, &mut random));
        let changes = self.changes(subject, &object, &subject.policies);
        Some(Found { subject: index, object, changes })
    }

    /// Keeps what is new of a request, and counts the rest.
    fn keep(&mut self, found: Found) {
        self.searched.requests += 1;
        let Some(changes) = found.changes else {
            self.searched.without_mock += 1;
            return;
        };
        for change in changes {
            let key = (change.class, change.cause.clone());
            if let Some(hit) = self.hits.get_mut(&key) {
                hit.number += 1;
                continue;
            }
            let of_class = self.hits.keys().filter(|(class, _)| *class == change.class).count();
            if self.known.contains(&key) || of_class == MOST_OF_A_CLASS {
                continue;
            }
            if !self.is_stable(&self.subjects[found.subject], &found.object) {
                self.searched.unstable += 1;
                return;
            }
            self.hits.insert(key, Hit { subject: found.subject, object: found.object.clone(), change, number: 1 });
        }
    }

    /// The object with random changes; now and then one is an addition, or a word of the modules.
    fn random(&self, subject: &Subject<'_>, object: &Value, random: &mut SplitMix64) -> Value {
        let (mut changed, _) = vary::at_random(object, random);
        if random.below(2) == 0
            && let Some(addition) = subject.additions.get(random.below(subject.additions.len()))
            && let Some(next) = addition.applied(&changed)
        {
            changed = next;
        }
        if random.below(4) == 0
            && let Some(word) = self.words.get(random.below(self.words.len()))
        {
            let is_text = |change: &vary::Change| matches!(&change.edit, Edit::Set(Value::String(_)));
            let mut texts = vary::changes(&changed);
            texts.retain(is_text);
            if !texts.is_empty() {
                let at = texts.swap_remove(random.below(texts.len())).at;
                let change = vary::Change { at, edit: Edit::Set(Value::String(word.clone())) };
                changed = change.applied(&changed).unwrap_or(changed);
            }
        }
        changed
    }

    /// How both versions differ on an object; nothing where a host call has no mock.
    fn changes(&self, subject: &Subject<'_>, object: &Value, policies: &[Policies<'_>; 2]) -> Option<Vec<Change>> {
        let [old, new] = self.seen(subject, object, policies);
        if self.interrupt.is_stopped() {
            return Some(Vec::new());
        }
        let is_comparable = old.without_mock().is_none() && new.without_mock().is_none();
        is_comparable.then(|| classify::answers(&old, &new, Some(object)))
    }

    fn seen(&self, subject: &Subject<'_>, object: &Value, policies: &[Policies<'_>; 2]) -> [Seen; 2] {
        let request = subject.probe.with_object(object.clone());
        policies.each_ref().map(|policies| Seen::of(&request, subject.probe.ask(&request, policies)))
    }

    /// Whether each version answers as before.
    fn is_stable(&self, subject: &Subject<'_>, object: &Value) -> bool {
        let again = || self.seen(subject, object, &subject.policies);
        again() == again()
    }

    /// The smallest object that shows a difference, with all the time that a server gives.
    fn finding(&self, hit: Hit) -> Option<(Change, usize, Example)> {
        let subject = &self.subjects[hit.subject];
        let object = self.shrunk(&hit);
        let policies = subject.policies.each_ref().map(|it| it.with_call_time(CallTime::Usual));
        let mut changes = self.changes(subject, &object, &policies)?.into_iter();
        let change = changes.find(|it| (it.class, &it.cause) == (hit.change.class, &hit.change.cause))?;
        let [old, new] = self.seen(subject, &object, &policies);
        let policy = &subject.selected.case.subject;
        let name: String = format!("{policy}: {}", change.cause).chars().take(LONGEST_NAME).collect();
        // A fault is nothing to hold on to.
        let kept = if matches!(old, Seen::Fault(_)) { &new } else { &old };
        let yaml = policy_verify_draft::case(&name, policy, &object, Node::text(expectation(kept)));
        let example = Example { object: Some(object), yaml: Some(yaml), ..example(subject.selected.case) };
        Some((change, hit.number, example))
    }

    /// Takes away what is not needed.
    fn shrunk(&self, hit: &Hit) -> Value {
        let (start, mut steps) = (Instant::now(), 0);
        let subject = &self.subjects[hit.subject];
        let shows = |candidate: &Value| {
            steps += 1;
            let has_time = steps <= MOST_STEPS && start.elapsed() < LONGEST_SHRINK && !self.interrupt.is_stopped();
            let is_same = |it: &Change| (it.class, &it.cause) == (hit.change.class, &hit.change.cause);
            has_time
                && self.changes(subject, candidate, &subject.policies).is_some_and(|found| found.iter().any(is_same))
        };
        vary::smallest(hit.object.clone(), shows)
    }
}

impl Subject<'_> {
    /// The object with its single change of this number: additions first, which are few.
    fn single(&self, object: &Value, number: usize) -> Option<Value> {
        match self.additions.get(number) {
            Some(addition) => addition.applied(object),
            None if number - self.additions.len() < self.singles => {
                vary::changes(object).get(number - self.additions.len())?.applied(object)
            }
            None => None,
        }
    }
}

/// What a suite expects of an answer.
fn expectation(seen: &Seen) -> &'static str {
    match seen {
        Seen::Verdict(Verdict { is_allowed: false, .. }) => "deny",
        _ => "accept",
    }
}

/// Words that only one of the modules has: what is new is perhaps the name of a label, or a value that is forbidden.
fn words(modules: [&[u8]; 2]) -> Vec<String> {
    let [old, new] = modules.map(|module| {
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"-._/".contains(byte);
        let runs = module.split(|byte| !is_part(byte));
        let fitting = runs.filter(|run| (SHORTEST_WORD..=LONGEST_WORD).contains(&run.len()));
        fitting.filter(|run| run.iter().all(|byte| !byte.is_ascii_uppercase())).collect::<BTreeSet<&[u8]>>()
    });
    // Of a rewrite the first would be any words: the shortest lists of each side take turns.
    let (added, gone) = (new.difference(&old).copied(), old.difference(&new).copied());
    let both = added.take(MOST_WORDS / 2).chain(gone.take(MOST_WORDS / 2));
    both.filter_map(|word| std::str::from_utf8(word).ok().map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_that_differ() {
        let old = b"\0\x01owner\0mandatory\0OLD\0";
        let new = b"\0\x01owner\0cost-center\0NEW\0abc\0";
        assert_eq!(words([old, new]), ["cost-center", "mandatory"]);
        assert!(words([old, old]).is_empty());
        let many: Vec<u8> = (0..10_000).flat_map(|number| format!("word{number}\0").into_bytes()).collect();
        assert_eq!(words([b"", &many]).len(), MOST_WORDS / 2);
    }
}
