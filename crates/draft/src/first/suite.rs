//! The suite of a policy that has none.

use indexmap::IndexMap;
use policy_verify_model::kind::KnownKind;
use policy_verify_model::policy::{ExecutionMode, Metadata, PolicyType, Rule, RuleOperation};
use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::flow;

use super::case::Cases;
use super::questions::without;
use crate::draft::{Draft, Entry};
use crate::imported::WrittenFile;
use crate::{requests, scope};

/// Longest text of a policy in a comment, in characters.
const LONGEST_MESSAGE: usize = 1000;

/// The first Kubewarden that runs policies compiled by ferricel.
const FERRICEL_SINCE: &str = "1.39";

/// Most settings cases about members that are left out.
const MOST_REQUIRED: usize = 20;

/// What is known about a policy.
#[derive(Debug, Clone, Default)]
pub struct Subject {
    /// Its name in the suite.
    pub name: String,
    /// Its module, as the suite names it: a path or a URI.
    pub module: String,
    /// The file with its metadata, where the module has none.
    pub metadata_file: Option<String>,
    /// Its metadata.
    pub metadata: Option<Metadata>,
    /// How it is called, where nothing but the suite says so.
    pub execution_mode: Option<ExecutionMode>,
    /// The kinds of Kubernetes.
    pub kinds: Vec<KnownKind>,
}

/// Settings of the suite, and where they are from.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// The settings.
    pub value: IndexMap<String, Node>,
    /// Members without which they are incomplete, by their paths.
    pub required: Vec<String>,
    /// What is to be said about them, above the policy.
    pub comments: Vec<String>,
}

/// A suite, and the files it names.
#[derive(Debug, Clone, Default)]
pub struct FirstSuite {
    /// The suite.
    pub draft: Draft,
    /// The files beside it.
    pub files: Vec<WrittenFile>,
    /// The names of its cases.
    pub cases: Vec<String>,
    /// The names of its settings cases; the first one is about the settings of the policy.
    pub settings_cases: Vec<String>,
    /// What it leaves out, and what is guessed.
    pub notes: Vec<String>,
}

/// A suite whose expectations are still to be completed: all say `accept` or `valid`.
pub fn suite(subject: &Subject, settings: &Settings) -> FirstSuite {
    let mut cases = Cases::default();
    let mut notes = add_cases(subject, &mut cases);
    let mut draft = Draft::default();
    let guessed = cases.guessed();
    if !guessed.is_empty() {
        let kinds = guessed.join(", ");
        notes.push(format!("{} has guesses, replace them with the real definitions: {kinds}", scope::FILE));
        draft.keys.insert("crds".to_owned(), Node::List(vec![Node::text(scope::FILE)]));
    }
    draft.comments = head(subject, &notes);
    if mode(subject) == Some(ExecutionMode::Ferricel) {
        draft.keys.insert("kubewarden".to_owned(), Node::text(FERRICEL_SINCE));
    }
    add_cluster(subject, &mut draft);
    draft.policies.insert(subject.name.clone(), policy(subject, settings));
    if !settings.comments.is_empty() {
        let comments = settings.comments.iter().map(|text| text.chars().take(LONGEST_MESSAGE).collect());
        draft.notes.insert("policies".to_owned(), comments.collect());
    }
    draft.cases.append(&mut cases.entries);
    draft.cases.extend(next(&cases));
    let settings_cases = add_settings_cases(subject, settings, &mut draft);
    let names = std::mem::take(&mut cases.names);
    FirstSuite { draft, files: cases.into_files(), cases: names, settings_cases, notes }
}

/// Adds the cases, and tells what has none.
fn add_cases(subject: &Subject, cases: &mut Cases) -> Vec<String> {
    let Some(metadata) = &subject.metadata else {
        let found = requests::requests(&[any_pod()], &subject.kinds, &[]);
        found.wanted.keys().for_each(|wanted| cases.add(wanted));
        return vec!["the policy has no metadata, so its rules are not known: the case is an example".to_owned()];
    };
    if metadata.policy_type == PolicyType::Raw {
        cases.add_raw();
        return Vec::new();
    }
    let named: Vec<String> = metadata.context_aware_resources.iter().map(|it| it.kind.clone()).collect();
    let found = requests::requests(&metadata.rules, &subject.kinds, &named);
    found.wanted.keys().for_each(|wanted| cases.add(wanted));
    let none = metadata.rules.is_empty().then(|| "the metadata has no rules: nothing is sent to the policy".to_owned());
    found.notes.iter().map(ToString::to_string).chain(none).collect()
}

/// A rule for policies about which nothing is known.
fn any_pod() -> Rule {
    Rule {
        api_groups: vec![String::new()],
        api_versions: vec!["v1".to_owned()],
        resources: vec!["pods".to_owned()],
        operations: vec![RuleOperation::Create],
    }
}

