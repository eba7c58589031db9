//! `--publish-to` and its like: the command line, not the suite, names where the only policy of a run is published.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::Error;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::name;
use policy_verify_model::publication::Redirection;
use policy_verify_model::source::Spanned;
use policy_verify_model::suite::{PolicyIndex, PublishSpec, Suite};
use policy_verify_registry::publish;

/// Replaces what the suites say about publishing.
///
/// # Errors
///
/// The run has several policies to publish, or none, or an invalid repository, tag or annotation.
pub(super) fn apply(suites: &mut [Suite], redirection: &Redirection) -> Result<(), Error> {
    if redirection.is_empty() {
        return Ok(());
    }
    let found = single_target(suites).and_then(|found| Ok((found.suite, spec(suites, &found, redirection)?)));
    let (suite, spec) = found.map_err(|problem| Error::Usage(Box::new(problem)))?;
    suites.iter_mut().for_each(|suite| suite.publish.clear());
    suites[suite].publish.push(spec);
    Ok(())
}

/// What the flags publish.
struct Target {
    suite: usize,
    policy: PolicyIndex,
    /// What the suite says about it.
    entry: Option<PublishSpec>,
}

/// The only entry of all suites, or the only policy.
fn single_target(suites: &[Suite]) -> Result<Target, Diagnostic> {
    let entries = || {
        let entries =
            suites.iter().enumerate().flat_map(|(index, suite)| suite.publish.iter().map(move |it| (index, it)));
        entries.map(|(suite, entry)| Target { suite, policy: entry.policy, entry: Some(entry.clone()) })
    };
    let policies = || {
        let policies =
            suites.iter().enumerate().flat_map(|(suite, it)| (0..it.policies.len()).map(move |at| (suite, at)));
        policies.map(|(suite, at)| Target { suite, policy: PolicyIndex(at), entry: None })
    };
    let mut found: Vec<Target> = entries().collect();
    if found.is_empty() {
        found = policies().collect();
        // Other settings, other names: it is one module that is published.
        let module = |it: &Target| {
            let spec = &suites[it.suite].policies[it.policy.0];
            let path = |file: &Option<Spanned<PathBuf>>| file.as_ref().map(|file| file.value.clone());
            let mode = spec.execution_mode.as_ref().map(|mode| mode.value);
            (spec.uri.value.clone(), path(&spec.metadata), path(&spec.usage), mode)
        };
        if found.iter().skip(1).all(|it| module(it) == module(&found[0])) {
            found.truncate(1);
        }
    }
    let names = || {
        let name = |found: &Target| format!("`{}`", suites[found.suite].policies[found.policy.0].name);
        found.iter().map(name).collect::<Vec<_>>().join(", ")
    };
    let (count, are_entries) = (found.len(), found.first().is_some_and(|found| found.entry.is_some()));
    if count > 1 {
        let message = match are_entries {
            true => format!("{FLAGS} are about one policy, and `publish:` has {count} entries: {}", names()),
            false => format!("{FLAGS} are about one policy, and this run has {count}: {}", names()),
        };
        let help = match are_entries {
            true => "say in the suite where each of them goes, with variables for what differs: `--var tag=v1.0.0`",
            false => {
                "say in the suite which it is: publish: [{ policy: NAME, to: ghcr.io/acme/policies/NAME, tags: [latest] }]"
            }
        };
        return Err(usage(message, help));
    }
    found.pop().ok_or_else(|| usage("nothing to publish: this run has no policy".to_owned(), "add one to the suite"))
}

fn usage(message: String, help: &str) -> Diagnostic {
    Diagnostic::new(Code::Usage, message).with_help(help.to_owned())
}

const FLAGS: &str = "`--publish-to`, `--publish-tag` and `--annotation`";

fn spec(suites: &[Suite], found: &Target, redirection: &Redirection) -> Result<PublishSpec, Diagnostic> {
    let policy = &suites[found.suite].policies[found.policy.0];
    let entry = found.entry.as_ref();
    let (to, typed_tag) = match redirection.to.as_deref().map(name::without_tag) {
        Some((to, tag)) => (Some(to), tag),
        None => (None, None),
    };
    let repository = match (to, entry) {
        (Some(to), _) => {
            let to = name::repository(to)
                .map_err(|mistake| Diagnostic { message: format!("--publish-to: {}", mistake.message), ..mistake })?;
            Spanned::new(to, entry.map_or(&policy.span, |entry| &entry.repository.span).clone())
        }
        (None, Some(entry)) => entry.repository.clone(),
        (None, None) => {
            let message = format!("no repository for `{}`", policy.name);
            return Err(usage(message, "add `--publish-to ghcr.io/acme/policies/NAME`, or `publish:` to the suite"));
        }
    };
    let typed = name::tags(typed_tag.into_iter().chain(redirection.tags.iter().map(String::as_str)))?;
    let mut tags: Vec<Spanned<String>> =
        typed.into_iter().map(|tag| Spanned::new(tag, repository.span.clone())).collect();
    if tags.is_empty() {
        tags.extend(entry.into_iter().flat_map(|entry| entry.tags.clone()));
    }
    if tags.is_empty() {
        let message = format!("no tag for `{}`", policy.name);
        return Err(usage(message, "add `--publish-tag latest`; the flag may be repeated"));
    }
    let immutable: BTreeSet<String> = entry.into_iter().flat_map(|entry| entry.immutable.clone()).collect();
    Ok(PublishSpec {
        policy: found.policy,
        immutable: immutable.into_iter().filter(|name| tags.iter().any(|tag| tag.value == *name)).collect(),
        repository,
        tags,
        annotations: publish::annotations(&redirection.annotations)?,
    })
}
