#!/bin/sh
# Records the picture in the README anew from a real run: docs/demo/render.sh, with `verify` on the path.
set -eu
cd "$(dirname "$0")"
{
    printf '\033[1;32m$\033[0m verify --status pass\n'
    COLUMNS=100 verify --color always --status pass || true
} | python3 render.py >demo.svg
