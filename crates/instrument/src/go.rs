//! Source lines of a module that the official compiler of Go made. It writes no debug information for WebAssembly, but every
//! Go program carries the table of lines that its runtime prints stack traces with (`pclntab`), in its data.
//!
//! A place in the code is there a function and the number of a *resume point* in it: functions begin with a jump to the
//! resume point that their first parameter names, and there is one at each call and at each target of a branch. The table
//! has the line at each number, which is that of the last instruction before the next one: lines without a call or branch of
//! their own are in no table. Sources: `cmd/internal/obj/wasm/wasmobj.go`, `cmd/link/internal/wasm/asm.go`,
//! `debug/gosym/pclntab.go` and `runtime/symtab.go` of Go 1.26.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use wasmparser::Operator;

use crate::lines::{Block, Files, Lines, Place};
use crate::module::{Function, Module};
use crate::origin::{self, Origin};
use crate::unmeasurable::Unmeasurable;

/// What the table begins with since Go 1.20: its magic number, two zeros, the size of an instruction and that of a pointer.
const MAGIC: [u8; 8] = [0xf1, 0xff, 0xff, 0xff, 0, 0, 1, 8];

/// Most bytes of data. A policy of 5 MB has 2 MB.
const MAX_DATA: usize = 64 << 20;

/// Most entries in all tables of lines together.
const MAX_ENTRIES: usize = 4_000_000;

const TOO_MANY: Unmeasurable = Unmeasurable::TooMany { what: "entries in its table of lines", limit: MAX_ENTRIES };

/// Most lines of one block. Real ones have some ten.
const MAX_PLACES: usize = 1_000;

/// Most bytes of all names and paths that are read.
const MAX_TEXTS: usize = 64 << 20;

/// What is before the description of the program in its data.
const MODULE_LINE: &[u8] = b"\nmod\t";

/// Most bytes of a text in the tables.
const MAX_TEXT: usize = 4096;

/// The lines of a module of Go; none where the table is not found.
///
/// # Errors
///
/// There are more lines than are read.
pub(crate) fn lines(module: &Module<'_>) -> Result<Option<Lines>, Unmeasurable> {
    let Some(image) = Image::of(module) else { return Ok(None) };
    let Some(table) = Table::find(&image) else { return Ok(None) };
    let owner = Owner::of(&image);
    let mut lines = Lines {
        starts: vec![None; module.functions.len()],
        names: vec![None; module.functions.len()],
        ..Lines::default()
    };
    let (mut files, mut left) = (Files::default(), MAX_ENTRIES);
    let mut of_units: BTreeMap<(usize, u32), usize> = BTreeMap::new();
    for number in 0..table.functions {
        let Some(entry) = table.function(number) else { continue };
        let Some(function) = module.functions.get(entry.position) else { continue };
        let Some(at) = entry.places(&table, &mut left) else {
            return Err(TOO_MANY);
        };
        let mut places = Vec::with_capacity(at.len());
        for (numbers, number, line) in at {
            let file = match of_units.get(&(entry.unit, number)) {
                Some(file) => *file,
                None => {
                    let path = table.path(entry.unit, number).unwrap_or_default();
                    let file = files.index(path, |path| owner.of_path(path))?;
                    of_units.insert((entry.unit, number), file);
                    file
                }
            };
            places.push((numbers, Place { file, line }));
        }
        lines.starts[entry.position] = places.first().map(|(_, place)| Place { line: entry.line, ..*place });
        lines.names[entry.position] = Some(entry.name);
        places.retain(|(_, place)| files.files[place.file].origin == Origin::Own);
        if !places.is_empty() {
            let blocks = blocks(module, function, &places, &mut left)?;
            lines.blocks.insert(entry.position, blocks);
        }
    }
    lines.files = files.files;
    Ok((!lines.blocks.is_empty()).then_some(lines))
}

/// The code between resume points with the lines in it.
fn blocks(
    module: &Module<'_>,
    function: &Function,
    places: &[(Range<u64>, Place)],
    left: &mut usize,
) -> Result<Vec<Block>, Unmeasurable> {
    let (ends, targets) = dispatch(module, function)?;
    let mut blocks: BTreeMap<usize, Block> = BTreeMap::new();
    for (numbers, place) in places {
        for number in numbers.clone().take(targets.len().max(1)) {
            let target = targets.get(usize::try_from(number).unwrap_or(usize::MAX)).or(targets.last());
            let start = target.and_then(|target| ends.get(target)).copied().unwrap_or(function.code);
            let block = blocks.entry(start).or_insert_with(|| Block { range: start..start, places: Vec::new() });
            *left = left.checked_sub(1).ok_or(TOO_MANY)?;
            if block.places.len() < MAX_PLACES && !block.places.contains(place) {
                block.places.push(*place);
            }
        }
    }
    let mut blocks: Vec<Block> = blocks.into_values().collect();
    let mut all: Vec<usize> = ends.into_values().chain([function.body.end]).collect();
    all.sort_unstable();
    for block in &mut blocks {
        // Up to the next resume point, whoever's it is.
        let next = all.partition_point(|end| *end <= block.range.start);
        block.range.end = all.get(next).copied().unwrap_or(block.range.start);
    }
    Ok(blocks)
}

