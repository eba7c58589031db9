//! Runs commands: lists, pipelines and compound commands. Conditions about answers are collected instead of decided.

use super::branches;
use super::claim::Cond;
use super::machine::{Flow, Machine};
use super::problem::Problem;
use super::shell::syntax::{Block, Command, Joint, Pipeline, Redirect, Stage, Statement, Word};
use super::value::{self, Part, Text};

/// The condition of success, and what comes next.
pub(super) type Done = Result<(Cond, Flow), Problem>;

/// Success, and on to the next command.
pub(super) const GOOD: Done = Ok((Cond::Known(true), Flow::Next));

impl Machine {
    /// Runs commands up to the end, or to where they are left.
    pub(super) fn block(&mut self, block: &Block) -> Done {
        let is_status = self.is_status;
        let result = self.commands(block, is_status);
        self.is_status = is_status;
        result
    }

    /// Runs commands of which the last one is the status of a function, or of something else that is asked for it.
    pub(super) fn block_with_status(&mut self, block: &Block) -> Done {
        let before = std::mem::replace(&mut self.is_status, true);
        let result = self.block(block);
        self.is_status = before;
        result
    }

    fn commands(&mut self, block: &Block, is_status: bool) -> Done {
        let mut last = Cond::Known(true);
        for (index, statement) in block.iter().enumerate() {
            self.step()?;
            self.line = statement.line;
            self.is_status = is_status && index + 1 == block.len();
            let is_status = self.is_status;
            let (cond, flow, ignored) = self.statement(statement)?;
            self.line = statement.line;
            if cond.is_large() {
                return Err(Problem::Limit("parts of a condition"));
            }
            last = match ignored.filter(|_| !is_status && flow == Flow::Next) {
                _ if !self.is_asserting() => cond,
                Some(ignored) => self.ignored(&cond, ignored),
                None => self.asserted(cond, statement),
            };
            self.status = Some(last.clone());
            if flow != Flow::Next {
                return Ok((last, flow));
            }
        }
        Ok((last, Flow::Next))
    }

    /// A command that fails ends the test, so it has to succeed.
    fn asserted(&mut self, cond: Cond, statement: &Statement) -> Cond {
        // `false && …` does not.
        let is_list = statement.rest.iter().any(|(joint, _)| *joint == Joint::And);
        if !(cond == Cond::Known(false) && is_list) {
            self.require(cond);
        }
        Cond::Known(true)
    }

    /// A command whose failure bash ignores asserts nothing, whatever it was meant to.
    fn ignored(&mut self, cond: &Cond, ignored: &'static str) -> Cond {
        if !matches!(cond, Cond::Known(_)) {
            self.tell(cond.unknown().cloned().unwrap_or(Problem::Ignored(ignored)));
        }
        Cond::Known(true)
    }

    /// The condition, what comes next, and why bash goes on if it fails: `!`, or all but the last command of a list.
    fn statement(&mut self, statement: &Statement) -> Result<(Cond, Flow, Option<&'static str>), Problem> {
        let not = |pipeline: &Pipeline| pipeline.is_negated.then_some("!");
        let count = statement.rest.len();
        let mut ignored = not(&statement.first);
        let (mut cond, mut flow) = self.element(&statement.first, count == 0)?;
        for (index, (joint, pipeline)) in statement.rest.iter().enumerate() {
            if flow != Flow::Next {
                break;
            }
            let is_last = index + 1 == count;
            (cond, flow, ignored) = match (joint, cond) {
                (Joint::And, Cond::Known(true)) | (Joint::Or, Cond::Known(false)) => {
                    let (cond, flow) = self.element(pipeline, is_last)?;
                    (cond, flow, not(pipeline))
                }
                (_, known @ Cond::Known(_)) => (known, Flow::Next, ignored),
                (Joint::And, cond) => {
                    let (cond, flow) = self.both(cond, pipeline, is_last)?;
                    (cond, flow, Some("&&"))
                }
                (Joint::Or, cond) => {
                    let (cond, flow) = self.either(cond, pipeline, is_last)?;
                    (cond, flow, not(pipeline))
                }
            };
        }
        Ok((cond, flow, ignored))
    }

