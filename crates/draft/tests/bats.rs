//! Bats files of all shapes, and what becomes of them.

use policy_verify_draft::bats::{BatsFile, Context, Fate, Imported, Weakness, bats};
use serde_json::{Value, json};

const FILES: [(&str, &str); 6] = [
    ("verdicts", include_str!("bats/verdicts.bats")),
    ("patches", include_str!("bats/patches.bats")),
    ("settings", include_str!("bats/settings.bats")),
    ("shell", include_str!("bats/shell.bats")),
    ("flags", include_str!("bats/flags.bats")),
    ("others", include_str!("bats/others.bats")),
];

fn file(path: &str, text: &str) -> BatsFile {
    BatsFile { path: path.to_owned(), text: text.to_owned() }
}

fn context() -> Context {
    let files = ["labels/test_data/bad-1.json", "labels/test_data/bad-2.json", "labels/test_data/pod.json"];
    Context { folder: "labels".to_owned(), policy: "labels".to_owned(), files: files.map(str::to_owned).to_vec() }
}

fn translated(text: &str) -> (Imported, Value) {
    let imported = bats(&[file("labels/e2e.bats", text)], &context());
    let yaml = imported.draft.to_yaml();
    let value = serde_saphyr::from_str(&yaml).unwrap_or_else(|error| panic!("{yaml}\n{error}"));
    (imported, value)
}

fn of(name: &str) -> (Imported, Value) {
    translated(FILES.iter().find(|(other, _)| *other == name).map_or("", |(_, text)| text))
}

/// The case of this name.
fn case<'a>(suite: &'a Value, name: &str) -> &'a Value {
    let all = ["cases", "settingsCases"].into_iter().filter_map(|key| suite[key].as_array()).flatten();
    all.into_iter().find(|case| case["name"] == name).unwrap_or_else(|| panic!("{name}: {suite}"))
}

fn expect(suite: &Value, name: &str) -> Value {
    case(suite, name)["expect"].clone()
}

#[test]
fn nearly_all_tests_are_translated_whole() {
    let (mut all, mut whole) = (0, 0);
    for (name, _) in FILES {
        for row in of(name).0.tests {
            all += 1;
            whole += usize::from(row.fate == Fate::Whole);
            let is_expected = row.fate == Fate::Whole || name == "others";
            assert!(is_expected, "{name}:{} {}: {:?}", row.line, row.name, row.fate);
        }
    }
    assert!(all >= 60 && whole * 100 >= all * 95, "{whole} of {all}");
}

/// `break 2` leaves the loop around a `while`, too.
#[test]
fn loops_are_left_by_their_number() {
    let (_, suite) = translated(
        "@test \"a\" {\n  for file in test_data/bad-1.json test_data/bad-2.json; do\n    while true; do\n      run kwctl run -r $file annotated-policy.wasm\n      [ $(expr \"$output\" : '.*\"allowed\":true.*') -ne 0 ]\n      break 2\n    done\n  done\n}\n",
    );
    assert_eq!(suite["cases"].as_array().map(Vec::len), Some(1), "{suite}");
}

#[test]
fn verdicts_and_messages_are_what_was_asserted() {
    let (_, suite) = of("verdicts");
    for (name, expected) in [
        ("expr: allowed", json!("accept")),
        ("expr: allowed with gaps", json!("accept")),
        ("expr: rejected with a message", json!({ "deny": { "contains": "owner is missing" } })),
        ("expr: the message from its start", json!({ "deny": { "matches": "^owner is missing" } })),
        ("expr: the whole message", json!({ "deny": "class \"fast\" is not allowed" })),
        ("expr: a star at the end", json!({ "deny": { "contains": "cannot be adde" } })),
        ("expr: alternatives of GNU", json!({ "deny": { "matches": "(owner|team) is missing" } })),
        ("expr: not mutated", json!("allow")),
        ("expr: code", json!({ "deny": null, "code": 401 })),
        ("glob in [[", json!({ "deny": { "contains": "owner is missing" } })),
        ("glob with escaped quotes", json!("allow")),
        ("glob with =", json!({ "deny": { "not": "internal error" } })),
        ("regex in [[", json!({ "deny": { "matches": "owner[[:space:]]is[[:space:]](missing|empty)" } })),
        ("regex in a variable", json!({ "deny": { "matches": "limit [0-9]+ is too high" } })),
        ("negated", json!({ "deny": { "not": "panic" } })),
        ("grep", json!({ "deny": { "contains": "owner [team] is missing", "not": "panic" } })),
        ("grep with expressions", json!({ "deny": { "matches": "owner (is )?missing", "not": "panicked" } })),
        ("grep counts", json!({ "deny": { "contains": "owner is missing" } })),
        ("jq -e", json!({ "deny": { "contains": "owner is missing" } })),
        ("jq conditions", json!({ "deny": { "matches": "(?s)^owner .* missing$" }, "code": 422 })),
        ("jq results are compared", json!({ "deny": "owner is missing", "code": 400 })),
        ("jq results in variables", json!({ "deny": { "matches": "^owner" } })),
        ("jq without -r", json!({ "deny": "owner is missing" })),
        ("bats-assert", json!({ "deny": { "matches": "(?s)owner .* missing", "not": "panic" } })),
        ("bats-assert on lines", json!("allow")),
        ("warnings and annotations", json!({ "accept": null, "warnings": ["owner is deprecated"] })),
        ("some annotations", json!({ "response": { "allowed": true, "auditAnnotations": { "checked": "yes" } } })),
        ("case", json!("deny")),
        ("if", json!("accept")),
        ("or fail", json!("accept")),
    ] {
        assert_eq!(expect(&suite, name), expected, "{name}");
    }
}

