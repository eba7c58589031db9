//! `verify annotate`: what it writes is what a suite runs, and what it refuses is told with its place.

use crate::support::{Repository, guests};

const ANNOTATE: [&str; 6] = ["annotate", "-m", "policy/metadata.yml", "-o", "out.wasm", "policy/policy.wasm"];

/// A repository with `policy/policy.wasm` and `policy/metadata.yml`.
fn repository(module: impl AsRef<[u8]>, metadata: &str) -> Repository {
    Repository::new().write("policy/policy.wasm", module).write("policy/metadata.yml", metadata)
}

/// The module written to `out.wasm`, as its custom sections: name and content.
fn sections(repository: &Repository, path: &str) -> Vec<(String, Vec<u8>)> {
    let bytes = std::fs::read(repository.path(path)).unwrap();
    let mut found = Vec::new();
    for payload in wasmparser::Parser::new(0).parse_all(&bytes) {
        if let wasmparser::Payload::CustomSection(section) = payload.unwrap() {
            found.push((section.name().to_owned(), section.data().to_vec()));
        }
    }
    found
}

fn metadata(repository: &Repository, path: &str) -> serde_json::Value {
    let sections = sections(repository, path);
    let (name, content) = sections.last().unwrap();
    assert_eq!(name, "io.kubewarden.metadata");
    serde_json::from_slice(content).unwrap()
}

const WASI: &str = "rules: []\nmutating: false\nexecutionMode: wasi\n";

#[test]
fn what_is_written_is_what_a_suite_runs() {
    for policy in ["safe-labels", "gatekeeper-labels", "image-licence"] {
        let suite = format!(
            "version: 1\npolicies:\n  {policy}: {{ uri: {policy}/policy.wasm, metadata: {policy}/metadata.yml, usage: \
             README.md, check: {{ size: < 10MiB }} }}\n"
        );
        let repository = Repository::with_suite(&suite).policy(policy).write("README.md", "# Usage\n\ntext\n");
        let (module, metadata_file) = (format!("{policy}/policy.wasm"), format!("{policy}/metadata.yml"));
        let arguments = ["annotate", "-m", &metadata_file, "-u", "README.md", "-o", "out.wasm", &module];
        repository.verify(&arguments).run().exits_with(0).reports_nothing();
        let report = repository.report(&[]);
        report.all_passed();
        let bytes = std::fs::read(repository.path("out.wasm")).unwrap();
        assert_eq!(report.0["policies"][0]["digest"], crate::support::digest(&bytes), "{policy}");
        let metadata = metadata(&repository, "out.wasm");
        assert_eq!(metadata["annotations"]["io.kubewarden.policy.usage"], "# Usage\n\ntext\n");
    }
}

#[test]
fn a_suite_runs_without_debug_information_too() {
    let module = wat::parse_str(
        r#"(module (memory (export "memory") 1) (func (export "_start")) (@custom ".debug_info" "much") (@custom "name" ""))"#,
    );
    let suite = "version: 1\npolicies:\n  p: { uri: policy/policy.wasm, metadata: policy/metadata.yml, check: { size: < 1MiB } }\n";
    let repository = repository(module.unwrap(), WASI).write("suite.yml", suite);
    repository.verify(&ANNOTATE).run().exits_with(0);
    let names: Vec<String> = sections(&repository, "out.wasm").into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["name", "io.kubewarden.metadata"]);
    let bytes = std::fs::read(repository.path("out.wasm")).unwrap();
    assert_eq!(repository.report(&[]).0["policies"][0]["digest"], crate::support::digest(&bytes));
}

