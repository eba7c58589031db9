//! What can be typed; the comments here are `--help`. Nothing here touches the system. Here are the commands and the flags of
//! runs; each group of flags that several commands share has a file, [`together`] says which go together, [`deciding`] which
//! ones decide about outcomes.

pub(crate) mod analysis;
pub(crate) mod bench;
pub(crate) mod compile;
pub(crate) mod debug;
pub(crate) mod deciding;
pub(crate) mod diff;
pub(crate) mod eval;
pub(crate) mod fetch;
pub(crate) mod hosts;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod new_suite;
pub(crate) mod output;
pub(crate) mod policy;
pub(crate) mod publish;
pub(crate) mod rehearse;
pub(crate) mod sabotage;
pub(crate) mod scaffold;
pub(crate) mod search;
pub(crate) mod selection;
pub(crate) mod server;
pub(crate) mod signature;
mod size;
pub(crate) mod sources;
pub(crate) mod together;
pub(crate) mod typed;
pub(crate) mod variable;

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use policy_verify::Rewriting;
use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;

use self::compile::{CompilerArgument, EngineArgs};
use self::fetch::LockArgs;
use self::output::OutputArgs;
use self::publish::RedirectionArgs;
use self::selection::SelectionArgs;
use self::server::AgainstArgs;
use self::sources::SourceArgs;
use super::problem::usage;

/// Batch verifier for Kubewarden policies
#[derive(Debug, Parser)]
#[command(
    name = "verify",
    version,
    max_term_width = 100,
    override_usage = "verify [SUITE]... [OPTIONS]\n       verify <COMMAND>",
    after_help = "`verify SUITE` is short for `verify run SUITE`."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run suites and report what policies answered
    #[command(after_help = EXIT_CODES)]
    Run(RunArgs),
    /// Run suites with live host calls and record the answers, for `replay:` and for kwctl
    #[command(after_help = RECORD_HELP)]
    Record(RunArgs),
    /// Ask policies about manifests, without a suite
    #[command(after_help = eval::EVAL_HELP)]
    Eval(eval::EvalArgs),
    /// Make a first suite for a policy
    #[command(after_help = init::INIT_HELP)]
    Init(init::InitArgs),
    /// Make a suite of tests of another tool, or of recorded requests
    #[command(after_help = import::IMPORT_HELP)]
    Import(import::ImportArgs),
    /// List the cases of suites without running them
    List(ListArgs),
    /// Measure what each case costs: time, and WebAssembly instructions
    #[command(after_help = bench::BENCH_HELP)]
    Bench(bench::BenchArgs),
    /// Search for requests that a policy fails on
    #[command(after_help = search::FUZZ_HELP)]
    Fuzz(search::FuzzArgs),
    /// Tell which changes of its request change the verdict of a case
    #[command(after_help = search::WHY_HELP)]
    Why(search::WhyArgs),
    /// Run cases with policies that do something else, and tell which cases notice it
    #[command(after_help = sabotage::SABOTAGE_HELP)]
    Sabotage(sabotage::SabotageArgs),
    /// Compare what two versions of a policy do with the requests of suites, and with searched ones
    #[command(after_help = diff::DIFF_HELP)]
    Diff(diff::DiffArgs),
    /// Tell what policies would do to the objects of a cluster if they were installed now
    #[command(after_help = rehearse::REHEARSE_HELP)]
    Rehearse(rehearse::RehearseArgs),
    /// Run cases and tell all about them: request, settings, host calls, log, response, patch
    #[command(after_help = debug::DEBUG_HELP)]
    Debug(debug::DebugArgs),
    /// Attach metadata to a module
    #[command(after_help = policy::ANNOTATE_HELP)]
    Annotate(policy::AnnotateArgs),
    /// Show what a module is and what its metadata says
    #[command(after_help = policy::INSPECT_HELP)]
    Inspect(policy::InspectArgs),
    /// Make files of the metadata of a policy
    #[command(after_help = scaffold::SCAFFOLD_HELP)]
    Scaffold(scaffold::ScaffoldArgs),
    /// Print the digest a reference leads to
    Digest(policy::DigestArgs),
    /// Fetch a policy
    Pull(policy::PullArgs),
    /// Push a module to a registry
    #[command(after_help = policy::PUSH_HELP)]
    Push(policy::PushArgs),
    /// Print the policies.yml that makes a policy-server serve the policies of suites
    #[command(after_help = server::SERVER_CONFIG_HELP)]
    ServerConfig(server::ServerConfigArgs),
    /// Print the JSON Schema of suite files, for editors
    Schema {
        /// Print a page of Markdown with every key instead
        #[arg(long)]
        markdown: bool,
    },
    /// Make one report of the reports of several runs
    #[command(after_help = MERGE)]
    Merge(MergeArgs),
    /// Explain an error code, or list all of them
    Explain {
        /// Code or its name: PV011, message-mismatch
        code: Option<Code>,
    },
    /// Print the manual page, of verify or of one of its commands
    Man {
        /// Command the page is about
        command: Option<String>,
    },
    /// Print a completion script
    Completions {
        /// Shell the script is for
        shell: clap_complete::Shell,
    },
}

