#!/usr/bin/env bash
# Names the files and lines of the pull request, so that their annotations come first; none where git cannot tell. git sees no
# token.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

token=${GH_TOKEN:-}
drop_tokens ""

differences() {
    # A pull request is checked out as a merge commit. Its parents are there from `fetch-depth: 2` on.
    if [ "$GITHUB_EVENT_NAME" = pull_request ] && in_workspace rev-parse --quiet --verify 'HEAD^2' >/dev/null 2>&1; then
        in_workspace diff --no-ext-diff --no-textconv --no-color --dst-prefix=b/ --unified=0 'HEAD^1' HEAD
    elif command -v gh >/dev/null && [ -n "$token" ] && [ -n "$PULL_REQUEST" ]; then
        # Away from the checkout. GitHub leaves out the differences of large files.
        (cd "$RUNNER_TEMP" &&
            GH_TOKEN=$token gh api --paginate "repos/$GITHUB_REPOSITORY/pulls/$PULL_REQUEST/files" \
                --jq '.[] | "+++ b/" + .filename, (.patch // empty)') ||
            echo "the files of the pull request are not known: annotations come in the order of the suite" >&2
    fi
}

# changed_files <DIFFERENCES: each file on a line, with the lines that are new or different in it behind a tab: `3,12-14`. What
# is inside of a difference is no header, whatever it looks like.
changed_files() {
    awk '
        function add(range) { lines = lines (lines == "" ? "" : ",") range }
        function close_range() {
            if (first) add(first == last ? first : first "-" last)
            first = 0
        }
        function close_file() {
            close_range()
            if (path != "") print path (lines == "" ? "" : "\t" lines)
            path = lines = ""
        }
        old > 0 || new > 0 {
            kind = substr($0, 1, 1)
            if (kind == "\\") next
            if (kind != "+") old--
            if (kind != "-") {
                if (kind == "+" && first && last == number - 1) last = number
                else if (kind == "+") { close_range(); first = last = number }
                number++
                new--
            }
            next
        }
        /^\+\+\+ / { close_file() }
        /^\+\+\+ b\// { path = substr($0, 7); sub(/\t$/, "", path) }
        /^@@ / {
            old = split($2, parts, ",") > 1 ? parts[2] : 1
            new = split($3, parts, ",") > 1 ? parts[2] : 1
            number = substr(parts[1], 2) + 0
        }
        END { close_file() }
    '
}

file=$(mktemp "$RUNNER_TEMP/policy-verify-changes.XXXXXX")
# A variable of the environment has its limits: of very large pull requests the first files will do.
differences | changed_files | head -c 65536 >"$file" || true
output file "$file"
