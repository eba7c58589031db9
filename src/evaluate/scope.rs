//! Whether a deployed policy is asked about a request, as the API server decides it: rules, namespace selector, object
//! selector, conditions. Sources: `rules.Matcher`, `namespace.Matcher`, `object.Matcher` and `matchconditions.Matcher` of
//! k8s.io/apiserver.
//!
//! The labels of a namespace are known only where the case has it in its cluster: a selector that cannot be decided
//! selects, with a remark. A condition that cannot be evaluated is a fault.

use serde_json::Value;

use super::rules;
use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::cluster::Cluster;
use policy_verify_model::policy::{ContextAwareResource, Rule};
use policy_verify_model::request::AdmissionRequest;
use policy_verify_model::scope::{
    FailurePolicy, LabelOperator, LabelRequirement, LabelSelector, MatchCondition, NAMESPACE_NAME_LABEL, RuleScope,
    Scope,
};
use policy_verify_suite::match_condition::{Failure, Variables};

/// Where a request stands to a scope.
#[derive(Debug, PartialEq)]
pub(super) enum Standing {
    /// It is selected, as far as is known; what is not known is in the remarks.
    Selected(Vec<String>),
    /// It is not, for this reason.
    Excluded(String),
    /// A condition has no result.
    Undecided(Fault),
}

/// Holds a request against a scope. The clusters are those of the case, the nearest first.
pub(super) fn standing(scope: &Scope, request: &AdmissionRequest, clusters: &[&Cluster]) -> Standing {
    if let Some(reason) = &scope.not_deployed {
        return Standing::Excluded(reason.message.clone());
    }
    let rules = rules_for(scope, request);
    if !rules::selects(&rules, request) {
        let all: Vec<Rule> = scope.rules.iter().map(|scoped| scoped.rule.clone()).collect();
        let explanation = rules::explain(&all, request, "the manifest");
        let is_scope = rules::selects(&all, request);
        return Standing::Excluded(if is_scope {
            format!("{explanation}, outside their `scope`")
        } else {
            explanation
        });
    }
    let mut remarks = Vec::new();
    if let Some(namespace) = scope.excluded_namespace.as_ref().filter(|it| request.namespace.as_ref() == Some(it)) {
        return Standing::Excluded(format!(
            "the controller excludes its own namespace `{namespace}`, unless the manifest has \
             `allowInsideAdmissionControllerNamespace: true`"
        ));
    }
    match of_namespace(&scope.namespace_selector, request, clusters) {
        Decision::Selected => {}
        Decision::Excluded(reason) => return Standing::Excluded(reason),
        Decision::Unknown(remark) => remarks.push(remark),
    }
    if !scope.object_selector.0.is_empty() && !selects_an_object(&scope.object_selector, request) {
        let wanted = described(&scope.object_selector);
        return Standing::Excluded(format!(
            "the objectSelector wants {wanted}, and neither object nor oldObject has it"
        ));
    }
    match of_conditions(scope, request) {
        Ok(None) => Standing::Selected(remarks),
        Ok(Some(reason)) => Standing::Excluded(reason),
        Err(fault) => Standing::Undecided(fault),
    }
}

