//! Each form of constraint, met and not met for the right reason: on signatures that cosign made, and on keyless ones of
//! an authority of the tests.

use std::collections::BTreeMap;

use rcgen::{ExtendedKeyUsagePurpose, SanType};
use serde_json::{Value, json};

use super::authority::{Authority, Changes, Keyless, digest_of, layer, stored, trust};
use super::judge::judge;
use super::stored::{Layer, StoredSignatures, TagForm};
use super::testing::text;
use super::trust::Trust;
use super::{Refusal, Verified};
use policy_verify_model::signature::{AnyOf, Certificate, Requirement, SignedBy, Signer, Subject};

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const MISSING: &str = "Image verification failed: missing signatures\nThe following constraints were not satisfied:\n";
const WORKFLOW: &str = "https://github.com/acme/policies/.github/workflows/release.yml@refs/tags/v1";

fn signer(by: SignedBy) -> Signer {
    Signer { by, annotations: None }
}

fn key(path: &str) -> Signer {
    signer(SignedBy::PublicKey { owner: None, key: text(&format!("keys/{path}.pub")) })
}

fn issuer(issuer: &str, subject: Subject) -> Signer {
    signer(SignedBy::Issuer { issuer: issuer.into(), subject })
}

fn equal(subject: &str) -> Subject {
    Subject::Equal(subject.into())
}

fn prefix(url: &str) -> Subject {
    Subject::url_prefix(url).unwrap()
}

fn github(owner: &str, repo: Option<&str>) -> Signer {
    signer(SignedBy::GithubAction { owner: owner.into(), repo: repo.map(str::to_owned) })
}

/// A certificate of the fixtures, with its chain.
fn certificate(path: &str, chain: &[&str]) -> Signer {
    let pem = |name: &str| text(&format!("certificates/{name}.pem")).into_bytes();
    let chain = (!chain.is_empty()).then(|| chain.iter().map(|name| pem(name)).collect());
    signer(SignedBy::Certificate(Certificate { certificate: pem(path), chain, require_rekor_bundle: false }))
}

fn annotated(signer: Signer, annotations: &[(&str, &str)]) -> Signer {
    let annotations = annotations.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Signer { annotations: Some(annotations.collect()), ..signer }
}

fn ask(stored: &StoredSignatures, signer: Signer, trust: Option<&Trust>) -> Result<Verified, Refusal> {
    judge(stored, &Requirement::all_of(vec![signer]), trust)
}

fn with_layers(stored: StoredSignatures, layers: Vec<Layer>) -> StoredSignatures {
    StoredSignatures { tag: TagForm::Layers(layers), ..stored }
}

fn layers(stored: &StoredSignatures) -> Vec<Layer> {
    match &stored.tag {
        TagForm::Layers(layers) => layers.clone(),
        _ => panic!("no layers"),
    }
}

fn trusted(result: Result<Verified, Refusal>, stored: &StoredSignatures) {
    assert_eq!(result, Ok(Verified { digest: stored.digest.clone(), rests_on_bundles: false }));
}

#[test]
fn signatures_of_cosign_are_trusted() {
    let trust = trust();
    for (image, signer) in [
        ("by-key", key("owner")),
        ("annotated", key("owner")),
        ("annotated", annotated(key("owner"), &[])),
        ("annotated", annotated(key("owner"), &[("env", "prod")])),
        ("annotated", annotated(key("owner"), &[("env", "prod"), ("team", "platform")])),
        ("by-certificate", certificate("signer", &[])),
        ("by-certificate", certificate("signer", &["intermediate", "root"])),
        ("by-certificate", certificate("signer", &["intermediate"])),
        ("keyless", issuer(GITHUB, equal(WORKFLOW))),
        ("keyless", issuer(GITHUB, prefix("https://github.com/acme"))),
        ("keyless", issuer(GITHUB, prefix("https://github.com/acme/policies/"))),
        ("keyless", issuer("https://accounts.acme.test", equal("dev@acme.test"))),
        ("keyless", github("acme", None)),
        ("keyless", github("acme", Some("policies"))),
    ] {
        let stored = stored(image);
        trusted(ask(&stored, signer, Some(&trust)), &stored);
    }
}

#[test]
fn keys_and_certificates_need_no_trust_root() {
    for (image, signer) in [("by-key", key("owner")), ("by-certificate", certificate("signer", &["intermediate"]))] {
        let stored = stored(image);
        trusted(ask(&stored, signer, None), &stored);
    }
}

