//! Whether a signature is one that a constraint asks for.

use std::collections::BTreeMap;

use sigstore::cosign::verification_constraint::{CertificateVerifier, VerificationConstraint as _};
use sigstore::crypto::{CosignVerificationKey, Signature as SignatureBytes};
use sigstore::registry;
use url::Url;

use super::Signature;
use policy_verify_model::signature::{Certificate, SignedBy, Signer};

/// The issuer of certificates for workflows on GitHub.
const GITHUB: &str = "https://token.actions.githubusercontent.com";

/// Why a constraint is not met.
#[derive(Debug)]
pub(super) enum Unmet {
    /// By none of the signatures; why by each of them.
    ByNone(Vec<String>),
    /// The certificate of the constraint itself cannot be used. policy-server gives this text and no other.
    Certificate(String),
}

/// Whether one of `signatures` meets the constraint. Annotations have to be on the very signature that is met.
pub(super) fn check(signer: &Signer, signatures: &[Signature]) -> Result<(), Unmet> {
    let is_met = match &signer.by {
        SignedBy::PublicKey { key, .. } => by_key(key),
        SignedBy::Issuer { issuer, subject } => by_identity(move |identity| {
            if identity.issuer.as_ref() != Some(issuer) {
                return Err(format!("its issuer is {}", identity.issuer_named()));
            }
            let is_met = subject.is_met_by(&identity.subject);
            is_met.then_some(()).ok_or_else(|| format!("its subject is {:?}", identity.subject))
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
pub fn check_key(pem: &str) -> Result<(), String> {
    match CosignVerificationKey::try_from_pem(pem.as_bytes()) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("the public key cannot be read: {error}")),
    }
}

/// Says why a signature does not meet a constraint.
type Check<'a> = Box<dyn Fn(&Signature) -> Result<(), String> + 'a>;

fn by_key<'a>(pem: &str) -> Check<'a> {
    match CosignVerificationKey::try_from_pem(pem.as_bytes()) {
        Ok(key) => Box::new(move |signature| {
            let bytes = signature.layer.signature.as_deref().unwrap_or_default().as_bytes();
            key.verify_signature(SignatureBytes::Base64Encoded(bytes), &signature.layer.raw_data)
                .map_err(|_| "another key made it".to_owned())
        }),
        Err(error) => {
            let reason = format!("the public key of the constraint cannot be read: {error}");
            Box::new(move |_| Err(reason.clone()))
        }
    }
}

fn by_identity<'a>(check: impl Fn(&super::Identity) -> Result<(), String> + 'a) -> Check<'a> {
    Box::new(move |signature| check(signature.identity.as_ref().map_err(Clone::clone)?))
}

fn github(identity: &super::Identity, owner: &str, repo: Option<&str>) -> Result<(), String> {
    if identity.issuer.as_deref() != Some(GITHUB) {
        return Err(format!("no workflow on GitHub made it, its issuer is {}", identity.issuer_named()));
    }
    let strange = || format!("its subject is {:?}, no workflow on GitHub", identity.subject);
    let url = Url::parse(&identity.subject).ok().filter(|url| identity.is_uri && url.host_str() == Some("github.com"));
    let url = url.ok_or_else(strange)?;
    let mut segments = url.path_segments().ok_or_else(strange)?;
    match (segments.next(), segments.next()) {
        (Some(its_owner), Some(its_repo)) if its_owner == owner && repo.is_none_or(|repo| repo == its_repo) => Ok(()),
        (Some(its_owner), Some(its_repo)) => Err(format!("a workflow of {its_owner}/{its_repo} made it")),
        _ => Err(strange()),
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
        Ok(false) if requires_log && signature.layer.bundle.is_none() => {
            Err("it has no entry of a transparency log, or another key made it".to_owned())
        }
        Ok(false) => Err("another key made it, or when the certificate was not valid".to_owned()),
        Err(error) => Err(error.to_string()),
    }))
}

fn annotated(signature: &Signature, wanted: Option<&BTreeMap<String, String>>) -> Result<(), String> {
    let Some(wanted) = wanted else { return Ok(()) };
    let missing = wanted.iter().find(|(name, value)| {
        let one = BTreeMap::from([((*name).clone(), (*value).clone())]);
        !signature.layer.simple_signing.satisfies_annotations(&one)
    });
    match missing {
        None => Ok(()),
        Some((name, value)) => Err(format!("it has no annotation {name}={value}")),
    }
}

impl super::Identity {
    fn issuer_named(&self) -> String {
        self.issuer.as_ref().map_or_else(|| "not named".to_owned(), |issuer| format!("{issuer:?}"))
    }
}
