//! The hunt for the mutants of one module that no case notices.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use policy_verify_engine::{self as runtime, Policy};
use policy_verify_instrument::{Lines, Module, Mutant, Unmeasurable, edited, lines, mutants};
use policy_verify_model::answer::{AdmissionResponse, Answer};
use policy_verify_model::outcome::Outcome;
use policy_verify_model::sabotage::{PolicyMutants, Survivor};
use policy_verify_model::split_mix::SplitMix64;
use policy_verify_model::yaml::emit::Node;
use rayon::prelude::*;
use serde_json::Value;

use super::effort::MutantEffort;
use super::fate::Fate;
use super::kept::{KeptFates, Subject};
use crate::evaluate::{CallTime, Policies};
use crate::measure::{Dependencies, Sources};
use crate::pipeline::case;
use crate::pipeline::coverage::Executed;
use crate::pipeline::options::Options;
use crate::pipeline::probe::Probe;
use crate::pipeline::ready::Ready;
use crate::select::SelectedCase;
use crate::vary;

/// Time of each call into a mutant: an endless loop is noticed soon.
const SHORT: Duration = Duration::from_millis(500);

/// Requests of the second look.
const MOST_REQUESTS: usize = 60;

/// Requests that it may take to make one smaller.
const MOST_STEPS: usize = 60;

/// The hunt for mutants of a module.
pub(super) struct Hunt<'a> {
    executed: &'a Executed<'a>,
    /// Cases that ask the policy and pass.
    cases: Vec<SelectedCase<'a>>,
    ready: &'a Ready<'a>,
    policies: Policies<'a>,
    kept: &'a KeptFates,
    /// What tells its mutants from those of other hunts.
    subject: Subject,
    options: &'a Options,
    /// The case that noticed the last mutant: it is likely to notice the next.
    sharpest: AtomicUsize,
}

impl<'a> Hunt<'a> {
    /// The mutants of the code that was executed, in front of the cases that pass.
    pub(super) fn of(
        executed: &'a Executed<'a>,
        passing: &[SelectedCase<'a>],
        ready: &'a Ready<'a>,
        kept: &'a KeptFates,
        options: &'a Options,
    ) -> Self {
        let asks = |selected: &&SelectedCase<'a>| {
            let policies = ready.policies[selected.suite.0].suite.policies_for(selected.case);
            selected.suite == executed.suite && policies.iter().any(|policy| executed.policies.contains(policy))
        };
        let cases: Vec<SelectedCase<'a>> = passing.iter().filter(asks).copied().collect();
        let policies =
            Policies { accepted: None, call_time: CallTime::AtMost(SHORT), ..ready.policies[executed.suite.0].clone() };
        let subject = Subject::of(executed, &cases, &policies, options);
        Self { executed, cases, ready, policies, kept, subject, options, sharpest: AtomicUsize::new(0) }
    }

    /// What tells its mutants from those of other hunts.
    pub(super) fn subject(&self) -> &Subject {
        &self.subject
    }

