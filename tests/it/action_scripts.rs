//! The scripts of the workflows that others call, each alone: versions, changed policies, files of a build, releases.
#![cfg(unix)]

use serde_json::{Value, json};

use crate::action::{script, with_tools};
use crate::support::program::program;
use crate::support::{Finished, Repository};

/// Makes a commit of what lies in the folder.
fn commit(repository: &Repository) {
    let git = "git init -q; git add -A; git -c user.name=t -c user.email=t@example.com commit -qm x --allow-empty";
    repository.shell(git).env("HOME", repository.path("")).run().exits_with(0);
}

/// An output of a script, the last of that name.
fn output(repository: &Repository, name: &str) -> String {
    let outputs = repository.read("outputs");
    let found = outputs.lines().rev().find_map(|line| line.strip_prefix(&format!("{name}=")).map(str::to_owned));
    found.unwrap_or_else(|| panic!("{name} is missing in {outputs}"))
}

const METADATA: &str =
    "rules: []\nannotations:\n  io.kubewarden.policy.title: labels\n  io.kubewarden.policy.version: 1.2.3\n";

/// `version.sh` on a tag or, without one, on the branch `main`.
fn version(repository: &Repository, tag: &str, inputs: &[(&str, &str)]) -> Finished {
    commit(repository);
    let workspace = repository.path("");
    let (kind, name) = if tag.is_empty() { ("branch", "main") } else { ("tag", tag) };
    let usual = [
        ("GITHUB_WORKSPACE", workspace.to_str().unwrap()),
        ("GITHUB_REF_TYPE", kind),
        ("GITHUB_REF_NAME", name),
        ("IN_POLICY_WORKING_DIR", "."),
        ("IN_POLICY_VERSION", ""),
        ("IN_ARTIFACTHUB", "true"),
    ];
    script(repository, "version.sh", &[&usual[..], inputs].concat())
}

#[test]
fn files_with_another_version_than_the_tag_are_named_with_their_lines() {
    let Some(_) = program("jq") else { return };
    let cargo = "[workspace.package]\nversion = \"9.9.9\"\n\n[package] # ours\nname = \"p\"\nversion = '1.2.3' # now\n";
    for (file, text, wrong) in [
        ("Cargo.toml", cargo, None),
        ("Cargo.toml", "[package]\nname = \"p\"\nversion=\"1.2.2\"\n", Some("Cargo.toml:3: the version is 1.2.2")),
        ("Cargo.toml", "[dependencies]\nversion = \"1\"\n[package]\nversion = \"1.2.3\"\n", None),
        ("Cargo.toml", "[workspace]\n[package]\nname = \"p\"\n", None),
        (
            "Cargo.toml",
            "[package]\nversion.workspace = true\n[workspace.package]\nversion = \"1.2.2\"\n",
            Some("Cargo.toml:4: the version is 1.2.2"),
        ),
        (
            "Cargo.toml",
            "[package]\nversion = { workspace = true }\n",
            Some("Cargo.toml:1: the version is that of a workspace, and no Cargo.toml"),
        ),
        ("package.json", "{\n  \"dependencies\": { \"version\": \"1\" },\n  \"version\": \"1.2.3\"\n}\n", None),
        (
            "package.json",
            "{\n  \"name\": \"p\",\n  \"version\": \"1.2.2\"\n}\n",
            Some("package.json:3: the version is 1.2.2"),
        ),
        ("package.json", "{ \"private\": true }\n", None),
        ("package.json", "{", Some("package.json is not valid JSON")),
        ("metadata.yml", "annotations:\n  'io.kubewarden.policy.version' : \"1.2.3\" # now\n", None),
        (
            "metadata.yml",
            "annotations:\n  io.kubewarden.policy.version: v1.2.3\n",
            Some("metadata.yml:2: the version is v1.2.3"),
        ),
        (
            "metadata.yml",
            "# io.kubewarden.policy.version: 1.2.3\nannotations: {}\n",
            Some("metadata.yml:1: the annotation `io.kubewarden.policy.version` is missing"),
        ),
        ("metadata.yaml", "annotations:\r\n  io.kubewarden.policy.version: 1.2.3\r\n", None),
        ("artifacthub-pkg.yml", "name: p\nlinks:\n- version: 2\nversion: 1.2.3\n", None),
        ("artifacthub-pkg.yml", "name: p\nversion: 1.2.2\n", Some("artifacthub-pkg.yml:2: the version is 1.2.2")),
        ("artifacthub-pkg.yml", "name: p\n", Some("artifacthub-pkg.yml:1: the key `version` is missing")),
    ] {
        let repository = Repository::new().write("metadata.yml", METADATA).write(file, text);
        let run = version(&repository, "v1.2.3", &[]).named(&format!("{file}: {text}"));
        let Some(wrong) = wrong else {
            run.exits_with(0).never_says("::error");
            assert_eq!(output(&repository, "version"), "1.2.3");
            continue;
        };
        let at = wrong.split(": ").next().unwrap().split_once(':');
        let run = run.exits_with(2).says(&[wrong]);
        if let Some((file, line)) = at {
            run.says(&[
                &format!("::error file={file},line={line},title=policy-verify::{wrong}"),
                "; the tag `v1.2.3` names 1.2.3",
            ]);
        }
    }
}

