//! Source lines from the debug information of a module (DWARF).
//!
//! Addresses there are bytes behind the beginning of the code section. A linker that drops a function leaves its lines, at
//! addresses that are in no function: those are passed over.

use std::collections::BTreeMap;

use gimli::constants::{DW_AT_call_file, DW_AT_call_line, DW_TAG_inlined_subroutine};
use gimli::{
    AttributeValue, DebuggingInformationEntry, Dwarf, EndianSlice, LineProgramHeader, LittleEndian, SectionId, Unit,
};

use crate::lines::{Files, Lines, Place, Row, in_order};
use crate::module::{Function, Module};
use crate::origin::{self, Origin};
use crate::unmeasurable::Unmeasurable;

type Reader<'a> = EndianSlice<'a, LittleEndian>;

/// Most rows of all line tables together. Those of a policy of 2 MB with debug information have about 400,000.
const MAX_ROWS: usize = 4_000_000;

/// Most entries of debug information. That of the same policy has about 100,000.
const MAX_ENTRIES: usize = 4_000_000;

/// Most units, which are what a compiler makes at once. That of the same policy has 39.
const MAX_UNITS: usize = 4_000;

/// Most bytes of abbreviations that are read: each unit may read all of them.
const MAX_ABBREVIATIONS: usize = 1 << 30;

/// Most places with inlined code in one function.
const MAX_CALLS: usize = 100_000;

/// Most bytes of a path.
const MAX_PATH: usize = 4096;

/// The lines of a module; none in one without debug information. What is wrong in debug information ends the table that it is
/// in.
///
/// # Errors
///
/// There are more lines or files than are read.
pub(crate) fn lines(module: &Module<'_>) -> Result<Lines, Unmeasurable> {
    let section = |id: SectionId| module.debug.get(id.name()).copied().unwrap_or_default();
    let dwarf = Dwarf::load(|id| Ok::<_, gimli::Error>(EndianSlice::new(section(id), LittleEndian)));
    let Ok(dwarf) = dwarf else { return Ok(Lines::default()) };
    let mut tables = Tables::new(module);
    let (mut units, mut number) = (dwarf.units(), 0_usize);
    while let Ok(Some(header)) = units.next() {
        number += 1;
        if number > MAX_UNITS || number.saturating_mul(section(SectionId::DebugAbbrev).len()) > MAX_ABBREVIATIONS {
            return Err(Unmeasurable::TooMany { what: "units of debug information", limit: MAX_UNITS });
        }
        if let Ok(unit) = dwarf.unit(header) {
            let mut files = BTreeMap::new();
            tables.read(&dwarf, &unit, &mut files)?;
            tables.read_calls(&dwarf, &unit, &mut files)?;
        }
    }
    let Tables { files, rows, calls, starts, .. } = tables;
    Ok(Lines { files: files.files, rows: in_order(rows), calls, starts, ..Lines::default() })
}

/// The files of a unit: by their numbers there.
type UnitFiles = BTreeMap<u64, usize>;

/// Line tables while they are read.
struct Tables<'a, 'b> {
    module: &'a Module<'b>,
    files: Files,
    rows: Vec<Row>,
    calls: BTreeMap<usize, Vec<Row>>,
    starts: Vec<Option<Place>>,
    seen: usize,
    entries: usize,
}

impl<'a, 'b> Tables<'a, 'b> {
    fn new(module: &'a Module<'b>) -> Self {
        let starts = vec![None; module.functions.len()];
        Self { module, files: Files::default(), rows: Vec::new(), calls: BTreeMap::new(), starts, seen: 0, entries: 0 }
    }

