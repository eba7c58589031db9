//! `baseline:` and the gate `behaviour`: what a policy does differently than the version before.

use serde_json::json;

use crate::diff::{ALLOWS, DENIES, replying, version};
use crate::readers;
use crate::support::registry::FakeRegistry;
use crate::support::{POD, Repository, guests};

/// A suite about `new.wasm` with a baseline; `%` marks what is added to the policy and to the first case.
fn suite(policy: &str, case: &str) -> String {
    format!(
        "version: 1\npolicies:\n  p: {{ uri: new.wasm, baseline: old.wasm{policy} }}\n  other: {{ uri: other.wasm }}\n\
         cases:\n  - {{ name: plain, policy: p, object: {POD}, expect: {{ response: {{ auditAnnotations: null }} }}{case} }}\n  \
         - {{ name: elsewhere, policy: other, object: {POD}, expect: {{ allow: }} }}\n\
         gates: {{ behaviour: same }}\n"
    )
}

fn repository(old: Vec<u8>, new: Vec<u8>, policy: &str, case: &str) -> Repository {
    Repository::with_suite(&suite(policy, case))
        .write("old.wasm", old)
        .write("new.wasm", new)
        .write("other.wasm", replying(ALLOWS))
}

fn plain() -> Vec<u8> {
    replying(ALLOWS)
}

#[test]
fn the_same_answers_reach_the_gate() {
    repository(plain(), plain(), "", "").verify(&["suite.yml"]).run().exits_with(0).says(&["3 tests: 3 passed"]);
    // Bytes and costs are no behaviour.
    let padded = guests::padded(plain(), 9_000);
    repository(plain(), padded, "", "").verify(&["suite.yml"]).run().exits_with(0);
}

#[test]
fn other_answers_are_told_with_their_class_and_place() {
    for (old, new, says) in [
        (plain(), replying(DENIES), "new denial (breaking): allow → deny: no"),
        (replying(DENIES), plain(), "new allowance (security): deny: no → allow"),
        (replying(DENIES), replying(&DENIES.replace("no", "never")), "wording: "),
        (plain(), version(guests::wapc_when_asked("unreachable"), |_| ()), "faults: allow → fault: trap: wasm trap"),
    ] {
        let run = repository(old, new, "", "").verify(&["suite.yml", "--report", "tap"]).run();
        let line = format!("suite.yml:6 plain: {says}");
        run.exits_with(1).says(&["gate behaviour", "1 changed, 1 case compared", &line]).never_says("elsewhere:");
    }
    let rules = version(guests::replying(ALLOWS), |it| it["rules"][0]["operations"] = json!(["CREATE", "UPDATE"]));
    let run = repository(plain(), rules, "", "").verify(&["suite.yml", "--report", "tap"]).run().exits_with(1);
    run.says(&["suite.yml:3 p: privilege: rules add: UPDATE pods v1: "]);
}

#[test]
fn changes_that_are_announced_have_to_happen() {
    let announced = ", expectChange: new-denial";
    let reached = repository(plain(), replying(DENIES), "", announced);
    reached.verify(&["suite.yml"]).run().exits_with(0);
    // Once the baseline does the same, the line has to go.
    let old = repository(replying(DENIES), replying(DENIES), "", announced);
    let run = old.verify(&["suite.yml", "--report", "tap"]).run().exits_with(1);
    run.says(&["suite.yml:6 plain: `expectChange: new-denial`, but nothing changed"]);
    // Another change than the one announced.
    let other = repository(replying(DENIES), plain(), "", announced);
    let run = other.verify(&["suite.yml", "--report", "tap"]).run().exits_with(1);
    run.says(&["plain: new allowance (security)", "`expectChange: new-denial`, but nothing changed"]);
    let declared = version(guests::replying(ALLOWS), |it| it["hostCapabilities"] = json!(["oci/*"]));
    let of_module = repository(plain(), declared, ", expectChange: [privilege]", "");
    of_module.verify(&["suite.yml"]).run().exits_with(0);
}