#[test]
fn patches_are_what_was_asserted() {
    let (_, suite) = of("patches");
    let owner = json!([{ "op": "add", "path": "/metadata/labels/owner", "value": "team-a" }]);
    for (name, expected) in [
        ("any patch", json!("mutate")),
        ("a patch in base64", json!({ "mutate": { "patch": owner } })),
        ("a decoded patch", json!({ "mutate": { "includes": owner } })),
        ("an operation is selected", json!({ "mutate": { "includes": [{ "path": "/spec/replicas", "value": 2 }] } })),
        (
            "a part of a value",
            json!({ "mutate": {
                "object": { "metadata": { "annotations": { "example.com/a": "b" } } },
                "includes": [{ "op": "add", "path": "/metadata/annotations" }],
            } }),
        ),
        ("any operation", json!({ "mutate": { "includes": [{ "op": "remove", "path": "/spec/hostPID" }] } })),
        (
            "the text of a patch",
            json!({ "mutate": { "includes": [{ "op": "replace", "path": "/spec/priority", "value": "1" }] } }),
        ),
        ("no patch in a pipe", json!("allow")),
        ("no patch with jq", json!("allow")),
        ("the whole patch", json!({ "mutate": { "patch": [{ "op": "remove", "path": "/spec/hostPID" }] } })),
    ] {
        assert_eq!(expect(&suite, name), expected, "{name}");
    }
}

#[test]
fn settings_are_cases_of_their_own() {
    let (_, suite) = of("settings");
    for (name, value, expected) in [
        ("invalid settings", json!({ "owners": [] }), json!({ "invalid": { "contains": "owners must not be empty" } })),
        (
            "invalid settings of older releases",
            json!({ "owners": [] }),
            json!({ "invalid": { "contains": "owners must not be empty" } }),
        ),
        ("invalid settings without a text", json!("test_data/settings.yml"), json!("invalid")),
        (
            "invalid settings with another text",
            json!("test_data/settings.yml"),
            json!({ "invalid": { "contains": "unknown owner" } }),
        ),
        ("valid settings", json!("test_data/settings.yml"), json!("valid")),
    ] {
        assert_eq!((&case(&suite, name)["value"], &expect(&suite, name)), (&value, &expected), "{name}");
    }
    for (name, settings) in [
        ("settings over several lines", json!({ "owners": ["team-a", "team-b"], "limit": 2 })),
        ("settings from a here-document", json!({ "owners": ["team-a"] })),
        ("settings in a file of the test", json!({ "owners": ["team-a"] })),
        ("settings that are read", json!("test_data/settings.json")),
    ] {
        assert_eq!(case(&suite, name)["settings"], settings, "{name}");
    }
}

