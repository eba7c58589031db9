//! The part of bash that bats tests are written in: its syntax, and a parser with bounds on depth and size.

mod command;
mod condition;
mod expansion;
mod reader;
mod simple;
pub(super) mod syntax;
mod word;

pub(super) use reader::{Documents, SyntaxError, parse};
