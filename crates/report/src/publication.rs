//! The results of publishing, for people and for scripts: the output of `verify push`, and a part of a run's report.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::read_error::ReadError;
use crate::{escape, phrases};
use policy_verify_model::publication::{Publication, PublishOutcome, PublishedTag, TagState};

/// One line or more for people; every line harmless.
pub fn text(publication: &Publication) -> String {
    let mut lines: Vec<String> = publication.warnings.iter().map(|text| format!("warning: {text}")).collect();
    let name = &publication.policy;
    let what = publication.immutable_ref().unwrap_or_else(|| publication.repository.clone());
    match &publication.outcome {
        PublishOutcome::Pushed => lines.push(format!("Policy successfully pushed: {what}")),
        PublishOutcome::WouldPush => lines.push(format!("{name} would be pushed: {what}")),
        PublishOutcome::Refused { message, help } => {
            lines.push(format!("{name} was not pushed: {message}"));
            lines.extend(help.iter().map(|help| format!("  help: {help}")));
        }
        PublishOutcome::Failed { message, help } => {
            lines.push(format!("{name} was not published: {message}"));
            lines.extend(help.iter().map(|help| format!("  help: {help}")));
        }
    }
    if publication.is_done() {
        lines.extend(publication.tags.iter().map(|tag| format!("  {}", tag_line(tag, publication))));
    }
    escape::terminal(&lines.join("\n"))
}

fn tag_line(tag: &PublishedTag, publication: &Publication) -> String {
    let is_dry = publication.outcome == PublishOutcome::WouldPush;
    let points_there = tag.before.is_some() && tag.before == publication.digest;
    let name = &tag.name;
    match (&tag.before, tag.state) {
        _ if points_there || tag.state == TagState::Kept => format!("{name} already points to it"),
        (Some(before), _) if is_dry => format!("{name} would move from {before}"),
        (None, _) if is_dry => format!("{name} would be new"),
        (Some(before), _) => format!("{name} moved from {before}"),
        (None, _) => format!("{name} is new"),
    }
}

/// Whose workflow on GitHub signs an artifact.
#[derive(Debug, Default)]
pub struct Signer {
    /// The account that publishes.
    pub owner: Option<String>,
    /// Where the workflow of another repository signs: that repository, and the one it works for.
    pub called: Option<CalledWorkflow>,
}

/// A workflow that repositories of others call. Certificates name its repository, not theirs.
#[derive(Debug)]
pub struct CalledWorkflow {
    /// The repository of the workflow, `OWNER/NAME`.
    pub repository: String,
    /// The repository that calls it.
    pub caller: String,
}

/// The three commands by which users verify an artifact once it is signed and attested.
pub fn consumer_commands(publication: &Publication, signer: &Signer) -> Option<String> {
    let reference = publication.immutable_ref()?;
    // A reference consists of letters, digits and `.-_/:@`, which have no meaning to a shell.
    let image = escape::terminal_line(&reference);
    let commands = match &signer.called {
        Some(called) => commands_for_called(called, &image),
        None => commands_for_owner(signer.owner.clone().or_else(|| owner_of(&publication.repository)), &image),
    };
    Some(format!("when it is signed and attested, users verify it with\n  {}", commands.join("\n  ")))
}

const COSIGN: &str = "cosign verify --certificate-oidc-issuer https://token.actions.githubusercontent.com";

fn commands_for_owner(owner: Option<String>, image: &str) -> [String; 3] {
    let owner = escape::shell(&owner.unwrap_or_else(|| "OWNER".into()));
    [
        format!("kwctl verify --github-owner {owner} registry://{image}"),
        format!("{COSIGN} --certificate-identity-regexp ^https://github.com/{owner}/ {image}"),
        format!("gh attestation verify --owner {owner} oci://{image}"),
    ]
}

/// The repository that called is in an annotation of the signature, and in the certificate.
fn commands_for_called(called: &CalledWorkflow, image: &str) -> [String; 3] {
    let (owner, name) = called.repository.split_once('/').unwrap_or((&called.repository, ""));
    let [owner, name, signer, caller] = [owner, name, &called.repository, &called.caller].map(escape::shell);
    [
        format!("kwctl verify --github-owner {owner} --github-repo {name} -a repository={caller} registry://{image}"),
        format!(
            "{COSIGN} --certificate-identity-regexp ^https://github.com/{signer}/ \
             --certificate-github-workflow-repository {caller} {image}"
        ),
        format!("gh attestation verify --repo {caller} --signer-repo {signer} oci://{image}"),
    ]
}

