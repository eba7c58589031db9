//! References to registries: `HOST/REPOSITORY:TAG@DIGEST`, completed as docker and kwctl do. Of an invalid one it is said
//! which part is wrong.

use oci_spec::distribution::Reference;

use crate::name;

/// The limit of a whole name.
const MAX_NAME: usize = 255;

/// What is wrong with a reference, and what to write.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct InvalidReference {
    /// Which part, with its text, escaped.
    pub message: String,
    /// What to write.
    pub help: String,
}

/// Reads a reference, with or without `registry://`.
///
/// # Errors
///
/// Its first part that is invalid.
pub fn parse(text: &str) -> Result<Reference, InvalidReference> {
    let (scheme, name) = text.strip_prefix("registry://").map_or(("", text), |name| ("registry://", name));
    let parts = Parts::of(name);
    let invalid = |problem: Problem| InvalidReference {
        message: format!("invalid reference `{}`: {}", shown(text), problem.what),
        help: problem
            .help
            .unwrap_or_else(|| "write `registry://HOST/REPOSITORY:TAG`, or `@sha256:…` for `:TAG`".into()),
    };
    if name.split(['/', '@']).next().is_some_and(|first| name[first.len()..].starts_with('@') && name.contains('/')) {
        let message = "the reference has a user or a password".to_owned();
        return Err(InvalidReference { message, help: "remove them, and log in with `docker login`".into() });
    }
    if let Some(problem) = parts.problem(scheme) {
        return Err(invalid(problem));
    }
    match parts.address {
        Some(host) => with_address(host, &parts),
        None => name.parse::<Reference>().map_err(|error| error.to_string()),
    }
    .map_err(|error| invalid(Problem { what: error, help: None }))
}

/// A reference to a host that is an IPv6 address, which the grammar of docker does not have.
fn with_address(host: &str, parts: &Parts<'_>) -> Result<Reference, String> {
    let rest = parts.name.strip_prefix(host).unwrap_or_default();
    let other: Reference = format!("address.invalid{rest}").parse().map_err(|error| format!("{error}"))?;
    let (host, repository) = (host.to_lowercase(), other.repository().to_owned());
    let (tag, digest) = (other.tag().map(str::to_owned), other.digest().map(str::to_owned));
    Ok(match (tag, digest) {
        (Some(tag), Some(digest)) => Reference::with_tag_and_digest(host, repository, tag, digest),
        (None, Some(digest)) => Reference::with_digest(host, repository, digest),
        (tag, None) => Reference::with_tag(host, repository, tag.unwrap_or_else(|| "latest".into())),
    })
}

/// The whole text, escaped and bounded.
fn shown(text: &str) -> String {
    let escaped = text.escape_debug().to_string();
    match escaped.char_indices().nth(MAX_NAME) {
        Some((end, _)) => format!("{}…", &escaped[..end]),
        None => escaped,
    }
}

struct Problem {
    what: String,
    help: Option<String>,
}

fn problem(what: impl Into<String>, help: impl Into<String>) -> Option<Problem> {
    Some(Problem { what: what.into(), help: Some(help.into()) })
}

/// A reference, taken apart before it is judged.
struct Parts<'a> {
    name: &'a str,
    host: Option<&'a str>,
    /// The host, if it is an IPv6 address.
    address: Option<&'a str>,
    repository: &'a str,
    tag: Option<&'a str>,
    digest: Option<&'a str>,
}

impl<'a> Parts<'a> {
    fn of(name: &'a str) -> Self {
        let (rest, digest) = name.split_once('@').map_or((name, None), |(rest, digest)| (rest, Some(digest)));
        let (rest, tag) = name::without_tag(rest);
        let (first, path) = rest.split_once('/').map_or((None, rest), |(first, path)| (Some(first), path));
        let is_host = |first: &&str| first.contains(['.', ':', '[']) || *first == "localhost";
        let host = first.filter(is_host);
        let address = host.filter(|host| name::is_address(host));
        Self { name, host, address, repository: if host.is_some() { path } else { rest }, tag, digest }
    }

