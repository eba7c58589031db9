//! Mutants of the modules of a run: which of them its cases notice.
//!
//! Only instructions of a policy's own code that the cases execute are changed. A mutant that no case notices gets a second
//! look: other requests, made of those of the cases. If one of them is answered differently, the suite lacks that case;
//! if none is, the mutant may well mean the same as the policy.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use policy_verify_engine as runtime;
use policy_verify_instrument::{Lines, Module, Mutant, edited, lines, mutants};
use policy_verify_model::answer::{AdmissionResponse, Answer};
use policy_verify_model::outcome::{CaseReport, Outcome, Unavailable};
use policy_verify_model::sabotage::{PolicyMutants, Survivor};
use policy_verify_model::split_mix::SplitMix64;
use policy_verify_model::yaml::emit::Node;
use rayon::prelude::*;
use serde_json::Value;

use super::case;
use super::coverage::{self, Executed};
use super::options::Options;
use super::probe::Probe;
use super::ready::Ready;
use crate::evaluate::{CallTime, Policies};
use crate::measure::{Dependencies, Sources};
use crate::prepare::PreparedPolicy;
use crate::select::SelectedCase;
use crate::vary;

/// How many mutants run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutantEffort {
    /// At most so many of each module.
    pub most: usize,
    /// For all modules, at most about so long.
    pub time: Duration,
    /// Which of them run, where not all do.
    pub seed: u64,
}

/// Time of each call into a mutant: an endless loop is noticed soon.
const SHORT: Duration = Duration::from_millis(500);

/// Requests of the second look.
const MOST_REQUESTS: usize = 60;

/// Requests that it may take to make one smaller.
const MOST_STEPS: usize = 60;

/// What becomes of a mutant.
enum Fate {
    Noticed,
    /// It gives no other answer, but faults.
    Crashed,
    Alike,
    Survived(Survivor),
}

/// What the selected cases of a run notice. Cases that do not pass are left out.
pub(super) fn of_run(ready: &Ready<'_>, effort: &MutantEffort, options: &Options) -> Vec<PolicyMutants> {
    let selected = &ready.loaded.selected.cases;
    let reports: Vec<CaseReport> = selected
        .par_iter()
        .map(|SelectedCase { suite, case }| case::report(*suite, case, &ready.policies[suite.0], None).0)
        .collect();
    let passing: Vec<SelectedCase<'_>> = selected
        .iter()
        .zip(&reports)
        .filter(|(_, report)| report.outcome == Outcome::Passed)
        .map(|(selected, _)| *selected)
        .filter(|selected| selected.case.body.has_own_requests())
        .collect();
    let executed = coverage::executed(ready, &reports, options);
    let time = effort.time / u32::try_from(executed.len().max(1)).unwrap_or(u32::MAX);
    executed.iter().map(|module| Hunt::of(module, &passing, ready, options).run(effort, time)).collect()
}

/// The hunt for mutants of a module.
struct Hunt<'a> {
    executed: &'a Executed<'a>,
    /// Cases that ask the policy and pass.
    cases: Vec<SelectedCase<'a>>,
    ready: &'a Ready<'a>,
    policies: Policies<'a>,
    options: &'a Options,
    /// The case that noticed the last mutant: it is likely to notice the next.
    sharpest: AtomicUsize,
}

impl<'a> Hunt<'a> {
    fn of(
        executed: &'a Executed<'a>,
        passing: &[SelectedCase<'a>],
        ready: &'a Ready<'a>,
        options: &'a Options,
    ) -> Self {
        let asks = |selected: &&SelectedCase<'a>| {
            let policies = ready.policies[selected.suite.0].suite.policies_for(selected.case);
            selected.suite == executed.suite && policies.iter().any(|policy| executed.policies.contains(policy))
        };
        let cases = passing.iter().filter(asks).copied().collect();
        let policies =
            Policies { accepted: None, call_time: CallTime::AtMost(SHORT), ..ready.policies[executed.suite.0].clone() };
        Self { executed, cases, ready, policies, options, sharpest: AtomicUsize::new(0) }
    }

