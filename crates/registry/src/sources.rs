//! `sources.yaml` of kwctl: insecure hosts, certificate authorities and proxies.
//!
//! Hosts are compared literally with `host[:port]`, and proxies of the environment take precedence, as in kwctl.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use policy_verify_files::bounded;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use reqwest::Certificate;
use serde::Deserialize;

use super::proxy::{InvalidProxy, Proxies, ProxySettings};

/// Far larger than any real file.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// How hosts are reached.
#[derive(Debug, Default)]
pub(super) struct Sources {
    insecure: BTreeSet<String>,
    authorities: BTreeMap<String, Vec<Certificate>>,
    proxies: Proxies,
}

/// The format of the file.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SourcesFile {
    insecure_sources: BTreeSet<String>,
    source_authorities: BTreeMap<String, Vec<Authority>>,
    proxies: ProxySettings,
}

/// A certificate to trust: PEM (one or several) or DER.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Authority {
    Path { path: PathBuf },
    Data { data: String },
}

impl Sources {
    /// Reads the given file, else `sources.yaml` in Kubewarden's configuration folder, if it exists.
    pub(super) fn read(given: Option<&Path>) -> Result<Self, Diagnostic> {
        let path = match given {
            Some(path) => path.to_path_buf(),
            None => match default_path().filter(|path| path.is_file()) {
                Some(path) => path,
                None => {
                    return Self::from_file(SourcesFile::default(), &ProxySettings::from_environment())
                        .map_err(invalid);
                }
            },
        };
        let named = |error: SourcesError| match error {
            SourcesError::Read(error) => format!("cannot read the sources file `{}`: {error}", path.display()),
            SourcesError::Proxy(error) if error.is_variable() => error.to_string(),
            error => format!("invalid sources file `{}`: {error}", path.display()),
        };
        let sources = bounded::read(&path, MAX_BYTES).map_err(SourcesError::Read).and_then(|bytes| {
            let text = String::from_utf8(bytes).map_err(|_| SourcesError::NotUtf8)?;
            Self::from_file(Self::parse(&text)?, &ProxySettings::from_environment())
        });
        sources.map_err(|error| invalid(named(error)))
    }

    fn parse(text: &str) -> Result<SourcesFile, SourcesError> {
        if text.trim().is_empty() {
            return Ok(SourcesFile::default());
        }
        serde_saphyr::from_str(text).map_err(|error| {
            let text = error.to_string();
            SourcesError::Yaml(text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned())
        })
    }

    fn from_file(file: SourcesFile, environment: &ProxySettings) -> Result<Self, SourcesError> {
        let mut authorities = BTreeMap::new();
        for (host, listed) in file.source_authorities {
            let mut certificates = Vec::new();
            for authority in listed {
                let error = |cause| SourcesError::Authority { host: host.clone(), cause };
                certificates.extend(authority.certificates().map_err(error)?);
            }
            authorities.insert(host, certificates);
        }
        let proxies = file.proxies.resolve(environment)?;
        Ok(Self { insecure: file.insecure_sources, authorities, proxies })
    }

    /// Whether the host (`host[:port]`) is listed as insecure.
    pub(super) fn is_insecure(&self, host: &str) -> bool {
        self.insecure.contains(host)
    }

    /// Certificates to trust for a host, besides the system's.
    pub(super) fn authorities(&self, host: &str) -> &[Certificate] {
        self.authorities.get(host).map_or(&[], Vec::as_slice)
    }

    /// The proxies to use.
    pub(super) fn proxies(&self) -> &Proxies {
        &self.proxies
    }
}

impl Authority {
    fn certificates(&self) -> Result<Vec<Certificate>, CertificateError> {
        match self {
            Self::Data { data } => certificates(data.as_bytes()).ok_or(CertificateError::InvalidData),
            Self::Path { path } => {
                let bytes = bounded::read(path, MAX_BYTES)
                    .map_err(|error| CertificateError::Read { path: path.clone(), error })?;
                certificates(&bytes).ok_or_else(|| CertificateError::InvalidFile(path.clone()))
            }
        }
    }
}

