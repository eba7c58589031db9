//! The release of Kubewarden whose verdicts a run has: in the suite, on the command line, in every report.

use serde_json::{Value, json};

use crate::support::{POD, Repository, guests};

/// A suite with one passing case; `head` is what it says about Kubewarden.
fn repository(head: &str) -> Repository {
    let suite = format!(
        "version: 1\nname: one\n{head}policies: {{ yes: {{ uri: yes.wasm }} }}\n\
         cases: [{{ name: fine, object: {POD}, expect: allow }}]\n"
    );
    let module = guests::annotated(guests::replying(r#"{"valid":true,"accepted":true}"#));
    Repository::with_suite(&suite).write("yes.wasm", module)
}

#[test]
fn the_release_is_in_every_report() {
    let repository = repository("kubewarden: '1.37'\n");
    let human = repository.verify(&["suite.yml"]).run().exits_with(0).stdout;
    assert!(human.starts_with("suite.yml · one · Kubewarden 1.37.2\n"), "{human}");
    for (format, wanted) in [
        ("json", r#""kubewarden": "1.37.2""#),
        ("ndjson", r#""kubewarden":"1.37.2""#),
        ("junit", r#"<property name="kubewarden" value="1.37.2"/>"#),
        ("sarif", r#""kubewarden": "1.37.2""#),
        ("tap", "\n# Kubewarden 1.37.2\n"),
        ("markdown", "\nKubewarden 1.37.2\n"),
        ("html", " · Kubewarden 1.37.2</p>"),
    ] {
        let report = repository.verify(&["suite.yml", "--report", format]).run().exits_with(0).stdout;
        assert!(report.contains(wanted), "{format}: {report}");
    }
}

#[test]
fn the_command_line_wins_over_the_suite_and_the_suite_over_the_default() {
    let release_of = |head: &str, arguments: &[&str], variable: Option<&str>| {
        let repository = repository(head);
        let mut command = repository.verify(&[&["suite.yml", "--report", "json"], arguments].concat());
        if let Some(release) = variable {
            command = command.env("VERIFY_KUBEWARDEN", release);
        }
        let report: Value = serde_json::from_str(&command.run().exits_with(0).stdout).unwrap();
        report["suites"][0]["kubewarden"].clone()
    };
    assert_eq!(release_of("", &[], None), json!("1.38.2"));
    assert_eq!(release_of("kubewarden: { version: v1.36 }\n", &[], None), json!("1.36.0"));
    assert_eq!(release_of("kubewarden: '1.36'\n", &["--kubewarden", "1.37.0"], None), json!("1.37.0"));
    assert_eq!(release_of("kubewarden: '1.36'\n", &[], Some("1.37")), json!("1.37.2"));
}

#[test]
fn a_policy_server_resource_has_the_release_of_its_image() {
    let server = "apiVersion: policies.kubewarden.io/v1\nkind: PolicyServer\nmetadata: { name: default }\n\
                  spec: { image: 'ghcr.io/kubewarden/policy-server:v1.37.2' }\n";
    for (more, wanted) in [("", "1.37.2"), (", version: '1.36'", "1.36.0")] {
        let repository = repository(&format!("kubewarden: {{ policyServer: server.yaml{more} }}\n"));
        let report = repository.write("server.yaml", server).report(&[]);
        assert_eq!(report.0["suites"][0]["kubewarden"], wanted);
    }
    repository("kubewarden: { policyServer: gone.yaml }\n").verify(&[]).run().exits_with(2).says(&["gone.yaml"]);
}

#[test]
fn unsupported_releases_exit_with_2() {
    for (release, wanted) in [
        ("1.35", "unsupported Kubewarden version `1.35`: 1.36.0 is the oldest supported release"),
        ("soon", "invalid Kubewarden version `soon`"),
    ] {
        let stderr = repository("").verify(&["suite.yml", "--kubewarden", release]).run().exits_with(2).stderr;
        assert!(stderr.contains(wanted), "{stderr}");
        let head = format!("kubewarden: '{release}'\n");
        let stderr = repository(&head).verify(&["suite.yml"]).run().exits_with(2).stderr;
        assert!(stderr.contains(wanted) && stderr.contains("suite.yml:3:"), "{stderr}");
    }
}

#[test]
fn a_newer_release_is_one_warning() {
    let text = "Kubewarden 1.44.0 is newer than this version of verify, which treats it as 1.39.0";
    let repository = repository("kubewarden: '1.44'\n").write("two.suite.yml", "version: 1\nname: two\n");
    let human = repository.verify(&["suite.yml"]).run().exits_with(0).stdout;
    assert!(human.contains(&format!("1 warning\n  suite.yml:3  {text}")), "{human}");
    let human = repository.verify(&["suite.yml", "two.suite.yml", "--kubewarden", "1.44"]).run().exits_with(0).stdout;
    assert_eq!(human.matches(text).count(), 1, "{human}");
    let report = repository.verify(&["suite.yml", "--report", "json"]).run().exits_with(0).stdout;
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["warnings"][0]["message"], json!(text));
    assert_eq!(report["warnings"][0]["place"]["line"], json!(3));
    let run = repository.verify(&["suite.yml"]).env("GITHUB_ACTIONS", "true").run().exits_with(0);
    assert!(run.stderr.contains("::warning file=suite.yml,line=3,title=Kubewarden 1.44.0 is newer"), "{}", run.stderr);
}

#[test]
fn shards_of_different_releases_are_not_merged() {
    let repository = repository("");
    for (number, release) in [("1", "1.37"), ("2", "1.38")] {
        let part = format!("--partition=hash:{number}/2");
        let report = format!("--report=json={number}.json");
        let arguments = ["suite.yml", "--kubewarden", release, &part, &report, "--allow-empty"];
        repository.verify(&arguments).run();
    }
    let stderr = repository.verify(&["merge", "1.json", "2.json"]).run().exits_with(2).stderr;
    assert!(stderr.contains("suite `suite.yml` has Kubewarden 1.37.2 in one report and 1.38.2 in another"), "{stderr}");
}
