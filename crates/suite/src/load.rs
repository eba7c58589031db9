//! The steps from the text of a suite to a [`Suite`], in their order.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::cases::Cases;
use super::environment::Environment;
use super::file_limit::FileLimit;
use super::files::{self, Files, KeyCheck, UnknownKinds};
use super::include::{self, Part};
use super::kinds::Kinds;
use super::mistake::{Mistakes, mistake, suggestion};
use super::policies::Policies;
use super::root::as_named;
use super::schema::{Data, DefaultsEntry, Named, SuiteFile};
use super::snapshots::{self, SnapshotUse};
use super::vars::{Scope, substitute};
use super::yaml::{Content, Node};
use super::{
    baseline, deployed, gates, groups, known_kinds, kubewarden, not_deployed, policy, publish, read, relations, yaml,
};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::release::Release;
use policy_verify_model::source::{SourceFile, Span, Spanned};
use policy_verify_model::suite::Suite;

/// What the command line says in place of a suite.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Values for its variables: name and text.
    pub variables: Vec<(String, String)>,
    /// The release of Kubewarden.
    pub kubewarden: Option<Release>,
    /// The root of the repository: nothing outside of it is read.
    pub root: Option<PathBuf>,
    /// The variables of the environment that it may read.
    pub environment: Environment,
    /// Whether the run has the same file by another path, too: its `name:` alone would not tell them apart.
    pub is_linked: bool,
    /// How large it and the files that it names may be.
    pub limit: FileLimit,
    /// What becomes of snapshots that are no use to anybody.
    pub snapshots: SnapshotUse,
    /// The suite itself, in place of what the stream has.
    pub written: Option<Written>,
}

/// A suite that a command has written. It belongs to the working directory.
#[derive(Debug, Clone, Default)]
pub struct Written {
    /// Its text.
    pub text: String,
    /// The objects that `-` stands for under `objects:`.
    pub objects: Option<Arc<SourceFile>>,
    /// Absolute paths that it may name, although they may be outside of the repository: whoever typed the command named them.
    pub named: BTreeSet<PathBuf>,
    /// What becomes of objects of unknown kinds.
    pub unknown_kinds: UnknownKinds,
}

/// What reports call a suite that a command has written.
const WRITTEN: &str = "<command line>";

/// Reads the suite at `path`. Its warnings are part of it.
///
/// # Errors
///
/// Every mistake of the suite and of the files it names.
pub fn suite(path: &Path, overrides: &Overrides, check_key: KeyCheck) -> Result<Suite, Vec<Diagnostic>> {
    suite_and_files(path, overrides, check_key).0
}

/// Reads the suite at `path`; with every file that it names, also where it is invalid.
pub fn suite_and_files(
    path: &Path,
    overrides: &Overrides,
    check_key: KeyCheck,
) -> (Result<Suite, Vec<Diagnostic>>, Vec<PathBuf>) {
    let (files, file) = match open(path, overrides, check_key) {
        Ok(opened) => opened,
        Err(mistake) => return (Err(vec![mistake]), Vec::new()),
    };
    let mut mistakes = Mistakes::default();
    let suite = read_suite(&file, &files, overrides, &mut mistakes);
    let suite = match suite {
        Some(suite) if mistakes.is_empty() => Ok(suite),
        _ if overrides.written.is_some() => Err(without_places_in(&file, mistakes.into_sorted())),
        _ => Err(mistakes.into_sorted()),
    };
    (suite, files.into_named())
}

/// Mistakes about a suite that nobody has seen: its lines tell nothing, and what is in several of them is told once.
fn without_places_in(file: &SourceFile, mistakes: Vec<Diagnostic>) -> Vec<Diagnostic> {
    let mut told: Vec<Diagnostic> = Vec::new();
    for mut mistake in mistakes {
        mistake.span = mistake.span.filter(|span| span.file.path != file.path);
        mistake.related.retain(|related| related.span.file.path != file.path);
        if !told.contains(&mistake) {
            told.push(mistake);
        }
    }
    told
}

/// Whether a path is an open stream: stdin, or a pipe that a shell passes. A suite in it belongs to the working directory.
pub fn is_stream(path: &Path) -> bool {
    path == Path::new("-")
        || path == Path::new("/dev/stdin")
        || path.starts_with("/dev/fd")
        || path.starts_with("/proc/self/fd")
}

