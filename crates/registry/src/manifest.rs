//! Manifests and indexes: parsed by the media type they state.

use std::env::consts::{ARCH, OS};

use oci_client::manifest::{
    IMAGE_MANIFEST_LIST_MEDIA_TYPE, IMAGE_MANIFEST_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE,
    OciDescriptor, OciImageIndex, OciImageManifest, OciManifest,
};
use reqwest::header::ACCEPT;
use serde::Deserialize;

use super::digest::OciDigest;
use super::display;
use super::error::{Class, Failure};
use super::http::Request;

/// The header with the digest of the content.
pub(super) const CONTENT_DIGEST: &str = "docker-content-digest";

/// The accepted media types, in kwctl's order.
const MEDIA_TYPES: [&str; 4] =
    [IMAGE_MANIFEST_MEDIA_TYPE, IMAGE_MANIFEST_LIST_MEDIA_TYPE, OCI_IMAGE_MEDIA_TYPE, OCI_IMAGE_INDEX_MEDIA_TYPE];

/// Why bytes are not a manifest.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// HTML instead of JSON.
    #[error("received a web page instead of a manifest")]
    WebPage,
    /// Invalid JSON, or members of the wrong type.
    #[error("invalid manifest: {0}")]
    Json(#[source] serde_json::Error),
    /// An old format.
    #[error("unsupported schema version {0} of the manifest, expected 2")]
    SchemaVersion(u64),
    /// Some other JSON.
    #[error("not a manifest: `schemaVersion` missing")]
    NoSchemaVersion,
    /// Neither a manifest nor an index.
    #[error("unsupported media type `{0}` of the manifest")]
    MediaType(String),
}

/// A manifest or an index as it was sent.
#[derive(Debug, Clone)]
pub struct FetchedManifest {
    /// Parsed by its media type.
    pub manifest: OciManifest,
    /// The bytes its digest is of.
    pub bytes: Vec<u8>,
    /// The digest of the bytes: the requested one, if the reference has a digest.
    pub digest: OciDigest,
}

impl FetchedManifest {
    /// The media type it states, else the one of its kind.
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

/// The members that tell manifests and indexes apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Head {
    schema_version: Option<u64>,
    media_type: Option<String>,
    manifests: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
}

/// Adds the accepted media types.
pub(super) fn accepting(request: Request) -> Request {
    MEDIA_TYPES.into_iter().fold(request, |request, media_type| request.header(ACCEPT, media_type))
}

/// Parses a manifest or an index, by the media type it states.
pub fn read(bytes: &[u8], content_type: Option<&str>) -> Result<OciManifest, ManifestError> {
    let invalid = |error: serde_json::Error| match content_type.is_some_and(|text| text.starts_with("text/html")) {
        true => ManifestError::WebPage,
        false => ManifestError::Json(error),
    };
    let head: Head = serde_json::from_slice(bytes).map_err(invalid)?;
    match head.schema_version {
        Some(2) => {}
        Some(version) => return Err(ManifestError::SchemaVersion(version)),
        None => return Err(ManifestError::NoSchemaVersion),
    }
    let is_index = match head.media_type.as_deref() {
        Some(IMAGE_MANIFEST_MEDIA_TYPE | OCI_IMAGE_MEDIA_TYPE) => false,
        Some(IMAGE_MANIFEST_LIST_MEDIA_TYPE | OCI_IMAGE_INDEX_MEDIA_TYPE) => true,
        Some(other) => return Err(ManifestError::MediaType(display::shortened(other))),
        None => head.manifests.is_some() && head.layers.is_none(),
    };
    if is_index {
        serde_json::from_slice::<OciImageIndex>(bytes).map(OciManifest::ImageIndex).map_err(invalid)
    } else {
        serde_json::from_slice::<OciImageManifest>(bytes).map(OciManifest::Image).map_err(invalid)
    }
}

pub(super) fn no_platform(index: &OciImageIndex) -> Failure {
    let platforms = index.manifests.iter().filter_map(|entry| entry.platform.as_ref());
    let mut names: Vec<String> =
        platforms.map(|platform| display::shortened(&format!("{}/{}", platform.os, platform.architecture))).collect();
    names.sort_unstable();
    names.dedup();
    names.truncate(10);
    let has = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    Failure::new(Class::WrongContent, format!("index without an entry for {OS}/{ARCH}; platforms: {has}"))
        .with_help("push the policy as a single manifest, without an index")
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
    fn the_media_type_decides_between_manifest_and_index() {
        let image = format!(r#"{{"schemaVersion":2,{CONFIG},"layers":[]}}"#);
        assert!(matches!(read(image.as_bytes(), None), Ok(OciManifest::Image(_))));
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        assert!(matches!(read(index.as_bytes(), None), Ok(OciManifest::ImageIndex(_))));
        // Ambiguous content: the media type decides, else it is an image.
        let both = format!(
            r#"{{"schemaVersion":2,"mediaType":"{OCI_IMAGE_INDEX_MEDIA_TYPE}",{CONFIG},"layers":[],"manifests":[]}}"#
        );
        assert!(matches!(read(both.as_bytes(), None), Ok(OciManifest::ImageIndex(_))));
    }

    #[test]
    fn invalid_manifests_have_distinct_errors() {
        let error =
            |text: &str, content_type: Option<&str>| read(text.as_bytes(), content_type).unwrap_err().to_string();
        assert!(error("<html>", Some("text/html; charset=utf-8")).contains("a web page"));
        assert!(error("{\"schemaVersion\":2", None).contains("EOF"));
        assert!(error("{\"schemaVersion\":1}", None).contains("schema version 1"));
        assert!(error("{}", None).contains("`schemaVersion` missing"));
        assert!(error(r#"{"schemaVersion":2,"mediaType":"text/plain"}"#, None).contains("`text/plain`"));
        assert!(error(r#"{"schemaVersion":2,"layers":[]}"#, None).contains("config"));
    }
}
