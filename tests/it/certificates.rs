//! Certificates that are refused, each with its own words and remedy, and the variables that name what is trusted.

use rcgen::{BasicConstraints, IsCa, KeyPair, date_time_ymd};

use crate::fetching::accepting;
use crate::support::registry::FakeRegistry;
use crate::support::tls::{Authority, parameters, server};
use crate::support::{Finished, Repository};

const NAMES: [&str; 1] = ["127.0.0.1"];

/// A registry by TLS that has a policy.
fn registry(config: tokio_rustls::rustls::ServerConfig) -> FakeRegistry {
    let fake = FakeRegistry::start_with_tls(config);
    fake.add_policy("acme/p", "v1", &accepting("p"));
    fake
}

/// Pulls the policy with this variable.
fn pull(fake: &FakeRegistry, repository: &Repository, variables: &[(&str, &str)]) -> Finished {
    let uri = format!("{}/acme/p:v1", fake.host());
    let verify = repository.verify(&["pull", &uri, "-o", "pulled.wasm"]);
    variables.iter().fold(verify, |verify, (name, path)| verify.env(name, repository.path(path))).run()
}

fn repository(authority: &Authority) -> Repository {
    Repository::new()
        .write("authority.pem", &authority.pem)
        .write("folder/authority.pem", &authority.pem)
        .write("empty/keep.txt", "no certificate")
        .write("text.pem", "no certificate")
        .write("empty.pem", "")
}

#[test]
fn variables_name_what_is_trusted() {
    let authority = Authority::new();
    let fake = registry(authority.server(&NAMES));
    let repository = repository(&authority);
    pull(&fake, &repository, &[("SSL_CERT_FILE", "authority.pem")]).exits_with(0);
    pull(&fake, &repository, &[("SSL_CERT_DIR", "folder")]).exits_with(0);
    pull(&fake, &repository, &[("SSL_CERT_FILE", "authority.pem"), ("SSL_CERT_DIR", "folder")]).exits_with(0);
    for (variable, path, says) in [
        ("SSL_CERT_FILE", "gone.pem", "gone.pem`, which SSL_CERT_FILE names: No such file"),
        (
            "SSL_CERT_FILE",
            "text.pem",
            "no certificate in PEM format in `[repository]/text.pem`, which SSL_CERT_FILE names",
        ),
        ("SSL_CERT_FILE", "empty.pem", "no certificate in PEM format in `[repository]/empty.pem`"),
        ("SSL_CERT_FILE", "folder", "cannot read `[repository]/folder`, which SSL_CERT_FILE names"),
        ("SSL_CERT_DIR", "gone", "gone`, which SSL_CERT_DIR names: No such file"),
        ("SSL_CERT_DIR", "empty", "no certificate in PEM format in `[repository]/empty`, which SSL_CERT_DIR names"),
    ] {
        pull(&fake, &repository, &[(variable, path)]).exits_with(3).says(&[says, "unset"]);
    }
    let verify = repository.verify(&["pull", &format!("{}/acme/p:v1", fake.host()), "-o", "pulled.wasm"]);
    verify.env("SSL_CERT_FILE", "").run().exits_with(3).says(&["SSL_CERT_FILE is empty", "unset"]);
    // Plain HTTP needs no certificates.
    let plain = FakeRegistry::start();
    plain.add_policy("acme/p", "v1", &accepting("p"));
    let repository = repository.write("sources.yaml", plain.sources());
    let uri = format!("{}/acme/p:v1", plain.host());
    let verify = repository.verify(&["pull", &uri, "-o", "pulled.wasm", "--sources-path", "sources.yaml"]);
    verify.env("SSL_CERT_FILE", "gone.pem").run().exits_with(0);
}

#[test]
fn every_refused_certificate_has_its_own_words() {
    let authority = Authority::new();
    let repository = repository(&authority);
    let trusted = [("SSL_CERT_FILE", "authority.pem")];
    let signed = |change: fn(&mut rcgen::CertificateParams)| {
        let mut parameters = parameters(&NAMES);
        change(&mut parameters);
        let (certificate, key) = authority.certificate_of(parameters);
        registry(server(&certificate, &key))
    };
    let check = |fake: &FakeRegistry, says: &[&str]| {
        let invalid = format!("invalid certificate of `{}`: ", fake.host());
        pull(fake, &repository, &trusted).exits_with(3).says(&[&invalid]).says(says);
    };
    let fake = signed(|it| (it.not_before, it.not_after) = (date_time_ymd(2020, 1, 1), date_time_ymd(2021, 2, 3)));
    check(&fake, &["expired on 2021-02-03", "ask the owner of the server for a new certificate"]);
    let fake = signed(|it| (it.not_before, it.not_after) = (date_time_ymd(2090, 1, 1), date_time_ymd(2091, 1, 1)));
    check(&fake, &["not valid before 2090-01-01", "check the clock of this machine"]);
    let fake = registry(authority.server(&["registry.acme.test", "other.acme.test"]));
    check(&fake, &["it is for other names: `registry.acme.test`, `other.acme.test`", "use a name of the certificate"]);
    let fake = registry(Authority::new().server(&NAMES));
    check(&fake, &["unknown issuer, not in SSL_CERT_FILE `[repository]/authority.pem`", "source_authorities"]);
    // Without the variable, the system is trusted.
    let run = pull(&fake, &repository, &[]).exits_with(3);
    run.says(&["unknown issuer", "set SSL_CERT_FILE to a PEM file"]).never_says("not in SSL_CERT_FILE");
}

#[test]
fn a_certificate_that_signs_itself_is_trusted_where_it_is_named() {
    for (is_ca, code) in [(IsCa::NoCa, 0), (IsCa::Ca(BasicConstraints::Unconstrained), 3)] {
        let mut parameters = parameters(&NAMES);
        parameters.is_ca = is_ca;
        let key = KeyPair::generate().unwrap();
        let certificate = parameters.self_signed(&key).unwrap();
        let fake = registry(server(&certificate, &key));
        let repository = Repository::new().write("own.pem", certificate.pem());
        let run = pull(&fake, &repository, &[("SSL_CERT_FILE", "own.pem")]).exits_with(code);
        if code != 0 {
            run.says(&["that of an authority, which a server cannot use", "CA:FALSE", "insecure_sources"]);
        }
        pull(&fake, &repository, &[]).exits_with(3).says(&["invalid certificate of `"]);
    }
}