    /// Runs the mutants, for so long.
    pub(super) fn run(&self, effort: &MutantEffort, time: Duration) -> PolicyMutants {
        let nothing = |reason: &str| PolicyMutants {
            policy: self.executed.names.join(", "),
            reason: Some(reason.to_owned()),
            ..PolicyMutants::default()
        };
        let ranges = match &self.executed.ranges {
            Ok(ranges) => ranges,
            Err(reason) => return nothing(reason),
        };
        let (module, lines, mut all) = match self.mutants(ranges) {
            Ok(found) => found,
            Err(reason) => return nothing(&reason.to_string()),
        };
        let possible = all.len();
        shuffle(&mut all, effort.seed);
        all.truncate(effort.most);
        let start = Instant::now();
        let is_over = || start.elapsed() >= time || self.options.interrupt.is_stopped();
        let fates = all.par_iter().filter_map(|mutant| {
            let earlier = self.kept.of(&self.subject, mutant);
            let is_earlier = earlier.is_some();
            let fate = earlier.or_else(|| if is_over() { None } else { self.fate(&module, &lines, mutant) })?;
            if !is_earlier {
                self.kept.keep(&self.subject, mutant, &fate);
            }
            Some((fate, is_earlier))
        });
        let mut result = PolicyMutants { policy: self.executed.names.join(", "), possible, ..PolicyMutants::default() };
        for (fate, is_earlier) in fates.collect::<Vec<_>>() {
            result.tried += usize::from(fate != Fate::NoPolicy);
            result.resumed += usize::from(is_earlier && fate != Fate::NoPolicy);
            match fate {
                Fate::Noticed => result.noticed += 1,
                Fate::Crashed => result.crashed += 1,
                Fate::Alike => result.alike += 1,
                Fate::Survived(survivor) => result.survivors.push(*survivor),
                Fate::NoPolicy => {}
            }
        }
        result
            .survivors
            .sort_by(|one, other| (&one.file, one.line, &one.change).cmp(&(&other.file, other.line, &other.change)));
        // Names of cases are unique: all of them can be pasted.
        for (number, survivor) in (1..).zip(&mut result.survivors).skip(1) {
            survivor.case = survivor.case.replacen(AS_BEFORE, &format!("{AS_BEFORE} ({number})"), 1);
        }
        result.reason = (possible == 0).then(|| "the cases execute none of its own code".to_owned());
        result
    }

    /// The mutants of executed own code.
    fn mutants(&self, ranges: &[Range<usize>]) -> Result<(Module<'a>, Lines, Vec<Mutant>), Unmeasurable> {
        let built = Module::read(self.executed.built)?;
        let module = Module::read(&self.executed.prepared.module)?.with_debug_information_of(&built);
        let lines = lines(&module)?;
        let root = self.executed.root.as_ref();
        let packages = root.map(|root| Dependencies::around(&self.executed.folder, root)).unwrap_or_default();
        // Ranges of counters lie side by side or are inside of each other, the inner ones behind.
        let is_executed = |offset: usize| {
            let after = ranges.partition_point(|range| range.start <= offset);
            ranges[..after].iter().rev().take(MOST_NESTED).any(|range| range.contains(&offset))
        };
        let found = mutants(&module, &lines, &packages, &is_executed)?;
        Ok((module, lines, found))
    }

    /// What becomes of a mutant; nothing where the run is stopped meanwhile.
    fn fate(&self, module: &Module<'_>, lines: &Lines, mutant: &Mutant) -> Option<Fate> {
        let fate = match self.guest(module, mutant) {
            None => Fate::NoPolicy,
            Some(guest) => self.policies.with_guests(
                &self.executed.policies,
                |_| Arc::clone(&guest),
                |mutated| self.fate_of_policies(&mutated, lines, mutant),
            ),
        };
        // What is stopped faults, and is no answer of the mutant.
        Some(fate).filter(|_| !self.options.interrupt.is_stopped())
    }

    /// The mutant as a policy; nothing for one that is none any more.
    fn guest(&self, module: &Module<'_>, mutant: &Mutant) -> Option<Arc<dyn Policy>> {
        let copy = edited(module, std::slice::from_ref(&mutant.edit)).ok()?;
        let compiled = self.ready.engine.compile(&copy).ok()?;
        runtime::load(self.ready.engine, &compiled, self.executed.prepared.execution_mode).ok()
    }

    /// What becomes of a mutant that these policies have in them.
    fn fate_of_policies(&self, mutated: &Policies<'_>, lines: &Lines, mutant: &Mutant) -> Fate {
        let first = self.sharpest.load(Ordering::Relaxed);
        let mut has_crashed = false;
        for index in (first..self.cases.len()).chain(0..first) {
            let SelectedCase { suite, case } = self.cases[index];
            match case::report(suite, case, mutated, None).0.outcome {
                Outcome::Passed => {}
                Outcome::Error(_) => has_crashed = true,
                _ => {
                    self.sharpest.store(index, Ordering::Relaxed);
                    return Fate::Noticed;
                }
            }
        }
        if has_crashed {
            return Fate::Crashed;
        }
        match self.shown_by(mutated, mutant) {
            Some(case) => Fate::Survived(Box::new(self.survivor(lines, mutant, case))),
            None => Fate::Alike,
        }
    }

