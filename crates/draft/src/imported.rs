//! What every translator hands back: the suite, the files beside it, and what became of each test.

use std::collections::HashMap;

use policy_verify_model::yaml::emit::Node;
use serde_json::Value;

use crate::draft::{Draft, Entry};

/// A suite made from tests of another tool.
#[derive(Debug, Clone, Default)]
pub struct Imported {
    /// The suite.
    pub draft: Draft,
    /// Files that the suite names and that do not exist yet.
    pub files: Vec<WrittenFile>,
    /// Each test of the other tool, in the order of its file.
    pub tests: Vec<TestRow>,
}

/// A file to be written beside the suite.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrittenFile {
    /// Its path relative to the suite, with forward slashes.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What became of one test.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TestRow {
    /// The file that has the test.
    pub file: String,
    /// Its line, counted from 1.
    pub line: usize,
    /// Its name.
    pub name: String,
    /// Whether everything it checks is in its cases.
    pub fate: Fate,
    /// The names of its cases.
    pub cases: Vec<String>,
    /// Those of its cases that expect less than one answer: a run of the policy could make them strict.
    pub weak: Vec<String>,
}

/// How much of a test was translated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate {
    /// Everything.
    Whole,
    /// Everything but this.
    Partly(Vec<String>),
    /// Nothing, for these reasons.
    Not(Vec<String>),
}

impl TestRow {
    /// A test of which nothing is known yet.
    pub(crate) fn new(file: &str, line: usize, name: impl Into<String>) -> Self {
        let (file, name) = (file.to_owned(), one_line(&name.into()));
        Self { file, line, name, fate: Fate::Whole, cases: Vec::new(), weak: Vec::new() }
    }

    /// `kyverno-test.yaml:12`
    pub(crate) fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    /// The same test with something of it that is not in its cases.
    pub(crate) fn lose(&mut self, what: impl Into<String>) {
        match &mut self.fate {
            Fate::Whole => self.fate = Fate::Partly(vec![one_line(&what.into())]),
            Fate::Partly(all) | Fate::Not(all) => all.push(one_line(&what.into())),
        }
    }

    /// The same test, not translated.
    #[must_use]
    pub(crate) fn not(self, why: impl Into<String>) -> Self {
        Self { fate: Fate::Not(vec![one_line(&why.into())]), ..self }
    }
}

impl Imported {
    /// Adds a test that has no case, with a comment at its place.
    pub(crate) fn skip(&mut self, row: TestRow) {
        if let Fate::Not(reasons) = &row.fate {
            let text = format!("{} {}: not translated: {}", row.place(), row.name, reasons.join("; "));
            self.draft.cases.push(Entry::comment([text]));
        }
        self.tests.push(row);
    }

    /// Adds a case and its test.
    pub(crate) fn add(&mut self, row: TestRow, mut case: Entry) {
        case.comments.insert(0, row.place());
        if let Fate::Partly(lost) = &row.fate {
            case.comments.extend(lost.iter().map(|it| format!("not translated: {it}")));
        }
        self.draft.cases.push(case);
        self.tests.push(row);
    }
}

/// The text on one line, with single blanks: names and reasons are rows of a table.
pub(crate) fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|it: char| it.is_whitespace() || it.is_control()).filter(|it| !it.is_empty()).collect();
    words.join(" ")
}

/// Names given so far: one that is taken gets a number.
#[derive(Debug, Default)]
pub(crate) struct Names(HashMap<String, usize>);

impl Names {
    /// `name`, or the form of it with the first number that is free, from 2.
    pub(crate) fn unique(&mut self, name: &str, numbered: impl Fn(&str, usize) -> String) -> String {
        let mut number = self.0.get(name).copied().unwrap_or(0) + 1;
        let mut unique = if number == 1 { name.to_owned() } else { numbered(name, number) };
        while number > 1 && self.0.contains_key(&unique) {
            number += 1;
            unique = numbered(name, number);
        }
        self.0.insert(name.to_owned(), number);
        self.0.entry(unique.clone()).or_insert(1);
        unique
    }

    /// The name of a case: `name`, `name (2)`.
    pub(crate) fn case(&mut self, name: &str) -> String {
        let name = one_line(name);
        let name = if name.is_empty() { "unnamed" } else { name.as_str() };
        self.unique(name, |name, number| format!("{name} ({number})"))
    }
}

