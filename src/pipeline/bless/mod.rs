//! Expectations are rewritten as the policies answer: which values of which files become which others. Snapshots are
//! written whole.

mod blessing;
mod plan;
mod snapshots;
mod wish;

use std::collections::HashSet;
use std::path::PathBuf;

use policy_verify_model::answer::Answer;
use policy_verify_model::outcome::{CaseReport, Mismatch, MismatchKind, Outcome};
use policy_verify_model::suite::{Case, CaseBody, RequestCase};
use policy_verify_suite::{SnapshotUse, root_of};
use rayon::prelude::*;

pub use self::blessing::{BlessedFile, Blessing};
pub use self::wish::Left;
use self::wish::Wish;
use super::case;
use super::options::{Options, Progress};
use super::ready::{self, Code, Ready};
use crate::compare::correct::{self, Facts, Part};
use crate::error::Error;
use crate::evaluate::{self, Policies};
use crate::select::SelectedCase;

/// Which expectations are rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewriting {
    /// Those that do not hold.
    Failed,
    /// Those that hold, and would hold for other answers: they say what the answer is.
    Weak,
    /// Both.
    All,
    /// Those that do not hold; and snapshots without a case are removed.
    Pruned,
}

impl Rewriting {
    /// Whether expectations and snapshots become what the answer is.
    fn corrects(self) -> bool {
        self != Self::Weak
    }

    /// Whether expectations that hold for different answers become strict.
    fn strengthens(self) -> bool {
        matches!(self, Self::Weak | Self::All)
    }
}

/// Runs the selected cases, and tells what has to be written so that their expectations hold. Nothing is written, and no
/// expectation is made of a fault. What another case needs as it is, is left.
///
/// # Errors
///
/// When nothing could be run: see [`verify`](super::verify()).
pub fn bless(options: &Options, rewriting: Rewriting, progress: &dyn Progress) -> Result<Blessing, Error> {
    ready::with_suites(options, SnapshotUse::Written, progress, |loaded| {
        loaded.with_policies(options, Code::Plain, progress, |ready| {
            let selected = loaded.selected.cases.par_iter();
            let wishes: Vec<Wish> = selected.map(|selected| wish(ready, *selected, rewriting)).collect();
            let mut blessing = blessing(ready, options, &wishes);
            if rewriting == Rewriting::Pruned {
                snapshots::prune(loaded.suites, &mut blessing);
            }
            blessing
        })
    })
}

fn wish(ready: &Ready<'_>, SelectedCase { suite, case }: SelectedCase<'_>, rewriting: Rewriting) -> Wish {
    let policies = &ready.policies[suite.0];
    let (report, _) = case::report(suite, case, policies, None);
    let is_other = |mismatch: &Mismatch| mismatch.kind != MismatchKind::Snapshot;
    let is_failed = matches!(&report.outcome, Outcome::Failed(mismatches) if mismatches.iter().any(is_other));
    let is_rewritten = match &report.outcome {
        Outcome::Passed => true,
        Outcome::Failed(_) => !is_failed || rewriting.corrects(),
        _ => false,
    };
    let strengthens = rewriting.strengthens() && case.snapshot.is_none();
    let found = Found { report: &report, is_failed };
    let parts = match is_rewritten {
        true => parts(case, &found, policies, strengthens),
        false => kept(case),
    };
    let snapshot = if rewriting.corrects() { snapshots::wanted(case, &report, policies) } else { None };
    let row = case.origin.clone().filter(|row| row.file.path == case.expect_span.file.path);
    Wish { id: case.id.clone(), suite, is_failed, row, parts, snapshot }
}

/// What came of a case.
struct Found<'a> {
    report: &'a CaseReport,
    /// Whether its expectation does not hold.
    is_failed: bool,
}

/// The expectation of a case about which nothing is known: nobody else changes it.
fn kept(case: &Case) -> Vec<Part> {
    let place = case.expect_span.clone();
    vec![Part { place, old: serde_json::Value::Null, new: Ok(serde_json::Value::Null) }]
}

fn parts(case: &Case, found: &Found<'_>, policies: &Policies<'_>, strengthens: bool) -> Vec<Part> {
    match &case.body {
        CaseBody::Request(body) => of_request(case, body, found, strengthens),
        CaseBody::Settings(body) => {
            let verdict = evaluate::settings(case, body, policies).answer;
            correct::settings(&body.expect, &case.expect_span, &verdict, strengthens)
        }
        CaseBody::Check { check, .. } if found.is_failed => {
            let reason = "a check is about the module: change the module, or the check by hand".to_owned();
            vec![Part { place: check.span().clone(), old: serde_json::Value::Null, new: Err(reason) }]
        }
        CaseBody::Relation(_) if found.is_failed => {
            let reason = "a relation is about several answers: change the policy, or write an exception".to_owned();
            vec![Part { place: case.span.clone(), old: serde_json::Value::Null, new: Err(reason) }]
        }
        CaseBody::Check { .. } | CaseBody::Relation(_) => Vec::new(),
    }
}

fn of_request(case: &Case, body: &RequestCase, found: &Found<'_>, strengthens: bool) -> Vec<Part> {
    let report = found.report;
    let monitored = report.monitored.as_ref().filter(|_| body.expect.is_monitored());
    let answer: Answer = match (monitored.or(report.response.as_ref()), &report.fault) {
        (Some(response), _) => Ok(response.clone()),
        (None, Some(fault)) => Err(fault.clone()),
        // Only for `not-applicable`, which asks no policy.
        (None, None) if found.is_failed => Ok(Default::default()),
        (None, None) => return kept(case),
    };
    let Some(request) = &report.request else { return kept(case) };
    let groups = report.steps.iter().flat_map(|step| &step.members);
    let facts = Facts {
        answer: &answer,
        request: &request.get(),
        calls: &report.calls,
        is_passed_on: report.monitored.is_some() && !body.expect.is_monitored(),
        members: report.members.iter().chain(groups).collect(),
        strengthens,
    };
    correct::request(&body.expect, &case.expect_span, &facts)
}

fn blessing(ready: &Ready<'_>, options: &Options, wishes: &[Wish]) -> Blessing {
    let (files, mut left) = plan::plan(ready.loaded.suites, wishes);
    let mut blessing = Blessing::default();
    let mut changed: HashSet<usize> = HashSet::new();
    for (shown, planned) in files {
        let (after, made) = planned.text(wishes, &mut left);
        changed.extend(made);
        if after == planned.file.text {
            continue;
        }
        let suite = &options.suites[planned.suite.0];
        let root = root_of(suite, options.root.as_deref());
        let path = root.map_or_else(|| PathBuf::from(&shown), |root| root.absolute(&shown));
        let before = Some(planned.file.text.clone());
        blessing.files.push(BlessedFile { path, shown, before, after: Some(after) });
    }
    blessing.cases = changed.len();
    left.dedup();
    snapshots::write(wishes, options.file_limit, &left_ids(&left), &mut blessing);
    blessing.left.extend(left);
    blessing
}

/// The cases whose expectations stay although they do not hold.
fn left_ids(left: &[Left]) -> HashSet<&str> {
    left.iter().map(|left| left.id.as_str()).collect()
}
