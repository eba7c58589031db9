//! The state of the interpreter: variables, files written by the tests, runs of kwctl and what is asserted about them.

use std::collections::HashMap;
use std::rc::Rc;

use indexmap::IndexMap;

use super::claim::Cond;
use super::invocation::Invocation;
use super::problem::Problem;
use super::shell::Documents;
use super::shell::syntax::Block;
use super::value::{Part, Text, text};

/// Most commands that one test runs.
const STEPS: usize = 20_000;
/// Most commands of all tests.
const ALL_STEPS: usize = 2_000_000;
/// Most bytes that expansions of one test make.
const BYTES: usize = 4 * 1024 * 1024;
/// Most bytes that expansions of all tests make.
const ALL_BYTES: usize = 32 * 1024 * 1024;
/// Most runs of kwctl in one test.
const RUNS: usize = 1_000;
/// Deepest calls of functions and substitutions.
const CALLS: usize = 25;
/// Deepest nesting of commands that run, whatever they are nested by.
const DEEPEST: usize = 100;

/// The values of a variable by index; a text has the index `0`.
pub(super) type Variable = IndexMap<String, Text>;

/// A run of kwctl.
#[derive(Debug, Clone)]
pub(super) struct Run {
    pub(super) line: usize,
    pub(super) invocation: Invocation,
    /// Values of the loops it is in.
    pub(super) labels: Vec<String>,
}

/// What a test did and asserted.
#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) runs: Vec<Run>,
    pub(super) claims: Vec<(usize, Cond)>,
    pub(super) problems: Vec<(usize, Problem)>,
    pub(super) skip: Option<String>,
}

/// Why the rest of a block is not run.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Flow {
    Next,
    Break(usize),
    Continue(usize),
    /// Of a function, with what it says.
    Return,
    /// Of the test.
    Exit,
}

/// A function, a substitution or a subshell that runs.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Whether a command that fails ends the test.
    pub(super) is_asserting: bool,
    /// What must hold for the frame to succeed.
    pub(super) required: Vec<Cond>,
    /// Values that local variables hide.
    pub(super) hidden: Vec<(String, Option<Variable>)>,
}

/// What a test can change, and the next one does not see.
pub(super) struct State {
    variables: HashMap<String, Variable>,
    functions: HashMap<String, Rc<Block>>,
    files: HashMap<String, Text>,
    folder: String,
    has_pipefail: bool,
}

/// The state.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) variables: HashMap<String, Variable>,
    pub(super) functions: HashMap<String, Rc<Block>>,
    pub(super) documents: Documents,
    /// Files that tests write, by path.
    pub(super) files: HashMap<String, Text>,
    /// Files of the repository.
    pub(super) known_files: Rc<Vec<String>>,
    /// Files with functions, by path.
    pub(super) sources: Rc<HashMap<String, String>>,
    pub(super) folder: String,
    pub(super) arguments: Vec<Text>,
    pub(super) frames: Vec<Frame>,
    /// What commands print; the last one is written to.
    pub(super) outputs: Vec<Text>,
    pub(super) stdin: Option<Text>,
    pub(super) labels: Vec<String>,
    pub(super) record: Record,
    /// The condition under which the last command succeeded.
    pub(super) status: Option<Cond>,
    /// How many iterations of `[]` jq had.
    pub(super) items: usize,
    /// How the items of these iterations were selected.
    pub(super) selected: HashMap<usize, Vec<Cond>>,
    /// How many `$(…)` were run.
    pub(super) substitutions: usize,
    pub(super) line: usize,
    /// Whether the status of the last command of the block counts, though bash itself ignores it.
    pub(super) is_status: bool,
    /// `set -o pipefail`
    pub(super) has_pipefail: bool,
    depth: usize,
    steps: usize,
    all_steps: usize,
    bytes: usize,
    all_bytes: usize,
    temporary: usize,
}

impl Machine {
    pub(super) fn new(sources: Rc<HashMap<String, String>>, known_files: Rc<Vec<String>>) -> Self {
        Self { sources, known_files, ..Self::default() }
    }

    /// Begins a test with the state that the file has.
    pub(super) fn begin(&mut self) {
        self.record = Record::default();
        self.frames = vec![Frame { is_asserting: true, ..Frame::default() }];
        self.outputs = vec![Text::new()];
        self.stdin = None;
        self.labels.clear();
        self.status = None;
        self.is_status = true;
        (self.steps, self.bytes) = (0, 0);
    }

    /// Counts a command.
    pub(super) fn step(&mut self) -> Result<(), Problem> {
        self.steps += 1;
        self.all_steps += 1;
        if self.steps > STEPS || self.all_steps > ALL_STEPS {
            return Err(Problem::Limit("commands of a test"));
        }
        self.spend(0)
    }