/// Images on GitHub's registry carry the account they belong to in their name.
fn owner_of(repository: &str) -> Option<String> {
    repository.strip_prefix("ghcr.io/")?.split('/').next().map(str::to_owned)
}

/// One JSON document, in the shapes that scripts know from kwctl, oras and docker.
pub fn json(publication: &Publication) -> String {
    let text = serde_json::to_string(&document(publication, None)).expect("texts and numbers are plain JSON");
    escape::json(&text) + "\n"
}

/// The keys of a publication, in the order of the contract.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Document<'a> {
    immutable_ref: Option<Cow<'a, str>>,
    digest: Option<Cow<'a, str>>,
    tags: Vec<Cow<'a, str>>,
    policy: Cow<'a, str>,
    repository: Cow<'a, str>,
    outcome: Outcome,
    moves: Cow<'a, [PublishedTag]>,
    error: Option<Problem<'a>>,
    warnings: Cow<'a, [String]>,
    #[serde(rename = "Pushed", default, skip_serializing_if = "Option::is_none")]
    pushed: Option<String>,
    #[serde(rename = "Digest", default, skip_serializing_if = "Option::is_none")]
    oras_digest: Option<Cow<'a, str>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    manifest: Option<Value>,
    /// Path of the suite; a module from the command line has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) suite: Option<Cow<'a, str>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Outcome {
    Pushed,
    DryRun,
    Refused,
    Failed,
}

#[derive(Debug, Serialize, Deserialize)]
struct Problem<'a> {
    help: Option<Cow<'a, str>>,
    message: Cow<'a, str>,
}

/// The document of a publication; `suite` is the path of its suite.
pub(super) fn document<'a>(publication: &'a Publication, suite: Option<&'a str>) -> Document<'a> {
    let is_pushed = publication.outcome == PublishOutcome::Pushed;
    let is_dry = publication.outcome == PublishOutcome::WouldPush;
    let digest = || publication.digest.as_deref().map(Cow::from);
    let tags = current_tags(publication);
    let pushed = || match tags.first() {
        Some(tag) => format!("[registry] {}:{tag}", publication.repository),
        None => format!("[registry] {}", publication.immutable_ref().unwrap_or_default()),
    };
    let (outcome, error) = match &publication.outcome {
        PublishOutcome::Pushed => (Outcome::Pushed, None),
        PublishOutcome::WouldPush => (Outcome::DryRun, None),
        PublishOutcome::Refused { message, help } => (Outcome::Refused, Some((message, help))),
        PublishOutcome::Failed { message, help } => (Outcome::Failed, Some((message, help))),
    };
    let problem = |(message, help): (&'a String, &'a Option<String>)| Problem {
        help: help.as_deref().map(Cow::from),
        message: message.into(),
    };
    Document {
        immutable_ref: publication.immutable_ref().map(Cow::from),
        digest: digest(),
        policy: (&publication.policy).into(),
        repository: (&publication.repository).into(),
        outcome,
        moves: (&publication.tags).into(),
        error: error.map(problem),
        warnings: (&publication.warnings).into(),
        pushed: is_pushed.then(pushed),
        oras_digest: digest().filter(|_| is_pushed),
        metadata: is_pushed.then(|| metadata(publication)),
        manifest: publication.manifest.as_ref().filter(|_| is_dry).and_then(|text| serde_json::from_str(text).ok()),
        tags: tags.into_iter().map(Cow::from).collect(),
        suite: suite.map(Cow::from),
    }
}

