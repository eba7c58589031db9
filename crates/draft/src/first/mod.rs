//! A first suite for a policy that has none: a case for every request that its rules select, on the smallest object of
//! each kind, and settings that its form would send.
//!
//! ```
//! use policy_verify_draft::first::{Subject, Settings, suite};
//! use policy_verify_model::policy::Metadata;
//!
//! let metadata: Metadata = serde_json::from_str(
//!     r#"{ "mutating": false, "policyType": "raw", "rules": [] }"#,
//! )?;
//! let subject = Subject { name: "menu".to_owned(), module: "policy.wasm".to_owned(), metadata: Some(metadata), ..Subject::default() };
//! let first = suite(&subject, &Settings::default());
//! assert!(first.draft.to_yaml().contains("    raw: { user: alice, action: eats, resource: banana }\n"));
//! # Ok::<(), serde_json::Error>(())
//! ```

mod case;
mod condition;
mod missing;
mod present;
mod questions;
mod suite;
mod templates;

pub use missing::{Gap, Missing, missing};
pub use present::Present;
pub use questions::{Choice, FormSettings, Members, Question, Questions, put, without};
pub use suite::{FirstSuite, Settings, Subject, suite, with_comments};
