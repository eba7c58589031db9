//! The flags of `verify debug`.

use clap::Args;
use clap::builder::FalseyValueParser;

use super::compile::EngineArgs;
use super::output::OutputFormat;
use super::selection::SelectionArgs;
use super::sources::SourceArgs;

pub(crate) const DEBUG_HELP: &str = "What is no file is taken for a part of the name of a case: `verify debug owner` is
`verify debug --filter owner`. The exit code is that of a run.

Example:
  verify debug suite.yml 'rejects a pod without an owner'
  verify debug labels/suite.yml --filter owner --format json";

#[derive(Debug, Args)]
pub(crate) struct DebugArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// How to print what is known
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: OutputFormat,

    /// Answer host calls without a mock from registries, name servers and the cluster of the kubeconfig
    #[arg(long, env = "VERIFY_LIVE", value_parser = FalseyValueParser::new())]
    pub(crate) live: bool,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}