#[test]
fn all_files_with_another_version_are_told_at_once() {
    let repository = Repository::new()
        .write("policies/Cargo.toml", "[workspace.package]\nversion = \"1.2.2\"\n")
        .write("policies/p/Cargo.toml", "[package]\nname = \"p\"\nversion.workspace = true\n")
        .write("policies/p/metadata.yml", METADATA.replace("1.2.3", "1.2.1"))
        .write("policies/p/artifacthub-pkg.yml", "version: 1.2.0\n");
    version(&repository, "v1.2.3", &[("IN_POLICY_WORKING_DIR", "./policies/p/")]).exits_with(2).says(&[
        "policies/Cargo.toml:2: the version is 1.2.2",
        "policies/p/metadata.yml:4: the version is 1.2.1",
        "policies/p/artifacthub-pkg.yml:1: the version is 1.2.0",
    ]);
    let run = [("IN_POLICY_WORKING_DIR", "policies/p"), ("IN_ARTIFACTHUB", "false")];
    version(&repository, "v1.2.1", &run).exits_with(2).never_says("artifacthub-pkg.yml");
}

#[test]
fn tag_names_the_version_and_the_policy() {
    let two = || {
        Repository::new()
            .write("policies/labels/metadata.yml", METADATA)
            .write("policies/other/metadata.yaml", METADATA)
    };
    for (tag, inputs, expected) in [
        (
            "",
            &[("IN_POLICY_WORKING_DIR", "policies/labels")][..],
            Ok(("", "policies/labels", "", "policy-policies-labels")),
        ),
        ("labels/v1.2.3", &[], Ok(("1.2.3", "policies/labels", "labels", "policy-policies-labels"))),
        ("policies/other/v1.2.3", &[], Ok(("1.2.3", "policies/other", "other", "policy-policies-other"))),
        (
            "labels/v1.2.3",
            &[("IN_POLICY_WORKING_DIR", "policies/labels")],
            Ok(("1.2.3", "policies/labels", "labels", "policy-policies-labels")),
        ),
        (
            "release-7",
            &[("IN_POLICY_WORKING_DIR", "policies/labels"), ("IN_POLICY_VERSION", "v1.2.3")],
            Ok(("1.2.3", "policies/labels", "", "policy-policies-labels")),
        ),
        (
            "labels/v1.2.3",
            &[("IN_POLICY_WORKING_DIR", "policies/other")],
            Err("is for the policy `labels`, and `policy-working-dir` is `policies/other`"),
        ),
        ("third/v1.2.3", &[], Err("no folder of that name has a metadata.yml")),
        ("v1.2.3", &[], Err("nothing in `.` says a version")),
        (
            "v1.2.3",
            &[("IN_POLICY_VERSION", "1.2.4")],
            Err("the input `policy-version` is `1.2.4`, and the tag `v1.2.3` names 1.2.3"),
        ),
        ("release-7", &[], Err("the tag `release-7` names no version; a release is tagged as v1.2.3")),
        ("v1.2", &[], Err("names no version")),
        ("v01.2.3", &[], Err("names no version")),
        ("v1.2.3+build", &[], Err("names no version")),
        ("", &[("IN_POLICY_WORKING_DIR", "../elsewhere")], Err("it takes a folder of the repository")),
        ("", &[("IN_POLICY_WORKING_DIR", "/etc")], Err("it takes a folder of the repository")),
        ("", &[("IN_POLICY_WORKING_DIR", "$(touch pwned)")], Err("there is no such folder")),
    ] {
        let repository = two();
        let run = version(&repository, tag, inputs).named(&format!("{tag} {inputs:?}"));
        match expected {
            Ok((version, folder, policy, artifact)) => {
                run.exits_with(0);
                let found =
                    ["version", "policy-working-dir", "policy", "artifact"].map(|name| output(&repository, name));
                assert_eq!(found, [version, folder, policy, artifact]);
            }
            Err(says) => drop(run.exits_with(2).says(&["::error title=policy-verify::", says])),
        }
        assert!(!repository.path("pwned").exists());
    }
    let twice = two().write("old/labels/metadata.yml", METADATA);
    version(&twice, "labels/v1.2.3", &[])
        .exits_with(2)
        .says(&["several folders have that name", "old/labels, policies/labels"]);
    version(&Repository::new().write("metadata.yml", METADATA.replace("1.2.3", "1.2.3-rc.1")), "v1.2.3-rc.1", &[])
        .exits_with(0);
}

