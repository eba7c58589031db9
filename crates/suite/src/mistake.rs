//! Mistakes in what the user wrote: file, line, the quoted text, and what to do about it.

use std::collections::HashSet;
use std::collections::btree_map::BTreeMap;
use std::collections::hash_map::{Entry, HashMap};

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::long_text::shortened;
pub(crate) use policy_verify_model::nearest::nearest;
use policy_verify_model::source::Span;

/// A mistake at `span` that has no code of its own.
pub(crate) fn mistake(span: &Span, message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Mistake, message).at(span)
}

/// More mistakes than are of use; a bound for hostile files.
const MOST: usize = 1000;

/// Bytes of a message. One that quotes what is wrong could be as long as the file.
const LONGEST: usize = 2_000;

/// Collects mistakes: one cause is one mistake, however many cases and places it has.
#[derive(Debug, Default)]
pub(crate) struct Mistakes {
    list: Vec<Found>,
    /// Where in the list a cause is.
    known: HashMap<Cause, usize>,
    /// How many were added, repetitions included.
    added: usize,
    /// Number of the case that is being read.
    case: Option<CaseNumber>,
    cases: usize,
    /// The cases with a mistake.
    wrong: HashSet<CaseNumber>,
    /// What is valid and most likely not meant.
    warnings: Vec<Diagnostic>,
}

/// Tells the cases of a suite apart while they are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct CaseNumber(usize);

/// What makes two mistakes one.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Cause {
    code: Code,
    message: String,
    help: Option<String>,
    /// Missing where the words are enough: an unknown policy is the same one wherever it is named.
    place: Option<(String, usize)>,
}

impl Cause {
    fn of(mistake: &Diagnostic) -> Self {
        let is_named =
            matches!(mistake.code, Code::FileNotFound | Code::OutsideRepository | Code::UnknownName | Code::UnknownKey);
        let place = mistake.span.as_ref().filter(|_| !is_named);
        let (message, help) = (mistake.message.clone(), mistake.help.clone().filter(|_| is_named));
        Self { code: mistake.code, message, help, place: place.map(place_of) }
    }
}

fn place_of(span: &Span) -> (String, usize) {
    (span.file.path.clone(), span.offset)
}

/// A mistake and where it was found.
#[derive(Debug)]
struct Found {
    mistake: Diagnostic,
    /// Its places, each once.
    places: BTreeMap<(String, usize), Span>,
    /// How many cases have it.
    cases: usize,
    /// The last one of them; cases are read in their order.
    last_case: Option<CaseNumber>,
}

impl Found {
    fn add(&mut self, span: Option<&Span>, case: Option<CaseNumber>) {
        if let Some(span) = span {
            self.places.entry(place_of(span)).or_insert_with(|| span.clone());
        }
        if case > self.last_case {
            self.cases += 1;
            self.last_case = case;
        }
    }

    /// The mistake at its first place, with the second one and the number of the others.
    fn into_diagnostic(self) -> Diagnostic {
        let mut mistake = self.mistake;
        // The name tells how many cases there are: each of them has it.
        if self.cases > 1 && mistake.code != Code::NameTwice {
            mistake.message = format!("{} ({} cases)", mistake.message, self.cases);
        }
        let mut places = self.places.into_values();
        mistake.span = places.next().or(mistake.span);
        let second = places.next();
        match (second, places.len()) {
            (None, _) => mistake,
            (Some(second), 0) => mistake.with_related(&second, "also here"),
            (Some(second), 1) => mistake.with_related(&second, "also here, and at 1 other place"),
            (Some(second), more) => mistake.with_related(&second, format!("also here, and at {more} other places")),
        }
    }
}

impl Mistakes {
    /// Adds a mistake; one with the same cause is counted.
    pub(crate) fn push(&mut self, mut mistake: Diagnostic) {
        if mistake.message.len() > LONGEST {
            mistake.message = shortened(&mistake.message, LONGEST).into_owned();
        }
        mistake.help = mistake.help.map(|help| shortened(&help, 4 * LONGEST).into_owned());
        self.added += 1;
        self.wrong.extend(self.case);
        let next = self.list.len();
        let index = match self.known.entry(Cause::of(&mistake)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(_) if next == MOST => return,
            Entry::Vacant(unknown) => *unknown.insert(next),
        };
        let span = mistake.span.clone();
        if index == next {
            self.list.push(Found { mistake, places: BTreeMap::new(), cases: 0, last_case: None });
        }
        self.list[index].add(span.as_ref(), self.case);
    }

    /// Mistakes found from now on belong to another case.
    pub(crate) fn begin_case(&mut self) {
        self.cases += 1;
        self.case = Some(CaseNumber(self.cases));
    }

    /// Mistakes found from now on belong to no case.
    pub(crate) fn end_cases(&mut self) {
        self.case = None;
    }

