//! The policy that a first suite is for: its module, its metadata, and the form of its settings.

use std::fs;
use std::path::{Path, PathBuf};

use policy_verify::draft::first::{Questions, Subject};
use policy_verify::model::inspection::{DetectedKind, Inspection};
use policy_verify::model::policy::Metadata;
use policy_verify::{Error, InspectOptions, known_kinds, read_text};

use super::super::args::init::InitArgs;
use super::super::paths::{refused, seen_from};
use super::super::problem::usage;

/// Bytes of a form.
const LONGEST_FORM: u64 = 1 << 20;

/// Modules in a folder that may be meant, the first of them that is there.
const MODULES: [&str; 2] = ["policy.wasm", "annotated-policy.wasm"];

/// Longest name of a policy in a suite.
const LONGEST_NAME: usize = 60;

/// What was named on the command line.
pub(super) struct Target {
    /// A path, or a URI.
    pub(super) module: String,
    pub(super) is_file: bool,
}

/// The module of the command line, or the one in the working directory.
///
/// # Errors
///
/// There is none, or there are several.
pub(super) fn target(policy: Option<&str>) -> Result<Target, Error> {
    let named = policy.unwrap_or("");
    if named.contains("://") && !named.starts_with("file://") {
        return Ok(Target { module: named.to_owned(), is_file: false });
    }
    let path = Path::new(named.strip_prefix("file://").unwrap_or(named));
    let module = match policy {
        Some(_) if !path.is_dir() => path.to_owned(),
        _ => in_folder(path)?,
    };
    Ok(Target { module: module.to_string_lossy().replace('\\', "/"), is_file: true })
}

fn in_folder(folder: &Path) -> Result<PathBuf, Error> {
    if let Some(module) = MODULES.iter().map(|name| folder.join(name)).find(|path| path.is_file()) {
        return Ok(module);
    }
    let here = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let entries = fs::read_dir(here).into_iter().flatten().filter_map(Result::ok);
    let is_module = |path: &PathBuf| path.extension().is_some_and(|it| it == "wasm") && path.is_file();
    let mut found: Vec<PathBuf> = entries.map(|entry| folder.join(entry.file_name())).filter(is_module).collect();
    found.sort();
    match found.as_slice() {
        [module] => Ok(module.clone()),
        [] => {
            let help =
                "build the policy, usually with `make policy.wasm`, or name its module or URI: `verify init POLICY`";
            Err(refused(usage(format!("there is no module in `{}`", here.display())).with_help(help.to_owned())))
        }
        several => {
            let names: Vec<String> = several.iter().take(10).map(|it| it.display().to_string()).collect();
            let problem = usage(format!("there are {} modules in `{}`", several.len(), here.display()));
            Err(refused(problem.with_help(format!("name one of them: {}", names.join(", ")))))
        }
    }
}

impl Target {
    /// The folder of the module; the working directory for URIs.
    pub(super) fn folder(&self) -> &Path {
        if self.is_file { Path::new(&self.module).parent().unwrap_or(Path::new("")) } else { Path::new("") }
    }

    /// The path of the module, if it is a file.
    pub(super) fn path(&self) -> Option<PathBuf> {
        self.is_file.then(|| PathBuf::from(&self.module))
    }

    /// The suite, where no other is named.
    pub(super) fn suite(&self) -> PathBuf {
        self.folder().join("suite.yml")
    }

    /// A file of this name next to the module, or in the working directory.
    fn beside(&self, name: &str) -> Option<PathBuf> {
        let names = [name.to_owned(), name.replace(".yml", ".yaml")];
        let folders = [self.folder(), Path::new("")];
        let paths = folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name)));
        let mut paths = paths.filter(|_| self.is_file);
        paths.find(|path| path.is_file())
    }
}

