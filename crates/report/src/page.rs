//! Writes the lines of reports for people. No other file does, so that nothing reaches a terminal unescaped.

use std::io;
use std::ops::Range;

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

/// Columns between a line and what is at its right edge.
const GAP: usize = 2;

/// Columns by which further lines are indented.
const HANGING: usize = 2;

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

    /// Whether a line of these columns is written as it is.
    pub(super) fn has_room(&self, columns: usize) -> bool {
        !self.style.wraps || columns <= self.columns()
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

    /// Writes one line with `right` at the right edge. What there is no room for on the left goes on in further lines.
    pub(super) fn line_with_right(&mut self, indent: usize, left: &[Piece], right: Piece) -> io::Result<()> {
        let reserved = indent + layout::width(&right.text) + GAP;
        let mut rows = match self.has_room(reserved + width(left)) {
            true => vec![left.to_vec()],
            false => folded(left, self.columns().saturating_sub(reserved + HANGING).max(1)),
        }
        .into_iter();
        let mut first = trimmed(&rows.next().unwrap_or_default());
        let used = indent + width(&first) + layout::width(&right.text);
        let gap = self.columns().min(WIDEST).saturating_sub(used).max(GAP);
        first.push(piece(" ".repeat(gap), PLAIN));
        first.push(right);
        self.line(indent, &first)?;
        rows.try_for_each(|row| self.line(indent + HANGING, &row))
    }

    /// Writes an entry of a list: one line, or where the row is too narrow a place in a line of its own, which nothing
    /// breaks, and the rest in further lines.
    pub(super) fn entry(&mut self, indent: usize, pieces: &[Piece]) -> io::Result<()> {
        if self.has_room(indent + width(pieces)) {
            return self.line(indent, pieces);
        }
        let place = pieces.iter().position(|piece| piece.colour == PLACE).map_or(0, |index| index + 1);
        let (place, rest) = pieces.split_at(place);
        if !place.is_empty() {
            self.line(indent, place)?;
        }
        let mut rest = rest.to_vec();
        rest.iter_mut().take(1).for_each(|first| first.text = first.text.trim_start().to_owned());
        let columns = self.columns().saturating_sub(indent + HANGING).max(1);
        for (index, row) in folded(&rest, columns).iter().enumerate() {
            let is_first = index == 0 && place.is_empty();
            self.line(if is_first { indent } else { indent + HANGING }, row)?;
        }
        Ok(())
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

/// `pieces` in rows of this width, as a text is broken.
fn folded(pieces: &[Piece], columns: usize) -> Vec<Vec<Piece>> {
    let plain: String = pieces.iter().map(|piece| piece.text.as_str()).collect();
    let of_row = |row: Range<usize>| {
        let mut start = 0;
        let parts = pieces.iter().filter_map(|piece| {
            let own = start..start + piece.text.len();
            start = own.end;
            let (from, to) = (row.start.max(own.start), row.end.min(own.end));
            let text = piece.text.get(from.checked_sub(own.start)?..to.checked_sub(own.start)?)?;
            (!text.is_empty()).then(|| Piece { text: text.to_owned(), colour: piece.colour })
        });
        parts.collect()
    };
    layout::wrap(&plain, columns).into_iter().map(of_row).collect()
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

    fn written(width: usize, write: impl FnOnce(&mut Page<'_>)) -> Vec<String> {
        let mut out = Vec::new();
        write(&mut Page::new(Style { width, ..Style::default() }, &mut out));
        String::from_utf8(out).unwrap().lines().map(str::to_owned).collect()
    }

    #[test]
    fn what_is_too_wide_goes_on_in_further_lines() {
        let name = "a name of a case that is longer than the terminal is wide";
        let lines = written(40, |page| {
            let left = [piece("✗ ", BAD), piece(name, BOLD)];
            page.line_with_right(4, &left, piece("12 ms", DIM)).unwrap();
            page.line_with_right(4, &[piece("✗ b  ", BAD)], piece("12 ms", DIM)).unwrap();
            page.entry(2, &[piece("suite.yml:8", PLACE), piece(format!("  {name}"), PLAIN)]).unwrap();
            page.entry(2, &[piece("long/path/of/a/suite/in/a/folder/suite.yml:8", PLACE), piece("  b", PLAIN)])
                .unwrap();
            page.entry(2, &[piece("- ", PLAIN), piece(name, PLAIN)]).unwrap();
        });
        assert_eq!(
            lines,
            [
                "    ✗ a name of a case that is     12 ms",
                "      longer than the terminal",
                "      is wide",
                "    ✗ b                            12 ms",
                "  suite.yml:8",
                "    a name of a case that is longer",
                "    than the terminal is wide",
                "  long/path/of/a/suite/in/a/folder/suite.yml:8",
                "    b",
                "  - a name of a case that is longer",
                "    than the terminal is wide",
            ]
        );
    }

    #[test]
    fn lines_stay_whole_where_there_is_no_terminal() {
        let name = "a name of a case that is longer than the terminal is wide";
        let mut out = Vec::new();
        let mut page = Page::new(Style { width: 40, wraps: false, ..Style::default() }, &mut out);
        page.line_with_right(4, &[piece(name, BOLD)], piece("12 ms", DIM)).unwrap();
        page.entry(2, &[piece("suite.yml:8", PLACE), piece(format!("  {name}"), PLAIN)]).unwrap();
        let wanted = format!("    {name}  12 ms\n  suite.yml:8  {name}\n");
        assert_eq!(String::from_utf8(out).unwrap(), wanted);
    }

    #[test]
    fn a_command_put_together_from_pieces_is_broken_up() {
        let pieces = [piece(":", BAD), piece(":error::x ##", PLAIN), piece("[group]", BOLD)];
        assert_eq!(line(true, &pieces), "  \\::error::x ##\\[group]\n");
    }
}
