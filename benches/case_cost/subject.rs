//! What is measured: a real policy, and suites of as many cases as wanted.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use policy_verify::Options;
use policy_verify::model::outcome::{Mismatch, MismatchKind, Outcome, RunReport};
use serde_json::{Value, json};
use tempfile::TempDir;

/// The pod of every case; each case changes one of its labels.
const POD: &str = include_str!("pod.yaml");

/// How a module is called.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// One instance, called twice.
    Wapc,
    /// Two runs of a program.
    Wasi,
}

/// A policy with its settings and the answer to its host calls.
pub(crate) struct Subject {
    pub(crate) name: &'static str,
    pub(crate) mode: Mode,
    /// How many cases a round has: enough to be longer than the clock is coarse, short enough for many rounds.
    pub(crate) chunk: usize,
    pub(crate) rounds: usize,
    pub(crate) settings: Value,
    /// What the host replies to each call.
    pub(crate) manifest: Option<Value>,
}

impl Subject {
    /// A policy made with Kubewarden's Rust SDK.
    pub(crate) fn wapc() -> Self {
        let settings = json!({
            "mandatory_labels": ["owner"],
            "denied_labels": ["debug"],
            "constrained_labels": {"owner": "^team-[0-9]+$"},
        });
        Self { name: "safe-labels", mode: Mode::Wapc, chunk: 200, rounds: 25, settings, manifest: None }
    }

    /// A policy made with Kubewarden's Go SDK. It asks its host for a manifest.
    pub(crate) fn wasi() -> Self {
        let settings = json!({"allowed": ["Apache-2.0", "MIT"]});
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {
                "mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": format!("sha256:{}", "0".repeat(64)),
                "size": 2,
            },
            "layers": [],
            "annotations": {"org.opencontainers.image.licenses": "Apache-2.0"},
        });
        let manifest = Some(manifest);
        Self { name: "image-licence-go", mode: Mode::Wasi, chunk: 20, rounds: 15, settings, manifest }
    }

    /// The folder of the policy.
    pub(crate) fn folder(&self) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/policies").join(self.name)
    }

    /// The module as it is in the repository.
    pub(crate) fn module(&self) -> Vec<u8> {
        std::fs::read(self.folder().join("policy.wasm")).expect("the policy is part of the repository")
    }

    /// Writes a suite of this many cases, every second one a denial where the policy looks at labels.
    pub(crate) fn suite(&self, cases: usize) -> Suite {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).expect("a file");
        write("policy.wasm", &self.module());
        write("metadata.yml", &std::fs::read(self.folder().join("metadata.yml")).expect("the policy has metadata"));
        write("pod.yaml", POD.as_bytes());
        write("suite.yml", self.suite_text(cases).as_bytes());
        let mut options = Options::default();
        options.suites.push(folder.path().join("suite.yml"));
        options.jobs = Some(1);
        Suite { options, _folder: folder }
    }

    fn suite_text(&self, cases: usize) -> String {
        let mut text = format!(
            "version: 1\nname: benchmark\npolicies:\n  policy: {{ uri: policy.wasm, metadata: metadata.yml, settings: {} }}\n",
            self.settings
        );
        if let Some(manifest) = &self.manifest {
            writeln!(text, "defaults:\n  host:\n    oci/v1/oci_manifest: {{ '*': {manifest} }}").expect("a String");
        }
        text.push_str("cases:\n");
        for number in 0..cases {
            let is_denied = self.mode == Mode::Wapc && number % 2 == 1;
            let (owner, expect) =
                if is_denied { ("nobody", "{ deny: { contains: owner } }") } else { ("team-7", "allow") };
            writeln!(text, "  - name: case {number:05}\n    object: pod.yaml").expect("a String");
            writeln!(
                text,
                "    set: {{ metadata.name: web-{number:05}, metadata.labels.owner: {owner} }}\n    expect: {expect}"
            )
            .expect("a String");
        }
        text
    }
}

/// A suite in a folder of its own, which is gone with it.
pub(crate) struct Suite {
    pub(crate) options: Options,
    _folder: TempDir,
}

/// Makes every case of a run fail, for reports that have more to say about failures.
pub(crate) fn spoil(run: &mut RunReport) {
    for case in &mut run.cases {
        case.outcome = Outcome::Failed(vec![Mismatch {
            kind: MismatchKind::Verdict,
            at: "/allowed".into(),
            expected: "allowed, not mutated".into(),
            actual: "denied: \"The value of label owner must match ^team-[0-9]+$\"".into(),
            span: case.span.clone(),
        }]);
    }
}
