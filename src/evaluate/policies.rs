//! The policies that the cases of a suite are evaluated with.

use std::sync::Arc;

use policy_verify_engine::Policy;
use policy_verify_host::HostBackend;
use policy_verify_model::answer::AdmissionResponse;
use policy_verify_model::deployed::WEBHOOK_SUFFIX;
use policy_verify_model::outcome::Unavailable;
use policy_verify_model::policy::PolicyType;
use policy_verify_model::request::Request;
use policy_verify_model::suite::{
    Case, CaseBody, Compat, Deployment, GroupIndex, GroupSpec, PolicyIndex, PolicySpec, Step, Suite,
};

use super::accepted_settings::AcceptedSettings;
use super::call_time::CallTime;
use super::deploy;
use super::evaluated::Evaluated;
use crate::prepare::PreparedPolicy;

/// Whose answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum View {
    /// The suite's: faults are what `compat` makes of them.
    #[default]
    Suite,
    /// That of policy-server to the API server.
    Validate,
    /// That of policy-server to the audit scanner: nothing of the deployment is applied.
    Audit,
    /// The policy's own: nothing of the deployment is applied, and faults are what `compat` makes of them.
    Own,
}

/// The policies of a suite, ready to be evaluated.
#[derive(Clone)]
pub(crate) struct Policies<'a> {
    /// The suite.
    pub(crate) suite: &'a Suite,
    /// Its policies by index; `None` for those that the run does not need.
    pub(crate) prepared: Vec<Option<&'a Result<PreparedPolicy, Arc<Unavailable>>>>,
    /// Validations of settings that need not be made again; none where every one is to be made.
    pub(crate) accepted: Option<Arc<AcceptedSettings>>,
    /// What answers host calls after the suite.
    pub(crate) backend: HostBackend,
    /// Whose answer is wanted.
    pub(crate) view: View,
    /// How much of its timeout each call into a policy gets.
    pub(crate) call_time: CallTime,
}

impl<'a> Policies<'a> {
    /// The same policies for another answer.
    pub(crate) fn with_view(&self, view: View) -> Self {
        Self { view, ..self.clone() }
    }

    /// The same policies in another cluster: what may differ from one to the next does. 0 is the usual one.
    pub(crate) fn with_variation(&self, variation: u64) -> Self {
        Self { backend: HostBackend { variation, ..self.backend.clone() }, ..self.clone() }
    }

    /// The same policies with other time for each call.
    pub(crate) fn with_call_time(&self, call_time: CallTime) -> Self {
        Self { call_time, ..self.clone() }
    }

    /// Calls `run` with the same policies, of which these have another guest each: that which `guest` makes.
    pub(crate) fn with_guests<T>(
        &self,
        replaced: &[PolicyIndex],
        guest: impl Fn(&PreparedPolicy) -> Arc<dyn Policy>,
        run: impl FnOnce(Policies<'_>) -> T,
    ) -> T {
        let other = |index: &PolicyIndex| {
            let policy = self.prepared(*index);
            Ok(policy.with_guest(guest(policy)))
        };
        let others: Vec<Result<PreparedPolicy, Arc<Unavailable>>> = replaced.iter().map(other).collect();
        let mut prepared = self.prepared.clone();
        for (index, other) in replaced.iter().zip(&others) {
            prepared[index.0] = Some(other);
        }
        run(Policies { prepared, ..self.clone() })
    }

    /// The same policies, for which other validations of settings need not be made again.
    pub(crate) fn with_accepted(&self, accepted: AcceptedSettings) -> Self {
        Self { accepted: Some(Arc::new(accepted)), ..self.clone() }
    }

    /// What becomes of a fault, where the suite says `written`.
    pub(super) fn compat(&self, written: Compat) -> Compat {
        if matches!(self.view, View::Suite | View::Own) { written } else { Compat::Server }
    }

    /// The response of a step as it is sent: after the deployment, except to the audit scanner.
    pub(super) fn deployed(&self, response: AdmissionResponse, step: &Step, request: &Request) -> AdmissionResponse {
        if matches!(self.view, View::Audit | View::Own) {
            return response;
        }
        self.deployed_as(response, step, request, self.deployment_of(step).is_monitor)
    }

    /// A response of the policy's own after its deployment, in monitor mode or not, whatever its manifest says.
    pub(crate) fn deployed_as(
        &self,
        response: AdmissionResponse,
        step: &Step,
        request: &Request,
        is_monitor: bool,
    ) -> AdmissionResponse {
        let deployment = Deployment { is_monitor, ..self.deployment_of(step).clone() };
        let policy_id = deployment.policy_id(self.suite.name_of(step), request.namespace());
        // The message of a group is in its response already.
        deploy::post_process(response, &deployment, &policy_id)
    }

    pub(super) fn spec(&self, policy: PolicyIndex) -> &'a PolicySpec {
        &self.suite.policies[policy.0]
    }

