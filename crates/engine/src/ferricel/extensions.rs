//! The extensions of CEL that Kubewarden's host has: each is a host call, or reads the answer of one.
//!
//! They go the way of every other host call: access rules, mocks, recordings, clusters, live answers. An error is a value for
//! the guest, whose `||`, `&&` and `?:` may absorb it.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::sandbox::HostServices;
use policy_verify_host::BINDING;

/// A call, as the guest writes it.
#[derive(Deserialize)]
struct Call {
    namespace: Option<String>,
    function: String,
    args: Value,
}

impl Call {
    /// `kw.k8s.get`
    fn name(&self) -> String {
        let namespace = self.namespace.as_ref().map(|namespace| format!("{namespace}.")).unwrap_or_default();
        format!("{namespace}{}", self.function)
    }
}

/// The error of an extension.
type Error = String;

/// What an extension does with its argument.
type Run = fn(&dyn HostServices, &Value) -> Result<Value, Error>;

/// An extension, and the host capabilities that it may call.
type Extension = (Run, &'static [&'static str]);

/// The extension of a name. All take one argument: the map that a fluent call has built up, unless told otherwise.
fn extension(namespace: Option<&str>, function: &str) -> Option<Extension> {
    const LISTS: &[&str] = &["kubernetes/list_resources_all", "kubernetes/list_resources_by_namespace"];
    const VERIFY: &[&str] = &["oci/v2/verify"];
    let extension: Extension = match (namespace, function) {
        (Some("kw.k8s"), "get") => (get, &["kubernetes/get_resource"]),
        (Some("kw.k8s"), "list") => (list, LISTS),
        (Some("kw.oci"), "manifest") => {
            (|host, map| image_call(host, "v1/oci_manifest", map), &["oci/v1/oci_manifest"])
        }
        (Some("kw.oci"), "manifestDigest") => {
            (|host, map| image_call(host, "v1/manifest_digest", map), &["oci/v1/manifest_digest"])
        }
        (Some("kw.oci"), "manifestConfig") => {
            (|host, map| image_call(host, "v1/oci_manifest_config", map), &["oci/v1/oci_manifest_config"])
        }
        (Some("kw.net"), "lookupHost") => (lookup_host, &["net/v1/dns_lookup_host"]),
        (Some("kw.crypto"), "verify") => (verify_certificate, &["crypto/v1/is_certificate_trusted"]),
        (Some("kw.sigstore"), "pubKeyVerify") => (|host, map| verify_image(host, pub_key(map)?), VERIFY),
        (Some("kw.sigstore"), "keylessVerify") => (|host, map| verify_image(host, keyless(map)?), VERIFY),
        (Some("kw.sigstore"), "keylessPrefixVerify") => (|host, map| verify_image(host, keyless_prefix(map)?), VERIFY),
        (Some("kw.sigstore"), "githubActionsVerify") => (|host, map| verify_image(host, github_actions(map)?), VERIFY),
        (Some("kw.sigstore"), "certificateVerify") => (|host, map| verify_image(host, certificate(map)?), VERIFY),
        (None, "isTrusted") => (is_trusted, &[]),
        (None, "reason") => (|_, answer| text(answer, "reason").map(Value::from), &[]),
        (None, "digest") => (|_, answer| text(answer, "digest").map(Value::from), &[]),
        _ => return None,
    };
    Some(extension)
}

/// The host capabilities that an extension of ferricel may call; none for one that Kubewarden's host does not have.
pub fn extension_capabilities(namespace: Option<&str>, function: &str) -> &'static [&'static str] {
    extension(namespace, function).map(|(_, capabilities)| capabilities).unwrap_or_default()
}

