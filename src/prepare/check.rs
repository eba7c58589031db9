//! The static checks of a suite: properties of a module, whatever it answers.

use std::collections::BTreeSet;

use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::policy::Metadata;
use policy_verify_model::suite::{Check, SizeLimit};

/// Where policies state their version.
const VERSION: &str = "io.kubewarden.policy.version";

/// Holds a policy against one check. `size` is that of the module as it runs, its metadata included.
pub(crate) fn check(check: &Check, metadata: Option<&Metadata>, size: u64) -> Vec<Mismatch> {
    let found = match check {
        Check::Version(wanted) => version(&wanted.value, metadata),
        Check::Mutating(wanted) => mutating(wanted.value, metadata),
        Check::HostCapabilities(wanted) => host_capabilities(&wanted.value, metadata),
        Check::Size(wanted) => within(&wanted.value, size),
        Check::Questions(_) => Some(Difference {
            at: "/questions",
            expected: "the policy is asked".to_owned(),
            actual: "a form is no property of the module".to_owned(),
        }),
    };
    let mismatch = |Difference { at, expected, actual }| Mismatch {
        kind: MismatchKind::Check,
        at: at.to_owned(),
        expected,
        actual,
        span: check.span().clone(),
    };
    found.into_iter().map(mismatch).collect()
}

/// A [`Mismatch`] before its place in the suite is known.
struct Difference {
    at: &'static str,
    expected: String,
    actual: String,
}

/// The actual value of everything that a module without metadata lacks.
const NO_METADATA: &str = "nothing: the policy has no metadata";

fn version(wanted: &str, metadata: Option<&Metadata>) -> Option<Difference> {
    let stated = metadata.and_then(|metadata| metadata.annotations.as_ref()?.get(VERSION));
    let actual = match (metadata, stated) {
        (_, Some(stated)) if stated == wanted => return None,
        (_, Some(stated)) => stated.clone(),
        (Some(_), None) => format!("nothing: the metadata has no annotation `{VERSION}`"),
        (None, None) => NO_METADATA.into(),
    };
    Some(Difference { at: "/annotations/io.kubewarden.policy.version", expected: wanted.to_owned(), actual })
}

fn mutating(wanted: bool, metadata: Option<&Metadata>) -> Option<Difference> {
    let actual = match metadata {
        Some(metadata) if metadata.mutating == wanted => return None,
        Some(metadata) => metadata.mutating.to_string(),
        None => NO_METADATA.into(),
    };
    Some(Difference { at: "/mutating", expected: wanted.to_string(), actual })
}

fn host_capabilities(wanted: &[String], metadata: Option<&Metadata>) -> Option<Difference> {
    let at = "/hostCapabilities";
    let wanted: BTreeSet<&String> = wanted.iter().collect();
    let Some(metadata) = metadata else {
        return Some(Difference { at, expected: listed(&wanted), actual: NO_METADATA.into() });
    };
    let declared: BTreeSet<&String> = metadata.host_capabilities.iter().flatten().collect();
    (declared != wanted).then(|| Difference { at, expected: listed(&wanted), actual: listed(&declared) })
}

fn listed(capabilities: &BTreeSet<&String>) -> String {
    if capabilities.is_empty() {
        return "none".into();
    }
    capabilities.iter().map(|capability| capability.as_str()).collect::<Vec<_>>().join(", ")
}

fn within(limit: &SizeLimit, size: u64) -> Option<Difference> {
    let is_within = if limit.is_inclusive { size <= limit.bytes } else { size < limit.bytes };
    (!is_within).then(|| Difference { at: "/size", expected: limit.text.clone(), actual: format!("{size} bytes") })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use policy_verify_model::source::{SourceFile, Span, Spanned};

    fn spanned<T>(value: T) -> Spanned<T> {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
        Spanned::new(value, Span { line: 7, ..Span::start_of(&file) })
    }

    fn metadata() -> Metadata {
        let text = r#"{"rules":[],"mutating":true,"annotations":{"io.kubewarden.policy.version":"1.0.0"},
                       "hostCapabilities":["oci/*","net/*"]}"#;
        serde_json::from_str(text).unwrap()
    }

    /// `at: expected, actual` of each mismatch.
    fn found(wanted: &Check, metadata: Option<&Metadata>, size: u64) -> Vec<String> {
        let mismatches = check(wanted, metadata, size);
        assert!(mismatches.iter().all(|it| it.kind == MismatchKind::Check && it.span.line == 7));
        mismatches.into_iter().map(|it| format!("{}: {}, {}", it.at, it.expected, it.actual)).collect()
    }

    #[test]
    fn versions_are_compared_as_texts() {
        let check = |version: &str| Check::Version(spanned(version.into()));
        assert!(found(&check("1.0.0"), Some(&metadata()), 0).is_empty());
        assert_eq!(
            found(&check("v1.0.0"), Some(&metadata()), 0),
            ["/annotations/io.kubewarden.policy.version: v1.0.0, 1.0.0"]
        );
        let silent = Metadata { annotations: None, ..metadata() };
        assert!(found(&check("1.0.0"), Some(&silent), 0)[0].contains("no annotation"));
        assert!(found(&check("1.0.0"), None, 0)[0].contains("no metadata"));
    }

    #[test]
    fn mutating_is_what_the_metadata_says() {
        assert!(found(&Check::Mutating(spanned(true)), Some(&metadata()), 0).is_empty());
        assert_eq!(found(&Check::Mutating(spanned(false)), Some(&metadata()), 0), ["/mutating: false, true"]);
        assert_eq!(found(&Check::Mutating(spanned(false)), None, 0).len(), 1, "saying nothing is not saying no");
    }

    #[test]
    fn capabilities_are_a_set() {
        let check = |names: &[&str]| Check::HostCapabilities(spanned(names.iter().map(|&it| it.to_owned()).collect()));
        assert!(found(&check(&["oci/*", "net/*"]), Some(&metadata()), 0).is_empty());
        assert_eq!(found(&check(&[]), Some(&metadata()), 0), ["/hostCapabilities: none, net/*, oci/*"]);
        let none = Metadata { host_capabilities: None, ..metadata() };
        assert!(found(&check(&[]), Some(&none), 0).is_empty());
    }

    #[test]
    fn the_bound_of_a_size_may_be_reached_or_not() {
        let check = |is_inclusive| Check::Size(spanned(SizeLimit { is_inclusive, bytes: 10, text: "10 B".into() }));
        assert!(found(&check(true), None, 10).is_empty());
        assert_eq!(found(&check(true), None, 11), ["/size: 10 B, 11 bytes"]);
        assert!(found(&check(false), None, 9).is_empty());
        assert_eq!(found(&check(false), None, 10).len(), 1);
    }
}
