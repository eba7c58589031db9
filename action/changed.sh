#!/usr/bin/env bash
# Lists the policies of a repository that a pull request or a push changed, as JSON for a matrix. What belongs to no
# policy may be part of any, so it counts as a change of all of them, unless `ignore` names it.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

drop_tokens ''
command -v jq >/dev/null || fail "the list of policies needs jq on the runner"

# matches TEXT PATTERNS: one of the patterns, one a line, is that of the text; `*` matches slashes too.
matches() {
    local pattern
    while IFS= read -r pattern; do
        # shellcheck disable=SC2254 # patterns are patterns
        case "$1" in $pattern) return 0 ;; esac
    done < <(lines "$2")
    return 1
}

# The folders with a metadata.yml.
policies() {
    local file folder
    in_workspace ls-files -- metadata.yml metadata.yaml '*/metadata.yml' '*/metadata.yaml' | while IFS= read -r file; do
        folder=$(dirname "$file")
        if matches "$folder" "$IN_POLICIES"; then printf '%s\n' "$folder"; fi
    done | LC_ALL=C sort -u
}

# The changed files, or a failure where git cannot tell.
changed_files() {
    case "$GITHUB_EVENT_NAME" in
        # The checkout is a merge commit, whose first parent is the branch it goes to.
        pull_request | merge_group)
            if in_workspace rev-parse --quiet --verify 'HEAD^2' >/dev/null 2>&1; then
                in_workspace diff --no-ext-diff --no-renames --name-only 'HEAD^1' HEAD
            else
                in_workspace diff --no-ext-diff --no-renames --name-only "$BASE...HEAD" 2>/dev/null
            fi
            ;;
        push) in_workspace diff --no-ext-diff --no-renames --name-only "$BEFORE" HEAD 2>/dev/null ;;
        *) return 1 ;;
    esac
}

# The policy of a file: the deepest folder that has it.
policy_of() {
    local folder=$1
    while [ "$folder" != . ] && [ "$folder" != / ]; do
        folder=$(dirname "$folder")
        if grep -qxF -- "$folder" <<<"$all"; then
            printf '%s\n' "$folder"
            return 0
        fi
    done
    return 1
}

all=$(policies)
[ -n "$all" ] || fail "no folder with a metadata.yml matches the input \`policies\`"
changed=''
if [ "$GITHUB_REF_TYPE" != tag ] && files=$(changed_files); then
    while IFS= read -r file; do
        if [ -z "$file" ]; then
            continue
        elif policy=$(policy_of "$file"); then
            changed+=$policy$'\n'
        elif ! matches "$file" "$IN_IGNORE"; then
            echo "$file belongs to no policy, and may be part of any"
            changed=$all
            break
        fi
    done <<<"$files"
else
    echo "what changed is not known on this event: all policies are listed"
    changed=$all
fi
list=$(printf '%s\n' "$changed" | LC_ALL=C sort -u | jq --raw-input . | jq --slurp --compact-output 'map(select(. != ""))')
echo "policies: $list"
output policies "$list"
