//! A policy in the code of the quick compiler, until the optimising one has compiled it.
//!
//! Most policies of a run answer a few cases: better code would cost more than it saves. When the cases of a policy have taken
//! as long as compiling it again is expected to take, that is begun, on a thread of its own: whatever comes then, the time
//! spent is at most twice of what would have been best.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::counters::Counters;
use super::engine::{Engine, Module};
use super::link::LinkError;
use super::load::load;
use super::policy::{Context, GuestOutput, Instance, Policy};
use policy_verify_model::answer::{Answer, Fault, SettingsVerdict};
use policy_verify_model::policy::{Digest, ExecutionMode, Settings};
use policy_verify_model::request::Request;

/// Loads a compiled module of these bytes, whose digest is `digest`. Where its code is
/// [provisional](Engine::is_provisional), the policy gets better code when that pays, or when [`Policy::settle`] asks for it.
///
/// # Errors
///
/// See [`load`].
pub fn load_with_tiers(
    engine: &Engine,
    module: &Module,
    mode: ExecutionMode,
    digest: Digest,
    bytes: &Arc<[u8]>,
) -> Result<Arc<dyn Policy>, LinkError> {
    let policy = load(engine, module, mode)?;
    if !engine.is_provisional(module) {
        return Ok(policy);
    }
    Ok(Arc::new(TieredPolicy(Arc::new(Tiers {
        quick: policy,
        optimised: OnceLock::new(),
        engine: engine.clone(),
        mode,
        digest,
        bytes: Arc::clone(bytes),
        counters: module.counters.clone(),
        spent: AtomicU64::new(0),
        is_begun: AtomicBool::new(false),
    }))))
}

/// A policy that gets better code.
struct TieredPolicy(Arc<Tiers>);

struct Tiers {
    quick: Arc<dyn Policy>,
    optimised: OnceLock<Result<Arc<dyn Policy>, String>>,
    engine: Engine,
    mode: ExecutionMode,
    digest: Digest,
    bytes: Arc<[u8]>,
    counters: Option<Arc<Counters>>,
    /// Nanoseconds in instances of the quick code.
    spent: AtomicU64,
    is_begun: AtomicBool,
}

impl Policy for TieredPolicy {
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault> {
        match self.0.optimised.get() {
            Some(Ok(optimised)) => optimised.start(context),
            _ => {
                let start = Instant::now();
                let instance = self.0.quick.start(context);
                self.0.spend(start.elapsed());
                Ok(Box::new(QuickInstance { instance: instance?, tiers: Arc::clone(&self.0) }))
            }
        }
    }

    fn is_provisional(&self) -> bool {
        !self.is_settled()
    }

    fn is_settled(&self) -> bool {
        self.0.optimised.get().is_some_and(Result::is_ok)
    }

    fn settle(&self) -> Result<(), String> {
        self.0.optimised().as_ref().map(|_| ()).map_err(Clone::clone)
    }
}

impl Tiers {
    /// The policy in optimised code. Whoever comes first compiles it; all others wait.
    ///
    /// Compiling has a thread of its own: one of the run would take up other cases while it waits for parts of the module, and
    /// a case that comes here again would wait for itself.
    fn optimised(&self) -> &Result<Arc<dyn Policy>, String> {
        self.optimised.get_or_init(|| {
            let compiled = thread::scope(|scope| scope.spawn(|| self.compile()).join());
            compiled.unwrap_or_else(|_| Err("the compiler panicked".to_owned()))
        })
    }

    fn compile(&self) -> Result<Arc<dyn Policy>, String> {
        let module = self.engine.optimise(self.digest, &self.bytes).map_err(|error| error.to_string())?;
        let module = module.with_counters(self.counters.clone());
        load(&self.engine, &module, self.mode).map_err(|error| error.to_string())
    }

    /// Counts time of the quick code, and begins to compile once it was enough.
    fn spend(self: &Arc<Self>, time: Duration) {
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let spent = self.spent.fetch_add(nanoseconds(time), Ordering::Relaxed).saturating_add(nanoseconds(time));
        let price = self.engine.time_to_optimise(self.bytes.len());
        if spent < nanoseconds(price) || self.is_begun.swap(true, Ordering::Relaxed) {
            return;
        }
        let (tiers, thread) = (Arc::clone(self), self.engine.in_background());
        // Without a thread the quick code stays.
        let _ = thread::Builder::new().name("optimising".into()).spawn(move || {
            tiers.optimised();
            drop(thread);
        });
    }
}

/// An instance whose time is counted.
struct QuickInstance {
    instance: Box<dyn Instance>,
    tiers: Arc<Tiers>,
}

impl Instance for QuickInstance {
    fn validate_settings(&mut self, settings: &Settings) -> Result<SettingsVerdict, Fault> {
        let start = Instant::now();
        let verdict = self.instance.validate_settings(settings);
        self.tiers.spend(start.elapsed());
        verdict
    }

    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer {
        let start = Instant::now();
        let answer = self.instance.validate(request, settings);
        self.tiers.spend(start.elapsed());
        answer
    }

    fn output(&self) -> GuestOutput {
        self.instance.output()
    }
}
