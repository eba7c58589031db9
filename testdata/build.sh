#!/usr/bin/env bash
# Rebuilds policy.wasm of every test policy, beside its source in testdata/policies/.
#
#   testdata/build.sh
#
# Says at the end what could not be rebuilt here and why, and exits 1 then. The modules come out
# plain: their metadata is not in them yet. Two builds give equal bytes if compilers are equal;
# where the checkout lies makes no difference to what a module contains.
#
# CARGO_TARGET_DIR is honoured; without it Rust builds in testdata/policies/target, which git ignores.

set -euo pipefail

policies=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/policies" && pwd -P)
target_dir=${CARGO_TARGET_DIR:-$policies/target}
cargo_home=${CARGO_HOME:-$HOME/.cargo}
triple=wasm32-wasip1

rust_policies=(default-labels image-licence raw-menu safe-labels unique-host)
# Built once more with line tables, for code coverage: `policy-with-lines.wasm`, with its own profile.
rust_policies_with_lines=(safe-labels)
# Programs, where the others are libraries.
rust_programs=(words-wasi)
go_policies=(image-licence-go unique-host-go)
# With the rule that is the entry point.
rego_policies=(
    gatekeeper-labels:violation raw-menu-opa:main rego-labels:main unique-host-gatekeeper:violation unique-host-opa:main
)

rebuilt=()
left_out=()

say() { printf '%s\n' "$*" >&2; }

# --- Rust ---------------------------------------------------------------------------------------

# Joins compiler flags the way cargo wants them, so that a path may contain spaces.
encode_flags() {
    local IFS=$'\x1f'
    printf '%s' "$*"
}

# Flags that keep the paths of this machine out of panic messages.
remap_flags=(
    "--remap-path-prefix=$policies=policies"
    "--remap-path-prefix=$cargo_home/registry/src=crates"
)

# The compiler that rustup manages, with the standard library it downloads.
build_rust_with_rustup() {
    if ! command -v rustup >/dev/null; then
        reason="there is no rustup"
        return 1
    fi
    if ! (cd "$policies" && rustup target add "$triple" >&2); then
        reason="rustup could not add the target $triple"
        return 1
    fi
    if ! (
        cd "$policies" || exit
        unset RUSTC RUSTC_BOOTSTRAP
        export CARGO_TARGET_DIR=$target_dir
        CARGO_ENCODED_RUSTFLAGS=$(encode_flags "${remap_flags[@]}")
        export CARGO_ENCODED_RUSTFLAGS
        cargo build --release --locked --target "$triple"
        for name in "${rust_policies_with_lines[@]}"; do
            cargo build --profile lines --locked --target "$triple" -p "$name" || exit
        done
    ); then
        reason="cargo failed"
        return 1
    fi
}

# The compiler that Debian packages; it builds the standard library from Debian's sources of it.
build_rust_with_debian() {
    local libc=/usr/lib/wasm32-wasi library_source linker
    library_source=$(realpath -q /usr/lib/rustlib/src/rust || true)
    linker=$(printf '%s\n' /usr/bin/wasm-ld /usr/bin/wasm-ld-* | sort -rV | while read -r candidate; do
        if [[ -x $candidate ]]; then printf '%s' "$candidate"; break; fi
    done)
    if [[ ! -x /usr/bin/rustc || ! -x /usr/bin/cargo || ! -d $library_source/library || -z $linker ||
        ! -f $libc/crt1-reactor.o ]]; then
        reason="Debian's compiler is not complete: apt-get install rustc-web cargo-web rust-web-src lld-19 wasi-libc"
        return 1
    fi
    if ! (
        cd "$policies" || exit
        export CARGO_TARGET_DIR=$target_dir
        export RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1
        export CARGO_TARGET_WASM32_WASIP1_LINKER=$linker
        CARGO_ENCODED_RUSTFLAGS=$(encode_flags "-L$libc" "${remap_flags[@]}" \
            "--remap-path-prefix=$library_source=rustc" "--remap-path-prefix=/usr/lib/rustlib/src/rust=rustc")
        export CARGO_ENCODED_RUSTFLAGS
        build() {
            local profile=$1
            shift
            /usr/bin/cargo rustc --profile "$profile" --locked --target "$triple" \
                -Zbuild-std=std,panic_abort -Zbuild-std-features= -p "$@"
        }
        # What runs before a program the compiler finds by itself; what runs before a library has to be named.
        for name in "${rust_policies[@]}"; do build release "$name" -- "-Clink-arg=$libc/crt1-reactor.o" || exit; done
        for name in "${rust_policies_with_lines[@]}"; do
            build lines "$name" -- "-Clink-arg=$libc/crt1-reactor.o" || exit
        done
        for name in "${rust_programs[@]}"; do build release "$name" || exit; done
    ); then
        reason="Debian's cargo failed"
        return 1
    fi
}

