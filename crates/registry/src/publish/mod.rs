//! Step 7: policies that passed become artifacts in registries.
//!
//! Which policies may be published is not decided here. What is sent are the bytes that were run, from memory. Tags come
//! last, when everything they lead to is there: whoever follows a tag finds the old policy or the new one, whenever we
//! are stopped.

mod manifest;
mod restore;

pub use manifest::annotations;

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use oci_client::Reference;
use oci_client::manifest::OCI_IMAGE_MEDIA_TYPE;

use crate::client::Registry;
use crate::digest::OciDigest;
use crate::error::{Class, RegistryError};
use crate::meter::Meter;
use policy_verify_model::policy::Metadata;
use policy_verify_model::publication::{Publication, PublishMode, PublishOutcome, PublishedTag, TagState};
use policy_verify_model::source::Span;

/// What is to be published.
pub struct Artifact {
    /// Name of the policy.
    pub policy: String,
    /// Index of its suite in the run.
    pub suite: Option<usize>,
    /// The module, metadata attached.
    pub module: Arc<[u8]>,
    /// Its metadata; none where it is published without.
    pub metadata: Option<Metadata>,
    /// The repository. Its tag does not matter; if it has a digest, that must come out.
    pub repository: Reference,
    /// The tags that are to lead to it.
    pub tags: Vec<String>,
    /// Those among them that are never moved.
    pub immutable: BTreeSet<String>,
    /// Annotations of the manifest beside those of the metadata.
    pub annotations: BTreeMap<String, String>,
    /// Where the suite asks for it.
    pub span: Option<Span>,
}

/// Reads the name of a repository, with or without `registry://`, with or without tag or digest.
pub fn reference(text: &str) -> Result<Reference, String> {
    let name = text.strip_prefix("registry://").unwrap_or(text);
    if let Some((scheme, _)) = name.split_once("://") {
        return Err(format!("`{scheme}://` is no registry: write `registry://` or leave it out"));
    }
    Reference::try_from(name).map_err(|error| format!("`{text}` is no reference to a registry: {error}"))
}

/// `ghcr.io/acme/policies/safe-labels`
pub fn shown(repository: &Reference) -> String {
    format!("{}/{}", repository.registry(), repository.repository())
}

/// Publishes artifacts, or finds out what publishing them would do. Everything is looked up before anything is sent, and
/// everything is sent before a tag is moved; one artifact that cannot be published does not keep the others back.
/// `progress` is told how many bytes of how many are sent.
pub async fn publish(
    registry: &Registry,
    artifacts: Vec<Artifact>,
    mode: PublishMode,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Vec<Publication> {
    let mut jobs: Vec<Job<'_>> = artifacts.into_iter().map(|artifact| Job::new(registry, artifact)).collect();
    for job in &mut jobs {
        job.look_up().await;
    }
    if mode == PublishMode::Push && jobs.iter().any(|job| job.end.is_none()) {
        let going = jobs.iter().filter(|job| job.end.is_none());
        let total = going.map(|job| job.artifact.module.len() as u64).sum();
        let meter = Meter::default();
        let uploads = async {
            for job in &mut jobs {
                job.upload(&meter).await;
            }
        };
        // Configurations have two bytes, and a request that a registry wants credentials for is sent twice.
        watched(uploads, || progress(meter.sent().min(total), total)).await;
        for job in &mut jobs {
            job.move_tags().await;
        }
    }
    jobs.into_iter().map(|job| job.publication(mode)).collect()
}

/// Tells of something as it goes on, and of its end.
async fn watched(work: impl Future<Output = ()>, tell: impl Fn()) {
    let mut work = pin!(work);
    let mut clock = tokio::time::interval(Duration::from_millis(100));
    loop {
        tokio::select! {
            biased;
            _ = clock.tick() => tell(),
            () = &mut work => return tell(),
        }
    }
}

/// What our manifests are.
const MEDIA_TYPE: &str = OCI_IMAGE_MEDIA_TYPE;

const NO_TAG: &str = "no tag was moved";

/// One artifact on its way.
struct Job<'a> {
    registry: &'a Registry,
    artifact: Artifact,
    manifest: String,
    digest: OciDigest,
    tags: Vec<PublishedTag>,
    warnings: Vec<String>,
    /// The tags that a look-up has found to lead nowhere. Of the others without a digest nobody could say.
    free: BTreeSet<String>,
    /// Whether the repository had no such manifest before.
    is_first: bool,
    /// Why it goes no further.
    end: Option<PublishOutcome>,
}

