//! A YAML text as a tree of the ranges of bytes in which its values are written.

use std::collections::HashMap;
use std::ops::Range;

use granit_parser::{Event, Parser, ScalarStyle, Span, StructureStyle};

/// Deepest nesting of a text that is changed.
const DEEPEST: usize = 128;

/// Most values of a text that is changed.
const MOST_PIECES: usize = 2_000_000;

/// A value and where it is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Piece {
    /// From its first byte to its last one, the header of a block of text included.
    pub(super) range: Range<usize>,
    /// Where the reader sees it: a block of text at its first letter, a list at its first item if its dashes stand below
    /// its key.
    pub(super) place: usize,
    pub(super) shape: Shape,
}

/// How a value is written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// A text, a number and such, as the parser understood it.
    Scalar(String, ScalarStyle),
    List(Vec<Piece>, Layout),
    Map(Vec<Entry>, Layout),
    /// The number of the anchor of what stands here.
    Alias(usize),
}

/// Whether a collection has brackets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    Block,
    Flow,
}

/// A member of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    pub(super) name: String,
    pub(super) key: Range<usize>,
    pub(super) value: Piece,
}

impl Entry {
    /// From the first byte of the key to the last one of the value.
    pub(super) fn range(&self) -> Range<usize> {
        self.key.start..self.value.range.end.max(self.key.end)
    }
}

/// The documents of a text.
#[derive(Debug, Default)]
pub(super) struct Tree {
    documents: Vec<Piece>,
    anchors: HashMap<usize, Piece>,
}

impl Tree {
    /// Nothing for a text that is no YAML, or a bomb.
    pub(super) fn of(text: &str) -> Option<Self> {
        let mut builder = Builder { text, tree: Self::default(), open: Vec::new(), end: 0, pieces: 0 };
        for event in Parser::new_from_str(text) {
            let (event, span) = event.ok()?;
            builder.take(event, &span)?;
        }
        Some(builder.tree)
    }

    /// The value that the reader sees at this byte: a list, or something else.
    pub(super) fn at(&self, offset: usize, is_list: bool) -> Option<&Piece> {
        let roots = self.documents.iter().chain(self.anchors.values());
        roots.filter(|piece| piece.reaches(offset)).find_map(|it| it.at(offset, is_list))
    }

    /// The documents.
    pub(super) fn documents(&self) -> &[Piece] {
        &self.documents
    }

    /// What an alias stands for.
    pub(super) fn resolve<'a>(&'a self, piece: &'a Piece) -> Option<&'a Piece> {
        match &piece.shape {
            Shape::Alias(id) => self.anchors.get(id),
            _ => Some(piece),
        }
    }
}

impl Piece {
    fn at(&self, offset: usize, is_list: bool) -> Option<&Self> {
        let is_one = matches!(self.shape, Shape::List(..));
        let mut inner = self.parts_at(offset);
        match self.place == offset && (is_list || !is_one) {
            true => Some(self),
            false => inner.find_map(|piece| piece.at(offset, is_list)).or((self.place == offset).then_some(self)),
        }
    }

    /// The values inside that may hold what begins at this byte: of a long list, which is sorted, not all are looked at.
    fn parts_at(&self, offset: usize) -> Box<dyn Iterator<Item = &Self> + '_> {
        match &self.shape {
            Shape::List(items, _) => {
                let first = items.partition_point(|item| item.range.end.max(item.place) < offset);
                Box::new(items[first..].iter().take_while(move |item| item.range.start <= offset))
            }
            _ => Box::new(self.parts().filter(move |piece| piece.reaches(offset))),
        }
    }

    fn reaches(&self, offset: usize) -> bool {
        self.range.start <= offset && offset <= self.range.end.max(self.place)
    }

    /// The values inside.
    pub(super) fn parts(&self) -> Box<dyn Iterator<Item = &Self> + '_> {
        match &self.shape {
            Shape::Scalar(..) | Shape::Alias(_) => Box::new(std::iter::empty()),
            Shape::List(items, _) => Box::new(items.iter()),
            Shape::Map(entries, _) => Box::new(entries.iter().map(|entry| &entry.value)),
        }
    }
}

