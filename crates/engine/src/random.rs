//! Randomness as a guest sees it.

use policy_verify_model::split_mix::SplitMix64;

/// Random bytes that are the same in every run. Good enough for hash tables, which is what policies use them for; secrets of a
/// policy have no value in a test.
pub(super) struct RandomBytes(SplitMix64);

impl RandomBytes {
    /// The bytes that follow from a seed, which is usually 0.
    pub(super) fn of_seed(seed: u64) -> Self {
        Self(SplitMix64::of_seed(seed))
    }

    /// The next `len` bytes.
    pub(super) fn take(&mut self, len: usize) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(len.next_multiple_of(8));
        while bytes.len() < len {
            bytes.extend_from_slice(&self.0.next_word().to_le_bytes());
        }
        bytes.truncate(len);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_those_of_the_numbers() {
        assert_eq!(RandomBytes::of_seed(0).take(3), [0xaf, 0xcd, 0x1d]);
        assert_ne!(RandomBytes::of_seed(1).take(8), RandomBytes::of_seed(0).take(8));
    }
}