#[test]
fn refusals_have_the_reason_of_each_signature() {
    let trust = trust();
    for (image, signer, reason) in [
        ("by-key", key("somebody-else"), "signature 1: signed with another key"),
        ("by-key", annotated(key("owner"), &[("env", "prod")]), "signature 1: annotation env=prod missing"),
        ("annotated", annotated(key("owner"), &[("env", "dev")]), "signature 2: annotation env=dev missing"),
        // The annotation is on a signature, but not on this one.
        ("annotated", annotated(key("somebody-else"), &[("env", "prod")]), "signature 1: annotation env=prod missing"),
        ("by-key", github("acme", None), "signature 1: no certificate"),
        ("by-key", issuer(GITHUB, equal(WORKFLOW)), "signature 1: no certificate"),
        ("keyless", key("owner"), "signature 1: signed with another key"),
        ("keyless", issuer("https://evil.test", equal(WORKFLOW)), &format!("signature 1: issuer is {GITHUB:?}")),
        (
            "keyless",
            issuer(GITHUB, equal("https://github.com/acme/policies")),
            &format!("signature 1: subject is {WORKFLOW:?}"),
        ),
        ("keyless", issuer(GITHUB, equal("dev@acme.test")), "signature 2: issuer is \"https://accounts.acme.test\""),
        ("keyless", issuer(GITHUB, prefix("https://github.com/acm")), &format!("signature 1: subject is {WORKFLOW:?}")),
        ("keyless", github("acme", Some("policy")), "signature 1: signed by a workflow of acme/policies"),
        ("keyless", github("acm", None), "signature 1: signed by a workflow of acme/policies"),
        (
            "keyless",
            github("acme", Some("policy")),
            "signature 2: not signed by a GitHub workflow: issuer is \"https://accounts.acme.test\"",
        ),
        ("keyless", annotated(github("acme", None), &[("env", "prod")]), "signature 1: annotation env=prod missing"),
    ] {
        let refusal = ask(&stored(image), signer, Some(&trust)).unwrap_err();
        assert!(refusal.reasons.iter().any(|it| it == reason), "{reason:?} is not among {:#?}", refusal.reasons);
        let text =
            "Image verification failed: missing signatures\nThe following constraints were not satisfied:\nkind: ";
        assert!(refusal.text.starts_with(text), "{}", refusal.text);
    }
}

#[test]
fn certificates_of_constraints_must_be_valid_now() {
    let stored = stored("by-certificate");
    for (signer, text) in [
        (certificate("signer", &["other-root"]), "UnknownIssuer"),
        (certificate("signer", &["root"]), "UnknownIssuer"),
        (certificate("expired", &["intermediate", "root"]), "CertExpired"),
        (certificate("root", &[]), "does not have code signing extended key usage"),
    ] {
        let refusal = ask(&stored, signer, None).unwrap_err();
        assert!(refusal.text.contains(text), "{text} is not in {}", refusal.text);
    }
    let refusal = ask(&stored, certificate("somebody-else-certified", &["intermediate"]), None).unwrap_err();
    assert_eq!(refusal.text, "verification failed: Several Signature Layers failed verification");
    let garbage = Certificate { certificate: b"no certificate".to_vec(), chain: None, require_rekor_bundle: false };
    assert!(ask(&stored, signer(SignedBy::Certificate(garbage)), None).is_err());
}

#[test]
fn a_log_entry_can_be_required() {
    let requires_log = |signer: Signer| match signer.by {
        SignedBy::Certificate(certificate) => Signer {
            by: SignedBy::Certificate(Certificate { require_rekor_bundle: true, ..certificate }),
            annotations: signer.annotations,
        },
        _ => panic!("no certificate"),
    };
    let signer = requires_log(certificate("signer", &["intermediate"]));
    let refusal = ask(&stored("by-certificate"), signer, Some(&trust())).unwrap_err();
    assert_eq!(refusal.reasons, ["signature 1: no transparency log entry, or signed with another key"]);

    // A logged signature by the key of the certificate of a constraint.
    let (authority, image) = (Authority::new(), stored("not-at-all"));
    let layer = authority.layer(&Keyless::by_workflow(&image.digest));
    let pem = layer.descriptor.annotations["dev.sigstore.cosign/certificate"].clone().into_bytes();
    let certificate = Certificate { certificate: pem, chain: None, require_rekor_bundle: true };
    let signer = || self::signer(SignedBy::Certificate(certificate.clone()));
    let image = with_layers(image, vec![layer]);
    trusted(ask(&image, signer(), Some(authority.trust())), &image);
    // Without a trust root the log entry cannot be verified.
    assert!(ask(&image, signer(), None).is_err());
}

