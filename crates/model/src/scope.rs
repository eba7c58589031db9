//! Which requests the API server sends to a policy that is deployed: the rules and selectors of its webhook.

use super::diagnostic::Diagnostic;
use super::policy::Rule;
use super::source::Spanned;

/// The label that the API server gives every namespace: its name.
pub const NAMESPACE_NAME_LABEL: &str = "kubernetes.io/metadata.name";

/// What a webhook selects. A request must be selected by a rule and by both selectors.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scope {
    /// The rules; one of them is enough.
    pub rules: Vec<ScopedRule>,
    /// Labels of the namespace of the request.
    pub namespace_selector: LabelSelector,
    /// Labels of the object or of the old object.
    pub object_selector: LabelSelector,
    /// The namespace of the controller, where the webhook excludes it.
    pub excluded_namespace: Option<String>,
    /// Conditions in CEL; all must hold.
    pub match_conditions: Vec<MatchCondition>,
    /// What becomes of a request when a condition cannot be evaluated.
    pub failure_policy: FailurePolicy,
    /// Whether the rules also match other versions of their resources.
    pub match_policy: MatchPolicy,
    /// Why the controller does not deploy the policy, so that no request is sent to it; `None` if it does.
    pub not_deployed: Option<Diagnostic>,
}

/// How the rules of a webhook match.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub enum MatchPolicy {
    /// A request about another version of a resource is converted to that of the rule.
    #[default]
    Equivalent,
    /// Only the versions of the rule match.
    Exact,
}

/// A condition of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchCondition {
    /// Its name.
    pub name: String,
    /// The expression in CEL.
    pub expression: Spanned<String>,
}

/// What becomes of a request when its webhook fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub enum FailurePolicy {
    /// It is rejected.
    #[default]
    Fail,
    /// The webhook is skipped.
    Ignore,
}

/// A rule of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScopedRule {
    /// Groups, versions, resources and operations.
    pub rule: Rule,
    /// Where the objects live.
    pub scope: RuleScope,
}

/// Where the objects of a [`ScopedRule`] live.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Deserialize)]
pub enum RuleScope {
    /// Anywhere.
    #[default]
    #[serde(rename = "*")]
    All,
    /// In namespaces.
    Namespaced,
    /// Outside of them; namespaces themselves live there.
    Cluster,
}

/// Requirements on labels; all must hold, and the empty selector selects everything.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LabelSelector(pub Vec<LabelRequirement>);

/// What is required of one label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LabelRequirement {
    /// Key of the label.
    pub key: String,
    /// How its value is compared.
    pub operator: LabelOperator,
    /// The values; none for `Exists` and `DoesNotExist`.
    pub values: Vec<String>,
}

/// How a [`LabelRequirement`] compares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub enum LabelOperator {
    /// The label has one of the values.
    In,
    /// The label has none of the values, or is not there.
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
}
