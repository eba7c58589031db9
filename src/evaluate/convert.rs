//! Requests converted to another version of their resource, for rules with `matchPolicy: Equivalent`.
//!
//! Only conversions that are exact are made; any other is an error, for the policy would see something else than in the
//! cluster. Sources: `conversion.go` of `autoscaling` and `events` in Kubernetes. Recorded: HorizontalPodAutoscalers from
//! `v2` to `v1`, in `testdata/kube-apiserver`. Measured by a test with a real API server: from `v1` to `v2`, and Events.

use serde_json::{Map, Value, json};

use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::conversion::{Conversion, Equivalent};
use policy_verify_model::request::{AdmissionRequest, api_version};

/// What a HorizontalPodAutoscaler is scaled for where it does not say: 80 % of the CPU. Recorded.
const DEFAULT_UTILIZATION: u64 = 80;

/// Where `autoscaling/v1` keeps what only `autoscaling/v2` knows.
const AUTOSCALER_ANNOTATIONS: &str = "autoscaling.alpha.kubernetes.io/";

/// Members of an Event in the core group, and what they are called in `events.k8s.io`.
const EVENT_MEMBERS: &[(&str, &str)] = &[
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("involvedObject", "regarding"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("source", "deprecatedSource"),
];

/// Why an object is not converted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unconvertible {
    #[error("its CustomResourceDefinition converts with a webhook")]
    Webhook,
    #[error("verify does not know this conversion")]
    Unknown,
    #[error("verify does not convert `{0}`")]
    Member(String),
}

/// The request about another version, with its objects as they are: what rules and selectors look at.
pub(super) fn retargeted(request: &AdmissionRequest, to: &Equivalent) -> AdmissionRequest {
    AdmissionRequest { kind: to.kind.clone(), resource: to.resource.clone(), ..request.clone() }
}

/// The request about another version. The members that begin with `request` stay those of the original.
pub(super) fn request(request: &AdmissionRequest, to: &Equivalent) -> Result<AdmissionRequest, Fault> {
    let converted = |it: &Option<Value>| it.as_ref().map(|it| object(it, to)).transpose();
    let objects = converted(&request.object).and_then(|new| Ok((new, converted(&request.old_object)?)));
    let (object, old_object) = objects.map_err(|reason| fault(request, to, &reason))?;
    Ok(AdmissionRequest { object, old_object, ..retargeted(request, to) })
}

fn fault(request: &AdmissionRequest, to: &Equivalent, reason: &Unconvertible) -> Fault {
    let from = api_version(&request.resource.group, &request.resource.version);
    let to = api_version(&to.resource.group, &to.resource.version);
    let message = format!(
        "the API server converts this request from {from} to {to}, because a rule matches {} of {to}: {reason}",
        request.resource.resource
    );
    Fault::new(FaultKind::Conversion, message)
        .with_help(format!("write the object in {to}, or the converted request under `request:`"))
}

/// An object in another version.
fn object(object: &Value, to: &Equivalent) -> Result<Value, Unconvertible> {
    converted(object, to.conversion, &api_version(&to.kind.group, &to.kind.version))
}

/// An object of the version of `to` in that of `original`, which it was before: the way back.
pub(super) fn back(object: &Value, original: &Value, to: &Equivalent) -> Result<Value, Unconvertible> {
    let api_version = original.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
    converted(object, to.conversion.reversed(), api_version)
}

fn converted(object: &Value, conversion: Conversion, api_version: &str) -> Result<Value, Unconvertible> {
    let Some(members) = object.as_object() else { return Ok(object.clone()) };
    let mut members = match conversion {
        Conversion::None => return Ok(object.clone()),
        Conversion::ApiVersion => members.clone(),
        Conversion::AutoscalerToV1 => autoscaler_to_v1(members)?,
        Conversion::AutoscalerToV2 => autoscaler_to_v2(members)?,
        Conversion::EventFromCore => renamed(members, |(core, events)| (core, events)),
        Conversion::EventToCore => renamed(members, |(core, events)| (events, core)),
        Conversion::DisruptionBudget => disruption_budget(members)?,
        Conversion::Webhook => return Err(Unconvertible::Webhook),
        Conversion::Unknown => return Err(Unconvertible::Unknown),
    };
    members.insert("apiVersion".into(), api_version.into());
    Ok(Value::Object(members))
}

type Members = Map<String, Value>;

fn renamed(event: &Members, pair: impl Fn((&'static str, &'static str)) -> (&'static str, &'static str)) -> Members {
    let new_name = |name: &str| EVENT_MEMBERS.iter().map(|it| pair(*it)).find(|(from, _)| *from == name);
    event
        .iter()
        .map(|(name, value)| (new_name(name).map_or(name.as_str(), |(_, to)| to).to_owned(), value.clone()))
        .collect()
}