#[test]
fn plan_of_a_release_is_made_before_anything_is_built() {
    for (inputs, expected) in [
        (&[("VERSION", "1.2.3"), ("GITHUB_REF_TYPE", "tag")][..], Ok(["v1.2.3", "true", "true", "syft"])),
        (&[("VERSION", "1.2.3"), ("GITHUB_REF_NAME", "other")], Ok(["v1.2.3", "true", "false", "syft"])),
        (&[], Ok(["latest", "true", "false", "syft"])),
        (&[("DEFAULT_BRANCH", "")], Ok(["latest", "true", "false", "syft"])),
        (&[("PRIVATE", "true"), ("IN_SBOM", "none")], Ok(["latest", "false", "false", "none"])),
        (
            &[("PRIVATE", "true"), ("IN_ATTEST", "true"), ("IN_SBOM", "out/bom.json")],
            Ok(["latest", "true", "false", "file"]),
        ),
        (&[("IN_ATTEST", "False")], Ok(["latest", "false", "false", "syft"])),
        (&[("GITHUB_REF_NAME", "feature")], Err("`latest` is pushed from the branch `main`, and this is `feature`")),
        (&[("IN_ATTEST", "yes")], Err("the input `attest` is `yes`; it takes auto, true or false")),
        (&[("IN_SBOM", "")], Err("the input `sbom` is empty")),
        (&[("IN_SBOM", "bom.xml")], Err("the input `sbom` is `bom.xml`; it takes syft, none, or a file in JSON")),
        (&[("GITHUB_EVENT_NAME", "pull_request_target")], Err("nothing is pushed on the event `pull_request_target`")),
    ] {
        let repository = Repository::new();
        let usual = [
            ("VERSION", ""),
            ("DEFAULT_BRANCH", "main"),
            ("PRIVATE", "false"),
            ("GITHUB_REF_TYPE", "branch"),
            ("GITHUB_REF_NAME", "main"),
            ("IN_ATTEST", "auto"),
            ("IN_SBOM", "syft"),
        ];
        let run = script(&repository, "plan.sh", &[&usual[..], inputs].concat()).named(&format!("{inputs:?}"));
        match expected {
            Ok(values) => {
                let run = run.exits_with(0);
                assert_eq!(["tag", "attest", "release", "sbom"].map(|name| output(&repository, name)), values);
                let is_told = run.stdout.contains("::notice title=policy-verify::the repository is not public");
                assert_eq!(is_told, inputs.contains(&("PRIVATE", "true")) && !inputs.contains(&("IN_ATTEST", "true")));
            }
            Err(says) => drop(run.exits_with(2).says(&[says])),
        }
    }
}

