//! Where a policy is that is no file: the text of a URI becomes what the door is asked for.

use oci_spec::distribution::Reference;
use url::Url;

use crate::policy::PolicyRef;

/// What to do about a text that names no policy.
pub(crate) type Problem = (String, Option<String>);

/// Reads a URI with a scheme other than `file`; a name in a registry is completed as kwctl does: `docker.io`, `library`,
/// `latest`.
pub fn parse(scheme: &str, text: &str) -> Result<PolicyRef, Problem> {
    match scheme {
        "registry" => {
            let name = text.strip_prefix("registry://").unwrap_or(text);
            let image: Reference = name.parse().map_err(|error| {
                let help = "write registry://HOST/REPOSITORY:TAG, or @sha256:… instead of the tag";
                (format!("`{text}` names nothing in a registry: {error}"), Some(help.into()))
            })?;
            Ok(PolicyRef::Registry(image.to_string()))
        }
        "http" | "https" => web(text).map(|url| PolicyRef::Web(url.to_string())),
        "oci" | "docker" => {
            let help = format!("write registry://{}", text.split_once("://").map_or("", |(_, rest)| rest));
            Err((format!("unknown scheme `{scheme}://`"), Some(help)))
        }
        _ => {
            let help = "known are registry://, https://, http://, file:// and paths";
            Err((format!("unknown scheme `{scheme}://`"), Some(help.into())))
        }
    }
}

fn web(text: &str) -> Result<Url, Problem> {
    let mut url = Url::parse(text).map_err(|error| (format!("`{text}` is no URL: {error}"), None))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not repeated: it is in the suite, but need not be in the log.
        let help = "reports show URIs: policies that need credentials come from a registry, after `docker login`";
        return Err(("a URI with a user or a password".into(), Some(help.into())));
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(text: &str) -> Result<PolicyRef, Problem> {
        parse("registry", text)
    }

    #[test]
    fn names_are_completed_as_kwctl_does() {
        for (text, normal) in [
            ("registry://ghcr.io/acme/p:v1", "ghcr.io/acme/p:v1"),
            ("registry://localhost:5000/p", "localhost:5000/p:latest"),
            ("registry://p", "docker.io/library/p:latest"),
            ("registry://acme/p:1", "docker.io/acme/p:1"),
        ] {
            assert_eq!(registry(text), Ok(PolicyRef::Registry(normal.into())), "{text}");
        }
    }

    #[test]
    fn what_names_nothing_says_what_to_write() {
        for text in ["registry://", "registry://a/p@sha256:abc", "registry://../p", "registry://a b"] {
            assert!(registry(text).unwrap_err().1.unwrap().contains("registry://HOST"), "{text}");
        }
        assert!(parse("oci", "oci://ghcr.io/p").unwrap_err().1.unwrap().contains("registry://ghcr.io/p"));
        assert!(parse("ftp", "ftp://a/p").is_err());
    }

    #[test]
    fn passwords_in_a_url_are_refused_and_not_repeated() {
        let problem = parse("https", "https://me:hunter2@a.test/p.wasm").unwrap_err();
        assert!(!format!("{problem:?}").contains("hunter2"));
        assert_eq!(parse("https", "https://a.test/p.wasm#x"), Ok(PolicyRef::Web("https://a.test/p.wasm".into())));
    }
}
