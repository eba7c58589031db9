//! Test suites for Kubewarden policies: YAML becomes a [`Suite`](policy_verify_model::suite::Suite), or every mistake of
//! the file at once, each with its place and help.
//!
//! ```
//! # fn main() -> Result<(), std::io::Error> {
//! let folder = tempfile::tempdir()?;
//! let path = folder.path().join("suite.yml");
//! std::fs::write(folder.path().join("pod.yaml"), "{ apiVersion: v1, kind: Pod, metadata: { name: web } }")?;
//! std::fs::write(
//!     &path,
//!     "version: 1
//! policies: { labels: { uri: registry://ghcr.io/kubewarden/policies/safe-labels:v1.0.0 } }
//! cases:
//!   - { name: a pod without labels, object: pod.yaml, expct: deny }
//! ",
//! )?;
//! let key_check = |_: &str| Ok(());
//! let overrides = policy_verify_suite::Overrides::default();
//! let mistakes = policy_verify_suite::suite(&path, &overrides, key_check).unwrap_err();
//! assert_eq!(mistakes.len(), 1);
//! assert_eq!(mistakes[0].message, "unknown key `expct`");
//! assert_eq!(mistakes[0].help.as_deref(), Some("did you mean `expect`?"));
//!
//! std::fs::write(&path, std::fs::read_to_string(&path)?.replace("expct", "expect"))?;
//! let suite = policy_verify_suite::suite(&path, &overrides, key_check).unwrap();
//! assert_eq!(suite.cases[0].name, "a pod without labels");
//! # Ok(())
//! # }
//! ```
//!
//! | module | what it has |
//! |---|---|
//! | `load` | the steps, in their order; read it first |
//! | `include` | the files of a suite: itself, and those that it includes |
//! | `yaml`, `json`, `syntax` | text becomes values; nodes of a suite know their place |
//! | `schema`, `read` | the file as it is written, its JSON Schema, and nodes read into its types |
//! | `reference` | the reference of the format in Markdown, from the schema |
//! | `vars`, `rows`, `environment` | `${…}`, `each` and `matrix` |
//! | `policy`, `origin`, `manifest`, `patterns`, `signed_by`, `size`, `uri` | entries of `policies:` |
//! | `kubewarden`, `policy_server` | the Kubewarden whose verdicts are reproduced |
//! | `resource` | one of Kubewarden's resources in a file, by its name |
//! | `groups`, [`expression`], `group_expression`, `cel` | policy groups and their expressions |
//! | [`match_condition`] | conditions of manifests, in CEL |
//! | `not_deployed` | policies that the controller does not deploy |
//! | `policies`, `subject` | policies by name, and the steps of a case |
//! | `cases`, `timeout` | cases, with defaults applied |
//! | `request` | requests made of manifests, as the API server sends them |
//! | [`related`] | requests that belong to another one: the same pod in another workload, the same lists in another order |
//! | `kinds`, `known_kinds`, `fields` | kinds and their resources; the same for those who make suites; the fields of their types |
//! | `path` | paths into documents, dotted or as JSON pointers |
//! | `expect`, `pointers` | expectations |
//! | `answers`, `cluster` | mocks of host calls, and objects of a cluster |
//! | `publish`, `gates` | entries of `publish:` and `gates:` |
//! | `relations` | entries of `relations:`, each of which is a test |
//! | `snapshots` | answers to cases in files beside the suite |
//! | `files`, `root`, `objects`, `build_advice` | files named by a suite, inside its repository, the objects in them, and how modules are built |
//! | `link` | links on the way to a file that is written or quoted |
//! | [`dump`] | the objects of a cluster, piece by piece |
//! | [`tree`] | files below a folder, or matching a glob |
//! | [`MemberPlaces`] | where the members of an object are written |
//! | `mistake` | the mistakes found so far: one cause is one mistake |

mod answers;
mod baseline;
mod build_advice;
mod cases;
mod cel;
mod cluster;
mod deployed;
pub mod dump;
pub mod edit;
mod environment;
mod expect;
pub mod expression;
mod fields;
mod file_limit;
mod files;
mod form;
#[doc(hidden)]
pub mod fuzzing;
mod gates;
mod group_expression;
mod groups;
mod include;
mod json;
mod kinds;
mod known_kinds;
mod kubewarden;
mod link;
mod load;
mod manifest;
pub mod match_condition;
mod member_places;
mod mistake;
mod not_deployed;
mod objects;
mod origin;
mod path;
mod patterns;
mod pointers;
mod policies;
mod policy;
mod policy_server;
mod publish;
mod read;
mod reference;
pub mod related;
mod relations;
mod request;
mod resource;
mod root;
mod rows;
mod schema;
mod schema_hints;
mod signed_by;
mod size;
mod snapshots;
mod subject;
mod syntax;
#[cfg(test)]
mod tests;
mod timeout;
pub mod tree;
mod uri;
mod vars;
#[cfg(test)]
mod wrong_values;
mod yaml;

pub use self::environment::{Environment, is_secret};
pub use self::file_limit::FileLimit;
pub use self::files::KeyCheck;
pub use self::files::UnknownKinds;
pub use self::known_kinds::known_kinds;
pub use self::kubewarden::newer_than_known;
pub use self::link::RepositoryLink;
pub use self::load::{Overrides, Written, is_stream, read_stdin, suite, suite_and_files};
pub use self::manifest::{PolicyName, names_of_policies};
pub use self::member_places::MemberPlaces;
pub use self::reference::markdown as reference;
pub use self::root::{Root, repository_around, root_of, shown};

pub use self::signed_by::verification_config;
pub use self::snapshots::SnapshotUse;

/// The JSON Schema of a suite file, with what editors offer.
pub fn json_schema() -> serde_json::Value {
    let mut schema = schema::plain_schema();
    schema_hints::add(&mut schema);
    schema
}
