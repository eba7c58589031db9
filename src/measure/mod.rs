//! What measuring takes besides counters: which packages are not the policy's own, and where its sources are.

mod packages;
pub(crate) mod rules;
mod sources;

pub(crate) use self::packages::Dependencies;
pub(crate) use self::sources::Sources;
