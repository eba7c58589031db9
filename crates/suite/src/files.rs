//! The files a suite names: relative to the suite, inside its repository, read once.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::build_advice;
use super::json;
use super::mistake::{mistake, nearest};
use super::objects;
use super::yaml::{self, Node};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::{SourceFile, Span, Spanned};

/// Largest text a suite may be or name, in bytes: ten times the largest object etcd stores by default.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Most files one glob may name.
const MOST_MATCHES: usize = 100_000;

/// Checks that a public key in PEM can be used for signatures. Only the registry knows all kinds of keys, and reading
/// suites does not need it. The error is the text of a message: nothing else is known of it here.
pub type KeyCheck = fn(&str) -> Result<(), String>;

/// What a file has.
#[derive(Debug, Clone)]
struct Content {
    documents: Arc<Vec<Spanned<Value>>>,
    /// The documents, with lists unrolled.
    objects: Arc<Vec<Spanned<Value>>>,
}

/// Reads the files a suite names.
#[derive(Debug)]
pub(crate) struct Files {
    /// Nothing outside this folder is read.
    root: PathBuf,
    /// Paths of the suite are relative to this folder.
    directory: PathBuf,
    read: RefCell<HashMap<PathBuf, Content>>,
    check_key: KeyCheck,
}

impl Files {
    /// Files of the suite at `suite`, which must exist.
    pub(crate) fn of_suite(suite: &Path, check_key: KeyCheck) -> std::io::Result<Self> {
        let suite = suite.canonicalize()?;
        let directory = suite.parent().unwrap_or(Path::new("/")).to_path_buf();
        let root = root_of(&directory);
        Ok(Self { root, directory, read: RefCell::default(), check_key })
    }

    /// A public key that can be used; an error has no place.
    pub(crate) fn checked_key(&self, pem: String) -> Result<String, Diagnostic> {
        match (self.check_key)(&pem) {
            Ok(()) => Ok(pem),
            Err(reason) => Err(Diagnostic::new(Code::Mistake, reason)
                .with_help("write a public key in PEM, or the path of one".to_owned())),
        }
    }

    /// The path of a file the way reports show it: relative to the repository root, with forward slashes.
    pub(crate) fn shown(&self, path: &Path) -> String {
        let relative = path.strip_prefix(&self.root).unwrap_or(path);
        relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/")
    }

    /// The path of a file relative to the suite's folder where it lies below it, else as [`Files::shown`].
    pub(crate) fn shown_from_suite(&self, path: &Path) -> String {
        match path.strip_prefix(&self.directory) {
            Ok(relative) => relative.to_string_lossy().replace('\\', "/"),
            Err(_) => self.shown(path),
        }
    }

