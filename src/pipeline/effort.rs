//! How long requests are searched that no case has, and which requests these are.

use std::ops::Range;
use std::time::{Duration, Instant};

use policy_verify_model::split_mix::SplitMix64;

use super::interrupt::Interrupt;
use crate::evaluate::CallTime;

/// Requests that are evaluated before time is looked at.
const AT_A_TIME: u64 = 64;

/// Time of a policy for a request that is searched: what takes longer gets all its time in the end.
pub(super) const SHORT: CallTime = CallTime::AtMost(Duration::from_millis(300));

/// When a search ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effort {
    /// After so much time.
    Time(Duration),
    /// After so many requests: the same ones each time.
    Requests(u64),
}

/// What is searched, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SearchEffort {
    /// When it ends.
    pub effort: Effort,
    /// Which requests there are.
    pub seed: u64,
}

impl SearchEffort {
    /// The numbers of the requests, a group after the other, until the search is over or stopped.
    pub(super) fn groups(self, interrupt: &Interrupt) -> impl Iterator<Item = Range<u64>> {
        let (start, mut done) = (Instant::now(), 0_u64);
        std::iter::from_fn(move || {
            let end = match self.effort {
                _ if interrupt.is_stopped() => return None,
                Effort::Time(time) if start.elapsed() >= time => return None,
                Effort::Time(_) => done + AT_A_TIME,
                Effort::Requests(number) if done >= number => return None,
                Effort::Requests(number) => number.min(done + AT_A_TIME),
            };
            Some(std::mem::replace(&mut done, end)..end)
        })
    }

    /// The random numbers that decide about the request of this number.
    pub(super) fn random(self, number: u64) -> SplitMix64 {
        SplitMix64::of_seed(self.seed.wrapping_add(number.wrapping_mul(0x9e37_79b9)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_requests_is_cut_into_groups() {
        let of = |number| {
            let effort = SearchEffort { effort: Effort::Requests(number), seed: 0 };
            effort.groups(&Interrupt::default()).collect::<Vec<_>>()
        };
        assert!(of(0).is_empty());
        assert_eq!(of(64).iter().map(|group| group.end).collect::<Vec<_>>(), [64]);
        assert_eq!(of(130), [0..64, 64..128, 128..130]);
    }

    #[test]
    fn a_search_is_over_with_its_time_or_when_stopped() {
        let numbers = |effort: Effort, interrupt: &Interrupt| {
            SearchEffort { effort, seed: 0 }.groups(interrupt).take(3).map(|group| group.end).collect::<Vec<_>>()
        };
        let interrupt = Interrupt::default();
        assert_eq!(numbers(Effort::Time(Duration::ZERO), &interrupt), [0; 0]);
        assert_eq!(numbers(Effort::Time(Duration::from_secs(60)), &interrupt), [64, 128, 192]);
        interrupt.stop();
        assert_eq!(numbers(Effort::Requests(100), &interrupt), [0; 0]);
    }
}
