//! Merges the reports of several machines into one run, as if one machine had run everything.
//!
//! A missing or duplicate shard is an error, and so are shards of different cases or with different modules. The order of
//! the reports does not matter.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use indexmap::IndexMap;

use policy_verify_model::baseline::SuiteChanges;
use policy_verify_model::code::Code;
use policy_verify_model::cost::SuiteUse;
use policy_verify_model::coverage::PolicyCoverage;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::gate::Gate;
use policy_verify_model::gate_reports;
use policy_verify_model::outcome::{CaseKind, CaseReport, PolicyReport, RunReport, Shard, SuiteSummary};
use policy_verify_model::publication::Publication;
use policy_verify_model::rule_coverage::RuleCoverage;
use policy_verify_model::sabotage::HollowCases;
use policy_verify_model::settings_coverage::SettingsCoverage;
use policy_verify_model::source::Span;

use crate::coverage;

/// A report and the name of its file.
pub type NamedReport = (String, RunReport);

/// Merges the reports of the parts of a run.
///
/// # Errors
///
/// Every reason why the reports are not the parts of one run.
pub fn merge(mut reports: Vec<NamedReport>) -> Result<RunReport, Vec<Diagnostic>> {
    // By shard, then by suite: the result does not depend on the order of the arguments.
    let key = |(_, run): &NamedReport| {
        let first = run.suites.first().map(|suite| suite.path.clone());
        (run.shard.as_ref().map(|shard| shard.number), first, run.started_at)
    };
    reports.sort_by_key(key);
    let mut mistakes = shard_mistakes(&reports);
    if mistakes.is_empty() {
        mistakes.extend(case_mistakes(&reports));
    }
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    join(&reports).map_err(|mistake| vec![mistake])
}

fn missing(message: String) -> Diagnostic {
    Diagnostic::new(Code::ShardMissing, message)
}

fn different(message: String) -> Diagnostic {
    Diagnostic::new(Code::ReportsDiffer, message)
}

fn shard_mistakes(reports: &[NamedReport]) -> Vec<Diagnostic> {
    let shards: Vec<(&str, &Shard)> =
        reports.iter().filter_map(|(name, run)| Some((name.as_str(), run.shard.as_ref()?))).collect();
    let Some((first_name, first)) = shards.first().copied() else {
        let none = || missing("no report was given".to_owned());
        return reports.is_empty().then(none).into_iter().collect();
    };
    if let Some((name, _)) = reports.iter().find(|(_, run)| run.shard.is_none()) {
        return vec![different(format!("{first_name} is a shard, {name} is the report of a whole run"))];
    }
    let mut mistakes = Vec::new();
    for (name, shard) in &shards {
        if (shard.by, shard.of) != (first.by, first.of) {
            mistakes.push(different(format!("{name} is shard {shard}, {first_name} is shard {first}")));
        } else if (shard.total, &shard.fingerprint) != (first.total, &first.fingerprint) {
            let message =
                format!("{name} and {first_name} are shards of different cases ({} and {})", shard.total, first.total);
            let help = "give every shard the same suites, flags and commit".to_owned();
            mistakes.push(different(message).with_help(help));
        }
    }
    let mut by_number: BTreeMap<usize, &str> = BTreeMap::new();
    for (name, shard) in &shards {
        let number = shard.number;
        if !(1..=first.of).contains(&number) {
            mistakes.push(different(format!("{name} is shard {number} of {}, which there cannot be", first.of)));
        } else if let Some(other) = by_number.insert(number, name) {
            mistakes.push(different(format!("{other} and {name} are both shard {number} of {}", first.of)));
        }
    }
    // The number comes from a file: no work is done for each shard that it claims.
    let absent = first.of - by_number.len();
    let numbers = (1..=first.of).filter(|number| !by_number.contains_key(number)).take(MOST_NAMED);
    mistakes.extend(numbers.map(|number| missing(format!("shard {number} of {} is missing", first.of))));
    if absent > MOST_NAMED {
        mistakes.push(missing(format!("{} more shards of {} are missing", absent - MOST_NAMED, first.of)));
    }
    mistakes
}

/// Most missing shards that are named.
const MOST_NAMED: usize = 20;

/// Cases that are in two reports, and for shards, cases that are in none.
fn case_mistakes(reports: &[NamedReport]) -> Vec<Diagnostic> {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut mistakes = Vec::new();
    for (name, run) in reports {
        if let Some(duplicate) = run.cases.iter().find(|case| !seen.insert(&case.id)) {
            mistakes.push(different(format!("duplicate case `{}`: {name} and another report have it", duplicate.id)));
        }
    }
    let total = reports.first().and_then(|(_, run)| Some(run.shard.as_ref()?.total));
    let in_suites = |case: &&CaseReport| !matches!(case.kind, CaseKind::UnusedPolicy | CaseKind::Gate);
    let found = reports.iter().flat_map(|(_, run)| &run.cases).filter(in_suites).count();
    if let Some(total) = total.filter(|total| mistakes.is_empty() && *total != found) {
        let help = "give every shard the same file to `--timings`".to_owned();
        mistakes.push(missing(format!("the shards have {found} of {total} cases")).with_help(help));
    }
    mistakes
}

