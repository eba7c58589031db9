//! The access rules of a policy, applied before a call is answered.
//!
//! policy-server has two: patterns of host capabilities, and the Kubernetes resources a context-aware policy may read.
//! The texts are the server's, with help about what to write in the suite.

use std::collections::BTreeSet;

use super::kubernetes;
use super::reply::CallError;
use super::request::Request;
use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::hosting::{ContextAware, Grants};
use policy_verify_model::policy::{ContextAwareResource, Metadata};
use policy_verify_model::privilege::covers;
use policy_verify_model::suite::Compat;

/// The access rules of one policy.
#[derive(Debug, Clone, Default)]
pub struct Access {
    grants: Grants,
    /// What the metadata declares.
    declared: BTreeSet<ContextAwareResource>,
    /// Whether a violation is a fault.
    compat: Compat,
}

/// A call that is denied: the error for the guest, and the fault for the case, unless the suite leaves the error to the
/// policy, as the server does.
pub(super) struct Refusal {
    pub(super) error: CallError,
    pub(super) fault: Option<Box<Fault>>,
}

impl Access {
    /// The rules for a policy with this metadata.
    pub fn new(grants: &Grants, metadata: Option<&Metadata>, compat: Compat) -> Self {
        let declared = metadata.map(|metadata| metadata.context_aware_resources.clone()).unwrap_or_default();
        Self { grants: grants.clone(), declared, compat }
    }

    /// The resources the policy may read.
    fn granted(&self) -> &BTreeSet<ContextAwareResource> {
        static NONE: BTreeSet<ContextAwareResource> = BTreeSet::new();
        match &self.grants.context_aware {
            ContextAware::Nothing => &NONE,
            ContextAware::Declared => &self.declared,
            ContextAware::Listed(granted) => granted,
        }
    }

    /// The resources a Rego policy is given; a fault if the suite does not state whether those of the metadata are granted.
    pub(super) fn readable(&self) -> Result<&BTreeSet<ContextAwareResource>, Fault> {
        let is_stated = self.grants.context_aware != ContextAware::Nothing || self.compat == Compat::Server;
        if is_stated || self.declared.is_empty() {
            return Ok(self.granted());
        }
        let declared: Vec<String> = self.declared.iter().map(ToString::to_string).collect();
        let message = format!(
            "`contextAwareResources` of the metadata declares {}, but the suite grants none",
            declared.join(", ")
        );
        Err(Fault::new(FaultKind::Host, message).with_help(
            "add `contextAware: true` to the policy in the suite, or `contextAware: false` if the cluster grants none: the \
             `data` of the policy is then empty",
        ))
    }

    /// The first rule: the capability by its name, known or not.
    pub(super) fn check_capability(&self, capability: &str) -> Result<(), Refusal> {
        let Some(patterns) = &self.grants.host_capabilities else { return Ok(()) };
        if patterns.iter().any(|pattern| covers(pattern, capability)) {
            return Ok(());
        }
        let text = format!(
            "Policy has not been granted access to the '{capability}' host capability. The violation has been reported."
        );
        let granted = if patterns.is_empty() { "nothing".to_owned() } else { patterns.join(", ") };
        let help = format!(
            "add `{capability}` to `hostCapabilities` of the policy if the cluster grants it; granted: {granted}"
        );
        Err(self.refusal(text, help))
    }

    /// The second rule, applied once the payload is read: lists and single objects of Kubernetes, but not `can_i`.
    pub(super) fn check_resource(&self, request: &Request) -> Result<(), Refusal> {
        let Some((api_version, kind)) = kubernetes::resource_of(request) else { return Ok(()) };
        let is_requested = |it: &ContextAwareResource| it.api_version == api_version && it.kind == kind;
        if self.granted().iter().any(is_requested) {
            return Ok(());
        }
        let is_declared = self.declared.iter().any(is_requested);
        let help = match &self.grants.context_aware {
            ContextAware::Nothing if is_declared => {
                "add `contextAware: true` to the policy in the suite: it grants what the metadata declares".to_owned()
            }
            ContextAware::Nothing | ContextAware::Declared => format!(
                "declare it in the metadata, under `contextAwareResources`, and give the policy `contextAware: true`; or \
                 grant it here:\ncontextAware: [{{ apiVersion: {api_version}, kind: {kind} }}]"
            ),
            ContextAware::Listed(_) => format!(
                "add it to `contextAware` of the policy, or to `contextAwareResources` of its manifest, if the cluster grants it:\n\
                 - {{ apiVersion: {api_version}, kind: {kind} }}"
            ),
        };
        let text = format!(
            "Policy has not been granted access to Kubernetes {api_version}/{kind} resources. The violation has been reported."
        );
        Err(self.refusal(text, help))
    }

