//! The flags that say which suites are meant and which of their cases.

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::model::release::{Release, ReleaseError};
use policy_verify::{FileLimit, Partition, TagExpression};
use regex::Regex;

use super::super::problem::usage;
use super::size::file_limit;
use super::variable::{EnvironmentNames, environment_names, variable};

/// Which suites and which of their cases.
#[derive(Debug, Clone, Args)]
pub(crate) struct SelectionArgs {
    /// Suite files, folders, globs, or - for stdin; by default suite.yml and *.suite.yml here
    #[arg(value_name = "SUITE")]
    pub(crate) suites: Vec<PathBuf>,

    /// Root of the repository: nothing outside is read. By default the nearest folder with .git
    #[arg(long, value_name = "DIR", env = "VERIFY_ROOT")]
    pub(crate) root: Option<PathBuf>,

    /// Run only cases whose name matches; may be repeated
    #[arg(short, long, value_name = "REGEX", env = "VERIFY_FILTER")]
    pub(crate) filter: Vec<String>,

    /// Take --filter as whole names instead of regular expressions
    #[arg(long, env = "VERIFY_EXACT", value_parser = FalseyValueParser::new())]
    pub(crate) exact: bool,

    /// Leave out cases whose name matches; may be repeated
    #[arg(long, value_name = "REGEX", env = "VERIFY_SKIP")]
    pub(crate) skip: Vec<Regex>,

    /// Run only cases with these tags: a,!b is a without b; repeat for or
    #[arg(long = "tag", value_name = "TAGS", env = "VERIFY_TAG")]
    pub(crate) tags: Vec<TagExpression>,

    /// Set a variable of the suite; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = variable, env = "VERIFY_VAR")]
    pub(crate) variables: Vec<(String, String)>,

    /// Let suites read this variable of the environment, as ${env:NAME}; may be repeated
    #[arg(long = "allow-env", value_name = "NAME", value_parser = environment_names, env = "VERIFY_ALLOW_ENV")]
    pub(crate) allow_env: Vec<EnvironmentNames>,

    /// Largest suite, and largest file that it names, such as 64MiB; by default 16MiB
    #[arg(long, value_name = "SIZE", value_parser = file_limit, env = "VERIFY_MAX_FILE_SIZE")]
    pub(crate) max_file_size: Option<FileLimit>,

    /// Give the verdicts of this release of Kubewarden, such as 1.38, whatever the suites say
    #[arg(long, value_name = "VERSION", value_parser = release, env = "VERIFY_KUBEWARDEN")]
    pub(crate) kubewarden: Option<Release>,

    /// Run only cases that went wrong in this report (json or ndjson), or were not run
    #[arg(long, value_name = "REPORT", env = "VERIFY_FAILED")]
    pub(crate) failed: Option<PathBuf>,

    /// Run only cases that went wrong when they last ran here; all if there are none
    #[arg(long, env = "VERIFY_LAST_FAILED", value_parser = FalseyValueParser::new())]
    pub(crate) last_failed: bool,

    /// Run one of N parts: hash:M/N by names, policy:M/N with all cases of a policy together
    #[arg(long, value_name = "PART", env = "VERIFY_PARTITION")]
    pub(crate) partition: Option<Partition>,

    /// Balance the parts of policy:M/N by the times of this report (json or ndjson)
    #[arg(long, value_name = "REPORT", env = "VERIFY_TIMINGS")]
    pub(crate) timings: Option<PathBuf>,

    /// Succeed when nothing is selected, or no case passed but all were skipped or failed as known
    #[arg(long, env = "VERIFY_ALLOW_EMPTY", value_parser = FalseyValueParser::new())]
    pub(crate) allow_empty: bool,
}

/// Reads `1.38` or `1.38.2`.
pub(super) fn release(text: &str) -> Result<Release, Diagnostic> {
    text.parse().map_err(|error: ReleaseError| usage(format!("{error}; {}", error.help())))
}
