#!/usr/bin/env bash
# The result of the run as a predicate for an attestation: https://in-toto.io/attestation/test-result/v0.1
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

command -v jq >/dev/null || fail "\`attest-results\` needs jq on the runner"
predicate=$(mktemp "$RUNNER_TEMP/policy-verify-results.XXXXXX")
jq --arg repository "git+$GITHUB_SERVER_URL/$GITHUB_REPOSITORY@$GITHUB_REF" --arg commit "$GITHUB_SHA" \
    --arg url "$GITHUB_SERVER_URL/$GITHUB_REPOSITORY/actions/runs/$GITHUB_RUN_ID" '
    def named(outcomes): [.cases[] | select(.outcome as $o | outcomes | index($o)) | .id];
    named(["xfailed"]) as $warned | named(["failed", "error", "xpassed"]) as $failed
    | {
        result: (if $failed != [] then "FAILED" elif $warned != [] then "WARNED" else "PASSED" end),
        configuration: [.suites[] | {name: .path, uri: $repository, digest: {gitCommit: $commit}}],
        url: $url,
        passedTests: named(["passed"]),
        warnedTests: $warned,
        failedTests: $failed
    }' "$REPORT" >"$predicate"
output predicate "$predicate"
