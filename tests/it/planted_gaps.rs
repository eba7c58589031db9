//! Gaps that are planted in a suite: the reports name exactly those, and what the tool suggests closes them.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::{Repository, testdata};

/// A suite with gaps about a policy of one language.
struct Planted {
    /// The folder of the policy, and its module.
    policy: (&'static str, &'static str),
    /// Everything but the cases.
    head: &'static str,
    /// The cases that are there.
    cases: &'static str,
    /// The gates that are missed, as tests are called.
    missed: &'static [&'static str],
    /// The lines that no case executes, in the folder of the policy.
    lines: &'static [&'static str],
    /// The lines that no request reaches which has a verdict.
    unreachable: &'static [&'static str],
    /// Requests of the rules without a case.
    requests: &'static [&'static str],
    /// Cases with a weak expectation.
    weak: &'static [&'static str],
    /// Cases that are written for the lines, in front of those that are there.
    written: &'static str,
    /// The same about settings.
    written_settings: &'static str,
}

impl Planted {
    /// A repository with all test policies, and the suite.
    fn repository(&self) -> Repository {
        let repository = Repository::with_suite(&format!("{}cases:\n{}", self.head, self.cases));
        let copy = format!("cp -r '{}/policies' .", testdata().display());
        repository.shell(&copy).run().exits_with(0);
        repository
    }

    /// Places in the folder of the policy, as the report has them.
    fn places(&self, places: &[&str]) -> BTreeSet<String> {
        places.iter().map(|place| format!("policies/{}/{place}", self.policy.0)).collect()
    }

    /// Plants the gaps, looks at the report, and closes them with what the tool suggests and the cases for lines.
    fn is_named_and_closed(&self) {
        let repository = self.repository();
        let report = self.report(&repository, 1);
        let unreachable = self.places(self.unreachable);
        let mut gaps = self.places(self.lines);
        gaps.extend(unreachable.iter().cloned());
        assert_eq!(lines(&report), gaps);
        assert_eq!(requests(&report), texts(self.requests));
        assert_eq!(weak(&report), texts(self.weak));
        assert_eq!(missed(&report), texts(self.missed));

        // What the tool prints or writes itself.
        repository.verify(&["init", "--missing", "suite.yml"]).run();
        repository.verify(&["suite.yml", "--bless=weak"]).run();
        // Cases for lines are written by hand.
        let suite = repository.read("suite.yml").replace("\ncases:\n", &format!("\ncases:\n{}", self.written));
        let suite = suite.replace("\ngates:", &format!("\n{}gates:", self.written_settings));
        fs::write(repository.path("suite.yml"), suite).unwrap();
        let report = self.report(&repository, 0);
        assert_eq!(missed(&report), BTreeSet::new());
        assert_eq!(lines(&report), unreachable);
        assert_eq!((requests(&report), weak(&report)), (BTreeSet::new(), BTreeSet::new()));
    }

    fn report(&self, repository: &Repository, code: i32) -> Value {
        repository.verify(&["suite.yml", "--report", "json=a.json"]).run().named(self.policy.1).exits_with(code);
        repository.read_json("a.json")
    }
}

fn texts(texts: &[&str]) -> BTreeSet<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

/// The lines that are not executed.
fn lines(report: &Value) -> BTreeSet<String> {
    let files = report["coverage"][0]["files"].as_array().unwrap_or_else(|| panic!("{report:#}"));
    let of_file = |file: &Value| {
        let path = file["path"].as_str().unwrap().to_owned();
        let lines = file["lines"].as_array().unwrap().iter().filter(|line| line[1] == 0);
        lines.map(move |line| format!("{path}:{}", line[0])).collect::<Vec<_>>()
    };
    files.iter().flat_map(of_file).collect()
}

/// The requests of the rules that no policy got.
fn requests(report: &Value) -> BTreeSet<String> {
    let all = report["rules"].as_array().unwrap().iter().flat_map(|rules| rules["requests"].as_array().unwrap());
    let is_missing = |request: &&Value| ["allowed", "mutated", "rejected"].iter().all(|verdict| request[verdict] == 0);
    let word = |request: &Value, key: &str| request[key].as_str().unwrap().to_owned();
    all.filter(is_missing).map(|it| format!("{} {}", word(it, "operation"), word(it, "resource"))).collect()
}

/// The names of tests for which something holds.
fn names(report: &Value, is_meant: impl Fn(&Value) -> bool) -> BTreeSet<String> {
    let cases = report["cases"].as_array().unwrap().iter().filter(|case| is_meant(case));
    cases.map(|case| case["name"].as_str().unwrap().to_owned()).collect()
}

fn weak(report: &Value) -> BTreeSet<String> {
    names(report, |case| case["weak"] == true)
}