    /// A pipeline of a list. In one that is negated, or not the last, no command ends the test.
    fn element(&mut self, pipeline: &Pipeline, is_last: bool) -> Done {
        if (is_last && !pipeline.is_negated) || !self.is_asserting() {
            return self.pipeline(pipeline);
        }
        let before = self.frames.last_mut().map(|frame| {
            frame.is_asserting = false;
            std::mem::take(&mut frame.required)
        });
        let result = self.pipeline(pipeline);
        let Some(frame) = self.frames.last_mut() else { return result };
        frame.is_asserting = true;
        let required = std::mem::replace(&mut frame.required, before.unwrap_or_default());
        let (cond, flow) = result?;
        // What is required is so before the negation.
        let whole = |cond: Cond| Cond::all(required.into_iter().chain([cond]));
        Ok((if pipeline.is_negated { whole(cond.negated()).negated() } else { whole(cond) }, flow))
    }

    fn both(&mut self, cond: Cond, pipeline: &Pipeline, is_last: bool) -> Done {
        if branches::pipeline_fails(pipeline) {
            self.require(cond.negated());
            return GOOD;
        }
        if branches::pipeline_is_harmless(pipeline) {
            return Ok((cond, Flow::Next));
        }
        let (next, flow) = self.element(pipeline, is_last)?;
        Ok((Cond::all([cond, next]), flow))
    }

    fn either(&mut self, cond: Cond, pipeline: &Pipeline, is_last: bool) -> Done {
        if branches::pipeline_fails(pipeline) {
            self.require(cond);
            return GOOD;
        }
        if branches::pipeline_is_harmless(pipeline) {
            return GOOD;
        }
        let (next, flow) = self.element(pipeline, is_last)?;
        Ok((Cond::any([cond, next]), flow))
    }

    fn pipeline(&mut self, pipeline: &Pipeline) -> Done {
        let (cond, flow) = match pipeline.stages.as_slice() {
            [stage] => self.stage(stage)?,
            stages => (self.piped(stages)?, Flow::Next),
        };
        Ok((if pipeline.is_negated { cond.negated() } else { cond }, flow))
    }

    /// Each command reads what the one before prints.
    fn piped(&mut self, stages: &[Stage]) -> Result<Cond, Problem> {
        // The first one reads what the pipeline does.
        let mut before = None;
        let mut cond = Cond::Known(true);
        for (index, stage) in stages.iter().enumerate() {
            let is_last = index + 1 == stages.len();
            self.enter(false)?;
            if !is_last {
                self.outputs.push(Text::new());
            }
            let result = self.stage(stage);
            if !is_last {
                let printed = self.outputs.pop();
                let input = std::mem::replace(&mut self.stdin, printed);
                before = if index == 0 { input } else { before };
            }
            let required = self.leave();
            let status = Cond::all([required, result?.0]);
            // Without `pipefail` only the last command counts.
            cond = if self.has_pipefail { Cond::all([cond, status]) } else { status };
        }
        self.stdin = before;
        Ok(cond)
    }

    fn stage(&mut self, stage: &Stage) -> Done {
        self.step()?;
        self.line = stage.line;
        let is_input = |it: &Redirect| matches!(it, Redirect::Here(_) | Redirect::Text(_) | Redirect::Read(_));
        // What `read` takes of an input stays taken.
        let before = stage.redirects.iter().any(is_input).then(|| self.stdin.clone());
        let mut target = None;
        for redirect in &stage.redirects {
            match redirect {
                Redirect::Here(number) => {
                    let word = self.documents.get(*number).cloned().unwrap_or_default();
                    self.stdin = Some(self.single(&word)?);
                }
                Redirect::Text(word) => self.stdin = Some(self.single(word)?),
                Redirect::Read(word) => {
                    let path = self.single(word)?;
                    self.stdin = Some(self.content(&path));
                }
                Redirect::Write(word, is_appended) => target = Some((self.single(word)?, *is_appended)),
                Redirect::Other => {}
            }
        }
        if target.is_some() {
            self.outputs.push(Text::new());
        }
        let result = self.nested(|this| this.command(&stage.command));
        if let Some((path, is_appended)) = target {
            let printed = self.outputs.pop().unwrap_or_default();
            self.write(&path, printed, is_appended);
        }
        if let Some(before) = before {
            self.stdin = before;
        }
        result
    }

