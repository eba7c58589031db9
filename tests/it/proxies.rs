//! Proxies of the environment: which hosts go through them, and what is said of one that does not work.

use std::net::TcpListener;

use crate::fetching::accepting;
use crate::support::proxy::Proxy;
use crate::support::registry::FakeRegistry;
use crate::support::tls::Authority;
use crate::support::{Repository, Verify};

/// An address where nothing listens.
fn nowhere() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

/// Pulls from a registry by plain HTTP, with these variables.
fn pull(repository: &Repository, fake: &FakeRegistry) -> Verify {
    let uri = format!("{}/acme/p:v1", fake.host());
    repository.verify(&["pull", &uri, "-o", "pulled.wasm", "--sources-path", "sources.yaml"])
}

fn registry() -> (FakeRegistry, Repository) {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", &accepting("p"));
    let repository = Repository::new().write("sources.yaml", fake.sources());
    (fake, repository)
}

#[test]
fn exceptions_go_around_the_proxy() {
    let (fake, repository) = registry();
    let proxy = Proxy::start(&[], None);
    let port = fake.host().rsplit_once(':').unwrap().1.to_owned();
    let through = |name: &str, no_proxy: &str| {
        let before = proxy.seen().len();
        let verify = pull(&repository, &fake).env("HTTP_PROXY", proxy.url()).env("HTTPS_PROXY", proxy.url());
        let run = verify.env(name, no_proxy).run();
        let is_direct = proxy.seen().len() == before;
        run.exits_with(if is_direct { 0 } else { 3 });
        !is_direct
    };
    let own = format!("127.0.0.1:{port}");
    for no_proxy in ["*", "127.0.0.1", &own, "127.0.0.0/8", "a.test, *", " , 127.0.0.1"] {
        for name in ["NO_PROXY", "no_proxy"] {
            assert!(!through(name, no_proxy), "{name}={no_proxy}");
        }
    }
    let neighbour = format!("127.0.0.1:{}", port.parse::<u16>().unwrap() ^ 1);
    for no_proxy in ["", "localhost", &neighbour, "10.0.0.0/8", "127.0.0.1.test"] {
        assert!(through("NO_PROXY", no_proxy), "{no_proxy}");
    }
}

#[test]
fn all_proxy_is_for_everything_without_a_proxy_of_its_own() {
    let authority = Authority::new();
    let fake = FakeRegistry::start_with_tls(authority.server(&["registry.acme.test"]));
    fake.add_policy("acme/p", "v1", &accepting("p"));
    let proxy = Proxy::start(&[("registry.acme.test:443", &fake.host())], None);
    let repository = Repository::new().write("authority.pem", &authority.pem);
    let pull = |variables: &[(&str, &str)], code: i32| {
        let verify = repository.verify(&["pull", "registry.acme.test/acme/p:v1", "-o", "pulled.wasm"]);
        let verify = verify.env("SSL_CERT_FILE", repository.path("authority.pem"));
        variables.iter().fold(verify, |verify, (name, value)| verify.env(name, value)).run().exits_with(code)
    };
    let (url, host) = (proxy.url(), proxy.host());
    pull(&[("ALL_PROXY", &url)], 0);
    pull(&[("all_proxy", &host)], 0);
    assert_eq!(proxy.hosts(), ["registry.acme.test:443".to_owned()].into());
    let nowhere = nowhere();
    let run = pull(&[("ALL_PROXY", &url), ("https_proxy", &nowhere)], 3);
    run.says(&[&format!("through the proxy `{nowhere}` (HTTPS_PROXY)")]);
    let run = pull(&[("ALL_PROXY", "socks5://me:hunter2@127.0.0.1:1080")], 3).never_says("hunter2");
    run.says(&["unsupported scheme `socks5` of the proxy `127.0.0.1:1080` (ALL_PROXY)", "NO_PROXY"]);
    pull(&[("ALL_PROXY", &url), ("NO_PROXY", "*")], 3).says(&["cannot connect to `registry.acme.test`"]);
}

#[test]
fn a_proxy_that_does_not_work_is_named_without_its_password() {
    let (fake, repository) = registry();
    let nowhere = nowhere();
    let dead = format!("http://me:hunter2-secret@{nowhere}");
    for (name, shown) in [("HTTP_PROXY", "HTTP_PROXY"), ("http_proxy", "HTTP_PROXY"), ("ALL_PROXY", "ALL_PROXY")] {
        let run = pull(&repository, &fake).env("HTTPS_PROXY", &dead).env(name, &dead).run().exits_with(3);
        let run = run.says(&[
            &format!("cannot connect to `{}` through the proxy `{nowhere}` ({shown}): ", fake.host()),
            "refused",
            &format!("add `{}` to NO_PROXY", fake.host()),
        ]);
        run.never_says("hunter2");
    }
    // By plain HTTP, it answers instead of the registry.
    let proxy = Proxy::start(&[], None);
    let run = pull(&repository, &fake).env("HTTP_PROXY", proxy.url()).run().exits_with(3);
    run.says(&[&format!("returned 502 Bad Gateway through the proxy `{}` (HTTP_PROXY)", proxy.host()), "to NO_PROXY"]);
    let proxy = Proxy::start(&[], Some("Basic eDp5"));
    let url = format!("http://me:hunter2-secret@{}", proxy.host());
    let run = pull(&repository, &fake).env("HTTP_PROXY", url).run().exits_with(3).never_says("hunter2");
    run.says(&["407 Proxy Authentication Required through the proxy `", "into HTTP_PROXY: http://USER:PASSWORD@PROXY"]);
    // One that refuses, and one that wants a login.
    let uri = ["pull", "registry.acme.test/acme/p:v1", "-o", "pulled.wasm"];
    let proxy = Proxy::start(&[], None);
    let run = repository.verify(&uri).env("HTTPS_PROXY", proxy.url()).run().exits_with(3);
    run.says(&[&format!(
        "cannot connect to `registry.acme.test` through the proxy `{}` (HTTPS_PROXY): ",
        proxy.host()
    )]);
    let proxy = Proxy::start(&[], Some("Basic eDp5"));
    let url = format!("http://me:hunter2-secret@{}", proxy.host());
    let run = repository.verify(&uri).env("HTTPS_PROXY", url).run().exits_with(3).never_says("hunter2");
    run.says(&[&proxy.host(), "write the login of the proxy into HTTPS_PROXY: http://USER:PASSWORD@PROXY:PORT"]);
    // An address that is none is no mistake of the sources file.
    let run = pull(&repository, &fake).env("HTTP_PROXY", "http://me:hunter2@[").run().exits_with(2);
    run.says(&["invalid address in `HTTP_PROXY`"]).never_says("hunter2").never_says("sources file");
}
