//! Which objects of a cluster the audit scanner puts to a policy. It looks at less than the API server does: neither at
//! conditions nor at equivalent versions, and at no rule with a wildcard.
//!
//! Source: `internal/audit-scanner` of kubewarden-controller, `policies/client.go` and `scanner/scanner.go`.

use policy_verify_model::cluster::Cluster;
use policy_verify_model::policy::{Rule, RuleOperation};
use policy_verify_model::request::AdmissionRequest;
use policy_verify_model::scope::Scope;
use policy_verify_model::suite::Step;

use super::policies::Policies;
use super::{applicability, rules, scope};

/// Which objects the audit scanner puts to a policy.
pub(crate) struct AuditScope<'a> {
    /// The rules that it looks at.
    rules: Vec<Rule>,
    /// The selectors of a manifest.
    scope: Option<&'a Scope>,
    /// The namespace of Kubewarden, which it never audits.
    own_namespace: &'a str,
    /// Whether the policy is one for the whole cluster.
    is_cluster_wide: bool,
}

impl<'a> AuditScope<'a> {
    /// The scope of a step; else why the scanner passes over it.
    pub(crate) fn of(step: &Step, policies: &Policies<'a>) -> Result<Self, String> {
        let deployment = policies.deployment_of(step);
        let wanted = policies.suite.policies_of(step);
        let of_manifest = deployment.scope.as_ref();
        let rules = match of_manifest {
            Some(scope) => scope.rules.iter().map(|scoped| scoped.rule.clone()).collect(),
            None => applicability::rules_of(&wanted, policies).unwrap_or_default(),
        };
        if let Some(reason) = of_manifest.and_then(|scope| scope.not_deployed.as_ref()) {
            return Err(reason.message.clone());
        }
        let has_wildcard = |rule: &Rule| {
            [&rule.api_groups, &rule.api_versions, &rule.resources]
                .into_iter()
                .any(|list| list.iter().any(|it| it == "*"))
        };
        let named: Vec<Rule> = rules.into_iter().filter(|rule| !has_wildcard(rule)).collect();
        if named.is_empty() {
            return Err("every rule has `*` as group, version or resource".to_owned());
        }
        let of_creation: Vec<Rule> =
            named.into_iter().filter(|rule| rule.operations.contains(&RuleOperation::Create)).collect();
        if of_creation.is_empty() {
            return Err("no rule names the operation CREATE".to_owned());
        }
        if let Some(part) = of_creation.iter().flat_map(|rule| &rule.resources).find(|it| it.contains('/')) {
            return Err(format!("a rule names `{part}`, which is no resource that can be listed"));
        }
        let declared = || wanted.iter().all(|policy| policies.declares_audit(*policy));
        if !deployment.is_audited.unwrap_or_else(declared) {
            return Err("backgroundAudit is false".to_owned());
        }
        Ok(Self {
            rules: of_creation,
            scope: of_manifest,
            own_namespace: &policies.suite.kubewarden.installation.namespace,
            is_cluster_wide: deployment.unique_name.as_ref().is_none_or(|name| name.kind.is_cluster()),
        })
    }

    /// Whether the scanner puts the object of a request to the policy.
    pub(crate) fn selects(&self, request: &AdmissionRequest, cluster: &Cluster) -> bool {
        let is_namespace = request.resource.resource == "namespaces" && request.resource.group.is_empty();
        let namespace = request.namespace.as_deref().filter(|name| !name.is_empty() && !is_namespace);
        if namespace == Some(self.own_namespace) || (namespace.is_none() && !self.is_cluster_wide) {
            return false;
        }
        rules::selects(&self.rules, request)
            && self.scope.is_none_or(|scope| scope::has_wanted_labels(scope, request, cluster))
    }
}
