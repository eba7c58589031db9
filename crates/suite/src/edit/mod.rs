//! Values of suites, and of the files that they name, are changed where they are written; everything else stays as it is.

mod append;
mod change;
mod check;
mod document;
mod editor;
mod inputs;
mod tree;
mod write;

pub use self::append::{NoPlace, append_cases};
pub use self::change::{Edit, Obstacle};
pub use self::document::with_document;
pub use self::editor::{Editor, Replacement};
pub use self::inputs::is_input;

#[cfg(test)]
mod tests;
