//! What evaluates the steps of a case: instances of policies here, or another program.

use policy_verify_model::answer::Answer;
use policy_verify_model::outcome::PartReport;
use policy_verify_model::request::Request;
use policy_verify_model::suite::Step;

/// Evaluates the steps of a case.
pub(crate) trait StepEvaluator {
    /// The answer of a step as it is deployed, and the report about it.
    fn evaluate_step(&mut self, step: &Step, request: &Request) -> (Answer, PartReport);

    /// Takes remarks for the report of the case.
    fn take_remarks(&mut self, remarks: Vec<String>);
}
