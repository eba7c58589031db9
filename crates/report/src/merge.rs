//! The reports of several machines become one run, as if one machine had run everything.
//!
//! Whatever would make the result less than that is an error: a shard that is missing or there twice, shards that
//! divided different cases or met different modules. The order of the reports does not matter.

use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use indexmap::IndexMap;

use policy_verify_model::code::Code;
use policy_verify_model::outcome::{CaseReport, PolicyReport, RunReport, Shard, SuiteSummary};
use policy_verify_model::publication::Publication;

/// Why reports do not make one run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeProblem {
    /// What kind of problem.
    pub code: Code,
    /// What is wrong, a lower-case fragment.
    pub message: String,
}

impl MergeProblem {
    fn missing(message: String) -> Self {
        Self { code: Code::ShardMissing, message }
    }

    fn different(message: String) -> Self {
        Self { code: Code::ReportsDiffer, message }
    }
}

impl fmt::Display for MergeProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for MergeProblem {}

/// A report and the name of its file.
pub type NamedReport = (String, RunReport);

/// One run out of the reports of its parts.
///
/// # Errors
///
/// Every reason why they are not the parts of one run.
pub fn merge(mut reports: Vec<NamedReport>) -> Result<RunReport, Vec<MergeProblem>> {
    // By shard, then by suite: the order of the arguments must not show.
    let key = |(_, run): &NamedReport| {
        let first = run.suites.first().map(|suite| suite.path.clone());
        (run.shard.as_ref().map(|shard| shard.number), first, run.started_at)
    };
    reports.sort_by_key(key);
    let mut problems = shard_problems(&reports);
    if problems.is_empty() {
        problems.extend(twins(&reports));
    }
    let Some(merged) = problems.is_empty().then(|| join(&reports)) else { return Err(problems) };
    merged.map_err(|problem| vec![problem])
}

fn shard_problems(reports: &[NamedReport]) -> Vec<MergeProblem> {
    let shards: Vec<(&str, &Shard)> =
        reports.iter().filter_map(|(name, run)| Some((name.as_str(), run.shard.as_ref()?))).collect();
    let Some((first_name, first)) = shards.first().copied() else {
        let none = || MergeProblem::missing("there is no report".to_owned());
        return reports.is_empty().then(none).into_iter().collect();
    };
    if let Some((name, _)) = reports.iter().find(|(_, run)| run.shard.is_none()) {
        return vec![MergeProblem::different(format!("{name} is no shard, {first_name} is one"))];
    }
    let mut problems = Vec::new();
    for (name, shard) in &shards {
        if (shard.by, shard.of) != (first.by, first.of) {
            problems.push(MergeProblem::different(format!("{name} is shard {shard}, {first_name} is shard {first}")));
        } else if (shard.total, &shard.fingerprint) != (first.total, &first.fingerprint) {
            let message = format!(
                "{name} and {first_name} divided different cases ({} and {}): other suites, flags or commits",
                shard.total, first.total
            );
            problems.push(MergeProblem::different(message));
        }
    }
    for number in 1..=first.of {
        match shards.iter().filter(|(_, shard)| shard.number == number).map(|(name, _)| *name).collect::<Vec<_>>()[..] {
            [] => problems.push(MergeProblem::missing(format!("shard {number} of {} is missing", first.of))),
            [_] => {}
            [one, other, ..] => {
                problems.push(MergeProblem::different(format!(
                    "{one} and {other} are both shard {number} of {}",
                    first.of
                )));
            }
        }
    }
    problems
}

/// Cases that are in two reports, and for shards, cases that are in none.
fn twins(reports: &[NamedReport]) -> Vec<MergeProblem> {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut problems = Vec::new();
    for (name, run) in reports {
        if let Some(twin) = run.cases.iter().find(|case| !seen.insert(&case.id)) {
            problems.push(MergeProblem::different(format!("{name} has `{}`, as another report does", twin.id)));
        }
    }
    let total = reports.first().and_then(|(_, run)| Some(run.shard.as_ref()?.total));
    let in_suites = |case: &&CaseReport| !case.is_idle_policy();
    let found = reports.iter().flat_map(|(_, run)| &run.cases).filter(in_suites).count();
    if let Some(total) = total.filter(|total| problems.is_empty() && *total != found) {
        let message = format!("the shards have {found} of {total} cases: were they given different timings?");
        problems.push(MergeProblem::missing(message));
    }
    problems
}

fn join(reports: &[NamedReport]) -> Result<RunReport, MergeProblem> {
    let mut suites: IndexMap<&str, SuiteSummary> = IndexMap::new();
    for suite in reports.iter().flat_map(|(_, run)| &run.suites) {
        // The text that can be quoted differs from shard to shard; each case brings its own.
        suites.entry(&suite.path).or_insert_with(|| suite.clone());
    }
    let index = |run: &RunReport, suite: usize| {
        run.suites.get(suite).and_then(|suite| suites.get_index_of(suite.path.as_str())).unwrap_or_default()
    };
    let mut cases = Vec::new();
    let mut publications = Vec::new();
    let mut policies: IndexMap<(usize, &str), PolicyReport> = IndexMap::new();
    for (_, run) in reports {
        cases.extend(run.cases.iter().map(|case| CaseReport { suite: index(run, case.suite), ..case.clone() }));
        let moved = |it: &Publication| Publication { suite: it.suite.map(|suite| index(run, suite)), ..it.clone() };
        publications.extend(run.publications.iter().map(moved));
        for policy in &run.policies {
            let policy_suite = index(run, policy.suite);
            let moved = PolicyReport { suite: policy_suite, ..policy.clone() };
            match policies.get_mut(&(policy_suite, policy.name.as_str())) {
                Some(known) => add_policy(known, moved)?,
                None => {
                    policies.insert((policy_suite, &policy.name), moved);
                }
            }
        }
    }
    cases.sort_by_key(|case| (case.suite, case.position));
    publications.sort_by_key(|it| it.suite);
    let mut policies: Vec<PolicyReport> = policies.into_values().collect();
    policies.sort_by_key(|policy| (policy.suite, policy.position));
    let runs = || reports.iter().map(|(_, run)| run);
    Ok(RunReport {
        suites: suites.into_values().collect(),
        policies,
        cases,
        publications,
        started_at: runs().map(|run| run.started_at).min().unwrap_or_default(),
        duration: runs().map(|run| run.duration).max().unwrap_or_default(),
        shard: None,
        seed: runs().find_map(|run| run.seed),
    })
}

/// What another shard knows of the same policy.
fn add_policy(known: &mut PolicyReport, other: PolicyReport) -> Result<(), MergeProblem> {
    if let (Some(one), Some(another)) = (known.digest, other.digest)
        && one != another
    {
        let message = format!("policy `{}` was {one} on one machine and {another} on another", known.name);
        return Err(MergeProblem::different(message));
    }
    let compile_time = known.compile_time + other.compile_time;
    let unavailable = known.unavailable.as_ref().or(other.unavailable.as_ref()).map(Arc::clone);
    *known = PolicyReport {
        digest: known.digest.or(other.digest),
        size: known.size.or(other.size),
        execution_mode: known.execution_mode.or(other.execution_mode),
        compile_time,
        unavailable,
        ..known.clone()
    };
    Ok(())
}
