//! `verify eval`: policies and manifests of the command line become a suite, which runs like any other.

use std::collections::{BTreeSet, HashSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Component, Path, PathBuf};

use policy_verify::model::code::Code;
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::tree::{self, Search};
use policy_verify::{
    CompilerChoice, Error, FileLimit, InspectOptions, Network, Options, UnknownKinds, Written, is_stream,
    names_of_policies, read_stdin,
};
use serde_json::{Map, Value, json};

use super::args::eval::EvalArgs;
use super::args::output::{OutputArgs, ReportPlace, ReportTarget};
use super::exit_code::ExitCode;
use super::interrupt::Signals;
use super::outputs::Outputs;
use super::places::Places;
use super::problem::usage;
use super::{console, run};

/// What stands for stdin.
pub(super) const STREAM: &str = "-";

/// Endings of manifests in a folder.
const ENDINGS: [&str; 3] = ["yaml", "yml", "json"];

/// `verify eval`.
pub(crate) fn eval(arguments: &EvalArgs, signals: &Signals) -> ExitCode {
    let output = with_verdicts(&arguments.output);
    let mut outputs = match Outputs::open(&output, arguments.root.as_deref()) {
        Ok(outputs) => outputs,
        Err(problem) => return console::refuse_usage(problem),
    };
    outputs.show_paths(Places::of(&[], arguments.root.as_deref()));
    match options(arguments) {
        Ok(options) => run::carry_out(options, outputs, &output, None, signals),
        Err(problem) => run::not_started(&Error::Arguments(vec![problem]), &mut outputs, &output),
    }
}

/// Verdicts on stdout, unless another report goes there.
fn with_verdicts(output: &OutputArgs) -> OutputArgs {
    let mut output = output.clone();
    let is_taken = |target: &ReportTarget| match target.place {
        ReportPlace::Stdout => true,
        ReportPlace::Usual => target.format != "github",
        ReportPlace::File(_) => false,
    };
    if !output.reports.iter().any(is_taken) {
        output.reports.push(ReportTarget { format: "verdicts".to_owned(), place: ReportPlace::Stdout });
    }
    output
}

fn options(arguments: &EvalArgs) -> Result<Options, Diagnostic> {
    let mut options = Options::default();
    options.root = arguments.root.as_deref().map(run::root).transpose()?;
    options.file_limit = arguments.max_file_size.unwrap_or_default();
    options.written = Some(suite(arguments, Paths::new()?, options.file_limit)?);
    options.suites = vec![PathBuf::from(STREAM)];
    options.kubewarden = arguments.kubewarden;
    options.jobs = arguments.jobs.map(usize::from);
    options.compiler = CompilerChoice::Auto;
    arguments.engine.apply(&mut options);
    options.is_live = arguments.live;
    options.allows_empty = arguments.allow_empty;
    arguments.sources.apply(&mut options);
    Ok(options)
}

