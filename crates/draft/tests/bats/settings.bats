#!/usr/bin/env bats

@test "invalid settings" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json --settings-json '{"owners": []}'
  [ "$status" -eq 1 ]
  [ $(expr "$output" : '.*Provided settings are not valid: owners must not be empty.*') -ne 0 ]
}

@test "invalid settings of older releases" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json --settings-json '{"owners": []}'
  [ "$status" -ne 0 ]
  [ $(expr "$output" : '.*Provided settings are not valid: Some("owners must not be empty").*') -ne 0 ]
}

@test "invalid settings without a text" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json --settings-path test_data/settings.yml
  assert_failure
}

@test "invalid settings with another text" {
  run -1 kwctl run annotated-policy.wasm -r test_data/pod.json -s test_data/settings.yml
  [[ "$output" == *"unknown owner"* ]]
  [[ "$output" != *'"allowed":true'* ]]
}

@test "valid settings" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json -s test_data/settings.yml
  [ "$status" -eq 0 ]
}

@test "settings over several lines" {
  run kwctl run annotated-policy.wasm \
    -r test_data/pod.json \
    --settings-json '{
      "owners": ["team-a", "team-b"],
      "limit": 2
    }'
  [[ "$output" == *'"allowed":true'* ]]
}

@test "settings from a here-document" {
  settings=$(cat <<EOF
{"owners": ["$USER_NAME"]}
EOF
)
  run kwctl run annotated-policy.wasm -r test_data/pod.json --settings-json "$settings"
  [[ "$output" == *'"allowed":true'* ]]
}

@test "settings in a file of the test" {
  cat > "$BATS_TEST_TMPDIR/settings.yml" <<'EOF'
owners:
  - team-a
EOF
  run kwctl run annotated-policy.wasm -r test_data/pod.json --settings-path "$BATS_TEST_TMPDIR/settings.yml"
  [[ "$output" == *'"allowed":true'* ]]
}

@test "settings that are read" {
  run kwctl run annotated-policy.wasm -r test_data/pod.json --settings-json "$(cat test_data/settings.json)"
  [[ "$output" == *'"allowed":true'* ]]
}

USER_NAME=team-a