/// Answers a call: the bytes for the guest. The error is the server's text for a call that cannot be read.
pub(super) fn answer(host: &dyn HostServices, request: &[u8]) -> Result<Vec<u8>, String> {
    let malformed = |error: &dyn std::fmt::Display| format!("Failed to deserialize extension payload: {error}");
    let call: Call = serde_json::from_slice(request).map_err(|error| malformed(&error))?;
    let answer = match extension(call.namespace.as_deref(), &call.function) {
        None => Err(format!("Extension not found: {}", call.name())),
        Some((run, _)) => {
            let Value::Array(args) = &call.args else {
                return Err(malformed(&"invalid `args`: invalid type, expected a sequence"));
            };
            match args.as_slice() {
                [argument] => run(host, argument),
                args => Err(format!("{} expects 1 argument(s), got {}", call.name(), args.len())),
            }
        }
    };
    let document = answer.map_or_else(|error| json!({ "error": error }), |value| json!({ "ok": value }));
    Ok(document.to_string().into_bytes())
}

/// Makes a host call, as a policy of any other mode makes it.
fn call_host(host: &dyn HostServices, namespace: &str, operation: &str, payload: &Value) -> Result<Value, Error> {
    let reply = host.call(BINDING, namespace, operation, payload.to_string().as_bytes()).map_err(|error| error.0)?;
    serde_json::from_slice(&reply).map_err(|error| format!("failed to deserialize response: {error}"))
}

/// A text that must be there. The error is the server's.
fn text<'a>(map: &'a Value, key: &str) -> Result<&'a str, Error> {
    map[key].as_str().ok_or_else(|| format!("missing or non-string field '{key}' in builder map"))
}

/// The texts of a list; one that is missing has none.
fn texts<'a>(map: &'a Value, key: &str) -> Vec<&'a str> {
    map[key].as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// A text that may be missing, which the empty one stands for as well.
fn namespace(map: &Value) -> Option<&str> {
    map["namespace"].as_str().filter(|namespace| !namespace.is_empty())
}

fn get(host: &dyn HostServices, map: &Value) -> Result<Value, Error> {
    let payload = json!({
        "api_version": text(map, "apiVersion")?,
        "kind": text(map, "kind")?,
        "name": text(map, "name")?,
        "namespace": namespace(map),
        "disable_cache": false,
        "field_masks": map["fieldMasks"],
    });
    call_host(host, "kubernetes", "get_resource", &payload)
}

fn list(host: &dyn HostServices, map: &Value) -> Result<Value, Error> {
    let mut payload = json!({
        "api_version": text(map, "apiVersion")?,
        "kind": text(map, "kind")?,
        "label_selector": map["labelSelector"],
        "field_selector": map["fieldSelector"],
        "field_masks": map["fieldMasks"],
    });
    match namespace(map) {
        Some(namespace) => {
            payload["namespace"] = namespace.into();
            call_host(host, "kubernetes", "list_resources_by_namespace", &payload)
        }
        None => call_host(host, "kubernetes", "list_resources_all", &payload),
    }
}

fn image_call(host: &dyn HostServices, operation: &str, map: &Value) -> Result<Value, Error> {
    call_host(host, "oci", operation, &text(map, "image")?.into())
}

/// The argument is the name itself, the value the list of its addresses.
fn lookup_host(host: &dyn HostServices, name: &Value) -> Result<Value, Error> {
    let name = name.as_str().ok_or("the argument of kw.net.lookupHost is not a string")?;
    Ok(call_host(host, "net", "v1/dns_lookup_host", &name.into())?["ips"].take())
}

fn verify_certificate(host: &dyn HostServices, map: &Value) -> Result<Value, Error> {
    let pem = |text: &str| json!({ "encoding": "Pem", "data": text.as_bytes() });
    let chain: Vec<Value> = texts(map, "certChain").into_iter().map(pem).collect();
    let payload = json!({
        "cert": pem(text(map, "cert")?),
        "cert_chain": (!chain.is_empty()).then_some(chain),
        "not_after": map["notAfter"].as_str(),
    });
    call_host(host, "crypto", "v1/is_certificate_trusted", &payload)
}

fn verify_image(host: &dyn HostServices, payload: Value) -> Result<Value, Error> {
    call_host(host, "oci", "v2/verify", &payload)
}

