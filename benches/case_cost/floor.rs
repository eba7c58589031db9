//! The floor: wasmtime with nothing around it. Shares no code with `crates/engine`.
//!
//! Each case is what it cannot do without: a fresh store with a WASI context, an instance made from an `InstancePre`,
//! and the two calls with their bytes. No limits, no journal, no captured streams beyond the reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use wasmtime::{
    Caller, Config, Enabled, Engine, Extern, InstanceAllocationStrategy, InstancePre, Linker, Module,
    PoolingAllocationConfig, Result, Store, WasmFeatures,
};
use wasmtime_wasi::p1::{self, WasiP1Ctx};
use wasmtime_wasi::{I32Exit, WasiCtxBuilder};

use crate::subject::{Mode, Subject};

/// Ticks until the deadline of the product's default, two seconds.
const DEADLINE: u64 = 401;

/// How the engine is set up.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settings {
    /// As the product does it: with epochs, a thread that moves them, and instances that take over the memory of earlier ones.
    Same,
    /// As wasmtime comes: memory is asked of the system for each instance.
    Default,
}

/// A module, ready to be instantiated.
pub(crate) struct Floor {
    mode: Mode,
    pre: InstancePre<World>,
    starts: Vec<&'static str>,
    settings: Arc<[u8]>,
    manifest: Arc<[u8]>,
    is_over: Arc<AtomicBool>,
}

/// The data of a store.
struct World {
    wasi: WasiP1Ctx,
    operation: &'static str,
    /// What goes in: the message of a call, or the rest of stdin.
    input: Vec<u8>,
    /// What came out: the reply of a call, or stdout.
    output: Vec<u8>,
    manifest: Arc<[u8]>,
}

impl Floor {
    /// Compiles and links the policy.
    pub(crate) fn new(subject: &Subject, settings: Settings) -> Result<Self> {
        let mut config = Config::new();
        config.wasm_features(WasmFeatures::FUNCTION_REFERENCES, true);
        config.epoch_interruption(settings == Settings::Same);
        if settings == Settings::Same {
            let mut pool = PoolingAllocationConfig::new();
            pool.total_core_instances(8)
                .total_memories(16)
                .total_tables(16)
                .max_core_instance_size(16 << 20)
                .table_elements(1 << 18)
                .linear_memory_keep_resident(2 << 20)
                .table_keep_resident(1 << 20)
                .pagemap_scan(Enabled::Auto);
            config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
        }
        let engine = Engine::new(&config)?;
        let is_over = Arc::<AtomicBool>::default();
        if settings == Settings::Same {
            let (engine, is_over) = (engine.clone(), Arc::clone(&is_over));
            thread::spawn(move || {
                while !is_over.load(Ordering::Relaxed) {
                    engine.increment_epoch();
                    thread::sleep(Duration::from_millis(5));
                }
            });
        }
        let module = Module::from_binary(&engine, &subject.module())?;
        let starts = ["_start", "_initialize", "wapc_init"];
        let starts = starts.into_iter().filter(|name| subject.mode == Mode::Wapc && module.get_export(name).is_some());
        let bytes = |document: &serde_json::Value| document.to_string().into_bytes().into();
        Ok(Self {
            mode: subject.mode,
            starts: starts.collect(),
            pre: linker(&engine)?.instantiate_pre(&module)?,
            settings: bytes(&subject.settings),
            manifest: subject.manifest.as_ref().map(bytes).unwrap_or_default(),
            is_over,
        })
    }

    /// One case: settings validation, then the request. Gives the reply to the latter.
    pub(crate) fn case(&self, payload: &[u8]) -> Result<Vec<u8>> {
        match self.mode {
            Mode::Wapc => self.wapc(payload),
            Mode::Wasi => {
                self.wasi("validate-settings", &self.settings)?;
                self.wasi("validate", payload)
            }
        }
    }

    fn wapc(&self, payload: &[u8]) -> Result<Vec<u8>> {
        let mut store = self.store(&[]);
        let instance = self.pre.instantiate(&mut store)?;
        for start in &self.starts {
            instance.get_typed_func::<(), ()>(&mut store, start)?.call(&mut store, ())?;
        }
        let guest_call = instance.get_typed_func::<(u32, u32), u32>(&mut store, "__guest_call")?;
        for (operation, message) in [("validate_settings", &*self.settings), ("validate", payload)] {
            let world = store.data_mut();
            (world.operation, world.input) = (operation, message.to_vec());
            store.set_epoch_deadline(DEADLINE);
            guest_call.call(&mut store, (operation.len() as u32, message.len() as u32))?;
        }
        Ok(store.into_data().output)
    }

