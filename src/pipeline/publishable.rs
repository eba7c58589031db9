//! Whether a run can publish anything, asked before anything runs.

use policy_verify_model::suite::Suite;

use crate::error::Error;
use crate::select::Selection;

/// What to do about a run that leaves cases out.
pub(super) const LEFT_OUT: &str =
    "take away what selects cases: `--filter`, `--skip`, `--tag` and their like, or their environment variables";

/// Why a run cannot publish whatever its cases say: it would not have looked at everything, or there is nothing to
/// publish.
fn obstacle(suites: &[Suite], selection: &Selection) -> Option<Error> {
    let problem = |message: &str, help: &str| Some(Error::usage(message, help.to_owned()));
    if suites.iter().all(|suite| suite.publish.is_empty()) {
        return problem(
            "there is nothing to publish: no suite of this run has `publish:`",
            "say where a policy goes: publish: [{ policy: NAME, to: ghcr.io/acme/policies/NAME, tags: [latest] }], or with \
             one policy `--publish-to ghcr.io/acme/policies/NAME:latest`; a module alone is pushed by `verify push MODULE \
             URI`",
        );
    }
    if !selection.is_everything() {
        return problem("`--push` publishes what a complete run has passed, and this run leaves cases out", LEFT_OUT);
    }
    if suites.iter().flat_map(|suite| &suite.cases).any(|case| case.is_only) {
        return problem(
            "`--push` publishes what a complete run has passed, and `only:` leaves cases out",
            "take `only:` out of the suite",
        );
    }
    None
}

/// Refuses a run that could publish nothing whatever its cases say. Asked before anything runs.
///
/// # Errors
///
/// Why, and what to do about it.
pub(super) fn check(suites: &[Suite], selection: &Selection) -> Result<(), Error> {
    obstacle(suites, selection).map_or(Ok(()), Err)
}