/// The text of a suite, and the files beside it.
fn open(path: &Path, overrides: &Overrides, check_key: KeyCheck) -> Result<(Files, Arc<SourceFile>), Diagnostic> {
    let failed = |error: io::Error| unreadable(path, &error.to_string());
    let root = overrides.root.as_deref();
    let (files, file) = if is_stream(path) {
        let mut files = Files::in_folder(Path::new("."), root, check_key).map_err(failed)?;
        files.limit = overrides.limit;
        let file = match &overrides.written {
            Some(Written { text, objects, named, unknown_kinds }) => {
                files.typed = Some(*unknown_kinds);
                files.streamed.clone_from(objects);
                files.allowed.clone_from(named);
                Arc::new(SourceFile { path: WRITTEN.to_owned(), text: text.clone() })
            }
            None => read_stream(path, overrides.limit).map_err(failed)?,
        };
        (files, file)
    } else {
        let mut files = Files::of_suite(path, root, check_key).map_err(failed)?;
        files.limit = overrides.limit;
        let file = read_file(path, &files)?;
        (files, file)
    };
    // Without a line there is nothing to quote, so the message has to name the file.
    if file.text.trim().is_empty() {
        return Err(at_file(unreadable(path, "the file is empty"), file.path.clone()));
    }
    Ok((files, file))
}

/// The text of a suite in a file. Mistakes are placed as reports name files; messages have the path as it was typed.
fn read_file(path: &Path, files: &Files) -> Result<Arc<SourceFile>, Diagnostic> {
    let named = as_named(path).map_err(|error| unreadable(path, &error.to_string()))?;
    let at = |mistake: Diagnostic| at_file(mistake, files.shown(&named));
    if !files.is_inside(&named).map_err(|error| at(unreadable(path, &error.to_string())))? {
        let message = format!("the suite `{}` is outside the repository", path.display());
        let outside = Diagnostic::new(Code::OutsideRepository, message);
        return Err(at(outside.with_help(files.other_root())));
    }
    if is_module(&named) {
        return Err(at(module_as_suite(path)));
    }
    files.read_text(&named).map_err(at)
}

/// The mistake at a file that cannot be quoted.
fn at_file(mistake: Diagnostic, shown: String) -> Diagnostic {
    Diagnostic { span: Some(Span::unquoted(shown)), ..mistake }
}

fn read_stream(path: &Path, limit: FileLimit) -> io::Result<Arc<SourceFile>> {
    let is_stdin = !path.starts_with("/dev/fd") && !path.starts_with("/proc");
    let bytes = match is_stdin {
        true => limit.read(io::stdin().lock())?,
        false => limit.read(File::open(path)?)?,
    };
    let path = if is_stdin { "<stdin>".to_owned() } else { path.to_string_lossy().into_owned() };
    Ok(Arc::new(SourceFile { path, text: files::text(bytes)? }))
}

/// Reads stdin, for what is not a suite.
///
/// # Errors
///
/// It cannot be read, is too long, or is no text.
pub fn read_stdin(limit: FileLimit) -> io::Result<Arc<SourceFile>> {
    read_stream(Path::new("-"), limit)
}

/// Whether a file begins as modules do.
fn is_module(path: &Path) -> bool {
    let mut magic = [0; 4];
    let mut read = || File::open(path)?.read_exact(&mut magic);
    path.is_file() && read().is_ok() && magic == *b"\0asm"
}

fn module_as_suite(path: &Path) -> Diagnostic {
    let shown = path.to_string_lossy().into_owned();
    let help = format!("write it under `policies:` of a suite, or run `verify inspect {shown}`");
    let message = format!("`{shown}` is a module, not a suite");
    mistake(&Span::unquoted(shown), message).with_help(help)
}

/// A mistake about a file that cannot be quoted.
fn unreadable(path: &Path, message: &str) -> Diagnostic {
    let shown = path.to_string_lossy().into_owned();
    let is_missing = path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
    let message = match is_missing && !is_stream(path) {
        false => format!("cannot read the suite `{shown}`: {message}"),
        true => format!("suite not found: `{shown}`"),
    };
    mistake(&Span::unquoted(shown), message)
}

