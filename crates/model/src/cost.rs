//! What the cases of suites cost: the result of `verify bench`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What every case of a run costs.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Costs {
    /// The version of verify.
    pub version: String,
    /// How often each case was timed.
    pub rounds: usize,
    /// The cases, in suite order.
    pub cases: Vec<CaseCost>,
}

/// What a case costs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseCost {
    /// `suite › case [owner=team-a]`.
    pub id: String,
    /// What it is about: name of the policy or group, or the steps of a chain.
    pub policy: String,
    /// Where its name is written: a path relative to the repository root.
    pub file: String,
    /// The line there, counted from 1.
    pub line: usize,
    /// How it ended, as reports name it, or `unavailable` without its policy. Only cases that passed were timed.
    pub outcome: String,
    /// Why it was not timed.
    #[serde(default)]
    pub reason: Option<String>,
    /// Its times; none where it was not timed.
    pub time: Option<Times>,
    /// How many WebAssembly instructions its policies execute, as wasmtime counts them; none where that is not known. The same
    /// on every machine.
    pub instructions: Option<u64>,
}

/// The times of several rounds, in microseconds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Times {
    /// The shortest.
    pub least_us: f64,
    /// The one in the middle.
    pub median_us: f64,
    /// What 95 of 100 rounds do not exceed.
    pub p95_us: f64,
}

impl Times {
    /// The times of these rounds; none of no round.
    pub fn of(rounds: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut rounds: Vec<f64> = rounds.into_iter().map(|time| time.as_secs_f64() * 1e6).collect();
        rounds.sort_by(f64::total_cmp);
        // The nearest rank: a time that was measured, and none between two.
        let at = |percent: usize| rounds.get((rounds.len() * percent).div_ceil(100).saturating_sub(1)).copied();
        Some(Self { least_us: *rounds.first()?, median_us: at(50)?, p95_us: at(95)? })
    }

    /// Whether there are such times.
    pub fn are_possible(&self) -> bool {
        [self.least_us, self.median_us, self.p95_us].iter().all(|time| time.is_finite() && *time >= 0.0)
    }

    /// The median.
    pub fn median(&self) -> Duration {
        duration(self.median_us)
    }

    /// What 95 of 100 rounds do not exceed.
    pub fn p95(&self) -> Duration {
        duration(self.p95_us)
    }
}

/// A time that was read may be anything.
fn duration(micros: f64) -> Duration {
    Duration::try_from_secs_f64(micros / 1e6).unwrap_or_default()
}

/// What the cases of a suite use, for a gate about it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SuiteUse {
    /// Index into the suites of the run.
    pub suite: usize,
    /// The cases that a policy answered.
    pub cases: Vec<CaseUse>,
    /// Why some of it is not known.
    pub problems: Vec<String>,
}

/// What a case uses: the same numbers on every machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaseUse {
    /// The name of the case.
    pub name: String,
    /// File and line of the same, as reports show them.
    pub place: String,
    /// How many WebAssembly instructions its policies execute, in code of Cranelift and without the validation of settings.
    pub instructions: u64,
    /// The most memory that one of its policies takes, in bytes.
    pub memory: u64,
    /// How many instructions the baselines of its policies execute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub baseline: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_times_that_were_measured() {
        let of = |rounds: &[u64]| Times::of(rounds.iter().copied().map(Duration::from_micros));
        let times = |least_us, median_us, p95_us| Some(Times { least_us, median_us, p95_us });
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[7]), times(7.0, 7.0, 7.0));
        assert_eq!(of(&[9, 1]), times(1.0, 1.0, 9.0));
        assert_eq!(of(&[3, 1, 2]), times(1.0, 2.0, 3.0));
        let hundred: Vec<u64> = (1..=100).rev().collect();
        assert_eq!(of(&hundred), times(1.0, 50.0, 95.0));
    }

    #[test]
    fn a_time_that_nothing_takes_is_none() {
        let times = Times { least_us: -1.0, median_us: f64::NAN, p95_us: f64::MAX };
        assert_eq!((times.median(), times.p95()), (Duration::ZERO, Duration::ZERO));
    }
}
