//! Regular expressions of policies, in bounded time and memory.
//!
//! A search takes time in proportion to the length of the text and to the size of the pattern, and cannot be ended half
//! way. So what it takes is estimated before, and the budget is asked again after each match.

use policy_verify_model::budget::{Budget, Exceeded};
use regex::Regex;
use regex_syntax::hir::{Hir, HirKind};

/// Bytes that a letter of a pattern takes while the pattern is read, by an estimate from above.
const LETTER: u64 = 256;

/// Bytes of a class such as `\w`, which has hundreds of ranges.
const CLASS: u64 = 12 << 10;

/// A class can be as many steps into the bytes of a letter.
const BYTES_OF_LETTER: u64 = 4;

/// Steps for a letter of a pattern that is read.
const READING: u64 = 64;

/// A pattern, ready for texts of any length.
pub(super) struct Pattern {
    regex: Regex,
    /// Places in the pattern at which a search may be at a time.
    positions: u64,
}

/// Why a pattern cannot be used.
#[derive(Debug)]
pub(super) enum Refused {
    /// It is none, in the words of the crate.
    Invalid(regex::Error),
    /// It is too large.
    Exceeded(Exceeded),
}

impl From<Exceeded> for Refused {
    fn from(exceeded: Exceeded) -> Self {
        Self::Exceeded(exceeded)
    }
}

impl Pattern {
    /// Reads a pattern.
    pub(super) fn new(pattern: &str, budget: &Budget) -> Result<Self, Refused> {
        let letters = pattern.len() as u64;
        let classes = pattern.bytes().zip(pattern.bytes().skip(1));
        let classes = classes.filter(|(slash, class)| *slash == b'\\' && b"wWdDsSpP".contains(class)).count() as u64;
        budget.room().take(letters.saturating_mul(LETTER).saturating_add(classes.saturating_mul(CLASS)))?;
        budget.spend(letters.saturating_mul(READING))?;
        let regex = Regex::new(pattern).map_err(Refused::Invalid)?;
        let positions = regex_syntax::parse(pattern).map_or(letters, |hir| positions(&hir));
        Ok(Self { regex, positions })
    }

    /// Whether it matches.
    pub(super) fn is_match(&self, text: &str, budget: &Budget) -> Result<bool, Exceeded> {
        self.spend(text, budget)?;
        Ok(self.regex.is_match(text))
    }

    /// The places of all matches, `most` at most.
    pub(super) fn find(
        &self,
        text: &str,
        most: usize,
        budget: &Budget,
    ) -> Result<Vec<std::ops::Range<usize>>, Exceeded> {
        self.spend(text, budget)?;
        let room = budget.room();
        let mut found = Vec::new();
        for place in self.regex.find_iter(text).take(most) {
            // Each search may have gone on to the end of the text.
            budget.spend(self.positions.max(MATCH))?;
            if text.len() > LONG {
                budget.look()?;
            }
            // A value and a copy of the text, for the policy and for its second opinion.
            room.take(MATCH + place.len() as u64)?;
            found.push(place.range());
        }
        Ok(found)
    }

    fn spend(&self, text: &str, budget: &Budget) -> Result<(), Exceeded> {
        budget.spend((text.len() as u64 + 1).saturating_mul(self.positions) / LOOKED_AT_IN_A_STEP)
    }
}

/// Bytes of a text in which the next match may be a long way off.
const LONG: usize = 16 << 10;

/// Places of a pattern that are looked at in a step, for each byte of a text. Measured where the engine of the crate is
/// slowest, when it has to build a state for almost every byte.
const LOOKED_AT_IN_A_STEP: u64 = 8;

/// Steps and bytes of a match.
const MATCH: u64 = 64;

/// How many places of a pattern a search may be at: its letters and classes, repetitions written out.
fn positions(hir: &Hir) -> u64 {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Class(_) => BYTES_OF_LETTER,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            positions(&repetition.sub).saturating_mul(u64::from(times)).saturating_add(1)
        }
        HirKind::Capture(capture) => positions(&capture.sub).saturating_add(2),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(positions).fold(1, u64::saturating_add)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repetitions_are_written_out() {
        for (pattern, expected) in [("abc", 3), ("[a-z]", 4), ("(?:ab){3}", 7), ("(?:(?:ab){30}){30}", 1831), ("a*", 2)]
        {
            assert_eq!(positions(&regex_syntax::parse(pattern).unwrap()), expected, "{pattern}");
        }
    }
}