#[test]
fn policies_that_changed_are_listed() {
    let Some(_) = program("jq") else { return };
    let all = json!(["policies/a", "policies/a/nested", "policies/b"]);
    for (changed, event, expected) in [
        ("policies/a/src/lib.rs", "push", json!(["policies/a"])),
        ("policies/a/nested/x", "push", json!(["policies/a/nested"])),
        ("policies/b/y policies/a/x", "push", json!(["policies/a", "policies/b"])),
        ("crates/shared/lib.rs", "push", all.clone()),
        ("Cargo.lock policies/b/x", "push", all.clone()),
        ("docs/x.txt README.md", "push", json!([])),
        ("policies/b/README.md", "push", json!(["policies/b"])),
        ("README.md", "schedule", all.clone()),
        ("README.md", "workflow_dispatch", all.clone()),
        // The commit before is not known.
        ("README.md", "unknown", all.clone()),
    ] {
        let repository = Repository::new()
            .write("policies/a/metadata.yml", METADATA)
            .write("policies/a/nested/metadata.yml", METADATA)
            .write("policies/b/metadata.yaml", METADATA)
            .write("examples/c/metadata.yml", METADATA);
        commit(&repository);
        let before = repository.shell("git rev-parse HEAD").run().stdout;
        let repository = changed.split(' ').fold(repository, |repository, path| repository.write(path, "x"));
        commit(&repository);
        let workspace = repository.path("");
        let is_unknown = event == "unknown";
        let inputs = [
            ("GITHUB_WORKSPACE", workspace.to_str().unwrap()),
            ("GITHUB_EVENT_NAME", if is_unknown { "push" } else { event }),
            ("GITHUB_REF_TYPE", "branch"),
            ("BASE", ""),
            ("BEFORE", if is_unknown { "0000000000000000000000000000000000000000" } else { before.trim() }),
            ("IN_POLICIES", "policies/*"),
            ("IN_IGNORE", "*.md\ndocs/*\n"),
        ];
        script(&repository, "changed.sh", &inputs).named(changed).exits_with(0);
        let found: Value = serde_json::from_str(&output(&repository, "policies")).unwrap();
        assert_eq!(found, expected, "{changed} on {event}");
    }
}