/// In `policy/v1beta1` an empty selector matches no Pod, in `policy/v1` every Pod.
fn disruption_budget(budget: &Members) -> Result<Members, Unconvertible> {
    let selector = budget.get("spec").and_then(|spec| spec.get("selector"));
    match selector.and_then(Value::as_object).is_some_and(Map::is_empty) {
        true => Err(Unconvertible::Member("spec.selector: {}".into())),
        false => Ok(budget.clone()),
    }
}

/// The members of a `spec` or `status` that both versions have; others must be in `handled`, or are refused.
fn shared(of: &str, members: &Members, shared: &[&str], handled: &[&str]) -> Result<Members, Unconvertible> {
    let mut kept = Members::new();
    for (name, value) in members {
        if shared.contains(&name.as_str()) {
            kept.insert(name.clone(), value.clone());
        } else if !handled.contains(&name.as_str()) && !is_empty(value) {
            return Err(Unconvertible::Member(format!("{of}.{name}")));
        }
    }
    Ok(kept)
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_array().is_some_and(Vec::is_empty) || value.as_object().is_some_and(Map::is_empty)
}

const SPEC: &[&str] = &["maxReplicas", "minReplicas", "scaleTargetRef"];
const STATUS: &[&str] = &["currentReplicas", "desiredReplicas", "lastScaleTime", "observedGeneration"];

fn autoscaler_to_v1(autoscaler: &Members) -> Result<Members, Unconvertible> {
    let mut converted = autoscaler.clone();
    if let Some(spec) = autoscaler.get("spec").and_then(Value::as_object) {
        let mut new = shared("spec", spec, SPEC, &["metrics"])?;
        let utilization = cpu_utilization(spec.get("metrics").unwrap_or(&Value::Null))?;
        new.insert("targetCPUUtilizationPercentage".into(), utilization);
        converted.insert("spec".into(), Value::Object(new));
    }
    if let Some(status) = autoscaler.get("status").and_then(Value::as_object) {
        let mut new = shared("status", status, STATUS, &[])?;
        for number in ["currentReplicas", "desiredReplicas"] {
            new.entry(number).or_insert_with(|| 0.into());
        }
        converted.insert("status".into(), Value::Object(new));
    }
    Ok(converted)
}

/// The target of the only metric, which must be the utilization of the CPU; the default where there is none.
fn cpu_utilization(metrics: &Value) -> Result<Value, Unconvertible> {
    let metrics = match metrics {
        Value::Null => &[],
        metrics => metrics.as_array().map(Vec::as_slice).unwrap_or_default(),
    };
    match metrics {
        [] => Ok(DEFAULT_UTILIZATION.into()),
        [metric] => {
            let target = metric.pointer("/resource/target/averageUtilization").filter(|target| target.is_u64());
            let target = target.ok_or_else(|| Unconvertible::Member("spec.metrics".into()))?;
            match *metric == cpu_metric(target) {
                true => Ok(target.clone()),
                false => Err(Unconvertible::Member("spec.metrics".into())),
            }
        }
        _ => Err(Unconvertible::Member("spec.metrics".into())),
    }
}

fn cpu_metric(utilization: &Value) -> Value {
    let target = json!({ "type": "Utilization", "averageUtilization": utilization });
    json!({ "type": "Resource", "resource": { "name": "cpu", "target": target } })
}

