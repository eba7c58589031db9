//! `signedBy` and `--verification-config-path`: policies of a registry on loopback, signed by cosign or not.

use serde_json::Value;

use crate::support::registry::{FakeRegistry, OCI_MANIFEST};
use crate::support::{POD, Repository, testdata};

/// A registry with everything in `testdata/signatures/registry`.
fn registry() -> FakeRegistry {
    let registry = FakeRegistry::start();
    let folder = testdata().join("signatures/registry");
    for repository in std::fs::read_dir(folder.join("signed")).unwrap().map(|entry| entry.unwrap().path()) {
        let name = format!("signed/{}", repository.file_name().unwrap().to_string_lossy());
        for path in std::fs::read_dir(&repository).unwrap().map(|entry| entry.unwrap().path()) {
            let bytes = std::fs::read(&path).unwrap();
            let manifest: Value = serde_json::from_slice(&bytes).unwrap();
            let is_index = manifest.get("manifests").is_some();
            let media_type = if is_index { "application/vnd.oci.image.index.v1+json" } else { OCI_MANIFEST };
            registry.add_manifest(&name, &path.file_stem().unwrap().to_string_lossy(), media_type, &bytes);
            let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
            for descriptor in layers.iter().chain(manifest.get("config")) {
                let blob = descriptor["digest"].as_str().unwrap().replace(':', "-");
                registry.add_blob(&name, &std::fs::read(folder.join("blobs").join(blob)).unwrap());
            }
        }
    }
    registry
}

/// A repository with keys, trust root, sources of `registry`, and a suite with one case for these policies.
fn repository(registry: &FakeRegistry, policies: &[(&str, &str)]) -> Repository {
    let mut suite = "version: 1\npolicies:\n".to_owned();
    for (name, signed_by) in policies {
        suite.push_str(&format!("  {name}:\n    uri: registry://{}/signed/{name}:v1\n", registry.host()));
        if !signed_by.is_empty() {
            suite.push_str(&format!("    signedBy: {signed_by}\n"));
        }
    }
    let names: Vec<&str> = policies.iter().map(|(name, _)| *name).collect();
    let names = names.join(", ");
    suite
        .push_str(&format!("cases:\n  - {{ name: accepts a pod, policy: [{names}], object: {POD}, expect: allow }}\n"));
    let read = |path: &str| std::fs::read(testdata().join("signatures").join(path)).unwrap();
    Repository::with_suite(&suite)
        .write("owner.pub", read("keys/owner.pub"))
        .write("somebody-else.pub", read("keys/somebody-else.pub"))
        .write("signer.pem", read("certificates/signer.pem"))
        .write("other-root.pem", read("certificates/other-root.pem"))
        .write("trust-config.json", read("keyless/trust-config.json"))
        .write("sources.yaml", registry.sources())
}

const FLAGS: [&str; 4] = ["--sources-path", "sources.yaml", "--sigstore-trust-config", "trust-config.json"];

fn with_flags<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    arguments.iter().copied().chain(FLAGS).collect()
}

#[test]
fn the_suite_of_the_documentation_is_what_it_says() {
    let page = std::fs::read_to_string(testdata().join("../docs/signatures.md")).unwrap();
    let suite = std::fs::read_to_string(testdata().join("suites/docs/signatures/suite.yml")).unwrap();
    assert!(page.contains(&format!("```yaml\n{suite}```\n")));
    let registry = registry();
    let sources = repository(&registry, &[]);
    let suite = testdata().join("suites/docs/signatures/suite.yml");
    let run = sources
        .verify(&with_flags(&[&suite.to_string_lossy()]))
        .arg(&format!("--var=registry={}", registry.host()))
        .env("HOME", sources.path("home"))
        .run();
    run.exits_with(0).says(&["7 tests: 7 passed"]);
}

#[test]
fn a_policy_that_is_not_signed_as_required_is_not_run_and_the_others_are() {
    let registry = registry();
    for (policy, signed_by, says) in [
        (
            "by-key",
            "{ key: somebody-else.pub }",
            &["missing signatures", "kind: pubKey", "signed with another key"][..],
        ),
        ("by-key", "{ key: owner.pub, annotations: { env: prod } }", &["annotation env=prod missing"]),
        ("not-at-all", "{ key: owner.pub }", &["missing signatures", "the image is not signed"]),
        ("bundle", "{ key: owner.pub }", &["Kubewarden would not accept it", "`acceptBundles: true`"]),
        ("keyless", "{ githubOwner: acme-evil }", &["owner: acme-evil", "signed by a workflow of acme/policies"]),
        ("by-certificate", "{ certificate: signer.pem, certificateChain: other-root.pem }", &["UnknownIssuer"]),
        ("by-certificate", "{ certificate: signer.pem, requireRekorBundle: true }", &["no transparency log entry"]),
    ] {
        let others = ("annotated", "{ key: owner.pub }");
        let repository = repository(&registry, &[(policy, signed_by), others]);
        let run = repository.verify(&with_flags(&["run"])).env("HOME", repository.path("home")).run();
        run.exits_with(3).says(says).says(&["1 passed"]);
    }
}

