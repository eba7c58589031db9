//! Compiled code of earlier runs: a module is compiled once on a machine, and mapped into memory from then on.
//!
//! `<engine>-<digest of the module>-<checksum of the code>-<its size>`, all in one folder. `engine` stands for the version of
//! wasmtime and its settings, so none takes the code of another. A file appears whole, is never changed, and is read only
//! if its content has the checksum it is called by: what a full disk or a power failure leaves behind is compiled again.
//!
//! wasmtime runs such a file as it is, so a user who can write it can act as this user. The folder is therefore used only
//! if it belongs to this user and no other user may write to it, nor put another one in its place. Files of other names are
//! left alone.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Seek as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use policy_verify_files::durable::{self, Flush};
use policy_verify_model::policy::Digest;

/// Most bytes in the folder, over all engines; what was not used for the longest time goes first. Native code of a policy
/// takes from 1 to 20 MB.
const MOST_BYTES: u64 = 1024 * 1024 * 1024;

/// Name of the folder, in whatever place is chosen for it: other files of that place are left alone.
const FOLDER: &str = "compiled-code";

/// Compiled code in a folder.
#[derive(Debug, Clone)]
pub(super) struct CodeCache {
    folder: PathBuf,
    most_bytes: u64,
}

impl CodeCache {
    /// The cache in a folder of its own below `place`, which is made if it is missing.
    ///
    /// # Errors
    ///
    /// The folder cannot be made, or others may write to it.
    pub(super) fn open(place: &Path) -> io::Result<Self> {
        let folder = place.join(FOLDER);
        make_private(&folder)?;
        // What was looked at, whatever a link on the way leads to later.
        let folder = folder.canonicalize()?;
        Ok(Self { folder, most_bytes: MOST_BYTES })
    }

    /// The code of a module that was kept, in the first of these engines, all of one compiler, that has room for its instances.
    pub(super) fn load<'a>(
        &self,
        engines: impl Iterator<Item = &'a wasmtime::Engine> + Clone,
        digest: Digest,
    ) -> Option<wasmtime::Module> {
        let start = start_of(engines.clone().next()?, digest);
        let mut names = self.names().filter(|name| name.starts_with(&start));
        names.find_map(|name| self.load_file(&name, engines.clone()))
    }

    /// The place that [`open`](Self::open) takes for this folder.
    pub(super) fn place(&self) -> &Path {
        self.folder.parent().unwrap_or(&self.folder)
    }

    /// Keeps the code of a module.
    ///
    /// # Errors
    ///
    /// The disk does not take it; the run needs nothing of it.
    pub(super) fn keep(&self, digest: Digest, module: &wasmtime::Module) -> io::Result<()> {
        let code = module.serialize().map_err(|error| io::Error::other(format!("{error:#}")))?;
        let start = start_of(module.engine(), digest);
        let path = self.folder.join(start + end_of(xxh3_64(&code), code.len() as u64).as_str());
        // It was there and could not be used, as on a disk that may hold no programs: writing it again would not help.
        if path.exists() {
            return Ok(());
        }
        durable::write(&path, &self.folder, &code, Flush::No)?;
        self.make_room();
        Ok(())
    }

    /// The names of kept code, of all engines.
    fn names(&self) -> impl Iterator<Item = String> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| is_ours(name))
    }

    /// Removes what was not used for the longest time. Code that is mapped stays in memory.
    fn make_room(&self) {
        let mut files: Vec<(SystemTime, u64, PathBuf)> = Vec::new();
        for path in self.names().map(|name| self.folder.join(name)) {
            if let Ok(metadata) = fs::symlink_metadata(&path) {
                files.push((metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH), metadata.len(), path));
            }
        }
        files.sort();
        let mut surplus = files.iter().map(|(_, size, _)| size).sum::<u64>().saturating_sub(self.most_bytes);
        for (_, size, path) in files {
            if surplus == 0 {
                break;
            }
            surplus = surplus.saturating_sub(size);
            let _ = fs::remove_file(path);
        }
    }

    /// The code in a file whose content is what its name says.
    fn load_file<'a>(
        &self,
        name: &str,
        mut engines: impl Iterator<Item = &'a wasmtime::Engine>,
    ) -> Option<wasmtime::Module> {
        let path = self.folder.join(name);
        let mut file = File::open(&path).ok()?;
        let (checksum, size) = checksum(&mut file).ok()?;
        if !name.ends_with(&end_of(checksum, size)) {
            let _ = fs::remove_file(path);
            return None;
        }
        file.rewind().ok()?;
        // So that it is not the first to go.
        let _ = file.set_modified(SystemTime::now());
        engines.find_map(|engine| deserialize(engine, file.try_clone().ok()?))
    }
}

/// What the names of the code of a module begin with.
fn start_of(engine: &wasmtime::Engine, digest: Digest) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    format!("{:016x}-{}-", hasher.finish(), digest.to_string().trim_start_matches("sha256:"))
}

