//! The reports about suites and policies.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::policies::PolicyRecord;
use crate::prepare::PreparedPolicy;
use policy_verify_model::compiler::Compiler;
use policy_verify_model::outcome::{CaseKind, CaseReport, Outcome, PolicyReport, SuiteSummary};
use policy_verify_model::policy::ExecutionMode;
use policy_verify_model::rule_coverage::VerdictCounts;
use policy_verify_model::source::Span;
use policy_verify_model::suite::Suite;

/// The report about a suite.
pub(super) fn summary(suite: &Suite, path: &Path) -> SuiteSummary {
    SuiteSummary {
        name: suite.name.clone(),
        path: suite.file.path.clone(),
        argument: path.to_string_lossy().into_owned(),
        span: Span::start_of(&suite.file),
        kubewarden: suite.kubewarden.release,
    }
}

/// The report about a policy.
pub(super) fn policy_report(suites: &[Suite], record: &PolicyRecord) -> PolicyReport {
    let PolicyRecord { key, source, prepared } = record;
    let (spec, ready) = (key.spec(suites), prepared.as_ref().ok());
    PolicyReport {
        name: spec.name.clone(),
        suite: key.suite.0,
        uri: spec.uri_text.clone(),
        source_digest: source.digest.clone(),
        remarks: source.remarks.iter().cloned().chain(ready.and_then(experimental)).collect(),
        digest: ready.map(|policy| policy.digest),
        size: ready.map(|policy| policy.module.len() as u64),
        execution_mode: ready.map(|policy| policy.execution_mode),
        compilers: ready.map_or_else(Vec::new, compilers),
        compile_time: ready.map_or(Duration::ZERO, |policy| policy.compile_time),
        span: spec.span.clone(),
        unavailable: prepared.as_ref().err().cloned(),
        position: key.policy.0,
        verdicts: VerdictCounts::default(),
        privileges: None,
    }
}

/// What compiled the code of a policy: Cranelift after another where that was worth it.
fn compilers(policy: &PreparedPolicy) -> Vec<Compiler> {
    let first = policy.compiler;
    let is_replaced = first == Some(Compiler::Winch) && policy.guest.is_settled();
    first.into_iter().chain(is_replaced.then_some(Compiler::Cranelift)).collect()
}

/// What is to be known about a policy of an experimental mode.
fn experimental(policy: &PreparedPolicy) -> Option<String> {
    (policy.execution_mode == ExecutionMode::Ferricel).then(|| {
        "executionMode ferricel is experimental; `matchConstraints` of the ValidatingAdmissionPolicy are not evaluated: the rules \
         of the metadata or of the manifest are"
            .to_owned()
    })
}

/// An error for an unavailable policy that no case uses: it decides about the exit code, so no report may be all green.
pub(super) fn unused_policy(suites: &[Suite], record: &PolicyRecord) -> Option<CaseReport> {
    let unavailable = record.prepared.as_ref().err()?;
    let spec = record.key.spec(suites);
    let suite = (record.key.suite.0, suites[record.key.suite.0].name.as_str());
    let (name, policy) = (format!("policy {}", spec.name), spec.name.clone());
    let outcome = Outcome::Unavailable(Arc::clone(unavailable));
    Some(CaseReport::without_answer(suite, name, policy, CaseKind::UnusedPolicy, outcome, spec.span.clone()))
}