fn read_suite(file: &Arc<SourceFile>, files: &Files, overrides: &Overrides, mistakes: &mut Mistakes) -> Option<Suite> {
    let root = yaml::parse_within(file, files.limit).map_err(|mistake| mistakes.push(mistake)).ok()?;
    if !include::is_ours(&root, mistakes) {
        return None;
    }
    let parts = include::parts(file, root, files, mistakes)?;
    for vars in parts.iter().filter_map(|part| part.root.get("vars")) {
        // Without them, every variable is unknown.
        read::read::<Named<Data>>(vars, mistakes)?;
    }
    let variables = variables(&parts, overrides, mistakes);
    let included: Vec<Arc<SourceFile>> = include::included(&parts);
    let (frames, defaults) = frames(parts, &variables, files, mistakes);
    let (_, of_included) = frames.split_last()?;
    of_included.iter().for_each(|frame| include::refuse_keys_of_suites(frame, mistakes));
    let read: Vec<SuiteFile> = frames.iter().filter_map(|frame| read::read(frame, mistakes)).collect();
    if read.len() < frames.len() {
        return None;
    }
    read.iter().for_each(|written| check_versions(written, mistakes));
    let Joined { suite: written, cases: written_cases } = join(read, mistakes)?;
    let kubewarden = kubewarden::read(written.kubewarden.as_ref(), overrides.kubewarden, files, mistakes);
    let before_kinds = mistakes.added();
    let kinds = kinds(&written, files, mistakes);
    // What cases lack without a part of the frame is no mistake of theirs.
    if mistakes.added() > before_kinds || !frames.iter().all(|frame| is_frame_whole(frame, mistakes)) {
        return None;
    }
    drop(frames);
    let name = match written.name {
        Some(name) if overrides.is_linked => format!("{} ({})", name.value, file.path),
        Some(name) => name.value,
        None => file.path.clone(),
    };
    let of_policies = written.defaults.unwrap_or_default();
    let compat = of_policies.compat.unwrap_or_default();
    let mut policies = policy::read(&written.policies, compat, &kubewarden, files, mistakes);
    groups::read(&written.groups, &mut policies, files, mistakes);
    let mut cases = Cases::new(&name, files, &kinds, &variables);
    cases.add_checks(&mut policies, mistakes);
    let has_all_uses = written_cases.iter().all(WrittenCases::are_all_mappings);
    cases.refuse_too_many(written_cases.iter().flat_map(|written| &written.cases), mistakes);
    for (written, defaults) in written_cases.into_iter().zip(defaults) {
        cases.use_defaults(defaults, mistakes);
        written.add_to(&mut cases, &mut policies, mistakes);
    }
    let relations = relations::read(of_policies.relations.as_deref().unwrap_or_default(), mistakes);
    cases.add_relations(&policies, &relations, mistakes);
    let has_variables = !overrides.variables.is_empty() || !overrides.environment.allowed.is_empty();
    let are_named_otherwise = has_variables && cases.are_named_by_variables();
    let mut cases = cases.finish(&included);
    let is_complete = has_all_uses && !are_named_otherwise && mistakes.is_empty();
    let unused_snapshots = snapshots::read(&mut cases, files, overrides.snapshots, is_complete, mistakes);
    not_deployed::check(&policies, &cases, mistakes);
    let gates = gates::read(written.gates.as_ref(), mistakes);
    baseline::check(&policies.specs, &gates, mistakes);
    let publish = publish::specs(&written.publish, &policies, mistakes);
    if has_all_uses {
        refuse_unused(&variables, file, mistakes);
    }
    Some(Suite {
        name,
        file: Arc::clone(file),
        included,
        kubewarden,
        policies: policies.specs,
        groups: policies.groups,
        cases,
        publish,
        gates,
        custom_kinds: known_kinds::custom(&kinds),
        warnings: mistakes.take_warnings(),
        unused_snapshots,
    })
}

/// Refuses variables of the suite that nothing uses. Those of a file that is included are for other suites, too.
fn refuse_unused(variables: &Scope, suite: &SourceFile, mistakes: &mut Mistakes) {
    for (span, name) in variables.unused().filter(|(span, _)| span.file.path == suite.path) {
        let help = format!("use it as `${{{name}}}`, or remove it");
        let mistake = mistake(span, format!("unused variable `{name}`")).with_code(Code::Variable);
        mistakes.push(mistake.with_help(help));
    }
}