fn head(subject: &Subject, notes: &[String]) -> Vec<String> {
    let mut lines = vec![
        format!("A first suite for {}, made by `verify init`.", subject.name),
        "The expectations are what the policy answers today: check them, and name the cases after what they are about."
            .to_owned(),
    ];
    lines.extend(notes.iter().map(|note| format!("Note: {note}.")));
    lines
}

fn add_cluster(subject: &Subject, draft: &mut Draft) {
    let resources = subject.metadata.iter().flat_map(|metadata| &metadata.context_aware_resources);
    let kinds: Vec<&str> = resources.map(|resource| resource.kind.as_str()).collect();
    if kinds.is_empty() {
        return;
    }
    // Every object lives in this one, unless it says otherwise.
    let namespace = Node::map([
        ("apiVersion", Node::text("v1")),
        ("kind", Node::text("Namespace")),
        ("metadata", Node::map([("name", Node::text("default"))])),
    ]);
    let objects = if kinds.contains(&"Namespace") { vec![namespace] } else { Vec::new() };
    draft.keys.insert("defaults".to_owned(), Node::map([("cluster", Node::List(objects))]));
    let line = format!("What the policy sees of the cluster: add files with manifests of {}.", kinds.join(", "));
    draft.notes.insert("defaults".to_owned(), vec![line]);
}

fn policy(subject: &Subject, settings: &Settings) -> Node {
    let mut policy = Node::map([("uri", Node::text(&subject.module))]);
    if let Some(file) = &subject.metadata_file {
        policy.push("metadata", Node::text(file));
    }
    if let Some(mode) = &subject.execution_mode {
        policy.push("executionMode", Node::text(mode.to_string()));
    }
    if subject.metadata.as_ref().is_some_and(|metadata| !metadata.context_aware_resources.is_empty()) {
        policy.push("contextAware", Node::Bool(true));
    }
    policy.push("settings", Node::Map(settings.value.clone()));
    policy
}

fn mode(subject: &Subject) -> Option<ExecutionMode> {
    subject.metadata.as_ref().map(|it| it.execution_mode).or(subject.execution_mode)
}

/// What most people write next.
fn next(cases: &Cases) -> Option<Entry> {
    let file = cases.first_file()?;
    Some(Entry::comment([
        "Next: a case in which the policy answers otherwise. Change the object, and write what it should answer:"
            .to_owned(),
        "- name: rejects an object of another app".to_owned(),
        format!("  object: {file}"),
        "  set: { metadata.labels.app: other }".to_owned(),
        "  expect: { deny: { contains: app } }".to_owned(),
    ]))
}

/// Adds cases about the settings, where the policy looks at them; their names.
fn add_settings_cases(subject: &Subject, settings: &Settings, draft: &mut Draft) -> Vec<String> {
    if matches!(mode(subject), Some(ExecutionMode::Opa | ExecutionMode::Gatekeeper)) {
        return Vec::new();
    }
    let name = if settings.value.is_empty() { "no settings" } else { "default settings" };
    let mut all = vec![(name.to_owned(), settings.value.clone())];
    all.extend(settings.required.iter().take(MOST_REQUIRED).map(|path| {
        let shown: String = path.chars().take(100).map(|it| if it.is_control() { ' ' } else { it }).collect();
        (format!("settings without {shown}"), without(&settings.value, path))
    }));
    for (name, value) in &all {
        let mut entry = Entry::named(name);
        entry.push("value", Node::Map(value.clone()));
        entry.push("expect", Node::text("valid"));
        draft.settings_cases.push(entry);
    }
    all.into_iter().map(|(name, _)| name).collect()
}

/// The text of a suite with comments above some of its cases.
pub fn with_comments(text: &str, comments: &[(String, String)]) -> String {
    let mut out = String::with_capacity(text.len());
    let heads: Vec<String> = comments.iter().map(|(name, _)| head_of(name)).collect();
    for line in text.split_inclusive('\n') {
        let found = heads.iter().position(|head| head == line.trim_end_matches('\n'));
        let comment = found.map(|index| comments[index].1.as_str()).unwrap_or_default();
        let lines = comment.split(['\n', '\r']).map(|part| {
            part.chars().map(|it| if it.is_control() { ' ' } else { it }).take(LONGEST_MESSAGE).collect::<String>()
        });
        for part in lines.filter(|part| !part.trim().is_empty()) {
            out.push_str(&format!("  # {}\n", part.trim_end()));
        }
        out.push_str(line);
    }
    out
}

