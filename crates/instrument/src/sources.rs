//! Finds what a module tells of its source lines.

use crate::lines::Lines;
use crate::module::Module;
use crate::unmeasurable::Unmeasurable;
use crate::{dwarf, go};

/// The source lines of a module: from its debug information, or for a module of Go from the table of its runtime. There are
/// none where it has neither.
///
/// # Errors
///
/// There are more lines or files than are read.
pub fn lines(module: &Module<'_>) -> Result<Lines, Unmeasurable> {
    match module.is_by_go.then(|| go::lines(module)).transpose()?.flatten() {
        Some(lines) => Ok(lines.with_rows()),
        None => dwarf::lines(module),
    }
}
