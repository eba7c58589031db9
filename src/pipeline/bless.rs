//! Expectations are rewritten as the policies answer: which values of which files become which others.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use policy_verify_model::answer::Answer;
use policy_verify_model::outcome::{CaseReport, Outcome};
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::suite::{Case, CaseBody, RequestCase, SuiteIndex};
use policy_verify_suite::edit::{Edit, Editor, Replacement};
use policy_verify_suite::{is_stream, root_of};
use rayon::prelude::*;

use super::case;
use super::options::{Options, Progress};
use super::ready::{self, Code, Ready};
use crate::compare::correct::{self, Facts, Part};
use crate::error::Error;
use crate::evaluate::{self, Policies};
use crate::select::SelectedCase;

/// What is to be written so that the expectations of a run hold.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Blessing {
    /// The files that change, by their paths in reports.
    pub files: Vec<BlessedFile>,
    /// How many cases have their expectations rewritten.
    pub cases: usize,
    /// What cannot be written.
    pub left: Vec<Left>,
}

/// An expectation that stays as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Left {
    /// The case.
    pub id: String,
    /// Where it is written.
    pub place: Span,
    /// Why it stays.
    pub reason: String,
}

/// A file with values that change.
#[derive(Debug)]
#[non_exhaustive]
pub struct BlessedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its path in reports.
    pub shown: String,
    /// The text that was read.
    pub before: String,
    /// The text with the changes.
    pub after: String,
}

/// Which expectations are rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rewriting {
    /// Those that do not hold.
    Failed,
    /// Those that hold, and would hold for other answers: they say what the answer is.
    Weak,
    /// Both.
    All,
}

/// Runs the selected cases, and tells what has to be written so that their expectations hold. Nothing is written, and no
/// expectation is made of a fault. What another case needs as it is, is left.
///
/// # Errors
///
/// When nothing could be run: see [`verify`](super::verify()).
pub fn bless(options: &Options, rewriting: Rewriting, progress: &dyn Progress) -> Result<Blessing, Error> {
    ready::with_suites(options, progress, |loaded| {
        loaded.with_policies(options, Code::Plain, progress, |ready| {
            let selected = loaded.selected.cases.par_iter();
            let wishes: Vec<Wish> = selected.map(|selected| wish(ready, *selected, rewriting)).collect();
            blessing(ready, options, &wishes)
        })
    })
}

/// What a case wants to have written.
struct Wish {
    id: String,
    suite: SuiteIndex,
    is_failed: bool,
    row: Option<Span>,
    parts: Vec<Part>,
}

fn wish(ready: &Ready<'_>, SelectedCase { suite, case }: SelectedCase<'_>, rewriting: Rewriting) -> Wish {
    let policies = &ready.policies[suite.0];
    let (report, _) = case::report(suite, case, policies, None);
    let is_failed = matches!(report.outcome, Outcome::Failed(_));
    let is_rewritten = match &report.outcome {
        Outcome::Passed => true,
        Outcome::Failed(_) => rewriting != Rewriting::Weak,
        _ => false,
    };
    let parts = match is_rewritten {
        true => parts(case, &report, policies, rewriting != Rewriting::Failed),
        false => kept(case),
    };
    let row = case.origin.clone().filter(|row| row.file.path == case.expect_span.file.path);
    Wish { id: case.id.clone(), suite, is_failed, row, parts }
}

/// The expectation of a case about which nothing is known: nobody else changes it.
fn kept(case: &Case) -> Vec<Part> {
    let place = case.expect_span.clone();
    vec![Part { place, old: serde_json::Value::Null, new: Ok(serde_json::Value::Null) }]
}

fn parts(case: &Case, report: &CaseReport, policies: &Policies<'_>, strengthens: bool) -> Vec<Part> {
    match &case.body {
        CaseBody::Request(body) => of_request(case, body, report, strengthens),
        CaseBody::Settings(body) => {
            let verdict = evaluate::settings(case, body, policies).answer;
            correct::settings(&body.expect, &case.expect_span, &verdict)
        }
        CaseBody::Check { check, .. } if matches!(report.outcome, Outcome::Failed(_)) => {
            let reason = "a check is about the module: change the module, or the check by hand".to_owned();
            vec![Part { place: check.span().clone(), old: serde_json::Value::Null, new: Err(reason) }]
        }
        CaseBody::Check { .. } => Vec::new(),
    }
}

fn of_request(case: &Case, body: &RequestCase, report: &CaseReport, strengthens: bool) -> Vec<Part> {
    let monitored = report.monitored.as_ref().filter(|_| body.expect.is_monitored());
    let answer: Answer = match (monitored.or(report.response.as_ref()), &report.fault) {
        (Some(response), _) => Ok(response.clone()),
        (None, Some(fault)) => Err(fault.clone()),
        // Only for `not-applicable`, which asks no policy.
        (None, None) if matches!(report.outcome, Outcome::Failed(_)) => Ok(Default::default()),
        (None, None) => return kept(case),
    };
    let Some(request) = &report.request else { return kept(case) };
    let groups = report.steps.iter().flat_map(|step| &step.members);
    let facts = Facts {
        answer: &answer,
        request: &request.get(),
        calls: &report.calls,
        members: report.members.iter().chain(groups).collect(),
        strengthens,
    };
    correct::request(&body.expect, &case.expect_span, &facts)
}