    /// Reads the text of a file; an error has no place.
    pub(crate) fn read_text(&self, path: &Path) -> Result<Arc<SourceFile>, Diagnostic> {
        let unreadable = |reason: String| {
            Diagnostic::new(Code::FileNotFound, format!("cannot read `{}`: {reason}", self.shown(path)))
        };
        let describe = |error: std::io::Error| unreadable(error.to_string());
        let size = std::fs::metadata(path).map_err(describe)?.len();
        if size > MOST_BYTES {
            return Err(unreadable(format!("it is larger than {} MiB", MOST_BYTES >> 20)));
        }
        let bytes = std::fs::read(path).map_err(describe)?;
        let text = String::from_utf8(bytes).map_err(|_| unreadable("it is not UTF-8 text".into()))?;
        let text = text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text);
        Ok(Arc::new(SourceFile { path: self.shown(path), text }))
    }

    /// The file a suite names, checked to exist and to lie inside the repository.
    pub(crate) fn resolve(&self, named: &Spanned<String>) -> Result<PathBuf, Diagnostic> {
        let at = |message: String| mistake(&named.span, message).with_code(Code::FileNotFound);
        let written = &named.value;
        let relative = self.relative(named)?;
        let path = self.directory.join(relative);
        let real = path.canonicalize().map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => {
                let mistake = at(format!("file not found: `{written}`"));
                match self.nearest_file(&path) {
                    Some(name) => mistake.with_help(format!("did you mean `{name}`?")),
                    None => mistake.with_help(self.advice(&path)),
                }
            }
            _ => at(format!("cannot read `{written}`: {error}")),
        })?;
        if !real.starts_with(&self.root) {
            return Err(at(format!("`{written}` is outside the repository"))
                .with_code(Code::OutsideRepository)
                .with_help(
                    "move the file into the repository of the suite; links to other places are not followed".to_owned(),
                ));
        }
        if real.is_dir() {
            return Err(at(format!("`{written}` is a folder, not a file")));
        }
        Ok(real)
    }

    /// The file at an absolute path, if it is there and lies inside the repository.
    pub(crate) fn within(&self, path: &Path) -> Option<PathBuf> {
        let real = path.is_absolute().then(|| path.canonicalize().ok()).flatten()?;
        (real.starts_with(&self.root) && real.is_file()).then_some(real)
    }

    /// The file of one of these names that is nearest to another one: in its folder or above, else in that of the suite or
    /// above. As the suite would name it.
    pub(crate) fn nearest_to(&self, path: &Path, names: &[&str]) -> Option<String> {
        self.in_folders(path.parent()?, names).or_else(|| self.nearest_to_suite(names))
    }

    /// The file of one of these names in the folder of the suite or above, as the suite would name it.
    pub(crate) fn nearest_to_suite(&self, names: &[&str]) -> Option<String> {
        self.in_folders(&self.directory, names)
    }

    /// The file of one of these names in a folder of the repository or in one above it.
    fn in_folders(&self, nearest: &Path, names: &[&str]) -> Option<String> {
        let folders = nearest.ancestors().take_while(|folder| folder.starts_with(&self.root));
        let mut paths = folders.flat_map(|folder| names.iter().map(|name| folder.join(name)));
        paths.find(|path| self.within(path).is_some()).map(|path| self.as_named(&path))
    }

    /// The path from the folder of the suite to another place in the repository, with forward slashes.
    fn as_named(&self, path: &Path) -> String {
        let shared = self.directory.ancestors().find(|folder| path.starts_with(folder)).unwrap_or(&self.root);
        let steps = self.directory.strip_prefix(shared).map_or(0, |rest| rest.components().count());
        let rest = path.strip_prefix(shared).unwrap_or(path).to_string_lossy().replace('\\', "/");
        format!("{}{rest}", "../".repeat(steps))
    }

    /// The files a path or glob names, sorted; at least one.
    pub(crate) fn glob(&self, named: &Spanned<String>) -> Result<Vec<PathBuf>, Diagnostic> {
        let written = &named.value;
        if !written.contains(['*', '?', '[']) {
            return self.resolve(named).map(|path| vec![path]);
        }
        let relative = self.relative(named)?;
        let folder = glob::Pattern::escape(&self.directory.to_string_lossy());
        let pattern = format!("{folder}/{}", relative.to_string_lossy());
        let matches =
            glob::glob(&pattern).map_err(|error| mistake(&named.span, format!("invalid glob `{written}`: {error}")))?;
        let mut paths = Vec::new();
        for path in matches.filter_map(Result::ok).filter(|path| path.is_file()) {
            let real = path.canonicalize().unwrap_or(path);
            if !real.starts_with(&self.root) {
                return Err(mistake(&named.span, format!("`{written}` is outside the repository"))
                    .with_code(Code::OutsideRepository)
                    .with_help(format!("leave out the link to `{}`", self.shown(&real))));
            }
            if paths.len() == MOST_MATCHES {
                return Err(mistake(&named.span, format!("`{written}` matches more than {MOST_MATCHES} files")));
            }
            paths.push(real);
        }
        if paths.is_empty() {
            return Err(mistake(&named.span, format!("no file matches `{written}`"))
                .with_code(Code::FileNotFound)
                .with_help(self.where_paths_start()));
        }
        paths.sort();
        Ok(paths)
    }

    /// The documents of a JSON or YAML file, in order, each with its place. A file that cannot be parsed is a mistake in that file; one that cannot
    /// be read is a mistake where it is named.
    pub(crate) fn documents(&self, path: &Path, named_at: &Span) -> Result<Arc<Vec<Spanned<Value>>>, Diagnostic> {
        self.content(path, named_at).map(|content| content.documents)
    }

    /// The objects of a file: its documents, with lists unrolled. `chosen` is the name of one of them.
    pub(crate) fn objects(
        &self,
        path: &Path,
        chosen: Option<&str>,
        named_at: &Span,
    ) -> Result<Arc<Vec<Spanned<Value>>>, Diagnostic> {
        let objects = self.content(path, named_at)?.objects;
        let Some(wanted) = chosen else { return Ok(objects) };
        let object = objects::choose(&objects, &self.shown_from_suite(path), wanted);
        object.map(|object| Arc::new(vec![object.clone()])).map_err(|mistake| mistake.at(named_at))
    }

    fn content(&self, path: &Path, named_at: &Span) -> Result<Content, Diagnostic> {
        if let Some(known) = self.read.borrow().get(path) {
            return Ok(known.clone());
        }
        let file = self.read_text(path).map_err(|mistake| mistake.at(named_at))?;
        let content = match path.extension().is_some_and(|extension| extension == "json") {
            true => json_content(&file)?,
            false => content_of(&yaml::parse_documents(&file)?),
        };
        self.read.borrow_mut().insert(path.to_path_buf(), content.clone());
        Ok(content)
    }

    /// A path, and the name of an object behind `#`, unless the file itself has such a name.
    pub(crate) fn split_name(&self, named: &Spanned<String>) -> (Spanned<String>, Option<String>) {
        let split = named.value.rsplit_once('#').filter(|(path, name)| !path.is_empty() && !name.is_empty());
        match split.filter(|_| self.resolve(named).is_err()) {
            Some((path, name)) => (Spanned::new(path.to_owned(), named.span.clone()), Some(name.to_owned())),
            None => (named.clone(), None),
        }
    }

    /// The only document of a file the suite names, or the object named behind `#`.
    pub(crate) fn document(&self, named: &Spanned<String>) -> Result<Spanned<Value>, Diagnostic> {
        if let (path, Some(name)) = self.split_name(named) {
            let objects = self.objects(&self.resolve(&path)?, Some(&name), &named.span)?;
            return Ok(objects[0].clone());
        }
        let path = self.resolve(named)?;
        let documents = self.documents(&path, &named.span)?;
        match documents.as_slice() {
            [document] => Ok(document.clone()),
            [] => Err(mistake(&named.span, format!("`{}` is empty", named.value))
                .with_help("write one document into it".to_owned())),
            several => {
                let message = format!("expected one document, found {} in `{}`", several.len(), named.value);
                let names = objects::listed(&self.content(&path, &named.span)?.objects);
                let help = format!("add the name of one to the path: {names}; `objects:` makes a case of each");
                Err(mistake(&named.span, message).with_help(help))
            }
        }
    }

    /// A path as written, without absolute parts and without steps above the root.
    fn relative<'a>(&self, named: &'a Spanned<String>) -> Result<&'a Path, Diagnostic> {
        let written = named.value.strip_prefix("file://").unwrap_or(&named.value);
        let path = Path::new(written);
        if written.is_empty() {
            return Err(
                mistake(&named.span, "the path is empty").with_help("write a path relative to the suite".to_owned())
            );
        }
        if path.is_absolute() || written.contains('\\') {
            let reason = if path.is_absolute() { "the path is absolute" } else { "the path has backslashes" };
            return Err(mistake(&named.span, format!("`{written}` is outside the repository: {reason}"))
                .with_code(Code::OutsideRepository)
                .with_help("write a path relative to the suite, with forward slashes".to_owned()));
        }
        let mut depth = self.directory.strip_prefix(&self.root).map_or(0, |inside| inside.components().count());
        for part in path.components() {
            match part {
                Component::ParentDir if depth == 0 => {
                    return Err(mistake(&named.span, format!("`{written}` is outside the repository"))
                        .with_code(Code::OutsideRepository)
                        .with_help("move the file into the repository of the suite".to_owned()));
                }
                Component::ParentDir => depth -= 1,
                Component::Normal(_) => depth += 1,
                _ => {}
            }
        }
        Ok(path)
    }

    /// What to do about a file that is not there.
    fn advice(&self, path: &Path) -> String {
        let built = Some(path).filter(|path| build_advice::is_module(path));
        let path = built.map(without_dots);
        let elsewhere = path.as_deref().and_then(build_advice::elsewhere);
        let elsewhere = elsewhere.filter(|place| place.starts_with(&self.root));
        match elsewhere {
            Some(place) => format!("did you mean `{}`?", self.named_in_suite(&place)),
            None => path
                .and_then(|path| build_advice::command(&path, &self.root, &self.directory))
                .unwrap_or_else(|| self.where_paths_start()),
        }
    }

    /// A path as the suite can name it, if need be with `..` steps.
    fn named_in_suite(&self, path: &Path) -> String {
        let common = self.directory.ancestors().find(|folder| path.starts_with(folder)).unwrap_or(&self.root);
        let up = self.directory.strip_prefix(common).map_or(0, |inside| inside.components().count());
        let below = path.strip_prefix(common).unwrap_or(path);
        format!("{}{}", "../".repeat(up), below.to_string_lossy().replace('\\', "/"))
    }

    fn where_paths_start(&self) -> String {
        match self.shown(&self.directory).as_str() {
            "" => "paths are relative to the suite, at the root of the repository".into(),
            folder => format!("paths are relative to the suite, in `{folder}/`"),
        }
    }

    fn nearest_file(&self, path: &Path) -> Option<String> {
        let folder = path.parent()?;
        let wanted = path.file_name()?.to_string_lossy().into_owned();
        let names: Vec<String> =
            std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        let name = nearest(&wanted, names.iter().map(String::as_str))?;
        let folder = folder.strip_prefix(&self.directory).ok()?;
        Some(folder.join(name).to_string_lossy().into_owned())
    }
}

