#!/usr/bin/env bash
# Brings the compilers that the input `toolchain` names and that no action of their makers brings.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

# fetched URL SHA256: downloads a file, and prints where it is.
fetched() {
    local file
    file=$(mktemp "$RUNNER_TEMP/policy-verify-toolchain.XXXXXX")
    curl --fail --silent --show-error --location --proto '=https' --tlsv1.2 --retry 3 --max-time 300 --output "$file" "$1" ||
        fail "cannot download $1" >&2
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

# The version that Kubewarden's own policies are built with: 1.0 changed the language.
opa() {
    local file
    file=$(fetched https://github.com/open-policy-agent/opa/releases/download/v0.65.0/opa_linux_amd64_static \
        cd6b0b2d762571a746f0261890b155e6dd71cca90dad6b42b6fcf6dd7f619f08)
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
        # Actions bring these.
        go | node) ;;
        *) fail "the input \`toolchain\` has \`$name\`; it takes rust, go, tinygo, opa and node" ;;
    esac
done
