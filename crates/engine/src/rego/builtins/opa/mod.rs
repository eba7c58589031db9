//! The built-ins as `opa eval` evaluates them: the second opinion on a call.
//!
//! They take and give values of Rego, which have sets, and numbers of any length.

mod builtin;
pub(super) mod encoding;
pub(super) mod glob;
pub(super) mod json;
pub(crate) mod quote;
pub(super) mod regex;
pub(super) mod semver;
pub(super) mod sprintf;
pub(super) mod time;
pub(super) mod trace;
pub(super) mod urlquery;
pub(super) mod yaml;

pub(crate) use self::builtin::{BuiltinError, Function};
