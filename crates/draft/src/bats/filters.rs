//! Programs that print, cut out or search texts: `echo`, `cat`, `grep`, `jq`, `base64`, `expr` and such.

use serde_json::Value;

use super::claim::{Cond, Key, Place, Root};
use super::grep::GrepOptions;
use super::jq::{self, Found, JqCall};
use super::machine::Machine;
use super::pattern::{Dialect, Pattern};
use super::problem::Problem;
use super::simple::value_of;
use super::value::{self, Part, Text, append, text};

/// Keys of a response: kwctl prints some of them always.
const KEYS: [&str; 10] =
    ["uid", "allowed", "auditAnnotations", "warnings", "patchType", "patch", "status", "message", "code", "response"];

/// Whether lines with this word may be there because of a key.
fn may_be_a_key(word: &str) -> bool {
    KEYS.iter().any(|key| key.to_lowercase().contains(&word.to_lowercase()))
}

impl Machine {
    /// `None` for other programs.
    pub(super) fn filter(&mut self, name: &str, arguments: &[Text]) -> Result<Option<Cond>, Problem> {
        let cond = match name {
            "[" => {
                let end = arguments.len().saturating_sub(1);
                self.test(&arguments[..end])
            }
            "test" => self.test(arguments),
            "echo" => self.echo(arguments),
            "printf" => self.printf(arguments),
            "cat" | "tee" => self.cat(name, arguments),
            "head" | "tail" | "sort" | "uniq" | "tr" | "xargs" | "sed" | "cut" | "awk" | "wc" => {
                self.cut(name, arguments)?
            }
            "grep" | "egrep" | "fgrep" | "rg" => self.grep(name, arguments),
            "expr" => self.expr(arguments),
            "jq" | "gojq" | "jaq" => self.jq(arguments)?,
            "base64" => self.base64(arguments),
            _ => return Ok(None),
        };
        Ok(Some(cond))
    }

    fn echo(&mut self, arguments: &[Text]) -> Cond {
        let is_flag =
            |it: &&Text| value::literal(it).is_some_and(|it| matches!(it.as_str(), "-e" | "-n" | "-E" | "-ne" | "-en"));
        let flags = arguments.iter().take_while(is_flag).count();
        let mut line = value_of(&arguments[flags..]);
        append(&mut line, text("\n"));
        self.print(line);
        Cond::Known(true)
    }

