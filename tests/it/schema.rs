//! `verify schema`: for editors, and no stricter or looser than what reads the file.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use jsonschema::Validator;
use serde_json::Value;

use crate::support::{Repository, testdata};

static SCHEMA: LazyLock<String> = LazyLock::new(|| Repository::new().verify(&["schema"]).run().exits_with(0).stdout);

static VALIDATOR: LazyLock<Validator> = LazyLock::new(|| {
    let schema: Value = serde_json::from_str(&SCHEMA).unwrap();
    jsonschema::meta::validate(&schema).unwrap();
    jsonschema::validator_for(&schema).unwrap()
});

fn suites() -> Vec<PathBuf> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                walk(&path, found);
            } else if name == "suite.yml" || name.ends_with(".suite.yml") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&testdata().join("suites"), &mut found);
    found.sort();
    found
}

fn from_yaml(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

#[test]
fn the_schema_in_testdata_is_the_one_printed() {
    let stored = std::fs::read_to_string(testdata().join("suite.schema.json")).unwrap();
    assert!(stored == *SCHEMA, "bring it up to date: verify schema > testdata/suite.schema.json");
}

/// The values of a key anywhere in the schema, with the schema that has them.
fn hints(key: &str) -> Vec<(Value, Value)> {
    fn walk(schema: &Value, key: &str, found: &mut Vec<(Value, Value)>) {
        if let Some(members) = schema.as_object() {
            if let Some(hint) = members
                .get(key)
                .filter(|_| members.len() > 1 && !members.contains_key("properties") || key != "default")
            {
                found.push((schema.clone(), hint.clone()));
            }
            members.values().for_each(|member| walk(member, key, found));
        }
        schema.as_array().into_iter().flatten().for_each(|item| walk(item, key, found));
    }
    let mut found = Vec::new();
    walk(&serde_json::from_str(&SCHEMA).unwrap(), key, &mut found);
    found
}

#[test]
fn what_editors_offer_fits_the_schema() {
    let whole: Value = serde_json::from_str(&SCHEMA).unwrap();
    assert_eq!(whole["$id"], "urn:policy-verify:suite:1");
    let valid = |schema: &Value, value: &Value| {
        let mut alone = schema.clone();
        alone["$defs"] = whole["$defs"].clone();
        let errors: Vec<String> =
            jsonschema::validator_for(&alone).unwrap().iter_errors(value).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{value}");
    };
    let (examples, snippets, usual) = (hints("examples"), hints("defaultSnippets"), hints("default"));
    let numbers = [examples.len(), snippets.len(), usual.len()];
    assert!(numbers[0] >= 15 && numbers[1] >= 10 && numbers[2] >= 8, "{numbers:?}");
    examples.iter().for_each(|(schema, values)| values.as_array().unwrap().iter().for_each(|it| valid(schema, it)));
    for (schema, snippets) in &snippets {
        snippets.as_array().unwrap().iter().for_each(|it| valid(schema, &it["body"]));
    }
    usual.iter().for_each(|(schema, value)| valid(schema, value));
    let defaults = whole["$defs"]["DefaultsEntry"]["properties"].as_object().unwrap();
    for (key, schema) in defaults {
        assert!(["type", "anyOf", "$ref"].iter().any(|word| schema.get(word).is_some()), "`{key}` takes anything");
    }
}

#[test]
fn every_suite_of_the_project_fits_the_schema() {
    assert!(!suites().is_empty());
    for path in suites() {
        let text = std::fs::read_to_string(&path).unwrap();
        let errors: Vec<String> = VALIDATOR.iter_errors(&from_yaml(&text)).map(|error| error.to_string()).collect();
        assert_eq!(errors, Vec::<String>::new(), "{}", path.display());
        // Those that the documentation quotes are whole without it.
        let line = text.lines().next().unwrap();
        if let Some(named) = line.strip_prefix("# yaml-language-server: $schema=") {
            assert!(path.parent().unwrap().join(named).is_file(), "{}: {named}", path.display());
        } else {
            assert!(path.starts_with(testdata().join("suites/docs")), "{}: {line}", path.display());
        }
    }
}

const HEAD: &str = "version: 1\npolicies: { a: { uri: a.wasm } }\n";

#[test]
fn schema_accepts_what_verify_accepts() {
    for text in [
        "cases: []",
        "x-anything: { a: [1] }\ncases: [{ name: a, x-note: 1, object: pod.yaml, expect: allow }]",
        "vars: { a: 1, b: [x], c: { d: e } }",
        "cases: [{ name: a, object: { kind: Pod }, expect: { deny: { contains: a, matches: [b, c], not: d }, code: 400 } }]",
        "cases: [{ name: a, objects: [a/*.yaml, b.yaml], policy: [a, b.wasm], expect: { mutate: { only: /a, idempotent: true } } }]",
        "cases: [{ name: a, request: r.json, skip: { reason: b, until: 2027-01-31 }, expect: { response: r.json, exactly: true } }]",
        "cases: [{ name: a, raw: [1], skip: b, xfail: c, timeout: 1s, tags: [d], expect: not-applicable }]",
        "cases: [{ name: a, object: a, user: bob, operation: UPDATE, wrap: CronJob, dryRun: true, rules: ignore, expect: { fault: timeout } }]",
        "cases: [{ name: a, object: a, user: { username: bob, groups: [] }, expect: { fault: { kind: guest, contains: a } } }]",
        "cases: [{ name: a, each: [{ v: allow, d: true }], object: a, dryRun: \"${d}\", expect: \"${v}\" }]",
        "cases: [{ name: a, matrix: { k: [Pod] }, object: a, wrap: \"${k}\", expect: { mutate: } }]",
        "cases: [{ name: a, object: a, expect: { deny: } }, { name: b, object: a, expect: { allow: } }]",
        "cases: [{ name: a, object: a, set: { a.b: null }, unset: [c], host: { net/v1/dns_lookup_host: { a: [b] } }, expect: accept }]",
        "settingsCases: [{ name: a, value: s.json, expect: valid }, { name: b, value: {}, expect: { invalid: { not: c } } }]",
        "defaults: { policy: a, tags: [b], timeout: 1s, user: { username: c } }",
    ] {
        let suite = from_yaml(&format!("{HEAD}{text}\n"));
        let errors: Vec<String> =
            VALIDATOR.iter_errors(&suite).map(|error| format!("{error} at {}", error.instance_path())).collect();
        assert_eq!(errors, Vec::<String>::new(), "{text}");
    }
}

#[test]
fn schema_rejects_what_verify_rejects_by_shape() {
    for text in [
        "case: []",
        "cases: { name: a }",
        "cases: [{ object: a, expect: allow }]",
        "cases: [{ name: a, object: a }]",
        "cases: [{ name: a, objet: a, expect: allow }]",
        "cases: [{ name: a, object: a, expect: alow }]",
        "cases: [{ name: a, object: a, expect: { denied: b } }]",
        "cases: [{ name: a, object: a, expect: { deny: { contain: b } } }]",
        "cases: [{ name: a, object: a, expect: { fault: oops } }]",
        "cases: [{ name: a, object: a, expect: { fault: settings } }]",
        "cases: [{ name: a, object: a, operation: create, expect: allow }]",
        "cases: [{ name: a, object: a, wrap: Service, expect: allow }]",
        "cases: [{ name: a, object: a, dryRun: maybe, expect: allow }]",
        "cases: [{ name: a, object: 7, expect: allow }]",
        "cases: [{ name: a, object: a, unset: b, expect: allow }]",
        "cases: [{ name: a, object: a, each: { b: c }, expect: allow }]",
        "settingsCases: [{ name: a, value: {}, expect: allow }]",
        "settingsCases: [{ name: a, expect: valid }]",
        "defaults: { expect: allow }",
    ] {
        let text = format!("{HEAD}{text}\n");
        assert!(!VALIDATOR.is_valid(&from_yaml(&text)), "{text}");
        // The two do not drift apart.
        Repository::with_suite(&text)
            .guest("wapc-accepts")
            .write("a.wasm", "")
            .write("a", "kind: Pod")
            .verify(&["list"])
            .run()
            .exits_with(2);
    }
    for text in [
        "policies: { a: { uri: a.wasm } }",
        "version: 2",
        "version: 1\npolicies: { a: {} }",
        "version: 1\npolicies: { a: { uri: b, mode: audit } }",
    ] {
        assert!(!VALIDATOR.is_valid(&from_yaml(text)), "{text}");
        Repository::with_suite(text).verify(&["list"]).run().exits_with(2);
    }
}
