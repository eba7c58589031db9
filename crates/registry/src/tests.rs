//! The client against the fake registry, with correct and with broken responses.

use std::time::Duration;

use oci_client::Reference;

use super::bounded::MAX_MODULE_BYTES;
use super::digest::OciDigest;
use super::error::{Class, RegistryError};
use super::meter::Meter;
use super::policy::{ManifestTarget, manifest_target};
use super::read_back::ReadBack;
use super::testing::{FakeRegistry, Reaction, Reply, digest};
use super::{Registry, RegistryOptions};
use crate::network::wait;

const MODULE: &[u8] = b"\0asm\x01\0\0\0";

fn image(fake: &FakeRegistry, name: &str) -> Reference {
    format!("{}/{name}", fake.host()).parse().unwrap()
}

/// A policy: its manifest, then its module.
async fn policy(client: &Registry, image: &Reference) -> Result<(Vec<u8>, OciDigest), RegistryError> {
    let fetched = client.manifest(image).await?;
    let ManifestTarget::Layer(layer) = manifest_target(image, &fetched.manifest, false)? else { panic!("an index") };
    Ok((client.blob(image, &layer, MAX_MODULE_BYTES).await?, fetched.digest))
}

#[test]
fn a_policy_is_pulled_by_tag_and_by_digest() {
    let fake = FakeRegistry::start();
    let manifest_digest = fake.add_policy("acme/p", "v1", MODULE);
    let client = fake.client("{}");
    for name in ["acme/p:v1".to_owned(), format!("acme/p@{manifest_digest}"), format!("acme/p:v1@{manifest_digest}")] {
        let (module, digest) = wait(policy(&client, &image(&fake, &name))).unwrap();
        assert_eq!((module.as_slice(), digest.as_str()), (MODULE, manifest_digest.as_str()));
        assert_eq!(wait(client.digest(&image(&fake, &name))).unwrap().as_str(), manifest_digest);
    }
    let config = wait(client.manifest_with_config(&image(&fake, "acme/p:v1"))).unwrap();
    assert_eq!((config.config.as_slice(), config.digest.as_str()), (&b"{}"[..], manifest_digest.as_str()));
}

#[test]
fn a_digest_missing_in_head_is_fetched() {
    let fake = FakeRegistry::start();
    let manifest_digest = fake.add_policy("p", "v1", MODULE);
    fake.rule(|seen| if seen.method == "HEAD" { Reply::new(200, "").into() } else { Reaction::Usual });
    assert_eq!(wait(fake.client("{}").digest(&image(&fake, "p:v1"))).unwrap().as_str(), manifest_digest);
}

#[test]
fn a_pushed_policy_can_be_pulled() {
    let fake = FakeRegistry::start();
    let client = fake.client("{}");
    let image = image(&fake, "acme/p:v1");
    let module: Vec<u8> = MODULE.iter().copied().chain((0..9 << 20).map(|n| n as u8)).collect();
    wait(async {
        assert_eq!(client.published_digest_if_any(&image).await.unwrap(), None);
        client.push_blob(&image, &module.clone().into(), &Meter::default()).await.unwrap();
        client.push_blob(&image, &b"{}"[..].into(), &Meter::default()).await.unwrap();
        let manifest = super::testing::policy_manifest(&module);
        assert_eq!(client.push_manifest(&image, &manifest.clone().into()).await.unwrap(), ReadBack::Same);
        assert_eq!(fake.manifest("acme/p", "v1"), None);
        client.push_tag(&image, "v1", &manifest, "application/vnd.oci.image.manifest.v1+json").await.unwrap();
        assert_eq!(client.published_digest_if_any(&image).await.unwrap(), Some(OciDigest::of(&manifest)));
        assert!(policy(&client, &image).await.unwrap().0 == module);
    });
    assert_eq!(fake.count("PATCH", "/blobs/uploads/"), 4);
    let requests = fake.seen().len();
    wait(client.push_blob(&image, &module.clone().into(), &Meter::default())).unwrap();
    assert_eq!(fake.seen().len(), requests + 2, "a blob that is there is read, not sent again");
}

#[test]
fn a_registry_without_chunks_gets_whole_blobs() {
    let fake = FakeRegistry::start();
    fake.rule(|seen| if seen.method == "PATCH" { Reply::new(405, "").into() } else { Reaction::Usual });
    wait(fake.client("{}").push_blob(&image(&fake, "p:v1"), &MODULE.into(), &Meter::default())).unwrap();
    assert_eq!(fake.blob("p", &digest(MODULE)).unwrap(), MODULE);
}

