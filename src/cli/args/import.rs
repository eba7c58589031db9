//! The flags of `verify import`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::new_suite::NewSuiteArgs;

pub(crate) const IMPORT_HELP: &str =
    "Tests of other tools become a suite, with a list of what became of each test. What cannot be
translated stands as a comment at its place. If the policy is there, it is asked once: expectations
that would hold for different answers then say what it answers. Those that fail stay as they are.

Example:
  verify import bats e2e.bats
  verify import gator suite.yaml --module policy.wasm
  kubectl get --raw ... | verify import reviews - -o recorded.suite.yml";

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    pub(crate) from: ImportFrom,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ImportFrom {
    /// Tests of bats around `kwctl run`
    Bats {
        /// Test files, and files of functions that they load
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,

        /// Name of the policy in the suite; by default that of its folder
        #[arg(long, value_name = "NAME")]
        policy: Option<String>,

        #[command(flatten)]
        common: NewSuiteArgs,
    },
    /// Tests that Gatekeeper's gator runs
    Gator {
        /// Suite of gator
        #[arg(value_name = "SUITE")]
        file: PathBuf,

        /// Module of the policy that replaces the constraint template; TEMPLATE=MODULE for one of several
        #[arg(long, value_name = "MODULE")]
        module: Vec<String>,

        #[command(flatten)]
        common: NewSuiteArgs,
    },
    /// Tests of Kyverno's command line
    Kyverno {
        /// Test file, usually kyverno-test.yaml
        #[arg(value_name = "TEST")]
        file: PathBuf,

        /// Module that replaces a Kyverno policy, as POLICY=MODULE
        #[arg(long, value_name = "MODULE")]
        module: Vec<String>,

        #[command(flatten)]
        common: NewSuiteArgs,
    },
    /// Recorded requests: AdmissionReviews, or events of an audit log
    Reviews {
        /// Files, or - for stdin
        #[arg(value_name = "FILE", required = true)]
        files: Vec<PathBuf>,

        /// Module of the policy
        #[arg(long, value_name = "MODULE", default_value = "policy.wasm")]
        module: String,

        /// Keep user names, values of Secrets and other personal data instead of replacing them
        #[arg(long)]
        keep_personal_data: bool,

        #[command(flatten)]
        common: NewSuiteArgs,
    },
}
