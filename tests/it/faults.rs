//! Registries that are wrong in every way we could think of: each a clear error that names the URI, in bounded time and
//! memory, never a verdict; the other policies' cases still run, and the exit code is 3.

use std::time::Duration;

use crate::fetching::{accepting, repository, suite};
use crate::support::registry::{FakeRegistry, OCI_MANIFEST, Reaction, Reply, Seen, Step, digest, policy_manifest};
use crate::support::{Repository, guests};

const MANIFEST: &str = "/v2/bad/manifests/";
const BLOB: &str = "/v2/bad/blobs/";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// What a registry does about requests for the bad policy. The good one, in the repository `good`, is always served.
type Fault = Box<dyn FnMut(&Seen) -> Reaction + Send>;

/// A fault at one place, by method and path; everything else is as usual.
fn at(method: &'static str, part: &'static str, mut reaction: impl FnMut(&Seen) -> Reaction + Send + 'static) -> Fault {
    Box::new(move |seen| if seen.is(method, part) { reaction(seen) } else { Reaction::Usual })
}

fn always(method: &'static str, part: &'static str, reply: Reply) -> Fault {
    at(method, part, move |_| reply.clone().into())
}

/// Breaks off after these steps.
fn breaks(part: &'static str, steps: Vec<Step>) -> Fault {
    at("GET", part, move |_| Reaction::Steps(steps.clone()))
}

fn head(length: usize, more: &str) -> Step {
    Step::Bytes(format!("HTTP/1.1 200 OK\r\n{more}content-length: {length}\r\n\r\n").into_bytes())
}

fn manifest_reply(bytes: impl Into<Vec<u8>>) -> Reply {
    Reply::new(200, bytes).header("content-type", OCI_MANIFEST)
}

/// A manifest whose only layer is this.
fn manifest_of(layer: &str) -> String {
    let config = digest(b"{}");
    format!(
        r#"{{"schemaVersion":2,"config":{{"mediaType":"application/vnd.wasm.config.v1+json","digest":"{config}","size":2}},"layers":[{layer}]}}"#
    )
}

fn layer(media_type: &str, digest: &str, size: i64) -> String {
    format!(r#"{{"mediaType":"{media_type}","digest":"{digest}","size":{size}}}"#)
}

const WASM: &str = "application/vnd.wasm.content.layer.v1+wasm";

fn index_of(entries: &str) -> Reply {
    Reply::new(200, format!(r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{entries}]}}"#))
        .header("content-type", INDEX)
}

fn challenge(fake: &str) -> Reply {
    Reply::new(401, "").header("www-authenticate", format!("Bearer realm=\"http://{fake}/token\",service=\"fake\""))
}

/// Asks for a token, and has a token service that does this.
fn with_token_service(host: &str, mut service: impl FnMut() -> Reaction + Send + 'static) -> Fault {
    let challenge = challenge(host);
    Box::new(move |seen| {
        if seen.path.starts_with("/token") {
            service()
        } else if seen.path.contains("/bad/") && !seen.headers.contains_key("authorization") {
            challenge.clone().into()
        } else {
            Reaction::Usual
        }
    })
}