/// A path without its `..` steps. Links are not followed: nothing is read.
fn without_dots(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                plain.pop();
            }
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// The repository a folder belongs to: the nearest one above that holds `.git`, else the working directory when it
/// holds the folder, else the folder itself.
fn root_of(directory: &Path) -> PathBuf {
    if let Some(root) = directory.ancestors().find(|folder| folder.join(".git").exists()) {
        return root.to_path_buf();
    }
    let working_directory = std::env::current_dir().and_then(|path| path.canonicalize()).ok();
    working_directory.filter(|path| directory.starts_with(path)).unwrap_or_else(|| directory.to_path_buf())
}

fn content_of(nodes: &[Node]) -> Content {
    let documents: Vec<_> = nodes.iter().map(|node| Spanned::new(node.to_json(), node.span.clone())).collect();
    let unrolled = documents.iter().zip(nodes).flat_map(|(document, node)| objects::unrolled(document, Some(node)));
    let objects = Arc::new(unrolled.collect());
    Content { documents: Arc::new(documents), objects }
}

/// The items of a list have their places, because JSON is YAML.
fn json_content(file: &Arc<SourceFile>) -> Result<Content, Diagnostic> {
    let document = Spanned::new(parse_json(file)?, Span::start_of(file));
    let node = objects::items(&document.value).and_then(|_| yaml::parse(file).ok());
    let objects = Arc::new(objects::unrolled(&document, node.as_ref()));
    Ok(Content { documents: Arc::new(vec![document]), objects })
}