fn pub_key(map: &Value) -> Result<Value, Error> {
    Ok(json!({
        "type": "SigstorePubKeyVerify", "image": text(map, "image")?, "pub_keys": texts(map, "pubKeys"),
        "annotations": map["annotations"],
    }))
}

/// Pairs of what two lists say about the same identity.
fn identities(map: &Value, issuers: &str, subjects: &str, subject: &str) -> Vec<Value> {
    let pairs = texts(map, issuers).into_iter().zip(texts(map, subjects));
    pairs.map(|(issuer, identity)| json!({ "issuer": issuer, subject: identity })).collect()
}

fn keyless(map: &Value) -> Result<Value, Error> {
    Ok(json!({
        "type": "SigstoreKeylessVerify", "image": text(map, "image")?,
        "keyless": identities(map, "keylessIssuers", "keylessSubjects", "subject"), "annotations": map["annotations"],
    }))
}

fn keyless_prefix(map: &Value) -> Result<Value, Error> {
    Ok(json!({
        "type": "SigstoreKeylessPrefixVerify", "image": text(map, "image")?,
        "keyless_prefix": identities(map, "keylessPrefixIssuers", "keylessPrefixUrls", "url_prefix"),
        "annotations": map["annotations"],
    }))
}

fn github_actions(map: &Value) -> Result<Value, Error> {
    Ok(json!({
        "type": "SigstoreGithubActionsVerify", "image": text(map, "image")?, "owner": text(map, "owner")?,
        "repo": map["repo"].as_str(), "annotations": map["annotations"],
    }))
}

fn certificate(map: &Value) -> Result<Value, Error> {
    let chain: Vec<&[u8]> = texts(map, "certificateChain").into_iter().map(str::as_bytes).collect();
    Ok(json!({
        "type": "SigstoreCertificateVerify", "image": text(map, "image")?,
        "certificate": text(map, "certificate")?.as_bytes(),
        "certificate_chain": (!chain.is_empty()).then_some(chain),
        "require_rekor_bundle": map["requireRekorBundle"].as_bool().unwrap_or(false),
        "annotations": map["annotations"],
    }))
}

