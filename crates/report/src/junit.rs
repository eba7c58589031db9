//! JUnit XML, for GitLab, Jenkins, Buildkite and the report actions of GitHub.
//!
//! JUnit XML has no standard, only readers. Where they disagree the file has both forms: `file` and `line` are attributes of
//! the case and part of the text of the failure.

use std::collections::HashSet;
use std::io;
use std::time::Duration;

use quick_junit::{NonSuccessKind, Report, SerializeError, TestCase, TestCaseStatus, TestSuite};

use policy_verify_model::outcome::{CaseReport, Outcome, RunReport, SuiteSummary};

use crate::format::Format;
use crate::groups::{self, Group};
use crate::{diff, escape, phrases};

/// JUnit XML.
pub(super) struct Junit;

impl Format for Junit {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        let mut report = Report::new("policy-verify");
        report.set_time(run.duration);
        let mut taken = HashSet::new();
        for (id, group) in groups::of(run).iter().enumerate() {
            report.add_test_suite(test_suite(run, group, id, &mut taken));
        }
        if !run.errors.is_empty() {
            report.add_test_suite(not_started(run, &mut taken));
        }
        report.serialize(out).map_err(into_io_error)
    }
}

fn into_io_error(error: SerializeError) -> io::Error {
    io::Error::other(error)
}

/// Readers drop the second of two cases with the same class and name, so the pairs that were taken are remembered.
type Taken = HashSet<(String, String)>;

