//! The flags of `verify sabotage`.

use clap::Args;

use super::compile::EngineArgs;
use super::output::OutputFormat;
use super::selection::SelectionArgs;
use super::sources::SourceArgs;

pub(crate) const SABOTAGE_HELP: &str =
    "Each case runs again with policies whose answers are changed: they allow or reject everything, say
something else, mutate nothing or something else, take or refuse all settings. A case that notices
none of it is hollow: it passes whatever the policy does. Exit code 1 means that a case is hollow, or
does not pass to begin with.

Example:
  verify sabotage suite.yml";

#[derive(Debug, Args)]
pub(crate) struct SabotageArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: OutputFormat,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}
