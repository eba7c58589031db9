//! First suites for Kubewarden policies: text that people go on with, made from what they have.
//!
//! ```
//! use policy_verify_draft::{Draft, Entry};
//! use policy_verify_model::yaml::emit::Node;
//!
//! let mut draft = Draft::default();
//! draft.policies.insert("labels".to_owned(), Node::map([("uri", Node::text("policy.wasm"))]));
//! let mut case = Entry::named("accepts a pod");
//! case.push("object", Node::text("fixtures/pod.yaml"));
//! case.push("expect", Node::text("allow"));
//! draft.cases.push(case);
//! assert!(draft.to_yaml().contains("    expect: allow\n"));
//! ```

pub mod bats;
mod draft;

pub use draft::{Draft, Entry};
