//! Runs the cases: when to stop, and how often each case runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::evaluate::Policies;
use crate::select::SelectedCase;
use policy_verify_host::record::Recorded;
use policy_verify_model::outcome::{CaseReport, Outcome};

use super::against::Referee;
use super::case;
use super::interrupt::Interrupt;
use super::long_texts::{self, TextLimits};
use super::options::Options;
use super::repetition::{self, Repetition};

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
            // Each repetition seems to be in another cluster.
            let elsewhere = policies.with_variation(number as u64 - 1);
            let (again, _) = case::report(suite, case, &elsewhere, self.referee);
            match repetition::compare(&report, &again, number) {
                Repetition::Same => {}
                Repetition::OtherWords(remark) => {
                    if !report.warnings.contains(&remark) {
                        report.warnings.push(remark);
                    }
                }
                Repetition::Other(mismatch, advice) => {
                    report.outcome = Outcome::Failed(vec![mismatch]);
                    report.warnings.extend(advice);
                    break;
                }
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
