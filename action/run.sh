#!/usr/bin/env bash
# Runs verify once. Annotations, job summary, colour and outputs are its own doing when it sees GitHub.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

IN_ALLOW_ENV=${IN_ALLOW_ENV:-}
IN_ALLOW_HOSTS=${IN_ALLOW_HOSTS:-}

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
[ "$IN_FAIL_ON" != none ] || arguments+=(--no-fail)

VERIFY_CHANGED_FILES=
if [ -n "${CHANGED_FILES:-}" ]; then VERIFY_CHANGED_FILES=$(cat "$CHANGED_FILES"); fi
export VERIFY_CHANGED_FILES

# Suites, policies and fixtures may be a stranger's: the run gets no token that it does not need.
read -r -d '' -a named <<<"${IN_ALLOW_ENV//,/ }" || true
# The code of a fork could not read them.
if [ "${FORK:-false}" = true ]; then named=(); fi
drop_tokens "${named[@]:-}"

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
flags --allow-env "$IN_ALLOW_ENV"
flags --allow-hosts "$IN_ALLOW_HOSTS"
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