/// Reads a publication; `suite` is the index of its suite. References are part of commands that people copy, so they may
/// only have characters without a meaning to a shell.
pub(super) fn read(written: Document<'_>, suite: Option<usize>) -> Result<Publication, ReadError> {
    let is_plain = |text: &str| text.chars().all(|letter| letter.is_ascii_alphanumeric() || ".-_/:@".contains(letter));
    let named = [&*written.repository]
        .into_iter()
        .chain(written.digest.as_deref())
        .chain(written.moves.iter().map(|tag| tag.name.as_str()));
    if let Some(invalid) = named.into_iter().find(|text| !is_plain(text)) {
        return Err(ReadError::Reference(invalid.to_owned()));
    }
    let problem = || match &written.error {
        Some(Problem { message, help }) => Ok((message.clone().into_owned(), help.clone().map(Cow::into_owned))),
        None => Err(ReadError::MissingError(written.policy.clone().into_owned())),
    };
    let outcome = match written.outcome {
        Outcome::Pushed => PublishOutcome::Pushed,
        Outcome::DryRun => PublishOutcome::WouldPush,
        Outcome::Refused => problem().map(|(message, help)| PublishOutcome::Refused { message, help })?,
        Outcome::Failed => problem().map(|(message, help)| PublishOutcome::Failed { message, help })?,
    };
    let described = written.metadata.as_ref().and_then(|metadata| metadata[DESCRIPTOR]["size"].as_u64());
    let manifest = written.manifest.map(|manifest| manifest.to_string());
    Ok(Publication {
        policy: written.policy.into_owned(),
        suite,
        repository: written.repository.into_owned(),
        size: described.or(manifest.as_ref().map(|manifest| manifest.len() as u64)),
        manifest,
        digest: written.digest.map(Cow::into_owned),
        tags: written.moves.into_owned(),
        outcome,
        warnings: written.warnings.into_owned(),
        span: None,
    })
}

/// The tags that point to the artifact now.
fn current_tags(publication: &Publication) -> Vec<&str> {
    let points_there = |tag: &&PublishedTag| matches!(tag.state, TagState::Moved | TagState::Kept);
    publication.tags.iter().filter(points_there).map(|tag| tag.name.as_str()).collect()
}

/// Where docker has the digest and the size of a manifest.
const DESCRIPTOR: &str = "containerimage.descriptor";

/// The object that `docker buildx` writes about what it pushed.
pub fn metadata(publication: &Publication) -> Value {
    let names = current_tags(publication).into_iter().map(|tag| format!("{}:{tag}", publication.repository));
    json!({
        DESCRIPTOR: {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": publication.digest,
            "size": publication.size.unwrap_or_default(),
        },
        "containerimage.digest": publication.digest,
        "image.name": names.collect::<Vec<_>>().join(","),
    })
}

/// `1 of 2 policies published`, for a heading.
pub(super) fn heading(publications: &[Publication]) -> String {
    let done = publications.iter().filter(|publication| publication.is_done()).count();
    let is_dry = publications.iter().any(|publication| publication.outcome == PublishOutcome::WouldPush);
    let published = if is_dry { "would be published" } else { "published" };
    match publications.len() {
        1 => format!("{done} of 1 policy {published}"),
        several => format!("{done} of {several} policies {published}"),
    }
}

