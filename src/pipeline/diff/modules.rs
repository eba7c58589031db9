//! How two modules differ that are not run: what their metadata says, what their code may call, their size.

use std::collections::BTreeSet;

use policy_verify_model::behaviour::{Class, TOLERATED_GROWTH};
use policy_verify_model::policy::{Metadata, Rule, RuleOperation};
use serde::Serialize;

use super::classify::Change;
use crate::prepare::PreparedPolicy;

/// Requests of rules that are named in a difference.
const MOST_NAMED: usize = 20;

/// Entries of rules that are compared one by one: beyond, rules that differ are only said to.
const MOST_ENTRIES: usize = 10_000;

/// What is known of a module without running it.
pub(super) struct Facts<'a> {
    pub(super) metadata: Option<&'a Metadata>,
    pub(super) execution_mode: String,
    /// The host capabilities whose names are in the code.
    pub(super) capabilities: &'a [String],
    pub(super) size: u64,
}

impl<'a> Facts<'a> {
    /// What is known of a policy; `capabilities` are those whose names are in its code.
    pub(super) fn of(policy: &'a PreparedPolicy, capabilities: &'a [String]) -> Self {
        Self {
            metadata: policy.metadata.as_ref(),
            execution_mode: policy.execution_mode.to_string(),
            capabilities,
            size: policy.module.len() as u64,
        }
    }
}

/// How two modules differ.
pub(super) fn changes(old: &Facts<'_>, new: &Facts<'_>) -> Vec<Change> {
    let mut found = Vec::new();
    match (old.metadata, new.metadata) {
        (Some(old), Some(new)) => metadata(old, new, &mut found),
        (None, None) => {}
        // A module without metadata has no rules, and is sent everything.
        (one, _) => {
            let (old, new) = if one.is_some() { ("some", "none") } else { ("none", "some") };
            found.push(change(Class::Other, "metadata", old, new));
        }
    }
    let called = |it: &Facts<'_>| it.capabilities.iter().cloned().collect::<BTreeSet<_>>();
    members("host capability in the code", &called(old), &called(new), &mut found);
    if old.execution_mode != new.execution_mode {
        found.push(change(Class::Other, "executionMode", &old.execution_mode, &new.execution_mode));
    }
    if has_grown(old.size, new.size) {
        let shown = |size: u64| format!("{size} bytes");
        found.push(change(Class::Cost, "size of the module", &shown(old.size), &shown(new.size)));
    }
    found
}

/// Whether a number is more than the tolerated part larger.
pub(super) fn has_grown(old: u64, new: u64) -> bool {
    u128::from(new) * 100 > u128::from(old) * u128::from(100 + TOLERATED_GROWTH)
}

fn change(class: Class, cause: &str, old: &str, new: &str) -> Change {
    Change { class, cause: cause.to_owned(), old: old.to_owned(), new: new.to_owned() }
}

fn metadata(old: &Metadata, new: &Metadata, found: &mut Vec<Change>) {
    rules(&old.rules, &new.rules, found);
    members("host capability of the metadata", &declared(old), &declared(new), found);
    let resources = |it: &Metadata| {
        let names = it.context_aware_resources.iter();
        names.map(|it| format!("{} {}", it.api_version, it.kind)).collect::<BTreeSet<_>>()
    };
    members("context-aware resource", &resources(old), &resources(new), found);
    flags(old, new, found);
}

fn flags(old: &Metadata, new: &Metadata, found: &mut Vec<Change>) {
    let mut differing = |class, cause, old: String, new: String| {
        if old != new {
            found.push(change(class, cause, &old, &new));
        }
    };
    let class = if new.mutating { Class::Privilege } else { Class::Other };
    differing(class, "mutating", old.mutating.to_string(), new.mutating.to_string());
    let audit = |it: &Metadata| it.background_audit.to_string();
    differing(Class::Other, "backgroundAudit", audit(old), audit(new));
    differing(Class::Other, "policyType", word(&old.policy_type), word(&new.policy_type));
    let minimum = |it: &Metadata| it.minimum_kubewarden_version.as_ref().map_or("none".to_owned(), ToString::to_string);
    differing(Class::Other, "minimumKubewardenVersion", minimum(old), minimum(new));
}

/// A value as the metadata writes it.
fn word(value: &impl Serialize) -> String {
    serde_json::to_value(value).ok().and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn declared(metadata: &Metadata) -> BTreeSet<String> {
    metadata.host_capabilities.iter().flatten().cloned().collect()
}

/// What one list has and the other one lacks.
fn members(what: &str, old: &BTreeSet<String>, new: &BTreeSet<String>, found: &mut Vec<Change>) {
    let added = new.difference(old).map(|name| change(Class::Privilege, &format!("{what}: {name}"), "no", "yes"));
    let gone = old.difference(new).map(|name| change(Class::Other, &format!("{what}: {name}"), "yes", "no"));
    found.extend(added.chain(gone));
}

/// What is sent to the one version and not to the other.
fn rules(old: &[Rule], new: &[Rule], found: &mut Vec<Change>) {
    let (Some(one), Some(other)) = (entries(old), entries(new)) else {
        if old != new {
            found.push(change(Class::Other, "rules", "many", "others"));
        }
        return;
    };
    let missing = |of: &[Entry<'_>], covered: &[Entry<'_>]| -> BTreeSet<String> {
        of.iter().filter(|entry| !covered.iter().any(|other| other.covers(entry))).map(Entry::described).collect()
    };
    let mut add = |class, cause: &str, missing: BTreeSet<String>, old: &str, new: &str| {
        if missing.is_empty() {
            return;
        }
        let mut named: Vec<String> = missing.iter().take(MOST_NAMED).cloned().collect();
        named.extend((missing.len() > MOST_NAMED).then(|| format!("{} more", missing.len() - MOST_NAMED)));
        found.push(change(class, &format!("{cause}: {}", named.join(", ")), old, new));
    };
    add(Class::Privilege, "rules add", missing(&other, &one), "not sent to the policy", "sent to the policy");
    let passes = "passes, and is not sent to the policy";
    add(Class::NewAllowance, "rules no longer have", missing(&one, &other), "sent to the policy", passes);
}

/// What a rule says about one kind of request.
struct Entry<'a> {
    group: &'a str,
    version: &'a str,
    resource: &'a str,
    operation: RuleOperation,
}

