//! What the Makefile of a policy makes. It is looked at, never run.

use std::path::Path;

use policy_verify::read_text;

/// Bytes of a Makefile.
const LONGEST: u64 = 1 << 20;

/// The names that make looks for, in its order.
const NAMES: [&str; 3] = ["GNUmakefile", "makefile", "Makefile"];

/// A Makefile as text.
#[derive(Debug, Default)]
pub(super) struct Makefile(pub(super) String);

impl Makefile {
    /// That of a folder; an empty one if there is none.
    pub(super) fn of(folder: &Path) -> Self {
        let text = NAMES.iter().find_map(|name| read_text(&folder.join(name), LONGEST).ok());
        Self(text.unwrap_or_default())
    }

    /// What a target depends on; nothing if there is no such target.
    pub(super) fn prerequisites(&self, target: &str) -> Option<Vec<&str>> {
        self.0.lines().filter(|line| !line.starts_with(['\t', '#'])).find_map(|line| {
            let (targets, rest) = line.split_once(':')?;
            let is_rule = !rest.starts_with('=') && targets.split_whitespace().any(|it| it == target);
            is_rule.then(|| rest.split('#').next().unwrap_or_default().split_whitespace().collect())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_told_from_variables_and_recipes() {
        let text = "test:=no\nX := policy.wasm: y\n\techo lint: all\n# fmt: x\nfmt lint: a b # c\npolicy.wasm:\n";
        let makefile = Makefile(text.to_owned());
        assert_eq!(makefile.prerequisites("lint"), Some(vec!["a", "b"]));
        assert_eq!(makefile.prerequisites("policy.wasm"), Some(vec![]));
        assert_eq!(makefile.prerequisites("test"), None);
        assert_eq!(makefile.prerequisites("echo"), None);
    }
}
