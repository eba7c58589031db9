//! The manifest as it is written: the keys of all four kinds, and which kind has which.

use crate::mistake::{Mistakes, mistake, suggestion};
use crate::read::{FromNode, keys, words};
use crate::schema::{Data, DeploymentMode, Named, ResourceEntry};
use crate::yaml::{Key, Node};
use policy_verify_model::code::Code;
use policy_verify_model::deployed::PolicyKind;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::RuleOperation;
use policy_verify_model::scope::{FailurePolicy, LabelOperator, MatchPolicy, RuleScope};
use policy_verify_model::source::Spanned;

pub(super) struct ManifestEntry {
    pub(super) metadata: MetadataEntry,
    pub(super) spec: Data,
}

keys! { ManifestEntry and others { optional metadata, required spec } }

#[derive(Default)]
pub(super) struct MetadataEntry {
    pub(super) name: Option<String>,
    pub(super) namespace: Option<String>,
}

keys! { MetadataEntry and others { optional name, optional namespace } }

/// The `spec` of all four kinds; [`refuse_keys`] says which has what. Keys that begin with an underscore have no influence on a
/// verdict.
pub(super) struct SpecEntry {
    pub(super) module: Option<Spanned<String>>,
    pub(super) settings: Option<Data>,
    pub(super) mutating: Option<bool>,
    pub(super) context_aware_resources: Vec<ResourceEntry>,
    pub(super) policies: Named<MemberEntry>,
    pub(super) expression: Option<Spanned<String>>,
    pub(super) mode: Option<DeploymentMode>,
    pub(super) message: Option<Spanned<String>>,
    pub(super) rules: Vec<Spanned<RuleEntry>>,
    pub(super) namespace_selector: Option<SelectorEntry>,
    pub(super) object_selector: Option<SelectorEntry>,
    pub(super) match_conditions: Vec<ConditionEntry>,
    pub(super) timeout_eval_seconds: Option<Spanned<u64>>,
    pub(super) timeout_seconds: Option<Spanned<u64>>,
    pub(super) failure_policy: Option<FailurePolicy>,
    pub(super) match_policy: Option<MatchPolicy>,
    pub(super) allow_inside_admission_controller_namespace: Option<bool>,
    _policy_server: Option<String>,
    pub(super) background_audit: Option<bool>,
    _side_effects: Option<SideEffects>,
}

// `refuse_keys` has the keys that are unknown: which they are depends on the kind.
keys! {
    SpecEntry and others {
        optional module, optional settings, optional mutating, optional context_aware_resources, optional policies,
        optional expression, optional mode, optional message, optional rules, optional namespace_selector,
        optional object_selector, optional match_conditions, optional timeout_eval_seconds, optional timeout_seconds,
        optional failure_policy, optional match_policy, optional allow_inside_admission_controller_namespace,
        optional _policy_server, optional background_audit, optional _side_effects,
    }
}

/// Values that the API server accepts for webhooks of version v1. Source: `ValidatingWebhook` of
/// k8s.io/api/admissionregistration/v1.
#[derive(serde::Deserialize)]
pub(super) enum SideEffects {
    None,
    NoneOnDryRun,
}

words!(FailurePolicy, SideEffects);

pub(super) struct MemberEntry {
    pub(super) module: Spanned<String>,
    pub(super) settings: Option<Data>,
    pub(super) context_aware_resources: Vec<ResourceEntry>,
    pub(super) timeout_eval_seconds: Option<Spanned<u64>>,
}

keys! {
    MemberEntry {
        required module, optional settings, optional context_aware_resources, optional timeout_eval_seconds,
    }
}

pub(super) struct RuleEntry {
    pub(super) api_groups: Vec<Spanned<String>>,
    pub(super) api_versions: Vec<Spanned<String>>,
    pub(super) resources: Vec<Spanned<String>>,
    pub(super) operations: Vec<RuleOperation>,
    pub(super) scope: RuleScope,
}