    /// Reads where functions were inlined. The line table has the lines of what is inlined there, and not that of the call.
    fn read_calls<'c>(
        &mut self,
        dwarf: &Dwarf<Reader<'c>>,
        unit: &Unit<Reader<'c>>,
        files: &mut UnitFiles,
    ) -> Result<(), Unmeasurable> {
        let mut entries = unit.entries();
        while let Ok(Some(entry)) = entries.next_dfs() {
            self.entries += 1;
            if self.entries > MAX_ENTRIES {
                return Err(Unmeasurable::TooMany { what: "entries of debug information", limit: MAX_ENTRIES });
            }
            if entry.tag() == DW_TAG_inlined_subroutine {
                self.add_call(dwarf, unit, entry, files)?;
            }
        }
        Ok(())
    }

    fn add_call<'c>(
        &mut self,
        dwarf: &Dwarf<Reader<'c>>,
        unit: &Unit<Reader<'c>>,
        entry: &DebuggingInformationEntry<Reader<'c>>,
        files: &mut UnitFiles,
    ) -> Result<(), Unmeasurable> {
        let number = |name| {
            entry.attr_value(name).and_then(|value| match value {
                AttributeValue::FileIndex(index) => Some(index),
                value => value.udata_value(),
            })
        };
        let (Some(file), Some(line)) = (number(DW_AT_call_file), number(DW_AT_call_line)) else { return Ok(()) };
        let Some(header) = unit.line_program.as_ref().map(gimli::IncompleteLineProgram::header) else { return Ok(()) };
        let file = self.file(dwarf, unit, header, file, files)?;
        if line == 0 || self.files.files[file].origin != Origin::Own {
            return Ok(());
        }
        let place = Place { file, line: u32::try_from(line).unwrap_or(u32::MAX) };
        let Ok(mut ranges) = dwarf.die_ranges(unit, entry) else { return Ok(()) };
        while let Ok(Some(range)) = ranges.next() {
            self.entries += 1;
            let (Some(start), Some(end)) = (self.offset(range.begin), self.offset(range.end)) else { continue };
            let Some(function) = self.function(start) else { continue };
            let Function { body, code, .. } = &self.module.functions[function];
            let range = start.max(*code)..end.min(body.end);
            let calls = self.calls.entry(function).or_default();
            if !range.is_empty() && calls.len() < MAX_CALLS && self.entries <= MAX_ENTRIES {
                calls.push(Row { range, place });
            }
        }
        Ok(())
    }

    /// Reads the line table of a unit, up to the first mistake in it.
    fn read(
        &mut self,
        dwarf: &Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        files: &mut UnitFiles,
    ) -> Result<(), Unmeasurable> {
        let Some(program) = unit.line_program.clone() else { return Ok(()) };
        let mut rows = program.rows();
        let mut sequence = Vec::new();
        while let Ok(Some((header, row))) = rows.next_row() {
            self.seen += 1;
            if self.seen > MAX_ROWS {
                return Err(Unmeasurable::TooMany { what: "rows in its line tables", limit: MAX_ROWS });
            }
            let place = match (row.end_sequence(), row.line()) {
                (false, Some(line)) => {
                    let file = self.file(dwarf, unit, header, row.file_index(), files)?;
                    Some(Place { file, line: u32::try_from(line.get()).unwrap_or(u32::MAX) })
                }
                _ => None,
            };
            sequence.push((row.address(), place));
            if row.end_sequence() {
                self.add(&sequence);
                sequence.clear();
            }
        }
        Ok(())
    }

    /// The index of a file of a unit.
    fn file(
        &mut self,
        dwarf: &Dwarf<Reader<'_>>,
        unit: &Unit<Reader<'_>>,
        header: &LineProgramHeader<Reader<'_>>,
        number: u64,
        files: &mut UnitFiles,
    ) -> Result<usize, Unmeasurable> {
        if let Some(file) = files.get(&number) {
            return Ok(*file);
        }
        let path = header.file(number).and_then(|file| path(dwarf, unit, header, file));
        let file = self.files.index(path.unwrap_or_default(), origin::of_path)?;
        files.insert(number, file);
        Ok(file)
    }

    /// Adds a sequence: rows of one function, the last of which is its end.
    fn add(&mut self, sequence: &[(u64, Option<Place>)]) {
        let Some(start) = sequence.first().and_then(|(address, _)| self.offset(*address)) else { return };
        // A sequence of a function that the linker dropped begins in none.
        let Some(first) = self.function(start) else { return };
        let mut function = first;
        for pair in sequence.windows(2) {
            let [(start, place), (end, _)] = pair else { continue };
            let (Some(start), Some(end)) = (self.offset(*start), self.offset(*end)) else { continue };
            let body = &self.module.functions[function].body;
            if !body.contains(&start) {
                let Some(next) = self.function(start) else { continue };
                function = next;
            }
            let Function { body, code, .. } = &self.module.functions[function];
            let range = start.max(*code)..end.min(body.end);
            let Some(place) = place.filter(|_| !range.is_empty()) else { continue };
            self.starts[function].get_or_insert(place);
            if self.files.files[place.file].origin == Origin::Own {
                self.rows.push(Row { range, place });
            }
        }
    }

    fn offset(&self, address: u64) -> Option<usize> {
        let offset = usize::try_from(address).ok()?.checked_add(self.module.code.start)?;
        (offset <= self.module.code.end).then_some(offset)
    }

    /// The position of the function whose body has this byte.
    fn function(&self, offset: usize) -> Option<usize> {
        let functions = &self.module.functions;
        let position = functions.partition_point(|function| function.body.start <= offset).checked_sub(1)?;
        functions[position].body.contains(&offset).then_some(position)
    }
}

/// The path of a file, from the folder that the compiler ran in where it is relative.
fn path(
    dwarf: &Dwarf<Reader<'_>>,
    unit: &Unit<Reader<'_>>,
    header: &LineProgramHeader<Reader<'_>>,
    file: &gimli::FileEntry<Reader<'_>>,
) -> Option<String> {
    let text = |value: AttributeValue<Reader<'_>>| {
        let text = dwarf.attr_string(unit, value).ok()?;
        Some(String::from_utf8_lossy(text.slice()).into_owned())
    };
    let mut path = unit.comp_dir.map(|folder| folder.to_string_lossy().into_owned()).unwrap_or_default();
    // Folder 0 is that of the unit.
    if let Some(folder) = file.directory(header).filter(|_| file.directory_index() != 0).and_then(text) {
        push(&mut path, &folder);
    }
    push(&mut path, &text(file.path_name())?);
    (path.len() <= MAX_PATH).then_some(path)
}

/// Appends a path; an absolute one takes the place of what is before it.
fn push(path: &mut String, more: &str) {
    let is_absolute =
        more.starts_with(['/', '\\']) || more.get(1..3).is_some_and(|drive| drive == ":\\" || drive == ":/");
    if is_absolute {
        path.clear();
    } else if !path.is_empty() && !path.ends_with(['/', '\\']) {
        path.push('/');
    }
    path.push_str(more);
}
