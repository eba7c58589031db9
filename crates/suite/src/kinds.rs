//! Kubernetes kinds and their resources: what `object:` alone needs to become a request.
//!
//! The built-in table holds the kinds of Kubernetes 1.37 in their stable and beta versions, older beta versions that
//! manifests still use (policies about deprecated versions are tested with them), and Kubewarden's own. Other alpha
//! versions come from `crds:` like any other kind. Source: the constants of the `k8s-openapi` crate, versions 0.13 to
//! 0.29, which know Kubernetes 1.11 to 1.37, and the definitions in kubewarden-controller.
//!
//! `Scale` is missing on purpose: it is the subresource of several resources, and the kind does not say of which.
//! Subresources have a file of their own.

use std::borrow::Cow;

use serde_json::Value;

use super::mistake::nearest;
use policy_verify_model::cluster::{ClusterKind, ClusterKinds};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::ContextAwareResource;
use policy_verify_model::request::{GroupVersionKind, GroupVersionResource, api_version, split_api_version};

/// What is known about one kind in one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KindInfo {
    /// API group of the kind; empty for the core group.
    pub(crate) group: Cow<'static, str>,
    /// API version of the kind.
    pub(crate) version: Cow<'static, str>,
    /// The kind.
    pub(crate) kind: Cow<'static, str>,
    /// Plural name of the resource.
    pub(crate) plural: Cow<'static, str>,
    /// Whether the resource lives in a namespace.
    pub(crate) is_namespaced: bool,
    /// The subresource of kinds that are sent to one only, and have no resource of their own.
    pub(crate) subresource: Option<&'static str>,
    /// What the definition of a custom kind says.
    pub(crate) custom: Option<Custom>,
}

/// What a CustomResourceDefinition says of a version besides its names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Custom {
    /// Whether `status` is a subresource.
    pub(crate) has_status: bool,
    /// Where the numbers of the subresource `scale` are.
    pub(crate) scale: Option<ScalePaths>,
    /// Whether a webhook converts between the versions; otherwise only `apiVersion` changes.
    pub(crate) has_webhook: bool,
}

/// Where a custom resource keeps the numbers of its `Scale`: `.spec.replicas`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ScalePaths {
    /// `specReplicasPath`
    pub(crate) replicas: String,
    /// `statusReplicasPath`
    pub(crate) status: String,
    /// `labelSelectorPath`
    pub(crate) selector: Option<String>,
}

impl KindInfo {
    /// `v1`, `apps/v1`
    pub(crate) fn api_version(&self) -> String {
        api_version(&self.group, &self.version)
    }

    /// Group, version and kind as a request names them.
    pub(crate) fn group_version_kind(&self) -> GroupVersionKind {
        GroupVersionKind {
            group: self.group.clone().into_owned(),
            version: self.version.clone().into_owned(),
            kind: self.kind.clone().into_owned(),
        }
    }

    /// The resource as a request names it. All kinds of the table that are sent to a subresource belong to resources of
    /// the core group, whatever their own group is.
    pub(crate) fn group_version_resource(&self) -> GroupVersionResource {
        let (group, version) = match self.subresource {
            Some(_) => (String::new(), "v1".to_owned()),
            None => (self.group.clone().into_owned(), self.version.clone().into_owned()),
        };
        GroupVersionResource { group, version, resource: self.plural.clone().into_owned() }
    }
}

/// All kinds a suite may use: the built-in ones and those of its `crds:`.
#[derive(Debug, Clone)]
pub(crate) struct Kinds {
    kinds: Vec<KindInfo>,
}

impl Default for Kinds {
    /// The built-in kinds.
    fn default() -> Self {
        let whole = RESOURCES.iter().flat_map(|(group, versions, kinds)| {
            versions.iter().flat_map(move |version| {
                kinds.iter().map(move |&(kind, plural, scope)| built_in(group, version, kind, plural, scope, None))
            })
        });
        let parts = SUBRESOURCES.iter().map(|(group, version, kind, plural, scope, subresource)| {
            built_in(group, version, kind, plural, *scope, Some(*subresource))
        });
        Self { kinds: whole.chain(parts).collect() }
    }
}

