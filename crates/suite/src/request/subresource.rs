//! Subresources: which resource has which, what is sent to them, and with which operation.
//!
//! Sources: `api/discovery` of Kubernetes 1.37 for the table, and the recording in `testdata/kube-apiserver` for kinds and
//! operations. Versions that Kubernetes serves no longer have the `status` of their resource and nothing else: their
//! `scale` was of other kinds.

use crate::kinds::KindInfo;
use crate::schema::Operation;

/// How a subresource is sent to webhooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sent {
    /// The object is of the kind of the resource: `status`, `resize`.
    Whole,
    /// The object is a `Scale` of `autoscaling/v1`.
    Scale,
    /// The object is of this kind, which `apiVersion` and `kind` name.
    Other(&'static str, &'static str),
    /// It is only read, and reading has no admission.
    Never,
}

/// A subresource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subresource {
    /// Name of the subresource.
    pub(crate) name: &'static str,
    /// The only operation it has.
    pub(crate) operation: Operation,
    /// What is sent.
    pub(crate) sent: Sent,
}

/// The subresources of custom resources and of most others.
const STATUS: Subresource = updated("status", Sent::Whole);
const SCALE: Subresource = updated("scale", Sent::Scale);

/// Group and plural of a resource with more subresources than `status`, or with none of that name.
const TABLE: &[(&str, &str, &[Subresource])] = &[
    ("", "namespaces", &[updated("finalize", Sent::Whole), STATUS]),
    ("", "nodes", &[connected("proxy", "NodeProxyOptions"), STATUS]),
    (
        "",
        "pods",
        &[
            connected("attach", "PodAttachOptions"),
            created("binding", "v1", "Binding"),
            updated("ephemeralcontainers", Sent::Whole),
            created("eviction", "policy/v1", "Eviction"),
            connected("exec", "PodExecOptions"),
            Subresource { name: "log", operation: Operation::Connect, sent: Sent::Never },
            connected("portforward", "PodPortForwardOptions"),
            connected("proxy", "PodProxyOptions"),
            updated("resize", Sent::Whole),
            STATUS,
        ],
    ),
    ("", "replicationcontrollers", &[SCALE, STATUS]),
    ("", "serviceaccounts", &[created("token", "authentication.k8s.io/v1", "TokenRequest")]),
    ("", "services", &[connected("proxy", "ServiceProxyOptions"), STATUS]),
    ("apps", "deployments", &[SCALE, STATUS]),
    ("apps", "replicasets", &[SCALE, STATUS]),
    ("apps", "statefulsets", &[SCALE, STATUS]),
    ("certificates.k8s.io", "certificatesigningrequests", &[updated("approval", Sent::Whole), STATUS]),
];

