#!/usr/bin/env bats

@test "inspect" {
  run kwctl inspect annotated-policy.wasm
  [ "$status" -eq 0 ]
  [[ "$output" == *"labels"* ]]
}

@test "a log line" {
  run kwctl run -r test_data/pod.json annotated-policy.wasm
  [[ "$output" == *'"allowed":true'* ]]
  [[ "$output" == *"validation is done"* ]]
}

@test "syntax" {
  run kwctl run -r "test_data/pod.json annotated-policy.wasm
}

@test "after it" {
  run kwctl run -r test_data/pod.json annotated-policy.wasm
  [[ "$output" == *'"allowed":true'* ]]
}
