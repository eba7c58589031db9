//! Which other versions of its resource a request can be converted to, as the API server knows them.
//!
//! Sources: `EquivalentResourceRegistry` of k8s.io/apimachinery and the prefixes of resources in etcd, by which built-in
//! resources of two groups are the same. Recorded: the HorizontalPodAutoscalers in `testdata/kube-apiserver`.

use std::cmp::Reverse;

use crate::kinds::{KindInfo, Kinds};
use policy_verify_model::conversion::{Conversion, Equivalent};
use policy_verify_model::request::{AdmissionRequest, GroupVersionKind};

/// Kubewarden's own kinds are custom resources, all of whose versions are served.
const KUBEWARDEN: &str = "policies.kubewarden.io";

/// Group, plural, and versions between which only `apiVersion` changes. Source: the types of k8s.io/api, whose members
/// are the same in these versions.
const SAME_SCHEMA: &[(&str, &str, &[&str])] = &[
    ("apiregistration.k8s.io", "apiservices", &["v1", "v1beta1"]),
    ("apps", "controllerrevisions", &["v1", "v1beta1", "v1beta2"]),
    ("apps", "daemonsets", &["v1", "v1beta2"]),
    ("apps", "deployments", &["v1", "v1beta2"]),
    ("apps", "replicasets", &["v1", "v1beta2"]),
    ("apps", "statefulsets", &["v1", "v1beta2"]),
    ("authentication.k8s.io", "selfsubjectreviews", &["v1", "v1beta1"]),
    ("authentication.k8s.io", "tokenreviews", &["v1", "v1beta1"]),
    ("authorization.k8s.io", "selfsubjectaccessreviews", &["v1", "v1beta1"]),
    ("authorization.k8s.io", "selfsubjectrulesreviews", &["v1", "v1beta1"]),
    ("autoscaling", "horizontalpodautoscalers", &["v2", "v2beta2"]),
    ("batch", "cronjobs", &["v1", "v1beta1"]),
    ("coordination.k8s.io", "leases", &["v1", "v1beta1"]),
    ("events.k8s.io", "events", &["v1", "v1beta1"]),
    ("flowcontrol.apiserver.k8s.io", "flowschemas", &["v1", "v1beta1", "v1beta2", "v1beta3"]),
    ("networking.k8s.io", "ingressclasses", &["v1", "v1beta1"]),
    ("networking.k8s.io", "ipaddresses", &["v1", "v1beta1"]),
    ("networking.k8s.io", "servicecidrs", &["v1", "v1beta1"]),
    ("node.k8s.io", "runtimeclasses", &["v1", "v1beta1"]),
    ("rbac.authorization.k8s.io", "clusterrolebindings", &["v1", "v1beta1"]),
    ("rbac.authorization.k8s.io", "clusterroles", &["v1", "v1beta1"]),
    ("rbac.authorization.k8s.io", "rolebindings", &["v1", "v1beta1"]),
    ("rbac.authorization.k8s.io", "roles", &["v1", "v1beta1"]),
    ("resource.k8s.io", "deviceclasses", &["v1", "v1beta2"]),
    ("resource.k8s.io", "resourceclaims", &["v1", "v1beta2"]),
    ("resource.k8s.io", "resourceclaimtemplates", &["v1", "v1beta2"]),
    ("resource.k8s.io", "resourceslices", &["v1", "v1beta2"]),
    ("scheduling.k8s.io", "priorityclasses", &["v1", "v1beta1"]),
    ("storage.k8s.io", "csidrivers", &["v1", "v1beta1"]),
    ("storage.k8s.io", "csinodes", &["v1", "v1beta1"]),
    ("storage.k8s.io", "csistoragecapacities", &["v1", "v1beta1"]),
    ("storage.k8s.io", "storageclasses", &["v1", "v1beta1"]),
    ("storage.k8s.io", "volumeattachments", &["v1", "v1beta1"]),
    ("storage.k8s.io", "volumeattributesclasses", &["v1", "v1beta1"]),
];

