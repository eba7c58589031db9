//! `verify inspect`: everything about a module, for people, scripts and those who come from kwctl.

use serde_json::{Value, json};

use crate::support::{Repository, runner, testdata};

/// The folder of a policy with its module annotated as `annotated.wasm`.
fn annotated(policy: &str, usage: &str) -> Repository {
    let repository = Repository::new().policy(policy).write("README.md", usage);
    let (module, metadata) = (format!("{policy}/policy.wasm"), format!("{policy}/metadata.yml"));
    let arguments = ["annotate", "-m", &metadata, "-u", "README.md", "-o", "annotated.wasm", &module];
    repository.verify(&arguments).run().exits_with(0);
    repository
}

/// A module that looks like a waPC policy and carries this document.
fn carrying(metadata: &Value) -> Vec<u8> {
    let text: String = metadata.to_string().bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let module = format!("(module (func (export \"__guest_call\")) (@custom \"io.kubewarden.metadata\" \"{text}\"))");
    wat::parse_str(module).unwrap()
}

#[test]
fn people_see_everything_in_80_columns() {
    let repository = annotated("safe-labels", "# Usage\n\nGive it **labels**.\n");
    let run = repository.verify(&["inspect", "annotated.wasm"]).env("COLUMNS", "80").run().exits_with(0);
    assert!(run.stdout.lines().all(|line| line.chars().count() <= 80), "{run}");
    let digest = crate::support::digest(&std::fs::read(repository.path("annotated.wasm")).unwrap());
    let text =
        run.stdout.replace(&digest, "[digest]").replace(concat!("policy-verify ", env!("CARGO_PKG_VERSION")), "[tool]");
    insta::assert_snapshot!(text);
}

#[test]
fn scripts_see_the_same_as_one_document() {
    let repository = annotated("image-licence", "# Usage\n\nSecond line.\n");
    let run = repository.verify(&["inspect", "-o", "json", "annotated.wasm"]).run().exits_with(0);
    let document: Value = serde_json::from_str(&run.stdout).unwrap();
    let bytes = std::fs::read(repository.path("annotated.wasm")).unwrap();
    assert_eq!((&document["digest"], &document["size"]), (&crate::support::digest(&bytes).into(), &bytes.len().into()));
    assert_eq!(document["executionMode"], "kubewarden-wapc");
    assert_eq!(document["metadata"]["annotations"]["io.kubewarden.policy.usage"], "# Usage\n\nSecond line.\n");
    assert_eq!(document["hostCapabilities"]["declared"], json!(["oci/v1/oci_manifest"]));
    let found = document["hostCapabilities"]["found"].as_array().unwrap();
    assert!(found.contains(&json!("oci/v1/oci_manifest")), "{found:?}");
}

#[test]
fn yaml_is_the_metadata_in_its_order_and_can_be_read_back() {
    let repository = annotated("safe-labels", "# Usage\n\ntext: with ## and 'quotes'\n");
    let yaml = repository.verify(&["inspect", "-o", "yaml", "annotated.wasm"]).run().exits_with(0).stdout;
    let keys: Vec<&str> = yaml
        .lines()
        .filter(|line| line.starts_with(char::is_alphabetic))
        .filter_map(|line| line.split(':').next())
        .collect();
    assert_eq!(
        keys,
        [
            "protocolVersion",
            "rules",
            "annotations",
            "mutating",
            "backgroundAudit",
            "executionMode",
            "policyType",
            "contextAwareResources"
        ]
    );
    let read: Value = serde_saphyr::from_str(&yaml).unwrap();
    let json = repository.verify(&["inspect", "-o", "json", "annotated.wasm"]).run().exits_with(0).stdout;
    assert_eq!(read, serde_json::from_str::<Value>(&json).unwrap()["metadata"]);
    // What it prints can be annotated with again.
    let repository = repository.write("again.yml", &yaml);
    let arguments = ["annotate", "-m", "again.yml", "-o", "again.wasm", "annotated.wasm"];
    repository.verify(&arguments).run().exits_with(0);
    assert_eq!(
        std::fs::read(repository.path("again.wasm")).unwrap(),
        std::fs::read(repository.path("annotated.wasm")).unwrap()
    );
}

