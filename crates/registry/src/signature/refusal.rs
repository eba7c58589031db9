//! Why an image is not trusted: the text of policy-server, and the reasons of the single signatures.

use std::fmt::Write as _;

use super::candidate::Discarded;
use super::constraint;
use policy_verify_model::signature::{SignedBy, Signer, Subject};
use policy_verify_model::yaml::emit::Node;

/// The image is not trusted.
#[derive(Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The text policy-server gives.
    pub text: String,
    /// Why each signature does not suffice.
    pub(crate) reasons: Vec<String>,
    /// Whether Sigstore bundles that do not count in Kubewarden would satisfy the requirement.
    pub bundles_would_do: bool,
}

/// The constraints no signature meets, and why.
pub(super) enum Unmet<'a> {
    Nothing,
    AllOf(Vec<(&'a Signer, constraint::Unmet)>),
    AnyOf { needed: u8, met: usize, missing: Vec<(&'a Signer, constraint::Unmet)> },
}

impl Refusal {
    fn new(text: impl Into<String>) -> Self {
        Self { text: text.into(), reasons: Vec::new(), bundles_would_do: false }
    }

    /// Constraints are not met.
    pub(super) fn unmet<'a>(unmet: &Unmet, discarded: impl Iterator<Item = &'a Discarded>) -> Self {
        let (mut text, missing) = match unmet {
            Unmet::Nothing => (String::new(), &[][..]),
            Unmet::AllOf(missing) => ("Image verification failed: missing signatures\n".to_owned(), &missing[..]),
            Unmet::AnyOf { needed, met, missing } => (
                format!(
                    "Image verification failed: minimum number of signatures not reached: needed {needed}, got {met}\n"
                ),
                &missing[..],
            ),
        };
        text.push_str("The following constraints were not satisfied:\n");
        let mut reasons: Vec<String> = discarded.map(ToString::to_string).collect();
        for (signer, why) in missing {
            text.push_str(&as_yaml(signer));
            match why {
                constraint::Unmet::ByNone(why) => reasons.extend(why.iter().cloned()),
                constraint::Unmet::Certificate(error) => reasons.push(error.clone()),
            }
        }
        // A certificate is the only constraint of its request, and the text of policy-server is shorter.
        let text = match missing {
            [(_, constraint::Unmet::Certificate(error))] => error.clone(),
            [(Signer { by: SignedBy::Certificate(_), .. }, _)] => {
                "verification failed: Several Signature Layers failed verification".to_owned()
            }
            _ => text,
        };
        Self { reasons: bounded(reasons), ..Self::new(text) }
    }

    /// The same with remarks on what the registry holds.
    pub(super) fn with_remarks(mut self, remarks: Vec<String>) -> Self {
        self.reasons.extend(bounded(remarks));
        self
    }

    /// The same with a note on bundles that satisfy the constraints.
    pub(super) fn with_bundles_that_would_do(mut self) -> Self {
        self.bundles_would_do = true;
        self.reasons.push(
            "a Sigstore bundle satisfies the constraints, but Kubewarden would not accept it: in a bundle it reads keyless \
             signatures without annotations only"
                .to_owned(),
        );
        self
    }
}

/// Limits number and length of the reasons: parts of them come from untrusted documents.
fn bounded(reasons: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut rest = reasons.into_iter();
    let mut kept: Vec<String> = rest
        .by_ref()
        .take(MAX_REASONS)
        .map(|reason| match reason.char_indices().nth(MAX_CHARACTERS) {
            Some((end, _)) => format!("{}…", &reason[..end]),
            None => reason,
        })
        .collect();
    let more = rest.count();
    if more > 0 {
        kept.push(format!("{more} more reasons"));
    }
    kept
}

/// Reasons of a refusal.
const MAX_REASONS: usize = 20;

/// Characters of a reason.
const MAX_CHARACTERS: usize = 400;

/// A constraint in YAML, as policy-server writes it.
fn as_yaml(signer: &Signer) -> String {
    let mut yaml = String::new();
    let mut line = |key: &str, value: String| writeln!(yaml, "{key}: {value}").unwrap_or_default();
    match &signer.by {
        SignedBy::PublicKey { owner, key } => {
            line("kind", "pubKey".into());
            line("owner", owner.as_deref().map_or_else(null, scalar));
            line("key", scalar(key));
        }
        SignedBy::Issuer { issuer, subject } => {
            line("kind", "genericIssuer".into());
            line("issuer", scalar(issuer));
            line(
                "subject",
                match subject {
                    Subject::Equal(text) => format!("!equal {}", scalar(text)),
                    Subject::UrlPrefix(text) => format!("!urlPrefix {}", scalar(text)),
                },
            );
        }
        SignedBy::GithubAction { owner, repo } => {
            line("kind", "githubAction".into());
            line("owner", scalar(owner));
            line("repo", repo.as_deref().map_or_else(null, scalar));
        }
        // policy-server has no name for this one: it never lists it.
        SignedBy::Certificate(_) => line("kind", "certificate".into()),
    }
    let annotations = match &signer.annotations {
        None => Node::Null,
        Some(annotations) => {
            Node::Map(annotations.iter().map(|(name, value)| (name.clone(), Node::text(value))).collect())
        }
    };
    yaml.push_str(&Node::map([("annotations", annotations)]).to_yaml());
    yaml
}

fn null() -> String {
    "null".into()
}

/// A text as `serde_yaml` writes it behind a key.
fn scalar(text: &str) -> String {
    let mut yaml = Node::text(text).to_yaml();
    // The break of its line is up to the caller.
    yaml.pop();
    yaml
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[test]
    fn constraints_are_printed_as_in_policy_server() {
        let key = "-----BEGIN PUBLIC KEY-----\nMFkw\n-----END PUBLIC KEY-----\n";
        let signer = |by| Signer { by, annotations: None };
        assert_eq!(
            as_yaml(&signer(SignedBy::PublicKey { owner: None, key: key.into() })),
            "kind: pubKey\nowner: null\nkey: |\n  -----BEGIN PUBLIC KEY-----\n  MFkw\n  -----END PUBLIC \
             KEY-----\nannotations: null\n"
        );
        let subject = Subject::Equal("user3@provider.com".into());
        let issuer = "https://github.com/login/oauth".to_owned();
        assert_eq!(
            as_yaml(&signer(SignedBy::Issuer { issuer: issuer.clone(), subject })),
            "kind: genericIssuer\nissuer: https://github.com/login/oauth\nsubject: !equal \
             user3@provider.com\nannotations: null\n"
        );
        let annotations = Some(BTreeMap::from([("env".to_owned(), "prod".to_owned()), ("n".into(), "1".into())]));
        let subject = Subject::url_prefix("https://github.com/acme").unwrap();
        assert_eq!(
            as_yaml(&Signer { by: SignedBy::Issuer { issuer, subject }, annotations }),
            "kind: genericIssuer\nissuer: https://github.com/login/oauth\nsubject: !urlPrefix \
             https://github.com/acme/\nannotations:\n  env: prod\n  n: '1'\n"
        );
        let by = SignedBy::GithubAction { owner: "acme".into(), repo: None };
        assert_eq!(as_yaml(&signer(by)), "kind: githubAction\nowner: acme\nrepo: null\nannotations: null\n");
    }

    #[test]
    fn reasons_are_bounded() {
        let reasons = bounded((0..500).map(|number| format!("{number} {}", "x".repeat(1000))));
        assert_eq!((reasons.len(), reasons[20].as_str()), (21, "480 more reasons"));
        assert!(reasons[0].ends_with("x…") && reasons[0].chars().count() == 401);
        assert_eq!(bounded(["one".to_owned()]), ["one"]);
    }

    #[test]
    fn a_key_without_final_line_break_has_a_strip_indicator() {
        assert_eq!(scalar("a\nb"), "|-\n  a\n  b");
        assert_eq!(scalar("a\n\nb\n"), "|\n  a\n\n  b");
        assert_eq!(scalar(""), "''");
        assert_eq!(scalar("it's: so"), "'it''s: so'");
    }
}