    /// The first part that is invalid. `scheme` is written before corrected references.
    fn problem(&self, scheme: &str) -> Option<Problem> {
        if let Some((other, rest)) = self.name.split_once("://") {
            return problem(format!("unexpected `{}://`", shown(other)), format!("write `registry://{}`", shown(rest)));
        }
        if let Some(letter) = self.name.chars().find(|letter| letter.is_whitespace() || letter.is_control()) {
            return problem(format!("unexpected character {letter:?}"), "remove it");
        }
        let corrected = |from: &str, to: &str| {
            let mut corrected = self.name.to_owned();
            if let Some(at) = corrected.find(from).filter(|_| !from.is_empty()) {
                corrected.replace_range(at..at + from.len(), to);
            }
            format!("write `{scheme}{}`", shown(&corrected))
        };
        self.host_problem()
            .or_else(|| repository_problem(self.repository, &|to| corrected(self.repository, to)))
            .or_else(|| {
                let tag = self.tag?;
                let what = name::tag_problem(tag)?;
                let to = name::nearest_tag(tag);
                // Behind the repository, which may have the same text.
                let start = self.name.len() - tag.len() - self.digest.map_or(0, |digest| digest.len() + 1);
                let rest = &self.name[start + tag.len()..];
                let help = match to {
                    Some(to) => format!("write `{scheme}{}{to}{rest}`", &self.name[..start]),
                    None => name::TAG_HELP.to_owned(),
                };
                problem(format!("{what} in the tag `{}`", shown(tag)), help)
            })
            .or_else(|| digest_problem(self.digest?))
    }

    fn host_problem(&self) -> Option<Problem> {
        let host = self.host?;
        if self.address.is_some() {
            return None;
        }
        let (name, port) = host.rsplit_once(':').map_or((host, None), |(name, port)| (name, Some(port)));
        if host.starts_with('[') || name.contains(':') {
            let help = "write an IPv6 address as `[::1]:5000`";
            return problem(format!("invalid host `{}`", shown(host)), help);
        }
        if let Some(port) = port.filter(|port| port.parse::<u16>().is_err() || port.starts_with('+')) {
            return problem(format!("invalid port `{}`", shown(port)), "write a number up to 65535");
        }
        let is_host_letter = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '.' | '-' | '_');
        (!name.chars().all(is_host_letter) || name.split('.').any(str::is_empty))
            .then(|| problem(format!("invalid host `{}`", shown(host)), "write `HOST/REPOSITORY:TAG`"))
            .flatten()
    }
}

/// What is wrong with the path of a repository; `corrected` makes help of the path to write instead.
fn repository_problem(path: &str, corrected: &dyn Fn(&str) -> String) -> Option<Problem> {
    let what = name::path_problem(path)?;
    if path.is_empty() {
        return problem(what, "write `registry://HOST/REPOSITORY:TAG`");
    }
    let help = match name::nearest_path(path) {
        Some(nearest) => corrected(&nearest),
        None => name::PATH_HELP.to_owned(),
    };
    problem(format!("{what} in the repository `{}`", shown(path)), help)
}

