//! Formats that tell which code of policies a run executed. Each is one file and one line in `FORMATS`.

mod cobertura;
pub(crate) mod document;
mod html;
mod lcov;
pub(crate) mod merge;
mod shown;
#[cfg(test)]
pub(crate) mod testing;
mod text;

use policy_verify_model::coverage::Coverage;
use policy_verify_model::outcome::RunReport;

pub(crate) use self::shown::{files, range};
use crate::format::Format;
use crate::style::Style;

type Maker = fn(&Style) -> Box<dyn Format>;

/// Every format by its name in `--coverage`.
const FORMATS: &[(&str, Maker)] = &[
    ("text", |style| Box::new(text::Text::new(*style))),
    ("lcov", |_| Box::new(lcov::Lcov)),
    ("cobertura", |_| Box::new(cobertura::Cobertura)),
    ("html", |_| Box::new(html::Html)),
];

/// The format called `name`; `None` for an unknown name.
pub fn by_name(name: &str, style: &Style) -> Option<Box<dyn Format>> {
    FORMATS.iter().find(|(known, _)| *known == name).map(|(_, make)| make(style))
}

/// The names of all formats.
pub fn names() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|(name, _)| *name)
}

/// The policies that formats of lines cannot tell of, and why: none of their lines are known, or they were not measured.
pub fn without_lines(run: &RunReport) -> Vec<(String, String)> {
    let reason = |result: &Result<Coverage, String>| match result {
        Ok(coverage) if coverage.has_lines() => None,
        Ok(coverage) => Some(coverage.advice.clone().unwrap_or_default()),
        Err(reason) => Some(reason.clone()),
    };
    run.coverage.iter().filter_map(|policy| Some((policy.name(), reason(&policy.result)?))).collect()
}

#[cfg(test)]
mod tests {
    use policy_verify_model::coverage::Share;

    use super::shown::percent;
    use super::*;
    use crate::testing as reports;

    #[test]
    fn every_format_survives_hostile_text_and_an_empty_run() {
        let mut empty = reports::sample();
        empty.coverage.clear();
        for name in names() {
            let format = by_name(name, &Style::default()).unwrap();
            reports::written(&*format, &empty);
            let text = reports::written(&*format, &testing::hostile());
            assert!(!text.contains('\u{1b}') && !text.contains("##["), "{name}\n{text}");
            let is_command = |line: &&str| line.trim_start().starts_with("::");
            assert_eq!(text.lines().find(is_command), None, "{name}");
            assert!(!["html", "cobertura"].contains(&name) || !text.contains("<script>alert"), "{name}");
        }
        assert!(by_name("sarif", &Style::default()).is_none());
    }

    #[test]
    fn a_file_of_two_policies_is_one() {
        let mut run = testing::measured();
        let again = run.coverage[0].clone();
        run.coverage.push(again);
        let files = files(&run);
        assert_eq!(files.len(), 1);
        let file = files.values().next().unwrap();
        assert_eq!(file.lines[&1], 6);
        assert_eq!(file.functions.iter().map(|it| it.hits).collect::<Vec<_>>(), [6, 0]);
    }

    #[test]
    fn percentages_are_rounded_down() {
        for (covered, total, text) in [(0, 0, "–"), (1, 3, "33.3%"), (9_999, 10_000, "99.9%"), (2, 2, "100.0%")] {
            assert_eq!(percent(Share { covered, total }), text);
        }
    }
}
