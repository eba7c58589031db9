//! The flags of `verify scaffold`. Names and short forms are kwctl's.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(crate) const SCAFFOLD_HELP: &str = "Example:
  verify scaffold artifacthub -o artifacthub-pkg.yml";

#[derive(Debug, Args)]
pub(crate) struct ScaffoldArgs {
    #[command(subcommand)]
    pub(crate) what: ScaffoldKind,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ScaffoldKind {
    /// The file with which Artifact Hub lists a policy, byte for byte as kwctl makes it
    #[command(after_help = ARTIFACTHUB_HELP, disable_version_flag = true)]
    Artifacthub(ArtifactHubArgs),
}

const ARTIFACTHUB_HELP: &str = "`createdAt` is now, or the time of SOURCE_DATE_EPOCH in seconds since 1970.

Exit codes: 0 written, 2 bad flags or an unwritable file, 3 the metadata cannot be used.

Example:
  verify scaffold artifacthub -m metadata.yml -q questions-ui.yml -o artifacthub-pkg.yml";

#[derive(Debug, Args)]
pub(crate) struct ArtifactHubArgs {
    /// Metadata of the policy; by default metadata.yml in the working directory
    #[arg(short, long = "metadata-path", value_name = "FILE")]
    pub(crate) metadata: Option<PathBuf>,

    /// Form of the settings; by default questions-ui.yml in the working directory, if there is one
    #[arg(short, long = "questions-path", value_name = "FILE")]
    pub(crate) questions: Option<PathBuf>,

    /// Version of a policy whose metadata has none; else it is ignored, as by kwctl
    #[arg(short, long, value_name = "VERSION")]
    pub(crate) version: Option<String>,

    /// File to write; by default the text is printed
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
