//! Names of repositories and tags, by the grammar of the distribution specification. Stricter than clients: where
//! something is published is never guessed.

use url::Host;

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
    if let Some(what) = path_problem(path) {
        let help = match nearest_path(path) {
            Some(nearest) => format!("write `{host}/{nearest}`"),
            None => PATH_HELP.to_owned(),
        };
        return Err(invalid(format!("invalid name of a repository `{path}`: {what}"), &help));
    }
    if name.len() > 255 {
        return Err(invalid(format!("invalid name of a repository `{path}`: more than 255 characters"), PATH_HELP));
    }
    Ok(name.to_owned())
}

fn invalid(message: String, help: &str) -> Diagnostic {
    Diagnostic::new(Code::Mistake, message).with_help(help.to_owned())
}

/// Help for an invalid path of a repository.
pub(crate) const PATH_HELP: &str = "use lower-case letters, digits, and `.`, `_`, `-` between them";

/// What is wrong with the path of a repository, by the grammar of the distribution specification.
pub(crate) fn path_problem(path: &str) -> Option<String> {
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
    let is_separator = |letter: char| matches!(letter, '.' | '_' | '-');
    if path.is_empty() {
        return Some("no repository".into());
    }
    if path.len() > 255 {
        return Some("more than 255 characters".into());
    }
    if let Some(letter) = path.chars().find(char::is_ascii_uppercase) {
        return Some(format!("upper-case letter `{letter}`"));
    }
    if let Some(letter) = path.chars().find(|letter| !is_letter(*letter) && !is_separator(*letter) && *letter != '/') {
        return Some(format!("`{}` is not allowed", letter.escape_debug()));
    }
    for part in path.split('/') {
        if part.is_empty() {
            return Some("an empty part".into());
        }
        for (side, end) in [("beginning", part.chars().next()), ("end", part.chars().last())] {
            if let Some(separator) = end.filter(|letter| is_separator(*letter)) {
                return Some(format!("`{separator}` at the {side} of a part"));
            }
        }
        let mut separators = part.split(is_letter).filter(|separator| !separator.is_empty());
        if !separators.all(|it| matches!(it, "." | "_" | "__") || it.bytes().all(|byte| byte == b'-')) {
            return Some("several separators in a row".into());
        }
    }
    None
}

/// The path that was probably meant: in lower case, without empty parts.
pub(crate) fn nearest_path(path: &str) -> Option<String> {
    let lower = path.to_ascii_lowercase();
    let parts: Vec<&str> = lower.split('/').filter(|part| !part.is_empty()).collect();
    Some(parts.join("/")).filter(|nearest| nearest != path && path_problem(nearest).is_none())
}

/// Whether a text is the name of a host or an address, perhaps with a port.
fn is_host(text: &str) -> bool {
    if is_address(text) {
        return true;
    }
    let (name, port) = text.split_once(':').unwrap_or((text, "0"));
    let is_inner = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
    let is_label = |label: &str| {
        label.chars().all(is_inner) && !label.is_empty() && !label.starts_with('-') && !label.ends_with('-')
    };
    name.split('.').all(is_label)
        && port.starts_with(|letter: char| letter.is_ascii_digit())
        && port.parse::<u16>().is_ok()
}

/// Whether a text is an IPv6 address in brackets, perhaps with a port.
pub(crate) fn is_address(host: &str) -> bool {
    let Some((address, rest)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) else { return false };
    let is_port = |port: &str| port.starts_with(|digit: char| digit.is_ascii_digit()) && port.parse::<u16>().is_ok();
    matches!(Host::parse(&format!("[{address}]")), Ok(Host::Ipv6(_)))
        && (rest.is_empty() || rest.strip_prefix(':').is_some_and(is_port))
}

/// Help for an invalid tag.
pub(crate) const TAG_HELP: &str = "write up to 128 letters, digits, `_`, `.` and `-`; the first is not `.` or `-`";

/// Whether a text is a tag.
pub fn is_tag(text: &str) -> bool {
    tag_problem(text).is_none()
}

/// What is wrong with a tag.
pub(crate) fn tag_problem(text: &str) -> Option<String> {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let is_allowed = |letter: char| is_word(letter) || matches!(letter, '.' | '-');
    if let Some(letter) = text.chars().find(|letter| !is_allowed(*letter)) {
        return Some(format!("`{}` is not allowed", letter.escape_debug()));
    }
    match text.chars().next() {
        None => Some("no characters".into()),
        Some(first) if !is_word(first) => Some(format!("`{first}` cannot be the first character")),
        Some(_) if text.len() > 128 => Some("more than 128 characters".into()),
        Some(_) => None,
    }
}

/// The tag that was probably meant: as Helm writes versions, with `_` for what is not allowed.
pub(crate) fn nearest_tag(text: &str) -> Option<String> {
    let is_allowed = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '_' | '.' | '-');
    let replaced: String = text.chars().map(|letter| if is_allowed(letter) { letter } else { '_' }).collect();
    let nearest = replaced.trim_start_matches(['.', '-']);
    let is_useful = nearest.chars().any(|letter| letter.is_ascii_alphanumeric());
    (is_useful && is_tag(nearest) && nearest != text).then(|| nearest.to_owned())
}

/// An invalid tag as a mistake, without a place.
///
/// # Errors
///
/// What is wrong with it, and which tag to write.
pub fn check_tag(text: &str) -> Result<(), Diagnostic> {
    let Some(what) = tag_problem(text) else { return Ok(()) };
    let help = nearest_tag(text).map_or_else(|| TAG_HELP.to_owned(), |nearest| format!("write `{nearest}`"));
    Err(invalid(format!("invalid tag `{}`: {what}", text.escape_debug()), &help))
}

/// Tags from the command line, each once: repeated ones are not mistakes, because scripts put them together.
///
/// # Errors
///
/// The first tag that is invalid.
pub fn tags<'a>(typed: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, Diagnostic> {
    let mut tags: Vec<String> = Vec::new();
    for tag in typed {
        check_tag(tag)?;
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
        for text in ["localhost:5000/a", "127.0.0.1:5000/a", "Registry-1.corp:443/a", "localhost/a", "[::1]:5000/a"] {
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
            ("[::1/x", "invalid host"),
            ("[::1]x/x", "invalid host"),
            ("ghcr.io/a:v1", "has a tag"),
            ("ghcr.io/a@sha256:00", "has a digest"),
            ("ghcr.io/Acme", "invalid name of a repository `Acme`: upper-case letter `A`"),
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
    fn the_tag_to_write_is_suggested() {
        let help = |text: &str| check_tag(text).unwrap_err().help.unwrap();
        assert_eq!(help("v1+build.1"), "write `v1_build.1`");
        assert_eq!(help("release/1.0"), "write `release_1.0`");
        assert_eq!(help("-v1"), "write `v1`");
        for text in ["", "+", &"a".repeat(129)] {
            assert_eq!(help(text), TAG_HELP, "{text}");
        }
        assert_eq!(repository("ghcr.io/Acme/P").unwrap_err().help.unwrap(), "write `ghcr.io/acme/p`");
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
