//! What the policies of a run do differently than the baselines that their suite gives them.

use std::collections::BTreeSet;

use policy_verify_engine::engine::Engine;
use policy_verify_model::baseline::{Baseline, BaselineChange, MissingChange, NotComparable, SuiteChanges};
use policy_verify_model::behaviour::Class;
use policy_verify_model::gate::Goal;
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::source::Span;
use policy_verify_model::suite::{PolicyIndex, PolicySpec, Suite, SuiteIndex};
use policy_verify_registry::Registry;
use rayon::prelude::*;

use super::case::{self, CaseResult};
use super::classify::Change;
use super::modules::{self, Facts};
use super::versions::{Prepared, Version, VersionName};
use crate::error::Error;
use crate::evaluate::{AcceptedSettings, Policies};
use crate::pipeline::options::Options;
use crate::pipeline::policy;
use crate::pipeline::ready::Ready;
use crate::prepare::single;
use crate::select::SelectedCase;

/// Compares the selected cases of each suite that has a gate about it. Nothing is known once the run is interrupted.
pub(in crate::pipeline) fn changes(ready: &Ready<'_>, options: &Options) -> Vec<SuiteChanges> {
    let has_gate = |suite: &Suite| suite.has_gate(|goal| matches!(goal, Goal::Behaviour(_)));
    let suites = ready.loaded.suites.iter().enumerate().filter(|(_, suite)| has_gate(suite));
    let found = suites.map(|(index, suite)| {
        let engine = ready.engine;
        Comparison { index: SuiteIndex(index), suite, ready, engine, options }.changes()
    });
    let found: Vec<SuiteChanges> = found.collect();
    if options.interrupt.is_stopped() { Vec::new() } else { found }
}

/// The baselines of the policies of a suite that the run has, in code of this engine; and why there is none for others.
pub(in crate::pipeline) fn prepared(
    suite: SuiteIndex,
    ready: &Ready<'_>,
    engine: &Engine,
    options: &Options,
) -> (Vec<(PolicyIndex, Prepared)>, Vec<NotComparable>) {
    let mut found = SuiteChanges::default();
    let comparison = Comparison { index: suite, suite: &ready.loaded.suites[suite.0], ready, engine, options };
    let ancestors = comparison.ancestors(&mut found);
    (ancestors.into_iter().map(|it| (it.policy, it.prepared)).collect(), found.not_compared)
}

/// A suite whose policies have baselines.
struct Comparison<'a> {
    index: SuiteIndex,
    suite: &'a Suite,
    ready: &'a Ready<'a>,
    /// What compiles the baselines.
    engine: &'a Engine,
    options: &'a Options,
}

/// A baseline that is ready to be evaluated.
struct Ancestor<'a> {
    policy: PolicyIndex,
    spec: &'a PolicySpec,
    baseline: &'a Baseline,
    version: Version,
    prepared: Prepared,
}

/// What is compared: a case or a policy.
struct Subject<'a> {
    name: &'a str,
    span: &'a Span,
    expected: &'a [Class],
}

