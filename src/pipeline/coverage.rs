//! Which code of the policies the cases of a run executed.
//!
//! The cases were judged before, in the usual code. For this they run twice more: in the modules as they are and in copies
//! with counters, both in code that counts instructions. Both times have to give the same answers, and the copy the same
//! number of instructions once those of its counters are subtracted; otherwise nothing is reported. Measuring can
//! therefore never change a result, and what it reports is about what the policy does.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use policy_verify_engine::engine::{Engine, Module};
use policy_verify_engine::{self as runtime, Counters, Policy};
use policy_verify_host::HostBackend;
use policy_verify_instrument::{Plan, counters};
use policy_verify_model::coverage::PolicyCoverage;
use policy_verify_model::outcome::{CaseReport, Outcome, PartReport};
use policy_verify_model::policy::{Digest, ExecutionMode, PolicyRef};
use policy_verify_model::suite::{PolicyIndex, Suite, SuiteIndex};
use policy_verify_suite::{Root, root_of};
use rayon::prelude::*;

use super::options::Options;
use super::policies::{self, PolicyRecord, Source};
use super::ready::{self, Code, Ready};
use super::{case, repetition};
use crate::evaluate::{self, AcceptedSettings, CallTime};
use crate::measure::{Dependencies, Sources, rules};
use crate::prepare::PreparedPolicy;
use crate::select::SelectedCase;

/// Measures what the cases of a run execute; `cases` are their reports. One entry for each module of each suite.
pub(super) fn measure(ready: &Ready<'_>, cases: &[CaseReport], options: &Options) -> Vec<PolicyCoverage> {
    measured(ready, cases, options).into_iter().map(Subject::coverage).collect()
}

/// Which instructions of its modules a run executes; `cases` are the reports of its cases.
pub(super) fn executed<'a>(ready: &Ready<'a>, cases: &[CaseReport], options: &Options) -> Vec<Executed<'a>> {
    measured(ready, cases, options).into_iter().map(Subject::executed).collect()
}

/// A module of a run, and what was executed of it.
pub(super) struct Executed<'a> {
    /// Its suite.
    pub(super) suite: SuiteIndex,
    /// The policies of the suite that are this module.
    pub(super) policies: Vec<PolicyIndex>,
    /// Their names.
    pub(super) names: Vec<String>,
    /// The module as it runs.
    pub(super) prepared: &'a PreparedPolicy,
    /// The module before metadata was attached to it.
    pub(super) built: &'a [u8],
    /// The repository.
    pub(super) root: Option<Root>,
    /// The folder of the module.
    pub(super) folder: PathBuf,
    /// Ranges of bytes of the module whose instructions were executed, in their order; or why that is not known.
    pub(super) ranges: Result<Vec<Range<usize>>, String>,
}

/// Runs the cases so that their modules count.
fn measured<'a>(ready: &Ready<'a>, cases: &[CaseReport], options: &Options) -> Vec<Subject<'a>> {
    let mut subjects = subjects(ready, options);
    let suites = ready.loaded.suites;
    let engine = match ready::engine(options, Code::Counting, ready::instances_at_a_time(suites), &()) {
        Ok(engine) => engine,
        Err(error) => return refused(subjects, &error.to_string()),
    };
    let guests = guests(&mut subjects, &engine, &time_of_cases(ready, cases));
    let backend = HostBackend { is_stopped: options.interrupt.flag(), ..HostBackend::default() };
    let records = [Copy::Original, Copy::Counted].map(|copy| records(ready.records, &subjects, &guests, copy));
    let [original, counted] = records.each_ref().map(|records| {
        let mut policies = policies::by_suite(suites, records, &backend, false);
        policies.iter_mut().for_each(|policies| policies.call_time = CallTime::Counting);
        policies
    });
    let accepted: Vec<AcceptedSettings> = suites.iter().map(|_| AcceptedSettings::default()).collect();
    let outcomes: BTreeMap<&str, &CaseReport> = cases.iter().map(|case| (case.id.as_str(), case)).collect();
    let measure = |SelectedCase { suite, case }: SelectedCase<'_>, learns: bool| {
        let measured = outcomes.get(case.id.as_str()).is_some_and(|report| report.is_worth_counting());
        if !measured || options.interrupt.is_stopped() {
            return;
        }
        let settings = accepted[suite.0].for_two_runs(learns);
        let (first, _) = case::report(suite, case, &original[suite.0].with_accepted(settings.first.clone()), None);
        let (again, _) = case::report(suite, case, &counted[suite.0].with_accepted(settings.second()), None);
        if let Some(difference) = difference(&first, &again) {
            let policies = suites[suite.0].policies_for(case);
            let concerned = subjects.iter().filter(|subject| subject.is_one_of(suite, &policies));
            concerned.for_each(|subject| drop(subject.refusal.set(format!("{difference}, in `{}`", case.id))));
        }
    };
    // Settings that several cases share are validated by the first of them, whatever the number of threads.
    let (first, others) = by_settings(&ready.loaded.selected.cases, suites);
    first.into_iter().for_each(|case| measure(case, true));
    others.into_par_iter().for_each(|case| measure(case, false));
    engine.finish();
    if options.interrupt.is_stopped() {
        return refused(subjects, "the run was interrupted");
    }
    subjects
}

