//! What the command line says about publishing, and the result of publishing.

use serde::{Deserialize, Serialize};

use super::source::Span;

/// The flags that replace `publish:` of the suite, for a run with one policy to publish.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redirection {
    /// Where to, with or without `registry://`, with or without a tag.
    pub to: Option<String>,
    /// Tags in addition to that of `to`; the tags of the suite where there are none.
    pub tags: Vec<String>,
    /// Annotations of the manifest in addition to those of the metadata: key and value.
    pub annotations: Vec<(String, String)>,
}

impl Redirection {
    /// Whether nothing of the suite is replaced.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// How far publishing goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PublishMode {
    /// Registries are only read.
    DryRun,
    /// Everything is uploaded.
    Push,
}

/// The result of one entry of `publish:`.
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
    /// Its size in bytes; known without the manifest in a report that was read back.
    pub size: Option<u64>,
    /// Digest of the manifest.
    pub digest: Option<String>,
    /// The tags, in the order in which they are moved.
    pub tags: Vec<PublishedTag>,
    /// How it ended.
    pub outcome: PublishOutcome,
    /// Warnings, such as metadata that the manifest leaves out.
    pub warnings: Vec<String>,
    /// Where the suite has the entry.
    pub span: Option<Span>,
}

impl Publication {
    /// Nothing was built and nothing was sent: the policy is not published.
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

    /// Whether it succeeded, or would succeed in a dry run.
    pub fn is_done(&self) -> bool {
        matches!(self.outcome, PublishOutcome::Pushed | PublishOutcome::WouldPush)
    }
}

/// How publishing ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// Everything is uploaded, and all tags point to it.
    Pushed,
    /// A dry run without problems.
    WouldPush,
    /// Nothing was sent.
    Refused {
        /// Why.
        message: String,
        /// What the user can do about it.
        help: Option<String>,
    },
    /// Something was sent, but not everything; `tags` has the state of each tag.
    Failed {
        /// What happened.
        message: String,
        /// What the user can do about it.
        help: Option<String>,
    },
}

/// A tag after publishing; serialised as in the JSON report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedTag {
    /// The tag.
    #[serde(rename = "tag")]
    pub name: String,
    /// The digest it pointed to before; none where the tag is new, or where the digest is unknown.
    pub before: Option<String>,
    /// Whether it must never be moved.
    #[serde(rename = "immutable")]
    pub is_immutable: bool,
    /// What it points to now.
    pub state: TagState,
}

/// What a tag points to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TagState {
    /// The same as before.
    Untouched,
    /// The new digest, as before.
    Kept,
    /// The new digest.
    Moved,
    /// The same as before: it was moved, and moved back when another upload failed.
    Restored,
    /// Unknown: the registry did not confirm the request to move it.
    Uncertain,
}
