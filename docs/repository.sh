#!/bin/sh
# A preprocessor of mdBook: links out of this folder lead to the repository that book.toml names. On GitHub, which reads
# the pages as they are, they lead to the file itself.
set -eu
[ "${1:-}" != supports ] || exit 0
exec jq --compact-output '
    (.[0].config.output.html["git-repository-url"] + "/blob/main/") as $repository
    | .[1] | walk(if type == "object" and has("content") then .content |= gsub("\\]\\(\\.\\./"; "](" + $repository) else . end)'
