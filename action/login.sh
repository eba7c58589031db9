#!/usr/bin/env bash
# Lets the run push to ghcr.io with the token of the job. Whoever has logged in before is left alone, and what is written
# here is taken back by logout.sh.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

file="${DOCKER_CONFIG:-$HOME/.docker}/config.json"
command -v jq >/dev/null || fail "\`push\` needs jq on the runner"
current='{}'
if [ -s "$file" ]; then
    current=$(cat "$file")
fi
if jq --exit-status '.auths["ghcr.io"] // .credHelpers["ghcr.io"] // .credsStore' <<<"$current" >/dev/null; then
    echo "ghcr.io: a login is there already"
    exit 0
fi
if [ -z "$GH_TOKEN" ]; then
    echo "ghcr.io: no token, no login"
    exit 0
fi
mkdir -p "$(dirname "$file")"
backup=$(mktemp "$RUNNER_TEMP/policy-verify-login.XXXXXX")
printf '%s\n' "$current" >"$backup"
output file "$file"
output backup "$backup"
# The token goes through the environment and a pipe, and the logins of others through a file: arguments can be read by
# every process.
changed=$(printf '%s:%s' "$IN_REGISTRY_USERNAME" "$GH_TOKEN" | base64 | tr -d '\r\n' |
    jq --raw-input --slurpfile config "$backup" '. as $auth | $config[0] | .auths["ghcr.io"].auth = $auth')
(umask 077 && printf '%s\n' "$changed" >"$file")
echo "ghcr.io: logged in as $IN_REGISTRY_USERNAME"
