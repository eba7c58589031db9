//! The files a suite names: relative to the suite, inside its repository, read once.
//!
//! A link is followed to its target, which has to be inside the repository too. Everything else is about the name: reports
//! show it, and paths in a suite that is a link start where the link is.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::fs::File;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::build_advice;
use super::file_limit::FileLimit;
use super::json;
use super::mistake::{mistake, nearest};
use super::objects;
use super::root::{Root, as_named};
use super::tree::{self, Search};
use super::yaml::{self, Node};
use policy_verify_model::budget::Room;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::{MemberSpans, SourceFile, Span, Spanned};

/// Bytes that one file may take in memory, by an estimate: small objects in JSON take forty times their text.
const MOST_OF_FILE: u64 = 128 << 20;

/// Bytes that all files of a suite may take in memory.
const MOST_OF_ALL: u64 = 1 << 30;

/// Most files one glob may name.
const MOST_MATCHES: usize = 100_000;

/// Checks that a public key in PEM can be used for signatures. Only the registry knows all kinds of keys, and reading
/// suites does not need it. The error is the text of a message: nothing else is known of it here.
pub type KeyCheck = fn(&str) -> Result<(), String>;

/// What names the objects that are no file.
const STREAM: &str = "-";

/// What becomes of objects of unknown kinds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum UnknownKinds {
    /// They are mistakes: a rule may be about them.
    #[default]
    Refused,
    /// They are passed over.
    Skipped,
}

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
    /// Nothing outside of it is read.
    root: Root,
    /// Paths of the suite are relative to this folder: absolute, as named.
    directory: PathBuf,
    /// The same for files that the suite includes, by their paths in reports.
    included: RefCell<HashMap<String, PathBuf>>,
    /// The suite itself, as named; nothing if it is no file.
    suite: Option<PathBuf>,
    /// How large the files may be.
    pub(crate) limit: FileLimit,
    /// Absolute paths that may be named, and are no globs.
    pub(crate) allowed: BTreeSet<PathBuf>,
    /// Whether files without objects, and objects of unknown kinds, are those of whoever typed a command: the former are fine,
    /// and the latter passed over only if that was wanted.
    pub(crate) typed: Option<UnknownKinds>,
    /// The objects that are no file: `-` names them.
    pub(crate) streamed: Option<Arc<SourceFile>>,
    /// What was read; of a file that cannot be parsed, the mistake in it.
    read: RefCell<HashMap<PathBuf, Result<Content, Diagnostic>>>,
    /// What is left of the memory for files.
    room: Room,
    /// Places of members, by the file and the place of their document.
    places: RefCell<HashMap<(String, usize), Arc<MemberSpans>>>,
    /// Every file that was named and found.
    named: RefCell<BTreeSet<PathBuf>>,
    check_key: KeyCheck,
}

impl Files {
    /// Files of suites in this folder, which must exist. `root` is that of the command line.
    pub(crate) fn in_folder(folder: &Path, root: Option<&Path>, check_key: KeyCheck) -> io::Result<Self> {
        let directory = as_named(folder)?;
        let root = Root::of(&directory, root)?;
        Ok(Self {
            root,
            directory,
            included: RefCell::default(),
            suite: None,
            limit: FileLimit::default(),
            allowed: BTreeSet::new(),
            typed: None,
            streamed: None,
            read: RefCell::default(),
            room: Room::of(MOST_OF_ALL),
            places: RefCell::default(),
            named: RefCell::default(),
            check_key,
        })
    }

    /// Files of the suite at `suite`.
    pub(crate) fn of_suite(suite: &Path, root: Option<&Path>, check_key: KeyCheck) -> io::Result<Self> {
        let suite = as_named(suite)?;
        let files = Self::in_folder(suite.parent().unwrap_or(Path::new("/")), root, check_key)?;
        Ok(Self { suite: Some(suite), ..files })
    }

    /// The suite, if it is a file.
    pub(crate) fn suite(&self) -> Option<&Path> {
        self.suite.as_deref()
    }

    /// Paths in this file, which the suite includes, are relative to its folder.
    pub(crate) fn include(&self, path: &Path, file: &SourceFile) {
        let folder = path.parent().unwrap_or(Path::new("/")).to_owned();
        self.included.borrow_mut().insert(file.path.clone(), folder);
    }

    /// The folder that a path is relative to which is written here.
    fn directory_of(&self, place: &Span) -> PathBuf {
        self.included.borrow().get(&place.file.path).unwrap_or(&self.directory).clone()
    }

