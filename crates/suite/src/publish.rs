//! `publish:` becomes publish specifications: every policy, repository and tag in it has to make sense before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use super::mistake::{Mistakes, nearest};
use super::policies::Policies;
use super::schema::PublishEntry;
use policy_verify_model::name;
use policy_verify_model::source::Spanned;
use policy_verify_model::suite::PublishSpec;

/// Reads the entries of a suite.
pub(crate) fn specs(written: &[PublishEntry], policies: &Policies, mistakes: &mut Mistakes) -> Vec<PublishSpec> {
    let mut specs: Vec<PublishSpec> = Vec::new();
    for entry in written {
        let Some(spec) = spec(entry, policies, mistakes) else { continue };
        for tag in &spec.tags {
            let taken = |other: &&PublishSpec| {
                other.repository.value == spec.repository.value && other.tags.iter().any(|it| it.value == tag.value)
            };
            if let Some(other) = specs.iter().find(taken) {
                let message = format!(
                    "line {} publishes `{}:{}` already",
                    other.repository.span.line, spec.repository.value, tag.value
                );
                mistakes.add(&tag.span, message);
            }
        }
        specs.push(spec);
    }
    specs
}

fn spec(entry: &PublishEntry, policies: &Policies, mistakes: &mut Mistakes) -> Option<PublishSpec> {
    let policy =
        policies.find_declared(entry.policy.as_ref(), &entry.to.span).map_err(|mistake| mistakes.push(mistake)).ok();
    let repository = name::repository(&entry.to.value).map_err(|(message, help)| {
        mistakes.add_with_help(&entry.to.span, message, help);
    });
    if entry.tags.is_empty() {
        let help = "write `tags: [latest]`: nothing but its digest would lead to it";
        mistakes.add_with_help(&entry.to.span, "the entry has no `tags`", help);
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for tag in &entry.tags {
        if !name::is_tag(&tag.value) {
            mistakes.add_with_help(&tag.span, format!("`{}` is no tag", tag.value), name::TAG_HELP);
        }
        if !names.insert(&tag.value) {
            mistakes.add(&tag.span, format!("the tag `{}` is there twice", tag.value));
        }
    }
    for tag in &entry.immutable {
        if !names.contains(tag.value.as_str()) {
            let near = nearest(&tag.value, names.iter().copied());
            let help =
                near.map_or("`immutable` picks from `tags`".to_owned(), |near| format!("did you mean `{near}`?"));
            mistakes.add_with_help(&tag.span, format!("`{}` is none of the `tags`", tag.value), help);
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
