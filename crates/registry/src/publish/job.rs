//! One artifact on its way to a registry: look up, upload, move tags.

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use oci_client::Reference;
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;
use policy_verify_model::publication::{Publication, PublishMode, PublishOutcome, PublishedTag, TagState};

use super::artifact::{Artifact, repository_name};
use super::manifest;
use crate::client::Registry;
use crate::digest::OciDigest;
use crate::error::{Class, RegistryError};
use crate::meter::Meter;
use crate::read_back::ReadBack;

/// The media type of the manifests.
const MEDIA_TYPE: &str = OCI_IMAGE_MEDIA_TYPE;

const NO_TAG: &str = "no tag was moved";

/// The state of one artifact.
pub(super) struct Job<'a> {
    pub(super) registry: &'a Registry,
    pub(super) artifact: Artifact,
    manifest: String,
    pub(super) digest: OciDigest,
    pub(super) tags: Vec<PublishedTag>,
    warnings: Vec<String>,
    /// The tags that do not exist. Other tags without a digest could not be looked up.
    pub(super) free: BTreeSet<String>,
    /// Whether the manifest is new in the repository.
    pub(super) is_first: bool,
    /// The outcome, if it ends early.
    pub(super) end: Option<PublishOutcome>,
}

impl<'a> Job<'a> {
    pub(super) fn new(registry: &'a Registry, artifact: Artifact) -> Self {
        let made = manifest::of(&artifact.module, artifact.metadata.as_ref(), &artifact.annotations);
        let tags = artifact.tags.iter().map(|name| PublishedTag {
            name: name.clone(),
            is_immutable: artifact.immutable.contains(name),
            before: None,
            state: TagState::Untouched,
        });
        let multi_line = |key: String| {
            format!("annotation `{key}` is a multi-line string, it will be removed from the OCI manifest")
        };
        Self {
            registry,
            tags: tags.collect(),
            digest: OciDigest::of(made.bytes.as_bytes()),
            warnings: made.omitted.into_iter().map(multi_line).collect(),
            manifest: made.bytes,
            artifact,
            free: BTreeSet::new(),
            is_first: false,
            end: None,
        }
    }

    pub(super) fn tagged(&self, tag: &str) -> Reference {
        let repository = &self.artifact.repository;
        Reference::with_tag(repository.registry().into(), repository.repository().into(), tag.into())
    }

    /// Looks up all tags. An immutable tag must not exist, or point to the same digest.
    pub(super) async fn look_up(&mut self) {
        if let Some(wanted) = self.artifact.repository.digest().filter(|wanted| *wanted != self.digest.as_str()) {
            let message = format!("digest mismatch: the manifest has {}, the target {wanted}", self.digest);
            let help = "push to a tag: the digest follows from the module and its metadata".to_owned();
            self.end = Some(PublishOutcome::Refused { message, help: Some(help) });
            return;
        }
        for index in 0..self.tags.len() {
            let PublishedTag { name, is_immutable, .. } = self.tags[index].clone();
            match self.registry.published_digest_if_any(&self.tagged(&name)).await {
                Ok(Some(before)) if is_immutable && before != self.digest => {
                    self.tags[index].before = Some(before.to_string());
                    self.end = Some(self.would_move(&name, &before).refusal());
                }
                Ok(Some(before)) => self.tags[index].before = Some(before.to_string()),
                Ok(None) => _ = self.free.insert(name),
                // Some accounts may write but not read; only immutable tags have to be looked up.
                Err(error) if error.class == Class::Denied && !is_immutable => {}
                Err(error) => self.end = Some(PublishError::from(error).refusal()),
            }
            if self.end.is_some() {
                return;
            }
        }
    }

    fn would_move(&self, tag: &str, before: &OciDigest) -> PublishError {
        let tagged = self.tagged(tag);
        PublishError {
            message: format!("immutable tag `{tagged}` points to {before}, not to {}", self.digest),
            help: Some(match self.artifact.suite {
                Some(_) => format!("publish under a new tag, or remove `{tag}` from `immutable`"),
                None => format!("push to a new tag, or remove `--immutable {tag}`"),
            }),
        }
    }

    /// Uploads layer, configuration and manifest, without a tag.
    pub(super) async fn upload(&mut self, meter: &Meter) {
        if self.end.is_some() {
            return;
        }
        let Self { registry, artifact, manifest, digest, .. } = &*self;
        let manifest = Bytes::copy_from_slice(manifest.as_bytes());
        let named = artifact.repository.clone_with_digest(digest.to_string());
        let is_first = matches!(registry.published_digest_if_any(&named).await, Ok(None));
        let module = Bytes::from_owner(Arc::clone(&artifact.module));
        let uploaded = async {
            let module = registry.push_blob(&artifact.repository, &module, meter).await?;
            registry.push_blob(&artifact.repository, &Bytes::from_static(manifest::CONFIG), meter).await?;
            Ok([module, registry.push_manifest(&artifact.repository, &manifest).await?])
        };
        let uploaded = uploaded.await;
        self.is_first = is_first;
        match uploaded {
            Ok(read_back) => self.warnings.extend(read_back.iter().find_map(not_read_back)),
            Err(error) => self.end = Some(failed(error, NO_TAG)),
        }
    }

