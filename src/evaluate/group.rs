//! A group of policies as policy-server evaluates it: an expression decides which members are asked, and what their
//! verdicts amount to. Source: `policy_group_evaluator/evaluator.rs` of policy-evaluator.

use super::compat;
use super::evaluated::{evaluated, not_evaluated};
use super::evaluation::{CaseEvaluation, PolicyInstance, guarded, rejected_settings};
use policy_verify_model::answer::{
    AdmissionResponse, Answer, Fault, FaultKind, ServerAnswer, Status, StatusCause, StatusDetails,
};
use policy_verify_model::outcome::{PartReport, PartVerdict};
use policy_verify_model::request::Request;
use policy_verify_model::suite::{GroupSpec, Member};
use policy_verify_suite::expression::{self, Failure};

/// The server's own words for a member that mutates.
const MUTATION: &str = "mutation is not allowed inside of policy group";

/// Evaluates a group: its answer before the deployment, and that of each member. A fault of an evaluated member is a fault
/// of the group.
pub(super) fn evaluate(
    evaluation: &mut CaseEvaluation<'_>,
    group: &GroupSpec,
    request: &Request,
) -> (Answer, Vec<PartReport>) {
    let mut members: Vec<PartReport> =
        group.members.iter().map(|member| not_evaluated_member(evaluation, member)).collect();
    let policy_id = group.deployment.policy_id(&group.name, request.namespace());
    let answer = match check_settings(evaluation, group, &policy_id) {
        Ok(instances) => evaluate_expression(evaluation, group, request, instances, &mut members),
        Err(fault) => Err(fault),
    };
    (answer, members)
}

fn not_evaluated_member(evaluation: &CaseEvaluation<'_>, member: &Member) -> PartReport {
    let policy = evaluation.policies.spec(member.policy.policy).name.clone();
    PartReport { policy, ..not_evaluated(&member.id, PartVerdict::NotAsked) }
}

/// Validates the settings of every member, asked or not, and keeps the instances for the evaluation.
fn check_settings<'a>(
    evaluation: &mut CaseEvaluation<'a>,
    group: &GroupSpec,
    policy_id: &str,
) -> Result<Vec<Option<PolicyInstance<'a>>>, Fault> {
    let mut instances = Vec::new();
    let mut refusals = Vec::new();
    for Member { id, policy } in &group.members {
        let mut instance = evaluation.new_instance(policy.policy, evaluation.policies.compat(group.compat));
        match guarded(|| instance.validate_settings(&policy.settings)) {
            Ok(verdict) if verdict.valid => instances.push(Some(instance)),
            Ok(verdict) => {
                let reason = verdict.message.unwrap_or_else(|| "no message".into());
                refusals.push(format!("{policy_id}/{id}: settings not valid: Policy settings are invalid: {reason}"));
                evaluation.close(instance, Ok(()))?;
            }
            Err(fault) => {
                let fault: Result<(), Fault> = evaluation.close(instance, Err(fault));
                fault?;
            }
        }
    }
    if refusals.is_empty() { Ok(instances) } else { Err(rejected_settings(refusals.join(", "))) }
}

fn evaluate_expression<'a>(
    evaluation: &mut CaseEvaluation<'a>,
    group: &GroupSpec,
    request: &Request,
    mut instances: Vec<Option<PolicyInstance<'a>>>,
    members: &mut [PartReport],
) -> Answer {
    let ids: Vec<&str> = group.members.iter().map(|member| member.id.as_str()).collect();
    let result = expression::evaluate(&group.expression.value, &ids, |index| {
        let earlier = evaluation.number_of_calls();
        let used = &group.members[index].policy;
        let answer = match instances[index].take() {
            Some(mut instance) => {
                let answer = guarded(|| instance.validate(request, &used.settings));
                evaluation.close(instance, answer)
            }
            // A member that is named twice is evaluated twice.
            None => evaluation.evaluate(used, evaluation.policies.compat(group.compat), request),
        };
        let answer = answer.map(refuse_mutation);
        let member = &mut members[index];
        let mut calls = std::mem::take(&mut member.calls);
        calls.extend(evaluation.calls_after(earlier));
        let evaluations = member.evaluations + 1;
        let policy = std::mem::take(&mut member.policy);
        *member = PartReport { policy, evaluations, calls, ..evaluated(&group.members[index].id, &answer) };
        answer.map(|response| response.allowed)
    });
    let unused: Result<Vec<()>, Fault> =
        instances.into_iter().flatten().map(|instance| evaluation.close(instance, Ok(()))).collect();
    match result {
        Ok(allowed) => unused.map(|_| verdict(allowed, group, request, members)),
        Err(Failure::Member(fault)) => Err(fault),
        Err(Failure::Expression(problem)) => {
            let message = format!("error evaluating policy group expression: {}", problem.text);
            let at_server = ServerAnswer::Rejects(message.clone());
            let help = "policy-server rejects the request with code 500";
            let fault = Fault::new(FaultKind::Expression, message).with_help(help).at_server(at_server);
            compat::answer(Err(fault), evaluation.policies.compat(group.compat), request.uid())
        }
    }
}

/// Members must not mutate: a patch counts as a denial.
fn refuse_mutation(response: AdmissionResponse) -> AdmissionResponse {
    if response.patch.is_none() {
        return response;
    }
    let status = Status { message: Some(MUTATION.into()), ..Status::default() };
    AdmissionResponse { allowed: false, patch: None, patch_type: None, status: Some(status), ..response }
}

/// The response of the group: warnings, annotations, messages of allowing members and codes are dropped. The server lists
/// the causes in no particular order; here it is that of the members.
fn verdict(allowed: bool, group: &GroupSpec, request: &Request, members: &[PartReport]) -> AdmissionResponse {
    let cause = |member: &PartReport| StatusCause {
        message: member.response.as_ref().and_then(AdmissionResponse::message).map(str::to_owned),
        field: Some(format!("spec.policies.{}", member.name)),
        ..StatusCause::default()
    };
    let denials = members.iter().filter(|member| member.verdict == PartVerdict::Deny);
    let status = || Status {
        message: Some(group.message.clone()),
        details: Some(StatusDetails { causes: denials.map(cause).collect(), ..StatusDetails::default() }),
        ..Status::default()
    };
    let status = if allowed { None } else { Some(status()) };
    AdmissionResponse { uid: request.uid().to_owned(), allowed, status, ..AdmissionResponse::default() }
}
