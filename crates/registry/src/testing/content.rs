//! What the fake registry stores, and its correct responses.

use std::collections::BTreeMap;

use sha2::Digest as _;

use super::wire::{Reply, Seen};

pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The digest of bytes, as registries write it.
pub fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

/// The content of the registry.
#[derive(Default)]
pub struct Content {
    /// By repository and digest.
    pub blobs: BTreeMap<(String, String), Vec<u8>>,
    /// By repository and digest; with their media type.
    pub manifests: BTreeMap<(String, String), (String, Vec<u8>)>,
    /// Digests by repository and tag.
    pub tags: BTreeMap<(String, String), String>,
    /// Bytes of open uploads.
    pub uploads: BTreeMap<String, Vec<u8>>,
    next_upload: usize,
}

impl Content {
    /// Stores a manifest under its digest, and under a tag or another digest.
    pub fn store_manifest(&mut self, repository: &str, target: &str, media_type: &str, bytes: &[u8]) -> String {
        let digest = digest(bytes);
        let key = |target: &str| (repository.to_owned(), target.to_owned());
        let manifest = (media_type.to_owned(), bytes.to_vec());
        if target.contains(':') {
            self.manifests.insert(key(target), manifest.clone());
        } else {
            self.tags.insert(key(target), digest.clone());
        }
        self.manifests.insert(key(&digest), manifest);
        digest
    }

    /// Media type and bytes of a tag or a digest.
    pub fn manifest(&self, repository: &str, target: &str) -> Option<&(String, Vec<u8>)> {
        let tagged = self.tags.get(&(repository.to_owned(), target.to_owned()));
        self.manifests.get(&(repository.to_owned(), tagged.map_or_else(|| target.to_owned(), Clone::clone)))
    }

    /// Removes what a garbage collector removes.
    pub fn remove_untagged(&mut self) {
        let tagged: Vec<String> = self.tags.values().cloned().collect();
        self.manifests.retain(|(_, digest), _| tagged.contains(digest));
        let manifests = self.manifests.values().map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
        let manifests: Vec<String> = manifests.collect();
        self.blobs.retain(|(_, digest), _| manifests.iter().any(|text| text.contains(digest)));
        self.uploads.clear();
    }

    /// Every tag points to a manifest whose blobs are there, and all of them have their digests.
    #[track_caller]
    pub fn is_consistent(&self) {
        for ((repository, tag), target) in &self.tags {
            let manifest = self.manifests.get(&(repository.clone(), target.clone()));
            let (_, manifest) = manifest.unwrap_or_else(|| panic!("{repository}:{tag} points to nothing"));
            assert_eq!(&digest(manifest), target);
            let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
            let blobs = manifest["layers"].as_array().unwrap().iter().chain([&manifest["config"]]);
            for descriptor in blobs {
                let named = descriptor["digest"].as_str().unwrap();
                let blob = self.blobs.get(&(repository.clone(), named.to_owned()));
                let blob = blob.unwrap_or_else(|| panic!("{repository}:{tag} lacks {named}"));
                let size = descriptor["size"].as_u64().unwrap();
                assert_eq!((digest(blob).as_str(), blob.len() as u64), (named, size), "{repository}:{tag}");
            }
        }
    }

    /// The correct response to a request, which is carried out.
    pub(super) fn answer(&mut self, seen: &Seen) -> Reply {
        let (path, query) = seen.path.split_once('?').unwrap_or((&seen.path, ""));
        let Some(path) = path.strip_prefix("/v2/") else { return Reply::new(404, "") };
        if path.is_empty() {
            return Reply::new(200, "{}");
        }
        if let Some((repository, target)) = path.rsplit_once("/manifests/") {
            return self.answer_manifest(seen, repository, target);
        }
        if let Some((repository, upload)) = path.split_once("/blobs/uploads/") {
            return self.answer_upload(seen, repository, upload, query);
        }
        if let Some((repository, digest)) = path.rsplit_once("/blobs/") {
            return match self.blobs.get(&(repository.to_owned(), digest.to_owned())) {
                Some(bytes) => Reply::new(200, bytes.clone()).header("docker-content-digest", digest),
                None => unknown("BLOB_UNKNOWN"),
            };
        }
        unknown("UNSUPPORTED")
    }

    fn answer_manifest(&mut self, seen: &Seen, repository: &str, target: &str) -> Reply {
        match seen.method.as_str() {
            "PUT" if target.starts_with("sha256:") && target != digest(&seen.body) => digest_invalid(),
            "PUT" => {
                let media_type = seen.header("content-type").unwrap_or(OCI_MANIFEST).to_owned();
                let digest = self.store_manifest(repository, target, &media_type, &seen.body);
                let location = format!("/v2/{repository}/manifests/{digest}");
                Reply::new(201, "").header("location", location).header("docker-content-digest", digest)
            }
            "DELETE" => match self.tags.remove(&(repository.to_owned(), target.to_owned())) {
                Some(_) => Reply::new(202, ""),
                None => unknown("MANIFEST_UNKNOWN"),
            },
            _ => match self.manifest(repository, target) {
                Some((media_type, bytes)) => Reply::new(200, bytes.clone())
                    .header("content-type", media_type)
                    .header("docker-content-digest", digest(bytes)),
                None => unknown("MANIFEST_UNKNOWN"),
            },
        }
    }

    fn answer_upload(&mut self, seen: &Seen, repository: &str, upload: &str, query: &str) -> Reply {
        if seen.method == "POST" {
            self.next_upload += 1;
            let upload = format!("session-{}", self.next_upload);
            self.uploads.insert(upload.clone(), Vec::new());
            return Reply::new(202, "").header("location", format!("/v2/{repository}/blobs/uploads/{upload}?state=1"));
        }
        let Some(bytes) = self.uploads.get_mut(upload) else { return unknown("BLOB_UPLOAD_UNKNOWN") };
        bytes.extend_from_slice(&seen.body);
        if seen.method == "PATCH" {
            return Reply::new(202, "")
                .header("location", format!("/v2/{repository}/blobs/uploads/{upload}?state=2"))
                .header("range", format!("0-{}", bytes.len().saturating_sub(1)));
        }
        let bytes = self.uploads.remove(upload).unwrap_or_default();
        let digest = digest(&bytes);
        if requested_digest(query) != digest {
            return digest_invalid();
        }
        self.blobs.insert((repository.to_owned(), digest.clone()), bytes);
        Reply::new(201, "")
            .header("location", format!("/v2/{repository}/blobs/{digest}"))
            .header("docker-content-digest", digest)
    }
}

/// The digest in the query of a finished upload.
pub(super) fn requested_digest(query: &str) -> String {
    let digest = query.split('&').find_map(|pair| pair.strip_prefix("digest=")).unwrap_or_default();
    digest.replace("%3A", ":")
}

fn digest_invalid() -> Reply {
    Reply::new(400, r#"{"errors":[{"code":"DIGEST_INVALID","message":"digest"}]}"#)
}

fn unknown(code: &str) -> Reply {
    Reply::new(404, format!(r#"{{"errors":[{{"code":"{code}","message":"unknown to the registry"}}]}}"#))
}
