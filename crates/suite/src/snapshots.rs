//! Snapshots: the answers to cases in files beside the suite, `snapshots/SUITE/CASE.yaml`.
//!
//! Their names are made of those of the cases, so they never leave that folder. The files are as untrusted as the suite: no
//! link is followed, and whatever is wrong with one is a mistake at its line.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::files::Files;
use super::mistake::{Mistakes, mistake};
use super::tree;
use super::yaml::{self, Content};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::file_name;
use policy_verify_model::source::{SourceFile, Span, Spanned};
use policy_verify_model::suite::{Case, StoredAnswer, UnusedSnapshot};

/// The folder beside a suite.
const FOLDER: &str = "snapshots";

/// What files are called behind the name of a case.
const ENDING: &str = "yaml";

/// Most entries of a folder of snapshots that are looked at: twice the cases that a suite may have.
const MOST_ENTRIES: usize = 200_000;

/// Digits of a digest behind the name of a suite.
const DIGITS: usize = 8;

/// What becomes of snapshots that are no use to anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SnapshotUse {
    /// Each is a mistake: they are compared.
    #[default]
    Compared,
    /// They are put up with: they are written anew, or removed.
    Written,
}

/// Reads the snapshots of the cases that have one; the snapshots that no case has. `is_complete` says that no other cases
/// can be in the suite: then what no case has is unused.
pub(crate) fn read(
    cases: &mut [Case],
    files: &Files,
    usage: SnapshotUse,
    is_complete: bool,
    mistakes: &mut Mistakes,
) -> Vec<UnusedSnapshot> {
    let first = cases.iter().find(|case| case.snapshot.is_some()).map(|case| case.span.clone());
    let folder = match files.suite() {
        Some(suite) => Folder::of(suite),
        None => {
            if let Some(place) = first {
                let help = "write the suite to a file, or remove `snapshot`";
                mistakes.add_with_help(&place, "`snapshot` needs a suite in a file", help);
            }
            return Vec::new();
        }
    };
    if first.is_none() && !folder.path.is_dir() {
        return Vec::new();
    }
    let place = first.unwrap_or_else(|| Span::unquoted(files.shown(&folder.suite)));
    if let Err(mistake) = folder.check(&place, files) {
        mistakes.push(mistake);
        return Vec::new();
    }
    let reader = Reader { folder: &folder.path, files, usage };
    let names = reader.read_all(cases, mistakes);
    let mut unused = reader.unused(&names, &place, mistakes);
    if !is_complete {
        unused.clear();
    }
    if usage == SnapshotUse::Compared {
        unused.drain(..).for_each(|file| mistakes.push(mistake_of_unused(&file)));
    }
    unused
}

fn mistake_of_unused(unused: &UnusedSnapshot) -> Diagnostic {
    let mistake = mistake(&Span::start_of(&unused.file), format!("no case has the snapshot `{}`", unused.file.path));
    let help = "rename the file as the case was, or remove it: `--bless=prune` does";
    mistake.with_code(Code::UnusedSnapshot).with_help(help.to_owned())
}

/// The folder of the snapshots of a suite.
struct Folder {
    suite: PathBuf,
    path: PathBuf,
}

impl Folder {
    fn of(suite: &Path) -> Self {
        let name = suite.file_name().unwrap_or_default().to_string_lossy();
        let path = suite.with_file_name(FOLDER).join(folder_name(&name));
        Self { suite: suite.to_owned(), path }
    }

    /// Refuses links, and a suite that another one would share the folder with.
    fn check(&self, place: &Span, files: &Files) -> Result<(), Diagnostic> {
        let folders = [self.path.parent(), Some(&self.path)];
        for folder in folders.into_iter().flatten() {
            let found = folder.symlink_metadata();
            if found.is_ok_and(|found| !found.is_dir()) {
                let what = if folder.is_symlink() { "a link" } else { "not a folder" };
                let message = format!("`{}`, where the snapshots are, is {what}", files.shown(folder));
                return Err(mistake(place, message).with_help("put a folder in its place".to_owned()));
            }
        }
        let other = match self.suite.extension().and_then(|ending| ending.to_str()) {
            Some("yml") => self.suite.with_extension("yaml"),
            Some("yaml") => self.suite.with_extension("yml"),
            _ => return Ok(()),
        };
        if !other.is_file() {
            return Ok(());
        }
        let (one, other) = (files.shown(&self.suite), files.shown(&other));
        let message = format!("`{one}` and `{other}` would have their snapshots in the same folder");
        Err(mistake(place, message).with_help("rename one of the files".to_owned()))
    }
}

/// The folder for a suite, by the name of its file: the name without its ending, as far as it is a plain one.
fn folder_name(suite: &str) -> String {
    let name = suite.strip_suffix(".yml").or_else(|| suite.strip_suffix(".yaml")).unwrap_or(suite);
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let is_safe = name.chars().all(is_plain) && name.starts_with(|letter: char| letter.is_ascii_alphanumeric());
    // A folder that is called like a suite would be in the way of who looks for suites.
    match is_safe && name.len() <= 100 && !name.ends_with('.') && !tree::is_suite(name.as_ref()) {
        true => name.to_owned(),
        false => file_name::with_digest(&file_name::words(name), suite, DIGITS),
    }
}

struct Reader<'a> {
    folder: &'a Path,
    files: &'a Files,
    usage: SnapshotUse,
}

