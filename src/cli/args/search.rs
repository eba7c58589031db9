//! The flags of `verify fuzz` and `verify why`.

use clap::Args;
use humantime::Duration;

use super::analysis::AnalysisArgs;
use super::selection::SelectionArgs;

pub(crate) const FUZZ_HELP: &str =
    "The objects of the cases are changed at random, in ways that an API server lets through: members are
missing or null, lists are empty, numbers are huge. No policy may trap, take too long, give an invalid
response, or answer differently from cluster to cluster. What is found is made as small as possible.
Exit code 1 means that something was found.

Example:
  verify fuzz suite.yml --for 2m
  verify fuzz suite.yml --requests 5000 --seed 1";

pub(crate) const WHY_HELP: &str =
    "Every member of the object is taken away or changed, one at a time. Changes after which the policy
decides otherwise are told, the smallest first.

Example:
  verify why suite.yml -f 'rejects a pod'";

#[derive(Debug, Args)]
pub(crate) struct FuzzArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    /// How long to search
    #[arg(long = "for", value_name = "DURATION", default_value = "30s", conflicts_with = "requests")]
    pub(crate) time: Duration,

    /// How many requests to evaluate, whatever time it takes: the same ones each time
    #[arg(long, value_name = "N")]
    pub(crate) requests: Option<u64>,

    /// What decides which requests there are
    #[arg(long, value_name = "SEED", default_value = "0")]
    pub(crate) seed: u64,

    #[command(flatten)]
    pub(crate) search: AnalysisArgs,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    #[command(flatten)]
    pub(crate) selection: SelectionArgs,

    #[command(flatten)]
    pub(crate) search: AnalysisArgs,
}
