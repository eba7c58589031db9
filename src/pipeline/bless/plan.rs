//! Which values of which files are changed: what cases agree on, and what changes nothing else.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use policy_verify_model::source::SourceFile;
use policy_verify_model::suite::{Suite, SuiteIndex};
use policy_verify_suite::edit::{Edit, Editor, Replacement, is_input};
use policy_verify_suite::is_stream;

use super::wish::{Left, Wish};
use crate::compare::correct::Part;

/// The changes of a file, each with the cases that want it; of those that only keep something, two are enough.
pub(super) struct Planned {
    pub(super) file: Arc<SourceFile>,
    pub(super) suite: SuiteIndex,
    editor: Editor,
    /// Whether it is read as something else than an expectation, too.
    is_input: bool,
    edits: HashMap<Edit, Vec<usize>>,
}

impl Planned {
    /// The text with what no case is against, and the cases whose changes are in it.
    pub(super) fn text(&self, wishes: &[Wish], left_over: &mut Vec<Left>) -> (String, Vec<usize>) {
        let edits = agreed(self, wishes, left_over);
        applied(self, edits, wishes, left_over)
    }
}

/// What the cases want of each file, by its path in reports; and what is left.
pub(super) fn plan(suites: &[Suite], wishes: &[Wish]) -> (BTreeMap<String, Planned>, Vec<Left>) {
    let mut planner = Planner { suites, wishes, files: BTreeMap::new(), left: Vec::new() };
    (0..wishes.len()).for_each(|index| planner.plan(index));
    (planner.files, planner.left)
}

/// What is wanted of each file.
struct Planner<'a> {
    suites: &'a [Suite],
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
                Err(reason) => return self.left.extend(wish.left(&part.place, reason)),
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
        let (file, suites) = (&part.place.file, self.suites);
        let planned = self.files.entry(file.path.clone()).or_insert_with(|| {
            let is_suite = suites.iter().flat_map(Suite::files).any(|suite| suite.path == file.path);
            Planned {
                file: Arc::clone(file),
                suite: wish.suite,
                editor: Editor::new(file, is_suite),
                is_input: !is_suite && suites.iter().flat_map(Suite::files).any(|suite| is_input(suite, &file.path)),
                edits: HashMap::new(),
            }
        });
        let is_changed = part.new.as_ref().is_ok_and(|new| *new != part.old);
        match is_changed && planned.is_input {
            true => Err(format!("`{}` is read as a request or as settings, too", file.path)),
            false => Ok(planned),
        }
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
        let reason = format!("`{}` expects the same value otherwise", wishes[*other].id);
        left_over.extend(wishes[*index].left_as_a_whole(reason));
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
        left_over.extend(wishes[index].left_as_a_whole("something else than its expectation would change with it"));
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
