//! What the cases of a run exercise of the rules and settings of their policies: as parts of the JSON document, and in the words
//! that several formats share.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use policy_verify_model::outcome::{RunReport, SuiteSummary};
use policy_verify_model::privilege::PrivilegeGap;
use policy_verify_model::rule_coverage::{Exercise, RequestCoverage, RuleCoverage, RuleOrigin};
use policy_verify_model::settings_coverage::{KeyCoverage, SettingsCoverage};

use crate::phrases;
use crate::place::{Place, path_of};

/// The rules of a policy or group, in the document.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct RulesEntry<'a> {
    pub(super) suite: Cow<'a, str>,
    pub(super) policy: Cow<'a, str>,
    pub(super) origin: RuleOrigin,
    pub(super) place: Place<'a>,
    pub(super) requests: Cow<'a, [RequestCoverage]>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    pub(super) notes: Cow<'a, [String]>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    pub(super) mistakes: Cow<'a, [String]>,
}

/// The settings of a module, in the document.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SettingsEntry<'a> {
    pub(super) suite: Cow<'a, str>,
    pub(super) policy: Cow<'a, str>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) form: Option<Cow<'a, str>>,
    pub(super) place: Place<'a>,
    pub(super) keys: Cow<'a, [KeyCoverage]>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    pub(super) notes: Cow<'a, [String]>,
}

pub(super) fn rules(run: &RunReport) -> Vec<RulesEntry<'_>> {
    run.rules.iter().map(|rules| entry(&run.suites, rules)).collect()
}

fn entry<'a>(suites: &'a [SuiteSummary], rules: &'a RuleCoverage) -> RulesEntry<'a> {
    RulesEntry {
        suite: path_of(suites, rules.suite).into(),
        policy: (&rules.policy).into(),
        origin: rules.origin,
        place: Place::from(&rules.span),
        requests: (&rules.requests).into(),
        notes: (&rules.notes).into(),
        mistakes: (&rules.mistakes).into(),
    }
}

pub(super) fn settings(run: &RunReport) -> Vec<SettingsEntry<'_>> {
    run.settings.iter().map(|settings| settings_entry(&run.suites, settings)).collect()
}

fn settings_entry<'a>(suites: &'a [SuiteSummary], settings: &'a SettingsCoverage) -> SettingsEntry<'a> {
    SettingsEntry {
        suite: path_of(suites, settings.suite).into(),
        policy: (&settings.policy).into(),
        form: settings.form.as_deref().map(Cow::from),
        place: Place::from(&settings.span),
        keys: (&settings.keys).into(),
        notes: (&settings.notes).into(),
    }
}

/// The policies of which not everything is exercised, each with what is missing.
pub(super) struct Gaps<'a> {
    /// `2 of 4 requests of the rules have a case`
    pub(super) title: String,
    /// The command that closes them, where there is one.
    pub(super) command: Option<String>,
    /// By policy.
    pub(super) policies: Vec<PolicyGaps<'a>>,
}

/// What the cases do not exercise of a policy.
pub(super) struct PolicyGaps<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// What is wrong: `no case for`.
    pub(super) lack: &'static str,
    /// With what.
    pub(super) names: Vec<String>,
}

/// What the cases do not exercise; nothing where all is well, and for a shard, which cannot tell.
pub(super) fn gaps(run: &RunReport) -> Vec<Gaps<'_>> {
    if run.shard.is_some() {
        return Vec::new();
    }
    [gaps_of_rules(run), gaps_of_settings(run)].into_iter().flatten().collect()
}

fn gaps_of_rules(run: &RunReport) -> Option<Gaps<'_>> {
    let policies: Vec<PolicyGaps<'_>> = run.rules.iter().filter_map(PolicyGaps::of_rules).collect();
    let has_gaps = |rules: &&RuleCoverage| with(rules, Exercise::Never).next().is_some();
    let first = run.rules.iter().find(has_gaps)?;
    let declared: usize = run.rules.iter().map(|rules| rules.requests.len()).sum();
    let exercised: usize = run.rules.iter().map(RuleCoverage::exercised).sum();
    let only_allowed: usize = run.rules.iter().map(|rules| with(rules, Exercise::OnlyAllowed).count()).sum();
    let allowed = if only_allowed > 0 { format!(", {only_allowed} of them only allowed") } else { String::new() };
    let title = format!("{exercised} of {} of the rules have a case{allowed}", phrases::count(declared, "request"));
    let path = run.suites.get(first.suite).map_or("", |suite| &suite.argument);
    let command = format!("verify init --missing {}", if path.is_empty() { "SUITE" } else { path });
    Some(Gaps { title, command: Some(command), policies })
}

/// The requests that are exercised so.
fn with(rules: &RuleCoverage, wanted: Exercise) -> impl Iterator<Item = &RequestCoverage> {
    rules.requests.iter().filter(move |request| request.exercise() == wanted)
}

