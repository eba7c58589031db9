#!/usr/bin/env bash
# Names the files of the pull request, so that their annotations come first; none where git cannot tell. git sees no token.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

token=${GH_TOKEN:-}
drop_tokens ""

changed_files() {
    # A pull request is checked out as a merge commit. Its parents are there from `fetch-depth: 2` on.
    if [ "$GITHUB_EVENT_NAME" = pull_request ] && in_workspace rev-parse --quiet --verify 'HEAD^2' >/dev/null 2>&1; then
        in_workspace diff --no-ext-diff --name-only 'HEAD^1' HEAD
    elif command -v gh >/dev/null && [ -n "$token" ] && [ -n "$PULL_REQUEST" ]; then
        # Away from the checkout.
        (cd "$RUNNER_TEMP" &&
            GH_TOKEN=$token gh api --paginate "repos/$GITHUB_REPOSITORY/pulls/$PULL_REQUEST/files" --jq '.[].filename') ||
            echo "the files of the pull request are not known: annotations come in the order of the suite" >&2
    fi
}

file=$(mktemp "$RUNNER_TEMP/policy-verify-changes.XXXXXX")
# A variable of the environment has its limits: of very large pull requests the first files will do.
changed_files | head -c 65536 >"$file" || true
output file "$file"
