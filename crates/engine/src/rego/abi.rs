//! The ABI between OPA's modules and their host, minor versions 1 to 3 of version 1.
//!
//! Version 1.0 exports no memory, which policy-server does not take. The one-call `opa_eval` of later versions is not
//! used: the server does not either, and the steps below exist in all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;
use wasmtime::{
    AsContextMut, Caller, Extern, Instance, Linker, Memory, Store, TypedFunc, ValType, WasmParams, WasmResults,
};

use super::builtins::server::BuiltinError;
use super::builtins::{self, Builtin, Environment};
use super::value::Value;
use crate::counters::Counters;
use crate::engine::{Engine, Limits, Module, ticks};
use crate::fault::{self, BuiltinFailure, Circumstances, Seen, Stop};
use crate::link::{self, LinkError, Signature};
use crate::memory;
use crate::policy::default_clock;
use crate::response::internal_error;
use crate::sandbox::{NoHost, Sandbox, Sandboxed, ServerLimits, Surroundings};
use crate::store::GuestStore;
use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::policy::ExecutionMode;

/// A module that has the memory a policy imports, `(module (memory (export "memory") 5))`: that of an instance comes from
/// the pool. The policy grows it as it likes, up to the limit.
const MEMORY_MODULE: &[u8] = b"\0asm\x01\0\0\0\x05\x03\x01\0\x05\x07\x0a\x01\x06memory\x02\0";

/// The name of the memory, as it is exported and imported.
const MEMORY: &str = "memory";

/// The entry point that is evaluated, whatever its name: the first one given to `opa build`.
const ENTRY_POINT: i32 = 0;

/// The server's own words for a deadline that passed.
const OUT_OF_TIME: &str = "guest code interrupted, execution deadline exceeded";

/// The module under which everything is imported.
const ENV: &str = "env";

const I32: ValType = ValType::I32;

/// What the server asks of a module, beside its memory.
const EXPORTS: [(&str, Signature); 13] = [
    ("builtins", (&[], &[I32])),
    ("entrypoints", (&[], &[I32])),
    ("opa_heap_ptr_get", (&[], &[I32])),
    ("opa_heap_ptr_set", (&[I32], &[])),
    ("opa_malloc", (&[I32], &[I32])),
    ("opa_json_parse", (&[I32, I32], &[I32])),
    ("opa_json_dump", (&[I32], &[I32])),
    ("opa_eval_ctx_new", (&[], &[I32])),
    ("opa_eval_ctx_set_input", (&[I32, I32], &[])),
    ("opa_eval_ctx_set_data", (&[I32, I32], &[])),
    ("opa_eval_ctx_set_entrypoint", (&[I32, I32], &[])),
    ("opa_eval_ctx_get_result", (&[I32], &[I32])),
    ("eval", (&[I32], &[I32])),
];

/// The data of a store.
struct State {
    sandbox: Sandbox,
    limits: Limits,
    /// Built-ins by the number the module gave them; filled once the module has said so.
    builtins: BTreeMap<i32, &'static Builtin>,
    environment: Environment,
}

impl State {
    fn new(surroundings: &Surroundings, limits: &Limits) -> Self {
        let sandbox = Sandbox::new(surroundings, limits, &[]);
        let environment = Environment { now: surroundings.clock, budget: sandbox.budget.clone() };
        Self { sandbox, limits: limits.clone(), builtins: BTreeMap::new(), environment }
    }
}

impl Sandboxed for State {
    fn sandbox(&mut self) -> &mut Sandbox {
        &mut self.sandbox
    }
}

/// A module of the ABI with everything it imports but its memory.
pub(super) struct Linked {
    linker: Linker<State>,
    /// The module that has the memory.
    memory: wasmtime::Module,
    module: wasmtime::Module,
    limits: Limits,
    counters: Option<Arc<Counters>>,
}

impl Linked {
    /// Checks imports and exports.
    pub(super) fn new(engine: &Engine, module: &Module, mode: ExecutionMode) -> Result<Self, LinkError> {
        let mismatch = |error: wasmtime::Error| LinkError::Mismatch { mode, text: format!("{error:#}") };
        link::require(module, mode, &EXPORTS)?;
        let linker = linker(module.wasmtime.engine()).map_err(mismatch)?;
        let memory = wasmtime::Module::from_binary(module.wasmtime.engine(), MEMORY_MODULE).map_err(mismatch)?;
        let (limits, counters) = (engine.limits.clone(), module.counters.clone());
        let linked = Self { linker, memory, module: module.wasmtime.clone(), limits, counters };
        let nowhere = Surroundings {
            host: Arc::new(NoHost),
            timeout: std::time::Duration::ZERO,
            clock: default_clock(),
            server: ServerLimits::default(),
        };
        let mut store = Store::new(module.wasmtime.engine(), State::new(&nowhere, &engine.limits));
        let linker = linked.with_memory(&mut store).map_err(mismatch)?;
        let unknown: Vec<_> = linked
            .module
            .imports()
            .filter(|import| linker.get_by_import(&mut store, import).is_none())
            .map(|import| format!("{}.{}", import.module(), import.name()))
            .collect();
        if !unknown.is_empty() {
            return Err(LinkError::UnknownImports { mode, names: unknown });
        }
        linker.instantiate_pre(&linked.module).map_err(mismatch)?;
        Ok(linked)
    }