/// For each block that the dispatch of a function leads out of, where the code behind it begins; and the targets of the
/// dispatch by number. Both are empty for a function without resume points.
fn dispatch(module: &Module<'_>, function: &Function) -> Result<(BTreeMap<usize, usize>, Vec<usize>), Unmeasurable> {
    let (mut open, mut opened) = (Vec::new(), 0_usize);
    let (mut ends, mut targets, mut targeted) = (BTreeMap::new(), Vec::new(), BTreeSet::new());
    let mut reads_number = false;
    for instruction in module.instructions(function) {
        let instruction = instruction?;
        match &instruction.operator {
            Operator::Block { .. } | Operator::Loop { .. } | Operator::If { .. } => {
                open.push(opened);
                opened += 1;
            }
            Operator::BrTable { targets: table } if targets.is_empty() => {
                if !reads_number {
                    break;
                }
                let depths = table.targets().collect::<Result<Vec<u32>, _>>()?;
                let block = |depth: u32| open.iter().rev().nth(depth as usize).copied();
                targets = depths.into_iter().chain([table.default()]).filter_map(block).collect();
                targeted = targets.iter().copied().collect();
            }
            Operator::End => {
                if let Some(block) = open.pop()
                    && targeted.contains(&block)
                {
                    ends.insert(block, instruction.range.end);
                }
            }
            _ => {}
        }
        reads_number = matches!(instruction.operator, Operator::LocalGet { local_index: 0 });
    }
    Ok((ends, targets))
}

/// What memory begins with, and how many bytes of texts may still be read from it: texts may overlap.
struct Image(Vec<u8>, Cell<usize>);

impl Image {
    fn of(module: &Module<'_>) -> Option<Self> {
        let end = |(address, bytes): &(u64, &[u8])| usize::try_from(*address).ok()?.checked_add(bytes.len());
        let size = module.data.iter().filter_map(end).max()?;
        let mut image = vec![0; if size <= MAX_DATA { size } else { return None }];
        for segment in &module.data {
            let end = end(segment)?;
            image[end - segment.1.len()..end].copy_from_slice(segment.1);
        }
        Some(Self(image, Cell::new(MAX_TEXTS)))
    }

    fn bytes<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.0.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    fn u32(&self, at: usize) -> Option<u32> {
        self.bytes(at).map(u32::from_le_bytes)
    }

    fn offset(&self, at: usize) -> Option<usize> {
        usize::try_from(u64::from_le_bytes(self.bytes(at)?)).ok()
    }

    /// The text up to a zero.
    fn text(&self, at: usize) -> Option<String> {
        let bytes: Vec<u8> = self.0.get(at..)?.iter().take(MAX_TEXT).copied().take_while(|byte| *byte != 0).collect();
        self.1.set(self.1.get().checked_sub(bytes.len() + 1)?);
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The table of lines.
struct Table<'a> {
    image: &'a Image,
    functions: usize,
    names: usize,
    units: usize,
    files: usize,
    values: usize,
    entries: usize,
    /// The address of the first function, and the distance to the second one: since Go 1.25 addresses in the table are indices
    /// of functions, before they have 16 more bits for resume points.
    first: u32,
    step: u32,
}

impl<'a> Table<'a> {
    fn find(image: &'a Image) -> Option<Self> {
        let starts = image.0.windows(MAGIC.len()).enumerate().filter(|(_, bytes)| *bytes == MAGIC);
        starts.take(16).find_map(|(start, _)| Self::at(image, start))
    }

    /// The table at this address, if it looks like one.
    fn at(image: &'a Image, start: usize) -> Option<Self> {
        let field = |number: usize| image.offset(start + MAGIC.len() + number * 8);
        let part = |number: usize| start.checked_add(field(number)?).filter(|at| *at < image.0.len());
        let functions = field(0)?;
        let entry = |number: usize| image.u32(part(7)?.checked_add(number * 8)?);
        let (first, step) = (entry(0)?, entry(1)?.checked_sub(entry(0)?)?);
        let table = Self {
            image,
            functions,
            first,
            step,
            names: part(3)?,
            units: part(4)?,
            files: part(5)?,
            values: part(6)?,
            entries: part(7)?,
        };
        let is_plausible = [1, 1 << 16].contains(&step) && functions <= image.0.len() / 8;
        (is_plausible && table.function(0).is_some()).then_some(table)
    }

