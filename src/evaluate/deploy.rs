//! What the cluster's configuration makes of a verdict, after the policy gave it.
//!
//! The steps, their order and their texts are the server's. Source: policy-evaluator 0.32,
//! `admission_response_handler.rs`.

use policy_verify_model::answer::{AdmissionResponse, Status, StatusCause};
use policy_verify_model::suite::Deployment;

/// The response as the server sends it. `policy_id` is the name of the policy in the server.
pub(crate) fn post_process(response: AdmissionResponse, deployment: &Deployment, policy_id: &str) -> AdmissionResponse {
    if deployment.is_monitor {
        // What is allowed and has no patch is beyond the two other steps.
        return let_pass(response);
    }
    let response = if deployment.allowed_to_mutate { response } else { refuse_mutation(response, policy_id) };
    match &deployment.message {
        Some(message) if !response.allowed => replace_message(response, message),
        _ => response,
    }
}

/// Monitor mode: the verdict is only logged. Audit annotations and warnings stay.
fn let_pass(response: AdmissionResponse) -> AdmissionResponse {
    AdmissionResponse { allowed: true, patch: None, patch_type: None, status: None, ..response }
}

/// A patch where none is allowed rejects the request, even one that the policy rejected already.
fn refuse_mutation(response: AdmissionResponse, policy_id: &str) -> AdmissionResponse {
    if response.patch.is_none() {
        return response;
    }
    let message = format!(
        "Request rejected by policy {policy_id}. The policy attempted to mutate the request, \
         but it is currently configured to not allow mutations."
    );
    let status = Status { message: Some(message), ..Default::default() };
    AdmissionResponse { allowed: false, patch: None, patch_type: None, status: Some(status), ..response }
}

/// A custom message takes the place of the original one, which becomes the last of the causes; the code stays.
fn replace_message(response: AdmissionResponse, message: &str) -> AdmissionResponse {
    let mut status = response.status.unwrap_or_default();
    let original = status.message.replace(message.to_owned()).unwrap_or_default();
    let cause = StatusCause { message: Some(original), ..Default::default() };
    status.details.get_or_insert_default().causes.push(cause);
    AdmissionResponse { status: Some(status), ..response }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use policy_verify_model::answer::StatusDetails;

    fn full(allowed: bool) -> AdmissionResponse {
        AdmissionResponse {
            uid: "u1".into(),
            allowed,
            patch_type: Some("JSONPatch".into()),
            patch: Some("W10=".into()),
            status: Some(Status { message: Some("why".into()), code: Some(422), ..Default::default() }),
            audit_annotations: Some([("a".to_owned(), "b".to_owned())].into()),
            warnings: Some(vec!["w".into()]),
        }
    }

    fn processed(response: AdmissionResponse, deployment: &Deployment) -> serde_json::Value {
        serde_json::to_value(post_process(response, deployment, "my-policy")).unwrap()
    }

    const REFUSED: &str = "Request rejected by policy my-policy. The policy attempted to mutate the request, but it is currently configured to not allow mutations.";

    #[test]
    fn the_default_changes_nothing() {
        for allowed in [true, false] {
            assert_eq!(post_process(full(allowed), &Deployment::default(), "my-policy"), full(allowed));
        }
    }

    #[test]
    fn monitor_lets_everything_pass() {
        let wanted = json!({"uid": "u1", "allowed": true, "auditAnnotations": {"a": "b"}, "warnings": ["w"]});
        for allowed_to_mutate in [true, false] {
            for message in [None, Some("ask us".to_owned())] {
                let deployment = Deployment { is_monitor: true, allowed_to_mutate, message, ..Default::default() };
                assert_eq!(processed(full(false), &deployment), wanted, "{deployment:?}");
                assert_eq!(processed(full(true), &deployment), wanted, "{deployment:?}");
            }
        }
    }

    #[test]
    fn a_forbidden_patch_rejects_without_a_code() {
        let deployment = Deployment { allowed_to_mutate: false, ..Default::default() };
        for allowed in [true, false] {
            assert_eq!(
                processed(full(allowed), &deployment),
                json!({
                    "uid": "u1", "allowed": false, "status": {"message": REFUSED},
                    "auditAnnotations": {"a": "b"}, "warnings": ["w"],
                })
            );
        }
        let unpatched = AdmissionResponse { patch: None, patch_type: None, ..full(true) };
        assert_eq!(post_process(unpatched.clone(), &deployment, "my-policy"), unpatched);
    }

    #[test]
    fn a_custom_message_keeps_the_original_as_a_cause() {
        let deployment = Deployment { message: Some("ask us".into()), ..Default::default() };
        let plain = |status| AdmissionResponse { status, ..Default::default() };
        let with_causes = Status {
            message: Some("second".into()),
            details: Some(StatusDetails {
                causes: vec![StatusCause { message: Some("first".into()), ..Default::default() }],
                ..Default::default()
            }),
            ..Default::default()
        };
        for (response, wanted) in [
            (
                full(false),
                json!({
                    "message": "ask us", "code": 422,
                    "details": {"causes": [{"reason": null, "message": "why", "field": null}]},
                }),
            ),
            (
                plain(None),
                json!({
                    "message": "ask us",
                    "details": {"causes": [{"reason": null, "message": "", "field": null}]},
                }),
            ),
            (
                plain(Some(with_causes)),
                json!({
                    "message": "ask us",
                    "details": {"causes": [
                        {"reason": null, "message": "first", "field": null},
                        {"reason": null, "message": "second", "field": null},
                    ]},
                }),
            ),
        ] {
            assert_eq!(processed(response, &deployment)["status"], wanted);
        }
        assert_eq!(post_process(full(true), &deployment, "my-policy"), full(true));
    }

    #[test]
    fn the_custom_message_comes_last() {
        let deployment = Deployment { allowed_to_mutate: false, message: Some("ask us".into()), ..Default::default() };
        assert_eq!(
            processed(full(true), &deployment)["status"],
            json!({
                "message": "ask us",
                "details": {"causes": [{"reason": null, "message": REFUSED, "field": null}]},
            })
        );
    }
}
