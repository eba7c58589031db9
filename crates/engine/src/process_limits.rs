//! Limits of the process that wasmtime's usual configuration does not fit into: `ulimit -v` and `ulimit -f`, which
//! containers and shared machines set.
//!
//! wasmtime reserves several GiB of addresses for each memory of a guest, whatever the guest uses: accesses then need no
//! check. Under a limit there is no room for that; memories are checked, and moved when they grow. What memories begin with
//! is in a file without a name, which counts against the size of files.

use wasmtime::Config;

/// Enough for the reservations of a run on a machine with many processors.
const PLENTY: u64 = 1 << 40;

/// Bytes that no access may touch, behind every memory.
const GUARD: u64 = 64 * 1024;

/// Bytes by which a memory grows before it has to be moved.
const GROWTH: u64 = 1024 * 1024;

/// Configures an engine so that it runs within the limits of this process. Where the system tells of none, nothing changes.
pub(crate) fn respect(config: &mut Config) {
    if is_address_space_scarce() {
        reserve_little(config);
    }
    if limit("Max file size").is_some() {
        config.memory_init_cow(false);
    }
}

/// Whether this process may not have the addresses that wasmtime usually reserves.
pub(crate) fn is_address_space_scarce() -> bool {
    address_space().is_some_and(|bytes| bytes < PLENTY)
}

/// The most address space that this process may have, in bytes; none without a limit.
pub fn address_space() -> Option<u64> {
    limit("Max address space")
}

fn limit(name: &str) -> Option<u64> {
    parse(&std::fs::read_to_string("/proc/self/limits").ok()?, name)
}

/// The soft limit in bytes; none where there is none.
fn parse(limits: &str, name: &str) -> Option<u64> {
    let line = limits.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// Has memories reserve what they need.
fn reserve_little(config: &mut Config) {
    config.memory_reservation(0);
    config.memory_guard_size(GUARD);
    config.memory_reservation_for_growth(GROWTH);
    config.gc_heap_reservation(0);
    config.gc_heap_guard_size(GUARD);
    config.gc_heap_reservation_for_growth(GROWTH);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_soft_limit_is_read() {
        let line = |soft: &str| {
            format!(
                "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max cpu time              unlimited            unlimited            seconds   \n\
                     Max address space         {soft}           unlimited            bytes     \n"
            )
        };
        let parse = |limits: &str| parse(limits, "Max address space");
        assert_eq!(parse(&line("3221225472")), Some(3_221_225_472));
        assert_eq!(parse(&line("unlimited")), None);
        assert_eq!(parse(""), None);
    }
}
