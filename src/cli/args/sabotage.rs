//! The flags of `verify sabotage`.

use std::path::PathBuf;

use clap::Args;
use policy_verify::model::gate::Percent;

use super::analysis::AnalysisArgs;
use super::selection::SelectionArgs;

pub(crate) const SABOTAGE_HELP: &str =
    "Each case runs again with policies whose answers are changed: they allow or reject everything, say
something else, mutate nothing or something else, take or refuse all settings. A case that notices
none of it is hollow: it passes whatever the policy does. Exit code 1 means that a case is hollow or
does not pass to begin with, or that too few mutants are noticed.

Example:
  verify sabotage suite.yml
  verify sabotage suite.yml --mutants --for 2m --min-score 80%
  verify sabotage suite.yml --mutants --resume mutants.json";

#[derive(Debug, Args)]
pub(crate) struct SabotageArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// Also run mutants: copies of the modules in which one instruction of the policy's own code is another one; at most N
    /// of each module
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "200", require_equals = true)]
    pub(crate) mutants: Option<usize>,

    /// With --mutants: how long to run them
    #[arg(long = "for", value_name = "DURATION", default_value = "60s", requires = "mutants")]
    pub(crate) time: humantime::Duration,

    /// With --mutants: which of them run, where not all do
    #[arg(long, value_name = "SEED", default_value = "0", requires = "mutants")]
    pub(crate) seed: u64,

    /// With --mutants: take the results of earlier runs from FILE, and add those of this run: what was stopped goes on
    #[arg(long, value_name = "FILE", requires = "mutants")]
    pub(crate) resume: Option<PathBuf>,

    /// With --mutants: fail if the cases notice a smaller share of them, such as 80%
    #[arg(long, value_name = "PERCENT", requires = "mutants")]
    pub(crate) min_score: Option<Percent>,

    #[command(flatten)]
    pub(crate) analysis: AnalysisArgs,
}
