//! Step 2: where a policy is becomes the bytes it is made of.
//!
//! Nothing is looked at but the first bytes, and nothing is written. A policy that cannot be had does not end the run.

mod local;

use std::path::Path;
use std::sync::Arc;

use crate::model::outcome::Unavailable;
use crate::model::policy::PolicyRef;
use crate::model::source::Span;
use crate::model::suite::PolicySpec;

/// The modules of a suite's policies, in their order.
pub(crate) fn policies(specs: &[&PolicySpec]) -> Vec<Result<Arc<[u8]>, Unavailable>> {
    specs.iter().map(|spec| policy(spec)).collect()
}

fn policy(spec: &PolicySpec) -> Result<Arc<[u8]>, Unavailable> {
    match &spec.uri.value {
        PolicyRef::File(path) => local::read(path, &spec.uri_text, &spec.uri.span),
    }
}

/// The module in a file that the command line names. `shown` is its path as it was typed, `place` stands for the place.
pub(crate) fn file(path: &Path, shown: &str, place: &Span) -> Result<Arc<[u8]>, Unavailable> {
    local::read(path, shown, place)
}