fn end_of(checksum: u64, size: u64) -> String {
    format!("{checksum:016x}-{size}")
}

/// Whether a file is called as kept code is.
fn is_ours(name: &str) -> bool {
    let is_hex = |part: &str, length| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    match *name.split('-').collect::<Vec<_>>() {
        [engine, digest, checksum, size] => {
            is_hex(engine, 16) && is_hex(digest, 64) && is_hex(checksum, 16) && size.parse::<u64>().is_ok()
        }
        _ => false,
    }
}

#[expect(unsafe_code, reason = "wasmtime cannot tell whether code is its own; the safety comment says why this one is")]
fn deserialize(engine: &wasmtime::Engine, file: File) -> Option<wasmtime::Module> {
    // SAFETY: the file holds what `wasmtime::Module::serialize` gave. It lies in a folder that only this user can write to
    // (`make_private`), into which only `keep` writes, under a name that has the checksum of its content, which was just
    // computed from this very open file. Nothing changes it while it is mapped: files get their names when they are whole,
    // and are only ever removed. wasmtime itself checks its version, its settings and the processor.
    unsafe { wasmtime::Module::deserialize_open_file(engine, file) }.ok()
}

fn checksum(file: &mut File) -> io::Result<(u64, u64)> {
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut size = 0;
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((hasher.digest(), size)),
            read => {
                hasher.update(&buffer[..read]);
                size += read as u64;
            }
        }
    }
}

/// Makes a folder no other user can write to, or checks that an existing one is.
#[cfg(unix)]
fn make_private(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};

    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let metadata = fs::symlink_metadata(folder)?;
    // The owner of a file made just now is this user.
    let user = tempfile::tempfile_in(folder)?.metadata()?.uid();
    let is_ours = metadata.is_dir() && metadata.uid() == user;
    if !is_ours || metadata.mode() & 0o022 != 0 {
        return Err(io::ErrorKind::PermissionDenied.into());
    }
    check_folders_around(&folder.canonicalize()?, user)
}

/// Checks that no other user can put another folder in the place of this one, a path without links. In a folder such as
/// `/tmp` that takes the owner of the entry.
#[cfg(unix)]
fn check_folders_around(folder: &Path, user: u32) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let is_trusted = |owner: u32| owner == user || owner == 0;
    let mut entry = user;
    for around in folder.ancestors().skip(1) {
        let metadata = fs::metadata(around)?;
        let is_sticky = metadata.mode() & 0o1000 != 0;
        let is_shared = metadata.mode() & 0o022 != 0 && !(is_sticky && is_trusted(entry));
        if !is_trusted(metadata.uid()) || is_shared {
            return Err(io::Error::other(format!("other users may write to `{}`", around.display())));
        }
        entry = metadata.uid();
    }
    Ok(())
}

