//! How Kubewarden is installed in the cluster: its release, and the settings of its Helm chart that decide about verdicts.

use std::time::Duration;

use crate::release::Release;

/// The memory limit of policy-server from 1.38, for each linear memory of an instance. Source: the flag
/// `--policy-memory-limit` of policy-server.
pub const POLICY_MEMORY_LIMIT: u64 = 256 << 20;

/// The evaluation timeout of policy-server. Source: its flag `--policy-timeout`.
pub const POLICY_TIMEOUT: Duration = Duration::from_secs(2);

/// The Kubewarden of a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kubewarden {
    /// Its release.
    pub release: Release,
    /// How it is installed.
    pub installation: Installation,
}

/// Settings of an installation. The defaults are those of the Helm chart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Installation {
    /// The namespace of the controller and of its policy servers.
    pub namespace: String,
    /// Whether policy-server allows every request in that namespace unseen.
    pub always_accepts_own_namespace: bool,
    /// The resources that namespaced policies may target.
    pub allowed_resources: Vec<AllowedResources>,
    /// Patterns of the host capabilities that namespaced policies may use; all of them if not set.
    pub namespaced_capabilities: Option<Vec<String>>,
    /// Most bytes of a linear memory; `None` is no limit.
    pub memory_limit: Option<u64>,
    /// Longest time of an evaluation.
    pub timeout: Duration,
}

/// Resources of some API groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedResources {
    /// The groups; the core group is the empty text.
    pub api_groups: Vec<String>,
    /// Plural names of the resources.
    pub resources: Vec<String>,
}

/// The chart's default of `namespacedPoliciesAllowedResources`: a group and its resources. Source: security-hardening.adoc
/// of the documentation of 1.38.
const ALLOWED_RESOURCES: [(&str, &[&str]); 5] = [
    ("", &["pods", "replicationcontrollers", "configmaps", "secrets", "services", "persistentvolumeclaims"]),
    ("apps", &["deployments", "statefulsets", "replicasets", "daemonsets"]),
    ("batch", &["jobs", "cronjobs"]),
    ("autoscaling", &["horizontalpodautoscalers"]),
    ("policy", &["poddisruptionbudgets"]),
];

impl Default for Installation {
    fn default() -> Self {
        let allowed_resources = ALLOWED_RESOURCES.iter().map(|(group, resources)| AllowedResources {
            api_groups: vec![(*group).to_owned()],
            resources: resources.iter().map(|&resource| resource.to_owned()).collect(),
        });
        Self {
            namespace: "kubewarden".to_owned(),
            always_accepts_own_namespace: true,
            allowed_resources: allowed_resources.collect(),
            namespaced_capabilities: None,
            memory_limit: Some(POLICY_MEMORY_LIMIT),
            timeout: POLICY_TIMEOUT,
        }
    }
}

impl Kubewarden {
    /// Most bytes of a linear memory in this release; `None` is no limit.
    pub fn memory_limit(&self) -> Option<u64> {
        self.installation.memory_limit.filter(|_| self.release.limits_memory())
    }
}
