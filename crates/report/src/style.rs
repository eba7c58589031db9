//! The look of reports for people, and which cases they list.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// The look of reports for people: colours, columns, which cases are listed. Set once by the caller, which knows the terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    /// Whether colours may be written.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
    /// Whether names, places and entries of lists go on in further lines where a row is full. In a pipe or a log, where
    /// lines are searched, they stay whole.
    pub wraps: bool,
    /// Lines of the terminal, after which failures are named again; they never are without.
    pub height: Option<usize>,
    /// Which cases get a line of their own.
    pub status: StatusLevel,
    /// `-v` counts up, `-q` counts down.
    pub verbosity: i8,
    /// Whether suites in which all is well are folded away, by GitHub's commands.
    pub folds: bool,
}

impl Default for Style {
    fn default() -> Self {
        Self {
            colour: false,
            width: 100,
            wraps: true,
            height: None,
            status: StatusLevel::Fail,
            verbosity: 0,
            folds: false,
        }
    }
}

/// A case that takes this long is slow: usual evaluations take a thousandth of it.
pub(crate) const SLOW: Duration = Duration::from_millis(100);

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
    /// Those that took 100 ms or longer.
    Slow,
    /// Those that passed.
    Pass,
    /// Every case there is.
    All,
}

/// A word that names no [`StatusLevel`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownStatusLevel(String);

impl fmt::Display for UnknownStatusLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown status level `{}`: none, fail, skip, slow, pass or all", self.0)
    }
}

impl std::error::Error for UnknownStatusLevel {}

impl FromStr for StatusLevel {
    type Err = UnknownStatusLevel;

    fn from_str(word: &str) -> Result<Self, Self::Err> {
        Ok(match word {
            "none" => Self::None,
            "fail" => Self::Fail,
            "skip" => Self::Skip,
            "slow" => Self::Slow,
            "pass" => Self::Pass,
            "all" => Self::All,
            _ => return Err(UnknownStatusLevel(word.to_owned())),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_levels_are_ordered_from_silent_to_talkative() {
        let words = ["none", "fail", "skip", "slow", "pass", "all"];
        let levels: Vec<StatusLevel> = words.iter().map(|word| word.parse().unwrap()).collect();
        assert!(levels.is_sorted());
        assert!("loud".parse::<StatusLevel>().is_err());
    }
}
