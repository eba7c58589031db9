//! The store of an instance: its limits, its deadline, and the count of what is executed in it.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::time::Duration;

use wasmtime::{Instance, Memory, Store};

use super::counters::Counters;
use super::engine::ticks;
use super::sandbox::Sandboxed;

/// What instances start with where instructions are counted: nothing runs out of it.
const FUEL: u64 = u64::MAX;

/// A store whose host is told, at its end, how much memory it took, and how many instructions were executed in it, where the
/// engine counts them.
pub(super) struct GuestStore<T: Sandboxed> {
    store: Store<T>,
    /// What was left of the fuel when guest code began to run. The engine itself may take some before, which depends on how
    /// memories are set up.
    fuel: u64,
    counted: Option<Counted>,
}

/// The counters of an instance.
struct Counted {
    counters: Arc<Counters>,
    memory: Memory,
    /// Instructions that counting took while the instance was made.
    before: u64,
}

impl<T: Sandboxed> GuestStore<T> {
    /// A store whose first call has this much time.
    pub(super) fn new(engine: &wasmtime::Engine, data: T, timeout: Duration) -> Self {
        let mut store = Store::new(engine, data);
        store.limiter(|data| data.sandbox());
        store.set_epoch_deadline(ticks(timeout));
        // An engine that does not count refuses.
        let _ = store.set_fuel(FUEL);
        Self { store, fuel: FUEL, counted: None }
    }

    /// Says that the guest is about to run. The counters of its instance are read when this ends, if its module has any.
    pub(super) fn count(&mut self, instance: &Instance, counters: Option<&Arc<Counters>>) {
        self.fuel = self.store.get_fuel().unwrap_or(FUEL);
        self.counted = counters.and_then(|counters| {
            let memory = instance.get_memory(&mut self.store, counters.export())?;
            let before = counters.price_of(memory.data(&self.store));
            Some(Counted { counters: Arc::clone(counters), memory, before })
        });
    }
}

impl<T: Sandboxed> Drop for GuestStore<T> {
    fn drop(&mut self) {
        let counted = self.counted.take().map(|Counted { counters, memory, before }| {
            let data = memory.data(&self.store);
            counters.add(data);
            counters.price_of(data).saturating_sub(before)
        });
        self.store.data_mut().sandbox().tell_memory();
        if let Ok(left) = self.store.get_fuel() {
            let executed = self.fuel.saturating_sub(left).saturating_sub(counted.unwrap_or(0));
            self.store.data_mut().sandbox().host.executed(executed);
        }
    }
}

impl<T: Sandboxed> Deref for GuestStore<T> {
    type Target = Store<T>;

    fn deref(&self) -> &Store<T> {
        &self.store
    }
}

impl<T: Sandboxed> DerefMut for GuestStore<T> {
    fn deref_mut(&mut self) -> &mut Store<T> {
        &mut self.store
    }
}
