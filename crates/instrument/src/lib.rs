//! Reads a compiled Kubewarden policy as functions and instructions with their source lines, and makes copies of it: one that
//! counts what it executes, or one with other instructions. Knows whose code something is: the policy's own, that of other
//! packages, or that of the language.
//!
//! Nothing is executed here. Modules are untrusted: what is read of them is bounded, and what cannot be copied is an
//! [`Unmeasurable`] with its reason.
//!
//! ```
//! use policy_verify_instrument::{Edit, Module, edited};
//!
//! let bytes = wat::parse_str("(module (func (export \"one\") (result i32) (i32.const 1)))")?;
//! let module = Module::read(&bytes)?;
//! let function = &module.functions[0];
//! assert_eq!(function.name.as_deref(), Some("one"));
//!
//! // The same module, with `i32.const 2` in place of its first instruction.
//! let first = module.instructions(function).next().expect("it has code")?;
//! let copy = edited(&module, &[Edit { range: first.range, bytes: vec![0x41, 2] }])?;
//! assert_ne!(copy, bytes);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | what it is |
//! |---|---|
//! | [`Module`] | functions with names and instructions |
//! | [`edited`] | copies with other instructions |
//! | [`segments()`] | code that is executed as a whole |
//! | [`lines()`] | which line an instruction comes from: `dwarf` reads debug information, `go` the table of Go's runtime |
//! | [`origin`] | whose code it is |
//! | [`Language`] | what it was written in |
//! | [`own_instructions`] | the instructions that are the policy's own |
//! | [`mutants()`] | copies with one instruction that is another one |
//! | [`counters`] | a copy that counts |
//! | [`Plan`] | what the counters say about lines and functions |

pub mod counters;
mod dwarf;
mod edit;
mod go;
mod language;
mod lines;
mod measure;
mod module;
mod mutants;
pub mod origin;
mod own;
mod segments;
mod sources;
mod unmeasurable;

pub use self::edit::{Edit, edited};
pub use self::language::Language;
pub use self::lines::{File, Lines, Place, Row};
pub use self::measure::Plan;
pub use self::module::{Function, Instruction, Module};
pub use self::mutants::{Mutant, MutantChange, mutants};
pub use self::own::{OwnInstruction, own_instructions};
pub use self::segments::{Segment, segments};
pub use self::sources::lines;
pub use self::unmeasurable::Unmeasurable;