    fn refusal(&self, text: String, help: String) -> Refusal {
        let fault = match self.compat {
            Compat::Strict => Some(Box::new(Fault::new(FaultKind::Host, text.clone()).with_help(help))),
            Compat::Server => None,
        };
        Refusal { error: CallError(text), fault }
    }
}

/// Why policy-server rejects a pattern of host capabilities, in its words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidPattern {
    /// The pattern is empty.
    #[error("invalid pattern: pattern must not be empty")]
    Empty,
    /// A star with something before or behind it.
    #[error(
        "invalid pattern {0:?}: wildcard '*' must be the entire last path segment (e.g. 'oci/*'), not a partial match"
    )]
    PartialWildcard(String),
    /// No capability has this segment.
    #[error("invalid pattern {pattern:?}: unknown segment {segment:?}, valid options at this level are: {options}")]
    UnknownSegment {
        /// The pattern.
        pattern: String,
        /// The segment.
        segment: String,
        /// What could be there, separated by commas.
        options: String,
    },
    /// The beginning of a capability.
    #[error(
        "invalid pattern {pattern:?}: not a complete capability path; use {suggestion:?} to allow all capabilities \
         under it"
    )]
    Incomplete {
        /// The pattern.
        pattern: String,
        /// The pattern with a wildcard.
        suggestion: String,
    },
}

