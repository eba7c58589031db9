#!/usr/bin/env bats

load 'test_helper/bats-support/load'
bats_require_minimum_version 1.5.0

POLICY="${POLICY:-annotated-policy.wasm}"
KWCTL=${KWCTL:-kwctl}
: "${DATA:=test_data}"

setup_file() {
  export FROM_FILE="$DATA/file.json"
}

setup() {
  REQUEST="$DATA/pod.json"
  cd "$BATS_TEST_DIRNAME"
}

teardown() {
  docker rm -f nothing
}

evaluate() {
  local request="$1"
  shift
  run "$KWCTL" run --request-path "$request" "$@" "$POLICY"
}

assert_denied() {
  [ "$status" -eq 0 ]
  [[ "$output" == *'"allowed":false'* ]] || return 1
  [[ "$output" == *"$1"* ]]
}

@test "variables" {
  run $KWCTL run -r "$REQUEST" "$POLICY"
  [[ "$output" == *'"allowed":true'* ]]
}

@test "functions" {
  evaluate test_data/bad.json --settings-json '{"limit": 1}'
  assert_denied "limit is 1"
}

@test "a function that is asked" {
  evaluate "$FROM_FILE"
  if ! assert_denied "no owner"; then
    return 1
  fi
}

@test "a loop over words" {
  for kind in pod job; do
    run kwctl run -r "test_data/$kind.json" "$POLICY"
    [[ "$output" == *'"allowed":true'* ]]
  done
}

@test "a loop over files" {
  for file in test_data/bad-*.json; do
    run kwctl run -r "$file" "$POLICY"
    [[ "$output" == *'"allowed":false'* ]]
    [[ "$output" == *"$(basename "$file" .json) is refused"* ]]
  done
}

@test "a loop over braces" {
  for name in pod{1,2}; do
    run kwctl run -r test_data/$name.json "$POLICY"
    [[ "$output" == *'"allowed":true'* ]]
  done
}

@test "a loop over a list" {
  requests=(pod job)
  requests+=("cron job")
  for request in "${requests[@]}"; do
    run kwctl run -r "test_data/${request// /-}.json" "$POLICY"
    [[ "$output" == *'"allowed":true'* ]]
  done
}

@test "a loop over a table" {
  declare -A owners=([a]=true [b]=false)
  for owner in "${!owners[@]}"; do
    run kwctl run -r test_data/pod.json --settings-json "{\"owner\": \"$owner\"}" "$POLICY"
    [[ "$output" == *"\"allowed\":${owners[$owner]}"* ]]
  done
}

@test "a loop with a counter" {
  for ((i = 1; i <= 2; i++)); do
    run kwctl run -r test_data/pod.json --settings-json "{\"limit\": $((i * 10))}" "$POLICY"
    [[ "$output" == *'"allowed":true'* ]]
  done
}

@test "a loop over lines" {
  while read -r name verdict; do
    run kwctl run -r "test_data/$name.json" "$POLICY"
    [ "$(jq .allowed <<<"$output")" = "$verdict" ]
  done <<EOF
pod true
bad false
EOF
}

@test "branches on constants" {
  mode=strict
  if [ "$mode" = strict ] && [[ -n "$mode" ]]; then
    run kwctl run -r test_data/bad.json "$POLICY"
  else
    run kwctl run -r test_data/pod.json "$POLICY"
  fi
  [[ "$output" == *'"allowed":false'* ]]
}

@test "without run" {
  output=$(kwctl run -r test_data/pod.json "$POLICY")
  [[ "$output" == *'"allowed":true'* ]]
}

@test "in a pipe" {
  kwctl run -r test_data/pod.json "$POLICY" 2>/dev/null | jq -e '.allowed'
}

@test "a request of the test" {
  run kwctl run --raw -r <(echo '{"uid": "1", "user": "tonio"}') "$POLICY"
  [[ "$output" == *'"allowed":true'* ]]
}

@test "a request on the standard input" {
  cat test_data/pod.json | kwctl run -r - "$POLICY" | grep -q '"allowed":true'
}

@test "skipped" {
  skip "not today"
  run kwctl run -r test_data/pod.json "$POLICY"
  [[ "$output" == *'"allowed":true'* ]]
}

@test "two runs" {
  run kwctl run -r test_data/pod.json "$POLICY"
  [[ "$output" == *'"allowed":true'* ]]
  run kwctl run -r test_data/bad.json "$POLICY"
  [[ "$output" == *'"allowed":false'* ]]
}

@test 'single quotes' { # a comment
  run kwctl run -r test_data/pod.json "$POLICY"; [[ "$output" == *'"allowed":true'* ]]; }
