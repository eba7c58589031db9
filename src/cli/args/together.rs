//! Which flags need another one, and which exclude each other. The parser could be told, but looks only at whether
//! somebody said something: a variable of the environment that says `false` would count, and so would one that is meant
//! for other commands.

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command};

/// Flags that mean nothing without another one. From the environment they are ignored there.
const NEEDS: &[(&str, &str)] = &[
    ("dry_run", "push"),
    ("publish_to", "push"),
    ("publish_tags", "push"),
    ("annotations", "push"),
    ("timings", "partition"),
    ("against_ca", "against"),
    ("against_audit", "against"),
];

/// Flags of which only one can be meant.
const CONFLICTS: &[(&str, &str)] = &[
    ("fail_fast", "max_fail"),
    ("push", "partition"),
    ("failed", "last_failed"),
    ("watch", "push"),
    ("watch", "bless"),
    ("watch", "record"),
    ("watch", "update"),
    ("bless", "push"),
    ("bless", "partition"),
    ("bless", "record"),
    ("bless", "against"),
    ("update", "locked"),
    ("update", "offline"),
    ("show_signatures", "offline"),
];

/// Looks at the flags of a command as they were parsed.
///
/// # Errors
///
/// One lacks what it needs, or two contradict each other.
pub(crate) fn check(command: &mut Command, matches: &ArgMatches) -> Result<(), clap::Error> {
    let Some((name, given)) = matches.subcommand() else { return Ok(()) };
    let Some(command) = command.find_subcommand_mut(name) else { return Ok(()) };
    let has = |id: &str| command.get_arguments().any(|argument| argument.get_id() == id);
    for &(id, needed) in NEEDS {
        // `verify push` has flags of the same names that need nothing.
        if has(id) && has(needed) && is_typed(given, id) && !is_on(given, needed) {
            let message = format!("{} needs {}", shown(command, given, id), shown(command, given, needed));
            return Err(command.error(ErrorKind::MissingRequiredArgument, message));
        }
    }
    for &(one, other) in CONFLICTS {
        if has(one) && has(other) && is_on(given, one) && is_on(given, other) {
            let message =
                format!("{} cannot be used with {}", shown(command, given, one), shown(command, given, other));
            return Err(command.error(ErrorKind::ArgumentConflict, message));
        }
    }
    Ok(())
}

fn is_typed(given: &ArgMatches, id: &str) -> bool {
    given.value_source(id) == Some(ValueSource::CommandLine)
}

/// Whether a switch is on, or a flag has a value.
fn is_on(given: &ArgMatches, id: &str) -> bool {
    match given.try_get_one::<bool>(id) {
        Ok(is_on) => is_on == Some(&true),
        Err(_) => given.contains_id(id),
    }
}

/// `` `--offline` (from VERIFY_OFFLINE) ``
fn shown(command: &Command, given: &ArgMatches, id: &str) -> String {
    let argument = command.get_arguments().find(|argument| argument.get_id() == id);
    let flag = format!("`--{}`", argument.and_then(|argument| argument.get_long()).unwrap_or(id));
    let variable = argument.and_then(|argument| argument.get_env()).filter(|_| is_on(given, id));
    match variable.filter(|_| given.value_source(id) == Some(ValueSource::EnvVariable)) {
        Some(variable) => format!("{flag} (from {})", variable.to_string_lossy()),
        None => flag,
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn the_tables_name_flags_that_there_are() {
        let command = Cli::command();
        for (one, other) in NEEDS.iter().chain(CONFLICTS) {
            let has_both = command.get_subcommands().any(|subcommand| {
                [one, other].iter().all(|id| subcommand.get_arguments().any(|argument| argument.get_id() == **id))
            });
            assert!(has_both, "{one} and {other}");
        }
    }
}
