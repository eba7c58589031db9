//! The values of `--allow-hosts`.

use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::{HostPattern, HostRules};

use super::super::ci;
use super::super::problem::usage;

/// The value that stands for no host at all.
const NONE: &str = "none";

/// Hosts that suites may reach.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HostNames(Vec<HostPattern>);

impl HostNames {
    /// What suites may reach: these hosts, or any; where their code is a stranger's, no private address that is not listed.
    pub(crate) fn rules(allowed: &[Self]) -> HostRules {
        let listed = (!allowed.is_empty()).then(|| allowed.iter().flat_map(|names| names.0.clone()).collect());
        HostRules { allowed: listed, strangers: ci::foreign_code() }
    }
}

/// Reads `HOST`, or `HOST,OTHER`, or `none`; lines and blanks separate hosts, too.
pub(super) fn host_names(text: &str) -> Result<HostNames, Diagnostic> {
    let names = text.split(|letter: char| letter == ',' || letter.is_whitespace());
    let names: Vec<&str> = names.filter(|name| !name.is_empty()).collect();
    match names[..] {
        [] => Err(usage("expected a host; for no host at all write `none`")),
        [NONE] => Ok(HostNames(Vec::new())),
        _ if names.contains(&NONE) => Err(usage("`none` is no host, and cannot be combined with hosts")),
        _ => {
            let patterns = names
                .iter()
                .map(|name| name.parse().map_err(|error: policy_verify::InvalidHost| usage(error.to_string())));
            patterns.collect::<Result<_, _>>().map(HostNames)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_listed_in_any_way() {
        let hosts = |list: &[&str]| HostNames(list.iter().map(|name| name.parse().unwrap()).collect());
        for (text, listed) in [
            ("ghcr.io", &["ghcr.io"][..]),
            ("ghcr.io,localhost:5000", &["ghcr.io", "localhost:5000"]),
            (" ghcr.io, 10.0.0.0/8\n", &["ghcr.io", "10.0.0.0/8"]),
            ("none", &[]),
        ] {
            assert_eq!(host_names(text).unwrap(), hosts(listed), "{text}");
        }
        for wrong in ["", ",", "none ghcr.io", "*", "https://ghcr.io", "ghcr.io/kubewarden"] {
            assert!(host_names(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn none_is_a_list_without_hosts() {
        assert_eq!(HostNames::rules(&[host_names("none").unwrap()]).allowed, Some(Vec::new()));
        assert_eq!(HostNames::rules(&[]).allowed, None);
    }
}
