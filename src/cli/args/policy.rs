//! The flags of commands about a single policy. Names and short forms are kwctl's.

use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use policy_verify::Network;
use policy_verify::model::diagnostic::Diagnostic;

use super::super::problem::usage;
use super::compile::CompileArgs;

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

    #[command(flatten)]
    pub(crate) compile: CompileArgs,
}

pub(crate) const INSPECT_HELP: &str = "Exit codes: 0 shown, 2 bad flags, 3 no module, or one without metadata.

Examples:
  verify inspect annotated-policy.wasm
  verify inspect registry://ghcr.io/acme/policies/safe-labels:v1.0.0 --show-signatures
  verify inspect -o yaml annotated-policy.wasm";

#[derive(Debug, Args)]
pub(crate) struct InspectArgs {
    /// Module to look at: a file, a URI, or the beginning of a digest in the store
    #[arg(value_name = "POLICY")]
    pub(crate) module: String,

    /// How to print what was found
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: InspectFormat,

    /// Ask the registry which signatures there are; they are not verified
    #[arg(long)]
    pub(crate) show_signatures: bool,

    /// Do not contact registries: take what a URI names from the store
    #[arg(long, env = "VERIFY_OFFLINE", value_parser = FalseyValueParser::new())]
    pub(crate) offline: bool,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
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

/// How registries are reached.
#[derive(Debug, Args)]
#[command(next_help_heading = "Registries")]
pub(crate) struct NetworkArgs {
    /// kwctl's sources.yaml: insecure hosts, certificates, proxies
    #[arg(long, value_name = "FILE", env = "VERIFY_SOURCES_PATH")]
    pub(crate) sources_path: Option<PathBuf>,

    /// Folder that holds docker's config.json
    #[arg(long, value_name = "FOLDER", env = "VERIFY_DOCKER_CONFIG_JSON_PATH")]
    pub(crate) docker_config_json_path: Option<PathBuf>,

    /// Longest time a manifest or a module may take, such as 90s; 5min by default
    #[arg(long, value_name = "TIME", value_parser = time, env = "VERIFY_FETCH_TIMEOUT")]
    pub(crate) fetch_timeout: Option<Duration>,
}

#[derive(Debug, Args)]
pub(crate) struct DigestArgs {
    /// Policy in a registry, with or without registry://
    #[arg(value_name = "URI")]
    pub(crate) uri: String,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Policy to fetch; without a scheme, registry:// is added
    #[arg(value_name = "URI")]
    pub(crate) uri: String,

    /// File to write, or a folder to write it into; by default kwctl's store
    #[arg(short, long = "output-path", value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

pub(crate) const PUSH_HELP: &str =
    "The policies of a suite are published by `verify SUITE --push`, when they have passed.

Exit codes: 0 pushed, 2 bad flags, 3 the module is unavailable, 5 it was not pushed, or not completely.

Examples:
  verify push annotated-policy.wasm ghcr.io/acme/policies/safe-labels:v1.0.0
  verify push annotated-policy.wasm ghcr.io/acme/policies/safe-labels:v1.0.0 --tag latest --immutable v1.0.0
  cosign sign \"$(verify push annotated-policy.wasm ghcr.io/acme/policies/safe-labels:v1.0.0)\"";

#[derive(Debug, Args)]
pub(crate) struct PushArgs {
    /// Module to push: a file, a URI, or the beginning of a digest in the store
    #[arg(value_name = "MODULE")]
    pub(crate) module: String,

    /// Where to, with or without registry://
    #[arg(value_name = "URI")]
    pub(crate) uri: String,

    /// One more tag that is to lead to it; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,

    /// One of the tags that is never moved; may be repeated
    #[arg(long, value_name = "TAG")]
    pub(crate) immutable: Vec<String>,

    /// Add an annotation to the manifest; may be repeated
    #[arg(long = "annotation", value_name = "KEY=VALUE", value_parser = super::publish::annotation)]
    pub(crate) annotations: Vec<(String, String)>,

    /// Push a module without metadata
    #[arg(short, long)]
    pub(crate) force: bool,

    /// How to print the result: the reference alone, or a document
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: PushFormat,

    /// Print the manifest and what would move, and push nothing
    #[arg(long)]
    pub(crate) dry_run: bool,

    #[command(flatten)]
    pub(crate) network: NetworkArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum PushFormat {
    /// The immutable reference; the manifest of a dry run
    Text,
    /// One document
    Json,
}

impl NetworkArgs {
    pub(crate) fn network(&self) -> Network {
        let mut network = Network::default();
        network.sources.clone_from(&self.sources_path);
        network.docker_config.clone_from(&self.docker_config_json_path);
        network.timeout = self.fetch_timeout;
        network
    }
}

/// Reads `90s`.
fn time(text: &str) -> Result<Duration, Diagnostic> {
    match humantime::parse_duration(text) {
        Ok(time) if !time.is_zero() => Ok(time),
        Ok(_) => Err(usage("timeout must be greater than 0")),
        Err(error) => Err(usage(format!("invalid duration: {error}; write 90s or 5min"))),
    }
}
