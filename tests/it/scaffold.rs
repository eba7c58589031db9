//! `verify scaffold`: files that are made of the metadata of a policy.

use crate::support::Repository;

const METADATA: &str = "rules:
  - apiGroups: [\"\"]
    apiVersions: [v1]
    resources: [pods, namespaces]
    operations: [CREATE]
  - apiGroups: [\"*\"]
    apiVersions: [\"*\"]
    resources: [\"*/*\"]
    operations: [\"*\"]
mutating: true
contextAwareResources:
  - { apiVersion: v1, kind: Service }
  - { apiVersion: apps/v1, kind: Deployment }
executionMode: gatekeeper
annotations:
  io.artifacthub.displayName: \"Yes: labels & co\"
  io.artifacthub.resources: Pod, Namespace
  io.artifacthub.keywords: pod , owners,a b
  io.kubewarden.policy.ociUrl: registry.example.com:5000/policies/labels
  io.kubewarden.policy.title: labels
  io.kubewarden.policy.version: 1.2.3-rc.1
  io.kubewarden.policy.description: |
    Looks at labels.
    And at more.
  io.kubewarden.policy.author: \"Ann Example <ann@example.com>, \\\"Ben, jr.\\\" <ben+x@example.com>\"
  io.kubewarden.policy.url: https://github.com/acme/labels
  io.kubewarden.policy.source: https://github.com/acme/labels
  io.kubewarden.policy.license: Apache-2.0
  io.kubewarden.hidden-ui: \"true\"
";

const QUESTIONS: &str = "questions:
- default: null
  tooltip: >-
    Names that are mandatory.
  variable: names
";

/// What kwctl writes of the two. `createdAt` is the second 1767225600.
const PACKAGE: &str = include_str!("../../testdata/artifacthub/artifacthub-pkg.yml");

fn repository() -> Repository {
    Repository::new().write("metadata.yml", METADATA).write("questions-ui.yml", QUESTIONS)
}

#[test]
fn the_package_of_artifact_hub_is_that_of_kwctl() {
    let repository = repository();
    let scaffold = |arguments: &[&str]| {
        let arguments = [&["scaffold", "artifacthub"], arguments].concat();
        repository.verify(&arguments).env("SOURCE_DATE_EPOCH", "1767225600").run()
    };
    if std::env::var_os("VERIFY_TEST_WRITE_DOCS").is_some() {
        std::fs::write(
            crate::support::testdata().join("artifacthub/artifacthub-pkg.yml"),
            scaffold(&[]).stdout.trim_end_matches('\n').to_owned() + "\n",
        )
        .unwrap();
    }
    // kwctl prints an empty line at the end, which is not in its files.
    assert_eq!(scaffold(&[]).exits_with(0).stdout, format!("{PACKAGE}\n"));
    let run = scaffold(&["-m", "metadata.yml", "-q", "questions-ui.yml", "-v", "9.9.9", "-o", "artifacthub-pkg.yml"]);
    let run = run.exits_with(0).says(&["warning: `--version` is ignored"]);
    assert_eq!(run.stdout, "");
    assert_eq!(repository.read("artifacthub-pkg.yml"), PACKAGE);
    // Metadata without a version is what kwctl refuses today and took before.
    let repository =
        repository.write("metadata.yml", METADATA.replace("  io.kubewarden.policy.version: 1.2.3-rc.1\n", ""));
    let arguments = ["scaffold", "artifacthub", "-v", "1.2.3-rc.1"];
    let run = repository.verify(&arguments).env("SOURCE_DATE_EPOCH", "1767225600").run().exits_with(0);
    assert_eq!((run.stdout, run.stderr.as_str()), (format!("{PACKAGE}\n"), ""));
}

#[test]
fn the_time_is_now_without_another() {
    let run = repository().verify(&["scaffold", "artifacthub"]).run().exits_with(0);
    let line = run.stdout.lines().find_map(|line| line.strip_prefix("createdAt: ")).unwrap();
    let age = jiff::Timestamp::now().duration_since(line.parse().unwrap());
    assert!(age.as_secs() < 60 && line.ends_with('Z'), "{line}");
    let wrong = repository().verify(&["scaffold", "artifacthub"]).env("SOURCE_DATE_EPOCH", "now").run();
    wrong.exits_with(2).says(&["invalid SOURCE_DATE_EPOCH `now`", "write seconds since 1970"]);
    let wrong = repository().verify(&["scaffold", "artifacthub"]).env("SOURCE_DATE_EPOCH", "99999999999999999").run();
    wrong.exits_with(2).says(&["invalid time of creation"]);
}

#[test]
fn mistakes_of_the_metadata_are_told_at_their_lines() {
    let empty = Repository::new();
    empty
        .verify(&["scaffold", "artifacthub"])
        .run()
        .exits_with(2)
        .says(&["there is no metadata.yml", "--metadata-path"]);
    let wrong = METADATA
        .replace("1.2.3-rc.1", "1.2")
        .replace("pod , owners", "pod ,, owners")
        .replace("  io.kubewarden.policy.title: labels\n", "");
    let repository = Repository::new().write("metadata.yml", wrong).write("questions.yaml", "");
    let run = repository.verify(&["scaffold", "artifacthub", "-o", "out.yml"]).run().exits_with(3);
    run.says(&[
        "the form of the settings is empty",
        "invalid annotation `io.kubewarden.policy.version`: unexpected end",
        "metadata.yml:20",
        "the annotation `io.kubewarden.policy.title` is missing",
        "invalid annotation `io.artifacthub.keywords`: a keyword is empty",
        "metadata.yml:18",
    ]);
    assert!(!repository.path("out.yml").exists());
    let repository = Repository::new().write("metadata.yml", "rules: [\n");
    repository.verify(&["scaffold", "artifacthub"]).run().exits_with(3).says(&["Error unmarshalling metadata"]);
    repository
        .verify(&["scaffold", "artifacthub", "-m", "gone.yml", "-q", "away.yml"])
        .run()
        .exits_with(3)
        .says(&["gone.yml", "away.yml"]);
}

#[test]
fn nothing_is_read_or_written_through_a_link_of_the_repository() {
    let repository = repository();
    let away = tempfile::tempdir().unwrap();
    std::fs::write(away.path().join("secret"), METADATA).unwrap();
    std::os::unix::fs::symlink(away.path().join("secret"), repository.path("linked.yml")).unwrap();
    let run = repository.verify(&["scaffold", "artifacthub", "-m", "linked.yml"]).run().exits_with(2);
    run.says(&["linked.yml"]).never_says("Looks at labels");
    repository.verify(&["scaffold", "artifacthub", "-o", "linked.yml"]).run().exits_with(2);
    assert_eq!(std::fs::read_to_string(away.path().join("secret")).unwrap(), METADATA);
}
