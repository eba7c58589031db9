//! Commands and flags of other tools, and what they are called here.

use std::ffi::OsString;
use std::path::Path;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::{nearest, report};

use super::problem::usage;

/// Commands, and what to do instead.
const COMMANDS: [(&str, &str); 11] = [
    ("build", "build the policy with its own tools, and name the module in a suite"),
    ("check", "run `verify list SUITE`, which reads a suite without running it"),
    ("doc", "run `verify help`"),
    ("fmt", "run `verify list SUITE`, which reads a suite without running it"),
    ("lint", "run `verify list SUITE`, which reads a suite without running it"),
    ("new", "run `verify init POLICY`, which makes a first suite"),
    ("test", "run `verify run`, or `verify suite.yml`"),
    ("tests", "run `verify run`, or `verify suite.yml`"),
    ("validate", "run `verify list SUITE`, which reads a suite without running it"),
    ("version", "run `verify --version`"),
    ("watch", "run `verify --watch`"),
];

/// Flags, and what to write instead.
const FLAGS: [(&str, &str); 47] = [
    ("--accept", "write `--bless`"),
    ("--bail", "write `--fail-fast`"),
    ("--collect-only", "run `verify list`"),
    ("--concurrency", "write `--jobs N`"),
    ("--config", "name the suite: `verify suite.yml`"),
    ("--debug", "run `verify debug`"),
    ("--deselect", "write `--skip TEXT`"),
    ("--env", "write `--var NAME=VALUE`"),
    ("--exclude", "write `--skip TEXT`"),
    ("--execution-mode", "write `executionMode:` of the policy in the suite"),
    ("--exitfirst", "write `--fail-fast`"),
    ("--failfast", "write `--fail-fast`"),
    ("--file", "name the suite: `verify suite.yml`"),
    ("--grep", "write `--filter PATTERN`"),
    ("--list", "run `verify list`"),
    ("--log-level", "write `--verbose`"),
    ("--match", "write `--filter PATTERN`"),
    ("--name", "write `--filter PATTERN`"),
    ("--only", "write `--filter PATTERN`"),
    ("--parallel", "write `--jobs N`"),
    ("--pattern", "write `--filter PATTERN`"),
    ("--raw", "write `raw:` in a case of the suite"),
    ("--request-path", "write `request:` in a case of the suite"),
    ("--run", "write `--filter PATTERN`"),
    ("--seed", "write `--shuffle=SEED`"),
    ("--set", "write `--var NAME=VALUE`"),
    ("--settings-json", "write `settings:` in the suite"),
    ("--settings-path", "write `settings:` in the suite"),
    ("--shard", "write `--partition hash:M/N`"),
    ("--silent", "write `--quiet`"),
    ("--snapshot-update", "write `--bless`"),
    ("--stop-on-failure", "write `--fail-fast`"),
    ("--tags", "write `--tag TAG`"),
    ("--test-threads", "write `--jobs N`"),
    ("--threads", "write `--jobs N`"),
    ("--timeout", "write `timeout:` in the suite"),
    ("--trace", "run `verify debug`"),
    ("--update-snapshots", "write `--bless`"),
    ("--variable", "write `--var NAME=VALUE`"),
    ("--workers", "write `--jobs N`"),
    ("-c", "name the suite: `verify suite.yml`"),
    ("-k", "write `--filter PATTERN`"),
    ("-n", "write `--jobs N`"),
    ("-r", "write `request:` in a case of the suite"),
    ("-u", "write `--bless`"),
    ("-w", "write `--watch`"),
    ("-x", "write `--fail-fast`"),
];

/// Flags that choose a format, or the file of a report.
const FORMAT_FLAGS: [&str; 7] = ["-o", "-f", "--output", "--output-format", "--format", "--formatter", "--reporter"];

/// The mistake of a word in the place of a command; nothing for commands and for what may be a suite.
pub(crate) fn command(word: &str) -> Option<Diagnostic> {
    let is_word = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    if !is_word || word.starts_with('-') || Path::new(word).exists() {
        return None;
    }
    let (_, help) = COMMANDS.iter().find(|(foreign, _)| *foreign == word)?;
    Some(usage(format!("unknown command `{word}`")).with_help((*help).to_owned()))
}

/// What `kwctl scaffold` makes and `verify scaffold` does not.
const SCAFFOLDS: [&str; 4] = ["admission-request", "manifest", "vap", "verification-config"];

/// The mistake of a file that only kwctl makes; nothing for other errors.
pub(crate) fn scaffold(error: &clap::Error, arguments: &[OsString]) -> Option<Diagnostic> {
    let words: Vec<&str> = arguments.iter().skip(1).take(2).filter_map(|word| word.to_str()).collect();
    let [command @ "scaffold", kind] = words.as_slice() else { return None };
    let is_foreign = error.kind() == ErrorKind::InvalidSubcommand && SCAFFOLDS.contains(kind);
    let found = usage(format!("unknown command `{command} {kind}`"));
    is_foreign.then(|| found.with_help(format!("run `kwctl scaffold {kind}`")))
}