fn built_in(
    group: &'static str,
    version: &'static str,
    kind: &'static str,
    plural: &'static str,
    scope: Scope,
    subresource: Option<&'static str>,
) -> KindInfo {
    KindInfo {
        group: group.into(),
        version: version.into(),
        kind: kind.into(),
        plural: plural.into(),
        is_namespaced: scope == Namespaced,
        subresource,
        custom: None,
    }
}

impl Kinds {
    /// The kind of a manifest, by its `apiVersion` and `kind`.
    pub(crate) fn lookup(&self, api_version: &str, kind: &str) -> Option<&KindInfo> {
        let (group, version) = split_api_version(api_version);
        self.kinds.iter().find(|info| info.group == group && info.version == version && info.kind == kind)
    }

    /// The kinds whose objects a cluster stores: those that are not sent to a subresource only.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &KindInfo> {
        self.kinds.iter().filter(|info| info.subresource.is_none())
    }

    /// The same as a cluster knows them.
    pub(crate) fn of_cluster(&self) -> ClusterKinds {
        let known = self.stored().map(|info| {
            let resource =
                ContextAwareResource { api_version: info.api_version(), kind: info.kind.clone().into_owned() };
            (resource, ClusterKind { plural: info.plural.clone().into_owned(), is_namespaced: info.is_namespaced })
        });
        known.collect()
    }

    /// Learns the served versions of a CustomResourceDefinition and returns how many there are. Kinds that are known
    /// already are replaced: the suite knows its cluster better than the built-in table.
    pub(crate) fn add_crds(&mut self, document: &Value) -> Result<usize, Diagnostic> {
        let infos = read_crd(document)?;
        let count = infos.len();
        for info in infos {
            self.kinds.retain(|known| {
                (&known.group, &known.version, &known.kind) != (&info.group, &info.version, &info.kind)
            });
            self.kinds.push(info);
        }
        Ok(count)
    }

    /// The mistake of a manifest whose kind is unknown.
    pub(crate) fn unknown(&self, api_version: &str, kind: &str) -> Diagnostic {
        let near = self.nearest(api_version, kind).map(|near| format!("{near}; else ")).unwrap_or_default();
        Diagnostic::new(Code::UnknownName, format!("unknown kind `{kind}` of `{api_version}`")).with_help(format!(
            "{near}name the file of its CustomResourceDefinition under `crds:` (`verify eval`: with `--crds`)"
        ))
    }

    /// Where an unknown kind is, or which one was meant.
    fn nearest<'a>(&'a self, api_version: &str, kind: &str) -> Option<String> {
        if kind == "Scale" {
            return Some(
                "`Scale` is a subresource of several resources: write `subresource: deployments/scale`".into(),
            );
        }
        let (group, version) = split_api_version(api_version);
        if let Some(elsewhere) = self.elsewhere(group, kind) {
            return Some(elsewhere);
        }
        // A kind of the same group version is likelier than one of another that is spelled more alike.
        let is_here = |info: &&KindInfo| info.group == group && info.version == version;
        let names = |info: &'a KindInfo| -> &'a str { &info.kind };
        let here = nearest(kind, self.kinds.iter().filter(is_here).map(names));
        let meant = here.or_else(|| nearest(kind, self.kinds.iter().map(names)))?;
        let candidates = || self.kinds.iter().filter(|info| info.kind == meant);
        let best = candidates().find(is_here).or_else(|| candidates().find(|info| info.group == group));
        let best = best.or_else(|| candidates().next())?;
        let there = best.api_version();
        Some(if there == api_version {
            format!("did you mean `{}`?", best.kind)
        } else {
            format!("did you mean `{}` of `{there}`?", best.kind)
        })
    }

    /// The API versions of a kind that is known, but not under the given one; the same group first.
    fn elsewhere(&self, group: &str, kind: &str) -> Option<String> {
        let mut known: Vec<&KindInfo> = self.kinds.iter().filter(|info| info.kind == kind).collect();
        known.sort_by_key(|info| info.group != group);
        let versions: Vec<String> = known.iter().map(|info| format!("`{}`", info.api_version())).collect();
        let (last, others) = versions.split_last()?;
        Some(match others {
            [] => format!("`{kind}` is {last}"),
            others => format!("`{kind}` is {} or {last}", others.join(", ")),
        })
    }
}

