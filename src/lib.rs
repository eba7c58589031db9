//! policy-verify: the batch verifier for Kubewarden policies.
//!
//! A suite goes in, seven steps run in order, a report comes out. `pipeline` has the steps: `load` reads the suite,
//! `resolve` gets the modules, `prepare` annotates and compiles them, `evaluate` asks each policy about each case,
//! `compare` holds the answers against what was expected, [`report`] writes it down. What travels between them is in
//! [`model`]; `runtime` is everything wasmtime, `host` everything a policy may ask while it runs.
//!
//! ```
//! let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/suites/quickstart/suite.yml");
//! let mut options = policy_verify::Options::default();
//! options.suites.push(path.into());
//! let run = policy_verify::verify(&options, &())?;
//! assert!(run.cases.iter().all(|case| !case.outcome.is_bad()));
//! # Ok::<(), policy_verify::Error>(())
//! ```
//!
//! The library is what the command `verify` is made of; before version 1.0 its interface may change at any time.

mod compare;
mod coverage;
mod error;
mod evaluate;
mod form;
#[doc(hidden)]
pub mod fuzzing;
mod live;
mod measure;
mod pipeline;
mod prepare;
mod resolve;
mod sabotage;
mod select;
mod server;
mod vary;

pub use policy_verify_draft as draft;
pub use policy_verify_engine::cage::Cage;
pub use policy_verify_engine::compile_inside;
pub use policy_verify_engine::compiler::CompilerChoice;
pub use policy_verify_files::bounded::read_text;
pub use policy_verify_model as model;
pub use policy_verify_model::nearest::nearest;
pub use policy_verify_registry::hosts::{HostPattern, HostRules, InvalidHost};
pub use policy_verify_registry::network::stop as stop_network;
pub use policy_verify_registry::signature::SignatureOptions;
pub use policy_verify_report as report;
pub use policy_verify_report::merge::{NamedReport, merge};

pub use self::error::{Error, OnlyRefusal};
pub use self::pipeline::annotate::{AnnotateOptions, Annotated, annotate};
pub use self::pipeline::inspect::{InspectOptions, inspect};
pub use self::pipeline::policy::Network;
pub use self::pipeline::pull::{Pulled, digest, pull};
pub use self::pipeline::push::{PushOptions, push};
pub use self::pipeline::scaffold::{ArtifactHubOptions, ArtifactHubPackage, artifact_hub};
pub use self::pipeline::server_config::{ServerConfig, server_config};
pub use self::pipeline::{
    Against, BlessedFile, Blessing, DiffOptions, Effort, Identity, Interrupt, Left, ListedCase, MutantEffort, Options,
    Progress, Recording, RehearsalOptions, RehearsedPolicy, Rewriting, SearchEffort, VersionName, bench, bless,
    check_outputs, check_recording_folders, debug, diff, fuzz, inputs, list, rehearse, sabotage, usual_code_cache,
    verify, why,
};
pub use self::resolve::{Fetching, LockUse};
pub use self::select::{Partition, Selection, TagExpression, Timings};
pub use policy_verify_suite::edit::{NoPlace, append_cases};
pub use policy_verify_suite::{
    Environment, FileLimit, PolicyName, RepositoryLink, Root, UnknownKinds, Written, is_secret, is_stream, known_kinds,
    names_of_policies, read_stdin, root_of, shown, tree,
};

/// The JSON Schema of suite files, generated from the types that parse them.
pub fn suite_schema() -> serde_json::Value {
    policy_verify_suite::json_schema()
}

/// Every key of suite files as a page of Markdown, from the same types.
pub fn suite_reference() -> String {
    policy_verify_suite::reference(&policy_verify_suite::json_schema())
}
