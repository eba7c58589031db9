//! Policies that misbehave end as their own fault, beside real ones that notice nothing.

use std::sync::LazyLock;

use serde_json::Value;

use crate::support::{Finished, POD, Report, Repository};

/// Guest, mode, kind of the fault, words of the message.
const HOSTILE: [(&str, &str, &str, &str); 8] = [
    ("wapc-loop", "kubewarden-wapc", "timeout", "did not answer within 300ms"),
    ("wasi-loop", "wasi", "timeout", "did not answer within 300ms"),
    ("wapc-memory-hog-traps", "kubewarden-wapc", "memory", "more than the 64 MiB it may have"),
    ("wasi-memory-hog", "wasi", "memory", "more than the 64 MiB it may have"),
    ("wapc-request-out-of-range", "kubewarden-wapc", "trap", "`__guest_request` was given"),
    ("wapc-stdout-flood", "kubewarden-wapc", "limit", "too much to stdout"),
    ("wasi-stdout-flood", "wasi", "limit", "bytes for stdout"),
    ("wapc-stack-overflow", "kubewarden-wapc", "trap", "call stack exhausted"),
];

/// Short where it is the point, long enough everywhere else for a machine that has other things to do.
fn timeout_for(kind: &str) -> &'static str {
    if kind == "timeout" { "300ms" } else { "60s" }
}

fn repository() -> Repository {
    let mut text = "version: 1\npolicies:\n  labels:\n    uri: safe-labels/policy.wasm\n    metadata: safe-labels/metadata.yml\n    \
                    settings: { mandatory_labels: [owner] }\n"
        .to_owned();
    let mut cases = "cases:\n".to_owned();
    for (guest, mode, kind, _) in HOSTILE {
        let timeout = timeout_for(kind);
        text += &format!("  {guest}: {{ uri: {guest}.wasm, executionMode: {mode} }}\n");
        cases += &format!("  - {{ name: accepts beside {guest}, policy: labels, object: {POD}, expect: allow }}\n");
        cases +=
            &format!("  - {{ name: {guest}, policy: {guest}, object: {POD}, timeout: {timeout}, expect: deny }}\n");
        cases += &format!(
            "  - {{ name: denies beside {guest}, policy: labels, object: {POD}, unset: [metadata.labels.owner], \
             expect: {{ deny: \"The following mandatory labels are missing: owner\" }} }}\n"
        );
    }
    HOSTILE.iter().fold(Repository::with_suite(&(text + &cases)).policy("safe-labels"), |repository, (guest, ..)| {
        repository.guest(guest)
    })
}

static RUN: LazyLock<(Finished, Report)> = LazyLock::new(|| {
    let repository = repository();
    let run = repository
        .verify(&["--report=json=report.json", "--report=junit=report.xml", "--max-memory=64MiB", "-v"])
        .run()
        .exits_with(1);
    let report = Report(repository.read_json("report.json"));
    (run, report)
});

#[test]
fn each_hostile_guest_ends_with_its_fault_kind() {
    for (guest, _, kind, words) in HOSTILE {
        let case = RUN.1.case(guest);
        assert_eq!(
            (&case["outcome"], &case["fault"]["kind"]),
            (&"error".into(), &kind.into()),
            "{guest}: {}",
            case["fault"]
        );
        assert!(case["fault"]["message"].as_str().unwrap().contains(words), "{guest}: {}", case["fault"]);
        assert_eq!(case["response"], Value::Null, "{guest}");
    }
}

#[test]
fn other_policies_pass_beside_hostile_guests() {
    let others: Vec<_> = RUN.1.cases().iter().filter(|case| case["policy"] == "labels").collect();
    assert_eq!(others.len(), 2 * HOSTILE.len());
    for case in others {
        assert_eq!(case["outcome"], "passed", "{case:#}");
    }
}

#[test]
fn flood_of_output_is_truncated_and_not_printed() {
    let run = &RUN.0;
    assert!(run.stdout.len() < 200_000, "{} bytes", run.stdout.len());
    assert!(!run.stdout.contains('\0') && !run.stdout.contains(&"␀".repeat(500)), "the flood is on stdout");
    assert_eq!(run.stderr, "");
    let report = RUN.1.case("wapc-stdout-flood");
    assert_eq!(report["log"]["is_truncated"], true);
    assert!(report["log"]["stdout"].as_str().unwrap().len() < 2_000_000);
}

#[test]
fn the_same_faults_can_be_expected() {
    let mut text = "version: 1\npolicies:\n".to_owned();
    let mut cases = "cases:\n".to_owned();
    for (guest, mode, kind, words) in HOSTILE {
        let timeout = timeout_for(kind);
        text += &format!("  {guest}: {{ uri: {guest}.wasm, executionMode: {mode} }}\n");
        cases += &format!(
            "  - {{ name: {guest}, policy: {guest}, object: {POD}, timeout: {timeout}, expect: {{ fault: {{ kind: {kind}, contains: \"{words}\" }} }} }}\n"
        );
    }
    let repository = HOSTILE
        .iter()
        .fold(Repository::with_suite(&(text + &cases)), |repository, (guest, ..)| repository.guest(guest));
    repository.verify(&["--max-memory=64MiB"]).run().exits_with(0);
}

#[test]
fn a_case_remembers_nothing_of_the_one_before() {
    let text = format!(
        "version: 1\npolicies: {{ a: {{ uri: wapc-remembers.wasm }} }}\ncases:\n  - name: round ${{n}}\n    matrix: {{ n: [1, 2, 3] }}\n    \
         object: {POD}\n    set: {{ metadata.labels.n: \"${{n}}\" }}\n    expect: accept\n"
    );
    let repository = Repository::with_suite(&text).guest("wapc-remembers");
    // An instance that is used for another call, of this case or of another one, fails: "called before".
    repository.verify(&["-j1"]).run().exits_with(0).says(&["3 passed"]);
}
