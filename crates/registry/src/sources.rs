//! `sources.yaml` of kwctl: which hosts may be spoken to without TLS, which certificates to trust, which proxies to use.
//!
//! Hosts are compared literally with `host[:port]`, as kwctl does. Where the file and the environment both name a proxy,
//! the environment wins: kwctl reads it that way too.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::path::{Path, PathBuf};

use super::bounded::read_file;
use reqwest::{Certificate, NoProxy, Proxy};
use serde::Deserialize;

/// Far above any real file.
const MOST_BYTES: u64 = 4 * 1024 * 1024;

/// What is known about the hosts policies come from.
#[derive(Debug, Default)]
pub(super) struct Sources {
    insecure: BTreeSet<String>,
    authorities: BTreeMap<String, Vec<Certificate>>,
    proxies: Proxies,
}

/// The file as it is written.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct SourcesFile {
    insecure_sources: BTreeSet<String>,
    source_authorities: BTreeMap<String, Vec<Authority>>,
    proxies: Proxies,
}

/// A certificate to trust: PEM (one or several) or DER.
#[derive(Debug, Deserialize)]
#[serde(tag = "type", deny_unknown_fields)]
enum Authority {
    Path { path: PathBuf },
    Data { data: String },
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Proxies {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: Option<String>,
}

/// The address of a proxy may hold a password.
impl std::fmt::Debug for Proxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Proxies")
    }
}

impl Sources {
    /// Reads the file given, else `sources.yaml` of Kubewarden's configuration folder where there is one.
    pub(super) fn read(given: Option<&Path>) -> Result<Self, String> {
        let path = match given {
            Some(path) => path.to_path_buf(),
            None => match default_path().filter(|path| path.is_file()) {
                Some(path) => path,
                None => return Self::from_file(SourcesFile::default(), &Proxies::from_environment()),
            },
        };
        let shown = path.display();
        let text = read_text(&path).map_err(|error| format!("cannot read the sources file `{shown}`: {error}"))?;
        let file = Self::parse(&text).map_err(|message| format!("the sources file `{shown}`: {message}"))?;
        Self::from_file(file, &Proxies::from_environment())
            .map_err(|message| format!("the sources file `{shown}`: {message}"))
    }

    fn parse(text: &str) -> Result<SourcesFile, String> {
        if text.trim().is_empty() {
            return Ok(SourcesFile::default());
        }
        serde_saphyr::from_str(text).map_err(|error| {
            let text = error.to_string();
            text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_owned()
        })
    }

    fn from_file(file: SourcesFile, environment: &Proxies) -> Result<Self, String> {
        let mut authorities = BTreeMap::new();
        for (host, listed) in file.source_authorities {
            let mut certificates = Vec::new();
            for authority in listed {
                certificates.extend(authority.certificates().map_err(|message| format!("`{host}`: {message}"))?);
            }
            authorities.insert(host, certificates);
        }
        let proxies = file.proxies.overridden_by(environment);
        proxies.to_reqwest()?;
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
    pub(super) fn proxies(&self) -> Vec<Proxy> {
        self.proxies.to_reqwest().unwrap_or_default()
    }
}

impl Authority {
    fn certificates(&self) -> Result<Vec<Certificate>, String> {
        match self {
            Self::Data { data } => certificates(data.as_bytes()),
            Self::Path { path } => {
                let bytes = read_bytes(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))?;
                certificates(&bytes).map_err(|message| format!("`{}`: {message}", path.display()))
            }
        }
    }
}

fn certificates(bytes: &[u8]) -> Result<Vec<Certificate>, String> {
    const PEM: &[u8] = b"-----BEGIN";
    let parsed = if bytes.windows(PEM.len()).any(|window| window == PEM) {
        Certificate::from_pem_bundle(bytes)
    } else {
        Certificate::from_der(bytes).map(|certificate| vec![certificate])
    };
    let certificates = parsed.unwrap_or_default();
    // Reading does not look inside; a client that is to trust the certificates does.
    let is_usable = || reqwest::Client::builder().tls_certs_only(certificates.clone()).build().is_ok();
    if certificates.is_empty() || !is_usable() {
        return Err("it holds no certificate in PEM or DER form".into());
    }
    Ok(certificates)
}

