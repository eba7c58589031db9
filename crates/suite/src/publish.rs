//! `publish:` becomes publish specifications: every policy, repository and tag in it has to make sense before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use super::mistake::{Mistakes, mistake, nearest};
use super::policies::Policies;
use super::schema::{PublishEntry, Sound};
use policy_verify_model::code::Code;
use policy_verify_model::name;
use policy_verify_model::source::Spanned;
use policy_verify_model::suite::PublishSpec;

/// Reads the entries of a suite.
pub(crate) fn specs(written: &[Sound<PublishEntry>], policies: &Policies, mistakes: &mut Mistakes) -> Vec<PublishSpec> {
    let mut specs: Vec<PublishSpec> = Vec::new();
    for entry in written.iter().filter_map(|entry| entry.0.as_ref()) {
        let Some(spec) = spec(entry, policies, mistakes) else { continue };
        for tag in &spec.tags {
            let taken = |other: &&PublishSpec| {
                other.repository.value == spec.repository.value && other.tags.iter().any(|it| it.value == tag.value)
            };
            if let Some(other) = specs.iter().find(taken) {
                let message = format!("duplicate tag `{}:{}`", spec.repository.value, tag.value);
                let mistake =
                    mistake(&tag.span, message).with_related(&other.repository.span, "published here already");
                mistakes.push(mistake.with_help("publish it once".to_owned()));
            }
        }
        specs.push(spec);
    }
    specs
}

fn spec(entry: &PublishEntry, policies: &Policies, mistakes: &mut Mistakes) -> Option<PublishSpec> {
    let policy =
        policies.find_declared(entry.policy.as_ref(), &entry.to.span).map_err(|mistake| mistakes.push(mistake)).ok();
    let repository = name::repository(&entry.to.value).map_err(|mistake| mistakes.push(mistake.at(&entry.to.span)));
    if entry.tags.is_empty() {
        let help = "add `tags: [latest]`";
        let mistake = mistake(&entry.to.span, "the entry has no `tags`").with_code(Code::MissingKey);
        mistakes.push(mistake.with_help(help.to_owned()));
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for tag in &entry.tags {
        if let Err(mistake) = name::check_tag(&tag.value) {
            mistakes.push(mistake.at(&tag.span));
        }
        if !names.insert(&tag.value) {
            mistakes.add_with_help(&tag.span, format!("duplicate tag `{}`", tag.value), "remove one of them");
        }
    }
    for tag in &entry.immutable {
        if !names.contains(tag.value.as_str()) {
            let near = nearest(&tag.value, names.iter().copied());
            let help = near.map_or("add it to `tags`".to_owned(), |near| format!("did you mean `{near}`?"));
            mistakes.add_with_help(&tag.span, format!("immutable tag `{}` is not among `tags`", tag.value), help);
        }
    }
    Some(PublishSpec {
        policy: policy?,
        repository: Spanned::new(repository.ok()?, entry.to.span.clone()),
        tags: entry.tags.clone(),
        immutable: entry.immutable.iter().map(|tag| tag.value.clone()).collect(),
        annotations: BTreeMap::new(),
    })
}