#[test]
fn the_shell_is_understood() {
    let (_, suite) = of("shell");
    for (name, request, expected) in [
        ("variables", json!("test_data/pod.json"), json!("accept")),
        ("functions", json!("test_data/bad.json"), json!({ "deny": { "contains": "limit is 1" } })),
        ("a function that is asked", json!("test_data/file.json"), json!({ "deny": { "contains": "no owner" } })),
        ("a loop over words [pod]", json!("test_data/pod.json"), json!("accept")),
        ("a loop over words [job]", json!("test_data/job.json"), json!("accept")),
        (
            "a loop over files [bad-1]",
            json!("test_data/bad-1.json"),
            json!({ "deny": { "contains": "bad-1 is refused" } }),
        ),
        (
            "a loop over files [bad-2]",
            json!("test_data/bad-2.json"),
            json!({ "deny": { "contains": "bad-2 is refused" } }),
        ),
        ("a loop over braces [pod2]", json!("test_data/pod2.json"), json!("accept")),
        ("a loop over a list [cron job]", json!("test_data/cron-job.json"), json!("accept")),
        ("a loop over a table [a]", json!("test_data/pod.json"), json!("accept")),
        ("a loop over a table [b]", json!("test_data/pod.json"), json!("deny")),
        ("a loop with a counter [2]", json!("test_data/pod.json"), json!("accept")),
        ("a loop over lines [1]", json!("test_data/pod.json"), json!("accept")),
        ("a loop over lines [2]", json!("test_data/bad.json"), json!("deny")),
        ("branches on constants", json!("test_data/bad.json"), json!("deny")),
        ("without run", json!("test_data/pod.json"), json!("accept")),
        ("in a pipe", json!("test_data/pod.json"), json!("accept")),
        ("a request on the standard input", json!("test_data/pod.json"), json!("accept")),
        ("skipped", json!("test_data/pod.json"), json!("accept")),
        ("two runs", json!("test_data/pod.json"), json!("accept")),
        ("two runs (2)", json!("test_data/bad.json"), json!("deny")),
        ("single quotes", json!("test_data/pod.json"), json!("accept")),
    ] {
        assert_eq!((&case(&suite, name)["request"], expect(&suite, name)), (&request, expected), "{name}");
    }
    assert_eq!(case(&suite, "a request of the test")["raw"], json!({ "uid": "1", "user": "tonio" }));
    assert_eq!(case(&suite, "skipped")["skip"], "not today");
    assert_eq!(case(&suite, "a loop with a counter [2]")["settings"], json!({ "limit": 20 }));
}

#[test]
fn flags_of_kwctl_become_keys() {
    let (_, suite) = of("flags");
    assert_eq!(case(&suite, "raw")["raw"], "test_data/raw.json");
    assert_eq!(case(&suite, "context-aware")["replay"], "test_data/session.yml");
    assert_eq!(case(&suite, "context-aware")["settings"], "test_data/settings.json");
    assert_eq!(case(&suite, "a manifest")["request"], "../shared/pod.json");
    for (name, policy) in [
        ("raw", json!({ "uri": "annotated-policy.wasm" })),
        ("context-aware", json!({ "uri": "annotated-policy.wasm", "contextAware": true })),
        ("execution mode", json!({ "uri": "policy.wasm", "executionMode": "gatekeeper" })),
        ("other flags", json!({ "uri": "annotated-policy.wasm" })),
        (
            "host capabilities",
            json!({ "uri": "annotated-policy.wasm", "hostCapabilities": ["oci/*", "net/v1/dns_lookup_host"] }),
        ),
        ("from a registry", json!({ "uri": "registry://ghcr.io/acme/policies/labels:v1.2.3" })),
        ("a manifest", json!({ "manifest": "deploy/policy.yml" })),
    ] {
        let policy_name = case(&suite, name)["policy"].as_str().unwrap();
        assert_eq!(suite["policies"][policy_name], policy, "{name}");
    }
    assert_eq!(suite["defaults"], json!({ "rules": "ignore" }));
}

#[test]
fn what_is_not_translated_is_told_at_its_place() {
    let (imported, suite) = of("others");
    let fates: Vec<&Fate> = imported.tests.iter().map(|row| &row.fate).collect();
    let [Fate::Not(inspect), Fate::Partly(log), Fate::Not(syntax), Fate::Whole] = fates.as_slice() else {
        panic!("{fates:?}");
    };
    assert_eq!((inspect[0].line, inspect[0].text.as_str()), (4, "unsupported command `kwctl inspect`"));
    assert_eq!(log[0].text, "no expectation for `validation is done`");
    assert!(syntax[0].text.starts_with("invalid shell syntax"), "{syntax:?}");
    let yaml = imported.draft.to_yaml();
    assert!(
        yaml.starts_with("# Made from labels/e2e.bats.\n# Of 4 tests, 1 are translated in part, and 2 not at all.\n"),
        "{yaml}"
    );
    assert!(yaml.contains("# labels/e2e.bats:4: not translated: unsupported command `kwctl inspect`"), "{yaml}");
    assert!(yaml.contains("#       run kwctl inspect annotated-policy.wasm"), "{yaml}");
    assert_eq!(expect(&suite, "after it"), "accept");
}

