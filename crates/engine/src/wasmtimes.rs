//! The engines of wasmtime that a run may need, each set up when it is first asked for: one for each compiler, and for each
//! way in which instances get their memory.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use wasmtime::{Config, EngineWeak, Strategy, WasmFeatures};

use super::{pool, process_limits};
use policy_verify_model::compiler::Compiler;

/// What only Cranelift compiles. Source: `Config::compiler_panicking_wasm_features` of wasmtime 48.
const ONLY_CRANELIFT: WasmFeatures = WasmFeatures::GC
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(WasmFeatures::TAIL_CALL)
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::EXCEPTIONS);

/// Where the memory of an instance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Placement {
    /// From the system, which gets it back when the instance is gone.
    OnDemand,
    /// From a place that earlier instances used, and that was cleared.
    Pool,
}

/// The engines.
pub(super) struct Wasmtimes {
    /// Instances there may be at a time; none without a pool.
    pooled_instances: Option<u32>,
    counts_instructions: bool,
    engines: [OnceLock<Result<wasmtime::Engine, String>>; 4],
    in_use: Arc<InUse>,
}

/// The engines that were set up, for the thread that ends what takes too long. A guest may outlive the engine of the run.
#[derive(Default)]
pub(super) struct InUse(Mutex<Vec<EngineWeak>>);

impl InUse {
    /// Those that there still are.
    pub(super) fn engines(&self) -> Vec<wasmtime::Engine> {
        let engines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        engines.iter().filter_map(EngineWeak::upgrade).collect()
    }
}

impl Wasmtimes {
    /// The engines of a run with this many instances at a time, whose guests may have this many bytes of memory, and whose
    /// instructions may be counted.
    pub(super) fn new(instances: u32, memory: u64, counts_instructions: bool) -> Self {
        Self {
            pooled_instances: Some(instances).filter(|instances| *instances > 0 && pool::is_possible(memory)),
            counts_instructions,
            engines: Default::default(),
            in_use: Arc::default(),
        }
    }

    /// The engine for code of a compiler. There is none where the system refuses to set it up.
    ///
    /// # Errors
    ///
    /// What wasmtime says about it.
    pub(super) fn get(&self, compiler: Compiler, placement: Placement) -> Result<&wasmtime::Engine, &str> {
        let slot = &self.engines[slot(compiler, placement)];
        slot.get_or_init(|| self.set_up(compiler, placement)).as_ref().map_err(String::as_str)
    }

    /// The engines for code of a compiler, the preferred one first. Each is set up when it is reached.
    pub(super) fn of(&self, compiler: Compiler) -> impl Iterator<Item = &wasmtime::Engine> + Clone {
        let pool = self.pooled_instances.map(|_| Placement::Pool);
        let placements = pool.into_iter().chain([Placement::OnDemand]);
        placements.filter_map(move |placement| self.get(compiler, placement).ok())
    }

    /// Sets up the preferred engine for code of a compiler.
    ///
    /// # Errors
    ///
    /// None can be set up; the text of the last.
    pub(super) fn set_up_for(&self, compiler: Compiler) -> Result<(), &str> {
        match self.of(compiler).next() {
            Some(_) => Ok(()),
            None => self.get(compiler, Placement::OnDemand).map(drop),
        }
    }

    /// Whether instructions are counted.
    pub(super) fn counts_instructions(&self) -> bool {
        self.counts_instructions
    }

    /// Those that were set up.
    pub(super) fn in_use(&self) -> Arc<InUse> {
        Arc::clone(&self.in_use)
    }

    fn set_up(&self, compiler: Compiler, placement: Placement) -> Result<wasmtime::Engine, String> {
        let mut config = Config::new();
        config.epoch_interruption(true).consume_fuel(self.counts_instructions);
        match compiler {
            Compiler::Cranelift => {
                config.strategy(Strategy::Cranelift);
                // Go from 1.26 on emits typed function references.
                config.wasm_features(WasmFeatures::FUNCTION_REFERENCES, true);
            }
            Compiler::Winch => {
                config.strategy(Strategy::Winch);
                config.wasm_features(ONLY_CRANELIFT, false);
            }
        }
        process_limits::respect(&mut config);
        if let (Placement::Pool, Some(instances)) = (placement, self.pooled_instances) {
            config.allocation_strategy(pool::strategy(instances));
        }
        let engine = wasmtime::Engine::new(&config).map_err(|error| format!("{error:#}"))?;
        self.in_use.0.lock().unwrap_or_else(PoisonError::into_inner).push(engine.weak());
        Ok(engine)
    }
}

fn slot(compiler: Compiler, placement: Placement) -> usize {
    let compiler = match compiler {
        Compiler::Cranelift => 0,
        Compiler::Winch => 2,
    };
    compiler + usize::from(placement == Placement::Pool)
}

#[cfg(test)]
mod tests {
    use std::hash::{DefaultHasher, Hash as _, Hasher as _};

    use super::*;

    /// What kept code is called by.
    fn hash(engines: &Wasmtimes, compiler: Compiler, placement: Placement) -> u64 {
        let mut hasher = DefaultHasher::new();
        engines.get(compiler, placement).unwrap().precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn code_of_a_compiler_fits_wherever_instances_are_placed() {
        for compiler in [Compiler::Cranelift, Compiler::Winch] {
            let of = |engines: &Wasmtimes| {
                [Placement::Pool, Placement::OnDemand].map(|placement| hash(engines, compiler, placement))
            };
            let [pool, on_demand] = of(&Wasmtimes::new(8, 1 << 28, false));
            assert_eq!(pool, on_demand, "{compiler:?}");
            assert_eq!([pool, pool], of(&Wasmtimes::new(0, 1 << 28, false)), "{compiler:?}");
        }
    }
}
