//! What editors offer besides keys and their meaning: titles, examples, usual values, names of host capabilities.

use policy_verify_host as host;
use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::flow;
use serde_json::{Map, Value, json};

use super::reference::title;

/// What the schema is called, whatever its address. It changes with the version of the format.
const ID: &str = "urn:policy-verify:suite:1";

/// Values of keys where none is written: definition, key, value.
const USUAL: &[(&str, &str, &str)] = &[
    ("CaseEntry", "rules", r#""enforce""#),
    ("CaseEntry", "timeout", r#""2s""#),
    ("CaseEntry", "clock", r#""2026-01-01T00:00:00Z""#),
    ("CaseEntry", "dryRun", "false"),
    ("PolicyEntry", "allowedToMutate", "true"),
    ("PolicyEntry", "mode", r#""protect""#),
    ("PolicyEntry", "compat", r#""strict""#),
    ("PolicyEntry", "contextAware", "false"),
    ("SettingsCaseEntry", "timeout", r#""2s""#),
];

/// Values to begin with: definition, key, values.
const EXAMPLES: &[(&str, &str, &str)] = &[
    ("", "vars", r#"[{ "team": "team-a" }]"#),
    ("", "include", r#"[["../shared/kube-system.cases.yml"]]"#),
    ("", "crds", r#"[["config/crd/*.yaml"]]"#),
    ("", "policies", r#"[{ "policy": { "uri": "policy.wasm", "metadata": "metadata.yml" } }]"#),
    ("PolicyEntry", "uri", r#"["policy.wasm", "registry://ghcr.io/kubewarden/policies/safe-labels:v1.0.0"]"#),
    ("PolicyEntry", "metadata", r#"["metadata.yml"]"#),
    ("PolicyEntry", "manifest", r#"["deploy/policy.yaml"]"#),
    ("PolicyEntry", "settings", r#"[{ "mandatory_labels": ["owner"] }, "settings.yml"]"#),
    ("PolicyEntry", "variants", r#"[{ "strict": { "mandatory_labels": ["owner", "cost-center"] } }]"#),
    ("CaseEntry", "name", r#"["rejects a pod without an owner"]"#),
    ("CaseEntry", "object", r#"["fixtures/pod.yaml", "fixtures/all.yaml#Pod/web"]"#),
    ("CaseEntry", "objects", r#"["rendered/**/*.yaml"]"#),
    ("CaseEntry", "request", r#"["fixtures/review.json"]"#),
    ("CaseEntry", "settings", r#"[{ "mandatory_labels": ["owner"] }, "settings.yml"]"#),
    ("CaseEntry", "set", r#"[{ "metadata.labels.owner": "team-a" }, { "spec.containers[0].image": "nginx:1" }]"#),
    ("CaseEntry", "unset", r#"[["metadata.labels.owner"]]"#),
    ("CaseEntry", "each", r#"[[{ "owner": "team-a", "verdict": "allow" }, { "owner": "", "verdict": "deny" }]]"#),
    ("CaseEntry", "matrix", r#"[{ "operation": ["CREATE", "UPDATE"] }]"#),
    ("CaseEntry", "user", r#"["alice", { "username": "alice", "groups": ["system:authenticated"] }]"#),
    ("CaseEntry", "cluster", r#"[["fixtures/ingress.yaml"]]"#),
    ("CaseEntry", "replay", r#"["sessions/signed.yml"]"#),
    ("CaseEntry", "host", r#"[{ "net/v1/dns_lookup_host": { "registry.test": ["10.0.0.7"] } }]"#),
    ("CaseEntry", "skip", r#"[{ "reason": "needs the v2 settings", "until": "2027-01-31" }]"#),
    ("CaseEntry", "tags", r#"[["wording"]]"#),
    (
        "CaseEntry",
        "expect",
        r#"["allow", { "deny": "the message" }, { "deny": { "contains": "owner" } }, { "mutate": { "object": { "metadata": { "labels": { "team": "a" } } } } }]"#,
    ),
    ("ExpectEntry", "warnings", "[[]]"),
    ("ExpectEntry", "code", "[400]"),
    ("SettingsCaseEntry", "value", r#"[{ "mandatory_labels": ["owner"] }]"#),
    ("SettingsCaseEntry", "expect", r#"["valid", { "invalid": { "contains": "owner" } }]"#),
    ("PublishEntry", "to", r#"["ghcr.io/acme/policies/safe-labels"]"#),
    ("PublishEntry", "tags", r#"[["v1.0.0", "latest"]]"#),
];

/// Keys whose texts are names of host capabilities.
const CAPABILITIES: &[(&str, &str)] = &[("CallEntry", "capability"), ("stringOrCallEntry", "")];

/// Adds all of it to a schema.
pub(super) fn add(schema: &mut Value) {
    schema["$id"] = ID.into();
    type_defaults(schema);
    name_definitions(schema);
    for (definition, key, value) in USUAL {
        let value = serde_json::from_str(value).unwrap_or_default();
        property(schema, definition, key).insert("default".to_owned(), value);
    }
    for (definition, key, values) in EXAMPLES {
        let values: Vec<Value> = serde_json::from_str(values).unwrap_or_default();
        let (snippets, examples): (Vec<Value>, Vec<Value>) = values.into_iter().partition(has_mapping);
        let property = property(schema, definition, key);
        if !examples.is_empty() {
            property.insert("examples".to_owned(), Value::Array(examples));
        }
        if !snippets.is_empty() {
            property.insert("defaultSnippets".to_owned(), snippets.into_iter().map(snippet).collect());
        }
    }
    let names: Vec<&str> = host::known_capabilities().to_vec();
    for (definition, key) in CAPABILITIES {
        property(schema, definition, key).insert("examples".to_owned(), json!(names));
    }
    for definition in ["CaseEntry", "SettingsCaseEntry", "DefaultsEntry"] {
        let answers = json!({ "type": ["object", "null"] });
        let known: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), answers.clone())).collect();
        property(schema, definition, "host").insert("properties".to_owned(), Value::Object(known));
    }
}

fn has_mapping(value: &Value) -> bool {
    match value {
        Value::Array(items) => items.iter().any(Value::is_object),
        other => other.is_object(),
    }
}

/// Editors have no name for a mapping among examples: as a snippet it has its own text.
fn snippet(body: Value) -> Value {
    let label = Node::of(&body).map(|node| flow::flow(&node)).unwrap_or_default();
    json!({ "label": label, "body": body })
}

/// The keys of `defaults` take what they take in cases.
fn type_defaults(schema: &mut Value) {
    let of_cases = schema["$defs"]["CaseEntry"]["properties"].clone();
    let Some(defaults) = schema["$defs"]["DefaultsEntry"]["properties"].as_object_mut() else { return };
    for (key, default) in defaults.iter_mut() {
        let (Some(of_case), Some(default)) = (of_cases[key].as_object(), default.as_object_mut()) else { continue };
        if default.keys().all(|key| key == "description") {
            let types = of_case.iter().filter(|(key, _)| *key != "description");
            default.extend(types.map(|(key, value)| (key.clone(), value.clone())));
        }
    }
}

fn name_definitions(schema: &mut Value) {
    let definitions = schema["$defs"].as_object_mut().into_iter().flatten();
    for (name, definition) in definitions.filter(|(name, _)| name.ends_with("Entry") && !name.contains("Or")) {
        definition["title"] = title(name).into();
    }
}

/// A property of a definition, or of the suite; without a key the definition itself.
fn property<'a>(schema: &'a mut Value, definition: &str, key: &str) -> &'a mut Map<String, Value> {
    let owner = if definition.is_empty() { schema } else { &mut schema["$defs"][definition] };
    let found = if key.is_empty() { owner } else { &mut owner["properties"][key] };
    if !found.is_object() {
        *found = json!({});
    }
    found.as_object_mut().expect("it is an object")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_name_what_there_is() {
        let plain = super::super::schema::plain_schema();
        let places = USUAL.iter().chain(EXAMPLES).map(|(definition, key, value)| (*definition, *key, Some(*value)));
        for (definition, key, value) in places.chain(CAPABILITIES.iter().map(|(it, key)| (*it, *key, None))) {
            let owner = if definition.is_empty() { &plain } else { &plain["$defs"][definition] };
            let found = if key.is_empty() { owner } else { &owner["properties"][key] };
            assert!(found.is_object(), "{definition}.{key}");
            assert!(value.is_none_or(|value| serde_json::from_str::<Value>(value).is_ok()), "{definition}.{key}");
        }
    }
}