impl<'a> Job<'a> {
    fn new(registry: &'a Registry, artifact: Artifact) -> Self {
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
            warnings: made.left_out.into_iter().map(multi_line).collect(),
            manifest: made.bytes,
            artifact,
            free: BTreeSet::new(),
            is_first: false,
            end: None,
        }
    }

    fn tagged(&self, tag: &str) -> Reference {
        let repository = &self.artifact.repository;
        Reference::with_tag(repository.registry().into(), repository.repository().into(), tag.into())
    }

    /// Asks where all tags lead to. A tag that must not be moved has to lead nowhere, or to the same digest.
    async fn look_up(&mut self) {
        if let Some(wanted) = self.artifact.repository.digest().filter(|wanted| *wanted != self.digest.as_str()) {
            let message = format!("the manifest has the digest {}, not {wanted}", self.digest);
            let help = "push to a tag; the digest comes out of the module and its metadata".to_owned();
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
                // Who may write need not be allowed to read; whether a tag is free has to be known only where it must be.
                Err(error) if error.class == Class::Denied && !is_immutable => {}
                Err(error) => self.end = Some(Problem::from(error).refusal()),
            }
            if self.end.is_some() {
                return;
            }
        }
    }

    fn would_move(&self, tag: &str, before: &OciDigest) -> Problem {
        let tagged = self.tagged(tag);
        Problem {
            message: format!("`{tagged}` is immutable and leads to {before}, not to {}", self.digest),
            help: Some(match self.artifact.suite {
                Some(_) => format!("give the release a tag of its own, or take `{tag}` out of `immutable`"),
                None => format!("give the release a tag of its own, or leave out `--immutable {tag}`"),
            }),
        }
    }

    /// Layer, configuration, and the manifest under its digest, to which nothing leads yet.
    async fn upload(&mut self, meter: &Meter) {
        if self.end.is_some() {
            return;
        }
        let Self { registry, artifact, manifest, digest, .. } = &*self;
        let named = artifact.repository.clone_with_digest(digest.to_string());
        let is_first = matches!(registry.published_digest_if_any(&named).await, Ok(None));
        let module = Bytes::from_owner(Arc::clone(&artifact.module));
        let uploaded = async {
            registry.push_blob(&artifact.repository, &module, meter).await?;
            registry.push_blob(&artifact.repository, &Bytes::from_static(manifest::CONFIG), meter).await?;
            registry.push_manifest(&artifact.repository, manifest.as_bytes()).await
        };
        let uploaded = uploaded.await;
        self.is_first = is_first;
        if let Err(error) = uploaded {
            self.end = Some(failed(error, NO_TAG));
        }
    }

    async fn move_tags(&mut self) {
        if self.end.is_some() {
            return;
        }
        for index in 0..self.tags.len() {
            if let Err(mut problem) = self.move_tag(index).await {
                self.put_back_tags().await;
                problem.message = format!("{}; {}", problem.message, self.moved());
                self.end = Some(PublishOutcome::Failed { message: problem.message, help: problem.help });
                return;
            }
        }
    }

    async fn move_tag(&mut self, index: usize) -> Result<(), Problem> {
        let PublishedTag { name, is_immutable, before, .. } = self.tags[index].clone();
        if before.as_deref() == Some(self.digest.as_str()) {
            self.tags[index].state = TagState::Kept;
            return Ok(());
        }
        let tagged = self.tagged(&name);
        // Somebody may have taken the tag while we were uploading. No registry can be told to move it only if it is free.
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
                let message = format!("`{tagged}` was moved, but now leads to {now}, not to {}", self.digest);
                let help = "somebody else moved it at the same time, or the registry is broken".to_owned();
                Err(Problem { message, help: Some(help) })
            }
            // Who may write need not be allowed to read.
            Err(error) if error.class == Class::Denied => Ok(()),
            Err(error) => {
                self.tags[index].state = TagState::Uncertain;
                Err(error.into())
            }
        }
    }

    /// Where a tag leads to after a registry gave no good answer to moving it.
    async fn state_after(&self, tagged: &Reference, before: Option<&str>) -> TagState {
        match self.registry.published_digest_if_any(tagged).await {
            Ok(Some(now)) if now == self.digest => TagState::Moved,
            Ok(now) if now.as_ref().map(OciDigest::as_str) == before => TagState::Untouched,
            _ => TagState::Uncertain,
        }
    }

    /// `` tags moved: `v1`; not moved: `latest` ``: every tag, by what became of it.
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
                restored => format!("every tag leads where it did before: put back {restored}"),
            };
        }
        let untouched = names(&[TagState::Untouched, TagState::Kept]);
        let parts =
            [("tags moved", moved), ("perhaps moved", uncertain), ("put back", restored), ("not moved", untouched)];
        let parts = parts.iter().filter(|(_, names)| !names.is_empty());
        parts.map(|(what, names)| format!("{what}: {names}")).collect::<Vec<_>>().join("; ")
    }

    fn publication(self, mode: PublishMode) -> Publication {
        let done = match mode {
            PublishMode::DryRun => PublishOutcome::WouldPush,
            PublishMode::Push => PublishOutcome::Pushed,
        };
        Publication {
            repository: shown(&self.artifact.repository),
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

/// Why an artifact goes no further, and what the user can do about it.
struct Problem {
    message: String,
    help: Option<String>,
}

impl Problem {
    /// As the end of an artifact of which nothing was sent.
    fn refusal(self) -> PublishOutcome {
        PublishOutcome::Refused { message: self.message, help: self.help }
    }
}

impl From<RegistryError> for Problem {
    fn from(error: RegistryError) -> Self {
        Self { message: error.to_string(), help: error.help }
    }
}

fn failed(error: RegistryError, so_far: &str) -> PublishOutcome {
    PublishOutcome::Failed { message: format!("{error}; {so_far}"), help: error.help }
}
