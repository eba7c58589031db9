//! Writes the lines of reports for people. No other file does, so that nothing reaches a terminal unescaped.

use std::io;

use anstyle::{AnsiColor, Style as Colour};

use crate::style::Style;
use crate::{escape, layout};

pub(super) const PLAIN: Colour = Colour::new();
pub(super) const BOLD: Colour = Colour::new().bold();
pub(super) const DIM: Colour = Colour::new().dimmed();
pub(super) const GOOD: Colour = AnsiColor::Green.on_default();
pub(super) const BAD: Colour = AnsiColor::Red.on_default();
pub(super) const ODD: Colour = AnsiColor::Yellow.on_default();
pub(super) const PLACE: Colour = AnsiColor::Cyan.on_default();

/// On a wider page a time at the right edge would be too far from its name.
const WIDEST: usize = 100;

/// Below this width lines are not laid out; the terminal wraps them.
const NARROWEST: usize = 40;

/// Text of one colour.
#[derive(Debug, Clone)]
pub(super) struct Piece {
    text: String,
    colour: Colour,
}

/// Text in a colour. Line breaks and whatever else could leave the line are made visible.
pub(super) fn piece(text: impl AsRef<str>, colour: Colour) -> Piece {
    // Blanks at the end are kept: they are padding.
    let text = escape::visible(text.as_ref()).replace('\n', "␊");
    Piece { text, colour }
}

/// Columns of `pieces` in one row.
pub(super) fn width(pieces: &[Piece]) -> usize {
    pieces.iter().map(|piece| layout::width(&piece.text)).sum()
}

/// Lines on their way out.
pub(super) struct Page<'a> {
    pub(super) style: Style,
    out: &'a mut dyn io::Write,
    /// Whether a blank line would be the first line or the second blank one.
    is_fresh: bool,
    /// Lines written so far.
    pub(super) lines: usize,
}

impl<'a> Page<'a> {
    pub(super) fn new(style: Style, out: &'a mut dyn io::Write) -> Self {
        Self { style, out, is_fresh: true, lines: 0 }
    }

    /// Columns that may be used.
    pub(super) fn columns(&self) -> usize {
        self.style.width.max(NARROWEST)
    }

    /// Writes one line.
    pub(super) fn line(&mut self, indent: usize, pieces: &[Piece]) -> io::Result<()> {
        self.is_fresh = false;
        self.lines += 1;
        let plain: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
        write!(self.out, "{:indent$}", "")?;
        let safe = escape::without_commands(plain.trim_end());
        if !self.style.colour || safe != plain.trim_end() {
            // Where a command was broken up the line loses its colours: it may have been put together from pieces
            // that were harmless one by one.
            return writeln!(self.out, "{safe}");
        }
        for Piece { text, colour } in trimmed(pieces) {
            write!(self.out, "{}{text}{}", colour.render(), colour.render_reset())?;
        }
        writeln!(self.out)
    }

    /// Writes one line with `right` at the right edge, or two columns after the rest where the row is full.
    pub(super) fn line_with_right(&mut self, indent: usize, left: &[Piece], right: Piece) -> io::Result<()> {
        let used = indent + width(left) + layout::width(&right.text);
        let gap = self.columns().min(WIDEST).saturating_sub(used).max(2);
        let mut pieces = left.to_vec();
        pieces.push(piece(" ".repeat(gap), PLAIN));
        pieces.push(right);
        self.line(indent, &pieces)
    }

    /// Writes a line that is laid out and harmless already.
    pub(super) fn laid_out(&mut self, line: &str) -> io::Result<()> {
        self.is_fresh = false;
        writeln!(self.out, "{line}")
    }

    /// Writes a command for GitHub's runner: the only one that is not ours to break up.
    pub(super) fn command(&mut self, name: &str, data: &str) -> io::Result<()> {
        self.is_fresh = true;
        writeln!(self.out, "::{name}::{}", escape::github_data(&escape::terminal_line(data)))
    }

    /// Writes a blank line, unless there is one already.
    pub(super) fn blank(&mut self) -> io::Result<()> {
        if std::mem::replace(&mut self.is_fresh, true) { Ok(()) } else { writeln!(self.out) }
    }
}

/// `pieces` without blanks at the end of the line.
fn trimmed(pieces: &[Piece]) -> Vec<Piece> {
    let mut pieces = pieces.to_vec();
    while let Some(last) = pieces.last_mut() {
        last.text.truncate(last.text.trim_end().len());
        if !last.text.is_empty() {
            break;
        }
        pieces.pop();
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(colour: bool, pieces: &[Piece]) -> String {
        let mut out = Vec::new();
        let style = Style { colour, ..Style::default() };
        Page::new(style, &mut out).line(2, pieces).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn colours_are_written_only_if_enabled() {
        let pieces = [piece("a", BAD), piece("b  ", PLAIN), piece("  ", BOLD)];
        assert_eq!(line(false, &pieces), "  ab\n");
        assert_eq!(line(true, &pieces), "  \x1b[31ma\x1b[0mb\n");
    }

    #[test]
    fn a_command_put_together_from_pieces_is_broken_up() {
        let pieces = [piece(":", BAD), piece(":error::x ##", PLAIN), piece("[group]", BOLD)];
        assert_eq!(line(true, &pieces), "  \\::error::x ##\\[group]\n");
    }
}