/// Group and plural of the resources whose only subresource is `status`.
const WITH_STATUS: &[(&str, &str)] = &[
    ("", "persistentvolumeclaims"),
    ("", "persistentvolumes"),
    ("", "resourcequotas"),
    ("admissionregistration.k8s.io", "validatingadmissionpolicies"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
    ("apiregistration.k8s.io", "apiservices"),
    ("apps", "daemonsets"),
    ("autoscaling", "horizontalpodautoscalers"),
    ("batch", "cronjobs"),
    ("batch", "jobs"),
    ("certificates.k8s.io", "podcertificaterequests"),
    ("extensions", "daemonsets"),
    ("extensions", "deployments"),
    ("extensions", "ingresses"),
    ("extensions", "replicasets"),
    ("flowcontrol.apiserver.k8s.io", "flowschemas"),
    ("flowcontrol.apiserver.k8s.io", "prioritylevelconfigurations"),
    ("networking.k8s.io", "ingresses"),
    ("networking.k8s.io", "servicecidrs"),
    ("policies.kubewarden.io", "admissionpolicies"),
    ("policies.kubewarden.io", "admissionpolicygroups"),
    ("policies.kubewarden.io", "clusteradmissionpolicies"),
    ("policies.kubewarden.io", "clusteradmissionpolicygroups"),
    ("policies.kubewarden.io", "policyservers"),
    ("policy", "poddisruptionbudgets"),
    ("resource.k8s.io", "devicetaintrules"),
    ("resource.k8s.io", "resourceclaims"),
    ("scheduling.k8s.io", "podgroups"),
    ("storage.k8s.io", "volumeattachments"),
    ("storagemigration.k8s.io", "storageversionmigrations"),
];

const fn updated(name: &'static str, sent: Sent) -> Subresource {
    Subresource { name, operation: Operation::Update, sent }
}

const fn created(name: &'static str, api_version: &'static str, kind: &'static str) -> Subresource {
    Subresource { name, operation: Operation::Create, sent: Sent::Other(api_version, kind) }
}

const fn connected(name: &'static str, kind: &'static str) -> Subresource {
    Subresource { name, operation: Operation::Connect, sent: Sent::Other("v1", kind) }
}

/// The subresources of a resource, by name.
pub(crate) fn of(resource: &KindInfo) -> Vec<Subresource> {
    if let Some(custom) = &resource.custom {
        let scale = custom.scale.as_ref().map(|_| SCALE);
        return scale.into_iter().chain(custom.has_status.then_some(STATUS)).collect();
    }
    let is_resource = |group: &str, plural: &str| resource.group == group && resource.plural == plural;
    let is_served = resource.group != "apps" || resource.version == "v1";
    match TABLE.iter().find(|(group, plural, _)| is_resource(group, plural)) {
        Some((.., subresources)) if is_served => subresources.to_vec(),
        Some(_) => vec![STATUS],
        None if WITH_STATUS.iter().any(|(group, plural)| is_resource(group, plural)) => vec![STATUS],
        None => Vec::new(),
    }
}

/// The operation of a subresource, which its name alone tells.
pub(crate) fn usual_operation(name: &str) -> Option<Operation> {
    let all = TABLE.iter().flat_map(|(.., subresources)| *subresources);
    all.filter(|known| known.sent != Sent::Never).find(|known| known.name == name).map(|known| known.operation)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kinds;

    fn names(api_version: &str, kind: &str) -> Vec<&'static str> {
        of(Kinds::default().lookup(api_version, kind).unwrap()).iter().map(|known| known.name).collect()
    }

    #[test]
    fn resources_have_the_subresources_of_the_api() {
        for (api_version, kind, wanted) in [
            (
                "v1",
                "Pod",
                [
                    "attach",
                    "binding",
                    "ephemeralcontainers",
                    "eviction",
                    "exec",
                    "log",
                    "portforward",
                    "proxy",
                    "resize",
                    "status",
                ]
                .as_slice(),
            ),
            ("v1", "ConfigMap", &[]),
            ("v1", "Namespace", &["finalize", "status"]),
            ("v1", "ServiceAccount", &["token"]),
            ("apps/v1", "Deployment", &["scale", "status"]),
            ("apps/v1beta2", "Deployment", &["status"]),
            ("apps/v1", "DaemonSet", &["status"]),
            ("networking.k8s.io/v1", "NetworkPolicy", &[]),
            ("policies.kubewarden.io/v1", "PolicyServer", &["status"]),
        ] {
            assert_eq!(names(api_version, kind), wanted, "{api_version} {kind}");
        }
    }

    #[test]
    fn every_row_of_the_tables_is_a_known_resource() {
        let kinds = Kinds::default();
        let rows = TABLE.iter().map(|(group, plural, _)| (group, plural));
        for (group, plural) in rows.chain(WITH_STATUS.iter().map(|(group, plural)| (group, plural))) {
            assert!(
                kinds.stored().any(|info| info.group == *group && info.plural == *plural),
                "unknown resource {group} {plural}"
            );
        }
    }

    #[test]
    fn operations_follow_from_the_name() {
        for (name, wanted) in [
            ("status", Some(Operation::Update)),
            ("scale", Some(Operation::Update)),
            ("ephemeralcontainers", Some(Operation::Update)),
            ("resize", Some(Operation::Update)),
            ("binding", Some(Operation::Create)),
            ("eviction", Some(Operation::Create)),
            ("token", Some(Operation::Create)),
            ("exec", Some(Operation::Connect)),
            ("proxy", Some(Operation::Connect)),
            ("log", None),
            ("sttaus", None),
        ] {
            assert_eq!(usual_operation(name), wanted, "{name}");
        }
    }
}
