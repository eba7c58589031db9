//! The flags of commands about a single policy. Names and short forms are kwctl's.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

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

pub(crate) const INSPECT_HELP: &str = "Exit codes: 0 shown, 2 bad flags, 3 no module, or one without metadata.

Examples:
  verify inspect annotated-policy.wasm
  verify inspect -o yaml annotated-policy.wasm";

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Module to look at
    #[arg(value_name = "POLICY")]
    pub(crate) module: String,

    /// How to print what was found
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: InspectFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum InspectFormat {
    /// For people
    Text,
    /// One document with everything
    Json,
    /// The metadata alone, as kwctl prints it
    Yaml,
}
