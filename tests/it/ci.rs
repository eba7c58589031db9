//! Our own use of the action in `ci.yml`: a suite that must pass, and one that must not.
#![cfg(unix)]

use serde_json::json;

use crate::support::act::{self, Act, Log};
use crate::support::{Repository, project};

/// Runs the job `action` on one system, in a copy of what it reads. `cargo install` gives the binary under test, or,
/// with `verify`, this script.
fn action_job(verify: Option<&str>) -> Option<Log> {
    let act = Act::new()?;
    let verify = verify.map_or_else(act::verify, str::to_owned);
    act.tool(
        "cargo",
        &format!(
            "for word; do root=$word; done\nmkdir -p \"$root/bin\"\ncat > \"$root/bin/verify\" <<'end'\n#!/bin/sh\n{verify}\nend\n\
             chmod +x \"$root/bin/verify\""
        ),
    );
    let repository = Repository::new();
    let copied = "action action.yml Cargo.toml Cargo.lock rust-toolchain.toml crates/model/Cargo.toml src/lib.rs .github/workflows/ci.yml \
                  testdata/suites/failures testdata/suites/docs/readme testdata/policies/safe-labels \
                  testdata/policies/default-labels testdata/policies/image-licence";
    let copy = format!("cd '{}' && tar -cf - {copied} | tar -xf - -C \"$HERE\"", project().display());
    repository.shell(&copy).env("HERE", repository.path("")).run().exits_with(0);
    let one = ["--job", "action", "--matrix", "os:ubuntu-latest"];
    Some(act.run_only(&repository, "push", &json!({}), &one))
}

#[test]
fn ci_sees_the_action_pass_one_suite_and_fail_another() {
    let Some(log) = action_job(None) else { return };
    log.0.exits_with(0).says(&["green: success success 0", "red: failure failure"]);
}

/// A suite that must fail and does not is a failure of the job.
#[test]
fn ci_notices_an_action_that_never_fails() {
    let never =
        "[ \"$1\" != --version ] || exec echo verify 0\necho 'conclusion=success\nfailed=0' >> \"$GITHUB_OUTPUT\"";
    let Some(log) = action_job(Some(never)) else { return };
    log.0.exits_with(1).says(&["Failure - Main What came of them"]);
}