    /// What the module imports, with a memory of its own.
    fn with_memory(&self, store: &mut Store<State>) -> wasmtime::Result<Linker<State>> {
        let owner = Instance::new(&mut *store, &self.memory, &[])?;
        let memory = owner.get_memory(&mut *store, MEMORY).ok_or_else(|| Stop::Misuse("there is no memory".into()))?;
        let mut linker = self.linker.clone();
        linker.define(&mut *store, ENV, MEMORY, memory)?;
        Ok(linker)
    }

    /// A fresh instance, and the names of the built-ins it needs and there are not.
    pub(super) fn instantiate(&self, surroundings: &Surroundings) -> Result<(Abi, Vec<String>), Fault> {
        let state = State::new(surroundings, &self.limits);
        let mut store = GuestStore::new(self.module.engine(), state, surroundings.timeout);
        let started = self
            .with_memory(&mut store)
            .and_then(|linker| {
                let instance = linker.instantiate(&mut *store, &self.module)?;
                store.count(&instance, self.counters.as_ref());
                Exports::of(&instance, &mut store)
            })
            .and_then(|exports| exports.begin(&mut store));
        let (exports, base, wanted) = started.map_err(|error| {
            let fault = fault::from_error(&error, &store.data().sandbox.circumstances());
            fault::while_starting(fault, "the policy could not be started")
        })?;
        let wanted: BTreeMap<String, i32> = serde_json::from_str(&wanted).map_err(|error| {
            Fault::new(FaultKind::Init, format!("the policy's list of built-ins cannot be read: {error}"))
        })?;
        let mut missing = Vec::new();
        for (name, number) in wanted {
            match builtins::find(&name) {
                Some(builtin) => drop(store.data_mut().builtins.insert(number, builtin)),
                None => missing.push(name),
            }
        }
        Ok((Abi { store, exports, base, timeout: surroundings.timeout }, missing))
    }
}

/// One instance.
pub(super) struct Abi {
    store: GuestStore<State>,
    exports: Exports,
    /// Where the heap begins that an evaluation may use.
    base: i32,
    timeout: std::time::Duration,
}

impl Abi {
    /// Evaluates the entry point and gives its results as JSON text.
    pub(super) fn evaluate(&mut self, input: &Json, data: &Json) -> Result<String, Fault> {
        self.store.data_mut().sandbox.begin_call();
        self.store.set_epoch_deadline(ticks(self.timeout));
        let result = self.exports.evaluate(&mut self.store, self.base, input, data);
        result.map_err(|failed| failed.fault(&self.store.data().sandbox.circumstances()))
    }
}

/// An error of one step of an evaluation.
struct Failed {
    error: wasmtime::Error,
    /// What the server says before the text of its engine.
    prefix: &'static str,
    /// Whether the server tells a deadline apart in this step.
    knows_deadlines: bool,
}

impl Failed {
    /// A step that the server takes on its way through the evaluation.
    fn step(prefix: &'static str) -> impl FnOnce(wasmtime::Error) -> Self {
        move |error| Self { error, prefix, knows_deadlines: true }
    }

    /// A step that hands over a document.
    fn transfer(prefix: &'static str) -> impl FnOnce(wasmtime::Error) -> Self {
        move |error| Self { error, prefix, knows_deadlines: false }
    }

    fn fault(&self, circumstances: &Circumstances) -> Fault {
        let fault = fault::from_error(&self.error, circumstances);
        match fault::seen_by_server(&self.error, circumstances) {
            None => fault,
            Some(Seen::Deadline) if self.knows_deadlines => fault.at_server(internal_error(&OUT_OF_TIME)),
            Some(_) => {
                fault.at_server(internal_error(&format_args!("{}: {}", self.prefix, fault::in_detail(&self.error))))
            }
        }
    }
}