    /// Runs something one level down.
    pub(super) fn nested<T>(&mut self, run: impl FnOnce(&mut Self) -> Result<T, Problem>) -> Result<T, Problem> {
        if self.depth >= DEEPEST {
            return Err(Problem::Limit("commands inside of commands"));
        }
        self.depth += 1;
        let result = run(self);
        self.depth -= 1;
        result
    }

    /// Counts text that is made.
    pub(super) fn spend(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes = self.bytes.saturating_add(bytes);
        self.all_bytes = self.all_bytes.saturating_add(bytes);
        match self.bytes > BYTES || self.all_bytes > ALL_BYTES {
            true => Err(Problem::Limit("texts of a test")),
            false => Ok(()),
        }
    }

    /// The state that each test begins with.
    pub(super) fn state(&mut self) -> Result<State, Problem> {
        let size = |text: &Text| {
            text.iter().map(|part| if let Part::Literal(text) = part { text.len() } else { 16 }).sum::<usize>()
        };
        let texts = self.variables.values().flat_map(Variable::values).chain(self.files.values());
        let bytes =
            texts.map(size).sum::<usize>() + 16 * (self.variables.len() + self.functions.len() + self.files.len());
        // A test copies it.
        self.spend(bytes)?;
        let Self { variables, functions, files, folder, .. } = self;
        Ok(State {
            variables: variables.clone(),
            functions: functions.clone(),
            files: files.clone(),
            folder: folder.clone(),
            has_pipefail: self.has_pipefail,
        })
    }

    /// Goes back to it.
    pub(super) fn restore(&mut self, state: State) {
        let State { variables, functions, files, folder, has_pipefail } = state;
        self.has_pipefail = has_pipefail;
        (self.variables, self.functions, self.files, self.folder) = (variables, functions, files, folder);
    }

    /// Enters a function, a substitution or a subshell.
    pub(super) fn enter(&mut self, is_asserting: bool) -> Result<(), Problem> {
        if self.frames.len() > CALLS {
            return Err(Problem::Limit("calls inside of calls"));
        }
        self.frames.push(Frame { is_asserting, ..Frame::default() });
        Ok(())
    }

    /// Leaves it, with what was required of it.
    pub(super) fn leave(&mut self) -> Cond {
        let frame = self.frames.pop().unwrap_or_default();
        for (name, variable) in frame.hidden.into_iter().rev() {
            match variable {
                Some(variable) => drop(self.variables.insert(name, variable)),
                None => drop(self.variables.remove(&name)),
            }
        }
        Cond::all(frame.required)
    }

    /// Whether a command that fails ends the test.
    pub(super) fn is_asserting(&self) -> bool {
        self.frames.last().is_none_or(|frame| frame.is_asserting)
    }

    /// Something that must hold: for the test, or for the frame that is asked whether it succeeded.
    pub(super) fn require(&mut self, cond: Cond) {
        if cond == Cond::Known(true) {
            return;
        }
        if let Some(frame) = self.frames.last_mut().filter(|frame| !frame.is_asserting) {
            frame.required.push(cond);
            return;
        }
        match cond {
            Cond::Unknown(problem) => self.tell(problem),
            cond => self.record.claims.push((self.line, cond)),
        }
    }

    /// Something that cannot be translated; told once.
    pub(super) fn tell(&mut self, problem: Problem) {
        if !self.record.problems.iter().any(|(_, other)| *other == problem) {
            self.record.problems.push((self.line, problem));
        }
    }

    /// A new run of kwctl, by its number.
    pub(super) fn run(&mut self, invocation: Invocation) -> Result<usize, Problem> {
        if self.record.runs.len() >= RUNS {
            return Err(Problem::Limit("runs of kwctl"));
        }
        self.record.runs.push(Run { line: self.line, invocation, labels: self.labels.clone() });
        Ok(self.record.runs.len() - 1)
    }

    pub(super) fn set(&mut self, name: &str, value: Text) {
        self.variables.insert(name.to_owned(), Variable::from([("0".to_owned(), value)]));
    }

    pub(super) fn get(&self, name: &str) -> Option<&Text> {
        self.variables.get(name)?.get("0")
    }

    /// Hides a variable until the frame is left.
    pub(super) fn hide(&mut self, name: &str) {
        let before = self.variables.remove(name);
        if let Some(frame) = self.frames.last_mut() {
            frame.hidden.push((name.to_owned(), before));
        }
    }

    /// Writes to the standard output.
    pub(super) fn print(&mut self, more: Text) {
        let size = |part: &Part| if let Part::Literal(text) = part { text.len() } else { 16 };
        let added: usize = more.iter().map(size).sum();
        (self.bytes, self.all_bytes) = (self.bytes.saturating_add(added), self.all_bytes.saturating_add(added));
        if let Some(output) = self.outputs.last_mut() {
            super::value::append(output, more);
        }
    }

    /// A name for a temporary file.
    pub(super) fn temporary(&mut self) -> Text {
        self.temporary += 1;
        text(format!("/tmp/{}", self.temporary))
    }
}