impl Comparison<'_> {
    fn changes(&self) -> SuiteChanges {
        let mut found = SuiteChanges { suite: self.index.0, ..SuiteChanges::default() };
        let ancestors = self.ancestors(&mut found);
        for ancestor in &ancestors {
            self.compare_modules(ancestor, &mut found);
        }
        let new = self.ready.policies[self.index.0].with_accepted(AcceptedSettings::default());
        let mut old = new.with_accepted(AcceptedSettings::default());
        for ancestor in &ancestors {
            old.prepared[ancestor.policy.0] = Some(&ancestor.prepared);
        }
        self.compare_cases(&ancestors, [&old, &new], &mut found);
        found
    }

    /// The baselines of the policies that the run has. One that is unavailable cannot be compared.
    fn ancestors(&self, found: &mut SuiteChanges) -> Vec<Ancestor<'_>> {
        let mut ancestors = Vec::new();
        let registry = policy::registry(&self.options.network);
        for (index, spec) in self.suite.policies.iter().enumerate() {
            let Some(baseline) = &spec.baseline else { continue };
            let policy = PolicyIndex(index);
            if !matches!(self.ready.policies[self.index.0].prepared[index], Some(Ok(_))) {
                continue;
            }
            let ancestor = registry.as_ref().map_err(ToString::to_string).and_then(|registry| {
                let (version, prepared) = self.fetch(spec, baseline, registry).map_err(|error| error.to_string())?;
                Ok(Ancestor { policy, spec, baseline, version, prepared })
            });
            match ancestor {
                Ok(ancestor) => ancestors.push(ancestor),
                Err(reason) => found.not_compared.push(NotComparable {
                    subject: spec.name.clone(),
                    place: baseline.uri.span.file_and_line(),
                    reason: format!("the baseline {} is unavailable: {reason}", baseline.uri_text),
                }),
            }
        }
        ancestors
    }

    /// Fetches a baseline. A module without metadata takes that of the policy.
    fn fetch(&self, spec: &PolicySpec, baseline: &Baseline, registry: &Registry) -> Result<(Version, Prepared), Error> {
        let module = match &baseline.uri.value {
            PolicyRef::File(path) => path.display().to_string(),
            _ => baseline.uri_text.clone(),
        };
        let mode = spec.execution_mode.as_ref().map(|mode| mode.value);
        let metadata_otherwise = spec.metadata.as_ref().map(|metadata| metadata.value.clone());
        let name = VersionName { module, metadata: None, metadata_otherwise };
        let version = Version::fetch(&name, mode, registry, self.options)?;
        let prepared = version.prepare(self.suite.kubewarden.release, self.engine)?;
        Ok((version, prepared))
    }

    /// What metadata and code say, but for costs and for what is of no consequence.
    fn compare_modules(&self, ancestor: &Ancestor<'_>, found: &mut SuiteChanges) {
        let Some(Ok(new)) = self.ready.policies[self.index.0].prepared[ancestor.policy.0] else { return };
        let Ok(old) = &ancestor.prepared else { return };
        let subject = Subject {
            name: &ancestor.spec.name,
            span: &ancestor.spec.span,
            expected: &ancestor.baseline.expected_changes,
        };
        let capabilities = single::found(&new.module);
        let changes = match old.digest == new.digest {
            true => Vec::new(),
            false => {
                modules::changes(&Facts::of(old, &ancestor.version.capabilities.found), &Facts::of(new, &capabilities))
            }
        };
        let matters = |change: &Change| !matches!(change.class, Class::Cost | Class::Other);
        let changes = changes.into_iter().filter(matters).map(|change| (Some(change.cause.clone()), change));
        subject.judge(changes.collect(), found);
    }

    fn compare_cases(&self, ancestors: &[Ancestor<'_>], versions: [&Policies<'_>; 2], found: &mut SuiteChanges) {
        let has_baseline = |selected: &&SelectedCase<'_>| {
            let asked = self.suite.policies_for(selected.case);
            selected.suite == self.index && ancestors.iter().any(|ancestor| asked.contains(&ancestor.policy))
        };
        let cases = self.ready.loaded.selected.cases.iter().filter(has_baseline);
        let cases: Vec<&SelectedCase<'_>> = cases.filter(|it| it.case.skip.is_none()).collect();
        let running = cases.into_par_iter().filter(|_| !self.options.interrupt.is_stopped());
        let results: Vec<_> =
            running.filter_map(|selected| Some((selected.case, case::result(selected.case, versions)?))).collect();
        for (case, result) in results {
            let subject = Subject { name: &case.name, span: case.place(), expected: &case.expected_changes };
            match result {
                CaseResult::Same(changes) | CaseResult::Other(changes) => {
                    found.compared += 1;
                    subject.judge(changes.into_iter().map(|change| (None, change)).collect(), found);
                }
                CaseResult::Not(reason, _) => found.not_compared.push(NotComparable {
                    subject: case.name.clone(),
                    place: case.place().file_and_line(),
                    reason,
                }),
            }
        }
    }
}

impl Subject<'_> {
    /// Adds what changed, each with what it is about where that is no answer, and what was to change and did not.
    fn judge(&self, changes: Vec<(Option<String>, Change)>, found: &mut SuiteChanges) {
        let (subject, place) = (self.name.to_owned(), self.span.file_and_line());
        let classes: BTreeSet<Class> = changes.iter().map(|(_, change)| change.class).collect();
        let missing = self.expected.iter().filter(|class| !classes.contains(class));
        found.missing.extend(missing.map(|class| MissingChange {
            subject: subject.clone(),
            place: place.clone(),
            class: *class,
        }));
        found.changes.extend(changes.into_iter().map(|(about, change)| BaselineChange {
            subject: subject.clone(),
            place: place.clone(),
            class: change.class,
            about,
            old: change.old,
            new: change.new,
            is_expected: self.expected.contains(&change.class),
        }));
    }
}
