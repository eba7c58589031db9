//! How a run goes on: when it stops, and how often each case runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::evaluate::Policies;
use policy_verify_host::record::Recorded;
use policy_verify_model::outcome::{CaseReport, Mismatch, MismatchKind, Outcome};
use policy_verify_model::suite::Case;

use super::{Interrupt, Options, case};

/// What all cases of a run have in common while it goes on.
pub(super) struct Course {
    most_failures: Option<usize>,
    repetitions: usize,
    failures: AtomicUsize,
    interrupt: Interrupt,
}

impl Course {
    pub(super) fn new(options: &Options) -> Self {
        let repetitions = options.repetitions.unwrap_or(1);
        let interrupt = options.interrupt.clone();
        Self { most_failures: options.most_failures, repetitions, failures: AtomicUsize::new(0), interrupt }
    }

    /// Runs a case as often as it is wanted, or not at all once the run was stopped.
    pub(super) fn run(
        &self,
        suite: usize,
        case: &Case,
        policies: &Policies<'_>,
    ) -> (CaseReport, Option<Vec<Recorded>>) {
        if let Some(reason) = self.end() {
            return (case::not_run(suite, case, &reason), None);
        }
        let (mut report, recorded) = case::report(suite, case, policies);
        for number in 2..=self.repetitions {
            if self.interrupt.is_stopped() {
                break;
            }
            let (again, _) = case::report(suite, case, policies);
            if let Some(mismatch) = difference(&report, &again, number) {
                report.outcome = Outcome::Failed(vec![mismatch]);
                break;
            }
        }
        // Who was interrupted did not say what the policy says.
        if self.interrupt.is_stopped() {
            return (case::not_run(suite, case, INTERRUPTED), None);
        }
        if report.outcome.is_bad() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        (report, recorded)
    }

    /// Why no further case is begun; none while the run goes on.
    fn end(&self) -> Option<String> {
        if self.interrupt.is_stopped() {
            return Some(INTERRUPTED.to_owned());
        }
        let failures = self.failures.load(Ordering::Relaxed);
        let most = self.most_failures.filter(|most| failures >= *most)?;
        Some(match most {
            1 => "the run was stopped after the first failure".to_owned(),
            _ => format!("the run was stopped after {most} failures"),
        })
    }
}

const INTERRUPTED: &str = "the run was interrupted";

/// In what a repetition differs from the first time: times and logs do not count.
fn difference(first: &CaseReport, again: &CaseReport, number: usize) -> Option<Mismatch> {
    let told = |report: &CaseReport| {
        let told = json!({
            "outcome": report.outcome.word(),
            "response": report.response,
            "fault": report.fault,
            "calls": report.calls,
        });
        serde_json::to_string_pretty(&told).unwrap_or_default()
    };
    if first.outcome == again.outcome
        && (&first.response, &first.fault, &first.calls) == (&again.response, &again.fault, &again.calls)
        && (&first.steps, &first.members) == (&again.steps, &again.members)
    {
        return None;
    }
    Some(Mismatch {
        kind: MismatchKind::Stability,
        at: String::new(),
        expected: format!("the same as the first time\n{}", told(first)),
        actual: format!("another answer the {number}. time\n{}", told(again)),
        span: first.span.clone(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_verify_model::answer::{Fault, FaultKind};

    #[test]
    fn another_answer_is_noticed_and_another_time_is_not() {
        let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/suites/quickstart/suite.yml");
        let options = Options { suites: vec![suite.into()], ..Options::default() };
        let run = super::super::verify(&options, &()).unwrap();
        let first = run.cases.iter().find(|case| case.response.is_some()).unwrap();
        let mut again = first.clone();
        again.duration *= 2;
        again.log.lines.push("hello".into());
        assert_eq!(difference(first, &again, 2), None);

        again.response.as_mut().unwrap().allowed ^= true;
        let mismatch = difference(first, &again, 2).unwrap();
        assert_eq!(mismatch.kind, MismatchKind::Stability);
        assert!(mismatch.actual.starts_with("another answer the 2. time"), "{}", mismatch.actual);

        again = first.clone();
        again.fault = Some(Fault::new(FaultKind::Trap, "sometimes"));
        assert!(difference(first, &again, 3).is_some());
    }
}
