//! What was published, for people and for scripts: the output of `verify push`, and a part of a run's report.

use serde::Serialize;
use serde_json::{Value, json};

use super::{escape, wording};
use crate::model::publication::{Publication, PublishOutcome, PublishedTag, TagState};

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
    let leads_there = tag.before.is_some() && tag.before == publication.digest;
    let name = &tag.name;
    match (&tag.before, tag.state) {
        _ if leads_there || tag.state == TagState::Kept => format!("{name} leads there already"),
        (Some(before), _) if is_dry => format!("{name} would move from {before}"),
        (None, _) if is_dry => format!("{name} would be new"),
        (Some(before), _) => format!("{name} moved from {before}"),
        (None, _) => format!("{name} is new"),
    }
}

/// The three commands by which others make sure of an artifact once it is signed and attested. `owner` is the account
/// on GitHub whose workflow does that.
pub fn consumer_commands(publication: &Publication, owner: Option<&str>) -> Option<String> {
    let reference = publication.immutable_ref()?;
    let owner = owner.map(str::to_owned).or_else(|| owner_of(&publication.repository));
    let owner = escape::shell(&owner.unwrap_or_else(|| "OWNER".into()));
    // A reference consists of letters, digits and `.-_/:@`, which no shell takes for anything else.
    let image = escape::terminal_line(&reference);
    let commands = [
        format!("kwctl verify --github-owner {owner} registry://{image}"),
        format!(
            "cosign verify --certificate-oidc-issuer https://token.actions.githubusercontent.com \
             --certificate-identity-regexp ^https://github.com/{owner}/ {image}"
        ),
        format!("gh attestation verify --owner {owner} oci://{image}"),
    ];
    Some(format!("when it is signed and attested, its users check it with\n  {}", commands.join("\n  ")))
}

/// Images on GitHub's registry carry the account they belong to in their name.
fn owner_of(repository: &str) -> Option<String> {
    repository.strip_prefix("ghcr.io/")?.split('/').next().map(str::to_owned)
}

/// One JSON document, in the shapes that scripts know from kwctl, oras and docker.
pub fn json(publication: &Publication) -> String {
    let text = serde_json::to_string(&document(publication)).expect("texts and numbers are plain JSON");
    escape::json(&text) + "\n"
}

/// The keys of a publication, in the order of the contract.
#[derive(Serialize)]
pub(super) struct Document<'a> {
    immutable_ref: Option<String>,
    digest: Option<&'a str>,
    tags: Vec<&'a str>,
    policy: &'a str,
    repository: &'a str,
    outcome: &'static str,
    moves: Vec<Move<'a>>,
    error: Option<Value>,
    warnings: &'a [String],
    #[serde(rename = "Pushed", skip_serializing_if = "Option::is_none")]
    pushed: Option<String>,
    #[serde(rename = "Digest", skip_serializing_if = "Option::is_none")]
    oras_digest: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    manifest: Option<Value>,
}

#[derive(Serialize)]
struct Move<'a> {
    tag: &'a str,
    before: Option<&'a str>,
    immutable: bool,
    state: &'static str,
}

pub(super) fn document(publication: &Publication) -> Document<'_> {
    let is_pushed = publication.outcome == PublishOutcome::Pushed;
    let is_dry = publication.outcome == PublishOutcome::WouldPush;
    let tags = leading_there(publication);
    let pushed = || match tags.first() {
        Some(tag) => format!("[registry] {}:{tag}", publication.repository),
        None => format!("[registry] {}", publication.immutable_ref().unwrap_or_default()),
    };
    let error = match &publication.outcome {
        PublishOutcome::Pushed | PublishOutcome::WouldPush => None,
        PublishOutcome::Refused { message, help } | PublishOutcome::Failed { message, help } => {
            Some(json!({ "message": message, "help": help }))
        }
    };
    Document {
        immutable_ref: publication.immutable_ref(),
        digest: publication.digest.as_deref(),
        policy: &publication.policy,
        repository: &publication.repository,
        outcome: word(&publication.outcome),
        moves: publication.tags.iter().map(|tag| as_move(tag)).collect(),
        error,
        warnings: &publication.warnings,
        pushed: is_pushed.then(pushed),
        oras_digest: publication.digest.as_deref().filter(|_| is_pushed),
        metadata: is_pushed.then(|| metadata(publication)),
        manifest: publication.manifest.as_ref().filter(|_| is_dry).and_then(|text| serde_json::from_str(text).ok()),
        tags,
    }
}