/// Settings that no case sets; and those that no settings case has a rejected value of, where there is a form, or others are not
/// set.
fn gaps_of_settings(run: &RunReport) -> Option<Gaps<'_>> {
    let has_gaps =
        |it: &SettingsCoverage| it.set() < it.known() || (it.form.is_some() && !it.never_rejected().is_empty());
    if !run.settings.iter().any(has_gaps) {
        return None;
    }
    let policies = run.settings.iter().flat_map(|it| {
        let never_set = PolicyGaps::of(&it.policy, "never set:", it.never_set());
        never_set.into_iter().chain(PolicyGaps::of(&it.policy, "never rejected:", it.never_rejected()))
    });
    let policies: Vec<PolicyGaps<'_>> = policies.collect();
    let known: usize = run.settings.iter().map(SettingsCoverage::known).sum();
    let set: usize = run.settings.iter().map(SettingsCoverage::set).sum();
    let rejected: usize = run.settings.iter().map(|it| it.never_rejected().len()).sum();
    let never =
        if rejected > 0 { format!(", {} never rejected", phrases::count(rejected, "setting")) } else { String::new() };
    let title = format!("{set} of {} and choices have a case{never}", phrases::count(known, "setting"));
    Some(Gaps { title, command: None, policies })
}

impl<'a> PolicyGaps<'a> {
    fn of(name: &'a str, lack: &'static str, names: Vec<String>) -> Option<Self> {
        (!names.is_empty()).then_some(Self { name, lack, names })
    }

    fn of_rules(rules: &'a RuleCoverage) -> Option<Self> {
        Self::of(&rules.policy, "no case for", with(rules, Exercise::Never).map(ToString::to_string).collect())
    }

    /// `UPDATE pods (v1), DELETE pods (v1)`: at most `most` of them.
    pub(super) fn missing(&self, most: usize) -> String {
        let mut shown: Vec<String> = self.names.iter().take(most).cloned().collect();
        let more = self.names.len().saturating_sub(most);
        shown.extend((more > 0).then(|| format!("and {more} more")));
        shown.join(", ")
    }
}

/// How the privileges that policies declare differ from those that their cases use, each with the name of the policy; nothing
/// for a shard, which cannot tell.
pub(super) fn privilege_gaps(run: &RunReport) -> Vec<(&str, PrivilegeGap<'_>)> {
    let known = run.policies.iter().filter_map(|policy| Some((policy.name.as_str(), policy.privileges.as_ref()?)));
    known
        .filter(|_| run.shard.is_none())
        .flat_map(|(name, privileges)| privileges.gaps().into_iter().map(move |gap| (name, gap)))
        .collect()
}

#[cfg(test)]
mod tests {
    use policy_verify_model::policy::RuleOperation;
    use policy_verify_model::rule_coverage::VerdictCounts;

    use super::*;
    use crate::testing;

    fn request(operation: RuleOperation, allowed: usize, rejected: usize) -> RequestCoverage {
        RequestCoverage {
            group: String::new(),
            version: Some("v1".to_owned()),
            resource: "pods".to_owned(),
            operation,
            object: None,
            verdicts: VerdictCounts { allowed, rejected, mutated: 0 },
        }
    }

    #[test]
    fn gaps_are_what_no_case_has() {
        let mut run = testing::sample();
        let requests = vec![
            request(RuleOperation::Create, 2, 1),
            request(RuleOperation::Update, 1, 0),
            request(RuleOperation::Delete, 0, 0),
        ];
        let span = run.cases[0].span.clone();
        let rules = RuleCoverage {
            suite: 0,
            policy: "safe-labels".to_owned(),
            origin: RuleOrigin::Metadata,
            span,
            requests,
            notes: Vec::new(),
            mistakes: Vec::new(),
        };
        run.rules = vec![rules];
        let [gaps] = &gaps(&run)[..] else { panic!() };
        assert_eq!(gaps.title, "2 of 3 requests of the rules have a case, 1 of them only allowed");
        assert_eq!(gaps.policies[0].missing(5), "DELETE pods (v1)");
        assert_eq!(gaps.policies[0].missing(0), "and 1 more");
        assert_eq!(gaps.command.as_deref(), Some("verify init --missing suite.yml"));
        run.rules[0].requests.pop();
        assert!(super::gaps(&run).is_empty());
    }

    #[test]
    fn settings_that_are_never_rejected_are_gaps_where_there_is_a_form() {
        let mut run = testing::sample();
        let key =
            |key: &str, cases, rejections| KeyCoverage { key: key.into(), cases, rejections, choices: Vec::new() };
        let settings = SettingsCoverage {
            suite: 0,
            policy: "safe-labels".to_owned(),
            form: None,
            span: run.cases[0].span.clone(),
            keys: vec![key("a", 1, 0), key("b", 2, 1)],
            notes: Vec::new(),
        };
        run.settings = vec![settings];
        assert!(gaps(&run).is_empty());
        run.settings[0].form = Some("questions-ui.yml".to_owned());
        assert_eq!(gaps(&run)[0].title, "2 of 2 settings and choices have a case, 1 setting never rejected");
        run.settings[0].form = None;
        run.settings[0].keys[1].cases = 0;
        let [gaps] = &gaps(&run)[..] else { panic!() };
        assert_eq!(gaps.title, "1 of 2 settings and choices have a case, 1 setting never rejected");
        let lines: Vec<String> = gaps.policies.iter().map(|it| format!("{} {}", it.lack, it.missing(5))).collect();
        assert_eq!(lines, ["never set: b", "never rejected: a"]);
    }
}
