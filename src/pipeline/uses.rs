//! What cases use: instructions and memory, the same on every machine, for gates about it.
//!
//! The cases were judged before, in the usual code. For this they run twice more, in code of Cranelift that counts: the first time
//! validates settings, so that it does not matter which of several cases does so.

use std::collections::HashMap;
use std::sync::Arc;

use policy_verify_engine::compiler::CompilerChoice;
use policy_verify_engine::engine::Engine;
use policy_verify_engine::{self as runtime, Policy};
use policy_verify_model::cost::{CaseUse, SuiteUse};
use policy_verify_model::gate::{Fuel, Goal};
use policy_verify_model::outcome::CaseReport;
use policy_verify_model::policy::Digest;
use policy_verify_model::suite::{PolicyIndex, Suite, SuiteIndex};
use rayon::prelude::*;

use super::options::Options;
use super::ready::{self, Code, Ready};
use super::{case, diff};
use crate::evaluate::{AcceptedSettings, CallTime, Policies};
use crate::prepare::PreparedPolicy;
use crate::select::SelectedCase;

/// Counts the cases of the suites that have a gate about it; `reports` are those of the selected cases. Nothing is known once the
/// run is interrupted.
pub(super) fn of_run(ready: &Ready<'_>, reports: &[CaseReport], options: &Options) -> Vec<SuiteUse> {
    let has_gate = |suite: &Suite| suite.has_gate(|goal| matches!(goal, Goal::Fuel(_) | Goal::Memory(_)));
    let suites = ready.loaded.suites.iter().enumerate().filter(|(_, suite)| has_gate(suite));
    let suites: Vec<SuiteIndex> = suites.map(|(index, _)| SuiteIndex(index)).collect();
    if suites.is_empty() {
        return Vec::new();
    }
    let failed = |problem: String| {
        let of_suite =
            |suite: &SuiteIndex| SuiteUse { suite: suite.0, cases: Vec::new(), problems: vec![problem.clone()] };
        suites.iter().map(of_suite).collect()
    };
    let instances = ready::instances_at_a_time(ready.loaded.suites);
    // Compilers do not count all instructions alike.
    let engine = match ready::engine_with(options, CompilerChoice::Cranelift, Code::Counting, instances, &()) {
        Ok(engine) => engine,
        Err(error) => return failed(error.to_string()),
    };
    let engine = &engine;
    let uses = suites.iter().map(|suite| Counted { suite: *suite, ready, reports, engine, options }.uses()).collect();
    engine.finish();
    if options.interrupt.is_stopped() { Vec::new() } else { uses }
}

/// A suite whose cases are counted.
struct Counted<'a> {
    suite: SuiteIndex,
    ready: &'a Ready<'a>,
    reports: &'a [CaseReport],
    engine: &'a Engine,
    options: &'a Options,
}

impl Counted<'_> {
    fn uses(&self) -> SuiteUse {
        let mut uses = SuiteUse { suite: self.suite.0, ..SuiteUse::default() };
        let policies = &self.ready.policies[self.suite.0];
        let is_there = |index: &PolicyIndex| matches!(policies.prepared[index.0], Some(Ok(_)));
        let all: Vec<PolicyIndex> = (0..policies.prepared.len()).map(PolicyIndex).filter(is_there).collect();
        let guests = match self.guests(policies, &all) {
            Ok(guests) => guests,
            Err(problem) => return SuiteUse { problems: vec![problem], ..uses },
        };
        let guest = |policy: &PreparedPolicy| Arc::clone(&guests[&policy.digest]);
        let (counted, baseline) = policies.with_guests(&all, guest, |policies| {
            let baseline = self.of_baselines(&policies, &mut uses.problems);
            (self.count(policies), baseline)
        });
        let selected = &self.ready.loaded.selected.cases;
        let each = selected.iter().zip(counted).enumerate();
        uses.cases.extend(each.filter_map(|(index, (selected, report))| {
            let report = report?;
            Some(CaseUse {
                name: selected.case.name.clone(),
                place: selected.case.place().file_and_line(),
                instructions: report.instructions?,
                memory: report.memory?,
                baseline: baseline.get(index).and_then(|report| report.as_ref()?.instructions),
            })
        }));
        uses
    }

    /// The code of the policies that counts.
    fn guests(&self, policies: &Policies<'_>, all: &[PolicyIndex]) -> Result<HashMap<Digest, Arc<dyn Policy>>, String> {
        let guest = |index: &PolicyIndex| {
            let policy = policies.prepared(*index);
            let module = self.engine.optimise(policy.digest, &policy.module).map_err(|error| error.to_string())?;
            let guest =
                runtime::load(self.engine, &module, policy.execution_mode).map_err(|error| error.to_string())?;
            Ok((policy.digest, guest))
        };
        all.par_iter().map(guest).collect()
    }

    /// The same cases with the baselines of their policies, if a gate needs them; nothing for those that ask others, too.
    fn of_baselines(&self, policies: &Policies<'_>, problems: &mut Vec<String>) -> Vec<Option<CaseReport>> {
        let suite = &self.ready.loaded.suites[self.suite.0];
        if !suite.has_gate(|goal| matches!(goal, Goal::Fuel(Fuel::Growth(_)))) {
            return Vec::new();
        }
        let (baselines, missing) = diff::baselines(self.suite, self.ready, self.engine, self.options);
        problems.extend(missing.iter().map(ToString::to_string));
        let mut policies = policies.clone();
        for (policy, prepared) in &baselines {
            policies.prepared[policy.0] = Some(prepared);
        }
        let has_all = |selected: &SelectedCase<'_>| {
            let mut asked = suite.policies_for(selected.case).into_iter();
            asked.all(|policy| baselines.iter().any(|(known, _)| *known == policy))
        };
        let counted = self.count(policies);
        let selected = self.ready.loaded.selected.cases.iter();
        selected.zip(counted).map(|(selected, report)| report.filter(|_| has_all(selected))).collect()
    }

    /// Runs the cases of the suite; nothing for others, and for those that were not answered in the usual code.
    fn count(&self, policies: Policies<'_>) -> Vec<Option<CaseReport>> {
        let accepted = Some(Arc::new(AcceptedSettings::default()));
        let policies = &Policies { accepted, call_time: CallTime::Counting, ..policies };
        let run = || -> Vec<Option<CaseReport>> {
            let cases = self.ready.loaded.selected.cases.par_iter().zip(self.reports);
            let counted = cases.map(|(SelectedCase { suite, case }, report)| {
                let is_wanted =
                    *suite == self.suite && report.is_worth_counting() && !self.options.interrupt.is_stopped();
                is_wanted.then(|| case::report(*suite, case, policies, None).0)
            });
            counted.collect()
        };
        run();
        run()
    }
}
