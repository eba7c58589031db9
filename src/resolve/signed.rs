//! Signatures of the fetched manifests.
//!
//! The module was checked against the layer of the manifest when it was fetched, also if it comes from the store, so the
//! signed module is the one that runs.

use std::sync::Arc;

use oci_client::Reference;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::module::unavailable;
use super::policy::{OfSuite, Resolved};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::reference;
use policy_verify_model::signature::Requirement;
use policy_verify_registry::digest::OciDigest;
use policy_verify_registry::network;
use policy_verify_registry::signature::Verifier;

/// Policies verified at the same time. Most of the time is spent waiting for registries.
const MAX_CONCURRENT: usize = 32;

/// A manifest and the requirements for its signatures.
struct VerifyRequest {
    image: Reference,
    digest: OciDigest,
    wanted: Vec<Requirement>,
}

/// Replaces resolved policies without the required signatures: those of `signedBy`, and of `for_all` for remote policies.
pub(crate) fn signed(
    specs: &[OfSuite<'_>],
    resolved: Vec<Result<Resolved, Unavailable>>,
    for_all: Option<&Requirement>,
    is_offline: bool,
    verifier: &Verifier,
) -> Vec<Result<Resolved, Unavailable>> {
    let requests: Vec<Option<Result<VerifyRequest, Diagnostic>>> = specs
        .iter()
        .zip(&resolved)
        .map(|((_, spec), resolved)| {
            let mut wanted = spec.signed_by.clone();
            if !matches!(spec.uri.value, PolicyRef::File(_)) {
                wanted.extend(for_all.cloned());
            }
            let resolved = resolved.as_ref().ok().filter(|_| !wanted.is_empty())?;
            Some(verify_request(&spec.uri.value, resolved.digest.clone(), wanted, is_offline))
        })
        .collect();
    let results = network::wait(verify_all(requests, verifier));
    let judged = specs.iter().zip(resolved).zip(results).map(|(((_, spec), resolved), answer)| match answer {
        None => resolved,
        Some(Ok(remark)) => resolved.map(|mut resolved| {
            resolved.remarks.extend(remark);
            resolved
        }),
        Some(Err(error)) => Err(unavailable(UnavailableStage::Signature, error, &spec.uri.span)),
    });
    judged.collect()
}

/// The check of a policy that must be signed.
fn verify_request(
    policy: &PolicyRef,
    digest: Option<OciDigest>,
    wanted: Vec<Requirement>,
    is_offline: bool,
) -> Result<VerifyRequest, Diagnostic> {
    let PolicyRef::Registry(name) = policy else {
        // The text of kwctl.
        return Err(unsigned("Verification only works with OCI images"));
    };
    let image = reference::parse(name).map_err(|error| unsigned(error.message))?;
    match digest {
        Some(digest) if !is_offline => Ok(VerifyRequest { image, digest, wanted }),
        _ => {
            let message = format!("signatures of `registry://{name}` cannot be verified offline");
            Err(unsigned(message).with_help("run without `--offline`: the store has no signatures".to_owned()))
        }
    }
}

/// The results in the order of the requests: a remark, if any, or why the policy is not accepted.
async fn verify_all(
    requests: Vec<Option<Result<VerifyRequest, Diagnostic>>>,
    verifier: &Verifier,
) -> Vec<Option<Result<Option<String>, Diagnostic>>> {
    let slots = Arc::new(Semaphore::new(MAX_CONCURRENT));
    let mut tasks = JoinSet::new();
    let mut results: Vec<Option<Result<Option<String>, Diagnostic>>> = Vec::new();
    for (index, request) in requests.into_iter().enumerate() {
        results.push(match request {
            None => None,
            Some(Err(error)) => Some(Err(error)),
            Some(Ok(request)) => {
                let (verifier, slots) = (verifier.clone(), Arc::clone(&slots));
                tasks.spawn(async move {
                    let _slot = slots.acquire_owned().await;
                    (index, verify(&verifier, &request).await)
                });
                Some(Err(unsigned("the signature check ended without a result")))
            }
        });
    }
    while let Some(joined) = tasks.join_next().await {
        if let Ok((index, answer)) = joined {
            results[index] = Some(answer);
        }
    }
    results
}

async fn verify(verifier: &Verifier, request: &VerifyRequest) -> Result<Option<String>, Diagnostic> {
    let VerifyRequest { image, digest, wanted } = request;
    match verifier.verify_manifest(image, digest, wanted).await {
        Ok(verified) if verified.rests_on_bundles => {
            Ok(Some(format!("`registry://{image}` is signed by a Sigstore bundle that Kubewarden does not accept")))
        }
        Ok(_) => Ok(None),
        Err(error) => Err(unsigned(error.message()).with_help(error.help())),
    }
}

fn unsigned(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Unsigned, message)
}
