//! Memory that instances take over from earlier ones.
//!
//! Making an instance costs little but the memory it touches: the system gives it page by page, each with a fault, and takes
//! it back under a lock that all threads of the process share. Instances of a pool therefore get a place of an earlier one,
//! whose touched pages were set back to what they were in the beginning. The place of another instance of the same module
//! is preferred: its memory already holds what the module begins with.

use wasmtime::{Enabled, InstanceAllocationStrategy, PoolingAllocationConfig};

use super::process_limits;

/// Bytes of a memory that are set back and stay with their place. What is beyond goes back to the system. Small policies
/// touch about 1 MiB.
const KEPT_MEMORY: usize = 2 << 20;

/// The same for tables.
const KEPT_TABLE: usize = 1 << 20;

/// Most elements of a table. A policy of 25 MB, made with Go, has 20,922 of them.
pub(super) const TABLE_ELEMENTS: usize = 1 << 18;

/// Memories and tables of one module. Policies have one of each; other modules are placed on demand.
const FOR_EACH_MODULE: u32 = 2;

/// Most bytes of wasmtime's own record of an instance, which grows with its functions: by 16 bytes each.
const INSTANCE: usize = 16 << 20;

/// Most bytes of a memory with 32-bit addresses. What a guest really may have is limited for each instance.
const MEMORY: usize = 1 << 32;

/// Whether there can be a pool. `memory` are the most bytes that a guest may have.
///
/// Measured on Linux only. A limit of the address space leaves no room for the places.
pub(super) fn is_possible(memory: u64) -> bool {
    cfg!(target_os = "linux") && memory <= MEMORY as u64 && !process_limits::is_address_space_scarce()
}

/// The strategy of a pool of this many instances.
pub(super) fn strategy(instances: u32) -> InstanceAllocationStrategy {
    let mut config = PoolingAllocationConfig::new();
    config
        .total_core_instances(instances)
        // Heaps of garbage-collected values are memories, too.
        .total_memories(instances.saturating_mul(FOR_EACH_MODULE + 1))
        .total_tables(instances.saturating_mul(FOR_EACH_MODULE))
        .total_gc_heaps(instances)
        // No guest runs on a stack of its own; each would be set up in advance.
        .total_stacks(0)
        .max_memories_per_module(FOR_EACH_MODULE)
        .max_tables_per_module(FOR_EACH_MODULE)
        .max_core_instance_size(INSTANCE)
        .max_memory_size(MEMORY)
        .table_elements(TABLE_ELEMENTS)
        .max_unused_warm_slots(instances.saturating_mul(FOR_EACH_MODULE))
        .linear_memory_keep_resident(KEPT_MEMORY)
        .table_keep_resident(KEPT_TABLE)
        .pagemap_scan(Enabled::Auto);
    InstanceAllocationStrategy::Pooling(config)
}
