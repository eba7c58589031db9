//! How an outcome looks on the page: the sign and the classes of its elements.

use policy_verify_model::outcome::{CaseReport, Outcome};

/// The class of a case: the letter of its square, and the button that shows it.
pub(super) fn class(case: &CaseReport) -> (&'static str, &'static str) {
    match &case.outcome {
        Outcome::Passed => ("p", "passed"),
        Outcome::Failed(_) => ("f", "failed"),
        Outcome::Error(_) | Outcome::Unavailable(_) => ("e", "failed"),
        Outcome::Xpassed(_) => ("x", "failed"),
        Outcome::Skipped(_) | Outcome::NotRun(_) => ("s", "skipped"),
        Outcome::Xfailed(_) => ("k", "skipped"),
    }
}

/// A sign and its colour.
pub(super) fn sign(case: &CaseReport) -> String {
    let (sign, colour) = match &case.outcome {
        Outcome::Passed => ("✓", "good"),
        Outcome::Failed(_) | Outcome::Xpassed(_) => ("✗", "bad"),
        Outcome::Error(_) | Outcome::Unavailable(_) => ("!", "bad"),
        Outcome::Skipped(_) | Outcome::Xfailed(_) | Outcome::NotRun(_) => ("–", "odd"),
    };
    format!("<b class=\"{colour}\">{sign}</b>")
}