/// What is known of the policy, and what there is to remark.
///
/// # Errors
///
/// The module or its metadata cannot be read or used.
pub(super) fn subject(target: &Target, arguments: &InitArgs, suite: &Path) -> Result<(Subject, Vec<String>), Error> {
    let mut options = InspectOptions {
        module: target.module.clone(),
        metadata: arguments.metadata.clone(),
        lists_signatures: false,
        is_offline: arguments.new_suite.sources.fetching.offline,
        network: arguments.new_suite.sources.network.network(),
    };
    let mut inspection = policy_verify::inspect(&options)?;
    if target.is_file && !Path::new(&target.module).is_file() {
        return Err(refused(usage(format!("`{}` is neither a file nor a URI", target.module))));
    }
    if inspection.metadata.is_none() {
        options.metadata = target.beside("metadata.yml");
        if options.metadata.is_some() {
            inspection = policy_verify::inspect(&options)?;
        }
    }
    if inspection.metadata.is_none() && inspection.detected_kind == DetectedKind::Rego {
        let help = "write a metadata.yml next to it, or name one with `--metadata`: its `executionMode` says which";
        let problem = usage(format!("`{}` is of OPA or of Gatekeeper, which only metadata tells", target.module));
        return Err(refused(problem.with_help(help.to_owned())));
    }
    let mode = inspection.execution_mode().filter(|_| inspection.metadata.is_none());
    let module = if target.is_file { seen_from(suite, Path::new(&target.module))? } else { target.module.clone() };
    let metadata_file = options.metadata.as_deref().map(|path| seen_from(suite, path)).transpose()?;
    let name = name(target, inspection.metadata.as_ref());
    let Inspection { metadata, remarks, .. } = inspection;
    let subject = Subject { name, module, metadata_file, metadata, execution_mode: mode, kinds: known_kinds() };
    Ok((subject, remarks))
}

/// What a policy is called: by its title, its module, its folder, or its place in a registry.
fn name(target: &Target, metadata: Option<&Metadata>) -> String {
    let title = metadata.and_then(|it| it.annotations.as_ref()?.get("io.kubewarden.policy.title"));
    let module = target.module.split('@').next().unwrap_or_default();
    let last = module.rsplit('/').next().unwrap_or_default();
    let last = last.split(':').next().unwrap_or_default().trim_end_matches(".wasm");
    let folder = std::path::absolute(target.folder()).or_else(|_| std::env::current_dir()).unwrap_or_default();
    let folder =
        if target.folder().as_os_str().is_empty() { std::env::current_dir().unwrap_or_default() } else { folder };
    let folder = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_usual = target.is_file && ["policy", "annotated-policy"].contains(&last);
    let names = [title.cloned().unwrap_or_default(), if is_usual { folder } else { last.to_owned() }];
    let names = names.iter().map(|name| word(name)).find(|name| !name.is_empty());
    names.unwrap_or_else(|| "policy".to_owned())
}

/// Small letters, digits and dashes.
fn word(name: &str) -> String {
    let letters = name.chars().take(LONGEST_NAME).map(|it| it.to_ascii_lowercase());
    let letters: String = letters.map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).collect();
    letters.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The form of the settings, and the name of its file.
///
/// # Errors
///
/// It cannot be read.
pub(super) fn questions(target: &Target, arguments: &InitArgs) -> Result<Option<(String, Questions)>, Error> {
    let Some(path) = arguments.questions.clone().or_else(|| target.beside("questions-ui.yml")) else { return Ok(None) };
    let shown = path.to_string_lossy().replace('\\', "/");
    let text = read_text(&path, LONGEST_FORM);
    let text = text.map_err(|error| refused(usage(format!("cannot read `{shown}`: {error}"))))?;
    Ok(Some((shown.clone(), Questions::read(&shown, &text).map_err(refused)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies_are_named_after_what_they_are() {
        for (module, title, wanted) in [
            ("policy.wasm", Some("Safe Labels!"), "safe-labels"),
            ("a/labels.wasm", None, "labels"),
            ("registry://ghcr.io/acme/policies/labels:v1.2.3", None, "labels"),
            ("registry://ghcr.io/acme/labels@sha256:00", Some("---"), "labels"),
            ("/labels/policy.wasm", None, "labels"),
            ("/policy.wasm", None, "policy"),
        ] {
            let target = Target { module: module.to_owned(), is_file: !module.contains("://") };
            let metadata = title.map(|title| -> Metadata {
                let text = format!(
                    r#"{{"rules":[],"mutating":false,"annotations":{{"io.kubewarden.policy.title":"{title}"}}}}"#
                );
                serde_json::from_str(&text).unwrap()
            });
            assert_eq!(name(&target, metadata.as_ref()), wanted, "{module}");
        }
    }
}