fn join(reports: &[NamedReport]) -> Result<RunReport, Diagnostic> {
    let mut suites: IndexMap<&str, SuiteSummary> = IndexMap::new();
    for suite in reports.iter().flat_map(|(_, run)| &run.suites) {
        // The quoted text differs from shard to shard; each case has its own.
        let known = suites.entry(&suite.path).or_insert_with(|| suite.clone());
        if known.kubewarden != suite.kubewarden {
            let (path, one, another) = (&suite.path, known.kubewarden, suite.kubewarden);
            let message = format!("suite `{path}` has Kubewarden {one} in one report and {another} in another");
            return Err(different(message).with_help("give every shard the same `--kubewarden`".to_owned()));
        }
    }
    let index = |run: &RunReport, suite: usize| {
        run.suites.get(suite).and_then(|suite| suites.get_index_of(suite.path.as_str())).unwrap_or_default()
    };
    let mut cases = Vec::new();
    let mut publications = Vec::new();
    let mut coverage = Vec::new();
    let mut policies: IndexMap<(usize, &str), PolicyReport> = IndexMap::new();
    let mut rules: IndexMap<(usize, &str), RuleCoverage> = IndexMap::new();
    let mut settings: IndexMap<(usize, &str), SettingsCoverage> = IndexMap::new();
    let mut hollow: IndexMap<usize, HollowCases> = IndexMap::new();
    let mut changes: IndexMap<usize, SuiteChanges> = IndexMap::new();
    let mut uses: IndexMap<usize, SuiteUse> = IndexMap::new();
    let mut gates: IndexMap<(usize, &str), Gate> = IndexMap::new();
    for (_, run) in reports {
        // The merged run is judged anew.
        let of_suites = run.cases.iter().filter(|case| case.kind != CaseKind::Gate);
        cases.extend(of_suites.map(|case| CaseReport { suite: index(run, case.suite), ..case.clone() }));
        for of_run in &run.rules {
            let moved = RuleCoverage { suite: index(run, of_run.suite), ..of_run.clone() };
            match rules.get_mut(&(moved.suite, of_run.policy.as_str())) {
                Some(known) => add_rules(known, &moved)?,
                None => drop(rules.insert((moved.suite, &of_run.policy), moved)),
            }
        }
        for of_run in &run.settings {
            let moved = SettingsCoverage { suite: index(run, of_run.suite), ..of_run.clone() };
            match settings.get_mut(&(moved.suite, of_run.policy.as_str())) {
                Some(known) => add_settings(known, &moved)?,
                None => drop(settings.insert((moved.suite, &of_run.policy), moved)),
            }
        }
        for of_run in &run.hollow {
            let suite = index(run, of_run.suite);
            let known = hollow.entry(suite).or_insert_with(|| HollowCases { suite, ..HollowCases::default() });
            known.tried = known.tried.saturating_add(of_run.tried);
            known.names.extend_from_slice(&of_run.names);
        }
        for of_run in &run.changes {
            let suite = index(run, of_run.suite);
            changes.entry(suite).or_insert_with(|| SuiteChanges { suite, ..SuiteChanges::default() }).add(of_run);
        }
        for of_run in &run.uses {
            let suite = index(run, of_run.suite);
            let known = uses.entry(suite).or_insert_with(|| SuiteUse { suite, ..SuiteUse::default() });
            known.cases.extend_from_slice(&of_run.cases);
            known.problems.extend_from_slice(&of_run.problems);
        }
        for gate in &run.gates {
            let moved = Gate { suite: index(run, gate.suite), ..gate.clone() };
            let known = gates.entry((moved.suite, gate.goal.name())).or_insert_with(|| moved.clone());
            known.skipped = known.skipped.take().or(moved.skipped);
        }
        let moved = |it: &Publication| Publication { suite: it.suite.map(|suite| index(run, suite)), ..it.clone() };
        publications.extend(run.publications.iter().map(moved));
        for policy in &run.coverage {
            coverage::merge::add(&mut coverage, PolicyCoverage { suite: index(run, policy.suite), ..policy.clone() });
        }
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
    coverage.sort_by_key(|it: &PolicyCoverage| it.suite);
    let mut policies: Vec<PolicyReport> = policies.into_values().collect();
    policies.sort_by_key(|policy| (policy.suite, policy.position));
    let runs = || reports.iter().map(|(_, run)| run);
    // Every shard reads the whole suite, and has its warnings.
    let mut known = HashSet::new();
    let all = runs().flat_map(|run| &run.warnings);
    let warnings = all.filter(|warning| known.insert((&warning.message, place_of(warning)))).cloned().collect();
    let mut merged = RunReport {
        suites: suites.into_values().collect(),
        policies,
        cases,
        warnings,
        rules: sorted_by_suite(rules, |rules| rules.suite),
        settings: sorted_by_suite(settings, |settings| settings.suite),
        hollow: sorted_by_suite(hollow, |cases| cases.suite),
        changes: sorted_by_suite(changes, |changes| changes.suite),
        uses: sorted_by_suite(uses, |uses| uses.suite),
        gates: sorted_by_suite(gates, |gate| gate.suite),
        publications,
        coverage,
        started_at: runs().map(|run| run.started_at).min().unwrap_or_default(),
        duration: runs().map(|run| run.duration).max().unwrap_or_default(),
        shard: None,
        seed: runs().find_map(|run| run.seed),
        flags: common_flags(reports),
        errors: runs().flat_map(|run| run.errors.clone()).collect(),
    };
    let of_gates = gate_reports::reports(&merged);
    merged.cases.extend(of_gates);
    merged.cases.sort_by_key(|case| (case.suite, case.position));
    merged.sort_warnings();
    Ok(merged)
}

fn sorted_by_suite<K, T>(map: IndexMap<K, T>, suite: impl Fn(&T) -> usize) -> Vec<T> {
    let mut all: Vec<T> = map.into_values().collect();
    all.sort_by_key(suite);
    all
}

/// Adds what another shard exercises of the same rules.
fn add_rules(known: &mut RuleCoverage, other: &RuleCoverage) -> Result<(), Diagnostic> {
    let is_same = known.requests.len() == other.requests.len()
        && known.requests.iter().zip(&other.requests).all(|(one, another)| one.is_same(another));
    if !is_same {
        let message = format!("the rules of policy `{}` differ between two reports", known.policy);
        return Err(different(message).with_help("run every shard with the same metadata".to_owned()));
    }
    for (one, another) in known.requests.iter_mut().zip(&other.requests) {
        one.verdicts.add(another.verdicts);
    }
    Ok(())
}

/// Adds what another shard exercises of the same settings.
fn add_settings(known: &mut SettingsCoverage, other: &SettingsCoverage) -> Result<(), Diagnostic> {
    if known.add(other) {
        return Ok(());
    }
    let message = format!("the settings of policy `{}` differ between two reports", known.policy);
    Err(different(message).with_help("run every shard with the same suite and form".to_owned()))
}

/// The flags that every run had: what one machine needed is of no use for the cases of another.
fn common_flags(reports: &[NamedReport]) -> Vec<String> {
    let Some(((_, first), others)) = reports.split_first() else { return Vec::new() };
    let is_common = |flag: &&[String]| others.iter().all(|(_, other)| each_flag(&other.flags).any(|it| it == *flag));
    each_flag(&first.flags).filter(is_common).flatten().cloned().collect()
}

/// Each flag with its value. A value that begins with a dash is in the word of its flag.
fn each_flag(words: &[String]) -> impl Iterator<Item = &[String]> {
    words.chunk_by(|_, next| !next.starts_with('-'))
}

fn place_of(it: &Diagnostic) -> Option<String> {
    it.span.as_ref().map(Span::file_and_line)
}

/// Adds the results of another shard about the same policy.
fn add_policy(known: &mut PolicyReport, other: PolicyReport) -> Result<(), Diagnostic> {
    if let (Some(one), Some(another)) = (known.digest, other.digest)
        && one != another
    {
        let message = format!("policy `{}` has digest {one} in one report and {another} in another", known.name);
        return Err(different(message).with_help("run every shard with the same module".to_owned()));
    }
    let mut compilers = known.compilers.clone();
    compilers.extend(other.compilers.iter().filter(|compiler| !known.compilers.contains(compiler)));
    let compile_time = known.compile_time + other.compile_time;
    let unavailable = known.unavailable.as_ref().or(other.unavailable.as_ref()).map(Arc::clone);
    let mut verdicts = known.verdicts;
    verdicts.add(other.verdicts);
    let privileges = match (known.privileges.clone(), &other.privileges) {
        (Some(mut known), Some(other)) => {
            known.add(other);
            Some(known)
        }
        (known, other) => known.or_else(|| other.clone()),
    };
    *known = PolicyReport {
        verdicts,
        privileges,
        digest: known.digest.or(other.digest),
        size: known.size.or(other.size),
        execution_mode: known.execution_mode.or(other.execution_mode),
        compilers,
        compile_time,
        unavailable,
        ..known.clone()
    };
    Ok(())
}
