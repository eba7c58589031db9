//! A compiled policy as functions with their names and code. Nothing is validated beyond what reading needs: whoever runs a
//! copy compiles it, which validates all of it.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::ops::Range;

use wasmparser::{
    BinaryReader, CustomSectionReader, DataKind, Encoding, ExternalKind, FunctionBody, KnownCustom, MemoryType, Name,
    Operator, Parser, Payload, TypeRef,
};

use crate::unmeasurable::Unmeasurable;

/// Most functions of a module: as many as wasmtime takes.
const MAX_FUNCTIONS: usize = 1_000_000;

/// Most bytes of a function's name that are kept. Names of generic functions are long.
const MAX_NAME: usize = 4096;

/// A module that was read. It borrows the bytes.
#[derive(Debug, Clone)]
pub struct Module<'a> {
    bytes: &'a [u8],
    /// The functions that have code, in their order.
    pub functions: Vec<Function>,
    /// How many functions are imported: the first function with code has this index.
    pub imported_functions: u32,
    /// How many memories there are, imported ones included.
    pub(crate) memories: u32,
    /// Bytes of the code section without its header: addresses in debug information count from here.
    pub(crate) code: Range<usize>,
    /// Names of the imported functions, `module.name`.
    pub(crate) imports: Vec<String>,
    /// Names of the exports.
    pub(crate) exports: Vec<&'a str>,
    /// Custom sections with debug information, by their names.
    pub(crate) debug: BTreeMap<&'a str, &'a [u8]>,
    /// Whether the official compiler of Go made it.
    pub(crate) is_by_go: bool,
    /// What memory begins with: address and bytes.
    pub(crate) data: Vec<(u64, &'a [u8])>,
}

/// A function that has code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Function {
    /// Its index in the module; imported functions come first.
    pub index: u32,
    /// Its name, readable; none in a module without a name section.
    pub name: Option<String>,
    /// Where its body is, from the number of its locals to its last `end`: bytes of the module.
    pub body: Range<usize>,
    /// Where its instructions begin.
    pub code: usize,
}

/// An instruction of a function.
#[derive(Debug, Clone)]
pub struct Instruction<'a> {
    /// Where it is in the module: bytes.
    pub range: Range<usize>,
    /// What it does.
    pub operator: Operator<'a>,
}

impl<'a> Module<'a> {
    /// Reads a module.
    ///
    /// # Errors
    ///
    /// The bytes are no module, or more of one than is read.
    pub fn read(bytes: &'a [u8]) -> Result<Self, Unmeasurable> {
        let mut module = Self {
            bytes,
            functions: Vec::new(),
            imported_functions: 0,
            memories: 0,
            code: 0..0,
            imports: Vec::new(),
            exports: Vec::new(),
            debug: BTreeMap::new(),
            is_by_go: false,
            data: Vec::new(),
        };
        let mut names = Vec::new();
        for payload in Parser::new(0).parse_all(bytes) {
            match payload? {
                Payload::ImportSection(imports) => {
                    for import in imports.into_imports() {
                        let import = import?;
                        match import.ty {
                            TypeRef::Func(_) | TypeRef::FuncExact(_) => {
                                module.imported_functions += 1;
                                module.imports.push(format!("{}.{}", import.module, import.name));
                            }
                            TypeRef::Memory(MemoryType { .. }) => module.memories += 1,
                            _ => {}
                        }
                    }
                }
                Payload::MemorySection(memories) => module.memories += memories.count(),
                Payload::ExportSection(exports) => {
                    for export in exports {
                        let export = export?;
                        module.exports.push(export.name);
                        if export.kind == ExternalKind::Func && names.len() < MAX_FUNCTIONS {
                            names.push((export.index, export.name));
                        }
                    }
                }
                Payload::CodeSectionStart { range, .. } => module.code = range,
                Payload::CodeSectionEntry(body) => module.add(&body)?,
                Payload::DataSection(data) => {
                    for segment in data {
                        let segment = segment?;
                        if let DataKind::Active { memory_index: 0, offset_expr } = segment.kind
                            && let Some(address) = constant(&mut offset_expr.get_operators_reader())
                        {
                            module.data.push((address, segment.data));
                        }
                    }
                }
                Payload::CustomSection(section) => module.read_custom(&section, &mut names),
                Payload::Version { encoding: Encoding::Component, .. } => return Err(Unmeasurable::Component),
                _ => {}
            }
        }
        module.name(&names);
        Ok(module)
    }

    fn add(&mut self, body: &FunctionBody<'_>) -> Result<(), Unmeasurable> {
        if self.functions.len() >= MAX_FUNCTIONS {
            return Err(Unmeasurable::TooMany { what: "functions", limit: MAX_FUNCTIONS });
        }
        let index = self.imported_functions.saturating_add(u32::try_from(self.functions.len()).unwrap_or(u32::MAX));
        let code = body.get_binary_reader_for_operators()?.original_position();
        self.functions.push(Function { index, name: None, body: body.range(), code });
        Ok(())
    }

