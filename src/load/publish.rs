//! `publish:` becomes publish specifications: every policy, repository and tag in it has to make sense before anything runs.

use std::collections::BTreeSet;

use super::mistake::{Mistakes, nearest};
use super::policies::Policies;
use super::schema::PublishEntry;
use crate::model::publication::PublishSpec;
use crate::model::source::Spanned;

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
    let repository = repository(&entry.to.value).map_err(|(message, help)| {
        mistakes.add_with_help(&entry.to.span, message, help);
    });
    if entry.tags.is_empty() {
        let help = "write `tags: [latest]`: nothing but its digest would lead to it";
        mistakes.add_with_help(&entry.to.span, "the entry has no `tags`", help);
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    for tag in &entry.tags {
        if !is_tag(&tag.value) {
            let help = "a tag has up to 128 letters, digits, `_`, `.` and `-`, and begins with none of the last two";
            mistakes.add_with_help(&tag.span, format!("`{}` is no tag", tag.value), help);
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
    })
}

/// The name of a repository without its scheme; what is wrong with it, and what to do about it.
fn repository(text: &str) -> Result<String, (String, &'static str)> {
    let name = text.strip_prefix("registry://").unwrap_or(text);
    let example = "write `ghcr.io/acme/policies/safe-labels`, with or without `registry://`";
    if name.contains("://") {
        return Err((format!("`{text}` is in no registry"), example));
    }
    let (host, path) = name.split_once('/').ok_or_else(|| (format!("`{text}` names no registry"), example))?;
    if !host.contains(['.', ':']) && host != "localhost" {
        return Err((format!("`{host}` is no host of a registry"), example));
    }
    if path.contains('@') {
        return Err((format!("`{text}` has a digest"), "the digest comes out of the policy: take it away"));
    }
    if path.contains(':') {
        return Err((format!("`{text}` has a tag"), "write it under `tags`"));
    }
    // The grammar of the distribution specification.
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

fn is_tag(text: &str) -> bool {
    let is_word = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    text.len() <= 128
        && text.starts_with(is_word)
        && text.chars().all(|letter| is_word(letter) || matches!(letter, '.' | '-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repositories_have_a_host_and_no_tag() {
        assert_eq!(repository("ghcr.io/acme/policies/safe-labels").unwrap(), "ghcr.io/acme/policies/safe-labels");
        assert_eq!(repository("registry://localhost:5000/a").unwrap(), "localhost:5000/a");
        for (text, problem) in [
            ("safe-labels", "names no registry"),
            ("acme/safe-labels", "no host"),
            ("https://ghcr.io/a", "in no registry"),
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
}
