//! Certificates by an authority that nobody but the test trusts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use rustls_pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::aws_lc_rs;

/// Two authorities of one name would be taken for each other.
static NUMBER: AtomicUsize = AtomicUsize::new(0);

/// An authority of its own.
pub(crate) struct Authority {
    /// Its certificate.
    pub(crate) pem: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        params.distinguished_name.push(DnType::CommonName, format!("Authority {number}"));
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let pem = params.self_signed(&key).unwrap().pem();
        Self { pem, issuer: Issuer::new(params, key) }
    }

    /// A certificate for these names, and its key.
    pub(crate) fn certificate(&self, names: &[&str]) -> (rcgen::Certificate, KeyPair) {
        self.certificate_of(parameters(names))
    }

    /// A certificate with these parameters, and its key.
    pub(crate) fn certificate_of(&self, parameters: CertificateParams) -> (rcgen::Certificate, KeyPair) {
        let key = KeyPair::generate().unwrap();
        (parameters.signed_by(&key, &self.issuer).unwrap(), key)
    }

    /// What a server of these names needs.
    pub(crate) fn server(&self, names: &[&str]) -> ServerConfig {
        let (certificate, key) = self.certificate(names);
        server(&certificate, &key)
    }

    /// The lines of `sources.yaml` that make the authority trusted for these hosts.
    pub(crate) fn trusted_for(&self, hosts: &[&str]) -> String {
        let indented = self.pem.replace('\n', "\n        ");
        let entry = |host: &&str| format!("  \"{host}\":\n    - type: Data\n      data: |\n        {indented}\n");
        format!("source_authorities:\n{}", hosts.iter().map(entry).collect::<String>())
    }
}

/// The parameters of a certificate for these names.
pub(crate) fn parameters(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}

/// What a server with this certificate needs.
pub(crate) fn server(certificate: &rcgen::Certificate, key: &KeyPair) -> ServerConfig {
    let builder = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    builder.with_single_cert(vec![certificate.der().clone()], key.into()).unwrap()
}