#[test]
fn all_of_and_any_of_are_combined() {
    let stored = stored("annotated");
    let both = Requirement::all_of(vec![key("owner"), key("somebody-else")]);
    trusted(judge(&stored, &both, None), &stored);
    let three = Requirement::all_of(vec![key("owner"), key("somebody-else"), github("acme", None)]);
    let refusal = judge(&stored, &three, None).unwrap_err();
    assert_eq!(
        refusal.text,
        "Image verification failed: missing signatures\nThe following constraints were not satisfied:\nkind: \
         githubAction\nowner: acme\nrepo: null\nannotations: null\n"
    );
    let enough = |minimum_matches| Requirement {
        any_of: Some(AnyOf {
            minimum_matches,
            signers: vec![key("owner"), github("acme", None), key("somebody-else")],
        }),
        ..Requirement::default()
    };
    trusted(judge(&stored, &enough(2), None), &stored);
    let refusal = judge(&stored, &enough(3), None).unwrap_err();
    assert_eq!(
        refusal.text,
        "Image verification failed: minimum number of signatures not reached: needed 3, got 2\nThe following \
         constraints were not satisfied:\nkind: githubAction\nowner: acme\nrepo: null\nannotations: null\n"
    );
    // One signature may meet several entries.
    let twice = AnyOf { minimum_matches: 2, signers: vec![key("owner"), annotated(key("owner"), &[("env", "prod")])] };
    trusted(judge(&stored, &Requirement { any_of: Some(twice), ..Requirement::default() }, None), &stored);
}

#[test]
fn missing_signatures_have_the_text_of_policy_server() {
    let refusal = ask(&stored("not-at-all"), key("owner"), None).unwrap_err();
    assert!(refusal.text.starts_with(MISSING), "{}", refusal.text);
    assert!(refusal.text.contains("kind: pubKey\n"), "{}", refusal.text);
    assert_eq!(refusal.reasons, ["the image is not signed"]);
    let unusable = StoredSignatures { tag: TagForm::Unusable("no layers".into()), ..stored("by-key") };
    let refusal = ask(&unusable, key("owner"), None).unwrap_err();
    assert!(refusal.text.starts_with(MISSING), "{}", refusal.text);
    assert_eq!(refusal.reasons, ["no layers"]);
    let wanted = Requirement {
        any_of: Some(AnyOf { minimum_matches: 1, signers: vec![key("owner")] }),
        ..Requirement::default()
    };
    let refusal = judge(&stored("not-at-all"), &wanted, None).unwrap_err();
    let text = "Image verification failed: minimum number of signatures not reached: needed 1, got 0\n";
    assert!(refusal.text.starts_with(text), "{}", refusal.text);
}

#[test]
fn other_bundles_count_only_with_accept_bundles() {
    for (image, signer) in [
        ("bundle", key("owner")),
        ("bundle", annotated(key("owner"), &[("env", "prod")])),
        ("bundle-by-certificate", certificate("signer", &["intermediate"])),
    ] {
        let stored = stored(image);
        let refusal = ask(&stored, signer.clone(), None).unwrap_err();
        assert!(refusal.bundles_would_do, "{image}");
        assert!(refusal.reasons.last().unwrap().contains("Kubewarden would not accept it"), "{:?}", refusal.reasons);
        assert!(refusal.reasons[0].starts_with("bundle 1 ignored: "), "{:?}", refusal.reasons);
        let wanted = Requirement { accepts_bundles: true, ..Requirement::all_of(vec![signer]) };
        let verified = judge(&stored, &wanted, None).unwrap();
        assert_eq!(verified, Verified { digest: stored.digest.clone(), rests_on_bundles: true });
    }
}

#[test]
fn bundles_must_satisfy_the_same_constraints() {
    for (signer, reason) in [
        (key("somebody-else"), "bundle 1: signed with another key"),
        (annotated(key("owner"), &[("env", "dev")]), "bundle 1: annotation env=dev missing"),
        (github("acme", None), "bundle 1: no certificate"),
    ] {
        let refusal = ask(&stored("bundle"), signer.clone(), None).unwrap_err();
        assert!(!refusal.bundles_would_do);
        let wanted = Requirement { accepts_bundles: true, ..Requirement::all_of(vec![signer]) };
        let refusal = judge(&stored("bundle"), &wanted, None).unwrap_err();
        assert_eq!(refusal.reasons, [reason]);
    }
    let moved = StoredSignatures { digest: digest_of(b"another manifest"), ..stored("bundle") };
    let wanted = Requirement { accepts_bundles: true, ..Requirement::all_of(vec![key("owner")]) };
    let refusal = judge(&moved, &wanted, None).unwrap_err();
    assert_eq!(refusal.reasons, [format!("bundle 1 ignored: it does not sign {}", moved.digest)]);
}

