//! What a case is about: `policy`, `group` and `chain` become steps with their settings.

use std::sync::Arc;

use super::files::Files;
use super::mistake::{Mistakes, mistake, suggestion};
use super::policies::{Policies, PolicyOrGroup};
use super::request;
use super::schema::{Either, FileOr, MemberEntry, OneOrMany, StepEntry};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::Settings;
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::{Compat, Expectation, PolicyIndex, PolicyUse, Step, Subject};

/// Most members of a group and most steps of a chain.
pub(super) const MOST_PARTS: usize = 100;

/// The keys of a case that name its policies.
pub(super) struct Written<'a> {
    pub(super) policy: Option<&'a OneOrMany<Spanned<String>>>,
    pub(super) group: Option<&'a Spanned<String>>,
    pub(super) chain: Option<&'a Spanned<Vec<StepEntry>>>,
    /// The case's own settings; they are those of its only policy.
    pub(super) settings: Option<&'a FileOr>,
    pub(super) variant: Option<&'a Spanned<String>>,
    /// Whether reading the case had mistakes: the key of its policy may be among them.
    pub(super) is_misread: bool,
    /// Places of settings that came from the defaults: groups and chains pass them over.
    pub(super) inherited: Vec<&'a Span>,
}

/// The subjects of a case, one for each policy it lists. Mistakes are collected; what is wrong is left out.
pub(super) fn subjects(
    written: &Written<'_>,
    case: &Span,
    policies: &mut Policies,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Vec<Subject> {
    if let Some(span) = second_of(written) {
        mistakes.add_coded(Code::Contradiction, span, "`policy`, `group` and `chain` cannot be combined");
        return Vec::new();
    }
    if let (Some(_), Some(variant)) = (written.settings, written.variant) {
        mistakes.add_coded(Code::Contradiction, &variant.span, "`settings` cannot be combined with `variant`");
    }
    let own_settings = written.settings.and_then(|settings| read(settings, policies, files, mistakes));
    let mut subjects = Vec::new();
    let mut add = |step: Result<Step, Diagnostic>| match step {
        Ok(step) => subjects.push(Subject { steps: vec![step] }),
        Err(mistake) => mistakes.push(mistake),
    };
    match (written.policy, written.group, written.chain) {
        (Some(list), _, _) => {
            if list.0.is_empty() && !written.is_misread {
                let message = "the list of policies is empty: the case would never run";
                add(Err(mistake(case, message).with_code(Code::NeverRuns)));
            }
            for name in &list.0 {
                add(policies
                    .find(name, files)
                    .and_then(|named| single(named, written, own_settings.as_ref(), policies)));
            }
        }
        (None, Some(name), _) => add(policies.find(name, files).and_then(|named| match named {
            PolicyOrGroup::Group(_) => single(named, written, None, policies),
            // It may well be one, and its manifest is a mistake already.
            PolicyOrGroup::Policy(policy) if policies.is_unread(policy) => single(named, written, None, policies),
            PolicyOrGroup::Policy(_) => Err(mistake(&name.span, format!("`{}` is a policy, not a group", name.value))
                .with_help("write `policy:` instead of `group:`".to_owned())),
        })),
        (None, None, Some(chain)) => {
            let subject = steps_of(written, chain, policies, files, mistakes).map(|steps| Subject { steps });
            return subject.into_iter().collect();
        }
        (None, None, None) if written.is_misread && policies.only_one(case).is_err() => {}
        (None, None, None) => {
            add(policies.only_one(case).and_then(|named| single(named, written, own_settings.as_ref(), policies)));
        }
    }
    subjects
}

/// The place of the second key.
fn second_of<'a>(written: &Written<'a>) -> Option<&'a Span> {
    let policy = written.policy.and_then(|list| Some(&list.0.first()?.span));
    let all = [policy, written.group.map(|group| &group.span), written.chain.map(|chain| &chain.span)];
    all.into_iter().flatten().nth(1)
}

/// Expected faults of subjects with `compat: server`.
pub(super) fn check_faults(expect: &Expectation, subjects: &[Subject], policies: &Policies, mistakes: &mut Mistakes) {
    let Expectation::Fault(expected) = expect else { return };
    for subject in subjects.iter().filter(|subject| policies.compat_of(subject) == Compat::Server) {
        let name = policies.name_of(subject);
        let message = format!("`fault` cannot be combined with `compat: server` of `{name}`");
        let help = "write the response of policy-server, such as `{ deny: { contains: … }, code: 500 }`, or `compat: \
                    strict`";
        let mistake = mistake(&expected.kind.span, message).with_code(Code::Contradiction);
        mistakes.push(mistake.with_help(help.to_owned()));
    }
}

fn read(settings: &FileOr, policies: &mut Policies, files: &Files, mistakes: &mut Mistakes) -> Option<Arc<Settings>> {
    let settings = request::settings(settings, files).map_err(|mistake| mistakes.push(mistake)).ok()?;
    Some(policies.shared(settings))
}

fn single(
    named: PolicyOrGroup,
    written: &Written<'_>,
    own_settings: Option<&Arc<Settings>>,
    policies: &Policies,
) -> Result<Step, Diagnostic> {
    match named {
        PolicyOrGroup::Policy(policy) => {
            let settings = settings_of(policy, own_settings, written.variant, policies)?;
            Ok(Step::Policy(PolicyUse { policy, settings }))
        }
        PolicyOrGroup::Group(group) => {
            refuse_settings(written, "a group: its members have settings of their own")?;
            Ok(Step::Group(group))
        }
    }
}

