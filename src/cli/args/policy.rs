//! The flags of commands about a single policy. Names and short forms are kwctl's.

use std::path::PathBuf;

use clap::Args;

pub(crate) const ANNOTATE_HELP: &str =
    "Metadata that the module carries already is replaced, debug information is dropped.
The result is what a suite with `metadata:` runs, byte for byte. IN and OUT may be the same file.

Exit codes: 0 written, 2 bad flags or an unwritable file, 3 the module or its metadata cannot be used.

Example:
  verify annotate -m metadata.yml -u README.md -o annotated-policy.wasm policy.wasm";

#[derive(Debug, Args)]
pub(crate) struct AnnotateArgs {
    /// Module to annotate
    #[arg(value_name = "IN")]
    pub(crate) module: PathBuf,

    /// Metadata of the policy, usually metadata.yml
    #[arg(short, long = "metadata-path", value_name = "FILE")]
    pub(crate) metadata: PathBuf,

    /// Text for the usage annotation, usually README.md
    #[arg(short, long = "usage-path", value_name = "FILE")]
    pub(crate) usage: Option<PathBuf>,

    /// File to write
    #[arg(short, long = "output-path", value_name = "OUT")]
    pub(crate) output: PathBuf,
}
