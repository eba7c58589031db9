#!/usr/bin/env bats
# Every way to look at the verdict and at the message.

@test "expr: allowed" {
  run kwctl run --request-path test_data/pod.json annotated-policy.wasm
  echo "output = ${output}"
  [ "$status" -eq 0 ]
  [ $(expr "$output" : '.*"allowed":true.*') -ne 0 ]
}

@test "expr: allowed with gaps" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  [ "$status" -eq 0 ]
  [ $(expr "$output" : '.*allowed.*true') -ne 0 ]
}

@test "expr: rejected with a message" {
	run kwctl run  annotated-policy.wasm  -r test_data/bad.json
	[ "$status" -eq 0 ]
	[ $(expr "$output" : '.*"allowed":false.*') -ne 0 ]
	[ $(expr "$output" : ".*owner is missing.*") -ne 0 ]
}

@test "expr: the message from its start" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [ $(expr "$output" : '.*allowed":false.*') -ne 0 ]
  [ $(expr "$output" : '.*"message":"owner is missing.*') -ne 0 ]
}

@test "expr: the whole message" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [ $(expr "$output" : '.*"message":"class \\"fast\\" is not allowed".*') -ne 0 ]
}

@test "expr: a star at the end" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [ $(expr "$output" : '.*allowed.*false*') -ne 0 ]
  [ $(expr "$output" : '.*cannot be added*') -ne 0 ]
}

@test "expr: alternatives of GNU" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [ $(expr "$output" : '.*allowed":false') -ne 0 ]
  [ $(expr "$output" : '.*\(owner\|team\) is missing') -ne 0 ]
}

@test "expr: not mutated" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  [ $(expr "$output" : '.*allowed.*true') -ne 0 ]
  [ $(expr "$output" : '.*patch.*') -eq 0 ]
}

@test "expr: code" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [ $(expr "$output" : '.*allowed.*false') -ne 0 ]
  [ $(expr "$output" : '.*code.*401') -ne 0 ]
}

@test "glob in [[" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [[ "$output" == *'"allowed":false'* ]]
  [[ "$output" == *"owner is missing"* ]]
}

@test "glob with escaped quotes" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  [[ "$output" == *"\"allowed\":true"* ]]
  [[ "$output" != *'"patch"'* ]]
}

@test "glob with =" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [[ $output = *"allowed\":false"* ]] && [[ ! $output = *"internal error"* ]]
}

@test "regex in [[" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [[ "$output" =~ "\"allowed\":false" ]]
  [[ "$output" =~ owner[[:space:]]is[[:space:]](missing|empty) ]]
}

@test "regex in a variable" {
  local re='limit [0-9]+ is too high'
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [[ "$output" =~ '"allowed":false' ]]
  [[ $output =~ $re ]]
}

@test "negated" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [[ ! "$output" =~ "panic" ]]
  ! [[ "$output" == *'"allowed":true'* ]]
}

@test "grep" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  echo "$output" | grep -q '"allowed":false'
  echo "$output" | grep -F -q 'owner [team] is missing'
  ! echo "$output" | grep -q panic
}

@test "grep with expressions" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  grep -q '"allowed":false' <<< "$output"
  grep -qE 'owner (is )?missing' <<< "$output"
  run ! grep -q "panicked" <<< "${output}"
}

@test "grep counts" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [ "$(echo "$output" | grep -c '"allowed":false')" -eq 1 ]
  [ $(grep -c 'owner is missing' <<< "$output") -gt 0 ]
}

@test "jq -e" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  echo "$output" | jq -e '.allowed == false'
  echo "$output" | jq -e '.status.message | contains("owner is missing")'
}

@test "jq conditions" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  jq -e '(.allowed | not) and .status.code == 422' <<< "${lines[-1]}"
  jq -e '.status.message | test("^owner .* missing$")' <<< "$output"
}

@test "jq results are compared" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [ "$(echo "$output" | tail -n 1 | jq -r '.allowed')" = "false" ]
  [ "$(echo "$output" | jq -r .status.message)" = "owner is missing" ]
  [ "$(echo "$output" | jq '.status.code')" -eq 400 ]
}

@test "jq results in variables" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  allowed=$(echo "${lines[-1]}" | jq -r '.allowed')
  message=$(jq -r '.status.message' <<< "${lines[${#lines[@]}-1]}")
  [ "$allowed" == false ]
  [[ "$message" == "owner"* ]]
}

@test "jq without -r" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  [ "$(jq '.status.message' <<< "$output")" = '"owner is missing"' ]
}

@test "bats-assert" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  assert_success
  assert_output --partial '"allowed":false'
  assert_output --regexp 'owner .* missing'
  refute_output --partial 'panic'
}

@test "bats-assert on lines" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  assert_line --partial '"allowed":true'
  refute_line --partial '"patch"'
  assert_equal "$(echo "$output" | jq -r .allowed)" "true"
}

@test "warnings and annotations" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  [ "$(jq -r '.allowed' <<<"$output")" = true ]
  [ "$(jq -r '.warnings[0]' <<<"$output")" = "owner is deprecated" ]
  [ "$(jq '.warnings | length' <<<"$output")" -eq 1 ]
}

@test "some annotations" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  jq -e '.allowed and .auditAnnotations.checked == "yes"' <<<"$output"
}

@test "case" {
  run kwctl run annotated-policy.wasm -r test_data/bad.json
  case "$output" in
    *'"allowed":false'*) ;;
    *) echo "$output"; return 1 ;;
  esac
}

@test "if" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  if ! echo "$output" | grep -q '"allowed":true'; then
    echo "$output"
    return 1
  fi
  if [ "$status" -ne 0 ]; then echo "$output"; fi
}

@test "or fail" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  [[ "$output" =~ '"allowed":true' ]] || fail "not allowed"
  [ "$status" -eq 0 ] || { echo "$output"; false; }
  echo "$output" | grep -q deprecated || true
}
