#!/usr/bin/env bash
# Collects what a release on GitHub has: the modules as the registry has them, the list of components, checksums.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

command -v jq >/dev/null || fail "a release needs jq on the runner"
folder=$(mktemp -d "$RUNNER_TEMP/policy-verify-assets.XXXXXX")
mkdir "$folder/assets"

# What the run published: `POLICY DIGEST REFERENCE`.
published=$(jq -r '.published[] | select(.outcome == "pushed") | [.policy, .digest, .immutable_ref] | @tsv' "$REPORT")
[ -n "$published" ] || fail "nothing was published; \`oci-target\` or \`publish\` in the suite says where"
count=$(printf '%s\n' "$published" | wc -l)
while IFS=$'\t' read -r policy digest reference; do
    name=annotated-policy.wasm
    # Several policies are called by their names.
    if [ "$count" -gt 1 ]; then name=${policy//[^A-Za-z0-9._-]/-}.wasm; fi
    verify pull "registry://$reference" -o "$folder/assets/$name"
    printf '%s  %s\n' "${digest#sha256:}" "${reference%@*}" >>"$folder/subjects"
    printf -- "- \`registry://%s\`\n" "$reference" >>"$folder/references"
done <<<"$published"

if [ -n "$SBOM" ]; then
    [ -s "$SBOM" ] || fail "there is no SBOM at \`$SBOM\`"
    name=$(basename "$SBOM")
    cp -- "$SBOM" "$folder/assets/$name"
    output sbom "$folder/assets/$name"
fi
(cd "$folder/assets" && sha256sum -- * >../SHA256SUMS && mv ../SHA256SUMS .)

{
    printf 'Published:\n\n'
    cat "$folder/references"
    if [ "$ATTEST" = true ]; then
        printf '\nWhere it was built, and which tests it passed:\n\n```sh\n'
        while IFS=$'\t' read -r _ _ reference; do
            printf 'gh attestation verify oci://%s --repo %s --signer-repo %s\n' "$reference" "$GITHUB_REPOSITORY" "$SIGNER"
        done <<<"$published"
        printf '```\n'
    fi
} >"$folder/notes.md"
rm "$folder/references"
cat "$folder/notes.md" >>"$GITHUB_STEP_SUMMARY"

output folder "$folder"
output subjects "$folder/subjects"
# A registry keeps an attestation beside the one artifact it is about.
if [ "$count" = 1 ]; then output is-one true; else output is-one false; fi
