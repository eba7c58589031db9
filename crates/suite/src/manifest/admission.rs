//! What the API server or the controller's own webhook rejects when a manifest is applied. Sources: `policy_validation.go` and
//! `policygroup_validation.go` of the controller, and the reference of its custom resources.

use std::collections::HashSet;
use std::time::Duration;

use super::allowed;
use super::entry::{ConditionEntry, MemberEntry, RuleEntry, SpecEntry};
use crate::match_condition::{self, Failure};
use crate::mistake::Mistakes;
use crate::schema::Named;
use crate::yaml::Node;
use policy_verify_model::deployed::PolicyKind;
use policy_verify_model::installation::Kubewarden;
use policy_verify_model::source::{Span, Spanned};

/// Seconds that timeouts may have.
const SECONDS: std::ops::RangeInclusive<u64> = 2..=30;

/// `timeoutSeconds` of a manifest that has none.
const DEFAULT_SECONDS: u64 = 10;

/// Most conditions of a webhook.
const MOST_CONDITIONS: usize = 64;

/// Longest part of a qualified name.
const LONGEST_NAME: usize = 63;

/// Longest prefix of a qualified name, a DNS subdomain.
const LONGEST_PREFIX: usize = 253;

/// Adds what is rejected of a `spec`; `node` is where it is written.
pub(super) fn check(spec: &SpecEntry, node: &Node, kind: PolicyKind, kubewarden: &Kubewarden, mistakes: &mut Mistakes) {
    if spec.rules.is_empty() {
        let place = value_of(node, "rules");
        let help = "write `rules: [{ apiGroups: [\"\"], apiVersions: [v1], resources: [pods], operations: [CREATE] }]`";
        mistakes.add_with_help(place, rejected("spec.rules: Required value: a value must be specified"), help);
    }
    for rule in &spec.rules {
        check_rule(rule, kind, kubewarden, mistakes);
    }
    check_conditions(&spec.match_conditions, value_of(node, "matchConditions"), mistakes);
    let most = spec.timeout_seconds.as_ref();
    for written in [most, spec.timeout_eval_seconds.as_ref()].into_iter().flatten() {
        check_seconds(written, mistakes);
    }
    let most = most.map_or(DEFAULT_SECONDS, |written| written.value);
    if let Some(written) = spec.timeout_eval_seconds.as_ref().filter(|written| written.value > most) {
        let message = rejected("timeoutEvalSeconds cannot be greater than timeoutSeconds");
        mistakes.add_with_help(&written.span, message, format!("raise `timeoutSeconds`, which is {most}"));
    }
    if kind.is_group() {
        check_members(&spec.policies, most, mistakes);
    }
    if let Some(message) = spec.message.as_ref().filter(|message| kind.is_group() && message.value.is_empty()) {
        let help = "write the message of a rejection";
        mistakes.add_with_help(&message.span, rejected("spec.message: Required value: must be non-empty"), help);
    }
}

/// The deadline of a policy; one that is a mistake is none.
pub(super) fn timeout(written: Option<&Spanned<u64>>) -> Option<Duration> {
    written.filter(|written| SECONDS.contains(&written.value)).map(|written| Duration::from_secs(written.value))
}

fn rejected(text: &str) -> String {
    format!("rejected by the controller: {text}")
}

/// Where the value of a key is; the whole mapping where there is none.
fn value_of<'a>(node: &'a Node, key: &str) -> &'a Span {
    node.get(key).map_or(&node.span, |value| &value.span)
}

fn check_rule(rule: &Spanned<RuleEntry>, kind: PolicyKind, kubewarden: &Kubewarden, mistakes: &mut Mistakes) {
    let Spanned { value: entry, span } = rule;
    if entry.operations.is_empty() {
        let help = "write `operations: [CREATE, UPDATE]`";
        mistakes.add_with_help(
            span,
            rejected("spec.rules.operations: Required value: a value must be specified"),
            help,
        );
    }
    if entry.api_versions.is_empty() || entry.resources.is_empty() {
        let text = "spec.rules: Required value: apiVersions and resources must have specified values";
        mistakes.add_with_help(span, rejected(text), "write `apiVersions: [v1]` and `resources: [pods]`");
    }
    if entry.api_groups.is_empty() {
        let help = "write `apiGroups: [\"\"]` for the core group";
        mistakes.add_with_help(span, "`apiGroups` of a rule is empty: the API server rejects such a webhook", help);
    }
    for item in entry.api_versions.iter().chain(&entry.resources).filter(|item| item.value.is_empty()) {
        mistakes.add(&item.span, rejected("spec.rules: Required value: must be non-empty"));
    }
    let refusal = allowed::refusal_before_the_allow_list(entry);
    let is_held = !kind.is_cluster() && !kubewarden.release.has_allowed_resources();
    if let Some(text) = refusal.filter(|_| is_held) {
        mistakes.add_with_help(span, rejected(text), "name the versions and resources");
    }
}

