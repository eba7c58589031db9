//! What can go wrong between us and a registry, in one type: what was asked for, at which stage, what happened, what to
//! do about it.
//!
//! No error holds a credential: texts of servers pass through [`super::secrets`] before they become part of one.

use std::fmt;

/// Why a registry, or a server with modules, did not give what was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryError {
    /// What was asked for, as people write it: `registry://…`, `https://…`.
    pub uri: String,
    /// What was being done.
    pub stage: Stage,
    /// What kind of trouble it is.
    pub class: Class,
    /// What happened: a lower-case fragment.
    pub message: String,
    /// What the user can do about it.
    pub help: Option<String>,
}

/// What was being done when it went wrong.
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
    /// The verb and its object, up to the name of what was asked for.
    fn phrase(self) -> &'static str {
        match self {
            Self::Tag => "look up",
            Self::Manifest => "fetch the manifest of",
            Self::Config => "fetch the configuration of",
            Self::Blob => "fetch a layer of",
            Self::Referrers => "list what refers to",
            Self::Download => "download",
            Self::Upload => "upload a layer of",
            Self::Publish => "publish the manifest of",
        }
    }
}

/// What kind of trouble it is, for those who treat kinds differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// There is no such thing, or nobody may know of it.
    NotFound,
    /// Credentials are missing, wrong, or not enough.
    Denied,
    /// Credentials could not be had: a configuration or a helper that does not work.
    Credentials,
    /// No connection, no such host, an untrusted certificate.
    Unreachable,
    /// It took too long.
    TimedOut,
    /// The server has trouble, or wants fewer requests.
    Unavailable,
    /// An answer that is not what was asked for, or does not have the digest it should have.
    WrongContent,
    /// More bytes than we take.
    TooLarge,
    /// We refuse: plain HTTP to a host that is not listed, a redirect to one, too many redirects.
    Refused,
    /// `--offline`, and it is not here.
    Offline,
}

impl RegistryError {
    /// Whether nothing answers to the name.
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

/// What went wrong in one exchange, before it is known what the exchange was for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) class: Class,
    pub(super) message: String,
    pub(super) help: Option<String>,
    /// Whether trying again may help.
    pub(super) again: Option<Again>,
}

/// When to try again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Again {
    /// When we think best.
    Soon,
    /// When the server said.
    After(std::time::Duration),
}

impl Failure {
    pub(super) fn new(class: Class, message: impl Into<String>) -> Self {
        Self { class, message: message.into(), help: None, again: None }
    }

    pub(super) fn with_help(self, help: impl Into<String>) -> Self {
        Self { help: Some(help.into()), ..self }
    }

    pub(super) fn trying_again(self, again: Again) -> Self {
        Self { again: Some(again), ..self }
    }

    pub(super) fn at(self, stage: Stage, uri: impl Into<String>) -> RegistryError {
        RegistryError { uri: uri.into(), stage, class: self.class, message: self.message, help: self.help }
    }
}
