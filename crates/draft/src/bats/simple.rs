//! Simple commands: assignments, functions, and which command is which.

use super::branches;
use super::claim::{Cond, Place, Root};
use super::exec::{Done, GOOD};
use super::kwctl;
use super::machine::{Flow, Machine, Variable};
use super::problem::Problem;
use super::shell::{
    self,
    syntax::{Assigned, Assignment, Piece, Simple},
};
use super::value::{self, Part, Text, text};

/// Commands that declare variables.
const DECLARING: [&str; 5] = ["declare", "local", "export", "readonly", "typeset"];
/// Commands that only come before another command.
const PREFIXES: [&str; 7] = ["env", "exec", "builtin", "sudo", "nice", "time", "stdbuf"];

impl Machine {
    pub(super) fn simple(&mut self, simple: &Simple) -> Done {
        let substitutions = self.substitutions;
        let first = match simple.words.first().map(Vec::as_slice) {
            Some([Piece::Literal(name, false)]) => name.as_str(),
            _ => "",
        };
        let (is_local, is_declaring) = (first == "local", DECLARING.contains(&first));
        // Variables in front of a command are those of its environment, which nothing reads.
        if simple.words.is_empty() || simple.assignments.iter().any(|it| matches!(it.value, Assigned::List(_))) {
            for assignment in &simple.assignments {
                if is_local {
                    self.hide(&assignment.name);
                }
                self.assign(assignment)?;
            }
        }
        if simple.words.is_empty() {
            let status = self.status.clone().filter(|_| self.substitutions > substitutions);
            return Ok((status.unwrap_or(Cond::Known(true)), Flow::Next));
        }
        // What these assign is not split into words.
        let mut arguments = Vec::new();
        for word in &simple.words {
            match word.first() {
                Some(Piece::Literal(start, false)) if is_declaring && start.contains('=') => {
                    arguments.push(self.single(word)?)
                }
                _ => arguments.extend(self.arguments(std::slice::from_ref(word))?),
            }
        }
        self.call(arguments)
    }

    fn assign(&mut self, assignment: &Assignment) -> Result<(), Problem> {
        let Assignment { name, index, is_appended, value } = assignment;
        match value {
            Assigned::Text(word) => {
                let value = self.single(word)?;
                let index = match index {
                    Some(word) => self.index(name, word)?,
                    None => "0".to_owned(),
                };
                let variable = self.variables.entry(name.clone()).or_default();
                if !is_appended {
                    variable.insert(index, value);
                } else {
                    value::append(variable.entry(index).or_default(), value);
                }
            }
            Assigned::List(items) => {
                let mut list =
                    if *is_appended { self.variables.remove(name).unwrap_or_default() } else { Variable::new() };
                for (index, word) in items {
                    match index {
                        Some(index) => {
                            let index = self.literal_of(index)?.unwrap_or_default();
                            let value = self.single(word)?;
                            list.insert(index, value);
                        }
                        None => {
                            for value in self.arguments(std::slice::from_ref(word))? {
                                list.insert(list.len().to_string(), value);
                            }
                        }
                    }
                }
                self.variables.insert(name.clone(), list);
            }
        }
        Ok(())
    }

    /// Runs a command by its arguments.
    pub(super) fn call(&mut self, arguments: Vec<Text>) -> Done {
        self.nested(|this| this.dispatch(arguments, true))
    }

    fn dispatch(&mut self, mut arguments: Vec<Text>, has_functions: bool) -> Done {
        if arguments.is_empty() {
            return GOOD;
        }
        let first = arguments.remove(0);
        let Some(name) = value::literal(&first) else {
            let problem = value::unknown(&first).cloned().unwrap_or_else(|| Problem::Command("$(…)".to_owned()));
            return self.unsupported(problem);
        };
        self.step()?;
        if let Some(body) = self.functions.get(&name).cloned().filter(|_| has_functions) {
            return self.function(&body, arguments);
        }
        // Tools of the file's own, by their path.
        let base = name.rsplit('/').next().unwrap_or(&name).trim_end_matches(".exe").to_owned();
        match base.as_str() {
            "kwctl" => self.kwctl(arguments),
            "bash" | "sh" => self.inner_shell(arguments),
            "eval" => self.script(&value_of(&arguments)),
            "run" => self.run_command(arguments),
            "return" => Ok((self.code(&arguments), Flow::Return)),
            "exit" => Ok((self.code(&arguments), Flow::Exit)),
            "break" | "continue" => {
                let levels = arguments.first().and_then(|it| value::literal(it)?.parse().ok()).unwrap_or(1);
                Ok((Cond::Known(true), if base == "break" { Flow::Break(levels) } else { Flow::Continue(levels) }))
            }
            "command" => match arguments.first().and_then(|first| value::literal(first)).as_deref() {
                Some("-v" | "-V") => self.tool("which", arguments),
                Some(_) => self.nested(|this| this.dispatch(arguments, false)),
                None => GOOD,
            },
            "bats_pipe" => self.bats_pipe(arguments),
            "timeout" => self.after_flags(arguments, 1),
            prefix if PREFIXES.contains(&prefix) => self.after_flags(arguments, 0),
            _ => self.tool(&base, arguments),
        }
    }

