//! The inside of a [`Cage`](super::cage::Cage): the process that compiles one module.

use std::ffi::OsString;
use std::io;
use std::path::Path;

use super::cage::{CodeKind, EXCEEDED, Limits, NO_PLACE, REFUSED};
use super::engine::{Engine, Setup};
use policy_verify_model::compiler::Compiler;
use policy_verify_model::policy::Digest;

/// What wasmtime says when the system gives it no more memory.
const OUT_OF_MEMORY: &str = "out of memory";

/// Compiles the module on `input` as `arguments` say, and gives the code with which the process is to end. `None` where the
/// arguments are not those of a cage.
pub fn compile_inside(arguments: &[OsString], input: impl io::Read, mut output: impl io::Write) -> Option<i32> {
    let [compiler, counting, seconds, memory, place] = arguments else { return None };
    let number = |argument: &OsString| argument.to_str()?.parse().ok();
    let code = CodeKind::of_words(compiler, counting)?;
    let limits = Limits { seconds: number(seconds)?, memory: number(memory)? };
    let Some(engine) = engine_for(code, Path::new(place)) else { return Some(NO_PLACE) };
    limits.apply();
    match compile(&engine, code.compiler, input) {
        Ok(()) => Some(0),
        Err(reason) if reason.contains(OUT_OF_MEMORY) => Some(EXCEEDED),
        Err(reason) => {
            // Whoever would read it is gone.
            let _ = output.write_all(reason.as_bytes());
            Some(REFUSED)
        }
    }
}

/// An engine that keeps code in the folder. It is the same as that of the run only before there are limits, which change how
/// an engine reserves memory.
fn engine_for(code: CodeKind, place: &Path) -> Option<Engine> {
    let CodeKind { compiler, counts_instructions } = code;
    let mut engine = Engine::set_up(Setup { instances: 0, counts_instructions, ..Setup::default() }).ok()?;
    engine.keep_code(place).ok()?;
    engine.set_up_for(compiler).ok()?;
    Some(engine)
}

fn compile(engine: &Engine, compiler: Compiler, mut input: impl io::Read) -> Result<(), String> {
    let mut bytes = Vec::new();
    input.read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    engine.compile_by(compiler, Digest::of(&bytes), &bytes).map(drop).map_err(|error| error.to_string())
}