    fn wasi(&self, command: &str, stdin: &[u8]) -> Result<Vec<u8>> {
        let mut store = self.store(&["policy.wasm", command]);
        store.data_mut().input = stdin.to_vec();
        let instance = self.pre.instantiate(&mut store)?;
        match instance.get_typed_func::<(), ()>(&mut store, "_start")?.call(&mut store, ()) {
            Err(error) if error.downcast_ref::<I32Exit>().is_none_or(|exit| exit.0 != 0) => Err(error),
            _ => Ok(store.into_data().output),
        }
    }

    fn store(&self, arguments: &[&str]) -> Store<World> {
        let wasi = WasiCtxBuilder::new().args(arguments).build_p1();
        let (input, output, manifest) = (Vec::new(), Vec::new(), Arc::clone(&self.manifest));
        let mut store = Store::new(self.pre.module().engine(), World { wasi, operation: "", input, output, manifest });
        store.set_epoch_deadline(DEADLINE);
        store
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn linker(engine: &Engine) -> Result<Linker<World>> {
    let mut linker = Linker::new(engine);
    p1::add_to_linker_sync(&mut linker, |world: &mut World| &mut world.wasi)?;
    link_streams(&mut linker)?;
    link_wapc(&mut linker)?;
    Ok(linker)
}

/// The answer to a host call arrives on stdin behind its end, which no stream of wasmtime's can do.
fn link_streams(linker: &mut Linker<World>) -> Result<()> {
    const WASI: &str = "wasi_snapshot_preview1";
    linker.allow_shadowing(true);
    linker.func_wrap(
        WASI,
        "fd_read",
        |mut caller: Caller<'_, World>, _fd: u32, list: u32, count: u32, read: u32| {
            let (memory, world) = split(&mut caller);
            let mut total = 0;
            for index in 0..count {
                let (address, len) = buffer(memory, list + 8 * index);
                let len = len.min(world.input.len());
                memory[address..][..len].copy_from_slice(&world.input[..len]);
                world.input.drain(..len);
                total += len as u32;
            }
            memory[read as usize..][..4].copy_from_slice(&total.to_le_bytes());
            0_u32
        },
    )?;
    linker.func_wrap(
        WASI,
        "fd_write",
        |mut caller: Caller<'_, World>, fd: u32, list: u32, count: u32, written: u32| {
            let (memory, world) = split(&mut caller);
            let mut total = 0;
            for index in 0..count {
                let (address, len) = buffer(memory, list + 8 * index);
                if fd == 1 {
                    world.output.extend_from_slice(&memory[address..][..len]);
                }
                total += len as u32;
            }
            memory[written as usize..][..4].copy_from_slice(&total.to_le_bytes());
            0_u32
        },
    )?;
    linker.allow_shadowing(false);
    #[expect(clippy::type_complexity, reason = "the protocol has this many arguments")]
    let call: fn(Caller<'_, World>, u32, u32, u32, u32, u32, u32, u32, u32) -> u32 =
        |mut caller, _, _, _, _, _, _, _, _| {
            let world = caller.data_mut();
            world.input.extend_from_slice(&world.manifest);
            0
        };
    linker.func_wrap("host", "call", call)?;
    Ok(())
}

fn link_wapc(linker: &mut Linker<World>) -> Result<()> {
    linker.func_wrap("wapc", "__guest_request", |mut caller: Caller<'_, World>, operation: u32, message: u32| {
        let (memory, world) = split(&mut caller);
        memory[operation as usize..][..world.operation.len()].copy_from_slice(world.operation.as_bytes());
        memory[message as usize..][..world.input.len()].copy_from_slice(&world.input);
    })?;
    linker.func_wrap("wapc", "__guest_response", |mut caller: Caller<'_, World>, address: u32, len: u32| {
        let (memory, world) = split(&mut caller);
        world.output = memory[address as usize..][..len as usize].to_vec();
    })?;
    linker.func_wrap("wapc", "__guest_error", |_: u32, _: u32| {})?;
    linker.func_wrap("wapc", "__host_call", |_: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32, _: u32| 1_u32)?;
    linker.func_wrap("wapc", "__host_response_len", || 0_u32)?;
    linker.func_wrap("wapc", "__host_response", |_: u32| {})?;
    linker.func_wrap("wapc", "__host_error_len", || 0_u32)?;
    linker.func_wrap("wapc", "__host_error", |_: u32| {})?;
    linker.func_wrap("wapc", "__console_log", |_: u32, _: u32| {})?;
    Ok(())
}

fn split<'a>(caller: &'a mut Caller<'_, World>) -> (&'a mut [u8], &'a mut World) {
    let memory = caller.get_export("memory").and_then(Extern::into_memory).expect("policies export their memory");
    memory.data_and_store_mut(caller)
}

/// Address and length of a buffer, out of a list of them.
fn buffer(memory: &[u8], address: u32) -> (usize, usize) {
    let word = |offset: usize| {
        let bytes = memory[address as usize + offset..].first_chunk().expect("four bytes");
        u32::from_le_bytes(*bytes) as usize
    };
    (word(0), word(4))
}