/// The kinds that a CustomResourceDefinition defines, `v1` or the removed `v1beta1`.
fn read_crd(document: &Value) -> Result<Vec<KindInfo>, Diagnostic> {
    let wrong = |message: String| Diagnostic::new(Code::Mistake, message);
    let missing =
        |path: &str| Diagnostic::new(Code::MissingKey, format!("the CustomResourceDefinition has no `{path}`"));
    let text = |pointer: &str| -> Result<&str, Diagnostic> {
        let found = document.pointer(pointer).and_then(Value::as_str).filter(|text| !text.is_empty());
        found.ok_or_else(|| missing(&dotted(pointer)))
    };
    if document.get("kind").and_then(Value::as_str) != Some("CustomResourceDefinition") {
        return Err(wrong("expected a CustomResourceDefinition".to_owned()));
    }
    let (group, kind, plural) = (text("/spec/group")?, text("/spec/names/kind")?, text("/spec/names/plural")?);
    let is_namespaced = match document.pointer("/spec/scope").and_then(Value::as_str) {
        Some("Namespaced") => true,
        Some("Cluster") => false,
        // `v1beta1` had this default; `v1` requires the member.
        None if document.get("apiVersion").is_some_and(|version| version == "apiextensions.k8s.io/v1beta1") => true,
        _ => return Err(wrong("invalid `spec.scope`: expected `Namespaced` or `Cluster`".to_owned())),
    };
    let versions = served_versions(document)?;
    if versions.is_empty() {
        return Err(wrong("no version of the CustomResourceDefinition is served".to_owned()));
    }
    let has_webhook = document.pointer("/spec/conversion/strategy").is_some_and(|strategy| strategy == "Webhook");
    let info = |(version, subresources): (&str, Option<&Value>)| KindInfo {
        group: group.to_owned().into(),
        version: version.to_owned().into(),
        kind: kind.to_owned().into(),
        plural: plural.to_owned().into(),
        is_namespaced,
        subresource: None,
        custom: Some(Custom {
            has_status: subresources.is_some_and(|of| of.get("status").is_some()),
            scale: subresources.and_then(scale_paths),
            has_webhook,
        }),
    };
    Ok(versions.into_iter().map(info).collect())
}

/// The names of the served versions, each with its `subresources`.
fn served_versions(document: &Value) -> Result<Vec<(&str, Option<&Value>)>, Diagnostic> {
    let missing = |path: &str| {
        let message = format!("the CustomResourceDefinition has no `{path}`");
        Diagnostic::new(Code::MissingKey, message)
    };
    let of_all = document.pointer("/spec/subresources");
    let Some(versions) = document.pointer("/spec/versions").and_then(Value::as_array) else {
        let version = document.pointer("/spec/version").and_then(Value::as_str).filter(|version| !version.is_empty());
        return Ok(vec![(version.ok_or_else(|| missing("spec.versions"))?, of_all)]);
    };
    versions
        .iter()
        .filter(|version| version.get("served") != Some(&Value::Bool(false)))
        .map(|version| Some((version.get("name")?.as_str()?, version.get("subresources").or(of_all))))
        .collect::<Option<_>>()
        .ok_or_else(|| missing("spec.versions[].name"))
}

