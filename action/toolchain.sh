#!/usr/bin/env bash
# Brings the compilers that the input `toolchain` names and that no action of their makers brings.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

# downloaded URL: downloads a file, and prints where it is.
downloaded() {
    local file
    file=$(mktemp "$RUNNER_TEMP/policy-verify-toolchain.XXXXXX")
    curl --fail --silent --show-error --location --proto '=https' --tlsv1.2 --retry 3 --max-time 300 --output "$file" "$1" ||
        fail "cannot download $1" >&2
    printf '%s\n' "$file"
}

# fetched URL SHA256: the same for a file with this checksum.
fetched() {
    local file
    file=$(downloaded "$1")
    echo "$2  $file" | sha256sum --check --quiet >&2 || fail "$1 has another checksum than $2" >&2
    printf '%s\n' "$file"
}

rust() {
    command -v rustup >/dev/null || fail "the toolchain \`rust\` needs rustup on the runner"
    # A file of the repository may say which compiler.
    rustup show active-toolchain >/dev/null 2>&1 || rustup toolchain install stable --profile minimal
    rustup target add wasm32-wasip1
}

tinygo() {
    local file
    file=$(fetched https://github.com/tinygo-org/tinygo/releases/download/v0.41.0/tinygo_0.41.0_amd64.deb \
        52d57d46f03a8b8e68dd49298aff3b9bb79e1d9b7b2cdf0fa0b0f30b6bac89ec)
    mv "$file" "$file.deb"
    sudo dpkg -i "$file.deb"
}

# opa VERSION: the default is the one that Kubewarden's own policies are built with, as 1.0 changed the language. For others
# the checksum is the one of the release.
opa() {
    local file sum version=${1-0.65.0}
    [[ "$version" =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || fail "the input \`toolchain\` has \`opa@$1\`; a version is written as opa@1.5.1"
    local url=https://github.com/open-policy-agent/opa/releases/download/v$version/opa_linux_amd64_static
    if [ "$version" = 0.65.0 ]; then
        sum=cd6b0b2d762571a746f0261890b155e6dd71cca90dad6b42b6fcf6dd7f619f08
    else
        file=$(downloaded "$url.sha256")
        read -r sum _ <"$file" || [ -n "$sum" ]
    fi
    file=$(fetched "$url" "$sum")
    mkdir -p "$RUNNER_TEMP/policy-verify-opa"
    mv "$file" "$RUNNER_TEMP/policy-verify-opa/opa"
    chmod 755 "$RUNNER_TEMP/policy-verify-opa/opa"
    printf '%s\n' "$RUNNER_TEMP/policy-verify-opa" >>"$GITHUB_PATH"
}

drop_tokens ''
folder=$(policy_folder "$IN_POLICY_WORKING_DIR")
cd -- "$folder"
for name in ${IN_TOOLCHAIN//,/ }; do
    case "$name" in
        rust | tinygo | opa) "$name" ;;
        opa@*) opa "${name#opa@}" ;;
        # Actions bring these.
        go | node) ;;
        *) fail "the input \`toolchain\` has \`$name\`; it takes rust, go, tinygo, opa and node" ;;
    esac
done