/// The other versions of the resource of a request, in the order in which the API server tries them. A request that was
/// converted already has none.
pub(crate) fn of(request: &AdmissionRequest, kinds: &Kinds) -> Vec<Equivalent> {
    let resource = &request.resource;
    if request.request_resource.as_ref().is_some_and(|original| original != resource) {
        return Vec::new();
    }
    let is_it = |info: &&KindInfo| {
        info.group == resource.group && info.version == resource.version && info.plural == resource.resource
    };
    let Some(from) = kinds.stored().find(is_it) else { return Vec::new() };
    let mut others: Vec<&KindInfo> = kinds
        .stored()
        .filter(|info| is_same_resource(from, info) && info.api_version() != from.api_version() && is_served(info))
        .collect();
    // The core group is installed first; in a group, the stable and newer versions come first.
    others.sort_by_key(|info| (!info.group.is_empty(), Reverse(priority(&info.version))));
    others.into_iter().map(|to| equivalent(request, from, to)).collect()
}

fn equivalent(request: &AdmissionRequest, from: &KindInfo, to: &KindInfo) -> Equivalent {
    let is_whole = request.kind == from.group_version_kind();
    let (kind, conversion): (GroupVersionKind, _) = match is_whole {
        true => (to.group_version_kind(), conversion(from, to)),
        false => (request.kind.clone(), Conversion::None),
    };
    Equivalent { kind, resource: to.group_version_resource(), conversion }
}

/// Whether two kinds are versions of one resource.
fn is_same_resource(one: &KindInfo, other: &KindInfo) -> bool {
    let is_custom = |info: &KindInfo| info.custom.is_some() || info.group == KUBEWARDEN;
    one.plural == other.plural && is_custom(one) == is_custom(other) && (!is_custom(one) || one.group == other.group)
}

