//! Mode `opa`: Rego whose entry point yields an AdmissionReview. Its data are the settings, and the objects of the
//! cluster that it may read.
//!
//! What the answer means is [`interpret`]'s business; running the module is [`super::rego`]'s.

use std::collections::BTreeMap;
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
use policy_verify_model::answer::{
    AdmissionResponse, Answer, Fault, FaultKind, SettingsVerdict, Status, StatusCause, StatusDetails,
};
use policy_verify_model::policy::{ExecutionMode, Settings};
use policy_verify_model::request::Request;

/// The server's own words for a result without a response.
const NOT_A_RESPONSE: &str = "cannot interpret OPA policy result";

/// An OPA module, checked.
pub(super) struct OpaGuest(RegoModule);

impl OpaGuest {
    /// Checks the module.
    pub(super) fn new(engine: &Engine, module: &Module) -> Result<Self, LinkError> {
        RegoModule::new(engine, module, ExecutionMode::Opa).map(Self)
    }
}

impl Policy for OpaGuest {
    fn start(&self, context: &Context) -> Result<Box<dyn Instance>, Fault> {
        Ok(Box::new(OpaInstance { rego: self.0.start(&context.into())?, host: Arc::clone(&context.host) }))
    }
}

struct OpaInstance {
    rego: RegoInstance,
    host: Arc<Host>,
}

impl Instance for OpaInstance {
    fn validate_settings(&mut self, _: &Settings) -> Result<SettingsVerdict, Fault> {
        Ok(rego::ANY_SETTINGS)
    }

    fn validate(&mut self, request: &Request, settings: &Settings) -> Answer {
        let mut data = settings.clone();
        if let Some(kubernetes) = inventory::of_opa(&self.host)? {
            // A setting of this name gives way, as in the server.
            data.insert("kubernetes".into(), kubernetes);
        }
        let input = json!({"request": request.to_json()});
        let result = self.rego.evaluate(&input, &Value::Object(data))?;
        interpret(&result, request)
    }

    fn output(&self) -> GuestOutput {
        GuestOutput::default()
    }
}

/// Makes the server's response of the result document.
fn interpret(result: &Value, request: &Request) -> Answer {
    let Some(response) = rego::entry_point_value(result).and_then(|value| value.get("response")) else {
        return Err(Fault::new(FaultKind::InvalidResponse, NOT_A_RESPONSE).with_help(format!(
            "the entry point is {} instead of an object with a member `response`; policy-server answers this with an \
             internal error",
            rego::shape(rego::entry_point_value(result))
        )).at_server(internal_error(&NOT_A_RESPONSE)));
    };
    let response = Response::deserialize(response).map_err(|error| {
        Fault::new(FaultKind::InvalidResponse, error.to_string())
            .with_help(
                "the member `response` of the entry point is not an AdmissionResponse (`uid` and `allowed` are \
                 required); policy-server answers this with an internal error",
            )
            .at_server(internal_error(&error))
    })?;
    Ok(response.for_request(request))
}

/// An AdmissionResponse as the server reads it; unknown members are ignored.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Response {
    /// Required, and then replaced by the uid of the request.
    #[serde(rename = "uid")]
    _uid: String,
    allowed: bool,
    patch_type: Option<PatchType>,
    patch: Option<String>,
    status: Option<ResponseStatus>,
    audit_annotations: Option<BTreeMap<String, String>>,
    warnings: Option<Vec<String>>,
}

#[derive(Deserialize)]
enum PatchType {
    #[serde(rename = "JSONPatch")]
    JsonPatch,
}

#[derive(Deserialize)]
struct ResponseStatus {
    status: Option<Success>,
    message: Option<String>,
    reason: Option<Reason>,
    details: Option<Details>,
    code: Option<u16>,
}

#[derive(Deserialize)]
enum Success {
    Success,
    Failure,
}

/// The reason words of Kubernetes that the server knows, in its order.
#[derive(Debug, Clone, Copy, Deserialize)]
enum Reason {
    #[serde(rename = "")]
    Unknown,
    Unauthorized,
    Forbidden,
    NotFound,
    AlreadyExists,
    Conflict,
    Gone,
    Invalid,
    ServerTimeout,
    Timeout,
    TooManyRequests,
    BadRequest,
    MethodNotAllowed,
    NotAcceptable,
    RequestEntityTooLarge,
    UnsupportedMediaType,
    InternalError,
    Expired,
    ServiceUnavailable,
}

impl Reason {
    fn word(self) -> String {
        match self {
            Self::Unknown => String::new(),
            reason => format!("{reason:?}"),
        }
    }
}

/// The members are not camelCase, and `causes` is required.
#[derive(Deserialize)]
struct Details {
    name: Option<String>,
    group: Option<String>,
    kind: Option<String>,
    uid: Option<String>,
    causes: Vec<Cause>,
    retry_after_seconds: Option<i32>,
}

#[derive(Deserialize)]
struct Cause {
    reason: Option<CauseReason>,
    message: Option<String>,
    field: Option<String>,
}

