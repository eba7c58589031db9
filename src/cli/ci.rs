//! What CI systems tell about a run: whether it may publish, and whether its code may be a stranger's.
//!
//! Systems that are not listed, and laptops, tell nothing: there everything is as the user says.

use std::env;
use std::fs;

use policy_verify::model::diagnostic::Diagnostic;
use serde_json::Value;

use super::problem::usage;

/// A variable that names what started the run, and the words after which publishing is fine.
struct Event {
    variable: &'static str,
    /// Only who may write to the repository starts these.
    allowed: &'static [&'static str],
    /// Started by hand on any branch: fine unless the system says that the branch is not protected.
    by_hand: &'static [&'static str],
    /// Whether the branch or tag is protected, `true` or `false`.
    protected: Option<&'static str>,
}

const EVENTS: &[Event] = &[
    Event {
        variable: "GITHUB_EVENT_NAME",
        allowed: &["push", "release", "schedule"],
        by_hand: &["workflow_dispatch"],
        protected: Some("GITHUB_REF_PROTECTED"),
    },
    Event {
        variable: "CI_PIPELINE_SOURCE",
        allowed: &["push", "schedule"],
        by_hand: &["web", "api", "trigger", "pipeline", "parent_pipeline"],
        protected: Some("CI_COMMIT_REF_PROTECTED"),
    },
    Event {
        variable: "BUILD_REASON",
        allowed: &["IndividualCI", "BatchedCI", "Schedule", "Manual"],
        by_hand: &[],
        protected: None,
    },
    Event { variable: "TRAVIS_EVENT_TYPE", allowed: &["push", "cron"], by_hand: &["api"], protected: None },
    Event {
        variable: "DRONE_BUILD_EVENT",
        allowed: &["push", "tag", "cron", "promote", "rollback"],
        by_hand: &["custom"],
        protected: None,
    },
    // Woodpecker.
    Event {
        variable: "CI_PIPELINE_EVENT",
        allowed: &["push", "tag", "release", "cron", "deployment"],
        by_hand: &["manual"],
        protected: None,
    },
];

/// A variable that is set where the code is that of a pull or merge request.
struct Request {
    variable: &'static str,
    /// What its value begins with; anything but a word for "no" if this is empty.
    value: &'static str,
    fork: Fork,
}

