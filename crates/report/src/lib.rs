//! Reports about tests of Kubewarden policies: a finished run is written as text for people, JUnit, JSON, Markdown, HTML,
//! SARIF, TAP, a badge or annotations for GitHub, and a JSON report is read back. Reports of several machines are merged into one.
//!
//! Every format reads a complete [`RunReport`](policy_verify_model::outcome::RunReport) and writes bytes; it knows neither
//! files nor the terminal. Text of policies and suites is untrusted and is escaped for its destination.
//!
//! ```
//! use policy_verify_report::{Style, by_name, read};
//!
//! let json = r#"{
//!   "version": 1,
//!   "tool": { "name": "verify", "version": "VERSION" },
//!   "summary": { "total": 1, "passed": 1, "failed": 0, "errors": 0, "skipped": 0, "xfailed": 0, "weak": 0,
//!                "duration_ms": 2, "not_run": 0 },
//!   "policies": [],
//!   "cases": [{
//!     "id": "labels › accepts a pod", "name": "accepts a pod", "suite": "suite.yml", "policy": "labels",
//!     "kind": "case", "outcome": "passed", "file": "suite.yml", "line": 7, "column": 11, "length": 13,
//!     "duration_us": 143, "mismatches": [], "calls": [], "weak": false, "warnings": [],
//!     "log": { "lines": [], "stdout": "", "stderr": "", "is_truncated": false },
//!     "steps": [], "members": [], "position": 0
//!   }],
//!   "suites": [{ "name": "labels", "path": "suite.yml", "argument": "suite.yml" }],
//!   "started_at": "2026-10-01T12:00:00Z", "duration_us": 2000, "sources": {}
//! }"#;
//! let run = read(&json.replace("VERSION", env!("CARGO_PKG_VERSION")))?;
//!
//! let mut summary = Vec::new();
//! by_name("markdown", &Style::default()).expect("a known format").write(&run, &mut summary)?;
//! assert!(String::from_utf8(summary)?.starts_with("## ✅ 1 test: 1 passed · 2.0 ms"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | module | |
//! |---|---|
//! | [`human`], [`github`], [`markdown`], [`ndjson`] | formats with an interface of their own; the others are found [`by_name`] |
//! | [`diagnostic`] | mistakes of the user, with the lines they are about |
//! | [`inspection`] | one module and its metadata |
//! | [`costs`] | what cases cost |
//! | [`sabotage`] | what cases notice |
//! | [`behaviour`] | how two versions of a policy differ |
//! | [`rehearsal`] | what policies would do to the objects of a cluster |
//! | [`found`] | what searched requests show |
//! | [`coverage`] | which code of policies was executed |
//! | [`publication`] | the results of publishing |
//! | [`merge`] | the reports of shards become one run |
//! | [`located`] | the same report with other paths, for a terminal |
//! | [`escape`] | untrusted text, for terminals, JSON and shells |

mod badge;
pub mod behaviour;
mod changed_files;
pub mod changes;
pub mod costs;
pub mod coverage;
pub mod diagnostic;
mod diff;
mod document;
pub mod escape;
mod exercised;
pub mod explanation;
mod format;
pub mod found;
mod gates;
pub mod github;
mod groups;
mod html;
pub mod human;
pub mod inspection;
pub mod json;
mod junit;
mod layout;
pub mod located;
pub mod markdown;
pub mod merge;
pub mod ndjson;
mod page;
mod phrases;
mod place;
pub mod prose;
pub mod publication;
mod quote;
mod read;
mod read_error;
pub mod rehearsal;
pub mod sabotage;
mod sarif;
mod style;
mod tap;
#[cfg(test)]
mod testing;
mod verdicts;

pub use self::changed_files::ChangedFiles;
pub use self::format::Format;
pub use self::phrases::{count, size};
pub use self::read::read;
pub use self::read_error::ReadError;
pub use self::style::{StatusLevel, Style, UnknownStatusLevel};

type Maker = fn(&Style) -> Box<dyn Format>;

/// Every format by its name in `--report`.
const FORMATS: &[(&str, Maker)] = &[
    ("human", |style| Box::new(human::Human::new(*style))),
    ("junit", |_| Box::new(junit::Junit)),
    ("json", |_| Box::new(json::Json)),
    ("markdown", |_| Box::new(markdown::Markdown)),
    ("ndjson", |_| Box::new(ndjson::Ndjson)),
    ("github", |_| Box::new(github::Github::default())),
    ("html", |_| Box::new(html::Html)),
    ("sarif", |_| Box::new(sarif::Sarif)),
    ("tap", |_| Box::new(tap::Tap)),
    ("badge", |_| Box::new(badge::Badge)),
    ("verdicts", |style| Box::new(verdicts::Verdicts::new(*style))),
];

/// The format called `name`; `None` for an unknown name.
pub fn by_name(name: &str, style: &Style) -> Option<Box<dyn Format>> {
    FORMATS.iter().find(|(known, _)| *known == name).map(|(_, make)| make(style))
}

/// The names of all formats, for messages and completions.
pub fn names() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|(name, _)| *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format_is_found_by_its_name_and_writes_something() {
        let run = testing::sample();
        for name in names() {
            let format = by_name(name, &Style::default()).expect("a listed format exists");
            assert!(!testing::written(&*format, &run).is_empty(), "{name} wrote nothing");
        }
        assert!(by_name("sarif2", &Style::default()).is_none());
    }

    #[test]
    fn every_format_shows_why_nothing_was_run() {
        let run = testing::not_started();
        for name in names() {
            let format = by_name(name, &Style::default()).expect("a listed format exists");
            let text = testing::written(&*format, &run);
            if name == "badge" {
                assert!(text.contains("nothing was run"));
                continue;
            }
            // Markdown has entities in place of some characters.
            let plain = text.replace("&#95;", "_").replace("&#46;", ".");
            for part in ["expct", "no suite.yml in this folder", "did you mean", "tests/suite.yml", "script"] {
                assert!(plain.contains(part) || (part == "did you mean" && name == "sarif"), "{name}: {part}\n{text}");
            }
            assert!(!text.contains('\u{1b}') && !text.contains("##["), "{name}\n{text}");
            let is_command = |line: &&str| line.trim_start().starts_with("::error::");
            assert_eq!(text.lines().find(is_command), None, "{name}");
        }
        let written = |name: &str| testing::written(&*by_name(name, &Style::default()).expect("known"), &run);
        assert!(written("junit").contains(r#"tests="3" skipped="0" errors="3" failures="0""#), "{}", written("junit"));
        assert_eq!(written("tap").matches("\nnot ok ").count(), 3);
        assert!(written("tap").contains("\n1..3\n") && written("tap").contains("\nBail out! "));
        assert_eq!(written("github").matches("::error ").count(), 3);
        assert!(written("markdown").starts_with("## ❌ nothing was run: 3 errors"));
        assert!(written("html").contains("<title>✗ nothing was run: 3 errors</title>"));
        assert!(written("sarif").contains(r#""executionSuccessful": false"#));
    }

    #[test]
    fn every_format_survives_an_empty_run() {
        let mut run = testing::sample();
        run.cases.clear();
        run.policies.clear();
        run.suites.clear();
        for name in names() {
            let format = by_name(name, &Style::default()).expect("a listed format exists");
            testing::written(&*format, &run);
        }
    }
}
