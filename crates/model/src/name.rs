//! Names of repositories and tags, by the grammar of the distribution specification. Stricter than clients: where
//! something is published is never guessed.

use crate::code::Code;
use crate::diagnostic::Diagnostic;

/// The name of a repository without its scheme.
///
/// # Errors
///
/// What is wrong with the name, without a place.
pub fn repository(text: &str) -> Result<String, Diagnostic> {
    let name = text.strip_prefix("registry://").unwrap_or(text);
    let example = "write `ghcr.io/acme/policies/safe-labels`, with or without `registry://`";
    if name.contains("://") {
        return Err(invalid(format!("`{text}` is not in a registry"), example));
    }
    let (host, path) = name.split_once('/').ok_or_else(|| invalid(format!("`{text}` has no registry"), example))?;
    if !is_host(host) || (!host.contains(['.', ':']) && host != "localhost") {
        return Err(invalid(format!("invalid host of a registry `{host}`"), example));
    }
    if path.contains('@') {
        return Err(invalid(format!("`{text}` has a digest"), "remove the digest: it is that of the policy"));
    }
    if path.contains(':') {
        return Err(invalid(format!("`{text}` has a tag"), "write the tag under `tags`"));
    }
    let is_separator = |letter: char| matches!(letter, '.' | '_' | '-');
    let is_part = |part: &str| {
        part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || is_separator(letter))
            && !part.starts_with(is_separator)
            && !part.ends_with(is_separator)
            && !part.is_empty()
    };
    if !path.split('/').all(is_part) || name.len() > 255 {
        let help = "use lower-case letters, digits, and `.`, `_`, `-` between them";
        return Err(invalid(format!("invalid name of a repository `{path}`"), help));
    }
    Ok(name.to_owned())
}

fn invalid(message: String, help: &str) -> Diagnostic {
    Diagnostic::new(Code::Mistake, message).with_help(help.to_owned())
}

/// Whether a text is the name of a host or an IPv4 address, perhaps with a port. References have no IPv6 addresses.
fn is_host(text: &str) -> bool {
    let (name, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let is_label = |label: &str| {
        label.chars().all(is_inner) && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    name.split('.').all(is_label)
        && port.starts_with(|letter: char| letter.is_ascii_digit())
        && port.parse::<u16>().is_ok()
}

/// Help for an invalid tag.
pub const TAG_HELP: &str = "write up to 128 letters, digits, `_`, `.` and `-`; the first is not `.` or `-`";

/// Whether a text is a tag.
pub fn is_tag(text: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.len() <= 128
        && text.starts_with(is_word)
        && text.chars().all(|letter| is_word(letter) || matches!(letter, '.' | '-'))
}

/// Tags from the command line, each once: repeated ones are not mistakes, because scripts put them together.
///
/// # Errors
///
/// The first tag that is invalid.
pub fn tags<'a>(typed: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, Diagnostic> {
    let mut tags: Vec<String> = Vec::new();
    for tag in typed {
        if !is_tag(tag) {
            return Err(invalid(format!("invalid tag `{}`", tag.escape_debug()), TAG_HELP));
        }
        if !tags.iter().any(|known| known == tag) {
            tags.push(tag.to_owned());
        }
    }
    Ok(tags)
}

/// Takes the tag off a reference: `host:5000/a:v1` is `host:5000/a` and `v1`.
pub fn without_tag(text: &str) -> (&str, Option<&str>) {
    let start = text.rfind('/').map_or(0, |slash| slash + 1);
    match text[start..].find(':') {
        Some(colon) if !text.contains('@') => (&text[..start + colon], Some(&text[start + colon + 1..])),
        _ => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_a_host_and_no_tag() {
        assert_eq!(repository("ghcr.io/acme/policies/safe-labels").unwrap(), "ghcr.io/acme/policies/safe-labels");
        for text in ["localhost:5000/a", "127.0.0.1:5000/a", "Registry-1.corp:443/a", "localhost/a"] {
            assert_eq!(repository(&format!("registry://{text}")).unwrap(), text);
        }
        for (text, problem) in [
            ("safe-labels", "has no registry"),
            ("acme/safe-labels", "invalid host"),
            ("https://ghcr.io/a", "not in a registry"),
            ("a.b$c/x", "invalid host of a registry `a.b$c`"),
            ("a b.c/x", "invalid host"),
            ("é.fr/x", "invalid host"),
            (".a/x", "invalid host"),
            ("a..b/x", "invalid host"),
            ("-a.b/x", "invalid host"),
            ("a.b:/x", "invalid host"),
            ("a.b:x/x", "invalid host"),
            ("a.b:99999/x", "invalid host"),
            ("a.b:1:2/x", "invalid host"),
            ("a.b:+1/x", "invalid host"),
            ("[::1]:5000/x", "invalid host"),
            ("ghcr.io/a:v1", "has a tag"),
            ("ghcr.io/a@sha256:00", "has a digest"),
            ("ghcr.io/Acme", "invalid name of a repository"),
            ("ghcr.io/", "invalid name of a repository"),
            ("ghcr.io/a//b", "invalid name of a repository"),
        ] {
            let message = repository(text).unwrap_err().message;
            assert!(message.contains(problem), "{text}: {message}");
        }
    }

    #[test]
    fn tags_follow_the_specification() {
        for text in ["v1.0.0", "latest", "_x", "1"] {
            assert!(is_tag(text), "{text}");
        }
        for text in ["", ".x", "-x", "a/b", "a b", "é", &"a".repeat(129)] {
            assert!(!is_tag(text), "{text}");
        }
    }

    #[test]
    fn a_tag_is_behind_the_last_slash() {
        assert_eq!(without_tag("localhost:5000/a"), ("localhost:5000/a", None));
        assert_eq!(without_tag("localhost:5000/a:v1"), ("localhost:5000/a", Some("v1")));
        assert_eq!(without_tag("registry://ghcr.io/a/b:"), ("registry://ghcr.io/a/b", Some("")));
        assert_eq!(without_tag("ghcr.io/a:v1@sha256:00"), ("ghcr.io/a:v1@sha256:00", None));
        assert_eq!(without_tag("a:b"), ("a", Some("b")));
    }
}
