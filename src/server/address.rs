//! The address of a policy-server, as the command line names it.

use std::path::Path;

use policy_verify_files::bounded;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use reqwest::{Certificate, Url};

/// Largest file with certificates.
const MAX_CERTIFICATES: u64 = 1024 * 1024;

/// The address of a policy-server, and who signs its certificate.
#[derive(Debug)]
pub(crate) struct ServerAddress {
    /// `http://HOST:PORT`, perhaps with the beginning of a path; ends in `/`.
    pub(crate) base: Url,
    /// Authorities in addition to those of the system.
    pub(crate) authorities: Vec<Certificate>,
}

impl ServerAddress {
    /// Reads the address and the certificates.
    ///
    /// # Errors
    ///
    /// What is wrong with the flags.
    pub(crate) fn read(text: &str, authorities: Option<&Path>) -> Result<Self, Diagnostic> {
        let mut base = Url::parse(text).map_err(|error| invalid(text, &error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") || base.host_str().is_none() {
            return Err(invalid(text, "it needs http:// or https://, and a host"));
        }
        if !base.username().is_empty() || base.password().is_some() || base.query().is_some() {
            // Not repeated: a password would be in the log.
            let problem = Diagnostic::new(Code::Usage, "invalid address of --against: it has a user or a query");
            return Err(problem.with_help("write `--against http://HOST:PORT`".to_owned()));
        }
        base.set_fragment(None);
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        Ok(Self { base, authorities: authorities.map(certificates).transpose()?.unwrap_or_default() })
    }
}

fn invalid(text: &str, reason: &str) -> Diagnostic {
    Diagnostic::new(Code::Usage, format!("invalid address `{text}` of --against: {reason}"))
        .with_help("write `--against http://HOST:PORT`".to_owned())
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, Diagnostic> {
    let refuse = |reason: String| {
        Diagnostic::new(Code::Usage, format!("cannot read certificates from `{}`: {reason}", path.display()))
            .with_help("name a PEM file with `--against-ca FILE`".to_owned())
    };
    let pem = bounded::read(path, MAX_CERTIFICATES).map_err(|error| refuse(error.to_string()))?;
    let found = Certificate::from_pem_bundle(&pem).map_err(|error| refuse(error.to_string()))?;
    if found.is_empty() { Err(refuse("no certificate in the file".into())) } else { Ok(found) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_checked() {
        let read = |text: &str| ServerAddress::read(text, None).map(|address| address.base.to_string());
        assert_eq!(read("http://127.0.0.1:3000"), Ok("http://127.0.0.1:3000/".into()));
        assert_eq!(read("https://a.test/kw#x"), Ok("https://a.test/kw/".into()));
        for text in ["127.0.0.1:3000", "localhost:3000", "ftp://a.test", "http://", ""] {
            assert!(read(text).unwrap_err().message.contains("invalid address"), "{text}");
        }
        let problem = read("http://me:hunter2@a.test").unwrap_err();
        assert!(!format!("{problem:?}").contains("hunter2"));
    }

    #[test]
    fn a_file_without_certificates_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ca.pem");
        for content in ["", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
            std::fs::write(&path, content).unwrap();
            let result = ServerAddress::read("https://a.test", Some(&path));
            // What a certificate says is looked at when the client is made.
            assert!(result.is_err() || !content.is_empty(), "{content:?}");
        }
        assert!(ServerAddress::read("https://a.test", Some(&folder.path().join("missing"))).is_err());
    }
}