/// Shapes beside those of the files: the body of a test, and the expectation.
#[test]
fn other_shapes_are_translated() {
    const RUN: &str = "run kwctl run -r a.json policy.wasm";
    for (body, expected) in [
        ("run bash -c \"kwctl run -r a.json policy.wasm | jq '.allowed'\"\n[ \"$output\" = \"false\" ]", json!("deny")),
        (
            "run bash -c \"kwctl run -r a.json policy.wasm | jq -r .status.message\"\n[ \"$output\" = \"no owner\" ]",
            json!({ "deny": "no owner" }),
        ),
        (
            "kwctl run -r a.json policy.wasm > out.json\njq -e .allowed out.json\n! grep -q patch out.json",
            json!("allow"),
        ),
        ("result=$(kwctl run -r a.json policy.wasm)\n[[ $(jq -r .allowed <<<\"$result\") == false ]]", json!("deny")),
        (
            "local result\nresult=\"$(kwctl run -r a.json policy.wasm 2>&1 | tail -1)\"\necho \"$result\" | jq -e '.allowed|not' >/dev/null",
            json!("deny"),
        ),
        ("bats_pipe kwctl run -r a.json policy.wasm \\| jq -e .allowed", json!("accept")),
        ("run bats_pipe kwctl run -r a.json policy.wasm \\| jq -r .allowed\nassert_output true", json!("accept")),
        (
            "RUN\n[ \"$output\" = '{\"uid\":\"1\",\"allowed\":true,\"auditAnnotations\":null,\"warnings\":null}' ]",
            json!({ "accept": null, "warnings": [], "auditAnnotations": {} }),
        ),
        ("RUN\nif [[ $output != *'allowed\":false'* ]]; then fail 'x'; fi", json!("deny")),
        (
            "RUN\n[ $(expr \"$output\" : '.*allowed.*false') -ne 0 ] && [ $(expr \"$output\" : '.*owner.*') -ne 0 ]",
            json!({ "deny": { "contains": "owner" } }),
        ),
        ("RUN\ntest \"$status\" -eq 0\n(( status == 0 ))\n[[ \"${lines[0]}\" =~ 'allowed\":true' ]]", json!("accept")),
        (
            "RUN\n[ \"$status\" = 0 ]\necho \"$output\" | jq -e '.status.message == \"x\"' > /dev/null",
            json!({ "deny": "x" }),
        ),
        (
            "RUN\necho \"$output\" | jq -e '.allowed == false and (.status.message | startswith(\"no \"))'",
            json!({ "deny": { "matches": "^no " } }),
        ),
        ("RUN\necho \"$output\" | jq -e --arg m 'no owner' '.status.message == $m'", json!({ "deny": "no owner" })),
        ("RUN\njq -e '.response.allowed == false' <<<\"$output\"", json!("deny")),
        (
            "RUN\n[[ \"$(jq -c .warnings <<<$output)\" == '[\"old\"]' ]]\njq -e .allowed <<<$output",
            json!({ "accept": null, "warnings": ["old"] }),
        ),
        ("RUN\njq -e '.allowed and .warnings == null' <<<\"$output\"", json!({ "accept": null, "warnings": [] })),
        ("RUN\nassert_equal \"$(jq -r '.status.code' <<<\"$output\")\" 403", json!({ "deny": null, "code": 403 })),
        (
            "RUN\n[[ $output =~ allowed\\\":(false) ]]\n[[ $output =~ \\\"code\\\":400 ]]",
            json!({ "deny": null, "code": 400 }),
        ),
        (
            "RUN\necho \"$output\" | grep -qi '\"ALLOWED\":false' || echo\necho $output | grep -E '\"allowed\": ?false'\ngrep -i OWNER <<<$output",
            json!({ "deny": { "matches": "(?i:OWNER)" } }),
        ),
        ("RUN\ncase $output in *allowed*true*) return 1;; esac", json!("deny")),
        (
            "RUN\n[ -z \"$(jq -r '.patch // empty' <<<$output)\" ]\n[ \"$(jq .allowed <<<$output)\" = true ]",
            json!("allow"),
        ),
        ("RUN\n[ \"$(jq -r .patch <<<$output)\" = null ]\njq -e '.allowed' <<<$output", json!("allow")),
        ("RUN\njq -e 'has(\"patch\") and .allowed' <<<$output", json!("mutate")),
        (
            "RUN\n[ \"$(jq -r .patch <<<$output | base64 -d | jq -r '.[0].path')\" = /spec/x ]",
            json!({ "mutate": { "includes": [{ "path": "/spec/x" }] } }),
        ),
        (
            "RUN\n[ \"$(jq -r '.patch | @base64d | fromjson | .[] | select(.path == \"/spec/x\") | .value' <<<$output)\" = 3 ]",
            json!({ "mutate": { "includes": [{ "path": "/spec/x", "value": 3 }] } }),
        ),
        (
            "RUN\n[[ \"$(jq -r .patch <<<$output | base64 -d)\" == *'\"op\":\"add\",\"path\":\"/spec/x\"'* ]]",
            json!({ "mutate": { "includes": [{ "op": "add", "path": "/spec/x" }] } }),
        ),
        (
            "RUN\n[[ $output == *'\"checked\":\"yes\"'* && $output == *'\"allowed\":true'* ]]",
            json!({ "response": { "allowed": true, "auditAnnotations": { "checked": "yes" } } }),
        ),
        ("RUN\n[[ $output == *'\"allowed\":false'*'\"message\":\"a \\\"b\\\" c\"'* ]]", json!({ "deny": "a \"b\" c" })),
        ("run command kwctl run -r a.json policy.wasm\n[[ $output == *'\"allowed\":true,'* ]]", json!("accept")),
        ("K=$(which kwctl)\n\"$K\" run -r a.json policy.wasm | grep -q 'allowed\":true'", json!("accept")),
        ("set -- a.json\nkwctl run -r \"$1\" policy.wasm | grep -q 'allowed\":true'", json!("accept")),
        (
            "f() { local settings=$1; kwctl run -r a.json --settings-json \"$settings\" policy.wasm; }\nrun f '{ }'\n[[ $output == *'allowed\":true'* ]]",
            json!("accept"),
        ),
        ("eval \"RUN\"\n[[ $output == *'allowed\":true'* ]]", json!("accept")),
        ("(cd \"$BATS_TEST_DIRNAME\" && kwctl run -r a.json policy.wasm | grep -q 'allowed\":true')", json!("accept")),
        (
            "RUN\nfor word in owner team; do [[ $output == *$word* ]]; done\n[[ $output == *'allowed\":false'* ]]",
            json!({ "deny": { "contains": ["owner", "team"] } }),
        ),
        (
            "RUN\nassert_output --partial - <<EOF\nno owner\nEOF\nrefute [ \"$(jq .allowed <<<$output)\" = true ]",
            json!({ "deny": { "contains": "no owner" } }),
        ),
    ] {
        let body = body.replace("RUN", RUN);
        let (imported, suite) = translated(&format!("@test \"a\" {{\n{body}\n}}\n"));
        assert_eq!(imported.tests[0].fate, Fate::Whole, "{body}");
        assert_eq!(expect(&suite, "a"), expected, "{body}");
    }
}

