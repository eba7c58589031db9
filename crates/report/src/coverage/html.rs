//! Coverage as a web page: the shares of each policy, and its sources with the executed lines marked.
//!
//! Like the report about cases, the page is a single file that loads nothing, has no script, and shows sources only from
//! the repository. All text is untrusted, and escaped.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use policy_verify_model::coverage::{Coverage, FileCoverage, FunctionCoverage, PolicyCoverage, Share};
use policy_verify_model::outcome::RunReport;

use super::shown::{files, percent, range};
use crate::escape;
use crate::format::Format;

const STYLE: &str = include_str!("page.css");

/// Bytes of sources: beyond, files have the numbers of their lines only. Browsers need a second for some ten times as much.
const SOURCES: usize = 8 << 20;

/// Most functions without lines that are listed of a policy.
const MOST_FUNCTIONS: usize = 2_000;

/// The page.
pub(super) struct Html;

impl Format for Html {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        let files = files(run);
        let shares = run.coverage.iter().filter_map(PolicyCoverage::own);
        let all = shares.fold(Share::default(), |sum, share| sum + share);
        let title = format!("Code coverage: {}", percent(all));
        let mut page = format!(
            "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'sha256-{}'\">\n\
             <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<header>\n<h1>{title}</h1>\n\
             <p class=\"facts\">{} · verify {}</p>\n</header>\n<main>\n",
            BASE64_STANDARD.encode(Sha256::digest(STYLE)),
            run.started_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
            env!("CARGO_PKG_VERSION"),
        );
        let anchors: BTreeMap<&str, usize> = files.keys().copied().zip(0..).collect();
        run.coverage.iter().for_each(|policy| section(policy, &anchors, &mut page));
        let mut room = SOURCES;
        for (index, file) in files.values().enumerate() {
            source(index, file, &mut room, &mut page);
        }
        page.push_str("</main>\n</body>\n</html>\n");
        out.write_all(page.as_bytes())
    }
}

/// A policy: its shares, its files, and functions without a file.
fn section(policy: &PolicyCoverage, anchors: &BTreeMap<&str, usize>, page: &mut String) {
    let name = escape::html_line(&policy.name());
    let coverage = match &policy.result {
        Ok(coverage) => coverage,
        // Writing to a String cannot fail.
        Err(reason) => {
            let reason = escape::html_line(reason);
            let _ =
                writeln!(page, "<section>\n<h2>{name}</h2>\n<p class=\"odd\">not measured: {reason}</p>\n</section>");
            return;
        }
    };
    let _ = writeln!(page, "<section>\n<h2>{name}</h2>\n<table>");
    page.push_str("<tr><th></th><th>lines</th><th></th><th>functions</th><th></th></tr>\n");
    for file in &coverage.files {
        let functions = Share::of(file.functions.iter().map(|function| function.hits));
        let path = escape::html_line(&file.path);
        let index = anchors.get(file.path.as_str()).copied().unwrap_or(0);
        row(&format!("<a href=\"#f{index}\">{path}</a>"), file.share(), functions, page);
    }
    if coverage.files.len() != 1 {
        row("all of its own code", coverage.lines(), coverage.functions(), page);
    }
    if coverage.others.total > 0 {
        row("SDK, libraries, language", Share::default(), coverage.others, page);
    }
    page.push_str("</table>\n");
    if let Some(advice) = &coverage.advice {
        let _ = writeln!(page, "<p class=\"facts\">{}</p>", escape::html_line(advice));
    }
    functions(coverage, page);
    page.push_str("</section>\n");
}

fn row(name: &str, lines: Share, functions: Share, page: &mut String) {
    let _ = write!(page, "<tr><td>{name}</td>");
    for share in [lines, functions] {
        let tenths = share.per_mille().unwrap_or(0);
        let bar = format!(
            "<svg viewBox=\"0 0 1000 10\" preserveAspectRatio=\"none\"><rect width=\"{tenths}\" height=\"10\"/></svg>"
        );
        match share.total {
            0 => page.push_str("<td class=\"dim\">–</td><td></td>"),
            total => {
                let _ = write!(
                    page,
                    "<td>{bar} {}</td><td class=\"dim\">{} of {total}</td>",
                    percent(share),
                    share.covered
                );
            }
        }
    }
    page.push_str("</tr>\n");
}

