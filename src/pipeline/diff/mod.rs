//! `verify diff`: what two versions of a policy do differently with the requests and settings of suites, and with searched
//! requests. The settings, mocks and rules of the suites stay; each version takes the place of the suite's policy.

mod baselines;
mod case;
pub(super) mod classify;
mod groups;
mod modules;
pub(super) mod observe;
mod search;
mod versions;

use std::collections::{BTreeMap, BTreeSet};

use policy_verify_model::behaviour::{Behaviour, Class, Instructions, NotCompared, PolicyVersion, Step};
use policy_verify_model::release::Release;
use policy_verify_model::suite::Suite;
use policy_verify_suite::SnapshotUse;
use rayon::prelude::*;

pub(super) use self::baselines::{changes, prepared as baselines};
use self::case::CaseResult;
use self::classify::Change;
use self::groups::Groups;
use self::modules::Facts;
use self::search::Search;
pub use self::versions::VersionName;
use self::versions::{Prepared, Version};
use super::effort::SearchEffort;
use super::options::{Options, Progress};
use super::policy;
use super::ready::{self, Code, Loaded, Ready};
use crate::error::Error;
use crate::evaluate::{AcceptedSettings, CallTime, Policies};
use crate::prepare::PreparedPolicy;
use crate::select::{PolicyKey, SelectedCase};

/// What to compare.
#[derive(Debug, Clone, Default)]
pub struct DiffOptions {
    /// The old version.
    pub old: VersionName,
    /// The new version.
    pub new: VersionName,
    /// Which policy of the suites they are versions of; by default the only one.
    pub policy: Option<String>,
    /// How requests beyond the suites are searched for; not at all by default.
    pub search: Option<SearchEffort>,
}

/// Compares two versions of a policy.
///
/// # Errors
///
/// When nothing could be compared: see [`verify`](super::verify()); a version that is unavailable; suites that do not say which
/// of their policies is meant.
pub fn diff(options: &Options, wanted: &DiffOptions, progress: &dyn Progress) -> Result<Behaviour, Error> {
    ready::with_suites(options, SnapshotUse::Compared, progress, |loaded| {
        let targets = targets(loaded, wanted.policy.as_deref())?;
        let registry = policy::registry(&options.network)?;
        let mode = targets.iter().find_map(|key| key.spec(loaded.suites).execution_mode.as_ref());
        let mode = mode.map(|mode| mode.value);
        let fetch = |name| Version::fetch(name, mode, &registry, options);
        let versions = [fetch(&wanted.old)?, fetch(&wanted.new)?];
        let comparison = Comparison { loaded, options, wanted, targets, versions };
        let Compared { mut behaviour, mut groups, same, mut differing } =
            loaded.with_policies_but(&comparison.targets, options, Code::Plain, progress, |ready| {
                let compared = comparison.behaviour(ready, progress);
                ready.engine.finish();
                compared
            })??;
        if !behaviour.is_identical && !same.is_empty() && !options.interrupt.is_stopped() {
            let sum = loaded.with_policies_but(&comparison.targets, options, Code::Counting, &(), |ready| {
                comparison.costs(ready, &same, &mut groups, &mut differing)
            })??;
            behaviour.instructions = Some(sum);
        }
        behaviour.differing = differing.len();
        behaviour.differences = groups.finish();
        behaviour.warning = warning(&behaviour);
        Ok(behaviour)
    })
}

/// The policies whose place the versions take: all those of a name, or of the only module.
fn targets(loaded: &Loaded<'_>, name: Option<&str>) -> Result<Vec<PolicyKey>, Error> {
    let spec = |key: &PolicyKey| key.spec(loaded.suites);
    let all = &loaded.selected.policies;
    if let Some(name) = name {
        let named: Vec<PolicyKey> = all.iter().filter(|key| spec(key).name == name).copied().collect();
        if named.is_empty() {
            let names: BTreeSet<&str> = all.iter().map(|key| spec(key).name.as_str()).collect();
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            return Err(Error::usage(
                format!("--policy: no selected case uses a policy `{name}`"),
                format!("the selected cases use {names}"),
            ));
        }
        return Ok(named);
    }
    for (index, suite) in loaded.suites.iter().enumerate() {
        let of_suite: Vec<&PolicyKey> = all.iter().filter(|key| key.suite.0 == index).collect();
        let mut modules: Vec<_> =
            of_suite.iter().map(|key| spec(key)).map(|it| (&it.uri.value, &it.metadata)).collect();
        modules.dedup_by(|one, other| {
            one.0 == other.0 && one.1.as_ref().map(|it| &it.value) == other.1.as_ref().map(|it| &it.value)
        });
        if modules.len() > 1 {
            return Err(several_policies(suite, of_suite.iter().map(|key| spec(key).name.as_str()).collect()));
        }
    }
    Ok(all.clone())
}

