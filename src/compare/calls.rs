//! Compares host calls with the `calls` of an expectation: each of these at least once, and no others.

use policy_verify_model::hosting::{HostCall, PLURAL_NAME};
use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::suite::{CallExpectation, Expectation};

/// Most calls that are named one by one.
const MOST_NAMED: usize = 5;

/// Compares the calls a policy made with those its case expects.
pub(crate) fn calls(expect: &Expectation, made: &[HostCall]) -> Vec<Mismatch> {
    let Expectation::Verdict(expected) = expect else { return Vec::new() };
    let Some(expected) = &expected.calls else { return Vec::new() };
    let missing = expected.value.iter().filter(|expected_call| !made.iter().any(|call| matches(expected_call, call)));
    let mut mismatches: Vec<Mismatch> = missing
        .map(|expected_call| Mismatch {
            kind: MismatchKind::Calls,
            at: String::new(),
            expected: match &expected_call.request {
                Some(request) => format!("host call {}({request:?})", expected_call.capability),
                None => format!("host call {}", expected_call.capability),
            },
            actual: match made {
                [] => "no host calls".into(),
                made => format!("not made; the host calls are {}", described(made.iter())),
            },
            span: expected_call.span.clone(),
        })
        .collect();
    let is_expected = |call: &HostCall| expected.value.iter().any(|expected_call| matches(expected_call, call));
    let others = || made.iter().filter(|call| call.capability != PLURAL_NAME && !is_expected(call));
    if others().next().is_some() {
        mismatches.push(Mismatch {
            kind: MismatchKind::Calls,
            at: String::new(),
            expected: if expected.value.is_empty() { "no host calls" } else { "no other host calls" }.into(),
            actual: format!("unexpected {}", described(others())),
            span: expected.span.clone(),
        });
    }
    mismatches
}

pub(super) fn matches(expected_call: &CallExpectation, call: &HostCall) -> bool {
    expected_call.capability == call.capability
        && expected_call.request.as_ref().is_none_or(|request| *request == call.request)
}

/// Different calls once each, in the order they were first made.
fn described<'a>(calls: impl Iterator<Item = &'a HostCall>) -> String {
    let mut texts: Vec<String> = Vec::new();
    for call in calls {
        let text = format!("{}({:?})", call.capability, call.request);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let more = texts.len().saturating_sub(MOST_NAMED);
    texts.truncate(MOST_NAMED);
    if more > 0 {
        texts.push(format!("{more} more"));
    }
    texts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::super::tests::{span, spanned};
    use super::*;
    use policy_verify_model::hosting::AnsweredBy;
    use policy_verify_model::suite::{VerdictExpectation, VerdictWord};

    fn made(calls: &[(&str, &str)]) -> Vec<HostCall> {
        let call = |(capability, request): &(&str, &str)| HostCall {
            capability: (*capability).into(),
            request: (*request).into(),
            answered_by: AnsweredBy::Host,
            error: None,
            resource: None,
            reply: None,
        };
        calls.iter().map(call).collect()
    }

    /// The mismatches, as `span: expected but actual`.
    fn compared(expected: Option<&[(&str, Option<&str>)]>, calls_made: &[(&str, &str)]) -> Vec<String> {
        let call = |(capability, request): &(&str, Option<&str>)| CallExpectation {
            capability: (*capability).into(),
            request: request.map(str::to_owned),
            span: span("entry"),
        };
        let expect = Expectation::Verdict(Box::new(VerdictExpectation {
            calls: expected.map(|list| spanned(list.iter().map(call).collect(), "calls")),
            ..VerdictExpectation::of(VerdictWord::Accept)
        }));
        let mismatches = calls(&expect, &made(calls_made));
        assert!(mismatches.iter().all(|mismatch| mismatch.kind == MismatchKind::Calls));
        mismatches.iter().map(|it| format!("{}: {} but {}", it.span.file.path, it.expected, it.actual)).collect()
    }

    const LIST: &str = "kubernetes/list_resources_all";
    const DNS: &str = "net/v1/dns_lookup_host";

    #[test]
    fn every_expected_call_is_made_and_no_other() {
        let none: [&str; 0] = [];
        assert_eq!(compared(None, &[(DNS, "a")]), none);
        assert_eq!(compared(Some(&[]), &[]), none);
        assert_eq!(
            compared(Some(&[(DNS, None), (LIST, Some("v1/Pod"))]), &[(LIST, "v1/Pod"), (DNS, "a"), (DNS, "b")]),
            none
        );
        assert_eq!(
            compared(Some(&[]), &[(DNS, "a"), (DNS, "a"), (DNS, "b")]),
            [r#"calls: no host calls but unexpected net/v1/dns_lookup_host("a"), net/v1/dns_lookup_host("b")"#]
        );
        assert_eq!(
            compared(Some(&[(LIST, None)]), &[]),
            ["entry: host call kubernetes/list_resources_all but no host calls"]
        );
        assert_eq!(
            compared(Some(&[(DNS, Some("a"))]), &[(DNS, "b")]),
            [
                r#"entry: host call net/v1/dns_lookup_host("a") but not made; the host calls are net/v1/dns_lookup_host("b")"#,
                r#"calls: no other host calls but unexpected net/v1/dns_lookup_host("b")"#,
            ]
        );
    }

    #[test]
    fn many_calls_are_counted() {
        let names: Vec<String> = (0..8).map(|number| number.to_string()).collect();
        let many: Vec<(&str, &str)> = names.iter().map(|name| (DNS, name.as_str())).collect();
        let shown = compared(Some(&[]), &many);
        assert!(shown[0].ends_with(r#"net/v1/dns_lookup_host("4"), 3 more"#), "{shown:?}");
    }
}
