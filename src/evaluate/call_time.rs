//! How much of its timeout a call into a policy gets.

use std::time::Duration;

/// How many times slower code may be that counts its instructions.
const COUNTING: u32 = 10;

/// How much of its timeout each call into a policy gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum CallTime {
    /// All of it, as on a server.
    #[default]
    Usual,
    /// At most so much: many requests are searched, and what is found is asked again.
    AtMost(Duration),
    /// Several times as much: the code of the policies counts its instructions.
    Counting,
}

impl CallTime {
    /// The time of a call with this timeout.
    pub(super) fn of(self, timeout: Duration) -> Duration {
        match self {
            Self::Usual => timeout,
            Self::AtMost(most) => timeout.min(most),
            Self::Counting => timeout.saturating_mul(COUNTING),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn searches_shorten_a_timeout_and_counting_lengthens_it() {
        let timeout = Duration::from_secs(2);
        for (call_time, seconds) in [
            (CallTime::Usual, 2),
            (CallTime::AtMost(Duration::from_secs(1)), 1),
            (CallTime::AtMost(Duration::from_secs(9)), 2),
            (CallTime::Counting, 20),
        ] {
            assert_eq!(call_time.of(timeout), Duration::from_secs(seconds), "{call_time:?}");
        }
        assert_eq!(CallTime::Counting.of(Duration::MAX), Duration::MAX);
    }
}
