//! What travels between the steps: plain data.
//!
//! Nothing in this folder reads files, runs policies or knows the command line; every step may use it.

pub mod answer;
pub mod cluster;
pub mod code;
pub mod hosting;
pub mod inspection;
pub mod outcome;
pub mod policy;
pub mod publication;
pub mod request;
pub mod scope;
pub mod signature;
pub mod source;
pub mod suite;
