//! References to registries: every part that is invalid is named, with what to write, by every command alike.

use std::net::TcpListener;

use crate::fetching::{accepting, suite};
use crate::publish::accepting as with_settings;
use crate::support::program::skip;
use crate::support::registry::{FakeRegistry, Reply};
use crate::support::{POD, Repository, guests};

#[test]
fn the_wrong_part_is_named_by_every_command() {
    let repository = Repository::new().write("p.wasm", accepting("p"));
    for (reference, says, help) in [
        ("ghcr.io/Acme/p:v1", "upper-case letter `A` in the repository `Acme/p`", "write `ghcr.io/acme/p:v1`"),
        (
            "ghcr.io/acme/p:v1+build.1",
            "`+` is not allowed in the tag `v1+build.1`",
            "write `ghcr.io/acme/p:v1_build.1`",
        ),
        ("ghcr.io/acme/p@sha256:abc", "invalid digest `sha256:abc`", "copy the whole digest"),
        ("ghcr.io/acme//p:v1", "an empty part in the repository `acme//p`", "write `ghcr.io/acme/p:v1`"),
        ("ghcr.io/:v1", "no repository", "registry://HOST/REPOSITORY:TAG"),
        ("ghcr.io:x/p:v1", "invalid port `x`", "write a number"),
        ("::1:5000/p:v1", "invalid host `::1:5000`", "`[::1]:5000`"),
    ] {
        let commands = [&["push", "--force", "p.wasm", reference][..], &["digest", reference], &["pull", reference]];
        for command in commands {
            let run = repository.verify(command).run().reports_nothing().named(reference).says(&[says]);
            match command[0] {
                // What a pull names has a scheme, given or not.
                "pull" => run.exits_with(3).says(&[&help.replace("write `ghcr", "write `registry://ghcr")]),
                _ => run.exits_with(2).says(&[help]),
            };
        }
        let in_suite = Repository::with_suite(&suite(&[("p", &format!("registry://{reference}"))]));
        let help = help.replace("write `ghcr", "write `registry://ghcr");
        in_suite.verify(&[]).run().exits_with(2).named(reference).says(&[says, &help]);
    }
    let long = format!("ghcr.io/p:{}", "a".repeat(129));
    repository.verify(&["digest", &long]).run().exits_with(2).says(&["more than 128 characters in the tag"]);
    let run = repository.verify(&["digest", "https://ghcr.io/acme/p:v1"]).run().exits_with(2);
    run.says(&["unsupported scheme `https://`", "write `registry://ghcr.io/acme/p:v1`"]);
    let run = repository.verify(&["digest", "me:hunter2@ghcr.io/p"]).run().exits_with(2).never_says("hunter2");
    run.says(&["a user or a password", "docker login"]);
}

#[test]
fn a_repository_to_publish_to_is_checked_by_part() {
    let publish = |entry: &str| {
        let text = format!(
            "version: 1\npolicies: {{ p: {{ uri: p.wasm }} }}\ncases:\n  - {{ name: a, object: {POD}, expect: allow }}\n\
             publish:\n  - {entry}\n"
        );
        Repository::with_suite(&text).write("p.wasm", accepting("p")).verify(&[]).run().exits_with(2)
    };
    let run = publish("{ to: ghcr.io/Acme/p, tags: [v1] }");
    run.says(&["invalid name of a repository `Acme/p`: upper-case letter `A`", "write `ghcr.io/acme/p`"]);
    let run = publish("{ to: ghcr.io/acme/p, tags: ['v1+build.1'] }");
    run.says(&["invalid tag `v1+build.1`: `+` is not allowed", "write `v1_build.1`"]);
    let repository = Repository::new().write("p.wasm", accepting("p"));
    let push = ["push", "--force", "p.wasm", "ghcr.io/acme/p:v1", "--tag", "v1+1"];
    repository.verify(&push).run().exits_with(2).says(&["invalid tag `v1+1`", "write `v1_1`"]);
}

/// A registry with an IPv6 address, or nothing where the machine has none.
#[test]
fn a_host_may_be_an_ipv6_address() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return skip("[::1]", "no such address") };
    let fake = FakeRegistry::start_on(listener);
    let host = fake.host();
    assert!(host.starts_with("[::1]:"), "{host}");
    let text = format!(
        "version: 1\npolicies: {{ p: {{ uri: p.wasm, metadata: metadata.yml }} }}\ncases:\n  - {{ name: a, object: {POD}, \
         expect: allow }}\npublish:\n  - {{ to: '{host}/acme/published', tags: [v1] }}\n"
    );
    let repository = Repository::with_suite(&text)
        .write("p.wasm", guests::annotated(with_settings("p")))
        .write("metadata.yml", crate::publish::METADATA)
        .write("docker/config.json", format!(r#"{{"auths":{{"{host}":{{"auth":"bWU6cGFzc3dvcmQ="}}}}}}"#))
        .write("sources.yaml", fake.sources());
    let flags = ["--sources-path", "sources.yaml", "--docker-config-json-path", "docker"];
    let verify = |arguments: &[&str]| repository.verify(&[arguments, &flags].concat()).run().exits_with(0);
    fake.fails(|seen| {
        let is_known = seen.header("authorization") == Some("Basic bWU6cGFzc3dvcmQ=");
        (!is_known).then(|| Reply::new(401, "").header("www-authenticate", "Basic realm=\"x\"").into())
    });
    let to = format!("{host}/acme/p:v1");
    let pushed = verify(&["push", "p.wasm", &to]).stdout.trim().to_owned();
    assert!(pushed.starts_with(&format!("{host}/acme/p@sha256:")), "{pushed}");
    verify(&["digest", &to]).says(&[&format!("{to}@sha256:")]);
    verify(&["pull", &pushed, "-o", "pulled.wasm"]);
    verify(&["suite.yml", "--push"]).says(&["Policy successfully pushed"]);
    let repository = repository.write("pulled.suite.yml", suite(&[("p", &format!("registry://{to}"))]));
    for more in [&[][..], &["--offline"]] {
        let run = repository.verify(&[&["pulled.suite.yml"], &flags[..], more].concat()).run().exits_with(0);
        run.says(&["1 passed"]);
    }
}
