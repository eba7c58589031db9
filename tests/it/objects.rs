//! Several objects in one file: each is a case, and failures point to where it is written.

use crate::support::runner::commands;
use crate::support::{Report, Repository, guests, line_of};

/// A chart as `helm template` renders it.
const CHART: &str = "---
# Source: web/templates/deployment.yaml
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
---
apiVersion: acme.test/v1
kind: Widget
metadata: { name: wheel }
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Pod
  metadata: { name: bad }
- apiVersion: v1
  kind: Service
  metadata: { name: web }
";

/// A policy that denies objects called `bad`, as a list of cases.
fn repository(cases: &str) -> Repository {
    let head = "version: 1\nname: s\npolicies:\n  yes: { uri: yes.wasm }\n  no: { uri: no.wasm }\n";
    Repository::with_suite(&format!("{head}{cases}"))
        .replying("yes", r#"{"valid":true,"accepted":true}"#)
        .write("no.wasm", guests::denying("not today"))
        .write("all.yaml", CHART)
}

fn report(cases: &str) -> Report {
    repository(cases).report(&[])
}

#[test]
fn each_object_is_a_case_and_lists_are_unrolled() {
    let found = report("cases: [{ name: chart, policy: yes, objects: all.yaml, rules: skip, expect: allow }]\n");
    let outcomes = [
        ("chart [Deployment web (all.yaml:3)]", "passed"),
        ("chart [Widget wheel (all.yaml:7)]", "skipped"),
        ("chart [Pod bad (all.yaml:14)]", "passed"),
        ("chart [Service web (all.yaml:17)]", "passed"),
    ];
    assert_eq!(found.outcomes(), outcomes);
    let reason = found.cases()[1]["skip_reason"].as_str().unwrap();
    assert!(reason.starts_with("unknown kind `Widget` of `acme.test/v1`; ") && reason.contains("`crds:`"), "{reason}");
    assert_eq!(found.cases()[2]["request"]["object"]["metadata"]["name"], "bad");
    assert_eq!(found.cases()[3]["request"]["resource"]["resource"], "services");
}

#[test]
fn an_unknown_kind_is_a_mistake_at_its_own_line() {
    let cases = "cases: [{ name: chart, policy: yes, objects: all.yaml, expect: allow }]\n";
    let run = repository(cases).verify(&[]).run().exits_with(2).reports_nothing();
    run.says(&["unknown kind `Widget` of `acme.test/v1`", "all.yaml:7:"]).never_says("unknown kind `List`");
    // Nothing is left to run.
    let only = "cases: [{ name: chart, policy: yes, objects: widget.yaml, rules: skip, expect: allow }]\n";
    let widget = "apiVersion: acme.test/v1\nkind: Widget\nmetadata: { name: wheel }\n";
    repository(only).write("widget.yaml", widget).verify(&[]).run().exits_with(4).says(&["1 skipped"]);
}

#[test]
fn lists_of_a_kind_and_lists_in_json_are_unrolled() {
    let list = "{\n\"apiVersion\": \"v1\", \"kind\": \"PodList\", \"items\": [\n{ \"metadata\": { \"name\": \"a\" } },\n{ \"metadata\": { \"name\": \"a\" } }]\n}\n";
    let text = "cases:\n  - { name: pods, policy: yes, objects: pods.json, expect: allow }\n";
    let found = repository(text).write("pods.json", list).report(&[]);
    found.all_passed();
    assert_eq!(found.names(), ["pods [Pod a (pods.json:3)]", "pods [Pod a (pods.json:4)]"]);
    assert_eq!(found.cases()[0]["request"]["kind"]["kind"], "Pod");
    let line = list.replace('\n', "");
    let found = repository(text).write("pods.json", line).report(&[]);
    assert_eq!(found.names(), ["pods [Pod a (pods.json:1)]", "pods [Pod a (pods.json:1) #2]"]);
    let empty = "apiVersion: v1\nkind: List\nitems: []\n";
    repository(text).write("pods.json", empty).verify(&[]).run().exits_with(2);
    let empty = repository(&text.replace("json", "yaml")).write("pods.yaml", empty);
    empty.verify(&[]).run().exits_with(2).says(&["`pods.yaml` has no objects"]);
}

#[test]
fn one_object_of_a_file_is_chosen_by_name_kind_or_number() {
    let name = |object: &str| {
        let found = report(&format!("cases: [{{ name: a, policy: yes, object: '{object}', expect: allow }}]\n"));
        found.all_passed();
        found.cases()[0]["request"]["object"]["kind"].as_str().unwrap().to_owned()
    };
    for (object, kind) in [
        ("all.yaml#bad", "Pod"),
        ("all.yaml#Deployment/web", "Deployment"),
        ("all.yaml#Service/web", "Service"),
        ("all.yaml#3", "Pod"),
        ("./all.yaml#Pod/bad", "Pod"),
    ] {
        assert_eq!(name(object), kind, "{object}");
    }
    for (object, message, help) in [
        (
            "all.yaml#web",
            "`web` is ambiguous: `all.yaml` has 2 such objects",
            "write one of: `all.yaml#Deployment/web`, `all.yaml#Service/web`",
        ),
        ("all.yaml#bat", "no object `bat` in `all.yaml`", "did you mean `all.yaml#bad`?"),
        ("all.yml#bad", "file not found: `all.yml`", "did you mean `all.yaml`?"),
        (
            "all.yaml",
            "expected one document, found 3 in `all.yaml`",
            "`#Deployment/web`, `#wheel`, `#bad`, `#Service/web`",
        ),
        ("../x.yaml#bad", "`../x.yaml` is outside the repository", "move the file into the repository"),
    ] {
        let cases = format!("cases: [{{ name: a, policy: yes, object: '{object}', expect: allow }}]\n");
        repository(&cases).verify(&[]).run().exits_with(2).says(&[message, help, "suite.yml:6:"]);
    }
    let list = "apiVersion: v1\nkind: List\nitems: [{ apiVersion: v1, kind: Pod, metadata: { name: a } }]\n";
    let cases = "cases: [{ name: a, policy: yes, object: list.yaml, expect: allow }]\n";
    let run = repository(cases).write("list.yaml", list).verify(&[]).run().exits_with(2);
    run.says(&["this is a list of 1 objects", "write `objects:`"]);
    let chosen = report("cases: [{ name: a, policy: yes, objects: 'all.yaml#bad', expect: allow }]\n");
    assert_eq!(chosen.outcomes(), [("a [Pod bad (all.yaml:14)]", "passed")]);
    // A file may have such a name.
    let file = repository("cases: [{ name: a, policy: yes, object: 'a#b.yaml', expect: allow }]\n")
        .write("a#b.yaml", "{ apiVersion: v1, kind: Node, metadata: { name: n } }");
    file.report(&[]).all_passed();
}

#[test]
fn an_object_is_chosen_wherever_a_file_has_one_document() {
    let settings = "cases: [{ name: a, policy: yes, oldObject: 'all.yaml#bad', settings: 'many.yaml#2', expect: allow }]\n\
                    settingsCases: [{ name: b, policy: yes, value: 'many.yaml#1', expect: valid }]\n";
    let found = repository(settings).write("many.yaml", "a: 1\n---\nb: 2\n").report(&[]);
    found.all_passed();
    assert_eq!(found.case("a")["request"]["oldObject"]["metadata"]["name"], "bad");
}

#[test]
fn failures_point_to_the_object() {
    let cases = "cases:\n  - { name: chart, policy: no, objects: all.yaml, rules: skip, expect: allow }\n";
    let repository = repository(cases);
    let run = repository.verify(&["--filter", "Pod bad"]).run().exits_with(1);
    run.says(&["all.yaml:14 · object", "suite.yml:7 · /allowed", "denied"]).quotes(&["- apiVersion: v1"]);
    let run = repository.verify(&["--filter", "Pod bad"]).on_github().run().exits_with(1);
    let commands = commands(&run.stderr);
    assert_eq!((commands[0].property("file"), commands[0].property("line")), ("all.yaml", "14"));
    let junit = repository.verify(&["--filter", "Pod bad", "--report=junit"]).run().exits_with(1).stdout;
    assert!(junit.contains("file=\"all.yaml\" line=\"14\"") && junit.contains("at all.yaml:14"), "{junit}");
    let listed = repository.verify(&["list", "--format=json"]).run().exits_with(0).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[2]["file"], &listed[2]["line"]), (&"all.yaml".into(), &14.into()));
}

