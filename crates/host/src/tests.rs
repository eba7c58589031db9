//! The host as a policy sees it.

use std::sync::Arc;

use super::access::Access;
use super::capabilities::{operations, preview};
use super::*;
use policy_verify_model::answer::FaultKind;
use policy_verify_model::hosting::{AnsweredBy, ContextAware, Grants, HostAnswers, Session, TableAnswer, TableEntry};
use policy_verify_model::policy::ContextAwareResource;
use policy_verify_model::source::{SourceFile, Span, Spanned};
use policy_verify_model::suite::Compat;
use serde_json::json;

const DIGEST: (&str, &str) = ("oci", "v1/manifest_digest");

fn span() -> Span {
    Span::start_of(&Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() }))
}

fn entry(request: &str, answer: TableAnswer) -> TableEntry {
    let capability = "oci/v1/manifest_digest".into();
    TableEntry { capability, request: Spanned::new(request.into(), span()), answer }
}

fn digest(text: &str) -> TableAnswer {
    TableAnswer::Value(json!(text))
}

fn session(images: &[(&str, &str)], is_strict: bool) -> Option<Arc<Session>> {
    let text: String = images
        .iter()
        .map(|(image, reply)| {
            format!("- request: |\n    !OciManifestDigest\n    image: {image}\n  response: {{type: Success, payload: '{reply}'}}\n")
        })
        .collect();
    let file = Arc::new(SourceFile { path: "session.yml".into(), text });
    Some(Arc::new(replay::read_session(file, span(), is_strict).unwrap()))
}

fn ask(host: &Host, image: &str) -> Result<String, String> {
    let payload = json!(image).to_string();
    reply(host, BINDING, DIGEST, payload.as_bytes()).map(|reply| String::from_utf8(reply).unwrap())
}

fn reply(host: &Host, binding: &str, operation: (&str, &str), payload: &[u8]) -> Result<Vec<u8>, String> {
    host.call(binding, operation.0, operation.1, payload).map_err(|error| error.0)
}

#[test]
fn known_capabilities_are_those_of_the_server() {
    assert_eq!(
        known_capabilities(),
        [
            "crypto/v1/is_certificate_trusted",
            "kubernetes/can_i",
            "kubernetes/get_resource",
            "kubernetes/list_resources_all",
            "kubernetes/list_resources_by_namespace",
            "net/v1/dns_lookup_host",
            "oci/v1/manifest_digest",
            "oci/v1/oci_manifest",
            "oci/v1/oci_manifest_config",
            "oci/v1/verify",
            "oci/v2/verify",
        ]
    );
    for operation in operations() {
        assert!(operation.capability.ends_with(&format!("/{}", operation.name)));
    }
}

#[test]
fn mocks_are_checked_by_the_capability() {
    assert_eq!(check_answer("oci/v1/manifest_digest", &json!("sha256:a")), Ok(()));
    assert!(check_answer("oci/v1/manifest_digest", &json!(1)).is_err());
    assert_eq!(check_answer("kubernetes/list_resources_all", &json!([{}])), Ok(()));
    assert!(check_answer("oci/v3/verify", &json!(true)).unwrap_err().to_string().contains("unknown host capability"));
}

#[test]
fn invalid_calls_have_the_errors_of_the_server() {
    let host = Host::new(Arc::default());
    let refused = |binding, namespace, operation, payload: &[u8]| {
        host.call(binding, namespace, operation, payload).unwrap_err().0
    };
    assert_eq!(refused("wapc", "tracing", "log", b"{}"), "unknown binding: wapc");
    assert_eq!(refused(BINDING, "tracing", "span", b"{}"), "unknown operation: span");
    assert_eq!(refused(BINDING, "oci", "v3/verify", b"{}"), "unknown operation: v3/verify");
    assert_eq!(refused(BINDING, "ldap", "v1/bind", b"{}"), "unknown namespace: ldap");
    assert_eq!(refused(BINDING, DIGEST.0, DIGEST.1, b""), "EOF while parsing a value at line 1 column 0");
    let journal = host.journal();
    assert_eq!(host.fault(), None, "the server refuses these too");
    assert_eq!(journal.calls.len(), 5);
    assert_eq!(journal.calls[3].capability, "ldap/v1/bind");
    assert_eq!(journal.calls[3].error.as_deref(), Some("unknown namespace: ldap"));
    assert!(journal.calls.iter().all(|call| call.answered_by == AnsweredBy::Unanswered));
}

