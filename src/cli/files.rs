//! Writing files whole or not at all.

use std::fs::{self, File, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::streams;

/// Writes a file in one step: whoever reads it finds the old content or the new one, also when we are killed or the power
/// fails. Links are followed; what is no regular file, such as `/dev/stdout`, is written to as it is, and so is a file that
/// no other can take the place of.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    match fs::metadata(path) {
        Ok(existing) if !existing.is_file() => streams::write_all(&mut File::options().write(true).open(path)?, bytes),
        existing => replace(path, existing.ok(), bytes, File::sync_all),
    }
}

/// Puts a file in the place of `existing`. `settle` is called before.
fn replace(
    path: &Path,
    existing: Option<Metadata>,
    bytes: &[u8],
    settle: fn(&File) -> io::Result<()>,
) -> io::Result<()> {
    let target = if existing.is_some() { path.canonicalize()? } else { followed(path)? };
    let file = match temporary_next_to(&target) {
        Err(_) if existing.is_some() => return write_in_place(&target, bytes),
        file => file?,
    };
    // By the file itself: the other way the error names a file that is gone.
    streams::write_all(&mut file.as_file(), bytes)?;
    if let Some(existing) = &existing {
        file.as_file().set_permissions(existing.permissions())?;
    }
    settle(file.as_file())?;
    put(file, &target, existing.is_some(), bytes)
}

/// Gives a file that holds `bytes` its name. A file that is mounted by itself, or is somebody else's in a folder such as
/// `/tmp`, cannot be replaced: it takes the bytes itself.
fn put(file: NamedTempFile, target: &Path, is_there: bool, bytes: &[u8]) -> io::Result<()> {
    match file.persist(target) {
        Ok(_) => Ok(()),
        Err(_) if is_there => write_in_place(target, bytes),
        Err(error) => Err(error.error),
    }
}

/// Writes a file that must stay the same one. Whoever reads it meanwhile finds a part of it.
fn write_in_place(target: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::options().write(true).truncate(true).open(target)?;
    streams::write_all(&mut file, bytes)
}

/// Links one after another; more than any system follows.
const MOST_LINKS: usize = 64;

/// Where a path leads to, also when nothing is there yet.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        let Ok(next) = fs::read_link(&path) else { return Ok(path) };
        path = path.parent().unwrap_or(Path::new("")).join(next);
    }
    Err(io::Error::other("its links lead in a circle"))
}

/// A file in the same folder, gone when it is dropped.
fn temporary_next_to(path: &Path) -> io::Result<NamedTempFile> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut builder = tempfile::Builder::new();
    builder.prefix(".verify-");
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    // That there is no such folder, the system says best; the name of a file that is not there yet tells nobody anything.
    fs::metadata(folder)?;
    builder.tempfile_in(folder).map_err(|error| error.kind().into())
}

/// Where a file is to be written later, or never. That it can be is known before, and nothing is there until then.
pub(crate) struct Destination {
    path: PathBuf,
    /// What is written to as it is: devices, pipes, and files that only exist where no other can be made.
    file: Option<File>,
}

impl Destination {
    /// Makes sure that the file can be written, and leaves what it holds alone.
    pub(crate) fn new(path: &Path) -> io::Result<Self> {
        let file = match fs::metadata(path) {
            Ok(existing) => {
                let file = File::options().write(true).open(path)?;
                let is_replaced = existing.is_file() && temporary_next_to(&path.canonicalize()?).is_ok();
                Some(file).filter(|_| !is_replaced)
            }
            Err(_) => temporary_next_to(&followed(path)?).map(|_| None)?,
        };
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes the file, in one step where that is possible. That it outlasts a failure of power is not waited for.
    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        let Some(file) = &mut self.file else {
            return replace(&self.path, fs::metadata(&self.path).ok(), bytes, |_| Ok(()));
        };
        empty(file)?;
        streams::write_all(file, bytes)
    }
}

/// Makes the folder of a file, and those around it.
pub(crate) fn make_folder_of(path: &Path) -> io::Result<()> {
    match path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        Some(folder) if path.file_name().is_some() => fs::create_dir_all(folder),
        _ => Ok(()),
    }
}

/// Drops what a file held before. Devices and pipes hold nothing.
pub(crate) fn empty(file: &File) -> io::Result<()> {
    if file.metadata()?.is_file() { file.set_len(0) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_replaced_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.wasm");
        write(&path, b"one").unwrap();
        write(&path, b"two").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        let error = write(&folder.path().join("gone/out.wasm"), b"x").unwrap_err();
        assert!(!error.to_string().contains(".verify-"), "{error}");
        assert!(write(folder.path(), b"x").is_err());
    }

    #[test]
    fn a_destination_is_nothing_until_it_is_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xml");
        let mut destination = Destination::new(&path).unwrap();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        destination.write(b"one").unwrap();
        let mut again = Destination::new(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"one");
        again.write(b"2").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"2");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert!(Destination::new(&folder.path().join("gone/a.xml")).is_err());
        assert!(Destination::new(folder.path()).is_err());
    }

    #[test]
    fn a_file_that_cannot_be_replaced_is_written_in_place() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out.xml");
        fs::write(&path, "a long old report").unwrap();
        // A file that is gone cannot be renamed, as one cannot onto a mounted file.
        let gone = || {
            let file = temporary_next_to(&path).unwrap();
            fs::remove_file(file.path()).unwrap();
            file
        };
        put(gone(), &path, true, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        // Where nothing is there, nothing is made that could be half a file.
        let other = folder.path().join("other.xml");
        assert!(put(gone(), &other, false, b"new").is_err());
        assert!(!other.exists());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn links_that_lead_nowhere_yet_are_followed() {
        use std::os::unix::fs::symlink;

        let folder = tempfile::tempdir().unwrap();
        let inside = |name: &str| folder.path().join(name);
        fs::create_dir(inside("reports")).unwrap();
        symlink("reports/second", inside("first")).unwrap();
        symlink("../third", inside("reports/second")).unwrap();
        write(&inside("first"), b"one").unwrap();
        assert_eq!(fs::read(inside("third")).unwrap(), b"one");
        fs::remove_file(inside("third")).unwrap();
        let mut destination = Destination::new(&inside("first")).unwrap();
        assert!(!inside("third").exists());
        destination.write(b"two").unwrap();
        assert_eq!(fs::read(inside("third")).unwrap(), b"two");
        for link in ["first", "reports/second"] {
            assert!(fs::symlink_metadata(inside(link)).unwrap().is_symlink(), "{link}");
        }
        symlink("gone/out", inside("lost")).unwrap();
        symlink("circle", inside("circle")).unwrap();
        for name in ["lost", "circle"] {
            assert!(Destination::new(&inside(name)).is_err() && write(&inside(name), b"x").is_err(), "{name}");
            assert!(fs::symlink_metadata(inside(name)).unwrap().is_symlink(), "{name}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn links_and_permissions_stay() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("out.wasm"), folder.path().join("link.wasm"));
        write(&path, b"one").unwrap();
        assert_ne!(fs::metadata(&path).unwrap().permissions().mode() & 0o044, 0, "others may read it");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        symlink(&path, &link).unwrap();
        write(&link, b"two").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    }
}