    pub(super) async fn move_tags(&mut self) {
        if self.end.is_some() {
            return;
        }
        for index in 0..self.tags.len() {
            if let Err(mut error) = self.move_tag(index).await {
                self.restore_tags().await;
                error.message = format!("{}; {}", error.message, self.moved());
                self.end = Some(PublishOutcome::Failed { message: error.message, help: error.help });
                return;
            }
        }
    }

    async fn move_tag(&mut self, index: usize) -> Result<(), PublishError> {
        let PublishedTag { name, is_immutable, before, .. } = self.tags[index].clone();
        if before.as_deref() == Some(self.digest.as_str()) {
            self.tags[index].state = TagState::Kept;
            return Ok(());
        }
        let tagged = self.tagged(&name);
        // The tag may have been created during the upload. Registries have no conditional move.
        if is_immutable {
            match self.registry.published_digest_if_any(&tagged).await? {
                None => {}
                Some(now) if now == self.digest => {
                    self.tags[index].state = TagState::Kept;
                    return Ok(());
                }
                Some(now) => {
                    self.tags[index].before = Some(now.to_string());
                    return Err(self.would_move(&name, &now));
                }
            }
        }
        let put = self.registry.push_tag(&self.artifact.repository, &name, self.manifest.as_bytes(), MEDIA_TYPE).await;
        if let Err(error) = put {
            self.tags[index].state = self.state_after(&tagged, before.as_deref()).await;
            return Err(error.into());
        }
        self.tags[index].state = TagState::Moved;
        match self.registry.published_digest(&tagged).await {
            Ok(now) if now == self.digest => Ok(()),
            Ok(now) => {
                self.tags[index].state = TagState::Uncertain;
                let message = format!("`{tagged}` was moved, but points to {now}, not to {}", self.digest);
                let help = "check for another push at the same time, then push again".to_owned();
                Err(PublishError { message, help: Some(help) })
            }
            // Some accounts may write but not read.
            Err(error) if error.class == Class::Denied => Ok(()),
            Err(error) => {
                self.tags[index].state = TagState::Uncertain;
                Err(error.into())
            }
        }
    }

    /// The state of a tag after the request to move it failed.
    async fn state_after(&self, tagged: &Reference, before: Option<&str>) -> TagState {
        match self.registry.published_digest_if_any(tagged).await {
            Ok(Some(now)) if now == self.digest => TagState::Moved,
            Ok(now) if now.as_ref().map(OciDigest::as_str) == before => TagState::Untouched,
            _ => TagState::Uncertain,
        }
    }

    /// `` tags moved: `v1`; not moved: `latest` ``: every tag by its state.
    fn moved(&self) -> String {
        let names = |wanted: &[TagState]| {
            let found = self.tags.iter().filter(|tag| wanted.contains(&tag.state));
            found.map(|tag| format!("`{}`", tag.name)).collect::<Vec<_>>().join(", ")
        };
        let moved = names(&[TagState::Moved]);
        let uncertain = names(&[TagState::Uncertain]);
        let restored = names(&[TagState::Restored]);
        if moved.is_empty() && uncertain.is_empty() {
            return match restored.as_str() {
                "" => NO_TAG.into(),
                restored => format!("all tags point where they did before; restored: {restored}"),
            };
        }
        let untouched = names(&[TagState::Untouched, TagState::Kept]);
        let parts = [("tags moved", moved), ("uncertain", uncertain), ("restored", restored), ("not moved", untouched)];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        parts.map(|(what, names)| format!("{what}: {names}")).collect::<Vec<_>>().join("; ")
    }

    pub(super) fn publication(self, mode: PublishMode) -> Publication {
        let done = match mode {
            PublishMode::DryRun => PublishOutcome::WouldPush,
            PublishMode::Push => PublishOutcome::Pushed,
        };
        Publication {
            repository: repository_name(&self.artifact.repository),
            policy: self.artifact.policy,
            suite: self.artifact.suite,
            digest: Some(self.digest.to_string()),
            size: Some(self.manifest.len() as u64),
            manifest: Some(self.manifest),
            tags: self.tags,
            outcome: self.end.unwrap_or(done),
            warnings: self.warnings,
            span: self.artifact.span,
        }
    }
}

/// Why an artifact is not published, with help.
struct PublishError {
    message: String,
    help: Option<String>,
}

impl PublishError {
    /// The outcome of an artifact of which nothing was sent.
    fn refusal(self) -> PublishOutcome {
        PublishOutcome::Refused { message: self.message, help: self.help }
    }
}

impl From<RegistryError> for PublishError {
    fn from(error: RegistryError) -> Self {
        Self { message: error.to_string(), help: error.help }
    }
}

/// The warning for an artifact that this account may not read.
fn not_read_back(read_back: &ReadBack) -> Option<String> {
    match read_back {
        ReadBack::Same => None,
        ReadBack::Forbidden(reason) => Some(format!("the pushed policy was not read back: {reason}")),
    }
}

fn failed(error: RegistryError, so_far: &str) -> PublishOutcome {
    PublishOutcome::Failed { message: format!("{error}; {so_far}"), help: error.help }
}
