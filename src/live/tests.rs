use std::sync::Arc;
use std::time::Duration;

use rcgen::{CertificateParams, KeyPair};
use serde_json::{Value, json};

use super::causes::with_causes;
use super::testing::{self, FakeApiServer};
use super::*;
use policy_verify_host::access::Access;
use policy_verify_host::{BINDING, Host, HostBackend, Journal, known_capabilities, record, replay};
use policy_verify_model::answer::FaultKind;
use policy_verify_model::hosting::{AnsweredBy, ContextAware, Grants, HostAnswers, TableAnswer, TableEntry};
use policy_verify_model::policy::ContextAwareResource;
use policy_verify_model::source::{SourceFile, Span, Spanned};
use policy_verify_model::suite::Compat;
use policy_verify_registry::signature::testing as signature;
use policy_verify_registry::testing::FakeRegistry;

const LIVE: LiveOptions = LiveOptions { timeout: Duration::from_secs(20), clock: None };

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";

/// A fake cluster, a fake registry, and a live host that uses them.
struct Surroundings {
    backend: HostBackend,
    api_server: FakeApiServer,
    registry: FakeRegistry,
}

impl Surroundings {
    fn new() -> Self {
        let (api_server, registry) = (FakeApiServer::start(), FakeRegistry::start());
        let config = registry.add_blob("app", b"{}");
        let manifest = json!({"schemaVersion": 2, "mediaType": IMAGE, "layers": [],
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": config, "size": 2}});
        registry.add_manifest("app", "1", IMAGE, manifest.to_string().as_bytes());
        for repository in ["by-key", "annotated", "bundle", "not-at-all"] {
            signature::serve(&registry, repository);
        }
        let live = testing::live_with(Some(api_server.client()), registry.client("{}"));
        Self {
            backend: HostBackend {
                live: Some(Arc::new(live)),
                is_recorded: true,
                keeps_replies: false,
                variation: 0,
                is_stopped: Arc::default(),
            },
            api_server,
            registry,
        }
    }

    fn host(&self, answers: HostAnswers, grants: &Grants) -> Host {
        let host = Host::new(Arc::new(answers)).with_backend(self.backend.clone()).with_live_options(LIVE);
        host.with_access(Access::new(grants, None, Compat::default()))
    }

    fn is_unasked(&self) -> bool {
        self.api_server.asked().is_empty() && self.registry.seen().is_empty()
    }

    /// Each capability, with a question that succeeds and one that does not.
    fn questions(&self) -> Vec<(&'static str, Value, Value)> {
        let registry = self.registry.host();
        let (image, missing) = (json!(format!("{registry}/app:1")), json!(format!("{registry}/app:2")));
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["a.test".to_owned()]).unwrap().self_signed(&key).unwrap();
        let certificate = json!({"encoding": "Der", "data": certificate.der().to_vec()});
        let trusted = json!({"cert": certificate, "cert_chain": [certificate], "not_after": null});
        let untrusted = json!({"cert": {"encoding": "Der", "data": [48]}, "cert_chain": null, "not_after": null});
        let review = json!({"user": "alice", "resource_attributes": {"verb": "get", "resource": "pods"}});
        let review = json!({"subject_access_review": review, "disable_cache": false});
        let list = |kind: &str| json!({"api_version": "v1", "kind": kind, "namespace": "web"});
        let deployments = json!({"api_version": "apps/v1", "kind": "Deployment", "namespace": "web"});
        let get = |name: &str| json!({"api_version": "v1", "kind": "Pod", "namespace": "web", "name": name, "disable_cache": false});
        let signed = |repository: &str| json!({"image": format!("{registry}/signed/{repository}:v1"), "pub_keys": [signature::text("keys/owner.pub")], "annotations": null});
        let typed = |mut asked: Value| {
            asked["type"] = json!("SigstorePubKeyVerify");
            asked
        };
        vec![
            ("crypto/v1/is_certificate_trusted", trusted, untrusted),
            ("kubernetes/can_i", review.clone(), review),
            ("kubernetes/get_resource", get("api"), get("none")),
            ("kubernetes/list_resources_all", deployments.clone(), list("Widget")),
            ("kubernetes/list_resources_by_namespace", deployments, list("Namespace")),
            ("net/v1/dns_lookup_host", json!("127.0.0.1"), json!("no-such-host.invalid")),
            ("oci/v1/manifest_digest", image.clone(), missing.clone()),
            ("oci/v1/oci_manifest", image.clone(), missing.clone()),
            ("oci/v1/oci_manifest_config", image, missing),
            (
                "oci/v1/verify",
                json!({ "SigstorePubKeyVerify": signed("by-key") }),
                json!({ "SigstorePubKeyVerify": signed("not-at-all") }),
            ),
            ("oci/v2/verify", typed(signed("by-key")), typed(signed("not-at-all"))),
        ]
    }
}

fn call(host: &Host, capability: &str, payload: &Value) -> Result<String, String> {
    let (namespace, operation) = capability.split_once('/').unwrap();
    let reply = host.call(BINDING, namespace, operation, payload.to_string().as_bytes());
    reply.map(|reply| String::from_utf8(reply).unwrap()).map_err(|error| error.0)
}

fn granted() -> Grants {
    let pairs = [("v1", "Pod"), ("v1", "Widget"), ("v1", "Namespace"), ("apps/v1", "Deployment")];
    let resource =
        |(api_version, kind): (&str, &str)| ContextAwareResource { api_version: api_version.into(), kind: kind.into() };
    Grants { context_aware: ContextAware::Listed(pairs.map(resource).into()), ..Grants::default() }
}

fn span() -> Span {
    Span::start_of(&Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() }))
}