#[test]
fn referrers_come_from_the_api_or_from_the_tag() {
    let entry = |artifact: &str| {
        format!(
            r#"{{"mediaType":"m","digest":"{}","size":1,"artifactType":"{artifact}"}}"#,
            digest(artifact.as_bytes())
        )
    };
    let index = |entries: &[String]| format!(r#"{{"schemaVersion":2,"manifests":[{}]}}"#, entries.join(","));
    let subject = OciDigest::of(MODULE);
    let fake = FakeRegistry::start();
    let client = fake.client("{}");
    let image = image(&fake, "p:v1");
    let listed = |wanted: Option<&str>| -> Vec<String> {
        let entries = wait(client.referrers(&image, &subject, wanted)).unwrap();
        entries.into_iter().filter_map(|entry| entry.artifact_type).collect()
    };
    assert_eq!(listed(None), [""; 0]);
    let both = index(&[entry("a"), entry("b")]);
    fake.add_manifest(
        "p",
        &subject.as_str().replace(':', "-"),
        "application/vnd.oci.image.index.v1+json",
        both.as_bytes(),
    );
    assert_eq!((listed(None), listed(Some("b"))), (vec!["a".to_owned(), "b".to_owned()], vec!["b".to_owned()]));
    let (first, second) = (index(&[entry("c")]), index(&[entry("d"), entry("e")]));
    fake.rule(move |seen| match seen.path.as_str() {
        path if path.contains("/referrers/") && path.contains("page=2") => Reply::new(200, second.clone()).into(),
        path if path.contains("/referrers/") => {
            Reply::new(200, first.clone()).header("link", "</v2/p/referrers/x?page=2>; rel=\"next\"").into()
        }
        _ => Reaction::Usual,
    });
    assert_eq!(listed(None), ["c", "d", "e"]);
}

#[test]
fn an_unknown_name_has_the_error_of_the_registry() {
    let fake = FakeRegistry::start();
    let error: RegistryError = wait(policy(&fake.client("{}"), &image(&fake, "acme/gone:v1"))).unwrap_err();
    assert_eq!(error.class, Class::NotFound);
    let host = fake.host();
    assert_eq!(
        error.to_string(),
        format!(
            "cannot fetch the manifest of `registry://{host}/acme/gone:v1`: `{host}` returned 404 Not Found \
             (MANIFEST_UNKNOWN: unknown to the registry)"
        )
    );
    assert_eq!(fake.count("GET", "/manifests/"), 1, "404 is not retried");
}

#[test]
fn plain_http_is_for_listed_hosts_only() {
    let fake = FakeRegistry::start();
    let client =
        Registry::new(&RegistryOptions { timeout: Some(Duration::from_secs(20)), ..RegistryOptions::default() });
    let error = wait(policy(&client.unwrap(), &image(&fake, "p:v1"))).unwrap_err();
    assert_eq!(error.class, Class::Unreachable);
    assert!(error.help.unwrap().contains("insecure_sources"), "{}", error.message);
    assert!(fake.seen().is_empty());
}

#[test]
fn tokens_are_requested_once_and_never_in_errors() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", MODULE);
    let config = format!(r#"{{"auths":{{"{}":{{"username":"me","password":"hunter2-secret"}}}}}}"#, fake.host());
    let realm = format!("http://{}/token", fake.host());
    fake.rule(move |seen| match seen.header("authorization") {
        Some("Basic bWU6aHVudGVyMi1zZWNyZXQ=") if seen.path.starts_with("/token?") => {
            Reply::new(200, r#"{"token":"issued-token","expires_in":300}"#).into()
        }
        Some("Bearer issued-token") => Reaction::Usual,
        other => {
            let sent = other.unwrap_or_default().to_owned();
            let body = format!(r#"{{"errors":[{{"code":"UNAUTHORIZED","message":"you sent {sent}"}}]}}"#);
            Reply::new(401, body)
                .header("www-authenticate", format!("Bearer realm=\"{realm}\",service=\"fake\""))
                .into()
        }
    });
    let client = fake.client(&config);
    wait(policy(&client, &image(&fake, "acme/p:v1"))).unwrap();
    wait(policy(&client, &image(&fake, "acme/p:v1"))).unwrap();
    assert_eq!(fake.count("GET", "/token?scope=repository%3Aacme%2Fp%3Apull&service=fake"), 1);
    fake.rule(|seen| {
        let sent = seen.header("authorization").unwrap_or_default().to_owned();
        Reply::new(403, format!(r#"{{"errors":[{{"code":"DENIED","message":"you sent {sent}"}}]}}"#)).into()
    });
    let error = wait(policy(&client, &image(&fake, "acme/p:v1"))).unwrap_err();
    assert!(error.message.contains("you sent [secret]"), "{error}");
    assert!(!format!("{error:?} {client:?}").contains("issued-token"), "{error}");
}
