//! The command `verify`: parses what was typed, calls the library, returns the exit code.

mod analysis;
mod annotate;
mod annotated;
mod args;
mod bench;
mod bless;
mod cage;
mod ci;
mod complete;
mod console;
mod debug;
mod diff;
mod digest;
mod eval;
mod exit_code;
mod explain;
mod files;
mod foreign;
mod import;
mod init;
mod inspect;
mod interrupt;
mod last_failed;
mod makefile;
mod merge;
mod new_suite;
mod outputs;
mod paths;
mod places;
mod problem;
mod pull;
mod push;
mod record;
mod rehearse;
mod reports;
mod run;
mod sabotage;
mod scaffold;
mod search;
mod server_config;
mod step_outputs;
mod stream;
mod streams;
mod suites;
mod typed;
mod typed_policies;
mod watch;

use std::ffi::OsString;
use std::panic::catch_unwind;

use clap::builder::Resettable;
use clap::{CommandFactory, FromArgMatches};
use policy_verify::model::diagnostic::Diagnostic;

use self::args::{Cli, Command, deciding, together};
use self::exit_code::ExitCode;
use self::interrupt::Signals;
use self::record::Target;

/// See `Cargo.toml`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    if let Some(code) = cage::inside(&arguments) {
        std::process::exit(code);
    }
    if let Some(code) = complete::answer(&arguments) {
        return code;
    }
    // Before anything is written: a file that grows above its limit is then an error, and no end of the process.
    let signals = Signals::listen();
    if let Some(problem) = arguments.get(1).and_then(|word| foreign::command(word.to_str()?)) {
        return console::refuse_usage(problem);
    }
    let arguments = with_default_command(arguments);
    let mut command = command(&arguments);
    let parsed = command.try_get_matches_from_mut(&arguments).and_then(|matches| {
        together::check(&mut command, &matches)?;
        let mut cli = Cli::from_arg_matches(&matches)?;
        if let Command::Run(arguments) | Command::Record(arguments) = &mut cli.command {
            arguments.deciding = deciding::flags(&command, &matches);
        }
        Ok(cli)
    });
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if error.use_stderr() => {
            let problem = foreign::scaffold(&error, &arguments);
            if let Some(problem) = problem.or_else(|| unknown_flag(&error, &arguments, &command)) {
                return console::refuse_usage(problem);
            }
            return console::refuse_parsed(&error);
        }
        Err(help) => return console::print_help(&help.render()),
    };
    let code = catch_unwind(|| dispatch(cli, &signals)).unwrap_or_else(|_| {
        console::complain("this is a bug in verify; please report it with the suite and the lines above");
        ExitCode::Bug
    });
    policy_verify::stop_network();
    code
}

fn dispatch(cli: Cli, signals: &Signals) -> ExitCode {
    match cli.command {
        Command::Run(arguments) if arguments.watch => watch::watch(&arguments, signals),
        Command::Run(arguments) => {
            run::run(&arguments, arguments.live, arguments.record.as_deref().map(Target::Folder), signals)
        }
        Command::Record(arguments) => {
            let target = arguments.record.as_deref().map_or(Target::NextToSuites, Target::Folder);
            run::run(&arguments, true, Some(target), signals)
        }
        Command::Eval(arguments) => eval::eval(&arguments, signals),
        Command::Import(arguments) => import::import(&arguments, signals),
        Command::Init(arguments) => init::init(&arguments, signals),
        Command::List(arguments) => run::list(&arguments),
        Command::Bench(arguments) => bench::bench(&arguments, signals),
        Command::Fuzz(arguments) => search::fuzz(&arguments, signals),
        Command::Why(arguments) => search::why(&arguments, signals),
        Command::Sabotage(arguments) => sabotage::sabotage(&arguments, signals),
        Command::Diff(arguments) => diff::diff(&arguments, signals),
        Command::Rehearse(arguments) => rehearse::rehearse(&arguments, signals),
        Command::Debug(arguments) => debug::debug(&arguments, signals),
        Command::Annotate(arguments) => annotate::annotate(&arguments),
        Command::Inspect(arguments) => inspect::inspect(&arguments),
        Command::Scaffold(arguments) => scaffold::scaffold(&arguments),
        Command::Digest(arguments) => digest::digest(&arguments),
        Command::Pull(arguments) => pull::pull(&arguments),
        Command::Push(arguments) => push::push(&arguments, signals),
        Command::ServerConfig(arguments) => server_config::server_config(&arguments),
        Command::Schema { markdown: true } => console::print(&policy_verify::suite_reference()),
        Command::Schema { markdown: false } => {
            let text = serde_json::to_string_pretty(&policy_verify::suite_schema()).expect("a schema is plain JSON");
            console::print(&format!("{text}\n"))
        }
        Command::Merge(arguments) => merge::merge(&arguments),
        Command::Man { command } => manual(command.as_deref()),
        Command::Explain { code } => explain::explain(code),
        Command::Completions { shell } => complete::script(shell),
    }
}

/// The mistake of a flag that the command does not have.
fn unknown_flag(error: &clap::Error, arguments: &[OsString], command: &clap::Command) -> Option<Diagnostic> {
    let name = arguments.get(1).and_then(|word| word.to_str()).unwrap_or_default();
    let known = command.find_subcommand(name).unwrap_or(command).get_arguments();
    let known: Vec<&str> = known.filter(|it| !it.is_hide_set()).filter_map(clap::Arg::get_long).collect();
    foreign::flag(error, arguments, name, &known)
}

/// The manual page of `verify`, or of one of its commands.
fn manual(name: Option<&str>) -> ExitCode {
    let mut command = Cli::command();
    command.build();
    let page = match name {
        None => Some(&command),
        Some(name) => command.find_subcommand(name),
    };
    let Some(page) = page else {
        console::complain(&format!("unknown command `{}`", name.unwrap_or_default()));
        return ExitCode::Usage;
    };
    let mut text = Vec::new();
    match clap_mangen::Man::new(page.clone()).render(&mut text) {
        Ok(()) => console::print(&String::from_utf8_lossy(&text)),
        Err(_) => ExitCode::Bug,
    }
}

/// The command line. A variable of the environment that is empty counts as not set: workflows pass on what they were
/// given, which often is nothing. Blanks separate the values of a variable; what is typed is one value.
fn command(arguments: &[OsString]) -> clap::Command {
    let is_empty = |name: &std::ffi::OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
    let flags: Vec<_> = arguments.iter().take_while(|argument| *argument != "--").collect();
    let is_typed = |name: &str| {
        let flag = format!("--{name}");
        flags.iter().any(|typed| typed.as_encoded_bytes().starts_with(flag.as_bytes()))
    };
    Cli::command().mut_subcommands(|subcommand| {
        subcommand.mut_args(|argument| match argument.get_env() {
            Some(name) if is_empty(name) => argument.env(Resettable::Reset),
            _ if argument.get_value_delimiter().is_some() && argument.get_long().is_some_and(is_typed) => {
                argument.value_delimiter(Resettable::Reset)
            }
            _ => argument,
        })
    })
}

/// `verify suite.yml` means `verify run suite.yml`.
fn with_default_command(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let first = arguments.get(1).and_then(|argument| argument.to_str()).unwrap_or_default();
    let command = Cli::command();
    let is_known = command.get_subcommands().any(|known| known.get_name() == first)
        || ["help", "-h", "--help", "-V", "--version"].contains(&first);
    if !is_known {
        arguments.insert(1.min(arguments.len()), "run".into());
    }
    arguments
}
