//! Source lines of the code of a module.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::module::Module;
use crate::origin::Origin;
use crate::segments::segments;
use crate::unmeasurable::Unmeasurable;

/// Most files.
const MAX_FILES: usize = 20_000;

/// Most lines of all blocks together; a line counts in each block that it has code in.
pub(crate) const MAX_PLACES: usize = 16_000_000;

/// Where the instructions of a module come from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// The files.
    pub files: Vec<File>,
    /// Ranges of bytes of the module in ascending order, none inside of another, each with its line. Only those of the
    /// policy's own code.
    pub rows: Vec<Row>,
    /// Code that was inlined, with the lines of own code that call it; by position of the function that it is in. These ranges
    /// are inside of each other where calls are.
    pub(crate) calls: BTreeMap<usize, Vec<Row>>,
    /// In modules of Go: for functions with own code, by position, blocks of code with their lines. The rows follow from them.
    pub(crate) blocks: BTreeMap<usize, Vec<Block>>,
    /// Names of functions that no name section has.
    pub(crate) names: Vec<Option<String>>,
    /// For each function of the module the place that its first instruction comes from, whoever's code it is.
    pub starts: Vec<Option<Place>>,
}

/// A source file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// Its path as the compiler wrote it.
    pub path: String,
    /// Whose it is.
    pub origin: Origin,
}

/// Bytes of a module that come from one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Row {
    /// The bytes.
    pub range: Range<usize>,
    /// Where they come from.
    pub place: Place,
}

/// Code that is executed as a whole, and the lines that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Block {
    /// The bytes.
    pub(crate) range: Range<usize>,
    /// The lines, in the order of their code.
    pub(crate) places: Vec<Place>,
}

impl Block {
    fn rows(&self) -> impl Iterator<Item = Row> {
        let Self { range, places } = self;
        let part = (range.len() / places.len().max(1)).max(1);
        let start = move |number: usize| (range.start + part * number).min(range.end);
        let end = move |number: usize| if number + 1 == places.len() { range.end } else { start(number + 1) };
        places.iter().enumerate().map(move |(number, place)| Row { range: start(number)..end(number), place: *place })
    }
}

/// A line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Place {
    /// Index into [`Lines::files`].
    pub file: usize,
    /// Counted from 1.
    pub line: u32,
}

impl Lines {
    /// Whether there are lines of the policy's own code.
    pub fn has_own(&self) -> bool {
        !self.rows.is_empty() || !self.calls.is_empty()
    }

    /// Rows of blocks: where in a block a line begins is not known, so each has a part of it.
    pub(crate) fn with_rows(mut self) -> Self {
        let all = self.blocks.values().flatten();
        self.rows = in_order(all.flat_map(Block::rows).collect());
        self
    }

    /// The blocks of a function with lines of own code; none in one without. `room` is what may be left of the places in them.
    ///
    /// # Errors
    ///
    /// Its code cannot be read, or it has too many places.
    pub(crate) fn blocks_of(
        &self,
        module: &Module<'_>,
        position: usize,
        room: &mut usize,
    ) -> Result<Vec<Block>, Unmeasurable> {
        let function = &module.functions[position];
        if let Some(blocks) = self.blocks.get(&position) {
            return Ok(blocks.clone());
        }
        let calls = self.calls.get(&position).map_or(&[] as &[_], Vec::as_slice);
        let rows = self.rows_in(&function.body);
        if rows.is_empty() && calls.is_empty() {
            return Ok(Vec::new());
        }
        let blocks = segments(module, function)?.into_iter();
        let mut blocks: Vec<Block> = blocks.map(|segment| Block { range: segment.range, places: Vec::new() }).collect();
        for Row { range, place } in rows.iter().chain(calls) {
            let first = blocks.partition_point(|block| block.range.end <= range.start);
            for block in blocks[first..].iter_mut().take_while(|block| block.range.start < range.end) {
                *room = room.checked_sub(1).ok_or(Unmeasurable::TooMany { what: "places", limit: MAX_PLACES })?;
                block.places.push(*place);
            }
        }
        for block in &mut blocks {
            block.places.sort_unstable();
            block.places.dedup();
        }
        Ok(blocks)
    }

    /// The place of this byte of the module, if it is own code.
    pub fn place_of(&self, offset: usize) -> Option<Place> {
        let after = self.rows.partition_point(|row| row.range.start <= offset);
        let row = self.rows.get(after.checked_sub(1)?)?;
        row.range.contains(&offset).then_some(row.place)
    }

    /// The rows that overlap these bytes.
    pub fn rows_in(&self, range: &Range<usize>) -> &[Row] {
        let first = self.rows.partition_point(|row| row.range.end <= range.start);
        let last = self.rows.partition_point(|row| row.range.start < range.end);
        self.rows.get(first..last).unwrap_or_default()
    }
}

/// Rows sorted, and shortened where others begin inside of them.
pub(crate) fn in_order(mut rows: Vec<Row>) -> Vec<Row> {
    rows.sort_by_key(|row| (row.range.start, row.range.end));
    rows.dedup();
    let starts: Vec<usize> = rows.iter().skip(1).map(|row| row.range.start).collect();
    for (row, next) in rows.iter_mut().zip(starts) {
        row.range.end = row.range.end.min(next);
    }
    rows.retain(|row| !row.range.is_empty());
    rows
}

/// The files, each once.
#[derive(Default)]
pub(crate) struct Files {
    pub(crate) files: Vec<File>,
    known: BTreeMap<String, usize>,
}

impl Files {
    /// The index of a file; `origin` says whose a new one is.
    pub(crate) fn index(&mut self, path: String, origin: impl Fn(&str) -> Origin) -> Result<usize, Unmeasurable> {
        if let Some(index) = self.known.get(&path) {
            return Ok(*index);
        }
        if self.files.len() >= MAX_FILES {
            return Err(Unmeasurable::TooMany { what: "source files", limit: MAX_FILES });
        }
        self.files.push(File { origin: origin(&path), path: path.clone() });
        self.known.insert(path, self.files.len() - 1);
        Ok(self.files.len() - 1)
    }
}