fn several_policies(suite: &Suite, names: Vec<&str>) -> Error {
    Error::usage(
        format!("suite `{}` has several policies: {}", suite.name, names.join(", ")),
        format!("say which one OLD and NEW are versions of: `--policy {}`", names.first().unwrap_or(&"NAME")),
    )
}

/// What is compared, before it is made ready for an engine.
struct Comparison<'a> {
    loaded: &'a Loaded<'a>,
    options: &'a Options,
    wanted: &'a DiffOptions,
    targets: Vec<PolicyKey>,
    versions: [Version; 2],
}

/// What the answers of both versions show.
struct Compared<'a> {
    behaviour: Behaviour,
    groups: Groups,
    /// The cases with the same verdict, whose costs can be compared.
    same: Vec<SelectedCase<'a>>,
    /// The names of the cases that make a difference.
    differing: BTreeSet<&'a str>,
}

impl<'a> Compared<'a> {
    /// Adds the results of cases, in their order.
    fn add(&mut self, results: Vec<(SelectedCase<'a>, CaseResult)>) {
        let mut reasons: BTreeMap<String, NotCompared> = BTreeMap::new();
        for (selected, result) in results {
            let case = selected.case;
            self.behaviour.compared += usize::from(!matches!(result, CaseResult::Not(..)));
            let changes = match result {
                CaseResult::Same(changes) => {
                    self.same.push(selected);
                    changes
                }
                CaseResult::Other(changes) => changes,
                CaseResult::Not(reason, changes) => {
                    let entry = NotCompared { reason: reason.clone(), number: 0, example: case.id.clone() };
                    reasons.entry(reason).or_insert(entry).number += 1;
                    changes
                }
            };
            if !changes.is_empty() {
                self.differing.insert(case.id.as_str());
            }
            changes.into_iter().for_each(|change| self.groups.add_of_case(change, case));
        }
        self.behaviour.not_compared = reasons.into_values().collect();
    }
}

impl<'a> Comparison<'a> {
    /// The versions, for an engine.
    fn prepared(&self, ready: &Ready<'_>) -> Result<[Prepared; 2], Error> {
        let release =
            self.targets.first().map_or(Release::default(), |key| self.loaded.suites[key.suite.0].kubewarden.release);
        let [old, new] = &self.versions;
        Ok([old.prepare(release, ready.engine)?, new.prepare(release, ready.engine)?])
    }

    /// The policies of every suite with a version in place of the suite's policy. What one version has accepted of settings
    /// says nothing about the other.
    fn policies<'p>(&self, ready: &Ready<'p>, version: &'p Prepared) -> Vec<Policies<'p>> {
        let with_version = |(index, policies): (usize, &Policies<'p>)| {
            let mut policies = policies.with_accepted(AcceptedSettings::default());
            for key in self.targets.iter().filter(|key| key.suite.0 == index) {
                policies.prepared[key.policy.0] = Some(version);
            }
            policies
        };
        ready.policies.iter().enumerate().map(with_version).collect()
    }