#[test]
fn access_rules_come_before_everything_else_but_logging() {
    let grants = Grants { host_capabilities: Some(vec!["kubernetes/*".into()]), ..Grants::default() };
    let answers = HostAnswers { own_table: vec![entry("*", digest("x"))], ..Default::default() };
    let host = Host::new(Arc::new(answers)).with_access(Access::new(&grants, None, Compat::Strict));
    let call = |binding, namespace, operation, payload: &[u8]| {
        reply(&host, binding, (namespace, operation), payload).map_err(|text| text.replace(" has not been granted", ""))
    };
    let refused =
        |name: &str| Err(format!("Policy access to the '{name}' host capability. The violation has been reported."));
    assert_eq!(call("wapc", "oci", "v1/manifest_digest", b"").unwrap_err(), "unknown binding: wapc");
    assert_eq!(call(BINDING, "tracing", "log", b"{}"), Ok(Vec::new()));
    assert_eq!(call(BINDING, "tracing", "span", b"{}").unwrap_err(), "unknown operation: span");
    assert_eq!(host.fault(), None);
    assert_eq!(call(BINDING, "oci", "v1/manifest_digest", b"no JSON"), refused("oci/v1/manifest_digest"));
    assert_eq!(call(BINDING, "ldap", "v1/bind", b""), refused("ldap/v1/bind"));
    assert_eq!(call(BINDING, "kubernetes", "watch", b"").unwrap_err(), "unknown operation: watch");
    assert!(call(BINDING, "kubernetes", "list_resources_all", b"{}").unwrap_err().starts_with("missing field"));
    let pods = br#"{"api_version":"v1","kind":"Pod"}"#;
    assert_eq!(
        call(BINDING, "kubernetes", "list_resources_all", pods).unwrap_err(),
        "Policy access to Kubernetes v1/Pod resources. The violation has been reported."
    );
    let journal = host.journal();
    let fault = host.fault().unwrap();
    assert_eq!(fault.kind, FaultKind::Host);
    assert!(fault.message.contains("'oci/v1/manifest_digest'"), "the first one counts: {}", fault.message);
    let by_rules: Vec<(&str, &str)> = journal
        .calls
        .iter()
        .filter(|call| call.answered_by == AnsweredBy::AccessRules)
        .map(|call| (call.capability.as_str(), call.request.as_str()))
        .collect();
    assert_eq!(
        by_rules,
        [("oci/v1/manifest_digest", "no JSON"), ("ldap/v1/bind", ""), ("kubernetes/list_resources_all", "v1/Pod")]
    );
    assert_eq!(journal.unused.len(), 1, "the mock was not used");
}

