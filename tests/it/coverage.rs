//! Code coverage: what is executed of compiled policies, in every language and mode, and that measuring it changes nothing.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;

use crate::readers::fits;
use crate::support::{Repository, project, testdata, without_times};

const SUITE: &str = "testdata/suites/coverage/suite.yml";

/// A repository with the test policies, their sources, and all suites.
fn repository() -> Repository {
    let repository = Repository::new();
    let copy = format!("mkdir testdata && cp -r '{0}/suites' '{0}/policies' testdata/", testdata().display());
    repository.shell(&copy).run().exits_with(0);
    repository
}

/// Hits by line of the file whose path has this end.
fn hits(lcov: &str, file: &str) -> BTreeMap<u32, u64> {
    let record = lcov.split("end_of_record").find(|record| record.lines().any(|line| line.ends_with(file)));
    let record = record.unwrap_or_else(|| panic!("{file} is not in\n{lcov}"));
    let lines = record.lines().filter_map(|line| line.strip_prefix("DA:")?.split_once(','));
    lines.map(|(line, hits)| (line.parse().unwrap(), hits.parse().unwrap())).collect()
}

/// The numbers of lines of a test policy that have one of these texts.
fn lines_of(file: &str, texts: &[&str]) -> Vec<u32> {
    let text = fs::read_to_string(testdata().join("policies").join(file)).unwrap();
    let line = |wanted: &&str| {
        let found = text.lines().position(|line| line.contains(*wanted));
        u32::try_from(found.unwrap_or_else(|| panic!("{wanted} is not in {file}")) + 1).unwrap()
    };
    texts.iter().map(line).collect()
}

