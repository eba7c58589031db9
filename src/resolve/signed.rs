//! Policies of registries that have to be signed: whether the manifest that was fetched is.
//!
//! The module was checked against the layer of that manifest when it was fetched, also where it is from the store, so what
//! runs is what is signed.

use std::sync::Arc;

use oci_client::Reference;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::{OfSuite, Resolved};
use policy_verify_model::outcome::{Unavailable, UnavailableStage};
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::signature::Requirement;
use policy_verify_registry::digest::OciDigest;
use policy_verify_registry::network;
use policy_verify_registry::signature::Verifier;

/// How many policies are verified at once. Each waits for its registry most of the time.
const AT_ONCE: usize = 32;

/// A message, and what to do about it.
type Problem = (String, Option<String>);

/// What is to be verified.
struct Question {
    image: Reference,
    digest: OciDigest,
    wanted: Vec<Requirement>,
}

/// Takes out of the resolved policies those that are not signed as they have to be: by `signedBy`, and by
/// `for_all` if they are not files.
pub(crate) fn signed(
    specs: &[OfSuite<'_>],
    resolved: Vec<Result<Resolved, Unavailable>>,
    for_all: Option<&Requirement>,
    is_offline: bool,
    verifier: &Verifier,
) -> Vec<Result<Resolved, Unavailable>> {
    let questions: Vec<Option<Result<Question, Problem>>> = specs
        .iter()
        .zip(&resolved)
        .map(|((_, spec), resolved)| {
            let mut wanted = spec.signed_by.clone();
            if !matches!(spec.uri.value, PolicyRef::File(_)) {
                wanted.extend(for_all.cloned());
            }
            let resolved = resolved.as_ref().ok().filter(|_| !wanted.is_empty())?;
            Some(question(&spec.uri.value, resolved.digest.clone(), wanted, is_offline))
        })
        .collect();
    let answers = network::wait(ask_all(questions, verifier));
    let judged = specs.iter().zip(resolved).zip(answers).map(|(((_, spec), resolved), answer)| match answer {
        None => resolved,
        Some(Ok(remark)) => resolved.map(|mut resolved| {
            resolved.remarks.extend(remark);
            resolved
        }),
        Some(Err((message, help))) => {
            Err(Unavailable { stage: UnavailableStage::Signature, message, help, span: Some(spec.uri.span.clone()) })
        }
    });
    judged.collect()
}

/// What to ask about a policy that has to be signed.
fn question(
    policy: &PolicyRef,
    digest: Option<OciDigest>,
    wanted: Vec<Requirement>,
    is_offline: bool,
) -> Result<Question, Problem> {
    let PolicyRef::Registry(name) = policy else {
        // The words of kwctl.
        return Err(("Verification only works with OCI images".to_owned(), None));
    };
    let image = name.parse::<Reference>().map_err(|error| (format!("`registry://{name}`: {error}"), None))?;
    match digest {
        Some(digest) if !is_offline => Ok(Question { image, digest, wanted }),
        _ => {
            let help = "run without --offline: signatures are not kept in the store";
            Err((format!("nobody can be asked whether `registry://{name}` is signed"), Some(help.to_owned())))
        }
    }
}

/// The answers in the order of the questions: a remark, if there is one, or why the policy may not run.
async fn ask_all(
    questions: Vec<Option<Result<Question, Problem>>>,
    verifier: &Verifier,
) -> Vec<Option<Result<Option<String>, Problem>>> {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    let mut tasks = JoinSet::new();
    let mut answers: Vec<Option<Result<Option<String>, Problem>>> = Vec::new();
    for (index, question) in questions.into_iter().enumerate() {
        answers.push(match question {
            None => None,
            Some(Err(problem)) => Some(Err(problem)),
            Some(Ok(question)) => {
                let (verifier, slots) = (verifier.clone(), Arc::clone(&slots));
                tasks.spawn(async move {
                    let _slot = slots.acquire_owned().await;
                    (index, ask(&verifier, &question).await)
                });
                Some(Err(("the check of the signatures ended without a result".to_owned(), None)))
            }
        });
    }
    while let Some(joined) = tasks.join_next().await {
        if let Ok((index, answer)) = joined {
            answers[index] = Some(answer);
        }
    }
    answers
}

async fn ask(verifier: &Verifier, question: &Question) -> Result<Option<String>, Problem> {
    let Question { image, digest, wanted } = question;
    match verifier.verify_manifest(image, digest, wanted).await {
        Ok(verified) if verified.rests_on_bundles => {
            Ok(Some(format!("`registry://{image}` is signed by a Sigstore bundle, which Kubewarden does not accept")))
        }
        Ok(_) => Ok(None),
        Err(error) => Err((error.message(), error.help())),
    }
}