/// The line with the name of a case, as [`Draft`] writes it.
fn head_of(name: &str) -> String {
    format!("  - name: {}", flow::text(&name.replace("${", "$${")))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::kinds;

    fn subject(metadata: Value) -> Subject {
        let metadata = serde_json::from_value(metadata).unwrap();
        Subject {
            name: "labels".to_owned(),
            module: "policy.wasm".to_owned(),
            metadata: Some(metadata),
            kinds: kinds(),
            ..Subject::default()
        }
    }

    fn rules(group: &str, resource: &str, operations: &[&str]) -> Value {
        json!([{ "apiGroups": [group], "apiVersions": ["v1"], "resources": [resource], "operations": operations }])
    }

    #[test]
    fn a_first_suite_is_one_that_people_would_write() {
        let mut subject =
            subject(json!({ "mutating": false, "rules": rules("", "pods", &["CREATE", "UPDATE", "DELETE"]) }));
        subject.metadata_file = Some("metadata.yml".to_owned());
        let first = suite(&subject, &Settings::default());
        let written = "policies:
  labels:
    uri: policy.wasm
    metadata: metadata.yml
    settings: {}

cases:
  - name: CREATE Pod
    object: fixtures/pod.yaml
    expect: accept

  - name: UPDATE Pod
    object: fixtures/pod.yaml
    oldObject: fixtures/pod.yaml
    expect: accept

  - name: DELETE Pod
    oldObject: fixtures/pod.yaml
    expect: accept

  # Next: ";
        let text = first.draft.to_yaml();
        assert!(text.contains(written), "{text}");
        assert!(text.ends_with("settingsCases:\n  - name: no settings\n    value: {}\n    expect: valid\n"), "{text}");
        assert_eq!(first.files.len(), 1);
        assert_eq!((first.cases.len(), first.settings_cases.len()), (3, 1));
    }

    #[test]
    fn every_sort_of_policy_has_its_own() {
        for (metadata, parts) in [
            (
                json!({ "mutating": true, "rules": rules("", "pods/exec", &["CONNECT"]) }),
                &["  - name: CONNECT pods/exec\n    object: fixtures/podexecoptions.yaml\n    expect"][..],
            ),
            (
                json!({ "mutating": true, "rules": rules("apps", "deployments/scale", &["*"]) }),
                &["object: fixtures/deployment.yaml\n    subresource: scale\n"],
            ),
            (
                json!({ "mutating": true, "rules": rules("acme.test", "gizmos", &["CREATE"]) }),
                &["crds: [fixtures/crds.yaml]", "# Note: fixtures/crds.yaml has guesses", "name: CREATE Gizmo"],
            ),
            (json!({ "mutating": true, "rules": [], "policyType": "raw" }), &["    raw: { user: alice"]),
            (json!({ "mutating": true, "rules": [] }), &["# Note: the metadata has no rules"]),
            (
                json!({ "mutating": true, "rules": rules("", "pods", &["CREATE"]), "executionMode": "opa",
                        "contextAwareResources": [{ "apiVersion": "v1", "kind": "Namespace" }] }),
                &[
                    "contextAware: true",
                    "# What the policy sees",
                    "defaults: { cluster: [{ apiVersion: v1, kind: Namespace",
                ],
            ),
        ] {
            let first = suite(&subject(metadata.clone()), &Settings::default());
            let text = first.draft.to_yaml();
            for part in parts {
                assert!(text.contains(part), "{part}: {text}");
            }
            assert_eq!(text.contains("settingsCases"), metadata["executionMode"] != "opa", "{text}");
        }
        let none = Subject { metadata: None, ..subject(json!({ "mutating": true, "rules": [] })) };
        assert_eq!(suite(&none, &Settings::default()).cases, ["CREATE Pod"]);
    }

    #[test]
    fn settings_have_cases_of_their_own() {
        let value = IndexMap::from([("rule".to_owned(), Node::text("A")), ("most".to_owned(), Node::Number(1.into()))]);
        let settings =
            Settings { value, required: vec!["rule".to_owned()], comments: vec!["The policy rejects: x".to_owned()] };
        let text = suite(&subject(json!({ "mutating": false, "rules": [] })), &settings).draft.to_yaml();
        for part in [
            "\n# The policy rejects: x\npolicies:\n",
            "    settings: { rule: A, most: 1 }\n",
            "  - name: default settings\n    value: { rule: A, most: 1 }\n",
            "  - name: settings without rule\n    value: { most: 1 }\n    expect: valid\n",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
    }

    #[test]
    fn comments_stand_above_their_case() {
        let text = "cases:\n  - name: \"a: ${b}\"\n    expect: allow\n  - name: a\n";
        let comments = [("a".to_owned(), "ends in a fault:\r\n - name: b\n\u{7}".to_owned())];
        let written = with_comments(text, &comments);
        assert!(written.ends_with("allow\n  # ends in a fault:\n  #  - name: b\n  - name: a\n"), "{written}");
    }
}
