//! Policies in Rust and in Go that read the manifest of an image and of an index: from the suite, from a registry, and from
//! what was recorded there.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use crate::support::distribution::Distribution;
use crate::support::registry::FakeRegistry;
use crate::support::{Repository, digest};

const IMAGE: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const LICENCE: &str = "org.opencontainers.image.licenses";

/// Suites that differ in who answers; `OWN` and `ALL` stand for what a case says about that.
const SUITE: &str = "version: 1
name: licences
policies:
  rust: { uri: image-licence/policy.wasm, metadata: image-licence/metadata.yml, settings: { allowed: [MIT, Apache-2.0] } }
  go: { uri: image-licence-go/policy.wasm, metadata: image-licence-go/metadata.yml, settings: { allowed: [MIT, Apache-2.0] } }
defaults:
  timeout: 2m
  policy: [rust, go]
  object: { apiVersion: v1, kind: Pod, metadata: { name: web }, spec: { containers: [{ name: web, image: \"HOST/acme/web:own\" }] } }
cases:
  - name: an image with an allowed licence is let in
OWN    expect: { allow: true, calls: [{ capability: oci/v1/oci_manifest, request: \"HOST/acme/web:own\" }] }
  - name: an index with an entry under another licence is refused
    set: { \"spec.containers[0].image\": \"HOST/acme/web:all\" }
ALL    expect: { deny: { contains: 'licence \"GPL-2.0-only\" is not allowed' } }
";

fn suite(host: &str, own: &str, all: &str) -> String {
    SUITE.replace("HOST", host).replace("OWN", own).replace("ALL", all)
}

/// What the registry holds: the manifest under `own`, the index under `all`.
struct Content {
    manifest: String,
    index: String,
}

/// An image for each of two platforms and the index of both.
fn push(host: &str) -> Content {
    let config = "{}";
    let (_, location) = http(host, "POST", "/v2/acme/web/blobs/uploads/", "", "");
    let location = location.expect("an upload has a place");
    let path = location.split_once(host).map_or(location.as_str(), |(_, path)| path);
    let separator = if path.contains('?') { '&' } else { '?' };
    let put = format!("{path}{separator}digest={}", digest(config.as_bytes()));
    assert_eq!(http(host, "PUT", &put, "application/octet-stream", config).0, 201);
    let manifest = |licence: &str| {
        json!({"schemaVersion": 2, "mediaType": IMAGE, "layers": [], "annotations": { LICENCE: licence },
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", "digest": digest(config.as_bytes()), "size": 2}})
        .to_string()
    };
    let images = ["MIT", "GPL-2.0-only"].map(|licence| (licence, manifest(licence)));
    let entries = images.iter().zip(["amd64", "arm64"]).map(|((licence, manifest), architecture)| {
        json!({"mediaType": IMAGE, "digest": digest(manifest.as_bytes()), "size": manifest.len(),
            "platform": {"os": "linux", "architecture": architecture}, "annotations": { LICENCE: licence }})
    });
    let index = json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries.collect::<Value>()}).to_string();
    for (tag, media_type, body) in [("own", IMAGE, &images[0].1), ("gpl", IMAGE, &images[1].1), ("all", INDEX, &index)]
    {
        assert_eq!(http(host, "PUT", &format!("/v2/acme/web/manifests/{tag}"), media_type, body).0, 201, "{tag}");
    }
    Content { manifest: images[0].1.clone(), index }
}

/// Status and `Location` of an answer.
fn http(host: &str, method: &str, path: &str, media_type: &str, body: &str) -> (u16, Option<String>) {
    let mut stream = TcpStream::connect(host).unwrap();
    let head =
        format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\ncontent-type: {media_type}\r\n");
    write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len()).unwrap();
    // Only the head is of interest, and not every registry hangs up.
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
    let status = head[0].split(' ').nth(1).unwrap().parse().unwrap();
    let location = head.iter().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    });
    (status, location)
}

/// The whole way with one registry: live, recorded, replayed, and from tables.
fn every_way(host: &str, stop: impl FnOnce()) {
    let Content { manifest, index } = push(host);
    let repository = Repository::with_suite(&suite(host, "", ""))
        .policy("image-licence")
        .policy("image-licence-go")
        .write("sources.yaml", format!("insecure_sources: ['{host}']\n"));
    let by = |run: crate::support::Finished| -> Vec<String> {
        let report: Value = serde_json::from_str(&run.exits_with(0).stdout).unwrap();
        let cases = report["cases"].as_array().unwrap();
        assert_eq!(cases.len(), 4);
        cases.iter().map(|case| case["calls"][0]["answered_by"].as_str().unwrap().to_owned()).collect()
    };
    let live = ["record", "suite.yml", "--report=json", "--sources-path", "sources.yaml"];
    assert_eq!(by(repository.verify(&live).run()), ["live"; 4]);
    stop();
    let recorded = |case: &str| format!("    replay: sessions/{case}-rust.yml\n    order: strict\n");
    let replaying = suite(
        host,
        &recorded("an-image-with-an-allowed-licence-is-let-in"),
        &recorded("an-index-with-an-entry-under-another-licence-is-refused"),
    );
    let tables = suite(
        host,
        &format!("    host: {{ oci/v1/oci_manifest: {{ \"{host}/acme/web:own\": manifest.json }} }}\n"),
        &format!("    host: {{ oci/v1/oci_manifest: {{ \"{host}/acme/web:all\": index.json }} }}\n"),
    );
    let repository = repository
        .write("replaying.suite.yml", replaying)
        .write("tables.suite.yml", tables)
        .write("manifest.json", manifest)
        .write("index.json", index);
    assert_eq!(by(repository.verify(&["replaying.suite.yml", "--report=json"]).run()), ["replay"; 4]);
    assert_eq!(by(repository.verify(&["tables.suite.yml", "--report=json"]).run()), ["host"; 4]);
    // Both policies ask the same, so they were told the same.
    for case in
        ["an-image-with-an-allowed-licence-is-let-in", "an-index-with-an-entry-under-another-licence-is-refused"]
    {
        let session = |policy: &str| repository.read(&format!("sessions/{case}-{policy}.yml"));
        assert_eq!(session("rust"), session("go"));
        assert!(session("rust").starts_with("- type: Exchange\n  request: |\n    !OciManifest\n    image: "));
    }
}

#[test]
fn licences_are_read_in_every_way() {
    let target = FakeRegistry::start();
    every_way(&target.host(), || drop(target));
}

#[test]
fn licences_are_read_from_a_real_registry() {
    let Some(distribution) = Distribution::start() else { return };
    every_way(&distribution.host.clone(), || drop(distribution));
}
