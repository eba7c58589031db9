#!/bin/sh
# Makes the picture in the README anew, from a real run of a release build: docs/demo/render.sh
# Another binary can be named: docs/demo/render.sh target/debug/verify. Needs cargo, and python3 with its module venv.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
if [ $# -gt 0 ]; then
    verify=$(realpath "$1")
else
    cargo build --quiet --release --manifest-path "$root/Cargo.toml"
    verify=${CARGO_TARGET_DIR:-$root/target}/release/verify
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/python"
"$work/python/bin/pip" --quiet --disable-pip-version-check install rich==15.0.0

cd "$root/docs/demo"
# Twice: a file that is read for the first time takes longer.
"$verify" --status none >"$work/warm" 2>&1 || true
{
    printf '\033[1;32m$\033[0m verify --status pass\n'
    env -u NO_COLOR COLUMNS=100 "$verify" --color always --status pass || true
} >"$work/terminal"
"$work/python/bin/python" render.py <"$work/terminal" >"$work/demo.svg"
mv "$work/demo.svg" demo.svg
