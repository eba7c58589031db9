//! What a suite notices when its policies do something else: the result of `verify sabotage`.

use serde::{Deserialize, Serialize};

/// What cases noticed.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Sabotage {
    /// The version of verify.
    pub version: String,
    /// The cases whose policies were sabotaged, in suite order.
    pub cases: Vec<SabotagedCase>,
    /// The cases that were not.
    pub left_out: Vec<LeftOut>,
    /// The modules whose cases set settings, and what was noticed of these.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub settings: Vec<NoticedSettings>,
    /// The modules of which mutants were made; none where that was not asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mutants: Vec<PolicyMutants>,
}

impl Sabotage {
    /// The cases that notice nothing.
    pub fn hollow(&self) -> impl Iterator<Item = &SabotagedCase> {
        self.cases.iter().filter(|case| case.is_hollow())
    }
}

/// What a run that has a gate about it tells of the cases that notice nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HollowCases {
    /// Index into the suites of the run.
    pub suite: usize,
    /// How many cases were tried.
    pub tried: usize,
    /// The names of those that notice nothing, without that of the suite.
    pub names: Vec<String>,
}

/// A case whose policies were sabotaged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SabotagedCase {
    /// `suite › case [owner=team-a]`.
    pub id: String,
    /// What it is about: name of the policy or group, or the steps of a chain.
    pub policy: String,
    /// Where its name is written: a path relative to the repository root.
    pub file: String,
    /// The line there, counted from 1.
    pub line: usize,
    /// What was done, and whether the case noticed it. What changed no answer of the policies is not among them.
    pub attempts: Vec<Attempt>,
}

impl SabotagedCase {
    /// Whether it notices nothing of all that was done.
    pub fn is_hollow(&self) -> bool {
        !self.attempts.is_empty() && self.attempts.iter().all(|attempt| !attempt.is_noticed)
    }
}

/// What cases noticed of the settings of a module, each of which was taken away, or had another of its choices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoticedSettings {
    /// The policies that are this module.
    pub policy: String,
    /// How many settings change an answer of a case.
    pub noticed: usize,
    /// The settings that change none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dead: Vec<DeadSetting>,
    /// The settings that the policy rejects all changes of, which tells nothing about its verdicts.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub required: Vec<String>,
    /// The settings that were not tried with all of their cases, because that takes too many evaluations.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub left_out: Vec<String>,
}

/// A setting that no case notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadSetting {
    /// `cpu.limit`
    pub key: String,
    /// Where a case has it: a path relative to the repository root.
    pub file: String,
    /// The line there, counted from 1.
    pub line: usize,
    /// The cases that set it; no answer of theirs changes.
    pub cases: usize,
}

/// What cases noticed of the mutants of a module.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct PolicyMutants {
    /// The policies that are this module.
    pub policy: String,
    /// How many mutants there are of its own code that the cases execute.
    pub possible: usize,
    /// How many of them ran.
    pub tried: usize,
    /// How many of those ran in earlier runs, whose results were kept.
    #[serde(default, skip_serializing_if = "is_none")]
    pub resumed: usize,
    /// How many a case noticed by their answers.
    pub noticed: usize,
    /// How many only end in faults, which any case notices.
    pub crashed: usize,
    /// How many no case noticed, and no searched request either: most of these mean the same as the policy.
    pub alike: usize,
    /// Those that no case noticed, although another request shows them.
    pub survivors: Vec<Survivor>,
    /// Why there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// Whether a number is 0, and need not be told.
fn is_none(number: &usize) -> bool {
    *number == 0
}

impl PolicyMutants {
    /// The share of mutants that cases notice, in percent, rounded down; nothing where there are none.
    pub fn score(&self) -> Option<usize> {
        (self.noticed * 100).checked_div(self.noticed + self.survivors.len())
    }
}

/// A mutant that no case notices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survivor {
    /// The source file: from the root of the repository if it is in there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line there, counted from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// That line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// What is different.
    pub change: String,
    /// A case that would notice it, in YAML.
    pub case: String,
}

/// What was done to a policy of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// The policy.
    pub policy: String,
    /// What it does instead.
    pub stand_in: StandIn,
    /// Whether the case no longer passes.
    pub is_noticed: bool,
}

/// A case that was not sabotaged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeftOut {
    /// `suite › case [owner=team-a]`.
    pub id: String,
    /// Why.
    pub because: LeftOutBecause,
}

/// Why a case was not sabotaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LeftOutBecause {
    /// It does not pass with the policies themselves.
    Failing,
    /// It is skipped, or known to fail.
    Skipped,
    /// It is a static check.
    Check,
    /// No policy gives it a verdict: it expects a fault, or that no rule matches.
    NoVerdict,
}

impl LeftOutBecause {
    /// The reason in words.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Failing => "does not pass",
            Self::Skipped => "skipped, or expected to fail",
            Self::Check => "a check evaluates no policy",
            Self::NoVerdict => "no policy gives a verdict",
        }
    }
}

/// What a policy does instead of what it is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StandIn {
    /// It allows every request and mutates none.
    AlwaysAllows,
    /// It rejects every request without a message.
    AlwaysDenies,
    /// Its message is another one.
    OtherMessage,
    /// Its code is another one.
    OtherCode,
    /// It mutates nothing.
    NeverMutates,
    /// It mutates something else.
    MutatesElsewhere,
    /// It accepts all settings.
    AcceptsSettings,
    /// It rejects all settings.
    RejectsSettings,
}

impl StandIn {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::AlwaysAllows,
        Self::AlwaysDenies,
        Self::OtherMessage,
        Self::OtherCode,
        Self::NeverMutates,
        Self::MutatesElsewhere,
        Self::AcceptsSettings,
        Self::RejectsSettings,
    ];

    /// What the policy does, in a few words.
    pub fn does(self) -> &'static str {
        match self {
            Self::AlwaysAllows => "allows every request",
            Self::AlwaysDenies => "rejects every request",
            Self::OtherMessage => "rejects with another message",
            Self::OtherCode => "rejects with another code",
            Self::NeverMutates => "mutates nothing",
            Self::MutatesElsewhere => "mutates something else",
            Self::AcceptsSettings => "accepts all settings",
            Self::RejectsSettings => "rejects all settings",
        }
    }

    /// Whether it is about settings, and not about requests.
    pub fn is_about_settings(self) -> bool {
        matches!(self, Self::AcceptsSettings | Self::RejectsSettings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(noticed: &[bool]) -> SabotagedCase {
        let attempt = |is_noticed: &bool| Attempt {
            policy: "p".to_owned(),
            stand_in: StandIn::AlwaysAllows,
            is_noticed: *is_noticed,
        };
        SabotagedCase {
            id: "s › a".to_owned(),
            policy: "p".to_owned(),
            file: "suite.yml".to_owned(),
            line: 1,
            attempts: noticed.iter().map(attempt).collect(),
        }
    }

    #[test]
    fn a_case_is_hollow_if_it_notices_nothing_of_something() {
        for (noticed, is_hollow) in [(&[][..], false), (&[false, false], true), (&[false, true], false)] {
            assert_eq!(case(noticed).is_hollow(), is_hollow);
        }
    }
}