const MERGE: &str =
    "The exit code is that of a run of everything on one machine. Shards that are missing or differ are 2.

Example:
  verify merge shard-*.json --report junit=junit.xml --report html=report.html";

const EXIT_CODES: &str = "Exit codes:
  0   every selected case met its expectation
  1   a case failed or met a fault, an xfail passed, or the run was stopped early
  2   bad flags, mistakes in a suite or files that cannot be read, a report that cannot be written
  3   a policy is unavailable
  4   nothing selected, or no case passed: all were skipped or failed as known
  5   all is well, but a policy was not published
  70  a bug in verify itself
  130 interrupted, by Ctrl-C, SIGTERM or SIGHUP

Example:
  verify suite.yml --filter owner --report junit=junit.xml";

const RECORD_HELP: &str = "`verify record SUITE` is `verify run SUITE --live --record DIR`, where DIR is `sessions`
next to the suite unless --record names another folder. Each case has a file of its own.

Example:
  verify record suite.yml --filter 'signed image'";

#[derive(Debug, Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// Run only the cases marked `only:` although stdout is no terminal; never in CI
    #[arg(long, env = "VERIFY_ALLOW_ONLY", value_parser = FalseyValueParser::new())]
    pub(crate) allow_only: bool,

    /// How many cases run at once; by default as many as there are processors
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), env = "VERIFY_JOBS")]
    pub(crate) jobs: Option<u16>,

    /// Which compiler makes code of policies
    #[arg(long, value_name = "NAME", default_value = "auto", env = "VERIFY_COMPILER")]
    pub(crate) compiler: CompilerArgument,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    /// Stop after the first case that goes wrong
    #[arg(long, env = "VERIFY_FAIL_FAST", value_parser = FalseyValueParser::new())]
    pub(crate) fail_fast: bool,

    /// Stop after this many cases that go wrong
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), env = "VERIFY_MAX_FAIL")]
    pub(crate) max_fail: Option<u32>,

    /// Run each case N times; a case whose answer changes fails
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..), env = "VERIFY_REPEAT")]
    pub(crate) repeat: Option<u32>,

    /// Run cases in a random order; the seed is printed and gives the same order again
    #[arg(long, value_name = "SEED", num_args = 0..=1, require_equals = true, default_missing_value = "random",
          value_parser = seed, env = "VERIFY_SHUFFLE")]
    pub(crate) shuffle: Option<Seed>,

    /// Run again whenever a file changes that the suites name, until it is interrupted; never in CI
    #[arg(long, env = "VERIFY_WATCH", value_parser = FalseyValueParser::new())]
    pub(crate) watch: bool,

    /// Rewrite expectations and snapshots so that they hold, show what changed, and run again; never in CI
    #[arg(long, value_name = "WHICH", num_args = 0..=1, require_equals = true, default_missing_value = "failed",
          env = "VERIFY_BLESS")]
    pub(crate) bless: Option<BlessArgument>,

    /// Publish the policies that pass, as the suites say under publish:
    #[arg(long, env = "VERIFY_PUSH", value_parser = FalseyValueParser::new())]
    pub(crate) push: bool,

    /// With --push: print manifests and what would move, and push nothing
    #[arg(long, env = "VERIFY_DRY_RUN", value_parser = FalseyValueParser::new())]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) redirection: RedirectionArgs,

    /// Answer host calls without a mock from registries, name servers and the cluster of the kubeconfig
    #[arg(long, env = "VERIFY_LIVE", value_parser = FalseyValueParser::new(), help_heading = "Live host calls")]
    pub(crate) live: bool,

    /// Record the answers of host calls, a session of kwctl for each case
    #[arg(long, value_name = "DIR", env = "VERIFY_RECORD", help_heading = "Live host calls")]
    pub(crate) record: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) against: AgainstArgs,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,

    #[command(flatten)]
    pub(crate) lock: LockArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,

    /// The words of those flags that decide about outcomes.
    #[arg(skip)]
    pub(crate) deciding: Vec<String>,
}