/// Why a condition excludes the request. Any condition that is false does, whatever becomes of the others.
fn of_conditions(scope: &Scope, request: &AdmissionRequest) -> Result<Option<String>, Fault> {
    if scope.match_conditions.is_empty() {
        return Ok(None);
    }
    let variables = Variables::of(request);
    let mut failures = Vec::new();
    for MatchCondition { name, expression } in &scope.match_conditions {
        match variables.evaluate(&expression.value) {
            Ok(true) => {}
            Ok(false) => return Ok(Some(format!("the matchCondition `{name}` is false"))),
            Err(failure) => failures.push((name, failure)),
        }
    }
    if let Some((name, failure)) = failures.iter().find(|(_, failure)| matches!(failure, Failure::Unsupported(_))) {
        let message = format!("cannot evaluate the matchCondition `{name}`: {failure}");
        let help = "run the case with `rules: ignore`, or test the condition in a cluster";
        return Err(Fault::new(FaultKind::Expression, message).with_help(help));
    }
    match (failures.first(), scope.failure_policy) {
        (None, _) => Ok(None),
        (Some((name, failure)), FailurePolicy::Ignore) => {
            Ok(Some(format!("the matchCondition `{name}` fails ({failure}), and failurePolicy is Ignore")))
        }
        (Some((name, failure)), FailurePolicy::Fail) => {
            let message = format!(
                "the matchCondition `{name}` fails: {failure}; failurePolicy is Fail, so the API server rejects the request"
            );
            let help = "guard members that may be missing with `has(…)`, or set `failurePolicy: Ignore`";
            Err(Fault::new(FaultKind::Expression, message).with_help(help))
        }
    }
}

/// The rules whose `scope` covers the request.
pub(super) fn rules_for(scope: &Scope, request: &AdmissionRequest) -> Vec<Rule> {
    let is_namespaced =
        request.resource.resource != "namespaces" && request.namespace.as_deref().is_some_and(|n| !n.is_empty());
    let covers = |wanted: RuleScope| match wanted {
        RuleScope::All => true,
        RuleScope::Namespaced => is_namespaced,
        RuleScope::Cluster => !is_namespaced,
    };
    scope.rules.iter().filter(|scoped| covers(scoped.scope)).map(|scoped| scoped.rule.clone()).collect()
}

/// What a selector makes of labels that may not all be known.
enum Decision {
    Selected,
    Excluded(String),
    Unknown(String),
}

fn of_namespace(selector: &LabelSelector, request: &AdmissionRequest, clusters: &[&Cluster]) -> Decision {
    let name = request.namespace.as_deref().unwrap_or_default();
    let is_namespace = request.resource.resource == "namespaces" && request.resource.group.is_empty();
    // What lives outside of namespaces is never exempted.
    if selector.0.is_empty() || (name.is_empty() && !is_namespace) {
        return Decision::Selected;
    }
    let namespace = match request.object.as_ref().or(request.old_object.as_ref()) {
        Some(object) if is_namespace => Some(object),
        _ => clusters.iter().find_map(|cluster| namespace_of(cluster, name)),
    };
    let holds = |requirement: &LabelRequirement| -> Option<bool> {
        if requirement.key == NAMESPACE_NAME_LABEL {
            return Some(is_met(requirement, Some(name)));
        }
        Some(is_met(requirement, label_of(namespace?, &requirement.key)))
    };
    let decisions: Vec<Option<bool>> = selector.0.iter().map(holds).collect();
    let wanted = described(selector);
    if decisions.contains(&Some(false)) {
        Decision::Excluded(format!("the namespaceSelector wants {wanted}, which does not hold for namespace `{name}`"))
    } else if decisions.contains(&None) {
        Decision::Unknown(format!(
            "the namespaceSelector ({wanted}) is not evaluated: no Namespace `{name}` is in the `cluster:` of the case"
        ))
    } else {
        Decision::Selected
    }
}

/// Whether both selectors hold, as the audit scanner looks at them: what lives outside of namespaces is not asked for one, and
/// a namespace that the cluster does not have is taken for one with the wanted labels.
pub(super) fn has_wanted_labels(scope: &Scope, request: &AdmissionRequest, cluster: &Cluster) -> bool {
    let is_in_namespace = request.resource.resource != "namespaces" || !request.resource.group.is_empty();
    let is_in_namespace = is_in_namespace && request.namespace.as_deref().is_some_and(|name| !name.is_empty());
    let has_labels = !is_in_namespace
        || !matches!(of_namespace(&scope.namespace_selector, request, &[cluster]), Decision::Excluded(_));
    has_labels && (scope.object_selector.0.is_empty() || selects_an_object(&scope.object_selector, request))
}

