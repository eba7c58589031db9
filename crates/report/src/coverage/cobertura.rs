//! Coverage as Cobertura's XML, which GitLab, Jenkins and Azure Pipelines read: a package for each policy, a class for each
//! file. Format: coverage-04.dtd.

use std::fmt::Write as _;
use std::io;

use policy_verify_model::coverage::{Coverage, FileCoverage, FunctionCoverage, Share};
use policy_verify_model::outcome::RunReport;

use super::shown::named_once;
use crate::escape;
use crate::format::Format;

/// Cobertura's XML.
pub(super) struct Cobertura;

impl Format for Cobertura {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        let measured: Vec<(String, &Coverage)> =
            run.coverage.iter().filter_map(|policy| Some((policy.name(), policy.result.as_ref().ok()?))).collect();
        let all =
            measured.iter().map(|(_, coverage)| coverage.lines()).fold(Share::default(), |sum, share| sum + share);
        let mut text = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
             <!DOCTYPE coverage SYSTEM \"http://cobertura.sourceforge.net/xml/coverage-04.dtd\">\n\
             <coverage {} lines-covered=\"{}\" lines-valid=\"{}\" branches-covered=\"0\" branches-valid=\"0\" \
             version=\"verify {}\" timestamp=\"{}\">\n<sources>\n<source>.</source>\n</sources>\n<packages>\n",
            rates(all),
            all.covered,
            all.total,
            env!("CARGO_PKG_VERSION"),
            run.started_at.as_millisecond(),
        );
        for (name, coverage) in measured.iter().filter(|(_, coverage)| coverage.has_lines()) {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "<package name=\"{}\" {}>\n<classes>", xml(name), rates(coverage.lines()));
            coverage.files.iter().filter(|file| !file.lines.is_empty()).for_each(|file| class(file, &mut text));
            text.push_str("</classes>\n</package>\n");
        }
        text.push_str("</packages>\n</coverage>\n");
        out.write_all(text.as_bytes())
    }
}

fn class(file: &FileCoverage, text: &mut String) {
    let path = xml(&file.path);
    let _ = writeln!(text, "<class name=\"{path}\" filename=\"{path}\" {}>\n<methods>", rates(file.share()));
    for (name, FunctionCoverage { line, hits, .. }) in named_once(file) {
        let rates = rates(Share::of([*hits]));
        let _ = write!(text, "<method name=\"{}\" signature=\"\" {rates}><lines>", xml(&name));
        let _ = writeln!(text, "<line number=\"{}\" hits=\"{hits}\"/></lines></method>", line.unwrap_or(1));
    }
    text.push_str("</methods>\n<lines>\n");
    for (number, hits) in &file.lines {
        let _ = writeln!(text, "<line number=\"{number}\" hits=\"{hits}\"/>");
    }
    text.push_str("</lines>\n</class>\n");
}

/// The attributes about shares. Branches are not told apart in lines, and complexity is not measured.
fn rates(share: Share) -> String {
    let tenths = share.per_mille().unwrap_or(1000);
    format!("line-rate=\"{}.{:03}\" branch-rate=\"0\" complexity=\"0\"", tenths / 1000, tenths % 1000)
}

/// Text of an attribute.
fn xml(text: &str) -> String {
    escape::html_line(&escape::xml(text))
}

#[cfg(test)]
mod tests {
    use roxmltree::{Document, ParsingOptions};

    use super::super::testing::{hostile, measured};
    use super::*;
    use crate::testing::written;

    fn parsed(text: &str) -> Document<'_> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        Document::parse_with_options(text, options).unwrap()
    }

    /// What GitLab's parser (`lib/gitlab/ci/parsers/coverage/cobertura.rb`) reads.
    #[test]
    fn lines_are_found_where_gitlab_looks_for_them() {
        let text = written(&Cobertura, &measured());
        let document = parsed(&text);
        let root = document.root_element();
        assert_eq!(root.attribute("line-rate"), Some("0.750"));
        let class = document.descendants().find(|node| node.has_tag_name("class")).unwrap();
        assert_eq!(class.attribute("filename"), Some("policies/labels/src/lib.rs"));
        let lines = class.children().find(|node| node.has_tag_name("lines")).unwrap();
        let lines: Vec<_> =
            lines.children().filter_map(|it| Some((it.attribute("number")?, it.attribute("hits")?))).collect();
        assert_eq!(lines, [("1", "3"), ("2", "3"), ("3", "0"), ("6", "2")]);
        let methods = document.descendants().filter(|node| node.has_tag_name("method"));
        assert_eq!(
            methods.map(|it| it.attribute("name").unwrap()).collect::<Vec<_>>(),
            ["labels::validate", "labels::c"]
        );
        assert_eq!(document.descendants().filter(|node| node.has_tag_name("package")).count(), 1);
    }

    #[test]
    fn hostile_text_is_still_xml() {
        parsed(&written(&Cobertura, &hostile()));
    }
}
