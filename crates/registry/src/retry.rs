//! When to ask again: after 429, 5xx and broken connections, a few times, with growing pauses, and not before the server
//! said. Never after 401 or 404, and never longer than the whole may take.

use std::hash::{BuildHasher as _, RandomState};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::error::{Again, Failure};
use super::http::Times;

/// How often something is asked, the first time included.
const MOST_ATTEMPTS: u32 = 4;

/// How much patience is left for one question.
pub(super) struct Patience {
    attempts: u32,
    next_pause: Duration,
    until: Instant,
}

impl Patience {
    pub(super) fn new(times: &Times) -> Self {
        Self { attempts: 1, next_pause: times.first_pause, until: Instant::now() + times.total }
    }

    /// Waits before the next attempt, or gives the failure back when there is to be none.
    pub(super) async fn after(&mut self, failure: Failure) -> Result<(), Failure> {
        let pause = match failure.again {
            None => return Err(failure),
            _ if self.attempts >= MOST_ATTEMPTS => return Err(self.exhausted(failure)),
            Some(Again::Soon) => self.next_pause + jitter(self.next_pause),
            Some(Again::After(asked)) => asked,
        };
        if Instant::now() + pause >= self.until {
            return Err(match failure.again {
                Some(Again::After(asked)) => {
                    let message = format!("{}, and asks to wait {} s", failure.message, asked.as_secs());
                    Failure { message, ..failure }.with_help("try again later, or allow more time by --fetch-timeout")
                }
                _ => self.exhausted(failure),
            });
        }
        self.attempts += 1;
        self.next_pause *= 2;
        sleep(pause).await;
        Ok(())
    }

    fn exhausted(&self, failure: Failure) -> Failure {
        match self.attempts {
            1 => failure,
            attempts => Failure { message: format!("{} ({attempts} attempts)", failure.message), ..failure },
        }
    }
}

/// Up to `most`, so that many clients do not come back all at once.
fn jitter(most: Duration) -> Duration {
    most.mul_f64(f64::from(RandomState::new().hash_one(0) as u16) / f64::from(u16::MAX))
}

/// The time of a header `Retry-After`: seconds, or a date.
pub(super) fn retry_after(header: Option<&str>) -> Again {
    let Some(header) = header.map(str::trim) else { return Again::Soon };
    if let Ok(seconds) = header.parse() {
        return Again::After(Duration::from_secs(seconds));
    }
    match jiff::fmt::rfc2822::parse(header) {
        Ok(date) => Again::After(Duration::try_from(date.timestamp() - jiff::Timestamp::now()).unwrap_or_default()),
        Err(_) => Again::Soon,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_is_seconds_or_a_date() {
        assert_eq!(retry_after(Some(" 7 ")), Again::After(Duration::from_secs(7)));
        assert_eq!(retry_after(Some("Wed, 21 Oct 2015 07:28:00 GMT")), Again::After(Duration::ZERO));
        let Again::After(pause) = retry_after(Some("Wed, 21 Oct 2105 07:28:00 GMT")) else { panic!("a date") };
        assert!(pause > Duration::from_secs(1_000_000));
        assert_eq!(retry_after(Some("soon")), Again::Soon);
        assert_eq!(retry_after(None), Again::Soon);
    }
}
