//! The flags of commands that examine suites and print one result.

use clap::Args;
use policy_verify::Options;

use super::compile::EngineArgs;
use super::output::OutputFormat;
use super::sources::SourceArgs;

#[derive(Debug, Args)]
pub(crate) struct AnalysisArgs {
    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: OutputFormat,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}

impl AnalysisArgs {
    /// Makes them options of a run.
    pub(crate) fn apply(&self, options: &mut Options) {
        self.engine.apply(options);
        self.sources.apply(options);
    }
}
