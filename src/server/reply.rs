//! The body of a policy-server's response becomes an answer, or the reason why it is none.

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, FaultKind};
use reqwest::StatusCode;
use serde::Deserialize;

/// Most characters of a body that a message repeats.
const MOST_SHOWN: usize = 300;

/// An `AdmissionReview`, or the wrapper of a raw response: of both only the response counts.
#[derive(Deserialize)]
struct Review {
    response: AdmissionResponse,
}

/// Reads a response with this status and body to a request about `id`.
pub(super) fn read(status: StatusCode, body: &[u8], id: &str) -> Answer {
    if status == StatusCode::NOT_FOUND {
        let message = format!("policy-server does not serve `{id}`: {status}{}", shown(body));
        return Err(Fault::new(FaultKind::Server, message)
            .with_help("write its policies.yml again with `verify server-config`, and restart the server"));
    }
    if !status.is_success() {
        let message = format!("policy-server answered {status} instead of a verdict{}", shown(body));
        return Err(Fault::new(FaultKind::Server, message).with_help("look for the reason in the log of the server"));
    }
    serde_json::from_slice::<Review>(body).map(|review| review.response).map_err(|error| {
        let message = format!("policy-server's response is not an AdmissionReview: {error}{}", shown(body));
        Fault::new(FaultKind::Server, message).with_help("check that `--against` names a policy-server")
    })
}

/// The beginning of a body, for a message.
fn shown(body: &[u8]) -> String {
    let text = String::from_utf8_lossy(&body[..body.len().min(4 * MOST_SHOWN)]);
    let text = text.trim();
    match text.chars().count() {
        0 => String::new(),
        length if length <= MOST_SHOWN => format!(": {text}"),
        _ => format!(": {}…", text.chars().take(MOST_SHOWN).collect::<String>()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_review_with_status_200_is_an_answer() {
        let good = br#"{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"u","allowed":true,"auditAnnotations":null,"warnings":null}}"#;
        assert!(read(StatusCode::OK, good, "p").unwrap().allowed);
        assert!(read(StatusCode::OK, br#"{"response":{"uid":"","allowed":false}}"#, "p").is_ok());
        for (status, body, message) in [
            (404, &b"{\"message\":\"policy not found: p\"}"[..], "does not serve `p`"),
            (404, good, "does not serve `p`"),
            (500, good, "answered 500"),
            (200, b"", "not an AdmissionReview"),
            (200, b"<html>", "not an AdmissionReview"),
            (200, b"{\"response\":{\"uid\":\"u\"}}", "missing field `allowed`"),
            (200, b"{\"allowed\":true}", "missing field `response`"),
            (200, b"{\"response\":{\"uid\":\"u\",\"allowed\":\"true\"}}", "invalid type"),
        ] {
            let fault = read(StatusCode::from_u16(status).unwrap(), body, "p").unwrap_err();
            assert!(fault.message.contains(message), "{}", fault.message);
            assert_eq!(fault.kind, FaultKind::Server);
        }
    }

    #[test]
    fn long_bodies_are_cut() {
        let fault = read(StatusCode::BAD_GATEWAY, &[b'x'; 100_000], "p").unwrap_err();
        assert!(fault.message.len() < 500, "{}", fault.message.len());
    }
}
