//! Copies of a module in which parts of function bodies are replaced. Everything else is copied byte by byte, so that nothing
//! has to be understood that may be in a module.

use std::ops::Range;

use wasm_encoder::{Encode as _, ExportKind, MemoryType, SectionId};
use wasmparser::{BinaryReader, Parser, Payload};

use crate::module::{Function, Module};
use crate::unmeasurable::Unmeasurable;

/// Bytes of a module that are replaced in a copy of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// Which: inside the code of one function. An empty range inserts.
    pub range: Range<usize>,
    /// By what: whole instructions, encoded.
    pub bytes: Vec<u8>,
}

/// A memory that a copy has, and the original has not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExtraMemory {
    /// The name it is exported by.
    pub(crate) export: &'static str,
    /// Its size, in pages of 64 KiB.
    pub(crate) pages: u64,
    /// Its index: the first that is free.
    pub(crate) index: u32,
}

/// What sections begin with: magic number and version.
const HEADER: usize = 8;

const CUSTOM: u8 = SectionId::Custom as u8;
const MEMORY: u8 = SectionId::Memory as u8;
const EXPORT: u8 = SectionId::Export as u8;
const CODE: u8 = SectionId::Code as u8;

/// Sections in the order in which they have to be. Custom sections may be anywhere.
const ORDER: [SectionId; 13] = [
    SectionId::Type,
    SectionId::Import,
    SectionId::Function,
    SectionId::Table,
    SectionId::Memory,
    SectionId::Tag,
    SectionId::Global,
    SectionId::Export,
    SectionId::Start,
    SectionId::Element,
    SectionId::DataCount,
    SectionId::Code,
    SectionId::Data,
];

/// A copy of a module in which parts of function bodies are replaced. Nothing else changes but debug information, which is left
/// out: it would be about other places.
///
/// # Errors
///
/// Edits overlap, or are not in bodies of functions.
pub fn edited(module: &Module<'_>, edits: &[Edit]) -> Result<Vec<u8>, Unmeasurable> {
    copy(module, edits, None)
}

/// A copy of a module with these edits, and perhaps with a memory behind its own, so that none gets another index.
pub(crate) fn copy(module: &Module<'_>, edits: &[Edit], memory: Option<ExtraMemory>) -> Result<Vec<u8>, Unmeasurable> {
    let mut edits: Vec<&Edit> = edits.iter().collect();
    edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
    let bytes = module.bytes();
    let mut copy =
        Copy { out: bytes.get(..HEADER).unwrap_or_default().to_vec(), memory, is_done: [memory.is_none(); 2] };
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload?;
        let is_debugging = matches!(&payload, Payload::CustomSection(section) if section.name().starts_with(".debug_"));
        let Some((id, range)) = payload.as_section().filter(|_| !is_debugging) else { continue };
        let contents = bytes.get(range).unwrap_or_default();
        match id {
            CODE => {
                copy.before(CODE);
                let code = code(module, &edits)?;
                copy.section(CODE, &code);
            }
            _ => copy.add(id, contents)?,
        }
    }
    copy.before(CUSTOM);
    Ok(copy.out)
}

/// A copy while it is written.
struct Copy {
    out: Vec<u8>,
    memory: Option<ExtraMemory>,
    /// Whether the memory and its export are written.
    is_done: [bool; 2],
}

impl Copy {
    /// Copies a section; those of memories and exports get one more entry.
    fn add(&mut self, id: u8, contents: &[u8]) -> Result<(), Unmeasurable> {
        if id != CUSTOM {
            self.before(id);
        }
        let more = match id {
            MEMORY => self.more(0),
            EXPORT => self.more(1),
            _ => None,
        };
        match more {
            Some(entry) => {
                let longer = with_entry(contents, &entry)?;
                self.section(id, &longer);
            }
            None => self.section(id, contents),
        }
        Ok(())
    }

    /// Writes the sections that the module lacks and that come before this one, or at the end of the module.
    fn before(&mut self, id: u8) {
        let position = |id: u8| ORDER.iter().position(|known| *known as u8 == id).unwrap_or(ORDER.len());
        for (part, section) in [(0, MEMORY), (1, EXPORT)] {
            if position(id) > position(section)
                && let Some(entry) = self.more(part)
            {
                self.section(section, &[&[1], &entry[..]].concat());
            }
        }
    }

    /// The entry of the memory or of its export, once.
    fn more(&mut self, part: usize) -> Option<Vec<u8>> {
        let ExtraMemory { export, pages, index } = self.memory.filter(|_| !self.is_done[part])?;
        self.is_done[part] = true;
        let mut entry = Vec::new();
        match part {
            0 => MemoryType {
                minimum: pages,
                maximum: Some(pages),
                memory64: false,
                shared: false,
                page_size_log2: None,
            }
            .encode(&mut entry),
            _ => {
                export.encode(&mut entry);
                ExportKind::Memory.encode(&mut entry);
                index.encode(&mut entry);
            }
        }
        Some(entry)
    }