/// The cause words of Kubernetes that the server knows, in its order.
#[derive(Debug, Clone, Copy, Deserialize)]
enum CauseReason {
    FieldValueNotFound,
    FieldValueRequired,
    FieldValueDuplicate,
    FieldValueInvalid,
    FieldValueNotSupported,
    FieldValueForbidden,
    FieldValueTooLong,
    FieldValueTooMany,
    InternalError,
    FieldValueTypeInvalid,
    UnexpectedServerResponse,
    FieldManagerConflict,
    ResourceVersionTooLarge,
}

impl Response {
    fn for_request(self, request: &Request) -> AdmissionResponse {
        AdmissionResponse {
            uid: request.uid().to_owned(),
            allowed: self.allowed,
            patch_type: self.patch_type.map(|PatchType::JsonPatch| "JSONPatch".into()),
            patch: self.patch,
            status: self.status.map(Into::into),
            audit_annotations: self.audit_annotations,
            warnings: self.warnings,
        }
    }
}

impl From<ResponseStatus> for Status {
    fn from(status: ResponseStatus) -> Self {
        let success = status.status.map(|success| match success {
            Success::Success => "Success".into(),
            Success::Failure => "Failure".into(),
        });
        Self {
            status: success,
            message: status.message,
            reason: status.reason.map(Reason::word),
            details: status.details.map(Into::into),
            code: status.code,
        }
    }
}

impl From<Details> for StatusDetails {
    fn from(details: Details) -> Self {
        let Details { name, group, kind, uid, causes, retry_after_seconds } = details;
        let cause = |Cause { reason, message, field }| StatusCause {
            reason: reason.map(|reason| format!("{reason:?}")),
            message,
            field,
        };
        Self { name, group, kind, uid, causes: causes.into_iter().map(cause).collect(), retry_after_seconds }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interpreted(result: Value) -> Answer {
        interpret(&result, &Request::Raw(json!({"uid": "u1"})))
    }

    fn responded(response: Value) -> Answer {
        interpreted(json!([{"result": {"kind": "AdmissionReview", "response": response}}]))
    }

    #[test]
    fn everything_a_policy_can_say_arrives() {
        let answer = responded(json!({
            "uid": "ignored", "allowed": false, "unknown": 1, "patchType": "JSONPatch", "patch": "W10=",
            "status": {"status": "Failure", "message": "m", "reason": "NotFound", "code": 404,
                       "details": {"causes": [{"message": "c", "reason": "FieldValueInvalid"}], "name": "n",
                                   "retry_after_seconds": 3, "retryAfterSeconds": 4}},
            "auditAnnotations": {"a": "1"}, "warnings": ["w"]
        }));
        assert_eq!(
            serde_json::to_string(&answer.unwrap()).unwrap(),
            r#"{"uid":"u1","allowed":false,"patchType":"JSONPatch","patch":"W10=","status":{"status":"Failure","message":"m","reason":"NotFound","details":{"name":"n","causes":[{"reason":"FieldValueInvalid","message":"c","field":null}],"retry_after_seconds":3},"code":404},"auditAnnotations":{"a":"1"},"warnings":["w"]}"#
        );
    }

    #[test]
    fn what_is_not_a_response_is_a_fault_in_the_words_of_the_server() {
        for (result, shape) in [
            (json!([]), "undefined"),
            (json!([{"result": true}]), "a boolean"),
            (json!([{"result": {"allowed": true}}]), "an object"),
        ] {
            let fault = interpreted(result).unwrap_err();
            assert_eq!(fault.kind, FaultKind::InvalidResponse);
            assert_eq!(fault.message, NOT_A_RESPONSE);
            assert!(fault.help.as_ref().unwrap().contains(&format!("is {shape} ")), "{fault:?}");
        }
    }

    #[test]
    fn what_is_not_an_admission_response_is_a_fault() {
        for (response, text) in [
            (json!({"allowed": true}), "missing field `uid`"),
            (json!({"uid": "u"}), "missing field `allowed`"),
            (json!({"uid": "u", "allowed": true, "patchType": "Merge"}), "unknown variant `Merge`"),
            (json!({"uid": "u", "allowed": true, "status": {"reason": "Whim"}}), "unknown variant `Whim`"),
            (json!({"uid": "u", "allowed": true, "status": {"code": 70000}}), "expected u16"),
            (json!({"uid": "u", "allowed": true, "status": {"reason": "StoreReadError"}}), "unknown variant"),
            (json!({"uid": "u", "allowed": true, "status": {"details": {}}}), "missing field `causes`"),
            (
                json!({"uid": "u", "allowed": true, "status": {"details": {"causes": [{"reason": "x"}]}}}),
                "unknown variant",
            ),
        ] {
            let fault = responded(response).unwrap_err();
            assert_eq!(fault.kind, FaultKind::InvalidResponse);
            assert!(fault.message.contains(text), "{}", fault.message);
        }
    }
}
