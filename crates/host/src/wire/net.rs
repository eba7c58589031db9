//! `net`. The short form of a request is the name of the host.

use serde::{Deserialize, Serialize};

use super::Payload;

/// The addresses of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DNSLookupHost {
    /// Name of the host.
    pub host: String,
}

impl Payload for DNSLookupHost {
    fn short(&self) -> String {
        self.host.clone()
    }
}
