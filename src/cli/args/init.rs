//! The flags of `verify init`.

use std::path::PathBuf;

use clap::Args;

use super::new_suite::NewSuiteArgs;

pub(crate) const INIT_HELP: &str =
    "The suite has a case for every request that the rules of the metadata select, with the smallest
object of each kind below fixtures/, and the settings that questions-ui.yml would send. The policy
is asked once, so that the expectations are true: check whether that is what you want.

Example:
  verify init
  verify init build/policy.wasm --github
  verify init --missing suite.yml
  verify init registry://ghcr.io/kubewarden/policies/safe-labels:v1.0.4";

#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// Module of the policy: a file, a folder with one, or a URI; by default the one in the working directory. With
    /// `--missing` a suite, by default suite.yml
    #[arg(value_name = "POLICY")]
    pub(crate) policy: Option<String>,

    /// Add cases to a suite instead: one for each request that the rules select and that no case has. The text of the
    /// suite stays as it is; `--output -` prints the cases
    #[arg(long, conflicts_with_all = ["metadata", "questions", "force", "github", "gitlab", "pre_commit"])]
    pub(crate) missing: bool,

    /// Metadata of the policy; by default metadata.yml next to a module that has none
    #[arg(short, long, value_name = "FILE")]
    pub(crate) metadata: Option<PathBuf>,

    /// Form of the settings; by default questions-ui.yml next to the module
    #[arg(long, value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,

    /// Write the workflows test.yml and release.yml into .github/workflows; for the policy of a registry verify.yml
    #[arg(long, help_heading = "Running on every commit")]
    pub(crate) github: bool,

    /// Write .gitlab-ci.yml
    #[arg(long, help_heading = "Running on every commit")]
    pub(crate) gitlab: bool,

    /// Write .pre-commit-config.yaml
    #[arg(long, help_heading = "Running on every commit")]
    pub(crate) pre_commit: bool,

    #[command(flatten)]
    pub(crate) new_suite: NewSuiteArgs,
}
