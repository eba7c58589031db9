//! JUnit: whatever a text is, the report is XML with the same cases.

use std::sync::LazyLock;

use policy_verify_model::outcome::RunReport;
use policy_verify_report::escape;
use roxmltree::{Document, Node};

use super::run;

/// Characters of a name that is not shortened.
const SHORT: usize = 900;

/// What becomes of the cases of harmless runs.
static HARMLESS: LazyLock<[Vec<String>; 2]> =
    LazyLock::new(|| [run::hostile("x"), run::not_started("x")].map(|run| cases_of(&run)));

/// The report is XML of the same shape as that of harmless texts, and its names are those of the run.
pub fn junit(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    for (make, harmless) in [(run::hostile as fn(&str) -> RunReport, &HARMLESS[0]), (run::not_started, &HARMLESS[1])] {
        let report = run::written("junit", &make(&text));
        let document = Document::parse(&report).unwrap_or_else(|error| panic!("{error}: {report:?}"));
        assert_eq!(cases(&document), *harmless, "{report:?}");
        let known = ["error", "failure", "properties", "property", "skipped", "system-err", "system-out"];
        let known = [&known[..], &["testcase", "testsuite", "testsuites"]].concat();
        let mut elements = document.descendants().filter(Node::is_element);
        assert_eq!(elements.find(|it| !known.contains(&it.tag_name().name())), None, "{report:?}");
    }
    if text.chars().count() <= SHORT {
        let report = run::written("junit", &run::hostile(&text));
        let document = Document::parse(&report).expect("it was parsed above");
        let file = document.descendants().find_map(|it| it.attribute("file"));
        assert_eq!(file, Some(escape::terminal(&text).replace('\n', "␊").as_str()));
    }
}

/// What became of each case.
fn cases(document: &Document<'_>) -> Vec<String> {
    let outcome = |case: Node<'_, '_>| {
        let children = case.children().filter(Node::is_element).map(|it| it.tag_name().name().to_owned());
        children.filter(|name| !name.starts_with("system-")).collect::<Vec<_>>().join(" ")
    };
    document.descendants().filter(|it| it.has_tag_name("testcase")).map(outcome).collect()
}

fn cases_of(run: &RunReport) -> Vec<String> {
    let report = run::written("junit", run);
    cases(&Document::parse(&report).expect("harmless texts make XML"))
}
