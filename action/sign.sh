#!/usr/bin/env bash
# Signs what was pushed, by digest and without a key. Twice: Kubewarden and older verifiers read the signatures of
# cosign 2, newer ones the bundles of cosign 3. The certificate names the workflow that signs, which repositories of others
# may call: so the signature says for which one it did.
set -euo pipefail

read -r -a references <<<"$PUSHED"
for reference in "${references[@]}"; do
    cosign sign --yes --annotations "repository=$GITHUB_REPOSITORY" --new-bundle-format=false --use-signing-config=false "$reference"
    cosign sign --yes --annotations "repository=$GITHUB_REPOSITORY" --new-bundle-format=true --use-signing-config=true "$reference"
done