/// Keyless signatures that are not what they seem, and why they are not believed.
#[test]
fn keyless_signatures_are_verified() {
    let (authority, image) = (Authority::new(), stored("not-at-all"));
    let good = Keyless::by_workflow(&image.digest);
    let ask = |layer: Layer, signer: Signer, trust: Option<&Trust>| {
        let layers = vec![layer];
        ask(&StoredSignatures { tag: TagForm::Layers(layers), ..stored("not-at-all") }, signer, trust)
    };
    let trust = Some(authority.trust());
    trusted(ask(authority.layer(&good), github("acme", Some("policies")), trust), &image);

    let refused = |layer: Layer, trust: Option<&Trust>, reason: &str| {
        let refusal = ask(layer, github("acme", None), trust).unwrap_err();
        assert!(refusal.reasons[0].contains(reason), "{reason:?} is not in {:?}", refusal.reasons);
    };
    // Who is asked.
    let evil =
        Keyless::by_uri(&image.digest, "https://github.com/acme-evil/policies/.github/workflows/ci.yml@refs/heads/x");
    refused(authority.layer(&evil), trust, "signed by a workflow of acme-evil/policies");
    let refusal = ask(authority.layer(&evil), issuer(GITHUB, prefix("https://github.com/acme")), trust).unwrap_err();
    assert!(refusal.reasons[0].contains("subject is \"https://github.com/acme-evil/"), "{:?}", refusal.reasons);
    let elsewhere = Keyless::by_uri(&image.digest, "https://github.com.evil.test/acme/policies/ci.yml");
    refused(authority.layer(&elsewhere), trust, "not signed by a GitHub workflow");
    let mail = Keyless { subject: SanType::Rfc822Name("acme@github.com".try_into().unwrap()), ..good.clone() };
    refused(authority.layer(&mail), trust, "not signed by a GitHub workflow");
    let named = Keyless { subject: SanType::DnsName("github.com".try_into().unwrap()), ..good.clone() };
    refused(authority.layer(&named), trust, "incomplete Subject Alternative Name");

    // The authority and the log.
    refused(authority.layer(&good), None, "certificates cannot be verified without a trust root");
    let strangers = Authority::new();
    refused(strangers.layer(&good), trust, "unverified log entry: Rekor public key not found");
    let only_log = Trust { authorities: strangers.trust().authorities.clone(), rekor: authority.trust().rekor.clone() };
    // The other authority has the same name.
    refused(
        authority.layer(&good),
        Some(&only_log),
        "not issued by an authority of the trust root: InvalidSignatureForPublicKey",
    );
    let server = Keyless { usage: vec![ExtendedKeyUsagePurpose::ServerAuth], ..good.clone() };
    refused(authority.layer(&server), trust, "not issued by an authority of the trust root: RequiredEkuNotFound");

    // When.
    for logged in [good.validity.0 - 1, good.validity.1 + 1] {
        refused(authority.layer(&Keyless { logged, ..good.clone() }), trust, "certificate valid from");
    }
    let without = |name: &str| {
        let mut layer = authority.layer(&good);
        layer.descriptor.annotations.remove(name);
        layer
    };
    refused(without("dev.sigstore.cosign/bundle"), trust, "no transparency log entry");
    refused(without("dev.sigstore.cosign/certificate"), trust, "no certificate");
    refused(
        without("dev.cosignproject.cosign/signature"),
        trust,
        "annotation `dev.cosignproject.cosign/signature` missing",
    );

    // Parts of valid signatures cannot be combined.
    let (one, other) = (authority.layer(&good), authority.layer(&Keyless { logged: good.logged + 1, ..good.clone() }));
    let with = |name: &str| {
        let mut layer = one.clone();
        let value = other.descriptor.annotations[name].clone();
        layer.descriptor.annotations.insert(name.into(), value);
        layer
    };
    refused(with("dev.sigstore.cosign/bundle"), trust, "log entry of another signature");
    refused(with("dev.sigstore.cosign/certificate"), trust, "not signed with the key of its certificate");
    refused(with("dev.cosignproject.cosign/signature"), trust, "log entry of another signature");
    let entry = one.descriptor.annotations["dev.sigstore.cosign/bundle"].replace("1700000300", "1700000301");
    let mut forged = one.clone();
    forged.descriptor.annotations.insert("dev.sigstore.cosign/bundle".into(), entry);
    refused(forged, trust, "unverified log entry");
}

/// An image with this bundle and no other signature.
fn with_bundle(bundle: &Value) -> StoredSignatures {
    StoredSignatures { bundles: vec![bundle.to_string().into_bytes()], ..stored("not-at-all") }
}

/// What Kubewarden makes of an image with this bundle alone, and the first reason if it refuses.
fn counts(bundle: &Value, trust: &Trust) -> Result<(), String> {
    let result = ask(&with_bundle(bundle), github("acme", None), Some(trust));
    result.map(|verified| assert!(!verified.rests_on_bundles)).map_err(|refusal| refusal.reasons[0].clone())
}

