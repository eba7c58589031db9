//! Errors of registries and web servers, in one type: what was requested, at which stage, what happened, what to do.
//!
//! No error contains a credential: `secrets.rs` removes them from the texts of servers.

use std::fmt;

/// Why a registry or a web server did not return what was requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryError {
    /// What was requested: `registry://…`, `https://…`.
    pub uri: String,
    /// What was being done.
    pub stage: Stage,
    /// The kind of error.
    pub class: Class,
    /// What happened: a lower-case fragment.
    pub message: String,
    /// What the user can do about it.
    pub help: Option<String>,
}

/// What was being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// Looking up the digest a tag stands for.
    Tag,
    /// Fetching a manifest or an index.
    Manifest,
    /// Fetching the configuration of an image.
    Config,
    /// Fetching a layer or another blob.
    Blob,
    /// Listing what refers to a manifest.
    Referrers,
    /// Downloading a module from a web server.
    Download,
    /// Uploading a blob.
    Upload,
    /// Uploading a manifest or moving a tag.
    Publish,
}

impl Stage {
    /// The verb and its object, up to the URI.
    fn phrase(self) -> &'static str {
        match self {
            Self::Tag => "look up",
            Self::Manifest => "fetch the manifest of",
            Self::Config => "fetch the configuration of",
            Self::Blob => "fetch a layer of",
            Self::Referrers => "list the referrers of",
            Self::Download => "download",
            Self::Upload => "upload a layer of",
            Self::Publish => "publish the manifest of",
        }
    }
}

/// The kind of error, for callers that treat kinds differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Not found, or not visible with these credentials.
    NotFound,
    /// Credentials are missing, wrong, or not enough.
    Denied,
    /// A Docker configuration or a credential helper does not work.
    Credentials,
    /// No connection, no such host, an untrusted certificate.
    Unreachable,
    /// A timeout.
    TimedOut,
    /// A server error, or too many requests.
    Unavailable,
    /// An unexpected response, or a digest mismatch.
    WrongContent,
    /// Larger than the limit.
    TooLarge,
    /// Refused by the client: plain HTTP to a host that is not listed, too many redirects.
    Refused,
    /// `--offline`, and not in the store.
    Offline,
}

impl RegistryError {
    /// Whether the name is unknown.
    pub(crate) fn is_not_found(&self) -> bool {
        self.class == Class::NotFound
    }
}

impl fmt::Display for RegistryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot {} `{}`: {}", self.stage.phrase(), self.uri, self.message)
    }
}

impl std::error::Error for RegistryError {}

/// An error of one request, before the stage is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) class: Class,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// When to retry, where that may help.
    pub(super) retry: Option<Retry>,
    /// Whether it is a response with an error status.
    pub(super) is_response: bool,
}

/// Help after a digest mismatch.
pub(super) const TAMPERED: &str =
    "do not use the content, and tell the owner of the registry: it is damaged or was tampered with";

/// Help after a timeout.
pub(super) const MORE_TIME: &str = "try again later, or raise `--fetch-timeout`";

/// When to retry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Retry {
    /// After a growing delay.
    Backoff,
    /// After the delay the server named.
    After(std::time::Duration),
}

impl Failure {
    pub(super) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), help: None, retry: None, is_response: false }
    }

    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(super) fn retryable(self, retry: Retry) -> Self {
        Self { retry: Some(retry), ..self }
    }

    pub(super) fn at(self, stage: Stage, uri: impl Into<String>) -> RegistryError {
        RegistryError { uri: uri.into(), stage, class: self.class, message: self.message, help: self.help }
    }
}