/// Files to be written: equal documents are one file.
#[derive(Debug, Default)]
pub(crate) struct Fixtures {
    by_text: HashMap<String, String>,
    names: Names,
    files: Vec<WrittenFile>,
}

impl Fixtures {
    /// The path of a file with this document, which is named after `title`.
    pub(crate) fn add(&mut self, title: &str, document: &Value) -> String {
        let mut text = serde_json::to_string_pretty(document).unwrap_or_default();
        text.push('\n');
        if let Some(path) = self.by_text.get(&text) {
            return path.clone();
        }
        let name = self.names.unique(&slug(title), |name, number| format!("{name}-{number}"));
        let path = format!("fixtures/{name}.json");
        self.by_text.insert(text.clone(), path.clone());
        self.files.push(WrittenFile { path: path.clone(), text });
        path
    }

    /// The files, in the order in which they were needed.
    pub(crate) fn into_files(self) -> Vec<WrittenFile> {
        self.files
    }
}

/// A name of a file: small letters, digits and dashes, of bounded length.
pub(crate) fn slug(title: &str) -> String {
    const LONGEST: usize = 80;
    let mut slug = String::new();
    for letter in title.chars().map(|letter| letter.to_ascii_lowercase()) {
        match letter {
            'a'..='z' | '0'..='9' => slug.push(letter),
            _ if slug.is_empty() || slug.ends_with('-') => {}
            _ => slug.push('-'),
        }
        if slug.len() >= LONGEST {
            break;
        }
    }
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "request".to_owned() } else { slug.to_owned() }
}

/// A list of texts as it is written: the only one alone.
pub(crate) fn one_or_list(mut texts: Vec<String>) -> Node {
    match texts.len() {
        1 => Node::Text(texts.remove(0)),
        _ => Node::List(texts.into_iter().map(Node::Text).collect()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_that_are_taken_get_numbers() {
        let mut names = Names::default();
        let given: Vec<String> = ["a", "a (2)", "a", "a", " "].iter().map(|name| names.case(name)).collect();
        assert_eq!(given, ["a", "a (2)", "a (3)", "a (4)", "unnamed"]);
    }

    #[test]
    fn names_and_reasons_have_one_line() {
        for (text, line) in [("a  b ", "a b"), ("a\n  b\tc", "a b c"), (" \u{7} ", "")] {
            assert_eq!(one_line(text), line);
        }
        let row = TestRow::new("a", 1, "x  (y/z) ").not("one\n  two");
        assert_eq!((row.name.as_str(), &row.fate), ("x (y/z)", &Fate::Not(vec!["one two".to_owned()])));
        assert_eq!(Names::default().case("CREATE TokenReview "), "CREATE TokenReview");
    }

    #[test]
    fn files_are_named_after_what_they_hold() {
        let long = "x".repeat(500);
        for (title, name) in [
            ("CREATE Pod default/nginx", "create-pod-default-nginx"),
            ("../..\\Ünder ", "nder"),
            ("", "request"),
            (long.as_str(), &long[..80]),
        ] {
            assert_eq!(slug(title), name);
        }
    }

    #[test]
    fn equal_documents_are_one_file() {
        let mut fixtures = Fixtures::default();
        let paths = [("a", json!(1)), ("b", json!(1)), ("a", json!(2))].map(|(title, it)| fixtures.add(title, &it));
        assert_eq!(paths, ["fixtures/a.json", "fixtures/a.json", "fixtures/a-2.json"]);
        assert_eq!(fixtures.into_files().len(), 2);
    }

    #[test]
    fn what_is_lost_is_told_at_the_case() {
        let mut imported = Imported::default();
        let mut row = TestRow::new("suite.yaml", 4, "a");
        row.lose("the number");
        imported.add(row, Entry::named("a"));
        imported.skip(TestRow::new("suite.yaml", 9, "b").not("no object"));
        let text = imported.draft.to_yaml();
        assert!(text.contains("  # suite.yaml:4\n  # not translated: the number\n  - name: a\n"), "{text}");
        assert!(text.contains("  # suite.yaml:9 b: not translated: no object\n"), "{text}");
    }
}
