//! What the cases of a run exercise of its policies: their verdicts, the requests that their rules select, their settings, and
//! the privileges that they use.

mod answered;
mod privileges;
mod rules;
mod settings;

use policy_verify_model::outcome::CaseReport;
use policy_verify_model::privilege::Privileges;
use policy_verify_model::rule_coverage::{RuleCoverage, VerdictCounts};
use policy_verify_model::settings_coverage::SettingsCoverage;
use policy_verify_model::suite::{Case, PolicyIndex, SuiteIndex};

use self::answered::{Answered, Subject};
pub(crate) use self::settings::{KnownSetting, ModuleSettings, modules_with_settings};
use crate::evaluate::Policies;

/// What the cases of a suite exercise.
pub(crate) struct Coverage {
    /// How often each policy gave which verdict, by its index.
    verdicts: Vec<VerdictCounts>,
    /// What each policy may ask its host for and what it asks, by its index; nothing for those that are unavailable.
    privileges: Vec<Option<Privileges>>,
    /// The requests of the rules of its policies and groups.
    pub(crate) rules: Vec<RuleCoverage>,
    /// The settings of its modules.
    pub(crate) settings: Vec<SettingsCoverage>,
}

impl Coverage {
    /// The verdicts of a policy.
    pub(crate) fn verdicts_of(&self, policy: PolicyIndex) -> VerdictCounts {
        self.verdicts.get(policy.0).copied().unwrap_or_default()
    }

    /// The privileges of a policy.
    pub(crate) fn privileges_of(&self, policy: PolicyIndex) -> Option<&Privileges> {
        self.privileges.get(policy.0)?.as_ref()
    }
}

/// What the cases of a suite exercise of its policies; `cases` are those that ran, with their reports.
pub(crate) fn of<'a>(suite: SuiteIndex, policies: &Policies<'a>, cases: Vec<(&'a Case, &'a CaseReport)>) -> Coverage {
    let answers: Vec<Answered> = cases.iter().flat_map(|(case, report)| answered::of(case, report, policies)).collect();
    let mut verdicts = vec![VerdictCounts::default(); policies.suite.policies.len()];
    for Answered { subject, verdict, .. } in &answers {
        if let Subject::Policy(policy) = subject {
            verdict.count(&mut verdicts[policy.0]);
        }
    }
    let settings = settings::of(suite, policies, &answers, &cases);
    let privileges = privileges::of(policies, &cases);
    Coverage { verdicts, privileges, rules: rules::of(suite, policies, &answers), settings }
}
