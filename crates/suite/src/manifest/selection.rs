//! What the webhook of a manifest selects, as the controller creates it.

use super::allowed;
use super::entry::{MetadataEntry, RuleEntry, SelectorEntry, SpecEntry};
use crate::mistake::{Mistakes, mistake};
use crate::yaml::Node;
use policy_verify_model::deployed::PolicyKind;
use policy_verify_model::installation::Kubewarden;
use policy_verify_model::policy::Rule;
use policy_verify_model::scope::{
    LabelOperator, LabelRequirement, LabelSelector, MatchCondition, NAMESPACE_NAME_LABEL, Scope, ScopedRule,
};
use policy_verify_model::source::Spanned;

/// Makes the scope of a manifest. `node` is its `spec`.
pub(super) fn scope(
    metadata: &MetadataEntry,
    spec: &SpecEntry,
    node: &Node,
    kind: PolicyKind,
    kubewarden: &Kubewarden,
    mistakes: &mut Mistakes,
) -> Scope {
    let is_inside = spec.allow_inside_admission_controller_namespace == Some(true);
    let excluded_namespace = (kind.is_cluster() && !is_inside).then(|| kubewarden.installation.namespace.clone());
    let drops_labels = excluded_namespace.is_some() && kubewarden.release.drops_match_labels();
    let namespace_selector = match drops_labels {
        true => expressions_alone(spec, node, mistakes),
        false => namespace_selector(metadata, spec, kind),
    };
    let conditions = spec.match_conditions.iter().map(|condition| MatchCondition {
        name: condition.name.value.clone(),
        expression: condition.expression.clone(),
    });
    Scope {
        rules: spec.rules.iter().map(|rule| rule_of(&rule.value)).collect(),
        namespace_selector,
        object_selector: selector(spec.object_selector.as_ref()),
        excluded_namespace,
        match_conditions: conditions.collect(),
        failure_policy: spec.failure_policy.unwrap_or_default(),
        match_policy: spec.match_policy.unwrap_or_default(),
        not_deployed: allowed::reason_against(&spec.rules, kind, kubewarden),
    }
}

fn rule_of(entry: &RuleEntry) -> ScopedRule {
    let values = |list: &[Spanned<String>]| list.iter().map(|item| item.value.clone()).collect();
    let rule = Rule {
        api_groups: values(&entry.api_groups),
        api_versions: values(&entry.api_versions),
        resources: values(&entry.resources),
        operations: entry.operations.clone(),
    };
    ScopedRule { rule, scope: entry.scope }
}

/// The selector as it is written; that of a policy in a namespace selects this namespace. Without one it is not known
/// which it will be.
fn namespace_selector(metadata: &MetadataEntry, spec: &SpecEntry, kind: PolicyKind) -> LabelSelector {
    let mut selected = selector(spec.namespace_selector.as_ref());
    if let Some(namespace) = metadata.namespace.as_ref().filter(|_| !kind.is_cluster()) {
        let (key, values) = (NAMESPACE_NAME_LABEL.to_owned(), vec![namespace.clone()]);
        selected.0.push(LabelRequirement { key, operator: LabelOperator::In, values });
    }
    selected
}

/// The selector without its labels: the controller copies `matchExpressions` alone when it excludes its own namespace.
/// Source: `namespaceSelector` in its `policy_subreconciler_webhook.go`.
fn expressions_alone(spec: &SpecEntry, node: &Node, mistakes: &mut Mistakes) -> LabelSelector {
    let Some(written) = &spec.namespace_selector else { return LabelSelector::default() };
    let key = node
        .get("namespaceSelector")
        .and_then(|selector| selector.entries().iter().map(|(key, _)| key).find(|key| key.name == "matchLabels"));
    if let Some(key) = key.filter(|_| !written.match_labels.0.is_empty()) {
        let labels = written.match_labels.0.iter();
        let expressions =
            labels.map(|(key, value)| format!("{{ key: {}, operator: In, values: [{value}] }}", key.value));
        let help = format!("write `matchExpressions: [{}]`", expressions.collect::<Vec<_>>().join(", "));
        let message =
            "`matchLabels` of `namespaceSelector` has no effect: the controller copies only `matchExpressions`";
        mistakes.warn(mistake(&key.span, message).with_help(help));
    }
    expressions(written)
}

fn selector(written: Option<&SelectorEntry>) -> LabelSelector {
    let Some(written) = written else { return LabelSelector::default() };
    let labels = written.match_labels.0.iter().map(|(key, value)| LabelRequirement {
        key: key.value.clone(),
        operator: LabelOperator::In,
        values: vec![value.clone()],
    });
    LabelSelector(labels.chain(expressions(written).0).collect())
}

fn expressions(written: &SelectorEntry) -> LabelSelector {
    let expressions = written.match_expressions.iter().map(|entry| LabelRequirement {
        key: entry.key.clone(),
        operator: entry.operator,
        values: entry.values.clone(),
    });
    LabelSelector(expressions.collect())
}
