//! The suites of a run: read, and what of them is selected.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;

use super::options::Options;
use super::{overwrite, publishable, redirect};
use crate::error::Error;
use crate::resolve;
use crate::select::{self, Selected, SelectedCase};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::{PolicyRef, Settings};
use policy_verify_model::source::Span;
use policy_verify_model::stored_request::StoredRequest;
use policy_verify_model::suite::{CaseBody, Suite};
use policy_verify_registry::signature::check_key;
use policy_verify_suite::{self as load, Overrides, SnapshotUse};

/// Reads every suite, so that the mistakes of all of them are known at once, and checks what the run writes and publishes.
/// `snapshots` says what they are for.
pub(super) fn load_all(options: &Options, snapshots: SnapshotUse) -> Result<Vec<Suite>, Error> {
    let mut suites = Vec::new();
    let mut mistakes = Vec::new();
    let mut inputs: Vec<PathBuf> = options.suites.iter().filter(|path| !load::is_stream(path)).cloned().collect();
    inputs.extend(options.suites.iter().filter_map(|path| resolve::lock_of(path)));
    inputs.extend(of_command_line(options));
    let linked = linked(&options.suites);
    let suites_read = options.suites.par_iter().map(|path| read(path, options, snapshots, linked.contains(path)));
    let read: Vec<_> = suites_read.collect();
    for (suite, files) in read {
        inputs.extend(files);
        match suite {
            Ok(mut suite) => {
                let memory = &mut suite.kubewarden;
                // Another limit than that of the server says nothing about the server.
                if options.memory.is_some_and(|given| memory.memory_limit() != Some(given)) {
                    memory.installation.memory_limit = None;
                }
                suites.push(suite);
            }
            Err(found) => mistakes.extend(found),
        }
    }
    overwrite::check(&options.outputs, &inputs, options.root.as_deref())?;
    for (index, suite) in suites.iter().enumerate() {
        if let Some(other) = suites[..index].iter().find(|other| other.name == suite.name) {
            let message = format!("duplicate suite name `{}`, also of {}", suite.name, other.file.path);
            let help = "change one `name:`: reports tell cases apart by the name of their suite";
            mistakes.push(
                Diagnostic::new(Code::Mistake, message).at(&Span::start_of(&suite.file)).with_help(help.to_owned()),
            );
        }
    }
    if !mistakes.is_empty() {
        return Err(Error::Suites(mistakes));
    }
    overwrite::check_recordings(options, &suites, &inputs)?;
    if options.publish.is_some() {
        redirect::apply(&mut suites, &options.redirection)?;
        publishable::check(&suites, &options.selection)?;
    }
    Ok(suites)
}

/// The files that a run reads, as far as the suites can be read: they themselves, what they name, and what flags name.
pub fn inputs(options: &Options) -> Vec<PathBuf> {
    let mut inputs: Vec<PathBuf> = options.suites.clone();
    inputs.extend(of_command_line(options));
    for path in &options.suites {
        let (suite, files) = read(path, options, SnapshotUse::Compared, false);
        inputs.extend(files);
        let policies = suite.iter().flat_map(|suite| &suite.policies);
        inputs.extend(policies.filter_map(|policy| match &policy.uri.value {
            PolicyRef::File(path) => Some(path.clone()),
            _ => None,
        }));
    }
    inputs
}

/// Reads a suite; with every file that it names.
fn read(
    path: &Path,
    options: &Options,
    snapshots: SnapshotUse,
    is_linked: bool,
) -> (Result<Suite, Vec<Diagnostic>>, Vec<PathBuf>) {
    let overrides = Overrides {
        variables: options.variables.clone(),
        kubewarden: options.kubewarden,
        root: options.root.clone(),
        environment: options.environment.clone(),
        is_linked,
        written: options.written.clone(),
        limit: options.file_limit,
        snapshots,
    };
    let key_check = |pem: &str| check_key(pem).map_err(|error| error.to_string());
    load::suite_and_files(path, &overrides, key_check)
}

/// The files that flags name and that are read later. Earlier reports are read before this one is written.
fn of_command_line(options: &Options) -> impl Iterator<Item = PathBuf> {
    let docker_config = options.network.docker_config.as_ref().map(|folder| folder.join("config.json"));
    let files = [
        options.network.sources.clone(),
        docker_config,
        options.signatures.verification_config.clone(),
        options.signatures.trust_config.clone(),
        options.against.as_ref().and_then(|against| against.authorities.clone()),
    ];
    files.into_iter().flatten()
}

