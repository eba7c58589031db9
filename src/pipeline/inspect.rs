//! `verify inspect`: what can be known of a module without running it.

use std::path::Path;

use crate::error::Error;
use crate::model::inspection::Inspection;
use crate::prepare::single::{self, Named};
use crate::resolve;

/// Reads a module and says what it is.
///
/// # Errors
///
/// The module cannot be had, it is none, or its metadata cannot be read.
pub fn inspect(module: &str) -> Result<Inspection, Error> {
    let place = super::command_line();
    let refused = |problem| Error::policy(vec![problem], &place);
    let bytes = resolve::file(Path::new(module), module, &place).map_err(refused)?;
    single::inspect(&Named { name: module, place: &place, bytes: &bytes }).map_err(refused)
}
