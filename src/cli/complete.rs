//! What shells complete: `verify completions SHELL` prints a script, which calls `verify` again with the words before the
//! cursor. So the cases, tags and policies are those of the suites that are there.
//!
//! clap_complete knows commands and flags, and calls the functions below for values. Its own scripts are used for shells
//! without a script here; they know commands and flags only.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::{Arg, CommandFactory, ValueHint};
use clap_complete::Shell;
use clap_complete::engine::{self, ArgValueCompleter, CompletionCandidate, PathCompleter, ValueCompleter};
use policy_verify::model::code::Code;
use policy_verify::report::{self, escape};
use policy_verify::{ListedCase, Options};

use super::args::Cli;
use super::exit_code::ExitCode;
use super::{console, suites};

/// The variable by which a script tells that it asks, and for which shell.
const VARIABLE: &str = "VERIFY_COMPLETE";

const BASH: &str = include_str!("complete/verify.bash");
const ZSH: &str = include_str!("complete/verify.zsh");
const FISH: &str = include_str!("complete/verify.fish");

/// Most values of one kind.
const MOST_VALUES: usize = 1000;

/// Bytes of suites that are read while somebody waits.
const MOST_BYTES: u64 = 4 << 20;

const SUITES: [&str; 2] = ["yml", "yaml"];
const MODULES: [&str; 1] = ["wasm"];

/// Prints the script for a shell.
pub(crate) fn script(shell: Shell) -> ExitCode {
    let text = match shell {
        Shell::Bash => BASH.to_owned(),
        Shell::Zsh => ZSH.to_owned(),
        Shell::Fish => FISH.to_owned(),
        other => {
            let mut script = Vec::new();
            clap_complete::generate(other, &mut Cli::command(), "verify", &mut script);
            String::from_utf8_lossy(&script).into_owned()
        }
    };
    console::print(&text)
}

/// Answers a script, if one asks: a line per value, with its help behind a tab.
pub(crate) fn answer(arguments: &[OsString]) -> Option<ExitCode> {
    let shell = std::env::var(VARIABLE).ok().filter(|shell| !shell.is_empty())?;
    let words = arguments.get(1).filter(|word| *word == "--").map(|_| &arguments[2..])?;
    let words = words_of(&shell, words);
    let text: String = values(&words).iter().filter_map(|value| line(&shell, value)).collect();
    Some(console::print(&text))
}

/// The words as the shell would pass them on. bash takes `=` for a word of its own.
fn words_of(shell: &str, raw: &[OsString]) -> Vec<OsString> {
    let plain = raw.iter().map(|word| word.to_str().map_or_else(|| word.clone(), |text| unquoted(text).into()));
    let mut words: Vec<OsString> = plain.collect();
    if shell == "bash" {
        let last = words.len().saturating_sub(1);
        let mut index = 0;
        words.retain(|word| {
            index += 1;
            word != "=" || index > last
        });
    }
    words
}

/// A word without quotes and backslashes, which may not be closed yet.
fn unquoted(word: &str) -> String {
    let (mut plain, mut quote, mut letters) = (String::new(), None, word.chars());
    while let Some(letter) = letters.next() {
        match (letter, quote) {
            ('\'' | '"', None) => quote = Some(letter),
            (letter, Some(open)) if letter == open => quote = None,
            ('\\', None | Some('"')) => plain.extend(letters.next()),
            (letter, _) => plain.push(letter),
        }
    }
    plain
}

/// What may stand in the place of the last word.
fn values(words: &[OsString]) -> Vec<CompletionCandidate> {
    let Some((current, before)) = words.split_last().filter(|(_, before)| !before.is_empty()) else {
        return Vec::new();
    };
    let mut command = command(before);
    let here = std::env::current_dir().ok();
    let mut values = engine::complete(&mut command, words.to_vec(), before.len(), here.as_deref()).unwrap_or_default();
    // Flags are many, and whoever wants one writes a dash.
    if current.is_empty() {
        values.retain(|value| !value.get_value().as_encoded_bytes().starts_with(b"-"));
    }
    values
}

/// A value as the script reads it; nothing for values that no line can hold.
fn line(shell: &str, value: &CompletionCandidate) -> Option<String> {
    let text = value.get_value().to_str().filter(|text| !text.contains(char::is_control))?;
    let help = value.get_help().map(ToString::to_string).unwrap_or_default();
    let help = escape::terminal_line(help.lines().next().unwrap_or_default());
    Some(match shell {
        "bash" => format!("{text}\n"),
        _ if help.is_empty() => format!("{text}\n"),
        _ => format!("{text}\t{help}\n"),
    })
}

/// The command line with what is known of values. `verify suite.yml` is `verify run suite.yml`, so that the flags of `run`
/// are known without it.
fn command(before: &[OsString]) -> clap::Command {
    let cli = Cli::command();
    let run: Vec<Arg> =
        cli.find_subcommand("run").into_iter().flat_map(clap::Command::get_arguments).cloned().collect();
    let names: Vec<String> = cli.get_subcommands().map(|known| known.get_name().to_owned()).collect();
    let is_command = |word: &OsString| names.iter().any(|name| word == name.as_str());
    let words = before.iter().skip(1).enumerate().filter(|(index, word)| *index > 0 || !is_command(word));
    let words: Vec<PathBuf> = words.map(|(_, word)| PathBuf::from(word)).collect();
    let known = move |command: &str, argument: Arg| with_values(command, argument, &words, &names);
    let with_run = cli.args(run.into_iter().map(|argument| known("run", argument)));
    with_run.mut_subcommands(|subcommand| {
        let name = subcommand.get_name().to_owned();
        subcommand.mut_args(|argument| known(&name, argument))
    })
}