/// The certificates of a PEM or DER file, unless there are none.
fn certificates(bytes: &[u8]) -> Option<Vec<Certificate>> {
    const PEM: &[u8] = b"-----BEGIN";
    let parsed = if bytes.windows(PEM.len()).any(|window| window == PEM) {
        Certificate::from_pem_bundle(bytes)
    } else {
        Certificate::from_der(bytes).map(|certificate| vec![certificate])
    };
    let certificates = parsed.unwrap_or_default();
    // Parsing does not check the content; building a client does.
    let is_usable = || reqwest::Client::builder().tls_certs_only(certificates.clone()).build().is_ok();
    (!certificates.is_empty() && is_usable()).then_some(certificates)
}

/// `sources.yaml` in Kubewarden's configuration folder.
fn default_path() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("io", "kubewarden", "kubewarden")?;
    Some(folders.config_dir().join("sources.yaml"))
}

/// The same for messages, relative to `~` where possible.
pub(super) fn default_file() -> String {
    let Some(path) = default_path() else { return "sources.yaml".into() };
    let home = directories::BaseDirs::new().map(|folders| folders.home_dir().to_owned());
    match home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
        Some(path) => Path::new("~").join(path).display().to_string(),
        None => path.display().to_string(),
    }
}

/// Why a sources file is invalid.
#[derive(Debug, thiserror::Error)]
enum SourcesError {
    #[error("{0}")]
    Read(std::io::Error),
    #[error("not UTF-8")]
    NotUtf8,
    /// The first line of the parser's message.
    #[error("{0}")]
    Yaml(String),
    #[error("authority of `{host}`: {cause}")]
    Authority { host: String, cause: CertificateError },
    #[error(transparent)]
    Proxy(#[from] InvalidProxy),
}

/// Why a certificate authority is invalid.
#[derive(Debug, thiserror::Error)]
enum CertificateError {
    #[error("cannot read `{}`: {error}", path.display())]
    Read { path: PathBuf, error: std::io::Error },
    #[error("no certificate in PEM or DER format in `{}`", .0.display())]
    InvalidFile(PathBuf),
    #[error("no certificate in PEM or DER format in `data`")]
    InvalidData,
}

fn invalid(message: impl ToString) -> Diagnostic {
    Diagnostic::new(Code::Sources, message.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Result<Sources, SourcesError> {
        Sources::from_file(Sources::parse(text)?, &ProxySettings::default())
    }

    fn pem() -> String {
        rcgen::generate_simple_self_signed(["registry.test".to_owned()]).unwrap().cert.pem()
    }

    #[test]
    fn hosts_are_compared_literally() {
        let sources = sources("insecure_sources: ['localhost:5005', plain.test]").unwrap();
        assert!(sources.is_insecure("localhost:5005") && sources.is_insecure("plain.test"));
        assert!(!sources.is_insecure("localhost") && !sources.is_insecure("plain.test:80"));
    }

    #[test]
    fn authorities_are_pem_or_der_inline_or_by_path() {
        let folder = tempfile::tempdir().unwrap();
        let certificate = rcgen::generate_simple_self_signed(["registry.test".to_owned()]).unwrap().cert;
        let path = folder.path().join("ca.der");
        std::fs::write(&path, certificate.der()).unwrap();
        let indented = pem().replace('\n', "\n        ");
        let text = format!(
            "source_authorities:\n  \"registry.test:5000\":\n    - type: Path\n      path: {}\n    - type: Data\n      data: |\n        {indented}\n",
            path.display()
        );
        let sources = sources(&text).unwrap();
        assert_eq!(sources.authorities("registry.test:5000").len(), 2);
        assert!(sources.authorities("registry.test").is_empty());
    }

    #[test]
    fn errors_name_key_host_and_file() {
        let error = |text: &str| sources(text).unwrap_err().to_string();
        assert!(error("insecure_source: []").contains("insecure_source"));
        assert!(
            error("source_authorities: { a.test: [{ type: Data, data: hello }] }")
                .contains("authority of `a.test`: no certificate")
        );
        assert!(error("source_authorities: { a.test: [{ type: Path, path: /nowhere.pem }] }").contains("/nowhere.pem"));
        let proxy = error("proxies: { https_proxy: 'http://user:hunter2@[' }");
        assert!(proxy.contains("https_proxy") && !proxy.contains("hunter2"), "{proxy}");
    }

    #[test]
    fn an_empty_file_is_valid_and_a_missing_one_an_error() {
        assert!(sources("").is_ok());
        let error = Sources::read(Some(Path::new("/nowhere/sources.yaml"))).unwrap_err();
        assert!(error.message.contains("/nowhere/sources.yaml"));
    }
}
