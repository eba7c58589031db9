//! Links on the way to a file that is written or quoted: in a checkout they are as untrusted as everything else in it.

use std::env;
use std::fmt;
use std::path::{Path, PathBuf};

use super::root::{Root, as_named};

/// A link inside a repository, on the way to a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RepositoryLink {
    /// The link, as reports show it.
    link: String,
    /// Where it leads, if that is outside of the repository.
    outside: Option<PathBuf>,
    root: Root,
}

impl fmt::Display for RepositoryLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outside {
            Some(target) => {
                write!(f, "`{}` is a link to `{}`, outside the repository", self.link, target.display())
            }
            None => write!(f, "`{}` is a link inside the repository, whose root is {}", self.link, self.root),
        }
    }
}

impl RepositoryLink {
    /// What to do about it.
    pub const HELP: &str = "name a file with no link on its path, or remove the link";

    /// The first link inside a repository on the way to `path`; links outside of all repositories are the user's own.
    /// Repositories are that of the working directory and that of the file; `given` is the root of the command line.
    pub fn on_the_way_to(path: &Path, given: Option<&Path>) -> Option<Self> {
        Self::first(path, given, |_| true)
    }

    /// The first of these links that leads out of its repository.
    pub fn leading_out(path: &Path) -> Option<Self> {
        Self::first(path, None, |link| link.outside.is_some())
    }

    fn first(path: &Path, given: Option<&Path>, is_wanted: impl Fn(&Self) -> bool) -> Option<Self> {
        let path = std::path::absolute(path).ok()?;
        let mut roots: Vec<Root> =
            env::current_dir().ok().and_then(|it| Root::of(&it, given).ok()).into_iter().collect();
        let folder = path.ancestors().skip(1).find(|folder| folder.is_dir());
        roots.extend(folder.and_then(|folder| Root::of(folder, None).ok()));
        roots.retain(Root::is_repository);
        let ancestors: Vec<&Path> = path.ancestors().collect();
        let links = ancestors.into_iter().rev().filter(|part| part.is_symlink()).filter_map(|link| {
            let place = link.parent()?.canonicalize().ok()?.join(link.file_name()?);
            let root = roots.iter().find(|root| root.holds(&place))?;
            Some(Self { link: root.shown(&place), outside: outside(link, root), root: root.clone() })
        });
        links.into_iter().find(is_wanted)
    }
}

/// Where a link leads, if that is not inside the repository, also when nothing is there yet.
fn outside(link: &Path, root: &Root) -> Option<PathBuf> {
    let target = link.canonicalize().ok().or_else(|| missing_target(link));
    target.or_else(|| link.read_link().ok()).filter(|target| !target.starts_with(&root.real))
}

/// The target of a broken link without links in it, as far as it is there.
fn missing_target(link: &Path) -> Option<PathBuf> {
    let target = as_named(&link.parent()?.join(link.read_link().ok()?)).ok()?;
    let (there, real) = target.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)))?;
    Some(real.join(target.strip_prefix(there).ok()?))
}

#[cfg(unix)]
#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn links_of_a_repository_are_found_and_others_are_the_users() {
        let folder = tempfile::tempdir().unwrap();
        let real = folder.path().canonicalize().unwrap();
        let path = |path: &str| real.join(path);
        for name in ["repository/.git", "repository/sub/deep", "outside"] {
            fs::create_dir_all(path(name)).unwrap();
        }
        symlink("../outside/keys", path("repository/out.xml")).unwrap();
        symlink("sub/in.xml", path("repository/in.xml")).unwrap();
        symlink("sub", path("repository/folder")).unwrap();
        symlink("../../outside", path("repository/sub/away")).unwrap();
        symlink("circle", path("repository/circle")).unwrap();
        symlink(".git/hooks/new", path("repository/hook")).unwrap();
        symlink("/gone/for/ever", path("repository/gone")).unwrap();
        symlink(path("repository"), path("checkout")).unwrap();
        symlink("outside/file", path("mine")).unwrap();
        for (file, link, is_outside) in [
            ("repository/out.xml", Some("out.xml"), true),
            ("repository/in.xml", Some("in.xml"), false),
            ("repository/folder/a.xml", Some("folder"), false),
            ("repository/folder/deep/new/a.xml", Some("folder"), false),
            ("repository/folder/../a.xml", Some("folder"), false),
            ("repository/sub/away/a.xml", Some("sub/away"), true),
            ("repository/circle", Some("circle"), false),
            ("repository/hook", Some("hook"), false),
            ("repository/gone", Some("gone"), true),
            ("checkout/out.xml", Some("out.xml"), true),
            ("checkout/a.xml", None, false),
            ("repository/a.xml", None, false),
            ("repository/new/a.xml", None, false),
            ("mine", None, false),
            ("outside/a.xml", None, false),
        ] {
            let found = RepositoryLink::on_the_way_to(&path(file), None);
            assert_eq!(found.as_ref().map(|found| found.link.as_str()), link, "{file}");
            assert_eq!(found.is_some_and(|found| found.outside.is_some()), is_outside, "{file}");
        }
        // A root of the command line is one for files below it.
        let given = |root: &str| RepositoryLink::on_the_way_to(&path("mine"), Some(&path(root))).is_some();
        assert!(given(".") && !given("outside"));
        assert_eq!(RepositoryLink::on_the_way_to(Path::new("/dev/stdout"), None), None);
        for (file, link) in [
            ("repository/in.xml", None),
            ("repository/folder/a.xml", None),
            ("repository/folder/away/a.xml", Some("sub/away")),
            ("repository/out.xml", Some("out.xml")),
            ("mine", None),
        ] {
            let found = RepositoryLink::leading_out(&path(file)).map(|found| found.link);
            assert_eq!(found.as_deref(), link, "{file}");
        }
    }
}
