#!/usr/bin/env bash
# Copies the listed files from one folder to another, and nothing else: what a build leaves beside them stays behind.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

copy() {
    case "/$1/" in
        *//* | */../* | */./*) fail "the input \`files\` has \`$1\`; it takes paths below \`policy-working-dir\`" ;;
    esac
    { [ -f "$FROM/$1" ] && [ ! -L "$FROM/$1" ]; } ||
        fail "the build did not make \`$1\`, which is listed among its files"
    mkdir -p "$TO/$(dirname "$1")"
    rm -f -- "$TO/$1"
    cp -- "$FROM/$1" "$TO/$1"
}

count=0
while IFS= read -r file; do
    copy "$file"
    count=$((count + 1))
done < <(lines "$FILES")
[ "$count" -gt 0 ] || fail "the input \`files\` is empty; it takes the files that the build makes, one a line"

[ -z "${SBOM:-}" ] || copy "$SBOM"

# Only these are attested; whatever else it is, is said before anything is published.
if [ -n "${SBOM:-}" ]; then
    command -v jq >/dev/null || fail "\`sbom\` needs jq on the runner"
    jq --exit-status '(.spdxVersion and .SPDXID) or (.bomFormat and .serialNumber and .specVersion)' "$TO/$SBOM" >/dev/null 2>&1 ||
        fail "\`$SBOM\` is neither SPDX nor CycloneDX in JSON; the former has \`spdxVersion\` and \`SPDXID\`, the latter \`bomFormat\`, \`specVersion\` and \`serialNumber\`"
fi