    pub(super) fn group(&self, group: GroupIndex) -> &'a GroupSpec {
        &self.suite.groups[group.0]
    }

    /// The policy itself; a case is evaluated only if all its policies are available.
    pub(crate) fn prepared(&self, policy: PolicyIndex) -> &'a PreparedPolicy {
        let prepared = self.prepared[policy.0].and_then(|prepared| prepared.as_ref().ok());
        prepared.expect("the policies of an evaluated case are available")
    }

    /// Why a case cannot be evaluated: the first of its policies that is unavailable.
    pub(crate) fn unavailable_for(&self, case: &Case) -> Option<&'a Arc<Unavailable>> {
        let mut wanted = self.suite.policies_for(case).into_iter();
        wanted.find_map(|policy| self.prepared[policy.0]?.as_ref().err())
    }

    /// Gives the policies of a case their best code. Says what is wrong where that fails.
    pub(crate) fn settle(&self, case: &Case) -> Result<(), String> {
        self.suite.policies_for(case).into_iter().try_for_each(|policy| self.prepared(policy).guest.settle())
    }

    /// What `ask` evaluates for a case; once more in the best code of its policies where that decides. The quick compiler's code needs
    /// more time and more of the stack: a policy may end in it that does not on a server.
    pub(crate) fn settled<T>(&self, case: &Case, ask: impl Fn() -> Evaluated<T>) -> Evaluated<T> {
        let evaluated = ask();
        match evaluated.is_doubtful && self.settle(case).is_ok() {
            true => ask(),
            false => evaluated,
        }
    }

    /// Whether rules of metadata or of a manifest say what a case is about.
    pub(crate) fn has_rules_for(&self, case: &Case) -> bool {
        let has_scope = |step: &Step| self.deployment_of(step).scope.is_some();
        let has_metadata = |step: &Step| {
            self.suite.policies_of(step).into_iter().all(|policy| self.prepared(policy).metadata.is_some())
        };
        let CaseBody::Request(asked) = &case.body else { return false };
        asked.subject.steps.iter().all(|step| has_scope(step) || has_metadata(step))
    }

    /// How the policy or group of a step is deployed.
    pub(crate) fn deployment_of(&self, step: &Step) -> &'a Deployment {
        self.suite.deployment_of(step)
    }

    /// The name of the webhook of a step; without a manifest the name of the step.
    pub(super) fn webhook_of(&self, step: &Step, request: &Request) -> String {
        let unique = self.deployment_of(step).unique_name.as_ref();
        let webhook = unique.map(|name| format!("{}.{WEBHOOK_SUFFIX}", name.for_request(request.namespace())));
        webhook.unwrap_or_else(|| self.suite.name_of(step).to_owned())
    }

    /// Whether the metadata of a policy lets the audit scanner ask it.
    pub(super) fn declares_audit(&self, policy: PolicyIndex) -> bool {
        self.prepared(policy).metadata.as_ref().is_none_or(|metadata| metadata.background_audit)
    }

    pub(crate) fn is_raw(&self, policy: PolicyIndex) -> bool {
        let metadata = self.prepared(policy).metadata.as_ref();
        metadata.is_some_and(|metadata| metadata.policy_type == PolicyType::Raw)
    }
}