#[test]
fn failures_of_a_table_point_to_the_row() {
    let cases = "cases:\n  - name: owner ${owner}\n    policy: no\n    each:\n      - { owner: a, answer: deny }\n      - { owner: b, answer: allow } # here\n    \
                 object: { apiVersion: v1, kind: Pod, metadata: { name: web } }\n    set: { metadata.labels.owner: \"${owner}\" }\n    expect: ${answer}\n";
    let repository = repository(cases);
    let line = line_of(&repository.read("suite.yml"), "# here").to_string();
    let run = repository.verify(&[]).run().exits_with(1);
    run.says(&[&format!("suite.yml:{line} · row"), "suite.yml:14 · /allowed"]).quotes(&["{ owner: b, answer: allow }"]);
    let run = repository.verify(&[]).on_github().run().exits_with(1);
    let commands = commands(&run.stderr);
    assert_eq!((commands[0].property("file"), commands[0].property("line")), ("suite.yml", line.as_str()));
    let junit = repository.verify(&["--report=junit"]).run().exits_with(1).stdout;
    assert!(junit.contains(&format!("line=\"{line}\"")) && junit.contains(&format!("at suite.yml:{line}")), "{junit}");
    let listed = repository.verify(&["list", "--format=json"]).run().exits_with(0).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed[1]["line"].to_string(), line);
    // The combinations of a matrix are not written anywhere: they have the line of the name.
    let cases = cases.replace(
        "    each:\n      - { owner: a, answer: deny }\n      - { owner: b, answer: allow } # here\n",
        "    matrix: { owner: [a, b], answer: [allow] }\n",
    );
    let listed = self::repository(&cases).verify(&["list", "--format=json"]).run().exits_with(0).stdout;
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!((&listed[0]["line"], &listed[1]["line"]), (&7.into(), &7.into()));
}

