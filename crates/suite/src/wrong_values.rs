//! Tests: a wrong value outside cases is one mistake, at its own line.

use std::path::Path;

use serde_json::{Value, json};

use super::read::{Fields as _, key_of};
use super::schema::{
    CheckEntry, DefaultsEntry, GroupEntry, MemberEntry, PolicyEntry, PublishEntry, ResourceEntry, SignedByEntry,
    SuiteFile,
};

/// A suite in which everything is used by something else.
const SUITE: &str = "\
version: 1
name: a suite
requires: \">=0.1\"
vars:
  image: web
crds:
- crd.yaml
defaults:
  policy: p
policies:
  p:
    uri: registry://ghcr.io/acme/p:v1
    metadata: metadata.yml
    usage: README.md
    settings: settings.yml
    variants: { strict: { level: 2 } }
    mode: protect
    allowedToMutate: true
    message: rejected
    contextAware:
    - apiVersion: v1
      kind: Pod
    hostCapabilities: ['oci/*']
    executionMode: kubewarden-wapc
    compat: strict
    signedBy:
      githubOwner: acme
      githubRepo: p
      annotations: { env: prod }
      acceptBundles: true
    check:
      version: '1.0'
      mutating: true
      hostCapabilities: [oci]
      size: '<= 5MiB'
  q:
    manifest: policy.yaml
  r:
    manifest: group.yaml
    modules: { pods: registry://ghcr.io/acme/p:v1 }
groups:
  g:
    expression: m()
    message: rejected
    mode: protect
    compat: strict
    members:
      m:
        policy: p
cases:
- { name: one, policy: p, object: pod.yaml, variant: strict, expect: allow }
- { name: two, object: { apiVersion: acme.test/v1, kind: Widget, metadata: { name: '${image}' } }, expect: deny }
- { name: three, policy: g, object: pod.yaml, expect: { deny: , members: { m: deny } } }
- { name: four, policy: q, object: pod.yaml, expect: deny }
- { name: five, policy: r, object: pod.yaml, expect: { deny: , members: { pods: deny } } }
settingsCases:
- { name: six, policy: p, value: {}, expect: valid }
publish:
- policy: p
  to: ghcr.io/acme/p
  tags: [v1, latest]
  immutable: [v1]
";

/// The files that the suite names.
const FILES: [(&str, &str); 6] = [
    ("pod.yaml", "{ apiVersion: v1, kind: Pod, metadata: { name: web } }"),
    ("settings.yml", "level: 1"),
    ("metadata.yml", "rules: []"),
    ("README.md", "text"),
    (
        "crd.yaml",
        "{ apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: { name: widgets.acme.test }, \
         spec: { group: acme.test, scope: Namespaced, names: { kind: Widget, plural: widgets }, versions: [{ name: v1, \
         served: true, storage: true }] } }",
    ),
    (
        "policy.yaml",
        "{ apiVersion: policies.kubewarden.io/v1, kind: ClusterAdmissionPolicy, metadata: { name: q }, spec: { module: \
         'registry://ghcr.io/acme/p:v1', mutating: false, rules: [{ apiGroups: [''], apiVersions: [v1], resources: \
         [pods], operations: [CREATE] }] } }",
    ),
];

/// A manifest of a group with the member `pods`.
const GROUP: &str = "{ apiVersion: policies.kubewarden.io/v1, kind: ClusterAdmissionPolicyGroup, metadata: { name: r }, spec: { \
     expression: pods(), message: rejected, rules: [{ apiGroups: [''], apiVersions: [v1], resources: [pods], \
     operations: [CREATE] }], policies: { pods: { module: 'registry://ghcr.io/acme/p:v1' } } } }";

/// Where the entries are, and their fields.
const ENTRIES: [(&str, &[(&str, &str)]); 9] = [
    ("", SuiteFile::FIELDS),
    ("/policies/p", PolicyEntry::FIELDS),
    ("/policies/p/contextAware/0", ResourceEntry::FIELDS),
    ("/policies/p/signedBy", SignedByEntry::FIELDS),
    ("/policies/p/check", CheckEntry::FIELDS),
    ("/groups/g", GroupEntry::FIELDS),
    ("/groups/g/members/m", MemberEntry::FIELDS),
    ("/defaults", DefaultsEntry::FIELDS),
    ("/publish/0", PublishEntry::FIELDS),
];

/// What stands for the value under test, until the suite is text.
const MARK: &str = "\"the value under test\"";

/// A suite as JSON with a line per key, and the line of the value under test.
fn written(suite: &Value, value: &Value) -> (String, usize) {
    let text = serde_json::to_string_pretty(suite).unwrap();
    let line = text.lines().position(|line| line.contains(MARK)).map_or(0, |index| index + 1);
    (text.replace(MARK, &value.to_string()), line)
}

/// A repository with the files of the suite.
fn repository() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join(".git")).unwrap();
    for (path, text) in FILES.iter().chain([&("group.yaml", GROUP)]) {
        std::fs::write(folder.path().join(path), text).unwrap();
    }
    folder
}

/// The mistakes of a suite, as `line: message`.
fn mistakes(repository: &Path, suite: &str) -> Vec<String> {
    let path = repository.join("suite.yml");
    std::fs::write(&path, suite).unwrap();
    let found = super::suite(&path, &super::Overrides::default(), |_| Ok(())).err().unwrap_or_default();
    found.iter().map(|it| format!("{}: {}", it.span.as_ref().map_or(0, |span| span.line), it.message)).collect()
}

/// Values that have a mistake of their own in them, or lack names that cases use.
fn is_other_mistake(key: &str, value: &Value) -> bool {
    match value {
        Value::Object(_) => ["vars", "policies", "groups", "variants", "members", "modules"].contains(&key),
        Value::Array(items) if items[0].is_object() => {
            ["cases", "settingsCases", "publish", "contextAware", "chain", "relations"].contains(&key)
        }
        _ => false,
    }
}

#[test]
fn a_wrong_value_outside_cases_is_one_mistake_at_its_own_line() {
    let suite: Value = serde_saphyr::from_str(SUITE).unwrap();
    let repository = repository();
    assert_eq!(mistakes(repository.path(), &written(&suite, &Value::Null).0), Vec::<String>::new());
    let mut wrong = Vec::new();
    for (place, fields) in ENTRIES {
        for (_, field) in fields {
            let key = key_of(field);
            let mut is_noticed = false;
            for value in [json!(3), json!([[3]]), json!({ "zzz": [3] }), json!([{ "zzz": 3 }]), json!("${zzz}")] {
                if is_other_mistake(&key, &value) {
                    continue;
                }
                let mut suite = suite.clone();
                let entry = suite.pointer_mut(place).unwrap().as_object_mut().unwrap();
                if place == "/defaults" && ["group", "chain"].contains(&key.as_str()) {
                    entry.remove("policy");
                }
                entry.insert(key.clone(), MARK.trim_matches('"').into());
                let (text, line) = written(&suite, &value);
                let found = mistakes(repository.path(), &text);
                is_noticed |= !found.is_empty();
                if found.len() > 1 || !found.iter().all(|it| it.starts_with(&format!("{line}: "))) {
                    wrong.push(format!("{place}/{key}: {value} (line {line}): {found:#?}"));
                }
            }
            if !is_noticed {
                wrong.push(format!("{place}/{key} may have any value"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} values\n{}", wrong.len(), wrong.join("\n"));
}
