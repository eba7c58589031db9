//! The same object when it is created, and when it is updated without a change.

use serde_json::Value;

use policy_verify_model::request::AdmissionRequest;

/// The update that changes nothing of the object that a request creates or updates; nothing for other requests.
pub fn as_update(request: &AdmissionRequest) -> Option<AdmissionRequest> {
    let is_stored = ["CREATE", "UPDATE"].contains(&request.operation.as_str());
    let object = request.object.as_ref().filter(|_| is_stored && is_whole(request))?;
    let old_object = Some(object.clone());
    Some(AdmissionRequest { old_object, ..with_operation(request, "UPDATE", "UpdateOptions") })
}

/// The creation of the object that a request updates without a change; nothing for other requests.
pub fn as_creation(request: &AdmissionRequest) -> Option<AdmissionRequest> {
    let is_unchanged = request.object.is_some() && request.object == request.old_object;
    let is_update = request.operation == "UPDATE" && is_unchanged && is_whole(request);
    is_update.then(|| AdmissionRequest { old_object: None, ..with_operation(request, "CREATE", "CreateOptions") })
}

fn with_operation(request: &AdmissionRequest, operation: &str, kind_of_options: &str) -> AdmissionRequest {
    let mut request = AdmissionRequest { operation: operation.to_owned(), ..request.clone() };
    if let Some(kind) = request.options.as_mut().and_then(|options| options.get_mut("kind")) {
        *kind = Value::from(kind_of_options);
    }
    request
}

/// Whether a request is about an object as a whole, not about a part of it.
pub(super) fn is_whole(request: &AdmissionRequest) -> bool {
    request.sub_resource.as_deref().unwrap_or_default().is_empty()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn request(more: &Value) -> AdmissionRequest {
        let mut request = json!({
            "kind": { "group": "", "kind": "Pod", "version": "v1" }, "operation": "CREATE", "uid": "1", "userInfo": {},
            "resource": { "group": "", "resource": "pods", "version": "v1" },
            "object": { "kind": "Pod" }, "options": { "kind": "CreateOptions", "fieldManager": "me" },
        });
        let members = request.as_object_mut().unwrap();
        members.extend(more.as_object().unwrap().clone());
        serde_json::from_value(request).unwrap()
    }

    #[test]
    fn an_update_without_a_change_and_a_creation_are_made_of_each_other() {
        let created = request(&json!({}));
        let updated = as_update(&created).unwrap();
        assert_eq!((updated.operation.as_str(), &updated.old_object), ("UPDATE", &created.object));
        assert_eq!(updated.options, Some(json!({ "kind": "UpdateOptions", "fieldManager": "me" })));
        assert_eq!(as_creation(&updated), Some(created));
        assert_eq!(as_update(&updated), Some(updated));
    }

    #[test]
    fn other_requests_have_no_counterpart() {
        for more in [
            json!({ "object": null, "oldObject": { "kind": "Pod" }, "operation": "DELETE" }),
            json!({ "operation": "CONNECT" }),
            json!({ "subResource": "status" }),
        ] {
            assert_eq!(as_update(&request(&more)), None, "{more}");
        }
        for more in [
            json!({}),
            json!({ "operation": "UPDATE", "oldObject": { "kind": "Pod", "metadata": {} } }),
            json!({ "operation": "UPDATE", "oldObject": { "kind": "Pod" }, "subResource": "status" }),
        ] {
            assert_eq!(as_creation(&request(&more)), None, "{more}");
        }
    }
}