/// The gates that are missed. No case goes wrong.
fn missed(report: &Value) -> BTreeSet<String> {
    assert_eq!(names(report, |case| case["kind"] != "gate" && case["outcome"] != "passed"), BTreeSet::new());
    names(report, |case| case["kind"] == "gate" && case["outcome"] != "passed")
}

#[test]
fn gaps_of_a_policy_in_rust_are_named_and_closed() {
    let planted = Planted {
        policy: ("safe-labels", "policy-with-lines.wasm"),
        head: "version: 1
policies:
  labels:
    uri: policies/safe-labels/policy-with-lines.wasm
    metadata: policies/safe-labels/metadata.yml
    settings: { mandatory_labels: [owner], constrained_labels: { owner: \"^team-\" } }
gates: { rules: 100%, verdicts: both, weak: 0, coverage: 100% }
defaults:
  object: { apiVersion: v1, kind: Pod, metadata: { name: web, labels: { owner: team-a } } }
",
        cases: "  - name: rejects a pod without an owner
    unset: [metadata.labels.owner]
    expect: deny
  - name: rejects an owner who is no team
    set: { metadata.labels.owner: me }
    expect: { deny: The value of label owner must match ^team- }
",
        missed: &["gate rules", "gate verdicts", "gate weak", "gate coverage"],
        lines: &["src/lib.rs:29", "src/lib.rs:37", "src/lib.rs:53", "src/lib.rs:80", "src/lib.rs:102", "src/lib.rs:107"],
        unreachable: &[],
        requests: &["UPDATE pods", "CREATE deployments", "UPDATE deployments", "CREATE namespaces"],
        weak: &["rejects a pod without an owner"],
        written: "  - name: allows an owner
    expect: allow
  - name: rejects a denied label
    settings: { denied_labels: [owner] }
    expect: { deny: \"The following labels are denied: owner\" }
  - name: allows what has no object
    rules: ignore
    oldObject: { apiVersion: v1, kind: Pod, metadata: { name: web } }
    object: null
    expect: allow
",
        written_settings: "settingsCases:
  - { name: unreadable, value: { typo: 1 }, expect: { invalid: { contains: typo } } }
  - { name: twice, value: { denied_labels: [a], mandatory_labels: [a] }, expect: { invalid: { contains: mandatory } } }
  - { name: both, value: { denied_labels: [a], constrained_labels: { a: b } }, expect: { invalid: { contains: constrained } } }
",
    };
    planted.is_named_and_closed();
}

#[test]
fn gaps_of_a_policy_in_go_are_named_and_closed() {
    let planted = Planted {
        policy: ("image-licence-go", "policy.wasm"),
        head: "version: 1
policies:
  licences:
    uri: policies/image-licence-go/policy.wasm
    metadata: policies/image-licence-go/metadata.yml
    settings: { allowed: [Apache-2.0] }
gates: { rules: 100%, verdicts: both, weak: 0, coverage: 86% }
defaults:
  object:
    apiVersion: v1
    kind: Pod
    metadata: { name: web }
    spec: { containers: [{ name: web, image: \"ghcr.io/acme/web:1\" }] }
  host:
    oci/v1/oci_manifest:
      \"*\": &image
        schemaVersion: 2
        mediaType: application/vnd.oci.image.manifest.v1+json
        config:
          mediaType: application/vnd.oci.image.config.v1+json
          digest: sha256:3333333333333333333333333333333333333333333333333333333333333333
          size: 2
        layers: []
        annotations: { org.opencontainers.image.licenses: Apache-2.0 }
",
        cases: "  - name: rejects another licence
    settings: { allowed: [MIT] }
    expect: deny
",
        missed: &["gate rules", "gate verdicts", "gate weak", "gate coverage"],
        lines: &[
            "settings.go:30",
            "settings.go:33",
            "settings.go:45",
            "validate.go:62",
            "validate.go:68",
            "validate.go:72",
            "validate.go:76",
            "validate.go:83",
            "validate.go:104",
            "validate.go:123",
            "validate.go:124",
            "validate.go:125",
        ],
        unreachable: UNREACHABLE_IN_GO,
        requests: &["UPDATE pods"],
        weak: &["rejects another licence"],
        written: "  - name: allows the licence
    expect: allow
  - name: no image
    unset: [\"spec.containers[0].image\"]
    expect: { deny: \"container web: no image\" }
  - name: no manifest
    host: { oci/v1/oci_manifest: { \"*\": { error: gone } } }
    expect: { deny: { contains: manifest not available } }
  - name: no licence
    host: { oci/v1/oci_manifest: { \"*\": { <<: *image, annotations: {} } } }
    expect: { deny: { contains: no licence annotation } }
  - name: another annotation
    settings: { allowed: [MIT], annotation: a }
    host: { oci/v1/oci_manifest: { \"*\": { <<: *image, annotations: { a: MIT } } } }
    expect: allow
  - name: an index
    host:
      oci/v1/oci_manifest:
        \"*\":
          schemaVersion: 2
          manifests:
            - mediaType: application/vnd.oci.image.manifest.v1+json
              digest: sha256:3333333333333333333333333333333333333333333333333333333333333333
              size: 2
              annotations: { org.opencontainers.image.licenses: Apache-2.0 }
    expect: allow
",
        written_settings: "settingsCases:
  - { name: unreadable, value: { typo: 1 }, expect: { invalid: { contains: typo } } }
  - { name: none, value: {}, expect: { invalid: allowed must name at least one licence } }
",
    };
    planted.is_named_and_closed();
}

/// What only happens to requests that are no requests, and in front of a host that breaks its protocol.
const UNREACHABLE_IN_GO: &[&str] = &[
    "main.go:16",
    "main.go:17",
    "main.go:23",
    "main.go:27",
    "main.go:36",
    "main.go:39",
    "validate.go:39",
    "validate.go:43",
    "validate.go:48",
    "validate.go:100",
    "validate.go:108",
    "validate.go:111",
];

#[test]
fn gaps_of_a_policy_in_rego_are_named_and_closed() {
    let planted = Planted {
        policy: ("rego-labels", "policy.wasm"),
        head: "version: 1
policies:
  reasons:
    uri: policies/rego-labels/policy.wasm
    metadata: policies/rego-labels/metadata.yml
    settings: { mandatory_labels: [owner], owner: \"^team-\", defaults: {} }
gates: { rules: 100%, verdicts: both, weak: 0, coverage: 100% }
defaults:
  object: { apiVersion: v1, kind: Pod, metadata: { name: web, labels: { owner: team-a } } }
",
        cases: "  - name: rejects a pod without an owner
    unset: [metadata.labels.owner]
    expect: deny
",
        missed: &["gate rules", "gate verdicts", "gate weak", "gate coverage"],
        lines: &["policy.rego:31", "policy.rego:36"],
        unreachable: &[],
        requests: &["UPDATE pods"],
        weak: &["rejects a pod without an owner"],
        written: "  - name: allows an owner of ours
    expect: allow
  - name: adds a label
    settings: { mandatory_labels: [owner], owner: \"^team-\", defaults: { tier: web } }
    expect: { mutate: { patch: [{ op: add, path: /metadata/labels, value: { owner: team-a, tier: web } }] } }
",
        written_settings: "",
    };
    planted.is_named_and_closed();
}

/// Cases that mutants are noticed by can be pasted, all of them: they hold, and the mutants are then noticed.
#[test]
fn cases_of_mutants_hold_and_notice_them() {
    let suite = |cases: &str| {
        format!(
            "version: 1
policies:
  labels:
    uri: policies/safe-labels/policy-with-lines.wasm
    metadata: policies/safe-labels/metadata.yml
    settings: {{ mandatory_labels: [owner] }}
defaults:
  object: {{ apiVersion: v1, kind: Pod, metadata: {{ name: web, labels: {{ owner: team-a }} }} }}
cases:
  - {{ name: an owner, expect: {{ response: {{ auditAnnotations: null }} }} }}
  - {{ name: no owner, set: {{ metadata.labels: {{ a: b }} }}, expect: {{ response: {{ auditAnnotations: null }} }} }}
  - {{ name: no metadata, unset: [metadata], expect: {{ response: {{ auditAnnotations: null }} }} }}
{cases}"
        )
    };
    let repository = Repository::with_suite(&suite(""));
    repository.shell(&format!("cp -r '{}/policies' .", testdata().display())).run().exits_with(0);
    let hunt = || -> Value {
        let flags = ["sabotage", "suite.yml", "--mutants=8", "--seed", "3", "--for", "5m", "--format", "json"];
        let run = repository.verify(&flags).run().exits_with(1);
        serde_json::from_str::<Value>(&run.stdout).unwrap()["mutants"][0].take()
    };
    let noticed = |found: &Value| found["noticed"].as_u64().unwrap();
    let mut pasted = String::new();
    let mut before = hunt();
    // Cases that execute more code have more mutants, of which others are chosen.
    for round in 1..=5 {
        let survivors = before["survivors"].as_array().unwrap();
        assert!(!survivors.is_empty(), "{before:#}");
        let cases =
            survivors.iter().map(|it| it["case"].as_str().unwrap().replace("before", &format!("before {round}")));
        pasted.extend(cases);
        fs::write(repository.path("suite.yml"), suite(&pasted)).unwrap();
        let number = pasted.matches("- name: ").count();
        let run = repository.verify(&["suite.yml", "-f", "decides this"]).run().exits_with(0);
        run.says(&[&format!("{number} test{}: {number} passed", if number == 1 { "" } else { "s" })]);
        let after = hunt();
        if after["possible"] == before["possible"] {
            assert!(noticed(&after) >= noticed(&before) + survivors.len() as u64, "{before:#}\n{after:#}");
            return;
        }
        before = after;
    }
    panic!("each case executes more code: {before:#}");
}
