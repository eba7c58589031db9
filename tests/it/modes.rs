//! One suite for each execution mode, over policies of real toolchains: everything that a policy of the mode can answer.

use serde_json::Value;

use crate::support::{Report, Repository, testdata};

/// Mode, and whether it can mutate, refuse settings, and judge raw requests.
const MODES: [(&str, &str, [bool; 3]); 5] = [
    ("wapc", "kubewarden-wapc", [true, true, true]),
    ("wasi", "wasi", [true, true, true]),
    ("opa", "opa", [true, false, true]),
    ("gatekeeper", "gatekeeper", [false, false, false]),
    ("ferricel", "ferricel", [false, true, false]),
];

fn report(name: &str) -> Report {
    let suite = testdata().join("suites/modes").join(format!("{name}.suite.yml"));
    Repository::new().report(&[suite.to_str().unwrap()])
}

#[test]
fn every_mode_has_a_suite_that_passes() {
    for (name, mode, _) in MODES {
        let report = report(name);
        report.all_passed();
        let policies = report.0["policies"].as_array().unwrap();
        assert!(!policies.is_empty() && policies.iter().all(|policy| policy["execution_mode"] == mode), "{name}");
    }
    let suites = std::fs::read_dir(testdata().join("suites/modes")).unwrap();
    let suites = suites.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|it| it == "yml"));
    assert_eq!(suites.count(), MODES.len());
}

/// What the suites are for, so that nobody takes it out of them.
#[test]
fn the_suites_show_every_answer_of_their_mode() {
    for (name, _, [mutates, refuses_settings, is_raw]) in MODES {
        let report = report(name);
        let cases: Vec<&Value> = report.cases().iter().collect();
        let answers = |is_raw: bool| {
            let answered = cases
                .iter()
                .filter(move |case| case["kind"] == "case" && case["request"].get("kind").is_none() == is_raw);
            answered.map(|case| &case["response"]).filter(|response| !response.is_null()).collect::<Vec<_>>()
        };
        for (responses, is_wanted) in [(answers(false), true), (answers(true), is_raw)] {
            let has = |wanted: &dyn Fn(&Value) -> bool| responses.iter().any(|response| wanted(response));
            assert_eq!(has(&|it| it["allowed"] == true && it["patch"].is_null()), is_wanted, "{name} accepts");
            // The server's own rejection of a raw request to Gatekeeper is none of the policy.
            let is_own = |it: &Value| it["allowed"] == false && it["status"]["code"] != 500;
            assert_eq!(has(&is_own), is_wanted, "{name} rejects");
            assert_eq!(has(&|it| it["patch"].is_string()), is_wanted && mutates, "{name} mutates");
        }
        let suite = std::fs::read_to_string(testdata().join(format!("suites/modes/{name}.suite.yml"))).unwrap();
        assert!(suite.contains("expect: valid"), "{name}");
        assert_eq!(suite.contains("expect: { invalid"), refuses_settings, "{name}");
    }
}