    fn section(&mut self, id: u8, contents: &[u8]) {
        self.out.push(id);
        contents.encode(&mut self.out);
    }
}

/// A section of entries with one more of them.
fn with_entry(contents: &[u8], entry: &[u8]) -> Result<Vec<u8>, Unmeasurable> {
    let mut reader = BinaryReader::new(contents, 0);
    let count = reader.read_var_u32()?;
    let mut longer = Vec::with_capacity(contents.len() + entry.len() + 1);
    count.saturating_add(1).encode(&mut longer);
    longer.extend_from_slice(&contents[reader.original_position()..]);
    longer.extend_from_slice(entry);
    Ok(longer)
}

/// The contents of the code section with these edits, which are sorted.
fn code(module: &Module<'_>, edits: &[&Edit]) -> Result<Vec<u8>, Unmeasurable> {
    let mut out = Vec::with_capacity(module.code.len());
    u32::try_from(module.functions.len()).unwrap_or(u32::MAX).encode(&mut out);
    let mut rest = edits;
    for function in &module.functions {
        let own = rest.partition_point(|edit| edit.range.start < function.body.end);
        let (of_function, others) = rest.split_at(own);
        body(module, function, of_function)?.encode(&mut out);
        rest = others;
    }
    match rest.first() {
        Some(edit) => Err(refused(edit)),
        None => Ok(out),
    }
}

/// The body of a function with these edits.
fn body(module: &Module<'_>, function: &Function, edits: &[&Edit]) -> Result<Vec<u8>, Unmeasurable> {
    let bytes = module.bytes();
    let mut out = Vec::with_capacity(function.body.len() + edits.iter().map(|edit| edit.bytes.len()).sum::<usize>());
    let (mut at, mut earliest) = (function.body.start, function.code);
    for edit in edits {
        // The last `end` of a function stays.
        let is_inside = earliest <= edit.range.start && edit.range.start <= edit.range.end;
        if !is_inside || edit.range.end >= function.body.end {
            return Err(refused(edit));
        }
        out.extend_from_slice(&bytes[at..edit.range.start]);
        out.extend_from_slice(&edit.bytes);
        (at, earliest) = (edit.range.end, edit.range.end);
    }
    out.extend_from_slice(&bytes[at..function.body.end]);
    Ok(out)
}

fn refused(edit: &Edit) -> Unmeasurable {
    Unmeasurable::Edit { start: edit.range.start, end: edit.range.end }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TWO: &str =
        "(module (memory 1) (func (export \"a\") (result i32) (i32.const 1)) (func (export \"b\") (nop)))";

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    fn first_instruction(module: &Module<'_>, function: usize) -> Range<usize> {
        module.instructions(&module.functions[function]).next().unwrap().unwrap().range
    }

    #[test]
    fn an_unchanged_copy_is_the_module() {
        let bytes = module(TWO);
        assert_eq!(edited(&Module::read(&bytes).unwrap(), &[]).unwrap(), bytes);
    }

    #[test]
    fn an_instruction_is_replaced_and_nothing_else() {
        let bytes = module(TWO);
        let read = Module::read(&bytes).unwrap();
        let edit = Edit { range: first_instruction(&read, 0), bytes: vec![0x41, 0xe8, 0x07] };
        let copy = edited(&read, &[edit]).unwrap();
        assert_eq!(copy, module(&TWO.replace("i32.const 1", "i32.const 1000")));
    }

    #[test]
    fn edits_outside_of_code_are_refused() {
        let bytes = module(TWO);
        let read = Module::read(&bytes).unwrap();
        let first = first_instruction(&read, 0);
        let end = read.functions[0].body.end;
        for range in
            [0..1, first.start - 1..first.start, first.start..first.start - 1, end - 1..end, bytes.len()..bytes.len()]
        {
            assert!(edited(&read, &[Edit { range: range.clone(), bytes: vec![1] }]).is_err(), "{range:?}");
        }
        let twice = Edit { range: first, bytes: vec![1] };
        assert!(edited(&read, &[twice.clone(), twice]).is_err());
    }

    #[test]
    fn a_memory_comes_last_wherever_others_are() {
        for (before, after) in [
            ("(module (func))", "(module (func) (memory 2 2) (export \"c\" (memory 0)))"),
            (
                "(module (import \"env\" \"memory\" (memory 1)) (func) (start 0))",
                "(module (import \"env\" \"memory\" (memory 1)) (func) (memory 2 2) (export \"c\" (memory 1)) (start 0))",
            ),
            (
                "(module (memory (export \"memory\") 1) (func))",
                "(module (memory (export \"memory\") 1) (memory (export \"c\") 2 2) (func))",
            ),
        ] {
            let bytes = module(before);
            let read = Module::read(&bytes).unwrap();
            let extra = ExtraMemory { export: "c", pages: 2, index: read.memories };
            let copy = copy(&read, &[], Some(extra)).unwrap();
            wasmparser::Validator::new().validate_all(&copy).unwrap();
            assert_eq!(copy, module(after), "{before}");
        }
    }
}
