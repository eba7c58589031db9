//! The report as a web page: failures first, a chart of every policy, the list of all cases.
//!
//! The page is a single file that loads nothing and sends nothing. Untrusted text is escaped, and never part of a script
//! or a style; a content security policy allows our script and style by their digests. Without the script the page is
//! complete, except for the filter.

mod case;
mod policies;
mod rules;
mod settings;
mod sign;
mod tables;

use std::fmt::Write as _;
use std::io;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest as _, Sha256};

use policy_verify_model::outcome::{RunReport, Summary};
use policy_verify_model::source::Span;

use crate::format::Format;
use crate::groups::{self, Group};
use crate::{escape, phrases, publication};

pub(crate) const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

/// Failed cases that are unfolded to begin with; more would hide the charts below them.
const UNFOLDED: usize = 10;

/// The colours of the two sides of a difference.
const LEGEND: &str = "<p class=\"colours facts\"><del>expected</del> <ins>actual</ins></p>\n";

/// Bytes of details: beyond, failed cases are named only. Browsers need a second for some ten times as much.
const DETAILS: usize = 4 * 1024 * 1024;

/// The page.
pub(super) struct Html;

impl Format for Html {
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()> {
        let groups = groups::of(run);
        let mut page = head(run, &groups);
        page.push_str("<main>\n");
        page.push_str(&errors(run));
        page.push_str(&failures(run));
        page.push_str(&published(run));
        page.push_str(&policies::section(run, &groups));
        page.push_str(&rules::section(run));
        page.push_str(&settings::section(run));
        page.push_str(&everything(run, &groups));
        page.push_str("</main>\n");
        page.push_str(&foot(run));
        out.write_all(page.as_bytes())
    }
}

fn head(run: &RunReport, groups: &[Group<'_>]) -> String {
    let summary = run.summary();
    let (class, sign) = match &summary {
        _ if !run.errors.is_empty() => ("is-bad", "✗"),
        Summary { failed: 1.., .. } | Summary { errors: 1.., .. } | Summary { not_run: 1.., .. } => ("is-bad", "✗"),
        Summary { passed: 0, .. } => ("is-odd", "–"),
        _ => ("is-good", "✓"),
    };
    let counts = if run.errors.is_empty() { phrases::counts(&summary) } else { phrases::bottom_line(run) };
    let title = format!("{sign} {counts}");
    let remarks = phrases::remarks(&summary);
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src '{}'; script-src '{}'\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n</head>\n<body class=\"{class}\">\n<header>\n<h1>{title}</h1>\n\
         <p class=\"facts\">{} · {}{remarks} · verify {}{}</p>\n{}{}{}</header>\n",
        pin(STYLE),
        pin(SCRIPT),
        run.started_at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        phrases::duration(run.duration),
        env!("CARGO_PKG_VERSION"),
        phrases::kubewarden(run).map(|releases| format!(" · {releases}")).unwrap_or_default(),
        warnings(run),
        sections(&summary, groups),
        tools(&summary),
    )
}

/// The warnings about suites.
fn warnings(run: &RunReport) -> String {
    let mut text = String::new();
    for warning in &run.warnings {
        let place = warning.span.as_ref().map(Span::file_and_line).unwrap_or_default();
        let (place, message) = (escape::html_line(&place), escape::html_line(&warning.message));
        let _ = writeln!(text, "<p class=\"facts\">warning: <code>{place}</code> {message}</p>");
    }
    text
}

/// The digest by which a content security policy knows a script or a style.
pub(crate) fn pin(text: &str) -> String {
    format!("sha256-{}", BASE64_STANDARD.encode(Sha256::digest(text)))
}

