#!/usr/bin/env bash
# Takes back what login.sh wrote.
set -euo pipefail

cat "$BACKUP" >"$FILE"
rm -f "$BACKUP"
