//! Error codes: every example of their documentation does what it says, and `verify explain` prints it.

use std::fs;
use std::path::Path;

use crate::support::{Repository, project, testdata};

/// What the page says is there.
const HEAD: &str = "version: 1
policies:
  labels: { uri: labels.wasm, metadata: labels.yml, settings: { mandatory_labels: [owner] } }
";

/// Codes that no suite alone can show.
const WITHOUT_SUITE: &[&str] = &[
    "PV003", "PV023", "PV020", "PV021", "PV022", "PV037", "PV041", "PV044", "PV053", "PV073", "PV074", "PV080",
    "PV081", "PV082", "PV083", "PV084", "PV090", "PV091", "PV092",
];

struct Section<'a> {
    code: &'a str,
    name: &'a str,
    text: &'a str,
}

fn page() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/errors.md")).unwrap()
}

fn sections(page: &str) -> Vec<Section<'_>> {
    let sections = page.split("\n## PV").skip(1).map(|section| {
        let (heading, text) = section.split_once('\n').unwrap();
        let (code, name) = heading.split_once(' ').unwrap();
        Section { code, name, text }
    });
    sections.collect()
}

/// The modules and files that the examples name.
fn repository() -> Repository {
    let policies = testdata().join("policies");
    let mut repository = Repository::new();
    for (name, folder) in [("labels", "safe-labels"), ("defaults", "default-labels"), ("licence", "image-licence")] {
        let read = |file: &str| fs::read(policies.join(folder).join(file)).unwrap();
        repository = repository.write(&format!("{name}.wasm"), read("policy.wasm"));
        repository = repository.write(&format!("{name}.yml"), read("metadata.yml"));
    }
    for (name, guest) in [
        ("trap", "wapc-trap"),
        ("loop", "wapc-loop"),
        ("memory-hog", "wapc-memory-hog-traps"),
        ("init-traps", "wapc-init-traps"),
        ("garbage-reply", "wapc-garbage-reply"),
        ("stdout-flood", "wapc-stdout-flood"),
        ("unknown-import", "wapc-unknown-import"),
    ] {
        repository = repository.write(&format!("{name}.wasm"), crate::support::guests::from_testdata(guest));
    }
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: { name: web, labels: { owner: team-a } }\n\
               spec: { containers: [{ name: web, image: \"ghcr.io/acme/web:1\" }] }\n";
    let deployed = "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: { name: labels }\n\
                    spec:\n  module: ghcr.io/acme/labels:v1\n  mutating: false\n  rules: [{ apiGroups: [autoscaling], \
                    apiVersions: [v1], resources: [horizontalpodautoscalers], operations: [CREATE] }]\n";
    let owned = "apiVersion: policies.kubewarden.io/v1\nkind: ClusterAdmissionPolicy\nmetadata: { name: labels }\n\
                 spec:\n  module: ghcr.io/acme/labels:v1\n  mutating: false\n  rules: [{ apiGroups: [''], apiVersions: [v1], \
                 resources: [pods], operations: [CREATE] }]\n  matchConditions: [{ name: owned, expression: \
                 \"object.metadata.labels.owner == 'me'\" }]\n";
    let pods = fs::read_to_string(policies.join("image-licence/metadata.yml")).unwrap();
    let deployments =
        "\n  - { apiGroups: [apps], apiVersions: [v1], resources: [deployments], operations: [CREATE] }\n";
    repository
        .write("workloads.yml", pods.replacen("rules:\n", &format!("rules:{deployments}"), 1))
        .write("deploy.yaml", deployed)
        .write("owned.yaml", owned)
        .write("pod.yaml", pod)
        .write("no-module.wasm", "nothing")
        .write("broken.yml", "rules: none\n")
}

#[test]
fn every_example_has_the_code_it_stands_below() {
    let (page, mut repository) = (page(), repository());
    assert!(page.contains(&format!("```yaml\n{HEAD}```")), "the page shows what stands above its examples");
    for Section { code, name, text } in sections(&page) {
        let code = format!("PV{code}");
        let example = text.split_once("\n```yaml\n").and_then(|(_, rest)| rest.split_once("```")).map(|(yaml, _)| yaml);
        let Some(example) = example else {
            assert!(WITHOUT_SUITE.contains(&code.as_str()), "{code} {name} has no example that could be run");
            continue;
        };
        let suite = if example.starts_with("version:") { example.to_owned() } else { format!("{HEAD}{example}") };
        repository = repository.write("suite.yml", suite);
        let run = repository.verify(&["--report", "json"]).run();
        let is_told = if code == "PV002" { "\"weak\": 1" } else { &code };
        run.named(&format!("{code} {name}")).says(&[is_told]);
    }
}

#[test]
fn a_code_is_explained_by_number_and_by_name() {
    let repository = Repository::new();
    let explained = repository.verify(&["explain", "PV011"]).run().exits_with(0);
    assert!(explained.stdout.starts_with("PV011 message-mismatch: "), "{explained}");
    let text = sections(&page()).into_iter().find(|section| section.code == "011").unwrap().text.trim().to_owned();
    assert!(explained.stdout.contains(&text), "{explained}");
    for same in ["pv11", "message-mismatch"] {
        assert_eq!(repository.verify(&["explain", same]).run().exits_with(0).stdout, explained.stdout);
    }
    repository.verify(&["explain", "PV999"]).run().exits_with(2).says(&["unknown code `PV999`"]);
    let all = repository.verify(&["explain"]).run().exits_with(0).stdout;
    assert_eq!(all.lines().count(), sections(&page()).len());
}

/// At a terminal the text is laid out for its width, 80 columns here.
#[cfg(target_os = "linux")]
#[test]
fn explanations_fit_the_terminal() {
    let repository = Repository::new();
    let Some(verify) = repository.terminal("verify explain PV051") else { return };
    let run = verify.env("NO_COLOR", "1").run().exits_with(0);
    let lines: Vec<&str> = run.stdout.lines().collect();
    assert!(lines.iter().all(|line| line.chars().count() <= 80), "{run}");
    // A line of the page would be broken in its middle.
    assert!(lines.iter().filter(|line| line.chars().count() > 60).count() > 2, "{run}");
    assert!(run.stdout.contains("metadata: broken.yml") && !run.stdout.contains("```"), "{run}");
}

#[test]
fn people_and_readers_of_every_report_see_the_code() {
    let suite = format!("{HEAD}cases:\n  - {{ name: a, object: pod.yaml, expect: {{ deny: \"no\" }} }}\n");
    let repository = repository().write("suite.yml", suite);
    for format in ["human", "junit", "json", "markdown"] {
        repository.verify(&["--report", format]).run().exits_with(1).says(&["PV010"]);
    }
    repository.verify(&[]).on_github().run().exits_with(1).says(&["/allowed · PV010"]);
}

/// The page is compiled into a crate, which can only hold files of its own folder.
#[test]
fn the_compiled_page_is_the_documentation() {
    let copy = fs::read_to_string(project().join("crates/model/src/errors.md")).unwrap();
    assert_eq!(copy, page(), "cp docs/errors.md crates/model/src/errors.md");
}
