//! Signatures for tests, made by cosign: those of `testdata/signatures`.

#![expect(clippy::unwrap_used, reason = "for tests, which end where they cannot go on")]

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::TrustRoot;
use crate::testing::FakeRegistry;

pub(super) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/signatures")
}

/// The bytes of a fixture.
pub fn fixture(path: &str) -> Vec<u8> {
    std::fs::read(folder().join(path)).unwrap()
}

/// The text of a fixture.
pub fn text(path: &str) -> String {
    String::from_utf8(fixture(path)).unwrap()
}

pub(super) fn blob(digest: &str) -> Vec<u8> {
    fixture(&format!("registry/blobs/{}", digest.replace(':', "-")))
}

/// The trust root of the keyless fixtures.
pub fn trust_root() -> TrustRoot {
    TrustRoot::from_file(&folder().join("keyless/trust-config.json")).unwrap()
}

/// Adds the image of a repository, with its signatures, to a registry.
pub fn serve(registry: &FakeRegistry, repository: &str) {
    let folder = folder().join("registry/signed").join(repository);
    let repository = format!("signed/{repository}");
    for path in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        let bytes = std::fs::read(&path).unwrap();
        let manifest: Value = serde_json::from_slice(&bytes).unwrap();
        let tag = path.file_stem().unwrap().to_string_lossy().into_owned();
        let media_type = match manifest.get("manifests") {
            Some(_) => "application/vnd.oci.image.index.v1+json",
            None => "application/vnd.oci.image.manifest.v1+json",
        };
        registry.add_manifest(&repository, &tag, media_type, &bytes);
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        for descriptor in layers.iter().chain(manifest.get("config")) {
            registry.add_blob(&repository, &blob(descriptor["digest"].as_str().unwrap()));
        }
    }
}