    /// Counts a file among those that the suite reads, whether or not it is there.
    pub(crate) fn follow(&self, path: &Path) {
        self.named.borrow_mut().insert(path.to_owned());
    }

    /// Every file that was named so far.
    pub(crate) fn into_named(self) -> Vec<PathBuf> {
        self.named.into_inner().into_iter().collect()
    }

    /// Whether the target of a path is inside the repository.
    pub(crate) fn is_inside(&self, path: &Path) -> io::Result<bool> {
        Ok(path.canonicalize().map_err(|error| tree::of_link(path, error))?.starts_with(&self.root.real))
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
        self.root.shown(path)
    }

    /// The path of a file relative to the folder of the file that names it where it lies below it, else as [`Files::shown`].
    pub(crate) fn shown_from(&self, named_at: &Span, path: &Path) -> String {
        match path.strip_prefix(self.directory_of(named_at)) {
            Ok(relative) => relative.to_string_lossy().replace('\\', "/"),
            Err(_) => self.shown(path),
        }
    }

    /// Reads the text of a file; an error has no place.
    pub(crate) fn read_text(&self, path: &Path) -> Result<Arc<SourceFile>, Diagnostic> {
        let shown = self.shown(path);
        let unreadable =
            |reason: String| Diagnostic::new(Code::FileNotFound, format!("cannot read `{shown}`: {reason}"));
        let text = read_regular(path, self.limit).and_then(text).map_err(|error| unreadable(error.to_string()))?;
        Ok(Arc::new(SourceFile { path: shown, text }))
    }

    /// The text of a file that stays in memory; an error has no place.
    pub(crate) fn counted_text(&self, path: &Path) -> Result<Arc<SourceFile>, Diagnostic> {
        let file = self.read_text(path)?;
        self.afford(&file, false).map(|()| file)
    }

    /// The file a suite names, checked to exist and to lie inside the repository.
    pub(crate) fn resolve(&self, named: &Spanned<String>) -> Result<PathBuf, Diagnostic> {
        let at = |message: String| mistake(&named.span, message).with_code(Code::FileNotFound);
        let written = &named.value;
        if let Some(path) = self.allowed.get(Path::new(written)) {
            self.named.borrow_mut().insert(path.clone());
            return Ok(path.clone());
        }
        let directory = self.directory_of(&named.span);
        let relative = self.relative(named, &directory)?;
        let cannot_read = |error: io::Error| at(format!("cannot read `{written}`: {error}"));
        let path = as_named(&directory.join(relative)).map_err(cannot_read)?;
        match self.is_inside(&path) {
            Ok(true) => {}
            Ok(false) => return Err(self.outside(named, written)),
            // What there is behind a link is nobody's business here, not even that it is missing.
            Err(error) if error.kind() == io::ErrorKind::NotFound && !self.root.holds_place(&path) => {
                return Err(self.outside(named, written));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mistake = at(format!("file not found: `{written}`"));
                return Err(match self.nearest_file(&path, &named.span) {
                    Some(name) => mistake.with_help(format!("did you mean `{name}`?")),
                    None => mistake.with_help(self.advice(&path, &named.span)),
                });
            }
            Err(error) => return Err(cannot_read(error)),
        }
        match path.metadata().map_err(cannot_read)? {
            found if found.is_file() => {}
            found if found.is_dir() => return Err(at(format!("`{written}` is a folder, not a file"))),
            _ => return Err(cannot_read(io::Error::other(tree::NOT_A_FILE))),
        }
        self.named.borrow_mut().insert(path.clone());
        Ok(path)
    }

    /// `what` is outside the repository: the mistake names its root, which may be another than the user thinks.
    fn outside(&self, named: &Spanned<String>, what: &str) -> Diagnostic {
        mistake(&named.span, format!("`{what}` is outside the repository"))
            .with_code(Code::OutsideRepository)
            .with_help(self.other_root())
    }

    /// What to do about a file outside the repository.
    pub(crate) fn other_root(&self) -> String {
        format!(
            "move the file into the repository, whose root is {}, or name another root with `--root DIR`",
            self.root
        )
    }

    /// The file at an absolute path, if it is there and lies inside the repository.
    pub(crate) fn within(&self, path: &Path) -> Option<PathBuf> {
        let real = path.is_absolute().then(|| path.canonicalize().ok()).flatten()?;
        let real = (real.starts_with(&self.root.real) && real.is_file()).then_some(real)?;
        self.named.borrow_mut().insert(real.clone());
        Some(real)
    }

