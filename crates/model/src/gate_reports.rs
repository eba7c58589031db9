//! Whether a run reaches the gates of its suites: a report for each, as for a case.

use std::collections::BTreeSet;

use super::baseline::{BaselineChange, SuiteChanges};
use super::cost::CaseUse;
use super::coverage::{PolicyCoverage, Share};
use super::gate::{Fuel, Gate, Goal, Least, Percent, SameBehaviour, Verdicts};
use super::outcome::{CaseKind, CaseReport, Mismatch, MismatchKind, Outcome, PolicyReport, RunReport};
use super::privilege::PrivilegeGap;
use super::rule_coverage::{Exercise, RuleCoverage};
use super::settings_coverage::SettingsCoverage;

/// What reports call the policy of gates.
pub const SUBJECT: &str = "gates";

/// Gaps that are named.
const MOST_GAPS: usize = 50;

/// How far a run is from a goal.
struct Judgement {
    is_reached: bool,
    expected: String,
    actual: String,
}

/// A report for each gate of the run, as for a case. A shard cannot tell, and has none.
pub fn reports(run: &RunReport) -> Vec<CaseReport> {
    let mut reports: Vec<CaseReport> = Vec::new();
    for gate in run.gates.iter().filter(|_| run.shard.is_none()) {
        let cases = run.cases.iter().chain(&reports).filter(|case| case.suite == gate.suite);
        let position = cases.map(|case| case.position.saturating_add(1)).max().unwrap_or(0);
        reports.push(gate.report(run, position));
    }
    reports
}

impl Gate {
    fn report(&self, run: &RunReport, position: usize) -> CaseReport {
        let suite = run.suites.get(self.suite);
        let outcome = self.outcome(run);
        let typed = suite.map_or("", |suite| if suite.argument.is_empty() { &suite.path } else { &suite.argument });
        let help = matches!(outcome, Outcome::Failed(_)).then(|| self.help(run, typed));
        let suite = (self.suite, suite.map_or("", |suite| suite.name.as_str()));
        let (name, policy) = (format!("gate {}", self.goal.name()), SUBJECT.to_owned());
        let report = CaseReport::without_answer(suite, name, policy, CaseKind::Gate, outcome, self.span.clone());
        CaseReport { warnings: help.into_iter().collect(), position, ..report }
    }

    /// How to reach it; `suite` is the path of the suite.
    fn help(&self, run: &RunReport, suite: &str) -> String {
        let help = self.goal.help(suite);
        let Goal::Privileges(_) = self.goal else { return help };
        let policies = run.policies.iter().filter(|policy| policy.suite == self.suite);
        let patches = policies.filter_map(|policy| policy.privileges.as_ref()?.patch.as_deref());
        std::iter::once(help.as_str()).chain(patches.map(str::trim_end)).collect::<Vec<_>>().join("\n")
    }

    fn outcome(&self, run: &RunReport) -> Outcome {
        if let Some(reason) = &self.skipped {
            return Outcome::Skipped(reason.clone());
        }
        let is_unavailable = |policy: &&PolicyReport| policy.suite == self.suite && policy.unavailable.is_some();
        if let Some(policy) = run.policies.iter().find(is_unavailable) {
            return Outcome::Skipped(format!("the policy `{}` is unavailable", policy.name));
        }
        if run.cases.iter().any(|case| case.suite == self.suite && case.outcome.is_not_run()) {
            return Outcome::NotRun("the run was stopped before all cases".to_owned());
        }
        let Judgement { is_reached, expected, actual } = match self.goal {
            Goal::Rules(percent) => self.rules(run, percent),
            Goal::Verdicts(Verdicts::Both) => self.verdicts(run),
            Goal::Weak(most) => self.weak(run, most),
            Goal::Hollow(most) => self.hollow(run, most),
            Goal::Fuel(fuel) => self.fuel(run, fuel),
            Goal::Memory(most) => self.memory(run, most),
            Goal::Behaviour(SameBehaviour::Same) => self.behaviour(run),
            Goal::Privileges(Least::Least) => self.privileges(run),
            Goal::Coverage(percent) => self.coverage(run, percent),
            Goal::Settings(percent) => self.settings(run, percent),
        };
        if is_reached {
            return Outcome::Passed;
        }
        let at = String::new();
        Outcome::Failed(vec![Mismatch { kind: MismatchKind::Gate, at, expected, actual, span: self.span.clone() }])
    }

