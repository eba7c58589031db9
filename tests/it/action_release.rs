//! Releases by the action: what `act` pushes to a registry on this machine, and what is signed and attested then.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::action::example;
use crate::support::act::{Act, Log};
use crate::support::distribution::Distribution;
use crate::support::program::program;
use crate::support::{POD, Repository, project};

/// A machine with what a release needs.
struct Release {
    act: Act,
    registry: Distribution,
}

impl Release {
    /// None where `act`, a registry or `jq` is missing.
    fn new() -> Option<Self> {
        let act = Act::new()?;
        program("jq")?;
        act.tool("cosign", &format!("echo \"$*\" >> '{}'", act.path("noted/cosign").display()));
        Some(Self { act, registry: Distribution::start()? })
    }

    /// Runs the workflow of the documentation for the tag `v0.1.0`. In the suite `HOST` is the registry and `POD` a pod;
    /// `p` and `q` are two policies.
    fn run(&self, suite: &str, workflow: &str) -> (Repository, Log) {
        let suite = suite.replace("HOST", &self.registry.host).replace("POD", POD);
        let workflow = workflow.replace("    steps:\n", "    env: { VERIFY_SOURCES_PATH: sources.yaml }\n    steps:\n");
        let copy = |path: &str| std::fs::read(project().join("testdata/policies").join(path)).unwrap();
        let repository = Repository::with_suite(&suite)
            .write("source.wasm", copy("safe-labels/policy.wasm"))
            .write("metadata.yml", copy("safe-labels/metadata.yml"))
            .write("q.wasm", copy("default-labels/policy.wasm"))
            .write("q.yml", copy("default-labels/metadata.yml"))
            .write("sources.yaml", format!("insecure_sources: [\"{}\"]\n", self.registry.host))
            .write("Makefile", "policy.wasm:\n\tcp source.wasm policy.wasm\n")
            .write(".github/workflows/release.yml", workflow);
        let git =
            "git init -q; git add -A; git -c user.name=t -c user.email=t@example.com commit -qm all; git tag v0.1.0";
        repository.shell(git).env("HOME", repository.path("")).run().exits_with(0);
        let log = self.act.run(&repository, "push", &json!({ "ref": "refs/tags/v0.1.0" }));
        (repository, log)
    }

    /// What cosign was told, a line each.
    fn signed(&self) -> Vec<String> {
        self.act.noted("cosign").lines().map(str::to_owned).collect()
    }

    /// What `actions/attest` was given, a line each.
    fn attested(&self) -> Vec<String> {
        self.act.noted("actions-attest").lines().map(str::to_owned).collect()
    }
}

/// The two signatures of a reference. A repository without a remote is one of its own to `act`.
fn signatures(reference: &str) -> [String; 2] {
    ["false", "true"]
        .map(|is_new| format!("sign --yes --annotations repository=nektos/act --new-bundle-format={is_new} --use-signing-config={is_new} {reference}"))
}

/// An output of the action.
#[track_caller]
fn output(log: &Log, name: &str) -> String {
    let found = log.outputs().iter().find_map(|output| output.strip_prefix(&format!("{name}="))).map(str::to_owned);
    found.unwrap_or_else(|| panic!("{name} is missing\n{}", log.0))
}

const ONE: &str = "version: 1\nname: release\nvars: { tag: none }\npolicies: { p: { uri: policy.wasm, metadata: metadata.yml } }\n\
    cases:\n  - { name: a, object: POD, expect: allow }\n\
    publish:\n  - { to: HOST/acme/p, tags: [\"${tag}\", latest], immutable: [\"${tag}\"] }\n";

#[test]
fn the_release_of_the_documentation_pushes_signs_and_attests() {
    let Some(release) = Release::new() else { return };
    let (repository, log) = release.run(ONE, &example("release.yml"));
    let host = &release.registry.host;
    let (reference, digest) = (output(&log, "immutable-ref"), output(&log, "digest"));
    assert_eq!(reference, format!("{host}/acme/p@{digest}"));
    log.has_outputs(&[&format!("digests={{\"p\":\"{digest}\"}}"), "attestation-url=https://example.com/attested"]);
    log.0.never_says("secret-token").exits_with(0).says(&[&format!("registry://{reference}"), "ghcr.io: logged in as"]);
    // The tag leads to what was tested.
    let tagged = format!("{host}/acme/p:v0.1.0");
    let found = repository.verify(&["digest", &tagged, "--sources-path", "sources.yaml"]).run().exits_with(0).stdout;
    assert_eq!(found.trim_end(), format!("{tagged}@{digest}"));
    assert_eq!(release.signed(), signatures(&reference));
    let attested = release.attested();
    assert_eq!(attested.len(), 2, "{attested:?}");
    let subject = format!("IN_SUBJECT_CHECKSUMS={}  {host}/acme/p ", digest.strip_prefix("sha256:").unwrap());
    for line in &attested {
        assert!(line.contains(&subject) && line.contains("IN_PUSH_TO_REGISTRY=true "), "{line}");
    }
    let predicate = attested[1].split("IN_PREDICATE_PATH=").nth(1).unwrap().split(' ').next().unwrap();
    assert!(attested[1].contains("IN_PREDICATE_TYPE=https://in-toto.io/attestation/test-result/v0.1 "), "{attested:?}");
    let results = release.act.noted(predicate.rsplit('/').next().unwrap());
    let results: Value = serde_json::from_str(&results).unwrap();
    assert_eq!((&results["result"], &results["passedTests"]), (&json!("PASSED"), &json!(["release › a"])));
    // The login was for the run alone.
    let left = std::fs::read_to_string(release.act.path("home/.docker/config.json")).unwrap();
    assert_eq!(left.trim(), "{}");
}

