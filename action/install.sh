#!/usr/bin/env bash
# Brings one version of `verify` and puts it on the path of this step and of those that follow.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

# The names of the files of a release, by the runner; release.yml makes the same.
target() {
    case "$RUNNER_OS-$RUNNER_ARCH" in
        Linux-X64) echo x86_64-unknown-linux-musl ;;
        Linux-ARM64) echo aarch64-unknown-linux-musl ;;
        macOS-ARM64) echo aarch64-apple-darwin ;;
        Windows-X64) echo x86_64-pc-windows-msvc ;;
        *) fail "there is no binary of verify for $RUNNER_OS on $RUNNER_ARCH; set \`version: source\` to build one" >&2 ;;
    esac
}

sha256_of() {
    if command -v sha256sum >/dev/null; then
        sha256sum "$1"
    else
        shasum -a 256 "$1"
    fi | sed 's/^\\//; s/ .*//'
}

download() {
    curl --fail --silent --show-error --location --proto '=https' --tlsv1.2 --retry 3 --max-time 300 \
        --output "$2" "$1" || fail "cannot download $1; is there such a release? \`version: source\` builds the action's own commit"
}

# The attestation of an archive, as far as the input says. GitHub Enterprise Server has the release of a copy of the
# action, which its own workflow may not have attested.
check_attestation() {
    local version=$1 path=$2 archive reason='' has_gh=false
    archive=$(basename "$path")
    if command -v gh >/dev/null && [ -n "${GH_TOKEN:-}" ]; then has_gh=true; fi
    case "$ACTION_VERIFY_RELEASE" in
        checksum) reason="\`verify-release\` is checksum" ;;
        auto)
            if [ "$GITHUB_SERVER_URL" != https://github.com ]; then
                reason="this is $GITHUB_SERVER_URL; set \`verify-release: attestation\` if it has attestations"
            elif [ "$has_gh" = false ]; then
                reason='there is no gh with a token here'
            fi
            ;;
        attestation)
            [ "$has_gh" = true ] ||
                fail "\`verify-release: attestation\` needs gh and the input \`github-token\`; install gh, or set \`verify-release: checksum\`"
            ;;
    esac
    if [ -n "$reason" ]; then
        echo "attestation of $archive: not checked, because $reason"
        return
    fi
    gh attestation verify "$path" --repo "$ACTION_REPOSITORY" \
        --signer-workflow "$ACTION_REPOSITORY/.github/workflows/release.yml" --source-ref "refs/tags/v$version" ||
        fail "$archive is not attested by the release workflow of $ACTION_REPOSITORY"
}

# The archive of a release: its checksum always, its attestation as the input says.
from_release() {
    local version=$1 folder=$2 archive base wanted actual
    [ -n "$ACTION_REPOSITORY" ] ||
        fail "a copy of the action inside a repository has no releases of its own; set \`version: source\` or \`version: preinstalled\`"
    archive="policy-verify-$version-$(target).tar.gz"
    base="$GITHUB_SERVER_URL/$ACTION_REPOSITORY/releases/download/v$version"
    download "$base/$archive" "$folder/$archive"
    download "$base/SHA256SUMS" "$folder/SHA256SUMS"
    wanted=$(awk -v name="$archive" '$2 == name || $2 == "*" name { print $1 }' "$folder/SHA256SUMS")
    actual=$(sha256_of "$folder/$archive")
    [ -n "$wanted" ] || fail "SHA256SUMS of release v$version does not name $archive"
    [ "$wanted" = "$actual" ] || fail "$archive has the checksum $actual; the release says $wanted"
    echo "checksum of $archive: $actual, as in SHA256SUMS"
    check_attestation "$version" "$folder/$archive"
    # By its name alone: GNU's tar takes the colon of a Windows path for a host.
    (cd "$folder" && tar -xzf "$archive" && mkdir bin && mv policy-verify-*/verify* bin/)
}

from_source() {
    local root=$1 target
    command -v cargo >/dev/null || fail "\`version: source\` needs cargo; rustup brings it"
    target=$(mktemp -d "$RUNNER_TEMP/policy-verify-target.XXXXXX")
    # In the folder of the action, where rust-toolchain.toml says which compiler.
    (cd "$ACTION_PATH" && CARGO_TARGET_DIR="$target" cargo install --locked --path . --root "$root")
}

case "$ACTION_VERSION" in
    preinstalled)
        command -v verify >/dev/null || fail "\`version: preinstalled\` needs \`verify\` on the path"
        bin=$(dirname "$(command -v verify)")
        ;;
    source)
        bin="$RUNNER_TEMP/policy-verify-source/bin"
        # Only what the cache of this step restored: an earlier step may have put anything there.
        if [ "${CACHE_HIT:-}" = true ] && { [ -x "$bin/verify" ] || [ -x "$bin/verify.exe" ]; }; then
            echo "verify was built in an earlier run"
        else
            rm -rf "$RUNNER_TEMP/policy-verify-source"
            from_source "$RUNNER_TEMP/policy-verify-source"
        fi
        ;;
    *)
        folder=$(mktemp -d "$RUNNER_TEMP/policy-verify-release.XXXXXX")
        from_release "$ACTION_VERSION" "$folder"
        bin="$folder/bin"
        ;;
esac

# A shell's path has slashes, the runner's has those of its system.
bin=$(cd "$bin" && pwd)
PATH="$bin:$PATH"
said=$(verify --version) || fail "verify does not start on this runner"
echo "$said"
case "$ACTION_VERSION" in
    preinstalled | source) ;;
    *) [ "$said" = "verify $ACTION_VERSION" ] || fail "the release v$ACTION_VERSION holds \`$said\`" ;;
esac
if command -v cygpath >/dev/null; then
    bin=$(cygpath -w "$bin")
fi
printf '%s\n' "$bin" >>"$GITHUB_PATH"
