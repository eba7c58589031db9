//! Step 6: a finished run becomes bytes. One file per format; formats only read the [`RunReport`].

use std::io;

use crate::model::outcome::RunReport;

/// One way to write down a finished run.
pub trait Format: Sync {
    /// Writes `run` to `out`.
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()>;
}
