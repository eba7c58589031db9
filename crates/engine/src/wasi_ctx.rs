//! The WASI that guests meet, under both of its names, `wasi_snapshot_preview1` and `wasi_unstable`.
//!
//! wasmtime's own implementation is linked first. What would reach out of the sandbox or wait is then replaced: the
//! standard streams are buffers with a limit, sleeping lets virtual time pass, random bytes come from a fixed seed.
//! There are no files, so nothing else can be read or written.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime::{Caller, Linker};
use wasmtime_wasi::{HostMonotonicClock, HostWallClock, I32Exit, p0, p1};

use super::memory;
use super::sandbox::Sandboxed;

/// How far the monotonic clock moves with every reading, so that waiting for it in a loop comes to an end.
const READING: Duration = Duration::from_micros(100);

/// Buffers in one call of `fd_read` or `fd_write`: what POSIX guarantees and more than any libc uses.
const MOST_BUFFERS: u32 = 1024;

/// Subscriptions in one call of `poll_oneoff`.
const MOST_SUBSCRIPTIONS: u32 = 1024;

const SUCCESS: u32 = 0;
const BADF: u32 = 8;
const INVAL: u32 = 28;

/// Links everything. `T`'s sandbox decides what the functions do.
pub(super) fn link<T: Sandboxed>(linker: &mut Linker<T>) -> wasmtime::Result<()> {
    p1::add_to_linker_sync(linker, |state| &mut state.sandbox().wasi)?;
    p0::add_to_linker_sync(linker, |state| &mut state.sandbox().wasi)?;
    linker.allow_shadowing(true);
    for (module, layout) in [("wasi_snapshot_preview1", Layout::PREVIEW_1), ("wasi_unstable", Layout::PREVIEW_0)] {
        linker.func_wrap(module, "fd_read", fd_read::<T>)?;
        linker.func_wrap(module, "fd_write", fd_write::<T>)?;
        linker.func_wrap(module, "random_get", random_get::<T>)?;
        linker.func_wrap(module, "proc_exit", proc_exit)?;
        linker.func_wrap(
            module,
            "poll_oneoff",
            move |caller: Caller<'_, T>, subscriptions: u32, events: u32, count: u32, written: u32| {
                poll_oneoff(caller, &layout, subscriptions, events, count, written)
            },
        )?;
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// Reads what is there. An empty buffer reads as end of file, but more may come: that is how a WASI policy receives
/// the answers to its host calls.
fn fd_read<T: Sandboxed>(
    mut caller: Caller<'_, T>,
    fd: u32,
    buffers: u32,
    count: u32,
    read: u32,
) -> wasmtime::Result<u32> {
    const NAME: &str = "fd_read";
    if fd != 0 {
        return Ok(BADF);
    }
    if count > MOST_BUFFERS {
        return Ok(INVAL);
    }
    let mut total = 0;
    for (address, len) in buffer_list(&mut caller, NAME, buffers, count)? {
        memory::check(&mut caller, NAME, address, len)?;
        let stdin = &mut caller.data_mut().sandbox().stdin;
        let len = stdin.len().min(len as usize);
        let bytes: Vec<u8> = stdin.drain(..len).collect();
        memory::write(&mut caller, NAME, address, &bytes)?;
        total += len;
    }
    // Fits, because the buffers lie in a 32-bit memory; overlapping ones could only be filled from as much stdin.
    let total = u32::try_from(total).unwrap_or(u32::MAX);
    memory::write(&mut caller, NAME, read, &total.to_le_bytes())?;
    Ok(SUCCESS)
}

fn fd_write<T: Sandboxed>(
    mut caller: Caller<'_, T>,
    fd: u32,
    buffers: u32,
    count: u32,
    written: u32,
) -> wasmtime::Result<u32> {
    const NAME: &str = "fd_write";
    if !matches!(fd, 1 | 2) {
        return Ok(BADF);
    }
    if count > MOST_BUFFERS {
        return Ok(INVAL);
    }
    let mut total: u32 = 0;
    for (address, len) in buffer_list(&mut caller, NAME, buffers, count)? {
        let bytes = memory::read(&mut caller, NAME, address, len)?;
        let sandbox = caller.data_mut().sandbox();
        if fd == 1 {
            sandbox.write_stdout(&bytes)?
        } else {
            sandbox.write_stderr(&bytes)?
        }
        total = total.saturating_add(len);
    }
    memory::write(&mut caller, NAME, written, &total.to_le_bytes())?;
    Ok(SUCCESS)
}

/// Reads a list of addresses and lengths.
fn buffer_list<T: Sandboxed>(
    caller: &mut Caller<'_, T>,
    import: memory::ImportName,
    address: u32,
    count: u32,
) -> wasmtime::Result<Vec<(u32, u32)>> {
    let bytes = memory::read(caller, import, address, count.saturating_mul(8))?;
    Ok(bytes.chunks_exact(8).map(|pair| (u32_at(pair, 0), u32_at(pair, 4))).collect())
}

fn random_get<T: Sandboxed>(mut caller: Caller<'_, T>, address: u32, len: u32) -> wasmtime::Result<u32> {
    memory::check(&mut caller, "random_get", address, len)?;
    let bytes = caller.data_mut().sandbox().random.take(len as usize);
    memory::write(&mut caller, "random_get", address, &bytes)?;
    Ok(SUCCESS)
}

/// Ends the guest. Unlike wasmtime's own, codes above 125 stay exit codes; `abort` of some C libraries uses 134.
fn proc_exit(code: u32) -> wasmtime::Result<()> {
    Err(I32Exit(code.cast_signed()).into())
}

/// Where the fields of a subscription are; preview 0 has an identifier more.
struct Layout {
    size: usize,
    clock_id: usize,
    timeout: usize,
    flags: usize,
}

impl Layout {
    const PREVIEW_1: Self = Self { size: 48, clock_id: 16, timeout: 24, flags: 40 };
    const PREVIEW_0: Self = Self { size: 56, clock_id: 24, timeout: 32, flags: 48 };
}

/// What a subscription waits for.
enum Wanted {
    /// Reading or writing a standard stream, which is always possible.
    Stream,
    /// A clock, which gets there after this long.
    Clock(Duration),
}

/// Waits without waiting: streams are always ready, and where there are only clocks the nearest one is reached at once.
fn poll_oneoff<T: Sandboxed>(
    mut caller: Caller<'_, T>,
    layout: &Layout,
    subscriptions: u32,
    events: u32,
    count: u32,
    written: u32,
) -> wasmtime::Result<u32> {
    const NAME: &str = "poll_oneoff";
    if count == 0 || count > MOST_SUBSCRIPTIONS {
        return Ok(INVAL);
    }
    let bytes = memory::read(&mut caller, NAME, subscriptions, count * layout.size as u32)?;
    let clock = caller.data_mut().sandbox().clock.clone();
    let mut wanted = Vec::new();
    for subscription in bytes.chunks_exact(layout.size) {
        match wants(subscription, layout, &clock) {
            Ok(what) => wanted.push((subscription, what)),
            Err(errno) => return Ok(errno),
        }
    }
    let patience = wanted
        .iter()
        .map(|(_, what)| match what {
            Wanted::Stream => Duration::ZERO,
            Wanted::Clock(after) => *after,
        })
        .min()
        .unwrap_or_default();
    caller.data_mut().sandbox().sleep(patience)?;

    let mut happened = Vec::new();
    for (subscription, what) in wanted {
        if matches!(what, Wanted::Clock(after) if after > patience) {
            continue;
        }
        happened.extend_from_slice(&subscription[..8]);
        happened.extend_from_slice(&[0, 0, subscription[8], 0, 0, 0, 0, 0]);
        happened.extend_from_slice(&u64::from(matches!(what, Wanted::Stream)).to_le_bytes());
        happened.extend_from_slice(&[0; 8]);
    }
    memory::write(&mut caller, NAME, events, &happened)?;
    memory::write(&mut caller, NAME, written, &((happened.len() / EVENT_SIZE) as u32).to_le_bytes())?;
    Ok(SUCCESS)
}

const EVENT_SIZE: usize = 32;

fn wants(subscription: &[u8], layout: &Layout, clock: &Clock) -> Result<Wanted, u32> {
    match subscription[8] {
        0 => {
            let timeout = Duration::from_nanos(u64_at(subscription, layout.timeout));
            let is_absolute = subscription[layout.flags] & 1 == 1;
            let now = match u32_at(subscription, layout.clock_id) {
                0 => clock.wall(),
                1 => clock.elapsed(),
                _ => return Err(INVAL),
            };
            Ok(Wanted::Clock(if is_absolute { timeout.saturating_sub(now) } else { timeout }))
        }
        1 | 2 if u32_at(subscription, 16) <= 2 => Ok(Wanted::Stream),
        1 | 2 => Err(BADF),
        _ => Err(INVAL),
    }
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    bytes[offset..].first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes))
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    bytes[offset..].first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

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
    /// A clock that shows `start`. WASI knows no time before 1970, so that is what earlier ones become.
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

    fn wall(&self) -> Duration {
        self.0.start.saturating_add(Duration::from_nanos(self.slept()))
    }

    fn elapsed(&self) -> Duration {
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

/// Random bytes that are the same in every run: SplitMix64 from a fixed seed. Good enough for hash tables, which is
/// what policies use them for; no policy may keep a secret in a test.
#[derive(Default)]
pub(super) struct RandomBytes {
    state: u64,
}

impl RandomBytes {
    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len.next_multiple_of(8));
        while bytes.len() < len {
            bytes.extend_from_slice(&self.next_word().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }

    fn next_word(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_bytes_are_splitmix64_from_zero() {
        // First values of the reference implementation for seed 0.
        let mut random = RandomBytes::default();
        assert_eq!(random.next_word(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next_word(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(RandomBytes::default().take(3), [0xaf, 0xcd, 0x1d]);
    }

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