#[test]
fn what_cannot_be_compared_is_no_agreement() {
    let run = repository(b"\0asm".to_vec(), plain(), "", "").verify(&["suite.yml", "--report", "tap"]).run();
    run.exits_with(1).says(&["nothing was compared", "the baseline file://old.wasm is unavailable"]);
    let skipped = repository(plain(), plain(), "", ", skip: later");
    skipped.verify(&["suite.yml"]).run().exits_with(1).says(&["nothing was compared"]);
    // Some cases say nothing about all.
    let run = repository(plain(), replying(DENIES), "", "").verify(&["suite.yml", "-f", "plain"]).run();
    run.exits_with(0).says(&["1 skipped"]);
}

#[test]
fn a_baseline_without_metadata_takes_that_of_the_policy() {
    let metadata = "rules: [{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }]\n\
                    mutating: false\nexecutionMode: kubewarden-wapc\n";
    let text = "version: 1\npolicies:\n  p:\n    uri: safe-labels/policy.wasm\n    metadata: metadata.yml\n    \
                baseline: old/old.wasm\n    settings: { mandatory_labels: [owner] }\n\
                cases:\n  - { name: a, object: { apiVersion: v1, kind: ConfigMap, metadata: { name: a } }, expect: not-applicable }\n\
                gates: { behaviour: same }\n";
    let repository = Repository::with_suite(text).policy("safe-labels").write("metadata.yml", metadata);
    let module = std::fs::read(repository.path("safe-labels/policy.wasm")).unwrap();
    // Without rules, it would reject what no rule selects.
    repository.write("old/old.wasm", module).verify(&["suite.yml"]).run().exits_with(0);
}

#[test]
fn a_baseline_comes_from_a_registry_too() {
    let fake = FakeRegistry::start();
    fake.add_policy("acme/p", "v1", &plain());
    let uri = format!("registry://{}/acme/p:v1", fake.host());
    let repository = Repository::with_suite(&suite("", "").replace("old.wasm", &uri))
        .write("new.wasm", replying(DENIES))
        .write("other.wasm", plain())
        .write(".git/home/.config/kubewarden/sources.yaml", fake.sources());
    let run = repository.verify(&["suite.yml", "--report", "tap"]).run().exits_with(1);
    run.says(&["plain: new denial (breaking): allow"]);
    let gone = repository.write("suite.yml", suite("", "").replace("old.wasm", &uri.replace(":v1", ":v2")));
    let run = gone.verify(&["suite.yml", "--report", "tap"]).run().exits_with(1);
    run.says(&["nothing was compared", "acme/p:v2 is unavailable"]);
}

#[test]
fn a_baseline_needs_its_gate_and_the_gate_a_baseline() {
    let check = |text: String, says: &str| {
        let repository = Repository::with_suite(&text).write("new.wasm", plain()).write("other.wasm", plain());
        repository.write("old.wasm", plain()).verify(&["suite.yml"]).run().exits_with(2).says(&[says]);
    };
    let text = suite("", "");
    check(text.replace("gates: { behaviour: same }\n", ""), "nothing compares the policy with its `baseline`");
    check(text.replace(", baseline: old.wasm", ""), "the gate `behaviour` needs a policy with a `baseline`");
    let announced = suite("", ", expectChange: wording").replace(", baseline: old.wasm", "");
    check(announced, "`expectChange` needs a `baseline`");
    check(suite("", ", expectChange: cost"), "does not compare costs");
    check(suite("", ", expectChange: worse"), "worse");
    check(text.replace("old.wasm", "../old.wasm"), "outside the repository");
}

#[test]
fn reports_have_the_changes_and_shards_are_joined() {
    let suite = repository(plain(), replying(DENIES), ", expectChange: privilege", "");
    let report = suite.report(&[]).0;
    readers::fits("report", &report);
    let changes = &report["changes"][0];
    assert_eq!(changes["compared"], 1);
    assert_eq!(
        changes["changes"],
        json!([{
            "subject": "plain", "place": "suite.yml:6", "class": "new-denial", "old": "allow", "new": "deny: no",
            "is_expected": false,
        }])
    );
    assert_eq!(changes["missing"], json!([{ "subject": "p", "place": "suite.yml:3", "class": "privilege" }]));
    for part in ["1/2", "2/2"] {
        let target = format!("json={}.json", &part[..1]);
        suite.verify(&["suite.yml", "--partition", &format!("hash:{part}"), "--report", &target]).run();
    }
    let merged = suite.verify(&["merge", "1.json", "2.json", "--report", "tap"]).run().exits_with(1);
    merged.says(&["1 changed, 1 case compared", "plain: new denial"]);
}