/// The files of a suite with their variables replaced, and for each of them the defaults of its cases.
fn frames(
    parts: Vec<Part>,
    variables: &Scope,
    files: &Files,
    mistakes: &mut Mistakes,
) -> (Vec<Node>, Vec<DefaultsEntry>) {
    let includers: Vec<Option<usize>> = parts.iter().map(|part| part.includer).collect();
    let mut frame = |part: Part| deployed::expand(substitute_frame(part.root, variables, mistakes), files, mistakes);
    let frames: Vec<Node> = parts.into_iter().map(&mut frame).collect();
    let defaults = (0..frames.len()).map(|index| {
        let inherited = include::defaults(index, &frames, &includers);
        // What is wrong with them is told when their file is read.
        inherited.and_then(|node| read::read(&node, &mut Mistakes::default())).unwrap_or_default()
    });
    let defaults = defaults.collect();
    (frames, defaults)
}

/// The cases of one file.
struct WrittenCases {
    settings_cases: Vec<Data>,
    cases: Vec<Data>,
}

impl WrittenCases {
    /// Reads the cases. Each goes when it was read: of a large suite, its text takes more memory than what becomes of it.
    fn add_to(self, cases: &mut Cases<'_>, policies: &mut Policies, mistakes: &mut Mistakes) {
        for case in self.settings_cases {
            cases.add_settings_case(&case, policies, mistakes);
        }
        for case in self.cases {
            cases.add_case(&case, policies, mistakes);
        }
    }

    /// Whether all of them are mappings. One that is none may have been meant to use any of the variables.
    fn are_all_mappings(&self) -> bool {
        self.settings_cases.iter().chain(&self.cases).all(|case| matches!(case.0.content, Content::Map(_)))
    }
}

/// A suite with what it includes.
struct Joined {
    /// The suite, with the policies, groups and kinds of all files, and without cases.
    suite: SuiteFile,
    /// The cases of each file.
    cases: Vec<WrittenCases>,
}

/// Joins the files of a suite, of which the last one is the suite itself.
fn join(read: Vec<SuiteFile>, mistakes: &mut Mistakes) -> Option<Joined> {
    let (mut policies, mut groups, mut crds, mut cases) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let mut suite = None;
    for mut written in read {
        include::extend("policy", &mut policies, std::mem::take(&mut written.policies.0), mistakes);
        include::extend("group", &mut groups, std::mem::take(&mut written.groups.0), mistakes);
        crds.append(&mut written.crds);
        let settings_cases = std::mem::take(&mut written.settings_cases);
        cases.push(WrittenCases { settings_cases, cases: std::mem::take(&mut written.cases) });
        suite = Some(written);
    }
    let suite = suite.map(|suite| SuiteFile { policies: Named(policies), groups: Named(groups), crds, ..suite })?;
    Some(Joined { suite, cases })
}

/// Whether the values of all keys of the suite, and all keys and items of `defaults` and `crds`, have the right type.
fn is_frame_whole(frame: &Node, mistakes: &Mistakes) -> bool {
    let is_wrong = |value: &Node| value.is_unknown() || mistakes.has_one_at(&value.span);
    frame.entries().iter().all(|(key, value)| match (key.name.as_str(), &value.content) {
        ("crds", Content::List(items)) => !items.iter().any(is_wrong),
        ("defaults", Content::Map(keys)) => {
            !keys.iter().any(|(key, value)| is_wrong(value) || mistakes.has_one_at(&key.span))
        }
        _ => !is_wrong(value),
    })
}

/// The variables of the suite and of what it includes, each one free to use those before it.
fn variables(parts: &[Part], overrides: &Overrides, mistakes: &mut Mistakes) -> Scope {
    let mut scope = Scope::of_suite(&overrides.environment);
    let overrides = &overrides.variables;
    for (key, value) in include::variables(parts, mistakes) {
        // The value may use another variable; what takes its place is final.
        let text = overrides.iter().rev().find(|(name, _)| *name == key.name).map(|(_, text)| text);
        let value = if text.is_some() { value.clone() } else { substitute(value, &[&scope], mistakes) };
        scope.define(Spanned::new(key.name.clone(), key.span.clone()), value);
        if let Some(text) = text {
            scope.override_with(&key.name, text);
        }
    }
    let Some(root) = parts.last().map(|part| &part.root) else { return scope };
    for (name, _) in overrides {
        let known: Vec<&str> = scope.names().collect();
        if !known.contains(&name.as_str()) {
            let vars = root.entries().iter().find(|(key, _)| key.name == "vars").map(|(key, _)| &key.span);
            let mistake = match vars.filter(|_| !known.is_empty()) {
                Some(vars) => {
                    mistake(vars, format!("unknown variable `{name}` of `--var`")).with_help(suggestion(name, &known))
                }
                None => no_vars(name, &root.span.file.path),
            };
            mistakes.push(mistake.with_code(Code::Variable));
        }
    }
    scope
}

