//! What the cases of a run exercise of the rules of their policies, and the gates of the run: as parts of the JSON document,
//! and in the words that several formats share.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use policy_verify_model::gate::{Gate, Goal};
use policy_verify_model::outcome::{RunReport, SuiteSummary};
use policy_verify_model::privilege::PrivilegeGap;
use policy_verify_model::rule_coverage::{Exercise, RequestCoverage, RuleCoverage, RuleOrigin};

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

/// A gate, in the document.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct GateEntry<'a> {
    pub(super) suite: Cow<'a, str>,
    #[serde(flatten)]
    pub(super) goal: Goal,
    pub(super) place: Place<'a>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) skip_reason: Option<Cow<'a, str>>,
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

pub(super) fn gates(run: &RunReport) -> Vec<GateEntry<'_>> {
    run.gates.iter().map(|gate| gate_entry(&run.suites, gate)).collect()
}

fn gate_entry<'a>(suites: &'a [SuiteSummary], gate: &'a Gate) -> GateEntry<'a> {
    GateEntry {
        suite: path_of(suites, gate.suite).into(),
        goal: gate.goal,
        place: Place::from(&gate.span),
        skip_reason: gate.skipped.as_deref().map(Cow::from),
    }
}

/// The policies of which not everything is exercised, each with what is missing.
pub(super) struct Gaps<'a> {
    /// Requests that the rules select.
    pub(super) declared: usize,
    /// How many of them a case has.
    pub(super) exercised: usize,
    /// How many of these the policies let pass in all cases.
    pub(super) only_allowed: usize,
    /// By policy.
    pub(super) policies: Vec<PolicyGaps<'a>>,
}

/// What the cases do not exercise of a policy.
pub(super) struct PolicyGaps<'a> {
    /// Its suite.
    pub(super) suite: usize,
    /// Its name.
    pub(super) name: &'a str,
    /// Requests that no case has.
    pub(super) never: Vec<&'a RequestCoverage>,
}

/// What the cases do not exercise; nothing where all is well, and for a shard, which cannot tell.
pub(super) fn gaps(run: &RunReport) -> Option<Gaps<'_>> {
    if run.shard.is_some() {
        return None;
    }
    let policies: Vec<PolicyGaps<'_>> = run.rules.iter().filter_map(PolicyGaps::of).collect();
    let declared = run.rules.iter().map(|rules| rules.requests.len()).sum();
    let exercised = run.rules.iter().map(RuleCoverage::exercised).sum();
    let only_allowed = run.rules.iter().map(|rules| with(rules, Exercise::OnlyAllowed).count()).sum();
    (!policies.is_empty()).then_some(Gaps { declared, exercised, only_allowed, policies })
}

/// The requests that are exercised so.
fn with(rules: &RuleCoverage, wanted: Exercise) -> impl Iterator<Item = &RequestCoverage> {
    rules.requests.iter().filter(move |request| request.exercise() == wanted)
}

impl Gaps<'_> {
    /// `2 of 4 requests of the rules have a case, 1 of them only allowed`
    pub(super) fn title(&self) -> String {
        let Self { declared, exercised, only_allowed, .. } = self;
        let allowed = if *only_allowed > 0 { format!(", {only_allowed} of them only allowed") } else { String::new() };
        format!("{exercised} of {} of the rules have a case{allowed}", phrases::count(*declared, "request"))
    }

    /// How to close them.
    pub(super) fn help(&self, run: &RunReport) -> String {
        let suite = self.policies.first().and_then(|gaps| run.suites.get(gaps.suite));
        let path = suite.map_or("SUITE", |suite| &suite.argument);
        format!("verify init --missing {}", if path.is_empty() { "SUITE" } else { path })
    }
}

impl<'a> PolicyGaps<'a> {
    fn of(rules: &'a RuleCoverage) -> Option<Self> {
        let never: Vec<_> = with(rules, Exercise::Never).collect();
        (!never.is_empty()).then_some(Self { suite: rules.suite, name: &rules.policy, never })
    }

    /// `UPDATE pods (v1), DELETE pods (v1)`: at most `most` of them.
    pub(super) fn missing(&self, most: usize) -> String {
        let mut shown: Vec<String> = self.never.iter().take(most).map(ToString::to_string).collect();
        let more = self.never.len().saturating_sub(most);
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
        let gaps = gaps(&run).unwrap();
        assert_eq!(gaps.title(), "2 of 3 requests of the rules have a case, 1 of them only allowed");
        assert_eq!(gaps.policies[0].missing(5), "DELETE pods (v1)");
        assert_eq!(gaps.policies[0].missing(0), "and 1 more");
        assert_eq!(gaps.help(&run), "verify init --missing suite.yml");
        run.rules[0].requests.pop();
        assert!(super::gaps(&run).is_none());
    }
}
