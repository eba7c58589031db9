//! The smallest changes of a text that make a value another one.

use std::ops::Range;

use granit_parser::ScalarStyle;
use serde_json::{Map, Value};

use super::tree::{Entry, Layout, Piece, Shape, Tree};
use super::write::{self, Dialect};

/// A change of a text, or a part of it that has to stay.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Edit {
    /// The bytes it is about.
    pub range: Range<usize>,
    /// What takes their place; nothing where they stay.
    pub text: Option<String>,
    /// The value that it changes: its range, or that of the collection of which a member comes or goes.
    pub of: Range<usize>,
}

impl Edit {
    /// Whether a part that has to stay does not if this change is made.
    pub fn breaks(&self, kept: &Self) -> bool {
        let overlaps = self.range.start < kept.range.end && kept.range.start < self.range.end;
        let holds = kept.range.start <= self.of.start && self.of.end <= kept.range.end;
        overlaps || holds
    }
}

/// Why a value cannot be changed where it is written.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Obstacle {
    /// The text is not YAML, or the value is not where it is said to be.
    #[error("its place in the file is not found")]
    Lost,
    /// It depends on a variable that is no key of the case's row.
    #[error("it is made from the variable `{0}`")]
    Variable(String),
    /// A member comes from somewhere else.
    #[error("`{0}` comes from a merged mapping")]
    Merged(String),
    /// The variable is used elsewhere.
    #[error("the variable `{0}` is not only used in the expectation")]
    Used(String),
    /// Something else would change.
    #[error("something else than the expectation would change with it")]
    Shared,
}

/// What is known about the text.
pub(super) struct Context<'a> {
    pub(super) text: &'a str,
    pub(super) tree: &'a Tree,
    pub(super) dialect: Dialect,
    /// The row that gives variables their values.
    pub(super) row: Option<&'a Piece>,
}