/// The mistake of an unknown flag of a command; nothing for other errors. `arguments` are all of the command line, `known`
/// the flags of the command.
pub(crate) fn flag(error: &clap::Error, arguments: &[OsString], command: &str, known: &[&str]) -> Option<Diagnostic> {
    if error.kind() != ErrorKind::UnknownArgument {
        return None;
    }
    let Some(ContextValue::String(written)) = error.get(ContextKind::InvalidArg) else { return None };
    let name = written.split(['=', ' ']).next().unwrap_or_default();
    let found = usage(format!("unexpected argument `{name}`"));
    if !name.starts_with('-') {
        return None;
    }
    let has = |flag: &str| known.contains(&flag);
    let value = value_of(name, arguments);
    let of_format = match (has("report"), has("format")) {
        (true, _) => report_of(name, value.as_deref()),
        (false, true) if FORMAT_FLAGS.contains(&name) => {
            Some(format!("write `--format {}`", value.as_deref().unwrap_or("FORMAT")))
        }
        _ => None,
    };
    let foreign = FLAGS.iter().find(|(foreign, _)| *foreign == name && has("filter"));
    let near = nearest(name.trim_start_matches('-'), known.iter().copied()).filter(|_| name.starts_with("--"));
    let help = of_format
        .or_else(|| foreign.map(|(_, help)| (*help).to_owned()))
        .or_else(|| near.map(|near| format!("did you mean `--{near}`?")));
    Some(found.with_help(help.unwrap_or_else(|| format!("run `verify help {command}` for all flags"))))
}

/// What stands behind a flag on the command line.
fn value_of(name: &str, arguments: &[OsString]) -> Option<String> {
    let texts: Vec<&str> = arguments.iter().filter_map(|argument| argument.to_str()).collect();
    let at = texts.iter().position(|text| text.split('=').next() == Some(name))?;
    match texts[at].split_once('=') {
        Some((_, value)) => Some(value.to_owned()),
        None => texts.get(at + 1).filter(|next| !next.starts_with('-')).map(|next| (*next).to_owned()),
    }
}

/// `--junit out.xml` and `-o json` are reports here.
fn report_of(name: &str, value: Option<&str>) -> Option<String> {
    let formats: Vec<&str> = report::names().collect();
    let format = |word: &str| formats.iter().find(|format| **format == word.trim_end_matches("-xml")).copied();
    let is_file = |value: &&str| value.contains('.') && !value.ends_with(".yml") && !value.ends_with(".yaml");
    if let Some(format) = name.strip_prefix("--").and_then(format) {
        let file = value.filter(is_file).map(|file| format!("={file}")).unwrap_or_default();
        return Some(format!("write `--report {format}{file}`"));
    }
    if !FORMAT_FLAGS.contains(&name) {
        return None;
    }
    Some(match value.map(|value| value.split('=').next().unwrap_or_default()).and_then(format) {
        Some(format) => format!("write `--report {format}`"),
        None => format!("write `--report FORMAT`, one of: {}", formats.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_name_nothing_that_exists() {
        use clap::CommandFactory as _;
        let cli = super::super::args::Cli::command();
        assert!(COMMANDS.is_sorted() && FLAGS.is_sorted());
        for (word, _) in COMMANDS {
            assert!(cli.find_subcommand(word).is_none(), "{word}");
        }
        let run = cli.find_subcommand("run").unwrap();
        for (flag, _) in FLAGS {
            let name = flag.trim_start_matches('-');
            let is_known = |argument: &clap::Arg| {
                argument.get_long() == Some(name) || argument.get_short().map(String::from).as_deref() == Some(name)
            };
            assert!(!run.get_arguments().any(is_known), "{flag}");
        }
    }

    #[test]
    fn formats_are_reports() {
        for (name, value, help) in [
            ("--junit", Some("out.xml"), Some("write `--report junit=out.xml`")),
            ("--junit", Some("suite.yml"), Some("write `--report junit`")),
            ("--junit-xml", None, Some("write `--report junit`")),
            ("-o", Some("json"), Some("write `--report json`")),
            ("--format", Some("junit=x.xml"), Some("write `--report junit`")),
            ("--watch", None, None),
        ] {
            assert_eq!(report_of(name, value).as_deref(), help, "{name} {value:?}");
        }
        let help = report_of("--output", Some("text")).unwrap();
        assert!(help.starts_with("write `--report FORMAT`, one of: ") && help.contains("junit"), "{help}");
    }
}