    /// A case that would notice a mutant, among other requests.
    fn shown_by(&self, mutated: &Policies<'_>, mutant: &Mutant) -> Option<String> {
        let mut random = SplitMix64::of_seed(mutant.offset as u64);
        for number in 0..MOST_REQUESTS {
            if self.cases.is_empty() || self.options.interrupt.is_stopped() {
                return None;
            }
            let selected = self.cases[(number + random.below(self.cases.len())) % self.cases.len()];
            let Some(probe) = Probe::of(selected, &self.policies) else { continue };
            let Some(object) = probe.object() else { continue };
            let (object, _) = vary::at_random(object, &mut random);
            if !self.is_different(&probe, &object, mutated) {
                continue;
            }
            let object = self.shrunk(&probe, object, mutated);
            let Ok(answer) = probe.ask(&probe.with_object(object.clone()), &self.policies) else { continue };
            let subject = &selected.case.subject;
            let name = format!("{subject} {AS_BEFORE}");
            return Some(policy_verify_draft::case(&name, subject, &object, expectation(&answer)));
        }
        None
    }

    /// Whether the policy gives a verdict about an object, and the mutant another answer.
    fn is_different(&self, probe: &Probe<'_>, object: &Value, mutated: &Policies<'_>) -> bool {
        let request = probe.with_object(object.clone());
        let answer = probe.ask(&request, &self.policies);
        answer.is_ok() && !is_alike(&answer, &probe.ask(&request, mutated))
    }

    /// The object without what is not needed to tell the mutant from the policy.
    fn shrunk(&self, probe: &Probe<'_>, object: Value, mutated: &Policies<'_>) -> Value {
        let mut steps = 0;
        vary::smallest(object, |candidate| {
            steps += 1;
            steps <= MOST_STEPS && self.is_different(probe, candidate, mutated)
        })
    }

    fn survivor(&self, lines: &Lines, mutant: &Mutant, case: String) -> Survivor {
        let place = mutant.place.and_then(|place| Some((lines.files.get(place.file)?.path.as_str(), place.line)));
        let line = place.map(|(path, line)| match &self.executed.root {
            Some(root) => (Sources::around(&self.executed.folder, root).line(path, line), line),
            None => ((path.to_owned(), None), line),
        });
        Survivor {
            file: line.as_ref().map(|((file, _), _)| file.clone()),
            line: line.as_ref().map(|(_, line)| *line),
            source: line.and_then(|((_, source), _)| source),
            function: mutant.function.clone(),
            change: mutant.change.to_string(),
            case,
        }
    }
}

/// What a case expects of this answer.
fn expectation(answer: &AdmissionResponse) -> Node {
    match (answer.allowed, answer.message()) {
        (true, _) if answer.patch.is_some() => Node::text("mutate"),
        (true, _) => Node::text("allow"),
        (false, Some(message)) => Node::map([("deny", Node::text(message))]),
        (false, None) => Node::text("deny"),
    }
}

/// What the case that would notice a mutant is called.
const AS_BEFORE: &str = "decides this as before";

/// Counters inside of each other that are looked at.
const MOST_NESTED: usize = 16;

/// Whether two answers are the same to whoever gets them.
fn is_alike(one: &Answer, other: &Answer) -> bool {
    match (one, other) {
        (Ok(one), Ok(other)) => {
            (one.allowed, &one.patch, one.code(), one.message())
                == (other.allowed, &other.patch, other.code(), other.message())
        }
        (Err(one), Err(other)) => one.kind == other.kind,
        _ => false,
    }
}

fn shuffle<T>(all: &mut [T], seed: u64) {
    let mut random = SplitMix64::of_seed(seed);
    for last in (1..all.len()).rev() {
        all.swap(last, random.below(last + 1));
    }
}