    fn run(&self, effort: &MutantEffort, time: Duration) -> PolicyMutants {
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
            Err(reason) => return nothing(&reason),
        };
        let possible = all.len();
        shuffle(&mut all, effort.seed);
        all.truncate(effort.most);
        let start = Instant::now();
        let is_over = || start.elapsed() >= time || self.options.interrupt.is_stopped();
        let fates: Vec<Fate> = all
            .par_iter()
            .filter_map(|mutant| if is_over() { None } else { self.fate(&module, &lines, mutant) })
            .collect();
        let mut result = PolicyMutants { policy: self.executed.names.join(", "), possible, ..PolicyMutants::default() };
        for fate in fates {
            result.tried += 1;
            match fate {
                Fate::Noticed => result.noticed += 1,
                Fate::Crashed => result.crashed += 1,
                Fate::Alike => result.alike += 1,
                Fate::Survived(survivor) => result.survivors.push(survivor),
            }
        }
        result
            .survivors
            .sort_by(|one, other| (&one.file, one.line, &one.change).cmp(&(&other.file, other.line, &other.change)));
        result.reason = (possible == 0).then(|| "the cases execute none of its own code".to_owned());
        result
    }

    /// The mutants of executed own code.
    fn mutants(&self, ranges: &[Range<usize>]) -> Result<(Module<'a>, Lines, Vec<Mutant>), String> {
        let read = |bytes: &'a [u8]| Module::read(bytes).map_err(|error| error.to_string());
        let module = read(&self.executed.prepared.module)?.with_debug_information_of(&read(self.executed.built)?);
        let lines = lines(&module).map_err(|error| error.to_string())?;
        let root = self.executed.root.as_ref();
        let packages = root.map(|root| Dependencies::around(&self.executed.folder, root)).unwrap_or_default();
        // Ranges of counters lie side by side or are inside of each other, the inner ones behind.
        let is_executed = |offset: usize| {
            let after = ranges.partition_point(|range| range.start <= offset);
            ranges[..after].iter().rev().take(MOST_NESTED).any(|range| range.contains(&offset))
        };
        let found = mutants(&module, &lines, &packages, &is_executed).map_err(|error| error.to_string())?;
        Ok((module, lines, found))
    }

    /// What becomes of a mutant; nothing for one that is no policy any more.
    fn fate(&self, module: &Module<'_>, lines: &Lines, mutant: &Mutant) -> Option<Fate> {
        let copy = edited(module, std::slice::from_ref(&mutant.edit)).ok()?;
        let compiled = self.ready.engine.compile(&copy).ok()?;
        let guest = runtime::load(self.ready.engine, &compiled, self.executed.prepared.execution_mode).ok()?;
        let replaced: Vec<Result<PreparedPolicy, Arc<Unavailable>>> = self
            .executed
            .policies
            .iter()
            .map(|policy| Ok(self.policies.prepared(*policy).with_guest(Arc::clone(&guest))))
            .collect();
        let mut prepared = self.policies.prepared.clone();
        for (policy, replaced) in self.executed.policies.iter().zip(&replaced) {
            prepared[policy.0] = Some(replaced);
        }
        let mutated = Policies { prepared, ..self.policies.clone() };
        let first = self.sharpest.load(Ordering::Relaxed);
        let mut has_crashed = false;
        for index in (first..self.cases.len()).chain(0..first) {
            let SelectedCase { suite, case } = self.cases[index];
            let (report, _) = case::report(suite, case, &mutated, None);
            if self.options.interrupt.is_stopped() {
                return None;
            }
            match report.outcome {
                Outcome::Passed => {}
                Outcome::Error(_) => has_crashed = true,
                _ => {
                    self.sharpest.store(index, Ordering::Relaxed);
                    return Some(Fate::Noticed);
                }
            }
        }
        if has_crashed {
            return Some(Fate::Crashed);
        }
        Some(match self.shown_by(&mutated, mutant) {
            Some(case) => Fate::Survived(self.survivor(lines, mutant, case)),
            None => Fate::Alike,
        })
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
            let name = format!("{subject} decides this as before");
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
