//! Which settings no case notices: each case runs once more without a setting that it has, and with other choices of it, until
//! an answer changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use policy_verify_engine::Policy;
use policy_verify_model::outcome::{CaseReport, Outcome};
use policy_verify_model::sabotage::{DeadSetting, NoticedSettings};
use policy_verify_model::source::Span;
use policy_verify_model::suite::{CaseBody, PolicyIndex, SuiteIndex};
use rayon::prelude::*;
use serde_json::Value;

use super::case;
use super::options::Options;
use super::ready::Ready;
use super::repetition;
use crate::coverage::{KnownSetting, ModuleSettings, modules_with_settings};
use crate::evaluate::Policies;
use crate::prepare::PreparedPolicy;
use crate::sabotage::{SettingsEdit, WithSettings};
use crate::select::SelectedCase;

/// Evaluations of one run, beyond those of the cases as they are.
const MOST_RUNS: usize = 20_000;

/// Cases of a suite that are looked at: their answers are kept.
const MOST_CASES: usize = 5_000;

/// Other choices of a setting that are tried with a case.
const MOST_CHOICES: usize = 8;

/// What became of a setting.
enum Fate {
    Noticed,
    Required,
    Dead(DeadSetting),
    LeftOut,
}

/// What the cases of a run notice of the settings that they have.
pub(super) fn of_run(ready: &Ready<'_>, options: &Options) -> Vec<NoticedSettings> {
    let runs = AtomicUsize::new(0);
    let of_suite = |(index, policies)| {
        let trial = Trial::of(SuiteIndex(index), policies, ready, options, &runs);
        modules_with_settings(policies).iter().filter_map(|module| trial.of_module(module)).collect::<Vec<_>>()
    };
    ready.policies.iter().enumerate().flat_map(of_suite).collect()
}

/// The cases of a suite, with their answers.
struct Trial<'a> {
    policies: &'a Policies<'a>,
    cases: Vec<(SelectedCase<'a>, CaseReport)>,
    /// Whether there are more cases than were looked at.
    is_cut: bool,
    options: &'a Options,
    runs: &'a AtomicUsize,
}

