//! Policies that were typed: modules, references of registries, manifests, and folders of them.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::{FileLimit, InspectOptions, Network, PolicyName, names_of_policies};
use serde_json::{Map, Value, json};

use super::problem::usage;
use super::typed::{ENDINGS, Paths, in_folder};

/// A policy, or a group of policies.
pub(super) struct TypedPolicy {
    /// Its name.
    pub(super) name: String,
    /// What it is among resources: its kind, and the namespace that it says.
    pub(super) resource: Option<(String, Option<String>)>,
    source: Source,
}

/// Where a policy comes from, as a suite names it.
enum Source {
    Module(String),
    Manifest(String),
}

impl TypedPolicy {
    fn module(name: String, uri: String) -> Self {
        Self { name, resource: None, source: Source::Module(uri) }
    }

    /// Its entry in a suite; `metadata` is for modules in files that have none.
    pub(super) fn entry(&self, metadata: Option<&str>, is_context_aware: bool) -> Result<Value, Diagnostic> {
        let mut entry = json!({});
        match &self.source {
            Source::Manifest(path) => entry["manifest"] = path.as_str().into(),
            Source::Module(uri) => {
                let has_none = metadata.is_some() && has_no_metadata(uri)?;
                metadata.iter().filter(|_| has_none).for_each(|path| entry["metadata"] = (*path).into());
                entry["uri"] = uri.as_str().into();
                if is_context_aware {
                    entry["contextAware"] = true.into();
                }
            }
        }
        Ok(entry)
    }
}

/// The policies that an argument names.
pub(super) fn read(text: &str, paths: &mut Paths, limit: FileLimit) -> Result<Vec<TypedPolicy>, Diagnostic> {
    if text.contains("://") && !text.starts_with("file://") {
        let without_digest = text.split('@').next().unwrap_or(text);
        let last = without_digest.rsplit('/').next().unwrap_or(without_digest);
        let name = last.split(':').next().unwrap_or(last).trim_end_matches(".wasm");
        let name = if name.is_empty() { "policy" } else { name };
        return Ok(vec![TypedPolicy::module(name.to_owned(), text.to_owned())]);
    }
    let path = Path::new(text.strip_prefix("file://").unwrap_or(text));
    if path.is_dir() {
        let mut sources = Vec::new();
        for file in in_folder(path, &ENDINGS[..2])? {
            sources.extend(manifests(&file, None, paths, limit)?);
        }
        if sources.is_empty() {
            return Err(usage(format!("no policy in the folder `{}`", path.display())));
        }
        return Ok(sources);
    }
    if is_module(path) {
        return Ok(vec![TypedPolicy::module(stem(path), paths.named(path)?)]);
    }
    let (path, name) = match text.rsplit_once('#').filter(|_| !path.exists()) {
        Some((file, name)) => (Path::new(file), Some(name)),
        None => (path, None),
    };
    let found = manifests(path, name, paths, limit);
    let found = found.map_err(|mistake| match (mistake.help.is_none(), text.contains(['/', ':'])) {
        (true, true) if mistake.code == Code::FileNotFound => {
            mistake.with_help(format!("for a policy in a registry write `registry://{text}`"))
        }
        _ => mistake,
    })?;
    match (found.is_empty(), name) {
        (false, _) => Ok(found),
        (true, None) => Err(usage(format!("no policy in `{}`", path.display()))),
        (true, Some(name)) => Err(usage(format!("no policy `{name}` in `{}`", path.display()))),
    }
}

/// The policies that the resources of a file deploy, or that of one name.
fn manifests(
    path: &Path,
    wanted: Option<&str>,
    paths: &mut Paths,
    limit: FileLimit,
) -> Result<Vec<TypedPolicy>, Diagnostic> {
    let file = paths.named(path)?;
    let names = names_of_policies(Path::new(&file), limit)?;
    let is_wanted = |it: &PolicyName| {
        let short = format!("{}/{}", it.kind, it.name);
        wanted.is_none_or(|wanted| wanted == it.in_file() || wanted == short || wanted == it.name)
    };
    let policy = |it: PolicyName| {
        let source = Source::Manifest(format!("{file}#{}", it.in_file()));
        TypedPolicy { name: it.name, resource: Some((it.kind, it.namespace)), source }
    };
    Ok(names.into_iter().filter(is_wanted).map(policy).collect())
}

/// What modules are called that are alone in a folder of their own.
const USUAL_NAMES: [&str; 3] = ["policy", "annotated-policy", "module"];

/// The name of a policy: that of its file, or of its folder.
fn stem(path: &Path) -> String {
    let named = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.split('.').find(|part| !part.is_empty()).map(str::to_owned)
    };
    let name = named(path).unwrap_or_else(|| "policy".to_owned());
    let folder = path.parent().filter(|_| USUAL_NAMES.contains(&name.as_str())).and_then(named);
    folder.unwrap_or(name)
}

/// Whether a file is a module, by its beginning, or by its name where it cannot be read.
fn is_module(path: &Path) -> bool {
    let mut magic = [0; 4];
    let begins = File::open(path).and_then(|mut file| file.read_exact(&mut magic));
    match begins {
        Ok(()) => magic == *b"\0asm",
        Err(_) => path.extension().is_some_and(|ending| ending == "wasm"),
    }
}

/// A name that no policy has yet.
pub(super) fn unused(name: &str, known: &Map<String, Value>) -> String {
    let names = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(names);
    names.find(|name| !known.contains_key(name)).expect("there are more names than policies")
}

/// Whether a module in a file has no metadata of its own. One of a registry is not looked at: it has some, or is not served.
fn has_no_metadata(uri: &str) -> Result<bool, Diagnostic> {
    if uri.contains("://") {
        return Ok(false);
    }
    let options = InspectOptions {
        module: uri.to_owned(),
        metadata: None,
        lists_signatures: false,
        is_offline: true,
        network: Network::default(),
    };
    let inspection = policy_verify::inspect(&options).map_err(|error| usage(error.to_string()))?;
    Ok(inspection.metadata.is_none())
}