/// A collection that is not over.
struct Open {
    start: usize,
    anchor: usize,
    layout: Layout,
    items: Vec<Piece>,
    /// The keys, where it is a mapping: name and range.
    keys: Option<Vec<(String, Range<usize>)>>,
}

struct Builder<'a> {
    text: &'a str,
    tree: Tree,
    open: Vec<Open>,
    /// Behind the last value or key.
    end: usize,
    pieces: usize,
}

impl Builder<'_> {
    fn take(&mut self, event: Event<'_>, span: &Span) -> Option<()> {
        let range = span.byte_range()?;
        match event {
            Event::Scalar(text, style, anchor, _) => {
                let (place, range) = (range.start, self.of_scalar(range, style));
                self.add(Piece { range, place, shape: Shape::Scalar(text.into_owned(), style) }, anchor)
            }
            Event::Alias(id) => self.add(Piece { place: range.start, range, shape: Shape::Alias(id) }, 0),
            Event::SequenceStart(style, anchor, _) => self.begin(range.start, anchor, style, None),
            Event::MappingStart(style, anchor, _) => self.begin(range.start, anchor, style, Some(Vec::new())),
            Event::SequenceEnd | Event::MappingEnd => self.finish(range.end),
            _ => Some(()),
        }
    }

    fn begin(
        &mut self,
        start: usize,
        anchor: usize,
        style: StructureStyle,
        keys: Option<Vec<(String, Range<usize>)>>,
    ) -> Option<()> {
        let layout = if style == StructureStyle::Flow { Layout::Flow } else { Layout::Block };
        self.open.push(Open { start, anchor, layout, items: Vec::new(), keys });
        (self.open.len() <= DEEPEST).then_some(())
    }

    fn finish(&mut self, end: usize) -> Option<()> {
        let Open { start, anchor, layout, items, keys } = self.open.pop()?;
        // A block ends where its last value does, not where the next key begins.
        let end = if layout == Layout::Flow { end } else { self.end.max(start) };
        let (place, start) = (start, if keys.is_none() { self.first_dash(start, layout, &items) } else { start });
        let shape = match keys {
            None => Shape::List(items, layout),
            Some(keys) => {
                let entry = |((name, key), value)| Entry { name, key, value };
                Shape::Map(keys.into_iter().zip(items).map(entry).collect(), layout)
            }
        };
        self.add(Piece { range: start..end, place, shape }, anchor)
    }

    /// Where a list begins: at its first dash, which the reader passes over where dashes stand below their key.
    fn first_dash(&self, start: usize, layout: Layout, items: &[Piece]) -> usize {
        let before = self.text.get(..start).filter(|_| layout == Layout::Block && !items.is_empty());
        let is_dash = self.text[start..].starts_with('-') && items.first().is_some_and(|item| item.range.start > start);
        before.filter(|_| !is_dash).and_then(|before| before.rfind('-')).unwrap_or(start)
    }

    fn add(&mut self, piece: Piece, anchor: usize) -> Option<()> {
        self.pieces += 1;
        self.end = self.end.max(piece.range.end);
        if anchor > 0 {
            self.tree.anchors.insert(anchor, piece.clone());
        }
        match self.open.last_mut() {
            None => self.tree.documents.push(piece),
            // A key comes before its value.
            Some(Open { keys: Some(keys), items, .. }) if keys.len() == items.len() => {
                let Shape::Scalar(name, _) = piece.shape else { return None };
                keys.push((name, piece.range));
            }
            Some(open) => open.items.push(piece),
        }
        (self.pieces <= MOST_PIECES).then_some(())
    }

    /// The range of a scalar: of a block of text from its `|` or `>`.
    fn of_scalar(&self, range: Range<usize>, style: ScalarStyle) -> Range<usize> {
        if !matches!(style, ScalarStyle::Literal | ScalarStyle::Folded) {
            // Nothing is written behind the colon, which is where the reader sees it.
            let is_at_colon = range.is_empty() && self.text[range.start..].starts_with(':');
            return if is_at_colon { range.end + 1..range.end + 1 } else { range };
        }
        let between = self.text.get(self.end..range.start).unwrap_or_default();
        let is_header = |line: &&str| !line.trim().is_empty();
        let line = between.split_inclusive('\n').rev().find(is_header).unwrap_or_default();
        let line_start = line.as_ptr().addr() - between.as_ptr().addr();
        let words = line.split_inclusive(char::is_whitespace);
        let before: usize = words.take_while(|word| !word.starts_with(['|', '>'])).map(str::len).sum();
        let start = if before < line.len() { self.end + line_start + before } else { range.start };
        // The reader may go on to the first letter of what comes next.
        let block = self.text.get(start..range.end).unwrap_or_default();
        start..start + block.trim_end_matches([' ', '\t']).len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# c\na: &x { b: 'it''s', c: [1, 2] } # t\nd: |- # why | not\n  two\n  lines\ne:\n  - f: g\n    h: \"x\"\n\n  - *x\n  # a | b\n  - >\n    folded\n  # after\nm: plain text\n  goes on\né: ü\n---\nsecond: 1\n";

    fn piece(text: &'static str, start: &str) -> (&'static str, Piece) {
        let tree = Tree::of(text).unwrap();
        let piece = tree.at(text.find(start).unwrap(), start.starts_with(['-', '['])).unwrap().clone();
        (&text[piece.range.clone()], piece)
    }

    #[test]
    fn values_are_found_where_they_are_written() {
        for (start, written) in [
            ("{ b", "{ b: 'it''s', c: [1, 2] }"),
            ("'it", "'it''s'"),
            ("[1", "[1, 2]"),
            ("2]", "2"),
            ("two", "|- # why | not\n  two\n  lines\n"),
            ("- f", "- f: g\n    h: \"x\"\n\n  - *x\n  # a | b\n  - >\n    folded\n"),
            ("folded", ">\n    folded\n"),
            ("f: g", "f: g\n    h: \"x\""),
            ("\"x\"", "\"x\""),
            ("plain", "plain text\n  goes on"),
            ("ü", "ü"),
            ("second", "second: 1"),
        ] {
            assert_eq!(piece(TEXT, start).0, written, "{start}");
        }
    }

    #[test]
    fn dashes_may_stand_below_their_key() {
        let text = "a:\n  b:\n  - oops # c\n  - x: 1\n    y: 2\n  c:\n  - - d\n    - e\n";
        let tree = Tree::of(text).unwrap();
        let written = |start: &str, is_list| {
            let piece = tree.at(text.find(start).unwrap(), is_list).unwrap();
            &text[piece.range.clone()]
        };
        assert_eq!(written("oops", false), "oops");
        assert_eq!(written("oops", true), "- oops # c\n  - x: 1\n    y: 2");
        assert_eq!(written("x: 1", false), "x: 1\n    y: 2");
        assert_eq!(written("- d", true), "- - d\n    - e");
        assert_eq!(written("d\n", false), "d");
    }

    #[test]
    fn an_alias_is_what_it_stands_for() {
        let tree = Tree::of(TEXT).unwrap();
        let alias = tree.at(TEXT.find("*x").unwrap(), false).unwrap();
        assert_eq!(&TEXT[tree.resolve(alias).unwrap().range.clone()], "{ b: 'it''s', c: [1, 2] }");
    }

    #[test]
    fn bombs_and_what_is_no_yaml_have_no_tree() {
        assert!(Tree::of("a: [").is_none());
        assert!(Tree::of(&"[".repeat(100_000)).is_none());
        assert!(Tree::of(&format!("{}{}", "[".repeat(200), "]".repeat(200))).is_none());
    }
}