fn test_suite(run: &RunReport, group: &Group<'_>, id: usize, taken: &mut Taken) -> TestSuite {
    let suite = run.suites.get(group.suite);
    let path = suite.map_or("", |suite| &suite.path);
    let mut test_suite = TestSuite::new(one_line(&format!("{path} › {}", group.name)));
    let mut attribute = |name: &str, value: String| {
        test_suite.extra.insert(name.into(), value.into());
    };
    // quick-junit writes milliseconds; most evaluations are shorter than one.
    attribute("time", seconds(group.duration()));
    attribute("timestamp", run.started_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    attribute("file", one_line(path));
    attribute("id", id.to_string());

    for (name, value) in properties(run, group) {
        test_suite.add_property((name.to_owned(), one_line(&value)));
    }
    for case in &group.cases {
        test_suite.add_test_case(test_case(run, suite, case, taken));
    }
    test_suite
}

/// A test with an error for everything that kept the run from starting: a file without tests would be green.
fn not_started(run: &RunReport, taken: &mut Taken) -> TestSuite {
    let mut test_suite = TestSuite::new("policy-verify");
    test_suite.extra.insert("time".into(), seconds(Duration::ZERO).into());
    test_suite.extra.insert("timestamp".into(), run.started_at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string().into());
    for error in &run.errors {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(one_line(&error.message)).set_type(error.code.name());
        let help = error.help.as_deref().map(|help| format!("help: {help}\n")).unwrap_or_default();
        let place = error.span.as_ref().map(|span| format!("at {}\n", span.file_and_line())).unwrap_or_default();
        status.set_description(bounded(&format!("{}\n{help}{place}verify explain {}", error.message, error.code)));
        let path = error.span.as_ref().map_or("policy-verify", |span| &span.file.path);
        let class = one_line(path).replace('.', "_");
        let line = error.span.as_ref().map(|span| format!(" at line {}", span.line)).unwrap_or_default();
        let name = unique(&class, &format!("{} {}{line}", error.code, error.code.name()), taken);
        let mut test_case = TestCase::new(name, status);
        test_case.set_classname(class);
        test_case.extra.insert("time".into(), seconds(Duration::ZERO).into());
        if let Some(span) = &error.span {
            test_case.extra.insert("file".into(), one_line(&span.file.path).into());
            test_case.extra.insert("line".into(), span.line.to_string().into());
        }
        test_suite.add_test_case(test_case);
    }
    test_suite
}

fn properties(run: &RunReport, group: &Group<'_>) -> Vec<(&'static str, String)> {
    let mut properties = vec![("evaluator", concat!("policy-verify ", env!("CARGO_PKG_VERSION")).to_owned())];
    properties.extend(run.suites.get(group.suite).map(|suite| ("kubewarden", suite.kubewarden.to_string())));
    if let Some(policy) = group.policy {
        properties.push(("policy.uri", policy.uri.clone()));
        properties.extend(policy.digest.map(|digest| ("policy.digest", digest.to_string())));
        properties.extend(run.seed.map(|seed| ("seed", seed.to_string())));
        properties.extend(policy.execution_mode.map(|mode| ("policy.executionMode", mode.to_string())));
    }
    properties
}

fn test_case(run: &RunReport, suite: Option<&SuiteSummary>, case: &CaseReport, taken: &mut Taken) -> TestCase {
    // Jenkins makes a tree of the dots; it needs exactly two levels.
    let part = |name: &str| one_line(name).replace('.', "_");
    let class = format!("{}.{}", part(suite.map_or("", |suite| &suite.name)), part(&case.policy));
    let name = unique(&class, &one_line(&case.name), taken);

    let mut test_case = TestCase::new(name, status(case));
    test_case.set_classname(class);
    for (name, value) in [
        ("time", seconds(case.duration)),
        ("file", one_line(&case.place().file.path)),
        ("line", case.place().line.to_string()),
    ] {
        test_case.extra.insert(name.into(), value.into());
    }
    if case.outcome.is_bad() {
        attach_output(run, case, &mut test_case);
    } else if let Some(warning) = phrases::rejection_in_monitor_mode(case) {
        test_case.set_system_out(bounded(&warning));
    }
    test_case
}

fn unique(class: &str, name: &str, taken: &mut Taken) -> String {
    let candidates = std::iter::once(name.to_owned()).chain((2..).map(|n| format!("{name} ({n})")));
    let mut free = candidates.filter(|candidate| taken.insert((class.to_owned(), candidate.clone())));
    free.next().unwrap_or_default()
}

fn status(case: &CaseReport) -> TestCaseStatus {
    let mut status = match &case.outcome {
        Outcome::Passed => return TestCaseStatus::success(),
        Outcome::Skipped(_) | Outcome::Xfailed(_) => TestCaseStatus::skipped(),
        Outcome::Failed(_) | Outcome::Xpassed(_) => TestCaseStatus::non_success(NonSuccessKind::Failure),
        // Readers count skipped cases as fine; selected cases that were not run are not.
        Outcome::Error(_) | Outcome::Unavailable(_) | Outcome::NotRun(_) => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
    };
    status.set_message(one_line(&phrases::headline(case)));
    if case.outcome.is_red() {
        let advice = case.code().map(|code| format!("\nverify explain {code}")).unwrap_or_default();
        status.set_type(phrases::type_word(case)).set_description(format!("{}{advice}", bounded(&description(case))));
    }
    status
}

/// The text of a failure: what differs, then the place in the form that readers search for.
fn description(case: &CaseReport) -> String {
    let at = |place: &policy_verify_model::source::Span| format!("at {}", place.file_and_line());
    let with_help = |message: &str, help: Option<&String>| {
        let help = help.map(|help| format!("help: {help}\n")).unwrap_or_default();
        format!("{}\n{help}", message.trim_end())
    };
    match &case.outcome {
        Outcome::Failed(mismatches) => {
            let parts = mismatches.iter().map(|mismatch| {
                let heading = phrases::about(mismatch);
                let expected = escape::cut(&mismatch.expected, LONGEST_TEXT / 4);
                let actual = escape::cut(&mismatch.actual, LONGEST_TEXT / 4);
                format!(
                    "{heading} (- expected, + actual)\n{}\n{}\n",
                    diff::unified(&expected, &actual).join("\n"),
                    at(&mismatch.span)
                )
            });
            let origin = case.origin.as_ref().map(|origin| format!("{}\n", at(origin))).unwrap_or_default();
            format!("{}{origin}", parts.collect::<Vec<_>>().join("\n"))
        }
        Outcome::Error(fault) => format!("{}{}", with_help(&fault.message, fault.help.as_ref()), at(case.place())),
        Outcome::Unavailable(why) => {
            let place = why.span.as_ref().unwrap_or(case.place());
            format!("{}{}", with_help(&why.message, why.help.as_ref()), at(place))
        }
        _ => format!("{}\n{}", phrases::headline(case), at(case.place())),
    }
}

/// Request, response and output of the policy, for people who have only the report.
fn attach_output(run: &RunReport, case: &CaseReport, test_case: &mut TestCase) {
    let mut exchanged = Vec::new();
    if let Some(Ok(request)) = case.request.as_deref().map(serde_json::to_string_pretty) {
        exchanged.push(format!("request:\n{}", bounded(&request)));
    }
    if let Some(Ok(response)) = case.response.as_ref().map(serde_json::to_string_pretty) {
        exchanged.push(format!("response:\n{}", bounded(&response)));
    }
    if let Some((label, lines)) = phrases::parts(case) {
        exchanged.push(format!("{label}:\n{}", bounded(&lines)));
    }
    exchanged.extend(phrases::reproduce(run, case).map(|command| format!("repeat with:\n{command}")));
    if !exchanged.is_empty() {
        test_case.set_system_out(exchanged.join("\n\n"));
    }
    let log = &case.log;
    let texts = log.lines.iter().chain([&log.stdout, &log.stderr]).filter(|text| !text.is_empty());
    let mut output = texts.map(|text| bounded(text)).collect::<Vec<_>>();
    if log.is_truncated {
        output.push("(cut: the policy logged more than the limits allow)".to_owned());
    }
    if !output.is_empty() {
        test_case.set_system_err(bounded(&output.join("\n")));
    }
}

/// Characters of one text; GitLab and Jenkins load the whole file into memory.
const LONGEST_TEXT: usize = 64 * 1024;

fn bounded(text: &str) -> String {
    escape::xml(&escape::cut(text, LONGEST_TEXT))
}

/// For attributes: nothing a reader would have to normalise.
fn one_line(text: &str) -> String {
    escape::xml(&escape::shorten(text, 1_000)).replace('\n', "␊")
}

fn seconds(duration: Duration) -> String {
    format!("{:.6}", duration.as_secs_f64())
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, Node};

    use super::*;
    use crate::testing;

    fn named<'a, 'i>(document: &'a Document<'i>, tag: &str) -> Vec<Node<'a, 'i>> {
        document.descendants().filter(|node| node.has_tag_name(tag)).collect()
    }

    #[test]
    fn the_golden_report_is_unchanged() {
        let version = concat!("policy-verify ", env!("CARGO_PKG_VERSION"));
        let text = testing::written(&Junit, &testing::sample()).replace(version, "policy-verify VERSION");
        insta::assert_snapshot!("junit", text);
    }

    #[test]
    fn counts_agree_with_the_cases() {
        let text = testing::written(&Junit, &testing::sample());
        let document = Document::parse(&text).unwrap();
        let root = document.root_element();
        let attribute = |name| root.attribute(name).unwrap();
        assert_eq!(
            ["name", "tests", "failures", "errors", "skipped"].map(attribute),
            ["policy-verify", "14", "2", "2", "2"]
        );
        for (tag, number) in [("testcase", 14), ("failure", 2), ("error", 2), ("skipped", 2), ("testsuite", 3)] {
            assert_eq!(named(&document, tag).len(), number, "{tag}");
        }
    }

    #[test]
    fn what_was_not_run_is_an_error() {
        let mut run = testing::sample();
        run.cases.retain(|case| case.outcome == Outcome::Passed);
        run.cases[1].outcome = Outcome::NotRun("the run was interrupted".into());
        let text = testing::written(&Junit, &run);
        let document = Document::parse(&text).unwrap();
        let root = document.root_element();
        assert_eq!(
            ["tests", "failures", "errors", "skipped"].map(|name| root.attribute(name)),
            [Some("8"), Some("0"), Some("1"), Some("0")]
        );
        let errors = named(&document, "error");
        assert_eq!(errors[0].attribute("type"), Some("not-run"));
        assert_eq!(errors[0].attribute("message"), Some("not run: the run was interrupted"));
        assert!(errors[0].text().unwrap().contains("verify explain PV021"), "{text}");
    }

    #[test]
    fn every_case_has_what_the_readers_need() {
        let text = testing::written(&Junit, &testing::sample());
        let document = Document::parse(&text).unwrap();
        for case in named(&document, "testcase") {
            for name in ["classname", "name", "file", "line", "time"] {
                assert!(case.has_attribute(name), "{name} is missing in {case:?}");
            }
            assert_eq!(case.attribute("classname").unwrap().matches('.').count(), 1);
            assert_eq!(case.attribute("time").unwrap().split_once('.').unwrap().1.len(), 6);
        }
        let classes: HashSet<_> =
            named(&document, "testcase").iter().map(|case| case.attribute("classname").unwrap().to_owned()).collect();
        assert!(classes.contains("ingress/suite_yml.unique-ingress"), "{classes:?}");
    }

    #[test]
    fn hostile_text_is_still_xml_and_every_name_is_unique() {
        let mut run = testing::hostile();
        let mut duplicates = run.cases.clone();
        run.cases.append(&mut duplicates);
        let text = testing::written(&Junit, &run);
        let document = Document::parse(&text).unwrap();
        let cases = named(&document, "testcase");
        assert_eq!(cases.len(), run.cases.len());
        let names: HashSet<_> =
            cases.iter().map(|case| (case.attribute("classname"), case.attribute("name"))).collect();
        assert_eq!(names.len(), cases.len());
        assert!(named(&document, "error").iter().any(|error| error.attribute("type") == Some("mock")));
        assert!(named(&document, "failure").iter().any(|failure| failure.attribute("type") == Some("xpass")));
        for line in text.lines() {
            assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "a command: {line}");
        }
        for node in named(&document, "failure") {
            assert!(!node.attribute("message").unwrap().contains('\n'));
        }
    }

    #[test]
    fn long_messages_are_cut() {
        let text = testing::written(&Junit, &testing::failures(3, 1_000_000));
        Document::parse(&text).unwrap();
        assert!(text.len() < 600_000, "{}", text.len());
    }
}
