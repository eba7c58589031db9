//! Workflows for GitHub. A policy that is built in the repository gets those that call the reusable workflows, for pull
//! requests and for releases; one that is fetched gets a job with the action.

use std::fs;
use std::path::{Component, Path, PathBuf};
use std::sync::LazyLock;

use policy_verify::model::policy::ExecutionMode;
use policy_verify::model::yaml::flow;
use policy_verify::{Error, read_text};
use regex::Regex;
use serde_json::Value;

use super::super::makefile::Makefile;
use super::super::paths::seen_from;

const ACTION: &str = include_str!("github.yml");
const TEST: &str = include_str!("test.yml");
const RELEASE: &str = include_str!("release.yml");

/// The line of a workflow that builds the policy.
const BUILD: &str = "      - run: make policy.wasm # however your policy is built\n";

/// The module that the reusable workflows expect.
const MODULE: &str = "policy.wasm";

/// What all workflows of Kubewarden are called by.
const KUBEWARDEN: &str = "kubewarden/github-actions/";

/// Bytes of a file that is looked into.
const LONGEST_FILE: u64 = 1 << 20;

/// Most files of a folder that are looked into.
const MOST_FILES: usize = 200;

/// The version of OPA for policies in the syntax of OPA 1; other policies get the one of Kubewarden's own policies.
const OPA_OF_TODAY: &str = "opa@1.5.1";

/// Which suite is tested, of which modules.
pub(super) struct Tested<'a> {
    /// The root of the repository.
    pub(super) root: &'a Path,
    pub(super) suite: &'a Path,
    /// The modules that are files, as absolute paths. They may not be built yet.
    pub(super) modules: Vec<PathBuf>,
}

/// The modules that a suite names as files, as absolute paths. One that has its policies from elsewhere is taken for a suite of
/// the module that the Makefile makes, if it makes the usual one.
pub(super) fn modules_of(suite: &Path) -> Vec<PathBuf> {
    let text = read_text(suite, LONGEST_FILE).unwrap_or_default();
    let document: Value = serde_saphyr::from_str(&text).unwrap_or_default();
    let folder = suite.parent().unwrap_or(Path::new(""));
    let policies = document["policies"].as_object().into_iter().flatten();
    let mut uris: Vec<&str> =
        policies.filter_map(|(_, policy)| policy["uri"].as_str().or_else(|| policy.as_str())).collect();
    if uris.is_empty() && Makefile::of(folder).prerequisites(MODULE).is_some() {
        uris.push(MODULE);
    }
    let files = uris.into_iter().filter(|uri| !uri.contains("://"));
    let mut files: Vec<PathBuf> = files.map(|uri| absolute(&folder.join(uri))).collect();
    files.sort();
    files.dedup();
    files
}

/// Workflows, not written yet.
pub(super) struct Workflows {
    /// Their paths below the root, and their texts.
    pub(super) files: Vec<(String, String)>,
    /// Where releases go to, if there is one that does.
    pub(super) target: Option<String>,
}

/// The workflows of a repository.
///
/// # Errors
///
/// The working directory is gone.
pub(super) fn workflows(tested: &Tested<'_>) -> Result<Workflows, Error> {
    let path = |name: &str| format!(".github/workflows/{name}.yml");
    let Some(module) = tested.modules.first() else {
        let suite = seen_from(&tested.root.join("suite.yml"), tested.suite)?;
        let text = ACTION.replace(BUILD, "").replace("SUITE", &flow::text(&suite));
        return Ok(Workflows { files: vec![(path("verify"), text)], target: None });
    };
    let policy = PolicyFolder::of(tested, module)?;
    let texts = [("test", policy.test()), ("release", policy.release())];
    let files = texts.map(|(name, text)| (path(&policy.named(name)), text)).to_vec();
    Ok(Workflows { files, target: Some(policy.target()) })
}

/// The workflows of Kubewarden that a repository calls, below its root.
pub(super) fn of_kubewarden(root: &Path) -> Vec<PathBuf> {
    let folder = Path::new(".github/workflows");
    let names = fs::read_dir(root.join(folder)).into_iter().flatten().filter_map(Result::ok).take(MOST_FILES);
    let mut paths: Vec<PathBuf> = names.map(|entry| folder.join(entry.file_name())).collect();
    paths.retain(|path| is_of_kubewarden(&root.join(path)));
    paths.sort();
    paths
}

/// Whether a workflow calls those of Kubewarden.
pub(super) fn is_of_kubewarden(path: &Path) -> bool {
    read_text(path, LONGEST_FILE).is_ok_and(|text| text.contains(KUBEWARDEN))
}

/// The folder of a policy, and what it says of how it is built.
struct PolicyFolder<'a> {
    tested: &'a Tested<'a>,
    path: PathBuf,
    /// Seen from the root; empty for the root itself.
    shown: String,
    suite: String,
    modules: Vec<String>,
    makefile: Makefile,
    metadata: Value,
}