fn settings_of(
    policy: PolicyIndex,
    own: Option<&Arc<Settings>>,
    variant: Option<&Spanned<String>>,
    policies: &Policies,
) -> Result<Arc<Settings>, Diagnostic> {
    match (own, variant) {
        (Some(settings), _) => Ok(Arc::clone(settings)),
        (None, Some(variant)) => policies.variant(policy, variant),
        (None, None) => Ok(policies.settings(policy)),
    }
}

/// Settings of a subject that has several policies, unless they came from the defaults.
fn refuse_settings(written: &Written<'_>, what: &str) -> Result<(), Diagnostic> {
    let settings = written.settings.map(|settings| ("settings", settings.span()));
    let variant = written.variant.map(|variant| ("variant", &variant.span));
    let mut given = [settings, variant].into_iter().flatten();
    match given.find(|(_, span)| !written.inherited.contains(span)) {
        Some((key, span)) => {
            Err(mistake(span, format!("`{key}` cannot be combined with {what}")).with_code(Code::Contradiction))
        }
        None => Ok(()),
    }
}

fn steps_of(
    written: &Written<'_>,
    chain: &Spanned<Vec<StepEntry>>,
    policies: &mut Policies,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Option<Vec<Step>> {
    let before = mistakes.added();
    if let Err(mistake) = refuse_settings(written, "a chain") {
        mistakes.push(mistake.with_help("write `{ policy: …, settings: … }` for a step of the chain".to_owned()));
    }
    match chain.value.len() {
        0 if written.is_misread => return None,
        0 => mistakes.add_coded(Code::NeverRuns, &chain.span, "the chain is empty: the case would never run"),
        1..=MOST_PARTS => {}
        more => mistakes.add(&chain.span, format!("a chain can have at most {MOST_PARTS} steps, found {more}")),
    }
    let mut steps = Vec::new();
    for entry in &chain.value {
        let step = match entry {
            Either::Scalar(name) => policies.find(name, files).map(|named| match named {
                PolicyOrGroup::Policy(policy) => {
                    Step::Policy(PolicyUse { policy, settings: policies.settings(policy) })
                }
                PolicyOrGroup::Group(group) => Step::Group(group),
            }),
            Either::Mapping(entry) => policy_use(entry, policies, files, mistakes).map(Step::Policy),
        };
        match step {
            Ok(step) => steps.push(step),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    (mistakes.added() == before).then_some(steps)
}

/// A policy with settings of its own: a step of a chain, or a member of a group.
pub(super) fn policy_use(
    entry: &MemberEntry,
    policies: &mut Policies,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Result<PolicyUse, Diagnostic> {
    if let (Some(_), Some(variant)) = (&entry.settings, &entry.variant) {
        mistakes.add_coded(Code::Contradiction, &variant.span, "`settings` cannot be combined with `variant`");
    }
    let own = entry.settings.as_ref().and_then(|settings| read(settings, policies, files, mistakes));
    let policy = policies.find_policy(&entry.policy, files)?;
    let settings = settings_of(policy, own.as_ref(), entry.variant.as_ref(), policies)?;
    Ok(PolicyUse { policy, settings })
}

fn is_unread(step: &Step, policies: &Policies) -> bool {
    matches!(step, Step::Policy(used) if policies.is_unread(used.policy))
}

/// Holds the `mode` of an expectation against the deployment of its subjects.
pub(super) fn check_mode(expect: &Expectation, subjects: &[Subject], policies: &Policies, mistakes: &mut Mistakes) {
    let Expectation::Verdict(expected) = expect else { return };
    let Some(Spanned { value: is_monitor, span }) = &expected.mode else { return };
    let (wanted, other) = if *is_monitor { ("monitor", "protect") } else { ("protect", "monitor") };
    for subject in subjects {
        let [step] = subject.steps.as_slice() else {
            let mistake = mistake(span, "`mode` cannot be combined with `chain`").with_code(Code::Contradiction);
            mistakes.push(mistake.with_help("write a case for each policy of the chain".to_owned()));
            continue;
        };
        if !is_unread(step, policies) && policies.deployment_of(step).is_monitor != *is_monitor {
            let name = policies.name_of(subject);
            let message = format!("`{name}` is deployed in mode `{other}`, not `{wanted}`");
            let help = format!("add `mode: {wanted}` to the policy, or remove it here");
            mistakes.push(mistake(span, message).with_code(Code::Contradiction).with_help(help));
        }
    }
}

/// Holds the `members` of an expectation against the groups of its subjects.
pub(super) fn check_members(expect: &Expectation, subjects: &[Subject], policies: &Policies, mistakes: &mut Mistakes) {
    let Expectation::Verdict(expected) = expect else { return };
    for subject in subjects {
        let groups = subject.steps.iter().filter_map(|step| match step {
            Step::Group(group) => Some(&policies.groups[group.0]),
            Step::Policy(_) => None,
        });
        let ids: Vec<&str> = groups.flat_map(|group| &group.members).map(|member| member.id.as_str()).collect();
        for member in expected.members.iter().filter(|member| !ids.contains(&member.id.value.as_str())) {
            let (id, span) = (&member.id.value, &member.id.span);
            if ids.is_empty() && subject.steps.iter().any(|step| is_unread(step, policies)) {
                continue;
            }
            if ids.is_empty() {
                let message = format!("`members` needs a group, and `{}` is a policy", policies.name_of(subject));
                mistakes.add(span, message);
            } else {
                let mistake = mistake(span, format!("the group has no member `{id}`")).with_code(Code::UnknownName);
                mistakes.push(mistake.with_help(suggestion(id, &ids)));
            }
        }
    }
}
