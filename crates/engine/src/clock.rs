//! Time as a guest sees it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime_wasi::{HostMonotonicClock, HostWallClock};

/// How far the monotonic clock moves with every reading, so that waiting for it in a loop comes to an end.
const READING: Duration = Duration::from_micros(100);

/// Time inside the guest. The date stands still, except that sleeping moves it; the monotonic clock also moves a
/// little with every reading. Both are the same in every run.
#[derive(Clone)]
pub(super) struct Clock(Arc<Times>);

struct Times {
    /// Since 1970.
    start: Duration,
    /// Nanoseconds slept.
    slept: AtomicU64,
    /// Nanoseconds added by readings.
    read: AtomicU64,
}

impl Clock {
    /// A clock that shows `start`. WASI has no time before 1970, so earlier ones become 1970.
    pub(super) fn starting_at(start: jiff::Timestamp) -> Self {
        let start = u64::try_from(start.as_nanosecond()).unwrap_or(0);
        Self(Arc::new(Times { start: Duration::from_nanos(start), slept: AtomicU64::new(0), read: AtomicU64::new(0) }))
    }

    /// Lets time pass.
    pub(super) fn sleep(&self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let slept = self.slept().saturating_add(nanoseconds);
        self.0.slept.store(slept, Ordering::Relaxed);
    }

    fn slept(&self) -> u64 {
        self.0.slept.load(Ordering::Relaxed)
    }

    /// Since 1970.
    pub(super) fn wall(&self) -> Duration {
        self.0.start.saturating_add(Duration::from_nanos(self.slept()))
    }

    /// Since the start.
    pub(super) fn elapsed(&self) -> Duration {
        Duration::from_nanos(self.slept().saturating_add(self.0.read.load(Ordering::Relaxed)))
    }
}

impl HostWallClock for Clock {
    fn resolution(&self) -> Duration {
        Duration::from_nanos(1)
    }

    fn now(&self) -> Duration {
        self.wall()
    }
}

impl HostMonotonicClock for Clock {
    fn resolution(&self) -> u64 {
        1
    }

    fn now(&self) -> u64 {
        let read = self.0.read.fetch_add(READING.as_nanos() as u64, Ordering::Relaxed);
        self.slept().saturating_add(read)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleeping_moves_both_clocks_and_reading_only_one() {
        let clock = Clock::starting_at("2026-01-01T00:00:00Z".parse().unwrap());
        let start = Duration::from_secs(1_767_225_600);
        assert_eq!(HostMonotonicClock::now(&clock), 0);
        assert_eq!(HostMonotonicClock::now(&clock), 100_000);
        assert_eq!(HostWallClock::now(&clock), start);
        clock.sleep(Duration::from_secs(1));
        assert_eq!(HostMonotonicClock::now(&clock), 1_000_200_000);
        assert_eq!(HostWallClock::now(&clock), start + Duration::from_secs(1));
    }
}