#[test]
fn a_difference_is_at_the_line_of_the_expected_file() {
    let pod = "{ apiVersion: v1, kind: Pod, metadata: { name: web }, spec: { containers: [{ name: web }] } }";
    let suite = format!(
        "version: 1\nname: s\npolicies: {{ p: {{ uri: default-labels/policy.wasm, metadata: default-labels/metadata.yml, \
         settings: {{ labels: {{ tier: back }} }} }} }}\ncases:\n  - {{ name: a, object: {pod}, expect: {{ mutate: {{ object: some.yaml }} }} }}\n  \
         - {{ name: b, object: {pod}, expect: {{ mutate: {{ exactly: all.json }} }} }}\n  \
         - {{ name: c, object: {pod}, expect: {{ response: response.yaml }} }}\n"
    );
    let repository = Repository::with_suite(&suite)
        .policy("default-labels")
        .write("some.yaml", "metadata:\n  name: web\n  labels:\n    tier: front\n")
        .write(
            "all.json",
            "{\n\"apiVersion\": \"v1\", \"kind\": \"Pod\",\n\"metadata\": { \"name\": \"web\", \"namespace\": \"default\",\n\
             \"labels\": { \"tier\": \"front\" } },\n\"spec\": { \"containers\": [{ \"name\": \"web\" }] }\n}\n",
        )
        .write("response.yaml", "allowed: true\nwarnings:\n- something else\n");
    let run = repository.verify(&[]).run().exits_with(1).quotes(&["tier: front", "- something else"]);
    run.says(&[
        "some.yaml:4 · /object/metadata/labels/tier",
        "all.json:4 · /object/metadata/labels/tier",
        "response.yaml:3 · /warnings/0",
    ]);
}

#[test]
fn nested_differences_are_yaml() {
    let pod = "{ apiVersion: v1, kind: Pod, metadata: { name: web }, spec: { containers: [{ name: web }] } }";
    let sidecar = "{ name: log, image: 'ghcr.io/acme/log:1', resources: { limits: { cpu: '1' } } }";
    let suite = format!(
        "version: 1\nname: s\npolicies: {{ p: {{ uri: default-labels/policy.wasm, metadata: default-labels/metadata.yml, \
         settings: {{ labels: {{ tier: back }} }} }} }}\ncases:\n  - name: a\n    object: {pod}\n    \
         expect: {{ mutate: {{ object: {{ spec: {{ containers: [{sidecar}, {{ name: web }}] }} }} }} }}\n"
    );
    let report = Repository::with_suite(&suite).policy("default-labels").report(&[]);
    let mismatches = report.cases()[0]["mismatches"].as_array().unwrap();
    assert_eq!(mismatches.len(), 1, "the container `web` is found by its name: {mismatches:#?}");
    let expected = mismatches[0]["expected"].as_str().unwrap();
    assert_eq!(expected.lines().count(), 5, "{expected}");
    assert!(expected.contains("\n  limits:\n    cpu: '1'"), "{expected}");
    assert_eq!(mismatches[0]["actual"], "(absent)");
}
