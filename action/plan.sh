#!/usr/bin/env bash
# What a release does, decided before anything is built: the tag in the registry, attestations, the list of components.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

require_publishing_event

# A branch other than the main one would take `latest` away from it.
if [ -n "$VERSION" ]; then
    tag=v$VERSION
elif [ -n "$DEFAULT_BRANCH" ] && [ "$GITHUB_REF_NAME" != "$DEFAULT_BRANCH" ]; then
    fail "\`latest\` is pushed from the branch \`$DEFAULT_BRANCH\`, and this is \`$GITHUB_REF_NAME\`; a release is a tag such as v1.2.3"
else
    tag=latest
fi
output tag "$tag"

# The service that keeps attestations takes those of private repositories on some plans only, and says so after the push.
case "$IN_ATTEST" in
    auto) if [ "$PRIVATE" = false ]; then attest=true; else attest=false; fi ;;
    *) attest=$(boolean attest "$IN_ATTEST" 2>/dev/null) || fail "the input \`attest\` is \`$IN_ATTEST\`; it takes auto, true or false" ;;
esac
if [ "$IN_ATTEST" = auto ] && [ "$attest" = false ]; then
    echo "::notice title=policy-verify::the repository is not public, so nothing is attested: GitHub keeps attestations of private repositories for GitHub Enterprise Cloud only. With that plan, set \`attest: true\`; to leave this notice out, \`attest: false\`"
fi
output attest "$attest"

# A release on GitHub belongs to a tag.
if [ "$GITHUB_REF_TYPE" = tag ]; then output release true; else output release false; fi

case "$IN_SBOM" in
    syft | none) output sbom "$IN_SBOM" ;;
    '') fail "the input \`sbom\` is empty; it takes syft, none, or a file in JSON that the build makes" ;;
    *.json) output sbom file ;;
    *) fail "the input \`sbom\` is \`$IN_SBOM\`; it takes syft, none, or a file in JSON that the build makes" ;;
esac
