//! Requests of policies to verify signatures, as requirements. The error texts are those of policy-server.

use policy_verify_host::live::LiveFailure;
use policy_verify_host::request::Request;
use policy_verify_model::signature::{Certificate, Requirement, SignedBy, Signer, Subject};

/// The requirement of a request; `None` for requests about something else.
pub(super) fn requirement(request: &Request) -> Option<Result<Requirement, LiveFailure>> {
    let (signers, annotations, missing) = match request {
        Request::SigstorePubKeyVerify(asked) => {
            let keys = asked.pub_keys.iter().map(|key| Ok(SignedBy::PublicKey { owner: None, key: key.clone() }));
            (keys.collect(), &asked.annotations, "Must provide at least one pub key")
        }
        Request::SigstoreKeylessVerify(asked) => {
            let issuers = asked.keyless.iter().map(|it| {
                let subject = Subject::Equal(it.subject.clone());
                Ok(SignedBy::Issuer { issuer: it.issuer.clone(), subject })
            });
            (issuers.collect(), &asked.annotations, "Must provide keyless info")
        }
        Request::SigstoreKeylessPrefixVerify(asked) => {
            let issuers = asked.keyless_prefix.iter().map(|it| {
                let invalid = |error| LiveFailure::Refused(format!("`{}` is no URL: {error}", it.url_prefix));
                let subject = Subject::url_prefix(&it.url_prefix).map_err(invalid)?;
                Ok(SignedBy::Issuer { issuer: it.issuer.clone(), subject })
            });
            (issuers.collect(), &asked.annotations, "Must provide keyless info")
        }
        Request::SigstoreGithubActionsVerify(asked) => {
            let by = SignedBy::GithubAction { owner: asked.owner.clone(), repo: asked.repo.clone() };
            let signers = if asked.owner.is_empty() { Vec::new() } else { vec![by] };
            (Ok(signers), &asked.annotations, "Must provide owner info")
        }
        Request::SigstoreCertificateVerify(asked) => {
            let by = SignedBy::Certificate(Certificate {
                certificate: asked.certificate.clone(),
                chain: asked.certificate_chain.clone(),
                require_rekor_bundle: asked.require_rekor_bundle,
            });
            (Ok(vec![by]), &asked.annotations, "")
        }
        _ => return None,
    };
    let signers: Result<Vec<SignedBy>, LiveFailure> = signers;
    Some(signers.and_then(|signers| {
        if signers.is_empty() {
            return Err(LiveFailure::Refused(missing.into()));
        }
        let signer = |by| Signer { by, annotations: annotations.clone() };
        Ok(Requirement { all_of: signers.into_iter().map(signer).collect(), ..Requirement::default() })
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn asked(tag: &str, members: &Value) -> Result<Requirement, String> {
        let mut members = members.clone();
        members["image"] = json!("app:1");
        if members.get("annotations").is_none() {
            members["annotations"] = Value::Null;
        }
        let request = Request::from_recorded(tag, &members).expect("the request is complete");
        requirement(&request).expect("it is about signatures").map_err(|failure| match failure {
            LiveFailure::Refused(text) => text,
            outage => panic!("{outage:?}"),
        })
    }

    #[test]
    fn requests_without_signers_are_refused() {
        for (tag, members, text) in [
            ("SigstorePubKeyVerify", json!({"pub_keys": []}), "Must provide at least one pub key"),
            ("SigstoreKeylessVerify", json!({"keyless": []}), "Must provide keyless info"),
            ("SigstoreKeylessPrefixVerify", json!({"keyless_prefix": []}), "Must provide keyless info"),
            ("SigstoreGithubActionsVerify", json!({"owner": "", "repo": null}), "Must provide owner info"),
        ] {
            assert_eq!(asked(tag, &members).unwrap_err(), text);
        }
        let bad = json!({"keyless_prefix": [{"issuer": "i", "url_prefix": "no URL"}]});
        assert!(asked("SigstoreKeylessPrefixVerify", &bad).is_err());
    }

    #[test]
    fn all_signers_and_annotations_are_required() {
        let wanted =
            asked("SigstorePubKeyVerify", &json!({"pub_keys": ["a", "b"], "annotations": {"env": "prod"}})).unwrap();
        assert_eq!(wanted.all_of.len(), 2);
        assert!(wanted.all_of.iter().all(|signer| signer.annotations.as_ref().unwrap()["env"] == "prod"));
        assert!(!wanted.accepts_bundles && wanted.any_of.is_none(), "as in the server");
        let prefix = json!({"keyless_prefix": [{"issuer": "i", "url_prefix": "https://github.com/acme"}]});
        let wanted = asked("SigstoreKeylessPrefixVerify", &prefix).unwrap();
        let subject = Subject::UrlPrefix("https://github.com/acme/".into());
        assert_eq!(wanted.all_of[0].by, SignedBy::Issuer { issuer: "i".into(), subject });
    }
}
