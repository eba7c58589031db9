//! The text of a URI becomes a reference to a policy.

use url::Url;

use crate::code::Code;
use crate::diagnostic::Diagnostic;
use crate::policy::PolicyRef;
use crate::reference;

/// Reads a URI with a scheme other than `file`; a name in a registry is completed as kwctl does: `docker.io`, `library`,
/// `latest`.
pub fn parse(scheme: &str, text: &str) -> Result<PolicyRef, Diagnostic> {
    match scheme {
        "registry" => {
            let image = reference::parse(text).map_err(|error| invalid(error.message).with_help(error.help))?;
            Ok(PolicyRef::Registry(image.to_string()))
        }
        "http" | "https" => web(text).map(|url| PolicyRef::Web(url.to_string())),
        "oci" | "docker" => {
            let help = format!("write registry://{}", text.split_once("://").map_or("", |(_, rest)| rest));
            Err(invalid(format!("unknown scheme `{scheme}://`")).with_help(help))
        }
        _ => {
            let help = "write a path, or a URI with registry://, https://, http:// or file://";
            Err(invalid(format!("unknown scheme `{scheme}://`")).with_help(help.to_owned()))
        }
    }
}

fn invalid(message: String) -> Diagnostic {
    Diagnostic::new(Code::Mistake, message)
}

fn web(text: &str) -> Result<Url, Diagnostic> {
    let mut url = Url::parse(text).map_err(|error| invalid(format!("invalid URL `{text}`: {error}")))?;
    if !url.username().is_empty() || url.password().is_some() {
        // Not repeated: it is in the suite, but need not be in the log.
        let help = "remove them, since reports show URIs; for credentials use a registry and `docker login`";
        return Err(invalid("the URL has a user or a password".into()).with_help(help.to_owned()));
    }
    url.set_fragment(None);
    Ok(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry(text: &str) -> Result<PolicyRef, Diagnostic> {
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
    fn invalid_references_have_help() {
        for text in ["registry://", "registry://a/p@sha256:abc", "registry://../p", "registry://a b"] {
            assert!(registry(text).unwrap_err().help.is_some(), "{text}");
        }
        let help = registry("registry://ghcr.io/Acme/p:v1").unwrap_err().help;
        assert_eq!(help.as_deref(), Some("write `registry://ghcr.io/acme/p:v1`"));
        assert!(parse("oci", "oci://ghcr.io/p").unwrap_err().help.unwrap().contains("registry://ghcr.io/p"));
        assert!(parse("ftp", "ftp://a/p").is_err());
    }

    #[test]
    fn passwords_in_a_url_are_refused_and_not_repeated() {
        let problem = parse("https", "https://me:hunter2@a.test/p.wasm").unwrap_err();
        assert!(!format!("{problem:?}").contains("hunter2"));
        assert_eq!(parse("https", "https://a.test/p.wasm#x"), Ok(PolicyRef::Web("https://a.test/p.wasm".into())));
    }
}