/// What was recorded, as the answers of another case.
fn replayed(journal: &Journal) -> HostAnswers {
    let text = record::session(journal.recorded.as_ref().unwrap());
    let file = Arc::new(SourceFile { path: "session.yml".into(), text });
    let session = replay::read_session(file, span(), true).unwrap();
    HostAnswers { own_session: Some(Arc::new(session)), ..HostAnswers::default() }
}

#[test]
fn every_capability_is_answered_live_recorded_and_replayed() {
    let surroundings = Surroundings::new();
    for (capability, good, bad) in surroundings.questions() {
        for (payload, is_good) in [(good, true), (bad, capability == "kubernetes/can_i")] {
            let host = surroundings.host(HostAnswers::default(), &granted());
            let reply = call(&host, capability, &payload);
            assert_eq!(reply.is_ok(), is_good, "{capability} {payload}: {reply:?}");
            let journal = host.journal();
            assert_eq!(host.fault(), None, "{capability}");
            assert_eq!(journal.calls[0].answered_by, AnsweredBy::Live, "{capability}");
            assert_eq!(journal.recorded.as_ref().map(Vec::len), Some(1), "{capability}");
            let again = surroundings.host(replayed(&journal), &granted());
            assert_eq!(call(&again, capability, &payload), reply, "{capability}");
            let again = again.journal();
            assert_eq!(again.calls[0].answered_by, AnsweredBy::Replay, "{capability}");
            assert!(again.unused.is_empty() && again.recorded == journal.recorded, "{capability}");
        }
    }
}

#[test]
fn every_capability_has_live_replies() {
    let asked: Vec<&str> = Surroundings::new().questions().into_iter().map(|(capability, ..)| capability).collect();
    assert_eq!(asked, known_capabilities());
}

