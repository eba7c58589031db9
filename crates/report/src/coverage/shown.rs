//! What the formats of code coverage have in common.

use std::collections::BTreeMap;

use policy_verify_model::coverage::{FileCoverage, FunctionCoverage, Share};
use policy_verify_model::outcome::RunReport;

/// `84.2%`, rounded down: 100% is only what is complete. `–` where there is nothing.
pub(super) fn percent(share: Share) -> String {
    share.per_mille().map_or_else(|| "–".to_owned(), |tenths| format!("{}.{}%", tenths / 10, tenths % 10))
}

/// The files of a run, each once however many policies have it, in the order of their paths.
pub(crate) fn files(run: &RunReport) -> BTreeMap<&str, FileCoverage> {
    let mut files: BTreeMap<&str, FileCoverage> = BTreeMap::new();
    let measured = run.coverage.iter().filter_map(|policy| policy.result.as_ref().ok());
    for file in measured.flat_map(|coverage| &coverage.files) {
        match files.get_mut(file.path.as_str()) {
            Some(known) => add(known, file),
            None => drop(files.insert(&file.path, file.clone())),
        }
    }
    files
}

/// Adds what another policy executed of the same file.
pub(super) fn add(known: &mut FileCoverage, file: &FileCoverage) {
    for (line, hits) in &file.lines {
        let sum = known.lines.entry(*line).or_default();
        *sum = sum.saturating_add(*hits);
    }
    for function in &file.functions {
        let same = |it: &&mut FunctionCoverage| (it.line, &it.name) == (function.line, &function.name);
        match known.functions.iter_mut().find(same) {
            Some(known) => known.hits = known.hits.saturating_add(function.hits),
            None => known.functions.push(function.clone()),
        }
    }
    known.functions.sort();
    known.source = known.source.take().or_else(|| file.source.clone());
}

/// `40`, `40-44`.
pub(crate) fn range((first, last): (u32, u32)) -> String {
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}

/// The functions of a file with names of their own: readers of reports take those of one name for one.
pub(super) fn named_once(file: &FileCoverage) -> Vec<(String, &FunctionCoverage)> {
    let mut names: BTreeMap<&str, usize> = BTreeMap::new();
    file.functions.iter().for_each(|function| *names.entry(&function.name).or_default() += 1);
    let name = |function: &FunctionCoverage| match (names[function.name.as_str()], function.line) {
        (2.., Some(line)) => format!("{} (line {line})", function.name),
        _ => function.name.clone(),
    };
    file.functions.iter().map(|function| (name(function), function)).collect()
}
