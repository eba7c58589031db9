//! A request between the reading of a suite and its case, and from there to the reports: as text it takes about a tenth of the
//! memory.

use std::borrow::Cow;

use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;

use super::request::{AdmissionRequest, GroupVersionResource, Request};

/// The deepest document that is kept as text: the parser of JSON takes 128 levels, and a request has some above its object.
const MOST_LEVELS: usize = 100;

/// Bytes of the text of a request that may be kept as it is.
const LONGEST_WHOLE: usize = 64 << 10;

/// How much more a request takes than its text.
const MORE_THAN_TEXT: usize = 10;

/// A request that waits.
#[derive(Debug, Clone)]
pub struct StoredRequest {
    form: Form,
    bytes: usize,
}

#[derive(Debug, Clone)]
enum Form {
    /// An admission request as JSON.
    Admission(Box<str>),
    /// A raw document as JSON.
    Raw(Box<str>),
    /// What would not come back the same from JSON, and what need not be small.
    Whole(Box<Request>),
}

impl StoredRequest {
    /// A request that is kept as it is, unless it is long.
    pub fn quick(request: Request) -> Self {
        Self::new(request, LONGEST_WHOLE)
    }

    /// A request that is kept as text if that is longer than `longest_whole`.
    fn new(request: Request, longest_whole: usize) -> Self {
        let text = serde_json::to_string(&request).unwrap_or_default();
        let bytes = text.len();
        if bytes <= longest_whole || !is_the_same_from_text(&request) {
            return Self { form: Form::Whole(Box::new(request)), bytes: bytes.saturating_mul(MORE_THAN_TEXT) };
        }
        let form = match request {
            Request::Admission(_) => Form::Admission(text.into()),
            Request::Raw(_) => Form::Raw(text.into()),
        };
        Self { form, bytes }
    }

    /// About how many bytes it takes.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// What an admission request is about, without reading all of it; nothing for a raw document.
    pub fn target(&self) -> Option<RequestTarget> {
        match &self.form {
            Form::Raw(_) => None,
            Form::Admission(text) => serde_json::from_str(text).ok(),
            Form::Whole(request) => match &**request {
                Request::Raw(_) => None,
                Request::Admission(request) => Some(RequestTarget {
                    resource: request.resource.clone(),
                    sub_resource: request.sub_resource.clone(),
                    operation: request.operation.clone(),
                }),
            },
        }
    }

    /// The request itself.
    pub fn get(&self) -> Cow<'_, Request> {
        const WRITTEN: &str = "it was written from such a request";
        match &self.form {
            Form::Whole(request) => Cow::Borrowed(request),
            Form::Admission(text) => {
                Cow::Owned(Request::Admission(Box::new(serde_json::from_str(text).expect(WRITTEN))))
            }
            Form::Raw(text) => Cow::Owned(Request::Raw(serde_json::from_str(text).expect(WRITTEN))),
        }
    }
}

impl From<Request> for StoredRequest {
    fn from(request: Request) -> Self {
        Self::new(request, 0)
    }
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RequestTarget {
    /// Group, version and plural name of the resource.
    pub resource: GroupVersionResource,
    /// `exec`; nothing or an empty text for the resource itself.
    #[serde(default)]
    pub sub_resource: Option<String>,
    /// `CREATE`, …
    pub operation: String,
}

impl RequestTarget {
    /// `pods`, `pods/exec`
    pub fn resource_path(&self) -> String {
        match self.sub_resource.as_deref() {
            None | Some("") => self.resource.resource.clone(),
            Some(part) => format!("{}/{part}", self.resource.resource),
        }
    }
}

/// The request as it is written itself.
impl Serialize for StoredRequest {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.get().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for StoredRequest {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Request::deserialize(deserializer).map(Self::from)
    }
}

/// Whether a request that is written as JSON is read as the same request.
fn is_the_same_from_text(request: &Request) -> bool {
    match request {
        Request::Raw(document) => is_plain(document, 0),
        Request::Admission(request) => {
            let AdmissionRequest { object, old_object, options, user_info, .. } = &**request;
            let parts = [object, old_object, options, &user_info.extra];
            // A member that is `null` would be absent.
            parts.into_iter().flatten().all(|part| !part.is_null() && is_plain(part, 0))
        }
    }
}

/// Whether a document has no fractions, whose last digit the parser may read otherwise, and is not too deep.
fn is_plain(document: &Value, level: usize) -> bool {
    match document {
        Value::Number(number) => !number.is_f64(),
        Value::Array(items) => level < MOST_LEVELS && items.iter().all(|item| is_plain(item, level + 1)),
        Value::Object(members) => level < MOST_LEVELS && members.values().all(|member| is_plain(member, level + 1)),
        Value::Null | Value::Bool(_) | Value::String(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn nested(levels: usize) -> Value {
        (0..levels).fold(json!(1), |inner, _| json!([inner]))
    }

    fn admission(object: Value) -> Request {
        let kind = json!({ "group": "", "kind": "Pod", "version": "v1" });
        let resource = json!({ "group": "", "resource": "pods", "version": "v1" });
        let request = json!({
            "kind": kind, "resource": resource, "operation": "CREATE", "uid": "u", "userInfo": {}, "oldObject": {},
        });
        let request: AdmissionRequest = serde_json::from_value(request).unwrap();
        Request::Admission(Box::new(AdmissionRequest { object: Some(object), ..request }))
    }

    #[test]
    fn what_is_stored_comes_back_the_same() {
        let documents = [
            json!(null),
            json!({ "a": [1, -1, u64::MAX, "\u{0}\n\"", true, null, {}] }),
            json!({ "a": [0.1, 1e300, 1.0] }),
            nested(90),
            nested(127),
            nested(1000),
        ];
        for document in documents {
            for request in [Request::Raw(document.clone()), admission(document.clone())] {
                assert_eq!(*StoredRequest::from(request.clone()).get(), request, "{document}");
            }
        }
    }

    #[test]
    fn targets_are_known_in_every_form() {
        let about = |object| {
            let Request::Admission(request) = admission(object) else { panic!() };
            Request::Admission(Box::new(AdmissionRequest { sub_resource: Some("exec".into()), ..*request }))
        };
        for request in [about(json!({})), about(json!({ "limit": 0.5 }))] {
            let target = StoredRequest::from(request).target().unwrap();
            assert_eq!((target.resource_path().as_str(), target.operation.as_str()), ("pods/exec", "CREATE"));
        }
        assert_eq!(StoredRequest::from(admission(json!({}))).target().unwrap().resource_path(), "pods");
        assert_eq!(StoredRequest::from(Request::Raw(json!({ "operation": "CREATE" }))).target(), None);
    }

    #[test]
    fn usual_requests_are_kept_as_text() {
        let usual = json!({ "metadata": { "name": "web" }, "spec": { "replicas": 3 } });
        assert!(matches!(StoredRequest::from(admission(usual.clone())).form, Form::Admission(_)));
        assert!(matches!(StoredRequest::from(Request::Raw(usual)).form, Form::Raw(_)));
        assert!(matches!(StoredRequest::from(admission(json!({ "limit": 0.5 }))).form, Form::Whole(_)));
    }
}
