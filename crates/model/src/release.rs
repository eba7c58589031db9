//! Releases of Kubewarden, and what changed from one to the next: one method for each difference that a verdict can show.
//!
//! Sources: the release posts of kubewarden.io for 1.36 to 1.38, the documentation of 1.38 and 1.39, and the source of the
//! admission controller of June 2026.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A release of Kubewarden: all of its components have one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release {
    major: u64,
    minor: u64,
    patch: u64,
}

/// The newest known patch of every known minor version, the oldest first. 1.39 is known from its release candidates.
const NEWEST_PATCHES: [Release; 4] = [release(36, 0), release(37, 2), release(38, 2), release(39, 0)];

/// The first release whose behaviour is known.
const OLDEST: Release = NEWEST_PATCHES[0];

/// The newest release whose final version was published.
const NEWEST_FINAL: Release = NEWEST_PATCHES[2];

const fn release(minor: u64, patch: u64) -> Release {
    Release { major: 1, minor, patch }
}

impl Default for Release {
    fn default() -> Self {
        NEWEST_FINAL
    }
}

impl Release {
    /// `MAJOR.MINOR`, without the patch.
    pub fn minor_version(self) -> (u64, u64) {
        (self.major, self.minor)
    }

    /// The release this one is treated as where it is newer than all that are known of its kind: the newest known patch,
    /// or the newest known release.
    pub fn treated_as(self) -> Option<Self> {
        let newest = NEWEST_PATCHES.iter().rev().find(|known| self.minor_version() >= known.minor_version())?;
        (self > *newest).then_some(*newest)
    }

    /// Whether Sigstore bundles count as signatures, beside the tag form. From 1.36.0, so in every supported release.
    pub fn reads_bundles(self) -> bool {
        self >= release(36, 0)
    }

    /// Whether the controller drops `matchLabels` of the `namespaceSelector` of cluster-wide policies. In every known
    /// release; no repair was announced.
    pub fn drops_match_labels(self) -> bool {
        true
    }

    /// Whether a Gatekeeper result that cannot be read rejects the request; it was allowed before. From 1.37.2.
    pub fn rejects_unreadable_violations(self) -> bool {
        self >= release(37, 2)
    }

    /// Whether empty lists and impossible numbers make a verification-config.yml invalid. From 1.37.2.
    pub fn has_strict_verification_config(self) -> bool {
        self >= release(37, 2)
    }

    /// Whether policies are deployed as `kw.cap.NAME`, and no longer as `clusterwide-NAME`. From 1.37.2.
    pub fn has_dotted_names(self) -> bool {
        self >= release(37, 2)
    }

    /// Whether the linear memory of an instance is limited. From 1.38.0.
    pub fn limits_memory(self) -> bool {
        self >= release(38, 0)
    }

    /// Whether the standard streams of WASI policies are limited. From 1.38.0.
    pub fn limits_wasi_output(self) -> bool {
        self >= release(38, 0)
    }

    /// Whether namespaced policies may only target the resources of an allow list. From 1.38.0.
    pub fn has_allowed_resources(self) -> bool {
        self >= release(38, 0)
    }

    /// Whether the execution mode `ferricel` exists. From 1.39.0.
    pub fn has_ferricel(self) -> bool {
        self >= release(39, 0)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// A text that is not the version of a supported release.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReleaseError {
    /// Not a version.
    #[error("invalid Kubewarden version `{0}`")]
    Invalid(String),
    /// Older than every release whose behaviour is known.
    #[error("unsupported Kubewarden version `{0}`: {OLDEST} is the oldest supported release")]
    TooOld(String),
}

impl ReleaseError {
    /// What to write instead.
    pub fn help(&self) -> String {
        let Release { major, minor, .. } = Release::default();
        format!("write a version such as `{major}.{minor}` or `{}`", Release::default())
    }
}

impl FromStr for Release {
    type Err = ReleaseError;

    /// Reads `MAJOR.MINOR`, the newest known patch of it, or `MAJOR.MINOR.PATCH`; both with or without a leading `v`. A
    /// pre-release is read as the release it precedes.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let version = text.trim();
        let version = version.strip_prefix('v').unwrap_or(version);
        let found = minor_version(version).or_else(|| full_version(version));
        let found = found.ok_or_else(|| ReleaseError::Invalid(text.to_owned()))?;
        if found < OLDEST { Err(ReleaseError::TooOld(text.to_owned())) } else { Ok(found) }
    }
}