/// The suites that are the same file by several paths.
fn linked(paths: &[PathBuf]) -> HashSet<&PathBuf> {
    let mut by_file: HashMap<PathBuf, Vec<&PathBuf>> = HashMap::new();
    for path in paths {
        by_file.entry(path.canonicalize().unwrap_or_else(|_| path.clone())).or_default().push(path);
    }
    by_file.into_values().filter(|paths| paths.len() > 1).flatten().collect()
}

/// The warnings about the suites and about the release of the command line, each once.
pub(super) fn warnings(suites: &[Suite], options: &Options) -> Vec<Diagnostic> {
    let mut warnings: Vec<Diagnostic> = options.kubewarden.and_then(load::newer_than_known).into_iter().collect();
    warnings.extend(suites.iter().filter(|suite| suite.cases.is_empty()).map(without_cases));
    for warning in suites.iter().flat_map(|suite| &suite.warnings) {
        // Two suites may name the same manifest.
        if !warnings.contains(warning) {
            warnings.push(warning.clone());
        }
    }
    warnings
}

/// A suite that tests nothing, among others that do.
fn without_cases(suite: &Suite) -> Diagnostic {
    Diagnostic::new(Code::NothingSelected, format!("the suite `{}` has no cases", suite.file.path))
        .at(&Span::start_of(&suite.file))
        .with_help("write `cases:`, or remove the suite".to_owned())
}

/// The selected cases; a shard may be left without any.
pub(super) fn select<'a>(suites: &'a [Suite], options: &Options) -> Result<Selected<'a>, Error> {
    let selected = select::select(suites, &options.selection, options.refuses_only)?;
    if selected.total == 0 && !options.allows_empty {
        let total = suites.iter().map(|suite| suite.cases.len()).sum();
        return Err(nothing_selected(total, &select::advice(suites, &options.selection)));
    }
    Ok(selected)
}

fn nothing_selected(total: usize, advice: &[String]) -> Error {
    let message = match total {
        0 => "the suites have no cases".to_owned(),
        _ => format!("none of the {total} cases is selected"),
    };
    let diagnostic = Diagnostic::new(Code::NothingSelected, message).with_help(advice.join("\n"));
    Error::NothingSelected(Box::new(diagnostic))
}

/// A case, as `verify list` shows it.
#[derive(Debug, Clone, serde::Serialize)]
#[non_exhaustive]
pub struct ListedCase {
    /// `suite › case [owner=team-a]`.
    pub id: String,
    /// Name of its policy.
    pub policy: String,
    /// Path of the suite, or of the file with its object, relative to the repository root.
    pub file: String,
    /// Line of its name, or of its row or object.
    pub line: usize,
    /// Its tags.
    pub tags: Vec<String>,
    /// What would be sent, for requests; a raw policy sees the same document.
    #[serde(skip)]
    pub request: Option<Arc<StoredRequest>>,
    /// Where its answer is kept, with `snapshot: true`: relative to the repository root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<String>,
    /// The paths of mappings that the fixture lacks and `set` has made.
    #[serde(skip)]
    pub created: Vec<String>,
    /// The settings of each policy that would be asked.
    #[serde(skip)]
    pub settings: Vec<Arc<Settings>>,
}

/// The cases a run would have, in order. Nothing is fetched or compiled.
///
/// # Errors
///
/// Mistakes in a suite, or nothing selected.
pub fn list(options: &Options) -> Result<Vec<ListedCase>, Error> {
    let suites = load_all(options, SnapshotUse::Compared)?;
    let selected = select(&suites, options)?;
    let listed = selected.cases.into_iter().map(|SelectedCase { suite, case }| ListedCase {
        id: case.id.clone(),
        policy: case.subject.clone(),
        file: case.place().file.path.clone(),
        line: case.place().line,
        tags: case.tags.clone(),
        snapshot: case.snapshot.as_ref().map(|snapshot| snapshot.shown.clone()),
        request: match &case.body {
            CaseBody::Request(asked) => Some(Arc::clone(&asked.request)),
            CaseBody::Settings(_) | CaseBody::Check { .. } | CaseBody::Relation(_) => None,
        },
        created: match &case.body {
            CaseBody::Request(asked) => asked.created.clone(),
            CaseBody::Settings(_) | CaseBody::Check { .. } | CaseBody::Relation(_) => Vec::new(),
        },
        settings: suites[suite.0].settings_for(case),
    });
    Ok(listed.collect())
}