/// Whether an answer about a certificate or an image is good.
fn is_trusted(_: &dyn HostServices, answer: &Value) -> Result<Value, Error> {
    let trusted = answer["trusted"].as_bool().or(answer["is_trusted"].as_bool());
    trusted.map(Value::from).ok_or_else(|| "missing or non-boolean field 'trusted' in builder map".to_owned())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use policy_verify_host::reply::Reply;

    /// Keeps the calls, and gives every one the same reply.
    struct Recorder {
        reply: Reply,
        calls: Mutex<Vec<(String, Value)>>,
    }

    impl HostServices for Recorder {
        fn call(&self, binding: &str, namespace: &str, operation: &str, payload: &[u8]) -> Reply {
            assert_eq!(binding, BINDING);
            let payload = serde_json::from_slice(payload).unwrap();
            self.calls.lock().unwrap().push((format!("{namespace}/{operation}"), payload));
            self.reply.clone()
        }

        fn console_log(&self, _: &str) {}

        fn remark(&self, _: &str) {}
    }

    /// The host calls of an extension, and what the guest reads.
    fn called(namespace: Option<&str>, function: &str, args: &Value, reply: Reply) -> (Vec<(String, Value)>, Value) {
        let host = Recorder { reply, calls: Mutex::default() };
        let request = json!({ "namespace": namespace, "function": function, "args": args });
        let answer = answer(&host, request.to_string().as_bytes()).unwrap();
        (host.calls.into_inner().unwrap(), serde_json::from_slice(&answer).unwrap())
    }

    #[test]
    fn every_extension_makes_its_host_call() {
        let rows = [
            (
                "kw.k8s",
                "get",
                json!({ "__type__": "kw.k8s.Client", "apiVersion": "v1", "kind": "ConfigMap", "namespace": "", "name": "n" }),
                "kubernetes/get_resource",
                json!({ "api_version": "v1", "kind": "ConfigMap", "name": "n", "namespace": null, "disable_cache": false, "field_masks": null }),
            ),
            (
                "kw.k8s",
                "list",
                json!({ "apiVersion": "v1", "kind": "Pod", "labelSelector": "a=b", "fieldMasks": ["spec"] }),
                "kubernetes/list_resources_all",
                json!({ "api_version": "v1", "kind": "Pod", "label_selector": "a=b", "field_selector": null, "field_masks": ["spec"] }),
            ),
            (
                "kw.k8s",
                "list",
                json!({ "apiVersion": "v1", "kind": "Pod", "namespace": "shop" }),
                "kubernetes/list_resources_by_namespace",
                json!({ "api_version": "v1", "kind": "Pod", "namespace": "shop", "label_selector": null, "field_selector": null, "field_masks": null }),
            ),
            ("kw.oci", "manifest", json!({ "image": "i" }), "oci/v1/oci_manifest", json!("i")),
            ("kw.oci", "manifestDigest", json!({ "image": "i" }), "oci/v1/manifest_digest", json!("i")),
            ("kw.oci", "manifestConfig", json!({ "image": "i" }), "oci/v1/oci_manifest_config", json!("i")),
            (
                "kw.crypto",
                "verify",
                json!({ "cert": "A", "certChain": ["B"], "notAfter": "2030-01-01T00:00:00Z" }),
                "crypto/v1/is_certificate_trusted",
                json!({
                    "cert": { "encoding": "Pem", "data": [65] }, "cert_chain": [{ "encoding": "Pem", "data": [66] }],
                    "not_after": "2030-01-01T00:00:00Z",
                }),
            ),
            (
                "kw.sigstore",
                "pubKeyVerify",
                json!({ "image": "i", "pubKeys": ["k"], "annotations": { "a": "b" } }),
                "oci/v2/verify",
                json!({ "type": "SigstorePubKeyVerify", "image": "i", "pub_keys": ["k"], "annotations": { "a": "b" } }),
            ),
            (
                "kw.sigstore",
                "keylessVerify",
                json!({ "image": "i", "keylessIssuers": ["a", "b"], "keylessSubjects": ["c", "d"] }),
                "oci/v2/verify",
                json!({
                    "type": "SigstoreKeylessVerify", "image": "i", "annotations": null,
                    "keyless": [{ "issuer": "a", "subject": "c" }, { "issuer": "b", "subject": "d" }],
                }),
            ),
            (
                "kw.sigstore",
                "keylessPrefixVerify",
                json!({ "image": "i", "keylessPrefixIssuers": ["a"], "keylessPrefixUrls": ["https://u"] }),
                "oci/v2/verify",
                json!({
                    "type": "SigstoreKeylessPrefixVerify", "image": "i", "annotations": null,
                    "keyless_prefix": [{ "issuer": "a", "url_prefix": "https://u" }],
                }),
            ),
            (
                "kw.sigstore",
                "githubActionsVerify",
                json!({ "image": "i", "owner": "o", "repo": "r" }),
                "oci/v2/verify",
                json!({ "type": "SigstoreGithubActionsVerify", "image": "i", "owner": "o", "repo": "r", "annotations": null }),
            ),
            (
                "kw.sigstore",
                "certificateVerify",
                json!({ "image": "i", "certificate": "A", "certificateChain": ["B"], "requireRekorBundle": true }),
                "oci/v2/verify",
                json!({
                    "type": "SigstoreCertificateVerify", "image": "i", "certificate": [65], "certificate_chain": [[66]],
                    "require_rekor_bundle": true, "annotations": null,
                }),
            ),
        ];
        for (namespace, function, map, capability, payload) in rows {
            let (calls, answer) = called(Some(namespace), function, &json!([map]), Ok(br#"{"a":1}"#.to_vec()));
            assert_eq!(calls, [(capability.to_owned(), payload)], "{namespace}.{function}");
            assert!(extension_capabilities(Some(namespace), function).contains(&capability), "{namespace}.{function}");
            assert_eq!(answer, json!({ "ok": { "a": 1 } }));
        }
    }

    /// What the extensions send is what the host can read.
    #[test]
    fn payloads_are_those_of_the_host() {
        use policy_verify_host::Host;
        let host = Host::new(std::sync::Arc::default());
        for (namespace, function, map) in [
            ("kw.oci", "manifest", json!({ "image": "i" })),
            ("kw.crypto", "verify", json!({ "cert": "A" })),
            ("kw.sigstore", "pubKeyVerify", json!({ "image": "i", "pubKeys": ["k"] })),
            ("kw.sigstore", "keylessVerify", json!({ "image": "i" })),
            ("kw.sigstore", "keylessPrefixVerify", json!({ "image": "i" })),
            ("kw.sigstore", "githubActionsVerify", json!({ "image": "i", "owner": "o" })),
            ("kw.sigstore", "certificateVerify", json!({ "image": "i", "certificate": "A" })),
        ] {
            let request = json!({ "namespace": namespace, "function": function, "args": [map] });
            answer(&host, request.to_string().as_bytes()).unwrap();
            let fault = host.fault().unwrap_or_else(|| panic!("{namespace}.{function} cannot be read"));
            assert!(fault.message.starts_with("no mock for "), "{}", fault.message);
        }
        assert_eq!(host.calls_after(0).len(), 7);
    }

    #[test]
    fn addresses_are_a_list() {
        let (calls, answer) =
            called(Some("kw.net"), "lookupHost", &json!(["acme.test"]), Ok(br#"{"ips":["10.0.0.7"]}"#.to_vec()));
        assert_eq!(calls, [("net/v1/dns_lookup_host".to_owned(), json!("acme.test"))]);
        assert_eq!(answer, json!({ "ok": ["10.0.0.7"] }));
    }

    #[test]
    fn members_of_an_answer_need_no_host() {
        let read = |function: &str, argument: Value| called(None, function, &json!([argument]), Err("no".into()));
        for (function, argument, value) in [
            ("isTrusted", json!({ "trusted": true }), json!(true)),
            ("isTrusted", json!({ "is_trusted": false, "digest": "d" }), json!(false)),
            ("reason", json!({ "trusted": false, "reason": "expired" }), json!("expired")),
            ("digest", json!({ "is_trusted": true, "digest": "d" }), json!("d")),
        ] {
            assert_eq!(read(function, argument), (Vec::new(), json!({ "ok": value })), "{function}");
        }
        assert_eq!(
            read("digest", json!({})).1,
            json!({ "error": "missing or non-string field 'digest' in builder map" })
        );
    }

    #[test]
    fn wrong_calls_are_errors_of_the_expression() {
        let error = |namespace, function: &str, args: Value| {
            let (calls, answer) = called(namespace, function, &args, Err("refused".into()));
            (calls.len(), answer["error"].as_str().unwrap().to_owned())
        };
        assert_eq!(error(Some("kw.k8s"), "put", json!([{}])), (0, "Extension not found: kw.k8s.put".to_owned()));
        assert_eq!(error(None, "abs", json!([1])), (0, "Extension not found: abs".to_owned()));
        let counted = "kw.k8s.get expects 1 argument(s), got 2".to_owned();
        assert_eq!(error(Some("kw.k8s"), "get", json!([{}, {}])), (0, counted));
        let missing = "missing or non-string field 'apiVersion' in builder map".to_owned();
        assert_eq!(error(Some("kw.k8s"), "get", json!([{ "kind": "Pod" }])), (0, missing));
        assert_eq!(error(Some("kw.oci"), "manifest", json!([{ "image": "i" }])), (1, "refused".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_ends_the_evaluation() {
        let host = Recorder { reply: Ok(Vec::new()), calls: Mutex::default() };
        for request in ["", "[]", r#"{"namespace":null}"#, r#"{"namespace":null,"function":"digest","args":{}}"#] {
            let error = answer(&host, request.as_bytes()).unwrap_err();
            assert!(error.starts_with("Failed to deserialize extension payload: "), "{error}");
        }
    }
}
