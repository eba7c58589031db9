//! Expectations are rewritten as the policies answer: which values of which files become which others.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy_verify_model::answer::Answer;
use policy_verify_model::outcome::{CaseReport, Outcome};
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::suite::{Case, CaseBody, RequestCase, SuiteIndex};
use policy_verify_suite::edit::{Edit, Editor, Replacement, is_input};
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
            correct::settings(&body.expect, &case.expect_span, &verdict, strengthens)
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
        is_passed_on: report.monitored.is_some() && !body.expect.is_monitored(),
        members: report.members.iter().chain(groups).collect(),
        strengthens,
    };
    correct::request(&body.expect, &case.expect_span, &facts)
}

/// The changes of a file, each with the cases that want it; of those that only keep something, two are enough.
struct Planned {
    file: Arc<SourceFile>,
    suite: SuiteIndex,
    editor: Editor,
    edits: HashMap<Edit, Vec<usize>>,
}

fn blessing(ready: &Ready<'_>, options: &Options, wishes: &[Wish]) -> Blessing {
    let mut planner = Planner { ready, wishes, files: BTreeMap::new(), left: Vec::new() };
    (0..wishes.len()).for_each(|index| planner.plan(index));
    let Planner { files, mut left, .. } = planner;
    let mut blessing = Blessing::default();
    let mut changed: HashSet<usize> = HashSet::new();
    for (shown, planned) in files {
        let edits = agreed(&planned, wishes, &mut left);
        let (after, made) = applied(&planned, edits, wishes, &mut left);
        changed.extend(made);
        if after == planned.file.text {
            continue;
        }
        let suite = &options.suites[planned.suite.0];
        let root = root_of(suite, options.root.as_deref());
        let path = root.map_or_else(|| PathBuf::from(&shown), |root| root.absolute(&shown));
        blessing.files.push(BlessedFile { path, shown, before: planned.file.text.clone(), after });
    }
    blessing.cases = changed.len();
    left.dedup();
    blessing.left = left;
    blessing
}

/// What is wanted of each file.
struct Planner<'a> {
    ready: &'a Ready<'a>,
    wishes: &'a [Wish],
    files: BTreeMap<String, Planned>,
    left: Vec<Left>,
}

impl Planner<'_> {
    /// Plans what a case wants: all of it, or nothing.
    fn plan(&mut self, index: usize) {
        let wish = &self.wishes[index];
        let mut all = Vec::new();
        for part in &wish.parts {
            let edits = self.planned(wish, part).and_then(|planned| edits_of(planned, wish, part));
            match edits {
                Ok(edits) => all.push((&part.place.file.path, edits)),
                Err(reason) => {
                    self.left.extend(wish.is_failed.then(|| left(wish, &part.place, &reason)));
                    return;
                }
            }
        }
        for (path, edits) in all {
            let Some(planned) = self.files.get_mut(path) else { continue };
            for edit in edits {
                let is_change = edit.text.is_some();
                let cases = planned.edits.entry(edit).or_default();
                if is_change || cases.len() < 2 {
                    cases.push(index);
                }
            }
        }
    }

    /// The file of a part; one that is read as something else than an expectation is not changed.
    fn planned(&mut self, wish: &Wish, part: &Part) -> Result<&Planned, String> {
        let file = &part.place.file;
        let suites = self.ready.loaded.suites;
        let is_suite = suites.iter().any(|suite| suite.file.path == file.path);
        let is_changed = part.new.as_ref().is_ok_and(|new| *new != part.old);
        if is_changed && !is_suite && suites.iter().any(|suite| is_input(&suite.file, &file.path)) {
            return Err(format!("`{}` is read as a request or as settings, too", file.path));
        }
        Ok(self.files.entry(file.path.clone()).or_insert_with(|| Planned {
            file: Arc::clone(file),
            suite: wish.suite,
            editor: Editor::new(file, is_suite),
            edits: HashMap::new(),
        }))
    }
}

/// What a case changes or keeps for one part of its expectation; or why the part is left.
fn edits_of(planned: &Planned, wish: &Wish, part: &Part) -> Result<Vec<Edit>, String> {
    let new = part.new.clone()?;
    if is_stream(Path::new(&planned.file.path)) {
        return Err("it comes from stdin".to_owned());
    }
    let wanted = Replacement { place: part.place.clone(), old: part.old.clone(), new, row: wish.row.clone() };
    planned.editor.edits(&wanted).map_err(|obstacle| obstacle.to_string())
}

