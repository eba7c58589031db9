//! The flags of a run that decide about outcomes. Reports repeat them in the command that runs a failed case again.

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command};
use policy_verify::is_secret;

/// The flags, by their ids. A test has all others, each with the reason.
const DECIDING: [&str; 22] = [
    "root",
    "variables",
    "allow_env",
    "allow_hosts",
    "allow_only",
    "max_file_size",
    "kubewarden",
    "max_memory",
    // Which code runs changes no verdict, unless a compiler has a bug: then it is the first thing to know.
    "compiler",
    "compile_timeout",
    "repeat",
    "sources_path",
    "docker_config_json_path",
    "fetch_timeout",
    "live",
    "against",
    "against_ca",
    "against_audit",
    "offline",
    "locked",
    "verification_config_path",
    "sigstore_trust_config",
];

/// The words of the deciding flags of a command as it was parsed, in the order of its help. Where a value came from does
/// not matter: a variable of the environment gives a flag too.
pub(crate) fn flags(command: &Command, matches: &ArgMatches) -> Vec<String> {
    let Some((name, given)) = matches.subcommand() else { return Vec::new() };
    let Some(command) = command.find_subcommand(name) else { return Vec::new() };
    // `verify record` is a run with live answers.
    let is_live = |argument: &Arg| name == "record" && argument.get_id() == "live";
    let arguments = command.get_arguments().filter(|argument| DECIDING.contains(&argument.get_id().as_str()));
    arguments.flat_map(|argument| words(argument, given, is_live(argument))).collect()
}

/// The words of a flag: none where it was not given.
fn words(argument: &Arg, given: &ArgMatches, is_implied: bool) -> Vec<String> {
    let (Some(long), id) = (argument.get_long(), argument.get_id().as_str()) else { return Vec::new() };
    let flag = format!("--{long}");
    if !argument.get_action().takes_values() {
        let is_on = is_implied || matches!(given.try_get_one::<bool>(id), Ok(Some(true)));
        return is_on.then_some(flag).into_iter().collect();
    }
    if given.value_source(id) == Some(ValueSource::DefaultValue) {
        return Vec::new();
    }
    let values = given.get_raw(id).into_iter().flatten().map(|value| value.to_string_lossy().into_owned());
    let values = values.map(|value| if id == "variables" { without_secret(value) } else { value });
    // What begins with a dash would be taken for another flag.
    let joined = |value: String| match value.starts_with('-') {
        true => vec![format!("{flag}={value}")],
        false => vec![flag.clone(), value],
    };
    values.flat_map(joined).collect()
}

/// `token=***`: reports are public where the command line is not.
fn without_secret(variable: String) -> String {
    match variable.split_once('=') {
        Some((name, _)) if is_secret(name) => format!("{name}=***"),
        _ => variable,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    /// Flags that a command that repeats a case leaves out, and why.
    const OTHERS: &[(&str, &[&str])] = &[
        (
            "the command names the suite and the case itself",
            &["suites", "filter", "exact", "skip", "tags", "failed", "last_failed"],
        ),
        ("other cases, or none", &["partition", "timings", "allow_empty", "fail_fast", "max_fail"]),
        ("the order and the number of threads change no outcome", &["jobs", "shuffle"]),
        ("a cache, and files that the run writes", &["code_cache", "record", "update", "bless", "watch"]),
        ("a command to be copied publishes nothing", &["push", "dry_run", "publish_to", "publish_tags", "annotations"]),
        (
            "what is told, not what happened",
            &["reports", "coverage", "status", "quiet", "verbose", "color", "no_color", "no_annotations", "no_fail"],
        ),
        ("clap's own", &["help"]),
    ];

    /// A new flag has to be decided on.
    #[test]
    fn every_flag_of_a_run_is_in_one_of_the_lists() {
        let mut command = Cli::command();
        command.build();
        for name in ["run", "record"] {
            let flags = command.find_subcommand(name).unwrap().get_arguments();
            let flags: BTreeSet<&str> = flags.map(|argument| argument.get_id().as_str()).collect();
            let others = OTHERS.iter().flat_map(|(_, ids)| ids.iter().copied());
            let listed: Vec<&str> = DECIDING.into_iter().chain(others).collect();
            let known: BTreeSet<&str> = listed.iter().copied().collect();
            assert_eq!(known.len(), listed.len(), "a flag is listed twice");
            assert_eq!(flags, known);
        }
    }

    #[test]
    fn flags_are_repeated_as_they_can_be_typed() {
        let flags = |line: &str| {
            let matches = Cli::command().try_get_matches_from(line.split(' ')).unwrap();
            flags(&Cli::command(), &matches).join(" ")
        };
        for (line, repeated) in [
            ("verify run suite.yml --push -j3 --shuffle=7 -vv --report json", ""),
            ("verify run --var a=1 -f x --var=-b=2", "--var a=1 --var=-b=2"),
            (
                "verify run --var apiToken=a=b --var PASSWORD=c --var=tag=v1",
                "--var apiToken=*** --var PASSWORD=*** --var tag=v1",
            ),
            (
                "verify run --against http://a.test:1 --against-audit --against-ca ca.pem --no-fail",
                "--against http://a.test:1 --against-ca ca.pem --against-audit",
            ),
            (
                "verify run --live --record out --offline --locked --kubewarden 1.36",
                "--kubewarden 1.36 --live --offline --locked",
            ),
            ("verify record suite.yml --max-memory 1MiB", "--max-memory 1MiB --live"),
            (
                "verify run --allow-env TAG --allow-only --compiler=winch --allow-hosts none",
                "--allow-env TAG --allow-only --compiler winch --allow-hosts none",
            ),
            ("verify list", ""),
        ] {
            assert_eq!(flags(line), repeated, "{line}");
        }
    }
}