/// The suite: a case of each policy with all objects.
fn suite(arguments: &EvalArgs, mut paths: Paths, limit: FileLimit) -> Result<Written, Diagnostic> {
    let paths = &mut paths;
    let settings = settings(arguments, paths)?;
    let metadata = arguments.metadata.as_deref().map(|path| paths.named(path)).transpose()?;
    let cluster = globs(&arguments.cluster, paths)?;
    let mut policies = Map::new();
    for text in &arguments.policies {
        for (name, source) in sources(text, paths, limit)? {
            let mut policy = json!({});
            match source {
                Source::Module(uri) => {
                    let has_none = metadata.is_some() && has_no_metadata(&uri)?;
                    metadata.iter().filter(|_| has_none).for_each(|path| policy["metadata"] = path.as_str().into());
                    policy["uri"] = uri.into();
                    if !cluster.is_empty() || arguments.live {
                        policy["contextAware"] = true.into();
                    }
                }
                Source::Manifest(path) => policy["manifest"] = path.into(),
            }
            policies.insert(unused(&name, &policies), policy);
        }
    }
    let crds = globs(&arguments.crds, paths)?;
    let (streams, files): (Vec<_>, Vec<_>) = arguments.files.iter().cloned().partition(|path| is_stream(path));
    let stream = streams.first().map(|_| read_stdin(limit)).transpose();
    let objects = stream.map_err(|error| usage(format!("cannot read the manifests of stdin: {error}")))?;
    let mut named = globs(&files, paths)?;
    named.extend(streams.first().map(|_| STREAM.to_owned()));
    let case = |name: &String| {
        let mut case = json!({ "name": name, "policy": name, "objects": named, "rules": "skip", "expect": "accept" });
        if !cluster.is_empty() {
            case["cluster"] = cluster.clone().into();
        }
        settings.iter().for_each(|settings| case["settings"] = settings.clone());
        case
    };
    let cases: Vec<Value> = policies.keys().map(case).collect();
    let suite = json!({ "version": 1, "name": "eval", "crds": crds, "policies": policies, "cases": cases });
    // What was typed has no variables.
    let text = serde_json::to_string_pretty(&suite).expect("plain values are JSON").replace("${", "$${");
    let unknown_kinds = if arguments.skip_unknown { UnknownKinds::Skipped } else { UnknownKinds::Refused };
    Ok(Written { text, objects, named: std::mem::take(&mut paths.named), unknown_kinds })
}