    /// A function of the table.
    fn function(&self, number: usize) -> Option<Entry> {
        let image = self.image;
        let at = self.entries.checked_add(image.u32(self.entries + number * 8 + 4)? as usize)?;
        let position = image.u32(at)?.checked_sub(self.first)? / self.step;
        let field = |number: usize| Some(image.u32(at + number * 4)? as usize);
        Some(Entry {
            position: position as usize,
            name: image.text(self.names.checked_add(field(1)?)?)?,
            files: self.values.checked_add(field(5)?)?,
            lines: self.values.checked_add(field(6)?)?,
            unit: field(8)?,
            line: image.u32(at + 36)?,
        })
    }

    /// The path of a file of a unit.
    fn path(&self, unit: usize, file: u32) -> Option<String> {
        let at = self.units.checked_add(unit.checked_add(file as usize)?.checked_mul(4)?)?;
        let offset = self.image.u32(at).filter(|offset| *offset != u32::MAX)?;
        self.image.text(self.files.checked_add(offset as usize)?)
    }

    /// Values by the numbers at which they begin to hold, and where the last ends.
    fn values(&self, mut at: usize, left: &mut usize) -> Option<Vec<(Range<u64>, u32)>> {
        let (mut values, mut value, mut number) = (Vec::new(), -1_i32, 0_u64);
        loop {
            *left = left.checked_sub(1)?;
            let (Some(change), Some(step)) = (self.varint(&mut at), self.varint(&mut at)) else { return Some(values) };
            if change == 0 && !values.is_empty() {
                return Some(values);
            }
            let change = if change & 1 == 0 { change >> 1 } else { !(change >> 1) };
            value = value.wrapping_add(change.cast_signed());
            let end = number + u64::from(step);
            values.push((number..end, u32::try_from(value).unwrap_or(0)));
            number = end;
        }
    }

    fn varint(&self, at: &mut usize) -> Option<u32> {
        let mut value = 0;
        for shift in (0..32).step_by(7) {
            let byte = *self.image.0.get(*at)?;
            *at += 1;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }
}

/// A function of the table.
struct Entry {
    position: usize,
    name: String,
    files: usize,
    lines: usize,
    unit: usize,
    line: u32,
}

impl Entry {
    /// Numbers of resume points with the number of their file in the unit, and their line; none where there are too many.
    fn places(&self, table: &Table<'_>, left: &mut usize) -> Option<Vec<(Range<u64>, u32, u32)>> {
        let files = table.values(self.files, left)?;
        let lines = table.values(self.lines, left)?;
        let mut places = Vec::new();
        for (numbers, line) in lines {
            let first = files.partition_point(|(of_file, _)| of_file.end <= numbers.start);
            for (of_file, file) in files[first..].iter().take_while(|(of_file, _)| of_file.start < numbers.end) {
                *left = left.checked_sub(1)?;
                let both = numbers.start.max(of_file.start)..numbers.end.min(of_file.end);
                if line > 0 {
                    places.push((both, *file, line));
                }
            }
        }
        Some(places)
    }
}

/// Whose files are the policy's: those of its Go module.
struct Owner {
    /// The path of the module, which paths begin with in a build with `-trimpath`.
    module: Option<String>,
}

impl Owner {
    /// From the description of the program: a line `mod`, the path of the module and its version.
    fn of(image: &Image) -> Self {
        let at = image.0.windows(MODULE_LINE.len()).position(|bytes| bytes == MODULE_LINE);
        let path = at.map(|at| {
            let path = image.0[at + MODULE_LINE.len()..].iter().copied().take(MAX_TEXT).take_while(|byte| *byte > b' ');
            String::from_utf8_lossy(&path.collect::<Vec<u8>>()).into_owned()
        });
        Self { module: path.filter(|path| !path.is_empty()) }
    }

    fn of_path(&self, path: &str) -> Origin {
        let is_absolute = path.starts_with('/') || path.get(1..2) == Some(":") || path.starts_with("./");
        let of_module = self.module.as_ref().and_then(|module| path.strip_prefix(module.as_str()));
        match origin::of_path(path) {
            Origin::Own if is_absolute || of_module.is_some_and(|rest| rest.starts_with('/')) => Origin::Own,
            // With `-trimpath`, other modules have a version in their paths, and the standard library has neither.
            Origin::Own => Origin::Language,
            other => other,
        }
    }
}