    /// The selected cases whose policies are replaced.
    fn cases(&self) -> Vec<SelectedCase<'a>> {
        let is_about = |selected: &&SelectedCase<'_>| {
            let suite = &self.loaded.suites[selected.suite.0];
            let mut policies = suite.policies_for(selected.case).into_iter();
            policies.any(|policy| self.targets.contains(&PolicyKey { suite: selected.suite, policy }))
        };
        self.loaded.selected.cases.iter().filter(is_about).copied().collect()
    }

    /// Compares what versions answer, and searches.
    fn behaviour(&self, ready: &Ready<'_>, progress: &dyn Progress) -> Result<Compared<'a>, Error> {
        let prepared = self.prepared(ready)?;
        let [old, new] = [0, 1].map(|index| prepared[index].as_ref().expect("an unavailable version ends the command"));
        let is_identical = old.digest == new.digest;
        let report = |index: usize, policy| self.versions[index].report(policy);
        let behaviour = begun(report(0, old), report(1, new), is_identical);
        let mut compared =
            Compared { behaviour, groups: Groups::default(), same: Vec::new(), differing: BTreeSet::new() };
        if is_identical {
            return Ok(compared);
        }
        for change in modules::changes(&self.facts(0, old), &self.facts(1, new)) {
            compared.groups.add_of_module(change);
        }
        let policies = [0, 1].map(|index| self.policies(ready, &prepared[index]));
        let of = |selected: &SelectedCase<'_>| policies.each_ref().map(|all| &all[selected.suite.0]);
        let cases = self.cases();
        let running = cases.par_iter().filter(|_| !self.options.interrupt.is_stopped());
        let results: Vec<_> = running.filter_map(|it| Some((*it, case::result(it.case, of(it))?))).collect();
        compared.add(results);
        if let Some(effort) = self.wanted.search {
            progress.remarked("searching for requests beyond the suites");
            let subjects = compared.same.iter().map(|it| (*it, of(it).map(Policies::clone))).collect();
            let modules = [old, new].map(|policy| &*policy.module);
            let search = Search::new(subjects, modules, &compared.groups, &self.options.interrupt);
            compared.behaviour.search = Some(search.run(effort, &mut compared.groups));
        }
        Ok(compared)
    }

    fn facts<'f>(&'f self, index: usize, policy: &'f PreparedPolicy) -> Facts<'f> {
        Facts::of(policy, &self.versions[index].capabilities.found)
    }

    /// Compares the instructions of cases with the same verdict.
    fn costs(
        &self,
        ready: &Ready<'_>,
        cases: &[SelectedCase<'a>],
        groups: &mut Groups,
        differing: &mut BTreeSet<&'a str>,
    ) -> Result<Instructions, Error> {
        let prepared = self.prepared(ready)?;
        let counted = [0, 1].map(|index| {
            let mut policies = self.policies(ready, &prepared[index]);
            policies.iter_mut().for_each(|policies| policies.call_time = CallTime::Counting);
            let count = |it: &SelectedCase<'_>| {
                observe::of_case(it.case, &policies[it.suite.0]).map_or(0, |seen| seen.instructions)
            };
            // Settings are validated by the first of the cases that share them: that is over before anything counts.
            let _: Vec<u64> = cases.par_iter().map(count).collect();
            cases.par_iter().map(count).collect::<Vec<u64>>()
        });
        let [old, new] = &counted;
        let total = Instructions { old: old.iter().sum(), new: new.iter().sum() };
        let each = cases.iter().zip(old.iter().zip(new)).filter(|(_, (old, new))| modules::has_grown(**old, **new));
        let dearer: Vec<_> = each.map(|(selected, (old, new))| (selected.case, *old, *new)).collect();
        let worst = dearer.iter().max_by_key(|(_, old, new)| u128::from(*new) * 1_000 / u128::from(*old).max(1));
        if let Some((case, old, new)) = worst {
            let shown = |number: &u64| format!("{number} instructions");
            let cause = "executed instructions".to_owned();
            let change = Change { class: Class::Cost, cause, old: shown(old), new: shown(new) };
            groups.add_counted(change, dearer.len(), case);
        }
        differing.extend(dearer.iter().map(|(case, ..)| case.id.as_str()));
        Ok(total)
    }
}

fn begun(old: PolicyVersion, new: PolicyVersion, is_identical: bool) -> Behaviour {
    let parsed = |it: &PolicyVersion| it.version.as_deref().and_then(|text| text.parse::<semver::Version>().ok());
    Behaviour {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        step: parsed(&old).zip(parsed(&new)).map(|(old, new)| Step::between(&old, &new)),
        old,
        new,
        is_identical,
        warning: None,
        compared: 0,
        differing: 0,
        not_compared: Vec::new(),
        instructions: None,
        differences: Vec::new(),
        search: None,
    }
}

/// What does not fit the step of the version.
fn warning(behaviour: &Behaviour) -> Option<String> {
    let step = behaviour.step.filter(|step| step.promises_no_change())?;
    let grave: Vec<&str> = [Class::NewDenial, Class::NewAllowance]
        .into_iter()
        .filter(|class| behaviour.number_of(*class) > 0)
        .map(Class::title)
        .collect();
    if grave.is_empty() {
        return None;
    }
    let versions = |it: &PolicyVersion| it.version.clone().unwrap_or_default();
    let (old, new) = (versions(&behaviour.old), versions(&behaviour.new));
    let step = match step {
        Step::None => format!("the version is still {old}"),
        _ => format!("{old} → {new} is only a patch"),
    };
    Some(format!("{step}, but there is {}", grave.join(" and ")))
}
