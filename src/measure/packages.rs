//! The dependencies of a Rust policy, from the `Cargo.lock` beside its module or above: where functions have only names, that
//! tells the policy's own crates from others.

use std::collections::BTreeSet;
use std::path::Path;

use policy_verify_files::bounded;
use policy_verify_instrument::origin::Packages;
use policy_verify_suite::Root;

/// Far above any real lock file.
const MAX_BYTES: u64 = 4 << 20;

/// Names of crates that are dependencies, with `_` for `-`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Dependencies(BTreeSet<String>);

impl Dependencies {
    /// Those of the nearest lock file above a folder in a repository; none without one.
    pub(crate) fn around(folder: &Path, root: &Root) -> Self {
        let inside = folder.ancestors().take_while(|folder| root.contains(folder));
        let found = inside.map(|folder| folder.join("Cargo.lock")).find(|path| root.contains(path));
        let text = found.and_then(|path| bounded::read_text(&path, MAX_BYTES).ok());
        text.map_or_else(Self::default, |text| Self::of_lock(&text))
    }

    /// Packages with a source: those of the workspace have none.
    fn of_lock(text: &str) -> Self {
        let packages = text.split("[[package]]").skip(1);
        let with_source = packages.filter(|package| package.lines().any(|line| line.starts_with("source = ")));
        let named = with_source.filter_map(|package| {
            let name = package.lines().find_map(|line| line.strip_prefix("name = \"")?.strip_suffix('"'))?;
            Some(name.replace('-', "_"))
        });
        Self(named.collect())
    }
}

impl Packages for Dependencies {
    fn is_dependency(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_of_the_workspace_are_no_dependencies() {
        let text = "version = 4\n\n[[package]]\nname = \"safe-labels\"\nversion = \"0.1.0\"\n\n[[package]]\n\
                    name = \"serde-json\"\nversion = \"1.0.0\"\nsource = \"registry+https://example.test\"\n";
        let dependencies = Dependencies::of_lock(text);
        assert!(dependencies.is_dependency("serde_json"));
        assert!(!dependencies.is_dependency("safe_labels"));
    }
}
