//! The fuzz targets of `fuzz/`, with the seeds that are kept: what a fuzzer found once is never lost again. A fuzzer is
//! not needed for it. These tests see the library, as the tests of the command in `it/` do not.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

#[path = "../fuzz/src/lib.rs"]
#[expect(unreachable_pub, reason = "a library of its own in `fuzz/`")]
mod fuzz;

/// How long a seed may take; with a fuzzer, ten seconds.
const MOST_TIME: Duration = Duration::from_secs(10);

/// Bytes of all seeds: everybody who clones the repository has them.
const MOST_BYTES: u64 = 400 << 10;

fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The files in a folder of `fuzz/`.
fn files(folder: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(project().join("fuzz").join(folder)).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// The targets hold for all seeds of their folder.
fn replay(name: &str) {
    let (_, target) = fuzz::TARGETS.iter().find(|(known, _)| *known == name).unwrap();
    let seeds = files(&format!("seeds/{name}"));
    assert!(seeds.len() >= 5, "{name} has {} seeds", seeds.len());
    for seed in seeds {
        let bytes = fs::read(&seed).unwrap();
        let start = Instant::now();
        // The name of the seed would be lost in the panic of its target.
        let result = std::panic::catch_unwind(|| target(&bytes));
        assert!(result.is_ok(), "the seed {}", seed.display());
        assert!(start.elapsed() < MOST_TIME, "{} took {:?}", seed.display(), start.elapsed());
    }
}

/// A test for each target, and a list of them.
macro_rules! replayed {
    ($($test:ident: $target:literal,)*) => {
        $(#[test]
        fn $test() {
            replay($target);
        })*

        const REPLAYED: &[&str] = &[$($target),*];
    };
}

replayed! {
    modules_keep_what_annotating_leaves_alone: "annotator",
    challenges_are_read_back: "challenge",
    each_mistake_is_one_workflow_command: "github",
    host_calls_are_answered_only_by_mocks: "host_call",
    no_text_is_a_tag_of_the_page: "html",
    counting_copies_are_as_valid_as_their_modules: "instrument",
    junit_is_xml_whatever_is_in_it: "junit",
    metadata_is_read_as_it_was_attached: "metadata",
    patches_make_one_document_of_the_other: "patch",
    paths_change_their_place_alone: "path",
    references_in_normal_form_are_themselves: "reference",
    replies_are_what_the_policy_said_or_faults: "reply",
    reports_that_were_read_are_written_as_they_were: "report",
    recordings_are_read_in_any_form: "session",
    mistakes_of_suites_have_a_place: "suite",
}

#[test]
fn every_target_has_a_file_seeds_and_a_test() {
    let targets: BTreeSet<String> = fuzz::TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(REPLAYED.iter().map(|name| (*name).to_owned()).collect::<BTreeSet<_>>(), targets);
    let stem = |path: &PathBuf| path.file_stem().unwrap().to_string_lossy().into_owned();
    assert_eq!(files("fuzz_targets").iter().map(stem).collect::<BTreeSet<_>>(), targets);
    assert_eq!(files("seeds").iter().filter(|it| it.is_dir()).map(stem).collect::<BTreeSet<_>>(), targets);
    let manifest = fs::read_to_string(project().join("fuzz/Cargo.toml")).unwrap();
    let page = fs::read_to_string(project().join("docs/fuzzing.md")).unwrap();
    for name in &targets {
        assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is not in fuzz/Cargo.toml");
        assert!(page.contains(&format!("| `{name}` |")), "{name} is not in docs/fuzzing.md");
    }
}

#[test]
fn seeds_are_small() {
    let seeds = files("seeds").into_iter().filter(|path| path.is_dir()).flat_map(|path| fs::read_dir(path).unwrap());
    let bytes: u64 = seeds.map(|entry| entry.unwrap().metadata().unwrap().len()).sum();
    assert!(bytes <= MOST_BYTES, "{bytes} bytes of seeds");
}
