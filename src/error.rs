//! Why nothing could be run. What goes wrong with a policy or a case is in the report instead.

use std::fmt;

use miette::Diagnostic;

use crate::load::Mistake;
use crate::model::code::Code;
use crate::model::outcome::Unavailable;
use crate::model::source::Span;
use crate::model::suite::Case;

/// Why nothing could be run.
#[derive(Debug)]
#[non_exhaustive]
pub enum Error {
    /// The suites hold mistakes; all of them.
    Suites(Vec<Mistake>),
    /// A policy named on the command line could not be had, or cannot be used: all problems that were found.
    Policy(Vec<Mistake>),
    /// What was typed makes no sense; with what to do about it, on lines of its own.
    Usage(String),
    /// The selection leaves nothing to run.
    NothingSelected {
        /// How many cases the suites have.
        total: usize,
        /// What to do about it, the likeliest cure first.
        advice: Vec<String>,
    },
    /// Sources, or the lock of a suite, cannot be used.
    Fetching(String),
    /// The engine could not be set up.
    Engine(String),
}

impl Error {
    /// What was typed makes no sense: what is wrong, and what to do about it.
    pub(crate) fn usage((message, help): (String, String)) -> Self {
        Self::Usage(format!("{message}\n  help: {help}"))
    }

    /// What makes a policy unusable that the command line names. `place` stands for the command line.
    pub(crate) fn policy(problems: Vec<Unavailable>, place: &Span) -> Self {
        let mistake = |it: Unavailable| {
            let mistake = Mistake::new(it.span.as_ref().unwrap_or(place), it.message);
            mistake.coded(it.stage.into()).with_help(it.help)
        };
        Self::Policy(problems.into_iter().map(mistake).collect())
    }

    /// `only:` where it is refused.
    pub(crate) fn only_in_ci(cases: &[&Case]) -> Self {
        let mistakes = cases.iter().map(|case| {
            Mistake::new(&case.span, "`only` would hide the other cases, and is refused in CI")
                .coded(Code::OnlyInCi)
                .with_help("take it out before you commit".to_owned())
        });
        Self::Suites(mistakes.collect())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Suites(mistakes) => match mistakes.len() {
                1 => write!(f, "the suite has a mistake; nothing was run"),
                several => write!(f, "the suite has {several} mistakes; nothing was run"),
            },
            Self::Policy(problems) => match problems.as_slice() {
                [first, ..] => write!(f, "{first}"),
                [] => write!(f, "the policy cannot be used"),
            },
            Self::Usage(text) => f.write_str(text),
            Self::NothingSelected { total: 0, .. } => write!(f, "the suites hold no case"),
            Self::NothingSelected { total, .. } => write!(f, "none of the {total} cases is selected"),
            Self::Fetching(text) => write!(f, "{text}"),
            Self::Engine(text) => write!(f, "the Wasm engine could not be set up: {text}"),
        }
    }
}

impl std::error::Error for Error {}

impl Diagnostic for Error {
    fn code<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self {
            Self::Suites(_) | Self::Policy(_) | Self::Usage(_) => None,
            Self::NothingSelected { .. } => Some(Box::new(Code::NothingSelected)),
            Self::Fetching(_) => Some(Box::new(Code::Sources)),
            Self::Engine(_) => Some(Box::new(Code::Engine)),
        }
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match self {
            Self::NothingSelected { advice, .. } => Some(Box::new(advice.join("\n        "))),
            _ => None,
        }
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match self {
            Self::Suites(mistakes) | Self::Policy(mistakes) => {
                Some(Box::new(mistakes.iter().map(|mistake| mistake as &dyn Diagnostic)))
            }
            _ => None,
        }
    }
}
