//! Why a signature is ignored, does not satisfy a constraint, or cannot be judged.
//!
//! Causes are kept as text: the errors of the parsers cannot be cloned, and one signature is judged for several constraints.

use std::time::Duration;

/// Why a signature, or its certificate, does not count for an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SignatureError {
    #[error("signed document skipped: {0}")]
    DocumentSkipped(String),
    #[error("invalid {what}: {cause}")]
    Invalid { what: &'static str, cause: String },
    #[error("it signs {signed:?}, not {expected}")]
    OtherManifest { signed: String, expected: String },
    #[error("it does not sign {0}")]
    ManifestNotSigned(String),
    #[error("annotation `{0}` missing on its layer")]
    MissingAnnotation(&'static str),
    #[error("unsupported bundle type {0:?}")]
    UnsupportedBundle(String),
    #[error("unsupported payload type {0:?}")]
    UnsupportedPayload(String),
    #[error("no DSSE envelope in the bundle")]
    NoEnvelope,
    #[error("expected one signature in the envelope, found {0}")]
    SignatureCount(usize),
    #[error("a statement of type {0:?} is not an image signature")]
    OtherStatement(String),
    #[error("log entry of kind {found:?}, expected {expected}")]
    LogEntryKind { found: String, expected: &'static str },
    #[error("log entry of version {0:?}, expected 0.0.1")]
    LogEntryVersion(String),
    #[error("expected one log entry, found {0}")]
    LogEntryCount(usize),
    #[error("unknown log {0}")]
    UnknownLog(String),
    #[error("unproven log entry: {0}")]
    NotIncluded(String),
    #[error("signed with a key, which Kubewarden does not read from bundles")]
    SignedWithKey,
    #[error("a chain of certificates instead of a single one")]
    CertificateChain,
    #[error("log entry without {0}")]
    IncompleteLogEntry(&'static str),
    #[error("log entry of another signature")]
    OtherLogEntry,
    #[error("unverified log entry: {0}")]
    UnverifiedLogEntry(String),
    #[error("no transparency log entry, so the time of the signature is unknown")]
    NoLogEntry,
    #[error("no certificate")]
    NoCertificate,
    #[error("certificates cannot be verified without a trust root")]
    NoTrustRoot,
    #[error("certificate not issued by an authority of the trust root: {0}")]
    UntrustedCertificate(String),
    #[error("certificate not valid for signatures")]
    CertificateUsage,
    #[error("certificate valid from {not_before} to {not_after}, signature logged at {logged}")]
    CertificateExpired { not_before: String, not_after: String, logged: String },
    #[error("not signed with the key of its certificate")]
    OtherCertificateKey,
}

impl SignatureError {
    /// Maps the error of a parser.
    pub(super) fn invalid<E: ToString>(what: &'static str) -> impl Fn(E) -> Self {
        move |cause| Self::Invalid { what, cause: cause.to_string() }
    }
}

/// Why a signature does not satisfy a constraint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ConstraintError {
    #[error("signed with another key")]
    OtherKey,
    #[error("invalid public key in the constraint: {}", .0.0)]
    Key(InvalidKey),
    #[error("issuer is {}", named(.0.as_deref()))]
    Issuer(Option<String>),
    #[error("subject is {0:?}")]
    Subject(String),
    #[error("not signed by a GitHub workflow: issuer is {}", named(.0.as_deref()))]
    NotGithub(Option<String>),
    #[error("not signed by a GitHub workflow: subject is {0:?}")]
    NotWorkflow(String),
    #[error("signed by a workflow of {owner}/{repository}")]
    OtherRepository { owner: String, repository: String },
    #[error("annotation {name}={value} missing")]
    Annotation { name: String, value: String },
    #[error("no transparency log entry, or signed with another key")]
    NoLogEntryOrOtherKey,
    #[error("signed with another key, or outside the validity of the certificate")]
    OtherKeyOrTime,
    /// The text of `sigstore`.
    #[error("{0}")]
    Certificate(String),
    #[error(transparent)]
    Identity(#[from] SignatureError),
}

fn named(issuer: Option<&str>) -> String {
    issuer.map_or_else(|| "unknown".to_owned(), |issuer| format!("{issuer:?}"))
}

/// A public key that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid public key: {0}")]
pub struct InvalidKey(pub(super) String);

/// Why a trust root is unavailable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TrustError {
    /// The text of a parser.
    #[error("{0}")]
    Invalid(String),
    /// A trust configuration without its main part.
    #[error("member `trustedRoot` missing")]
    NoTrustedRoot,
    /// A certificate authority that cannot be used.
    #[error("invalid certificate authority: {0}")]
    Authority(String),
    /// The repository of the public Sigstore did not respond.
    #[error("no response within {} s", .0.as_secs())]
    TimedOut(Duration),
}

impl TrustError {
    pub(super) fn invalid(error: impl ToString) -> Self {
        Self::Invalid(error.to_string())
    }
}
