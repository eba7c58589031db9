//! The settings of mode `ferricel`: what to do about errors, and where the params of the policy are. The host checks them, in
//! the words of policy-evaluator.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use serde_json::{Map, Value};

use policy_verify_model::policy::Settings;

/// What becomes of an expression that evaluates to an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum FailurePolicy {
    /// The request is rejected.
    #[default]
    Fail,
    /// The policy is skipped.
    Ignore,
}

impl FailurePolicy {
    /// The one of valid settings.
    pub(super) fn of(settings: &Settings) -> Self {
        Self::read(settings).unwrap_or_default()
    }

    fn read(settings: &Settings) -> Result<Self, String> {
        match given(settings, "failurePolicy").map(Value::as_str) {
            None | Some(Some("Fail")) => Ok(Self::Fail),
            Some(Some("Ignore")) => Ok(Self::Ignore),
            Some(_) => Err("failurePolicy must be either 'Fail' or 'Ignore'".into()),
        }
    }
}

/// Checks the settings; the error is the server's message.
pub(super) fn check(settings: &Settings) -> Result<(), String> {
    FailurePolicy::read(settings)?;
    match (given(settings, "paramKind"), given(settings, "paramRef")) {
        (None, None) => Ok(()),
        (Some(kind), Some(reference)) => check_kind(kind).and_then(|()| check_reference(reference)),
        _ => Err("Both paramKind and paramRef must be present together, or both absent".into()),
    }
}

/// A value that is neither missing nor null.
fn given<'a>(map: &'a Map<String, Value>, key: &str) -> Option<&'a Value> {
    map.get(key).filter(|value| !value.is_null())
}

/// A text that may be missing; the empty one counts as missing.
fn text<'a>(map: &'a Map<String, Value>, path: &str, key: &str) -> Result<Option<&'a str>, String> {
    match given(map, key) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
        Some(_) => Err(format!("{path}.{key} must be a string")),
    }
}

fn check_kind(kind: &Value) -> Result<(), String> {
    let kind = kind.as_object().ok_or("paramKind must be an object")?;
    match (text(kind, "paramKind", "apiVersion")?, text(kind, "paramKind", "kind")?) {
        (Some(_), Some(_)) => Ok(()),
        _ => Err("paramKind must have both apiVersion and kind specified".into()),
    }
}

fn check_reference(reference: &Value) -> Result<(), String> {
    let reference = reference.as_object().ok_or("paramRef must be an object")?;
    let name = text(reference, "paramRef", "name")?;
    let selector = given(reference, "selector");
    if selector.is_some_and(|selector| !selector.is_object()) {
        return Err("paramRef.selector must be an object".into());
    }
    match (name, selector) {
        (None, None) => return Err("paramRef must have either name or selector specified".into()),
        (Some(_), Some(_)) => return Err("paramRef cannot have both name and selector specified".into()),
        (None, Some(selector)) => check_selector(selector)?,
        (Some(_), None) => {}
    }
    match text(reference, "paramRef", "parameterNotFoundAction")? {
        Some("Allow" | "Deny") => Ok(()),
        _ => Err("parameterNotFoundAction must be 'Deny' or 'Allow' if paramRef is specified".into()),
    }
}

fn check_selector(selector: &Value) -> Result<(), String> {
    let invalid = |error: &dyn std::fmt::Display| format!("paramRef.selector is not a valid LabelSelector: {error}");
    let selector: LabelSelector = serde_json::from_value(selector.clone()).map_err(|error| invalid(&error))?;
    for (index, requirement) in selector.match_expressions.iter().flatten().enumerate() {
        check_requirement(requirement)
            .map_err(|problem| format!("paramRef.selector.matchExpressions[{index}].{problem}"))?;
    }
    kube_core::Selector::try_from(selector).map(drop).map_err(|error| invalid(&error))
}

