//! The flags of commands that need no suite: policies and objects are typed.

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use policy_verify::model::release::Release;

use super::compile::EngineArgs;
use super::selection::release;
use super::sources::SourceArgs;

/// How typed policies are asked about typed objects.
#[derive(Debug, Args)]
pub(crate) struct TypedArgs {
    /// Answer other host calls from registries, name servers and the cluster of the kubeconfig
    #[arg(long, env = "VERIFY_LIVE", value_parser = FalseyValueParser::new())]
    pub(crate) live: bool,

    /// Give the verdicts of this release of Kubewarden, such as 1.38
    #[arg(long, value_name = "VERSION", value_parser = release, env = "VERIFY_KUBEWARDEN")]
    pub(crate) kubewarden: Option<Release>,

    /// Root of the repository: files are named from it. By default the nearest folder with .git around all files
    #[arg(long, value_name = "DIR", env = "VERIFY_ROOT")]
    pub(crate) root: Option<PathBuf>,

    /// How many requests are evaluated at once; by default as many as there are processors
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..), env = "VERIFY_JOBS")]
    pub(crate) jobs: Option<u16>,

    /// Succeed when no policy is asked
    #[arg(long, env = "VERIFY_ALLOW_EMPTY", value_parser = FalseyValueParser::new())]
    pub(crate) allow_empty: bool,

    #[command(flatten)]
    pub(crate) engine: EngineArgs,

    #[command(flatten)]
    pub(crate) sources: SourceArgs,
}
