//! Names of repositories and tags, by the grammar of the distribution specification. Stricter than what clients take:
//! where something is published is never guessed.

/// The name of a repository without its scheme; what is wrong with it, and what to do about it.
pub fn repository(text: &str) -> Result<String, (String, &'static str)> {
    let name = text.strip_prefix("registry://").unwrap_or(text);
    let example = "write `ghcr.io/acme/policies/safe-labels`, with or without `registry://`";
    if name.contains("://") {
        return Err((format!("`{text}` is in no registry"), example));
    }
    let (host, path) = name.split_once('/').ok_or_else(|| (format!("`{text}` names no registry"), example))?;
    if !is_host(host) || (!host.contains(['.', ':']) && host != "localhost") {
        return Err((format!("`{host}` is no host of a registry"), example));
    }
    if path.contains('@') {
        return Err((format!("`{text}` has a digest"), "the digest comes out of the policy: take it away"));
    }
    if path.contains(':') {
        return Err((format!("`{text}` has a tag"), "write it under `tags`"));
    }
    let is_separator = |letter: char| matches!(letter, '.' | '_' | '-');
    let is_part = |part: &str| {
        part.chars().all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit() || is_separator(letter))
            && !part.starts_with(is_separator)
            && !part.ends_with(is_separator)
            && !part.is_empty()
    };
    if !path.split('/').all(is_part) || name.len() > 255 {
        let help = "names of repositories have lower-case letters, digits, and `.`, `_`, `-` between them";
        return Err((format!("`{path}` is no name of a repository"), help));
    }
    Ok(name.to_owned())
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

/// What a tag looks like, for whoever typed something else.
pub const TAG_HELP: &str =
    "a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two";

/// Whether a text is a tag.
pub fn is_tag(text: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.len() <= 128
        && text.starts_with(is_word)
        && text.chars().all(|letter| is_word(letter) || matches!(letter, '.' | '-'))
}

/// Tags that somebody typed, each once: scripts put them together, and that two of them are the same does no harm. What is
/// wrong with one of them, and what to do about it.
pub fn tags<'a>(typed: impl IntoIterator<Item = &'a str>) -> Result<Vec<String>, (String, String)> {
    let mut tags: Vec<String> = Vec::new();
    for tag in typed {
        if !is_tag(tag) {
            return Err((format!("`{}` is no tag", tag.escape_debug()), TAG_HELP.into()));
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
            ("safe-labels", "names no registry"),
            ("acme/safe-labels", "no host"),
            ("https://ghcr.io/a", "in no registry"),
            ("a.b$c/x", "`a.b$c` is no host"),
            ("a b.c/x", "no host"),
            ("é.fr/x", "no host"),
            (".a/x", "no host"),
            ("a..b/x", "no host"),
            ("-a.b/x", "no host"),
            ("a.b:/x", "no host"),
            ("a.b:x/x", "no host"),
            ("a.b:99999/x", "no host"),
            ("a.b:1:2/x", "no host"),
            ("a.b:+1/x", "no host"),
            ("[::1]:5000/x", "no host"),
            ("ghcr.io/a:v1", "has a tag"),
            ("ghcr.io/a@sha256:00", "has a digest"),
            ("ghcr.io/Acme", "no name of a repository"),
            ("ghcr.io/", "no name of a repository"),
            ("ghcr.io/a//b", "no name of a repository"),
        ] {
            let (message, _) = repository(text).unwrap_err();
            assert!(message.contains(problem), "{text}: {message}");
        }
    }

    #[test]
    fn tags_are_those_of_the_specification() {
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
