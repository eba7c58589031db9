//! Step 6: a finished run becomes bytes. One file per format; formats only read the [`RunReport`].
//!
//! Where the bytes go (stdout, stderr, a file) is the caller's
//! decision, and so is everything about the terminal.

#![cfg_attr(test, expect(clippy::unwrap_used, reason = "a test that panics has failed, which is what it is for"))]

mod diff;
pub mod escape;
mod groups;
mod layout;
#[cfg(test)]
mod testing;
mod wording;

use std::io;

use crate::model::outcome::RunReport;

/// One way to write down a finished run.
pub trait Format: Sync {
    /// Writes `run` to `out`.
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()>;
}
