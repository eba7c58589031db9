//! What those who read our reports make of them: GitLab, Jenkins, mikepenz/action-junit-report,
//! dorny/test-reporter and EnricoMi/publish-unit-test-result-action as their sources read JUnit, our own schema for the JSON reports, GitHub's limits for the rest.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::sync::LazyLock;

use roxmltree::{Document, Node};
use serde_json::Value;

use crate::support::{POD, Repository, guests, testdata};

/// Every control character, emoji, markup.
fn hostile() -> String {
    let controls: String =
        (0_u32..0x20).chain([0x7f, 0x85, 0x202e, 0xfeff, 0xfffe, 0xffff]).filter_map(char::from_u32).collect();
    format!("👩‍💻 <&>]]> {controls} \"' ::error::x ##[group]")
}

static REPOSITORY: LazyLock<Repository> = LazyLock::new(|| {
    let long = "a long message of a policy, ".repeat(36_000);
    assert!(long.len() > 1_000_000);
    let cases = [
        ("fine", "no", "expect: { deny: { contains: today } }"),
        ("dots. in (names)", "no", "expect: { deny: not tomorrow }"),
        ("👩‍💻 emoji 日本", "no", "expect: allow"),
        ("every character", "hostile", "expect: { deny: never }"),
        ("a megabyte", "long", "expect: { deny: short }"),
        ("trapped", "trap", "expect: allow"),
        ("gone", "gone", "expect: allow"),
        ("later", "no", "skip: not now, expect: deny"),
        ("known", "trap", "xfail: { reason: \"acme#1\", fault: trap }, expect: allow"),
        ("over", "no", "xfail: \"acme#2\", expect: { deny: { contains: today } }"),
    ];
    let mut text = "version: 1\nname: readers. of reports\npolicies:\n".to_owned();
    for name in ["no", "hostile", "long", "trap", "gone"] {
        let _ = writeln!(text, "  {name}: {{ uri: ../{name}.wasm }}");
    }
    text.push_str("cases:\n");
    for (name, policy, rest) in cases {
        let _ = writeln!(text, "  - {{ name: \"{name}\", policy: {policy}, object: {POD}, {rest} }}");
    }
    let repository = Repository::new()
        .write("tests/suite.yml", text)
        .write("no.wasm", guests::denying("not today"))
        .write("hostile.wasm", guests::denying(&hostile()))
        .write("long.wasm", guests::denying(&long))
        .write("trap.wasm", guests::from_testdata("wapc-trap"))
        .write("gone.wasm", "nothing");
    let mut verify = repository.verify(&["tests/suite.yml", "-qq"]);
    for (format, ending) in
        [("junit", "xml"), ("json", "json"), ("ndjson", "ndjson"), ("sarif", "sarif"), ("html", "html")]
    {
        verify = verify.arg(&format!("--report={format}=report.{ending}"));
    }
    verify.run().exits_with(3);
    repository
});

static JUNIT: LazyLock<String> = LazyLock::new(|| REPOSITORY.read("report.xml"));

fn cases<'a>(document: &'a Document<'_>) -> Vec<Node<'a, 'a>> {
    document.descendants().filter(|node| node.has_tag_name("testcase")).collect()
}

fn child<'a>(case: &Node<'a, 'a>, names: &[&str]) -> Option<Node<'a, 'a>> {
    case.children().find(|node| names.contains(&node.tag_name().name()))
}

/// Outcomes as the JSON report tells them, in the words of JUnit.
fn told() -> BTreeMap<String, &'static str> {
    let report = REPOSITORY.read_json("report.json");
    let word = |case: &Value| match case["outcome"].as_str().unwrap() {
        "failed" | "xpassed" => "failed",
        "error" => "error",
        "skipped" | "xfailed" => "skipped",
        _ => "success",
    };
    report["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(|case| (case["name"].as_str().unwrap().to_owned(), word(case)))
        .collect()
}

