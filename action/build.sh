#!/usr/bin/env bash
# Runs a command of the caller in the folder of the policy. It is the caller's code, so it gets no token.
set -euo pipefail
# shellcheck source=action/common.sh
. "$(dirname "$0")/common.sh"

drop_tokens ''
folder=$(policy_folder "$IN_POLICY_WORKING_DIR")
cd -- "$folder"
run=$IN_RUN
unset IN_RUN IN_POLICY_WORKING_DIR
exec bash --noprofile --norc -eo pipefail -c "$run"
