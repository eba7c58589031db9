//! What a repetition of a case answers, against the first time. In each, what may differ from cluster to cluster differs:
//! random bytes, the time, the order of listed objects.

use serde_json::json;

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::outcome::{CaseReport, Mismatch, MismatchKind, Outcome};

/// Characters that are between the parts of a message.
const BETWEEN: [&str; 5] = [", ", ": ", "; ", " and ", "\n"];

/// Most parts of a message that are compared.
const MOST_PARTS: usize = 100;

/// How a repetition ended.
#[derive(Debug, PartialEq)]
pub(super) enum Repetition {
    /// As the first time.
    Same,
    /// As expected, but in other words: a remark.
    OtherWords(String),
    /// Otherwise: the difference, and advice.
    Other(Mismatch, Option<String>),
}

/// In what a repetition differs from the first time: times and logs do not count.
pub(super) fn difference(first: &CaseReport, again: &CaseReport, number: usize) -> Option<Mismatch> {
    let is_same = first.outcome == again.outcome
        && (&first.response, &first.fault, &first.calls) == (&again.response, &again.fault, &again.calls)
        && (&first.steps, &first.members) == (&again.steps, &again.members);
    (!is_same).then(|| Mismatch {
        kind: MismatchKind::Stability,
        at: String::new(),
        expected: format!("the answer of run 1\n{}", shown(first)),
        actual: format!("run {number} gave a different answer\n{}", shown(again)),
        span: first.span.clone(),
    })
}

/// Compares a repetition with the first time.
pub(super) fn compare(first: &CaseReport, again: &CaseReport, number: usize) -> Repetition {
    let Some(mismatch) = difference(first, again, number) else { return Repetition::Same };
    let messages = || Some((first.response.as_ref()?.message()?, again.response.as_ref()?.message()?));
    let in_other_words = messages().filter(|(one, other)| one != other);
    let passes = first.outcome == Outcome::Passed && again.outcome == Outcome::Passed;
    let is_only_words = without_words(first) == without_words(again) && first.calls.len() == again.calls.len();
    if let Some((one, other)) = in_other_words.filter(|_| passes && is_only_words) {
        return Repetition::OtherWords(format!("the message differs from cluster to cluster: `{one}`, `{other}`"));
    }
    Repetition::Other(mismatch, in_other_words.and_then(|(one, other)| advice(one, other)))
}

fn shown(report: &CaseReport) -> String {
    let answer = json!({
        "outcome": report.outcome.word(),
        "response": report.response,
        "fault": report.fault,
        "calls": report.calls,
    });
    serde_json::to_string_pretty(&answer).unwrap_or_default()
}

/// The verdict without its texts.
fn without_words(report: &CaseReport) -> Option<AdmissionResponse> {
    let mut response = report.response.clone()?;
    if let Some(status) = &mut response.status {
        (status.message, status.details) = (None, None);
    }
    Some(response)
}

/// An expectation that holds for two messages with the same parts in another order.
fn advice(one: &str, other: &str) -> Option<String> {
    let (mut parts, mut others) = (parts(one), parts(other));
    if parts.len() > MOST_PARTS {
        return None;
    }
    parts.sort_unstable();
    others.sort_unstable();
    if parts != others {
        return None;
    }
    parts.dedup();
    let list = serde_json::to_string(&parts).unwrap_or_default();
    Some(format!("the parts of the message change their order; write `deny: {{ contains: {list} }}`"))
}

fn parts(message: &str) -> Vec<&str> {
    let mut parts = vec![message];
    for between in BETWEEN {
        parts = parts.into_iter().flat_map(|part| part.split(between)).collect();
    }
    parts.into_iter().map(str::trim).filter(|part| !part.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::super::options::Options;
    use super::*;
    use policy_verify_model::answer::{Fault, FaultKind};

    fn denied() -> CaseReport {
        let suite = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/suites/quickstart/suite.yml");
        let options = Options { suites: vec![suite.into()], ..Options::default() };
        let run = super::super::verify(&options, &()).unwrap();
        run.cases.into_iter().find(|case| case.response.as_ref().is_some_and(|it| !it.allowed)).unwrap()
    }

    fn saying(report: &CaseReport, message: &str) -> CaseReport {
        let mut report = report.clone();
        report.response.as_mut().unwrap().status.as_mut().unwrap().message = Some(message.to_owned());
        report
    }

    #[test]
    fn another_answer_is_noticed_and_another_time_is_not() {
        let first = denied();
        let mut again = first.clone();
        again.duration *= 2;
        again.log.lines.push("hello".into());
        assert_eq!(compare(&first, &again, 2), Repetition::Same);

        again.response.as_mut().unwrap().allowed ^= true;
        let Repetition::Other(mismatch, None) = compare(&first, &again, 2) else { panic!() };
        assert_eq!(mismatch.kind, MismatchKind::Stability);
        assert!(mismatch.actual.starts_with("run 2 gave a different answer"), "{}", mismatch.actual);

        again = first.clone();
        again.fault = Some(Fault::new(FaultKind::Trap, "sometimes"));
        assert!(matches!(compare(&first, &again, 3), Repetition::Other(..)));
    }

    #[test]
    fn other_words_fail_only_an_expectation_that_notices_them() {
        let report = denied();
        let (first, mut again) = (saying(&report, "missing: a, b"), saying(&report, "missing: b, a"));
        let Repetition::OtherWords(remark) = compare(&first, &again, 2) else { panic!() };
        assert_eq!(remark, "the message differs from cluster to cluster: `missing: a, b`, `missing: b, a`");
        again.outcome = Outcome::Failed(Vec::new());
        let Repetition::Other(_, advice) = compare(&first, &again, 2) else { panic!() };
        let wanted = r#"the parts of the message change their order; write `deny: { contains: ["a","b","missing"] }`"#;
        assert_eq!(advice.as_deref(), Some(wanted));
        let Repetition::Other(_, None) = compare(&first, &saying(&again, "missing: c"), 2) else { panic!() };
    }
}
