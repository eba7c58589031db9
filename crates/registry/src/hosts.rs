//! Which hosts are reached: a suite may be a stranger's, and names hosts, and so do the redirects of a server.
//!
//! Names are decided about twice: as they are written, and by the addresses that they lead to. A public name may lead to an
//! address of the network that the runner is in, where other services trust whoever reaches them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;

use super::address_range::AddressRange;

/// Which hosts may be reached; all of them by default.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HostRules {
    /// The hosts that the run names; `None` if it names none, and any host may be reached.
    pub allowed: Option<Vec<HostPattern>>,
    /// Why no private address is reached that is not named, and no server there is quoted: the run has a stranger's code.
    pub strangers: Option<String>,
}

/// A host, the hosts below a domain, or a network, with or without a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    hosts: Hosts,
    port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Hosts {
    Range(AddressRange),
    /// A name.
    Name(String),
    /// The names below a domain.
    Below(String),
}

/// A text that is no pattern of hosts.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid host `{0}`: expected a name such as `ghcr.io`, `*.corp.example`, an address or a network, with or without a port"
)]
pub struct InvalidHost(String);

/// Why a host is not reached.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// The run names others.
    #[error("the host `{0}` is not among the hosts that this run allows")]
    NotListed(String),
    /// It is, or its name leads to, an address that only the runner reaches.
    #[error("`{host}` {relation} the private address {address}, which is not reached for this run: {reason}")]
    Private {
        /// The host.
        host: String,
        /// Its address.
        address: IpAddr,
        /// `is`, or `leads to` for a name.
        relation: &'static str,
        /// Why not.
        reason: String,
    },
}

impl Refused {
    /// What to do about it.
    pub(super) fn help(&self) -> String {
        let host = match self {
            Self::NotListed(host) | Self::Private { host, .. } => host,
        };
        format!("to let suites reach it, run with `--allow-hosts {host}` (on GitHub: the input `allow-hosts`)")
    }
}

/// What the rules say of a host before its addresses are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Decision {
    /// It is reached, wherever it leads to.
    Reached,
    /// Its addresses decide.
    ByAddress,
    /// It is not reached.
    Refused(Refused),
}

impl std::str::FromStr for HostPattern {
    type Err = InvalidHost;

    fn from_str(text: &str) -> Result<Self, InvalidHost> {
        let invalid = || InvalidHost(text.to_owned());
        if let Some(range) = AddressRange::parse(text) {
            return Ok(Self { hosts: Hosts::Range(range), port: None });
        }
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| invalid())?)),
            None => (text, None),
        };
        let hosts = match AddressRange::parse(host) {
            Some(range) => Hosts::Range(range),
            None => Hosts::named(host).ok_or_else(invalid)?,
        };
        Ok(Self { hosts, port })
    }
}

impl Hosts {
    /// `ghcr.io`, `*.corp.example`
    fn named(text: &str) -> Option<Self> {
        let domain = text.strip_prefix("*.");
        // As hosts of URLs are written.
        let Ok(Host::Domain(name)) = Host::parse(domain.unwrap_or(text)) else { return None };
        let name = name.trim_end_matches('.').to_owned();
        let is_name = !name.is_empty() && !name.contains('*');
        is_name.then_some(if domain.is_some() { Self::Below(name) } else { Self::Name(name) })
    }
}

impl HostPattern {
    fn is_name(&self, name: &str, port: Option<u16>) -> bool {
        let name = name.trim_end_matches('.').to_lowercase();
        let is_it = match &self.hosts {
            Hosts::Name(own) => *own == name,
            Hosts::Below(domain) => name.strip_suffix(domain.as_str()).is_some_and(|rest| rest.ends_with('.')),
            Hosts::Range(_) => false,
        };
        is_it && self.has(port)
    }

    fn contains(&self, address: IpAddr, port: Option<u16>) -> bool {
        let is_inside = matches!(self.hosts, Hosts::Range(range) if range.contains(address.to_canonical()));
        is_inside && self.has(port)
    }

    fn has(&self, port: Option<u16>) -> bool {
        self.port.is_none() || self.port == port
    }
}

impl HostRules {
    /// What is known about the host of a URL.
    pub(super) fn decide(&self, url: &Url) -> Decision {
        let port = url.port_or_known_default();
        let address = match url.host() {
            Some(Host::Ipv4(address)) => IpAddr::V4(address),
            Some(Host::Ipv6(address)) => IpAddr::V6(address),
            Some(Host::Domain(name)) => return self.decide_name(name, port),
            None => return Decision::Reached,
        };
        match self.refusal_of(&address.to_string(), address, port, "is") {
            Some(refused) => Decision::Refused(refused),
            None => Decision::Reached,
        }
    }

    fn decide_name(&self, name: &str, port: Option<u16>) -> Decision {
        match &self.allowed {
            Some(listed) if listed.iter().any(|pattern| pattern.is_name(name, port)) => Decision::Reached,
            Some(listed) if listed.iter().any(|pattern| matches!(pattern.hosts, Hosts::Range(_))) => {
                Decision::ByAddress
            }
            Some(_) => Decision::Refused(Refused::NotListed(name.to_owned())),
            None if self.strangers.is_some() => Decision::ByAddress,
            None => Decision::Reached,
        }
    }