impl Proxies {
    /// As curl and kwctl read them; upper case wins.
    fn from_environment() -> Self {
        let variable = |name: &str| {
            let lower = name.to_lowercase();
            [name, lower.as_str()].iter().find_map(|name| env::var(name).ok().filter(|value| !value.is_empty()))
        };
        // A CGI server passes the header `Proxy` of a stranger as HTTP_PROXY.
        let http_proxy = variable("HTTP_PROXY").filter(|_| env::var_os("REQUEST_METHOD").is_none());
        Self { http_proxy, https_proxy: variable("HTTPS_PROXY"), no_proxy: variable("NO_PROXY") }
    }

    fn overridden_by(self, other: &Self) -> Self {
        let first = |a: &Option<String>, b: Option<String>| a.clone().or(b).filter(|value| !value.is_empty());
        Self {
            http_proxy: first(&other.http_proxy, self.http_proxy),
            https_proxy: first(&other.https_proxy, self.https_proxy),
            no_proxy: first(&other.no_proxy, self.no_proxy),
        }
    }

    fn to_reqwest(&self) -> Result<Vec<Proxy>, String> {
        let no_proxy = self.no_proxy.as_deref().and_then(NoProxy::from_string);
        let https = self.https_proxy.as_ref().map(|address| ("https_proxy", Proxy::https(address)));
        let http = self.http_proxy.as_ref().map(|address| ("http_proxy", Proxy::http(address)));
        let proxies = [https, http].into_iter().flatten().map(|(name, proxy)| match proxy {
            Ok(proxy) => Ok(proxy.no_proxy(no_proxy.clone())),
            // The address is not repeated: it may hold a password.
            Err(_) => Err(format!("`{name}` is no address such as http://proxy.corp:3128")),
        });
        proxies.collect()
    }
}

/// `sources.yaml` in Kubewarden's configuration folder.
fn default_path() -> Option<PathBuf> {
    let folders = directories::ProjectDirs::from("io", "kubewarden", "kubewarden")?;
    Some(folders.config_dir().join("sources.yaml"))
}

/// The same for messages, by `~` where it is in the home of this user.
pub(super) fn usual_file() -> String {
    let Some(path) = default_path() else { return "sources.yaml".into() };
    let home = directories::BaseDirs::new().map(|folders| folders.home_dir().to_owned());
    match home.as_deref().and_then(|home| path.strip_prefix(home).ok()) {
        Some(path) => Path::new("~").join(path).display().to_string(),
        None => path.display().to_string(),
    }
}

fn read_text(path: &Path) -> Result<String, String> {
    String::from_utf8(read_bytes(path).map_err(|error| error.to_string())?).map_err(|_| "not UTF-8".into())
}

fn read_bytes(path: &Path) -> std::io::Result<Vec<u8>> {
    read_file(path, MOST_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sources(text: &str) -> Result<Sources, String> {
        Sources::from_file(Sources::parse(text)?, &Proxies::default())
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
    fn authorities_are_pem_or_der_in_the_file_or_beside_it() {
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
    fn mistakes_name_what_is_wrong() {
        let error = |text: &str| sources(text).unwrap_err();
        assert!(error("insecure_source: []").contains("insecure_source"));
        assert!(
            error("source_authorities: { a.test: [{ type: Data, data: hello }] }").contains("`a.test`: it holds no")
        );
        assert!(error("source_authorities: { a.test: [{ type: Path, path: /nowhere.pem }] }").contains("/nowhere.pem"));
        let proxy = error("proxies: { https_proxy: 'http://user:hunter2@[' }");
        assert!(proxy.contains("https_proxy") && !proxy.contains("hunter2"), "{proxy}");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let file = Sources::parse("proxies: { http_proxy: 'http://file', no_proxy: localhost }").unwrap().proxies;
        let environment = Proxies { http_proxy: Some("http://environment".into()), ..Proxies::default() };
        let proxies = file.overridden_by(&environment);
        assert_eq!(proxies.http_proxy.as_deref(), Some("http://environment"));
        assert_eq!(proxies.no_proxy.as_deref(), Some("localhost"));
    }

    #[test]
    fn an_empty_file_is_fine_and_a_missing_one_is_not() {
        assert!(sources("").is_ok());
        let error = Sources::read(Some(Path::new("/nowhere/sources.yaml"))).unwrap_err();
        assert!(error.contains("/nowhere/sources.yaml"));
    }
}