    /// Adds a warning, which does not make the suite invalid; an equal one is kept once.
    pub(crate) fn warn(&mut self, warning: Diagnostic) {
        if self.warnings.len() < MOST && !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// The warnings so far, by place.
    pub(crate) fn take_warnings(&mut self) -> Vec<Diagnostic> {
        let mut warnings = std::mem::take(&mut self.warnings);
        warnings.sort_by_key(|it| it.span.as_ref().map(place_of));
        warnings
    }

    /// Adds a mistake made of its parts.
    pub(crate) fn add(&mut self, span: &Span, message: impl Into<String>) {
        self.push(mistake(span, message));
    }

    /// Adds a mistake with advice.
    pub(crate) fn add_with_help(&mut self, span: &Span, message: impl Into<String>, help: impl Into<String>) {
        self.push(mistake(span, message).with_help(help.into()));
    }

    /// Adds a mistake of a kind that has a code of its own.
    pub(crate) fn add_coded(&mut self, code: Code, span: &Span, message: impl Into<String>) {
        self.push(mistake(span, message).with_code(code));
    }

    /// Whether the case that is being read has a mistake: what it lacks may then be a consequence.
    pub(crate) fn is_case_wrong(&self) -> bool {
        self.case.is_some_and(|case| self.wrong.contains(&case))
    }

    /// How many were added, repetitions included: whether a part has any is seen by comparing.
    pub(crate) fn added(&self) -> usize {
        self.added
    }

    /// Whether there is one at this place.
    pub(crate) fn has_one_at(&self, span: &Span) -> bool {
        let place = place_of(span);
        self.list.iter().any(|found| found.places.contains_key(&place))
    }

    /// Whether no further one would be told.
    pub(crate) fn is_full(&self) -> bool {
        self.list.len() >= MOST
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.added == 0
    }

    /// All of them, by place: mistakes are found in several passes, but read from top to bottom.
    pub(crate) fn into_sorted(self) -> Vec<Diagnostic> {
        let mut list: Vec<Diagnostic> = self.list.into_iter().map(Found::into_diagnostic).collect();
        list.sort_by_key(|it| it.span.as_ref().map(place_of));
        list
    }
}

/// What people write who come from other tools, and what it is called here.
const FOREIGN_WORDS: [(&str, &str); 20] = [
    ("accepted", "accept"),
    ("allowed", "allow"),
    ("assert", "expect"),
    ("assertions", "expect"),
    ("denied", "deny"),
    ("expected", "expect"),
    ("fixture", "object"),
    ("input", "object"),
    ("message", "deny"),
    ("mocks", "host"),
    ("module", "uri"),
    ("mutated", "mutate"),
    ("reject", "deny"),
    ("rejected", "deny"),
    ("resource", "object"),
    ("resources", "objects"),
    ("result", "expect"),
    ("tests", "cases"),
    ("variables", "vars"),
    ("violations", "deny"),
];

/// The known word for an unknown one: by the vocabulary of other tools, else by spelling.
pub(crate) fn near<'a>(word: &str, known: &[&'a str]) -> Option<&'a str> {
    let foreign = FOREIGN_WORDS.iter().find(|(foreign, ours)| *foreign == word && known.contains(ours));
    foreign.map(|(_, ours)| *ours).or_else(|| nearest(word, known.iter().copied()))
}

/// Advice about an unknown word: the one that is meant, else all of them.
pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    match near(word, known) {
        Some(candidate) => format!("did you mean `{candidate}`?"),
        None if known.is_empty() => "remove it".into(),
        None => {
            format!("expected one of: {}", known.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use policy_verify_model::source::SourceFile;

    fn place(offset: usize) -> Span {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
        Span { offset, line: offset, ..Span::start_of(&file) }
    }

    #[test]
    fn a_mistake_of_eight_rows_is_one_with_their_number() {
        let mut mistakes = Mistakes::default();
        for _ in 0..8 {
            mistakes.begin_case();
            mistakes.add(&place(3), "invalid path");
            mistakes.add(&place(3), "invalid path");
        }
        assert_eq!(mistakes.added(), 16);
        let found = mistakes.into_sorted();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].message, "invalid path (8 cases)");
        assert!(found[0].related.is_empty());
    }

    #[test]
    fn an_unknown_name_is_one_mistake_wherever_it_is_written() {
        let mut mistakes = Mistakes::default();
        for offset in [9, 3, 7, 5] {
            mistakes.add_coded(Code::UnknownName, &place(offset), "unknown policy `x`");
        }
        let found = mistakes.into_sorted();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].message.as_str(), found[0].span.as_ref().unwrap().offset), ("unknown policy `x`", 3));
        assert_eq!((found[0].related.len(), found[0].related[0].span.offset), (1, 5));
        assert_eq!(found[0].related[0].message, "also here, and at 2 other places");
    }

    #[test]
    fn equal_words_about_different_values_are_two_mistakes() {
        let mut mistakes = Mistakes::default();
        for offset in [1, 2] {
            mistakes.add_coded(Code::WrongType, &place(offset), "expected a text, found a number");
        }
        assert_eq!(mistakes.into_sorted().len(), 2);
    }

    #[test]
    fn hostile_files_have_a_bounded_number_of_mistakes() {
        let mut mistakes = Mistakes::default();
        (0..2 * MOST).for_each(|offset| mistakes.add(&place(offset), "wrong"));
        assert_eq!(mistakes.into_sorted().len(), MOST);
    }

    #[test]
    fn words_of_other_tools_are_known() {
        assert_eq!(suggestion("result", &["request", "expect"]), "did you mean `expect`?");
        assert_eq!(suggestion("message", &["deny", "fault"]), "did you mean `deny`?");
        assert_eq!(suggestion("result", &["uri"]), "expected one of: `uri`");
    }
}
