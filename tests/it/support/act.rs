//! Workflows run on this machine by `act`, without a container and without a network.
//!
//! The action is this repository's own. Actions of others are stood in for by a few lines each, which note what they
//! were given; a release of `verify` is an archive that a stand-in for `curl` finds in a folder.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::program::program;
use super::{BINARY, Finished, Repository, Verify, project};

/// The name under which workflows use the action.
pub(crate) const ACTION: &str = "OWNER/policy-verify";

/// A runner: its tools, the action, stand-ins for the actions of others.
pub(crate) struct Act {
    folder: TempDir,
}

impl Act {
    /// None when this machine has no `act`.
    pub(crate) fn new() -> Option<Self> {
        program("act")?;
        let act = Self { folder: tempfile::tempdir().unwrap() };
        for folder in ["home", "tools", "noted", "artifacts", "releases", "action/.github/workflows"] {
            fs::create_dir_all(act.path(folder)).unwrap();
        }
        for file in ["action.yml", "Cargo.toml"] {
            fs::copy(project().join(file), act.path("action").join(file)).unwrap();
        }
        for file in reusable_workflows() {
            fs::copy(&file, act.path("action/.github/workflows").join(file.file_name().unwrap())).unwrap();
        }
        let copy = Command::new("cp").arg("-r").arg(project().join("action")).arg(act.path("action")).status().unwrap();
        assert!(copy.success());
        act.offer_release(env!("CARGO_PKG_VERSION"));
        Some(act)
    }