    fn tool(&mut self, name: &str, arguments: Vec<Text>) -> Done {
        if let Some(done) = self.builtin(name, &arguments)? {
            return Ok(done);
        }
        if let Some(cond) = self.filter(name, &arguments)? {
            return Ok((cond, Flow::Next));
        }
        if let Some(cond) = self.assertion(name, &arguments)? {
            return Ok((cond, Flow::Next));
        }
        if branches::HARMLESS.contains(&name) {
            return GOOD;
        }
        self.unsupported(Problem::Command(name.to_owned()))
    }

    /// A command whose effect is unknown.
    fn unsupported(&mut self, problem: Problem) -> Done {
        self.tell(problem.clone());
        self.print(vec![Part::Unknown(problem.clone())]);
        Ok((Cond::Unknown(problem), Flow::Next))
    }

    fn function(&mut self, body: &shell::syntax::Block, arguments: Vec<Text>) -> Done {
        let is_asserting = self.is_asserting();
        self.enter(is_asserting)?;
        let before = std::mem::replace(&mut self.arguments, arguments);
        let result = self.block_with_status(body);
        self.arguments = before;
        let required = self.leave();
        let (last, flow) = result?;
        let cond = Cond::all([required, last]);
        Ok((cond, if flow == Flow::Exit { flow } else { Flow::Next }))
    }

    /// The condition that an exit code stands for.
    fn code(&mut self, arguments: &[Text]) -> Cond {
        let Some(code) = arguments.first() else { return self.status.clone().unwrap_or(Cond::Known(true)) };
        match (value::literal(code), value::symbol(code)) {
            (Some(code), _) => Cond::Known(code.trim() == "0"),
            (None, Some(Part::Status(cond))) => cond.clone(),
            _ => Cond::Unknown(Problem::Arguments("return".to_owned())),
        }
    }

    /// The command behind flags, assignments and a number of words.
    fn after_flags(&mut self, mut arguments: Vec<Text>, words: usize) -> Done {
        let mut left = words;
        while let Some(literal) = arguments.first().and_then(|first| value::literal(first)) {
            let is_flag = literal.starts_with('-') || (literal.contains('=') && !literal.contains('/'));
            if !is_flag && left == 0 {
                break;
            }
            left -= usize::from(!is_flag);
            arguments.remove(0);
            // `timeout --signal INT`
            if matches!(literal.as_str(), "--signal" | "-s" | "-k" | "--kill-after" | "-u") && !arguments.is_empty() {
                arguments.remove(0);
            }
        }
        self.call(arguments)
    }

    /// `bash -c '…' name arguments`
    fn inner_shell(&mut self, arguments: Vec<Text>) -> Done {
        let has_pipefail = std::mem::take(&mut self.has_pipefail);
        let result = self.flags_and_script(arguments);
        self.has_pipefail = has_pipefail;
        result
    }

    fn flags_and_script(&mut self, mut arguments: Vec<Text>) -> Done {
        while let Some(flag) = arguments.first().and_then(|first| value::literal(first)) {
            arguments.remove(0);
            if flag.starts_with('-') && flag.ends_with('c') && !arguments.is_empty() {
                let script = arguments.remove(0);
                let arguments = arguments.into_iter().skip(1).collect();
                let before = std::mem::replace(&mut self.arguments, arguments);
                self.enter(false)?;
                let result = self.script(&script);
                let required = self.leave();
                self.arguments = before;
                let (cond, _) = result?;
                return Ok((Cond::all([required, cond]), Flow::Next));
            }
            if flag == "-o" {
                self.has_pipefail |= arguments.first().is_some_and(|it| *it == text("pipefail"));
                arguments.drain(..1.min(arguments.len()));
            } else if !flag.starts_with('-') {
                return self.unsupported(Problem::Command(format!("bash {flag}")));
            }
        }
        self.unsupported(Problem::Command("bash".to_owned()))
    }

