//! The store of an instance: its limits, its deadline, and the count of what is executed in it.

use std::ops::{Deref, DerefMut};
use std::time::Duration;

use wasmtime::Store;

use super::engine::ticks;
use super::sandbox::Sandboxed;

/// What instances start with where instructions are counted: nothing runs out of it.
const FUEL: u64 = u64::MAX;

/// A store whose host is told, at its end, how many instructions were executed in it, where the engine counts them.
pub(super) struct GuestStore<T: Sandboxed>(Store<T>);

impl<T: Sandboxed> GuestStore<T> {
    /// A store whose first call has this much time.
    pub(super) fn new(engine: &wasmtime::Engine, data: T, timeout: Duration) -> Self {
        let mut store = Store::new(engine, data);
        store.limiter(|data| data.sandbox());
        store.set_epoch_deadline(ticks(timeout));
        // An engine that does not count refuses.
        let _ = store.set_fuel(FUEL);
        Self(store)
    }
}

impl<T: Sandboxed> Drop for GuestStore<T> {
    fn drop(&mut self) {
        if let Ok(left) = self.0.get_fuel() {
            self.0.data_mut().sandbox().host.executed(FUEL - left);
        }
    }
}

impl<T: Sandboxed> Deref for GuestStore<T> {
    type Target = Store<T>;

    fn deref(&self) -> &Store<T> {
        &self.0
    }
}

impl<T: Sandboxed> DerefMut for GuestStore<T> {
    fn deref_mut(&mut self) -> &mut Store<T> {
        &mut self.0
    }
}