/// The functions of a module.
struct Exports {
    memory: Memory,
    builtins: TypedFunc<(), i32>,
    heap_ptr_get: TypedFunc<(), i32>,
    heap_ptr_set: TypedFunc<i32, ()>,
    malloc: TypedFunc<i32, i32>,
    json_parse: TypedFunc<(i32, i32), i32>,
    json_dump: TypedFunc<i32, i32>,
    ctx_new: TypedFunc<(), i32>,
    ctx_set_input: TypedFunc<(i32, i32), ()>,
    ctx_set_data: TypedFunc<(i32, i32), ()>,
    ctx_set_entrypoint: TypedFunc<(i32, i32), ()>,
    ctx_get_result: TypedFunc<i32, i32>,
    eval: TypedFunc<i32, i32>,
}

impl Exports {
    fn of(instance: &Instance, store: &mut Store<State>) -> wasmtime::Result<Self> {
        fn function<P: WasmParams, R: WasmResults>(
            instance: &Instance,
            store: &mut Store<State>,
            name: &str,
        ) -> wasmtime::Result<TypedFunc<P, R>> {
            instance.get_typed_func(store, name)
        }
        let memory = instance.get_memory(&mut *store, "memory");
        Ok(Self {
            memory: memory.ok_or_else(|| Stop::Misuse("the module exports no memory".into()))?,
            builtins: function(instance, store, "builtins")?,
            heap_ptr_get: function(instance, store, "opa_heap_ptr_get")?,
            heap_ptr_set: function(instance, store, "opa_heap_ptr_set")?,
            malloc: function(instance, store, "opa_malloc")?,
            json_parse: function(instance, store, "opa_json_parse")?,
            json_dump: function(instance, store, "opa_json_dump")?,
            ctx_new: function(instance, store, "opa_eval_ctx_new")?,
            ctx_set_input: function(instance, store, "opa_eval_ctx_set_input")?,
            ctx_set_data: function(instance, store, "opa_eval_ctx_set_data")?,
            ctx_set_entrypoint: function(instance, store, "opa_eval_ctx_set_entrypoint")?,
            ctx_get_result: function(instance, store, "opa_eval_ctx_get_result")?,
            eval: function(instance, store, "eval")?,
        })
    }

    /// What is done once: the list of built-ins is read, and where the heap then begins.
    fn begin(self, store: &mut Store<State>) -> wasmtime::Result<(Self, i32, String)> {
        let address = self.builtins.call(&mut *store, ())?;
        let wanted = self.dump(store, address)?;
        let base = self.heap_ptr_get.call(&mut *store, ())?;
        Ok((self, base, wanted))
    }

    /// The prefixes of errors are those of policy-evaluator 1.36 (`burrego/src/policy.rs`, `stack_helper.rs`).
    fn evaluate(&self, store: &mut Store<State>, base: i32, input: &Json, data: &Json) -> Result<String, Failed> {
        const LOAD: &str = "Rego wasm error: Cannot get memory address";
        const HEAP: &str = "wasm engine error: error invoking opa_heap_ptr_set function";
        const CONTEXT: &str = "wasm engine error: error invoking opa_eval_ctx_new function";
        const INPUT: &str = "wasm engine error: error invoking opa_eval_ctx_set_input function";
        const DATA: &str = "wasm engine error: error invoking opa_eval_ctx_set_data function";
        const ENTRY: &str = "wasm engine error: error invoking opa_eval_ctx_set_entrypoint function";
        const EVAL: &str = "wasm engine error: error invoking opa_eval function";
        const RESULT: &str = "wasm engine error: error invoking opa_eval_ctx_get_result function";
        const DUMP: &str = "wasm engine error: cannot invoke opa_json_dump function";
        self.heap_ptr_set.call(&mut *store, base).map_err(Failed::step(HEAP))?;
        let data = self.load(store, data).map_err(Failed::transfer(LOAD))?;
        let input = self.load(store, input).map_err(Failed::transfer(LOAD))?;
        let ctx = self.ctx_new.call(&mut *store, ()).map_err(Failed::step(CONTEXT))?;
        self.ctx_set_input.call(&mut *store, (ctx, input)).map_err(Failed::step(INPUT))?;
        self.ctx_set_data.call(&mut *store, (ctx, data)).map_err(Failed::step(DATA))?;
        self.ctx_set_entrypoint.call(&mut *store, (ctx, ENTRY_POINT)).map_err(Failed::step(ENTRY))?;
        self.eval.call(&mut *store, ctx).map_err(Failed::step(EVAL))?;
        let result = self.ctx_get_result.call(&mut *store, ctx).map_err(Failed::step(RESULT))?;
        self.dump(store, result).map_err(Failed::transfer(DUMP))
    }