fn left(wish: &Wish, place: &Span, reason: &str) -> Left {
    Left { id: wish.id.clone(), place: place.clone(), reason: reason.to_owned() }
}

/// Changes by the cases that want them.
type ByCase = BTreeMap<usize, Vec<Edit>>;

/// The changes that no other case is against.
fn agreed(planned: &Planned, wishes: &[Wish], left_over: &mut Vec<Left>) -> ByCase {
    let (changes, kept): (Vec<_>, Vec<_>) = planned.edits.iter().partition(|(edit, _)| edit.text.is_some());
    let (kept, made) = (Ranges::of(kept), Ranges::of(changes.clone()));
    let (mut agreed, mut refused) = (ByCase::new(), BTreeMap::new());
    for (edit, cases) in changes {
        let is_against = |other: &Edit| match &other.text {
            None => edit.breaks(other),
            Some(_) => edit != other && (edit.breaks(other) || edit.range == other.range),
        };
        let against: Vec<_> = kept.near(edit).chain(made.near(edit)).filter(|(other, _)| is_against(other)).collect();
        for index in cases {
            let other = against.iter().flat_map(|(_, cases)| cases.iter()).find(|other| *other != index);
            match other {
                None => agreed.entry(*index).or_default().push(edit.clone()),
                Some(other) => drop(refused.insert(*index, *other)),
            }
        }
    }
    for (index, other) in &refused {
        let wish = &wishes[*index];
        let reason = format!("`{}` expects the same value otherwise", wishes[*other].id);
        let place = wish.parts.first().map(|part| &part.place).filter(|_| wish.is_failed);
        left_over.extend(place.map(|place| left(wish, place, &reason)));
    }
    agreed.retain(|index, _| !refused.contains_key(index));
    agreed
}

/// Cases that are tried one by one where all of them together cannot be changed.
const MOST_TRIED: usize = 300;

/// The text with these changes, and the cases whose changes are in it. Where they would change anything else, those of single
/// cases are left out.
fn applied(planned: &Planned, edits: ByCase, wishes: &[Wish], left_over: &mut Vec<Left>) -> (String, Vec<usize>) {
    let together = |edits: &ByCase| planned.editor.apply(edits.values().flatten().cloned().collect());
    if let Ok(text) = together(&edits) {
        return (text, edits.into_keys().collect());
    }
    let mut good = ByCase::new();
    for (tried, (index, edits)) in edits.into_iter().enumerate() {
        good.insert(index, edits);
        if tried < MOST_TRIED && together(&good).is_ok() {
            continue;
        }
        good.remove(&index);
        let wish = &wishes[index];
        let place = wish.parts.first().map(|part| &part.place).filter(|_| wish.is_failed);
        left_over
            .extend(place.map(|place| left(wish, place, "something else than its expectation would change with it")));
    }
    match together(&good) {
        Ok(text) => (text, good.into_keys().collect()),
        Err(_) => (planned.file.text.clone(), Vec::new()),
    }
}

/// Edits by where they begin, so that a long suite is not compared with itself line by line.
struct Ranges<'a> {
    edits: Vec<(&'a Edit, &'a Vec<usize>)>,
    /// Length of the longest value that one of them is about.
    longest: usize,
}

impl<'a> Ranges<'a> {
    fn of(mut edits: Vec<(&'a Edit, &'a Vec<usize>)>) -> Self {
        edits.sort_by_key(|(edit, _)| edit.range.start);
        let longest = edits.iter().map(|(edit, _)| edit.of.len().max(edit.range.len())).max().unwrap_or(0);
        Self { edits, longest }
    }

    /// Those that may have to do with an edit.
    fn near<'b>(&'b self, edit: &Edit) -> impl Iterator<Item = (&'a Edit, &'a Vec<usize>)> + use<'a, 'b> {
        let start = edit.of.start.min(edit.range.start).saturating_sub(self.longest);
        let end = edit.of.end.max(edit.range.end);
        let first = self.edits.partition_point(|(other, _)| other.range.start < start);
        self.edits[first..].iter().copied().take_while(move |(other, _)| other.range.start <= end)
    }
}
