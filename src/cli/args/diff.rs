//! The flags of `verify diff`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use humantime::Duration;
use policy_verify::model::behaviour::{Class, UnknownClass};
use policy_verify::model::diagnostic::Diagnostic;

use super::super::problem::usage;
use super::compile::EngineArgs;
use super::selection::SelectionArgs;
use super::sources::SourceArgs;

pub(crate) const DIFF_HELP: &str =
    "Every request and all settings of the suites are put to both versions, which take the place of the
policy of the suite; its settings, mocks and rules stay. What differs is grouped by cause. Then requests
are searched on which the versions differ although all cases agree.

Exit codes: 0 nothing differs, 1 something differs (see --fail-on), 2 bad flags or suites, 3 a version
is unavailable, 4 nothing could be compared.

Example:
  verify diff registry://ghcr.io/acme/labels:v1.0.0 policy.wasm suite.yml
  verify diff old.wasm new.wasm suite.yml --fail-on new-denial,new-allowance --format markdown
  verify diff old.wasm new.wasm --objects deploy/ --settings settings.yml";

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The old version: a module, or a registry:// or https:// reference
    #[arg(value_name = "OLD")]
    pub(crate) old: String,

    /// The new version
    #[arg(value_name = "NEW")]
    pub(crate) new: String,

    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// Which policy of the suites the versions are of; by default the only one
    #[arg(long, value_name = "NAME")]
    pub(crate) policy: Option<String>,

    /// metadata.yml of the old version; by default that beside a module that carries none
    #[arg(long, value_name = "FILE")]
    pub(crate) old_metadata: Option<PathBuf>,

    /// metadata.yml of the new version
    #[arg(long, value_name = "FILE")]
    pub(crate) new_metadata: Option<PathBuf>,

    /// Put manifests to both versions, in place of suites: files, folders or globs; may be repeated
    #[arg(long, value_name = "PATH", num_args = 1.., conflicts_with = "suites")]
    pub(crate) objects: Vec<PathBuf>,

    /// With --objects: file with the settings
    #[arg(long, value_name = "FILE", requires = "objects")]
    pub(crate) settings: Option<PathBuf>,

    /// With --objects: manifests of the cluster, for policies that look at it
    #[arg(long, value_name = "FILE", num_args = 1, requires = "objects")]
    pub(crate) cluster: Vec<PathBuf>,

    /// How long to search for requests beyond the suites; 0s searches none
    #[arg(long = "for", value_name = "DURATION", default_value = "10s", conflicts_with = "requests")]
    pub(crate) time: Duration,

    /// How many requests to search, whatever time it takes: the same ones each time
    #[arg(long, value_name = "N")]
    pub(crate) requests: Option<u64>,

    /// What decides which requests there are
    #[arg(long, value_name = "SEED", default_value = "0")]
    pub(crate) seed: u64,

    /// Which differences make the exit code 1: classes, `all` or `none`
    #[arg(long, value_name = "CLASS,…", value_parser = fail_on, default_value = "all")]
    pub(crate) fail_on: FailOn,

    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: DiffFormat,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

/// How differences are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum DiffFormat {
    /// Text for people
    Human,
    /// One document
    Json,
    /// A comment of a pull request
    Markdown,
    /// For code scanning
    Sarif,
}

/// Which differences make a command fail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct FailOn(pub(crate) Vec<Class>);

fn fail_on(text: &str) -> Result<FailOn, Diagnostic> {
    match text {
        "all" => Ok(FailOn(Class::ALL.to_vec())),
        "none" => Ok(FailOn(Vec::new())),
        words => {
            let classes: Result<Vec<Class>, UnknownClass> = words.split(',').map(str::parse).collect();
            classes.map(FailOn).map_err(|error| usage(format!("{error}; or `all`, or `none`")))
        }
    }
}