build_rust() {
    local reason reasons name
    if ! build_rust_with_rustup; then
        reasons=$reason
        say "Rust: $reason, trying the compiler that Debian packages"
        if ! build_rust_with_debian; then
            reasons+="; $reason"
            for name in "${rust_policies[@]}" "${rust_programs[@]}"; do left_out+=("$name: $reasons"); done
            return
        fi
    fi
    for name in "${rust_policies[@]}"; do
        install -m 644 "$target_dir/$triple/release/${name//-/_}.wasm" "$policies/$name/policy.wasm"
        rebuilt+=("$name")
    done
    for name in "${rust_policies_with_lines[@]}"; do
        install -m 644 "$target_dir/$triple/lines/${name//-/_}.wasm" "$policies/$name/policy-with-lines.wasm"
    done
    for name in "${rust_programs[@]}"; do
        install -m 644 "$target_dir/$triple/release/$name.wasm" "$policies/$name/policy.wasm"
        rebuilt+=("$name")
    done
}

# --- Go -----------------------------------------------------------------------------------------

build_go() {
    local name
    for name in "${go_policies[@]}"; do
        if ! command -v go >/dev/null; then
            left_out+=("$name: there is no go")
        elif (
            cd "$policies/$name" || exit
            export GOOS=wasip1 GOARCH=wasm GOFLAGS='' CGO_ENABLED=0
            go build -trimpath -buildvcs=false -mod=readonly -ldflags='-s -w' -o policy.wasm .
        ); then
            chmod 644 "$policies/$name/policy.wasm"
            rebuilt+=("$name")
        else
            left_out+=("$name: go build failed")
        fi
    done
}

# --- Rego ---------------------------------------------------------------------------------------

# The compiler puts sources and data beside the module; only the module is kept.
build_rego() {
    local policy name bundle
    bundle=$(mktemp)
    for policy in "${rego_policies[@]}"; do
        name=${policy%%:*}
        if ! command -v opa >/dev/null; then
            left_out+=("$name: there is no opa: go install github.com/open-policy-agent/opa@v1.4.2")
        elif (
            cd "$policies/$name" || exit
            opa build -t wasm -e "policy/${policy##*:}" -o "$bundle" policy.rego
            tar -xzPOf "$bundle" /policy.wasm >policy.wasm.new && mv policy.wasm.new policy.wasm
        ); then
            chmod 644 "$policies/$name/policy.wasm"
            rebuilt+=("$name")
        else
            left_out+=("$name: opa build failed")
        fi
    done
    rm -f -- "$bundle"
}

# --- what came of it ----------------------------------------------------------------------------

# A path of this machine in a module would tell where it was built, and change with the place.
refuse_paths_of_this_machine() {
    local name
    for name in ${rebuilt[@]+"${rebuilt[@]}"}; do
        if LC_ALL=C grep -qaF -e "$policies" -e "$cargo_home/" -e "$target_dir" -e "$HOME/" \
            "$policies/$name"/*.wasm; then
            left_out+=("$name: rebuilt, but it contains a path of this machine")
        fi
    done
}

build_rust
build_go
build_rego
refuse_paths_of_this_machine

for name in ${rebuilt[@]+"${rebuilt[@]}"}; do
    say "rebuilt $name: $(wc -c <"$policies/$name/policy.wasm") bytes"
done
if ((${#left_out[@]} > 0)); then
    printf 'not rebuilt: %s\n' "${left_out[@]}" >&2
    exit 1
fi