/// lib/gitlab/ci/parsers/test/junit.rb: the first of `failure`, `error`, `skipped` decides; of cases with the same
/// name, class and file all but the first are dropped.
#[test]
fn gitlab_shows_every_case_with_its_class_file_and_time() {
    let document = Document::parse(&JUNIT).unwrap();
    let mut seen = HashSet::new();
    let mut found = BTreeMap::new();
    for case in cases(&document) {
        let attribute = |name: &str| case.attribute(name).unwrap_or_default();
        if !seen.insert((attribute("name"), attribute("classname"), attribute("file"))) {
            continue;
        }
        let status = match (child(&case, &["failure"]), child(&case, &["error"]), child(&case, &["skipped"])) {
            (Some(_), _, _) => "failed",
            (_, Some(_), _) => "error",
            (_, _, Some(_)) => "skipped",
            _ => "success",
        };
        assert!(attribute("time").parse::<f64>().is_ok() && attribute("file") == "tests/suite.yml", "{case:?}");
        if let Some(output) = child(&case, &["failure", "error"]) {
            assert!(output.text().is_some_and(|text| !text.trim().is_empty()), "{case:?}");
        }
        found.insert(attribute("name").to_owned(), status);
    }
    assert_eq!(found, told());
}

/// CaseResult and SuiteResult: dots of `classname` make packages; counts of suites are those of their cases.
#[test]
fn jenkins_makes_a_tree_of_suite_and_policy() {
    let document = Document::parse(&JUNIT).unwrap();
    let mut packages = BTreeMap::<String, Vec<String>>::new();
    for case in cases(&document) {
        let (package, class) = case.attribute("classname").unwrap().rsplit_once('.').unwrap();
        packages.entry(package.to_owned()).or_default().push(class.to_owned());
        let is_skipped = child(&case, &["skipped"]);
        assert!(is_skipped.is_none_or(|node| !node.attribute("message").unwrap_or_default().is_empty()));
    }
    let (name, classes) = packages.iter().next().unwrap();
    assert_eq!((packages.len(), name.as_str()), (1, "readers_ of reports"));
    assert_eq!(classes.iter().collect::<HashSet<_>>().len(), 5);
    for suite in document.descendants().filter(|node| node.has_tag_name("testsuite")) {
        let count = |name: &str| suite.attribute(name).unwrap().parse::<usize>().unwrap();
        let counted = |names: &[&str]| {
            cases(&document)
                .iter()
                .filter(|case| case.parent() == Some(suite))
                .filter(|case| child(case, names).is_some())
                .count()
        };
        assert_eq!(count("failures"), counted(&["failure"]));
        assert_eq!(count("errors"), counted(&["error"]));
        assert_eq!(count("skipped"), counted(&["skipped"]));
        let timestamp: Result<jiff::Timestamp, _> = suite.attribute("timestamp").unwrap().parse();
        assert!(timestamp.is_ok() && suite.has_attribute("id"));
    }
}

/// testParser.ts: file and line of the case, else of the failure, else of the suite, else `name:digits` in the text.
/// The same name, class and file twice would be a retry.
#[test]
fn mikepenz_annotates_the_lines_of_the_cases() {
    let document = Document::parse(&JUNIT).unwrap();
    let report = REPOSITORY.read_json("report.json");
    let bad = cases(&document).into_iter().filter_map(|case| Some((case, child(&case, &["failure", "error"])?)));
    let place = regex::Regex::new(r"at (tests/suite\.yml):(\d+)").unwrap();
    let mut number = 0;
    for (case, failure) in bad {
        number += 1;
        let line: u64 = case.attribute("line").unwrap().parse().unwrap();
        let told = report["cases"].as_array().unwrap().iter();
        let same = told.filter(|it| it["name"] == case.attribute("name").unwrap()).collect::<Vec<_>>();
        assert_eq!(same.len(), 1);
        assert_eq!(same[0]["line"], line);
        // The way for those that have neither.
        assert!(place.is_match(failure.text().unwrap()), "{failure:?}");
    }
    assert_eq!(number, 7);
}