fn entries(rules: &[Rule]) -> Option<Vec<Entry<'_>>> {
    let mut entries = Vec::new();
    for rule in rules {
        for group in &rule.api_groups {
            for version in &rule.api_versions {
                for resource in &rule.resources {
                    for operation in &rule.operations {
                        if entries.len() == MOST_ENTRIES {
                            return None;
                        }
                        entries.push(Entry { group, version, resource, operation: *operation });
                    }
                }
            }
        }
    }
    Some(entries)
}

impl Entry<'_> {
    /// Whether every request that `other` selects is selected.
    fn covers(&self, other: &Self) -> bool {
        let is_any = |own: &str, other: &str| own == "*" || own == other;
        let has_operation = self.operation == RuleOperation::All || self.operation == other.operation;
        is_any(self.group, other.group)
            && is_any(self.version, other.version)
            && has_operation
            && covers_resource(self.resource, other.resource)
    }

    fn described(&self) -> String {
        let group = if self.group.is_empty() { String::new() } else { format!(".{}", self.group) };
        format!("{} {}{group} {}", word(&self.operation), self.resource, self.version)
    }
}

/// Whether one entry of `resources` has everything that another one has. `*` has no subresources.
fn covers_resource(own: &str, other: &str) -> bool {
    if own == other || own == "*/*" {
        return true;
    }
    match (own.split_once('/'), other.split_once('/')) {
        (None, None) => own == "*",
        (Some((name, sub)), Some((other_name, other_sub))) => {
            (name == "*" || name == other_name) && (sub == "*" || sub == other_sub)
        }
        // `pods/*` has pods themselves, too.
        (Some((name, "*")), None) => name == other,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn rule(resources: &[&str], operations: &[RuleOperation]) -> Rule {
        Rule {
            api_groups: vec![String::new()],
            api_versions: vec!["v1".to_owned()],
            resources: resources.iter().map(|it| (*it).to_owned()).collect(),
            operations: operations.to_vec(),
        }
    }

    fn metadata(change: impl FnOnce(&mut Metadata)) -> Metadata {
        let mut metadata: Metadata =
            serde_json::from_value(serde_json::json!({ "rules": [], "mutating": false })).unwrap();
        metadata.rules = vec![rule(&["pods"], &[RuleOperation::Create])];
        change(&mut metadata);
        metadata
    }

    fn found(old: &Metadata, new: &Metadata) -> Vec<String> {
        let facts = |metadata| Facts {
            metadata: Some(metadata),
            execution_mode: "wasi".to_owned(),
            capabilities: &[],
            size: 100,
        };
        changes(&facts(old), &facts(new)).into_iter().map(|it| format!("{}: {}", it.class, it.cause)).collect()
    }

    #[test]
    fn every_change_of_metadata_has_its_class() {
        let plain = metadata(|_| ());
        let updates = metadata(|it| it.rules.push(rule(&["pods"], &[RuleOperation::Update])));
        let everything = metadata(|it| it.rules = vec![rule(&["*/*"], &[RuleOperation::All])]);
        let calling = metadata(|it| it.host_capabilities = Some(BTreeSet::from(["oci/v2/verify".to_owned()])));
        for (old, new, wanted, back) in [
            (
                &plain,
                &updates,
                "privilege: rules add: UPDATE pods v1",
                "new-allowance: rules no longer have: UPDATE pods v1",
            ),
            (&plain, &everything, "privilege: rules add: * */* v1", "new-allowance: rules no longer have: * */* v1"),
            (
                &plain,
                &calling,
                "privilege: host capability of the metadata: oci/v2/verify",
                "other: host capability of the metadata: oci/v2/verify",
            ),
            (&plain, &metadata(|it| it.mutating = true), "privilege: mutating", "other: mutating"),
            (
                &plain,
                &metadata(|it| it.background_audit = !it.background_audit),
                "other: backgroundAudit",
                "other: backgroundAudit",
            ),
        ] {
            assert_eq!(found(old, new), [wanted]);
            assert_eq!(found(new, old), [back]);
            assert!(found(new, new).is_empty());
        }
        let written_otherwise = metadata(|it| {
            it.rules = vec![rule(&["pods"], &[RuleOperation::Create]), rule(&["pods"], &[RuleOperation::Create])];
        });
        assert!(found(&plain, &written_otherwise).is_empty());
    }

    #[test]
    fn resources_cover_as_in_webhooks() {
        for (own, other, covers) in [
            ("*", "pods", true),
            ("*", "pods/log", false),
            ("*/*", "pods/log", true),
            ("pods/*", "pods/log", true),
            ("pods/*", "pods", true),
            ("*/scale", "deployments/scale", true),
            ("*/scale", "deployments", false),
            ("pods", "pods/log", false),
        ] {
            assert_eq!(covers_resource(own, other), covers, "{own} {other}");
        }
    }

    #[test]
    fn growth_up_to_five_percent_is_tolerated() {
        assert!(!has_grown(100, 105) && has_grown(100, 106) && !has_grown(100, 50) && has_grown(0, 1));
        assert!(!has_grown(u64::MAX, u64::MAX));
    }
}
