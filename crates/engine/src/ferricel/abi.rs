//! The names and numbers of ferricel's ABI, version 1.

use crate::fault::Stop;
use crate::sandbox::{Sandbox, Sandboxed};

/// Gives memory to the host.
pub(super) const MALLOC: &str = "cel_malloc";

/// Takes the level of the log: 0 is debug, 3 error.
pub(super) const SET_LOG_LEVEL: &str = "cel_set_log_level";

/// Takes the bindings, and gives the result.
pub(super) const EVALUATE: &str = "evaluate";

/// The data of a store.
pub(super) struct State {
    pub(super) sandbox: Sandbox,
}

impl Sandboxed for State {
    fn sandbox(&mut self) -> &mut Sandbox {
        &mut self.sandbox
    }
}

/// An address in the low and a length in the high half.
pub(super) fn packed(address: u32, len: u32) -> u64 {
    u64::from(address) | u64::from(len) << 32
}

/// The address and the length of a packed range.
pub(super) fn unpacked(range: u64) -> (u32, u32) {
    ((range & 0xffff_ffff) as u32, (range >> 32) as u32)
}

/// A length as the ABI carries it.
pub(super) fn length(len: usize) -> Result<u32, Stop> {
    u32::try_from(len).map_err(|_| Stop::Limit(format!("{len} bytes are too many for the memory of a policy")))
}
