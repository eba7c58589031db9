//! `baseline:` of a policy, `expectChange:` of policies and cases, and the gate that judges both.

use policy_verify_model::baseline::Baseline;
use policy_verify_model::behaviour::Class;
use policy_verify_model::gate::{Fuel, Goal};
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::PolicySpec;

use super::files::Files;
use super::mistake::Mistakes;
use super::policies::Policies;
use super::schema::{OneOrMany, PolicyEntry};
use super::uri;

/// The baseline of a policy.
pub(super) fn read(entry: &PolicyEntry, files: &Files, mistakes: &mut Mistakes) -> Option<Baseline> {
    let expected_changes = classes(&entry.expect_change, mistakes);
    let Some(written) = &entry.baseline else {
        refuse_without_baseline(entry.expect_change.0.first(), mistakes);
        return None;
    };
    let found = uri::policy_ref(written, files).map_err(|mistake| mistakes.push(mistake)).ok()?;
    let uri_text = uri::shown(&found, files);
    Some(Baseline { uri: Spanned::new(found, written.span.clone()), uri_text, expected_changes })
}

/// The changes that a case announces.
pub(super) fn expected_changes(
    written: OneOrMany<Spanned<Class>>,
    policies: &Policies,
    mistakes: &mut Mistakes,
) -> Vec<Class> {
    if policies.specs.iter().all(|policy| policy.baseline.is_none()) {
        refuse_without_baseline(written.0.first(), mistakes);
    }
    classes(&written, mistakes)
}

fn refuse_without_baseline(first: Option<&Spanned<Class>>, mistakes: &mut Mistakes) {
    if let Some(first) = first {
        let help = "add `baseline:` to the policy, with the version that it is compared with";
        mistakes.add_with_help(&first.span, "`expectChange` needs a `baseline`", help);
    }
}

fn classes(written: &OneOrMany<Spanned<Class>>, mistakes: &mut Mistakes) -> Vec<Class> {
    for cost in written.0.iter().filter(|class| class.value == Class::Cost) {
        let help = "remove it; `verify diff` compares costs";
        mistakes.add_with_help(&cost.span, "the gate `behaviour` does not compare costs", help);
    }
    written.0.iter().map(|class| class.value).collect()
}

/// Refuses the gate without a baseline, and a baseline without the gate, which nothing would look at.
pub(super) fn check(policies: &[PolicySpec], gates: &[Spanned<Goal>], mistakes: &mut Mistakes) {
    let needs_one = |gate: &&Spanned<Goal>| matches!(gate.value, Goal::Behaviour(_) | Goal::Fuel(Fuel::Growth(_)));
    let gate = gates.iter().find(needs_one);
    let first: Option<&Span> =
        policies.iter().find_map(|policy| policy.baseline.as_ref().map(|baseline| &baseline.uri.span));
    match (gate, first) {
        (Some(gate), None) => {
            let help = "add `baseline:` to a policy, with the version that it is compared with";
            let message = format!("the gate `{}` needs a policy with a `baseline`", gate.value.name());
            mistakes.add_with_help(&gate.span, message, help);
        }
        (None, Some(baseline)) => {
            let help = "add `gates: { behaviour: same }`, or remove it";
            mistakes.add_with_help(baseline, "nothing compares the policy with its `baseline`", help);
        }
        _ => {}
    }
}