    fn rules(&self, run: &RunReport, percent: Percent) -> Judgement {
        let rules: Vec<&RuleCoverage> = run.rules.iter().filter(|rules| rules.suite == self.suite).collect();
        let declared: usize = rules.iter().map(|rules| rules.requests.len()).sum();
        let exercised: usize = rules.iter().map(|rules| rules.exercised()).sum();
        let never = rules.iter().flat_map(|rules| {
            let never = rules.requests.iter().filter(|request| request.exercise() == Exercise::Never);
            never.map(|request| format!("{}: no case for {request}", rules.policy))
        });
        let actual = if declared == 0 { "no policy has rules".to_owned() } else { share(exercised, declared) };
        Judgement {
            is_reached: percent.is_reached(exercised, declared),
            expected: format!("{percent} of the requests that the rules select are evaluated"),
            actual: with_gaps(actual, never.collect()),
        }
    }

    fn verdicts(&self, run: &RunReport) -> Judgement {
        let policies = run.policies.iter().filter(|policy| policy.suite == self.suite);
        let gaps: Vec<String> = policies
            .filter_map(|policy| {
                let gap = match (policy.verdicts.allowed, policy.verdicts.decided()) {
                    (0, 0) => "no case has a verdict",
                    (_, 0) => "no case is rejected or mutated",
                    (0, _) => "no case passes as it is",
                    _ => return None,
                };
                Some(format!("{}: {gap}", policy.name))
            })
            .collect();
        Judgement {
            is_reached: gaps.is_empty(),
            expected: "every policy lets a request pass as it is, and rejects or mutates one".to_owned(),
            actual: gaps_of(gaps),
        }
    }

    fn privileges(&self, run: &RunReport) -> Judgement {
        let policies = run.policies.iter().filter(|policy| policy.suite == self.suite);
        let of_policy = |policy: &PolicyReport| match &policy.privileges {
            Some(privileges) => {
                let named = |gap: &PrivilegeGap<'_>| format!("{}: {gap}", policy.name);
                privileges.gaps().iter().map(named).collect()
            }
            None => vec![format!("{}: not known", policy.name)],
        };
        let gaps: Vec<String> = policies.flat_map(of_policy).collect();
        Judgement {
            is_reached: gaps.is_empty(),
            expected: "the metadata declares what the cases use".to_owned(),
            actual: gaps_of(gaps),
        }
    }

    fn behaviour(&self, run: &RunReport) -> Judgement {
        let nothing = SuiteChanges::default();
        let SuiteChanges { compared, changes, missing, not_compared, .. } =
            run.changes.iter().find(|it| it.suite == self.suite).unwrap_or(&nothing);
        let unexpected: Vec<&BaselineChange> = changes.iter().filter(|change| !change.is_expected).collect();
        let subjects: BTreeSet<&str> = unexpected.iter().map(|change| change.subject.as_str()).collect();
        let mut gaps: Vec<String> = unexpected.into_iter().map(ToString::to_string).collect();
        gaps.extend(missing.iter().map(ToString::to_string));
        gaps.extend(not_compared.iter().map(ToString::to_string));
        let number = subjects.len();
        Judgement {
            is_reached: gaps.is_empty() && *compared > 0,
            expected: "no change but those that `expectChange` announces".to_owned(),
            actual: match (*compared, number) {
                (0, 0) => with_gaps("nothing was compared".to_owned(), gaps),
                (1, _) => with_gaps(format!("{number} changed, 1 case compared"), gaps),
                _ => with_gaps(format!("{number} changed, {compared} cases compared"), gaps),
            },
        }
    }

    fn fuel(&self, run: &RunReport, fuel: Fuel) -> Judgement {
        let expected = match fuel {
            Fuel::AtMost(most) => format!("every case executes at most {most} instructions"),
            Fuel::Growth(share) => format!("no case executes {share} more instructions than the baseline"),
        };
        let measured = |it: &CaseUse| match fuel {
            Fuel::AtMost(most) => Some((it.instructions > most, format!("{} instructions", it.instructions))),
            Fuel::Growth(share) => {
                let old = it.baseline?;
                Some((share.is_exceeded(old, it.instructions), format!("{old} → {} instructions", it.instructions)))
            }
        };
        self.within(run, expected, measured)
    }

    fn memory(&self, run: &RunReport, most: u64) -> Judgement {
        let expected = format!("every case takes at most {most} bytes of memory");
        self.within(run, expected, |it| Some((it.memory > most, format!("{} bytes", it.memory))))
    }