/// The parts of a page that has several.
fn sections(summary: &Summary, groups: &[Group<'_>]) -> String {
    if groups.is_empty() || summary.failed + summary.errors == 0 {
        return String::new();
    }
    "<nav><a href=\"#failures\">Failures</a><a href=\"#policies\">Policies</a><a href=\"#cases\">All cases</a></nav>\n"
        .to_owned()
}

/// Hidden until the script shows it.
fn tools(summary: &Summary) -> String {
    let mut buttons = String::new();
    let bad = summary.failed + summary.errors;
    // One button for both, so it must not count errors as failures.
    let failed = if summary.errors == 0 { "failed" } else { "failures and errors" };
    let skipped = summary.skipped + summary.xfailed + summary.not_run;
    for (outcome, number, label) in
        [("failed", bad, failed), ("passed", summary.passed, "passed"), ("skipped", skipped, "skipped")]
    {
        if number > 0 {
            // Writing to a String cannot fail.
            let _ = writeln!(buttons, "<button value=\"{outcome}\" aria-pressed=\"false\">{number} {label}</button>");
        }
    }
    format!(
        "<div id=\"tools\" hidden>\n<input id=\"filter\" type=\"search\" placeholder=\"Filter by name, policy, message\" \
         aria-label=\"Filter\">\n{buttons}<span id=\"shown\" aria-live=\"polite\"></span>\n</div>\n"
    )
}

/// What kept the run from starting.
fn errors(run: &RunReport) -> String {
    let mut text = String::new();
    for error in &run.errors {
        let place = error.span.as_ref().map(Span::file_and_line).unwrap_or_default();
        let help = error.help.as_deref().map(escape::html_line).unwrap_or_default();
        let (place, message) = (escape::html_line(&place), escape::html_line(&error.message));
        let _ = writeln!(
            text,
            "<li><b class=\"bad\">✗</b><span class=\"name\">{message} <code>{place}</code> <span class=\"dim\">{help}</span></span></li>"
        );
    }
    if text.is_empty() {
        text
    } else {
        format!("<section id=\"errors\">\n<h2>Errors</h2>\n<ol>\n{text}</ol>\n</section>\n")
    }
}

/// The cases that make the run fail, with everything known about them as long as there is room.
fn failures(run: &RunReport) -> String {
    let bad = run.cases.iter().enumerate().filter(|(_, case)| case.outcome.is_bad());
    let mut text = String::new();
    let mut without_details = 0;
    for (rank, (number, case)) in bad.enumerate() {
        if text.len() < DETAILS {
            text.push_str(&case::article(run, case, number, rank < UNFOLDED));
        } else {
            without_details += 1;
        }
    }
    if text.is_empty() {
        return text;
    }
    if without_details > 0 {
        let left = phrases::count(without_details, "more case");
        let _ = writeln!(
            text,
            "<p class=\"dim\">{left} failed; the list below has their names, the JSON report their details.</p>"
        );
    }
    format!("<section id=\"failures\" data-block>\n<h2>Failures</h2>\n{LEGEND}{text}</section>\n")
}

/// The results of publishing.
fn published(run: &RunReport) -> String {
    if run.publications.is_empty() {
        return String::new();
    }
    let heading = publication::heading(&run.publications);
    let mut text = format!("<section id=\"published\">\n<h2>{heading}</h2>\n<ol>\n");
    for it in &run.publications {
        let sign = if it.is_done() { "<b class=\"good\">✓</b>" } else { "<b class=\"bad\">✗</b>" };
        let (what, became) = publication::in_short(it);
        let _ = writeln!(
            text,
            "<li>{sign}<span class=\"name\">{} <code>{}</code> <span class=\"dim\">{}</span></span></li>",
            escape::html_line(&it.policy),
            escape::html_line(&what),
            escape::html_line(&became),
        );
    }
    text.push_str("</ol>\n</section>\n");
    text
}

/// Every case, by suite and policy.
fn everything(run: &RunReport, groups: &[Group<'_>]) -> String {
    if groups.is_empty() {
        return String::new();
    }
    let mut text = String::from("<section id=\"cases\">\n<h2>All cases</h2>\n");
    for group in groups {
        let summary = group.summary();
        let suite = run.suites.get(group.suite).map_or("", |suite| &suite.path);
        let _ = writeln!(
            text,
            "<details open data-block>\n<summary><h3>{}</h3> {} · {}</summary>",
            escape::html_line(group.name),
            escape::html_line(suite),
            phrases::counts(&summary)
        );
        for remark in group.policy.iter().flat_map(|policy| &policy.remarks) {
            let _ = writeln!(text, "<p class=\"dim\">{}</p>", escape::html_line(remark));
        }
        text.push_str("<ol>\n");
        for (case, number) in group.cases.iter().zip(&group.numbers) {
            text.push_str(&case::line(case, *number));
        }
        text.push_str("</ol>\n</details>\n");
    }
    text.push_str("</section>\n");
    text
}

fn foot(run: &RunReport) -> String {
    let digests = run.policies.iter().filter_map(|policy| Some((policy, policy.digest?)));
    let lines = digests.map(|(policy, digest)| {
        // A relative path behind `file://` would look like a host.
        let uri = policy.uri.strip_prefix("file://").unwrap_or(&policy.uri);
        format!("{} <code>{digest}</code> {}", escape::html_line(&policy.name), escape::html_line(uri))
    });
    format!(
        "<footer>\n{}</footer>\n<script>{SCRIPT}</script>\n</body>\n</html>\n",
        lines.map(|line| format!("<div>{line}</div>\n")).collect::<String>()
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use policy_verify_model::outcome::Outcome;

    fn page(run: &RunReport) -> String {
        testing::written(&Html, run)
    }

    /// The page without its style and its script, which are ours.
    fn body(page: &str) -> String {
        page.replace(STYLE, "").replace(SCRIPT, "")
    }

    /// Whether every element that is opened is closed again, in order. Attributes and text are escaped, so that `<` is
    /// nothing but the beginning of a tag.
    fn is_well_formed(page: &str) -> bool {
        let mut open = Vec::new();
        for tag in body(page).split('<').skip(1) {
            let (tag, _) = tag.split_once('>').unwrap();
            let name = tag.split_whitespace().next().unwrap();
            match name.strip_prefix('/') {
                Some(closed) if open.pop() != Some(closed.to_owned()) => return false,
                Some(_) => {}
                None if tag.ends_with('/') || ["!doctype", "meta", "input"].contains(&name) => {}
                None => open.push(name.to_owned()),
            }
        }
        open.is_empty()
    }

    #[test]
    fn a_page_with_differences_has_a_legend_of_their_colours() {
        let page = testing::written(&Html, &testing::sample());
        assert!(page.contains("<del>expected</del> <ins>actual</ins>"));
        let colours =
            |tag: &str| STYLE.lines().find(|line| line.contains(&format!(".colours {tag} {{ background"))).unwrap();
        let colour = |tag: &str| {
            let behind = colours(tag).split(&format!(".colours {tag} {{ background: var(")).nth(1).unwrap();
            behind.split(')').next().unwrap().to_owned()
        };
        assert_eq!((colour("del").as_str(), colour("ins").as_str()), ("--good-soft", "--bad-soft"));
        let mut good = testing::sample();
        good.cases.retain(|case| !case.outcome.is_bad());
        assert!(!testing::written(&Html, &good).contains("<del>expected</del>"));
        // The squares that explain the colours of the policies are of a fixed size.
        assert!(!LEGEND.contains("class=\"legend"), "{LEGEND}");
    }

    #[test]
    fn every_case_is_listed_and_failures_come_first_with_their_differences() {
        let run = testing::sample();
        let page = page(&run);
        assert!(is_well_formed(&page));
        assert_eq!(page.matches("<li ").count(), run.cases.len());
        assert_eq!(page.matches("<article ").count(), run.cases.iter().filter(|case| case.outcome.is_bad()).count());
        let order = ["id=\"failures\"", "id=\"policies\"", "id=\"cases\""].map(|part| page.find(part).unwrap());
        assert!(order.is_sorted());
        let difference = "The following mandatory labels are missing: <mark>cost-center, </mark>owner</ins>";
        assert!(page.contains(difference), "{page}");
        assert!(page.contains("PV011 message-mismatch") && page.contains("<rect class=\"compile\""));
    }

    #[test]
    fn counts_and_uris_are_on_the_page() {
        let mut run = testing::sample();
        run.policies[0].uri = "file://policies/safe-labels.wasm".into();
        let summary = run.summary();
        assert!(summary.failed > 0 && summary.errors > 0);
        let page = body(&page(&run));
        assert!(page.contains(&format!(">{} failures and errors</button>", summary.failed + summary.errors)));
        assert!(page.contains("</code> policies/safe-labels.wasm"), "no host called `policies`");
        run.cases.retain(|case| !matches!(case.outcome, Outcome::Error(_) | Outcome::Unavailable(_)));
        assert!(tools(&run.summary()).contains(" failed</button>"));
    }

    #[test]
    fn flags_to_copy_are_never_broken() {
        let page = page(&testing::sample());
        let name = escape::html("'rejects a pod without an owner'");
        let [filter, exact] = ["--filter", "--exact"].map(|flag| format!("<span class=\"flag\">{flag}</span>"));
        assert!(page.contains(&format!("{filter} {name} {exact}")));
        assert!(STYLE.contains(".flag { white-space: nowrap; }"));
    }

    #[test]
    fn every_square_leads_to_its_case() {
        let run = testing::sample();
        let page = page(&run);
        for number in 0..run.cases.len() {
            assert!(page.contains(&format!("href=\"#c{number}\"")), "{number}");
            assert_eq!(page.matches(&format!("id=\"c{number}\"")).count(), 1, "{number}");
        }
    }

    #[test]
    fn cases_that_policies_share_become_a_table() {
        let mut run = testing::sample();
        assert!(!page(&run).contains("class=\"matrix\""));
        let mut shared = run.cases[0].clone();
        (run.cases[0].name, shared.name) = ("renders [safe-labels, a]".into(), "renders [verify-images, a]".into());
        shared.policy = "verify-images".into();
        run.cases.push(shared);
        let page = page(&run);
        assert!(page.contains("<tr><th>renders [a]</th><td><a href=\"#c0\">"), "{page}");
        assert!(is_well_formed(&page));
    }

    #[test]
    fn hostile_text_is_text() {
        let page = page(&testing::hostile());
        assert!(is_well_formed(&page), "{page}");
        let body = body(&page);
        assert_eq!(body.matches("<script").count(), 1);
        assert!(body.contains("&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;"));
        for line in body.lines() {
            assert!(!line.trim_start().starts_with("::") && !line.contains("##["), "a command: {line}");
            assert!(!line.chars().any(char::is_control), "{line:?}");
        }
    }

    #[test]
    fn the_page_loads_nothing() {
        let page = page(&testing::sample());
        for word in ["http://", "https://", "src=", "url(", "@import", "<link"] {
            assert!(!page.contains(word), "{word}");
        }
        assert!(page.contains(&format!("script-src '{}'", pin(SCRIPT))));
        assert!(
            page.contains(&format!("<script>{SCRIPT}</script>")) && page.contains(&format!("<style>{STYLE}</style>"))
        );
    }

    #[test]
    fn pages_stay_bearable() {
        for run in [testing::failures(12, 1_000_000), testing::failures(10_000, 1_000)] {
            let page = page(&run);
            assert!(page.len() < 12_000_000, "{}", page.len());
            assert_eq!(page.matches("<li ").count(), run.cases.len());
            assert!(is_well_formed(&page));
        }
    }
}