impl<'a> PolicyFolder<'a> {
    fn of(tested: &'a Tested<'a>, module: &Path) -> Result<Self, Error> {
        let mut path = folder(tested.root, module);
        if seen_from(&path.join(MODULE), tested.suite)?.starts_with("..") {
            path = tested.root.to_owned();
        }
        let seen = |file: &Path| seen_from(&path.join(MODULE), file);
        let read = |names: &[&str]| names.iter().find_map(|name| read_text(&path.join(name), LONGEST_FILE).ok());
        let metadata = read(&["metadata.yml", "metadata.yaml"]).unwrap_or_default();
        Ok(Self {
            tested,
            shown: seen_from(&tested.root.join(MODULE), &path)?,
            suite: seen(tested.suite)?,
            modules: tested.modules.iter().map(|module| seen(module)).collect::<Result<_, _>>()?,
            makefile: Makefile::of(&path),
            metadata: serde_saphyr::from_str(&metadata).unwrap_or_default(),
            path,
        })
    }

    /// What a workflow is called: the policies of a repository have one each.
    fn named(&self, name: &str) -> String {
        if self.shown.is_empty() { name.to_owned() } else { format!("{name}-{}", self.name()) }
    }

    /// The name of the folder.
    fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        name.chars().map(|it| if it.is_ascii_alphanumeric() || "._-".contains(it) { it } else { '-' }).collect()
    }

    fn test(&self) -> String {
        let paths = self.paths().map(|paths| format!("  pull_request:\n    paths: [{paths}]\n"));
        let text = TEST.replace("  pull_request:\n", paths.as_deref().unwrap_or("  pull_request:\n"));
        text.replace("name: test\n", &format!("name: {}\n", self.named("test")))
            .replace("    WITH\n", &block(&self.test_inputs()))
    }

    fn release(&self) -> String {
        let text = RELEASE.replace("MAIN", &flow::text(&main_branch(self.tested.root)));
        let text = match self.paths() {
            Some(paths) => text.replace("['v*']\n", &format!("['{}/v*']\n    paths: [{paths}]\n", self.name())),
            None => text,
        };
        let inputs = [vec![("oci-target", self.target())], self.build_inputs(), self.files(), self.suite_input()];
        text.replace("name: release\n", &format!("name: {}\n", self.named("release")))
            .replace("    WITH\n", &block(&self.test_inputs()))
            .replace("    RELEASE\n", &block(&inputs.concat()))
    }

    /// The files of a policy that is one of several.
    fn paths(&self) -> Option<String> {
        (!self.shown.is_empty()).then(|| flow::text(&format!("{}/**", self.shown)))
    }

    fn test_inputs(&self) -> Vec<Input> {
        let mut inputs = self.build_inputs();
        match self.makefile.prerequisites("test") {
            None => inputs.push(("unit-tests", "''".to_owned())),
            Some(before) => {
                if self.makefile.prerequisites("lint").is_some() && !before.contains(&"lint") {
                    inputs.push(("lint", "make lint".to_owned()));
                }
            }
        }
        [inputs, self.suite_input()].concat()
    }

    /// How the policy is built.
    fn build_inputs(&self) -> Vec<Input> {
        let mut inputs = Vec::new();
        if !self.shown.is_empty() {
            inputs.push(("policy-working-dir", flow::text(&self.shown)));
        }
        if let Some(toolchain) = self.toolchain() {
            inputs.push(("toolchain", toolchain.to_owned()));
        }
        let is_made = |module: &&str| self.makefile.prerequisites(module).is_some();
        match self.modules.iter().map(String::as_str).find(is_made) {
            Some(MODULE) => {}
            Some(module) => inputs.push(("build", flow::text(&format!("make {module}")))),
            None => inputs.push(("build", format!("make {MODULE} # however your policy is built"))),
        }
        inputs
    }

    fn files(&self) -> Vec<Input> {
        match self.modules.as_slice() {
            [module] if module == MODULE => Vec::new(),
            [module] => vec![("files", flow::text(module))],
            several => {
                let lines = several.iter().map(|module| format!("\n        {}", module.replace(['\n', '\r'], " ")));
                vec![("files", format!("|{}", lines.collect::<String>()))]
            }
        }
    }

    fn suite_input(&self) -> Vec<Input> {
        if self.suite == "suite.yml" { Vec::new() } else { vec![("suite", flow::text(&self.suite))] }
    }

    /// Where the policy is published.
    fn target(&self) -> String {
        static TARGET: LazyLock<Regex> = LazyLock::new(|| {
            Regex::new(r"^[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)+$").expect("the pattern is valid")
        });
        let annotation = &self.metadata["annotations"]["io.kubewarden.policy.ociUrl"];
        match annotation.as_str().filter(|target| target.len() < 256 && TARGET.is_match(target)) {
            Some(target) => target.to_owned(),
            None => format!("ghcr.io/${{{{ github.repository_owner }}}}/policies/{}", self.name().to_ascii_lowercase()),
        }
    }

    /// What has to be installed to build the policy, by the files of its folder, else by those of the root.
    fn toolchain(&self) -> Option<&'static str> {
        [&*self.path, self.tested.root].into_iter().find_map(|folder| self.toolchain_of(folder))
    }

    fn toolchain_of(&self, folder: &Path) -> Option<&'static str> {
        let is_there = |name: &str| folder.join(name).is_file();
        if is_there("Cargo.toml") {
            return Some("rust");
        }
        if is_there("go.mod") {
            return Some(if self.is_built_by_tinygo() { "tinygo" } else { "go" });
        }
        let names = fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok).take(MOST_FILES);
        let paths = names.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|it| it == "rego"));
        let sources: Vec<String> = paths.filter_map(|path| read_text(&path, LONGEST_FILE).ok()).collect();
        if !sources.is_empty() {
            return Some(if sources.iter().any(|source| is_of_opa_1(source)) { OPA_OF_TODAY } else { "opa" });
        }
        is_there("package.json").then_some("node")
    }

    /// Whether the Makefile runs TinyGo on this machine; without a Makefile, whether the policy is one of waPC.
    fn is_built_by_tinygo(&self) -> bool {
        let Makefile(makefile) = &self.makefile;
        if !makefile.is_empty() {
            return makefile.contains("tinygo build") && !makefile.contains("docker");
        }
        let mode: Option<ExecutionMode> = serde_json::from_value(self.metadata["executionMode"].clone()).ok();
        mode.is_none_or(|mode| mode == ExecutionMode::KubewardenWapc)
    }
}