/// The cases that come first with settings that others have too, and all others.
fn by_settings<'a>(cases: &[SelectedCase<'a>], suites: &[Suite]) -> (Vec<SelectedCase<'a>>, Vec<SelectedCase<'a>>) {
    let validations = |selected: &SelectedCase<'_>| {
        let of_case = evaluate::validations(selected.case, &suites[selected.suite.0]);
        of_case.into_iter().map(move |validation| (selected.suite, validation)).collect::<HashSet<_>>()
    };
    let mut uses: HashMap<_, usize> = HashMap::new();
    cases.iter().flat_map(validations).for_each(|key| *uses.entry(key).or_default() += 1);
    let mut known = HashSet::new();
    cases.iter().partition(|selected| {
        let shared = validations(selected).into_iter().filter(|key| uses[key] > 1);
        // All of them become known, and not only up to the first.
        shared.map(|key| known.insert(key)).fold(false, |is_first, is_new| is_first | is_new)
    })
}

/// What is different about the run of the copy.
fn difference(original: &CaseReport, counted: &CaseReport) -> Option<String> {
    if repetition::difference(original, counted, 2).is_some()
        && without_addresses(original) != without_addresses(counted)
    {
        return Some("the copy with counters gave another answer".to_owned());
    }
    // What a policy executed up to a trap is not counted exactly, neither by the engine nor by counters.
    let is_exact = !has_fault(original);
    let (one, other) = (original.instructions.unwrap_or(0), counted.instructions.unwrap_or(0));
    (is_exact && one != other)
        .then(|| format!("the copy with counters executed {other} instructions, and the module {one}"))
}

/// Whether a policy of a case had a fault, expected or not.
fn has_fault(report: &CaseReport) -> bool {
    let mut parts: Vec<&PartReport> = report.steps.iter().chain(&report.members).collect();
    while let Some(part) = parts.pop() {
        if part.fault.is_some() {
            return true;
        }
        parts.extend(&part.members);
    }
    report.fault.is_some() || matches!(report.outcome, Outcome::Error(_))
}

/// Everything about an answer but places in the code, which texts of wasmtime name: a copy has its instructions elsewhere.
fn without_addresses(report: &CaseReport) -> String {
    let CaseReport { outcome, response, fault, calls, steps, members, .. } = report;
    let text = format!("{:?}", (outcome, response, fault, calls, steps, members));
    let mut parts = text.split("0x");
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |text, part| text + "0x" + part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()))
}

fn refused<'a>(subjects: Vec<Subject<'a>>, reason: &str) -> Vec<Subject<'a>> {
    subjects.iter().for_each(|subject| drop(subject.refusal.set(reason.to_owned())));
    subjects
}

/// Which of its two modules a policy runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Copy {
    Original,
    Counted,
}

