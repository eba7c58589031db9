//! Other files that a test names, each read once.

use std::collections::HashMap;
use std::io;
use std::rc::Rc;

use crate::tree::{self, Tree};

/// Most bytes of all files of one test file.
const MOST_BYTES: usize = 64 << 20;

/// Reads a file by its path relative to the file with the tests.
pub type ReadFile<'a> = &'a dyn Fn(&str) -> io::Result<String>;

/// The files read so far.
pub(crate) struct Files<'a> {
    read: ReadFile<'a>,
    /// Where the file with the tests is, seen from the suite; empty, or ending in a slash.
    prefix: String,
    /// Bytes that may still be read.
    left: usize,
    known: HashMap<String, Result<Rc<Vec<Tree>>, String>>,
}

impl<'a> Files<'a> {
    pub(crate) fn new(read: ReadFile<'a>, folder: &str) -> Self {
        let folder = folder.trim_end_matches('/');
        let prefix = if folder.is_empty() || folder == "." { String::new() } else { format!("{folder}/") };
        Self { read, prefix, left: MOST_BYTES, known: HashMap::new() }
    }

    /// The documents of a file, or why there are none.
    pub(crate) fn documents(&mut self, path: &str) -> Result<Rc<Vec<Tree>>, String> {
        let path = normal(path);
        if let Some(known) = self.known.get(&path) {
            return known.clone();
        }
        let found = self.read(&path);
        self.known.insert(path, found.clone());
        found
    }

    fn read(&mut self, path: &str) -> Result<Rc<Vec<Tree>>, String> {
        let text = (self.read)(path).map_err(|error| format!("`{path}` cannot be read: {error}"))?;
        let Some(left) = self.left.checked_sub(text.len()) else {
            return Err(format!("`{path}` is not read: all files are longer than {} MiB", MOST_BYTES >> 20));
        };
        self.left = left;
        let documents = tree::documents(path, &text).map_err(|error| format!("`{path}`: {error}"))?;
        Ok(Rc::new(documents))
    }

    /// The path as the suite names it.
    pub(crate) fn in_suite(&self, path: &str) -> String {
        normal(&format!("{}{path}", self.prefix))
    }
}

/// A path without `.` and without folders that are left again.
fn normal(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split(['/', '\\']) {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    #[test]
    fn files_are_read_once_and_named_from_the_suite() {
        let reads = Cell::new(0);
        let read = |path: &str| {
            reads.set(reads.get() + 1);
            if path == "../a.yaml" { Ok("a: 1\n".to_owned()) } else { Err(io::ErrorKind::NotFound.into()) }
        };
        let mut files = Files::new(&read, "tests/");
        assert_eq!(files.documents("./x/../../a.yaml").unwrap().len(), 1);
        assert_eq!(files.documents("../a.yaml").unwrap().len(), 1);
        assert!(files.documents("b.yaml").unwrap_err().starts_with("`b.yaml` cannot be read: "));
        assert_eq!(reads.get(), 2);
        assert_eq!((files.in_suite("../a.yaml"), files.in_suite("./b.yaml")), ("a.yaml".into(), "tests/b.yaml".into()));
    }

    #[test]
    fn all_files_together_are_bounded() {
        let read = |_: &str| Ok(" ".repeat(15));
        let mut files = Files { left: 64, ..Files::new(&read, "") };
        let found: Vec<bool> = (0..6).map(|index| files.documents(&index.to_string()).is_ok()).collect();
        assert_eq!(found, [true, true, true, true, false, false]);
    }
}