/// Kubernetes' rules for a requirement that no type keeps.
fn check_requirement(requirement: &LabelSelectorRequirement) -> Result<(), String> {
    let LabelSelectorRequirement { key, operator, values } = requirement;
    let has_values = values.as_ref().is_some_and(|values| !values.is_empty());
    match (operator.as_str(), has_values) {
        _ if key.is_empty() => Err("key must be a non-empty string".into()),
        ("In" | "NotIn", false) => Err(format!("values must be non-empty when operator is {operator}")),
        ("Exists" | "DoesNotExist", true) => Err(format!("values must be empty when operator is {operator}")),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn checked(settings: Value) -> Result<(), String> {
        check(settings.as_object().unwrap())
    }

    fn with_reference(reference: Value) -> Result<(), String> {
        checked(json!({ "paramKind": { "apiVersion": "v1", "kind": "ConfigMap" }, "paramRef": reference }))
    }

    #[test]
    fn valid_settings() {
        for settings in [
            json!({}),
            json!({ "failurePolicy": null, "paramKind": null, "paramRef": null, "other": 1 }),
            json!({ "failurePolicy": "Fail" }),
            json!({ "failurePolicy": "Ignore" }),
        ] {
            assert_eq!(checked(settings.clone()), Ok(()), "{settings}");
        }
        for reference in [
            json!({ "name": "limits", "namespace": "policies", "parameterNotFoundAction": "Deny" }),
            json!({ "selector": {}, "parameterNotFoundAction": "Allow" }),
            json!({
                "selector": { "matchLabels": { "a": "b" }, "matchExpressions": [{ "key": "c", "operator": "Exists" }] },
                "parameterNotFoundAction": "Deny",
            }),
        ] {
            assert_eq!(with_reference(reference.clone()), Ok(()), "{reference}");
        }
    }

    #[test]
    fn failure_policies() {
        let of = |settings: Value| FailurePolicy::of(settings.as_object().unwrap());
        assert_eq!(of(json!({})), FailurePolicy::Fail);
        assert_eq!(of(json!({ "failurePolicy": "Fail" })), FailurePolicy::Fail);
        assert_eq!(of(json!({ "failurePolicy": "Ignore" })), FailurePolicy::Ignore);
        for wrong in [json!("ignore"), json!(true), json!("")] {
            let message = "failurePolicy must be either 'Fail' or 'Ignore'".to_owned();
            assert_eq!(checked(json!({ "failurePolicy": wrong })), Err(message));
        }
    }

    #[test]
    fn params_that_are_half_there() {
        let wanted = "Both paramKind and paramRef must be present together, or both absent";
        for settings in [json!({ "paramKind": {} }), json!({ "paramRef": {}, "paramKind": null })] {
            assert_eq!(checked(settings), Err(wanted.to_owned()));
        }
    }

    #[test]
    fn invalid_kinds() {
        for (kind, wanted) in [
            (json!("v1/ConfigMap"), "paramKind must be an object"),
            (json!({ "apiVersion": "v1" }), "paramKind must have both apiVersion and kind specified"),
            (
                json!({ "apiVersion": "", "kind": "ConfigMap" }),
                "paramKind must have both apiVersion and kind specified",
            ),
            (json!({ "apiVersion": 1, "kind": "ConfigMap" }), "paramKind.apiVersion must be a string"),
            (json!({ "apiVersion": "v1", "kind": [] }), "paramKind.kind must be a string"),
        ] {
            let reference = json!({ "name": "limits", "parameterNotFoundAction": "Deny" });
            assert_eq!(checked(json!({ "paramKind": kind, "paramRef": reference })), Err(wanted.to_owned()));
        }
    }

    #[test]
    fn invalid_references() {
        for (reference, wanted) in [
            (json!("limits"), "paramRef must be an object"),
            (json!({}), "paramRef must have either name or selector specified"),
            (json!({ "name": "a", "selector": {} }), "paramRef cannot have both name and selector specified"),
            (json!({ "name": 1 }), "paramRef.name must be a string"),
            (json!({ "selector": "a=b" }), "paramRef.selector must be an object"),
            (json!({ "name": "a" }), "parameterNotFoundAction must be 'Deny' or 'Allow' if paramRef is specified"),
            (
                json!({ "name": "a", "parameterNotFoundAction": "Maybe" }),
                "parameterNotFoundAction must be 'Deny' or 'Allow' if paramRef is specified",
            ),
            (json!({ "name": "a", "parameterNotFoundAction": 1 }), "paramRef.parameterNotFoundAction must be a string"),
        ] {
            assert_eq!(with_reference(reference), Err(wanted.to_owned()));
        }
    }

    #[test]
    fn invalid_selectors() {
        let error = |expressions: Value| {
            let selector = json!({ "matchExpressions": expressions });
            with_reference(json!({ "selector": selector, "parameterNotFoundAction": "Deny" })).unwrap_err()
        };
        for (requirement, wanted) in [
            (json!({ "operator": "Exists" }), "key must be a non-empty string"),
            (json!({ "key": "a", "operator": "In" }), "values must be non-empty when operator is In"),
            (
                json!({ "key": "a", "operator": "NotIn", "values": [] }),
                "values must be non-empty when operator is NotIn",
            ),
            (
                json!({ "key": "a", "operator": "Exists", "values": ["b"] }),
                "values must be empty when operator is Exists",
            ),
            (
                json!({ "key": "a", "operator": "DoesNotExist", "values": ["b"] }),
                "values must be empty when operator is DoesNotExist",
            ),
        ] {
            let valid = json!({ "key": "a", "operator": "Exists" });
            assert_eq!(error(json!([valid, requirement])), format!("paramRef.selector.matchExpressions[1].{wanted}"));
        }
        for expressions in [json!({}), json!([1]), json!([{ "key": "a", "operator": "Like", "values": ["b"] }])] {
            let error = error(expressions);
            assert!(error.starts_with("paramRef.selector is not a valid LabelSelector: "), "{error}");
        }
    }
}
