//! Snapshots that are written, and those that are removed because no case has them.

use std::collections::HashSet;

use policy_verify_model::outcome::{CaseReport, MismatchKind, Outcome};
use policy_verify_model::suite::{Case, CaseBody, Snapshot, Suite};
use policy_verify_suite::FileLimit;
use serde_json::Value;

use super::blessing::{BlessedFile, Blessing};
use super::wish::{Left, WantedSnapshot, Wish};
use crate::compare::snapshot;
use crate::evaluate::{self, Policies};

/// The snapshot that a case is to have, where it has none or another one. Nothing where there is no answer to write down.
pub(super) fn wanted(case: &Case, report: &CaseReport, policies: &Policies<'_>) -> Option<WantedSnapshot> {
    let Outcome::Failed(mismatches) = &report.outcome else { return None };
    let kept = case.snapshot.as_ref()?;
    mismatches.iter().find(|mismatch| mismatch.kind == MismatchKind::Snapshot)?;
    Some(WantedSnapshot {
        path: kept.path.clone(),
        shown: kept.shown.clone(),
        before: kept.stored.text().map(str::to_owned),
        after: snapshot::text(&answer(case, kept, report, policies)),
        place: case.span.clone(),
    })
}

fn answer(case: &Case, kept: &Snapshot, report: &CaseReport, policies: &Policies<'_>) -> Value {
    let given = match (&case.body, &report.response, &report.fault) {
        (CaseBody::Settings(body), ..) => {
            return snapshot::settings(kept, &evaluate::settings(case, body, policies).answer);
        }
        (_, Some(response), _) => Ok(response),
        (_, None, Some(fault)) => Err(fault),
        (_, None, None) => return snapshot::not_applicable(kept),
    };
    snapshot::answer(kept, given, report.monitored.as_ref(), report.steps.iter(), report.members.iter())
}

/// Adds the snapshots that the cases want, but for those of cases that stay red anyway.
pub(super) fn write(wishes: &[Wish], limit: FileLimit, red: &HashSet<&str>, blessing: &mut Blessing) {
    for wish in wishes.iter().filter(|wish| !red.contains(wish.id.as_str())) {
        let Some(wanted) = &wish.snapshot else { continue };
        if !limit.allows(wanted.after.len()) {
            let reason = "the snapshot would be larger than `--max-file-size` allows".to_owned();
            blessing.left.push(Left { id: wish.id.clone(), place: wanted.place.clone(), reason });
            continue;
        }
        blessing.snapshots += 1;
        blessing.files.push(BlessedFile {
            path: wanted.path.clone(),
            shown: wanted.shown.clone(),
            before: wanted.before.clone(),
            after: Some(wanted.after.clone()),
        });
    }
}

/// Adds that the snapshots go that no case has.
pub(super) fn prune(suites: &[Suite], blessing: &mut Blessing) {
    for unused in suites.iter().flat_map(|suite| &suite.unused_snapshots) {
        blessing.removed += 1;
        let (path, shown, before) = (unused.path.clone(), unused.file.path.clone(), Some(unused.file.text.clone()));
        blessing.files.push(BlessedFile { path, shown, before, after: None });
    }
}
