//! The built-ins that the host evaluates: those policy-server offers, under the names it registers.
//!
//! All other built-ins are compiled into the module by `opa build`, or make the module unusable in the cluster. A policy
//! gets what the server gives ([`server`]). What OPA gives for the same call ([`opa`]) is a remark where it differs.

mod caught;
mod environment;
pub(super) mod opa;
mod pattern;
mod second_opinion;
pub(super) mod server;
mod table;
#[cfg(test)]
mod tests;

pub(super) use self::environment::Environment;
pub(super) use self::second_opinion::second_opinion;
#[cfg(test)]
pub(super) use self::table::names;
pub(super) use self::table::{Builtin, call, find};
