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
//!
//! Tests of bats become cases:
//!
//! ```
//! use policy_verify_draft::bats::{BatsFile, Context, Fate, bats};
//!
//! let text = r#"@test "rejects a pod" {
//!   run kwctl run -r test_data/pod.json annotated-policy.wasm
//!   [ $(expr "$output" : '.*"allowed":false.*') -ne 0 ]
//!   [ $(expr "$output" : '.*owner is missing.*') -ne 0 ]
//! }"#;
//! let files = [BatsFile { path: "labels/e2e.bats".to_owned(), text: text.to_owned() }];
//! let context = Context { folder: "labels".to_owned(), policy: "labels".to_owned(), files: Vec::new() };
//! let imported = bats(&files, &context);
//! assert_eq!(imported.tests[0].fate, Fate::Whole);
//! assert!(imported.draft.to_yaml().contains("    expect: { deny: { contains: owner is missing } }\n"));
//! ```

mod admission;
pub mod artifact_hub;
pub mod bats;
mod draft;
mod files;
pub mod first;
pub mod gator;
mod imported;
pub mod kyverno;
pub mod requests;
pub mod reviews;
mod scope;
#[cfg(test)]
mod testing;
mod tree;

pub use draft::{Draft, Entry, case, items};
pub use files::ReadFile;
pub use imported::{Fate, Imported, TestRow, WrittenFile};
pub use tree::single_object;