/// Functions in no known file: those that were not called first.
fn functions(coverage: &Coverage, page: &mut String) {
    if coverage.functions.is_empty() {
        return;
    }
    let mut functions: Vec<&FunctionCoverage> = coverage.functions.iter().collect();
    functions.sort_by_key(|function| function.hits > 0);
    page.push_str("<ul class=\"functions\">\n");
    for FunctionCoverage { name, hits, .. } in functions.iter().take(MOST_FUNCTIONS) {
        let class = if *hits > 0 { "hit" } else { "miss" };
        let _ =
            writeln!(page, "<li class=\"{class}\"><code>{}</code> <span>{hits}×</span></li>", escape::html_line(name));
    }
    page.push_str("</ul>\n");
}

/// A file: its source where it is in the repository, otherwise the lines that were not executed.
fn source(index: usize, file: &FileCoverage, room: &mut usize, page: &mut String) {
    let path = escape::html_line(&file.path);
    let share = file.share();
    let _ = writeln!(
        page,
        "<section class=\"file\" id=\"f{index}\">\n<h3>{path} <span class=\"dim\">{} ({} of {} lines)</span></h3>",
        percent(share),
        share.covered,
        share.total
    );
    let text = file.source.as_deref().filter(|text| text.len() <= *room);
    let Some(text) = text else {
        let gaps: Vec<String> = file.gaps().into_iter().map(range).collect();
        let reason = match file.source {
            Some(_) => "the page would be too large with its source",
            None => "its source is not in the repository",
        };
        let missing =
            if gaps.is_empty() { String::new() } else { format!("; lines not executed: {}", gaps.join(", ")) };
        let _ = writeln!(page, "<p class=\"facts\">{reason}{missing}</p>\n</section>");
        return;
    };
    *room -= text.len();
    page.push_str("<pre>");
    for (line, number) in text.lines().zip(1_u32..) {
        let (class, hits) = match file.lines.get(&number) {
            None => ("", String::new()),
            Some(0) => ("miss", "0".to_owned()),
            Some(hits) => ("hit", hits.to_string()),
        };
        let code = escape::html(line);
        let _ = write!(page, "<span class=\"{class}\"><i>{number:>5}</i><b>{hits:>8}</b>  {code}</span>");
    }
    page.push_str("</pre>\n</section>\n");
}

#[cfg(test)]
mod tests {
    use super::super::testing::{hostile, measured};
    use super::*;
    use crate::testing::written;

    #[test]
    fn sources_are_shown_with_their_hits() {
        let page = written(&Html, &measured());
        for part in [
            "<title>Code coverage: 66.6%</title>",
            "<a href=\"#f0\">policies/labels/src/lib.rs</a>",
            "<span class=\"miss\"><i>    3</i><b>       0</b>          return &lt;b&gt;;</span>",
            "<span class=\"hit\"><i>    6</i><b>       2</b>      c</span>",
            "<span class=\"\"><i>    7</i><b>        </b>  }</span>",
            "<p class=\"odd\">not measured: it has no debug information</p>",
            "<li class=\"miss\"><code>g0.data.policy.deny</code> <span>0×</span></li>",
        ] {
            assert!(page.contains(part), "{part}\n{page}");
        }
    }

    #[test]
    fn a_file_outside_of_the_repository_has_no_source() {
        let mut run = measured();
        run.coverage[0].result.as_mut().unwrap().files[0].source = None;
        let page = written(&Html, &run);
        assert!(page.contains("its source is not in the repository; lines not executed: 3"), "{page}");
    }

    #[test]
    fn hostile_text_makes_no_markup() {
        let page = written(&Html, &hostile());
        let tags = page.matches('<').count() - page.matches("<!doctype").count();
        assert_eq!(page.matches("<script").count(), 0);
        assert!(tags > 0 && !page.contains("onerror"));
    }
}