    fn load(&self, store: &mut Store<State>, document: &Json) -> wasmtime::Result<i32> {
        load(store, &self.memory, &self.malloc, &self.json_parse, &document.to_string())
    }

    fn dump(&self, store: &mut Store<State>, value: i32) -> wasmtime::Result<String> {
        let text = self.json_dump.call(&mut *store, value)?;
        let limit = store.data().limits.reply;
        memory::read_c_text(&self.memory, store, "opa_json_dump", text.cast_unsigned(), limit)
    }
}

/// Hands a text of JSON over to the module, which makes a value of it.
fn load(
    mut store: impl AsContextMut,
    memory: &Memory,
    malloc: &TypedFunc<i32, i32>,
    parse: &TypedFunc<(i32, i32), i32>,
    text: &str,
) -> wasmtime::Result<i32> {
    let len =
        i32::try_from(text.len()).map_err(|_| Stop::Limit("a document is larger than the policy's memory".into()))?;
    let address = malloc.call(&mut store, len)?;
    memory::write_at(memory, &mut store, "opa_malloc", address.cast_unsigned(), text.as_bytes())?;
    match parse.call(&mut store, (address, len))? {
        0 => Err(Stop::Misuse("Failed to load json in memory".into()).into()),
        value => Ok(value),
    }
}

fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    linker.func_wrap(ENV, "opa_abort", abort)?;
    linker.func_wrap(ENV, "opa_println", println)?;
    linker.func_wrap(ENV, "opa_builtin0", |caller: Caller<'_, State>, id: i32, _: i32| call(caller, id, &[]))?;
    linker
        .func_wrap(ENV, "opa_builtin1", |caller: Caller<'_, State>, id: i32, _: i32, a: i32| call(caller, id, &[a]))?;
    linker.func_wrap(ENV, "opa_builtin2", |caller: Caller<'_, State>, id: i32, _: i32, a: i32, b: i32| {
        call(caller, id, &[a, b])
    })?;
    linker.func_wrap(ENV, "opa_builtin3", |caller: Caller<'_, State>, id: i32, _: i32, a: i32, b: i32, c: i32| {
        call(caller, id, &[a, b, c])
    })?;
    linker.func_wrap(
        ENV,
        "opa_builtin4",
        |caller: Caller<'_, State>, id: i32, _: i32, a: i32, b: i32, c: i32, d: i32| call(caller, id, &[a, b, c, d]),
    )?;
    Ok(linker)
}

/// Ends the evaluation. The server only notes the text, and the module then traps by itself.
fn abort(mut caller: Caller<'_, State>, text: i32) -> wasmtime::Result<()> {
    let text = read_argument_text(&mut caller, "opa_abort", text)?;
    Err(Stop::Aborted(text).into())
}

fn println(mut caller: Caller<'_, State>, text: i32) -> wasmtime::Result<()> {
    let text = read_argument_text(&mut caller, "opa_println", text)?;
    log(&mut caller, &text)
}

fn log(caller: &mut Caller<'_, State>, text: &str) -> wasmtime::Result<()> {
    let sandbox = &mut caller.data_mut().sandbox;
    sandbox.charge_log(text.len())?;
    sandbox.host.console_log(text);
    Ok(())
}

fn read_argument_text(caller: &mut Caller<'_, State>, import: &'static str, text: i32) -> wasmtime::Result<String> {
    let memory = memory::exported_memory(caller, import)?;
    let limit = caller.data().limits.output;
    memory::read_c_text(&memory, caller, import, text.cast_unsigned(), limit)
}

