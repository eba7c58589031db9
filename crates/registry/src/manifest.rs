//! Manifests and indexes: parsed by the media type they state.

use std::env::consts::{ARCH, OS};

use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    OciDescriptor, OciImageIndex, OciImageManifest, OciManifest,
};
use reqwest::header::ACCEPT;
use serde::Deserialize;

use super::digest::OciDigest;
use super::error::{Class, Failure};
use super::http::Ask;

/// The header in which registries name the digest of what they send.
pub(super) const CONTENT_DIGEST: &str = "docker-content-digest";

/// What we read, in kwctl's order.
const MEDIA_TYPES: [&str; 4] =
    [IMAGE_MANIFEST_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE];

/// A manifest or an index as it was sent.
#[derive(Debug, Clone)]
pub struct FetchedManifest {
    /// Read as what it says it is.
    pub manifest: OciManifest,
    /// The bytes its digest is of.
    pub bytes: Vec<u8>,
    /// The digest of the bytes: the one asked for, where a digest was asked for.
    pub digest: OciDigest,
}

impl FetchedManifest {
    /// What it calls itself, else what it is.
    pub(crate) fn media_type(&self) -> &str {
        let (stated, usual) = match &self.manifest {
            OciManifest::Image(image) => (&image.media_type, OCI_IMAGE_MEDIA_TYPE),
            OciManifest::ImageIndex(index) => (&index.media_type, OCI_IMAGE_INDEX_MEDIA_TYPE),
        };
        stated.as_deref().unwrap_or(usual)
    }
}

/// The manifest of an image with its configuration.
#[derive(Debug, Clone)]
pub struct ManifestWithConfig {
    /// The manifest of the image, an index being resolved to this machine's platform.
    pub manifest: OciImageManifest,
    /// The digest of that manifest.
    pub digest: OciDigest,
    /// The configuration, byte for byte.
    pub config: Vec<u8>,
}

/// What every manifest has.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
}

/// Says which manifests we read.
pub(super) fn accepting(ask: Ask) -> Ask {
    MEDIA_TYPES.into_iter().fold(ask, |ask, media_type| ask.header(ACCEPT, media_type))
}

/// Reads a manifest or an index; what it is, it says itself.
pub fn read(bytes: &[u8], content_type: Option<&str>) -> Result<OciManifest, String> {
    let garbled = |error: serde_json::Error| {
        if content_type.is_some_and(|text| text.starts_with("text/html")) {
            "what came is a web page, not a manifest".to_owned()
        } else {
            format!("what came is not a manifest we can read: {error}")
        }
    };
    let head: Head = serde_json::from_slice(bytes).map_err(garbled)?;
    match head.schema_version {
        Some(2) => {}
        Some(version) => return Err(format!("the manifest has schema version {version}, where only 2 is known")),
        None => return Err("what came is not a manifest: it has no schemaVersion".into()),
    }
    let is_index = match head.media_type.as_deref() {
        Some(IMAGE_MANIFEST_MEDIA_TYPE | OCI_IMAGE_MEDIA_TYPE) => false,
        Some(IMAGE_MANIFEST_LIST_MEDIA_TYPE | OCI_IMAGE_INDEX_MEDIA_TYPE) => true,
        Some(other) => return Err(format!("the manifest has the unknown media type `{}`", bounded(other))),
        None => head.manifests.is_some() && head.layers.is_none(),
    };
    if is_index {
        serde_json::from_slice::<OciImageIndex>(bytes).map(OciManifest::ImageIndex).map_err(garbled)
    } else {
        serde_json::from_slice::<OciImageManifest>(bytes).map(OciManifest::Image).map_err(garbled)
    }
}

/// A word of a stranger.
pub(super) fn bounded(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(100).collect()
}

pub(super) fn no_platform(index: &OciImageIndex) -> Failure {
    let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
    let mut names: Vec<String> =
        platforms.map(|platform| bounded(&format!("{}/{}", platform.os, platform.architecture))).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(10);
    let has = if names.is_empty() { "no platform at all".to_owned() } else { names.join(", ") };
    Failure::new(Class::WrongContent, format!("it is an index without an entry for {OS}/{ARCH}; it has {has}"))
        .with_help("a policy is one manifest with one module: push it without an index")
}

/// A descriptor of `bytes`, without annotations.
pub(crate) fn descriptor(media_type: &str, bytes: &[u8]) -> OciDescriptor {
    OciDescriptor {
        media_type: media_type.to_owned(),
        digest: OciDigest::of(bytes).to_string(),
        size: i64::try_from(bytes.len()).unwrap_or(i64::MAX),
        ..OciDescriptor::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = r#""config":{"mediaType":"c","digest":"sha256:a","size":2}"#;

    #[test]
    fn what_a_manifest_is_it_says_itself() {
        let image = format!(r#"{{"schemaVersion":2,{CONFIG},"layers":[]}}"#);
        assert!(matches!(read(image.as_bytes(), None), Ok(OciManifest::Image(_))));
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        assert!(matches!(read(index.as_bytes(), None), Ok(OciManifest::ImageIndex(_))));
        // Two meanings at once: the media type decides, else it is an image.
        let both = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_IMAGE_INDEX_MEDIA_TYPE}",{CONFIG},"layers":[],"manifests":[]}}"#
        );
        assert!(matches!(read(both.as_bytes(), None), Ok(OciManifest::ImageIndex(_))));
    }

    #[test]
    fn what_is_no_manifest_is_told_apart() {
        let says = |text: &str, content_type: Option<&str>| read(text.as_bytes(), content_type).unwrap_err();
        assert!(says("<html>", Some("text/html; charset=utf-8")).contains("a web page"));
        assert!(says("{\"schemaVersion\":2", None).contains("EOF"));
        assert!(says("{\"schemaVersion\":1}", None).contains("schema version 1"));
        assert!(says("{}", None).contains("no schemaVersion"));
        assert!(says(r#"{"schemaVersion":2,"mediaType":"text/plain"}"#, None).contains("`text/plain`"));
        assert!(says(r#"{"schemaVersion":2,"layers":[]}"#, None).contains("config"));
    }
}
