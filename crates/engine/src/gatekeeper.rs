//! Mode `gatekeeper`: Rego whose entry point yields violations. Settings are its parameters, and its data is what it may
//! read of the cluster.
//!
//! Where policy-server cannot read the violations it takes them for none and allows the request. A verifier must not:
//! that is a fault here.

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
use policy_verify_model::request::Request;

/// The server's own words for a raw request.
const NO_RAW_REQUESTS: &str = "Gatekeeper does not support raw validation requests";

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
        Ok(Box::new(GatekeeperInstance { rego: self.0.start(&context.into())?, host: Arc::clone(&context.host) }))
    }
}

struct GatekeeperInstance {
    rego: RegoInstance,
    host: Arc<Host>,
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
        interpret(&result, request)
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
fn interpret(result: &Value, request: &Request) -> Answer {
    let value = rego::entry_point_value(result);
    let Some(violations) = value.and_then(|value| Vec::<Violation>::deserialize(value).ok()) else {
        let message = format!(
            "the entry point is {}, and not an array of violations with texts as `msg`; policy-server would take it \
             for no violation and ALLOW the request",
            rego::shape(value)
        );
        return Err(Fault::new(FaultKind::InvalidResponse, message)
            .with_help("build the module with the set of violations as its first entry point: `-e policy/violation`")
            .at_server(ServerAnswer::Allows));
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

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreted(result: Value) -> Answer {
        interpret(&result, &Request::Raw(json!({"uid": "u1"})))
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

    #[test]
    fn what_the_server_would_let_through_is_a_fault() {
        for result in
            [json!([]), json!([{"result": true}]), json!([{"result": [{"msg": 1}]}]), json!([{"result": [1]}])]
        {
            let fault = interpreted(result).unwrap_err();
            assert_eq!(fault.kind, FaultKind::InvalidResponse);
            assert!(fault.message.contains("would take it for no violation and ALLOW"), "{}", fault.message);
        }
    }
}