/// How a system tells that a request comes from another repository.
enum Fork {
    /// This variable is set, and does not say "no".
    Set(&'static str),
    /// These two name different repositories.
    Differs(&'static str, &'static str),
    /// It runs nothing for forks.
    Never,
    /// It does not tell.
    Unknown,
}

const fn request(variable: &'static str, fork: Fork) -> Request {
    Request { variable, value: "", fork }
}

const REQUESTS: &[Request] = &[
    request(
        "CI_MERGE_REQUEST_IID",
        Fork::Differs("CI_MERGE_REQUEST_SOURCE_PROJECT_PATH", "CI_MERGE_REQUEST_PROJECT_PATH"),
    ),
    request(
        "CI_EXTERNAL_PULL_REQUEST_IID",
        Fork::Differs("CI_EXTERNAL_PULL_REQUEST_SOURCE_REPOSITORY", "CI_EXTERNAL_PULL_REQUEST_TARGET_REPOSITORY"),
    ),
    // Azure Pipelines.
    request("SYSTEM_PULLREQUEST_PULLREQUESTID", Fork::Set("SYSTEM_PULLREQUEST_ISFORK")),
    request("CIRCLE_PR_NUMBER", Fork::Set("CIRCLE_PR_NUMBER")),
    request("CIRCLE_PULL_REQUEST", Fork::Set("CIRCLE_PR_NUMBER")),
    request("BITBUCKET_PR_ID", Fork::Never),
    request("BUILDKITE_PULL_REQUEST", Fork::Differs("BUILDKITE_PULL_REQUEST_REPO", "BUILDKITE_REPO")),
    request("TRAVIS_PULL_REQUEST", Fork::Differs("TRAVIS_PULL_REQUEST_SLUG", "TRAVIS_REPO_SLUG")),
    request("DRONE_PULL_REQUEST", Fork::Unknown),
    // Woodpecker.
    request("CI_COMMIT_PULL_REQUEST", Fork::Unknown),
    request("SEMAPHORE_GIT_PR_NUMBER", Fork::Differs("SEMAPHORE_GIT_PR_SLUG", "SEMAPHORE_GIT_REPO_SLUG")),
    request(
        "APPVEYOR_PULL_REQUEST_NUMBER",
        Fork::Differs("APPVEYOR_PULL_REQUEST_HEAD_REPO_NAME", "APPVEYOR_REPO_NAME"),
    ),
    // Jenkins, with its branch sources and with two older plugins.
    request("CHANGE_ID", Fork::Set("CHANGE_FORK")),
    request("ghprbPullId", Fork::Unknown),
    request("gitlabMergeRequestIid", Fork::Unknown),
    Request { variable: "CODEBUILD_WEBHOOK_EVENT", value: "PULL_REQUEST", fork: Fork::Unknown },
    Request { variable: "CODEBUILD_SOURCE_VERSION", value: "pr/", fork: Fork::Unknown },
    // Codemagic.
    request("CM_PULL_REQUEST", Fork::Unknown),
    request("BITRISE_PULL_REQUEST", Fork::Differs("BITRISEIO_PULL_REQUEST_REPOSITORY_URL", "GIT_REPOSITORY_URL")),
    request("CIRRUS_PR", Fork::Unknown),
    // Prow.
    request("PULL_NUMBER", Fork::Unknown),
    Request { variable: "JOB_TYPE", value: "presubmit", fork: Fork::Unknown },
    Request { variable: "JOB_TYPE", value: "batch", fork: Fork::Unknown },
    // Screwdriver.
    request("SD_PULL_REQUEST", Fork::Unknown),
    // Bamboo.
    request("bamboo_repository_pr_key", Fork::Unknown),
];

/// Why this run may not publish: it may have code that nobody has reviewed, which would be published under the name of the
/// maintainers.
pub(crate) fn publish_obstacle() -> Option<Diagnostic> {
    obstacle(&variable)
}

/// Why this run must be taken for one of a stranger's code.
pub(crate) fn foreign_code() -> Option<String> {
    let document = |path: &str| fs::read(path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok());
    foreign(&variable, &document)
}

fn variable(name: &str) -> Option<String> {
    env::var_os(name).map(|value| value.to_string_lossy().into_owned()).filter(|value| !value.is_empty())
}

/// Looks up variables of the environment; empty ones are not there.
type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

fn obstacle(variable: Lookup<'_>) -> Option<Diagnostic> {
    let dry = "`--dry-run` shows here what would be pushed";
    if let Some((request, value)) = open_request(variable) {
        let name = request.variable;
        let message =
            format!("no push for a pull or merge request ({name} is `{value}`): its code is not reviewed yet");
        return Some(usage(message).with_help(format!("push after the merge or on a tag; {dry}")));
    }
    let (event, value) = EVENTS.iter().find_map(|event| Some((event, variable(event.variable)?)))?;
    if event.allowed.contains(&value.as_str()) {
        return None;
    }
    if event.by_hand.contains(&value.as_str()) {
        let (name, told) = event.protected.and_then(|name| Some((name, variable(name)?)))?;
        let message =
            format!("no push on the event `{value}`: the branch or tag is not protected ({name} is `{told}`)");
        let help = format!("protect it, or push after the merge or on a tag; {dry}");
        return (told != "true").then(|| usage(message).with_help(help));
    }
    let events = [event.allowed, event.by_hand].concat().join(", ");
    let message = format!("no push on the event `{value}`: its code may be that of a pull request, not reviewed yet");
    Some(usage(message).with_help(format!("push on one of the events {events}; {dry}")))
}

/// The pull or merge request whose code this is.
fn open_request(variable: Lookup<'_>) -> Option<(&'static Request, String)> {
    let is_open = |request: &Request, value: &str| match request.value {
        "" => says_yes(value),
        start => value.starts_with(start),
    };
    REQUESTS.iter().find_map(|request| {
        let value = variable(request.variable)?;
        is_open(request, &value).then_some((request, value))
    })
}

fn says_yes(value: &str) -> bool {
    !["false", "False", "FALSE", "0", "no", "none", "null"].contains(&value)
}

fn foreign(variable: Lookup<'_>, document: &dyn Fn(&str) -> Option<Value>) -> Option<String> {
    if let Some(event) = variable("GITHUB_EVENT_NAME") {
        let own = variable("GITHUB_REPOSITORY");
        let document = || variable("GITHUB_EVENT_PATH").and_then(|path| document(&path));
        return foreign_on_github(&event, own.as_deref(), &document);
    }
    let (request, value) = open_request(variable)?;
    let shown = format!("{} is `{value}`", request.variable);
    match &request.fork {
        Fork::Never => None,
        Fork::Unknown => Some(format!("this is a pull request, and nothing says that it is no fork's ({shown})")),
        Fork::Set(name) => {
            let is_fork = variable(name).is_some_and(|value| says_yes(&value));
            is_fork.then(|| format!("this is the pull request of a fork ({shown})"))
        }
        Fork::Differs(one, other) => match (variable(one), variable(other)) {
            (Some(theirs), Some(ours)) if repository(&theirs) == repository(&ours) => None,
            (Some(theirs), Some(_)) => Some(format!("this is the pull request of the fork `{theirs}`")),
            _ => Some(format!("this is a pull request, and nothing says that it is no fork's ({shown})")),
        },
    }
}

/// Events whose document tells where the code is from.
const WITH_CODE_OF_OTHERS: &[&str] = &[
    "pull_request",
    "pull_request_target",
    "pull_request_review",
    "pull_request_review_comment",
    "pull_request_comment",
    "issue_comment",
    "workflow_run",
];

fn foreign_on_github(event: &str, own: Option<&str>, document: &dyn Fn() -> Option<Value>) -> Option<String> {
    if !WITH_CODE_OF_OTHERS.contains(&event) {
        return None;
    }
    let unknown = |what: &str| Some(format!("nothing says that the code of this `{event}` is no fork's: {what}"));
    let Some(document) = document() else { return unknown("GITHUB_EVENT_PATH names no document of the event") };
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
    let Some(ours) = text("/repository/full_name").or_else(|| own.map(str::to_owned)) else {
        return unknown("it does not name the repository");
    };
    let theirs = match event {
        // Whoever comments on it, the code is that of the request.
        "issue_comment" if document.pointer("/issue/pull_request").is_some_and(|it| !it.is_null()) => {
            return unknown("a comment on a pull request does not name it");
        }
        "issue_comment" => return None,
        "workflow_run" => text("/workflow_run/head_repository/full_name"),
        _ => text("/pull_request/head/repo/full_name"),
    };
    match theirs {
        Some(theirs) if theirs.eq_ignore_ascii_case(&ours) => None,
        Some(theirs) => Some(format!("this is the pull request of the fork `{theirs}`")),
        None => unknown("its document names no repository of the code"),
    }
}

/// Owner and name of a repository, out of a URL of any kind or as they are.
fn repository(url: &str) -> String {
    let text = url.trim_end_matches('/').trim_end_matches(".git").to_lowercase();
    let mut parts = text.rsplit(['/', ':']);
    let (name, owner) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
    // Groups may have groups: without a host, all of them count.
    if text.contains("://") || text.contains('@') { format!("{owner}/{name}") } else { text }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn lookup<'a>(variables: &'a [(&'a str, &'a str)]) -> impl Fn(&str) -> Option<String> + 'a {
        |name| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
    }

    #[test]
    fn only_events_of_maintainers_publish() {
        for (variables, may_publish) in [
            (&[][..], true),
            (&[("CI", "true")], true),
            (&[("GITHUB_EVENT_NAME", "push")], true),
            (&[("GITHUB_EVENT_NAME", "push"), ("GITHUB_REF_PROTECTED", "false")], true),
            (&[("GITHUB_EVENT_NAME", "release")], true),
            (&[("GITHUB_EVENT_NAME", "schedule")], true),
            (&[("GITHUB_EVENT_NAME", "workflow_dispatch")], true),
            (&[("GITHUB_EVENT_NAME", "workflow_dispatch"), ("GITHUB_REF_PROTECTED", "true")], true),
            (&[("GITHUB_EVENT_NAME", "workflow_dispatch"), ("GITHUB_REF_PROTECTED", "false")], false),
            (&[("GITHUB_EVENT_NAME", "pull_request_review")], false),
            (&[("GITHUB_EVENT_NAME", "Push")], false),
            (&[("CI_PIPELINE_SOURCE", "push"), ("CI_MERGE_REQUEST_IID", "3")], false),
            (&[("CI_PIPELINE_SOURCE", "push")], true),
            (&[("CI_PIPELINE_SOURCE", "merge_request_event")], false),
            (&[("CI_PIPELINE_SOURCE", "external_pull_request_event")], false),
            (&[("CI_PIPELINE_SOURCE", "parent_pipeline"), ("CI_COMMIT_REF_PROTECTED", "false")], false),
            (&[("CI_PIPELINE_SOURCE", "web"), ("CI_COMMIT_REF_PROTECTED", "true")], true),
            (&[("BUILD_REASON", "PullRequest")], false),
            (&[("BUILD_REASON", "IndividualCI")], true),
            (&[("BUILDKITE_PULL_REQUEST", "false")], true),
            (&[("BUILDKITE_PULL_REQUEST", "12")], false),
            (&[("TRAVIS_EVENT_TYPE", "push"), ("TRAVIS_PULL_REQUEST", "false")], true),
            (&[("TRAVIS_EVENT_TYPE", "pull_request")], false),
            (&[("CHANGE_ID", "7")], false),
            (&[("CODEBUILD_WEBHOOK_EVENT", "PUSH")], true),
            (&[("CODEBUILD_WEBHOOK_EVENT", "PULL_REQUEST_CREATED")], false),
            (&[("JOB_TYPE", "presubmit")], false),
        ] {
            assert_eq!(obstacle(&lookup(variables)).is_none(), may_publish, "{variables:?}");
        }
    }

    #[test]
    fn code_of_forks_is_known() {
        let from = |repository: &str| json!({ "repository": { "full_name": "acme/p" }, "pull_request": { "head": { "repo": { "full_name": repository } } } });
        for (event, document, is_foreign) in [
            ("push", None, false),
            ("pull_request", Some(from("acme/p")), false),
            ("pull_request", Some(from("Acme/P")), false),
            ("pull_request", Some(from("evil/p")), true),
            ("pull_request_target", Some(from("evil/p")), true),
            ("pull_request_review", Some(from("evil/p")), true),
            ("pull_request", None, true),
            // The fork is deleted.
            ("pull_request", Some(json!({ "pull_request": { "head": { "repo": null } } })), true),
            ("issue_comment", Some(json!({ "issue": { "pull_request": { "url": "x" } } })), true),
            ("issue_comment", Some(json!({ "issue": {} })), false),
            ("workflow_run", Some(json!({ "workflow_run": { "head_repository": { "full_name": "evil/p" } } })), true),
            ("workflow_run", Some(json!({ "workflow_run": { "head_repository": { "full_name": "acme/p" } } })), false),
        ] {
            let variables =
                [("GITHUB_EVENT_NAME", event), ("GITHUB_EVENT_PATH", "event.json"), ("GITHUB_REPOSITORY", "acme/p")];
            let found = foreign(&lookup(&variables), &|_| document.clone());
            assert_eq!(found.is_some(), is_foreign, "{event} {document:?}: {found:?}");
        }
        for (variables, is_foreign) in [
            (&[][..], false),
            (&[("CI", "true")], false),
            (&[("CI_MERGE_REQUEST_IID", "1")], true),
            (&[("BITBUCKET_PR_ID", "1")], false),
            (&[("CHANGE_ID", "1")], false),
            (&[("CHANGE_ID", "1"), ("CHANGE_FORK", "evil")], true),
            (&[("SYSTEM_PULLREQUEST_PULLREQUESTID", "1"), ("SYSTEM_PULLREQUEST_ISFORK", "False")], false),
            (&[("SYSTEM_PULLREQUEST_PULLREQUESTID", "1"), ("SYSTEM_PULLREQUEST_ISFORK", "True")], true),
            (&[("DRONE_PULL_REQUEST", "1")], true),
            (&[("TRAVIS_PULL_REQUEST", "false")], false),
        ] {
            let found = foreign(&lookup(variables), &|_| None);
            assert_eq!(found.is_some(), is_foreign, "{variables:?}: {found:?}");
        }
        let buildkite = |theirs: &'static str| {
            [
                ("BUILDKITE_PULL_REQUEST", "1"),
                ("BUILDKITE_PULL_REQUEST_REPO", theirs),
                ("BUILDKITE_REPO", "git@github.com:acme/p.git"),
            ]
        };
        assert_eq!(foreign(&lookup(&buildkite("git://github.com/acme/p.git")), &|_| None), None);
        assert!(foreign(&lookup(&buildkite("git://github.com/evil/p.git")), &|_| None).is_some());
    }
}