/// An argument that knows its values.
fn with_values(command: &str, argument: Arg, words: &[PathBuf], names: &[String]) -> Arg {
    let words = words.to_vec();
    let completer = match (command, argument.get_id().as_str()) {
        ("debug", "suites") => ArgValueCompleter::new(move |current: &OsStr| {
            let names = cases(&words).iter().map(|case| name(case).to_owned()).collect();
            let mut values = starting(names, current);
            values.extend(files(&SUITES).complete(current));
            values
        }),
        (_, "suites") => ArgValueCompleter::new(files(&SUITES)),
        (_, "filter" | "skip") => ArgValueCompleter::new(move |current: &OsStr| {
            let is_exact = words.iter().any(|word| word == Path::new("--exact"));
            let pattern = |case: &ListedCase| if is_exact { case.id.clone() } else { regex::escape(name(case)) };
            starting(cases(&words).iter().map(pattern).collect(), current)
        }),
        (_, "tags") => ArgValueCompleter::new(move |current: &OsStr| {
            let mut tags: Vec<String> = cases(&words).into_iter().flat_map(|case| case.tags).collect();
            tags.sort();
            tags.dedup();
            starting(tags, current)
        }),
        (_, "reports") => {
            ArgValueCompleter::new(|current: &OsStr| starting(report::names().map(str::to_owned).collect(), current))
        }
        ("eval", "policies") | ("init", "policy") => ArgValueCompleter::new(files(&["wasm", "yml", "yaml"])),
        ("inspect" | "annotate" | "push", "module") | ("diff", "old" | "new") => {
            ArgValueCompleter::new(files(&MODULES))
        }
        ("explain", "code") => ArgValueCompleter::new(|current: &OsStr| {
            let all = Code::ALL.iter().map(|code| code.to_string()).collect();
            starting(all, current)
        }),
        ("man", "command") => {
            let names = names.to_vec();
            ArgValueCompleter::new(move |current: &OsStr| starting(names.clone(), current))
        }
        _ => return argument,
    };
    argument.value_hint(ValueHint::Other).add(completer)
}

/// Files with these endings, and folders on the way to them.
fn files(endings: &'static [&'static str]) -> PathCompleter {
    let ending = |path: &Path| path.extension().and_then(OsStr::to_str).map(str::to_ascii_lowercase);
    PathCompleter::any()
        .filter(move |path| path.is_file() && ending(path).is_some_and(|ending| endings.contains(&ending.as_str())))
}

/// The values that go on from what is typed.
fn starting(values: Vec<String>, current: &OsStr) -> Vec<CompletionCandidate> {
    let current = current.to_string_lossy();
    let values = values.into_iter().filter(|value| value.starts_with(&*current)).take(MOST_VALUES);
    values.map(CompletionCandidate::new).collect()
}

/// The cases of the suites among the words, or of those in the working directory. Nothing of suites with mistakes, and of
/// those that take long to read.
fn cases(words: &[PathBuf]) -> Vec<ListedCase> {
    let named: Vec<PathBuf> = words.iter().filter(|word| word.exists()).cloned().collect();
    let suites = suites::find(&named, None).unwrap_or_default();
    let size = |path: &PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
    if suites.iter().map(size).sum::<u64>() > MOST_BYTES {
        return Vec::new();
    }
    let mut options = Options::default();
    options.suites = suites;
    policy_verify::list(&options).unwrap_or_default()
}

/// The name of a case without that of its suite.
fn name(case: &ListedCase) -> &str {
    case.id.split_once(" › ").map_or(case.id.as_str(), |(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_lose_their_quotes() {
        for (word, wanted) in [
            ("plain", "plain"),
            ("'rejects a", "rejects a"),
            ("\"rejects \\\"a", "rejects \"a"),
            ("rejects\\ a", "rejects a"),
            ("'it'\\''s", "it's"),
            ("a\\", "a"),
        ] {
            assert_eq!(unquoted(word), wanted, "{word}");
        }
    }

    #[test]
    fn signs_of_equality_are_no_words_in_bash() {
        let raw: Vec<OsString> = ["verify", "--filter", "=", "a"].map(OsString::from).to_vec();
        assert_eq!(words_of("bash", &raw), ["verify", "--filter", "a"]);
        assert_eq!(words_of("zsh", &raw).len(), 4);
    }

    #[test]
    fn commands_flags_and_formats_are_known() {
        let found = |line: &[&str]| -> Vec<String> {
            let words: Vec<OsString> = line.iter().map(OsString::from).collect();
            values(&words).iter().map(|value| value.get_value().to_string_lossy().into_owned()).collect()
        };
        assert!(found(&["verify", ""]).contains(&"debug".to_owned()));
        assert_eq!(found(&["verify", "suite.yml", "--last"]), ["--last-failed"]);
        assert_eq!(found(&["verify", "--report", "jun"]), ["junit"]);
        assert_eq!(found(&["verify", "explain", "PV01"]).first().map(String::as_str), Some("PV010"));
        assert!(found(&["verify", "man", "insp"]) == ["inspect"] && found(&["verify"]).is_empty());
        let flags = found(&["verify", "debug", "--"]);
        assert!(flags.contains(&"--filter".to_owned()) && flags.contains(&"--live".to_owned()), "{flags:?}");
    }
}
