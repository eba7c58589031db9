#!/usr/bin/env bash
# Runs verify once. Annotations, job summary, colour and outputs are its own doing when it sees GitHub.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

# Files of the pull request, so that their annotations come first; none when nobody can tell.
changed_files() {
    case "$GITHUB_EVENT_NAME" in
        pull_request | pull_request_target) ;;
        *) return 0 ;;
    esac
    # A pull request is checked out as a merge commit. Its parents are there from `fetch-depth: 2` on.
    if git rev-parse --quiet --verify 'HEAD^2' >/dev/null 2>&1; then
        git -c core.quotePath=false diff --name-only 'HEAD^1' HEAD
    elif command -v gh >/dev/null && [ -n "${GH_TOKEN:-}" ] && [ -n "$PULL_REQUEST" ]; then
        gh api --paginate "repos/$GITHUB_REPOSITORY/pulls/$PULL_REQUEST/files" --jq '.[].filename' ||
            echo "the files of the pull request are not known: annotations come in the order of the suite" >&2
    fi
}

# Until the run says otherwise.
output conclusion error

cd -- "$IN_WORKING_DIRECTORY"

arguments=()
# flags FLAG TEXT: the flag once for each line.
flags() {
    local line
    while IFS= read -r line; do
        arguments+=("$1=$line")
    done < <(lines "$2")
}
flags --report "$IN_REPORTS"

# Later steps can rely on these two, asked for or not.
folder=$(mktemp -d "$RUNNER_TEMP/policy-verify.XXXXXX")
arguments+=("--report=json=$folder/report.json" "--report=markdown=$folder/summary.md")

[ "$(boolean annotations "$IN_ANNOTATIONS")" = true ] || arguments+=(--no-annotations)
[ "$(boolean summary "$IN_SUMMARY")" = true ] || export GITHUB_STEP_SUMMARY=
[ "$IN_FAIL_ON" = failure ] || arguments+=(--no-fail)

# A variable of the environment has its limits: of very large pull requests the first files will do.
VERIFY_CHANGED_FILES=$(changed_files | head -c 65536 || true)
export VERIFY_CHANGED_FILES

# The parts of a run that other jobs made.
if [ -n "$(lines "$IN_MERGE")" ]; then
    parts=()
    while IFS= read -r pattern; do
        while IFS= read -r part; do
            parts+=("$part")
        done < <(compgen -G "$pattern" || printf '%s\n' "$pattern")
    done < <(lines "$IN_MERGE")
    exec verify merge "${arguments[@]}" -- "${parts[@]}"
fi

flags --filter "$IN_FILTER"
flags --tag "$IN_TAGS"
flags --var "$IN_VARS"
flags --partition "$IN_PARTITION"
if [ "$(boolean push "$IN_PUSH")" = true ]; then
    arguments+=(--push)
    flags --publish-to "$IN_OCI_TARGET"
    flags --publish-tag "$IN_TAGS_TO_PUSH"
    flags --annotation "$IN_ANNOTATIONS_EXTRA"
fi

suites=()
while IFS= read -r suite; do
    suites+=("$suite")
done < <(lines "$IN_SUITE")
[ "${#suites[@]}" -gt 0 ] || fail "the input \`suite\` is empty"

verify run "${arguments[@]}" -- "${suites[@]}"
