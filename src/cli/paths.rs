//! Paths that were typed, as a suite names them.

use std::path::Path;

use policy_verify::Error;
use policy_verify::model::diagnostic::Diagnostic;

use super::problem::usage;

/// A path of the working directory, relative to the folder of a suite that may not be there yet.
pub(super) fn seen_from(suite: &Path, path: &Path) -> Result<String, Error> {
    let absolute = |path: &Path| std::path::absolute(Path::new(".").join(path)).ok();
    let folder = suite.parent().unwrap_or(Path::new(""));
    let paths = absolute(path).zip(absolute(folder));
    let (path, folder) = paths.ok_or_else(|| refused(usage("the working directory cannot be found")))?;
    let shared = path.components().zip(folder.components()).take_while(|(one, other)| one == other).count();
    let up = folder.components().skip(shared).map(|_| "..".to_owned());
    let down = path.components().skip(shared).map(|part| part.as_os_str().to_string_lossy().into_owned());
    Ok(up.chain(down).collect::<Vec<_>>().join("/"))
}

/// A mistake of the command line.
pub(super) fn refused(problem: Diagnostic) -> Error {
    Error::Arguments(vec![problem])
}

/// Whether two paths lead to one file.
pub(super) fn is_same(one: &Path, other: &Path) -> bool {
    one.canonicalize().is_ok_and(|one| other.canonicalize().is_ok_and(|other| one == other))
}
