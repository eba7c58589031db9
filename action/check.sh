#!/usr/bin/env bash
# Checks the inputs before anything is downloaded, and says in outputs what the next steps have to do.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

boolean annotations "$IN_ANNOTATIONS" >/dev/null
boolean summary "$IN_SUMMARY" >/dev/null
cache=$(boolean cache "$IN_CACHE")

case "$IN_FAIL_ON" in
    failure | gate | none) ;;
    *) fail "the input \`fail-on\` is \`$IN_FAIL_ON\`; it takes failure, gate or none" ;;
esac

case "$IN_VERIFY_RELEASE" in
    auto | attestation | checksum) ;;
    *) fail "the input \`verify-release\` is \`$IN_VERIFY_RELEASE\`; it takes auto, attestation or checksum" ;;
esac

push=$(boolean push "$IN_PUSH")
sign=$(boolean sign "$IN_SIGN")
provenance=$(boolean provenance "$IN_PROVENANCE")
results=$(boolean attest-results "$IN_ATTEST_RESULTS")
if [ "$push" = true ]; then
    require_publishing_event
    [ -z "$(lines "$IN_MERGE")" ] || fail "\`merge\` and \`push\` exclude each other: a merge runs nothing, and only what a run has tested is pushed"
    [ "$IN_FAIL_ON" != none ] || fail "\`push\` needs \`fail-on: failure\`: only what passed is pushed"
fi
output push "$push"
# What is done with a pushed policy.
for pair in "sign $sign" "provenance $provenance" "results $results"; do
    if [ "$push ${pair#* }" = 'true true' ]; then output "${pair% *}" true; else output "${pair% *}" false; fi
done

[ -d "$IN_WORKING_DIRECTORY" ] || fail "the input \`working-directory\` is \`$IN_WORKING_DIRECTORY\`, and there is no such folder; has the repository been checked out?"

while IFS= read -r report; do
    case "$report" in
        ?*=?*) ;;
        *) fail "the input \`reports\` has \`$report\`; a report is written as FORMAT=FILE, such as junit=junit.xml" ;;
    esac
done < <(lines "$IN_REPORTS")

# The version: the action's own release, another release, or no release at all.
own_version=$(sed -n 's/^version = "\(.*\)"$/\1/p' "$ACTION_PATH/Cargo.toml" | head -n 1)
case "$IN_VERSION" in
    '') version=$own_version ;;
    source | preinstalled) version=$IN_VERSION ;;
    *) version=${IN_VERSION#v} ;;
esac
case "$version" in
    source | preinstalled) ;;
    *)
        [[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+(-[0-9A-Za-z.-]+)?$ ]] ||
            fail "the input \`version\` is \`$IN_VERSION\`; it takes a version such as $own_version, \`source\` or \`preinstalled\`"
        ;;
esac
output version "$version"

# git is a checksum here: of its settings, only those of the machine count.
hash_object() {
    git -c safe.bareRepository=explicit -c core.fsmonitor=false -c core.hooksPath=/dev/null hash-object "$@"
}

# What is built from source is kept from run to run, by all that goes into it. What lies there already may be anybody's.
if [ "$version" = source ]; then rm -rf "$RUNNER_TEMP/policy-verify-source"; fi
if [ "$version" = source ] && [ "$cache" = true ]; then
    sum=$(cd "$ACTION_PATH" && find Cargo.toml Cargo.lock rust-toolchain.toml crates src -type f | LC_ALL=C sort |
        while IFS= read -r file; do hash_object --no-filters "$file"; done | hash_object --stdin)
    output cache-key "policy-verify-$RUNNER_OS-$RUNNER_ARCH-$sum"
fi
