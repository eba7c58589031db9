//! The WASI that guests meet, under both of its names, `wasi_snapshot_preview1` and `wasi_unstable`.
//!
//! wasmtime's own implementation is linked first. Functions that would leave the sandbox or wait are then replaced: the
//! standard streams are buffers with a limit, sleeping lets virtual time pass, random bytes come from a fixed seed.
//! Files, sockets, arguments and environment do not exist.

use std::time::Duration;

use wasmtime::{Caller, Linker};
use wasmtime_wasi::{I32Exit, p0, p1};

use super::clock::Clock;
use super::fault::Stop;
use super::memory;
use super::sandbox::Sandboxed;

/// Buffers in one call of `fd_read` or `fd_write`: what POSIX guarantees and more than any libc uses.
const MOST_BUFFERS: u32 = 1024;

/// Subscriptions in one call of `poll_oneoff`.
const MOST_SUBSCRIPTIONS: u32 = 1024;

/// Random bytes that are made at a time: words of eight bytes, so that parts join to what one part would be.
const RANDOM_BYTES: u32 = 64 << 10;

/// Random bytes that are made in a step of work.
const RANDOM_BYTES_IN_A_STEP: u32 = 64;

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

/// Reads from stdin. An empty buffer reads as end of file, but may be filled later: that is how a WASI policy receives
/// the replies to its host calls.
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
    let mut done = 0;
    while done < len {
        let part = RANDOM_BYTES.min(len - done);
        let sandbox = caller.data_mut().sandbox();
        let spent = sandbox.budget.spend(u64::from(part / RANDOM_BYTES_IN_A_STEP));
        spent.map_err(|exceeded| Stop::Exceeded { work: "drawing random bytes".into(), exceeded })?;
        let bytes = sandbox.random.take(part as usize);
        memory::write(&mut caller, "random_get", address + done, &bytes)?;
        done += part;
    }
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

/// The event of a subscription.
enum Event {
    /// Reading or writing a standard stream, which is always possible.
    Stream,
    /// A clock, after this time.
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
    let mut subscribed = Vec::new();
    for subscription in bytes.chunks_exact(layout.size) {
        match event_of(subscription, layout, &clock) {
            Ok(event) => subscribed.push((subscription, event)),
            Err(errno) => return Ok(errno),
        }
    }
    let nearest = subscribed
        .iter()
        .map(|(_, event)| match event {
            Event::Stream => Duration::ZERO,
            Event::Clock(after) => *after,
        })
        .min()
        .unwrap_or_default();
    caller.data_mut().sandbox().sleep(nearest)?;

    let mut occurred = Vec::new();
    for (subscription, event) in subscribed {
        if matches!(event, Event::Clock(after) if after > nearest) {
            continue;
        }
        occurred.extend_from_slice(&subscription[..8]);
        occurred.extend_from_slice(&[0, 0, subscription[8], 0, 0, 0, 0, 0]);
        occurred.extend_from_slice(&u64::from(matches!(event, Event::Stream)).to_le_bytes());
        occurred.extend_from_slice(&[0; 8]);
    }
    memory::write(&mut caller, NAME, events, &occurred)?;
    memory::write(&mut caller, NAME, written, &((occurred.len() / EVENT_SIZE) as u32).to_le_bytes())?;
    Ok(SUCCESS)
}

const EVENT_SIZE: usize = 32;

fn event_of(subscription: &[u8], layout: &Layout, clock: &Clock) -> Result<Event, u32> {
    match subscription[8] {
        0 => {
            let timeout = Duration::from_nanos(u64_at(subscription, layout.timeout));
            let is_absolute = subscription[layout.flags] & 1 == 1;
            let now = match u32_at(subscription, layout.clock_id) {
                0 => clock.wall(),
                1 => clock.elapsed(),
                _ => return Err(INVAL),
            };
            Ok(Event::Clock(if is_absolute { timeout.saturating_sub(now) } else { timeout }))
        }
        1 | 2 if u32_at(subscription, 16) <= 2 => Ok(Event::Stream),
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