    /// Why an address is not reached, which is that of this host.
    fn refusal_of(&self, host: &str, address: IpAddr, port: Option<u16>, relation: &'static str) -> Option<Refused> {
        match (&self.allowed, &self.strangers) {
            (Some(listed), _) => {
                let is_listed = listed.iter().any(|pattern| pattern.contains(address, port));
                (!is_listed).then(|| Refused::NotListed(host.to_owned()))
            }
            (None, Some(reason)) if is_private(address) => {
                Some(Refused::Private { host: host.to_owned(), address, relation, reason: reason.clone() })
            }
            (None, _) => None,
        }
    }

    /// Those of the addresses of a name that may be reached. The port is not known where names are looked up.
    fn reached(&self, name: &str, addresses: Vec<SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let refusal = |address: &SocketAddr| self.refusal_of(name, address.ip(), None, "leads to");
        let refused = addresses.iter().find_map(refusal);
        let reached: Vec<SocketAddr> = addresses.into_iter().filter(|address| refusal(address).is_none()).collect();
        match refused {
            Some(refused) if reached.is_empty() => Err(refused),
            _ => Ok(reached),
        }
    }

    /// Whether a server at this address must not be quoted.
    pub(super) fn hides_texts_of(&self, address: IpAddr) -> bool {
        self.strangers.is_some() && is_private(address)
    }

    /// Looks up a name that a proxy is asked for, which looks it up itself. Where only the proxy knows it, it decides.
    pub(super) async fn check_for_proxy(&self, name: &str) -> Result<(), Refused> {
        let Ok(found) = tokio::net::lookup_host((name, 0)).await else { return Ok(()) };
        let addresses: Vec<SocketAddr> = found.collect();
        addresses.iter().find_map(|address| self.refusal_of(name, address.ip(), None, "leads to")).map_or(Ok(()), Err)
    }
}

/// The resolver of the system, without the addresses that are not reached.
#[derive(Debug)]
pub(super) struct Resolver(pub(super) Arc<HostRules>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let rules = Arc::clone(&self.0);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let reached: Addrs = Box::new(rules.reached(name.as_str(), found)?.into_iter());
            Ok(reached)
        })
    }
}

/// The host that Azure's machines, and GitHub's runners among them, reach their platform at. Its range is a public one.
const AZURE: Ipv4Addr = Ipv4Addr::new(168, 63, 129, 16);

/// Whether an address is not one of the public internet: those of the machine, of its network and of its cloud.
fn is_private(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => is_private_v4(address),
        IpAddr::V6(address) => is_private_v6(address),
    }
}

fn is_private_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || address == AZURE
        || first == 0
        || first >= 240
        // Of carriers, of protocols (RFC 6890), and of benchmarks.
        || (first == 100 && (64..128).contains(&second))
        || (first == 192 && second == 0 && third == 0)
        || (first == 198 && (18..20).contains(&second))
}

