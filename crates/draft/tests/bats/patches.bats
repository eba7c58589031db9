#!/usr/bin/env bats

@test "any patch" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  [ $(expr "$output" : '.*"allowed":true.*') -ne 0 ]
  [ $(expr "$output" : '.*"patchType":"JSONPatch".*') -ne 0 ]
}

@test "a patch in base64" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  [ $(expr "$output" : '.*patch":"W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscy9vd25lciIsInZhbHVlIjoidGVhbS1hIn1d') -ne 0 ]
}

@test "a decoded patch" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  patch=$(echo "$output" | jq -r '.patch' | base64 -d)
  [ "$(echo "$patch" | jq -r '.[0].op')" = "add" ]
  [ "$(echo "$patch" | jq -r '.[0].path')" = "/metadata/labels/owner" ]
  [ "$(echo "$patch" | jq '.[0].value')" = '"team-a"' ]
}

@test "an operation is selected" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  patch=$(echo "${output}" | grep '{.*"patch".*}' | jq -r ".patch" | base64 --decode)
  echo "${patch}" | jq -e \
    '[.[] | select(.path == "/spec/replicas" and .value == 2)] | length == 1'
}

@test "a part of a value" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  jq -r .patch <<<"$output" | base64 -d | jq -e '.[] | select(.op == "add" and .path == "/metadata/annotations" and .value["example.com/a"] == "b")'
}

@test "any operation" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  echo "$output" | jq -e '.patch | @base64d | fromjson | any(.[]; .op == "remove" and .path == "/spec/hostPID")'
}

@test "the text of a patch" {
  run bash -c 'kwctl run annotated-policy.wasm \
    -r test_data/pod.json 2>/dev/null | jq -er ".patch | @base64d"'
  [ "$status" -eq 0 ]
  [ $(expr "$output" : '.*{"op":"replace","path":"/spec/priority","value":"1"}.*') -ne 0 ]
}

@test "no patch in a pipe" {
  run bash -c 'kwctl run annotated-policy.wasm -r test_data/pod.json | jq -er ".patch"'
  [ "$status" -eq 1 ]
  [ $(expr "$output" : 'null') -ne 0 ]
}

@test "no patch with jq" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  echo "$output" | jq -e '.allowed == true and .patch == null'
}

@test "the whole patch" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json
  run jq -r '.patch | @base64d' <<<"$output"
  [ "$output" = '[{"op":"remove","path":"/spec/hostPID"}]' ]
}
