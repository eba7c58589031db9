//! Goes through the tests of all files.

use std::collections::HashMap;
use std::rc::Rc;

use super::answer::Answer;
use super::claim::{Claim, Cond};
use super::expect::{self, Kind};
use super::machine::{Machine, Record};
use super::problem::Problem;
use super::row::{BatsFile, CaseRow, Context, Fate, Imported, Reason, TestRow};
use super::shell::{
    self,
    syntax::{Block, Command},
};
use super::source::{self, Chunk};
use super::suite::{Head, Suite};
use super::value::text;
use super::{paths, response};
use crate::draft::Entry;
use crate::imported::one_line;

/// Largest file, in bytes.
const LARGEST: usize = 4 * 1024 * 1024;
/// Most lines of a test that are shown in a comment.
const SHOWN: usize = 60;

/// Translates the tests of the files into one suite. Each test is in the rows, and what is not translated in comments.
pub fn bats(files: &[BatsFile], context: &Context) -> Imported {
    let mut suite = Suite::new(&context.folder, &context.policy);
    let mut tests = Vec::new();
    let sources: HashMap<String, String> = files.iter().map(|file| (file.path.clone(), file.text.clone())).collect();
    let (sources, known) = (Rc::new(sources), Rc::new(context.files.clone()));
    for file in files.iter().filter(|file| file.path.ends_with(".bats")) {
        let mut import = FileImport { file, suite: &mut suite, tests: &mut tests };
        import.run(Machine::new(sources.clone(), known.clone()));
    }
    suite.draft.comments = summary(files, &tests);
    Imported { draft: suite.finish(), tests }
}

fn summary(files: &[BatsFile], tests: &[TestRow]) -> Vec<String> {
    let names: Vec<&str> = files.iter().map(|file| file.path.as_str()).filter(|path| path.ends_with(".bats")).collect();
    let count = |test: fn(&Fate) -> bool| tests.iter().filter(|row| test(&row.fate)).count();
    let (partly, not) = (count(|fate| matches!(fate, Fate::Partly(_))), count(|fate| matches!(fate, Fate::Not(_))));
    let mut lines = vec![format!("Made from {}.", names.join(", "))];
    if partly + not > 0 {
        lines.push(format!("Of {} tests, {partly} are translated in part, and {not} not at all.", tests.len()));
    }
    lines
}

struct FileImport<'a, 'b> {
    file: &'a BatsFile,
    suite: &'a mut Suite<'b>,
    tests: &'a mut Vec<TestRow>,
}

impl FileImport<'_, '_> {
    fn run(&mut self, mut machine: Machine) {
        if self.file.text.len() > LARGEST {
            let chunk = Chunk { line: 1, text: "", is_test: true, tags: Vec::new() };
            return self.not(&chunk, vec![(1, Problem::Limit("size of a file"))]);
        }
        environment(&mut machine, &self.file.path);
        let chunks = source::chunks(&self.file.text);
        let mut parsed = Vec::new();
        for chunk in &chunks {
            let block = shell::parse(chunk.text, chunk.line, &mut machine.documents);
            parsed.push(block.map_err(|(line, error)| (line, Problem::Syntax(error))));
        }
        // Functions count wherever they are in the file; so do variables, as bats reads the whole file for each test.
        machine.begin();
        for (block, chunk) in parsed.iter().zip(&chunks) {
            let result = match block {
                Ok(block) => machine.block(block),
                Err(_) => continue,
            };
            if let Err(problem) = result {
                machine.record.problems.push((chunk.line, problem));
            }
        }
        if machine.functions.contains_key("setup_file") {
            let _ = machine.call(vec![text("setup_file")]);
        }
        let before = std::mem::take(&mut machine.record.problems);
        for (block, chunk) in parsed.into_iter().zip(&chunks).filter(|(_, chunk)| chunk.is_test) {
            match block {
                Ok(block) => self.test(&mut machine, chunk, &block, &before),
                Err(problem) => self.not(chunk, vec![problem]),
            }
        }
    }

    fn test(&mut self, machine: &mut Machine, chunk: &Chunk<'_>, block: &Block, before: &[(usize, Problem)]) {
        machine.begin();
        let state = match machine.state() {
            Ok(state) => state,
            Err(problem) => return self.not(chunk, vec![(chunk.line, problem)]),
        };
        if machine.functions.contains_key("setup") {
            let result = machine.call(vec![text("setup")]);
            if let Err(problem) = result {
                machine.tell(problem);
            }
        }
        let body = block.iter().find_map(|statement| match &statement.first.stages.first()?.command {
            Command::Test(body) => Some(body.clone()),
            _ => None,
        });
        if let Some(body) = body
            && let Err(problem) = machine.block(&body)
        {
            machine.tell(problem);
        }
        let mut record = std::mem::take(&mut machine.record);
        machine.restore(state);
        if record.problems.iter().any(|(_, problem)| problem.is_fatal()) {
            record.runs.clear();
        }
        if record.runs.is_empty() {
            record.problems.extend(before.iter().cloned());
        }
        self.cases(chunk, record);
    }