fn digest_problem(digest: &str) -> Option<Problem> {
    let lengths = [("sha256", 64), ("sha384", 96), ("sha512", 128)];
    let (algorithm, digits) = digest.split_once(':').unwrap_or(("", digest));
    let length = lengths.iter().find(|(name, _)| *name == algorithm).map(|(_, length)| *length);
    let Some(length) = length else {
        let message = format!("invalid digest `{}`: unknown algorithm", shown(digest));
        return problem(message, "write `@sha256:` and 64 hexadecimal digits");
    };
    let is_digit = |digit: char| matches!(digit, '0'..='9' | 'a'..='f');
    if digits.len() == length && digits.chars().all(is_digit) {
        return None;
    }
    let is_upper = digits.len() == length && digits.to_lowercase().chars().all(is_digit);
    let what = format!("invalid digest `{}`: expected {length} lower-case hexadecimal digits", shown(digest));
    if is_upper {
        return problem(what, format!("write `@{algorithm}:{}`", digits.to_lowercase()));
    }
    problem(format!("{what}, got {} characters", digits.chars().count()), "copy the whole digest")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_completed_and_ipv6_addresses_are_hosts() {
        let digest = format!("sha256:{}", "0".repeat(64));
        for (text, whole) in [
            ("ghcr.io/acme/p:v1", "ghcr.io/acme/p:v1".to_owned()),
            ("registry://ghcr.io/acme/p:v1", "ghcr.io/acme/p:v1".to_owned()),
            ("p", "docker.io/library/p:latest".to_owned()),
            ("acme/p:V1", "docker.io/acme/p:V1".to_owned()),
            ("localhost/p", "localhost/p:latest".to_owned()),
            ("GHCR.io/acme/p", "GHCR.io/acme/p:latest".to_owned()),
            ("[::1]:5000/acme/p:v1", "[::1]:5000/acme/p:v1".to_owned()),
            ("[::1]:5000/p", "[::1]:5000/p:latest".to_owned()),
            ("[FD00::1]/a/b", "[fd00::1]/a/b:latest".to_owned()),
            (&format!("[::1]/p@{digest}"), format!("[::1]/p@{digest}")),
            (&format!("[::1]:1/p:v1@{digest}"), format!("[::1]:1/p:v1@{digest}")),
            (&format!("ghcr.io/a:v1@{digest}"), format!("ghcr.io/a:v1@{digest}")),
        ] {
            assert_eq!(parse(text).map(|image| image.to_string()), Ok(whole), "{text}");
        }
    }

    #[test]
    fn the_wrong_part_is_named_with_what_to_write() {
        let long = format!("ghcr.io/p:{}", "a".repeat(129));
        let digits = "0".repeat(63);
        let upper = format!("ghcr.io/p@sha256:{}", "A".repeat(64));
        for (text, what, help) in [
            ("ghcr.io/Acme/p", "upper-case letter `A` in the repository `Acme/p`", "write `ghcr.io/acme/p`"),
            ("registry://ghcr.io/Acme/P:V1", "upper-case letter `A`", "write `registry://ghcr.io/acme/p:V1`"),
            ("Acme/p:v1", "upper-case letter `A`", "write `acme/p:v1`"),
            ("ghcr.io/p:v1+build.1", "`+` is not allowed in the tag `v1+build.1`", "write `ghcr.io/p:v1_build.1`"),
            ("[::1]:5000/p:v1+1", "`+` is not allowed", "write `[::1]:5000/p:v1_1`"),
            ("ghcr.io/p:.v1", "`.` cannot be the first character in the tag", "write `ghcr.io/p:v1`"),
            ("ghcr.io/p:", "no characters in the tag", "up to 128 letters"),
            (&long, "more than 128 characters in the tag", "up to 128 letters"),
            (
                &format!("ghcr.io/p@sha256:{digits}"),
                "expected 64 lower-case hexadecimal digits, got 63",
                "copy the whole",
            ),
            (&upper, "expected 64 lower-case", "write `@sha256:aaaa"),
            ("ghcr.io/p@md5:abc", "unknown algorithm", "@sha256:"),
            ("ghcr.io/p@", "invalid digest ``", "@sha256:"),
            ("ghcr.io/", "no repository", "registry://HOST/REPOSITORY:TAG"),
            ("ghcr.io/:v1", "no repository", "registry://HOST/REPOSITORY:TAG"),
            ("", "no repository", "registry://HOST"),
            ("ghcr.io/a//b", "an empty part in the repository `a//b`", "write `ghcr.io/a/b`"),
            ("ghcr.io/a/b/", "an empty part", "write `ghcr.io/a/b`"),
            ("ghcr.io/-a/b", "`-` at the beginning of a part", "lower-case letters"),
            ("ghcr.io/a.._b", "several separators", "lower-case letters"),
            ("ghcr.io/a$b", "`$` is not allowed in the repository `a$b`", "lower-case letters"),
            ("ghcr.io/é/b", "`é` is not allowed", "lower-case letters"),
            ("ghcr.io:x/p", "invalid port `x`", "up to 65535"),
            ("ghcr.io:70000/p", "invalid port `70000`", "up to 65535"),
            ("::1:5000/p", "invalid host `::1:5000`", "`[::1]:5000`"),
            ("[::1:5000/p", "invalid host `[::1:5000`", "`[::1]:5000`"),
            ("[::g]:5000/p", "invalid host", "`[::1]:5000`"),
            ("a..b/p", "invalid host `a..b`", "HOST/REPOSITORY"),
            ("registry://https://ghcr.io/p", "unexpected `https://`", "write `registry://ghcr.io/p`"),
            ("a b", "unexpected character ' '", "remove it"),
            ("ghcr.io/p\n::error::x", "unexpected character '\\n'", "remove it"),
        ] {
            let error = parse(text).unwrap_err();
            assert!(error.message.contains(what), "{text}: {error:?}");
            assert!(error.help.contains(help), "{text}: {error:?}");
            assert!(!error.message.contains('\n'), "{error:?}");
        }
    }

    #[test]
    fn credentials_are_not_repeated() {
        let error = parse("registry://me:hunter2@ghcr.io/p").unwrap_err();
        assert!(error.message.contains("a user or a password") && !format!("{error:?}").contains("hunter2"));
    }

    #[test]
    fn corrected_references_are_valid() {
        for text in ["ghcr.io/Acme/P:v1+1", "ghcr.io//a//b//", "A.test:1/B:-x", "[::1]/A:v1@sha256:X"] {
            let mut text = text.to_owned();
            for _ in 0..3 {
                let Err(error) = parse(&text) else { break };
                let Some(written) = error.help.strip_prefix("write `").and_then(|help| help.strip_suffix('`')) else {
                    break;
                };
                if written.contains("HOST") || written.starts_with('@') {
                    break;
                }
                assert_ne!(written, text);
                text = written.to_owned();
            }
            let left = parse(&text).err();
            assert!(left.is_none_or(|error| error.message.contains("digest")), "{text}");
        }
    }
}