/// A variable for a suite that has none: no line of it is to blame, so none is quoted.
fn no_vars(name: &str, path: &str) -> Diagnostic {
    let message = format!("unknown variable `{name}` of `--var`: the suite `{path}` has no `vars:`");
    mistake(&Span::unquoted(path), message)
        .with_help(format!("remove `--var {name}=…`, or add `vars: {{ {name}: … }}`"))
}

/// Replaces variables everywhere but in the cases, which may have more of them, and in the variables themselves.
fn substitute_frame(root: Node, variables: &Scope, mistakes: &mut Mistakes) -> Node {
    let Node { id, span, content } = root;
    let Content::Map(entries) = content else { return Node { id, span, content } };
    let entries = entries.into_iter().map(|(key, value)| {
        let is_frame =
            !["cases", "include", "settingsCases", "vars"].contains(&key.name.as_str()) && !key.name.starts_with("x-");
        let value = if is_frame { substitute(&value, &[variables], mistakes) } else { value };
        (key, value)
    });
    Node { id, span, content: Content::Map(entries.collect()) }
}

fn check_versions(written: &SuiteFile, mistakes: &mut Mistakes) {
    if written.version.value != 1 {
        let message = format!("unsupported version {} of the suite format", written.version.value);
        mistakes.add_with_help(&written.version.span, message, "write `version: 1`");
    }
    let Some(requires) = &written.requires else { return };
    let running = semver::Version::parse(env!("CARGO_PKG_VERSION")).expect("cargo checks the version of a package");
    match semver::VersionReq::parse(&requires.value) {
        Ok(wanted) if wanted.matches(&running) => {}
        Ok(_) => mistakes.add_with_help(
            &requires.span,
            format!("the suite requires verify {}, found {running}", requires.value),
            "install another version of verify",
        ),
        Err(error) => {
            let message = format!("invalid version range `{}`: {error}", requires.value);
            mistakes.add_with_help(&requires.span, message, "write `>=0.1`");
        }
    }
}