/// java-junit: groups by `classname`, needs `time`, shows `type: message` as the heading.
#[test]
fn dorny_has_a_heading_for_every_failure() {
    let document = Document::parse(&JUNIT).unwrap();
    for case in cases(&document) {
        assert!(case.attribute("time").unwrap().parse::<f64>().unwrap() >= 0.0);
        if let Some(failure) = child(&case, &["failure", "error"]) {
            let heading = format!("{}: {}", failure.attribute("type").unwrap(), failure.attribute("message").unwrap());
            assert!(heading.len() > 5 && heading.len() < 2_500 && !heading.contains('\n'), "{heading}");
        }
    }
}

/// python/publish/junit.py: of several results of a case the worst counts; suites give the numbers, cases the rest, and
/// a name that is there twice in a class and file would be one test.
#[test]
fn enricomi_counts_what_the_suites_say_and_shows_what_the_cases_say() {
    let document = Document::parse(&JUNIT).unwrap();
    let worst = |case: &Node<'_, '_>| {
        let all = [("error", "error"), ("failure", "failed"), ("skipped", "skipped")];
        all.into_iter().find(|(name, _)| child(case, &[*name]).is_some()).map_or("success", |(_, word)| word)
    };
    let found: BTreeMap<String, &str> =
        cases(&document).iter().map(|case| (case.attribute("name").unwrap().to_owned(), worst(case))).collect();
    assert_eq!(found, told());
    let mut counts = BTreeMap::<&str, usize>::new();
    for suite in document.descendants().filter(|node| node.has_tag_name("testsuite")) {
        for name in ["tests", "failures", "errors", "skipped"] {
            *counts.entry(name).or_default() += suite.attribute(name).unwrap().parse::<usize>().unwrap();
        }
    }
    let number = |word: &str| found.values().filter(|found| **found == word).count();
    let expected = [
        ("tests", found.len()),
        ("failures", number("failed")),
        ("errors", number("error")),
        ("skipped", number("skipped")),
    ];
    assert_eq!(counts, expected.into());
    for case in cases(&document) {
        assert!(case.attribute("file").is_some() && case.attribute("classname").is_some());
        assert!(case.attribute("line").unwrap().parse::<u32>().unwrap() > 0);
        assert!(case.attribute("time").unwrap().parse::<f64>().is_ok());
        let is_bad = ["failed", "error"].contains(&worst(&case));
        assert!(
            !is_bad || child(&case, &["system-out"]).is_some_and(|node| node.text().unwrap().contains("verify tests"))
        );
    }
}

#[test]
fn xml_survives_every_character_and_a_megabyte() {
    let document = Document::parse(&JUNIT).unwrap();
    let named = |name: &str| cases(&document).into_iter().find(|case| case.attribute("name") == Some(name)).unwrap();
    let text = child(&named("every character"), &["failure"]).unwrap().text().unwrap().to_owned();
    assert!(text.contains("👩‍💻 <&>]]>") && text.contains("\\u0007") && text.contains("\\u{202e}"), "{text}");
    assert!(JUNIT.len() < 1_000_000, "{}", JUNIT.len());
    named("👩‍💻 emoji 日本");
    // The complete text is in the complete report.
    let report = REPOSITORY.read_json("report.json");
    let message = |name: &str| {
        let case = report["cases"].as_array().unwrap().iter().find(|case| case["name"] == name).unwrap();
        case["response"]["status"]["message"].as_str().unwrap().to_owned()
    };
    assert_eq!(message("every character"), hostile());
    assert!(message("a megabyte").len() > 1_000_000);
}

fn schema(part: &str) -> jsonschema::Validator {
    let text = std::fs::read_to_string(testdata().join("report.schema.json")).unwrap();
    let mut schema: Value = serde_json::from_str(&text).unwrap();
    schema["$ref"] = format!("#/$defs/{part}").into();
    jsonschema::validator_for(&schema).unwrap()
}

