//! Weak expectations: valid, and so broad that a wrong answer matches them too.

use serde::{Deserialize, Serialize};

use super::suite::{Case, CaseBody, Expectation, SettingsExpectation, Suite, VerdictExpectation, VerdictWord};

/// Why an expectation says too little to notice a wrong answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weakness {
    /// A denial without any message.
    AnyRejection,
    /// A mutation of which nothing is said.
    AnyMutation,
    /// The response of a policy in monitor mode, which always allows.
    Monitored,
}

impl Weakness {
    /// What the expectation matches, in a few words.
    pub fn matches(self) -> &'static str {
        match self {
            Self::AnyRejection => "any rejection",
            Self::AnyMutation => "any mutation",
            Self::Monitored => "any answer of a policy in monitor mode",
        }
    }

    /// How to make it stronger.
    pub fn help(self) -> &'static str {
        match self {
            Self::AnyRejection => "write the expected message: `expect: { deny: … }`",
            Self::AnyMutation => "write the expected mutation: `expect: { mutate: { object: … } }`",
            Self::Monitored => "write the answer of the policy: `expect: { deny: …, mode: monitor }`",
        }
    }
}

impl VerdictExpectation {
    fn weakness(&self) -> Option<Weakness> {
        let is_alone = self.code.is_none() && self.members.is_empty();
        match &self.word {
            VerdictWord::Deny(text) if text.is_empty() && is_alone => Some(Weakness::AnyRejection),
            VerdictWord::Mutate(mutation) if mutation.is_empty() => Some(Weakness::AnyMutation),
            _ => None,
        }
    }
}

impl Case {
    /// Why the expectation says too little to notice a wrong answer, if it does. `suite` is that of the case. A snapshot
    /// notices every other answer.
    pub fn weakness(&self, suite: &Suite) -> Option<Weakness> {
        match &self.body {
            _ if self.snapshot.is_some() => None,
            CaseBody::Request(request) => {
                let Expectation::Verdict(expected) = &*request.expect else { return None };
                let is_let_pass = request.subject.steps.iter().all(|step| suite.deployment_of(step).is_monitor);
                match request.expect.is_monitored() {
                    false if is_let_pass => Some(Weakness::Monitored),
                    _ => expected.weakness(),
                }
            }
            CaseBody::Settings(settings) => {
                let is_weak = matches!(&*settings.expect, SettingsExpectation::Invalid(text) if text.is_empty());
                is_weak.then_some(Weakness::AnyRejection)
            }
            CaseBody::Check { .. } | CaseBody::Relation(_) => None,
        }
    }
}
