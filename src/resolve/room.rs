//! How much memory the modules of a run take together: a suite may name hundreds of large ones.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use policy_verify_registry::bounded::format_bytes;

/// Bytes of all modules of a run. The largest policy of Kubewarden's catalogue has 85 MB.
const MOST: u64 = 1 << 30;

/// What is left of it. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Room(Arc<AtomicU64>);

/// There is no room for a module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the modules of this run are larger than {} together", format_bytes(MOST))]
pub(super) struct Full;

impl Full {
    /// What to do about it.
    pub(super) const HELP: &str = "run the suites one by one, or in parts: `--partition policy:1/2`";
}

impl Default for Room {
    fn default() -> Self {
        Self::of(MOST)
    }
}

impl Room {
    fn of(bytes: u64) -> Self {
        Self(Arc::new(AtomicU64::new(bytes)))
    }

    /// Takes bytes, which are never given back: a module that cannot be fetched counts.
    pub(super) fn take(&self, bytes: u64) -> Result<(), Full> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(bytes));
        left.map(drop).map_err(|_| Full)
    }

    /// Bytes that are left.
    pub(super) fn left(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_clones_share_the_room() {
        let room = Room::of(10);
        room.clone().take(7).unwrap();
        assert_eq!((room.take(4), room.left()), (Err(Full), 3));
        room.take(3).unwrap();
        assert_eq!(Full.to_string(), "the modules of this run are larger than 1024 MiB together");
    }
}