/// The reference and the result of a publication, as one line each.
pub(super) fn in_short(publication: &Publication) -> (String, String) {
    let tags: Vec<&str> = publication.tags.iter().map(|tag| tag.name.as_str()).collect();
    match &publication.outcome {
        PublishOutcome::Pushed | PublishOutcome::WouldPush => {
            (publication.immutable_ref().unwrap_or_else(|| publication.repository.clone()), tags.join(", "))
        }
        PublishOutcome::Refused { message, .. } => {
            (publication.repository.clone(), format!("not pushed: {}", phrases::one_line(message, 400)))
        }
        PublishOutcome::Failed { message, .. } => {
            (publication.repository.clone(), format!("not published: {}", phrases::one_line(message, 400)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(outcome: PublishOutcome) -> Publication {
        let tag = |name: &str, state, before: Option<&str>| PublishedTag {
            name: name.into(),
            is_immutable: name != "latest",
            before: before.map(str::to_owned),
            state,
        };
        Publication {
            policy: "safe-labels".into(),
            suite: Some(0),
            repository: "ghcr.io/acme/safe-labels".into(),
            manifest: Some("{\"schemaVersion\":2}".into()),
            size: Some(19),
            digest: Some("sha256:aa".into()),
            tags: vec![tag("v1", TagState::Moved, None), tag("latest", TagState::Kept, Some("sha256:aa"))],
            outcome,
            warnings: vec!["::error::w".into()],
            span: None,
        }
    }

    #[test]
    fn keys_of_kwctl_oras_and_docker_are_present() {
        let document: Value = serde_json::from_str(&json(&publication(PublishOutcome::Pushed))).unwrap();
        assert_eq!(document["immutable_ref"], "ghcr.io/acme/safe-labels@sha256:aa");
        assert_eq!(document["tags"], json!(["v1", "latest"]));
        assert_eq!(document["Pushed"], "[registry] ghcr.io/acme/safe-labels:v1");
        assert_eq!(document["Digest"], document["digest"]);
        assert_eq!(document["metadata"]["containerimage.digest"], "sha256:aa");
        assert_eq!(document["metadata"]["containerimage.descriptor"]["size"], 19);
        assert_eq!(document["metadata"]["image.name"], "ghcr.io/acme/safe-labels:v1,ghcr.io/acme/safe-labels:latest");
        assert_eq!(document.get("manifest"), None);
    }

    #[test]
    fn failed_and_dry_runs_have_no_pushed_keys() {
        let failed = PublishOutcome::Failed { message: "reset".into(), help: None };
        let document: Value = serde_json::from_str(&json(&publication(failed))).unwrap();
        assert_eq!((&document["outcome"], &document["error"]["message"]), (&json!("failed"), &json!("reset")));
        assert!(document.get("Pushed").is_none() && document.get("metadata").is_none());
        let document: Value = serde_json::from_str(&json(&publication(PublishOutcome::WouldPush))).unwrap();
        assert_eq!(document["manifest"], json!({"schemaVersion": 2}));
        assert!(document.get("Digest").is_none());
    }

    #[test]
    fn references_with_shell_characters_are_rejected() {
        let publication = publication(PublishOutcome::Pushed);
        let read_back = |from: &str, to: &str| {
            let text = json(&publication).replace(from, to);
            read(serde_json::from_str(&text).unwrap(), Some(0))
        };
        let whole = read_back("", "").unwrap();
        assert_eq!(whole, Publication { manifest: None, ..publication.clone() });
        for (from, to) in [("ghcr.io/acme", "ghcr.io/$(id)"), ("sha256:aa", "sha256:a a"), ("\"v1\"", "\"v1;id\"")] {
            assert!(read_back(from, to).is_err_and(|error| matches!(error, ReadError::Reference(_))), "{to}");
        }
        let failed = Publication {
            outcome: PublishOutcome::Failed { message: String::new(), help: None },
            ..publication.clone()
        };
        let text = json(&failed).replace("{\"help\":null,\"message\":\"\"}", "null");
        assert!(
            read(serde_json::from_str(&text).unwrap(), None)
                .is_err_and(|error| matches!(error, ReadError::MissingError(_))),
            "{text}"
        );
    }

    #[test]
    fn text_lists_moved_tags() {
        assert_eq!(
            text(&publication(PublishOutcome::Pushed)),
            "warning: ::error::w\nPolicy successfully pushed: ghcr.io/acme/safe-labels@sha256:aa\n  v1 is new\n  latest already points to it"
        );
        let refused =
            PublishOutcome::Refused { message: "a test failed\n::error::x".into(), help: Some("mend it".into()) };
        assert!(
            text(&publication(refused))
                .ends_with("safe-labels was not pushed: a test failed\n\\::error::x\n  help: mend it")
        );
    }

    #[test]
    fn the_three_commands_name_the_digest() {
        let signed_by = |owner: Option<&str>| Signer { owner: owner.map(str::to_owned), called: None };
        let commands = consumer_commands(&publication(PublishOutcome::Pushed), &signed_by(None)).unwrap();
        assert_eq!(commands.matches("ghcr.io/acme/safe-labels@sha256:aa").count(), 3);
        assert_eq!(commands.matches("--github-owner acme").count(), 1);
        let commands = consumer_commands(&publication(PublishOutcome::Pushed), &signed_by(Some("a; b"))).unwrap();
        assert!(commands.contains("'a; b'"));
    }

    #[test]
    fn commands_name_the_workflow_that_was_called_and_who_called_it() {
        let called = CalledWorkflow { repository: "tools/verify".into(), caller: "acme/p".into() };
        let signer = Signer { owner: Some("acme".into()), called: Some(called) };
        let commands = consumer_commands(&publication(PublishOutcome::Pushed), &signer).unwrap();
        for text in [
            "--github-owner tools --github-repo verify -a repository=acme/p registry://",
            "^https://github.com/tools/verify/ --certificate-github-workflow-repository acme/p ghcr.io/",
            "--repo acme/p --signer-repo tools/verify oci://",
        ] {
            assert!(commands.contains(text), "{commands}");
        }
    }
}