#[test]
fn keyless_bundles_count() {
    let (authority, image) = (Authority::new(), stored("not-at-all"));
    let good = Keyless::by_workflow(&image.digest);
    let bundle = authority.bundle(&good);
    assert_eq!(counts(&bundle, authority.trust()), Ok(()));
    // Beside a tag whose signatures do not suffice.
    let beside = StoredSignatures {
        tag: TagForm::Layers(vec![authority.layer(&Keyless::by_uri(&image.digest, "https://github.com/other/x/y"))]),
        ..with_bundle(&bundle)
    };
    trusted(ask(&beside, github("acme", None), Some(authority.trust())), &image);
    // `minimumMatches` counts over both forms.
    let signers = vec![github("acme", None), github("other", None)];
    let both = Requirement { any_of: Some(AnyOf { minimum_matches: 2, signers }), ..Requirement::default() };
    trusted(judge(&beside, &both, Some(authority.trust())), &image);
    // Without the keys of a log no bundle counts.
    let refusal = ask(&with_bundle(&bundle), github("acme", None), None).unwrap_err();
    assert!(refusal.reasons[0].contains("without a trust root"), "{:?}", refusal.reasons);
    // The certificate of the bundle may be named as well.
    let no_keys = Trust { rekor: BTreeMap::new(), authorities: authority.trust().authorities.clone() };
    assert!(counts(&bundle, &no_keys).unwrap_err().contains("unverified log entry"));
}

/// Each condition on its own: a bundle that is right but for this one does not count.
#[test]
fn every_condition_of_a_bundle_is_needed() {
    let (authority, image) = (Authority::new(), stored("not-at-all"));
    let good = Keyless::by_workflow(&image.digest);
    let changed = |changes: Changes| authority.changed_bundle(&good, &changes);
    let usual = Changes::default;
    for (bundle, reason) in [
        // Statement.
        (changed(Changes { payload_type: "text/plain", ..usual() }), "unsupported payload type"),
        (
            changed(Changes { statement: |it| it["_type"] = json!("https://in-toto.io/Statement/v0.1"), ..usual() }),
            "is not an image signature",
        ),
        (
            changed(Changes {
                statement: |it| it["predicateType"] = json!("https://slsa.dev/provenance/v1"),
                ..usual()
            }),
            "is not an image signature",
        ),
        (changed(Changes { statement: |it| it["subject"] = json!([]), ..usual() }), "it does not sign sha256:"),
        // The image is the second subject.
        (
            changed(Changes {
                statement: |it| {
                    let first = json!({"digest": {"sha256": "00"}});
                    it["subject"].as_array_mut().unwrap().insert(0, first);
                },
                ..usual()
            }),
            "it does not sign sha256:",
        ),
        (
            changed(Changes {
                statement: |it| it["subject"][0]["digest"] = json!({"sha512": it["subject"][0]["digest"]["sha256"]}),
                ..usual()
            }),
            "it does not sign sha256:",
        ),
        // Entry.
        (changed(Changes { body: |it| it["kind"] = json!("intoto"), ..usual() }), "log entry of kind \"intoto\""),
        (
            changed(Changes { body: |it| it["apiVersion"] = json!("0.0.2"), ..usual() }),
            "log entry of version \"0.0.2\"",
        ),
        (
            changed(Changes { body: |it| it["spec"]["envelopeHash"]["value"] = json!("00"), ..usual() }),
            "log entry of another signature",
        ),
        (
            changed(Changes { body: |it| it["spec"]["envelopeHash"]["algorithm"] = json!("sha512"), ..usual() }),
            "log entry of another signature",
        ),
        (
            changed(Changes { body: |it| it["spec"]["payloadHash"]["value"] = json!("00"), ..usual() }),
            "log entry of another signature",
        ),
        (
            changed(Changes { body: |it| it["spec"]["signatures"][0]["signature"] = json!("AAAA"), ..usual() }),
            "log entry of another signature",
        ),
        (
            changed(Changes { body: |it| it["spec"]["signatures"][0]["verifier"] = json!("AAAA"), ..usual() }),
            "log entry of another signature",
        ),
        (
            changed(Changes {
                body: |it| {
                    let twice = json!([it["spec"]["signatures"][0], it["spec"]["signatures"][0]]);
                    it["spec"]["signatures"] = twice;
                },
                ..usual()
            }),
            "log entry of another signature",
        ),
        // Checkpoint: signed by the log, and about another tree.
        (changed(Changes { note: |it| *it = it.replace("\n5\n", "\n6\n"), ..usual() }), "unproven log entry"),
        (
            changed(Changes {
                note: |it| *it = "log.acme.test - 1\n5\nAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n".to_owned(),
                ..usual()
            }),
            "unproven log entry",
        ),
    ] {
        let found = counts(&bundle, authority.trust()).unwrap_err();
        assert!(found.starts_with("bundle 1 ignored: ") && found.contains(reason), "{reason:?} is not in {found:?}");
    }
}