fn kinds(written: &SuiteFile, files: &Files, mistakes: &mut Mistakes) -> Kinds {
    let mut kinds = Kinds::default();
    for named in &written.crds {
        let paths = files.glob(named).unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            Vec::new()
        });
        for path in paths {
            if mistakes.is_full() {
                break;
            }
            match files.documents(&path, &named.span) {
                Ok(documents) => {
                    for document in documents.iter() {
                        if let Err(mistake) = kinds.add_crds(&document.value) {
                            mistakes.push(mistake.at(&document.span));
                        }
                    }
                }
                Err(mistake) => mistakes.push(mistake),
            }
        }
    }
    kinds
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The mistakes of a suite with these cases, as `path:line message; help`.
    fn mistakes(cases: &str) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let request = "{ uid: u, operation: CREATE, kind: { group: '', version: v1, kind: Pod } }";
        for (path, text) in [
            (".git/HEAD", ""),
            ("pod.yaml", "{ apiVersion: v1, kind: Pod, metadata: { name: web } }"),
            ("broken.yaml", "kind: Pod\nmetadata: [\n"),
            ("strange.yaml", "# a comment\napiVersion: v1\nkind: Pood\n"),
            ("request.yaml", request),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let path = folder.path().join("suite.yml");
        let head = "version: 1\npolicies: { p: { uri: registry://ghcr.io/acme/p:v1 } }\ncases:\n";
        std::fs::write(&path, format!("{head}{cases}")).unwrap();
        let found = suite(&path, &Overrides::default(), |_| Ok(())).err().unwrap_or_default();
        let shown = found.iter().map(|it| {
            let place = it.span.as_ref().unwrap().file_and_line();
            format!("{place} {}; {}", it.message, it.help.as_deref().unwrap_or("-"))
        });
        shown.collect()
    }

    fn each(number: usize, case: &str) -> String {
        (0..number).map(|index| format!("  - {{ name: case {index}, {case} }}\n")).collect()
    }

    #[test]
    fn a_misspelt_key_is_one_mistake() {
        for (case, message) in [
            ("object: pod.yaml, expct: allow", "suite.yml:4 unknown key `expct`; did you mean `expect`?"),
            ("obejct: pod.yaml, expect: allow", "suite.yml:4 unknown key `obejct`; did you mean `object`?"),
            ("object: pod.yaml, expect: { alow: true }", "suite.yml:4 unknown key `alow`; did you mean `allow`?"),
        ] {
            assert_eq!(mistakes(&each(1, case)), [message], "{case}");
        }
    }

    #[test]
    fn a_wrong_fixture_is_one_mistake_at_its_own_line() {
        let found = mistakes(&each(10, "object: broken.yaml, expect: allow"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("broken.yaml:") && found[0].contains(" (10 cases); "), "{found:?}");
        let found = mistakes(&each(10, "object: strange.yaml, expect: allow"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("strange.yaml:2 unknown kind `Pood` of `v1` (10 cases); did you"), "{found:?}");
    }

    #[test]
    fn the_same_cause_in_several_cases_is_one_mistake() {
        let found = mistakes(&each(3, "object: none.yaml, expect: allow"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].starts_with("suite.yml:4 file not found: `none.yaml` (3 cases); "), "{found:?}");
        let found = mistakes(&each(3, "policy: q, object: pod.yaml, expect: allow"));
        assert_eq!(found, ["suite.yml:4 unknown policy `q` (3 cases); expected one of: `p`"]);
    }

    #[test]
    fn the_rows_of_a_matrix_have_one_mistake() {
        let matrix =
            "matrix: { a: [1, 2, 3, 4], b: [x, y] }, object: pod.yaml, set: { spec.x: '${a}${b}' }, expect: deny";
        let found = mistakes(&format!("  - {{ name: 'case ${{a}} ${{b}}', {matrix} }}\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].starts_with("suite.yml:4 invalid path `spec.x`: unknown field `x` of PodSpec (8 cases); "),
            "{found:?}"
        );
    }

    #[test]
    fn rows_with_one_name_are_one_mistake() {
        let found = mistakes(
            "  - { name: n, each: [{ a: 1 }, { a: 1 }, { a: 1 }, { a: 2 }, { a: 2 }], object: pod.yaml, set: { metadata.name: \"${a}\" }, expect: deny }\n",
        );
        assert_eq!(found, ["suite.yml:4 duplicate case name `n [a=1]`; add a `${…}` of the row to the name"]);
    }

    #[test]
    fn an_unknown_variable_has_no_further_mistakes() {
        for case in [
            "object: pod.yaml, expect: '${word}'",
            "object: '${word}', expect: deny",
            "object: 'x${word}.yaml', expect: deny",
        ] {
            let found = mistakes(&each(1, case));
            assert_eq!(found.len(), 1, "{case}: {found:?}");
            assert!(found[0].starts_with("suite.yml:4 unknown variable `word`; "), "{case}: {found:?}");
        }
    }

    #[test]
    fn messages_say_what_is_wrong_and_help_what_to_write() {
        for (case, message) in [
            ("object: pod.yaml, timeout: 2, expect: allow", "a timeout needs a unit; write `2s`"),
            ("object: pod.yaml, timeout: '2', expect: allow", "a timeout needs a unit; write `2s`"),
            (
                "object: pod.yaml, timeout: 0s, expect: allow",
                "timeout must be greater than 0 and at most 600s; write `2s`",
            ),
            ("object: pod.yaml, timeout: soon, expect: allow", "invalid duration `soon`; write `200ms` or `2s`"),
            ("object: pod.yaml, clock: noon, expect: allow", "invalid timestamp `noon`; write `2026-01-01T00:00:00Z`"),
            (
                "object: pod.yaml, skip: { reason: r, until: may }, expect: allow",
                "invalid date `may`; write `2027-01-31`",
            ),
            (
                "object: pod.yaml, expect: { allow: false }",
                "`allow` takes no value; to expect a rejection write `deny`",
            ),
            (
                "object: pod.yaml, expect: { deny: { contains: '' } }",
                "an empty `contains` matches any message; write a part of the message",
            ),
            ("object: pod.yaml, expect: 3", "expected one of: allow, accept, mutate, deny, not-applicable; -"),
            (
                "object: request.yaml, expect: deny",
                "this is an AdmissionRequest; write `request:` instead of `object:`",
            ),
            (
                "object: pod.yaml, raw: pod.yaml, expect: deny",
                "`object` or `oldObject` and `raw` cannot be combined; keep one of them",
            ),
        ] {
            assert_eq!(mistakes(&each(1, case)), [format!("suite.yml:4 {message}")], "{case}");
        }
    }
}
