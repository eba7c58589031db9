//! Members of a group against the `members` of an expectation.

use policy_verify_model::outcome::{Mismatch, MismatchKind, PartReport, PartVerdict};
use policy_verify_model::suite::{Expectation, MemberExpectation, MemberWord};

use super::judgement::Judgement;
use super::{describe, text};

/// Adds the mismatches of members of the group to a judgement. A fault stays a fault.
pub(crate) fn with_members<'a>(
    judgement: Judgement,
    expect: &Expectation,
    members: impl Iterator<Item = &'a PartReport> + Clone,
) -> Judgement {
    let Expectation::Verdict(expected) = expect else { return judgement };
    let mut mismatches = match judgement {
        Judgement::Fault(fault) => return Judgement::Fault(fault),
        Judgement::Holds => Vec::new(),
        Judgement::Mismatches(mismatches) => mismatches,
    };
    for member in &expected.members {
        mismatches.extend(compare(member, members.clone().find(|report| report.name == member.id.value)));
    }
    mismatches.into()
}

fn compare(expected: &MemberExpectation, report: Option<&PartReport>) -> Vec<Mismatch> {
    let at = format!("/members/{}", expected.id.value);
    let verdict = report.map_or(&PartVerdict::NotAsked, |report| &report.verdict);
    match (&expected.word, verdict) {
        (MemberWord::Allow, PartVerdict::Allow) | (MemberWord::NotAsked, PartVerdict::NotAsked) => Vec::new(),
        (MemberWord::Deny(message), PartVerdict::Deny) => {
            let given = report.and_then(|report| report.response.as_ref()?.message());
            text::compare(message, given, text::Place { kind: MismatchKind::Message, at: &format!("{at}/message") })
        }
        (word, _) => vec![Mismatch {
            kind: MismatchKind::Verdict,
            at,
            expected: match word {
                MemberWord::Allow => "allowed",
                MemberWord::Deny(_) => "denied",
                MemberWord::NotAsked => "not evaluated",
            }
            .into(),
            actual: match report.and_then(|report| report.response.as_ref()) {
                Some(response) => describe::response(response),
                None => "not evaluated: the result of the expression did not depend on it".into(),
            },
            span: expected.span.clone(),
        }],
    }
}