#[track_caller]
pub(crate) fn fits(part: &str, document: &Value) {
    let errors: Vec<String> =
        schema(part).iter_errors(document).map(|error| format!("{error} at {}", error.instance_path())).collect();
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn json_and_ndjson_fit_their_schema() {
    fits("report", &REPOSITORY.read_json("report.json"));
    let text = REPOSITORY.read("report.ndjson");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let last = lines.len() - 1;
    fits("opening", &lines[0]);
    fits("closing", &lines[last]);
    lines[1..last].iter().for_each(|line| fits("case", line));
    assert!(!schema("report").is_valid(&lines[0]) && !schema("case").is_valid(&lines[last]));
    // Shards, seeds, calls, steps and members.
    let project = env!("CARGO_MANIFEST_DIR");
    for suite in ["showcase/suite.yml", "docs/groups/suite.yml", "context-aware/suite.yml", "failures/suite.yml"] {
        let path = format!("{project}/testdata/suites/{suite}");
        let run = Repository::new().verify(&[&path, "--report=json", "--shuffle=1", "--partition=hash:1/1"]).run();
        fits("report", &serde_json::from_str(&run.stdout).unwrap());
    }
}

#[test]
fn lines_of_the_stream_are_the_cases_of_the_document() {
    let report = REPOSITORY.read_json("report.json");
    let text = REPOSITORY.read("report.ndjson");
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut cases: Vec<Value> = lines[1..lines.len() - 1].to_vec();
    cases.sort_by_key(|case| case["position"].as_u64());
    assert_eq!(Value::from(cases), report["cases"]);
    for key in ["summary", "policies", "sources", "started_at"] {
        assert_eq!(lines.last().unwrap()[key], report[key], "{key}");
    }
}

/// Ten thousand failures are the day on which limits matter.
#[test]
fn ten_thousand_failures_stay_within_every_limit() {
    let numbers = (0..10_000).map(|n| format!("      - {n}\n")).collect::<String>();
    let text = format!(
        "version: 1\npolicies: {{ no: {{ uri: no.wasm }} }}\ncases:\n  - name: case ${{n}}\n    object: {POD}\n    \
         set: {{ metadata.labels.n: \"${{n}}\" }}\n    expect: allow\n    matrix:\n     n:\n{numbers}"
    );
    let repository = Repository::with_suite(&text)
        .write("no.wasm", guests::annotated(guests::denying("not today")))
        .write("out", "");
    let run = repository
        .verify(&["--report=sarif=a.sarif", "--report=html=a.html", "--report=junit=a.xml"])
        .on_github()
        .env("GITHUB_STEP_SUMMARY", repository.path("summary.md"))
        .env("GITHUB_OUTPUT", repository.path("out"))
        .run()
        .exits_with(1);
    let commands = crate::support::runner::commands(&format!("{}\n{}", run.stdout, run.stderr));
    assert_eq!(commands.len(), 10);
    assert!(commands.iter().all(|command| command.name == "error" && command.data.chars().count() <= 4_096));
    let summary = repository.read("summary.md");
    assert!(summary.len() < 1024 * 1024 && summary.starts_with("## ❌ 10000 tests"), "{}", summary.len());
    assert_eq!(summary.matches("<details>").count(), summary.matches("</details>").count());
    assert!(summary.lines().filter(|line| line.starts_with("```")).count().is_multiple_of(2));
    assert!(repository.read("out").encode_utf16().count() * 2 < 1024 * 1024);
    let sarif = repository.read_json("a.sarif");
    assert_eq!(sarif["runs"][0]["results"].as_array().unwrap().len(), 5_000);
    assert!(repository.read("a.html").len() < 12_000_000);
    let xml = repository.read("a.xml");
    // What GitLab and Jenkins load whole.
    assert!(xml.len() < 60_000_000, "{}", xml.len());
    assert_eq!(
        cases(
            &Document::parse_with_options(
                &xml,
                roxmltree::ParsingOptions { nodes_limit: u32::MAX, ..Default::default() }
            )
            .unwrap()
        )
        .len(),
        10_000
    );
}
