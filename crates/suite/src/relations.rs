//! `relations:` of policies and of the defaults: each relation of a policy becomes a test.

use super::mistake::{Mistakes, mistake, near};
use super::policies::{Policies, Relations};
use super::schema::{Either, ExceptionEntry, RelationWritten};
use policy_verify_model::code::Code;
use policy_verify_model::relation::{Relation, RelationException};
use policy_verify_model::source::Spanned;
use policy_verify_model::suite::{Case, CaseBody, PolicyIndex, RelationCase};

/// Most exceptions of a relation.
const MOST_EXCEPTIONS: usize = 100;

/// Reads a list of relations.
pub(super) fn read(written: &[RelationWritten], mistakes: &mut Mistakes) -> Relations {
    let mut relations = Relations::new();
    for entry in written {
        let (relation, exceptions) = match entry {
            Either::Scalar(relation) => (relation, Vec::new()),
            Either::Mapping(entry) => {
                if entry.except.len() > MOST_EXCEPTIONS {
                    let message = format!("a relation has at most {MOST_EXCEPTIONS} exceptions");
                    mistakes.add_with_help(&entry.relation.span, message, "remove the relation: it does not hold");
                }
                let except = entry.except.iter().filter_map(|it| exception(it, entry.relation.value, mistakes));
                (&entry.relation, except.collect())
            }
        };
        if relations.iter().any(|(known, _)| known.value == relation.value) {
            let message = format!("duplicate relation `{}`", relation.value.name());
            mistakes.add_with_help(&relation.span, message, "join the entries: `except` is a list");
            continue;
        }
        relations.push((relation.clone(), exceptions));
    }
    relations
}

fn exception(written: &ExceptionEntry, relation: Relation, mistakes: &mut Mistakes) -> Option<RelationException> {
    let ExceptionEntry { case, kinds, reason } = written;
    if reason.value.trim().is_empty() {
        mistakes.add_with_help(&reason.span, "the reason is empty", "write why the relation does not hold");
    }
    if let Some(case) = case.as_ref().filter(|case| case.value.trim().is_empty()) {
        mistakes.add_with_help(
            &case.span,
            "the name of the case is empty",
            "write the name of a case, or a part of it",
        );
        return None;
    }
    if let Some(kinds) = kinds.as_ref().filter(|_| relation != Relation::Workloads) {
        let message = format!("`kinds` cannot be combined with the relation `{}`", relation.name());
        let mistake = mistake(&kinds.span, message).with_code(Code::Contradiction);
        mistakes.push(mistake.with_help("write `case:` with the name of a case".to_owned()));
        return None;
    }
    let kinds_span = kinds.as_ref().map(|kinds| &kinds.span);
    let Some(span) = case.as_ref().map(|case| &case.span).or(kinds_span).cloned() else {
        let mistake = mistake(&reason.span, "the exception has neither `case` nor `kinds`").with_code(Code::MissingKey);
        mistakes
            .push(mistake.with_help("add `case:` with the name of a case; `workloads` also takes `kinds:`".to_owned()));
        return None;
    };
    let kinds = kinds.iter().flat_map(|kinds| &kinds.value.0).map(|kind| kind.value).collect();
    let case = case.as_ref().map(|case| case.value.trim().to_owned());
    Some(RelationException { case, kinds, reason: reason.value.clone(), span })
}

/// The tests of all policies: of their own relations, or of those of the `defaults`. `cases` are those of the suite, all of
/// which have to be known: an exception for none of them is a mistake.
pub(super) fn tests(
    suite_name: &str,
    policies: &Policies,
    defaults: &Relations,
    cases: &[Case],
    mistakes: &mut Mistakes,
) -> Vec<Case> {
    let with_defaults = if defaults.is_empty() { Vec::new() } else { policies.with_default_relations(cases) };
    if mistakes.is_empty() {
        let own = policies.relations.iter().map(|(policy, relations)| (vec![*policy], relations));
        for (about, relations) in own.chain([(with_defaults.clone(), defaults)]) {
            if relations.iter().all(|(_, exceptions)| exceptions.is_empty()) {
                continue;
            }
            let names: Vec<&str> = about.iter().flat_map(|policy| cases_of(*policy, cases)).collect();
            let exceptions = relations.iter().flat_map(|(_, exceptions)| exceptions);
            exceptions.for_each(|exception| refuse_unused(exception, &names, mistakes));
        }
    }
    let mut tests = Vec::new();
    for (policy, relations) in &policies.relations {
        tests.extend(relations.iter().map(|relation| test(suite_name, policies, *policy, relation)));
    }
    for policy in with_defaults {
        tests.extend(defaults.iter().map(|relation| test(suite_name, policies, policy, relation)));
    }
    tests
}

fn cases_of(policy: PolicyIndex, cases: &[Case]) -> impl Iterator<Item = &str> {
    cases.iter().filter(move |case| case.only_policy() == Some(policy)).map(|case| case.name.as_str())
}

fn refuse_unused(exception: &RelationException, names: &[&str], mistakes: &mut Mistakes) {
    let Some(wanted) = exception.case.as_ref().filter(|_| !names.iter().any(|name| exception.covers_case(name))) else {
        return;
    };
    let help = match near(wanted, names) {
        Some(name) => format!("did you mean `{name}`?"),
        None if names.is_empty() => "remove the exception: no case is about the policy alone".to_owned(),
        None => "write the name of a case, or a part of it, or remove the exception".to_owned(),
    };
    let message = format!("no case of the policy is called `{wanted}`");
    mistakes.push(mistake(&exception.span, message).with_code(Code::UnknownName).with_help(help));
}

fn test(
    suite_name: &str,
    policies: &Policies,
    policy: PolicyIndex,
    (relation, exceptions): &(Spanned<Relation>, Vec<RelationException>),
) -> Case {
    let subject = policies.specs[policy.0].name.clone();
    let name = format!("relation {subject} {}", relation.value.name());
    Case {
        id: format!("{suite_name} › {name}"),
        name,
        subject,
        expect_span: relation.span.clone(),
        span: relation.span.clone(),
        origin: None,
        tags: Vec::new(),
        skip: None,
        is_only: false,
        xfail: None,
        timeout: None,
        clock: None,
        snapshot: None,
        expected_changes: Vec::new(),
        body: CaseBody::Relation(RelationCase { policy, relation: relation.value, exceptions: exceptions.clone() }),
    }
}
