//! What the fuzz targets assert, each as a function of bytes. The files in `fuzz_targets/` hand them what the fuzzer makes
//! up, and `tests/it/fuzz_seeds.rs` the seeds, on every `cargo test`.
//!
//! A target that says nothing but "does not panic" finds little, so each asserts what holds for any input: what was
//! written is read back, what is shown gives no orders, a mistake has a place in its file.

mod annotator;
mod challenge;
mod checks;
mod github;
mod host_call;
mod html;
mod instrument;
mod junit;
mod metadata;
mod page;
mod patch;
mod path;
mod reference;
mod reply;
mod report;
mod run;
mod runner;
mod session;
mod suite;

pub use annotator::annotator;
pub use challenge::challenge;
pub use github::github;
pub use host_call::host_call;
pub use html::html;
pub use instrument::instrument;
pub use junit::junit;
pub use metadata::metadata;
pub use patch::patch;
pub use path::path;
pub use reference::reference;
pub use reply::reply;
pub use report::report;
pub use session::session;
pub use suite::suite;

/// A target: what it asserts of any bytes.
pub type Target = fn(&[u8]);

/// Every target by its name, which is also that of its file in `fuzz_targets/` and of its folder in `seeds/`.
pub const TARGETS: &[(&str, Target)] = &[
    ("annotator", annotator),
    ("challenge", challenge),
    ("github", github),
    ("host_call", host_call),
    ("html", html),
    ("instrument", instrument),
    ("junit", junit),
    ("metadata", metadata),
    ("patch", patch),
    ("path", path),
    ("reference", reference),
    ("reply", reply),
    ("report", report),
    ("session", session),
    ("suite", suite),
];
