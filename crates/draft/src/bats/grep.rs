//! The command line of `grep`.

use super::pattern::{Dialect, Pattern, Piece};
use super::problem::Problem;
use super::value::{self, Text};

/// Flags of grep.
#[derive(Default)]
pub(super) struct GrepOptions {
    pub(super) patterns: Vec<String>,
    pub(super) file: Option<Text>,
    is_fixed: bool,
    is_extended: bool,
    pub(super) is_inverted: bool,
    ignores_case: bool,
    is_whole_line: bool,
    pub(super) is_quiet: bool,
    pub(super) counts: bool,
}

impl GrepOptions {
    pub(super) fn read(name: &str, arguments: &[Text]) -> Result<Self, Problem> {
        let unsupported = || Problem::Arguments("grep".to_owned());
        let mut options =
            Self { is_fixed: name == "fgrep", is_extended: matches!(name, "egrep" | "rg"), ..Self::default() };
        let mut rest = arguments.iter();
        let mut flags_end = false;
        while let Some(argument) = rest.next() {
            let literal = value::literal(argument);
            let flag = literal.as_deref().and_then(|it| it.strip_prefix('-')).filter(|it| !flags_end && !it.is_empty());
            match (flag, literal.as_deref()) {
                (Some("-"), _) => flags_end = true,
                (Some("e" | "-regexp"), _) => {
                    let pattern = rest.next().and_then(|it| value::literal(it)).ok_or_else(unsupported)?;
                    options.patterns.push(pattern);
                }
                (Some(flag), _) => options.flag(flag)?,
                (None, Some(literal)) if options.patterns.is_empty() => options.patterns.push(literal.to_owned()),
                (None, None) if options.patterns.is_empty() => return Err(unsupported()),
                (None, _) => options.file = Some(argument.clone()),
            }
        }
        if options.patterns.is_empty() { Err(unsupported()) } else { Ok(options) }
    }

    fn flag(&mut self, flag: &str) -> Result<(), Problem> {
        let short = match flag.strip_prefix('-') {
            Some(long) => match long {
                "quiet" | "silent" => "q",
                "fixed-strings" => "F",
                "extended-regexp" => "E",
                "perl-regexp" => "P",
                "basic-regexp" => "G",
                "invert-match" => "v",
                "ignore-case" => "i",
                "count" => "c",
                "line-regexp" => "x",
                "only-matching" => "o",
                "word-regexp" => "w",
                _ => return Err(Problem::Arguments(format!("grep {flag}"))),
            },
            None => flag,
        };
        for letter in short.chars() {
            match letter {
                'q' => self.is_quiet = true,
                'F' => self.is_fixed = true,
                'E' | 'P' => self.is_extended = true,
                'v' => self.is_inverted = true,
                'i' => self.ignores_case = true,
                'c' => self.counts = true,
                'x' => self.is_whole_line = true,
                's' | 'o' | 'w' | 'a' | 'G' | 'z' | 'n' | 'h' => {}
                _ => return Err(Problem::Arguments(format!("grep -{letter}"))),
            }
        }
        Ok(())
    }

    pub(super) fn pattern(&self, source: &str) -> Result<Pattern, Problem> {
        let dialect = if self.is_extended { Dialect::Extended } else { Dialect::Basic };
        let mut pattern = match self.is_fixed {
            true => Pattern::fixed(source),
            false => Pattern::regex(&[(source.to_owned(), false)], dialect)?,
        };
        (pattern.starts, pattern.ends) = (pattern.starts || self.is_whole_line, pattern.ends || self.is_whole_line);
        // Keys of the response have one spelling.
        if self.ignores_case && !source.to_lowercase().contains("allowed") {
            let inner = Pattern { starts: false, ends: false, ..pattern.clone() }.to_regex();
            pattern.pieces = vec![Piece::Other(format!("(?i:{inner})"))];
        }
        Ok(pattern)
    }
}