#[test]
fn tags_are_kept() {
    let run = "{ kwctl run -r a.json policy.wasm | grep -q 'allowed\":true'; }";
    let (_, suite) =
        translated(&format!("# bats file_tags=slow\n# bats test_tags=a, b\n@test \"one\" {run}\n@test two {run}\n"));
    assert_eq!(case(&suite, "one")["tags"], json!(["slow", "a", "b"]));
    assert_eq!(case(&suite, "two")["tags"], json!(["slow"]));
}

#[test]
fn weak_expectations_are_marked() {
    let weakness = |body: &str| {
        let (imported, _) =
            translated(&format!("@test \"a\" {{\nrun kwctl run -r a.json -s b.json policy.wasm\n{body}\n}}\n"));
        imported.tests[0].cases[0].weakness
    };
    for (body, expected) in [
        ("[[ $output == *allowed\\\":true* ]]", Some(Weakness::Accept)),
        ("[[ $output == *allowed\\\":true* ]]; [[ $output != *patch* ]]", None),
        ("[[ $output == *JSONPatch* ]]", Some(Weakness::Mutate)),
        ("[[ $output == *allowed\\\":false* ]]", Some(Weakness::Deny)),
        ("[[ $output == *allowed\\\":false* ]]; [[ $output == *owner* ]]", None),
        ("[[ $output == *allowed\\\":false* ]]; [[ $output == *code\\\":400* ]]", None),
        ("[ $status -eq 1 ]", Some(Weakness::Invalid)),
        ("[ $status -eq 1 ]; [[ $output == *owner* ]]", None),
        ("[ $status -eq 0 ]", Some(Weakness::Valid)),
    ] {
        assert_eq!(weakness(body), expected, "{body}");
    }
}