/// The tags that lead to the artifact now.
fn leading_there(publication: &Publication) -> Vec<&str> {
    let leads_there = |tag: &&PublishedTag| matches!(tag.state, TagState::Moved | TagState::Kept);
    publication.tags.iter().filter(leads_there).map(|tag| tag.name.as_str()).collect()
}

/// The object that `docker buildx` writes about what it pushed.
pub fn metadata(publication: &Publication) -> Value {
    let names = leading_there(publication).into_iter().map(|tag| format!("{}:{tag}", publication.repository));
    json!({
        "containerimage.descriptor": {
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": publication.digest,
            "size": publication.manifest.as_ref().map_or(0, String::len),
        },
        "containerimage.digest": publication.digest,
        "image.name": names.collect::<Vec<_>>().join(","),
    })
}

fn as_move(tag: &PublishedTag) -> Move<'_> {
    let state = match tag.state {
        TagState::Untouched => "untouched",
        TagState::Kept => "kept",
        TagState::Moved => "moved",
        TagState::Uncertain => "uncertain",
    };
    Move { tag: &tag.name, before: tag.before.as_deref(), immutable: tag.is_immutable, state }
}

fn word(outcome: &PublishOutcome) -> &'static str {
    match outcome {
        PublishOutcome::Pushed => "pushed",
        PublishOutcome::WouldPush => "dry-run",
        PublishOutcome::Refused { .. } => "refused",
        PublishOutcome::Failed { .. } => "failed",
    }
}

/// `2 policies published`, for the end of a run.
pub fn summary(publications: &[Publication]) -> String {
    let done = publications.iter().filter(|publication| publication.is_done()).count();
    format!("{done} of {} published", wording::count(publications.len(), "entry").replace("entrys", "entries"))
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
            digest: Some("sha256:aa".into()),
            tags: vec![tag("v1", TagState::Moved, None), tag("latest", TagState::Kept, Some("sha256:aa"))],
            outcome,
            warnings: vec!["::error::w".into()],
            span: None,
        }
    }

    #[test]
    fn scripts_find_the_shapes_they_know() {
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
    fn what_was_not_pushed_does_not_look_pushed() {
        let failed = PublishOutcome::Failed { message: "reset".into(), help: None };
        let document: Value = serde_json::from_str(&json(&publication(failed))).unwrap();
        assert_eq!((&document["outcome"], &document["error"]["message"]), (&json!("failed"), &json!("reset")));
        assert!(document.get("Pushed").is_none() && document.get("metadata").is_none());
        let document: Value = serde_json::from_str(&json(&publication(PublishOutcome::WouldPush))).unwrap();
        assert_eq!(document["manifest"], json!({"schemaVersion": 2}));
        assert!(document.get("Digest").is_none());
    }

    #[test]
    fn people_read_what_moved() {
        assert_eq!(
            text(&publication(PublishOutcome::Pushed)),
            "warning: ::error::w\nPolicy successfully pushed: ghcr.io/acme/safe-labels@sha256:aa\n  v1 is new\n  latest leads there already"
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
        let commands = consumer_commands(&publication(PublishOutcome::Pushed), None).unwrap();
        assert_eq!(commands.matches("ghcr.io/acme/safe-labels@sha256:aa").count(), 3);
        assert_eq!(commands.matches("--github-owner acme").count(), 1);
        assert!(consumer_commands(&publication(PublishOutcome::Pushed), Some("a; b")).unwrap().contains("'a; b'"));
    }
}
