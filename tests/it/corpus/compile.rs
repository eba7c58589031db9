//! Modules that are small, and would cost a compiler minutes or gigabytes.

use wasm_encoder::{
    BlockType, CodeSection, ConstExpr, DataSection, DataSegment, DataSegmentMode, ElementSection, Elements, ExportKind,
    ExportSection, Function, FunctionSection, GlobalSection, GlobalType, MemorySection, MemoryType, Module, RefType,
    TableSection, TableType, TypeSection, ValType,
};

use super::guest::Hostile;
use crate::support::guests::jumps;

const MODE: &str = "kubewarden-wapc";

/// The sections of a guest that traps when it is asked.
struct Sections {
    types: TypeSection,
    functions: FunctionSection,
    tables: TableSection,
    globals: GlobalSection,
    exports: ExportSection,
    elements: ElementSection,
    code: CodeSection,
    data: DataSection,
}

/// Its type without parameters and results.
const NOTHING: u32 = 1;

/// Its type with a number and without results.
const NUMBER: u32 = 2;

impl Sections {
    fn new() -> Self {
        let mut guest = Self {
            types: TypeSection::new(),
            functions: FunctionSection::new(),
            tables: TableSection::new(),
            globals: GlobalSection::new(),
            exports: ExportSection::new(),
            elements: ElementSection::new(),
            code: CodeSection::new(),
            data: DataSection::new(),
        };
        guest.types.ty().function([ValType::I32, ValType::I32], [ValType::I32]);
        guest.types.ty().function([], []);
        guest.types.ty().function([ValType::I32], []);
        guest.exports.export("__guest_call", ExportKind::Func, 0).export("memory", ExportKind::Memory, 0);
        let mut body = Function::new([]);
        body.instructions().unreachable().end();
        guest.function(0, &body);
        // Winch knows no tail calls, so that it is Cranelift that compiles.
        let mut body = Function::new([]);
        body.instructions().return_call(1).end();
        guest.function(NOTHING, &body);
        guest
    }

    fn function(&mut self, of_type: u32, body: &Function) {
        self.functions.function(of_type);
        self.code.function(body);
    }

    fn finish(&self) -> Vec<u8> {
        let mut memories = MemorySection::new();
        memories.memory(MemoryType { minimum: 1, maximum: None, memory64: false, shared: false, page_size_log2: None });
        let mut module = Module::new();
        module
            .section(&self.types)
            .section(&self.functions)
            .section(&self.tables)
            .section(&memories)
            .section(&self.globals)
            .section(&self.exports)
            .section(&self.elements)
            .section(&self.code)
            .section(&self.data);
        module.finish()
    }
}

/// A guest with this in addition.
fn with(add: impl FnOnce(&mut Sections)) -> Vec<u8> {
    let mut guest = Sections::new();
    add(&mut guest);
    guest.finish()
}

/// A guest with a function that has this many locals, and this body.
fn with_function(locals: u32, body: impl FnOnce(&mut Function)) -> Vec<u8> {
    let mut function = Function::new([(locals, ValType::I64)]);
    body(&mut function);
    function.instructions().end();
    with(|guest| guest.function(NUMBER, &function))
}

fn many_locals() -> Vec<u8> {
    with_function(49_000, |function| {
        for local in 0..3_000 {
            let mut code = function.instructions();
            code.loop_(BlockType::Empty).local_get(1 + local).local_set(2 + local).local_get(0).br_if(0).end();
        }
    })
}

fn nested(depth: u32) -> Vec<u8> {
    with_function(0, |function| {
        for _ in 0..depth {
            function.instructions().block(BlockType::Empty);
        }
        for _ in 0..depth {
            function.instructions().local_get(0).br_if(0).end();
        }
    })
}

fn wide_switch(targets: u32) -> Vec<u8> {
    let targets = vec![0; targets as usize];
    with_function(0, |function| {
        function.instructions().block(BlockType::Empty).local_get(0).br_table(targets, 0).end();
    })
}

fn deep_stack(depth: u32) -> Vec<u8> {
    with_function(0, |function| {
        for _ in 0..depth {
            function.instructions().local_get(0);
        }
        for _ in 1..depth {
            function.instructions().i32_add();
        }
        function.instructions().drop();
    })
}

fn functions(number: u32) -> Vec<u8> {
    let mut body = Function::new([]);
    body.instructions().end();
    with(|guest| (0..number).for_each(|_| guest.function(NOTHING, &body)))
}

fn data_segments(number: u32) -> Vec<u8> {
    with(|guest| {
        for at in 0..number {
            let mode =
                DataSegmentMode::Active { memory_index: 0, offset: &ConstExpr::i32_const(at.cast_signed() % 60_000) };
            guest.data.segment(DataSegment { mode, data: [7] });
        }
    })
}

fn element_segments(number: u32, length: usize) -> Vec<u8> {
    with(|guest| {
        let element_type = RefType::FUNCREF;
        let most = length as u64;
        guest.tables.table(TableType { element_type, minimum: most, maximum: None, table64: false, shared: false });
        let functions = vec![0; length];
        for _ in 0..number {
            let elements = Elements::Functions((&functions).into());
            guest.elements.active(Some(0), &ConstExpr::i32_const(0), elements);
        }
    })
}

fn types(number: u32) -> Vec<u8> {
    with(|guest| {
        for _ in 0..number {
            guest.types.ty().function([ValType::I32, ValType::I64], [ValType::F32]);
        }
    })
}

fn globals(number: u32) -> Vec<u8> {
    with(|guest| {
        for _ in 0..number {
            let global = GlobalType { val_type: ValType::I32, mutable: false, shared: false };
            guest.globals.global(global, &ConstExpr::i32_const(0));
        }
    })
}

fn exports(number: u32) -> Vec<u8> {
    with(|guest| {
        for index in 0..number {
            guest.exports.export(&format!("e{index}"), ExportKind::Memory, 0);
        }
    })
}

/// All of them.
pub(super) fn guests() -> Vec<Hostile> {
    // It is compiled, and may then do what it does.
    let harmless = "wasm `unreachable` instruction executed";
    let row = |name, module, words: &'static str| {
        let kind = if words == harmless { "trap" } else { "compile" };
        Hostile::new(MODE, name, module, kind, words)
    };
    let stopped = "compiling takes more than";
    vec![
        row("jumps-with-values", jumps(600, 600), stopped),
        row("many-locals", many_locals(), stopped),
        row("nested-blocks", nested(100_000), stopped),
        row("wide-switch", wide_switch(60_000), harmless),
        row("deep-stack", deep_stack(2_400_000), stopped),
        row("functions", functions(300_000), stopped),
        row("too-many-functions", functions(1_000_001), "functions count exceeds limit"),
        row("data-segments", data_segments(50_000), harmless),
        row("too-many-data-segments", data_segments(100_001), "data segments count exceeds limit"),
        row("element-segments", element_segments(50_000, 1), harmless),
        row("long-element-segments", element_segments(10, 200_000), harmless),
        row("too-many-element-segments", element_segments(100_001, 1), "element segments count exceeds limit"),
        row("types", types(200_000), harmless),
        row("too-many-types", types(1_000_001), "types count exceeds limit"),
        row("globals", globals(200_000), harmless),
        row("exports", exports(50_000), harmless),
        row("broken-function", broken(), "illegal opcode"),
    ]
}

/// A module with something in its code that is no instruction.
fn broken() -> Vec<u8> {
    let mut body = Function::new([]);
    body.raw([0xff]);
    with(|guest| guest.function(NOTHING, &body))
}
