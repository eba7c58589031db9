//! policy-verify: the batch verifier for Kubewarden policies.

pub mod model;

mod compare;
mod evaluate;
mod host;
mod load;
mod prepare;
pub mod report;
mod resolve;
mod runtime;
