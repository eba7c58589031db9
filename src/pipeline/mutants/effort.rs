//! How much is spent on mutants.

use std::path::PathBuf;
use std::time::Duration;

/// How many mutants run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MutantEffort {
    /// At most so many of each module.
    pub most: usize,
    /// For all modules, at most about so long.
    pub time: Duration,
    /// Which of them run, where not all do.
    pub seed: u64,
    /// The file with what became of them in earlier runs; what becomes of them in this run is added to it.
    pub resume: Option<PathBuf>,
}
