//! Commands that change the state of the shell or of bats.

use super::claim::Cond;
use super::exec::{Done, GOOD};
use super::machine::{Flow, Machine};
use super::paths;
use super::problem::Problem;
use super::shell;
use super::value::{self, Part, Text, append, text};

impl Machine {
    /// `None` for other commands.
    pub(super) fn builtin(&mut self, name: &str, arguments: &[Text]) -> Result<Option<(Cond, Flow)>, Problem> {
        let done = match name {
            "true" | ":" => GOOD,
            "false" => Ok((Cond::Known(false), Flow::Next)),
            "fail" | "flunk" | "die" => Ok((Cond::Known(false), Flow::Next)),
            "skip" => self.skip(arguments),
            "cd" | "pushd" => self.cd(arguments),
            "popd" => GOOD,
            "export" | "local" | "declare" | "typeset" | "readonly" => self.declare(name, arguments),
            "unset" => {
                let names: Vec<String> = arguments.iter().filter_map(|it| value::literal(it)).collect();
                names.iter().for_each(|name| drop(self.variables.remove(name)));
                GOOD
            }
            "shift" => {
                let count = arguments.first().and_then(|it| value::literal(it)?.parse().ok()).unwrap_or(1);
                let all = &mut self.arguments;
                all.drain(..all.len().min(count));
                GOOD
            }
            "read" => self.read(arguments),
            "load" | "source" | "." | "bats_load_library" => self.load(arguments),
            "mktemp" => {
                let path = self.temporary();
                self.print(path);
                GOOD
            }
            "dirname" | "basename" | "realpath" | "readlink" => self.path(name, arguments),
            "let" => Ok((self.arithmetic_condition(&literals(arguments).join(" "))?, Flow::Next)),
            "which" | "type" | "hash" | "ls" => self.names(arguments),
            "set" => {
                if arguments.first().and_then(|it| value::literal(it)).as_deref() == Some("--") {
                    self.arguments = arguments[1..].to_vec();
                }
                let options = literals(arguments);
                if options.iter().any(|it| it == "pipefail") {
                    self.has_pipefail = !options.iter().any(|it| it.starts_with('+'));
                }
                GOOD
            }
            "pwd" => {
                let folder = format!("{}/{}\n", paths::ROOT, self.folder);
                self.print(text(folder));
                GOOD
            }
            "seq" => self.seq(arguments),
            "cp" | "mv" => self.copy(arguments),
            _ => return Ok(None),
        };
        done.map(Some)
    }

    /// The rest of the test is read as if it ran.
    fn skip(&mut self, arguments: &[Text]) -> Done {
        let reason = value::literal(&super::simple::value_of(arguments)).unwrap_or_default();
        let reason = if reason.trim().is_empty() { "skipped by the bats test".to_owned() } else { reason };
        self.record.skip.get_or_insert(reason);
        GOOD
    }

    fn cd(&mut self, arguments: &[Text]) -> Done {
        match arguments.iter().filter_map(|it| value::literal(it)).find(|it| !it.starts_with("--")) {
            Some(path) if path != "-" => {
                self.folder = paths::join(&self.folder, &path);
                GOOD
            }
            _ => Ok((Cond::Unknown(Problem::Arguments("cd".to_owned())), Flow::Next)),
        }
    }

    fn declare(&mut self, command: &str, arguments: &[Text]) -> Done {
        for argument in arguments {
            let Some(Part::Literal(first)) = argument.first() else { continue };
            if first.starts_with('-') {
                continue;
            }
            let (name, start) = match first.split_once('=') {
                Some((name, start)) => (name, Some(start)),
                None => (first.as_str(), None),
            };
            if command == "local" {
                // The value may be that of the variable it hides, which was expanded already.
                self.hide(name);
            }
            if let Some(start) = start {
                let mut value = text(start);
                append(&mut value, argument[1..].to_vec());
                self.set(name, value);
            }
        }
        GOOD
    }