    /// Debug information and names. What is wrong with them is as if they were missing.
    fn read_custom(&mut self, section: &CustomSectionReader<'a>, names: &mut Vec<(u32, &'a str)>) {
        if section.name().starts_with(".debug_") {
            self.debug.insert(section.name(), section.data());
        }
        self.is_by_go |= section.name() == "go:buildid" || section.name() == "go.buildid";
        let KnownCustom::Name(subsections) = section.as_known() else { return };
        for subsection in subsections {
            let Ok(Name::Function(functions)) = subsection else { continue };
            names.extend(functions.into_iter().map_while(Result::ok).map(|naming| (naming.index, naming.name)));
        }
    }

    /// Gives functions their names; the last one of a function counts, which is that of the name section.
    fn name(&mut self, names: &[(u32, &str)]) {
        for (index, name) in names {
            let own = index.checked_sub(self.imported_functions).map(|index| index as usize);
            if let Some(function) = own.and_then(|index| self.functions.get_mut(index)) {
                function.name = Some(readable(name));
            }
        }
    }

    /// The same module, with the debug information of another one that has the same code: what annotates a module leaves it out.
    #[must_use]
    pub fn with_debug_information_of(mut self, other: &Module<'a>) -> Self {
        if self.bytes.get(self.code.clone()) == other.bytes.get(other.code.clone()) {
            self.debug.clone_from(&other.debug);
        }
        self
    }

    /// The bytes it was read from.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The function whose body has this byte of the module.
    pub fn function_at(&self, offset: usize) -> Option<&Function> {
        let after = self.functions.partition_point(|function| function.body.start <= offset);
        self.functions.get(after.checked_sub(1)?).filter(|function| function.body.contains(&offset))
    }

    /// The instructions of a function, in their order. The last `end` is one of them.
    ///
    /// # Errors
    ///
    /// An item is an error where the code cannot be read, and the last one.
    pub fn instructions(&self, function: &Function) -> impl Iterator<Item = Result<Instruction<'a>, Unmeasurable>> {
        let code = self.bytes.get(function.code..function.body.end).unwrap_or_default();
        let mut reader = wasmparser::OperatorsReader::new(BinaryReader::new(code, function.code));
        let mut is_over = false;
        std::iter::from_fn(move || {
            if is_over || reader.eof() {
                return None;
            }
            let read = reader.read_with_offset();
            is_over = read.is_err();
            let end = reader.original_position();
            Some(read.map(|(operator, start)| Instruction { range: start..end, operator }).map_err(Into::into))
        })
    }
}

/// The value of a constant expression that is one constant.
fn constant(reader: &mut wasmparser::OperatorsReader<'_>) -> Option<u64> {
    match reader.read().ok()? {
        Operator::I32Const { value } => Some(u64::from(value.cast_unsigned())),
        Operator::I64Const { value } => Some(value.cast_unsigned()),
        _ => None,
    }
}

/// A name as people write it, without the hash that compilers add.
fn readable(name: &str) -> String {
    let end = name.char_indices().map(|(at, _)| at).take_while(|at| *at <= MAX_NAME).last().unwrap_or(0);
    let name = if name.len() > MAX_NAME { &name[..end] } else { name };
    let mut text = Bounded(String::new());
    match rustc_demangle::try_demangle(name) {
        // A short name may stand for an endless one.
        Ok(demangled) if write!(text, "{demangled:#}").is_ok() => text.0,
        _ => name.to_owned(),
    }
}

/// Text up to a length.
struct Bounded(String);

impl fmt::Write for Bounded {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.0.len() + text.len() > MAX_NAME {
            return Err(fmt::Error);
        }
        self.0.push_str(text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(text: &str) -> Vec<u8> {
        wat::parse_str(text).unwrap()
    }

    #[test]
    fn functions_have_names_and_code() {
        let bytes = module(
            r#"(module (import "wapc" "__log" (func)) (func $_ZN6policy8validate17h0123456789abcdefE (local i32) nop)
               (func (export "run") (drop (i32.const 1))))"#,
        );
        let module = Module::read(&bytes).unwrap();
        let names: Vec<_> = module.functions.iter().map(|it| (it.index, it.name.as_deref().unwrap())).collect();
        assert_eq!(names, [(1, "policy::validate"), (2, "run")]);
        let second = &module.functions[1];
        let instructions: Vec<_> = module.instructions(second).map(|it| it.unwrap().range.len()).collect();
        assert_eq!(instructions, [2, 1, 1]);
        assert_eq!(module.function_at(second.code), Some(second));
        assert_eq!(module.function_at(0), None);
        assert_eq!(module.imports, ["wapc.__log"]);
    }

    #[test]
    fn what_is_no_module_is_an_error() {
        for bytes in [&b""[..], b"(module)", b"\0asm\x01\0\0\0garbage", b"\0asm\x0d\0\x01\0"] {
            let read = Module::read(bytes);
            assert!(read.is_err() || read.unwrap().functions.is_empty(), "{bytes:?}");
        }
    }
}