/// Every capability, in every way a call can end.
#[test]
fn every_capability_is_granted_mocked_denied_and_unmocked_alike() {
    let signed = json!({"type": "SigstorePubKeyVerify", "image": "app:1", "pub_keys": ["k"], "annotations": null});
    let signed_v1 = json!({"SigstorePubKeyVerify": {"image": "app:1", "pub_keys": ["k"], "annotations": null}});
    let certificate = json!({"cert": {"encoding": "Der", "data": [48]}, "cert_chain": null, "not_after": null});
    let review = json!({"user": "bob", "resource_attributes": {"verb": "get", "resource": "pods"}});
    let pods = json!({"api_version": "v1", "kind": "Pod", "namespace": "web", "name": "p", "disable_cache": false});
    let pod = json!({"kind": "Pod"});
    let descriptor = json!({"mediaType": "a/b", "digest": format!("sha256:{}", "0".repeat(64)), "size": 2});
    let manifest = json!({"schemaVersion": 2, "config": descriptor, "layers": []});
    let table = [
        ("crypto/v1/is_certificate_trusted", certificate, json!(true)),
        ("kubernetes/can_i", json!({"subject_access_review": review, "disable_cache": false}), json!(true)),
        ("kubernetes/get_resource", pods.clone(), pod.clone()),
        ("kubernetes/list_resources_all", pods.clone(), json!([pod])),
        ("kubernetes/list_resources_by_namespace", pods, json!([pod])),
        ("net/v1/dns_lookup_host", json!("a.test"), json!(["10.0.0.7"])),
        ("oci/v1/manifest_digest", json!("app:1"), json!("sha256:a")),
        ("oci/v1/oci_manifest", json!("app:1"), manifest.clone()),
        (
            "oci/v1/oci_manifest_config",
            json!("app:1"),
            json!({"manifest": manifest, "digest": "sha256:a", "config": {"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": []}}}),
        ),
        ("oci/v1/verify", signed_v1, json!(true)),
        ("oci/v2/verify", signed, json!(true)),
    ];
    assert_eq!(table.each_ref().map(|row| row.0), known_capabilities());
    let pod = ContextAwareResource { api_version: "v1".into(), kind: "Pod".into() };
    let granted = Grants { context_aware: ContextAware::Listed([pod].into()), ..Grants::default() };
    let nothing = Grants { host_capabilities: Some(Vec::new()), ..granted.clone() };
    for (capability, payload, value) in table {
        let run = |grants: &Grants, answer: Option<TableAnswer>| {
            let entry = answer.map(|answer| TableEntry { capability: capability.into(), ..entry("*", answer) });
            let answers = HostAnswers { own_table: entry.into_iter().collect(), ..Default::default() };
            let host = Host::new(Arc::new(answers)).with_access(Access::new(grants, None, Compat::Strict));
            let (namespace, operation) = capability.split_once('/').unwrap();
            let reply = reply(&host, BINDING, (namespace, operation), payload.to_string().as_bytes());
            let (Journal { calls, unused, .. }, fault) = (host.journal(), host.fault());
            assert_eq!(calls[0].capability, capability);
            (reply, calls[0].answered_by, fault, unused.len())
        };
        let value = || Some(TableAnswer::Value(value.clone()));
        let (reply, by, fault, unused) = run(&granted, value());
        assert!(reply.is_ok() && fault.is_none(), "{capability}: {reply:?} {fault:?}");
        assert_eq!((by, unused), (AnsweredBy::Host, 0), "{capability}");
        let (reply, by, fault, unused) = run(&granted, Some(TableAnswer::Error("down".into())));
        assert_eq!(reply, Err("Callback evaluation failure: down".into()), "{capability}");
        assert_eq!((by, fault, unused), (AnsweredBy::Host, None, 0), "{capability}");
        let (reply, by, fault, unused) = run(&granted, None);
        assert!(reply.is_err() && fault.unwrap().message.starts_with("no mock for "), "{capability}");
        assert_eq!((by, unused), (AnsweredBy::Unanswered, 0), "{capability}");
        let (reply, by, fault, unused) = run(&nothing, value());
        assert!(reply.unwrap_err().contains(&format!("'{capability}' host capability")), "{capability}");
        assert_eq!((by, fault.is_some(), unused), (AnsweredBy::AccessRules, true, 1), "{capability}");
        let (_, by, fault, unused) = run(&Grants::default(), value());
        let is_listed = capability.starts_with("kubernetes/") && capability != "kubernetes/can_i";
        let expected = if is_listed { (AnsweredBy::AccessRules, true, 1) } else { (AnsweredBy::Host, false, 0) };
        assert_eq!((by, fault.is_some(), unused), expected, "{capability}");
    }
}