impl Context<'_> {
    /// Changes what is written at `piece`, where `old` is read, so that `new` is read.
    pub(super) fn change(
        &self,
        piece: &Piece,
        old: &Value,
        new: &Value,
        edits: &mut Vec<Edit>,
    ) -> Result<(), Obstacle> {
        let piece = self.tree.resolve(piece).ok_or(Obstacle::Lost)?;
        if let Some(name) = self.variable(piece)? {
            let entry = self.row.and_then(|row| entries(row)?.iter().find(|entry| entry.name == name));
            let entry = entry.ok_or_else(|| Obstacle::Variable(name.clone()))?;
            if old != new && self.is_used_elsewhere(&name) {
                return Err(Obstacle::Used(name));
            }
            return self.change(&entry.value, old, new, edits);
        }
        if old == new {
            self.keep(piece, edits);
            return Ok(());
        }
        match (&piece.shape, old, new) {
            (Shape::Map(entries, layout), Value::Object(old), Value::Object(new))
                if !entries.is_empty() && !new.is_empty() =>
            {
                self.change_map(piece, entries, *layout, (old, new), edits)
            }
            (Shape::List(items, layout), Value::Array(old), Value::Array(new))
                if !items.is_empty() && !new.is_empty() =>
            {
                self.change_list(piece, items, *layout, (old, new), edits)
            }
            _ => {
                self.replace(piece, new, edits);
                Ok(())
            }
        }
    }

    /// The variable that a scalar is; other scalars with variables cannot be changed.
    fn variable(&self, piece: &Piece) -> Result<Option<String>, Obstacle> {
        let Shape::Scalar(text, _) = &piece.shape else { return Ok(None) };
        if !self.dialect.has_variables {
            return Ok(None);
        }
        let literal = text.replace("$${", "");
        let Some(start) = literal.find("${") else { return Ok(None) };
        let name = literal[start + 2..].split('}').next().unwrap_or_default().to_owned();
        match *text == format!("${{{name}}}") {
            true => Ok(Some(name)),
            false => Err(Obstacle::Variable(name)),
        }
    }

    /// Whether the case of the row uses a variable outside of its expectation.
    fn is_used_elsewhere(&self, name: &str) -> bool {
        let wanted = format!("${{{name}}}");
        let case = self.row.and_then(|row| case_of(self.tree.documents(), row));
        let others = case.and_then(entries).into_iter().flatten();
        others
            .filter(|entry| !["expect", "each"].contains(&entry.name.as_str()))
            .any(|entry| has(&entry.value, &wanted))
    }

    /// The whole value stays, and what its variables stand for.
    fn keep(&self, piece: &Piece, edits: &mut Vec<Edit>) {
        edits.push(Edit { range: piece.range.clone(), text: None, of: piece.range.clone() });
        let mut inner = Vec::new();
        match &piece.shape {
            Shape::Scalar(..) => {
                if let Ok(Some(name)) = self.variable(piece)
                    && let Some(entry) = self.row.and_then(|row| entries(row)?.iter().find(|it| it.name == name))
                {
                    inner.push(&entry.value);
                }
            }
            Shape::Alias(_) => inner.extend(self.tree.resolve(piece)),
            Shape::List(items, _) => inner.extend(items),
            Shape::Map(entries, _) => inner.extend(entries.iter().map(|entry| &entry.value)),
        }
        inner.into_iter().for_each(|piece| self.keep(piece, edits));
    }

    fn replace(&self, piece: &Piece, new: &Value, edits: &mut Vec<Edit>) {
        let (column, indentation) = (self.column_of(piece.range.start), self.indentation_of(piece.range.start));
        // The text of an item is indented from its dash.
        let is_item = self.text[..piece.range.start].trim_end_matches(' ').ends_with('-');
        let indentation = if is_item { indentation.saturating_sub(2) } else { indentation };
        let (style, is_block) = match &piece.shape {
            Shape::Scalar(_, style) => (Some(*style), matches!(style, ScalarStyle::Literal | ScalarStyle::Folded)),
            _ => (None, false),
        };
        let mut text = write::value(new, style, indentation, column, self.dialect);
        let mut range = piece.range.clone();
        if range.is_empty() {
            text.insert(0, ' ');
        } else if is_block {
            range = self.without_break(range);
        } else if matches!(&piece.shape, Shape::Map(_, Layout::Block) | Shape::List(_, Layout::Block)) {
            (range, text) = self.behind_the_key(range, &text);
        }
        edits.push(Edit { range, text: Some(text), of: piece.range.clone() });
    }

    /// What stood on lines of its own below a key stands behind the key, or further in than the key where a comment is behind that.
    fn behind_the_key(&self, range: Range<usize>, text: &str) -> (Range<usize>, String) {
        let key = self.text[..range.start].trim_end();
        let is_below = self.text[key.len()..range.start].contains('\n');
        let end = self.line_end(self.without_break(range.clone()).end);
        match (is_below, key.ends_with(':')) {
            (false, _) => (self.without_break(range), text.to_owned()),
            (true, true) => (key.len()..end, format!(" {text}")),
            (true, false) => (range.start..end, format!("  {text}")),
        }
    }

    fn change_map(
        &self,
        piece: &Piece,
        written: &[Entry],
        layout: Layout,
        (old, new): (&Map<String, Value>, &Map<String, Value>),
        edits: &mut Vec<Edit>,
    ) -> Result<(), Obstacle> {
        let find = |name: &String| {
            let position = written.iter().position(|entry| entry.name == *name);
            position.ok_or_else(|| Obstacle::Merged(name.clone()))
        };
        let mut removed =
            old.keys().filter(|name| !new.contains_key(*name)).map(find).collect::<Result<Vec<_>, _>>()?;
        let mut added: Vec<&String> = new.keys().filter(|name| !old.contains_key(*name)).collect();
        for (name, value) in old.iter().filter(|(name, _)| new.contains_key(*name)) {
            match find(name) {
                Ok(place) => self.change(&written[place].value, value, &new[name], edits)?,
                Err(obstacle) if *value != new[name] => return Err(obstacle),
                Err(_) => {}
            }
        }
        let indentation = self.indentation_of(written.first().map_or(piece.range.start, |entry| entry.key.start));
        let entry_text = |name: &String, layout| write::entry(name, &new[name], layout, indentation, self.dialect);
        // What is replaced stays where it was.
        while let (Some(place), Some(name)) = (removed.first().copied(), added.first().copied()) {
            let entry = &written[place];
            let mut range = self.without_break(entry.range());
            let is_empty = entry.value.range.is_empty();
            range.end += usize::from(is_empty && self.text[range.end..].starts_with(" ,"));
            edits.push(Edit { range, text: Some(entry_text(name, layout)), of: piece.range.clone() });
            removed.remove(0);
            added.remove(0);
        }
        let ranges: Vec<Range<usize>> = written.iter().map(Entry::range).collect();
        for place in removed {
            edits.push(Edit { of: piece.range.clone(), ..self.removal(&ranges, place, layout) });
        }
        let texts: Vec<String> = added.into_iter().map(|name| entry_text(name, layout)).collect();
        let inserted = self.insertion(&ranges, ranges.len(), &texts, indentation, layout);
        edits.extend(inserted.map(|edit| Edit { of: piece.range.clone(), ..edit }));
        Ok(())
    }

    fn change_list(
        &self,
        piece: &Piece,
        items: &[Piece],
        layout: Layout,
        (old, new): (&[Value], &[Value]),
        edits: &mut Vec<Edit>,
    ) -> Result<(), Obstacle> {
        if items.len() != old.len() {
            return Err(Obstacle::Lost);
        }
        let first = old.iter().zip(new).take_while(|(old, new)| old == new).count();
        let most = old.len().min(new.len()) - first;
        let last = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count().min(most);
        let shared = most - last;
        for (index, item) in items.iter().enumerate() {
            let is_kept = index < first || index >= items.len() - last;
            match is_kept {
                true => self.keep(item, edits),
                false if index < first + shared => self.change(item, &old[index], &new[index], edits)?,
                false => {}
            }
        }
        let starts = |item: &Piece| match layout {
            // The dash belongs to the item.
            Layout::Block => self.text[..item.range.start].rfind('-').unwrap_or(item.range.start),
            Layout::Flow => item.range.start,
        };
        let ranges: Vec<Range<usize>> = items.iter().map(|item| starts(item)..item.range.end).collect();
        for place in first + shared..items.len() - last {
            edits.push(Edit { of: piece.range.clone(), ..self.removal(&ranges, place, layout) });
        }
        let indentation = ranges.first().map_or(0, |range| self.column_of(range.start));
        let added = &new[first + shared..new.len() - last];
        let texts: Vec<String> =
            added.iter().map(|value| write::item(value, layout, indentation, self.dialect)).collect();
        let inserted = self.insertion(&ranges, first + shared, &texts, indentation, layout);
        edits.extend(inserted.map(|edit| Edit { of: piece.range.clone(), ..edit }));
        Ok(())
    }

    /// Takes a member away, with its line or its comma.
    fn removal(&self, ranges: &[Range<usize>], place: usize, layout: Layout) -> Edit {
        let range = match (layout, ranges.get(place + 1), place.checked_sub(1).map(|before| &ranges[before])) {
            (Layout::Flow, Some(next), _) => ranges[place].start..next.start,
            (Layout::Flow, None, Some(before)) => before.end..ranges[place].end,
            (Layout::Block, Some(next), None) => ranges[place].start..next.start,
            (Layout::Block, _, Some(_)) => self.lines_of(&ranges[place]),
            (_, None, None) => ranges[place].clone(),
        };
        Edit { of: range.clone(), range, text: Some(String::new()) }
    }

    /// Puts members in front of the one at `place`, or behind the last one.
    fn insertion(
        &self,
        ranges: &[Range<usize>],
        place: usize,
        texts: &[String],
        indentation: usize,
        layout: Layout,
    ) -> Option<Edit> {
        if texts.is_empty() {
            return None;
        }
        let before = place.checked_sub(1).map(|before| self.without_break(ranges[before].clone()));
        let (at, text) = match (layout, before, ranges.get(place)) {
            (Layout::Flow, Some(before), _) => (before.end, format!(", {}", texts.join(", "))),
            (Layout::Flow, None, Some(next)) => (next.start, format!("{}, ", texts.join(", "))),
            (Layout::Block, Some(before), _) => {
                let at = self.line_end(before.end);
                (at, texts.iter().map(|text| format!("\n{:indentation$}{text}", "")).collect())
            }
            (Layout::Block, None, Some(next)) => {
                (next.start, texts.iter().map(|text| format!("{text}\n{:indentation$}", "")).collect())
            }
            (_, None, None) => return None,
        };
        Some(Edit { range: at..at, text: Some(text), of: at..at })
    }

    /// The lines of a member of a block, with the break behind them.
    fn lines_of(&self, range: &Range<usize>) -> Range<usize> {
        let start = self.text[..range.start].rfind('\n').map_or(0, |at| at + 1);
        let end = self.line_end(self.without_break(range.clone()).end);
        start..(end + 1).min(self.text.len())
    }

    /// The range without the break that ends a block of text.
    fn without_break(&self, range: Range<usize>) -> Range<usize> {
        let text = self.text[range.clone()].trim_end_matches(['\n', '\r', ' ']);
        range.start..range.start + text.len()
    }

    fn line_end(&self, offset: usize) -> usize {
        let end = self.text[offset..].find('\n').map_or(self.text.len(), |at| offset + at);
        if self.text[offset..end].ends_with('\r') { end - 1 } else { end }
    }

    /// In which column, counted from 0, this byte is.
    fn column_of(&self, offset: usize) -> usize {
        offset - self.text[..offset].rfind('\n').map_or(0, |at| at + 1)
    }

    /// By how much what stands here is indented: dashes of lists count.
    fn indentation_of(&self, offset: usize) -> usize {
        let line = &self.text[offset - self.column_of(offset)..offset];
        line.len() - line.trim_start_matches([' ', '-']).len()
    }
}

fn entries(piece: &Piece) -> Option<&[Entry]> {
    match &piece.shape {
        Shape::Map(entries, _) => Some(entries),
        _ => None,
    }
}

/// The smallest mapping with a table that has this row.
fn case_of<'a>(documents: &'a [Piece], row: &Piece) -> Option<&'a Piece> {
    let mut found = None;
    let mut next = documents.iter().find(|it| holds(it, row));
    while let Some(piece) = next {
        if entries(piece).is_some_and(|entries| entries.iter().any(|entry| entry.name == "each")) {
            found = Some(piece);
        }
        next = piece.parts().find(|it| holds(it, row) && it.range != row.range);
    }
    found
}

fn holds(piece: &Piece, inner: &Piece) -> bool {
    piece.range.start <= inner.range.start && inner.range.end <= piece.range.end
}

/// Whether a text is anywhere in a value.
fn has(piece: &Piece, text: &str) -> bool {
    let is_in = |name: &str| name.contains(text);
    match &piece.shape {
        Shape::Scalar(written, _) => is_in(written),
        Shape::Map(entries, _) => entries.iter().any(|entry| is_in(&entry.name) || has(&entry.value, text)),
        _ => piece.parts().any(|part| has(part, text)),
    }
}