fn check_seconds(written: &Spanned<u64>, mistakes: &mut Mistakes) {
    if !SECONDS.contains(&written.value) {
        let (least, most) = (SECONDS.start(), SECONDS.end());
        let message = format!("rejected by the API server: a timeout must be {least} to {most} seconds");
        mistakes.add_with_help(&written.span, message, format!("write `{least}`"));
    }
}

/// The names of members, and their timeouts, whose sum counts too.
fn check_members(members: &Named<MemberEntry>, most: u64, mistakes: &mut Mistakes) {
    let timeouts = || members.0.iter().filter_map(|(_, member)| member.timeout_eval_seconds.as_ref());
    for written in timeouts() {
        check_seconds(written, mistakes);
    }
    let help = format!("raise `timeoutSeconds` of the group, which is {most}");
    if let Some(longest) = timeouts().find(|written| written.value > most) {
        let text = format!("timeoutEvalSeconds cannot be greater than group timeoutSeconds ({most})");
        return mistakes.add_with_help(&longest.span, rejected(&text), help);
    }
    let sum = timeouts().fold(0, |sum: u64, written| sum.saturating_add(written.value));
    if let Some(last) = timeouts().next_back().filter(|_| sum > most) {
        let text =
            format!("the sum of all members' timeoutEvalSeconds cannot be greater than group timeoutSeconds ({most})");
        mistakes.add_with_help(&last.span, rejected(&text), help);
    }
}

/// Number, names and expressions of conditions.
fn check_conditions(conditions: &[ConditionEntry], place: &Span, mistakes: &mut Mistakes) {
    if conditions.len() > MOST_CONDITIONS {
        let text =
            format!("spec.matchConditions: Too many: {}: must have at most {MOST_CONDITIONS} items", conditions.len());
        mistakes.add_with_help(place, rejected(&text), "join conditions with `&&`");
    }
    let mut seen = HashSet::new();
    for ConditionEntry { name, expression } in conditions {
        if !is_qualified_name(&name.value) {
            let message = format!("rejected by the controller: invalid name `{}` of a condition", name.value);
            let help = "use letters, digits, `-`, `_` and `.`, with a letter or digit at both ends";
            mistakes.add_with_help(&name.span, message, help);
        }
        if !seen.insert(&name.value) {
            let text = format!("duplicate name `{}` of a condition", name.value);
            mistakes.add_with_help(&name.span, rejected(&text), "rename one of them");
        }
        if expression.value.trim().is_empty() {
            mistakes.add_with_help(&expression.span, rejected("the expression is empty"), "remove the condition");
        } else if let Err(problem) = match_condition::check(&expression.value) {
            let text = format!("invalid expression of `{}`: {problem}", name.value);
            let message = match problem {
                Failure::Evaluation(_) => rejected(&text),
                Failure::Unsupported(_) => text,
            };
            mistakes.add_with_help(&expression.span, message, "write CEL with `object`, `oldObject` and `request`");
        }
    }
}

/// `example.com/not-a-node`, `not-a-node`: as `IsQualifiedName` of k8s.io/apimachinery.
fn is_qualified_name(text: &str) -> bool {
    let (prefix, name) = match text.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, text),
    };
    let is_name = |name: &str, is_inner: fn(char) -> bool, most: usize| {
        let is_outer = |letter: Option<char>| letter.is_some_and(|letter| letter.is_ascii_alphanumeric());
        name.len() <= most
            && is_outer(name.chars().next())
            && is_outer(name.chars().next_back())
            && name.chars().all(|letter| letter.is_ascii_alphanumeric() || is_inner(letter))
    };
    let is_prefix = |prefix: &str| {
        prefix.len() <= LONGEST_PREFIX
            && prefix == prefix.to_ascii_lowercase()
            && prefix.split('.').all(|label| is_name(label, |letter| letter == '-', LONGEST_PREFIX))
    };
    prefix.is_none_or(is_prefix) && is_name(name, |letter| matches!(letter, '-' | '_' | '.'), LONGEST_NAME)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_conditions_are_qualified_names() {
        for name in ["a", "not-a-node", "A_b.c1", "example.com/x", &"a".repeat(63)] {
            assert!(is_qualified_name(name), "{name}");
        }
        for name in ["", "-a", "a-", "a b", "ä", "/a", "a/", "Example.com/x", "a/b/c", &"a".repeat(64)] {
            assert!(!is_qualified_name(name), "{name}");
        }
    }
}
