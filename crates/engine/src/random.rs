//! Randomness as a guest sees it.

/// Random bytes that are the same in every run: SplitMix64 from a given seed, usually 0. Good enough for hash tables, which is
/// what policies use them for; secrets of a policy have no value in a test.
pub(super) struct RandomBytes {
    state: u64,
}

impl RandomBytes {
    /// The bytes that follow from a seed.
    pub(super) fn of_seed(seed: u64) -> Self {
        Self { state: seed }
    }

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
        let mut random = RandomBytes::of_seed(0);
        assert_eq!(random.next_word(), 0xe220_a839_7b1d_cdaf);
        assert_eq!(random.next_word(), 0x6e78_9e6a_a1b9_65f4);
        assert_eq!(RandomBytes::of_seed(0).take(3), [0xaf, 0xcd, 0x1d]);
        assert_ne!(RandomBytes::of_seed(1).take(8), RandomBytes::of_seed(0).take(8));
    }
}
