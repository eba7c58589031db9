#!/usr/bin/env bash
# The release on GitHub: a draft until everything is attached. A release for the tag that is there already is completed.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

export GH_REPO=$GITHUB_REPOSITORY
tag=$GITHUB_REF_NAME
assets=("$FOLDER"/assets/*)
flags=()
case "$VERSION" in *-*) flags=(--prerelease) ;; esac
notes=(--notes-file "$FOLDER/notes.md")
# Among several policies none is the latest, and GitHub's own notes would compare one with another.
if [ -n "$POLICY" ]; then flags+=(--latest=false); else notes+=(--generate-notes); fi

is_draft=$(gh release view "$tag" --json isDraft --jq .isDraft 2>/dev/null || true)
case "$is_draft" in
    true) gh release upload "$tag" --clobber "${assets[@]}" ;;
    false)
        # Published by hand, or by an earlier run. What others may have downloaded is never replaced.
        there=$(gh release view "$tag" --json assets --jq '.assets[].name')
        has=0
        for asset in "${assets[@]}"; do
            if grep -qxF "$(basename "$asset")" <<<"$there"; then has=$((has + 1)); fi
        done
        case "$has" in
            0) gh release upload "$tag" "${assets[@]}" ;;
            "${#assets[@]}") echo "the release $tag is published already, with all files" ;;
            *) fail "the release $tag is published already, with some of the files of an earlier run; delete the release, not the tag, and run this job again" ;;
        esac
        exit 0
        ;;
    *) gh release create "$tag" --draft --verify-tag --title "$tag" "${notes[@]}" ${flags[@]+"${flags[@]}"} "${assets[@]}" ;;
esac
gh release edit "$tag" --draft=false ${flags[@]+"${flags[@]}"}
