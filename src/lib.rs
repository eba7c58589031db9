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

pub mod model;
pub mod report;

mod compare;
mod durable;
mod error;
mod evaluate;
mod expression;
mod host;
mod load;
mod merge;
mod nearest;
mod network;
mod patch;
mod pipeline;
mod prepare;
mod publish;
mod registry;
mod resolve;
mod runtime;
mod select;
mod signature;
mod yaml;

pub use self::error::Error;
pub use self::load::Mistake;
pub use self::merge::{MergeProblem, NamedReport, merge};
pub use self::nearest::nearest;
pub use self::pipeline::annotate::{AnnotateOptions, Annotated, annotate};
pub use self::pipeline::inspect::{InspectOptions, inspect};
pub use self::pipeline::policy::Network;
pub use self::pipeline::pull::{Pulled, digest, pull};
pub use self::pipeline::push::{PushOptions, push};
pub use self::pipeline::{Interrupt, ListedCase, Options, Progress, Recording, list, usual_code_cache, verify};
pub use self::resolve::{Fetching, LockUse};
pub use self::select::{Partition, Selection, TagExpression, Timings};
pub use self::signature::SignatureOptions;

/// The JSON Schema of suite files, generated from the types that parse them.
pub fn suite_schema() -> serde_json::Value {
    load::json_schema()
}

/// Every key of suite files as a page of Markdown, from the same types.
pub fn suite_reference() -> String {
    load::reference(&load::json_schema())
}
