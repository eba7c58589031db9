//! The flags of `verify eval`.

use std::path::PathBuf;

use clap::Args;
use clap::builder::FalseyValueParser;
use policy_verify::FileLimit;

use super::output::OutputArgs;
use super::size::file_limit;
use super::typed::TypedArgs;

pub(crate) const EVAL_HELP: &str = "Every object is put to every policy that has a rule for it, as a CREATE request.
Denied and mutated requests are listed, others are counted; --status pass lists them too.
The exit code is 1 when a request is denied or a policy gives no answer, 4 when no policy is asked.

Example:
  verify eval policy.wasm --settings settings.yml -f rendered/
  helm template chart | verify eval registry://ghcr.io/kubewarden/policies/safe-labels:v1.0.0 -f -
  verify eval cluster-policies/ -f app.yaml --report sarif=verify.sarif";

#[derive(Debug, Args)]
pub(crate) struct EvalArgs {
    /// Modules, registry:// and https:// references, manifests that deploy policies, or folders of such manifests
    #[arg(value_name = "POLICY", required = true)]
    pub(crate) policies: Vec<String>,

    /// Manifests: files, folders, globs, or - for stdin; may be repeated
    #[arg(short = 'f', long = "file", value_name = "FILE", required = true, num_args = 1)]
    pub(crate) files: Vec<PathBuf>,

    /// File with the settings of the policies
    #[arg(long, value_name = "FILE", conflicts_with = "settings_json")]
    pub(crate) settings: Option<PathBuf>,

    /// Settings of the policies as JSON
    #[arg(long, value_name = "JSON")]
    pub(crate) settings_json: Option<String>,

    /// metadata.yml of modules in files that have none
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata: Option<PathBuf>,

    /// CustomResourceDefinitions of the manifests: files, folders or globs; may be repeated
    #[arg(long, value_name = "FILE", num_args = 1)]
    pub(crate) crds: Vec<PathBuf>,

    /// Pass over objects of kinds that are neither Kubernetes' own nor defined by --crds
    #[arg(long, env = "VERIFY_SKIP_UNKNOWN", value_parser = FalseyValueParser::new())]
    pub(crate) skip_unknown: bool,

    /// Manifests of the cluster, for policies that look at it: files or globs; may be repeated
    #[arg(long, value_name = "FILE", num_args = 1)]
    pub(crate) cluster: Vec<PathBuf>,

    /// Largest file, such as 64MiB; by default 16MiB
    #[arg(long, value_name = "SIZE", value_parser = file_limit, env = "VERIFY_MAX_FILE_SIZE")]
    pub(crate) max_file_size: Option<FileLimit>,

    #[command(flatten)]
    pub(crate) typed: TypedArgs,

    #[command(flatten)]
    pub(crate) output: OutputArgs,
}