/// The settings of all policies; as a path where they are in a file.
fn settings(arguments: &EvalArgs, paths: &mut Paths) -> Result<Option<Value>, Diagnostic> {
    if let Some(path) = &arguments.settings {
        return Ok(Some(paths.named(path)?.into()));
    }
    let Some(text) = &arguments.settings_json else { return Ok(None) };
    match serde_json::from_str(text) {
        Ok(settings @ Value::Object(_)) => Ok(Some(settings)),
        Ok(_) => Err(usage("--settings-json: expected an object, such as `{\"mandatory_labels\": [\"owner\"]}`")),
        Err(error) => Err(usage(format!("--settings-json: {error}"))),
    }
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

/// Where a policy comes from, as a suite names it.
enum Source {
    Module(String),
    Manifest(String),
}

/// The policies that an argument names, each with a name.
fn sources(text: &str, paths: &mut Paths, limit: FileLimit) -> Result<Vec<(String, Source)>, Diagnostic> {
    if text.contains("://") && !text.starts_with("file://") {
        let without_digest = text.split('@').next().unwrap_or(text);
        let last = without_digest.rsplit('/').next().unwrap_or(without_digest);
        let name = last.split(':').next().unwrap_or(last).trim_end_matches(".wasm");
        let name = if name.is_empty() { "policy" } else { name };
        return Ok(vec![(name.to_owned(), Source::Module(text.to_owned()))]);
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
        return Ok(vec![(stem(path), Source::Module(paths.named(path)?))]);
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
) -> Result<Vec<(String, Source)>, Diagnostic> {
    let file = paths.named(path)?;
    let names = names_of_policies(Path::new(&file), limit)?;
    let is_wanted = |full: &str, name: &str| wanted.is_none_or(|wanted| wanted == full || wanted == name);
    let named = names.into_iter().map(|(kind, name)| (format!("{kind}/{name}"), name));
    let found = named.filter(|(full, name)| is_wanted(full, name));
    Ok(found.map(|(full, name)| (name, Source::Manifest(format!("{file}#{full}")))).collect())
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
fn unused(name: &str, known: &Map<String, Value>) -> String {
    let names = (2..).map(|number| format!("{name}-{number}"));
    let mut names = std::iter::once(name.to_owned()).chain(names);
    names.find(|name| !known.contains_key(name)).expect("there are more names than policies")
}

/// Files and globs as they are, and the manifests of folders.
pub(super) fn globs(files: &[PathBuf], paths: &mut Paths) -> Result<Vec<String>, Diagnostic> {
    let (mut named, mut seen) = (Vec::new(), HashSet::new());
    for path in files {
        let found = if path.is_dir() {
            in_folder(path, &ENDINGS)?.into_iter().collect()
        } else if tree::is_glob(&path.to_string_lossy()) && !path.exists() {
            matches(path)?
        } else {
            vec![path.clone()]
        };
        for file in found {
            let name = paths.named(&file)?;
            if seen.insert(name.clone()) {
                named.push(name);
            }
        }
    }
    Ok(named)
}

/// The files that a glob matches.
fn matches(glob: &Path) -> Result<Vec<PathBuf>, Diagnostic> {
    let shown = glob.display();
    let found = tree::glob(Path::new(""), &glob.to_string_lossy(), Search::Fixtures);
    let found = found.map_err(|error| usage(format!("invalid glob `{shown}`: {error}")))?;
    match found.problems.first() {
        Some(problem) => Err(usage(problem.to_string())),
        None if found.files.is_empty() => Err(usage(format!("no file matches `{shown}`"))),
        None => Ok(found.files),
    }
}

/// The files below a folder with these endings, sorted.
fn in_folder(folder: &Path, endings: &[&str]) -> Result<BTreeSet<PathBuf>, Diagnostic> {
    let mut files = BTreeSet::new();
    for ending in endings {
        let found = tree::glob(folder, &format!("**/*.{ending}"), Search::Fixtures);
        let found = found.map_err(|error| usage(format!("`{}`: {error}", folder.display())))?;
        if let Some(problem) = found.problems.first() {
            return Err(usage(problem.to_string()));
        }
        files.extend(found.files);
    }
    // The folder was typed, and not what its links lead to.
    let real = folder.canonicalize().map_err(|error| usage(format!("cannot read `{}`: {error}", folder.display())))?;
    let is_elsewhere = |file: &&PathBuf| !file.canonicalize().is_ok_and(|file| file.starts_with(&real));
    if let Some(link) = files.iter().find(is_elsewhere) {
        return Err(usage(format!("`{}` is a link to a file outside of the folder", link.display()))
            .with_help("name the file itself".to_owned()));
    }
    if files.is_empty() {
        let endings: Vec<String> = endings.iter().map(|ending| format!("*.{ending}")).collect();
        return Err(usage(format!("no file in the folder `{}`: expected {}", folder.display(), endings.join(", "))));
    }
    Ok(files)
}

/// Paths of the command line. A suite names them as they are: none is a glob any more, and each was typed, or found in a folder
/// that was.
pub(super) struct Paths {
    working_directory: PathBuf,
    named: BTreeSet<PathBuf>,
}

impl Paths {
    pub(super) fn new() -> Result<Self, Diagnostic> {
        let working_directory = std::env::current_dir()
            .map_err(|error| usage(format!("the working directory cannot be found: {error}")))?;
        Ok(Self { working_directory, named: BTreeSet::new() })
    }

    /// The absolute path of a file.
    pub(super) fn named(&mut self, path: &Path) -> Result<String, Diagnostic> {
        let shown = path.display();
        if !path.exists() {
            return Err(Diagnostic::new(Code::FileNotFound, format!("file not found: `{shown}`")));
        }
        if !path.is_file() {
            return Err(usage(format!("`{shown}` is not a regular file")));
        }
        let absolute = without_dots(&self.working_directory.join(path));
        let text = absolute.to_str().ok_or_else(|| usage(format!("invalid path `{shown}`: it is not UTF-8")))?;
        let text = text.to_owned();
        self.named.insert(absolute);
        Ok(text)
    }

    /// All files that were named.
    pub(super) fn into_named(self) -> BTreeSet<PathBuf> {
        self.named
    }
}

/// A path without `.`, and without `..` where no link is before it.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if !plain.is_symlink() => drop(plain.pop()),
            part => plain.push(part),
        }
    }
    plain
}