fn parse_json(file: &Arc<SourceFile>) -> Result<Value, Diagnostic> {
    json::parse(&file.text).map_err(|error| {
        let line = error.line().max(1);
        let column = error.column().max(1);
        let line_start: usize = file.text.split_inclusive('\n').take(line - 1).map(str::len).sum();
        let mut offset = (line_start + column - 1).min(file.text.len());
        while !file.text.is_char_boundary(offset) {
            offset -= 1;
        }
        let span = Span { file: Arc::clone(file), offset, len: 0, line, column };
        let text = error.to_string();
        let text = text.split(" at line ").next().unwrap_or(&text);
        mistake(&span, format!("invalid JSON: {text}")).with_code(Code::Syntax)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(path: &str) -> Spanned<String> {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
        Spanned::new(path.to_owned(), Span::start_of(&file))
    }

    fn repository() -> (tempfile::TempDir, Files) {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in [
            (".git/HEAD", ""),
            ("tests/suite.yml", ""),
            ("tests/pod.yaml", "kind: Pod\n"),
            ("tests/two.yaml", "a: 1\n---\nb: 2\n"),
            ("tests/bad.json", "{\"a\": 1,\n}"),
            ("shared.yaml", "a: 1\n"),
        ] {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        let files = Files::of_suite(&folder.path().join("tests/suite.yml"), |_| Ok(())).unwrap();
        (folder, files)
    }

    #[test]
    fn files_of_the_repository_are_found_and_shown_from_its_root() {
        let (_folder, files) = repository();
        let path = files.resolve(&named("../shared.yaml")).unwrap();
        assert_eq!(files.shown(&path), "shared.yaml");
        assert_eq!(files.glob(&named("*.yaml")).unwrap().len(), 2);
        assert_eq!(files.document(&named("pod.yaml")).unwrap().value, serde_json::json!({"kind": "Pod"}));
    }

    #[test]
    fn absolute_paths_are_those_of_the_repository() {
        let (folder, files) = repository();
        let root = folder.path().canonicalize().unwrap();
        assert_eq!(files.within(&root.join("shared.yaml")), Some(root.join("shared.yaml")));
        assert_eq!(files.within(&root.join("tests/../shared.yaml")), Some(root.join("shared.yaml")));
        for path in
            [root.join("none.yaml"), root.join("tests"), root.join("../x"), "shared.yaml".into(), "/etc/passwd".into()]
        {
            assert_eq!(files.within(&path), None, "{}", path.display());
        }
    }

    #[test]
    fn files_outside_the_repository_are_refused() {
        let (folder, files) = repository();
        let outside = tempfile::NamedTempFile::new().unwrap();
        #[cfg(unix)]
        std::os::unix::fs::symlink(outside.path(), folder.path().join("tests/link.yaml")).unwrap();
        for path in ["../../x.yaml", "/etc/passwd", "a/../../../x", "link.yaml", "l*k.yaml", "file:///etc/passwd"] {
            let error = files.glob(&named(path)).unwrap_err();
            assert!(error.message.contains("outside the repository"), "{path}: {error}");
        }
        drop(outside);
    }

    #[test]
    fn missing_and_invalid_files_are_mistakes() {
        let (_folder, files) = repository();
        let missing = files.resolve(&named("pods.yaml")).unwrap_err();
        assert_eq!(missing.help.as_deref(), Some("did you mean `pod.yaml`?"));
        assert!(files.glob(&named("none/*.yaml")).unwrap_err().message.contains("no file matches"));
        assert!(files.document(&named("two.yaml")).unwrap_err().message.contains("found 2 in `two.yaml`"));
        let broken = files.document(&named("bad.json")).unwrap_err();
        assert_eq!(
            (broken.span.as_ref().unwrap().file.path.as_str(), broken.span.as_ref().unwrap().line),
            ("tests/bad.json", 2)
        );
    }
}
