//! Policies as resources of a cluster: their kinds, and the names the controller deploys them under.

use crate::release::Release;

/// A kind of resource that deploys a policy or a group of policies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyKind {
    /// A policy of a namespace.
    AdmissionPolicy,
    /// A policy of the cluster.
    ClusterAdmissionPolicy,
    /// A group of a namespace.
    AdmissionPolicyGroup,
    /// A group of the cluster.
    ClusterAdmissionPolicyGroup,
}

impl PolicyKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [
        Self::AdmissionPolicy,
        Self::ClusterAdmissionPolicy,
        Self::AdmissionPolicyGroup,
        Self::ClusterAdmissionPolicyGroup,
    ];

    /// The `kind` of its resources.
    pub fn word(self) -> &'static str {
        match self {
            Self::AdmissionPolicy => "AdmissionPolicy",
            Self::ClusterAdmissionPolicy => "ClusterAdmissionPolicy",
            Self::AdmissionPolicyGroup => "AdmissionPolicyGroup",
            Self::ClusterAdmissionPolicyGroup => "ClusterAdmissionPolicyGroup",
        }
    }

    /// The `kind` with its article, `an AdmissionPolicy`.
    pub fn with_article(self) -> String {
        let word = self.word();
        format!("{} {word}", if word.starts_with('A') { "an" } else { "a" })
    }

    /// Whether it is about the whole cluster.
    pub fn is_cluster(self) -> bool {
        matches!(self, Self::ClusterAdmissionPolicy | Self::ClusterAdmissionPolicyGroup)
    }

    /// Whether it is a group.
    pub fn is_group(self) -> bool {
        matches!(self, Self::AdmissionPolicyGroup | Self::ClusterAdmissionPolicyGroup)
    }
}

/// What the name of a webhook ends with, behind the unique name of its policy. Source: the controller's
/// `policy_subreconciler_webhook.go`.
pub const WEBHOOK_SUFFIX: &str = "kubewarden.admission";

/// Namespace of a resource that names none: where `kubectl` puts it.
pub const DEFAULT_NAMESPACE: &str = "default";

/// The name of a policy in its server and in the name of its webhook: unique in a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UniqueName {
    /// The kind of the resource.
    pub kind: PolicyKind,
    /// Namespace of the resource, where it names one.
    pub namespace: Option<String>,
    /// Name of the resource.
    pub name: String,
    /// The release that deploys it.
    pub release: Release,
}

impl UniqueName {
    /// The name as the cluster shows it. A namespaced policy without a namespace is in that of the request, because it is
    /// asked about no other. Source: the post about 1.37.2, and `GetUniqueName` of the controller before it.
    pub fn for_request(&self, namespace: Option<&str>) -> String {
        let Self { kind, name, .. } = self;
        let given = || self.namespace.as_deref().or(namespace.filter(|namespace| !namespace.is_empty()));
        let namespace = || given().unwrap_or(DEFAULT_NAMESPACE);
        match (kind, self.release.has_dotted_names()) {
            (PolicyKind::ClusterAdmissionPolicy, true) => format!("kw.cap.{name}"),
            (PolicyKind::ClusterAdmissionPolicyGroup, true) => format!("kw.capg.{name}"),
            (PolicyKind::AdmissionPolicy, true) => format!("kw.ap.{}.{name}", namespace()),
            (PolicyKind::AdmissionPolicyGroup, true) => format!("kw.apg.{}.{name}", namespace()),
            (PolicyKind::ClusterAdmissionPolicy, false) => format!("clusterwide-{name}"),
            (PolicyKind::ClusterAdmissionPolicyGroup, false) => format!("clusterwide-group-{name}"),
            (PolicyKind::AdmissionPolicy, false) => format!("namespaced-{}-{name}", namespace()),
            (PolicyKind::AdmissionPolicyGroup, false) => format!("namespaced-group-{}-{name}", namespace()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_release() {
        for (kind, before, since) in [
            (PolicyKind::ClusterAdmissionPolicy, "clusterwide-labels", "kw.cap.labels"),
            (PolicyKind::ClusterAdmissionPolicyGroup, "clusterwide-group-labels", "kw.capg.labels"),
            (PolicyKind::AdmissionPolicy, "namespaced-shop-labels", "kw.ap.shop.labels"),
            (PolicyKind::AdmissionPolicyGroup, "namespaced-group-shop-labels", "kw.apg.shop.labels"),
        ] {
            for (release, wanted) in [("1.37.1", before), ("1.37.2", since), ("1.38", since)] {
                let release = release.parse().unwrap();
                let name = |namespace: Option<&str>| UniqueName {
                    kind,
                    namespace: namespace.map(str::to_owned),
                    name: "labels".to_owned(),
                    release,
                };
                assert_eq!(name(Some("shop")).for_request(Some("other")), wanted);
                assert_eq!(name(None).for_request(Some("shop")), wanted);
                assert_eq!(name(None).for_request(Some("")), wanted.replace("shop", "default"));
            }
        }
    }
}