#[test]
fn annotating_again_replaces_the_metadata_in_place() {
    let repository = Repository::new().policy("safe-labels");
    let arguments =
        ["annotate", "-m", "safe-labels/metadata.yml", "-o", "safe-labels/policy.wasm", "safe-labels/policy.wasm"];
    repository.verify(&arguments).run().exits_with(0);
    let once = std::fs::read(repository.path("safe-labels/policy.wasm")).unwrap();
    repository.verify(&arguments).run().exits_with(0);
    assert_eq!(std::fs::read(repository.path("safe-labels/policy.wasm")).unwrap(), once);
    let repository = repository.write("new.yml", "rules: []\nmutating: true\n");
    let arguments = ["annotate", "-m", "new.yml", "-o", "safe-labels/policy.wasm", "safe-labels/policy.wasm"];
    repository.verify(&arguments).run().exits_with(0);
    assert_eq!(sections(&repository, "safe-labels/policy.wasm").len(), 1);
    let metadata = metadata(&repository, "safe-labels/policy.wasm");
    assert_eq!((&metadata["mutating"], &metadata["protocolVersion"]), (&true.into(), &"v1".into()));
}

#[test]
fn all_missing_files_are_named_before_anything_else() {
    let arguments = ["annotate", "-m", "gone.yml", "-u", "gone.md", "-o", "out.wasm", "gone.wasm"];
    let run = Repository::new().verify(&arguments).run().exits_with(3).reports_nothing();
    run.says(&["file not found: `gone.wasm`", "file not found: `gone.yml`", "file not found: `gone.md`"]);
    let repository = repository("not a module", "not: metadata").write("readme.bin", b"\xff\xfe");
    let arguments =
        ["annotate", "-m", "policy/metadata.yml", "-u", "readme.bin", "-o", "out.wasm", "policy/policy.wasm"];
    let run = repository.verify(&arguments).run().exits_with(3);
    run.says(&["`policy/policy.wasm` is a text file", "cannot read `readme.bin`"]).never_says("missing field");
    assert!(!repository.path("out.wasm").exists());
    // Where the result cannot be written, nothing is compiled.
    let arguments = ["annotate", "-m", "policy/metadata.yml", "-o", "gone/out.wasm", "policy/policy.wasm"];
    let run = repository.verify(&arguments).run().exits_with(2).never_says(".verify-").never_says("text file");
    run.says(&["cannot write `gone/out.wasm`: No such file or directory"]);
}

#[test]
fn every_mistake_of_the_metadata_has_its_line() {
    let rules = "mutating: false\nexecutionMode: wasi\nrules:\n- { apiGroups: [], apiVersions: [v1], resources: [pods], operations: ['*'] }\n- { apiGroups: ['*'], apiVersions: [v1], resources: [], operations: ['*'] }\n";
    let repository = repository(guests::from_testdata("wasi-accepts"), rules);
    let run = repository.verify(&ANNOTATE).run().exits_with(3).reports_nothing();
    run.says(&[
        "policy/metadata.yml:4:16",
        "rules[0].apiGroups is empty",
        "policy/metadata.yml:5:53",
        "rules[1].resources is empty",
    ]);
    let repository = repository.write("policy/metadata.yml", "rules: []\n");
    let run = repository.verify(&ANNOTATE).run().exits_with(3);
    run.says(&["Error unmarshalling metadata missing field `mutating`"]);
    let repository =
        repository.write("policy/metadata.yml", "rules: []\nmutating: false\n\nexecutionMode: gatekeeper\n");
    let run = repository.verify(&ANNOTATE).run().exits_with(3);
    run.says(&["policy/metadata.yml:4:16", "The policy has not been created", "`executionMode: wasi`"]);
    assert!(!repository.path("out.wasm").exists());
}

#[test]
fn a_module_that_could_not_be_hosted_is_refused() {
    let wapc = "rules: []\nmutating: false\n";
    let refuses = |guest: &str, metadata: &str, says: &str| {
        let repository = repository(guests::from_testdata(guest), metadata);
        repository.verify(&ANNOTATE).run().exits_with(3).says(&[says]);
        assert!(!repository.path("out.wasm").exists(), "{guest}");
    };
    refuses("wapc-protocol-v2", wapc, "Error while detecting Kubewarden protocol version: ");
    refuses("wapc-trap", wapc, "Error while detecting Kubewarden protocol version: ");
    // kwctl takes any module as a WASI policy.
    refuses("wapc-accepts", WASI, "`executionMode: kubewarden-wapc`");
    refuses("wapc-unknown-import", wapc, "import");
}