/// Whether policy-server accepts a pattern. `known` are the full names of all capabilities.
///
/// The server stops reading at the first `*` and accepts anything behind it; here every pattern must be right.
pub(super) fn check_pattern(pattern: &str, known: &[&str]) -> Result<(), InvalidPattern> {
    let trimmed = pattern.trim();
    if trimmed.is_empty() {
        return Err(InvalidPattern::Empty);
    }
    if trimmed == "*" {
        return Ok(());
    }
    let pattern = || pattern.to_owned();
    let parts: Vec<&str> = trimmed.split('/').collect();
    let is_partial = |(index, part): (usize, &&str)| part.contains('*') && (*part != "*" || index + 1 < parts.len());
    if parts.iter().enumerate().any(is_partial) {
        return Err(InvalidPattern::PartialWildcard(pattern()));
    }
    for (depth, part) in parts.iter().enumerate() {
        let here = known.iter().map(|name| name.split('/').collect::<Vec<_>>());
        let options: BTreeSet<&str> =
            here.filter(|path| path.len() > depth && path[..depth] == parts[..depth]).map(|path| path[depth]).collect();
        // Behind a complete name there is nothing left to choose from, not even `*`.
        if !options.contains(part) && (*part != "*" || options.is_empty()) {
            let options = options.into_iter().collect::<Vec<_>>().join(", ");
            return Err(InvalidPattern::UnknownSegment { pattern: pattern(), segment: (*part).into(), options });
        }
    }
    if parts.last() != Some(&"*") && !known.contains(&trimmed) {
        return Err(InvalidPattern::Incomplete { pattern: pattern(), suggestion: format!("{trimmed}/*") });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(pattern: &str) -> Result<(), String> {
        check_pattern(pattern, crate::known_capabilities()).map_err(|error| error.to_string())
    }

    fn resource(api_version: &str, kind: &str) -> ContextAwareResource {
        ContextAwareResource { api_version: api_version.into(), kind: kind.into() }
    }

    fn access(context_aware: ContextAware, declared: &[ContextAwareResource]) -> Access {
        let grants = Grants { context_aware, ..Grants::default() };
        Access { grants, declared: declared.iter().cloned().collect(), compat: Compat::Strict }
    }

    #[test]
    fn errors_about_patterns_are_those_of_the_server() {
        for pattern in ["*", " oci/* ", "oci/v1/*", "oci/v2/verify", "kubernetes/can_i", "kubernetes/*"] {
            assert_eq!(check(pattern), Ok(()), "{pattern}");
        }
        for (pattern, error) in [
            (
                "foo/*",
                "invalid pattern \"foo/*\": unknown segment \"foo\", valid options at this level are: crypto, \
                 kubernetes, net, oci",
            ),
            (
                "oci/v1",
                "invalid pattern \"oci/v1\": not a complete capability path; use \"oci/v1/*\" to allow all \
                 capabilities under it",
            ),
            (
                "oci/v*",
                "invalid pattern \"oci/v*\": wildcard '*' must be the entire last path segment (e.g. 'oci/*'), not a \
                 partial match",
            ),
            (
                "oci/*/verify",
                "invalid pattern \"oci/*/verify\": wildcard '*' must be the entire last path segment (e.g. 'oci/*'), \
                 not a partial match",
            ),
            (
                "oci/v3/verify",
                "invalid pattern \"oci/v3/verify\": unknown segment \"v3\", valid options at this level are: v1, v2",
            ),
            (
                "kubernetes/can_i/more",
                "invalid pattern \"kubernetes/can_i/more\": unknown segment \"more\", valid options at this level are: ",
            ),
            (" ", "invalid pattern: pattern must not be empty"),
        ] {
            assert_eq!(check(pattern), Err(error.to_owned()), "{pattern}");
        }
    }

    #[test]
    fn a_capability_needs_a_pattern_that_covers_it() {
        let with = |patterns: Option<&[&str]>| {
            let host_capabilities = patterns.map(|list| list.iter().map(|it| (*it).to_owned()).collect());
            Access::new(&Grants { host_capabilities, ..Grants::default() }, None, Compat::Strict)
        };
        for (patterns, capability, is_granted) in [
            (None, "oci/v1/verify", true),
            (Some(&["*"][..]), "ldap/v1/bind", true),
            (Some(&["oci/*"]), "oci/v2/verify", true),
            (Some(&["oci/v1/*"]), "oci/v2/verify", false),
            (Some(&["net/*", "oci/v2/verify"]), "oci/v2/verify", true),
            (Some(&["net/*", "oci/v2/verify"]), "oci/v2/verify/more", false),
            (Some(&[]), "net/v1/dns_lookup_host", false),
        ] {
            assert_eq!(with(patterns).check_capability(capability).is_ok(), is_granted, "{patterns:?} {capability}");
        }
        let Err(refusal) = with(Some(&[])).check_capability("kubernetes/can_i") else { panic!("nothing is granted") };
        assert_eq!(
            refusal.error.0,
            "Policy has not been granted access to the 'kubernetes/can_i' host capability. The violation has been reported."
        );
        let fault = refusal.fault.unwrap();
        assert_eq!(fault.message, refusal.error.0);
        assert!(fault.help.unwrap().contains("add `kubernetes/can_i` to `hostCapabilities`"));
    }

    #[test]
    fn resources_are_granted_by_declaration_or_by_list() {
        let ingress = json!({"api_version": "networking.k8s.io/v1", "kind": "Ingress", "label_selector": null,
            "field_selector": null, "field_masks": null});
        let request = Request::from_recorded("KubernetesListResourceAll", &ingress).unwrap();
        let ours = [resource("networking.k8s.io/v1", "Ingress")];
        let theirs = [resource("networking.k8s.io/v1beta1", "Ingress"), resource("v1", "Pod")];
        let help =
            |access: &Access| access.check_resource(&request).err().map(|refusal| refusal.fault.unwrap().help.unwrap());
        assert_eq!(help(&access(ContextAware::Declared, &ours)), None);
        assert_eq!(help(&access(ContextAware::Listed(ours.clone().into()), &[])), None);
        for (access, advice) in [
            (access(ContextAware::Nothing, &ours), "add `contextAware: true` to the policy"),
            (access(ContextAware::Nothing, &theirs), "declare it in the metadata"),
            (access(ContextAware::Declared, &theirs), "declare it in the metadata"),
            (access(ContextAware::Listed(theirs.clone().into()), &ours), "add it to `contextAware` of the policy"),
        ] {
            let given = help(&access).unwrap();
            assert!(given.starts_with(advice), "{given}");
        }
        let Err(refusal) = Access::default().check_resource(&request) else { panic!("nothing is granted") };
        assert_eq!(
            refusal.error.0,
            "Policy has not been granted access to Kubernetes networking.k8s.io/v1/Ingress resources. The violation has been reported."
        );
        let review = json!({"request": {"groups": null, "user": "bob", "resource_attributes": {"verb": "get",
            "resource": "pods", "group": null, "name": null, "namespace": null, "subresource": null, "version": null}},
            "disable_cache": false});
        let request = Request::from_recorded("KubernetesCanI", &review).unwrap();
        assert!(Access::default().check_resource(&request).is_ok(), "can_i reads no resource");
    }
}