#[test]
fn signature_errors_have_the_text_of_policy_server() {
    let surroundings = Surroundings::new();
    let host = surroundings.host(HostAnswers::default(), &granted());
    let verify = |repository: &str, key: &str, annotations: Value| {
        let image = format!("{}/signed/{repository}:v1", surroundings.registry.host());
        let asked = json!({"type": "SigstorePubKeyVerify", "image": image, "pub_keys": [signature::text(key)], "annotations": annotations});
        let reply = call(&host, "oci/v2/verify", &asked);
        reply.map_err(|text| text.replace("Callback evaluation failure: ", "").replace(&image, "IMAGE"))
    };
    let none = Value::Null;
    let trusted: Value = serde_json::from_str(&verify("by-key", "keys/owner.pub", none.clone()).unwrap()).unwrap();
    let digest = trusted["digest"].as_str().unwrap();
    assert_eq!(trusted, json!({"is_trusted": true, "digest": digest}));
    assert_eq!(
        digest,
        policy_verify_registry::testing::digest(&surroundings.registry.manifest("signed/by-key", "v1").unwrap())
    );
    assert!(verify("annotated", "keys/owner.pub", json!({"env": "prod"})).is_ok());
    let other = verify("annotated", "keys/owner.pub", json!({"env": "test"})).unwrap_err();
    assert!(other.starts_with("Image verification failed: missing signatures\n"), "{other}");
    let other = verify("by-key", "keys/somebody-else.pub", none.clone()).unwrap_err();
    assert!(other.starts_with("Image verification failed: missing signatures\n"), "{other}");
    for unsigned in ["not-at-all", "bundle"] {
        let text = verify(unsigned, "keys/owner.pub", none.clone()).unwrap_err();
        assert!(text.starts_with("Image verification failed: missing signatures\n"), "{text}");
    }
    assert_eq!(host.fault(), None);
    // The policy is told what it would be told in the cluster, the user why.
    let image = format!("{}/signed/bundle:v1", surroundings.registry.host());
    let remark =
        format!("oci/v2/verify({image:?}): only a Sigstore bundle satisfies this, and Kubewarden does not count it");
    let warnings = host.journal().warnings;
    assert!(warnings.len() == 1 && warnings[0].starts_with(&remark), "{warnings:?}");
}

#[test]
fn all_five_signature_requests_are_verified() {
    let registry = FakeRegistry::start();
    for image in ["by-key", "by-certificate", "keyless"] {
        signature::serve(&registry, image);
    }
    let live = LiveServices::new(registry.client("{}"), signature::trust_root());
    let (issuer, acme) = ("https://token.actions.githubusercontent.com", "https://github.com/acme");
    let keyless = |subject: &str| json!({ "keyless": [{ "issuer": issuer, "subject": subject }] });
    let prefix = |prefix: &str| json!({ "keyless_prefix": [{ "issuer": issuer, "url_prefix": prefix }] });
    let certificate = |name: &str| {
        json!({
            "certificate": signature::fixture(&format!("certificates/{name}.pem")),
            "certificate_chain": [signature::fixture("certificates/intermediate.pem")],
            "require_rekor_bundle": false,
        })
    };
    let key = |name: &str| json!({ "pub_keys": [signature::text(&format!("keys/{name}.pub"))] });
    let workflow = format!("{acme}/policies/.github/workflows/release.yml@refs/tags/v1");
    for (form, image, good, bad) in [
        ("SigstorePubKeyVerify", "by-key", key("owner"), key("somebody-else")),
        ("SigstoreKeylessVerify", "keyless", keyless(&workflow), keyless(acme)),
        ("SigstoreKeylessPrefixVerify", "keyless", prefix(acme), prefix("https://github.com/acm")),
        (
            "SigstoreGithubActionsVerify",
            "keyless",
            json!({ "owner": "acme", "repo": "policies" }),
            json!({ "owner": "acme", "repo": "policy" }),
        ),
        ("SigstoreCertificateVerify", "by-certificate", certificate("signer"), certificate("somebody-else-certified")),
    ] {
        let ask = |members: &Value| {
            let mut members = members.clone();
            members["image"] = json!(format!("{}/signed/{image}:v1", registry.host()));
            members["annotations"] = Value::Null;
            live.answer(&Request::from_recorded(form, &members).unwrap(), &LIVE).unwrap()
        };
        let reply: Value = serde_json::from_slice(&ask(&good).unwrap()).unwrap();
        assert_eq!(reply["is_trusted"], true, "{form}");
        let refused = ask(&bad).unwrap_err();
        let LiveFailure::Refused(text) = refused else { panic!("{form}: {refused:?}") };
        let (missing, several) = ("Image verification failed: missing signatures\n", "verification failed: Several");
        assert!(text.starts_with(missing) || text.starts_with(several), "{form}: {text}");
    }
}