/// Without owners to compare, the folder is the one of this user's profile.
#[cfg(not(unix))]
fn make_private(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use wasmtime::Engine;

    fn module(engine: &Engine, number: u32) -> (Digest, wasmtime::Module) {
        let bytes = wat::parse_str(format!("(module (func (export \"f\") (result i32) i32.const {number}))")).unwrap();
        (Digest::of(&bytes), wasmtime::Module::new(engine, &bytes).unwrap())
    }

    fn call(engine: &Engine, module: &wasmtime::Module) -> i32 {
        let mut store = wasmtime::Store::new(engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = wasmtime::Instance::new(&mut store, module, &[]).unwrap();
        instance.get_typed_func::<(), i32>(&mut store, "f").unwrap().call(&mut store, ()).unwrap()
    }

    fn files(cache: &CodeCache, digest: Digest) -> Vec<PathBuf> {
        let digest = digest.to_string().trim_start_matches("sha256:").to_owned();
        let names = cache.names().filter(move |name| name.contains(&digest));
        names.map(|name| cache.folder.join(name)).collect()
    }

    #[test]
    fn what_is_kept_runs_as_what_was_compiled() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), Engine::default());
        let cache = CodeCache::open(folder.path()).unwrap();
        let ((one, first), (two, second)) = (module(&engine, 1), module(&engine, 2));
        assert!(cache.load([&engine].into_iter(), one).is_none());
        cache.keep(one, &first).unwrap();
        cache.keep(two, &second).unwrap();
        cache.keep(two, &second).unwrap();
        assert_eq!(call(&engine, &cache.load([&engine].into_iter(), one).unwrap()), 1);
        assert_eq!(call(&engine, &cache.load([&engine].into_iter(), two).unwrap()), 2);
        assert_eq!(files(&cache, two).len(), 1);
    }

    #[test]
    fn what_is_damaged_is_removed_and_never_run() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), Engine::default());
        let cache = CodeCache::open(folder.path()).unwrap();
        let (digest, compiled) = module(&engine, 1);
        cache.keep(digest, &compiled).unwrap();
        let path = files(&cache, digest).remove(0);
        let whole = fs::read(&path).unwrap();
        let flipped =
            [&whole[..whole.len() / 2], &[whole[whole.len() / 2] ^ 1], &whole[whole.len() / 2 + 1..]].concat();
        for damaged in [&whole[..whole.len() - 1], &whole[..0], &flipped, &[&whole[..], b"x"].concat()] {
            fs::write(&path, damaged).unwrap();
            assert!(cache.load([&engine].into_iter(), digest).is_none());
            assert!(!path.exists());
        }
        // The right checksum over something else than compiled code.
        let name = start_of(&engine, digest) + end_of(xxh3_64(b"code"), 4).as_str();
        fs::write(path.with_file_name(name), b"code").unwrap();
        assert!(cache.load([&engine].into_iter(), digest).is_none());
        cache.keep(digest, &compiled).unwrap();
        assert_eq!(call(&engine, &cache.load([&engine].into_iter(), digest).unwrap()), 1);
    }

    #[test]
    fn engines_with_other_settings_do_not_share() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), Engine::default());
        let (digest, compiled) = module(&engine, 1);
        CodeCache::open(folder.path()).unwrap().keep(digest, &compiled).unwrap();
        let other = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        assert!(CodeCache::open(folder.path()).unwrap().load([&other].into_iter(), digest).is_none());
    }

    #[test]
    fn the_oldest_make_room_for_the_new() {
        let (folder, engine) = (tempfile::tempdir().unwrap(), Engine::default());
        let mut cache = CodeCache::open(folder.path()).unwrap();
        let modules: Vec<_> = (0..3).map(|number| module(&engine, number)).collect();
        let (last, rest) = modules.split_last().unwrap();
        for (age, (digest, compiled)) in rest.iter().enumerate() {
            cache.keep(*digest, compiled).unwrap();
            let at = SystemTime::now() - std::time::Duration::from_secs(100 - age as u64);
            File::open(files(&cache, *digest).remove(0)).unwrap().set_modified(at).unwrap();
        }
        // Used again, so no longer the oldest.
        assert!(cache.load([&engine].into_iter(), rest[0].0).is_some());
        // What others keep here, larger and older than everything, does not count and does not go.
        let foreign = [folder.path().join("old"), cache.folder.join("0-0-0-0"), cache.folder.join("old")];
        for path in &foreign {
            let file = File::create(path).unwrap();
            file.set_len(1 << 30).unwrap();
            file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        }
        let size = |digest| fs::metadata(files(&cache, digest).remove(0)).unwrap().len();
        cache.most_bytes = size(rest[0].0) + size(rest[1].0);
        cache.keep(last.0, &last.1).unwrap();
        let kept: Vec<usize> = modules.iter().map(|(digest, _)| files(&cache, *digest).len()).collect();
        assert_eq!(kept, [1, 0, 1]);
        assert!(foreign.iter().all(|path| path.exists()));
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_others_may_write_to_is_not_used() {
        use std::os::unix::fs::PermissionsExt as _;

        let place = tempfile::tempdir().unwrap();
        let open = || CodeCache::open(&place.path().join("made")).map(drop);
        open().unwrap();
        let folder = place.path().join("made").join(FOLDER);
        assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
        for mode in [0o770, 0o707, 0o777] {
            fs::set_permissions(&folder, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(open().unwrap_err().kind(), io::ErrorKind::PermissionDenied, "{mode:o}");
        }
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
        open().unwrap();
        let elsewhere = place.path().join("elsewhere");
        fs::rename(&folder, &elsewhere).unwrap();
        std::os::unix::fs::symlink(&elsewhere, &folder).unwrap();
        assert!(open().is_err());
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_that_others_can_replace_is_not_used() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};

        let folder = tempfile::tempdir().unwrap();
        let (around, inner) = (folder.path().join("around"), folder.path().join("around/inner"));
        fs::create_dir_all(&inner).unwrap();
        symlink(&inner, folder.path().join("link")).unwrap();
        let opened = |mode: u32| {
            fs::set_permissions(&around, fs::Permissions::from_mode(mode)).unwrap();
            let paths = [inner.clone(), folder.path().join("link"), inner.join("new/and/deep")];
            paths.map(|path| CodeCache::open(&path).map(|_| ()).map_err(|error| error.to_string()))
        };
        for mode in [0o777, 0o775, 0o757, 0o722] {
            for refused in opened(mode) {
                assert!(
                    refused.as_ref().is_err_and(|it| it.contains("other users may write to")),
                    "{mode:o} {refused:?}"
                );
            }
        }
        // As in `/tmp`, the owner of an entry keeps others from replacing it.
        for mode in [0o700, 0o755, 0o1777] {
            assert_eq!(opened(mode), [Ok(()), Ok(()), Ok(())], "{mode:o}");
        }
    }
}