/// Which expectations are rewritten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BlessArgument {
    /// Those that fail
    Failed,
    /// Those that hold for different answers: afterwards they say what the answer is
    Weak,
    /// Both
    All,
    /// Those that fail; and snapshots that no case has are removed
    Prune,
}

impl From<BlessArgument> for Rewriting {
    fn from(argument: BlessArgument) -> Self {
        match argument {
            BlessArgument::Failed => Self::Failed,
            BlessArgument::Weak => Self::Weak,
            BlessArgument::All => Self::All,
            BlessArgument::Prune => Self::Pruned,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct MergeArgs {
    /// Reports of all parts of a run: json or ndjson
    #[arg(value_name = "REPORT", required = true)]
    pub(crate) parts: Vec<PathBuf>,

    /// Succeed when no case passed, but all were skipped or failed as known
    #[arg(long, env = "VERIFY_ALLOW_EMPTY", value_parser = FalseyValueParser::new())]
    pub(crate) allow_empty: bool,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// How to print the list
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: ListFormat,

    /// Show what would be sent: the request of each case, its settings, what is expected
    #[arg(long)]
    pub(crate) explain: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    /// One name a line
    Human,
    /// One document
    Json,
}

/// What a random order is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seed {
    /// Chosen when it is needed.
    Random,
    /// This one.
    Given(u64),
}

fn seed(text: &str) -> Result<Seed, Diagnostic> {
    if text == "random" {
        return Ok(Seed::Random);
    }
    text.parse().map(Seed::Given).map_err(|_| usage("a seed is a whole number"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_flag_has_its_environment_variable() {
        let command = Cli::command();
        let run = command.get_subcommands().find(|command| command.get_name() == "run").unwrap();
        for argument in run.get_arguments().filter(|argument| argument.get_long().is_some() && !argument.is_hide_set())
        {
            let long = argument.get_long().unwrap();
            if ["help", "quiet", "verbose"].contains(&long) {
                continue;
            }
            let wanted = format!("VERIFY_{}", long.to_uppercase().replace('-', "_"));
            assert_eq!(argument.get_env().and_then(|name| name.to_str()), Some(wanted.as_str()), "--{long}");
        }
    }

    /// A heading reaches over all flags that follow it, also those of other groups.
    #[test]
    fn every_flag_of_a_run_stands_under_its_heading() {
        let command = Cli::command();
        let run = command.get_subcommands().find(|command| command.get_name() == "run").unwrap();
        let under = |heading: Option<&str>| {
            let found = run.get_arguments().filter(|argument| argument.get_help_heading() == heading);
            found.filter_map(|argument| argument.get_long()).collect::<Vec<_>>()
        };
        assert_eq!(under(Some("Publishing one policy")), ["publish-to", "publish-tag", "annotation"]);
        assert_eq!(under(Some("Live host calls")), ["live", "record"]);
        assert_eq!(under(Some("Comparison with a server")), ["against", "against-ca", "against-audit"]);
        assert_eq!(under(Some("Registries")), ["sources-path", "docker-config-json-path", "fetch-timeout"]);
        assert_eq!(under(Some("Fetching policies")), ["offline", "allow-hosts", "locked", "update"]);
        assert!(under(Some("Output")).contains(&"report") && under(None).contains(&"push"));
    }
}
