//! `verify rehearse`: what policies would do to the objects of a cluster if they were installed now.
//!
//! The policies are those of a suite with a case each, whose request nobody sends: every object of the dump takes its place.
//! What each policy makes of each object is counted at once and forgotten, so memory grows with the objects, and not with the
//! pairs of objects and policies.

mod ask;
mod causes;
mod dump;
mod options;
mod owners;
mod tally;

use std::collections::BTreeSet;

use policy_verify_model::hosting::ContextAware;
use policy_verify_model::policy::ContextAwareResource;
use policy_verify_model::rehearsal::Rehearsal;
use policy_verify_suite::SnapshotUse;
use rayon::prelude::*;

use self::ask::{Asked, Pair, Questions, Target};
use self::dump::{Dump, DumpOptions};
pub use self::options::{RehearsalOptions, RehearsedPolicy};
use self::tally::Tally;
use super::options::{Options, Progress};
use super::ready::{self, Code, Ready};
use crate::error::Error;
use crate::evaluate::View;

/// Objects that are put to the policies between two looks at the results: these are added up in the order of the dump.
const AT_A_TIME: usize = 256;

/// Rehearses policies.
///
/// # Errors
///
/// When nothing could be rehearsed: see [`verify`](super::verify()). What could not be read, and policies that are unavailable,
/// are in the result.
pub fn rehearse(options: &Options, wanted: &RehearsalOptions, progress: &dyn Progress) -> Result<Rehearsal, Error> {
    ready::with_suites(options, SnapshotUse::Compared, progress, |loaded| {
        loaded.with_policies(options, Code::Plain, progress, |ready| {
            let rehearsal = rehearsed(ready, options, wanted, progress);
            ready.engine.finish();
            rehearsal
        })
    })
}

fn rehearsed(ready: &Ready<'_>, options: &Options, wanted: &RehearsalOptions, progress: &dyn Progress) -> Rehearsal {
    let dump = Dump::read(&DumpOptions {
        files: &wanted.objects,
        definitions: &wanted.definitions,
        limit: wanted.limit,
        unknown_kinds: wanted.unknown_kinds,
        root: options.root.as_deref(),
        kept: resources(ready),
    });
    progress.started(dump.objects.len());
    progress.prepared();
    let policies: Vec<_> = ready.policies.iter().map(|policies| policies.with_view(View::Own)).collect();
    let target = |name: &Option<String>| {
        let name = name.as_ref()?;
        let selected = ready.loaded.selected.cases.iter().find(|selected| selected.case.name == *name)?;
        Some(Target::new(selected.case, &policies[selected.suite.0]))
    };
    let pairs = wanted.policies.iter().map(|it| Pair { new: target(&it.new), old: target(&it.old) }).collect();
    let questions = Questions::new(pairs, &dump.cluster, wanted.has_old);
    let mut tally = Tally::new(ready, wanted, &questions);
    for objects in dump.objects.chunks(AT_A_TIME) {
        let asking = objects.par_iter().filter(|_| !options.interrupt.is_stopped());
        let answers: Vec<Vec<Asked>> = asking.map(|object| questions.ask(object)).collect();
        objects.iter().zip(answers).for_each(|(object, answers)| tally.add(object, answers, &dump.owners));
        progress.objects_finished(objects.len());
        if options.interrupt.is_stopped() {
            break;
        }
    }
    tally.finish(&dump, ready.warnings(options))
}

/// The resources that a policy may read, and those whose labels decide what it is asked about.
fn resources(ready: &Ready<'_>) -> BTreeSet<ContextAwareResource> {
    let namespaces = ContextAwareResource { api_version: "v1".into(), kind: "Namespace".into() };
    let mut wanted = BTreeSet::from([namespaces]);
    for record in ready.records {
        match &record.key.spec(ready.loaded.suites).grants.context_aware {
            ContextAware::Nothing => {}
            ContextAware::Listed(resources) => wanted.extend(resources.iter().cloned()),
            ContextAware::Declared => {
                let metadata = record.prepared.as_ref().ok().and_then(|policy| policy.metadata.as_ref());
                wanted.extend(metadata.iter().flat_map(|it| it.context_aware_resources.iter().cloned()));
            }
        }
    }
    wanted
}