/// Name, fault, and what has to be said about it besides the URI.
fn faults(host: &str, module: &[u8]) -> Vec<(&'static str, Fault, Vec<&'static str>)> {
    let real = policy_manifest(module);
    let module_digest = digest(module);
    let mut table: Vec<(&'static str, Fault, Vec<&'static str>)> = Vec::new();
    let mut add = |name, fault, says: &[&'static str]| table.push((name, fault, says.to_vec()));

    add("reset before the manifest", breaks(MANIFEST, vec![Step::Reset]), &["4 attempts", "try again later"]);
    add(
        "reset in the head of the manifest",
        breaks(MANIFEST, vec![Step::Bytes(b"HTTP/1.1 2".to_vec()), Step::Reset]),
        &["closed the connection", "4 attempts"],
    );
    add(
        "reset in the manifest",
        breaks(MANIFEST, vec![head(500, ""), Step::Bytes(b"{".to_vec()), Step::Reset]),
        &["after 1 bytes"],
    );
    add("reset before the blob", breaks(BLOB, vec![Step::Reset]), &["4 attempts"]);
    add(
        "truncated blob",
        breaks(BLOB, vec![head(module.len(), ""), Step::Bytes(module[..20].to_vec())]),
        &["after 20 bytes"],
    );
    add(
        "blob announced shorter",
        always("GET", BLOB, Reply::new(200, module[..20].to_vec())),
        &["announces 20 bytes, expected"],
    );
    add(
        "blob announced longer",
        breaks(BLOB, vec![head(module.len() + 1, ""), Step::Bytes(module.to_vec())]),
        &["size mismatch", "bytes, expected"],
    );
    add(
        "overlong blob without a length",
        breaks(
            BLOB,
            vec![
                Step::Bytes(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec()),
                Step::Repeat(vec![0; 1 << 16], 10_000),
            ],
        ),
        &["size mismatch", "sent more than"],
    );
    add(
        "wrong blob of the right size",
        always("GET", BLOB, Reply::new(200, vec![7; module.len()])),
        &["digest mismatch: expected", "was tampered with"],
    );
    add(
        "wrong digest in the header",
        always("GET", MANIFEST, manifest_reply(real.clone()).header("docker-content-digest", digest(b"other"))),
        &["digest mismatch", "(named by the registry)"],
    );
    add(
        "malformed digest of a layer",
        always("GET", MANIFEST, manifest_reply(manifest_of(&layer(WASM, "sha256:zz", 3)))),
        &["the manifest lists a blob with an invalid digest"],
    );
    add(
        "traversal in the digest of a layer",
        always("GET", MANIFEST, manifest_reply(manifest_of(&layer(WASM, "sha256:../../../../etc/passwd", 3)))),
        &["the manifest lists a blob with an invalid digest"],
    );
    add(
        "negative size of a layer",
        always("GET", MANIFEST, manifest_reply(manifest_of(&layer(WASM, &module_digest, -1)))),
        &["negative size"],
    );
    add(
        "layer of a terabyte",
        always("GET", MANIFEST, manifest_reply(manifest_of(&layer(WASM, &module_digest, 1 << 40)))),
        &["the limit is 100 MiB"],
    );
    add("401 without a challenge", always("GET", MANIFEST, Reply::new(401, "")), &["401", "docker login"]);
    add(
        "401 for ever",
        {
            let challenge = challenge(host);
            Box::new(move |seen| match seen.path.as_str() {
                path if path.starts_with("/token") => Reply::new(200, r#"{"token":"t"}"#).into(),
                path if path.contains("/bad/") => challenge.clone().into(),
                _ => Reaction::Usual,
            })
        },
        &["requires credentials", "docker login"],
    );
    add(
        "challenge that is garbage",
        always("GET", MANIFEST, Reply::new(401, "").header("www-authenticate", "Bearer realm=\"")),
        &["401"],
    );
    add(
        "basic challenge and nobody to be",
        always("GET", MANIFEST, Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\"")),
        &["requires credentials, none are configured"],
    );
    add(
        "403",
        always("GET", MANIFEST, Reply::new(403, r#"{"errors":[{"code":"DENIED","message":"not yours"}]}"#)),
        &["403 Forbidden (DENIED: not yours)"],
    );
    add("404 manifest", always("GET", MANIFEST, Reply::new(404, "")), &["404 Not Found", "check the name and the tag"]);
    add("404 blob", always("GET", BLOB, Reply::new(404, "")), &["404 Not Found"]);
    add("429 for ever", always("GET", MANIFEST, Reply::new(429, "")), &["429 Too Many Requests", "4 attempts"]);
    add(
        "429 and a long wait",
        always("GET", MANIFEST, Reply::new(429, "").header("retry-after", "3600")),
        &["(Retry-After: 3600 s)", "--fetch-timeout"],
    );
    add("503 for ever", always("GET", MANIFEST, Reply::new(503, "")), &["503 Service Unavailable", "4 attempts"]);
    add(
        "500 with a page",
        always("GET", BLOB, Reply::new(500, "<html>".repeat(100_000))),
        &["500 Internal Server Error"],
    );
    add("418", always("GET", MANIFEST, Reply::new(418, "")), &["418"]);
    add(
        "redirect to plain HTTP elsewhere",
        always("GET", BLOB, Reply::new(307, "").header("location", "http://elsewhere.invalid/x?signature=hidden")),
        &["plain HTTP to `elsewhere.invalid` is not allowed"],
    );
    add(
        "redirect to a host that is not there",
        always("GET", BLOB, Reply::new(307, "").header("location", "https://elsewhere.invalid/x?signature=hidden")),
        &["elsewhere.invalid"],
    );
    add(
        "redirect loop",
        at("GET", BLOB, |seen| Reply::new(302, "").header("location", seen.path.clone()).into()),
        &["too many redirects", "more than 10"],
    );
    add("redirect to nowhere", always("GET", BLOB, Reply::new(302, "")), &["redirect without a valid `Location`"]);
    add(
        "redirect to a file",
        always("GET", BLOB, Reply::new(302, "").header("location", "file:///etc/passwd")),
        &["redirect without a valid `Location`"],
    );
    add("stalled manifest", breaks(MANIFEST, vec![Step::Stall]), &["--fetch-timeout"]);
    add(
        "stalled blob",
        breaks(BLOB, vec![head(module.len(), ""), Step::Bytes(module[..9].to_vec()), Step::Stall]),
        &["--fetch-timeout"],
    );
    add(
        "blob drop by drop",
        breaks(BLOB, {
            let mut steps = vec![head(module.len(), "")];
            steps.extend(
                module
                    .iter()
                    .take(200)
                    .flat_map(|byte| [Step::Bytes(vec![*byte]), Step::Pause(Duration::from_millis(100))]),
            );
            steps
        }),
        &["timeout of 12s exceeded", "--fetch-timeout"],
    );
    add(
        "unknown media type",
        always("GET", MANIFEST, manifest_reply(r#"{"schemaVersion":2,"mediaType":"text/plain"}"#)),
        &["unsupported media type `text/plain`"],
    );
    add(
        "schema version 1",
        always("GET", MANIFEST, manifest_reply(r#"{"schemaVersion":1,"fsLayers":[]}"#)),
        &["schema version 1"],
    );
    add(
        "layers of another kind",
        always(
            "GET",
            MANIFEST,
            manifest_reply(manifest_of(&layer("application/vnd.oci.image.layer.v1.tar+gzip", &module_digest, 3))),
        ),
        &["Incompatible layer media type", "use an artifact that was pushed by"],
    );
    add("no layers", always("GET", MANIFEST, manifest_reply(manifest_of(""))), &["No layers to pull"]);
    add(
        "index without our platform",
        always(
            "GET",
            MANIFEST,
            index_of(&format!(
                r#"{{"mediaType":"{OCI_MANIFEST}","digest":"{}","size":1,"platform":{{"os":"plan9","architecture":"mips"}}}}"#,
                digest(b"x")
            )),
        ),
        &["without an entry for", "platforms: plan9/mips"],
    );
    add(
        "index of indexes",
        at("GET", MANIFEST, {
            let inner = index_of("");
            let outer = index_of(&format!(
                r#"{{"mediaType":"{INDEX}","digest":"{}","size":1,"platform":{{"os":"{}","architecture":"{}"}}}}"#,
                digest(&inner.body),
                std::env::consts::OS,
                match std::env::consts::ARCH {
                    "x86_64" => "amd64",
                    "aarch64" => "arm64",
                    other => other,
                },
            ));
            move |seen| if seen.path.ends_with("v1") { outer.clone().into() } else { inner.clone().into() }
        }),
        &["nested index"],
    );
    add(
        "manifest of 100 MB",
        breaks(MANIFEST, vec![head(100_000_000, ""), Step::Repeat(vec![b' '; 1 << 16], 1600)]),
        &["larger than 4 MiB"],
    );
    add(
        "manifest without an end",
        breaks(
            MANIFEST,
            vec![
                Step::Bytes(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_vec()),
                Step::Repeat(vec![b'['; 1 << 16], 10_000),
            ],
        ),
        &["larger than 4 MiB"],
    );
    add(
        "headers without an end",
        breaks(
            MANIFEST,
            vec![Step::Bytes(b"HTTP/1.1 200 OK\r\n".to_vec()), Step::Repeat(b"x: y\r\n".to_vec(), 1_000_000)],
        ),
        &["closed the connection: message head is too large"],
    );
    add(
        "gzip bomb",
        always("GET", BLOB, Reply::new(200, vec![0x1f; module.len()]).header("content-encoding", "gzip")),
        &["unexpected Content-Encoding `gzip`"],
    );
    add("malformed JSON", always("GET", MANIFEST, manifest_reply("{\"schemaVersion\":2,")), &["invalid manifest: "]);
    add("deeply nested JSON", always("GET", MANIFEST, manifest_reply("[".repeat(1_000_000))), &["invalid manifest: "]);
    add(
        "web page instead of a manifest",
        always("GET", MANIFEST, Reply::new(200, "<html>").header("content-type", "text/html")),
        &["received a web page instead of a manifest"],
    );
    add(
        "no HTTP at all",
        breaks(MANIFEST, vec![Step::Bytes(b"SSH-2.0-OpenSSH_9.9\r\n".to_vec())]),
        &["closed the connection: invalid HTTP version"],
    );
    add("token service down", with_token_service(host, || Reply::new(503, "").into()), &["token service of", "503"]);
    add("token service resets", with_token_service(host, || Reaction::Steps(vec![Step::Reset])), &["token service of"]);
    add(
        "token service without a token",
        with_token_service(host, || Reply::new(200, "{}").into()),
        &["no token in the response of the token service"],
    );
    add(
        "token service refuses",
        with_token_service(host, || Reply::new(403, "").into()),
        &["requires credentials, none are configured"],
    );
    add(
        "token service with a page",
        with_token_service(host, || Reply::new(200, "<html>").into()),
        &["no token in the response of the token service"],
    );
    add(
        "token with a line break",
        with_token_service(host, || Reply::new(200, r#"{"token":"a\r\nx: y"}"#).into()),
        &["no token in the response of the token service"],
    );
    table
}

/// Serves the bad policy with a fault, and a good one beside it; runs a suite over both.
fn with_fault(fake: &FakeRegistry, fault: Option<Fault>) -> Repository {
    for name in ["good", "bad"] {
        fake.add_policy(name, "v1", &accepting(name));
    }
    match fault {
        Some(fault) => fake.rule(fault),
        None => fake.rule(|_| Reaction::Usual),
    };
    let uri = |name: &str| format!("registry://{}/{name}:v1", fake.host());
    repository(fake, &[("bad", &uri("bad")), ("good", &uri("good"))])
}

#[test]
fn every_fault_is_a_clear_error_and_no_verdict() {
    let fakes: Vec<FakeRegistry> = (0..60).map(|_| FakeRegistry::start()).collect();
    let module = accepting("bad");
    let number = faults("", &module).len();
    assert!(number >= 30 && number <= fakes.len(), "{number}");
    // They wait for the network most of the time.
    std::thread::scope(|scope| {
        for lane in 0..6 {
            let (fakes, module) = (&fakes, &module);
            scope.spawn(move || {
                for (index, fake) in fakes.iter().enumerate().take(number).filter(|(index, _)| index % 6 == lane) {
                    let (name, fault, says) = faults(&fake.host(), module).swap_remove(index);
                    let repository = with_fault(fake, Some(fault));
                    let run = repository.verify(&["--fetch-timeout", "12s"]).run();
                    let uri = format!("`registry://{}/bad:v1`", fake.host());
                    let run = run.named(name).exits_with(3).says(&["2 tests: 1 passed, 1 error", &uri]).says(&says);
                    run.never_says("hidden").never_says("panicked");
                    let report = repository.verify(&["--fetch-timeout", "12s", "--report=json", "--offline"]).run();
                    assert!(report.stdout.contains("not in the store"), "{name} left something in the store\n{report}");
                }
            });
        }
    });
}

#[test]
fn what_goes_wrong_once_is_tried_again() {
    for (name, reaction) in [
        ("503", Reply::new(503, "").into()),
        ("429", Reply::new(429, "").header("retry-after", "0").into()),
        ("reset", Reaction::Steps(vec![Step::Reset])),
    ] {
        for part in [MANIFEST, BLOB] {
            let (mut times, reaction) = (0, reaction.clone());
            let fake = FakeRegistry::start();
            let repository = with_fault(
                &fake,
                Some(at("GET", part, move |_| {
                    times += 1;
                    if times == 1 { reaction.clone() } else { Reaction::Usual }
                })),
            );
            let run = repository.verify(&[]).run();
            assert!(run.stdout.contains("2 passed"), "{name} {part}\n{run}");
        }
    }
}

#[test]
fn a_tag_that_moves_between_two_requests_mixes_nothing() {
    let fake = FakeRegistry::start();
    let (old, new) = (accepting("bad"), guests::denying("the new one"));
    let moved = policy_manifest(&new);
    let repository = with_fault(&fake, None);
    repository.verify(&[]).run().exits_with(0);
    // The digest is looked up, then the tag moves: what is run is what was looked up.
    fake.add_blob("bad", &new);
    fake.rule(at("GET", "/v2/bad/manifests/v1", move |_| manifest_reply(moved.clone()).into()));
    repository.verify(&[]).run().exits_with(0);
    assert_eq!(fake.blob("bad", &digest(&old)).unwrap(), old);
}

#[cfg(unix)]
#[test]
fn helpers_that_do_not_work_are_named() {
    use std::os::unix::fs::PermissionsExt as _;

    let script = |text: &str| format!("#!/bin/sh\n{text}\n");
    for (name, helper, says) in [
        ("missing", None, "`docker-credential-missing` is not installed"),
        ("hangs", Some(script("sleep 100")), "timed out after"),
        ("garbage", Some(script("echo hunter2-garbage")), "invalid output of the credential helper"),
        ("floods", Some(script("yes hunter2")), "too much output"),
        ("fails", Some(script("echo hunter2; exit 1")), "failed (exit status: 1)"),
    ] {
        let fake = FakeRegistry::start();
        let challenge = Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\"");
        let repository = with_fault(&fake, Some(always("GET", MANIFEST, challenge)));
        let config = format!(r#"{{"credHelpers": {{"{}": "{name}"}}}}"#, fake.host());
        let repository = repository.write("docker/config.json", config).write("bin/keep", "");
        if let Some(helper) = helper {
            let path = repository.path(&format!("bin/docker-credential-{name}"));
            std::fs::write(&path, helper).unwrap();
            std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", repository.path("bin").display(), std::env::var("PATH").unwrap());
        let arguments = ["--docker-config-json-path", "docker", "--fetch-timeout", "10s", "-vv"];
        let run = repository.verify(&arguments).env("PATH", path).run().exits_with(3);
        run.says(&["1 passed, 1 error", says, "credHelpers"]).never_says("hunter2");
    }
}

#[test]
fn no_credential_is_in_any_output() {
    let fake = FakeRegistry::start();
    let fault: Fault = Box::new(|seen| {
        let said = seen.headers.get("authorization").cloned().unwrap_or_default();
        let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"you said {said}"}}]}}"#);
        match said.as_str() {
            "" if seen.path.contains("/bad/") => {
                Reply::new(401, body).header("www-authenticate", "Basic realm=\"x\"").into()
            }
            "" => Reaction::Usual,
            _ => Reply::new(403, body).into(),
        }
    });
    let repository = with_fault(&fake, Some(fault));
    let config = format!(r#"{{"auths": {{"{}": {{"auth": "bWU6aHVudGVyMi1zZWNyZXQ="}}}}}}"#, fake.host());
    let repository = repository.write("docker/config.json", config);
    for arguments in
        [&["-vv"][..], &["--report=json"], &["--report=junit"], &["--report=markdown"], &["--report=github"]]
    {
        let mut all = vec!["--docker-config-json-path", "docker"];
        all.extend(arguments);
        let run =
            repository.verify(&all).env("RUST_LOG", "trace").env("RUNNER_DEBUG", "1").on_github().run().exits_with(3);
        run.says(&["you said"]).never_says("hunter2-secret").never_says("bWU6aHVudGVyMi1zZWNyZXQ");
    }
}

/// A registry is as untrusted as a policy, and has what was sent to it.
#[test]
fn no_form_of_a_secret_is_in_any_output() {
    for form in [
        "HUNTER2-Secret",
        "terces-2retnuh",
        "68756e746572322d736563726574",
        "68:75:6E:74:65:72:32:2D:73:65:63:72:65:74",
        "aHVudGVyMi1zZWNyZXQ=",
        "YWh1bnRlcjItc2VjcmV0",
        "OmE6aHVudGVyMi1zZWNyZXQK",
        "%68%75%6e%74%65%72%32%2d%73%65%63%72%65%74",
        // Read from the environment by the suite, which may have sent it anywhere.
        "an-API-secret",
    ] {
        let fake = FakeRegistry::start();
        let fault: Fault = Box::new(move |seen| {
            let body = format!(r#"{{"errors":[{{"code":"DENIED","message":"you said {form}"}}]}}"#);
            match seen.headers.get("authorization") {
                None if seen.path.contains("/bad/") => {
                    Reply::new(401, body).header("www-authenticate", "Basic realm=\"x\"").into()
                }
                None => Reaction::Usual,
                Some(_) => Reply::new(403, body).into(),
            }
        });
        let repository = with_fault(&fake, Some(fault));
        let config = format!(r#"{{"auths": {{"{}": {{"auth": "bWU6aHVudGVyMi1zZWNyZXQ="}}}}}}"#, fake.host());
        let repository = repository.write("docker/config.json", config);
        let arguments = ["-vv", "--docker-config-json-path=docker", "--allow-env=API_TOKEN", "--report=json=r.json"];
        let run = repository.verify(&arguments).env("API_TOKEN", "an-api-secret").run().exits_with(3);
        run.says(&["you said", "[secret]"]).never_says(form);
        assert!(!repository.read("r.json").contains(form), "{form}");
    }
}

#[test]
fn suites_without_policies_from_elsewhere_ask_nobody() {
    let repository = Repository::with_suite(&suite(&[("p", "p.wasm")]))
        .write("p.wasm", accepting("p"))
        .write(".git/home/.config/kubewarden/sources.yaml", "broken: [");
    repository.verify(&[]).run().exits_with(0);
}
