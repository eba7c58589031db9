//! `groups:` become group specifications; their expressions are tried before anything runs.

use super::files::Files;
use super::mistake::{Mistakes, mistake, nearest};
use super::policies::Policies;
use super::schema::{DeploymentMode, GroupEntry, Named, Sound};
use super::subject::{MOST_PARTS, policy_use};
use crate::expression::{self, Problem};
use crate::group_expression;
use policy_verify_model::code::Code;
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::{Deployment, GroupSpec, Member};

/// Reads the groups of a suite into `policies`.
pub(super) fn read(
    written: &Named<Sound<GroupEntry>>,
    policies: &mut Policies,
    files: &Files,
    mistakes: &mut Mistakes,
) {
    for (name, entry) in &written.0 {
        if policies.is_declared(&name.value) {
            let help = "rename one of them: groups and policies share their names";
            let mistake = mistake(&name.span, format!("duplicate name `{}` of a policy and a group", name.value));
            mistakes.push(mistake.with_code(Code::NameTwice).with_help(help.to_owned()));
        }
        match &entry.0 {
            Some(entry) => {
                let group = group(name, entry, policies, files, mistakes);
                policies.groups.push(group);
            }
            None => policies.add_unread(name, false),
        }
    }
}

fn group(
    name: &Spanned<String>,
    entry: &GroupEntry,
    policies: &mut Policies,
    files: &Files,
    mistakes: &mut Mistakes,
) -> GroupSpec {
    let mut members = Vec::new();
    for (id, member) in &entry.members.0 {
        match policy_use(member, policies, files, mistakes) {
            Ok(policy) => members.push(Member { id: id.value.clone(), policy }),
            Err(mistake) => mistakes.push(mistake),
        }
        let is_checked = entry.members.0.len() <= MOST_PARTS;
        let is_named = is_named(&entry.expression.value, &id.value);
        // An invalid name is a mistake already.
        if !is_named && (!is_checked || expression::is_usable_name(&id.value)) {
            mistakes.add_with_help(
                &id.span,
                format!("the expression does not use the member `{}`", id.value),
                format!("use it as `{}()`, or remove it", id.value),
            );
        }
    }
    let ids: Vec<&Spanned<String>> = entry.members.0.iter().map(|(id, _)| id).collect();
    check_ids(&ids, &name.span, mistakes);
    check_expression(&entry.expression, &ids, mistakes);
    if entry.message.value.is_empty() {
        let message = "rejected by the controller: spec.message: Required value: must be non-empty";
        mistakes.add_with_help(&entry.message.span, message, "write the message of a rejection");
    }
    GroupSpec {
        name: name.value.clone(),
        span: name.span.clone(),
        members,
        expression: entry.expression.clone(),
        message: entry.message.value.clone(),
        deployment: Deployment {
            is_monitor: entry.mode.is_some_and(DeploymentMode::is_monitor),
            allowed_to_mutate: false,
            ..Deployment::default()
        },
        compat: entry.compat.unwrap_or(policies.compat),
    }
}

/// Whether the name occurs in the expression as a word of its own.
fn is_named(expression: &str, id: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    expression.match_indices(id).any(|(start, _)| {
        let before = expression[..start].chars().next_back();
        let after = expression[start + id.len()..].chars().next();
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

/// Members are functions, so their ids must be names of functions.
pub(super) fn check_ids(ids: &[&Spanned<String>], group: &Span, mistakes: &mut Mistakes) {
    match ids.len() {
        0 => mistakes.add_with_help(group, "the group has no members", "add one under `members:`"),
        1..=MOST_PARTS => {}
        // Neither their names nor the expression are worth the time that so many take.
        more => return mistakes.add(group, format!("a group can have at most {MOST_PARTS} members, found {more}")),
    }
    let is_usable = |id: &str| expression::is_usable_name(id) && !group_expression::is_reserved(id);
    for id in ids.iter().filter(|id| !is_usable(&id.value)) {
        mistakes.add_with_help(
            &id.span,
            format!("invalid name of a member `{}`", id.value),
            "use letters, digits and `_`, no digit at the start, and no keyword of the expression language",
        );
    }
}

/// Tries an expression as policy-server does when it starts: with members that all allow.
pub(super) fn check_expression(expression: &Spanned<String>, ids: &[&Spanned<String>], mistakes: &mut Mistakes) {
    let names: Vec<&str> = ids.iter().map(|id| id.value.as_str()).collect();
    // Without its members the expression is wrong as well.
    if names.len() > MOST_PARTS || !names.iter().all(|name| expression::is_usable_name(name)) {
        return;
    }
    let Err(problem) = expression::check(&expression.value, &names) else {
        return check_at_the_controller(expression, &names, mistakes);
    };
    let span = place(expression, &problem);
    let known = || names.iter().map(|name| format!("`{name}()`")).collect::<Vec<_>>().join(", ");
    let near = problem.unknown.as_deref().and_then(|unknown| nearest(unknown, names.iter().copied()));
    let help = match near {
        Some(near) => format!("did you mean `{near}()`?"),
        None => format!("join members with `&&`, `||`, `!` and parentheses: {}", known()),
    };
    mistakes.push(mistake(&span, format!("invalid expression: {}", problem.text)).with_help(help));
}

/// Tries an expression as the webhook of the controller does, which accepts less than policy-server evaluates.
fn check_at_the_controller(expression: &Spanned<String>, names: &[&str], mistakes: &mut Mistakes) {
    if let Err(problem) = group_expression::check(&expression.value, names) {
        let help = "join members with `&&`, `||`, `==`, `!=`, `!` and parentheses";
        mistakes.add_with_help(&expression.span, problem.to_string(), help);
    }
}

/// Where the problem is, if the expression is in the file as it is, on a single line.
fn place(expression: &Spanned<String>, problem: &Problem) -> Span {
    let span = &expression.span;
    let written = span.file.text.get(span.offset..span.offset + span.len).unwrap_or_default();
    let (Some(column), Some(start)) = (problem.column, written.find(&expression.value)) else { return span.clone() };
    if expression.value.contains('\n') || written[..start].contains('\n') {
        return span.clone();
    }
    let before: String = written[start..].chars().take(column - 1).collect();
    let characters = written[..start].chars().count() + column - 1;
    let skipped = start + before.len();
    Span {
        offset: span.offset + skipped,
        len: span.len.saturating_sub(skipped),
        column: span.column + characters,
        ..span.clone()
    }
}