/// An input of a workflow, its value as YAML.
type Input = (&'static str, String);

/// The inputs of a job; nothing if there are none.
fn block(inputs: &[Input]) -> String {
    let lines = inputs.iter().map(|(name, value)| format!("      {name}: {value}\n"));
    if inputs.is_empty() { String::new() } else { format!("    with:\n{}", lines.collect::<String>()) }
}

/// The folder of a module's policy: the first above it with metadata, else with a Makefile, else the root.
fn folder(root: &Path, module: &Path) -> PathBuf {
    let above = || module.ancestors().skip(1).take_while(|folder| folder.starts_with(root));
    let with = |names: &[&str]| above().find(|folder| names.iter().any(|name| folder.join(name).is_file()));
    with(&["metadata.yml", "metadata.yaml"]).or_else(|| with(&["Makefile"])).unwrap_or(root).to_owned()
}

/// Whether a policy has the syntax of OPA 1 without importing it.
fn is_of_opa_1(source: &str) -> bool {
    static RULE: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r"(?m)^[^#\n]*\s(if|contains)\s").expect("the pattern is valid"));
    !source.contains("import rego.v1") && !source.contains("future.keywords") && RULE.is_match(source)
}

/// The branch that GitHub calls the default one, as far as the clone knows it.
fn main_branch(root: &Path) -> String {
    let head = read_text(&root.join(".git/refs/remotes/origin/HEAD"), LONGEST_FILE).unwrap_or_default();
    let branch = head.trim().strip_prefix("ref: refs/remotes/origin/").unwrap_or_default();
    let is_plain = !branch.is_empty() && branch.chars().all(|it| it.is_ascii_alphanumeric() || "._-/".contains(it));
    if is_plain { branch.to_owned() } else { "main".to_owned() }
}

/// A path without `.` and `..`, whether it is there or not.
fn absolute(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in std::path::absolute(Path::new(".").join(path)).unwrap_or_default().components() {
        match part {
            Component::ParentDir => drop(plain.pop()),
            Component::CurDir => {}
            part => plain.push(part),
        }
    }
    plain
}

/// The path of a module that was named on the command line.
pub(super) fn module(path: &Path) -> PathBuf {
    absolute(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example(path: &str) -> String {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/examples/github").join(path)).unwrap()
    }

    #[test]
    fn the_files_are_the_examples_of_the_documentation() {
        assert_eq!(ACTION.replace("SUITE", "suite.yml"), example("gate.yml"));
        assert!(ACTION.contains(BUILD));
        let toolchain = || ("toolchain", "rust".to_owned());
        assert_eq!(TEST.replace("    WITH\n", &block(&[toolchain()])), example("reusable-test.yml"));
        let target = ("oci-target", "ghcr.io/acme/policies/safe-labels".to_owned());
        let release = RELEASE.replace("MAIN", "main").replace("    WITH\n", &block(&[toolchain()]));
        assert_eq!(release.replace("    RELEASE\n", &block(&[target, toolchain()])), example("reusable-release.yml"));
    }

    #[test]
    fn syntax_of_opa_1_is_recognised() {
        for (source, wanted) in [
            ("violation contains {\"msg\": msg} if {\n", true),
            ("allow if input.x\n", true),
            ("import rego.v1\nallow if input.x\n", false),
            ("import future.keywords.if\nallow if input.x\n", false),
            ("deny[msg] {\n  contains(input.x, \"if\") # only if needed\n", false),
        ] {
            assert_eq!(is_of_opa_1(source), wanted, "{source}");
        }
    }

    #[test]
    fn paths_are_made_plain() {
        assert_eq!(absolute(Path::new("/a/./b/../c/policy.wasm")), Path::new("/a/c/policy.wasm"));
        assert_eq!(absolute(Path::new("/../..")), Path::new("/"));
    }
}