/// A module in a suite.
struct Subject<'a> {
    /// What tells it from others: metadata makes no difference.
    key: (SuiteIndex, Digest, ExecutionMode),
    suite: SuiteIndex,
    policies: Vec<PolicyIndex>,
    names: Vec<String>,
    digest: Digest,
    prepared: &'a PreparedPolicy,
    /// The module before metadata was attached to it.
    built: &'a [u8],
    root: Option<Root>,
    folder: PathBuf,
    plan: Result<Arc<Plan>, String>,
    counters: Option<Arc<Counters>>,
    /// Why what was counted is not reported.
    refusal: OnceLock<String>,
}

/// The modules of a run, and how they are measured.
fn subjects<'a>(ready: &Ready<'a>, options: &Options) -> Vec<Subject<'a>> {
    let mut subjects: Vec<Subject<'_>> = Vec::new();
    for record in ready.records {
        let Ok(prepared) = &record.prepared else { continue };
        let suite = record.key.suite;
        let spec = record.key.spec(ready.loaded.suites);
        let built = record.source.built.as_deref().unwrap_or(&prepared.module);
        let key = (suite, Digest::of(built), prepared.execution_mode);
        let same = |subject: &&mut Subject<'_>| subject.key == key;
        if let Some(subject) = subjects.iter_mut().find(same) {
            subject.policies.push(record.key.policy);
            subject.names.push(spec.name.clone());
            continue;
        }
        let path = &options.suites[suite.0];
        let file = match &spec.uri.value {
            PolicyRef::File(file) => file,
            _ => path,
        };
        subjects.push(Subject {
            key,
            suite,
            policies: vec![record.key.policy],
            names: vec![spec.name.clone()],
            digest: prepared.digest,
            prepared,
            built,
            root: root_of(path, options.root.as_deref()),
            folder: std::path::absolute(file)
                .ok()
                .as_deref()
                .and_then(Path::parent)
                .map(Path::to_owned)
                .unwrap_or_default(),
            plan: Err(String::new()),
            counters: None,
            refusal: OnceLock::new(),
        });
    }
    subjects.par_iter_mut().for_each(|subject| {
        let root = subject.root.as_ref();
        let packages = root.map(|root| Dependencies::around(&subject.folder, root)).unwrap_or_default();
        let plan = Plan::of(&subject.prepared.module, subject.built, &packages);
        subject.plan = plan.map(Arc::new).map_err(|error| error.to_string());
    });
    subjects
}

impl<'a> Subject<'a> {
    /// What its counters say, with what they are about; or why that is not known.
    fn counted(&self) -> Result<(Arc<Plan>, Vec<u64>), String> {
        match (self.refusal.get(), &self.plan, &self.counters) {
            (Some(reason), ..) | (None, Err(reason), _) => Err(reason.clone()),
            (None, Ok(_), None) => Err("the copy with counters could not be compiled".to_owned()),
            (None, Ok(plan), Some(counters)) => Ok((Arc::clone(plan), counters.sums())),
        }
    }

    /// Which of its instructions were executed.
    fn executed(self) -> Executed<'a> {
        let ranges = self.counted().map(|(plan, sums)| {
            let hit = plan.counted().iter().zip(&sums).filter(|(_, sum)| **sum > 0);
            let mut ranges: Vec<Range<usize>> = hit.map(|(counter, _)| plan.known_of(counter)).collect();
            ranges.sort_by_key(|range| range.start);
            ranges
        });
        let Self { suite, policies, names, prepared, built, root, folder, .. } = self;
        Executed { suite, policies, names, prepared, built, root, folder, ranges }
    }

    fn is_one_of(&self, suite: SuiteIndex, policies: &[PolicyIndex]) -> bool {
        self.suite == suite && self.policies.iter().any(|policy| policies.contains(policy))
    }

    /// What was counted, or why nothing is known.
    fn coverage(self) -> PolicyCoverage {
        let result = self.counted().map(|(plan, sums)| {
            let mut coverage = plan.coverage(&sums);
            if let Some(root) = &self.root {
                Sources::around(&self.folder, root).add_to(&mut coverage);
                rules::place(&mut coverage, &self.folder, root);
            }
            coverage
        });
        PolicyCoverage { suite: self.suite.0, policies: self.names, result }
    }
}

