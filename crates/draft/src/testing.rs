//! Kinds for the tests.

use policy_verify_model::kind::{KnownKind, KnownSubresource};
use policy_verify_model::policy::RuleOperation;

fn kind(api_version: &str, kind: &str, plural: &str, parts: &[(&str, RuleOperation, Option<&str>)]) -> KnownKind {
    let (group, version) = api_version.split_once('/').unwrap_or(("", api_version));
    let part = |(name, operation, kind): &(&str, RuleOperation, Option<&str>)| KnownSubresource {
        name: (*name).to_owned(),
        operation: *operation,
        object: kind.map(|kind| ("v1".to_owned(), kind.to_owned())),
    };
    KnownKind {
        group: group.to_owned(),
        version: version.to_owned(),
        kind: kind.to_owned(),
        plural: plural.to_owned(),
        subresources: parts.iter().map(part).collect(),
    }
}

/// A few kinds of Kubernetes.
pub(crate) fn kinds() -> Vec<KnownKind> {
    use RuleOperation::{Connect, Create, Update};
    let pod =
        [("eviction", Create, Some("Eviction")), ("exec", Connect, Some("PodExecOptions")), ("status", Update, None)];
    vec![
        kind("v1", "Namespace", "namespaces", &[("status", Update, None)]),
        kind("v1", "Pod", "pods", &pod),
        kind("extensions/v1beta1", "Deployment", "deployments", &[]),
        kind("apps/v1", "Deployment", "deployments", &[("scale", Update, None)]),
        kind("apps/v1beta1", "Deployment", "deployments", &[]),
        kind("storage.k8s.io/v1", "CSINode", "csinodes", &[]),
        kind(
            "admissionregistration.k8s.io/v1",
            "ValidatingWebhookConfiguration",
            "validatingwebhookconfigurations",
            &[],
        ),
    ]
}
