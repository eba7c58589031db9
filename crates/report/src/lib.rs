//! Step 6: a finished run becomes bytes. One file per format; formats only read the [`RunReport`].
//!
//! A new format is one file and one line in `FORMATS`. Where the bytes go (stdout, stderr, a file) is the caller's
//! decision, and so is everything about the terminal: a format is told its [`Style`] and asks nobody.

pub mod diagnostic;
mod diff;
mod document;
pub mod escape;
mod format;
pub mod github;
mod groups;
mod html;
pub mod human;
pub mod inspection;
mod json;
mod junit;
mod layout;
pub mod markdown;
pub mod merge;
pub mod ndjson;
mod page;
mod phrases;
pub mod publication;
mod quote;
mod read;
mod read_error;
mod sarif;
mod style;
mod tap;
#[cfg(test)]
mod testing;

pub use self::phrases::size;

pub use self::format::Format;
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
];

/// The format called `name`; `None` for an unknown name.
pub fn by_name(name: &str, style: &Style) -> Option<Box<dyn Format>> {
    FORMATS.iter().find(|(known, _)| *known == name).map(|(_, make)| make(style))
}

/// The names that [`by_name`] knows, for messages and completions.
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