impl Reader<'_> {
    /// Gives each snapshot its file and reads it; the names of these files.
    fn read_all(&self, cases: &mut [Case], mistakes: &mut Mistakes) -> HashSet<String> {
        let names = names(cases);
        let wanted = cases.iter_mut().filter(|case| case.snapshot.is_some());
        for (case, name) in wanted.zip(&names) {
            let Some(snapshot) = &mut case.snapshot else { continue };
            let path = self.folder.join(name);
            self.files.follow(&path);
            match self.stored(&path, &case.span) {
                Ok(stored) => snapshot.stored = stored,
                Err(mistake) => mistakes.push(mistake),
            }
            snapshot.shown = self.files.shown(&path);
            snapshot.path = path;
        }
        names.into_iter().collect()
    }

    fn stored(&self, path: &Path, case: &Span) -> Result<StoredAnswer, Diagnostic> {
        let Some(file) = self.file(path, case)? else { return Ok(StoredAnswer::Absent) };
        match self.document(&file) {
            Ok(document) => Ok(StoredAnswer::Document(document)),
            Err(_) if self.usage == SnapshotUse::Written => Ok(StoredAnswer::Unreadable(file)),
            Err(mistake) => {
                let advice = mistake.help.clone().map(|help| format!("{help}, or ")).unwrap_or_default();
                Err(mistake.with_help(format!("{advice}run with `--bless` to write the snapshot anew")))
            }
        }
    }

    fn document(&self, file: &Arc<SourceFile>) -> Result<Spanned<serde_json::Value>, Diagnostic> {
        let node = yaml::parse_within(file, self.files.limit)?;
        match node.content {
            Content::Map(_) => Ok(Spanned::new(node.to_json(), node.span)),
            _ => {
                let message = format!("invalid snapshot: expected a mapping, found {}", node.description());
                Err(mistake(&node.span, message).with_code(Code::WrongType))
            }
        }
    }

    /// The text of a file that is there, and is no link.
    fn file(&self, path: &Path, named_at: &Span) -> Result<Option<Arc<SourceFile>>, Diagnostic> {
        let shown = self.files.shown(path);
        let refused = |what: &str| {
            let help = "remove it, and run with `--bless` to write the snapshot anew";
            mistake(named_at, format!("the snapshot `{shown}` is {what}")).with_help(help.to_owned())
        };
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(refused(&format!("unreadable: {error}"))),
            Ok(found) if found.is_symlink() => Err(refused("a link")),
            Ok(found) if !found.is_file() => Err(refused("not a file")),
            Ok(_) => self.files.counted_text(path).map(Some).map_err(|mistake| mistake.at(named_at)),
        }
    }

    /// The snapshots that no case has, in the order of their names. Other files are nobody's business.
    fn unused(&self, names: &HashSet<String>, place: &Span, mistakes: &mut Mistakes) -> Vec<UnusedSnapshot> {
        let Ok(entries) = fs::read_dir(self.folder) else { return Vec::new() };
        let is_snapshot = |path: &PathBuf| {
            let ending = path.extension().is_some_and(|ending| ending == ENDING || ending == "yml");
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            ending && !name.starts_with('.') && !names.contains(&*name)
        };
        let paths = entries.take(MOST_ENTRIES).filter_map(|entry| Some(entry.ok()?.path()));
        let mut paths: Vec<PathBuf> = paths.filter(is_snapshot).collect();
        paths.sort();
        let mut unused = Vec::new();
        for path in paths {
            if mistakes.is_full() || unused.len() >= MOST_ENTRIES {
                break;
            }
            self.files.follow(&path);
            match self.file(&path, place) {
                Ok(Some(file)) => unused.push(UnusedSnapshot { path, file }),
                Ok(None) => {}
                Err(mistake) => mistakes.push(mistake),
            }
        }
        unused
    }
}

/// The names of the files, in the order of the cases that have snapshots.
fn names(cases: &[Case]) -> Vec<String> {
    let with_snapshot: Vec<(&str, &str)> =
        cases.iter().filter_map(|case| Some((case.snapshot.as_ref()?.case.as_str(), case.name.as_str()))).collect();
    let mut numbers: HashMap<&str, usize> = HashMap::new();
    with_snapshot.iter().for_each(|(lasting, _)| *numbers.entry(lasting).or_default() += 1);
    // A line is part of the name of a file only where nothing else tells it from others.
    let identified = with_snapshot.iter().map(|(lasting, name)| match numbers[lasting] {
        1 => (*lasting, *lasting),
        _ => (*lasting, *name),
    });
    let pairs: Vec<(&str, &str)> = identified.collect();
    file_name::unique(&pairs).into_iter().map(|name| format!("{name}.{ENDING}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_called_like_their_suites() {
        for (suite, folder) in [
            ("suite.yml", "suite"),
            ("suite.yaml", "suite"),
            ("labels.suite.yml", "labels.suite"),
            ("My_Suite.yml", "My_Suite"),
            ("suite.json", "suite.json"),
        ] {
            assert_eq!(folder_name(suite), folder);
        }
        for suite in ["..yml", ".suite.yml", "suite.yml.yml", "a b.yml", "日本.yml", "-rf.yml", ".yml", "a..yml"] {
            let name = folder_name(suite);
            let is_plain = |letter: char| letter.is_ascii_alphanumeric() || letter == '-';
            assert!(name.len() >= DIGITS && name.chars().all(is_plain), "{suite}: {name}");
        }
        assert!(folder_name(&"a".repeat(300)).len() < 120);
    }
}
