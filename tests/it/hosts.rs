//! `--allow-hosts`: which hosts suites reach, and that those of strangers reach nothing in the network of the runner.

use crate::fetching::{accepting, suite};
use crate::support::proxy::Proxy;
use crate::support::registry::{FakeRegistry, Reply};
use crate::support::{Repository, Verify};

/// The document of the event of a pull request from this repository.
fn event(from: &str) -> String {
    format!(
        r#"{{"repository":{{"full_name":"acme/p"}},"pull_request":{{"head":{{"repo":{{"full_name":"{from}"}}}}}}}}"#
    )
}

/// A registry with a policy, and a repository whose suite names it by this host.
fn registry(host: impl Fn(&str) -> String) -> (FakeRegistry, Repository) {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", &accepting("p"));
    let port = fake.host().rsplit_once(':').unwrap().1.to_owned();
    let host = host(&port);
    let sources = format!("insecure_sources: [\"{host}\", \"{}\"]\n", fake.host());
    let repository = Repository::with_suite(&suite(&[("p", &format!("registry://{host}/acme/p:v1"))]))
        .write(".git/home/.config/kubewarden/sources.yaml", sources)
        .write("fork.json", event("evil/p"))
        .write("own.json", event("acme/p"));
    (fake, repository)
}

/// As a job for a pull request, from a fork or not.
fn of_pull_request(repository: &Repository, document: &str, arguments: &[&str]) -> Verify {
    let verify = repository.verify(arguments).on_github().env("GITHUB_EVENT_NAME", "pull_request");
    verify.env("GITHUB_EVENT_PATH", document)
}

#[test]
fn suites_of_forks_reach_no_private_address_that_is_not_listed() {
    type Host = fn(&str) -> String;
    let hosts: [(Host, &str); 2] = [
        (|port| format!("127.0.0.1:{port}"), "`127.0.0.1` is the private address 127.0.0.1"),
        (|port| format!("localhost:{port}"), "`localhost` leads to the private address"),
    ];
    for (host, says) in hosts {
        let (fake, repository) = registry(host);
        let run = of_pull_request(&repository, "fork.json", &[]).run();
        run.exits_with(3).says(&[says, "the pull request of the fork `evil/p`", "--allow-hosts"]);
        assert!(fake.seen().is_empty(), "{:?}", fake.seen());
        of_pull_request(&repository, "own.json", &[]).run().exits_with(0);
        assert!(!fake.take_seen().is_empty());
        for allowed in ["127.0.0.0/8,::1", &host(fake.host().rsplit_once(':').unwrap().1)] {
            let run = of_pull_request(&repository, "fork.json", &["--update", "--allow-hosts", allowed]).run();
            run.exits_with(0);
            assert!(!fake.take_seen().is_empty(), "{allowed}");
        }
    }
}

#[test]
fn a_run_that_names_hosts_reaches_no_other() {
    let (fake, repository) = registry(|port| format!("127.0.0.1:{port}"));
    for allowed in ["ghcr.io", "none", "10.0.0.0/8", "127.0.0.1:1"] {
        let run = repository.verify(&["--allow-hosts", allowed]).run().exits_with(3);
        run.says(&["the host `127.0.0.1` is not among the hosts that this run allows", "--allow-hosts 127.0.0.1"]);
        assert!(fake.seen().is_empty(), "{:?}", fake.seen());
    }
    for allowed in
        [&["--allow-hosts=ghcr.io,127.0.0.1"][..], &["--allow-hosts", "ghcr.io", "--allow-hosts", "127.0.0.1"]]
    {
        repository.verify(allowed).run().exits_with(0);
    }
    repository.verify(&["--update"]).env("VERIFY_ALLOW_HOSTS", "none").run().exits_with(3);
    repository.verify(&[]).run().exits_with(0);
    for wrong in ["", "*", "https://ghcr.io", "none,ghcr.io"] {
        repository.verify(&["--allow-hosts", wrong]).run().exits_with(2).reports_nothing().says(&["host"]);
    }
    // What comes from no network is not concerned.
    Repository::passing().verify(&["--allow-hosts=none"]).run().exits_with(0);
}

#[test]
fn no_redirect_and_no_realm_leads_elsewhere() {
    let inside = FakeRegistry::start();
    let address = inside.host();
    let replies = [
        Reply::new(307, "").header("location", format!("http://{address}/latest/meta-data")),
        Reply::new(401, "")
            .header("www-authenticate", format!("Bearer realm=\"http://{address}/token\",service=\"s\"")),
    ];
    for reply in replies {
        let (fake, repository) = registry(|port| format!("127.0.0.1:{port}"));
        fake.rule(move |_| reply.clone().into());
        let sources = format!("insecure_sources: [\"{}\", \"{}\"]\n", fake.host(), inside.host());
        let repository = repository.write(".git/home/.config/kubewarden/sources.yaml", sources);
        // Without a list everything is as the servers say.
        repository.verify(&[]).run().exits_with(3);
        assert!(!inside.take_seen().is_empty());
        let run = of_pull_request(&repository, "fork.json", &["--allow-hosts", &fake.host()]).run().exits_with(3);
        run.says(&["the host `127.0.0.1` is not among the hosts that this run allows"]);
        assert!(inside.seen().is_empty(), "{:?}", inside.seen());
    }
}

#[test]
fn proxies_of_the_runner_reach_nothing_private_for_strangers() {
    let (fake, repository) = registry(|port| format!("localhost:{port}"));
    let proxy = Proxy::start(&[], None);
    let through = |arguments: &[&str]| {
        of_pull_request(&repository, "fork.json", arguments)
            .env("HTTP_PROXY", proxy.url())
            .env("HTTPS_PROXY", proxy.url())
    };
    through(&[]).run().exits_with(3).says(&["`localhost` leads to the private address"]);
    assert_eq!((proxy.seen().len(), fake.seen().len()), (0, 0));
    // The proxy itself is at a private address, and is asked all the same.
    through(&["--allow-hosts=localhost"]).run().exits_with(3);
    assert!(!proxy.seen().is_empty());
}

#[test]
fn strangers_see_no_text_of_a_server_in_the_network_of_the_runner() {
    let (fake, repository) = registry(|port| format!("127.0.0.1:{port}"));
    for body in ["the password is hunter2", r#"{"errors":[{"code":"X","message":"the password is hunter2"}]}"#] {
        for status in [400, 403, 404, 500] {
            fake.rule(move |_| Reply::new(status, body).into());
            let fork = &["--allow-hosts", "127.0.0.1", "--fetch-timeout", "2s", "--report=json=r.json"];
            let run = of_pull_request(&repository, "fork.json", fork).run().exits_with(3).never_says("hunter2");
            run.says(&[&format!("returned {status}")]);
            assert!(!repository.read("r.json").contains("hunter2"));
            let own = of_pull_request(&repository, "own.json", fork).run().exits_with(3);
            own.says(&["the password is hunter2"]);
        }
    }
}