/// The same for what no signature covers.
#[test]
fn every_part_around_the_signature_is_needed() {
    let (authority, image) = (Authority::new(), stored("not-at-all"));
    let good = Keyless::by_workflow(&image.digest);
    let bundle = authority.bundle(&good);
    let with = |pointer: &str, value: Value| {
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let mut bundle = bundle.clone();
        bundle.pointer_mut(parent).unwrap()[name] = value;
        bundle
    };
    let at = |pointer: &str| bundle.pointer(pointer).unwrap().clone();
    let entry = "/verificationMaterial/tlogEntries/0";
    let of_entry = |member: &str, value: Value| {
        let mut bundle = bundle.clone();
        *bundle.pointer_mut(&format!("{entry}/{member}")).unwrap() = value;
        bundle
    };
    let (material, envelope) = ("/verificationMaterial", "/dsseEnvelope");
    let certificate = at(&format!("{material}/certificate"));
    let signature = at(&format!("{envelope}/signatures/0"));
    let other_log = Authority::new().bundle(&good);
    let foreign = |member: &str| other_log.pointer(&format!("{entry}/{member}")).unwrap().clone();
    let without_certificate = |name: &str, value: Value| {
        let mut bundle = with(&format!("{material}/{name}"), value);
        bundle["verificationMaterial"].as_object_mut().unwrap().remove("certificate");
        bundle
    };
    let root = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
    for (bundle, reason) in [
        // Content.
        (with("/dsseEnvelope", Value::Null), "no DSSE envelope"),
        (with(&format!("{envelope}/signatures"), json!([])), "expected one signature in the envelope, found 0"),
        (with(&format!("{envelope}/signatures"), json!([signature, signature])), "found 2"),
        // Verification material.
        (without_certificate("publicKey", json!({"hint": "x"})), "signed with a key"),
        (with(&format!("{material}/publicKey"), json!({"hint": "x"})), "signed with a key"),
        (
            without_certificate("x509CertificateChain", json!({"certificates": [certificate]})),
            "a chain of certificates",
        ),
        (without_certificate("other", Value::Null), "no certificate"),
        // Entries.
        (with(&format!("{material}/tlogEntries"), json!([])), "expected one log entry, found 0"),
        (with(&format!("{material}/tlogEntries"), json!([at(entry), at(entry)])), "expected one log entry, found 2"),
        (of_entry("logId", Value::Null), "log entry without log id"),
        (of_entry("logId", foreign("logId")), "unverified log entry"),
        (of_entry("inclusionPromise", Value::Null), "log entry without signed time"),
        (of_entry("inclusionPromise", foreign("inclusionPromise")), "unverified log entry"),
        (of_entry("integratedTime", json!("1700000301")), "unverified log entry"),
        // Inclusion proof.
        (of_entry("inclusionProof", Value::Null), "log entry without inclusion proof"),
        (of_entry("inclusionProof/checkpoint", Value::Null), "log entry without checkpoint"),
        (of_entry("inclusionProof/checkpoint/envelope", json!("")), "log entry without checkpoint"),
        (of_entry("inclusionProof/checkpoint/envelope", json!("x")), "invalid inclusion proof"),
        (of_entry("inclusionProof/checkpoint", foreign("inclusionProof/checkpoint")), "unproven log entry"),
        (of_entry("inclusionProof/rootHash", json!(root)), "unproven log entry"),
        (of_entry("inclusionProof/rootHash", json!("AAAA")), "invalid inclusion proof"),
        (of_entry("inclusionProof/treeSize", json!("6")), "unproven log entry"),
        (of_entry("inclusionProof/treeSize", json!("-1")), "invalid inclusion proof"),
        (of_entry("inclusionProof/logIndex", json!("1")), "unproven log entry"),
        (of_entry("inclusionProof/logIndex", json!("-1")), "unproven log entry"),
        (of_entry("inclusionProof/hashes", json!([])), "unproven log entry"),
        (of_entry("inclusionProof/hashes/0", json!(root)), "unproven log entry"),
        (of_entry("inclusionProof/hashes", json!(vec![root; 100_000])), "more than 64 hashes"),
    ] {
        let found = counts(&bundle, authority.trust()).unwrap_err();
        assert!(found.starts_with("bundle 1 ignored: ") && found.contains(reason), "{reason:?} is not in {found:?}");
    }
    // What does not matter.
    for bundle in [
        with("/mediaType", json!("application/vnd.dev.sigstore.bundle+json;version=0.3")),
        of_entry("kindVersion", Value::Null),
    ] {
        assert_eq!(counts(&bundle, authority.trust()), Ok(()));
    }
}

