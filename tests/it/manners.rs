//! The manners of registries, one a row: what each answers at which step, and what a push makes of it. A tag moves to what
//! the registry gives back, or not at all.
//!
//! Distribution 2 and 3 are measured in `distribution.rs`. The texts and statuses of the others follow what their users
//! reported in public; they were not measured here.

use serde_json::{Value, json};

use crate::support::registry::{FakeRegistry, OCI_MANIFEST, Reaction, Reply, Seen, digest, policy_manifest};
use crate::support::{Repository, guests};

const REPOSITORY: &str = "acme/policies/labels";

/// Fits into one chunk.
const SMALL: usize = 1000;

/// Three chunks.
const LARGE: usize = 9 << 20;

type Rule = Box<dyn FnMut(&Seen) -> Option<Reaction> + Send>;

/// What comes of a push.
enum Expected {
    /// It goes by chunks.
    Pushed,
    /// It goes, the module in one request.
    PushedWhole,
    /// It goes, and the user is told this.
    PushedWith(&'static str),
    /// Exit code 5, these texts, and the tag where it was.
    Refused(&'static [&'static str]),
}

use Expected::{Pushed, PushedWhole, PushedWith, Refused};

/// A registry, the bytes of the module, what it does, and what comes of it.
type Row = (&'static str, usize, fn(&FakeRegistry) -> Rule, Expected);

fn errors(code: &str, message: &str) -> String {
    json!({ "errors": [{ "code": code, "message": message }] }).to_string()
}

/// This reply to all requests of a method with this in their path.
fn at(method: &'static str, part: &'static str, reply: Reply) -> Rule {
    Box::new(move |seen| seen.is(method, part).then(|| reply.clone().into()))
}

/// Where a chunk begins.
fn start(seen: &Seen) -> Option<usize> {
    seen.header("content-range")?.split('-').next()?.parse().ok()
}

/// This reply to every chunk but the first.
fn at_later_chunks(reply: Reply) -> Rule {
    Box::new(move |seen| (seen.method == "PATCH" && start(seen) != Some(0)).then(|| reply.clone().into()))
}

/// Keeps chunks, and confirms them by this `Range`, made of the bytes sent so far and those of the chunk.
fn ranges(range: fn(usize, usize) -> String) -> Rule {
    Box::new(move |seen| {
        let (start, length) = (start(seen)?, seen.body.len());
        (seen.method == "PATCH").then(|| Reaction::With("range", range(start + length, length)))
    })
}

/// Confirms chunks by this `Range`, if any, and the digest it is asked for, and has nothing but what `keep` makes of what it
/// has and the next chunk.
fn loses(fake: &FakeRegistry, range: Option<fn(usize, usize) -> String>, keep: fn(Vec<u8>, &Seen) -> Vec<u8>) -> Rule {
    let storage = fake.storage();
    Box::new(move |seen| {
        let session = session(seen)?;
        let mut content = storage.lock().unwrap();
        if seen.method == "PATCH" {
            let kept = content.uploads.remove(&session).unwrap_or_default();
            content.uploads.insert(session, keep(kept, seen));
            let reply = Reply::new(202, "").header("location", seen.path.clone());
            let (length, sent) = (seen.body.len(), start(seen)? + seen.body.len());
            return Some(range.map_or(reply.clone(), |range| reply.header("range", range(sent, length))).into());
        }
        // What comes whole is kept whole.
        if seen.method != "PUT" || !seen.body.is_empty() {
            return None;
        }
        let kept = content.uploads.remove(&session).unwrap_or_default();
        let wanted = wanted(seen)?;
        content.blobs.insert((REPOSITORY.to_owned(), wanted.clone()), kept);
        Some(Reply::new(201, "").header("docker-content-digest", wanted).into())
    })
}

/// The session of a request of an upload.
fn session(seen: &Seen) -> Option<String> {
    let (_, session) = seen.path.split_once("/blobs/uploads/")?;
    session.split('?').next().filter(|session| !session.is_empty()).map(str::to_owned)
}

/// The digest under which an upload is to be stored.
fn wanted(seen: &Seen) -> Option<String> {
    let wanted = seen.path.split(['?', '&']).find_map(|pair| pair.strip_prefix("digest="))?;
    Some(wanted.replace("%3A", ":"))
}

fn last_chunk(_: Vec<u8>, seen: &Seen) -> Vec<u8> {
    seen.body.clone()
}

/// As a file into which chunks are written at their places, each into a new one.
fn with_a_hole(_: Vec<u8>, seen: &Seen) -> Vec<u8> {
    let mut kept = vec![0; start(seen).unwrap()];
    kept.extend_from_slice(&seen.body);
    kept
}

fn all(sent: usize, _: usize) -> String {
    format!("0-{}", sent - 1)
}

fn own(_: usize, length: usize) -> String {
    format!("0-{}", length - 1)
}

/// Both rules, the first that has something to say.
fn either(mut one: Rule, mut other: Rule) -> Rule {
    Box::new(move |seen| one(seen).or_else(|| other(seen)))
}

/// A token service at this path, which knows `me`; everything else needs its token.
fn with_tokens(fake: &FakeRegistry, path: &'static str, answer: &'static str) -> Rule {
    let challenge = format!("Bearer realm=\"http://{}{path}\",service=\"registry\"", fake.host());
    Box::new(move |seen| {
        let shown = seen.header("authorization").unwrap_or_default();
        if seen.path.starts_with(path) {
            let is_me = shown == "Basic bWU6c2VjcmV0LW9mLXRoZS10ZXN0";
            return Some(if is_me { Reply::new(200, answer) } else { Reply::new(401, "") }.into());
        }
        (shown != "Bearer issued").then(|| Reply::new(401, "").header("www-authenticate", challenge.clone()).into())
    })
}

fn rows() -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    let mut add = |name, size, rule, expected| rows.push((name, size, rule, expected));

    add("Distribution", LARGE, |_| Box::new(|_| None), Pushed);
    add("Distribution, one chunk", SMALL, |_| Box::new(|_| None), Pushed);
    add(
        "no `Range`",
        LARGE,
        |_| Box::new(|seen| (seen.method == "PATCH").then_some(Reaction::Without("range"))),
        Pushed,
    );
    add("`Range` with a unit", LARGE, |_| ranges(|sent, _| format!("bytes=0-{}", sent - 1)), Pushed);
    add("`Range` one too high", LARGE, |_| ranges(|sent, _| format!("0-{sent}")), Pushed);
    add("Docker Hub", LARGE, |fake| with_tokens(fake, "/token", r#"{"token":"issued","expires_in":300}"#), Pushed);
    add("GitLab", SMALL, |fake| with_tokens(fake, "/jwt/auth", r#"{"token":"issued"}"#), Pushed);
    add("Harbor", SMALL, |fake| with_tokens(fake, "/service/token", r#"{"access_token":"issued","token":""}"#), Pushed);
    add(
        "ghcr.io",
        LARGE,
        |_| {
            let text = errors("REQUESTED_RANGE_NOT_SATISFIABLE", "the request body is too large");
            Box::new(move |seen| {
                (seen.method == "PATCH" && seen.body.len() > 4 << 20).then(|| Reply::new(416, text.clone()).into())
            })
        },
        Pushed,
    );
    add("no HEAD", SMALL, |_| Box::new(|seen| (seen.method == "HEAD").then(|| Reaction::status(405))), Pushed);
    add(
        "HEAD with another length",
        LARGE,
        |_| at("HEAD", "/blobs/", Reply::new(200, "").header("content-length", "17")),
        Pushed,
    );
    add("no digests", SMALL, |_| Box::new(|_| Some(Reaction::Without("docker-content-digest"))), Pushed);
    add(
        "found a moment later",
        SMALL,
        |_| {
            let mut left = 2;
            Box::new(move |seen| {
                let is_early = seen.is("GET", "/blobs/") && left > 0;
                left -= usize::from(is_early);
                is_early.then(|| Reply::new(404, errors("BLOB_UNKNOWN", "blob unknown to registry")).into())
            })
        },
        Pushed,
    );

    // Registries that fail at chunks.
    add("no chunks at all", LARGE, |_| at("PATCH", "/uploads/", Reply::new(405, "")), PushedWhole);
    add(
        "no `Location` of the next chunk",
        LARGE,
        |_| Box::new(|seen| (seen.method == "PATCH").then_some(Reaction::Without("location"))),
        PushedWhole,
    );
    add(
        "ECR: `Range` of the first chunk for ever",
        LARGE,
        |_| ranges(|_, _| format!("0-{}", (4 << 20) - 1)),
        PushedWhole,
    );
    add("Aliyun: `Range` of each chunk alone", LARGE, |_| ranges(own), PushedWhole);
    add(
        "400 to the second chunk",
        LARGE,
        |_| at_later_chunks(Reply::new(400, errors("BLOB_UPLOAD_INVALID", "x"))),
        PushedWhole,
    );
    add(
        "404 to the second chunk",
        LARGE,
        |_| at_later_chunks(Reply::new(404, errors("BLOB_UPLOAD_UNKNOWN", "x"))),
        PushedWhole,
    );
    add("405 to the second chunk", LARGE, |_| at_later_chunks(Reply::new(405, "")), PushedWhole);
    add("411 to the second chunk", LARGE, |_| at_later_chunks(Reply::new(411, "")), PushedWhole);
    add("416 to the second chunk", LARGE, |_| at_later_chunks(Reply::new(416, "")), PushedWhole);
    add("500 to the second chunk", LARGE, |_| at_later_chunks(Reply::new(500, "")), PushedWhole);
    add(
        "201 with a stale `Range`, then DIGEST_INVALID",
        LARGE,
        |_| {
            Box::new(|seen| {
                let session = session(seen)?;
                let location = format!("/v2/{REPOSITORY}/blobs/uploads/{session}");
                match seen.method.as_str() {
                    "PATCH" => Some(Reply::new(201, "").header("location", location).header("range", "0-0").into()),
                    "PUT" if seen.body.is_empty() => Some(Reply::new(400, errors("DIGEST_INVALID", "x")).into()),
                    _ => None,
                }
            })
        },
        PushedWhole,
    );
    add(
        "DIGEST_INVALID after the last chunk",
        LARGE,
        |_| {
            Box::new(|seen| {
                (seen.is("PUT", "/uploads/") && seen.body.is_empty())
                    .then(|| Reply::new(400, errors("DIGEST_INVALID", "x")).into())
            })
        },
        PushedWhole,
    );
    add(
        "500 to the empty PUT",
        SMALL,
        |_| Box::new(|seen| (seen.is("PUT", "/uploads/") && seen.body.is_empty()).then(|| Reaction::status(500))),
        PushedWhole,
    );
    add("keeps the last chunk, short `Range`", LARGE, |fake| loses(fake, Some(own), last_chunk), PushedWhole);
    add("keeps the last chunk, no `Range`", LARGE, |fake| loses(fake, None, last_chunk), PushedWhole);
    add("keeps the last chunk, good `Range`", LARGE, |fake| loses(fake, Some(all), last_chunk), PushedWhole);
    add("leaves a hole", LARGE, |fake| loses(fake, Some(all), with_a_hole), PushedWhole);
    add("keeps nothing", SMALL, |fake| loses(fake, Some(all), |_, _| Vec::new()), PushedWhole);

    // Registries that lie.
    add(
        "keeps the last chunk, nothing whole",
        LARGE,
        |fake| either(at("PUT", "/uploads/session-2", Reply::new(413, "too large")), loses(fake, None, last_chunk)),
        Refused(&["413 Payload Too Large (too large)", "client_max_body_size", "no tag was moved"]),
    );
    add(
        "gives other bytes back",
        SMALL,
        |fake| {
            let storage = fake.storage();
            Box::new(move |seen| {
                let (_, named) = seen.path.split_once("/blobs/").filter(|_| seen.method == "GET")?;
                let mut blob = storage.lock().unwrap().blobs[&(REPOSITORY.to_owned(), named.to_owned())].clone();
                blob[1] = 0xff;
                Some(Reply::new(200, blob).into())
            })
        },
        Refused(&["does not return what was uploaded: ", "sent other bytes from offset 1 on", "no tag was moved"]),
    );
    add(
        "gives fewer bytes back, and a good HEAD",
        SMALL,
        |_| at("GET", "/blobs/", Reply::new(200, "abc")),
        Refused(&["does not return what was uploaded: size mismatch: ", "announces 3 bytes, expected "]),
    );
    add(
        "has lost the blob",
        SMALL,
        |_| at("GET", "/blobs/", Reply::new(404, errors("BLOB_UNKNOWN", "lost"))),
        Refused(&["404 Not Found (BLOB_UNKNOWN: lost)", "no tag was moved"]),
    );
    add(
        "says 200 to everything",
        SMALL,
        |_| Box::new(|_| Some(Reply::new(200, "").into())),
        Refused(&["invalid manifest"]),
    );
    add(
        "stores another digest",
        SMALL,
        |_| Box::new(|seen| seen.is("PUT", "/uploads/").then_some(Reaction::OtherDigest)),
        Refused(&["digest mismatch: "]),
    );
    add(
        "has another manifest",
        SMALL,
        |_| {
            at("GET", "/manifests/sha256:", Reply::new(200, policy_manifest(b"x")).header("content-type", OCI_MANIFEST))
        },
        Refused(&["does not return what was uploaded", "no tag was moved"]),
    );
    add(
        "has lost the manifest",
        SMALL,
        |_| at("GET", "/manifests/sha256:", Reply::new(404, "")),
        Refused(&["404 Not Found", "no tag was moved"]),
    );
    add(
        "does not move the tag",
        SMALL,
        |_| at("PUT", "/manifests/v1", Reply::new(201, "")),
        Refused(&["points to sha256:", "uncertain: `v1`"]),
    );

    // Registries that refuse, with their own text.
    add(
        "ECR without the repository",
        SMALL,
        |_| {
            at(
                "POST",
                "/uploads/",
                Reply::new(404, errors("NAME_UNKNOWN", "The repository with name 'labels' does not exist")),
            )
        },
        Refused(&[
            "NAME_UNKNOWN: The repository with name 'labels' does not exist",
            "create `acme/policies/labels` in the registry first",
        ]),
    );
    add(
        "ECR with an immutable tag",
        SMALL,
        |_| {
            at(
                "PUT",
                "/manifests/v1",
                Reply::new(
                    400,
                    errors("TAG_INVALID", "The image tag 'v1' already exists and the repository is immutable."),
                ),
            )
        },
        Refused(&["TAG_INVALID: The image tag 'v1' already exists", "push to a new tag"]),
    );
    add(
        "Quay, 415",
        SMALL,
        |_| {
            at(
                "PUT",
                "/manifests/",
                Reply::new(
                    415,
                    r#"{"errors":[{"code":"MANIFEST_INVALID","detail":{"message":"artifact type is not allowed"},"message":"manifest invalid"}]}"#,
                ),
            )
        },
        Refused(&[
            "415 Unsupported Media Type (MANIFEST_INVALID: manifest invalid: artifact type is not allowed)",
            "ALLOWED_OCI_ARTIFACT_TYPES",
        ]),
    );
    add(
        "Quay, 400",
        SMALL,
        |_| at("PUT", "/manifests/", Reply::new(400, errors("MANIFEST_INVALID", "manifest invalid"))),
        Refused(&["(MANIFEST_INVALID: manifest invalid)", "ALLOWED_OCI_ARTIFACT_TYPES"]),
    );
    add(
        "Harbor over its quota",
        SMALL,
        |_| {
            at(
                "PUT",
                "/manifests/",
                Reply::new(403, errors("DENIED", "adding 1.0 KiB of storage will exceed the configured upper limit")),
            )
        },
        Refused(&["403 Forbidden (DENIED: adding 1.0 KiB of storage", "no tag was moved"]),
    );
    add(
        "Harbor with an immutable tag",
        SMALL,
        |_| at("PUT", "/manifests/v1", Reply::new(412, errors("PRECONDITION", "'labels:v1' configured as immutable"))),
        Refused(&["configured as immutable", "push to a new tag"]),
    );
    add(
        "Harbor without the project",
        SMALL,
        |_| at("POST", "/uploads/", Reply::new(404, errors("NOT_FOUND", "project acme not found"))),
        Refused(&["NOT_FOUND: project acme not found", "in the registry first"]),
    );
    add(
        "Artifactory",
        SMALL,
        |_| at("POST", "/uploads/", Reply::new(403, r#"{"errors":[{"status":403,"message":"no deploy permission"}]}"#)),
        Refused(&["403 Forbidden (no deploy permission)", "lack the permission"]),
    );
    add(
        "a mirror",
        SMALL,
        |_| at("POST", "/uploads/", Reply::new(405, errors("UNSUPPORTED", "The operation is unsupported."))),
        Refused(&["405 Method Not Allowed (UNSUPPORTED: The operation", "may be a mirror"]),
    );
    add(
        "nginx before a registry",
        LARGE,
        |_| {
            let page = "<html><head><title>413 Request Entity Too Large</title></head><body>nginx</body></html>";
            Box::new(move |seen| {
                (seen.body.len() > 1 << 20).then(|| Reply::new(413, page).header("content-type", "text/html").into())
            })
        },
        Refused(&["413 Payload Too Large (413 Request Entity Too Large)", "client_max_body_size", "no tag was moved"]),
    );
    add(
        "a plain 401",
        SMALL,
        |_| at("POST", "/uploads/", Reply::new(401, "who\u{1b}[2J are you?\n")),
        Refused(&["401 Unauthorized (who [2J are you?)", "docker login 127.0.0.1"]),
    );
    add(
        "401 to the login",
        SMALL,
        |_| {
            Box::new(|seen| {
                (seen.path != "/v2/").then(|| {
                    Reply::new(401, errors("UNAUTHORIZED", "account locked"))
                        .header("www-authenticate", "Basic realm=\"x\"")
                        .into()
                })
            })
        },
        Refused(&["rejects the credentials from `auths` of", "(UNAUTHORIZED: account locked)"]),
    );
    add(
        "a firewall",
        SMALL,
        |_| at("PUT", "/uploads/", Reply::new(403, "<h1>Blocked</h1><p>by policy 17")),
        Refused(&["403 Forbidden (Blocked by policy 17)"]),
    );
    add(
        "Docker Hub, too many requests",
        SMALL,
        |_| at("PUT", "/manifests/", Reply::new(429, "toomanyrequests: rate limit\n").header("retry-after", "0")),
        Refused(&["429 Too Many Requests (toomanyrequests: rate limit)", "try again later"]),
    );

    // An account that may write but not read.
    add(
        "write only",
        SMALL,
        |_| at("GET", "/blobs/", Reply::new(403, errors("DENIED", "pull is not allowed"))),
        PushedWith("the pushed policy was not read back: "),
    );
    rows
}

/// Pushes a module to a tag that points to an older one.
fn check((name, size, rule, expected): Row) {
    let fake = FakeRegistry::start();
    let before = fake.add_policy(REPOSITORY, "v1", b"older");
    fake.content().blobs.remove(&(REPOSITORY.to_owned(), digest(b"{}")));
    let module = guests::padded(crate::publish::accepting("labels"), size);
    let config = json!({ "auths": { fake.host(): { "auth": "bWU6c2VjcmV0LW9mLXRoZS10ZXN0" } } });
    let repository = Repository::new()
        .write("p.wasm", &module)
        .write("sources.yaml", fake.sources())
        .write("docker/config.json", config.to_string());
    fake.fails(rule(&fake));
    let to = format!("{}/{REPOSITORY}:v1", fake.host());
    let flags = ["--sources-path", "sources.yaml", "--docker-config-json-path", "docker", "-o", "json"];
    let run = repository.verify(&[&["push", "--force", "p.wasm", &to], &flags[..]].concat()).run().named(name);
    let run = run.never_says("secret-of-the-test").never_says("\u{1b}");
    let seen = fake.take_seen();
    let whole = seen.iter().filter(|seen| seen.is("PUT", "/uploads/") && seen.body.len() == module.len()).count();
    match expected {
        Refused(says) => {
            let run = run.exits_with(5).says(says);
            let document: Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(document["tags"], json!([]), "{name}");
            assert_eq!(fake.tag(REPOSITORY, "v1").as_ref(), Some(&before), "{name}");
        }
        Pushed | PushedWhole | PushedWith(_) => {
            let run = run.exits_with(0);
            let run = if let PushedWith(text) = expected { run.says(&[text]) } else { run };
            assert_eq!(whole > 0, matches!(expected, PushedWhole), "{name}: {whole} whole uploads");
            let document: Value = serde_json::from_str(&run.stdout).unwrap();
            assert_eq!(document["digest"], json!(fake.tag(REPOSITORY, "v1")), "{name}");
            assert_ne!(fake.tag(REPOSITORY, "v1").as_ref(), Some(&before), "{name}");
            assert!(fake.blob(REPOSITORY, &digest(&module)).unwrap() == module, "{name}: stored another module");
        }
    }
    // Nothing is tagged before it was read back.
    let tagged = seen.iter().position(|seen| seen.is("PUT", "/manifests/v1"));
    let read = seen.iter().position(|seen| seen.is("GET", &digest(&module)));
    assert!(tagged.is_none_or(|tagged| read.unwrap() < tagged), "{name}");
}

#[test]
fn a_tag_moves_to_what_the_registry_gives_back() {
    let rows = std::sync::Mutex::new(rows());
    assert!(rows.lock().unwrap().len() > 50);
    // They wait most of the time.
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                loop {
                    let Some(row) = rows.lock().unwrap().pop() else { return };
                    check(row);
                }
            });
        }
    });
}