    fn command(&mut self, command: &Command) -> Done {
        match command {
            Command::Simple(simple) => self.simple(simple),
            Command::Group(block) => self.block(block),
            Command::Subshell(block) => self.subshell(block),
            Command::If(branches, otherwise) => self.branch(branches, otherwise),
            Command::For(name, words, body) => {
                let values = match words {
                    Some(words) => self.loop_values(words)?,
                    None => self.arguments.clone(),
                };
                self.loop_over(name, values, body)
            }
            Command::Count([start, cond, step], body) => self.count(start, cond, step, body),
            Command::While(is_until, cond, body) => self.repeat(*is_until, cond, body),
            Command::Case(subject, arms) => self.case(subject, arms),
            Command::Function(name, body) => {
                self.functions.insert(name.clone(), body.clone());
                GOOD
            }
            Command::Test(..) => GOOD,
            Command::Condition(condition) => Ok((self.condition(condition)?, Flow::Next)),
            Command::Arithmetic(expression) => Ok((self.arithmetic_condition(expression)?, Flow::Next)),
        }
    }

    /// A failure in it is one of the whole, and variables stay as they were.
    fn subshell(&mut self, block: &Block) -> Done {
        let is_asserting = self.is_asserting();
        let (variables, folder) = (self.variables.clone(), self.folder.clone());
        self.spend(variables.len() * 64)?;
        self.enter(is_asserting)?;
        let result = self.block_with_status(block);
        let required = self.leave();
        (self.variables, self.folder) = (variables, folder);
        let (last, _) = result?;
        Ok((Cond::all([required, last]), Flow::Next))
    }

    fn branch(&mut self, branches: &[(Block, Block)], otherwise: &Block) -> Done {
        let Some(((condition, body), rest)) = branches.split_first() else { return self.block(otherwise) };
        self.enter(false)?;
        let result = self.block(condition);
        let required = self.leave();
        let cond = Cond::all([required, result?.0]);
        let otherwise_fails = if rest.is_empty() { branches::always_fails(otherwise) } else { false };
        match cond {
            Cond::Known(true) => self.block(body),
            Cond::Known(false) => self.branch(rest, otherwise),
            cond if branches::always_fails(body) => {
                self.require(cond.negated());
                self.branch(rest, otherwise)
            }
            cond if otherwise_fails => {
                self.require(cond);
                self.block(body)
            }
            _ if branches::is_harmless(body) && rest.is_empty() && branches::is_harmless(otherwise) => GOOD,
            Cond::Unknown(problem) => {
                self.tell(problem);
                GOOD
            }
            _ => {
                self.tell(Problem::Branch);
                GOOD
            }
        }
    }

    fn case(&mut self, subject: &Word, arms: &[(Vec<Word>, Block)]) -> Done {
        let subject = self.single(subject)?;
        let mut before = Vec::new();
        for (patterns, body) in arms {
            let mut matches = Vec::new();
            for pattern in patterns {
                let pattern = self.glob(pattern)?;
                matches.push(self.matches(&subject, &pattern));
            }
            match Cond::any(matches) {
                Cond::Known(false) => {}
                Cond::Known(true) if before.is_empty() => return self.block(body),
                Cond::Known(true) if branches::always_fails(body) => {
                    self.require(Cond::any(before));
                    return GOOD;
                }
                Cond::Known(true) if branches::is_harmless(body) => return GOOD,
                cond if branches::always_fails(body) => self.require(cond.negated()),
                cond if branches::is_harmless(body) => before.push(cond),
                _ => {
                    self.tell(Problem::Branch);
                    return GOOD;
                }
            }
        }
        GOOD
    }

    /// What a file contains: one that the test wrote, or one of the repository.
    pub(super) fn content(&mut self, path: &Text) -> Text {
        let Some(literal) = value::literal(path) else { return path.clone() };
        match self.files.get(&super::paths::join(&self.folder, &literal)) {
            Some(content) => content.clone(),
            None if literal == "/dev/stdin" => self.stdin.clone().unwrap_or_default(),
            None => vec![Part::File(super::paths::join(&self.folder, &literal))],
        }
    }

    fn write(&mut self, path: &Text, printed: Text, is_appended: bool) {
        let Some(literal) = value::literal(path) else { return };
        match literal.as_str() {
            "/dev/null" => {}
            "/dev/stdout" | "/dev/stderr" => self.print(printed),
            path => {
                let path = super::paths::join(&self.folder, path);
                let file = self.files.entry(path).or_default();
                if !is_appended {
                    file.clear();
                }
                value::append(file, printed);
            }
        }
    }
}
