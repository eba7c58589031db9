//! A copy of a module that counts what it executes.
//!
//! The counters are 64-bit numbers in a memory of their own, behind all others, so that nothing else in the module gets
//! another index, and no instruction of the module can reach them. Counting one more takes the same six instructions
//! everywhere: whoever counts instructions can subtract them, and has what the module itself executed.

use std::ops::Range;

use wasm_encoder::{Encode as _, Instruction, MemArg};

use crate::edit::{self, Edit, ExtraMemory};
use crate::lines::{Block, Lines, MAX_PLACES, Place};
use crate::module::Module;
use crate::unmeasurable::Unmeasurable;

/// The name by which a copy exports its counters.
pub const EXPORT: &str = "policy-verify:counters";

/// What wasmtime's fuel of one counter is: each of its instructions counts 1. Source: `OperatorCost` of wasmtime 48.
pub const FUEL: u64 = 6;

/// Bytes of a counter.
const SIZE: u64 = 8;

/// Bytes of a page of memory.
const PAGE: u64 = 65_536;

/// Most counters. They are read at the end of each instance.
const MAX_COUNTERS: usize = 1 << 18;

/// A counter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counter {
    /// The position of its function among those with code.
    pub function: usize,
    /// The instructions whose executions it counts.
    pub range: Range<usize>,
    /// Whether it counts the calls of the function.
    pub is_entry: bool,
    /// The lines of these instructions that are the policy's own.
    pub places: Vec<Place>,
}

/// A copy that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CountedCopy {
    /// The module.
    pub bytes: Vec<u8>,
    /// Its counters, in the order of its memory.
    pub counters: Vec<Counter>,
}

/// Makes a copy with a counter at the entry of each function, and at each branch of those that have lines of their own.
///
/// # Errors
///
/// The module cannot be read, has too much of something, or has the export already.
pub fn counted(module: &Module<'_>, lines: &Lines) -> Result<CountedCopy, Unmeasurable> {
    if module.exports.contains(&EXPORT) {
        return Err(Unmeasurable::NameTaken(EXPORT));
    }
    let (mut counters, mut room) = (Vec::new(), MAX_PLACES);
    for (position, function) in module.functions.iter().enumerate() {
        let mut blocks = lines.blocks_of(module, position, &mut room)?;
        blocks.retain(|block| block.range.start == function.code || !block.places.is_empty());
        if blocks.first().is_none_or(|first| first.range.start != function.code) {
            blocks.insert(0, Block { range: function.code..function.code, places: Vec::new() });
        }
        counters.extend(blocks.into_iter().enumerate().map(|(index, Block { range, places })| Counter {
            function: position,
            range,
            is_entry: index == 0,
            places,
        }));
        if counters.len() > MAX_COUNTERS {
            return Err(Unmeasurable::TooMany { what: "branches", limit: MAX_COUNTERS });
        }
    }
    let edits: Vec<Edit> = counters.iter().zip(0..).map(|(counter, index)| one_more(counter, index, module)).collect();
    let pages = (counters.len() as u64 * SIZE).div_ceil(PAGE);
    let memory = ExtraMemory { export: EXPORT, pages, index: module.memories };
    let bytes = edit::copy(module, &edits, Some(memory))?;
    Ok(CountedCopy { bytes, counters })
}

/// The instructions that count one more.
fn one_more(counter: &Counter, index: u64, module: &Module<'_>) -> Edit {
    let place = MemArg { offset: index * SIZE, align: 3, memory_index: module.memories };
    let mut bytes = Vec::new();
    for instruction in [
        Instruction::I32Const(0),
        Instruction::I32Const(0),
        Instruction::I64Load(place),
        Instruction::I64Const(1),
        Instruction::I64Add,
        Instruction::I64Store(place),
    ] {
        instruction.encode(&mut bytes);
    }
    Edit { range: counter.range.start..counter.range.start, bytes }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_copy_is_valid_and_counts_the_entry_of_each_function() {
        let text = r#"(module (memory (export "memory") 1)
            (func $f (param i32) (result i32) (if (result i32) (local.get 0) (then (i32.const 1)) (else (i32.const 2))))
            (func (export "run") (loop (br_if 0 (call $f (i32.const 0))))))"#;
        let bytes = wat::parse_str(text).unwrap();
        let module = Module::read(&bytes).unwrap();
        let copy = counted(&module, &Lines::default()).unwrap();
        wasmparser::Validator::new().validate_all(&copy.bytes).unwrap();
        assert_eq!(copy.counters.len(), 2);
        assert!(copy.counters.iter().all(|counter| counter.is_entry));
    }

    #[test]
    fn a_module_with_the_export_cannot_be_counted() {
        let bytes = wat::parse_str(format!(r#"(module (memory (export "{EXPORT}") 1) (func))"#)).unwrap();
        let refused = counted(&Module::read(&bytes).unwrap(), &Lines::default()).unwrap_err();
        assert_eq!(refused.to_string(), "it exports `policy-verify:counters`, the name of the counters");
    }
}
