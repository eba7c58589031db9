//! Proxies: of `sources.yaml` and of the environment, and which of them a URL goes through.
//!
//! `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` are read as curl and Go read them. The type of `reqwest` for
//! exceptions knows no ports, and takes `*` for names only.

use std::env;
use std::fmt;
use std::net::IpAddr;

use reqwest::{Proxy, Url};
use serde::Deserialize;
use url::Host;

use super::address_range::AddressRange;
use super::display;
use super::error::{Class, Failure};

/// Proxies as they are written.
#[derive(Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ProxySettings {
    http_proxy: Option<String>,
    https_proxy: Option<String>,
    no_proxy: Option<String>,
    #[serde(skip)]
    all_proxy: Option<String>,
}

/// The address of a proxy may contain a password.
impl fmt::Debug for ProxySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProxySettings")
    }
}

/// The proxies to use.
#[derive(Debug, Default)]
pub(super) struct Proxies {
    http: Option<ProxyAddress>,
    https: Option<ProxyAddress>,
    exceptions: Vec<Exception>,
}

/// A proxy and the setting that names it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub(super) struct ProxyAddress {
    url: Url,
    setting: &'static str,
}

/// Without the password.
impl fmt::Debug for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for ProxyAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", display::server(&self.url), self.setting)
    }
}

/// Why a proxy cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("invalid address in `{0}`: expected an address such as http://proxy.corp:3128")]
pub(super) struct InvalidProxy(&'static str);

impl InvalidProxy {
    /// Whether a variable names it, not a file.
    pub(super) fn is_variable(&self) -> bool {
        self.0.starts_with(char::is_uppercase)
    }
}

impl ProxySettings {
    /// Upper case wins.
    pub(super) fn from_environment() -> Self {
        Self::from_variables(&|name| env::var(name).ok())
    }

    fn from_variables(variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let variable = |name: &str| {
            let lower = name.to_lowercase();
            [name, lower.as_str()].iter().find_map(|name| variable(name).filter(|value| !value.is_empty()))
        };
        // A CGI server passes the header `Proxy` of a request as HTTP_PROXY.
        let http_proxy = variable("HTTP_PROXY").filter(|_| variable("REQUEST_METHOD").is_none());
        let all_proxy = variable("ALL_PROXY");
        Self { http_proxy, https_proxy: variable("HTTPS_PROXY"), no_proxy: variable("NO_PROXY"), all_proxy }
    }

    /// These settings of a file, unless the environment has others.
    pub(super) fn resolve(&self, environment: &Self) -> Result<Proxies, InvalidProxy> {
        let address = |variable: &Option<String>, name, file: &Option<String>, key| {
            let found = [(variable, name), (&environment.all_proxy, "ALL_PROXY"), (file, key)];
            let found = found.into_iter().find_map(|(text, setting)| Some((text.as_deref()?, setting)));
            found
                .filter(|(text, _)| !text.is_empty())
                .map(|(text, setting)| ProxyAddress::parse(text, setting))
                .transpose()
        };
        let no_proxy = environment.no_proxy.as_ref().or(self.no_proxy.as_ref());
        Ok(Proxies {
            http: address(&environment.http_proxy, "HTTP_PROXY", &self.http_proxy, "http_proxy")?,
            https: address(&environment.https_proxy, "HTTPS_PROXY", &self.https_proxy, "https_proxy")?,
            exceptions: no_proxy.map(|text| exceptions(text)).unwrap_or_default(),
        })
    }
}

impl Proxies {
    /// The proxy for a URL, unless it is an exception.
    pub(super) fn of(&self, url: &Url) -> Option<&ProxyAddress> {
        let proxy = if url.scheme() == "http" { &self.http } else { &self.https };
        proxy.as_ref().filter(|_| !self.exceptions.iter().any(|exception| exception.matches(url)))
    }
}

impl ProxyAddress {
    /// The address is not in the error: it may contain a password.
    fn parse(text: &str, setting: &'static str) -> Result<Self, InvalidProxy> {
        let whole = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let url = Url::parse(&whole).ok().filter(Url::has_host).ok_or(InvalidProxy(setting))?;
        Ok(Self { url, setting })
    }

    /// The setting that names it.
    pub(super) fn setting(&self) -> &'static str {
        self.setting
    }

    /// For the client; all its requests go through it.
    pub(super) fn to_reqwest(&self) -> Result<Proxy, Failure> {
        let usable = Some(&self.url).filter(|url| ["http", "https"].contains(&url.scheme()));
        usable.and_then(|url| Proxy::all(url.as_str()).ok()).ok_or_else(|| {
            let message = format!("unsupported scheme `{}` of the proxy {self}", self.url.scheme());
            Failure::new(Class::Unreachable, message)
                .with_help(format!("set {} to an HTTP proxy, or add the host to NO_PROXY", self.setting))
        })
    }
}

/// Hosts that are reached without a proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Exception {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    All,
    Range(AddressRange),
    /// A domain, and those below it.
    Domain(String),
}

/// The entries of `NO_PROXY`, which commas or blanks separate.
fn exceptions(text: &str) -> Vec<Exception> {
    let entries = text.split(|letter: char| letter == ',' || letter.is_whitespace());
    entries.filter(|entry| !entry.is_empty()).filter_map(Exception::parse).collect()
}

