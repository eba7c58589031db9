#!/usr/bin/env bash
# Copies the listed files from one folder to another, and nothing else: what a build leaves beside them stays behind.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

count=0
while IFS= read -r file; do
    case "/$file/" in
        *//* | */../* | */./*) fail "the input \`files\` has \`$file\`; it takes paths below \`policy-working-dir\`" ;;
    esac
    { [ -f "$FROM/$file" ] && [ ! -L "$FROM/$file" ]; } ||
        fail "the build did not make \`$file\`, which the input \`files\` lists"
    mkdir -p "$TO/$(dirname "$file")"
    rm -f -- "$TO/$file"
    cp -- "$FROM/$file" "$TO/$file"
    count=$((count + 1))
done < <(lines "$FILES")
[ "$count" -gt 0 ] || fail "the input \`files\` is empty; it takes the files that the build makes, one a line"