#[test]
fn only_listed_files_of_a_build_are_taken() {
    let folder = |files: &str, sbom: &str| {
        let repository = Repository::new()
            .write("from/spdx.json", r#"{"spdxVersion":"SPDX-2.3","SPDXID":"a"}"#)
            .write("from/cyclonedx.json", r#"{"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"a"}"#)
            .write("from/other.json", r#"{"bomFormat":"CycloneDX","specVersion":"1.6"}"#)
            .write("from/policy.wasm", "new")
            .write("from/out/b c.wasm", "b")
            .write("from/suite.yml", "forged")
            .write("to/policy.wasm", "old")
            .write("to/suite.yml", "suite");
        std::os::unix::fs::symlink("/etc/passwd", repository.path("from/link")).unwrap();
        let (from, to) = (repository.path("from"), repository.path("to"));
        let inputs = [("FILES", files), ("SBOM", sbom), ("FROM", from.to_str().unwrap()), ("TO", to.to_str().unwrap())];
        let run = script(&repository, "copy.sh", &inputs);
        (repository, run)
    };
    let (repository, run) = folder("policy.wasm\n\n  out/b c.wasm\n", "");
    run.exits_with(0);
    assert_eq!(
        ["to/policy.wasm", "to/out/b c.wasm", "to/suite.yml"].map(|path| repository.read(path)),
        ["new", "b", "suite"]
    );
    for (files, says) in [
        ("\n", "the input `files` is empty"),
        ("missing.wasm", "the build did not make `missing.wasm`"),
        ("link", "the build did not make `link`"),
        ("../to/suite.yml", "it takes paths below `policy-working-dir`"),
        ("/etc/passwd", "it takes paths below `policy-working-dir`"),
        ("./policy.wasm", "it takes paths below `policy-working-dir`"),
    ] {
        folder(files, "").1.exits_with(2).says(&[says]);
    }
    let Some(_) = program("jq") else { return };
    for (sbom, says) in [
        ("spdx.json", None),
        ("cyclonedx.json", None),
        ("other.json", Some("`other.json` is neither SPDX nor CycloneDX")),
        ("suite.yml", Some("`suite.yml` is neither SPDX nor CycloneDX")),
        ("missing.json", Some("the build did not make `missing.json`")),
    ] {
        let (repository, run) = folder("policy.wasm", sbom);
        match says {
            None => {
                run.exits_with(0);
                assert_eq!(repository.read(&format!("to/{sbom}")), repository.read(&format!("from/{sbom}")));
            }
            Some(says) => drop(run.exits_with(2).says(&[says])),
        }
    }
}

#[test]
fn release_is_public_once_everything_is_attached() {
    let gh = "echo \"gh $*\" >> \"$RUNNER_TEMP/told\"\ncase \"$*\" in *isDraft*) printf '%s' \"$STATE\" ;; *assets*) [ \"$THERE\" = none ] || echo a.wasm; echo \"$THERE\" ;; esac";
    for (state, there, version, policy, expected) in [
        (
            "",
            "",
            "1.2.3",
            "",
            Ok(
                "create v1.2.3 --draft --verify-tag --title v1.2.3 --notes-file NOTES --generate-notes ASSETS; edit v1.2.3 --draft=false",
            ),
        ),
        (
            "",
            "",
            "1.2.3-rc.1",
            "p",
            Ok(
                "create v1.2.3 --draft --verify-tag --title v1.2.3 --notes-file NOTES --prerelease --latest=false ASSETS; edit v1.2.3 --draft=false --prerelease --latest=false",
            ),
        ),
        ("true", "", "1.2.3", "", Ok("upload v1.2.3 --clobber ASSETS; edit v1.2.3 --draft=false")),
        ("false", "b.json", "1.2.3", "", Ok("")),
        ("false", "c.json", "1.2.3", "", Err("the release v1.2.3 is published already, with some of the files")),
        ("false", "none", "1.2.3", "", Ok("upload v1.2.3 ASSETS")),
    ] {
        let repository =
            Repository::new().write("r/assets/a.wasm", "a").write("r/assets/b.json", "b").write("r/notes.md", "n");
        let (repository, path) = with_tools(repository, &[("gh", gh)]);
        let folder = repository.path("r");
        let folder = folder.to_str().unwrap();
        let inputs = [
            ("GITHUB_REPOSITORY", "acme/p"),
            ("GITHUB_REF_NAME", "v1.2.3"),
            ("FOLDER", folder),
            ("VERSION", version),
            ("POLICY", policy),
            ("STATE", state),
            ("THERE", there),
            ("PATH", &path),
        ];
        let run = script(&repository, "release.sh", &inputs).named(state);
        match expected {
            Ok(_) => drop(run.exits_with(0)),
            Err(says) => drop(run.exits_with(2).says(&[says])),
        }
        let told = repository.read("runner temp/told");
        let told: Vec<&str> = told
            .lines()
            .filter(|line| !line.contains("release view"))
            .map(|line| line.trim_start_matches("gh release "))
            .collect();
        let told = told.join("; ").replace(&format!("{folder}/assets/a.wasm {folder}/assets/b.json"), "ASSETS");
        assert_eq!(told.replace(&format!("{folder}/notes.md"), "NOTES"), expected.unwrap_or_default());
    }
}

#[test]
fn commands_of_the_caller_run_in_the_folder_of_the_policy_without_tokens() {
    let repository = Repository::new().write("policies/p/x", "");
    let run = |command: &str, folder: &str| {
        let tokens = [
            ("GITHUB_TOKEN", "t0ken"),
            ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", "t0ken"),
            ("ACTIONS_RUNTIME_TOKEN", "t0ken"),
        ];
        let inputs = [("IN_RUN", command), ("IN_POLICY_WORKING_DIR", folder)];
        script(&repository, "build.sh", &[&tokens[..], &inputs].concat())
    };
    run("env\npwd", "policies/p").exits_with(0).never_says("t0ken").says(&["/policies/p"]);
    // The first command that fails ends it.
    run("false\necho on", ".").exits_with(1).never_says("on\n");
    run("false | cat\necho on", ".").exits_with(1).never_says("on\n");
    run("true", "..").exits_with(2).says(&["it takes a folder of the repository"]);
}

#[test]
fn compilers_are_checked_by_their_sums() {
    let tools = [
        ("rustup", "echo \"rustup $*\""),
        (
            "curl",
            "for word; do [ \"$last\" = --output ] && out=$word; last=$word; done; echo tampered > \"$out\"; echo \"curl $last\" >&2",
        ),
        ("sudo", "echo \"sudo $*\""),
    ];
    for (toolchain, code, says) in [
        ("rust, node go", 0, "rustup target add wasm32-wasip1"),
        ("tinygo", 2, "tinygo_0.41.0_amd64.deb has another checksum than"),
        ("opa", 2, "/v0.65.0/opa_linux_amd64_static has another checksum than cd6b0b2d"),
        ("opa@1.5.1", 2, "/v1.5.1/opa_linux_amd64_static has another checksum than tampered"),
        ("opa@1.5.1;id", 2, "the input `toolchain` has `opa@1.5.1;id`; a version is written as opa@1.5.1"),
        ("opa@", 2, "the input `toolchain` has `opa@`; a version is written as opa@1.5.1"),
        ("javy", 2, "the input `toolchain` has `javy`; it takes rust, go, tinygo, opa and node"),
    ] {
        let (repository, path) = with_tools(Repository::new(), &tools);
        let inputs = [("IN_TOOLCHAIN", toolchain), ("IN_POLICY_WORKING_DIR", "."), ("PATH", &path)];
        script(&repository, "toolchain.sh", &inputs).exits_with(code).says(&[says]).never_says("sudo dpkg");
    }
}