fn namespace_of<'a>(cluster: &'a Cluster, name: &str) -> Option<&'a Value> {
    let resource = ContextAwareResource { api_version: "v1".into(), kind: "Namespace".into() };
    cluster.objects.get(&resource)?.get(&(String::new(), name.to_owned())).map(|object| &**object)
}

fn label_of<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("labels")?.get(key)?.as_str()
}

/// One of the two objects is enough.
fn selects_an_object(selector: &LabelSelector, request: &AdmissionRequest) -> bool {
    let is_selected = |object: &Value| {
        object.get("metadata").is_some() && selector.0.iter().all(|it| is_met(it, label_of(object, &it.key)))
    };
    [&request.object, &request.old_object].into_iter().flatten().any(is_selected)
}

fn is_met(requirement: &LabelRequirement, label: Option<&str>) -> bool {
    let is_listed = label.is_some_and(|label| requirement.values.iter().any(|value| value == label));
    match requirement.operator {
        LabelOperator::In => is_listed,
        LabelOperator::NotIn => !is_listed,
        LabelOperator::Exists => label.is_some(),
        LabelOperator::DoesNotExist => label.is_none(),
    }
}

/// `team in (a, b), !legacy`, as kubectl writes it.
fn described(selector: &LabelSelector) -> String {
    let one = |LabelRequirement { key, operator, values }: &LabelRequirement| match (operator, values.as_slice()) {
        (LabelOperator::In, [value]) => format!("{key}={value}"),
        (LabelOperator::In, values) => format!("{key} in ({})", values.join(", ")),
        (LabelOperator::NotIn, values) => format!("{key} notin ({})", values.join(", ")),
        (LabelOperator::Exists, _) => key.clone(),
        (LabelOperator::DoesNotExist, _) => format!("!{key}"),
    };
    selector.0.iter().map(one).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use policy_verify_model::policy::RuleOperation;
    use policy_verify_model::scope::ScopedRule;
    use policy_verify_model::source::{Span, Spanned};

    fn scope() -> Scope {
        let any = || vec!["*".to_owned()];
        let rule = Rule {
            api_groups: any(),
            api_versions: any(),
            resources: any(),
            operations: vec![RuleOperation::Create, RuleOperation::Update],
        };
        Scope { rules: vec![ScopedRule { rule, scope: RuleScope::All }], ..Scope::default() }
    }

    fn require(key: &str, operator: LabelOperator, values: &[&str]) -> LabelSelector {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        LabelSelector(vec![LabelRequirement { key: key.into(), operator, values }])
    }

    /// A request about a pod in this namespace, or about something else outside of all.
    fn request(namespace: &str, labels: Value) -> AdmissionRequest {
        let resource = if namespace.is_empty() { "nodes" } else { "pods" };
        serde_json::from_value(json!({
            "uid": "u", "kind": {"group": "", "version": "v1", "kind": "Any"},
            "resource": {"group": "", "version": "v1", "resource": resource},
            "namespace": namespace, "operation": "CREATE", "userInfo": {}, "object": {"metadata": {"labels": labels}},
        }))
        .unwrap()
    }

    fn cluster(name: &str, labels: Value) -> Cluster {
        let resource = ContextAwareResource { api_version: "v1".into(), kind: "Namespace".into() };
        let object = Arc::new(json!({"metadata": {"name": name, "labels": labels}}));
        let objects = [(resource, [((String::new(), name.to_owned()), object)].into())].into();
        Cluster { objects, ..Cluster::default() }
    }

    /// `+` selected, `?` selected with a remark, `-` excluded.
    fn sign(scope: &Scope, request: &AdmissionRequest, clusters: &[&Cluster]) -> char {
        match standing(scope, request, clusters) {
            Standing::Selected(remarks) if remarks.is_empty() => '+',
            Standing::Selected(_) => '?',
            Standing::Excluded(_) => '-',
            Standing::Undecided(fault) => panic!("{fault:?}"),
        }
    }

    #[test]
    fn objects_are_selected_by_their_labels() {
        use LabelOperator::{DoesNotExist, Exists, In, NotIn};
        for (operator, values, labels, wanted) in [
            (In, &["a", "b"][..], json!({"k": "b"}), '+'),
            (In, &["a"], json!({"k": "b"}), '-'),
            (In, &["a"], json!({}), '-'),
            (NotIn, &["a"], json!({"k": "b"}), '+'),
            (NotIn, &["a"], json!({}), '+'),
            (NotIn, &["a"], json!({"k": "a"}), '-'),
            (Exists, &[], json!({"k": ""}), '+'),
            (Exists, &[], json!({}), '-'),
            (DoesNotExist, &[], json!({}), '+'),
            (DoesNotExist, &[], json!({"k": ""}), '-'),
        ] {
            let scope = Scope { object_selector: require("k", operator, values), ..scope() };
            assert_eq!(sign(&scope, &request("shop", labels.clone()), &[]), wanted, "{operator:?} {values:?} {labels}");
        }
    }

    #[test]
    fn one_of_the_two_objects_is_enough_and_something_must_be_there() {
        let scope = Scope { object_selector: require("k", LabelOperator::In, &["a"]), ..scope() };
        let mut both = request("shop", json!({"k": "b"}));
        assert_eq!(sign(&scope, &both, &[]), '-');
        both.old_object = Some(json!({"metadata": {"labels": {"k": "a"}}}));
        assert_eq!(sign(&scope, &both, &[]), '+');
        let absent = Scope { object_selector: require("k", LabelOperator::DoesNotExist, &[]), ..scope.clone() };
        let nothing = AdmissionRequest { object: None, old_object: None, ..both };
        assert_eq!(sign(&absent, &nothing, &[]), '-');
    }

    #[test]
    fn namespaces_are_selected_by_what_is_known_of_them() {
        use LabelOperator::{DoesNotExist, In};
        let production = cluster("shop", json!({"env": "production"}));
        let other = cluster("other", json!({}));
        for (selector, namespace, clusters, wanted) in [
            (require("env", In, &["production"]), "shop", vec![&production], '+'),
            (require("env", In, &["staging"]), "shop", vec![&production], '-'),
            (require("env", In, &["production"]), "shop", vec![&other], '?'),
            (require("env", In, &["production"]), "shop", vec![], '?'),
            (require("env", In, &["production"]), "shop", vec![&other, &production], '+'),
            (require("env", DoesNotExist, &[]), "shop", vec![&production], '-'),
            (require(NAMESPACE_NAME_LABEL, In, &["shop"]), "shop", vec![], '+'),
            (require(NAMESPACE_NAME_LABEL, In, &["shop"]), "other", vec![], '-'),
            // What lives outside of namespaces is never exempted.
            (require(NAMESPACE_NAME_LABEL, In, &["shop"]), "", vec![], '+'),
            (LabelSelector::default(), "shop", vec![], '+'),
        ] {
            let scope = Scope { namespace_selector: selector.clone(), ..scope() };
            assert_eq!(sign(&scope, &request(namespace, json!({})), &clusters), wanted, "{selector:?} {namespace}");
        }
        // One label that is known to be wrong is enough.
        let mut selector = require("env", In, &["production"]);
        selector.0.extend(require(NAMESPACE_NAME_LABEL, In, &["shop"]).0);
        let scope = Scope { namespace_selector: selector, ..scope() };
        assert_eq!(sign(&scope, &request("other", json!({})), &[]), '-');
    }

    #[test]
    fn a_namespace_is_selected_by_its_own_labels() {
        let scope = Scope { namespace_selector: require("env", LabelOperator::In, &["production"]), ..scope() };
        let mut namespace = request("shop", json!({"env": "production"}));
        namespace.resource.resource = "namespaces".into();
        assert_eq!(sign(&scope, &namespace, &[&cluster("shop", json!({}))]), '+');
        namespace.object = Some(json!({"metadata": {}}));
        assert_eq!(sign(&scope, &namespace, &[&cluster("shop", json!({"env": "production"}))]), '-');
    }

    #[test]
    fn rules_have_a_scope() {
        let mut scope = scope();
        for (wanted, namespaced, outside) in
            [(RuleScope::All, '+', '+'), (RuleScope::Namespaced, '+', '-'), (RuleScope::Cluster, '-', '+')]
        {
            scope.rules[0].scope = wanted;
            let mut namespace = request("shop", json!({}));
            namespace.resource.resource = "namespaces".into();
            let signs =
                [request("shop", json!({})), request("", json!({})), namespace].map(|it| sign(&scope, &it, &[]));
            assert_eq!(signs, [namespaced, outside, outside], "{wanted:?}");
        }
        scope.rules[0].scope = RuleScope::Cluster;
        let Standing::Excluded(reason) = standing(&scope, &request("shop", json!({})), &[]) else { panic!() };
        assert!(reason.ends_with("outside their `scope`"), "{reason}");
        scope.rules.clear();
        let Standing::Excluded(reason) = standing(&scope, &request("shop", json!({})), &[]) else { panic!() };
        assert!(reason.starts_with("the manifest has no rules"), "{reason}");
    }

    #[test]
    fn conditions_decide_as_in_the_api_server() {
        let standing_with = |expressions: &[&str], failure_policy: FailurePolicy| {
            let condition = |(index, text): (usize, &&str)| MatchCondition {
                name: format!("c{index}"),
                expression: Spanned::new((*text).to_owned(), Span::unquoted("deploy.yaml")),
            };
            let match_conditions = expressions.iter().enumerate().map(condition).collect();
            let scope = Scope { match_conditions, failure_policy, ..scope() };
            match standing(&scope, &request("shop", json!({})), &[]) {
                Standing::Selected(remarks) => format!("+{}", remarks.len()),
                Standing::Excluded(reason) => format!("-{reason}"),
                Standing::Undecided(fault) => format!("?{}", fault.message),
            }
        };
        let (fail, ignore) = (FailurePolicy::Fail, FailurePolicy::Ignore);
        let missing = "object.metadata.labels.x == '1'";
        assert_eq!(standing_with(&["true", "request.namespace == 'shop'"], fail), "+0");
        assert_eq!(standing_with(&["true", "false"], fail), "-the matchCondition `c1` is false");
        assert_eq!(standing_with(&[missing, "authorizer.x", "false"], fail), "-the matchCondition `c2` is false");
        assert_eq!(
            standing_with(&["true", missing], fail),
            "?the matchCondition `c1` fails: no such key: x; failurePolicy is Fail, so the API server rejects the request"
        );
        assert_eq!(
            standing_with(&[missing], ignore),
            "-the matchCondition `c0` fails (no such key: x), and failurePolicy is Ignore"
        );
        for policy in [fail, ignore] {
            assert_eq!(
                standing_with(&[missing, "authorizer.path('/').check('get').allowed()"], policy),
                "?cannot evaluate the matchCondition `c1`: `authorizer` needs a cluster"
            );
        }
    }

    #[test]
    fn selectors_are_described_as_kubectl_writes_them() {
        use LabelOperator::{DoesNotExist, Exists, In, NotIn};
        let mut selector = require("a", In, &["1"]);
        for other in [
            require("b", In, &["1", "2"]),
            require("c", NotIn, &["3"]),
            require("d", Exists, &[]),
            require("e", DoesNotExist, &[]),
        ] {
            selector.0.extend(other.0);
        }
        assert_eq!(described(&selector), "a=1, b in (1, 2), c notin (3), d, !e");
    }
}
