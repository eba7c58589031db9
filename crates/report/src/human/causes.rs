//! Which cases share a box in the report for people: one cause is told once.

use std::collections::HashMap;

use policy_verify_model::answer::FaultKind;
use policy_verify_model::outcome::{CaseReport, Outcome};

/// The boxes of the listed cases of one policy, in the order of their first cases; no box is empty. Cases whose settings
/// the policy rejects with the same text are together; every other case has a box of its own.
pub(super) fn boxes<'a>(cases: &[&'a CaseReport]) -> Vec<Vec<&'a CaseReport>> {
    let mut boxes: Vec<Vec<&CaseReport>> = Vec::new();
    let mut of_text: HashMap<&str, usize> = HashMap::new();
    for case in cases {
        let next = boxes.len();
        let index = rejection(case).map_or(next, |text| *of_text.entry(text).or_insert(next));
        if index == next {
            boxes.push(Vec::new());
        }
        boxes[index].push(case);
    }
    boxes
}

/// The text with which the policy rejects the settings of a case; it holds the settings.
fn rejection(case: &CaseReport) -> Option<&str> {
    match &case.outcome {
        Outcome::Error(fault) if fault.kind == FaultKind::Settings => Some(&fault.message),
        _ => None,
    }
}
