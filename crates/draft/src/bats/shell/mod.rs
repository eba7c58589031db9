//! The part of bash that bats tests are written in: its syntax, and a parser with bounds on depth and size.
//!
//! The crate `brush-parser` 0.4 reads all of bash, but takes exponential time for parentheses that are not closed, has no
//! limit of depth, keeps what it read in global caches, and brings a test framework and some fifteen other crates.

mod command;
mod condition;
mod expansion;
mod reader;
mod simple;
pub(super) mod syntax;
mod word;

pub(super) use reader::{Documents, SyntaxError, parse};
