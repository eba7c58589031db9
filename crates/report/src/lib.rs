//! Step 6: a finished run becomes bytes. One file per format; formats only read the [`RunReport`].
//!
//! A new format is one file and one line in `FORMATS`. Where the bytes go (stdout, stderr, a file) is the caller's
//! decision, and so is everything about the terminal: a format is told its [`Style`] and asks nobody.

pub mod diagnostic;
mod diff;
mod document;
pub mod escape;
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
pub mod publication;
mod quote;
mod read;
mod sarif;
mod tap;
#[cfg(test)]
mod testing;
mod wording;

pub use self::wording::size;

use std::io;
use std::str::FromStr;

use policy_verify_model::outcome::RunReport;

pub use self::read::read;

/// One way to write down a finished run.
pub trait Format: Sync {
    /// Writes `run` to `out`.
    fn write(&self, run: &RunReport, out: &mut dyn io::Write) -> io::Result<()>;
}

type Maker = fn(&Style) -> Box<dyn Format>;

/// Every format by the name that `--report` takes.
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

/// The format called `name`; none when there is no such format.
pub fn by_name(name: &str, style: &Style) -> Option<Box<dyn Format>> {
    FORMATS.iter().find(|(known, _)| *known == name).map(|(_, make)| make(style))
}

/// The names that [`by_name`] knows, for messages and completions.
pub fn names() -> impl Iterator<Item = &'static str> {
    FORMATS.iter().map(|(name, _)| *name)
}

/// How a report for people is to look. Decided once, by whoever knows the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours may be written.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// Which cases get a line of their own.
    pub status: StatusLevel,
    /// `-v` counts up, `-q` counts down.
    pub verbosity: i8,
    /// Whether suites in which all is well are folded away, by GitHub's commands.
    pub folds: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self { colour: false, width: 100, status: StatusLevel::Fail, verbosity: 0, folds: false }
    }
}

/// Which cases get a line of their own; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub enum StatusLevel {
    /// None; only policies and counts.
    None,
    /// Those that make the run fail.
    #[default]
    Fail,
    /// Those that were not run, and those that failed as announced.
    Skip,
    /// Those that took [`human::SLOW`] or longer.
    Slow,
    /// Those that passed.
    Pass,
    /// Every case there is.
    All,
}

impl FromStr for StatusLevel {
    type Err = String;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "none" => Self::None,
            "fail" => Self::Fail,
            "skip" => Self::Skip,
            "slow" => Self::Slow,
            "pass" => Self::Pass,
            "all" => Self::All,
            _ => return Err(format!("unknown status level `{word}`: none, fail, skip, slow, pass or all")),
        })
    }
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

    #[test]
    fn status_levels_are_ordered_from_silent_to_talkative() {
        let words = ["none", "fail", "skip", "slow", "pass", "all"];
        let levels: Vec<StatusLevel> = words.iter().map(|word| word.parse().unwrap()).collect();
        assert!(levels.is_sorted());
        assert!("loud".parse::<StatusLevel>().is_err());
    }
}
