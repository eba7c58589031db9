#!/usr/bin/env bats

@test "raw" {
  run kwctl run --raw annotated-policy.wasm --request-path=test_data/raw.json
  [[ "$output" == *'"allowed":true'* ]]
}

@test "context-aware" {
  run kwctl run --allow-context-aware \
    --request-path test_data/pod.json \
    --replay-host-capabilities-interactions test_data/session.yml \
    --settings-path=test_data/settings.json \
    annotated-policy.wasm
  [[ "$output" == *'"allowed":true'* ]]
}

@test "execution mode" {
  RUST_LOG=debug run kwctl run -e gatekeeper policy.wasm -r test_data/pod.json
  [[ "$output" == *'"allowed":false'* ]]
}

@test "other flags" {
  run --separate-stderr env RUST_LOG=off kwctl -v run --disable-wasmtime-cache -rtest_data/pod.json annotated-policy.wasm
  [[ "$output" == *'"allowed":true'* ]]
}

@test "host capabilities" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json --allowed-host-capabilities 'oci/*' net/v1/dns_lookup_host
  [[ "$output" == *'"allowed":true'* ]]
}

@test "from a registry" {
  run timeout 60 kwctl run -r test_data/pod.json registry://ghcr.io/acme/policies/labels:v1.2.3
  [[ "$output" == *'"allowed":true'* ]]
}

@test "a manifest" {
  run kwctl run -r ../shared/pod.json deploy/policy.yml
  [[ "$output" == *'"allowed":true'* ]]
}
