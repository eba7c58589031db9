#!/bin/sh
# Runs SUITE in N processes beside each other and merges their reports: what a matrix of machines does, on one.
# usage: shards.sh N SUITE…
set -u
number=$1
shift
reports=$(mktemp -d)
trap 'rm -rf "$reports"' EXIT
shard=1
while [ "$shard" -le "$number" ]; do
  verify run "$@" -qq --partition "hash:$shard/$number" --report "json=$reports/$shard.json" >"$reports/$shard.log" 2>&1 &
  shard=$((shard + 1))
done
wait
# A shard that failed has its report all the same; one that could not run has none, and the merge says so.
verify merge "$reports"/*.json