    /// The file of one of these names that is nearest to another one: in its folder or above, else in that of the file that
    /// names it or above. As that file would name it.
    pub(crate) fn nearest_to(&self, path: &Path, names: &[&str], place: &Span) -> Option<String> {
        self.in_folders(path.parent()?, names, place).or_else(|| self.nearest(names, place))
    }

    /// The file of one of these names in the folder of the file of a place or above, as that file would name it.
    pub(crate) fn nearest(&self, names: &[&str], place: &Span) -> Option<String> {
        self.in_folders(&self.directory_of(place), names, place)
    }

    /// The file of one of these names in a folder of the repository or in one above it.
    fn in_folders(&self, nearest: &Path, names: &[&str], place: &Span) -> Option<String> {
        let folders = nearest.ancestors().take_while(|folder| folder.starts_with(&self.root.named));
        let mut paths = folders.flat_map(|folder| names.iter().map(|name| folder.join(name)));
        paths.find(|path| self.within(path).is_some()).map(|path| self.as_named(&path, place))
    }

    /// The path to another place in the repository as the file of a place would name it, with forward slashes.
    pub(crate) fn as_named(&self, path: &Path, place: &Span) -> String {
        let directory = self.directory_of(place);
        let shared = directory.ancestors().find(|folder| path.starts_with(folder)).unwrap_or(&self.root.named);
        let steps = directory.strip_prefix(shared).map_or(0, |rest| rest.components().count());
        let rest = path.strip_prefix(shared).unwrap_or(path).to_string_lossy().replace('\\', "/");
        format!("{}{rest}", "../".repeat(steps))
    }

    /// The files a path or glob names, sorted; at least one.
    pub(crate) fn glob(&self, named: &Spanned<String>) -> Result<Vec<PathBuf>, Diagnostic> {
        let written = &named.value;
        if written == STREAM && self.streamed.is_some() {
            return Ok(vec![PathBuf::from(STREAM)]);
        }
        if let Some(path) = self.allowed.get(Path::new(written)) {
            return Ok(vec![path.clone()]);
        }
        if !tree::is_glob(written) {
            return self.resolve(named).map(|path| vec![path]);
        }
        let directory = self.directory_of(&named.span);
        let relative = self.relative(named, &directory)?;
        let found = tree::glob_within(&directory, &relative.to_string_lossy(), Search::Fixtures, &self.root.real)
            .map_err(|error| mistake(&named.span, format!("invalid glob `{written}`: {error}")))?;
        let unreadable = |path: &Path, reason: &io::Error| {
            let message = format!("cannot read `{}`, which `{written}` matches: {reason}", self.shown_as_named(path));
            mistake(&named.span, message).with_code(Code::FileNotFound)
        };
        if let Some(link) = found.outside.first() {
            return Err(self.outside(named, &self.shown_as_named(link)));
        }
        if let Some(problem) = found.problems.first() {
            return Err(unreadable(&problem.path, &problem.reason));
        }
        if found.files.len() > MOST_MATCHES {
            return Err(mistake(&named.span, format!("`{written}` matches more than {MOST_MATCHES} files")));
        }
        let mut paths = BTreeSet::new();
        for path in found.files {
            let path = as_named(&path).map_err(|error| unreadable(&path, &error))?;
            if !self.is_inside(&path).map_err(|error| unreadable(&path, &error))? {
                return Err(self.outside(named, &self.shown(&path)));
            }
            paths.insert(path);
        }
        if paths.is_empty() {
            return Err(mistake(&named.span, format!("no file matches `{written}`"))
                .with_code(Code::FileNotFound)
                .with_help(self.where_paths_start(&named.span)));
        }
        self.named.borrow_mut().extend(paths.iter().cloned());
        Ok(paths.into_iter().collect())
    }

    fn shown_as_named(&self, path: &Path) -> String {
        self.shown(&as_named(path).unwrap_or_else(|_| path.to_owned()))
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
        let object = objects::choose(&objects, &self.shown_from(named_at, path), wanted);
        object.map(|object| Arc::new(vec![object.clone()])).map_err(|mistake| mistake.at(named_at))
    }

