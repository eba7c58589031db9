//! What the command line says about publishing, and the result of publishing.

use serde::{Deserialize, Serialize};

use super::source::Span;

/// What the command line says about publishing in place of the suite: of a run that has one policy to publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redirection {
    /// Where to, with or without `registry://`, with or without a tag.
    pub to: Option<String>,
    /// The tags that are to lead to it, beside that of `to`; those of the suite where there are none.
    pub tags: Vec<String>,
    /// Annotations of the manifest beside those of the metadata: key and value.
    pub annotations: Vec<(String, String)>,
}

impl Redirection {
    /// Whether everything stays as the suite says.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How far publishing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishMode {
    /// Registries are only asked where tags point to.
    DryRun,
    /// Everything is uploaded.
    Push,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publication {
    /// Name of the policy.
    pub policy: String,
    /// Index of its suite in the run; none for a module from the command line.
    pub suite: Option<usize>,
    /// `ghcr.io/acme/policies/safe-labels`.
    pub repository: String,
    /// The manifest, byte for byte, where one was made.
    pub manifest: Option<String>,
    /// Its bytes; of a report that was read back they are known without it.
    pub size: Option<u64>,
    /// Digest of the manifest.
    pub digest: Option<String>,
    /// The tags, in the order in which they were to be moved.
    pub tags: Vec<PublishedTag>,
    /// How it ended.
    pub outcome: PublishOutcome,
    /// What the manifest does not carry although the metadata does, and other remarks.
    pub warnings: Vec<String>,
    /// Where the suite asks for it.
    pub span: Option<Span>,
}

impl Publication {
    /// Nothing was made and nothing was sent: a module or policy that is not to be published.
    pub fn refused(policy: &str, repository: &str, message: String, help: Option<String>) -> Self {
        Self {
            policy: policy.to_owned(),
            suite: None,
            repository: repository.to_owned(),
            manifest: None,
            size: None,
            digest: None,
            tags: Vec::new(),
            outcome: PublishOutcome::Refused { message, help },
            warnings: Vec::new(),
            span: None,
        }
    }

    /// `ghcr.io/acme/policies/safe-labels@sha256:…`, where there is a manifest.
    pub fn immutable_ref(&self) -> Option<String> {
        self.digest.as_ref().map(|digest| format!("{}@{digest}", self.repository))
    }

    /// Whether everything that was asked for is done.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, PublishOutcome::Pushed | PublishOutcome::WouldPush)
    }
}

/// How publishing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// Everything is there, and all tags lead to it.
    Pushed,
    /// A dry run found nothing in the way.
    WouldPush,
    /// Nothing was sent.
    Refused {
        /// Why.
        message: String,
        /// What the user can do about it.
        help: Option<String>,
    },
    /// Something was sent, but not everything; `tags` says how far it went.
    Failed {
        /// What happened.
        message: String,
        /// What the user can do about it.
        help: Option<String>,
    },
}

/// What became of a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedTag {
    /// The tag.
    pub name: String,
    /// Whether it must never be moved.
    pub is_immutable: bool,
    /// The digest it led to before; none where there was no such tag, or nobody could say.
    pub before: Option<String>,
    /// Where it leads to now.
    pub state: TagState,
}

/// Where a tag leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagState {
    /// Where it did before.
    Untouched,
    /// To the new digest, to which it had led before already.
    Kept,
    /// To the new digest.
    Moved,
    /// Where it did before: it was moved, and put back when something else failed.
    Restored,
    /// Nobody knows: the registry was asked to move it, and gave no good answer.
    Uncertain,
}
