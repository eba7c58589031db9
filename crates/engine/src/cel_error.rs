//! `cel_abort`: an expression of the policy evaluates to an error that nothing absorbed.

use std::fmt;

use serde::Deserialize;

/// An error of CEL, as the guest reports it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub(super) struct CelError {
    message: String,
    /// The extension that gave the error.
    origin: Option<Origin>,
}

/// An extension.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
struct Origin {
    namespace: Option<String>,
    function: String,
}

impl fmt::Display for CelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CEL runtime error: ")?;
        match &self.origin {
            Some(Origin { namespace: Some(namespace), function }) => write!(f, "{namespace}.{function}: ")?,
            Some(Origin { namespace: None, function }) => write!(f, "{function}: ")?,
            None => {}
        }
        f.write_str(&self.message)
    }
}

impl CelError {
    /// Reads what the guest passed to the import. The error is the server's text.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|error| format!("Invalid cel_abort payload from the guest: {error}"))
    }
}