#[test]
fn every_case_of_an_unsigned_policy_says_so() {
    let registry = registry();
    let repository = repository(&registry, &[("not-at-all", "{ key: owner.pub }")]);
    let report = repository.report(&with_flags(&["run"]));
    assert_eq!(report.outcomes(), [("accepts a pod", "error")]);
    let error = &report.0["policies"][0]["error"];
    assert_eq!(error["kind"], "signature", "{error}");
    assert!(error["message"].as_str().unwrap().contains("missing signatures"), "{error}");
    let junit = repository.verify(&with_flags(&["run", "--report=junit"])).run().exits_with(3);
    assert!(junit.stdout.contains("type=\"signature\""), "{junit}");
}

#[test]
fn a_configuration_of_kwctl_holds_for_every_policy_of_a_registry() {
    let registry = registry();
    let config = "apiVersion: v1\nallOf: [{ kind: githubAction, owner: acme }]\n";
    let with_config = |policies: &[(&str, &str)]| {
        let repository = repository(&registry, policies).write("verification-config.yml", config);
        let flags = with_flags(&["run", "--verification-config-path", "verification-config.yml"]);
        repository.verify(&flags).run()
    };
    with_config(&[("keyless", "")]).exits_with(0);
    with_config(&[("keyless", "{ issuer: \"https://accounts.acme.test\", subject: dev@acme.test }")]).exits_with(0);
    with_config(&[("keyless", "{ key: owner.pub }")]).exits_with(3).says(&["kind: pubKey"]);
    with_config(&[("by-key", "{ key: owner.pub }")]).exits_with(3).says(&["kind: githubAction", "owner: acme"]);
}

/// Since 1.37.2 a list that every image satisfies is a mistake; before, it is a warning.
#[test]
fn a_configuration_that_accepts_every_image_is_noticed() {
    let registry = registry();
    let config = "apiVersion: v1\nanyOf:\n  minimumMatches: 0\n  signatures: [{ kind: githubAction, owner: acme }]\n";
    let repository = repository(&registry, &[("by-key", "")]).write("verification-config.yml", config);
    let flags = with_flags(&["run", "--verification-config-path", "verification-config.yml"]);
    let run = repository.verify(&flags).run();
    run.exits_with(2).says(&["`minimumMatches` is 0", "verification-config.yml:3", "write 1 or more"]);
    let run = repository.verify(&flags).arg("--kubewarden=1.36").env("HOME", repository.path("home")).run();
    run.exits_with(0).says(&["`minimumMatches` is 0: every image satisfies it"]);
    // The same file in a suite that pins the release.
    for (release, code) in [("1.37.1", 0), ("1.37.2", 2)] {
        let repository = self::repository(&registry, &[("by-key", "{ config: verification-config.yml }")]);
        let suite =
            repository.read("suite.yml").replace("version: 1\n", &format!("version: 1\nkubewarden: '{release}'\n"));
        let repository = repository.write("suite.yml", suite).write("verification-config.yml", config);
        let run = repository.verify(&with_flags(&["run"])).env("HOME", repository.path("home")).run();
        run.named(release).exits_with(code).says(&["`minimumMatches` is 0"]);
    }
}

#[test]
fn files_are_not_signed() {
    let registry = registry();
    let suite = |signed_by: &str| {
        format!(
            "version: 1\npolicies: {{ a: {{ uri: wapc-accepts.wasm{signed_by} }} }}\ncases: [{{ name: a, object: {POD}, \
             expect: allow }}]\n"
        )
    };
    let repository = repository(&registry, &[]).guest("wapc-accepts");
    let config = "apiVersion: v1\nallOf: [{ kind: githubAction, owner: acme }]\n";
    let repository = repository.write("suite.yml", suite("")).write("verification-config.yml", config);
    repository.verify(&["--verification-config-path", "verification-config.yml"]).run().exits_with(0);
    let repository = repository.write("suite.yml", suite(", signedBy: { githubOwner: acme }"));
    repository.verify(&["run"]).run().exits_with(2).says(&["`signedBy` needs a policy in a registry", "suite.yml:2"]);
}

#[test]
fn mistakes_of_the_files_of_the_command_line_are_mistakes() {
    let registry = registry();
    let repository = repository(&registry, &[("by-key", "")]).write("broken.yml", "apiVersion: v1\nallOff: []\n");
    let run = repository.verify(&["run", "--verification-config-path", "broken.yml"]).run();
    run.exits_with(2).says(&["unknown key `allOff`", "broken.yml:2"]).reports_nothing();
    let run = repository.verify(&["run", "--verification-config-path", "missing.yml"]).run();
    run.exits_with(2).says(&["cannot read `missing.yml`"]).reports_nothing();
    let run = repository.verify(&["run", "--sigstore-trust-config", "broken.yml"]).run();
    run.exits_with(2).says(&["invalid trust configuration `broken.yml`: "]).reports_nothing();
}

#[test]
fn signatures_are_not_fetched_unless_required() {
    let registry = registry();
    let repository = repository(&registry, &[("by-key", "")]);
    repository.verify(&["run", "--sources-path", "sources.yaml"]).run().exits_with(0);
    assert_eq!(registry.count("GET", ".sig") + registry.count("GET", "/referrers/"), 0);
}