    fn printf(&mut self, arguments: &[Text]) -> Cond {
        let Some((format, rest)) = arguments.split_first() else { return Cond::Known(true) };
        let Some(format) = value::literal(format) else {
            self.print(format.clone());
            return Cond::Known(true);
        };
        let format = format.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"");
        let mut rest = rest.iter();
        for (index, piece) in format.split("%s").enumerate() {
            if index > 0 {
                self.print(rest.next().cloned().unwrap_or_default());
            }
            self.print(text(piece));
        }
        Cond::Known(true)
    }

    fn cat(&mut self, name: &str, arguments: &[Text]) -> Cond {
        let files: Vec<&Text> =
            arguments.iter().filter(|it| value::literal(it).is_none_or(|it| !it.starts_with('-'))).collect();
        let mut out = Text::new();
        if files.is_empty() || name == "tee" {
            out = self.stdin.clone().unwrap_or_default();
        } else {
            for file in files {
                let content = self.content(file);
                append(&mut out, content);
            }
        }
        self.print(out);
        Cond::Known(true)
    }

    /// A part of the output is treated as all of it: kwctl prints one line, and log lines in front of it.
    fn cut(&mut self, name: &str, arguments: &[Text]) -> Result<Cond, Problem> {
        let input = self.stdin.clone().unwrap_or_default();
        let literals = super::builtins::literals(arguments);
        if name == "xargs" && !arguments.is_empty() {
            let mut command = arguments.to_vec();
            command.push(input);
            return Ok(self.call(command)?.0);
        }
        let keeps = match name {
            "sed" => literals.iter().any(|it| matches!(it.as_str(), "$p" | "$!d" | "1p")),
            "cut" | "awk" => false,
            "wc" => {
                self.print(vec![Part::Unknown(Problem::Command("wc".to_owned()))]);
                return Ok(Cond::Known(true));
            }
            _ => true,
        };
        let is_symbolic = value::literal(&input).is_none();
        if !keeps || (!is_symbolic && name == "tr") {
            self.print(vec![Part::Unknown(Problem::Command(format!("{name} {}", literals.join(" "))))]);
            return Ok(Cond::Known(true));
        }
        let unquotes = name == "xargs" || (name == "tr" && literals.iter().any(|it| it.contains('"')));
        let changed = input.into_iter().map(|part| match part {
            Part::Of(place) if unquotes => Part::Of(Place { is_json: false, ..place }),
            part => part,
        });
        self.print(changed.collect());
        Ok(Cond::Known(true))
    }

    fn grep(&mut self, name: &str, arguments: &[Text]) -> Cond {
        let options = match GrepOptions::read(name, arguments) {
            Ok(options) => options,
            Err(problem) => return Cond::Unknown(problem),
        };
        let input = match &options.file {
            Some(file) => self.content(file),
            None => self.stdin.clone().unwrap_or_default(),
        };
        let mut conds = Vec::new();
        for pattern in &options.patterns {
            match options.pattern(pattern) {
                Ok(pattern) => conds.push(self.matches(&input, &pattern)),
                Err(problem) => return Cond::Unknown(problem),
            }
        }
        let cond = Cond::any(conds);
        let cond = if options.is_inverted && !matches!(cond, Cond::Known(_)) {
            Cond::Unknown(Problem::AnyLine)
        } else if options.is_inverted {
            cond.negated()
        } else {
            cond
        };
        if let Some(word) = options.patterns.iter().find(|word| options.counts && may_be_a_key(word)) {
            self.print(vec![Part::Unknown(Problem::Counted(word.clone()))]);
        } else if options.counts {
            self.print(vec![Part::Count(cond.clone())]);
        } else if !options.is_quiet {
            self.print(input);
        }
        cond
    }

    /// `expr text : pattern`
    fn expr(&mut self, arguments: &[Text]) -> Cond {
        let literal = |at: usize| arguments.get(at).and_then(|it| value::literal(it)).unwrap_or_default();
        let (subject, pattern) = match arguments {
            [subject, _, pattern] if literal(1) == ":" => (subject, pattern),
            [_, subject, pattern] if literal(0) == "match" => (subject, pattern),
            _ => {
                let problem = Problem::Arguments("expr".to_owned());
                self.print(vec![Part::Unknown(problem.clone())]);
                return Cond::Unknown(problem);
            }
        };
        let pattern = value::literal(pattern).ok_or_else(|| Problem::Arguments("expr".to_owned()));
        let pattern = pattern.and_then(|it| Pattern::regex(&[(it, false)], Dialect::Basic));
        let cond = match pattern {
            Ok(pattern) => self.matches(subject, &pattern.at_start()),
            Err(problem) => Cond::Unknown(problem),
        };
        self.print(vec![Part::Count(cond.clone())]);
        cond
    }

    fn base64(&mut self, arguments: &[Text]) -> Cond {
        let is_decoding = super::builtins::literals(arguments)
            .iter()
            .any(|it| matches!(it.as_str(), "-d" | "-D" | "--decode" | "-di"));
        let input = self.stdin.clone().unwrap_or_default();
        match value::symbol(&input) {
            Some(Part::Of(place)) if is_decoding && place.is(&["patch"]) => {
                self.print(vec![Part::Of(Place::whole(place.run, Root::Patch))]);
            }
            _ => {
                let problem = value::unknown(&input).cloned().unwrap_or_else(|| Problem::Command("base64".to_owned()));
                self.print(vec![Part::Unknown(problem)]);
            }
        }
        Cond::Known(true)
    }

    fn jq(&mut self, arguments: &[Text]) -> Result<Cond, Problem> {
        let call = match JqCall::read(arguments) {
            Ok(call) => call,
            Err(problem) => return Ok(self.unknown(problem)),
        };
        let input = match &call.file {
            Some(file) => self.content(file),
            None => self.stdin.clone().unwrap_or_default(),
        };
        if let Some(problem) = value::unknown(&input) {
            let problem = problem.clone();
            return Ok(self.unknown(problem));
        }
        let Some(Part::Of(place)) = value::symbol(&input).cloned() else {
            return Ok(self.unknown(Problem::Jq(call.filter)));
        };
        let variables =
            |name: &str| call.variables.iter().find(|(other, _)| other == name).map(|(_, value)| value.clone());
        let found = match jq::evaluate(&call.filter, place, &variables, &mut self.items) {
            Ok(found) => found,
            Err(problem) => return Ok(self.unknown(problem)),
        };
        let cond = if call.is_asserting { found.clone().truth() } else { Cond::Known(true) };
        let printed = match found {
            Found::At(mut place, conds) => {
                place.is_json = !call.is_raw;
                if let Some(Key::Some(item)) = place.path.iter().rev().find(|key| matches!(key, Key::Some(_))) {
                    self.selected.insert(*item, conds);
                }
                Part::Of(place)
            }
            Found::Truth(cond) => Part::Truth(cond),
            Found::Known(Value::String(text)) if call.is_raw => Part::Literal(text),
            Found::Known(value) => Part::Literal(value.to_string()),
            Found::Length(place) => Part::Length(place),
            Found::Selected(cond) => Part::Count(cond),
        };
        self.print(vec![printed, Part::Literal("\n".to_owned())]);
        Ok(cond)
    }

    fn unknown(&mut self, problem: Problem) -> Cond {
        self.print(vec![Part::Unknown(problem.clone())]);
        Cond::Unknown(problem)
    }
}