impl Exception {
    fn parse(entry: &str) -> Option<Self> {
        if let Some(range) = AddressRange::parse(entry) {
            return Some(Self { hosts: Hosts::Range(range), port: None });
        }
        let (host, port) = match entry.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok()?)),
            None => (entry, None),
        };
        let domain = || Hosts::Domain(host.trim_start_matches("*.").trim_matches('.').to_lowercase());
        let range = || AddressRange::parse(host).map(Hosts::Range);
        let hosts = if host == "*" { Hosts::All } else { range().unwrap_or_else(domain) };
        Some(Self { hosts, port })
    }

    fn matches(&self, url: &Url) -> bool {
        self.port.is_none_or(|port| url.port_or_known_default() == Some(port))
            && url.host().is_some_and(|host| self.hosts.contain(&host))
    }
}

impl Hosts {
    fn contain(&self, host: &Host<&str>) -> bool {
        match (self, host) {
            (Self::All, _) => true,
            (Self::Range(range), Host::Ipv4(address)) => range.contains(IpAddr::V4(*address)),
            (Self::Range(range), Host::Ipv6(address)) => range.contains(IpAddr::V6(*address)),
            (Self::Domain(domain), Host::Domain(host)) => {
                let host = host.trim_end_matches('.').to_lowercase();
                host.strip_suffix(domain.as_str()).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
            }
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(text: &str) -> Url {
        Url::parse(text).unwrap()
    }

    #[test]
    fn exceptions_are_names_addresses_networks_and_ports() {
        let is_exception =
            |no_proxy: &str, target: &str| exceptions(no_proxy).iter().any(|exception| exception.matches(&url(target)));
        for (no_proxy, target) in [
            ("*", "https://ghcr.io"),
            ("*", "http://127.0.0.1:5000"),
            ("*", "https://[::1]:5000"),
            ("a.test, *", "https://10.0.0.1"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000"),
            ("127.0.0.1", "http://127.0.0.1:5000"),
            ("localhost:5000", "http://localhost:5000"),
            ("ghcr.io:443", "https://ghcr.io"),
            ("[::1]:5000", "https://[::1]:5000"),
            ("[::1]", "https://[::1]:5000"),
            ("::1", "https://[::1]:5000"),
            ("10.0.0.0/8", "https://10.1.2.3"),
            ("0.0.0.0/0", "https://10.1.2.3"),
            ("fd00::/8", "https://[fd12::1]"),
            (".corp", "https://registry.corp"),
            (".corp", "https://corp"),
            ("corp", "https://a.registry.corp"),
            ("*.corp", "https://registry.corp"),
            ("Registry.CORP", "https://registry.corp"),
            (".corp:5000", "https://registry.corp:5000"),
            ("a b,c", "https://c"),
        ] {
            assert!(is_exception(no_proxy, target), "{no_proxy} {target}");
        }
        for (no_proxy, target) in [
            ("", "https://ghcr.io"),
            (",", "https://ghcr.io"),
            ("127.0.0.1:5001", "http://127.0.0.1:5000"),
            ("ghcr.io:80", "https://ghcr.io"),
            ("10.0.0.0/8", "https://11.0.0.1"),
            ("10.0.0.0/33", "https://10.0.0.1"),
            ("10.0.0.0/8", "https://10.example"),
            ("corp", "https://notcorp"),
            ("registry.corp", "https://corp"),
            ("ghcr.io:x", "https://ghcr.io"),
            ("::1", "https://127.0.0.1"),
        ] {
            assert!(!is_exception(no_proxy, target), "{no_proxy} {target}");
        }
    }

    fn settings(variables: &[(&str, &str)]) -> ProxySettings {
        ProxySettings::from_variables(&|name| {
            variables.iter().find(|(it, _)| *it == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_takes_precedence_over_the_file() {
        let file = ProxySettings {
            http_proxy: Some("http://file:1".into()),
            no_proxy: Some("localhost".into()),
            ..ProxySettings::default()
        };
        let shown = |variables: &[(&str, &str)], target: &str| {
            file.resolve(&settings(variables)).unwrap().of(&url(target)).map(ToString::to_string)
        };
        assert_eq!(shown(&[], "http://a.test").as_deref(), Some("`file:1` (http_proxy)"));
        assert_eq!(shown(&[], "https://a.test"), None);
        assert_eq!(shown(&[], "http://localhost"), None);
        let environment = [("http_proxy", "lower:2"), ("ALL_PROXY", "http://me:hunter2@all:3")];
        assert_eq!(shown(&environment, "http://a.test").as_deref(), Some("`lower:2` (HTTP_PROXY)"));
        assert_eq!(shown(&environment, "https://a.test").as_deref(), Some("`all:3` (ALL_PROXY)"));
        assert_eq!(shown(&[("all_proxy", "all:3"), ("NO_PROXY", "a.test")], "https://a.test"), None);
        // Of a CGI server.
        let environment = [("HTTP_PROXY", "evil"), ("REQUEST_METHOD", "GET")];
        assert_eq!(shown(&environment, "http://a.test").as_deref(), Some("`file:1` (http_proxy)"));
    }

    #[test]
    fn errors_name_the_setting_and_not_the_password() {
        for (variable, value) in [("HTTPS_PROXY", "http://me:hunter2@["), ("ALL_PROXY", "http://")] {
            let error = ProxySettings::default().resolve(&settings(&[(variable, value)])).unwrap_err().to_string();
            assert!(error.contains(variable) && !error.contains("hunter2"), "{error}");
        }
        let proxies = ProxySettings::default().resolve(&settings(&[("ALL_PROXY", "socks5://me:hunter2@p:1")])).unwrap();
        let failure = proxies.of(&url("https://a.test")).unwrap().to_reqwest().unwrap_err();
        assert_eq!(failure.message, "unsupported scheme `socks5` of the proxy `p:1` (ALL_PROXY)");
        assert!(!format!("{proxies:?}").contains("hunter2"));
    }
}
