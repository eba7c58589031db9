//! The gates of a run and what they judge, as parts of the JSON document: hollow cases, changes since baselines, what cases use.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use policy_verify_model::baseline::{BaselineChange, MissingChange, NotComparable, SuiteChanges};
use policy_verify_model::cost::{CaseUse, SuiteUse};
use policy_verify_model::gate::{Gate, Goal};
use policy_verify_model::outcome::{RunReport, SuiteSummary};
use policy_verify_model::sabotage::HollowCases;

use crate::place::{Place, path_of};

/// The cases of a suite that notice nothing, in the document.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct HollowEntry<'a> {
    pub(super) suite: Cow<'a, str>,
    pub(super) tried: usize,
    pub(super) names: Cow<'a, [String]>,
}

/// What the policies of a suite do differently than their baselines, in the document.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct ChangesEntry<'a> {
    pub(super) suite: Cow<'a, str>,
    pub(super) compared: usize,
    pub(super) changes: Cow<'a, [BaselineChange]>,
    pub(super) missing: Cow<'a, [MissingChange]>,
    pub(super) not_compared: Cow<'a, [NotComparable]>,
}

/// What the cases of a suite use, in the document.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct UsesEntry<'a> {
    pub(super) suite: Cow<'a, str>,
    pub(super) cases: Cow<'a, [CaseUse]>,
    #[serde(default, skip_serializing_if = "<[String]>::is_empty")]
    pub(super) problems: Cow<'a, [String]>,
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

pub(super) fn hollow(run: &RunReport) -> Vec<HollowEntry<'_>> {
    run.hollow.iter().map(|cases| hollow_entry(&run.suites, cases)).collect()
}

fn hollow_entry<'a>(suites: &'a [SuiteSummary], cases: &'a HollowCases) -> HollowEntry<'a> {
    HollowEntry { suite: path_of(suites, cases.suite).into(), tried: cases.tried, names: (&cases.names).into() }
}

pub(super) fn changes(run: &RunReport) -> Vec<ChangesEntry<'_>> {
    run.changes.iter().map(|changes| changes_entry(&run.suites, changes)).collect()
}

fn changes_entry<'a>(suites: &'a [SuiteSummary], found: &'a SuiteChanges) -> ChangesEntry<'a> {
    ChangesEntry {
        suite: path_of(suites, found.suite).into(),
        compared: found.compared,
        changes: (&found.changes).into(),
        missing: (&found.missing).into(),
        not_compared: (&found.not_compared).into(),
    }
}

pub(super) fn uses(run: &RunReport) -> Vec<UsesEntry<'_>> {
    run.uses.iter().map(|uses| uses_entry(&run.suites, uses)).collect()
}

fn uses_entry<'a>(suites: &'a [SuiteSummary], uses: &'a SuiteUse) -> UsesEntry<'a> {
    UsesEntry {
        suite: path_of(suites, uses.suite).into(),
        cases: (&uses.cases).into(),
        problems: (&uses.problems).into(),
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