#[test]
fn the_host_call_of_javy_is_renamed() {
    let repository = repository(guests::from_testdata("wasi-javy"), WASI);
    repository.verify(&ANNOTATE).run().exits_with(0);
    let bytes = std::fs::read(repository.path("out.wasm")).unwrap();
    let has = |text: &[u8]| bytes.windows(text.len()).any(|window| window == text);
    assert!(!has(b"kubewarden:javy/host") && has(b"\x04host\x04call"));
}

#[test]
fn host_capabilities_are_compared_with_what_is_declared() {
    let module = wat::parse_str(
        r#"(module (memory (export "memory") 1) (data (i32.const 0) "oci\00v1/verify\00net\00v1/dns_lookup_host")
             (func (export "_start")))"#,
    )
    .unwrap();
    let repository = repository(&module, &format!("{WASI}hostCapabilities: ['oci/*', kubernetes/can_i]\n"));
    let run = repository.verify(&ANNOTATE).run().exits_with(0).reports_nothing();
    let run = run.says(&[
        "does not declare host capabilities whose names the module holds: net/v1/dns_lookup_host",
        "declares host capabilities whose names the module does not hold: kubernetes/can_i",
    ]);
    run.never_says("oci/");
    let repository = repository
        .write("policy/metadata.yml", format!("{WASI}hostCapabilities: [net/v1/dns_lookup_host, oci/v1/verify]\n"));
    repository.verify(&ANNOTATE).run().exits_with(0).never_says("warning");
    let repository = repository.write("policy/metadata.yml", format!("{WASI}hostCapabilities: ['*']\n"));
    let run = repository.verify(&ANNOTATE).run().exits_with(0);
    run.says(&[
        "declares all host capabilities (*)",
        "declare only what the policy uses: hostCapabilities: [net/v1/dns_lookup_host, oci/v1/verify]",
    ]);
}

#[test]
fn annotate_exits_with_2_when_its_output_cannot_be_written() {
    let repository = Repository::new().policy("safe-labels").write("folder/file", "");
    for output in ["gone/out.wasm", "folder"] {
        let arguments = ["annotate", "-m", "safe-labels/metadata.yml", "-o", output, "safe-labels/policy.wasm"];
        let run = repository.verify(&arguments).run().exits_with(2);
        run.says(&[&format!("cannot write `{output}`")]);
    }
    repository.verify(&["annotate", "policy.wasm"]).run().exits_with(2).says(&["--metadata-path", "--output-path"]);
}

#[test]
fn hostile_metadata_gives_no_orders() {
    let name = "::error::x\u{1b}[31m.yml";
    let repository = repository(guests::from_testdata("wasi-accepts"), WASI)
        .write(name, "rules: []\nmutating: ::error::\u{1b}[2J ##[group]\n");
    let run = repository.verify(&["annotate", "-m", name, "-o", "out.wasm", "policy/policy.wasm"]).run().exits_with(3);
    let run = run.never_says("\u{1b}[").never_says("##[group]");
    assert_eq!(crate::support::runner::commands(&run.stderr), [], "{run}");
}

#[test]
fn keys_that_mean_nothing_are_named_and_the_bytes_stay() {
    let rule = "rules:\n- { apiGroups: [''], apiVersions: [v1], resources: [pods], operations: ['*'], scope: '*' }\n";
    let known = format!("{rule}mutating: false\nexecutionMode: wasi\n");
    let unknown = "contextAwareResouces:\n- { apiVersion: v1, kind: Pod }\n";
    let repository = repository(guests::from_testdata("wasi-accepts"), &known.replace(", scope: '*'", ""));
    repository.verify(&ANNOTATE).run().exits_with(0).never_says("ignored");
    let without = std::fs::read(repository.path("out.wasm")).unwrap();
    let repository = repository.write("policy/metadata.yml", format!("{known}{unknown}"));
    repository.verify(&ANNOTATE).run().exits_with(0).says(&[
        "policy/metadata.yml:2: warning: unknown key `scope` in `rules[0]` is ignored",
        "policy/metadata.yml:5: warning: unknown key `contextAwareResouces` in the metadata is ignored",
        "did you mean `contextAwareResources`?",
    ]);
    assert_eq!(std::fs::read(repository.path("out.wasm")).unwrap(), without, "kwctl ignores them too");
    let resource = "contextAwareResources:\n- { apiVersion: v1, kind: Pod, kinds: x }\n";
    let repository = repository.write("policy/metadata.yml", format!("{known}{resource}"));
    repository.verify(&ANNOTATE).run().exits_with(0).says(&["unknown key `kinds` in `contextAwareResources[0]`"]);
}

