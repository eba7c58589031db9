//! Which kinds stand for many: wildcards select more than anyone wants to read.

use policy_verify_model::kind::{KnownKind, KnownSubresource};
use policy_verify_model::policy::Rule;

/// Most kinds that stand for `*`.
const MOST_KINDS: usize = 5;

/// Resources that come first where not all are meant.
const USUAL: &[&str] = &["pods", "deployments", "services", "configmaps", "namespaces", "ingresses", "roles"];

/// Subresources that come first where not all are meant.
const USUAL_PARTS: &[&str] = &["exec", "eviction", "scale", "ephemeralcontainers", "status"];

/// Most subresources that stand for `*`.
const MOST_PARTS: usize = 2;

/// Kinds that are selected.
pub(super) struct Sample<'a> {
    pub(super) kinds: Vec<&'a KnownKind>,
    /// Whether there are more.
    pub(super) is_cut: bool,
}

/// The built-in kinds that a resource of a rule selects, in each version that the rule names; a sample of them for `*`.
pub(super) fn kinds<'a>(rule: &Rule, plural: &str, part: Option<&str>, kinds: &'a [KnownKind]) -> Sample<'a> {
    let mut found = selected(rule, plural, kinds);
    if plural != "*" {
        return Sample { kinds: found, is_cut: false };
    }
    if let Some(part) = part.filter(|part| *part != "*") {
        found.retain(|kind| kind.subresources.iter().any(|known| known.name == part));
    }
    let (all, rank) = (found.len(), |name: &str| USUAL.iter().position(|usual| *usual == name).unwrap_or(USUAL.len()));
    found.sort_by_key(|kind| rank(&kind.plural));
    if found.first().is_some_and(|first| rank(&first.plural) < USUAL.len()) {
        found.retain(|kind| rank(&kind.plural) < USUAL.len());
    }
    found.truncate(MOST_KINDS);
    Sample { is_cut: found.len() < all, kinds: found }
}

/// All kinds that a resource of a rule selects, in each version that the rule names, or in one.
fn selected<'a>(rule: &Rule, plural: &str, kinds: &'a [KnownKind]) -> Vec<&'a KnownKind> {
    let is_named = |all: &[String], name: &str| all.iter().any(|it| it == name || it == "*");
    let is_any_version = rule.api_versions.iter().any(|version| version == "*");
    let is_any_group = rule.api_groups.iter().any(|group| group == "*");
    let mut found: Vec<&KnownKind> = Vec::new();
    for kind in kinds.iter().filter(|kind| {
        (plural == "*" && !is_never_sent(kind) || kind.plural == plural)
            && is_named(&rule.api_groups, &kind.group)
            && is_named(&rule.api_versions, &kind.version)
            && (!is_any_group || !is_double(kind))
    }) {
        let is_there = |known: &&KnownKind| known.group == kind.group && known.kind == kind.kind;
        // Versions of a wildcard are alike: the first stands for all of them.
        if !is_any_version || !found.iter().any(is_there) {
            found.push(kind);
        }
    }
    found
}

/// Whether no webhook is asked about the kind: these are webhooks themselves, and none can lock a cluster.
pub(super) fn is_never_sent(kind: &KnownKind) -> bool {
    kind.group == "admissionregistration.k8s.io"
}

/// Whether the kind is another form of one in a usual group.
pub(super) fn is_double(kind: &KnownKind) -> bool {
    ["extensions", "events.k8s.io"].contains(&kind.group.as_str())
}

/// The subresources that stand for all of a kind.
pub(super) fn subresources(kind: &KnownKind) -> Vec<&KnownSubresource> {
    let usual = USUAL_PARTS.iter().filter_map(|name| kind.subresources.iter().find(|known| known.name == *name));
    usual.take(MOST_PARTS).collect()
}

/// What a kind is probably called, by its resource. `named` are kinds that may be meant.
pub(super) fn kind_of(plural: &str, named: &[String]) -> String {
    let singular = singular(plural);
    let is_meant = |kind: &&String| [singular.as_str(), plural].contains(&kind.to_lowercase().as_str());
    if let Some(kind) = named.iter().find(is_meant) {
        return kind.clone();
    }
    let mut letters = singular.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

fn singular(plural: &str) -> String {
    if let Some(stem) = plural.strip_suffix("ies") {
        return format!("{stem}y");
    }
    let is_long = ["sses", "xes", "zes", "ches", "shes"].iter().any(|end| plural.ends_with(end));
    let stem = plural.strip_suffix(if is_long { "es" } else { "s" });
    stem.filter(|stem| !stem.is_empty()).unwrap_or(plural).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_guessed_from_their_resources() {
        let named = ["VirtualService".to_owned()];
        for (plural, kind) in [
            ("virtualservices", "VirtualService"),
            ("meshes", "Mesh"),
            ("policies", "Policy"),
            ("gateways", "Gateway"),
            ("s", "S"),
            ("", ""),
        ] {
            assert_eq!(kind_of(plural, &named), kind);
        }
    }
}
