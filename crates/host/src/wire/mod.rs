//! The payloads of host calls, a file for each namespace: what a guest sends, and the replies it can read.
//!
//! The structs of requests are named like the tags of kwctl's recordings, and their `Debug` text is what kwctl prints when
//! a replay goes wrong. [`Request`](crate::request::Request) is the table of all of them.

pub mod crypto;
pub mod kubernetes;
pub mod net;
pub mod oci;
pub mod rego;

use std::fmt::Debug;

/// The payload of one kind of request.
pub trait Payload: Debug {
    /// The request in one line: the key in `host:` tables and the text in reports.
    fn short(&self) -> String;
}