/// Two policies; what is expected of the second one is put in.
const TWO: &str = "version: 1\nname: release\nvars: { tag: none }\npolicies:\n  p: { uri: policy.wasm, metadata: metadata.yml }\n  \
    q: { uri: q.wasm, metadata: q.yml, settings: { labels: { team: a } } }\n\
    cases:\n  - { name: a, policy: p, object: POD, expect: allow }\n  - { name: b, policy: q, object: POD, expect: EXPECTED }\n\
    publish:\n  - { policy: p, to: HOST/acme/p, tags: [\"${tag}\"] }\n  - { policy: q, to: HOST/acme/q, tags: [\"${tag}\"] }\n";

#[test]
fn several_policies_are_signed_one_by_one_and_attested_together() {
    let Some(release) = Release::new() else { return };
    let (_, log) = release.run(&TWO.replace("EXPECTED", "accept"), &example("release.yml"));
    let digests: Value = serde_json::from_str(&output(&log, "digests")).unwrap();
    log.0.exits_with(0);
    let host = &release.registry.host;
    let digest = |name: &str| digests[name].as_str().unwrap();
    let signed = ["p", "q"].map(|name| signatures(&format!("{host}/acme/{name}@{}", digest(name)))).concat();
    assert_eq!(release.signed(), signed);
    let subjects =
        ["p", "q"].map(|name| format!("{}  {host}/acme/{name}", digest(name).strip_prefix("sha256:").unwrap()));
    let attested = release.attested();
    assert_eq!(attested.len(), 2, "{attested:?}");
    for line in attested {
        assert!(line.contains(&format!("IN_SUBJECT_CHECKSUMS={} ", subjects.join(","))), "{line}");
        // A registry would not know where to keep it.
        assert!(line.contains("IN_PUSH_TO_REGISTRY=false "), "{line}");
    }
}

#[test]
fn what_was_pushed_is_signed_though_another_policy_failed() {
    let Some(release) = Release::new() else { return };
    let (_, log) = release.run(&TWO.replace("EXPECTED", "{ deny: no }"), &example("release.yml"));
    let reference = output(&log, "immutable-ref");
    log.has_outputs(&["conclusion=failure", "failed=1"]);
    log.0.exits_with(1);
    assert_eq!(release.signed(), signatures(&reference));
    // Its origin is attested, but no results, for the run did not pass.
    let attested = release.attested();
    assert_eq!(attested.len(), 1, "{attested:?}");
    assert!(!attested[0].contains("IN_PREDICATE_PATH"), "{attested:?}");
}

#[test]
fn a_workflow_says_where_the_one_policy_goes() {
    let Some(release) = Release::new() else { return };
    let host = &release.registry.host;
    let suite = ONE[..ONE.find("publish:").unwrap()].replace("vars: { tag: none }\n", "");
    let said = format!(
        "          oci-target: registry://{host}/acme/elsewhere:main\n          tags-to-push: |\n            ${{{{ github.ref_name }}}}\n\n            \
         latest\n          annotations-extra: |\n            org.opencontainers.image.revision=0123abc\n            a=b=c d\n"
    );
    let workflow = example("release.yml").replace("          vars: tag=${{ github.ref_name }}\n", &said);
    let (repository, log) = release.run(&suite, &workflow);
    let reference = output(&log, "immutable-ref");
    log.0.exits_with(0);
    let repository_name = format!("{host}/acme/elsewhere");
    assert!(reference.starts_with(&format!("{repository_name}@sha256:")), "{reference}");
    for tag in ["main", "v0.1.0", "latest"] {
        let tagged = format!("{repository_name}:{tag}");
        let found = repository.verify(&["digest", &tagged, "--sources-path", "sources.yaml"]).run().exits_with(0);
        assert_eq!(found.stdout.trim_end(), format!("{tagged}@{}", output_digest(&reference)));
    }
    let accept = "Accept: application/vnd.oci.image.manifest.v1+json";
    let manifest =
        format!("curl -fsS -H '{accept}' http://{host}/v2/acme/elsewhere/manifests/{}", output_digest(&reference));
    let manifest: Value = serde_json::from_str(&repository.shell(&manifest).run().exits_with(0).stdout).unwrap();
    let annotations = &manifest["annotations"];
    assert_eq!(annotations["org.opencontainers.image.revision"], "0123abc");
    assert_eq!(annotations["a"], "b=c d");
}

fn output_digest(reference: &str) -> &str {
    reference.split_once('@').unwrap().1
}