/// The changes of a file, each with the case that wants it.
struct Planned {
    file: Arc<SourceFile>,
    suite: SuiteIndex,
    editor: Editor,
    edits: Vec<(usize, Edit)>,
}

fn blessing(ready: &Ready<'_>, options: &Options, wishes: &[Wish]) -> Blessing {
    let mut blessing = Blessing::default();
    let mut files: BTreeMap<String, Planned> = BTreeMap::new();
    for (index, wish) in wishes.iter().enumerate() {
        for part in &wish.parts {
            let planned = files.entry(part.place.file.path.clone()).or_insert_with(|| Planned {
                file: Arc::clone(&part.place.file),
                suite: wish.suite,
                editor: Editor::new(&part.place.file, is_suite(ready, &part.place.file)),
                edits: Vec::new(),
            });
            match edits_of(planned, wish, part) {
                Ok(edits) => planned.edits.extend(edits.into_iter().map(|edit| (index, edit))),
                Err(reason) if wish.is_failed => blessing.left.push(left(wish, &part.place, &reason)),
                Err(_) => {}
            }
        }
    }
    let mut changed: Vec<usize> = Vec::new();
    for (shown, planned) in files {
        let edits = agreed(&planned, wishes, &mut blessing.left);
        changed.extend(edits.iter().map(|(index, _)| *index));
        let after = planned.editor.apply(edits.into_iter().map(|(_, edit)| edit).collect());
        if after == planned.file.text {
            continue;
        }
        let suite = &options.suites[planned.suite.0];
        let root = root_of(suite, options.root.as_deref());
        let path = root.map_or_else(|| PathBuf::from(&shown), |root| root.absolute(&shown));
        blessing.files.push(BlessedFile { path, shown, before: planned.file.text.clone(), after });
    }
    changed.sort_unstable();
    changed.dedup();
    blessing.cases = changed.len();
    blessing
}

fn is_suite(ready: &Ready<'_>, file: &SourceFile) -> bool {
    ready.loaded.suites.iter().any(|suite| suite.file.path == file.path)
}

/// What a case changes or keeps for one part of its expectation; or why the part is left.
fn edits_of(planned: &Planned, wish: &Wish, part: &Part) -> Result<Vec<Edit>, String> {
    let new = part.new.clone()?;
    if is_stream(std::path::Path::new(&planned.file.path)) {
        return Err("it comes from stdin".to_owned());
    }
    let wanted = Replacement { place: part.place.clone(), old: part.old.clone(), new, row: wish.row.clone() };
    planned.editor.edits(&wanted).map_err(|obstacle| obstacle.to_string())
}

fn left(wish: &Wish, place: &Span, reason: &str) -> Left {
    Left { id: wish.id.clone(), place: place.clone(), reason: reason.to_owned() }
}

/// The changes that no other case is against.
fn agreed(planned: &Planned, wishes: &[Wish], left_over: &mut Vec<Left>) -> Vec<(usize, Edit)> {
    let (changes, kept): (Vec<_>, Vec<_>) = planned.edits.iter().partition(|(_, edit)| edit.text.is_some());
    let kept = Ranges::of(&kept);
    let made = Ranges::of(&changes);
    let mut agreed = Vec::new();
    for (index, edit) in changes {
        let is_against = |other: &Edit| match &other.text {
            None => edit.breaks(other),
            Some(_) => edit != other && (edit.breaks(other) || edit.range == other.range),
        };
        let near = kept.near(edit).chain(made.near(edit));
        let other = near.filter(|(other, _)| other != index).find(|(_, other)| is_against(other));
        match other {
            None => agreed.push((*index, edit.clone())),
            Some((other, _)) if wishes[*index].is_failed => {
                let wish = &wishes[*index];
                let reason = format!("`{}` expects the same value otherwise", wishes[*other].id);
                let place = wish.parts.first().map(|part| &part.place);
                left_over.extend(place.map(|place| left(wish, place, &reason)));
            }
            Some(_) => {}
        }
    }
    agreed
}

/// Edits by where they begin, so that a long suite is not compared with itself line by line.
struct Ranges<'a> {
    edits: Vec<&'a (usize, Edit)>,
    /// Length of the longest value that one of them is about.
    longest: usize,
}

impl<'a> Ranges<'a> {
    fn of(edits: &[&'a (usize, Edit)]) -> Self {
        let mut edits = edits.to_vec();
        edits.sort_by_key(|(_, edit)| edit.range.start);
        let longest = edits.iter().map(|(_, edit)| edit.of.len().max(edit.range.len())).max().unwrap_or(0);
        Self { edits, longest }
    }

    /// Those that may have to do with an edit.
    fn near<'b>(&'b self, edit: &Edit) -> impl Iterator<Item = &'a (usize, Edit)> + use<'a, 'b> {
        let start = edit.of.start.min(edit.range.start).saturating_sub(self.longest);
        let end = edit.of.end.max(edit.range.end);
        let first = self.edits.partition_point(|(_, other)| other.range.start < start);
        self.edits[first..].iter().copied().take_while(move |(_, other)| other.range.start <= end)
    }
}
