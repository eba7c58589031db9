//! What every report format implements.

use std::io;

use policy_verify_model::outcome::RunReport;

/// One way to write down a finished run.
pub trait Format: Sync {
    /// Writes `run` to `out`.
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()>;
}
