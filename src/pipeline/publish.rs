//! Which policies of a run may be published, and publishing them: the step that a run takes only when it is told to.

use std::sync::Arc;

use super::options::{Options, Progress};
use super::publishable::LEFT_OUT;
use super::ready::{Loaded, Ready};
use crate::evaluate::Policies;
use crate::select::{PolicyKey, SelectedCase};
use policy_verify_model::outcome::{CaseKind, CaseReport, Outcome};
use policy_verify_model::publication::Publication;
use policy_verify_model::suite::{PublishSpec, SuiteIndex};
use policy_verify_registry::network;
use policy_verify_registry::publish::{self, Artifact};

/// Why a policy is not published.
struct NotPublished {
    message: String,
    help: Option<String>,
}

impl NotPublished {
    fn new(message: impl Into<String>, help: impl Into<Option<&'static str>>) -> Self {
        Self { message: message.into(), help: help.into().map(str::to_owned) }
    }
}

/// Publishes what passed, if the run is to publish and was not interrupted: every entry whose policy passed; of the others
/// it tells why they are not published; in suite order. `cases` are the reports of the selected cases and of gates.
pub(super) fn after(
    cases: &[CaseReport],
    ready: &Ready<'_>,
    options: &Options,
    progress: &dyn Progress,
) -> Vec<Publication> {
    let Loaded { selected, services, .. } = ready.loaded;
    let Some((mode, registry)) = options.publish.zip(services.registry.as_ref()) else { return Vec::new() };
    if options.interrupt.is_stopped() {
        return Vec::new();
    }
    progress.publishing();
    let judged = judge(cases, &selected.cases, &ready.policies);
    let refused: Vec<Option<Publication>> = judged.iter().map(|it| it.as_ref().err().cloned()).collect();
    let artifacts = judged.into_iter().filter_map(Result::ok).collect();
    let sending = |sent, total| progress.sending(sent, total);
    let mut published = network::wait(publish::publish(registry, artifacts, mode, &sending)).into_iter();
    refused.into_iter().filter_map(|refused| refused.or_else(|| published.next())).collect()
}

/// For each entry the artifact to publish, or why it is not published.
fn judge(
    cases: &[CaseReport],
    selected: &[SelectedCase<'_>],
    all: &[Policies<'_>],
) -> Vec<Result<Artifact, Publication>> {
    let total: usize = all.iter().map(|policies| policies.suite.cases.len()).sum();
    let (gates, cases): (Vec<&CaseReport>, Vec<&CaseReport>) =
        cases.iter().partition(|report| report.kind == CaseKind::Gate);
    let mut judged = Vec::new();
    for (suite, policies) in (0..).map(SuiteIndex).zip(all) {
        for entry in &policies.suite.publish {
            let key = PolicyKey { suite, policy: entry.policy };
            let own = selected.iter().zip(&cases).filter(|(selected, _)| is_about(all, key, selected));
            let of_suite = gates.iter().filter(|gate| gate.suite == suite.0);
            let own: Vec<&CaseReport> = own.map(|(_, report)| *report).chain(of_suite.copied()).collect();
            // Whatever left cases out: their results are unknown.
            let artifact = match total - selected.len() {
                0 => artifact(suite, policies, entry, &own),
                left_out => Err(NotPublished::new(format!("the run left out {left_out} of {total} tests"), LEFT_OUT)),
            };
            judged.push(artifact.map_err(|problem| refusal(suite, policies, entry, problem)));
        }
    }
    judged
}

/// Whether a test is about a policy: the policy itself, a group or chain it is a part of, or a policy of another name that
/// is the same module, in whatever suite: what is published are bytes.
fn is_about(all: &[Policies<'_>], wanted: PolicyKey, selected: &SelectedCase<'_>) -> bool {
    let digest = |key: PolicyKey| {
        let prepared = all[key.suite.0].prepared[key.policy.0].and_then(|prepared| prepared.as_ref().ok());
        prepared.map(|prepared| prepared.digest)
    };
    let wanted_digest = digest(wanted);
    let policies = all[selected.suite.0].suite.policies_for(selected.case).into_iter();
    policies
        .map(|policy| PolicyKey { suite: selected.suite, policy })
        .any(|other| other == wanted || (wanted_digest.is_some() && digest(other) == wanted_digest))
}

fn name<'a>(policies: &Policies<'a>, entry: &PublishSpec) -> &'a str {
    &policies.suite.policies[entry.policy.0].name
}

fn refusal(suite: SuiteIndex, policies: &Policies<'_>, entry: &PublishSpec, why: NotPublished) -> Publication {
    Publication {
        suite: Some(suite.0),
        span: Some(entry.repository.span.clone()),
        ..Publication::refused(name(policies, entry), &entry.repository.value, why.message, why.help)
    }
}

/// The artifact of an entry: only of a policy all of whose tests ran and passed, and that carries metadata.
fn artifact(
    suite: SuiteIndex,
    policies: &Policies<'_>,
    entry: &PublishSpec,
    cases: &[&CaseReport],
) -> Result<Artifact, NotPublished> {
    // A policy without cases need not be prepared.
    passed(cases)?;
    let prepared =
        policies.prepared[entry.policy.0].ok_or_else(|| NotPublished::new("the run did not need it", None))?;
    let policy = prepared
        .as_ref()
        .map_err(|it| NotPublished { message: "the policy is unavailable".into(), help: Some(it.message.clone()) })?;
    if policy.metadata.is_none() {
        let message = "the module carries no metadata";
        let help = "give the policy of the suite `metadata: metadata.yml`, or annotate the module by `verify annotate`";
        return Err(NotPublished::new(message, help));
    }
    let repository = publish::reference(&entry.repository.value)
        .map_err(|error| NotPublished { message: error.message, help: error.help })?;
    Ok(Artifact {
        policy: name(policies, entry).to_owned(),
        suite: Some(suite.0),
        module: Arc::clone(&policy.module),
        metadata: policy.metadata.clone(),
        repository,
        tags: entry.tags.iter().map(|tag| tag.value.clone()).collect(),
        immutable: entry.immutable.clone(),
        annotations: entry.annotations.clone(),
        span: Some(entry.repository.span.clone()),
    })
}

/// Whether every test about a policy passed, and there was one.
fn passed(cases: &[&CaseReport]) -> Result<(), NotPublished> {
    let is_fine = |case: &CaseReport| match &case.outcome {
        Outcome::Passed => true,
        // `rules: skip` says that the API server would not have asked; a case skipped for another reason has no request.
        // A relation is skipped where no case says anything about it.
        Outcome::Skipped(_) => case.request.is_some() || case.kind == CaseKind::Relation,
        _ => false,
    };
    let bad: Vec<&&CaseReport> = cases.iter().filter(|case| !is_fine(case)).collect();
    if let [first, ..] = bad.as_slice() {
        let message = format!(
            "{} of its {} tests did not pass: `{}` ({}, {})",
            bad.len(),
            cases.len(),
            first.name,
            first.outcome.word(),
            first.span.file_and_line()
        );
        let help = match &first.outcome {
            Outcome::Skipped(_) => Some("run the skipped test, or remove it from the suite"),
            Outcome::Xfailed(_) => Some("fix the known failure, or remove the test from the suite"),
            _ => None,
        };
        return Err(NotPublished::new(message, help));
    }
    if !cases.iter().any(|case| case.kind != CaseKind::Gate && case.outcome == Outcome::Passed) {
        return Err(NotPublished::new("no test of the suite is about it", "write a case for the policy"));
    }
    Ok(())
}