/// Calls a built-in: the policy gets what it gets in the server, in JSON. Where OPA gives something else the case gets a
/// remark.
fn call(mut caller: Caller<'_, State>, id: i32, addresses: &[i32]) -> wasmtime::Result<i32> {
    let builtin =
        *caller.data().builtins.get(&id).ok_or_else(|| {
            Stop::Misuse(format!("the policy called the built-in number {id}, which it does not list"))
        })?;
    let memory = memory::exported_memory(&mut caller, BUILTIN)?;
    let dump = typed::<i32, i32>(&mut caller, "opa_json_dump")?;
    let exceeded = |exceeded| Stop::Exceeded { work: in_words(builtin), exceeded };
    let room = caller.data().environment.budget.room();
    let mut arguments = Vec::with_capacity(addresses.len());
    let mut bytes = 0;
    for address in addresses {
        let text = dumped(&mut caller, &memory, &dump, *address)?;
        caller.data_mut().sandbox.charge_host_bytes(text.len() as u64)?;
        caller.data().environment.budget.spend(STEPS_FOR_EACH_BYTE * text.len() as u64).map_err(exceeded)?;
        bytes += text.len();
        room.take_json(text.as_bytes()).map_err(exceeded)?;
        arguments.push(serde_json::from_str::<Json>(&text).map_err(Stop::Argument)?);
    }
    if let ("trace", Some(Json::String(line))) = (builtin.name, arguments.first()) {
        log(&mut caller, line)?;
    }
    let result = builtins::call(builtin, &caller.data().environment, &arguments);
    let values = || rego_values(&mut caller, &memory, addresses, &arguments);
    let opinion = (bytes <= MOST_COMPARED)
        .then(values)
        .flatten()
        .and_then(|values| builtins::second_opinion(builtin, &caller.data().environment, &values, result.as_ref()));
    match result {
        Ok(value) => {
            if let Some(opinion) = opinion {
                caller.data().sandbox.host.remark(&opinion);
            }
            let text = value.to_string();
            caller.data_mut().sandbox.charge_host_bytes(text.len() as u64)?;
            let malloc = typed(&mut caller, "opa_malloc")?;
            let parse = typed(&mut caller, "opa_json_parse")?;
            load(&mut caller, &memory, &malloc, &parse, &text)
        }
        Err(error) => Err(stopped_by(builtin, error, opinion).into()),
    }
}

/// Steps for each byte of an argument, which is read, and gone through by nearly every built-in: some of them in code that
/// cannot be interrupted. With the server's timeout there are enough for 12 MB.
const STEPS_FOR_EACH_BYTE: u64 = 8;

/// Most bytes of arguments for which there is a second opinion, which takes as long again.
const MOST_COMPARED: usize = 1 << 20;

/// Most bytes of the message of a built-in that fails. Some quote their arguments, byte by byte.
const LONGEST_MESSAGE: usize = 1 << 20;

/// The name of the imports in messages.
const BUILTIN: &str = "opa_builtin";

/// The text of a value of the module.
fn dumped(
    caller: &mut Caller<'_, State>,
    memory: &Memory,
    dump: &TypedFunc<i32, i32>,
    address: i32,
) -> wasmtime::Result<String> {
    let limit = caller.data().limits.reply;
    let address = dump.call(&mut *caller, address)?;
    memory::read_c_text(memory, &*caller, BUILTIN, address.cast_unsigned(), limit)
}

/// The arguments with their sets, where the module can dump them as such; else what JSON has of them. Nothing here may
/// change the verdict, so an error means that there is no second opinion.
fn rego_values(
    caller: &mut Caller<'_, State>,
    memory: &Memory,
    addresses: &[i32],
    arguments: &[Json],
) -> Option<Vec<Value>> {
    let Ok(dump) = typed::<i32, i32>(caller, "opa_value_dump") else {
        return Some(arguments.iter().map(Value::from).collect());
    };
    let value = |address: &i32| Value::parse(&dumped(caller, memory, &dump, *address).ok()?).ok();
    addresses.iter().map(value).collect()
}

/// A built-in in messages.
fn in_words(builtin: &Builtin) -> String {
    format!("the built-in `{}`", builtin.name)
}

/// How a built-in that fails ends the evaluation.
fn stopped_by(builtin: &Builtin, error: BuiltinError, opinion: Option<String>) -> Stop {
    match error {
        BuiltinError::Failed { message, .. } | BuiltinError::Panicked(message) if message.len() > LONGEST_MESSAGE => {
            let length = message.len();
            Stop::Limit(format!(
                "the built-in `{}` failed with a message of {length} bytes, more than {LONGEST_MESSAGE}",
                builtin.name
            ))
        }
        BuiltinError::Failed { name, message } => {
            Stop::Builtin(BuiltinFailure { builtin: builtin.name, name, message, opinion })
        }
        BuiltinError::Panicked(message) => Stop::WorkerEnds { builtin: builtin.name, message },
        BuiltinError::Exceeded(exceeded) => Stop::Exceeded { work: in_words(builtin), exceeded },
        BuiltinError::Limit(text) => Stop::Limit(format!("the built-in `{}` reached a limit: {text}", builtin.name)),
    }
}

fn typed<P: WasmParams, R: WasmResults>(
    caller: &mut Caller<'_, State>,
    name: &str,
) -> wasmtime::Result<TypedFunc<P, R>> {
    let function = caller.get_export(name).and_then(Extern::into_func);
    let function = function.ok_or_else(|| Stop::Misuse(format!("the module does not export `{name}`")))?;
    function.typed(&*caller)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_module_of_the_memory_is_what_it_says() {
        assert_eq!(wat::parse_str("(module (memory (export \"memory\") 5))").unwrap(), MEMORY_MODULE);
    }
}
