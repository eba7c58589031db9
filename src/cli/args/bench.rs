//! The flags of `verify bench`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use super::compile::EngineArgs;
use super::selection::SelectionArgs;
use super::sources::SourceArgs;

pub(crate) const BENCH_HELP: &str =
    "Cases run one after the other, in Cranelift's code and with validated settings, as in
policy-server. Times tell about this machine, instructions are the same on every machine.
Exit code 1 means that a case did not pass; it is not timed.

Example:
  verify bench suite.yml --save before.json
  verify bench suite.yml --compare before.json";

#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// How often each case is timed
    #[arg(long, value_name = "N", default_value = "25", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) rounds: u32,

    /// Write the result to a file, for --compare
    #[arg(long, value_name = "FILE")]
    pub(crate) save: Option<PathBuf>,

    /// Compare with the result in this file
    #[arg(long, value_name = "FILE")]
    pub(crate) compare: Option<PathBuf>,

    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: BenchFormat,

    /// How many cases the human result names: the slowest
    #[arg(long, value_name = "N", default_value = "20")]
    pub(crate) top: usize,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

/// How the result is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BenchFormat {
    /// A table
    Human,
    /// One document
    Json,
}