/// A certificate that the trust root does not cover takes the signer from a bundle, and nothing else.
#[test]
fn a_bundle_with_another_certificate_has_no_signer() {
    let (authority, image) = (Authority::new(), stored("not-at-all"));
    let good = Keyless::by_workflow(&image.digest);
    let strangers = Authority::new();
    let only_log = Trust { authorities: strangers.trust().authorities.clone(), rekor: authority.trust().rekor.clone() };
    for (bundle, trust, reason) in [
        (authority.bundle(&good), &only_log, "not issued by an authority of the trust root"),
        (authority.bundle(&Keyless { logged: 1, ..good.clone() }), authority.trust(), "certificate valid from"),
        (
            authority.bundle(&Keyless { usage: vec![ExtendedKeyUsagePurpose::ServerAuth], ..good.clone() }),
            authority.trust(),
            "RequiredEkuNotFound",
        ),
    ] {
        let found = counts(&bundle, trust).unwrap_err();
        assert!(found.starts_with("bundle 1: ") && found.contains(reason), "{reason:?} is not in {found:?}");
    }
}

/// Annotations of a statement count with `acceptBundles` only.
#[test]
fn annotations_of_a_statement_are_not_looked_at() {
    let (authority, image) = (Authority::new(), stored("not-at-all"));
    let statement = |it: &mut Value| it["subject"][0]["annotations"] = json!({"env": "prod"});
    let bundle =
        authority.changed_bundle(&Keyless::by_workflow(&image.digest), &Changes { statement, ..Changes::default() });
    assert_eq!(counts(&bundle, authority.trust()), Ok(()));
    let signer = annotated(github("acme", None), &[("env", "prod")]);
    let refusal = ask(&with_bundle(&bundle), signer.clone(), Some(authority.trust())).unwrap_err();
    assert!(refusal.bundles_would_do, "{refusal:?}");
    assert_eq!(refusal.reasons[0], "bundle 1: annotation env=prod missing");
    let wanted = Requirement { accepts_bundles: true, ..Requirement::all_of(vec![signer]) };
    assert!(judge(&with_bundle(&bundle), &wanted, Some(authority.trust())).unwrap().rests_on_bundles);
}

/// With `acceptBundles` less is demanded, and what is demanded still holds.
#[test]
fn accepted_bundles_are_verified() {
    let (authority, image) = (Authority::new(), stored("not-at-all"));
    let good = Keyless::by_workflow(&image.digest);
    let ask = |bundle: Value, trust: Option<&Trust>| {
        let wanted = Requirement { accepts_bundles: true, ..Requirement::all_of(vec![github("acme", None)]) };
        judge(&with_bundle(&bundle), &wanted, trust)
    };
    let trust = Some(authority.trust());
    assert!(!ask(authority.bundle(&good), trust).unwrap().rests_on_bundles, "it counts anyway");
    let with = |pointer: &str, value: Value| {
        let mut bundle = authority.bundle(&good);
        *bundle.pointer_mut(pointer).unwrap() = value;
        bundle
    };
    let no_proof = with("/verificationMaterial/tlogEntries/0/inclusionProof", Value::Null);
    assert!(ask(no_proof, trust).unwrap().rests_on_bundles);

    let refused = |bundle: Value, trust: Option<&Trust>, reason: &str| {
        let refusal = ask(bundle, trust).unwrap_err();
        assert!(refusal.reasons[0].contains(reason), "{reason:?} is not in {:?}", refusal.reasons);
    };
    refused(authority.bundle(&good), None, "certificates cannot be verified without a trust root");
    refused(Authority::new().bundle(&good), trust, "unverified log entry");
    refused(authority.bundle(&Keyless { logged: 1, ..good.clone() }), trust, "certificate valid from");
    let other = authority.bundle(&Keyless { logged: good.logged + 1, ..good.clone() });
    for (pointer, reason) in [
        ("/verificationMaterial/tlogEntries", "log entry of another signature"),
        ("/dsseEnvelope/signatures", "log entry of another signature"),
        ("/verificationMaterial/certificate", "not signed with the key of its certificate"),
    ] {
        refused(with(pointer, other.pointer(pointer).unwrap().clone()), trust, reason);
    }
    // Entries of Rekor v2 have no signed time.
    refused(
        with("/verificationMaterial/tlogEntries/0/inclusionPromise", Value::Null),
        trust,
        "no transparency log entry",
    );
    for (pointer, value, reason) in [
        ("/mediaType", json!("application/json"), "unsupported bundle type \"application/json\""),
        ("/dsseEnvelope", Value::Null, "no DSSE envelope in the bundle"),
        ("/dsseEnvelope/payloadType", json!("text/plain"), "unsupported payload type \"text/plain\""),
        ("/dsseEnvelope/signatures", json!([]), "expected one signature in the envelope, found 0"),
        ("/dsseEnvelope/payload", json!("!"), "invalid base64 in the bundle"),
        ("/dsseEnvelope/payload", json!("e30="), "invalid bundle: missing field `_type`"),
        ("/verificationMaterial/certificate/rawBytes", json!("AAAA"), "invalid certificate"),
        ("/verificationMaterial/tlogEntries/0/logIndex", json!("x"), "invalid number in the log entry"),
        ("/verificationMaterial/tlogEntries/0/logId", Value::Null, "log entry without log id"),
    ] {
        let bundle = with(pointer, value);
        // Neither reading takes it, except that the media type of the document does not matter to Kubewarden.
        if pointer == "/mediaType" {
            assert!(!ask(bundle, trust).unwrap().rests_on_bundles);
        } else {
            refused(bundle, trust, reason);
        }
    }
}