fn scale_paths(subresources: &Value) -> Option<ScalePaths> {
    let scale = subresources.get("scale")?;
    let path = |key: &str| scale.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(ScalePaths {
        replicas: path("specReplicasPath")?,
        status: path("statusReplicasPath")?,
        selector: path("labelSelectorPath"),
    })
}

fn dotted(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

/// Where a resource lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scope {
    /// In a namespace.
    Namespaced,
    /// In the cluster.
    Cluster,
}

use Scope::{Cluster, Namespaced};

/// A kind, its plural and its scope.
type Row = (&'static str, &'static str, Scope);

/// Group, versions, and the kinds that exist in exactly these versions; one kind a line, which rustfmt would not keep.
#[rustfmt::skip]
const RESOURCES: &[(&str, &[&str], &[Row])] = &[
    ("", &["v1"], &[
        ("ComponentStatus", "componentstatuses", Cluster),
        ("ConfigMap", "configmaps", Namespaced),
        ("Endpoints", "endpoints", Namespaced),
        ("Event", "events", Namespaced),
        ("LimitRange", "limitranges", Namespaced),
        ("Namespace", "namespaces", Cluster),
        ("Node", "nodes", Cluster),
        ("PersistentVolume", "persistentvolumes", Cluster),
        ("PersistentVolumeClaim", "persistentvolumeclaims", Namespaced),
        ("Pod", "pods", Namespaced),
        ("PodTemplate", "podtemplates", Namespaced),
        ("ReplicationController", "replicationcontrollers", Namespaced),
        ("ResourceQuota", "resourcequotas", Namespaced),
        ("Secret", "secrets", Namespaced),
        ("Service", "services", Namespaced),
        ("ServiceAccount", "serviceaccounts", Namespaced),
    ]),
    ("admissionregistration.k8s.io", &["v1", "v1beta1"], &[
        ("MutatingAdmissionPolicy", "mutatingadmissionpolicies", Cluster),
        ("MutatingAdmissionPolicyBinding", "mutatingadmissionpolicybindings", Cluster),
        ("MutatingWebhookConfiguration", "mutatingwebhookconfigurations", Cluster),
        ("ValidatingAdmissionPolicy", "validatingadmissionpolicies", Cluster),
        ("ValidatingAdmissionPolicyBinding", "validatingadmissionpolicybindings", Cluster),
        ("ValidatingWebhookConfiguration", "validatingwebhookconfigurations", Cluster),
    ]),
    ("apiextensions.k8s.io", &["v1", "v1beta1"], &[
        ("CustomResourceDefinition", "customresourcedefinitions", Cluster),
    ]),
    ("apiregistration.k8s.io", &["v1", "v1beta1"], &[
        ("APIService", "apiservices", Cluster),
    ]),
    ("apps", &["v1", "v1beta1", "v1beta2"], &[
        ("ControllerRevision", "controllerrevisions", Namespaced),
        ("Deployment", "deployments", Namespaced),
        ("StatefulSet", "statefulsets", Namespaced),
    ]),
    ("apps", &["v1", "v1beta2"], &[
        ("DaemonSet", "daemonsets", Namespaced),
        ("ReplicaSet", "replicasets", Namespaced),
    ]),
    ("authentication.k8s.io", &["v1", "v1beta1"], &[
        ("SelfSubjectReview", "selfsubjectreviews", Cluster),
        ("TokenReview", "tokenreviews", Cluster),
    ]),
    ("authorization.k8s.io", &["v1", "v1beta1"], &[
        ("LocalSubjectAccessReview", "localsubjectaccessreviews", Namespaced),
        ("SelfSubjectAccessReview", "selfsubjectaccessreviews", Cluster),
        ("SelfSubjectRulesReview", "selfsubjectrulesreviews", Cluster),
        ("SubjectAccessReview", "subjectaccessreviews", Cluster),
    ]),
    ("autoscaling", &["v1", "v2", "v2beta1", "v2beta2"], &[
        ("HorizontalPodAutoscaler", "horizontalpodautoscalers", Namespaced),
    ]),
    ("batch", &["v1"], &[
        ("Job", "jobs", Namespaced),
    ]),
    ("batch", &["v1", "v1beta1"], &[
        ("CronJob", "cronjobs", Namespaced),
    ]),
    ("certificates.k8s.io", &["v1", "v1beta1"], &[
        ("CertificateSigningRequest", "certificatesigningrequests", Cluster),
        ("ClusterTrustBundle", "clustertrustbundles", Cluster),
        ("PodCertificateRequest", "podcertificaterequests", Namespaced),
    ]),
    ("coordination.k8s.io", &["v1", "v1beta1"], &[
        ("Lease", "leases", Namespaced),
    ]),
    ("coordination.k8s.io", &["v1beta1"], &[
        ("LeaseCandidate", "leasecandidates", Namespaced),
    ]),
    ("discovery.k8s.io", &["v1", "v1beta1"], &[
        ("EndpointSlice", "endpointslices", Namespaced),
    ]),
    ("events.k8s.io", &["v1", "v1beta1"], &[
        ("Event", "events", Namespaced),
    ]),
    ("extensions", &["v1beta1"], &[
        ("DaemonSet", "daemonsets", Namespaced),
        ("Deployment", "deployments", Namespaced),
        ("Ingress", "ingresses", Namespaced),
        ("NetworkPolicy", "networkpolicies", Namespaced),
        ("PodSecurityPolicy", "podsecuritypolicies", Cluster),
        ("ReplicaSet", "replicasets", Namespaced),
    ]),
    ("flowcontrol.apiserver.k8s.io", &["v1", "v1beta1", "v1beta2", "v1beta3"], &[
        ("FlowSchema", "flowschemas", Cluster),
        ("PriorityLevelConfiguration", "prioritylevelconfigurations", Cluster),
    ]),
    ("networking.k8s.io", &["v1"], &[
        ("NetworkPolicy", "networkpolicies", Namespaced),
    ]),
    ("networking.k8s.io", &["v1", "v1beta1"], &[
        ("IPAddress", "ipaddresses", Cluster),
        ("Ingress", "ingresses", Namespaced),
        ("IngressClass", "ingressclasses", Cluster),
        ("ServiceCIDR", "servicecidrs", Cluster),
    ]),
    ("node.k8s.io", &["v1", "v1beta1"], &[
        ("RuntimeClass", "runtimeclasses", Cluster),
    ]),
    ("policies.kubewarden.io", &["v1"], &[
        ("AdmissionPolicyGroup", "admissionpolicygroups", Namespaced),
        ("ClusterAdmissionPolicyGroup", "clusteradmissionpolicygroups", Cluster),
    ]),
    ("policies.kubewarden.io", &["v1", "v1alpha2"], &[
        ("AdmissionPolicy", "admissionpolicies", Namespaced),
        ("ClusterAdmissionPolicy", "clusteradmissionpolicies", Cluster),
        ("PolicyServer", "policyservers", Cluster),
    ]),
    ("policy", &["v1", "v1beta1"], &[
        ("PodDisruptionBudget", "poddisruptionbudgets", Namespaced),
    ]),
    ("policy", &["v1beta1"], &[
        ("PodSecurityPolicy", "podsecuritypolicies", Cluster),
    ]),
    ("rbac.authorization.k8s.io", &["v1", "v1beta1"], &[
        ("ClusterRole", "clusterroles", Cluster),
        ("ClusterRoleBinding", "clusterrolebindings", Cluster),
        ("Role", "roles", Namespaced),
        ("RoleBinding", "rolebindings", Namespaced),
    ]),
    ("resource.k8s.io", &["v1", "v1beta1", "v1beta2"], &[
        ("DeviceClass", "deviceclasses", Cluster),
        ("ResourceClaim", "resourceclaims", Namespaced),
        ("ResourceClaimTemplate", "resourceclaimtemplates", Namespaced),
        ("ResourceSlice", "resourceslices", Cluster),
    ]),
    ("resource.k8s.io", &["v1", "v1beta2"], &[
        ("DeviceTaintRule", "devicetaintrules", Cluster),
    ]),
    ("scheduling.k8s.io", &["v1", "v1beta1"], &[
        ("PriorityClass", "priorityclasses", Cluster),
    ]),
    ("scheduling.k8s.io", &["v1beta1"], &[
        ("PodGroup", "podgroups", Namespaced),
        ("Workload", "workloads", Namespaced),
    ]),
    ("storage.k8s.io", &["v1", "v1beta1"], &[
        ("CSIDriver", "csidrivers", Cluster),
        ("CSINode", "csinodes", Cluster),
        ("CSIStorageCapacity", "csistoragecapacities", Namespaced),
        ("StorageClass", "storageclasses", Cluster),
        ("VolumeAttachment", "volumeattachments", Cluster),
        ("VolumeAttributesClass", "volumeattributesclasses", Cluster),
    ]),
    ("storagemigration.k8s.io", &["v1", "v1beta1"], &[
        ("StorageVersionMigration", "storageversionmigrations", Cluster),
    ]),
];

