//! Members of a group against the `members` of an expectation.

use policy_verify_model::outcome::{Mismatch, MismatchKind, PartReport, PartVerdict};
use policy_verify_model::suite::{Expectation, MemberExpectation, MemberWord};

use super::text;
use super::{Judgement, verdict};

/// Adds to a judgement what members of the group said otherwise than expected. A fault stays a fault.
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
    for wanted in &expected.members {
        mismatches.extend(about(wanted, members.clone().find(|member| member.name == wanted.id.value)));
    }
    mismatches.into()
}

fn about(wanted: &MemberExpectation, said: Option<&PartReport>) -> Vec<Mismatch> {
    let at = format!("/members/{}", wanted.id.value);
    let verdict = said.map_or(&PartVerdict::NotAsked, |member| &member.verdict);
    match (&wanted.word, verdict) {
        (MemberWord::Allow, PartVerdict::Allow) | (MemberWord::NotAsked, PartVerdict::NotAsked) => Vec::new(),
        (MemberWord::Deny(message), PartVerdict::Deny) => {
            let given = said.and_then(|member| member.response.as_ref()?.message());
            text::compare(message, given, text::Place { kind: MismatchKind::Message, at: &format!("{at}/message") })
        }
        (word, _) => vec![Mismatch {
            kind: MismatchKind::Verdict,
            at,
            expected: match word {
                MemberWord::Allow => "allowed",
                MemberWord::Deny(_) => "denied",
                MemberWord::NotAsked => "not asked",
            }
            .into(),
            actual: match said.and_then(|member| member.response.as_ref()) {
                Some(response) => verdict::describe(response),
                None => "not asked: the expression was decided without it".into(),
            },
            span: wanted.span.clone(),
        }],
    }
}