    pub(crate) fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// A tool on the path of every job, in front of those of this machine.
    pub(crate) fn tool(&self, name: &str, script: &str) {
        use std::os::unix::fs::PermissionsExt;

        let path = self.path("tools").join(name);
        fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts an archive with the binary under test where the action looks for release `version`.
    pub(crate) fn offer_release(&self, version: &str) {
        let target = if cfg!(target_arch = "aarch64") { "aarch64" } else { "x86_64" };
        let name = format!("policy-verify-{version}-{target}-unknown-linux-musl");
        let script = format!(
            "set -e; cd '{releases}'; mkdir -p {name}; cat > {name}/verify <<'end'\n#!/bin/sh\n{verify}\nend\n\
             chmod +x {name}/verify; tar -czf {name}.tar.gz {name}; sha256sum {name}.tar.gz > SHA256SUMS; rm -r {name}",
            releases = self.path("releases").display(),
            verify = verify(),
        );
        assert!(Command::new("sh").args(["-c", &script]).status().unwrap().success());
        let curl = format!(
            "for word; do [ \"$last\" = --output ] && out=$word; last=$word; done\n\
             echo \"curl $last\" >> '{noted}/tools'\nexec cp '{releases}'/\"${{last##*/}}\" \"$out\"",
            noted = self.path("noted").display(),
            releases = self.path("releases").display(),
        );
        self.tool("curl", &curl);
        self.tool("gh", &format!("echo \"gh $*\" >> '{}/tools'", self.path("noted").display()));
    }

    /// What the stand-in for an action or the tools were given, one line each.
    pub(crate) fn noted(&self, name: &str) -> String {
        fs::read_to_string(self.path("noted").join(name)).unwrap_or_default()
    }

    /// Runs the workflow for an event, `document` being what it says.
    pub(crate) fn run(&self, repository: &Repository, event: &str, document: &Value) -> Log {
        self.run_only(repository, event, document, &[])
    }

    /// The same with further arguments of `act`, such as the one job to run.
    pub(crate) fn run_only(&self, repository: &Repository, event: &str, document: &Value, only: &[&str]) -> Log {
        commit(repository);
        fs::write(self.path("event.json"), document.to_string()).unwrap();
        let mut command = Command::new("act");
        repository.isolate(&mut command).current_dir(repository.path("")).arg(event).args(only);
        for label in ["ubuntu-latest", "ubuntu-24.04", "ubuntu-24.04-arm", "macos-latest", "windows-latest"] {
            command.args(["-P", &format!("{label}=-self-hosted")]);
        }
        command.args(["-s", "GITHUB_TOKEN=secret-token", "--eventpath"]).arg(self.path("event.json"));
        command.arg(format!("--local-repository={ACTION}@v1={}", self.path("action").display()));
        let workflows = fs::read_dir(repository.path(".github/workflows")).unwrap();
        let mut sources: Vec<String> =
            workflows.map(|entry| fs::read_to_string(entry.unwrap().path()).unwrap()).collect();
        let own = actions().into_iter().chain(reusable_workflows());
        sources.extend(own.map(|path| fs::read_to_string(path).unwrap()));
        for action in sources.iter().flat_map(|text| used(text)) {
            if let Some(folder) = self.stand_in(&action) {
                command.arg(format!("--local-repository={action}={}", folder.display()));
            }
        }
        let path = std::env::var("PATH").unwrap_or_default();
        command.env("PATH", format!("{}:{path}", self.path("tools").display()));
        command.env("HOME", self.path("home")).env("XDG_CACHE_HOME", self.path("home/.cache"));
        let verify = Verify { command, folder: repository.path("").canonicalize().unwrap() };
        Log(verify.run())
    }

    /// A few lines that take the place of an action of others: it notes its inputs, and files go through a folder.
    fn stand_in(&self, action: &str) -> Option<PathBuf> {
        let name = action.split('@').next()?;
        if name.starts_with(ACTION) || name == "actions/checkout" || name.starts_with('.') {
            return None;
        }
        let script = match name {
            "actions/upload-artifact" => {
                "mkdir -p \"$SHARED/$IN_NAME\"; for path in $IN_PATH; do [ ! -d \"$path\" ] || path=\"$path/.\"; \
                 cp -r \"$path\" \"$SHARED/$IN_NAME/\"; done"
            }
            "actions/download-artifact" => {
                "to=${IN_PATH:-.}; mkdir -p \"$to\"; \
                 if [ \"$IN_MERGE_MULTIPLE\" = true ]; then cp \"$SHARED\"/$IN_PATTERN/* \"$to/\"; \
                 elif [ -n \"$IN_NAME\" ]; then cp -r \"$SHARED/$IN_NAME/.\" \"$to/\"; \
                 else cp -r \"$SHARED\"/* \"$to/\"; fi"
            }
            "anchore/sbom-action" => "echo '{\"spdxVersion\":\"SPDX-2.3\"}' > \"$IN_OUTPUT_FILE\"",
            "actions/attest" => {
                "[ -z \"$IN_PREDICATE_PATH\" ] || cp \"$IN_PREDICATE_PATH\" \"$NOTED/\"; \
 echo attestation-url=https://example.com/attested >> \"$GITHUB_OUTPUT\"; \
                                 echo '{\"bundle\":1}' > \"$NOTED/bundle.json\"; \
                                 echo \"bundle-path=$NOTED/bundle.json\" >> \"$GITHUB_OUTPUT\""
            }
            "docker/build-push-action" => "echo digest=sha256:0123 >> \"$GITHUB_OUTPUT\"",
            "rust-lang/crates-io-auth-action" => "echo token=crates-token >> \"$GITHUB_OUTPUT\"",
            _ => "true",
        };
        let inputs = [
            "build-args",
            "labels",
            "merge-multiple",
            "platforms",
            "tags",
            "name",
            "path",
            "pattern",
            "key",
            "output-file",
            "sbom-path",
            "subject-name",
            "subject-digest",
            "predicate-type",
            "predicate-path",
            "push-to-registry",
            "registry",
            "username",
            "sarif_file",
            "subject-checksums",
            "subject-path",
        ];
        let folder = self.path("stand-ins").join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut text = String::from("name: stand-in\ndescription: stand-in\ninputs:\n");
        inputs.iter().for_each(|input| text += &format!("  {input}: {{ description: x, default: '' }}\n"));
        text += "outputs:\n";
        for output in ["attestation-url", "bundle-path", "digest", "token"] {
            text += &format!("  {output}: {{ description: x, value: '${{{{ steps.x.outputs.{output} }}}}' }}\n");
        }
        text += "runs:\n  using: composite\n  steps:\n    - id: x\n      shell: bash\n      env:\n";
        for input in inputs {
            let variable = format!("IN_{}", input.to_uppercase().replace('-', "_"));
            text += &format!("        {variable}: ${{{{ inputs.{input} }}}}\n");
        }
        text += &format!(
            "        SHARED: {}\n        NOTED: {}\n",
            self.path("artifacts").display(),
            self.path("noted").display()
        );
        text += &format!(
            "      run: |\n        (env -0 | tr '\\n\\0' ',\\n' | grep '^IN_[A-Z_]*=.' || true) | sort | tr '\\n' ' ' >> \"$NOTED/{file}\"; echo >> \"$NOTED/{file}\"\n        {script}\n",
            file = name.replace('/', "-"),
        );
        fs::write(folder.join("action.yml"), text).unwrap();
        Some(folder)
    }
}

/// A line of a shell that is the binary under test. `act` does not wait for the last words of a step that fails, so it is
/// given the time to read them.
pub(crate) fn verify() -> String {
    format!("'{BINARY}' \"$@\" || {{ code=$?; sleep 1; exit $code; }}")
}

/// What `uses:` names in a workflow or an action.
pub(crate) fn used(text: &str) -> Vec<String> {
    let after = |line: &str| line.trim_start().trim_start_matches("- ").strip_prefix("uses:").map(str::to_owned);
    text.lines().filter_map(after).map(|rest| rest.split('#').next().unwrap().trim().to_owned()).collect()
}

/// The actions of this project.
pub(crate) fn actions() -> Vec<PathBuf> {
    let folders = fs::read_dir(project().join("action")).unwrap().map(|entry| entry.unwrap().path());
    let below = folders.filter(|path| path.is_dir()).map(|path| path.join("action.yml"));
    below.chain([project().join("action.yml")]).collect()
}

/// The workflows of this project that others call.
pub(crate) fn reusable_workflows() -> Vec<PathBuf> {
    let files = fs::read_dir(project().join(".github/workflows")).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("reusable-")).collect()
}