#[test]
fn a_module_without_metadata_is_three_and_still_shown() {
    let repository = Repository::new().policy("safe-labels");
    let run = repository.verify(&["inspect", "safe-labels/policy.wasm"]).run().exits_with(3);
    run.says(&[
        "No Kubewarden metadata found inside of 'safe-labels/policy.wasm'.",
        "kubewarden-wapc (exports of a waPC module)",
        "sha256:",
    ]);
    repository.verify(&["inspect", "-o", "yaml", "safe-labels/policy.wasm"]).run().exits_with(3).reports_nothing();
    repository
        .verify(&["inspect", "gone.wasm"])
        .run()
        .exits_with(3)
        .reports_nothing()
        .says(&["file not found: `gone.wasm`"]);
    let run = repository.verify(&["inspect", "ghcr.io/acme/p:v1"]).run().exits_with(3);
    run.says(&["file not found: `ghcr.io/acme/p:v1`", "write `registry://ghcr.io/acme/p:v1`"]);
    repository.verify(&["inspect", "a.b/p.wasm"]).run().exits_with(3).never_says("registry://");
    let repository =
        repository.write("broken.wasm", wat::parse_str("(module (@custom \"io.kubewarden.metadata\" \"{\"))").unwrap());
    repository.verify(&["inspect", "broken.wasm"]).run().exits_with(3).says(&["cannot deserialize custom section"]);
}

#[test]
fn every_policy_of_the_project_can_be_inspected() {
    for entry in std::fs::read_dir(testdata().join("policies")).unwrap() {
        let folder = entry.unwrap().path();
        if folder.join("policy.wasm").exists() {
            let path = folder.join("policy.wasm").to_string_lossy().into_owned();
            Repository::new().verify(&["inspect", &path]).run().exits_with(3).says(&["Host capabilities"]);
        }
    }
}

#[test]
fn hostile_metadata_gives_no_orders_in_any_format() {
    let evil = "::error::x\n::add-mask::y\n##[group]z\u{1b}[2J\u{202e}\r::warning::w";
    let metadata = json!({
        "rules": [{"apiGroups": [evil], "apiVersions": [evil], "resources": [evil], "operations": ["CREATE"]}],
        "mutating": false,
        "annotations": {evil: evil, "io.kubewarden.policy.title": evil, "io.kubewarden.policy.description": evil,
                        "io.kubewarden.policy.usage": format!("{evil}\n\n```\n{evil}\n```\n")},
        "contextAwareResources": [{"apiVersion": evil, "kind": evil}],
        "hostCapabilities": [evil],
    });
    let repository = Repository::new().write("evil.wasm", carrying(&metadata));
    for format in ["text", "json", "yaml"] {
        let run = repository.verify(&["inspect", "-o", format, "evil.wasm"]).on_github().run().exits_with(0);
        let shown = format!("{}\n{}", run.stdout, run.stderr);
        assert_eq!(runner::commands(&shown), [], "{format}: {run}");
        // Under Actions there are colours, but no other sequence.
        assert!(!shown.contains("\u{1b}[2J") && !shown.contains('\r'), "{format}: {run}");
        // JSON is for machines, and complete.
        assert!(format != "text" || !shown.contains('\u{202e}'), "{run}");
    }
    let yaml = repository.verify(&["inspect", "-o", "yaml", "evil.wasm"]).run().stdout;
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap()["annotations"][evil], evil);
}

/// The metadata as serde_yaml 0.9.34 wrote it, which kwctl writes with.
#[test]
fn yaml_is_kwctls_byte_for_byte() {
    let folder = testdata().join("inspect");
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let metadata: Value = serde_json::from_str(&read("metadata.json")).unwrap();
    let repository = Repository::new().write("p.wasm", carrying(&metadata));
    let run = repository.verify(&["inspect", "-o", "yaml", "p.wasm"]).run().exits_with(0);
    is_the_same(&run.stdout, &read("metadata.yml"));
    assert_eq!(run.stderr, "");
}

/// Shows the first line that differs: the documents are long.
#[track_caller]
fn is_the_same(found: &str, wanted: &str) {
    for (number, (found, wanted)) in found.lines().zip(wanted.lines()).enumerate() {
        assert_eq!(found, wanted, "line {}", number + 1);
    }
    assert_eq!(found, wanted);
}

/// Characters that turn a line around or end it only for some readers.
#[test]
fn scripts_and_people_see_no_character_that_deceives() {
    let evil = "a\u{202e}b\u{2028}c\u{2029}d\u{85}e\u{7f}f\u{200b}g\u{feff}h\u{2066}i\u{e0041}j";
    let metadata = json!({
        "protocolVersion": "v1", "rules": [], "annotations": { evil: evil }, "mutating": false,
        "executionMode": "kubewarden-wapc",
    });
    let repository = Repository::new().write("evil.wasm", carrying(&metadata));
    for format in ["text", "json", "yaml"] {
        let run = repository.verify(&["inspect", "-o", format, "evil.wasm"]).run().exits_with(0);
        let raw = run.stdout.chars().find(|c| evil.contains(*c) && !c.is_ascii_lowercase());
        assert_eq!(raw, None, "{format}\n{run}");
        if format != "text" {
            let document: Value = serde_saphyr::from_str(&run.stdout).unwrap();
            let annotations = document.pointer("/annotations").or(document.pointer("/metadata/annotations"));
            assert_eq!(annotations.unwrap()[evil], evil, "{format}");
        }
    }
}
