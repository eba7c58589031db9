//! Answers of policies in monitor mode, for expectations about the response that lets the request pass.

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::suite::Expectation;

use super::describe;
use super::judgement::Judgement;

/// Adds the answer of the policy itself to a mismatch about the verdict, where monitor mode replaced it.
pub(crate) fn with_monitored(
    judgement: Judgement,
    expect: &Expectation,
    monitored: Option<&AdmissionResponse>,
) -> Judgement {
    let (Judgement::Mismatches(mismatches), Some(own), false) = (&judgement, monitored, expect.is_monitored()) else {
        return judgement;
    };
    let explained = |it: &Mismatch| match it.kind {
        MismatchKind::Verdict | MismatchKind::Mutation => {
            let own = describe::response(own);
            let actual = format!(
                "{}, because of monitor mode; the policy itself: {own} (to expect that, add `mode: monitor` here)",
                it.actual
            );
            Mismatch { actual, ..it.clone() }
        }
        _ => it.clone(),
    };
    Judgement::Mismatches(mismatches.iter().map(explained).collect())
}