#[test]
fn reasons_name_what_is_missing() {
    for (body, expected) in [
        ("run kwctl run -r a.json policy.wasm", "no assertion about the answer"),
        ("run kwctl run policy.wasm", "kwctl is called without `--request-path`"),
        ("run kwctl run -r \"$UNKNOWN/a.json\" policy.wasm", "the value of `UNKNOWN` is unknown"),
        ("run kwctl run -r a.json --strange x policy.wasm", "unsupported flag `--strange` of kwctl"),
        (
            "kwctl run -r ../../a.json policy.wasm | grep -q 'allowed\":true'",
            "`../a.json` is not inside of the repository",
        ),
        ("kwctl run -r a.json --settings-json '{' policy.wasm | grep -q 'allowed\":true'", "invalid settings"),
        ("docker run kwctl run", "unsupported command `docker`"),
        ("for f in none/*.json; do kwctl run -r $f policy.wasm; done", "no file matches `none/*.json`"),
        (
            "run kwctl run -r a.json policy.wasm; [ $status -eq 1 ]",
            "the exit code of kwctl is not 0, and no reason is asserted",
        ),
        (
            "run kwctl run -r a.json policy.wasm; [[ $output == *owner* ]]",
            "the verdict is not asserted; a message is, so a rejection is expected",
        ),
        (
            "kwctl run -r a.json policy.wasm | jq -e 'reduce .a as $x (0; 1)'",
            "unsupported jq filter `reduce .a as $x (0; 1)`",
        ),
        ("echo hello", "no `kwctl run`"),
        (
            "run kwctl run -r a.json policy.wasm; [[ $output =~ 'allowed\":true' ]] || [[ $output =~ owner ]]",
            "one of several answers is accepted",
        ),
        (
            "run kwctl run -r a.json policy.wasm; [[ $output =~ 'allowed\":true' ]]; [[ $output =~ 'allowed\":false' ]]",
            "contradicting assertions",
        ),
    ] {
        let (imported, _) = translated(&format!("@test \"a\" {{\n{body}\n}}\n"));
        let (Fate::Partly(reasons) | Fate::Not(reasons)) = &imported.tests[0].fate else { panic!("{body}: whole") };
        assert!(reasons.iter().any(|reason| reason.text == expected), "{body}: {reasons:?}");
    }
}

#[test]
fn what_bash_ignores_is_not_asserted() {
    const RUN: &str = "run kwctl run -r a.json policy.wasm";
    const DENIED: &str = "[[ $output == *'allowed\":false'* ]]";
    for (body, lost, expected) in [
        // The last command is the status of the test, and of functions.
        ("DENIED && [[ $output == *owner* ]]", None, json!({ "deny": { "contains": "owner" } })),
        ("DENIED\n! grep -q owner <<<\"$output\"", None, json!({ "deny": { "not": "owner" } })),
        ("f() { DENIED && [[ $output == *owner* ]]; }\nf\necho done", None, json!({ "deny": { "contains": "owner" } })),
        ("DENIED\nf() { ! grep -q owner <<<\"$output\"; }\nf\necho done", None, json!({ "deny": { "not": "owner" } })),
        ("DENIED\nif true; then ! grep -q owner <<<\"$output\"; fi", None, json!({ "deny": { "not": "owner" } })),
        ("DENIED\n( ! grep -q owner <<<\"$output\" )\necho done", None, json!({ "deny": { "not": "owner" } })),
        ("DENIED\nrun ! grep -q owner <<<\"$output\"\necho done", None, json!({ "deny": { "not": "owner" } })),
        ("DENIED && [[ $output == *owner* ]] || fail\necho done", None, json!({ "deny": { "contains": "owner" } })),
        ("DENIED || false\necho done", None, json!("deny")),
        ("true && DENIED\necho done", None, json!("deny")),
        // All others are ignored.
        ("DENIED\n[[ $status == 0 ]] && [[ $output == *owner* ]]\necho done", Some("`&&`"), json!("deny")),
        ("DENIED\n! grep -q owner <<<\"$output\"\necho done", Some("`!`"), json!("deny")),
        ("DENIED\n{ ! grep -q owner <<<\"$output\"; }\necho done", Some("`!`"), json!("deny")),
        ("DENIED\nif true; then ! grep -q owner <<<\"$output\"; fi\necho done", Some("`!`"), json!("deny")),
        ("DENIED\nfor i in 1; do ! grep -q owner <<<\"$output\"; done\necho done", Some("`!`"), json!("deny")),
        ("DENIED\nfalse || ! grep -q owner <<<\"$output\"\necho done", Some("`!`"), json!("deny")),
        (
            "DENIED\nf() { [[ $output == *x* ]]; [[ $output == *owner* ]]; }\nf || fail",
            None,
            json!({ "deny": { "contains": "owner" } }),
        ),
        (
            "DENIED\nset -o pipefail\ngrep owner <<<\"$output\" | grep -q no",
            None,
            json!({ "deny": { "contains": ["owner", "no"] } }),
        ),
        ("DENIED\ngrep owner <<<\"$output\" | grep -q no", None, json!({ "deny": { "contains": "no" } })),
        (
            "DENIED\nbash -o pipefail -c 'grep owner | grep -q no' <<<\"$output\"",
            None,
            json!({ "deny": { "contains": ["owner", "no"] } }),
        ),
        ("DENIED\ngrep -v owner <<<\"$output\" | jq -e '.allowed == false'", None, json!("deny")),
        // Lines are not the whole output.
        ("DENIED\ngrep -qv owner <<<\"$output\"", Some("`grep -v`"), json!("deny")),
        ("DENIED\n[ $(grep -c message <<<\"$output\") -eq 1 ]", Some("`message` may be a key"), json!("deny")),
        ("DENIED\n[ $(grep -c 'no owner' <<<\"$output\") -eq 1 ]", None, json!({ "deny": { "contains": "no owner" } })),
    ] {
        let text = format!("@test \"a\" {{\n{RUN}\n{}\n}}\n", body.replace("DENIED", DENIED));
        let (imported, suite) = translated(&text);
        let told = match &imported.tests[0].fate {
            Fate::Whole => None,
            Fate::Partly(reasons) | Fate::Not(reasons) => {
                Some(reasons.iter().map(|reason| reason.text.as_str()).collect::<Vec<_>>().join("; "))
            }
        };
        assert_eq!(told.is_some(), lost.is_some(), "{body}: {told:?}");
        assert!(told.as_ref().is_none_or(|told| told.contains(lost.unwrap_or_default())), "{body}: {told:?}");
        assert_eq!(expect(&suite, "a"), expected, "{body}");
    }
}