    fn content(&self, path: &Path, named_at: &Span) -> Result<Content, Diagnostic> {
        if let Some(known) = self.read.borrow().get(path) {
            return known.clone();
        }
        let streamed = self.streamed.clone().filter(|_| path == Path::new(STREAM));
        let file = streamed.map_or_else(|| self.read_text(path), Ok).map_err(|mistake| mistake.at(named_at))?;
        let is_json = match path == Path::new(STREAM) {
            true => serde_json::from_str::<serde::de::IgnoredAny>(&file.text).is_ok(),
            false => path.extension().is_some_and(|extension| extension == "json"),
        };
        self.afford(&file, is_json).map_err(|mistake| mistake.at(named_at))?;
        let content = match is_json {
            true => json_content(&file, self.limit),
            false => yaml::parse_documents(&file, self.limit).map(|nodes| content_of(&nodes)),
        };
        self.read.borrow_mut().insert(path.to_path_buf(), content.clone());
        content
    }

    /// Counts what a file takes in memory. The parser of YAML counts for itself.
    fn afford(&self, file: &SourceFile, is_json: bool) -> Result<(), Diagnostic> {
        let text = file.text.as_bytes();
        let of_file = if is_json { Room::of(MOST_OF_FILE).take_json(text) } else { Ok(()) };
        let of_all = if is_json { self.room.take_json(text) } else { self.room.take(4 * text.len() as u64) };
        let refused = |what: String, most: u64| {
            Diagnostic::new(Code::Mistake, format!("{what} would take more than {} MiB of memory", most >> 20))
                .with_help("name smaller files, or fewer of them: lists of many small objects take most".to_owned())
        };
        of_file.map_err(|_| refused(format!("`{}`", file.path), MOST_OF_FILE))?;
        of_all.map_err(|_| refused(format!("with `{}`, the files of the suite", file.path), MOST_OF_ALL))
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

    /// Where a document and each of its members are written, by JSON pointer; nothing where it cannot be found again in its
    /// file. Looked up once, however many cases expect the document.
    pub(crate) fn places_in(&self, document: &Spanned<Value>) -> Arc<MemberSpans> {
        let Span { file, offset, .. } = &document.span;
        let mut known = self.places.borrow_mut();
        let places = known.entry((file.path.clone(), *offset)).or_insert_with(|| {
            let nodes = yaml::parse_documents(file, self.limit).unwrap_or_default();
            let node = nodes.iter().find(|node| node.to_json() == document.value);
            Arc::new(node.map(Node::places).unwrap_or_default())
        });
        Arc::clone(places)
    }

    /// A path as written, without absolute parts and without steps above the root.
    fn relative<'a>(&self, named: &'a Spanned<String>, directory: &Path) -> Result<&'a Path, Diagnostic> {
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
        let mut depth = self.depth(directory);
        for part in path.components() {
            match part {
                Component::ParentDir if depth == 0 => return Err(self.outside(named, written)),
                Component::ParentDir => depth -= 1,
                Component::Normal(_) => depth += 1,
                _ => {}
            }
        }
        Ok(path)
    }

    /// How many folders the suite, or a file that it includes, is below the root. A suite outside has a link inside as its file: any number.
    fn depth(&self, directory: &Path) -> usize {
        let real = directory.canonicalize().unwrap_or_else(|_| directory.to_owned());
        let inside = real.strip_prefix(&self.root.real);
        inside.map_or(usize::MAX / 2, |inside| inside.components().count())
    }

    /// What to do about a file that is not there.
    fn advice(&self, path: &Path, place: &Span) -> String {
        let directory = self.directory_of(place);
        let path = Some(path).filter(|path| build_advice::is_module(path));
        let elsewhere = path.and_then(build_advice::elsewhere);
        let elsewhere = elsewhere.filter(|place| self.root.contains(place));
        match elsewhere {
            Some(found) => format!("did you mean `{}`?", self.as_named(&found, place)),
            None => path
                .and_then(|path| build_advice::command(path, &self.root.named, &directory))
                .unwrap_or_else(|| self.where_paths_start(place)),
        }
    }

    fn where_paths_start(&self, place: &Span) -> String {
        let what = if self.included.borrow().contains_key(&place.file.path) { "their file" } else { "the suite" };
        match self.shown(&self.directory_of(place)).as_str() {
            "" => format!("paths are relative to {what}, at the root of the repository"),
            folder => format!("paths are relative to {what}, in `{folder}/`"),
        }
    }

    fn nearest_file(&self, path: &Path, place: &Span) -> Option<String> {
        let folder = path.parent().filter(|folder| self.root.contains(folder))?;
        let wanted = path.file_name()?.to_string_lossy().into_owned();
        let names: Vec<String> =
            std::fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.file_name().into_string().ok()).collect();
        let name = nearest(&wanted, names.iter().map(String::as_str))?;
        Some(self.as_named(&folder.join(name), place))
    }
}