#[test]
fn a_suite_refuses_misspelt_keys_of_metadata() {
    let suite = "version: 1\npolicies:\n  p: { uri: policy/policy.wasm, metadata: policy/metadata.yml, check: { size: < 1MiB } }\n";
    let repository = repository(guests::from_testdata("wasi-accepts"), WASI).write("suite.yml", suite);
    repository.verify(&[]).run().exits_with(0);
    let repository = repository.write("policy/metadata.yml", format!("{WASI}author: somebody\n"));
    repository.verify(&[]).run().exits_with(0);
    let repository = repository.write("policy/metadata.yml", format!("{WASI}\ncontextAwareResouces: []\n"));
    repository.verify(&[]).run().exits_with(3).says(&[
        "policy/metadata.yml:5",
        "unknown key `contextAwareResouces` in the metadata: did you mean `contextAwareResources`?",
    ]);
}

#[test]
fn a_missing_field_is_looked_for_among_misspelt_ones() {
    let repository =
        repository(guests::from_testdata("wasi-accepts"), "rules: []\nexecutionMode: wasi\nmutatin: false\n");
    repository.verify(&ANNOTATE).run().exits_with(3).says(&[
        "policy/metadata.yml:3:1",
        "missing field `mutating`",
        "help: did you mean `mutating`?",
    ]);
    let rules =
        "mutating: false\nrules:\n- apiGroups: ['']\n  apiVersions: [v1]\n  resource: [pods]\n  operations: ['*']\n";
    let repository = repository.write("policy/metadata.yml", rules);
    repository.verify(&ANNOTATE).run().exits_with(3).says(&[
        "policy/metadata.yml:5:3",
        "missing field `resources`",
        "help: did you mean `resources`?",
    ]);
}

/// The metadata is quoted in messages and published with the module: it is no way to read what is outside.
#[cfg(unix)]
#[test]
fn nothing_outside_the_repository_becomes_metadata() {
    use std::os::unix::fs::symlink;

    let outside = tempfile::tempdir().unwrap();
    std::fs::write(outside.path().join("config.json"), "{\"auths\": {\"ghcr.io\": {\"auth\": \"c2VjcmV0\"}}}").unwrap();
    let repository = repository(guests::from_testdata("wasi-accepts"), WASI).write("real/README.md", "# Usage\n");
    symlink(outside.path().join("config.json"), repository.path("away.yml")).unwrap();
    symlink(outside.path(), repository.path("away")).unwrap();
    symlink("/proc/self/environ", repository.path("environ.md")).unwrap();
    symlink("real", repository.path("docs")).unwrap();
    let annotate = |metadata: &str, usage: &str| {
        repository.verify(&["annotate", "-m", metadata, "-u", usage, "-o", "out.wasm", "policy/policy.wasm"]).run()
    };
    for (metadata, usage) in [
        ("away.yml", "real/README.md"),
        ("away/config.json", "real/README.md"),
        ("policy/metadata.yml", "away.yml"),
        ("policy/metadata.yml", "away/config.json"),
        ("policy/metadata.yml", "environ.md"),
    ] {
        let run = annotate(metadata, usage).exits_with(2).never_says("c2VjcmV0").never_says("HOME=");
        run.says(&["outside the repository", "remove the link"]);
        assert!(!repository.path("out.wasm").exists());
    }
    let inside =
        ["annotate", "-m", "policy/metadata.yml", "-u", "docs/README.md", "-o", "out.wasm", "policy/policy.wasm"];
    repository.verify(&inside).run().exits_with(0);
}
