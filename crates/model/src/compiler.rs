//! The compilers that make native code of a policy.

use serde::{Deserialize, Serialize};

/// A compiler of wasmtime.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Compiler {
    /// The optimising one, which policy-server uses.
    Cranelift,
    /// One that translates each function as it reads it. It takes about a fifth of the time, and its code is slower.
    Winch,
}

impl Compiler {
    /// Its name, as flags and reports have it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Cranelift => "cranelift",
            Self::Winch => "winch",
        }
    }
}