#[test]
fn names_are_unique_and_files_share_a_suite() {
    let test = "@test \"same\" {\n  run kwctl run -r a.json policy.wasm\n  [[ $output == *'allowed\":true'* ]]\n}\n";
    let files = [file("a/one.bats", test), file("b/two.bats", &test.repeat(2)), file("b/helper.bash", "x() { :; }")];
    let imported = bats(&files, &Context { folder: "suites".to_owned(), policy: "own".to_owned(), files: Vec::new() });
    let suite: Value = serde_saphyr::from_str(&imported.draft.to_yaml()).unwrap();
    assert_eq!(case(&suite, "same")["request"], "../a/a.json");
    assert_eq!(case(&suite, "same (2)")["request"], "../b/a.json");
    assert_eq!(case(&suite, "same (3)")["policy"], "own-2");
    assert_eq!(imported.tests.len(), 3);
}

#[test]
fn helpers_of_other_files_are_loaded() {
    let helper =
        "expect_denied() {\n  run kwctl run -r \"$1\" policy.wasm\n  [[ $output == *'allowed\":false'* ]]\n}\n";
    let files = [
        file("a/one.bats", "load helper\n@test \"a\" {\n  expect_denied bad.json\n}\n"),
        file("a/helper.bash", helper),
    ];
    let imported = bats(&files, &Context { folder: "a".to_owned(), policy: "own".to_owned(), files: Vec::new() });
    assert_eq!(imported.tests[0].fate, Fate::Whole);
}

