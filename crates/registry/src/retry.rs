//! Retries: after 429, 5xx and lost connections, a few times, with growing delays, and not before `Retry-After`. Never after
//! 401 or 404, and never beyond the total timeout.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::{Failure, MORE_TIME, Retry};
use super::http::Timeouts;

/// Attempts of one request, the first included.
const MAX_ATTEMPTS: u32 = 4;

/// The attempts and the time that are left for one request.
pub(super) struct RetryBudget {
    attempts: u32,
    next_delay: Duration,
    deadline: Instant,
}

impl RetryBudget {
    pub(super) fn new(timeouts: &Timeouts) -> Self {
        Self { attempts: 1, next_delay: timeouts.first_retry_delay, deadline: Instant::now() + timeouts.total }
    }

    /// Waits before the next attempt; returns the failure when there is none.
    pub(super) async fn wait_or_fail(&mut self, failure: Failure) -> Result<(), Failure> {
        let delay = match failure.retry {
            None => return Err(failure),
            _ if self.attempts >= MAX_ATTEMPTS => return Err(self.exhausted(failure)),
            Some(Retry::Backoff) => self.next_delay + jitter(self.next_delay),
            Some(Retry::After(delay)) => delay,
        };
        if Instant::now() + delay >= self.deadline {
            return Err(match failure.retry {
                Some(Retry::After(delay)) => {
                    let message = format!("{} (Retry-After: {} s)", failure.message, delay.as_secs());
                    Failure { message, ..failure }.with_help(MORE_TIME)
                }
                _ => self.exhausted(failure),
            });
        }
        self.attempts += 1;
        self.next_delay *= 2;
        sleep(delay).await;
        Ok(())
    }

    fn exhausted(&self, failure: Failure) -> Failure {
        match self.attempts {
            1 => failure,
            attempts => Failure { message: format!("{} ({attempts} attempts)", failure.message), ..failure },
        }
    }
}

/// Up to `max`, so that many clients do not retry at the same moment.
fn jitter(max: Duration) -> Duration {
    max.mul_f64(f64::from(RandomState::new().hash_one(0) as u16) / f64::from(u16::MAX))
}

/// The time of a header `Retry-After`: seconds, or a date.
pub(super) fn retry_after(header: Option<&str>) -> Retry {
    let Some(header) = header.map(str::trim) else { return Retry::Backoff };
    if let Ok(seconds) = header.parse() {
        return Retry::After(Duration::from_secs(seconds));
    }
    match jiff::fmt::rfc2822::parse(header) {
        Ok(date) => Retry::After(Duration::try_from(date.timestamp() - jiff::Timestamp::now()).unwrap_or_default()),
        Err(_) => Retry::Backoff,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_seconds_or_a_date() {
        assert_eq!(retry_after(Some(" 7 ")), Retry::After(Duration::from_secs(7)));
        assert_eq!(retry_after(Some("Wed, 21 Oct 2015 07:28:00 GMT")), Retry::After(Duration::ZERO));
        let Retry::After(delay) = retry_after(Some("Wed, 21 Oct 2105 07:28:00 GMT")) else { panic!("a date") };
        assert!(delay > Duration::from_secs(1_000_000));
        assert_eq!(retry_after(Some("soon")), Retry::Backoff);
        assert_eq!(retry_after(None), Retry::Backoff);
    }
}