fn is_private_v6(address: Ipv6Addr) -> bool {
    let [first, second, .., seventh, last] = address.segments();
    let embedded = |high: u16, low: u16| is_private_v4(Ipv4Addr::from((u32::from(high) << 16) | u32::from(low)));
    address.is_loopback()
        || address.is_unspecified()
        || address.is_unique_local()
        || address.is_unicast_link_local()
        || address.is_multicast()
        // Site-local, as it once was; documentation; Teredo.
        || first & 0xffc0 == 0xfec0
        || (first == 0x2001 && (second == 0x0db8 || second == 0))
        // Addresses of IPv4 inside: of 6to4, of NAT64, and as they once were.
        || (first == 0x2002 && embedded(second, address.segments()[2]))
        || (first == 0x0064 && second == 0xff9b && embedded(seventh, last))
        || (address.segments()[..6] == [0; 6] && embedded(seventh, last))
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.hosts {
            Hosts::Range(range) => range.fmt(f)?,
            Hosts::Name(name) => f.write_str(name)?,
            Hosts::Below(domain) => write!(f, "*.{domain}")?,
        }
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listing(patterns: &[&str]) -> HostRules {
        let allowed = patterns.iter().map(|pattern| pattern.parse().unwrap()).collect();
        HostRules { allowed: Some(allowed), strangers: None }
    }

    fn strangers() -> HostRules {
        HostRules { allowed: None, strangers: Some("this is the pull request of the fork `evil/p`".into()) }
    }

    fn decide(rules: &HostRules, url: &str) -> Decision {
        rules.decide(&Url::parse(url).unwrap())
    }

    #[test]
    fn without_rules_every_host_is_reached() {
        for url in ["https://ghcr.io/v2/", "http://127.0.0.1:5000/", "http://169.254.169.254/", "https://[::1]/"] {
            assert_eq!(decide(&HostRules::default(), url), Decision::Reached, "{url}");
        }
    }

    #[test]
    fn only_listed_hosts_are_reached() {
        for (pattern, url) in [
            ("ghcr.io", "https://ghcr.io/v2/"),
            ("GHCR.io", "https://ghcr.io:8443/v2/"),
            ("ghcr.io", "https://ghcr.io./v2/"),
            ("ghcr.io:443", "https://ghcr.io/v2/"),
            ("*.corp.example", "https://a.b.corp.example/"),
            ("localhost:5000", "http://localhost:5000/"),
            ("127.0.0.1", "http://127.0.0.1:5000/"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000/"),
            ("10.0.0.0/8", "http://10.2.3.4/"),
            ("10.0.0.0/8", "http://[::ffff:10.2.3.4]/"),
            ("[::1]:5000", "http://[::1]:5000/"),
            ("fd00::/8", "http://[fd12::1]/"),
        ] {
            assert_eq!(decide(&listing(&[pattern]), url), Decision::Reached, "{pattern} {url}");
        }
        for (pattern, url) in [
            ("ghcr.io", "https://evil.test/"),
            ("ghcr.io", "https://ghcr.io.evil.test/"),
            ("ghcr.io", "https://aghcr.io/"),
            ("ghcr.io:443", "https://ghcr.io:8443/"),
            ("*.corp.example", "https://corp.example/"),
            ("*.corp.example", "https://evilcorp.example/"),
            ("127.0.0.1:5000", "http://127.0.0.1:5001/"),
            ("10.0.0.0/8", "http://11.2.3.4/"),
            ("ghcr.io", "https://140.82.112.3/"),
        ] {
            assert!(matches!(decide(&listing(&[pattern]), url), Decision::Refused(_)), "{pattern} {url}");
        }
        assert!(matches!(decide(&listing(&[]), "https://ghcr.io/"), Decision::Refused(_)));
    }

    #[test]
    fn patterns_are_hosts_and_nothing_else() {
        for wrong in ["", "*", "*.", "https://ghcr.io", "ghcr.io/kubewarden", "a b", "ghcr.io:x", "10.0.0.0/33", "."] {
            assert!(wrong.parse::<HostPattern>().is_err(), "{wrong}");
        }
        for right in ["ghcr.io", "*.corp.example:5000", "10.0.0.0/8", "127.0.0.1:5000"] {
            assert_eq!(right.parse::<HostPattern>().unwrap().to_string(), right);
        }
    }

    #[test]
    fn strangers_reach_no_private_address_however_it_is_written() {
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0177.0.0.1",
            "0.0.0.0",
            "10.1.2.3",
            "172.31.0.1",
            "192.168.1.1",
            "169.254.169.254",
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "198.18.0.1",
            "224.0.0.1",
            "255.255.255.255",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::127.0.0.1]",
            "[fd00:ec2::254]",
            "[fe80::1]",
            "[ff02::1]",
            "[fec0::1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[2001:0:1::]",
        ] {
            let decision = decide(&strangers(), &format!("http://{host}:5000/"));
            let Decision::Refused(Refused::Private { .. }) = decision else { panic!("{host}: {decision:?}") };
        }
        for host in ["140.82.112.3", "1.1.1.1", "[2606:50c0:8000::153]", "172.32.0.1", "100.128.0.1"] {
            assert_eq!(decide(&strangers(), &format!("https://{host}/")), Decision::Reached, "{host}");
        }
        assert_eq!(decide(&strangers(), "https://ghcr.io/"), Decision::ByAddress);
        let listed = HostRules { allowed: listing(&["127.0.0.1:5000", "localhost"]).allowed, ..strangers() };
        assert_eq!(decide(&listed, "http://127.0.0.1:5000/"), Decision::Reached);
        assert_eq!(decide(&listed, "http://localhost:5000/"), Decision::Reached);
    }

    #[test]
    fn the_addresses_of_a_name_decide() {
        let addresses = |texts: &[&str]| texts.iter().map(|text| SocketAddr::new(text.parse().unwrap(), 0)).collect();
        let reached = |rules: &HostRules, texts: &[&str]| {
            let reached = rules.reached("evil.test", addresses(texts));
            reached.map(|found| found.iter().map(|address| address.ip().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(reached(&strangers(), &["10.0.0.1", "140.82.112.3"]).unwrap(), ["140.82.112.3"]);
        let refused = reached(&strangers(), &["169.254.169.254"]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "`evil.test` leads to the private address 169.254.169.254, which is not reached for this run: this is the pull \
             request of the fork `evil/p`"
        );
        assert!(refused.help().contains("--allow-hosts evil.test"));
        assert_eq!(reached(&strangers(), &[]).unwrap(), [""; 0]);
        let networks = listing(&["140.82.112.0/20"]);
        assert_eq!(reached(&networks, &["10.0.0.1", "140.82.112.3"]).unwrap(), ["140.82.112.3"]);
        assert!(reached(&networks, &["140.83.0.1"]).is_err());
    }
}
