//! Random numbers that follow from a seed, the same on every machine, which the generators of libraries do not promise.

/// SplitMix64. Source: Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014.
#[derive(Debug, Clone)]
pub struct SplitMix64(u64);

impl SplitMix64 {
    /// The numbers of a seed.
    pub fn of_seed(seed: u64) -> Self {
        Self(seed)
    }

    /// The next number.
    pub fn next_word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `end`; 0 where that is 0.
    pub fn below(&mut self, end: usize) -> usize {
        // The remainder is smaller than a usize.
        (self.next_word() % end.max(1) as u64) as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first numbers of the reference implementation.
    #[test]
    fn the_generator_is_the_published_one() {
        let of = |seed| {
            let mut random = SplitMix64::of_seed(seed);
            [0; 3].map(|_: u64| random.next_word())
        };
        let wanted = [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423];
        assert_eq!(of(1_234_567), wanted);
        assert_eq!(of(0)[..2], [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        assert_eq!(SplitMix64::of_seed(0).below(0), 0);
    }
}