/// Each of these would take for ever, or all memory, or the whole stack.
#[test]
fn hostile_files_end_quickly() {
    let test = |body: &str| format!("@test \"a\" {{\n{body}\n}}\n");
    let deep = 100_000;
    for (name, text) in [
        ("substitutions", test(&format!("echo {}x{}", "$(echo ".repeat(deep), ")".repeat(deep)))),
        ("unclosed parentheses", test(&"( ".repeat(deep))),
        ("unclosed arithmetic", test(&"(( ".repeat(deep))),
        ("unclosed expansions", test(&"${a:-".repeat(deep))),
        ("expansions", test(&format!("echo {}{}", "${a:-".repeat(deep), "}".repeat(deep)))),
        ("conditions", test(&format!("[[ {}a{} ]]", "( ".repeat(deep), " )".repeat(deep)))),
        ("many conditions", test(&format!("[[ a {} ]]", "&& a ".repeat(deep)))),
        ("negations", test(&format!("[[ {}a ]]", "! ".repeat(deep)))),
        ("blocks", test(&format!("{}x{}", "if a; then ".repeat(deep), "; fi".repeat(deep)))),
        ("functions", test(&"f() ".repeat(deep))),
        ("braces", test(&format!("echo {}", "{a,b}".repeat(1000)))),
        ("nested braces", test(&format!("echo {}{}", "{a,".repeat(deep), "}".repeat(deep)))),
        ("a range", test("for i in {1..999999999}; do kwctl run -r $i policy.wasm; done")),
        ("a loop", test("while true; do run kwctl run -r a.json policy.wasm; done")),
        (
            "nested loops",
            test(&format!(
                "{}kwctl run -r $i policy.wasm{}",
                "for i in 1 2 3 4 5 6; do ".repeat(12),
                "; done".repeat(12)
            )),
        ),
        ("recursion", test("f() { f; f; }\nf")),
        ("mutual recursion", test("f() { g \"$@\" x; }\ng() { f \"$@\" x; }\nf")),
        ("doubling", test("x=aaaaaaaaaa\nwhile :; do x=\"$x$x\"; done")),
        ("doubling a file", test("echo aaaaaaaa > f\nwhile :; do cat f f > g; cat g g > f; done")),
        ("doubling commands", test("x='echo a'\nwhile :; do x=\"$x; $x\"; eval \"$x\"; done")),
        (
            "conditions of conditions",
            test(
                "run kwctl run -r a.json policy.wasm\nwhile :; do run eval '[ $status -eq 0 ] && [ $status -eq 0 ]'; done",
            ),
        ),
        (
            "a long test",
            test(&format!(
                "run kwctl run -r a.json policy.wasm\n[ {} $status -eq 0 ]",
                "$status -eq 0 -a ".repeat(9_000)
            )),
        ),
        (
            "large variables and many tests",
            format!(
                "X=aaaaaaaaaa\nfor i in {{1..16}}; do X=$X$X; done\n{}",
                test("run kwctl run -r $X policy.wasm").repeat(10_000)
            ),
        ),
        (
            "large settings and many runs",
            test(&format!(
                "S='{{\"a\": \"{}\"}}'\nfor i in {{1..900}}; do run kwctl run -r a.json --settings-json \"$S\" policy.wasm; [[ $output == *'allowed\":true'* ]]; done",
                "a".repeat(100_000)
            )),
        ),
        ("prefixes", test(&"env command ".repeat(4_000))),
        ("nested calls", test(&format!("f() {{ {} f {}; }}\nf", "if :; then ".repeat(30), "; fi".repeat(30)))),
        ("eval of itself", test("x='eval \"$x\"'\neval \"$x\"")),
        (
            "doubling conditions",
            test("run kwctl run -r a.json policy.wasm\nwhile :; do f() { [[ $output == a ]] && f; }; f; done"),
        ),
        ("a long line", test(&"a ".repeat(1 << 19))),
        ("a long word", test(&"a".repeat(1 << 20))),
        (
            "a long literal",
            test(&format!("run kwctl run -r a.json --settings-json '{}' policy.wasm", "[".repeat(1 << 20))),
        ),
        (
            "a long pattern",
            test(&format!("run kwctl run -r a.json policy.wasm\n[[ $output =~ {} ]]", "(a*)*".repeat(1 << 17))),
        ),
        ("a large repetition", test("run kwctl run -r a.json policy.wasm\n[[ $output =~ ((a{999}){999}){999} ]]")),
        ("jq", test(&format!("kwctl run -r a.json policy.wasm | jq '{}'", "(".repeat(10_000)))),
        ("long jq", test(&format!("kwctl run -r a.json policy.wasm | jq '.{}'", "|.".repeat(5_000)))),
        ("arithmetic", test(&format!("(( {} ))", "(".repeat(deep)))),
        ("here-documents", test(&"cat <<A\n".repeat(10_000))),
        ("quotes", test(&"\"'".repeat(deep))),
        ("backquotes", test(&"`echo \\".repeat(10_000))),
        ("many tests", "@test \"a\" {\n".repeat(20_000)),
        ("nothing but a name", "@test ".to_owned()),
        ("control characters", "@test \"\u{0}\u{7}\u{85}\" {\n\u{0}\u{1b}[0m\n}".to_owned()),
        ("a huge file", "#".repeat(5 << 20)),
    ] {
        let start = std::time::Instant::now();
        let imported = bats(&[file("e2e.bats", &text)], &context());
        let yaml = imported.draft.to_yaml();
        let parsed: Result<Value, _> = serde_saphyr::from_str(&yaml);
        assert!(parsed.is_ok() || yaml.len() > 1 << 20, "{name}: {:?}", parsed.err());
        let whole = imported.tests.iter().filter(|row| row.fate == Fate::Whole).count();
        assert_eq!(whole, 0, "{name}");
        assert!(start.elapsed().as_secs() < 20, "{name}: {:?}", start.elapsed());
    }
}
