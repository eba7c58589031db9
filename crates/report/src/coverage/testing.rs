//! Made-up coverage for the tests of its formats.

use policy_verify_model::coverage::{Coverage, FileCoverage, FunctionCoverage, PolicyCoverage, Share};
use policy_verify_model::outcome::RunReport;

use crate::testing::{HOSTILE, sample};

fn function(line: Option<u32>, name: &str, hits: u64) -> FunctionCoverage {
    FunctionCoverage { line, name: name.into(), hits }
}

/// Measured lines, measured functions, and what could not be measured.
pub(crate) fn measured() -> RunReport {
    let source = "fn validate() {\n    if a {\n        return <b>;\n    }\n\n    c\n}\n";
    let file = FileCoverage {
        path: "policies/labels/src/lib.rs".into(),
        lines: [(1, 3), (2, 3), (3, 0), (6, 2)].into(),
        functions: vec![function(Some(1), "labels::validate", 3), function(Some(6), "labels::c", 0)],
        source: Some(source.into()),
    };
    let lines =
        Coverage { files: vec![file], functions: Vec::new(), others: Share { covered: 10, total: 40 }, advice: None };
    let functions = Coverage {
        functions: vec![function(None, "g0.data.policy.deny", 0), function(None, "g0.data.policy.main", 7)],
        advice: Some("`opa build` writes no lines".into()),
        ..Coverage::default()
    };
    let policy = |names: &[&str], result| PolicyCoverage {
        suite: 0,
        policies: names.iter().map(|name| (*name).to_owned()).collect(),
        result,
    };
    let mut run = sample();
    run.coverage = vec![
        policy(&["safe-labels", "strict"], Ok(lines)),
        policy(&["verify-images"], Ok(functions)),
        policy(&["idle"], Err("it has no debug information".into())),
    ];
    run
}

/// The same with hostile names, paths and texts.
pub(crate) fn hostile() -> RunReport {
    let mut run = measured();
    for policy in &mut run.coverage {
        policy.policies = HOSTILE.iter().map(|text| (*text).to_owned()).collect();
        match &mut policy.result {
            Ok(coverage) => {
                for file in &mut coverage.files {
                    file.path = HOSTILE.concat();
                    file.source = Some(HOSTILE.join("\n").into());
                    file.functions = HOSTILE.iter().map(|text| function(Some(1), text, 0)).collect();
                }
                coverage.functions = HOSTILE.iter().map(|text| function(None, text, 0)).collect();
                coverage.advice = Some(HOSTILE.concat());
            }
            Err(reason) => *reason = HOSTILE.concat(),
        }
    }
    run
}