#[test]
fn invalid_signatures_are_ignored() {
    let image = stored("by-key");
    let good = layers(&image).remove(0);
    let with = |name: &str, value: &str| {
        let mut layer = good.clone();
        layer.descriptor.annotations.insert(name.into(), value.into());
        layer
    };
    let annotations = || good.descriptor.annotations.clone();
    let trust = trust();
    for (bad, reason) in [
        (layer(b"not json".to_vec(), annotations()), "signature 1 ignored: invalid signed document"),
        (layer(b"{}".to_vec(), annotations()), "signature 1 ignored: invalid signed document"),
        (layer(Vec::new(), annotations()), "signature 1 ignored: invalid signed document"),
        (
            layer(good.payload.clone().unwrap(), BTreeMap::new()),
            "signature 1 ignored: annotation `dev.cosignproject.cosign/signature` missing",
        ),
        (with("dev.cosignproject.cosign/signature", "!"), "signature 1: signed with another key"),
        (with("dev.cosignproject.cosign/signature", ""), "signature 1: signed with another key"),
        (with("dev.sigstore.cosign/bundle", "[]"), "signature 1 ignored: unverified log entry"),
        (with("dev.sigstore.cosign/bundle", "{"), "signature 1 ignored: invalid log entry"),
    ] {
        let stored = with_layers(stored("by-key"), vec![bad.clone()]);
        let refusal = ask(&stored, key("owner"), Some(&trust)).unwrap_err();
        assert!(refusal.reasons[0].starts_with(reason), "{reason:?} is not in {:?}", refusal.reasons);
        // Next to a valid one it changes nothing.
        let stored = with_layers(stored, vec![bad, good.clone()]);
        trusted(ask(&stored, key("owner"), Some(&trust)), &stored);
    }
    let only_garbage = with_layers(stored("by-key"), vec![layer(b"{}".to_vec(), annotations())]);
    let refusal = ask(&only_garbage, key("owner"), None).unwrap_err();
    assert!(refusal.text.starts_with(MISSING), "{}", refusal.text);
}

#[test]
fn a_signature_of_another_image_is_ignored() {
    let moved = StoredSignatures { digest: digest_of(b"another manifest"), ..stored("by-key") };
    let refusal = ask(&moved, key("owner"), None).unwrap_err();
    assert!(refusal.reasons[0].starts_with("signature 1 ignored: it signs \"sha256:"), "{:?}", refusal.reasons);
    // The document that is signed cannot be changed to fit.
    let mut layers = layers(&moved);
    let text = String::from_utf8(layers[0].payload.clone().unwrap()).unwrap();
    layers[0] =
        layer(text.replace(&stored("by-key").digest, &moved.digest).into(), layers[0].descriptor.annotations.clone());
    let refusal = ask(&with_layers(moved, layers), key("owner"), None).unwrap_err();
    assert_eq!(refusal.reasons, ["signature 1: signed with another key"]);
}

#[test]
fn an_invalid_key_is_never_satisfied() {
    let broken = signer(SignedBy::PublicKey { owner: None, key: "not a key".into() });
    let refusal = ask(&stored("by-key"), broken, None).unwrap_err();
    assert!(refusal.reasons[0].contains("invalid public key in the constraint"), "{:?}", refusal.reasons);
    assert!(refusal.text.contains("\nkey: not a key\n"), "{}", refusal.text);
}

#[test]
fn a_trust_root_is_read_from_its_file() {
    assert!(!trust().rekor.is_empty());
    for (text, error) in [
        ("", "EOF while parsing"),
        ("{}", "member `trustedRoot` missing"),
        (r#"{"trustedRoot":{}}"#, "Fulcio certificates not found"),
    ] {
        let problem = Trust::from_config(text.as_bytes()).unwrap_err();
        assert!(problem.to_string().contains(error), "{problem}");
    }
}