    /// Reads a line of what is known of the input.
    fn read(&mut self, arguments: &[Text]) -> Done {
        let names: Vec<String> = literals(arguments).into_iter().filter(|it| !it.starts_with('-')).collect();
        let Some(input) = self.stdin.as_ref().and_then(|input| value::literal(input)) else {
            return Ok((Cond::Unknown(Problem::Command("read".to_owned())), Flow::Next));
        };
        if input.is_empty() {
            return Ok((Cond::Known(false), Flow::Next));
        }
        let (line, rest) = input.split_once('\n').unwrap_or((input.as_str(), ""));
        let mut words = line.trim().splitn(names.len().max(1), char::is_whitespace);
        for name in &names {
            self.set(name, text(words.next().unwrap_or_default().trim()));
        }
        self.spend(line.len() + 1)?;
        self.stdin = Some(text(rest));
        GOOD
    }

    /// Runs a file with functions, if it is known. Libraries of bats are.
    fn load(&mut self, arguments: &[Text]) -> Done {
        let Some(path) = arguments.first().and_then(|it| value::literal(it)) else { return GOOD };
        let path = paths::join(&self.folder, &path);
        let sources = self.sources.clone();
        let source =
            [path.clone(), format!("{path}.bash"), format!("{path}.sh")].iter().find_map(|path| sources.get(path));
        let Some(source) = source else { return GOOD };
        self.enter(true)?;
        let result = match shell::parse(source, 1, &mut self.documents) {
            Ok(block) => self.block(&block),
            Err((_, error)) => Ok((Cond::Unknown(Problem::Syntax(error)), Flow::Next)),
        };
        self.leave();
        result.map(|(cond, _)| (cond, Flow::Next))
    }

    fn path(&mut self, command: &str, arguments: &[Text]) -> Done {
        let path = literals(arguments).into_iter().find(|it| !it.starts_with('-')).unwrap_or_default();
        let suffix = literals(arguments).get(1).cloned().unwrap_or_default();
        let path = match command {
            "dirname" => path.trim_end_matches('/').rsplit_once('/').map_or(".", |(folder, _)| folder).to_owned(),
            "basename" => {
                let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
                name.strip_suffix(&suffix).unwrap_or(name).to_owned()
            }
            _ => path,
        };
        self.print(text(format!("{path}\n")));
        GOOD
    }

    /// Prints the names: those of programs, or those of files that were found.
    fn names(&mut self, arguments: &[Text]) -> Done {
        let names: Vec<&Text> =
            arguments.iter().filter(|it| value::literal(it).is_none_or(|it| !it.starts_with('-'))).collect();
        if names.is_empty() {
            self.print(vec![Part::Unknown(Problem::Command("ls".to_owned()))]);
        }
        for name in names {
            let mut line = name.clone();
            append(&mut line, text("\n"));
            self.print(line);
        }
        GOOD
    }

    fn seq(&mut self, arguments: &[Text]) -> Done {
        let numbers: Option<Vec<i64>> = literals(arguments).iter().map(|it| it.parse().ok()).collect();
        let (from, to) = match numbers.as_deref() {
            Some([to]) => (1, *to),
            Some([from, to]) => (*from, *to),
            _ => return Ok((Cond::Unknown(Problem::Arguments("seq".to_owned())), Flow::Next)),
        };
        for number in (from..=to).take(10_000) {
            self.print(text(format!("{number}\n")));
        }
        GOOD
    }

    fn copy(&mut self, arguments: &[Text]) -> Done {
        let names: Vec<String> = literals(arguments).into_iter().filter(|it| !it.starts_with('-')).collect();
        if let [from, to] = names.as_slice() {
            let content = self.content(&text(from.clone()));
            self.spend(16)?;
            self.files.insert(paths::join(&self.folder, to), content);
        }
        GOOD
    }
}

pub(super) fn literals(arguments: &[Text]) -> Vec<String> {
    arguments.iter().map(|it| value::literal(it).unwrap_or_default()).collect()
}