#[test]
fn access_rules_come_before_live_services() {
    let surroundings = Surroundings::new();
    let nothing = Grants { host_capabilities: Some(Vec::new()), ..granted() };
    for (capability, payload, _) in surroundings.questions() {
        let by_pattern = surroundings.host(HostAnswers::default(), &nothing);
        let text = call(&by_pattern, capability, &payload).unwrap_err();
        assert!(text.contains(&format!("'{capability}' host capability")), "{text}");
        assert!(by_pattern.fault().is_some() && by_pattern.journal().recorded.is_none(), "{capability}");
        if capability.starts_with("kubernetes/") && capability != "kubernetes/can_i" {
            let by_list = surroundings.host(HostAnswers::default(), &Grants::default());
            assert!(call(&by_list, capability, &payload).unwrap_err().contains("access to Kubernetes"), "{capability}");
        }
    }
    assert!(surroundings.is_unasked());
}

#[test]
fn mocks_come_before_live_services() {
    let surroundings = Surroundings::new();
    for (capability, payload, _) in surroundings.questions() {
        let answer = TableAnswer::Error("down".into());
        let entry = TableEntry { capability: capability.into(), request: Spanned::new("*".into(), span()), answer };
        let answers = HostAnswers { default_table: [entry].into(), ..HostAnswers::default() };
        let host = surroundings.host(answers, &granted());
        assert_eq!(call(&host, capability, &payload), Err("Callback evaluation failure: down".into()), "{capability}");
        let journal = host.journal();
        assert_eq!(journal.calls[0].answered_by, AnsweredBy::Host, "{capability}");
        assert!(
            record::session(&journal.recorded.unwrap()).contains("message: down"),
            "answers of the suite are recorded"
        );
    }
    assert!(surroundings.is_unasked());
}

#[test]
fn an_outage_is_a_fault_and_not_recorded() {
    let surroundings = Surroundings::new();
    let host = surroundings.host(HostAnswers::default(), &granted());
    call(&host, "net/v1/dns_lookup_host", &json!("127.0.0.1")).unwrap();
    let text = call(&host, "oci/v1/manifest_digest", &json!("127.0.0.1:1/app:1")).unwrap_err();
    assert!(text.starts_with("Callback evaluation failure: cannot look up `registry://127.0.0.1:1/app:1`"), "{text}");
    let fault = host.fault().unwrap();
    assert_eq!(fault.kind, FaultKind::Host);
    assert!(
        fault.message.starts_with("live call failed: oci/v1/manifest_digest(\"127.0.0.1:1/app:1\"): "),
        "{fault:?}"
    );
    let journal = host.journal();
    let by: Vec<AnsweredBy> = journal.calls.iter().map(|call| call.answered_by).collect();
    assert_eq!(by, [AnsweredBy::Live, AnsweredBy::Unanswered]);
    assert_eq!(journal.recorded, None);
}

#[test]
fn a_late_reply_is_an_outage() {
    let live = testing::live_with_cluster(Some(FakeApiServer::start().client()));
    let options = LiveOptions { timeout: Duration::from_millis(50), clock: None };
    let members = json!({"api_version": "v1", "kind": "Namespace", "name": "slow", "disable_cache": true});
    let request = Request::from_recorded("KubernetesGetResource", &members).unwrap();
    let Some(Err(LiveFailure::Outage { text, help })) = live.answer(&request, &options) else {
        panic!("that was fast")
    };
    assert_eq!(text, "no answer within 50ms");
    assert!(help.unwrap().contains("raise `timeout`"));
}

#[test]
fn causes_are_listed_as_in_policy_server() {
    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);
    let one = Layer("top", None);
    assert_eq!(with_causes(&one), "top");
    let two = Layer("top", Some(Box::new(Layer("deep\ndown", None))));
    assert_eq!(with_causes(&two), "top\n\nCaused by:\n    deep\n    down");
    let three = Layer("top", Some(Box::new(Layer("deep\ndown", Some(Box::new(Layer("bottom", None)))))));
    assert_eq!(with_causes(&three), "top\n\nCaused by:\n    0: deep\n       down\n    1: bottom");
}