/// Reads a regular file. A pipe or a device could block for ever.
fn read_regular(path: &Path, limit: FileLimit) -> io::Result<Vec<u8>> {
    if !path.metadata().map_err(|error| tree::of_link(path, error))?.is_file() {
        return Err(io::Error::other(tree::NOT_A_FILE));
    }
    limit.read(File::open(path)?)
}

/// The text of a file, without a byte order mark.
pub(crate) fn text(bytes: Vec<u8>) -> io::Result<String> {
    let text = String::from_utf8(bytes).map_err(|_| io::Error::other("it is not UTF-8 text"))?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

fn content_of(nodes: &[Node]) -> Content {
    let documents: Vec<_> = nodes.iter().map(|node| Spanned::new(node.to_json(), node.span.clone())).collect();
    let unrolled = documents.iter().zip(nodes).flat_map(|(document, node)| objects::unrolled(document, Some(node)));
    let objects = Arc::new(unrolled.collect());
    Content { documents: Arc::new(documents), objects }
}

/// The items of a list have their places, because JSON is YAML.
fn json_content(file: &Arc<SourceFile>, limit: FileLimit) -> Result<Content, Diagnostic> {
    let document = Spanned::new(parse_json(file)?, Span::start_of(file));
    let node = objects::items(&document.value).and_then(|_| yaml::parse_within(file, limit).ok());
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
        let files = Files::of_suite(&folder.path().join("tests/suite.yml"), None, |_| Ok(())).unwrap();
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
            let root = format!("whose root is `{}` (it has `.git`)", folder.path().canonicalize().unwrap().display());
            let is_written_so = path.starts_with('/') || path.starts_with("file:");
            assert!(is_written_so || error.help.as_ref().is_some_and(|help| help.contains(&root)), "{path}: {error:?}");
        }
        drop(outside);
    }

    #[cfg(unix)]
    #[test]
    fn a_linked_suite_finds_its_files_beside_the_link() {
        use std::os::unix::fs::symlink;

        let (folder, _) = repository();
        let path = |path: &str| folder.path().join(path);
        std::fs::create_dir_all(path("farm/..2026")).unwrap();
        std::fs::write(path("farm/..2026/pod.yaml"), "kind: Pod\n").unwrap();
        for (target, link) in [
            ("..2026", "farm/..data"),
            ("..data/pod.yaml", "farm/pod.yaml"),
            ("../tests/suite.yml", "farm/suite.yml"),
            ("gone", "farm/gone.yaml"),
            ("farm", "other"),
        ] {
            symlink(target, path(link)).unwrap();
        }
        for suite in ["farm/suite.yml", "other/suite.yml"] {
            let files = Files::of_suite(&path(suite), None, |_| Ok(())).unwrap();
            let found = files.resolve(&named("pod.yaml")).unwrap();
            assert_eq!(files.shown(&found), suite.replace("suite.yml", "pod.yaml"));
            assert_eq!(files.shown_from(&named("x").span, &found), "pod.yaml");
            // Behind a link, `..` leads where it does for every program.
            assert!(files.resolve(&named("../shared.yaml")).is_ok());
            let all = files.glob(&named("**/p*.yaml")).unwrap();
            assert_eq!(all, [found]);
            for pattern in ["gone.yaml", "g*.yaml", "**/*.yaml"] {
                let error = files.glob(&named(pattern)).unwrap_err().message;
                assert!(
                    error.contains("gone.yaml") && error.contains("a link to a file that does not exist"),
                    "{error}"
                );
            }
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_is_no_regular_file_is_not_read() {
        let (folder, files) = repository();
        let _socket = std::os::unix::net::UnixListener::bind(folder.path().join("tests/s.yaml")).unwrap();
        for pattern in ["s.yaml", "*.yaml", "**/s.yaml"] {
            let error = files.glob(&named(pattern)).unwrap_err().message;
            assert!(error.contains("s.yaml") && error.contains("not a regular file"), "{error}");
        }
        assert!(files.resolve(&named("../tests")).unwrap_err().message.contains("is a folder"));
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