/// Makes what lies in the folder a commit, for `act` asks git where it is.
fn commit(repository: &Repository) {
    let script = "git init -q 2>/dev/null; git add -A; git diff --cached --quiet || \
                  git -c user.name=t -c user.email=t@example.com commit -qm all";
    repository.shell(script).env("HOME", repository.path("")).run().exits_with(0);
}

/// The log of a workflow.
pub(crate) struct Log(pub(crate) Finished);

impl Log {
    /// The annotations of a level, `file:line title` each, in the order of the log.
    pub(crate) fn annotations(&self, level: &str) -> Vec<String> {
        let mark = format!("::{level} ");
        let lines = self.0.stdout.lines().filter_map(|line| line.split_once(&mark));
        let read = |(_, command): (&str, &str)| {
            let properties = command.split("::").next().unwrap_or_default();
            let property = |name: &str| {
                let found = properties.split(',').find_map(|property| property.strip_prefix(&format!("{name}=")));
                found.unwrap_or_default().to_owned()
            };
            format!("{}:{} {}", property("file"), property("line"), property("title"))
        };
        lines.map(read).collect()
    }

    /// The outputs of steps as the runner read them, `name=value`.
    pub(crate) fn outputs(&self) -> Vec<&str> {
        self.0.stdout.lines().filter_map(|line| line.split_once("::set-output:: ")).map(|(_, output)| output).collect()
    }

    #[track_caller]
    pub(crate) fn has_outputs(&self, outputs: &[&str]) -> &Self {
        for output in outputs {
            assert!(self.outputs().contains(output), "{output} is missing\n{}", self.0);
        }
        self
    }
}