#[test]
fn gaps_of_each_language_are_named_and_closed_by_cases() {
    let repository = repository();
    let measure = |flags: &[&str]| {
        let run = repository.verify(&[&[SUITE, "--coverage", "lcov=a.lcov"][..], flags].concat()).run().exits_with(0);
        (run.stdout, repository.read("a.lcov"))
    };
    let (rust, go) = ("safe-labels/src/lib.rs", "image-licence-go/validate.go");
    let rust_gaps = lines_of(rust, &["The following labels are denied", "constrained at once", "mandatory at once"]);
    let go_gaps = lines_of(go, &["no licence annotation", "is not allowed", "neither an image nor an index"]);
    let (_, lcov) = measure(&[]);
    let (of_rust, of_go) = (hits(&lcov, rust), hits(&lcov, go));
    for line in &rust_gaps {
        assert_eq!(of_rust.get(line), Some(&0), "{rust}:{line}");
    }
    for line in &go_gaps {
        assert_eq!(of_go.get(line), Some(&0), "{go}:{line}");
    }
    for line in lines_of(rust, &["mandatory labels are missing", "Settings cannot be read", "let mistakes = match"]) {
        assert!(of_rust[&line] > 0, "{rust}:{line}");
    }
    for line in lines_of(go, &["fetchManifest(host, image)", "return sdk.AcceptRequest()"]) {
        assert!(of_go[&line] > 0, "{go}:{line}");
    }
    let rego = hits(&lcov, "rego-labels/policy.rego");
    assert_eq!(rego.len(), 7, "{rego:?}");
    assert_eq!(rego[&lines_of("rego-labels/policy.rego", &["operations :="])[0]], 0);
    assert!(rego[&lines_of("rego-labels/policy.rego", &["reasons contains"])[0]] > 0);

    let more = "
  - name: a denied label
    policy: labels
    settings: { denied_labels: [owner] }
    expect: { deny: \"The following labels are denied: owner\" }
  - name: no licence
    policy: licences
    host: { oci/v1/oci_manifest: { \"ghcr.io/acme/web:1\": { <<: *manifest, annotations: {} } } }
    expect: { deny: \"image ghcr.io/acme/web:1: no licence annotation\" }
  - name: a label is added
    policy: reasons
    settings: { mandatory_labels: [owner], owner: \"^team-\", defaults: { tier: web } }
    expect: mutate
";
    fs::write(repository.path(SUITE), repository.read(SUITE) + more).unwrap();
    repository.verify(&[SUITE, "--coverage", "lcov=b.lcov"]).run().exits_with(0);
    let lcov = repository.read("b.lcov");
    assert!(hits(&lcov, rust)[&rust_gaps[0]] > 0);
    assert!(hits(&lcov, go)[&go_gaps[0]] > 0);
    assert!(hits(&lcov, "rego-labels/policy.rego").values().all(|hits| *hits > 0));
}

/// Fuel and answers of copy and module are the same in every mode, for every case of the suites here: otherwise the report
/// would say why it has nothing.
#[test]
fn no_suite_gives_another_answer_when_it_is_measured() {
    let repository = repository();
    let mut measured = 0;
    for suite in ["context-aware", "groups", "modes", "quickstart", "rego", "showcase", "coverage"] {
        let path = format!("testdata/suites/{suite}");
        let answers = |flags: &[&str]| {
            repository.verify(&[&[&*path, "--report", "json=a.json"], flags].concat()).run().exits_with(0);
            let mut report = repository.read_json("a.json");
            let cases = report["cases"].as_array_mut().unwrap();
            cases.iter_mut().for_each(|case| drop(case.as_object_mut().unwrap().remove("duration_us")));
            report["cases"].take()
        };
        assert_eq!(answers(&["--coverage", "text=coverage.txt"]), answers(&[]), "{suite}");
        let coverage = repository.read("coverage.txt");
        assert!(!coverage.contains("the copy with counters"), "{suite}\n{coverage}");
        measured += coverage.matches("functions ").count();
    }
    assert!(measured > 10, "{measured}");
}

#[test]
fn threads_make_no_difference() {
    let repository = repository();
    let measure = |jobs: &str| {
        repository.verify(&[SUITE, "-j", jobs, "--coverage", "lcov=a.lcov"]).run().exits_with(0);
        repository.read("a.lcov")
    };
    assert_eq!(measure("1"), measure("8"));
}

#[test]
fn a_module_that_cannot_be_measured_is_no_error() {
    let module = r#"(module
        (import "wapc" "__guest_response" (func $respond (param i32 i32)))
        (memory (export "memory") 1) (memory (export "policy-verify:counters") 1)
        (data (i32.const 0) "{\"accepted\":true,\"valid\":true}")
        (func $policy::call (export "__guest_call") (param i32 i32) (result i32)
          (call $respond (i32.const 0) (i32.const 30)) (i32.const 1)))"#;
    let suite = "version: 1\npolicies: { a: { uri: a.wasm, executionMode: kubewarden-wapc } }\n\
                 cases: [{ name: a, policy: a, raw: {}, expect: { allow: } }]\n";
    let repository = Repository::new().write("a.wasm", wat::parse_str(module).unwrap()).write("suite.yml", suite);
    let run = repository.verify(&["--coverage", "text"]).run().exits_with(0);
    assert!(run.stdout.contains("a  not measured: it exports `policy-verify:counters`"), "{}", run.stdout);
}

#[test]
fn flags_that_cannot_be_meant_are_refused() {
    let repository = repository();
    for (flags, message) in [
        (&["--coverage", "lcov"][..], "`lcov` needs a file: lcov=FILE"),
        (&["--coverage", "junit"], "unknown format `junit`: expected one of text, lcov, cobertura, html"),
        (&["--coverage", "text", "--report", "json"], "two reports for stdout: `json` and code coverage"),
        (&["--coverage", "lcov=a", "--coverage", "html=./a"], "two reports for the file `./a`: lcov and html"),
        (&["--coverage", "text", "--live"], "`--coverage` cannot be used with live host calls"),
    ] {
        let run = repository.verify(&[&[SUITE], flags].concat()).run().exits_with(2);
        assert!(run.stderr.contains(message), "{flags:?}\n{}", run.stderr);
    }
}

#[cfg(unix)]
#[test]
fn no_source_outside_of_the_repository_is_shown() {
    let repository = repository();
    let outside = tempfile::tempdir().unwrap();
    fs::write(outside.path().join("lib.rs"), "a secret\n".repeat(500)).unwrap();
    let sources = repository.path("testdata/policies/safe-labels/src");
    fs::remove_dir_all(&sources).unwrap();
    let measure = || {
        let flags = ["-f", "owner", "--coverage", "html=a.html", "--coverage", "text=a.txt"];
        repository.verify(&[&[SUITE][..], &flags].concat()).run().exits_with(0);
        repository.read("a.html") + &repository.read("a.txt")
    };
    std::os::unix::fs::symlink(outside.path(), &sources).unwrap();
    let shown = measure();
    assert!(shown.contains("its source is not in the repository") && !shown.contains("a secret"));
    fs::remove_file(&sources).unwrap();
    fs::create_dir(&sources).unwrap();
    fs::copy(outside.path().join("lib.rs"), sources.join("lib.rs")).unwrap();
    assert!(measure().contains("a secret"));
}

#[test]
fn shards_add_up() {
    let repository = repository();
    let mut reports = Vec::new();
    for shard in ["hash:1/2", "hash:2/2"] {
        let name = format!("{}.json", reports.len());
        let report = format!("json={name}");
        repository
            .verify(&[SUITE, "--partition", shard, "--coverage", "text=x", "--report", &report, "--report", "human"])
            .run()
            .exits_with(0);
        reports.push(name);
    }
    repository.verify(&["merge", &reports[0], &reports[1], "--coverage", "lcov=merged.lcov"]).run().exits_with(0);
    repository.verify(&[SUITE, "--coverage", "lcov=whole.lcov", "--report", "json=whole.json"]).run().exits_with(0);
    // Each shard validates settings that the cases of several shards share: numbers differ, and what is executed does not.
    let is_hit = |name: &str| {
        let lcov = repository.read(name);
        let files = ["safe-labels/src/lib.rs", "image-licence-go/validate.go", "rego-labels/policy.rego"];
        files.map(|file| hits(&lcov, file).into_iter().map(|(line, hits)| (line, hits > 0)).collect::<Vec<_>>())
    };
    assert_eq!(is_hit("merged.lcov"), is_hit("whole.lcov"));
    let report: Value = serde_json::from_str(&repository.read("whole.json")).unwrap();
    fits("report", &report);
    assert_eq!(report["coverage"][0]["policies"][0], "labels");
    assert!(report["coverage"][0]["lines"]["covered"].as_u64().unwrap() > 20, "{}", report["coverage"][0]["lines"]);
}

#[test]
fn the_page_shows_what_a_run_shows_today() {
    let page = fs::read_to_string(project().join("docs/trust.md")).unwrap();
    let rest = page.split("```text\n$ verify ").find(|rest| rest.starts_with("testdata/suites/coverage")).unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let (arguments, shown) = block.split_once('\n').unwrap();
    let arguments: Vec<&str> = arguments.split(' ').collect();
    let run = repository().verify(&arguments).env("COLUMNS", "120").run().exits_with(0);
    let lines = |text: &str| {
        let line = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        without_times(text).lines().map(line).filter(|line| !line.is_empty()).collect::<Vec<_>>()
    };
    let (shown, printed) = (lines(shown), lines(&run.stdout));
    if std::env::var_os("VERIFY_TEST_WRITE_DOCS").is_some() {
        let (head, tail) = page.split_once(block).unwrap();
        let command = block.lines().next().unwrap();
        fs::write(project().join("docs/trust.md"), format!("{head}{command}\n{}{tail}", run.stdout)).unwrap();
        return;
    }
    assert!(shown.len() > 5, "{shown:?}");
    for line in shown {
        assert!(printed.contains(&line), "{line:?} is not in\n{}", printed.join("\n"));
    }
}
