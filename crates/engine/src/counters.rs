//! Counters that a module has in a memory of its own: read at the end of each instance, and added up.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the counters of all instances of a module counted together.
#[derive(Debug)]
pub struct Counters {
    /// The name of the memory: numbers of 64 bits, in the order of bytes of WebAssembly.
    export: String,
    /// Instructions that counting one more takes.
    price: u64,
    sums: Vec<AtomicU64>,
}

impl Counters {
    /// For a module with so many `counters` in the memory of this name. Counting one more takes `price` instructions: those are
    /// not counted as executed.
    pub fn new(export: &str, counters: usize, price: u64) -> Arc<Self> {
        let sums = std::iter::repeat_with(AtomicU64::default).take(counters).collect();
        Arc::new(Self { export: export.to_owned(), price, sums })
    }

    /// The name of the memory.
    pub(super) fn export(&self) -> &str {
        &self.export
    }

    /// Adds what an instance has in that memory.
    pub(super) fn add(&self, memory: &[u8]) {
        for (hits, sum) in self.hits(memory).zip(&self.sums).filter(|(hits, _)| *hits > 0) {
            sum.fetch_add(hits, Ordering::Relaxed);
        }
    }

    /// The instructions that it took to count what is in the memory.
    pub(super) fn price_of(&self, memory: &[u8]) -> u64 {
        self.hits(memory).fold(0, u64::saturating_add).saturating_mul(self.price)
    }

    fn hits(&self, memory: &[u8]) -> impl Iterator<Item = u64> {
        memory.as_chunks::<8>().0.iter().take(self.sums.len()).map(|bytes| u64::from_le_bytes(*bytes))
    }

    /// The sums of all instances that are gone.
    pub fn sums(&self) -> Vec<u64> {
        self.sums.iter().map(|sum| sum.load(Ordering::Relaxed)).collect()
    }
}