keys! {
    RuleEntry {
        required api_groups, required api_versions, required resources, required operations, optional scope,
    }
}

#[derive(Default)]
pub(super) struct SelectorEntry {
    pub(super) match_labels: Named<String>,
    pub(super) match_expressions: Vec<RequirementEntry>,
}

keys! { SelectorEntry { optional match_labels, optional match_expressions } }

pub(super) struct RequirementEntry {
    pub(super) key: String,
    pub(super) operator: LabelOperator,
    pub(super) values: Vec<String>,
}

keys! { RequirementEntry { required key, required operator, optional values } }

pub(super) struct ConditionEntry {
    pub(super) name: Spanned<String>,
    pub(super) expression: Spanned<String>,
}

keys! { ConditionEntry { required name, required expression } }

/// The keys of a `spec`, those of all kinds.
const KEYS: [&str; 20] = [
    "module",
    "settings",
    "mutating",
    "contextAwareResources",
    "policies",
    "expression",
    "mode",
    "message",
    "rules",
    "namespaceSelector",
    "objectSelector",
    "matchConditions",
    "timeoutEvalSeconds",
    "timeoutSeconds",
    "failurePolicy",
    "matchPolicy",
    "allowInsideAdmissionControllerNamespace",
    "policyServer",
    "backgroundAudit",
    "sideEffects",
];

/// Whether a kind has a key, one of [`KEYS`].
fn has(kind: PolicyKind, key: &str) -> bool {
    const OF_CLUSTERS: [&str; 3] =
        ["namespaceSelector", "contextAwareResources", "allowInsideAdmissionControllerNamespace"];
    const OF_GROUPS: [&str; 2] = ["policies", "expression"];
    const OF_POLICIES: [&str; 5] = ["module", "settings", "mutating", "contextAwareResources", "timeoutEvalSeconds"];
    (kind.is_cluster() || !OF_CLUSTERS.contains(&key))
        && (kind.is_group() || !OF_GROUPS.contains(&key))
        && (!kind.is_group() || !OF_POLICIES.contains(&key))
}

/// Keys that the kind does not have, or that no kind has. The API server refuses them.
pub(super) fn refuse_keys(spec: &Node, kind: PolicyKind, mistakes: &mut Mistakes) {
    let known: Vec<&str> = KEYS.into_iter().filter(|key| has(kind, key)).collect();
    for (key, _) in spec.entries() {
        let name = key.name.as_str();
        let help = match name {
            _ if known.contains(&name) => continue,
            "timeoutEvalSeconds" => "give it to the members of the group".to_owned(),
            "allowInsideKubewardenNamespace" if kind.is_cluster() => {
                "did you mean `allowInsideAdmissionControllerNamespace`?".to_owned()
            }
            _ if KEYS.contains(&name) || name.starts_with("x-") => no_such_key(kind),
            _ => suggestion(name, &known),
        };
        mistakes.push(unknown_key(key, help));
    }
    for (_, member) in spec.get("policies").map(Node::entries).unwrap_or_default() {
        let is_refused = |key: &str| key.starts_with("x-") || (!kind.is_cluster() && key == "contextAwareResources");
        for (key, _) in member.entries().iter().filter(|(key, _)| is_refused(&key.name)) {
            mistakes.push(unknown_key(key, no_such_key(kind)));
        }
    }
}

fn no_such_key(kind: PolicyKind) -> String {
    format!("remove it: {} has no such key here", kind.with_article())
}

fn unknown_key(key: &Key, help: String) -> Diagnostic {
    mistake(&key.span, format!("unknown key `{}`", key.name)).with_code(Code::UnknownKey).with_help(help)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read::{Fields, key_of};

    #[test]
    fn every_field_of_a_spec_is_a_key() {
        let mut fields: Vec<String> = SpecEntry::FIELDS.iter().map(|(_, field)| key_of(field)).collect();
        fields.sort();
        let mut keys = KEYS.to_vec();
        keys.sort_unstable();
        assert_eq!(fields, keys);
    }
}