/// Kinds that are sent to a subresource of a core resource, and its name.
const SUBRESOURCES: &[(&str, &str, &str, &str, Scope, &str)] = &[
    ("", "v1", "Binding", "pods", Namespaced, "binding"),
    ("", "v1", "NodeProxyOptions", "nodes", Cluster, "proxy"),
    ("", "v1", "PodAttachOptions", "pods", Namespaced, "attach"),
    ("", "v1", "PodExecOptions", "pods", Namespaced, "exec"),
    ("", "v1", "PodPortForwardOptions", "pods", Namespaced, "portforward"),
    ("", "v1", "PodProxyOptions", "pods", Namespaced, "proxy"),
    ("", "v1", "ServiceProxyOptions", "services", Namespaced, "proxy"),
    ("authentication.k8s.io", "v1", "TokenRequest", "serviceaccounts", Namespaced, "token"),
    ("policy", "v1", "Eviction", "pods", Namespaced, "eviction"),
    ("policy", "v1beta1", "Eviction", "pods", Namespaced, "eviction"),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::json;

    use super::*;

    /// `plural group/version` of a kind, with what else there is to say.
    fn shown(kinds: &Kinds, api_version: &str, kind: &str) -> Option<String> {
        let info = kinds.lookup(api_version, kind)?;
        let resource = info.group_version_resource();
        let mut text = format!("{} {}", super::api_version(&resource.group, &resource.version), resource.resource);
        if let Some(subresource) = info.subresource {
            text.push_str(&format!("/{subresource}"));
        }
        text.push_str(if info.is_namespaced { " in a namespace" } else { " in the cluster" });
        Some(text)
    }

    #[test]
    fn kinds_have_their_resources() {
        let kinds = Kinds::default();
        for (api_version, kind, wanted) in [
            ("v1", "Pod", "v1 pods in a namespace"),
            ("v1", "Namespace", "v1 namespaces in the cluster"),
            ("v1", "Endpoints", "v1 endpoints in a namespace"),
            ("apps/v1", "Deployment", "apps/v1 deployments in a namespace"),
            ("batch/v1", "CronJob", "batch/v1 cronjobs in a namespace"),
            ("autoscaling/v2", "HorizontalPodAutoscaler", "autoscaling/v2 horizontalpodautoscalers in a namespace"),
            ("networking.k8s.io/v1", "Ingress", "networking.k8s.io/v1 ingresses in a namespace"),
            ("networking.k8s.io/v1", "NetworkPolicy", "networking.k8s.io/v1 networkpolicies in a namespace"),
            ("extensions/v1beta1", "Ingress", "extensions/v1beta1 ingresses in a namespace"),
            ("rbac.authorization.k8s.io/v1", "ClusterRole", "rbac.authorization.k8s.io/v1 clusterroles in the cluster"),
            ("storage.k8s.io/v1", "StorageClass", "storage.k8s.io/v1 storageclasses in the cluster"),
            (
                "policies.kubewarden.io/v1",
                "AdmissionPolicy",
                "policies.kubewarden.io/v1 admissionpolicies in a namespace",
            ),
            ("policies.kubewarden.io/v1", "PolicyServer", "policies.kubewarden.io/v1 policyservers in the cluster"),
            ("policy/v1", "Eviction", "v1 pods/eviction in a namespace"),
            ("v1", "PodExecOptions", "v1 pods/exec in a namespace"),
            ("authentication.k8s.io/v1", "TokenRequest", "v1 serviceaccounts/token in a namespace"),
        ] {
            assert_eq!(shown(&kinds, api_version, kind).as_deref(), Some(wanted), "{api_version} {kind}");
        }
        for (api_version, kind) in [("apps/v1", "Pod"), ("v2", "Pod"), ("", "Pod"), ("v1", "pod"), ("/v1", "Pods")] {
            assert_eq!(kinds.lookup(api_version, kind), None, "{api_version} {kind}");
        }
    }

    #[test]
    fn the_kind_of_a_request_keeps_its_own_group() {
        let kinds = Kinds::default();
        let eviction = kinds.lookup("policy/v1", "Eviction").unwrap().group_version_kind();
        assert_eq!(
            (eviction.group.as_str(), eviction.version.as_str(), eviction.kind.as_str()),
            ("policy", "v1", "Eviction")
        );
    }

    #[test]
    fn the_table_holds_every_kind_once_and_plausibly() {
        let kinds = Kinds::default();
        let mut seen = BTreeSet::new();
        for info in &kinds.kinds {
            assert!(seen.insert((info.api_version(), info.kind.clone())), "{info:?} is there twice");
            let singular = info.kind.to_lowercase();
            let stem = &singular[..singular.len() - 1];
            assert!(info.plural.starts_with(stem) || info.subresource.is_some(), "{info:?}");
            assert!(info.plural.ends_with('s'), "{info:?}");
        }
        assert!(seen.len() > 150);
    }

    #[test]
    fn unknown_kinds_get_a_hint() {
        let kinds = Kinds::default();
        for (api_version, kind, wanted) in [
            (
                "v1",
                "Deployment",
                Some("`Deployment` is `apps/v1`, `apps/v1beta1`, `apps/v1beta2` or `extensions/v1beta1`"),
            ),
            ("v1beta1", "ConfigMap", Some("`ConfigMap` is `v1`")),
            (
                "extensions/v1",
                "Ingress",
                Some("`Ingress` is `extensions/v1beta1`, `networking.k8s.io/v1` or `networking.k8s.io/v1beta1`"),
            ),
            ("v1", "Pods", Some("did you mean `Pod`?")),
            ("v1", "pod", Some("did you mean `Pod`?")),
            ("apps/v1", "Deploymnet", Some("did you mean `Deployment`?")),
            ("v1", "Deploymnet", Some("did you mean `Deployment` of `apps/v1`?")),
            (
                "autoscaling/v1",
                "Scale",
                Some("`Scale` is a subresource of several resources: write `subresource: deployments/scale`"),
            ),
            ("acme.test/v1", "Gizmo", None),
            ("acme.test/v1", "", None),
        ] {
            assert_eq!(kinds.nearest(api_version, kind).as_deref(), wanted, "{api_version} {kind}");
        }
    }

    fn crd(spec: Value) -> Value {
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "spec": spec})
    }

    fn widget(scope: &str, versions: Value) -> Value {
        let names = json!({"kind": "Widget", "plural": "widgets"});
        crd(json!({"group": "acme.test", "names": names, "scope": scope, "versions": versions}))
    }

    #[test]
    fn custom_kinds_are_learnt_in_every_served_version() {
        let mut kinds = Kinds::default();
        let versions = json!([
            {"name": "v1", "served": true},
            {"name": "v1alpha1", "served": false},
            {"name": "v1beta1", "served": true},
        ]);
        assert_eq!(kinds.add_crds(&widget("Namespaced", versions)), Ok(2));
        assert_eq!(shown(&kinds, "acme.test/v1", "Widget").unwrap(), "acme.test/v1 widgets in a namespace");
        assert!(kinds.lookup("acme.test/v1beta1", "Widget").is_some());
        assert_eq!(kinds.lookup("acme.test/v1alpha1", "Widget"), None);
        assert_eq!(
            kinds.nearest("acme.test/v2", "Widget").unwrap(),
            "`Widget` is `acme.test/v1` or `acme.test/v1beta1`"
        );

        assert_eq!(kinds.add_crds(&widget("Cluster", json!([{"name": "v1", "served": true}]))), Ok(1));
        assert_eq!(shown(&kinds, "acme.test/v1", "Widget").unwrap(), "acme.test/v1 widgets in the cluster");
    }

    #[test]
    fn definitions_tell_subresources_and_conversion() {
        let mut kinds = Kinds::default();
        let scale = json!({"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"});
        let versions = json!([
            {"name": "v1", "subresources": {"status": {}, "scale": scale}}, {"name": "v1beta1"},
        ]);
        let mut document = widget("Namespaced", versions);
        document["spec"]["conversion"] = json!({"strategy": "Webhook"});
        kinds.add_crds(&document).unwrap();
        let custom = |version: &str| kinds.lookup(version, "Widget").unwrap().custom.clone().unwrap();
        let wanted = ScalePaths { replicas: ".spec.size".into(), status: ".status.size".into(), selector: None };
        let whole = Custom { has_status: true, scale: Some(wanted), has_webhook: true };
        assert_eq!(custom("acme.test/v1"), whole);
        assert_eq!(custom("acme.test/v1beta1"), Custom { has_status: false, scale: None, has_webhook: true });
    }

    #[test]
    fn the_old_form_of_definitions_is_read_as_well() {
        let mut kinds = Kinds::default();
        let names = json!({"kind": "Gadget", "plural": "gadgets"});
        let document = json!({
            "apiVersion": "apiextensions.k8s.io/v1beta1", "kind": "CustomResourceDefinition",
            "spec": {"group": "acme.test", "version": "v1", "names": names},
        });
        assert_eq!(kinds.add_crds(&document), Ok(1));
        assert_eq!(shown(&kinds, "acme.test/v1", "Gadget").unwrap(), "acme.test/v1 gadgets in a namespace");
    }

    #[test]
    fn broken_definitions_say_what_is_wrong() {
        let names = json!({"kind": "Widget", "plural": "widgets"});
        for (document, wanted) in [
            (json!({"kind": "Pod"}), "expected a CustomResourceDefinition"),
            (json!(null), "expected a CustomResourceDefinition"),
            (crd(json!({})), "the CustomResourceDefinition has no `spec.group`"),
            (
                crd(json!({"group": "acme.test", "names": {"kind": "Widget"}})),
                "the CustomResourceDefinition has no `spec.names.plural`",
            ),
            (
                crd(json!({"group": "acme.test", "names": names, "versions": []})),
                "invalid `spec.scope`: expected `Namespaced` or `Cluster`",
            ),
            (
                crd(json!({"group": "acme.test", "names": names, "scope": "Cluster"})),
                "the CustomResourceDefinition has no `spec.versions`",
            ),
            (widget("Cluster", json!([{}])), "the CustomResourceDefinition has no `spec.versions[].name`"),
            (
                widget("Cluster", json!([{"name": "v1", "served": false}])),
                "no version of the CustomResourceDefinition is served",
            ),
        ] {
            let error = Kinds::default().add_crds(&document).unwrap_err();
            assert_eq!(error.message, wanted, "{document}");
        }
    }
}