    /// The judgement about what each case uses: `measured` says whether that is too much, and how much it is; nothing where it is not
    /// known. If it is known for no case, the gate is not reached.
    fn within(
        &self,
        run: &RunReport,
        expected: String,
        measured: impl Fn(&CaseUse) -> Option<(bool, String)>,
    ) -> Judgement {
        let of_suite = || run.uses.iter().filter(|it| it.suite == self.suite);
        let mut number = 0;
        let mut gaps: Vec<String> = Vec::new();
        for case in of_suite().flat_map(|it| &it.cases) {
            let Some((is_over, text)) = measured(case) else { continue };
            number += 1;
            gaps.extend(is_over.then(|| format!("{} {}: {text}", case.place, case.name)));
        }
        let actual =
            if number == 0 { "no case was counted".to_owned() } else { format!("{} of {number} use more", gaps.len()) };
        gaps.extend(of_suite().flat_map(|it| it.problems.iter().cloned()));
        Judgement { is_reached: gaps.is_empty() && number > 0, expected, actual: with_gaps(actual, gaps) }
    }

    fn coverage(&self, run: &RunReport, percent: Percent) -> Judgement {
        let modules: Vec<&PolicyCoverage> = run.coverage.iter().filter(|it| it.suite == self.suite).collect();
        let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let own: Share = modules.iter().filter_map(|module| module.own()).fold(Share::default(), |sum, own| sum + own);
        let gaps: Vec<String> = modules
            .iter()
            .filter_map(|module| {
                let name = module.name();
                match (&module.result, module.own()) {
                    (Err(reason), _) => Some(format!("{name}: not measured: {reason}")),
                    (Ok(_), Some(own)) if own.covered < own.total => {
                        Some(format!("{name}: {}", share(count(own.covered), count(own.total))))
                    }
                    _ => None,
                }
            })
            .collect();
        let actual = if own.total == 0 {
            "nothing was measured".to_owned()
        } else {
            share(count(own.covered), count(own.total))
        };
        Judgement {
            is_reached: modules.iter().all(|module| module.result.is_ok())
                && percent.is_reached(count(own.covered), count(own.total)),
            expected: format!("{percent} of the own code of the policies is executed"),
            actual: with_gaps(actual, gaps),
        }
    }

    fn settings(&self, run: &RunReport, percent: Percent) -> Judgement {
        let modules: Vec<&SettingsCoverage> = run.settings.iter().filter(|it| it.suite == self.suite).collect();
        let known: usize = modules.iter().map(|it| it.known()).sum();
        let set: usize = modules.iter().map(|it| it.set()).sum();
        let named = |it: &&SettingsCoverage| {
            let policy = it.policy.clone();
            it.never_set().into_iter().map(move |name| format!("{policy}: no case sets {name}"))
        };
        let actual = if known == 0 { "no policy has settings".to_owned() } else { share(set, known) };
        Judgement {
            is_reached: percent.is_reached(set, known),
            expected: format!("{percent} of the settings and choices are set in a case"),
            actual: with_gaps(actual, modules.iter().flat_map(named).collect()),
        }
    }

    fn weak(&self, run: &RunReport, most: usize) -> Judgement {
        let weak = run.cases.iter().filter(|case| case.suite == self.suite && case.weakness.is_some());
        let gaps: Vec<String> = weak
            .map(|case| format!("{}: matches {}", case.name, case.weakness.map_or("", |weakness| weakness.matches())))
            .collect();
        Judgement {
            is_reached: gaps.len() <= most,
            expected: format!("at most {most} weak"),
            actual: with_gaps(format!("{} weak", gaps.len()), gaps),
        }
    }

    fn hollow(&self, run: &RunReport, most: usize) -> Judgement {
        let of_suite = run.hollow.iter().find(|of_suite| of_suite.suite == self.suite).filter(|it| it.tried > 0);
        let number = of_suite.map_or(0, |it| it.names.len());
        Judgement {
            is_reached: of_suite.is_some() && number <= most,
            expected: format!("at most {most} notice nothing when their policies are sabotaged"),
            actual: match of_suite {
                Some(it) => with_gaps(format!("{number} of {}", it.tried), it.names.clone()),
                None => "no case could be tried".to_owned(),
            },
        }
    }
}

/// `50% (2 of 4)`; never `100%` for less than all.
fn share(part: usize, whole: usize) -> String {
    let percent = part.saturating_mul(100) / whole.max(1);
    format!("{percent}% ({part} of {whole})")
}

fn with_gaps(first: String, gaps: Vec<String>) -> String {
    if gaps.is_empty() { first } else { format!("{first}\n{}", gaps_of(gaps)) }
}

fn gaps_of(mut gaps: Vec<String>) -> String {
    let more = gaps.len().saturating_sub(MOST_GAPS);
    gaps.truncate(MOST_GAPS);
    gaps.extend((more > 0).then(|| format!("and {more} more")));
    gaps.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_not_rounded_up() {
        assert_eq!(share(999, 1_000), "99% (999 of 1000)");
    }
}