    /// Commands as a text. Symbolic parts of it become variables of the inner script.
    fn script(&mut self, script: &Text) -> Done {
        let mut source = String::new();
        for (index, part) in script.iter().enumerate() {
            match part {
                Part::Literal(literal) => source.push_str(literal),
                part => {
                    let name = format!("__part_{index}");
                    self.set(&name, vec![part.clone()]);
                    source.push_str(&format!("${{{name}}}"));
                }
            }
        }
        self.spend(source.len())?;
        match shell::parse(&source, self.line, &mut self.documents) {
            Ok(block) => {
                let line = self.line;
                let result = self.block_with_status(&block);
                self.line = line;
                result
            }
            Err((_, error)) => self.unsupported(Problem::Syntax(error)),
        }
    }

    /// `bats_pipe command \| command`
    fn bats_pipe(&mut self, arguments: Vec<Text>) -> Done {
        let before = self.stdin.take();
        let stages: Vec<Vec<Text>> = arguments.split(|it| *it == text("|")).map(<[Text]>::to_vec).collect();
        let (count, mut cond) = (stages.len(), Cond::Known(true));
        for (index, stage) in stages.into_iter().enumerate() {
            let is_last = index + 1 == count;
            if !is_last {
                self.outputs.push(Text::new());
            }
            let result = self.call(stage);
            if !is_last {
                self.stdin = self.outputs.pop();
            }
            cond = result?.0;
        }
        self.stdin = before;
        Ok((cond, Flow::Next))
    }

    /// `run [flags] command`
    fn run_command(&mut self, mut arguments: Vec<Text>) -> Done {
        let mut expected = None;
        while let Some(flag) = arguments.first().and_then(|first| value::literal(first)) {
            match flag.as_str() {
                "!" => expected = Some(false),
                "--" | "--separate-stderr" | "--keep-empty-lines" => {}
                _ => match flag.strip_prefix('-').and_then(|code| code.parse::<u8>().ok()) {
                    Some(code) => expected = Some(code == 0),
                    None => break,
                },
            }
            arguments.remove(0);
        }
        self.enter(false)?;
        self.outputs.push(Text::new());
        let result = self.call(arguments);
        let printed = self.outputs.pop().unwrap_or_default();
        let required = self.leave();
        let status = Cond::all([required, result?.0]);
        let output = value::trimmed(printed);
        for name in ["output", "lines", "stderr", "stderr_lines"] {
            self.set(name, output.clone());
        }
        self.set("status", vec![Part::Status(status.clone())]);
        Ok((
            match expected {
                Some(true) => status,
                Some(false) => status.negated(),
                None => Cond::Known(true),
            },
            Flow::Next,
        ))
    }

    fn kwctl(&mut self, arguments: Vec<Text>) -> Done {
        let command = kwctl::subcommand(&arguments);
        match command.as_deref() {
            Some("run") => {}
            // What they make is there when the suite runs.
            Some("pull" | "annotate") => return GOOD,
            other => {
                let name = other.map_or("kwctl".to_owned(), |name| format!("kwctl {name}"));
                return self.unsupported(Problem::Command(name));
            }
        }
        match self.invocation(&arguments) {
            Ok(invocation) => {
                let run = self.run(invocation)?;
                self.print(vec![Part::Of(Place::whole(run, Root::Output)), Part::Literal("\n".to_owned())]);
                Ok((Cond::Claim(super::claim::Claim::Success(run)), Flow::Next))
            }
            Err(problem) if problem.is_fatal() => Err(problem),
            Err(problem) => self.unsupported(problem),
        }
    }
}

/// Arguments joined by blanks.
pub(super) fn value_of(arguments: &[Text]) -> Text {
    let mut out = Text::new();
    for (index, argument) in arguments.iter().enumerate() {
        if index > 0 {
            value::append(&mut out, text(" "));
        }
        value::append(&mut out, argument.clone());
    }
    out
}