/// A policy in code that counts instructions.
type Guest = Arc<dyn Policy>;

/// For each module of a run both of its policies; the second counts. None where that cannot be compiled: it then runs as
/// before.
fn guests(subjects: &mut [Subject<'_>], engine: &Engine, times: &Times) -> Vec<Option<[Guest; 2]>> {
    let guests = subjects.par_iter_mut().map(|subject| {
        let plan = Arc::clone(subject.plan.as_ref().ok()?);
        let copy: Arc<[u8]> = plan.copy.clone().into();
        let counters = Counters::new(counters::EXPORT, plan.counters(), counters::FUEL);
        let guests = compiled_alike(engine, subject, &copy, times).and_then(|[original, counted]| {
            let counted = counted.with_counters(Some(Arc::clone(&counters)));
            let load = |module: &Module| runtime::load(engine, module, subject.prepared.execution_mode);
            let both = load(&original).and_then(|original| Ok([original, load(&counted)?]));
            both.map_err(|error| error.to_string())
        });
        match guests {
            Ok(guests) => {
                subject.counters = Some(counters);
                Some(guests)
            }
            Err(error) => {
                subject.plan = Err(format!("the copy with counters could not be compiled: {error}"));
                None
            }
        }
    });
    guests.collect()
}

/// How long the cases of each policy took.
type Times = BTreeMap<(SuiteIndex, PolicyIndex), Duration>;

fn time_of_cases(ready: &Ready<'_>, cases: &[CaseReport]) -> Times {
    let mut times = Times::new();
    let durations: BTreeMap<&str, Duration> = cases.iter().map(|case| (case.id.as_str(), case.duration)).collect();
    for SelectedCase { suite, case } in &ready.loaded.selected.cases {
        for policy in ready.loaded.suites[suite.0].policies_for(case) {
            *times.entry((*suite, policy)).or_default() += durations.get(case.id.as_str()).copied().unwrap_or_default();
        }
    }
    times
}

/// Code of a module and of its copy by the same compiler: compilers do not count all instructions alike.
///
/// That is the optimising one where the cases took longer than it will.
fn compiled_alike(engine: &Engine, subject: &Subject<'_>, copy: &[u8], times: &Times) -> Result<[Module; 2], String> {
    let digests = [subject.digest, Digest::of(copy)];
    let compile = |number: usize, bytes: &[u8]| {
        let kept = engine.kept(digests[number]).map(Ok);
        kept.unwrap_or_else(|| engine.compile_and_keep(digests[number], bytes)).map_err(|error| error.to_string())
    };
    let original = &*subject.prepared.module;
    let spent: Duration = subject.policies.iter().filter_map(|policy| times.get(&(subject.suite, *policy))).sum();
    if spent < engine.time_to_optimise(original.len()) {
        let both = [compile(0, original)?, compile(1, copy)?];
        if both[0].compiler() == both[1].compiler() {
            return Ok(both);
        }
    }
    let optimise =
        |number: usize, bytes: &[u8]| engine.optimise(digests[number], bytes).map_err(|error| error.to_string());
    Ok([optimise(0, original)?, optimise(1, copy)?])
}

/// The policies of a run with one of these two guests each.
fn records(
    all: &[PolicyRecord],
    subjects: &[Subject<'_>],
    guests: &[Option<[Guest; 2]>],
    copy: Copy,
) -> Vec<PolicyRecord> {
    let record = |record: &PolicyRecord| {
        let prepared = record.prepared.as_ref().map_err(Arc::clone).map(|prepared| {
            let mine = subjects.iter().zip(guests).find(|(subject, _)| {
                subject.suite == record.key.suite && subject.policies.contains(&record.key.policy)
            });
            let guest = mine.and_then(|(_, guests)| guests.as_ref()).map(|guests| Arc::clone(&guests[copy as usize]));
            prepared.with_guest(guest.unwrap_or_else(|| Arc::clone(&prepared.guest)))
        });
        PolicyRecord { key: record.key, source: Source { digest: None, remarks: Vec::new(), built: None }, prepared }
    };
    all.iter().map(record).collect()
}