    fn cases(&mut self, chunk: &Chunk<'_>, mut record: Record) {
        let answers = answers(&mut record);
        let (name, mut rows) = (chunk.name(), Vec::new());
        let name = if name.is_empty() { "test".to_owned() } else { name };
        let mut made = Vec::new();
        for (run, answer) in record.runs.iter().zip(&answers) {
            match expect::expected(answer, run.invocation.settings.is_some()) {
                Ok(expected) => {
                    record.problems.extend(expected.problems.iter().map(|problem| (run.line, problem.clone())));
                    made.push((run, expected));
                }
                // A run that is only there for its effect has nothing to be told, if another one is asserted about.
                Err(problem) => record.problems.push((run.line, problem)),
            }
        }
        let comments = self.comments(&record.problems, chunk);
        let mut problems = record.problems.clone();
        for (run, expected) in made {
            let labels = run.labels.join(", ");
            let wanted = if labels.is_empty() { name.clone() } else { format!("{name} [{labels}]") };
            let wanted = one_line(&wanted);
            let unique = self.suite.unique(&wanted);
            let comments = if rows.is_empty() { comments.clone() } else { Vec::new() };
            let head = Head { name: &unique, tags: &chunk.tags, skip: record.skip.as_deref(), comments };
            match self.suite.add(head, &run.invocation, &expected) {
                Ok(()) => rows.push(CaseRow {
                    name: unique,
                    is_settings_case: expected.kind == Kind::Settings,
                    weakness: expected.weakness,
                }),
                Err(problem) => problems.push((run.line, problem)),
            }
        }
        if rows.is_empty() {
            return self.not(chunk, problems);
        }
        let fate = if problems.is_empty() { Fate::Whole } else { Fate::Partly(reasons(&problems)) };
        self.row(chunk, fate, rows);
    }

    /// A test that is not translated stands in the suite as it was.
    fn not(&mut self, chunk: &Chunk<'_>, mut problems: Vec<(usize, Problem)>) {
        if problems.is_empty() {
            problems.push((chunk.line, Problem::NoRun));
        }
        let mut lines = self.comments(&problems, chunk);
        let original = chunk.lines();
        lines.extend(original.iter().take(SHOWN).map(|line| format!("    {}", shortened(line))));
        if original.len() > SHOWN {
            lines.push(format!("    … {} more lines", original.len() - SHOWN));
        }
        self.suite.draft.cases.push(Entry::comment(lines));
        self.row(chunk, Fate::Not(reasons(&problems)), Vec::new());
    }

    fn row(&mut self, chunk: &Chunk<'_>, fate: Fate, cases: Vec<CaseRow>) {
        let (file, line) = (self.file.path.clone(), chunk.line);
        self.tests.push(TestRow { file, line, name: one_line(&chunk.name()), fate, cases });
    }

    /// What is not translated, with its lines.
    fn comments(&self, problems: &[(usize, Problem)], chunk: &Chunk<'_>) -> Vec<String> {
        let mut lines = Vec::new();
        for (line, problem) in problems {
            lines.push(format!(
                "{}:{line}: not translated: {}",
                self.file.path,
                shortened(&one_line(&problem.to_string()))
            ));
            let original = line.checked_sub(chunk.line).and_then(|index| chunk.text.lines().nth(index));
            lines.extend(original.map(|original| format!("    {}", shortened(original.trim()))));
        }
        lines
    }
}

fn shortened(line: &str) -> String {
    match line.char_indices().nth(200) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

fn reasons(problems: &[(usize, Problem)]) -> Vec<Reason> {
    problems.iter().map(|(line, problem)| Reason { line: *line, text: one_line(&problem.to_string()) }).collect()
}

/// Variables that bats sets.
fn environment(machine: &mut Machine, path: &str) {
    machine.folder = paths::folder(path);
    let folder = format!("{}/{}", paths::ROOT, machine.folder);
    for (name, value) in [
        ("BATS_TEST_DIRNAME", folder.as_str()),
        ("BATS_TEST_FILENAME", &format!("{}/{path}", paths::ROOT)),
        ("BATS_TMPDIR", "/tmp"),
        ("BATS_TEST_TMPDIR", "/tmp/test"),
        ("BATS_FILE_TMPDIR", "/tmp/file"),
        ("BATS_RUN_TMPDIR", "/tmp/run"),
        ("TMPDIR", "/tmp"),
    ] {
        machine.set(name, text(value));
    }
}

/// What is known of the answer of each run.
fn answers(record: &mut Record) -> Vec<Answer> {
    let mut answers: Vec<Answer> = record.runs.iter().map(|_| Answer::default()).collect();
    for (line, cond) in std::mem::take(&mut record.claims) {
        if let Err(problem) = add(&mut answers, &cond, true) {
            record.problems.push((line, problem));
        }
    }
    answers
}

fn add(answers: &mut [Answer], cond: &Cond, holds: bool) -> Result<(), Problem> {
    match (cond, holds) {
        (Cond::Known(known), _) => {
            if *known == holds {
                Ok(())
            } else {
                Err(Problem::Contradiction)
            }
        }
        (Cond::Not(inner), _) => add(answers, inner, !holds),
        (Cond::All(all), true) | (Cond::Any(all), false) => {
            let results: Vec<_> = all.iter().map(|cond| add(answers, cond, holds)).collect();
            results.into_iter().collect()
        }
        (Cond::All(_), false) | (Cond::Any(_), true) => Err(Problem::Alternative),
        (Cond::Unknown(problem), _) => Err(problem.clone()),
        (Cond::Claim(claim), _) => {
            let run = match claim {
                Claim::Success(run) => *run,
                Claim::Matches(place, _)
                | Claim::Equals(place, _)
                | Claim::Present(place)
                | Claim::Length(place, _) => place.run,
            };
            let facts = response::facts(claim, holds)?;
            let answer = answers.get_mut(run).ok_or(Problem::NoRun)?;
            facts.into_iter().try_for_each(|fact| answer.add(fact))
        }
    }
}