fn autoscaler_to_v2(autoscaler: &Members) -> Result<Members, Unconvertible> {
    let annotations = autoscaler.get("metadata").and_then(|metadata| metadata.get("annotations")?.as_object());
    if let Some(name) = annotations.and_then(|all| all.keys().find(|name| name.starts_with(AUTOSCALER_ANNOTATIONS))) {
        return Err(Unconvertible::Member(format!("metadata.annotations[\"{name}\"]")));
    }
    let mut converted = autoscaler.clone();
    if let Some(spec) = autoscaler.get("spec").and_then(Value::as_object) {
        const TARGET: &str = "targetCPUUtilizationPercentage";
        let mut new = shared("spec", spec, SPEC, &[TARGET])?;
        let target = spec.get(TARGET).filter(|target| target.is_u64());
        let target = target.ok_or_else(|| Unconvertible::Member(format!("a spec without {TARGET}")))?;
        new.insert("metrics".into(), json!([cpu_metric(target)]));
        converted.insert("spec".into(), Value::Object(new));
    }
    if let Some(status) = autoscaler.get("status").and_then(Value::as_object) {
        let mut new = shared("status", status, STATUS, &[])?;
        if new.get("currentReplicas") == Some(&json!(0)) {
            new.remove("currentReplicas");
        }
        new.insert("currentMetrics".into(), Value::Null);
        converted.insert("status".into(), Value::Object(new));
    }
    Ok(converted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(api_version: &str, conversion: Conversion) -> Result<Value, String> {
        converted(&autoscaler(json!({})), conversion, api_version).map_err(|reason| reason.to_string())
    }

    /// A HorizontalPodAutoscaler of `autoscaling/v2` with other members in its `spec`.
    fn autoscaler(spec: Value) -> Value {
        let mut object = json!({
            "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": { "name": "web" },
            "spec": { "minReplicas": 1, "maxReplicas": 3, "scaleTargetRef": { "kind": "Deployment", "name": "web" } },
        });
        object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        object
    }

    #[test]
    fn an_autoscaler_for_the_cpu_is_converted_and_back() {
        let v1 = to("autoscaling/v1", Conversion::AutoscalerToV1).unwrap();
        assert_eq!(
            (&v1["apiVersion"], &v1["spec"]["targetCPUUtilizationPercentage"]),
            (&json!("autoscaling/v1"), &json!(80))
        );
        let metric = json!({ "metrics": [cpu_metric(&json!(50))] });
        let v1 = converted(&autoscaler(metric.clone()), Conversion::AutoscalerToV1, "autoscaling/v1").unwrap();
        assert_eq!(v1["spec"]["targetCPUUtilizationPercentage"], 50);
        assert_eq!(converted(&v1, Conversion::AutoscalerToV2, "autoscaling/v2"), Ok(autoscaler(metric)));
    }

    #[test]
    fn what_becomes_an_annotation_is_not_converted() {
        let memory = json!({ "type": "Resource", "resource": { "name": "memory", "target": {
            "type": "Utilization", "averageUtilization": 50,
        } } });
        for (spec, member) in [
            (json!({ "metrics": [memory] }), "spec.metrics"),
            (json!({ "metrics": [cpu_metric(&json!(5)), memory] }), "spec.metrics"),
            (json!({ "metrics": [{ "type": "Pods" }] }), "spec.metrics"),
            (json!({ "behavior": { "scaleDown": {} } }), "spec.behavior"),
        ] {
            assert_eq!(
                converted(&autoscaler(spec), Conversion::AutoscalerToV1, "autoscaling/v1"),
                Err(Unconvertible::Member(member.into()))
            );
        }
        let annotated = json!({
            "metadata": { "annotations": { "autoscaling.alpha.kubernetes.io/metrics": "[]" } },
            "spec": { "targetCPUUtilizationPercentage": 5 },
        });
        assert!(converted(&annotated, Conversion::AutoscalerToV2, "autoscaling/v2").is_err());
        assert!(converted(&json!({ "spec": {} }), Conversion::AutoscalerToV2, "autoscaling/v2").is_err());
    }

    #[test]
    fn events_change_the_names_of_their_members() {
        let core = json!({
            "apiVersion": "v1", "kind": "Event", "metadata": { "name": "e" }, "involvedObject": { "name": "web" },
            "message": "m", "reason": "r", "type": "Normal", "count": 2, "source": { "component": "c" },
            "firstTimestamp": null, "lastTimestamp": null, "eventTime": null, "reportingComponent": "",
        });
        let events = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": { "name": "e" },
            "regarding": { "name": "web" }, "note": "m", "reason": "r", "type": "Normal", "deprecatedCount": 2,
            "deprecatedSource": { "component": "c" }, "deprecatedFirstTimestamp": null,
            "deprecatedLastTimestamp": null, "eventTime": null, "reportingController": "",
        });
        assert_eq!(converted(&core, Conversion::EventFromCore, "events.k8s.io/v1"), Ok(events.clone()));
        assert_eq!(converted(&events, Conversion::EventToCore, "v1"), Ok(core));
    }

    #[test]
    fn other_conversions_change_the_version_or_fail() {
        let budget = |selector: Value| json!({ "apiVersion": "policy/v1beta1", "spec": { "selector": selector } });
        let full = json!({ "matchLabels": { "a": "b" } });
        let v1 = json!({ "apiVersion": "policy/v1", "spec": { "selector": full } });
        assert_eq!(converted(&budget(full), Conversion::DisruptionBudget, "policy/v1"), Ok(v1));
        for (object, conversion, reason) in [
            (budget(json!({})), Conversion::DisruptionBudget, "verify does not convert `spec.selector: {}`"),
            (json!({}), Conversion::Webhook, "its CustomResourceDefinition converts with a webhook"),
            (json!({}), Conversion::Unknown, "verify does not know this conversion"),
        ] {
            assert_eq!(converted(&object, conversion, "v1").unwrap_err().to_string(), reason);
        }
        let scale = json!({ "apiVersion": "autoscaling/v1", "kind": "Scale" });
        assert_eq!(converted(&scale, Conversion::None, "acme.test/v1"), Ok(scale));
    }
}