impl<'a> Trial<'a> {
    /// The cases that pass with a verdict of policies that have settings.
    fn of(
        suite: SuiteIndex,
        policies: &'a Policies<'a>,
        ready: &Ready<'a>,
        options: &'a Options,
        runs: &'a AtomicUsize,
    ) -> Self {
        let has_settings = |selected: &&SelectedCase<'a>| {
            let uses = policies.suite.settings_uses(selected.case);
            selected.suite == suite
                && matches!(selected.case.body, CaseBody::Request(_))
                && uses.iter().any(|used| !used.settings.is_empty())
        };
        let wanted: Vec<SelectedCase<'a>> = ready.loaded.selected.cases.iter().filter(has_settings).copied().collect();
        let ran = wanted.par_iter().take(MOST_CASES).filter_map(|selected| {
            let (report, _) = case::report(suite, selected.case, policies, None);
            let is_verdict = report.outcome == Outcome::Passed && report.fault.is_none() && report.response.is_some();
            is_verdict.then_some((*selected, report))
        });
        Self { policies, cases: ran.collect(), is_cut: wanted.len() > MOST_CASES, options, runs }
    }

    fn of_module(&self, module: &ModuleSettings) -> Option<NoticedSettings> {
        let fates: Vec<(String, Fate)> =
            module.keys.par_iter().filter_map(|key| Some((key.shown(), self.of_key(module, key)?))).collect();
        let names = module.policies.iter().map(|policy| self.policies.suite.policies[policy.0].name.as_str());
        let mut found = NoticedSettings { policy: names.collect::<Vec<_>>().join(", "), ..NoticedSettings::default() };
        for (key, fate) in fates {
            match fate {
                Fate::Noticed => found.noticed += 1,
                Fate::Required => found.required.push(key),
                Fate::Dead(dead) => found.dead.push(dead),
                Fate::LeftOut => found.left_out.push(key),
            }
        }
        let is_empty =
            found.noticed == 0 && found.required.is_empty() && found.dead.is_empty() && found.left_out.is_empty();
        (!is_empty).then_some(found)
    }

    /// What becomes of a setting; nothing if no case has it.
    fn of_key(&self, module: &ModuleSettings, key: &KnownSetting) -> Option<Fate> {
        let with_key: Vec<(&(SelectedCase<'a>, CaseReport), Vec<PolicyIndex>, &Value)> = self
            .cases
            .iter()
            .filter_map(|ran| {
                let uses = self.policies.suite.settings_uses(ran.0.case).into_iter();
                let own = uses.filter(|used| module.policies.contains(&used.policy));
                let found: Vec<(PolicyIndex, &Value)> =
                    own.filter_map(|used| Some((used.policy, key.value_in(&used.settings)?))).collect();
                let value = found.first()?.1;
                let mut targets: Vec<PolicyIndex> = found.iter().map(|(policy, _)| *policy).collect();
                targets.sort_unstable();
                targets.dedup();
                Some((ran, targets, value))
            })
            .collect();
        let ((first, _), _, _) = with_key.first()?;
        let mut is_accepted = false;
        for ((selected, usual), targets, value) in &with_key {
            for edit in edits(key, value) {
                let has_room = self.runs.fetch_add(1, Ordering::Relaxed) < MOST_RUNS;
                if !has_room || self.options.interrupt.is_stopped() {
                    return Some(Fate::LeftOut);
                }
                match self.changes(*selected, usual, targets, edit) {
                    Some(true) => return Some(Fate::Noticed),
                    Some(false) => is_accepted = true,
                    None => {}
                }
            }
        }
        if self.is_cut {
            return Some(Fate::LeftOut);
        }
        if !is_accepted {
            return Some(Fate::Required);
        }
        let place = place(*first, key, &self.policies.suite.policies[module.policies[0].0].span);
        Some(Fate::Dead(DeadSetting { key: key.shown(), file: place.0, line: place.1, cases: with_key.len() }))
    }

    /// Whether an answer of a case changes with the edited settings; nothing if the policy rejects them.
    fn changes(
        &self,
        selected: SelectedCase<'_>,
        usual: &CaseReport,
        targets: &[PolicyIndex],
        edit: SettingsEdit,
    ) -> Option<bool> {
        let (edit, is_rejected) = (Arc::new(edit), Arc::new(AtomicBool::new(false)));
        // What the policy has accepted are other settings.
        let policies = Policies { accepted: None, ..self.policies.clone() };
        let edited = |policy: &PreparedPolicy| -> Arc<dyn Policy> {
            Arc::new(WithSettings::new(Arc::clone(&policy.guest), Arc::clone(&edit), Arc::clone(&is_rejected)))
        };
        let SelectedCase { suite, case } = selected;
        let report = policies.with_guests(targets, edited, |policies| case::report(suite, case, &policies, None).0);
        let is_other = || repetition::difference(usual, &report, 2).is_some() || usual.monitored != report.monitored;
        (!is_rejected.load(Ordering::Relaxed)).then(is_other)
    }
}

/// The changes of a setting that has this value.
fn edits(key: &KnownSetting, value: &Value) -> Vec<SettingsEdit> {
    let edit = |value| SettingsEdit { steps: key.steps.clone(), value };
    let others = match value {
        Value::Bool(value) => vec![Value::Bool(!value)],
        _ => key.choices().into_iter().filter(|choice| choice != value).take(MOST_CHOICES).collect(),
    };
    std::iter::once(edit(None)).chain(others.into_iter().map(|other| edit(Some(other)))).collect()
}

/// The file and the line where a case has a setting, as far as the suite writes it there; else those of the policy.
fn place(selected: SelectedCase<'_>, key: &KnownSetting, policy: &Span) -> (String, usize) {
    let own = match &selected.case.body {
        CaseBody::Request(body) => body.settings_span.as_ref(),
        CaseBody::Settings(_) | CaseBody::Check { .. } | CaseBody::Relation(_) => None,
    };
    let span = own.unwrap_or(policy);
    let name = key.steps.last().map(|step| format!("{step}:")).unwrap_or_default();
    let is_inside = |line: &&str| line.len() - line.trim_start().len() + 1 >= span.column;
    let rest = span.lines().skip(1).take_while(is_inside);
    let lines = span.lines().take(1).chain(rest).position(|line| line.contains(&name)).unwrap_or(0);
    (span.file.path.clone(), span.line + lines)
}

#[cfg(test)]
mod tests {
    use policy_verify_model::yaml::emit::Node;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_setting_is_taken_away_and_has_its_other_choices() {
        let key = |choices: &[&str]| KnownSetting {
            steps: vec!["a".to_owned()],
            choices: choices.iter().map(|&choice| Node::text(choice)).collect(),
        };
        let values = |key: &KnownSetting, value: Value| -> Vec<Option<Value>> {
            edits(key, &value).into_iter().map(|edit| edit.value).collect()
        };
        assert_eq!(values(&key(&[]), json!(1)), [None]);
        assert_eq!(values(&key(&[]), json!(true)), [None, Some(json!(false))]);
        assert_eq!(values(&key(&["x", "y", "z"]), json!("y")), [None, Some(json!("x")), Some(json!("z"))]);
    }
}
