//! Our answer compared with that of a running policy-server.

use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::source::Span;

use super::diff;
use super::response::{readable_patch, without_nulls};

/// Every difference between the two responses. The causes of a group have no order on the server.
pub(crate) fn responses(own: &AdmissionResponse, server: &AdmissionResponse, span: &Span) -> Vec<Mismatch> {
    let [own, server] = [own, server].map(|response| {
        let mut response = response.clone();
        if let Some(details) = response.status.as_mut().and_then(|status| status.details.as_mut()) {
            details.causes.sort_by(|one, other| (&one.field, &one.message).cmp(&(&other.field, &other.message)));
        }
        without_nulls(&serde_json::to_value(response).expect("a response holds nothing that JSON cannot"))
    });
    let mut differences = diff::differences(&own, &server, diff::Mode::Exact);
    for difference in differences.first.iter_mut().filter(|difference| difference.pointer == "/patch") {
        readable_patch(difference);
    }
    let each = |difference: &diff::Difference| {
        let (own, server) = diff::render_pair(difference.expected.as_ref(), difference.actual.as_ref());
        let (expected, actual) = (format!("verify: {own}"), format!("policy-server: {server}"));
        let at = diff::place("", &difference.pointer);
        Mismatch { kind: MismatchKind::Server, at, expected, actual, span: span.clone() }
    };
    diff::at_most(&differences, MismatchKind::Server, "", span.clone(), each)
}

/// A mismatch between the server's answer and the expectation.
pub(crate) fn of_server(mismatch: Mismatch) -> Mismatch {
    Mismatch { actual: format!("policy-server: {}", mismatch.actual), ..mismatch }
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_verify_model::answer::{Status, StatusCause, StatusDetails};

    fn span() -> Span {
        Span::unquoted("suite.yml")
    }

    fn denial(message: &str, causes: &[&str]) -> AdmissionResponse {
        let cause = |text: &&str| StatusCause { message: Some((*text).to_owned()), ..StatusCause::default() };
        let details = StatusDetails { causes: causes.iter().map(cause).collect(), ..StatusDetails::default() };
        let status = Status { message: Some(message.into()), details: Some(details), ..Status::default() };
        AdmissionResponse { uid: "u".into(), status: Some(status), ..AdmissionResponse::default() }
    }

    fn found(own: &AdmissionResponse, server: &AdmissionResponse) -> Vec<String> {
        let shown = |it: &Mismatch| format!("{} {} {}", it.at, it.expected, it.actual);
        responses(own, server, &span()).iter().map(shown).collect()
    }

    #[test]
    fn differences_name_both_sides() {
        let nothing: [String; 0] = [];
        assert_eq!(found(&denial("no", &["a", "b"]), &denial("no", &["b", "a"])), nothing);
        assert_eq!(
            found(&denial("no", &[]), &denial("nope", &[])),
            ["/status/message verify: \"no\" policy-server: \"nope\""]
        );
        let allowed = AdmissionResponse { allowed: true, uid: "u".into(), ..AdmissionResponse::default() };
        assert_eq!(found(&denial("no", &[]), &allowed)[0], "/allowed verify: false policy-server: true");
        let other = AdmissionResponse { uid: "x".into(), ..allowed.clone() };
        assert_eq!(found(&allowed, &other), ["/uid verify: \"u\" policy-server: \"x\""]);
        let empty = AdmissionResponse { warnings: Some(Vec::new()), ..allowed.clone() };
        assert_eq!(found(&allowed, &empty), ["/warnings verify: (absent) policy-server: []"]);
    }

    #[test]
    fn patches_are_compared_as_documents() {
        let with = |patch: &str| AdmissionResponse {
            allowed: true,
            patch: Some(patch.into()),
            ..AdmissionResponse::default()
        };
        // [{"op":"remove","path":"/a"}] and the same for /b.
        let (a, b) = ("W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2EifV0=", "W3sib3AiOiJyZW1vdmUiLCJwYXRoIjoiL2IifV0=");
        assert_eq!(
            found(&with(a), &with(b)),
            [
                "/patch verify: [{\"op\":\"remove\",\"path\":\"/a\"}] policy-server: [{\"op\":\"remove\",\"path\":\"/b\"}]"
            ]
        );
    }
}