/// `1.38`: the newest known patch.
fn minor_version(text: &str) -> Option<Release> {
    let (major, minor) = text.split_once('.')?;
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number(major) || !is_number(minor) {
        return None;
    }
    let (major, minor) = (major.parse().ok()?, minor.parse().ok()?);
    let known = NEWEST_PATCHES.iter().find(|known| known.minor_version() == (major, minor));
    Some(known.copied().unwrap_or(Release { major, minor, patch: 0 }))
}

/// `1.38.2`, `1.39.0-rc.1`
fn full_version(text: &str) -> Option<Release> {
    let semver::Version { major, minor, patch, .. } = semver::Version::parse(text).ok()?;
    Some(Release { major, minor, patch })
}

impl Serialize for Release {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Release {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read() {
        for (text, wanted) in [
            ("1.36", "1.36.0"),
            ("1.37", "1.37.2"),
            ("1.37.0", "1.37.0"),
            ("v1.38", "1.38.2"),
            (" v1.38.1 ", "1.38.1"),
            ("1.39.0-rc.1", "1.39.0"),
            ("1.38.2+build", "1.38.2"),
            ("1.41", "1.41.0"),
            ("2.0", "2.0.0"),
        ] {
            assert_eq!(text.parse::<Release>().map(|it| it.to_string()), Ok(wanted.to_owned()), "{text}");
        }
        assert_eq!(Release::default().to_string(), "1.38.2");
    }

    #[test]
    fn other_texts_are_refused() {
        for text in ["", "1", "1.", ".38", "1.38.", "1.38.x", "1.38-rc.1", "latest", "vv1.38", "1.38.1.2", "-1.38"] {
            assert_eq!(text.parse::<Release>(), Err(ReleaseError::Invalid(text.to_owned())));
        }
        for text in ["1.35", "v1.35.9", "0.9.0"] {
            let error = text.parse::<Release>().unwrap_err();
            assert_eq!(error, ReleaseError::TooOld(text.to_owned()));
            assert_eq!(
                error.to_string(),
                format!("unsupported Kubewarden version `{text}`: 1.36.0 is the oldest supported release")
            );
        }
    }

    #[test]
    fn what_is_newer_than_known_is_treated_as_the_newest() {
        let treated = |text: &str| text.parse::<Release>().unwrap().treated_as().map(|it| it.to_string());
        for text in ["1.36", "1.37.0", "1.37.2", "1.38", "1.39", "1.39.0-rc.1"] {
            assert_eq!(treated(text), None, "{text}");
        }
        for (text, wanted) in [("1.38.9", "1.38.2"), ("1.39.1", "1.39.0"), ("1.40", "1.39.0"), ("2.1", "1.39.0")] {
            assert_eq!(treated(text).as_deref(), Some(wanted), "{text}");
        }
    }

    /// The table of differences: each row with the last release before it and the first one with it.
    #[test]
    fn every_difference_begins_with_its_release() {
        type Row = (&'static str, fn(Release) -> bool, Option<&'static str>, &'static str);
        let rows: [Row; 9] = [
            ("bundles", Release::reads_bundles, None, "1.36.0"),
            ("matchLabels", Release::drops_match_labels, None, "1.36.0"),
            ("Gatekeeper", Release::rejects_unreadable_violations, Some("1.37.1"), "1.37.2"),
            ("verification configs", Release::has_strict_verification_config, Some("1.37.1"), "1.37.2"),
            ("unique names", Release::has_dotted_names, Some("1.37.1"), "1.37.2"),
            ("memory", Release::limits_memory, Some("1.37"), "1.38.0"),
            ("WASI output", Release::limits_wasi_output, Some("1.37"), "1.38.0"),
            ("allowed resources", Release::has_allowed_resources, Some("1.37"), "1.38.0"),
            ("ferricel", Release::has_ferricel, Some("1.38"), "1.39.0-rc.1"),
        ];
        for (name, holds, before, from) in rows {
            assert!(before.is_none_or(|before| !holds(before.parse().unwrap())), "{name} before {from}");
            assert!(holds(from.parse().unwrap()) && holds("1.40".parse().unwrap()), "{name} from {from}");
        }
    }
}
