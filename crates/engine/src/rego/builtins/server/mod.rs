//! The built-ins as policy-server evaluates them: one file for each file of its own that they are in
//! (policy-evaluator 0.1, `crates/burrego/src/builtins`), with the same crates underneath.
//!
//! They take and give JSON, whose members are in the order of their names. What OPA gives is in `opa` beside it.

mod builtin;
pub(super) mod encoding;
pub(super) mod glob;
pub(super) mod json;
pub(super) mod regex;
pub(super) mod semver;
pub(super) mod sprintf;
pub(super) mod time;
pub(super) mod trace;
pub(super) mod urlquery;
pub(super) mod yaml;

pub(crate) use self::builtin::{BuiltinError, Function};
