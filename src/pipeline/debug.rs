//! Cases one by one, with everything that is known about them.

use policy_verify_model::explanation::{AskedPolicy, Explanation, Explanations};
use policy_verify_model::suite::Case;
use policy_verify_suite::SnapshotUse;

use super::case;
use super::options::{Options, Progress};
use super::policies::PolicyRecord;
use super::ready::{self, Code, Ready};
use crate::error::Error;
use crate::select::SelectedCase;

/// Runs every selected case, one after the other, and tells all about it. What policies receive from their host is kept if the
/// options say so.
///
/// # Errors
///
/// When nothing could be run: see [`verify`](super::verify()).
pub fn debug(options: &Options, progress: &dyn Progress) -> Result<Explanations, Error> {
    ready::with_suites(options, SnapshotUse::Compared, progress, |loaded| {
        loaded.with_policies(options, Code::Plain, progress, |ready| {
            let selected = loaded.selected.cases.iter().take_while(|_| !options.interrupt.is_stopped());
            let cases = selected.map(|selected| explanation(ready, *selected)).collect();
            Explanations { suites: loaded.summaries.clone(), cases }
        })
    })
}

fn explanation(ready: &Ready<'_>, selected: SelectedCase<'_>) -> Explanation {
    let SelectedCase { suite, case } = selected;
    let (report, _) = case::report(suite, case, &ready.policies[suite.0], None);
    Explanation { case: report, expect: case.expect_span.clone(), policies: policies(ready, selected, case) }
}

fn policies(ready: &Ready<'_>, SelectedCase { suite, .. }: SelectedCase<'_>, case: &Case) -> Vec<AskedPolicy> {
    let declared = &ready.loaded.suites[suite.0];
    let mut settings = declared.settings_for(case).into_iter();
    let asked = declared.policies_for(case).into_iter().map(|index| {
        let is_it = |record: &&PolicyRecord| record.key.suite == suite && record.key.policy == index;
        let prepared = ready.records.iter().find(is_it).and_then(|record| record.prepared.as_ref().ok());
        let spec = &declared.policies[index.0];
        AskedPolicy {
            name: spec.name.clone(),
            uri: spec.uri_text.clone(),
            digest: prepared.map(|policy| policy.digest),
            execution_mode: prepared.map(|policy| policy.execution_mode),
            settings: settings.next(),
        }
    });
    asked.collect()
}
