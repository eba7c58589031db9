//! The flags of commands that make a suite.

use std::path::PathBuf;

use clap::Args;

use super::compile::EngineArgs;
use super::output::OutputFormat;
use super::sources::SourceArgs;

#[derive(Debug, Args)]
pub(crate) struct NewSuiteArgs {
    /// The new suite; by default suite.yml next to what it is made of
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,

    /// Overwrite files that are there
    #[arg(long)]
    pub(crate) force: bool,

    /// Do not ask the policy
    #[arg(long)]
    pub(crate) no_run: bool,

    /// How to print what was made
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: OutputFormat,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}
