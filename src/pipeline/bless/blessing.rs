//! What a blessing comes to: files that change, and what stays.

use std::path::PathBuf;

use super::wish::Left;

/// What is to be written so that the expectations of a run hold.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Blessing {
    /// The files that change, by their paths in reports.
    pub files: Vec<BlessedFile>,
    /// How many cases have their expectations rewritten.
    pub cases: usize,
    /// How many snapshots are written.
    pub snapshots: usize,
    /// How many snapshots without a case are removed.
    pub removed: usize,
    /// What cannot be written.
    pub left: Vec<Left>,
}

/// A file that changes, comes or goes.
#[derive(Debug)]
#[non_exhaustive]
pub struct BlessedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Its path in reports.
    pub shown: String,
    /// The text that was read; nothing where there is no file.
    pub before: Option<String>,
    /// The text that is to be there; nothing where the file is to go.
    pub after: Option<String>,
}
