//! What a policy may ask its host for, and what it needs.

use std::collections::BTreeSet;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::policy::ContextAwareResource;

/// The host capabilities and Kubernetes resources that the metadata of a policy declares, and those that the cases of its
/// suite make it use.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Privileges {
    /// What the metadata declares. Capabilities may be patterns such as `oci/*`.
    pub declared: PrivilegeSet,
    /// What the policy called, granted or not.
    pub used: PrivilegeSet,
    /// Capabilities that are declared, not called, and whose names the module contains.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub found: BTreeSet<String>,
    /// The change of the metadata file to the smallest declaration, as a unified diff; nothing where there is no such file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patch: Option<String>,
}

/// Host capabilities and Kubernetes resources.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrivilegeSet {
    /// Full names such as `oci/v1/manifest_digest`.
    pub host_capabilities: BTreeSet<String>,
    /// Resources that are listed or read.
    pub context_aware_resources: BTreeSet<ContextAwareResource>,
}

/// A difference between what is declared and what is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PrivilegeGap<'a> {
    /// A capability is called and not declared.
    UndeclaredCapability(&'a str),
    /// A resource is read and not declared.
    UndeclaredResource(&'a ContextAwareResource),
    /// A declared capability is called by no case.
    UnusedCapability {
        /// The capability, or a pattern.
        pattern: &'a str,
        /// Whether the module contains the name of such a capability.
        is_found: bool,
    },
    /// A pattern declares more than the cases call.
    Wildcard {
        /// The pattern.
        pattern: &'a str,
        /// What is called of it.
        called: Vec<&'a str>,
    },
    /// A declared resource is read by no case.
    UnusedResource(&'a ContextAwareResource),
}

impl Privileges {
    /// What is used and not declared, then what is declared and not used.
    pub fn gaps(&self) -> Vec<PrivilegeGap<'_>> {
        let Self { declared, used, .. } = self;
        let patterns = &declared.host_capabilities;
        let is_declared = |name: &&String| patterns.iter().any(|pattern| covers(pattern, name));
        let undeclared = used.host_capabilities.iter().filter(|name| !is_declared(name));
        let undeclared = undeclared.map(|name| PrivilegeGap::UndeclaredCapability(name));
        let [read, granted] = [used, declared].map(|set| &set.context_aware_resources);
        undeclared
            .chain(read.difference(granted).map(PrivilegeGap::UndeclaredResource))
            .chain(patterns.iter().filter_map(|pattern| self.excess(pattern)))
            .chain(granted.difference(read).map(PrivilegeGap::UnusedResource))
            .collect()
    }

    /// What a declared pattern has too much.
    fn excess<'a>(&'a self, pattern: &'a str) -> Option<PrivilegeGap<'a>> {
        let names = self.used.host_capabilities.iter().map(String::as_str);
        let called: Vec<&str> = names.filter(|name| covers(pattern, name)).collect();
        if called.is_empty() {
            let is_found = self.found.iter().any(|name| covers(pattern, name));
            return Some(PrivilegeGap::UnusedCapability { pattern, is_found });
        }
        pattern.ends_with('*').then_some(PrivilegeGap::Wildcard { pattern, called })
    }

    /// Adds what the cases of another run use.
    pub fn add(&mut self, other: &Self) {
        let is_same = self.used == other.used;
        self.used.host_capabilities.extend(other.used.host_capabilities.iter().cloned());
        self.used.context_aware_resources.extend(other.used.context_aware_resources.iter().cloned());
        self.found.extend(other.found.iter().cloned());
        if !is_same {
            self.patch = None;
        }
    }
}

/// Whether a pattern includes a capability. The part before a star is empty or ends with a slash.
pub fn covers(pattern: &str, capability: &str) -> bool {
    let pattern = pattern.trim();
    match pattern.strip_suffix('*') {
        Some(prefix) => capability.starts_with(prefix),
        None => capability == pattern,
    }
}

impl fmt::Display for PrivilegeGap<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UndeclaredCapability(name) => write!(f, "calls `{name}`, which the metadata does not declare"),
            Self::UndeclaredResource(resource) => write!(f, "reads {resource}, which the metadata does not declare"),
            Self::UnusedCapability { pattern, is_found: true } => {
                write!(f, "declares `{pattern}`, which no case calls, although its name is in the module")
            }
            Self::UnusedCapability { pattern, is_found: false } => {
                write!(f, "declares `{pattern}`, which no case calls")
            }
            Self::Wildcard { pattern, called } => {
                write!(f, "declares `{pattern}`; the cases call `{}` only", called.join("`, `"))
            }
            Self::UnusedResource(resource) => write!(f, "declares {resource}, which no case reads"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(capabilities: &[&str], kinds: &[&str]) -> PrivilegeSet {
        PrivilegeSet {
            host_capabilities: capabilities.iter().map(|name| (*name).to_owned()).collect(),
            context_aware_resources: kinds
                .iter()
                .map(|kind| ContextAwareResource { api_version: "v1".to_owned(), kind: (*kind).to_owned() })
                .collect(),
        }
    }

    fn gaps(declared: PrivilegeSet, used: PrivilegeSet, found: &[&str]) -> Vec<String> {
        let found = set(found, &[]).host_capabilities;
        Privileges { declared, used, found, patch: None }.gaps().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_declaration_of_what_is_used_has_no_gap() {
        let same = set(&["net/v1/dns_lookup_host", "oci/v2/verify"], &["Pod"]);
        assert!(gaps(same.clone(), same, &[]).is_empty());
        assert!(gaps(PrivilegeSet::default(), PrivilegeSet::default(), &[]).is_empty());
    }

    #[test]
    fn each_kind_of_gap_is_told() {
        let declared = set(&["crypto/v1/is_certificate_trusted", "net/*", "oci/v1/*"], &["Namespace", "Pod"]);
        let used = set(&["net/v1/dns_lookup_host", "oci/v2/verify"], &["Pod", "Secret"]);
        assert_eq!(
            gaps(declared, used, &["oci/v1/verify"]),
            [
                "calls `oci/v2/verify`, which the metadata does not declare",
                "reads v1/Secret, which the metadata does not declare",
                "declares `crypto/v1/is_certificate_trusted`, which no case calls",
                "declares `net/*`; the cases call `net/v1/dns_lookup_host` only",
                "declares `oci/v1/*`, which no case calls, although its name is in the module",
                "declares v1/Namespace, which no case reads",
            ]
        );
    }

    #[test]
    fn shards_use_privileges_together() {
        let declared = set(&["net/v1/dns_lookup_host", "oci/v2/verify"], &[]);
        let one = |name: &str| Privileges {
            declared: declared.clone(),
            used: set(&[name], &[]),
            patch: Some("a diff of this shard".to_owned()),
            ..Privileges::default()
        };
        let mut all = one("oci/v2/verify");
        all.add(&one("oci/v2/verify"));
        assert!(all.patch.is_some());
        all.add(&one("net/v1/dns_lookup_host"));
        assert!(all.gaps().is_empty() && all.patch.is_none());
    }
}
