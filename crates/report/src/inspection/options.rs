//! How an inspection is written for people.

use crate::style::Style;

/// How an inspection is written for people.
#[derive(Debug, Clone, Copy)]
pub struct TextOptions {
    /// Colours and columns.
    pub style: Style,
    /// Whether the usage text is rendered; otherwise its Markdown is written unchanged, for a pipe.
    pub renders_usage: bool,
}
