//! Runs the cases: when to stop, and how often each case runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;

use crate::evaluate::Policies;
use crate::select::SelectedCase;
use policy_verify_host::record::Recorded;
use policy_verify_model::outcome::{CaseReport, Mismatch, MismatchKind, Outcome};

use super::against::Referee;
use super::case;
use super::interrupt::Interrupt;
use super::long_texts::{self, TextLimits};
use super::options::Options;

/// What all cases of a run share.
pub(super) struct CaseRunner<'a> {
    referee: Option<&'a Referee>,
    most_failures: Option<usize>,
    repetitions: usize,
    failures: AtomicUsize,
    interrupt: Interrupt,
    text_limits: TextLimits,
}

impl<'a> CaseRunner<'a> {
    /// What runs this many cases.
    pub(super) fn new(options: &Options, referee: Option<&'a Referee>, cases: usize) -> Self {
        let repetitions = options.repetitions.unwrap_or(1);
        let interrupt = options.interrupt.clone();
        let (failures, text_limits) = (AtomicUsize::new(0), TextLimits::of_run(cases));
        Self { referee, most_failures: options.most_failures, repetitions, failures, interrupt, text_limits }
    }

    /// Runs a case once or several times; a stopped run begins no further case.
    pub(super) fn run(
        &self,
        SelectedCase { suite, case }: SelectedCase<'_>,
        policies: &Policies<'_>,
    ) -> (CaseReport, Option<Vec<Recorded>>) {
        if let Some(reason) = self.stop_reason() {
            return (case::not_run(suite, case, &reason), None);
        }
        let (mut report, recorded) = case::report(suite, case, policies, self.referee);
        for number in 2..=self.repetitions {
            if self.interrupt.is_stopped() {
                break;
            }
            let (again, _) = case::report(suite, case, policies, self.referee);
            if let Some(mismatch) = difference(&report, &again, number) {
                report.outcome = Outcome::Failed(vec![mismatch]);
                break;
            }
        }
        // An interrupted evaluation gives no answer of the policy.
        if self.interrupt.is_stopped() {
            return (case::not_run(suite, case, INTERRUPTED), None);
        }
        long_texts::shorten(&mut report, self.text_limits);
        if report.outcome.is_bad() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        (report, recorded)
    }

    /// Why no further case is begun; none while the run goes on.
    fn stop_reason(&self) -> Option<String> {
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
pub(super) fn difference(first: &CaseReport, again: &CaseReport, number: usize) -> Option<Mismatch> {
    let shown = |report: &CaseReport| {
        let answer = json!({
            "outcome": report.outcome.word(),
            "response": report.response,
            "fault": report.fault,
            "calls": report.calls,
        });
        serde_json::to_string_pretty(&answer).unwrap_or_default()
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
        expected: format!("the answer of run 1\n{}", shown(first)),
        actual: format!("run {number} gave a different answer\n{}", shown(again)),
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
        assert!(mismatch.actual.starts_with("run 2 gave a different answer"), "{}", mismatch.actual);

        again = first.clone();
        again.fault = Some(Fault::new(FaultKind::Trap, "sometimes"));
        assert!(difference(first, &again, 3).is_some());
    }
}
