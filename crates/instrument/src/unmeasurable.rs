//! Why a module cannot be read, copied or measured.

use wasmparser::BinaryReaderError;

/// A module cannot be read, copied or measured. This is no mistake of the policy: it runs as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unmeasurable {
    /// The bytes are no module.
    #[error("cannot read the module: {0}")]
    Unreadable(String),
    /// It is a component, which no policy is.
    #[error("it is a component, and no module")]
    Component,
    /// It has more of something than is read.
    #[error("it has more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// It uses a name that the counters need.
    #[error("it exports `{0}`, the name of the counters")]
    NameTaken(&'static str),
    /// There is nothing that tells the policy's own code; the text says what to change in its build.
    #[error("it has no debug information, and no names of functions that are its own; {0}")]
    NothingOwn(&'static str),
    /// Parts that were to be replaced overlap, or are not in the body of one function.
    #[error("the bytes from {start} to {end} cannot be replaced")]
    Edit {
        /// The first byte.
        start: usize,
        /// The byte after the last one.
        end: usize,
    },
}

impl From<BinaryReaderError> for Unmeasurable {
    fn from(error: BinaryReaderError) -> Self {
        Self::Unreadable(error.to_string())
    }
}
