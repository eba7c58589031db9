//! JSON reports of other jobs: what is read is written back, and is a run for every format.

use policy_verify_report::{merge, names, read};

use super::run::written;

/// A report that is read is the same after it was written, and every format and merging take it.
pub fn report(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let run = match read(&text) {
        Ok(run) => run,
        Err(error) => return assert!(!error.to_string().is_empty()),
    };
    let json = written("json", &run);
    let again = read(&json).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(written("json", &again), json);
    let stream = read(&written("ndjson", &run)).unwrap_or_else(|error| panic!("as a stream: {error}"));
    for name in names() {
        let first = written(name, &run);
        assert_eq!(first, written(name, &again), "{name} after JSON");
        assert_eq!(first, written(name, &stream), "{name} after a stream");
    }
    match merge::merge(vec![("a.json".into(), run.clone())]) {
        Ok(merged) => assert_eq!(merged.summary(), run.summary(), "{json}"),
        Err(mistakes) => assert!(!mistakes.is_empty()),
    }
    if !run.cases.is_empty() && run.shard.is_none() {
        let twice = merge::merge(vec![("a.json".into(), run.clone()), ("b.json".into(), run)]);
        assert!(twice.is_err(), "each case is there twice");
    }
}