#[test]
fn sources_of_the_case_precede_those_of_the_defaults() {
    let host = Host::new(Arc::new(HostAnswers {
        own_table: vec![entry("a", digest("own table"))],
        own_session: session(&[("a", "own-session"), ("b", "own-session")], false),
        default_table: ["a", "b", "c"].map(|image| entry(image, digest("default table"))).into(),
        default_session: session(&[("c", "default-session"), ("d", "default-session")], false),
        ..Default::default()
    }));
    assert_eq!(ask(&host, "a").unwrap(), r#"{"digest":"own table"}"#);
    assert_eq!(ask(&host, "b").unwrap(), "own-session");
    assert_eq!(ask(&host, "c").unwrap(), r#"{"digest":"default table"}"#);
    assert_eq!(ask(&host, "d").unwrap(), "default-session");
    let journal = host.journal();
    let by: Vec<AnsweredBy> = journal.calls.iter().map(|call| call.answered_by).collect();
    assert_eq!(by, [AnsweredBy::Host, AnsweredBy::Replay, AnsweredBy::Host, AnsweredBy::Replay]);
    assert!(host.fault().is_none() && journal.unused.is_empty());
    assert_eq!(
        journal.warnings,
        [r#"session.yml:1: unused recorded call oci/v1/manifest_digest("a")"#],
        "recordings of the defaults may stay unused"
    );
}

#[test]
fn the_cluster_follows_the_recordings_and_precedes_the_defaults() {
    let table = |request: &str, text: &str| TableEntry {
        capability: "kubernetes/get_resource".into(),
        request: Spanned::new(request.into(), span()),
        answer: TableAnswer::Error(text.into()),
    };
    let own = HostAnswers {
        own_table: vec![table("v1/Namespace/own", "own table")],
        own_cluster: Some(Arc::new(testing::cluster())),
        default_table: vec![table("*", "default table")].into(),
        ..Default::default()
    };
    let default = HostAnswers { own_cluster: None, default_cluster: own.own_cluster.clone(), ..own.clone() };
    let nothing = HostAnswers { default_table: Vec::new().into(), default_cluster: None, ..default.clone() };
    let pod = ContextAwareResource { api_version: "v1".into(), kind: "Namespace".into() };
    let grants = Grants { context_aware: ContextAware::Listed([pod].into()), ..Grants::default() };
    let host = |answers| Host::new(Arc::new(answers)).with_access(Access::new(&grants, None, Compat::Strict));
    let ask = |host: &Host, operation: &str, name: &str, selector: &str| {
        let asked = json!({"api_version": "v1", "kind": "Namespace", "name": name, "disable_cache": true, "label_selector": selector});
        let reply = reply(host, BINDING, ("kubernetes", operation), asked.to_string().as_bytes());
        reply
            .map(|reply| String::from_utf8(reply).unwrap())
            .map_err(|text| text.replace("Callback evaluation failure: ", ""))
    };
    let own = host(own);
    assert_eq!(ask(&own, "get_resource", "own", "").unwrap_err(), "own table");
    assert!(ask(&own, "get_resource", "web", "").unwrap().contains(r#""name":"web""#));
    assert!(ask(&own, "get_resource", "none", "").unwrap_err().starts_with("Cannot find v1/Namespace named 'none'"));
    assert!(
        ask(&own, "list_resources_all", "", "").unwrap().starts_with(r#"{"apiVersion":"v1","kind":"NamespaceList""#)
    );
    let journal = own.journal();
    let by: Vec<AnsweredBy> = journal.calls.iter().map(|call| call.answered_by).collect();
    assert_eq!(by, [AnsweredBy::Host, AnsweredBy::Cluster, AnsweredBy::Cluster, AnsweredBy::Cluster]);
    assert!(own.fault().is_none() && journal.unused.is_empty(), "objects of a cluster may stay unused");
    ask(&own, "list_resources_all", "", "a b c").unwrap_err();
    assert!(own.fault().unwrap().message.contains("rejects the label selector"));
    let default = host(default);
    assert_eq!(ask(&default, "get_resource", "web", "").unwrap_err(), "default table");
    assert!(ask(&default, "list_resources_all", "", "").is_ok());
    let nothing = host(nothing);
    ask(&nothing, "list_resources_all", "", "").unwrap_err();
    assert!(nothing.fault().unwrap().help.unwrap().contains("cluster: ["));
}

#[test]
fn an_error_of_a_mock_has_the_prefix_of_the_server() {
    let answers = HostAnswers { own_table: vec![entry("*", TableAnswer::Error("503".into()))], ..Default::default() };
    let host = Host::new(Arc::new(answers));
    assert_eq!(ask(&host, "a").unwrap_err(), "Callback evaluation failure: 503");
    let journal = host.journal();
    assert_eq!(host.fault(), None, "the suite gives this error on purpose");
    assert_eq!(journal.calls[0].error.as_deref(), Some("Callback evaluation failure: 503"));
    assert_eq!(journal.calls[0].answered_by, AnsweredBy::Host);
}

#[test]
fn an_unmocked_call_is_a_fault_with_the_mock_to_add() {
    let answers = HostAnswers {
        own_table: vec![entry("a", digest("x"))],
        own_session: session(&[("ghcr.io/acme/app:2", "x")], false),
        ..Default::default()
    };
    let host = Host::new(Arc::new(answers));
    let text = ask(&host, "ghcr.io/acme/app:1").unwrap_err();
    assert_eq!(
        text,
        r#"Callback evaluation failure: the suite has no answer to oci/v1/manifest_digest "ghcr.io/acme/app:1""#
    );
    ask(&host, "another").unwrap_err();
    let journal = host.journal();
    let fault = host.fault().unwrap();
    assert_eq!(fault.kind, FaultKind::Host);
    assert_eq!(fault.message, r#"no mock for oci/v1/manifest_digest("ghcr.io/acme/app:1")"#);
    assert_eq!(
        fault.help.unwrap(),
        "add a mock to the case:\nhost:\n  oci/v1/manifest_digest: { \"ghcr.io/acme/app:1\": \"sha256:…\" }\n\
         or run with `--live`, or record the reply with `verify record`\n\
         closest recorded request (session.yml:1): `image` is \"ghcr.io/acme/app:2\" there, \"ghcr.io/acme/app:1\" here"
    );
    assert_eq!(journal.calls[0].answered_by, AnsweredBy::Unanswered);
    assert_eq!(journal.unused.len(), 1);
    assert_eq!(
        (journal.unused[0].capability.as_str(), journal.unused[0].request.as_str()),
        ("oci/v1/manifest_digest", "a")
    );
}

#[test]
fn a_strict_recording_excludes_other_sources() {
    let host = Host::new(Arc::new(HostAnswers {
        own_session: session(&[("a", "1"), ("b", "2"), ("c", "3")], true),
        default_table: [entry("*", digest("default"))].into(),
        ..Default::default()
    }));
    assert_eq!(ask(&host, "a").unwrap(), "1");
    let text = ask(&host, "c").unwrap_err();
    assert_eq!(
        text,
        "Callback evaluation failure: Replay error: unexpected request. Was expecting OciManifestDigest { image: \
         \"b\" }, got OciManifestDigest { image: \"c\" } instead"
    );
    let journal = host.journal();
    assert_eq!(host.fault().unwrap().kind, FaultKind::Host);
    assert_eq!(journal.unused[0].request, "c");
    assert_eq!(journal.unused[0].span.line, 9);
    assert!(journal.warnings.is_empty());
}

#[test]
fn an_invalid_mock_is_a_fault() {
    let answers = HostAnswers { own_table: vec![entry("*", TableAnswer::Value(json!([])))], ..Default::default() };
    let host = Host::new(Arc::new(answers));
    ask(&host, "a").unwrap_err();
    assert!(host.fault().unwrap().message.contains("not a list"));
}

#[test]
fn logging_is_always_allowed_and_not_a_call() {
    let host = Host::new(Arc::default());
    assert_eq!(host.call(BINDING, "tracing", "log", b"garbage"), Ok(Vec::new()));
    assert_eq!(host.call(BINDING, "tracing", "log", br#"{"level":"info","message":"hi"}"#), Ok(Vec::new()));
    host.console_log("one\ntwo");
    let journal = host.journal();
    assert_eq!(journal.log_lines[1..], ["INFO hi", "INFO one", "INFO two"]);
    assert!(journal.calls.is_empty() && !journal.is_log_truncated);
}

#[test]
fn previews_end_at_a_character() {
    assert_eq!(preview(b"short"), "short");
    assert_eq!(preview("é".repeat(500).as_bytes()), "é".repeat(100) + "…");
}

/// Bytes of all texts that the journal keeps of calls.
fn kept(host: &Host) -> usize {
    let bytes = |call: &policy_verify_model::hosting::HostCall| {
        call.capability.len() + call.request.len() + call.error.as_ref().map_or(0, String::len)
    };
    host.journal().calls.iter().map(bytes).sum()
}

#[test]
fn the_journal_keeps_the_beginning_of_long_texts() {
    let long = "n".repeat(200_000);
    let host = Host::new(Arc::default());
    for (namespace, operation, payload) in [
        (long.as_str(), "v1", "{}".to_owned()),
        ("oci", long.as_str(), "{}".to_owned()),
        ("oci", "v1/manifest_digest", json!(long).to_string()),
        ("net", "v1/dns_lookup_host", json!({ "host": long }).to_string()),
    ] {
        let error = reply(&host, BINDING, (namespace, operation), payload.as_bytes()).unwrap_err();
        assert!(error.len() < 500_000, "{}", error.len());
    }
    assert_eq!(host.journal().calls.len(), 4);
    assert!(kept(&host) < 800_000, "{}", kept(&host));
    assert!(host.journal().calls[0].capability.ends_with(" more bytes)"));
    assert!(host.fault().unwrap().message.len() < 200_000);
}

#[test]
fn ten_thousand_unknown_calls_are_kept_as_names() {
    let long = "n".repeat(20_000);
    let host = Host::new(Arc::default());
    for _ in 0..10_000 {
        reply(&host, BINDING, (&long, "v1"), b"{}").unwrap_err();
    }
    assert_eq!(host.journal().calls.len(), 10_000);
    assert!(kept(&host) < 16 << 20, "{}", kept(&host));
}

#[test]
fn a_payload_of_small_values_is_not_read() {
    let host = Host::new(Arc::default());
    let payload = format!("[{}]", vec!["{}"; 1_000_000].join(","));
    for operation in [DIGEST, ("kubernetes", "list_resources_all"), ("tracing", "log")] {
        let host = host.with_access(Access::default());
        let _ = host.call(BINDING, operation.0, operation.1, payload.as_bytes());
        let fault = host.fault().unwrap();
        assert_eq!(fault.kind, FaultKind::Limit);
        assert!(fault.message.contains("MiB of memory on the host"), "{}", fault.message);
    }
}
