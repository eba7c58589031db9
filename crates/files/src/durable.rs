//! Files that appear whole or not at all, for two processes at once and whatever kills one of them.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Unfinished files of processes that were killed are removed when they are this old.
const LEFTOVER: Duration = Duration::from_secs(60 * 60);

/// What names of unfinished files begin with.
const PREFIX: &str = ".verify-";

/// Whether a file has to be on the disk before it has its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flush {
    /// What it holds is trusted by its name.
    Yes,
    /// Whoever reads it checks it.
    No,
}

/// Writes `path` so that nobody ever sees a part of it. It grows in the folder `unfinished`, or beside `path` where the two
/// lie on different disks. Folders are made where they are missing; on Unix, others may read the file if they get there.
pub fn write(path: &Path, unfinished: &Path, bytes: &[u8], flush: Flush) -> io::Result<()> {
    let folder = path.parent().unwrap_or(unfinished);
    fs::create_dir_all(folder)?;
    fs::create_dir_all(unfinished)?;
    remove_leftovers(unfinished);
    match replace(path, unfinished, bytes, flush) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => replace(path, folder, bytes, flush)?,
        written => written?,
    }
    if let (Flush::Yes, Ok(folder)) = (flush, File::open(folder)) {
        // Not every file system can.
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Writes `path` in one step; until then the file grows in the folder `place`, on the same disk.
pub fn replace(path: &Path, place: &Path, bytes: &[u8], flush: Flush) -> io::Result<()> {
    let mut file = tempfile::Builder::new().prefix(PREFIX).tempfile_in(place)?;
    file.write_all(bytes)?;
    if flush == Flush::Yes {
        file.as_file().sync_all()?;
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        file.as_file().set_permissions(fs::Permissions::from_mode(0o644))?;
    }
    file.persist(path).map(drop).map_err(|error| error.error)
}

fn remove_leftovers(folder: &Path) {
    let is_old = |entry: &fs::DirEntry| {
        if !entry.file_name().to_string_lossy().starts_with(PREFIX) {
            return false;
        }
        let modified = entry.metadata().and_then(|metadata| metadata.modified());
        modified.is_ok_and(|at| SystemTime::now().duration_since(at).is_ok_and(|age| age > LEFTOVER))
    };
    for entry in fs::read_dir(folder).into_iter().flatten().flatten().filter(is_old) {
        let _ = fs::remove_file(entry.path());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_and_only_old_leftovers_go() {
        let folder = tempfile::tempdir().unwrap();
        let (path, unfinished) = (folder.path().join("deep/down/file"), folder.path().join("unfinished"));
        write(&path, &unfinished, b"one", Flush::Yes).unwrap();
        let [old, young, foreign] = [".verify-old", ".verify-young", "foreign"].map(|name| unfinished.join(name));
        fs::write(&young, b"").unwrap();
        let at = SystemTime::now() - 2 * LEFTOVER;
        for old in [&old, &foreign] {
            File::create(old).unwrap().set_modified(at).unwrap();
        }
        write(&path, &unfinished, b"two", Flush::No).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert!(!old.exists() && young.exists() && foreign.exists());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }
}
