//! The flags of `verify rehearse`.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use clap::{Args, ValueEnum};
use policy_verify::FileLimit;

use super::size::file_limit;
use super::typed::TypedArgs;

pub(crate) const REHEARSE_HELP: &str =
    "Every object is put to every policy, as if it were created again while the policies are installed. The objects
are the cluster, too: context-aware policies find them, and namespaces have their labels. What happens is
counted for each policy, namespace and workload, with an example of each cause.

Exit codes: 0 the rehearsal is complete, 1 a policy gave no answer or an object could not be read (see also
--fail-on), 2 bad flags or policies, 3 a policy is unavailable, 4 no policy was asked about anything.

Example:
  kubectl get pods,deployments,ingresses,namespaces -A -o yaml > dump.yaml
  verify rehearse policies/ --objects dump.yaml
  verify rehearse new/ --old deployed.yaml --objects dump.yaml --fail-on new-denial --format html > rehearsal.html";

#[derive(Debug, Args)]
pub(crate) struct RehearseArgs {
    /// Manifests that deploy policies, lists or folders of them, modules, registry:// and https:// references
    #[arg(value_name = "POLICY", required = true)]
    pub(crate) policies: Vec<String>,

    /// The objects of the cluster: dumps, manifests, folders, globs, or - for stdin; may be repeated
    #[arg(long, value_name = "PATH", required = true, num_args = 1..)]
    pub(crate) objects: Vec<PathBuf>,

    /// Tell what differs from these policies
    #[arg(long, value_name = "POLICY", num_args = 1..)]
    pub(crate) old: Vec<String>,

    /// File with the settings of policies that are named as modules
    #[arg(long, value_name = "FILE")]
    pub(crate) settings: Option<PathBuf>,

    /// metadata.yml of modules in files that have none
    #[arg(long, value_name = "FILE")]
    pub(crate) metadata: Option<PathBuf>,

    /// CustomResourceDefinitions that the objects lack: files, folders or globs; may be repeated
    #[arg(long, value_name = "FILE", num_args = 1)]
    pub(crate) crds: Vec<PathBuf>,

    /// Pass over objects of kinds that are neither Kubernetes' own nor defined
    #[arg(long, env = "VERIFY_SKIP_UNKNOWN", value_parser = FalseyValueParser::new())]
    pub(crate) skip_unknown: bool,

    /// Largest file, such as 4GiB; by default 1GiB for objects, and 16MiB for others
    #[arg(long, value_name = "SIZE", value_parser = file_limit, env = "VERIFY_MAX_FILE_SIZE")]
    pub(crate) max_file_size: Option<FileLimit>,

    /// What else makes the exit code 1
    #[arg(long, value_name = "WHAT,…", value_delimiter = ',')]
    pub(crate) fail_on: Vec<FailOn>,

    /// How to print the result
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    pub(crate) format: RehearsalFormat,

    #[command(flatten)]
    pub(crate) typed: TypedArgs,
}

/// How a rehearsal is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RehearsalFormat {
    /// Text for people
    Human,
    /// One document with everything
    Json,
    /// A comment of a pull request
    Markdown,
    /// A web page
    Html,
}

/// What makes a rehearsal fail that is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FailOn {
    /// An object would be rejected
    Rejections,
    /// An object would be rejected but for `mode: monitor`
    Monitored,
    /// An object would be changed
    Mutations,
    /// An audit would report a failure
    Audit,
    /// An object would be rejected that the old policies let pass
    NewDenial,
    /// An object would pass that the old policies reject
    NewAllowance,
}
