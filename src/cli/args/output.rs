//! The flags about reports: what is told about a run, and where.

use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{FalseyValueParser, PossibleValuesParser};
use clap::{Args, ValueEnum};
use policy_verify::model::diagnostic::Diagnostic;
use policy_verify::report::{self, StatusLevel, coverage};

use super::super::problem::usage;

/// What is reported about a run, and where.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub(crate) struct OutputArgs {
    /// Write a report; may be repeated. Without FILE, or with -, it goes to stdout
    #[arg(long = "report", value_name = "FORMAT[=FILE]", env = "VERIFY_REPORT", value_delimiter = ' ')]
    pub(crate) reports: Vec<ReportTarget>,

    /// Measure which code of the policies is executed, and report it: text, lcov, cobertura, html; may be repeated
    #[arg(long, value_name = "FORMAT[=FILE]", env = "VERIFY_COVERAGE", value_delimiter = ' ')]
    pub(crate) coverage: Vec<CoverageTarget>,

    /// Cases the human report shows: none, fail, skip, slow, pass, all
    #[arg(long, value_name = "LEVEL", default_value = "fail", env = "VERIFY_STATUS",
          value_parser = PossibleValuesParser::new(["none", "fail", "skip", "slow", "pass", "all"]))]
    pub(crate) status: String,

    /// Say less; twice: only the last line
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) quiet: u8,

    /// Say more: requests, responses, where policies come from
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,

    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", env = "VERIFY_COLOR")]
    pub(crate) color: ColorChoice,

    /// The same as --color never, as in kwctl
    #[arg(long, hide = true)]
    pub(crate) no_color: bool,

    /// On GitHub: annotate no lines, unless --report github asks for it
    #[arg(long, env = "VERIFY_NO_ANNOTATIONS", value_parser = FalseyValueParser::new())]
    pub(crate) no_annotations: bool,

    /// Exit with 0 although cases failed
    #[arg(long, env = "VERIFY_NO_FAIL", value_parser = FalseyValueParser::new())]
    pub(crate) no_fail: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

/// A format and where it goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ReportTarget {
    pub(crate) format: String,
    pub(crate) place: ReportPlace,
}

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ReportPlace {
    /// Where the format usually goes: stdout, of `github` stderr.
    Usual,
    /// `-`.
    Stdout,
    File(PathBuf),
}

/// A format of code coverage, and its file; none for stdout, which only text is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CoverageTarget {
    pub(crate) format: String,
    pub(crate) file: Option<PathBuf>,
}

/// The only format of code coverage for people at a terminal.
const TEXT: &str = "text";

impl FromStr for CoverageTarget {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Self, Diagnostic> {
        let (format, file) = match text.split_once('=') {
            Some((_, "")) => return Err(usage("missing file name after `=`")),
            Some((format, "-")) => (format, None),
            Some((format, file)) => (format, Some(PathBuf::from(file))),
            None => (text, None),
        };
        if !coverage::names().any(|name| name == format) {
            let known = coverage::names().collect::<Vec<_>>().join(", ");
            return Err(usage(format!("unknown format `{format}`: expected one of {known}")));
        }
        if file.is_none() && format != TEXT {
            return Err(usage(format!("`{format}` needs a file: {format}=FILE")));
        }
        Ok(Self { format: format.to_owned(), file })
    }
}

impl FromStr for ReportTarget {
    type Err = Diagnostic;

    fn from_str(text: &str) -> Result<Self, Diagnostic> {
        let (format, place) = match text.split_once('=') {
            Some((_, "")) => return Err(usage("missing file name after `=`")),
            Some((format, "-")) => (format, ReportPlace::Stdout),
            Some((format, file)) => (format, ReportPlace::File(PathBuf::from(file))),
            None => (text, ReportPlace::Usual),
        };
        if !report::names().any(|name| name == format) {
            let known = report::names().collect::<Vec<_>>().join(", ");
            return Err(usage(format!("unknown format `{format}`: expected one of {known}")));
        }
        Ok(Self { format: format.to_owned(), place })
    }
}

impl OutputArgs {
    /// `--no-color` is another word for `--color never`.
    pub(crate) fn color(&self) -> ColorChoice {
        if self.no_color { ColorChoice::Never } else { self.color }
    }

    pub(crate) fn status_level(&self) -> StatusLevel {
        self.status.parse().unwrap_or_default()
    }
}

/// How a command prints what it has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum OutputFormat {
    /// Text for people
    Human,
    /// One document
    Json,
}
