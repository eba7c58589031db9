#!/usr/bin/env bash
# Signs what was pushed, by digest and without a key. Twice: Kubewarden and older verifiers read the signatures of
# cosign 2, newer ones the bundles of cosign 3.
set -euo pipefail

read -r -a references <<<"$PUSHED"
for reference in "${references[@]}"; do
    cosign sign --yes --new-bundle-format=false --use-signing-config=false "$reference"
    cosign sign --yes --new-bundle-format=true --use-signing-config=true "$reference"
done
