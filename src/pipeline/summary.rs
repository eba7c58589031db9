//! What a report says about suites and policies, beside their cases.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::sources::Source;
use crate::prepare::PreparedPolicy;
use policy_verify_model::hosting::GuestLog;
use policy_verify_model::outcome::{CaseKind, CaseReport, Outcome, PolicyReport, SuiteSummary, Unavailable};
use policy_verify_model::source::Span;
use policy_verify_model::suite::Suite;

pub(super) fn summary(suite: &Suite, path: &Path) -> SuiteSummary {
    SuiteSummary {
        name: suite.name.clone(),
        path: suite.file.path.clone(),
        argument: path.to_string_lossy().into_owned(),
        span: Span::start_of(&suite.file),
    }
}

pub(super) fn policy_report(
    suite: usize,
    policy: usize,
    read: &Suite,
    prepared: &Result<PreparedPolicy, Arc<Unavailable>>,
    source: Source,
) -> PolicyReport {
    let (spec, ready) = (&read.policies[policy], prepared.as_ref().ok());
    PolicyReport {
        name: spec.name.clone(),
        suite,
        uri: spec.uri_text.clone(),
        source_digest: source.digest,
        remarks: source.remarks,
        digest: ready.map(|policy| policy.digest),
        size: ready.map(|policy| policy.module.len() as u64),
        execution_mode: ready.map(|policy| policy.execution_mode),
        compile_time: ready.map_or(Duration::ZERO, |policy| policy.compile_time),
        span: spec.span.clone(),
        unavailable: prepared.as_ref().err().cloned(),
        position: policy,
    }
}

/// An error for a policy that could not be had and that no case uses: it decides about the exit code, so no report may be
/// all green.
pub(super) fn idle_policy(suites: &[Suite], policy: &PolicyReport) -> Option<CaseReport> {
    let unavailable = policy.unavailable.as_ref()?;
    let name = format!("policy {}", policy.name);
    Some(CaseReport {
        id: format!("{} › {name}", suites[policy.suite].name),
        name,
        suite: policy.suite,
        policy: policy.name.clone(),
        kind: CaseKind::Check,
        outcome: Outcome::Unavailable(Arc::clone(unavailable)),
        span: policy.span.clone(),
        duration: Duration::ZERO,
        request: None,
        response: None,
        fault: None,
        calls: Vec::new(),
        log: GuestLog::default(),
        warnings: Vec::new(),
        is_weak: false,
        steps: Vec::new(),
        members: Vec::new(),
        position: 0,
    })
}