/// Whether a cluster of today serves the version: custom resources all that they are defined in, Kubernetes itself the
/// stable ones. Its beta versions were removed, or are off by default.
fn is_served(info: &KindInfo) -> bool {
    info.custom.is_some() || info.group == KUBEWARDEN || priority(&info.version).0 == Stability::Stable
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Stability {
    Alpha,
    Beta,
    Stable,
}

/// Where a version stands among others of its group: stable before beta before alpha, then the higher number.
fn priority(version: &str) -> (Stability, u64, u64) {
    let number = |text: &str| text.parse().unwrap_or(0);
    let rest = version.strip_prefix('v').unwrap_or(version);
    for (word, stability) in [("alpha", Stability::Alpha), ("beta", Stability::Beta)] {
        if let Some((major, minor)) = rest.split_once(word) {
            return (stability, number(major), number(minor));
        }
    }
    (Stability::Stable, number(rest), 0)
}

fn conversion(from: &KindInfo, to: &KindInfo) -> Conversion {
    if let Some(custom) = &to.custom {
        return if custom.has_webhook { Conversion::Webhook } else { Conversion::ApiVersion };
    }
    if to.group == KUBEWARDEN {
        return Conversion::ApiVersion;
    }
    match (from.api_version().as_str(), to.api_version().as_str(), &*to.plural) {
        ("v1", "events.k8s.io/v1", "events") => Conversion::EventFromCore,
        ("events.k8s.io/v1", "v1", "events") => Conversion::EventToCore,
        ("autoscaling/v2", "autoscaling/v1", "horizontalpodautoscalers") => Conversion::AutoscalerToV1,
        ("autoscaling/v1", "autoscaling/v2", "horizontalpodautoscalers") => Conversion::AutoscalerToV2,
        ("policy/v1beta1", "policy/v1", "poddisruptionbudgets") => Conversion::DisruptionBudget,
        _ if has_same_schema(from, to) => Conversion::ApiVersion,
        _ => Conversion::Unknown,
    }
}

fn has_same_schema(from: &KindInfo, to: &KindInfo) -> bool {
    from.group == to.group
        && SAME_SCHEMA.iter().any(|(group, plural, versions)| {
            to.group == *group
                && to.plural == *plural
                && [from, to].iter().all(|info| versions.contains(&info.version.as_ref()))
        })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The equivalents of a request about a kind, as `apiVersion conversion`.
    fn shown(kinds: &Kinds, api_version: &str, kind: &str) -> Vec<String> {
        let info = kinds.lookup(api_version, kind).unwrap();
        let (kind, resource) = (info.group_version_kind(), info.group_version_resource());
        let request = serde_json::from_value(json!({
            "uid": "u", "operation": "CREATE", "userInfo": {}, "kind": kind, "resource": resource,
        }));
        let shown = |it: &Equivalent| format!("{}/{} {:?}", it.resource.group, it.resource.version, it.conversion);
        of(&request.unwrap(), kinds).iter().map(shown).collect()
    }

    #[test]
    fn other_served_versions_are_equivalent() {
        let kinds = Kinds::default();
        for (api_version, kind, wanted) in [
            ("v1", "Pod", [].as_slice()),
            ("apps/v1", "Deployment", &[]),
            ("autoscaling/v2", "HorizontalPodAutoscaler", &["autoscaling/v1 AutoscalerToV1"]),
            ("autoscaling/v1", "HorizontalPodAutoscaler", &["autoscaling/v2 AutoscalerToV2"]),
            (
                "autoscaling/v2beta2",
                "HorizontalPodAutoscaler",
                &["autoscaling/v2 ApiVersion", "autoscaling/v1 Unknown"],
            ),
            ("v1", "Event", &["events.k8s.io/v1 EventFromCore"]),
            ("events.k8s.io/v1", "Event", &["/v1 EventToCore"]),
            ("policy/v1beta1", "PodDisruptionBudget", &["policy/v1 DisruptionBudget"]),
            // A cluster of today does not serve the beta version.
            ("policy/v1", "PodDisruptionBudget", &[]),
            ("extensions/v1beta1", "Ingress", &["networking.k8s.io/v1 Unknown"]),
            ("batch/v1beta1", "CronJob", &["batch/v1 ApiVersion"]),
            ("policies.kubewarden.io/v1", "AdmissionPolicy", &["policies.kubewarden.io/v1alpha2 ApiVersion"]),
        ] {
            assert_eq!(shown(&kinds, api_version, kind), wanted, "{api_version} {kind}");
        }
    }

    #[test]
    fn custom_resources_convert_as_their_definition_says() {
        let mut kinds = Kinds::default();
        for (kind, plural, strategy) in [("Widget", "widgets", "None"), ("Gadget", "gadgets", "Webhook")] {
            let definition = json!({
                "kind": "CustomResourceDefinition",
                "spec": {
                    "group": "acme.test", "scope": "Namespaced", "names": { "kind": kind, "plural": plural },
                    "versions": [{ "name": "v1beta1" }, { "name": "v1" }, { "name": "v1beta2" }],
                    "conversion": { "strategy": strategy },
                },
            });
            kinds.add_crds(&definition).unwrap();
        }
        assert_eq!(
            shown(&kinds, "acme.test/v1beta1", "Widget"),
            ["acme.test/v1 ApiVersion", "acme.test/v1beta2 ApiVersion"]
        );
        assert_eq!(shown(&kinds, "acme.test/v1", "Gadget"), ["acme.test/v1beta2 Webhook", "acme.test/v1beta1 Webhook"]);
    }

    #[test]
    fn every_row_of_the_table_is_known() {
        let kinds = Kinds::default();
        for (group, plural, versions) in SAME_SCHEMA {
            for version in *versions {
                let is_it =
                    |info: &KindInfo| info.group == *group && info.plural == *plural && info.version == *version;
                assert!(kinds.stored().any(is_it), "{group}/{version} {plural}");
            }
        }
    }

    #[test]
    fn a_converted_request_is_not_converted_again() {
        let request = |original: &str| -> AdmissionRequest {
            let resource = |version: &str| json!({ "group": "autoscaling", "version": version, "resource": "horizontalpodautoscalers" });
            let kind = json!({ "group": "autoscaling", "version": "v1", "kind": "HorizontalPodAutoscaler" });
            serde_json::from_value(json!({
                "uid": "u", "operation": "CREATE", "userInfo": {}, "kind": kind, "resource": resource("v1"),
                "requestResource": resource(original),
            }))
            .unwrap()
        };
        assert_eq!(of(&request("v1"), &Kinds::default()).len(), 1);
        assert!(of(&request("v2"), &Kinds::default()).is_empty());
    }
}
