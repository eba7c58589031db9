//! Mode `gatekeeper`: Rego whose entry point yields violations. Settings are its parameters, and its data is what it may
//! read of the cluster.
//!
//! Where policy-server before 1.37.2 cannot read the violations it takes them for none and allows the request; since then it
//! rejects the request. Here that is a fault.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::engine::{Engine, Module};
use super::link::LinkError;
use super::policy::{Context, GuestOutput, Instance, Policy};
use super::rego;
use super::rego::{RegoInstance, RegoModule, inventory};
use super::response::internal_error;
use policy_verify_host::Host;
use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, FaultKind, ServerAnswer, SettingsVerdict, Status};
use policy_verify_model::policy::{ExecutionMode, Settings};
use policy_verify_model::release::Release;
use policy_verify_model::request::Request;

/// The server's own words for a raw request.
const NO_RAW_REQUESTS: &str = "Gatekeeper does not support raw validation requests";

/// The server's words for a reply that cannot be read.
const NO_RESPONSE: &str = "invalid response from policy";

/// A Gatekeeper module, checked.
pub(super) struct GatekeeperGuest(RegoModule);

impl GatekeeperGuest {
    /// Checks the module.
    pub(super) fn new(engine: &Engine, module: &Module) -> Result<Self, LinkError> {
        RegoModule::new(engine, module, ExecutionMode::Gatekeeper).map(Self)
    }
}

impl Policy for GatekeeperGuest {
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault> {
        Ok(Box::new(GatekeeperInstance {
            rego: self.0.start(&context.into())?,
            host: Arc::clone(&context.host),
            release: context.release,
        }))
    }
}

struct GatekeeperInstance {
    rego: RegoInstance,
    host: Arc<Host>,
    release: Release,
}

impl Instance for GatekeeperInstance {
    fn validate_settings(&mut self, _: &Settings) -> Result<SettingsVerdict, Fault> {
        Ok(rego::ANY_SETTINGS)
    }

    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer {
        // The server gathers the data first, too.
        let data = inventory::of_gatekeeper(&self.host)?;
        if let Request::Raw(_) = request {
            return Err(Fault::new(FaultKind::Guest, NO_RAW_REQUESTS)
                .with_help("policy-server answers this with an internal error; use mode `opa` for raw policies")
                .at_server(internal_error(&NO_RAW_REQUESTS)));
        }
        let input = json!({"parameters": settings, "review": request.to_json()});
        let result = self.rego.evaluate(&input, &data)?;
        interpret(&result, request, self.release)
    }

    fn output(&self) -> GuestOutput {
        GuestOutput::default()
    }
}

/// One violation; everything but its message is ignored.
#[derive(Deserialize)]
struct Violation {
    msg: Option<String>,
}

/// Makes the server's response of the result document.
fn interpret(result: &Value, request: &Request, release: Release) -> Answer {
    let value = rego::entry_point_value(result);
    let violations = match value.map(Vec::<Violation>::deserialize) {
        Some(Ok(violations)) => violations,
        unreadable => {
            let reason = unreadable.and_then(Result::err).map(|error| error.to_string());
            return Err(unreadable_violations(value, reason.as_deref(), release));
        }
    };
    let messages: Vec<_> = violations.iter().filter_map(|violation| violation.msg.as_deref()).collect();
    let status = Status { message: Some(messages.join(", ")), ..Status::default() };
    Ok(AdmissionResponse {
        uid: request.uid().to_owned(),
        allowed: violations.is_empty(),
        status: (!violations.is_empty()).then_some(status),
        ..AdmissionResponse::default()
    })
}

/// The fault of a result that cannot be read; `reason` is missing where there is none.
fn unreadable_violations(value: Option<&Value>, reason: Option<&str>, release: Release) -> Fault {
    // The texts since 1.37.2 are those the server has for other modes: how it words this one is not known.
    let (consequence, at_server) = if release.rejects_unreadable_violations() {
        let text = reason.map_or_else(|| NO_RESPONSE.to_owned(), |reason| format!("{NO_RESPONSE}: {reason}"));
        ("policy-server rejects the request with an internal error", internal_error(&text))
    } else {
        ("policy-server would take it for no violation and ALLOW the request", ServerAnswer::Allows)
    };
    let message = format!(
        "the entry point is {}, and not an array of violations with texts as `msg`; {consequence}",
        rego::shape(value)
    );
    Fault::new(FaultKind::InvalidResponse, message)
        .with_help("build the module with the set of violations as its first entry point: `-e policy/violation`")
        .at_server(at_server)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreted(result: Value) -> Answer {
        interpret(&result, &Request::Raw(json!({"uid": "u1"})), Release::default())
    }

    #[test]
    fn messages_are_joined_and_the_rest_is_ignored() {
        let violations = json!([{"result": [{"msg": "a", "details": {}}, {}, {"msg": "b"}]}]);
        assert_eq!(
            serde_json::to_string(&interpreted(violations).unwrap()).unwrap(),
            r#"{"uid":"u1","allowed":false,"status":{"message":"a, b"},"auditAnnotations":null,"warnings":null}"#
        );
        assert!(interpreted(json!([{"result": []}])).unwrap().allowed);
        assert_eq!(interpreted(json!([{"result": [{}]}])).unwrap().message(), Some(""));
    }

    /// Row 5 of the differences between releases.
    #[test]
    fn what_cannot_be_read_is_a_fault_whose_answer_depends_on_the_release() {
        for result in
            [json!([]), json!([{"result": true}]), json!([{"result": [{"msg": 1}]}]), json!([{"result": [1]}])]
        {
            for (release, text) in [
                ("1.37.1", "would take it for no violation and ALLOW"),
                ("1.37.2", "policy-server rejects the request"),
                ("1.38", "policy-server rejects the request"),
            ] {
                let request = Request::Raw(json!({"uid": "u1"}));
                let fault = interpret(&result, &request, release.parse().unwrap()).unwrap_err();
                assert_eq!(fault.kind, FaultKind::InvalidResponse);
                assert!(fault.message.contains(text), "{release}: {}", fault.message);
                match &fault.at_server {
                    Some(ServerAnswer::Allows) => assert_eq!(release, "1.37.1"),
                    Some(ServerAnswer::Rejects(text)) => {
                        assert!(text.starts_with("internal server error: invalid response from policy"), "{text}");
                    }
                    other => panic!("{other:?}"),
                }
            }
        }
    }
}
