//! Whether a signature satisfies a constraint.

use std::collections::BTreeMap;

use sigstore::cosign::verification_constraint::{CertificateVerifier, VerificationConstraint as _};
use sigstore::crypto::{CosignVerificationKey, Signature as SignatureBytes};
use sigstore::registry;
use url::Url;

use super::candidate::Signature;
use super::certificate::Identity;
use super::error::{ConstraintError, InvalidKey};
use policy_verify_model::signature::{Certificate, SignedBy, Signer};

/// The issuer of certificates for workflows on GitHub.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// Why a constraint is not met.
#[derive(Debug)]
pub(super) enum Unmet {
    /// By none of the signatures: the reason of each.
    ByNone(Vec<String>),
    /// The certificate of the constraint itself cannot be used. policy-server gives this text and no other.
    Certificate(String),
}

/// Whether one of `signatures` meets the constraint. Annotations have to be on the very signature that is met.
pub(super) fn check(signer: &Signer, signatures: &[&Signature]) -> Result<(), Unmet> {
    let is_met = match &signer.by {
        SignedBy::PublicKey { key, .. } => by_key(key),
        SignedBy::Issuer { issuer, subject } => by_identity(move |identity| {
            if identity.issuer.as_ref() != Some(issuer) {
                return Err(ConstraintError::Issuer(identity.issuer.clone()));
            }
            let is_met = subject.is_met_by(&identity.subject);
            is_met.then_some(()).ok_or_else(|| ConstraintError::Subject(identity.subject.clone()))
        }),
        SignedBy::GithubAction { owner, repo } => by_identity(move |identity| github(identity, owner, repo.as_deref())),
        SignedBy::Certificate(certificate) => by_certificate(certificate)?,
    };
    let mut reasons = Vec::new();
    for signature in signatures {
        let outcome = is_met(signature).and_then(|()| annotated(signature, signer.annotations.as_ref()));
        match outcome {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(format!("{}: {reason}", signature.named())),
        }
    }
    Err(Unmet::ByNone(reasons))
}

/// Whether a public key in PEM can be used.
pub fn check_key(pem: &str) -> Result<(), InvalidKey> {
    parse_key(pem).map(|_| ())
}

fn parse_key(pem: &str) -> Result<CosignVerificationKey, InvalidKey> {
    CosignVerificationKey::try_from_pem(pem.as_bytes()).map_err(|error| InvalidKey(error.to_string()))
}

/// The check of one constraint.
type Check<'a> = Box<dyn Fn(&Signature) -> Result<(), ConstraintError> + 'a>;

fn by_key<'a>(pem: &str) -> Check<'a> {
    match parse_key(pem) {
        Ok(key) => Box::new(move |signature| {
            let bytes = signature.layer.signature.as_deref().unwrap_or_default().as_bytes();
            key.verify_signature(SignatureBytes::Base64Encoded(bytes), &signature.layer.raw_data)
                .map_err(|_| ConstraintError::OtherKey)
        }),
        Err(error) => Box::new(move |_| Err(ConstraintError::Key(error.clone()))),
    }
}

fn by_identity<'a>(check: impl Fn(&Identity) -> Result<(), ConstraintError> + 'a) -> Check<'a> {
    Box::new(move |signature| check(signature.identity.as_ref().map_err(Clone::clone)?))
}

fn github(identity: &Identity, owner: &str, repo: Option<&str>) -> Result<(), ConstraintError> {
    if identity.issuer.as_deref() != Some(GITHUB) {
        return Err(ConstraintError::NotGithub(identity.issuer.clone()));
    }
    let other = || ConstraintError::NotWorkflow(identity.subject.clone());
    let url = Url::parse(&identity.subject).ok().filter(|url| identity.is_uri && url.host_str() == Some("github.com"));
    let url = url.ok_or_else(other)?;
    let mut segments = url.path_segments().ok_or_else(other)?;
    match (segments.next(), segments.next()) {
        (Some(its_owner), Some(its_repo)) if its_owner == owner && repo.is_none_or(|repo| repo == its_repo) => Ok(()),
        (Some(its_owner), Some(its_repo)) => {
            Err(ConstraintError::OtherRepository { owner: its_owner.to_owned(), repository: its_repo.to_owned() })
        }
        _ => Err(other()),
    }
}

fn by_certificate<'a>(wanted: &Certificate) -> Result<Check<'a>, Unmet> {
    let chain = wanted.chain.as_ref().map(|chain| {
        let pem =
            |data: &Vec<u8>| registry::Certificate { encoding: registry::CertificateEncoding::Pem, data: data.clone() };
        chain.iter().map(pem).collect::<Vec<_>>()
    });
    let verifier = CertificateVerifier::from_pem(&wanted.certificate, wanted.require_rekor_bundle, chain.as_deref())
        .map_err(|error| Unmet::Certificate(error.to_string()))?;
    let requires_log = wanted.require_rekor_bundle;
    Ok(Box::new(move |signature| match verifier.verify(&signature.layer) {
        Ok(true) => Ok(()),
        Ok(false) if requires_log && signature.layer.bundle.is_none() => Err(ConstraintError::NoLogEntryOrOtherKey),
        Ok(false) => Err(ConstraintError::OtherKeyOrTime),
        Err(error) => Err(ConstraintError::Certificate(error.to_string())),
    }))
}

fn annotated(signature: &Signature, wanted: Option<&BTreeMap<String, String>>) -> Result<(), ConstraintError> {
    let Some(wanted) = wanted else { return Ok(()) };
    let missing = wanted.iter().find(|(name, value)| {
        let one = BTreeMap::from([((*name).clone(), (*value).clone())]);
        !signature.layer.simple_signing.satisfies_annotations(&one)
    });
    match missing {
        None => Ok(()),
        Some((name, value)) => Err(ConstraintError::Annotation { name: name.clone(), value: value.clone() }),
    }
}
