//! What a whole run of a suite must reach, beyond its cases: the entries of `gates:`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::source::Span;

/// A goal of a suite.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// Index into the suites of the run.
    pub suite: usize,
    /// What is to be reached.
    pub goal: Goal,
    /// Where it is written.
    pub span: Span,
    /// Why this run cannot tell, if it cannot: it leaves cases out.
    pub skipped: Option<String>,
}

/// What is to be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "gate", content = "goal", rename_all = "lowercase")]
pub enum Goal {
    /// At least this share of the requests that the rules select is evaluated.
    Rules(Percent),
    /// Every policy lets a request pass as it is, and rejects or mutates one.
    Verdicts(Verdicts),
    /// At most so many expectations are weak.
    Weak(usize),
    /// At most so many cases notice nothing when their policies are sabotaged.
    Hollow(usize),
    /// No case executes more instructions.
    Fuel(Fuel),
    /// No case takes more memory than so many bytes.
    Memory(u64),
    /// Every case is answered as the baselines of its policies answer it.
    Behaviour(SameBehaviour),
    /// No policy's metadata declares more than its cases use, or less.
    Privileges(Least),
    /// At least this share of the policies' own code is executed: of its lines, or of its functions where nothing tells lines.
    Coverage(Percent),
    /// At least this share of the settings and their choices is set in a case.
    Settings(Percent),
}

impl Goal {
    /// Its key under `gates:`.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Rules(_) => "rules",
            Self::Verdicts(_) => "verdicts",
            Self::Weak(_) => "weak",
            Self::Hollow(_) => "hollow",
            Self::Fuel(_) => "fuel",
            Self::Memory(_) => "memory",
            Self::Behaviour(_) => "behaviour",
            Self::Privileges(_) => "privileges",
            Self::Coverage(_) => "coverage",
            Self::Settings(_) => "settings",
        }
    }

    /// How to reach it; `suite` is the path of the suite.
    pub(crate) fn help(&self, suite: &str) -> String {
        match self {
            Self::Rules(_) => format!("add the missing cases: `verify init --missing {suite}`"),
            Self::Verdicts(_) => "add a case in which the policy decides otherwise".to_owned(),
            Self::Weak(_) => format!("complete the expectations: `verify {suite} --bless=weak`"),
            Self::Hollow(_) => {
                format!("expect more of these cases: `verify sabotage {suite}` tells more")
            }
            Self::Fuel(_) | Self::Memory(_) => "make the policy do less for these cases, or raise the gate".to_owned(),
            Self::Behaviour(_) => "announce what is intended: `expectChange` at the case or the policy".to_owned(),
            Self::Privileges(_) => "add cases that use the privileges, or change the metadata".to_owned(),
            Self::Settings(_) => "add cases with these settings".to_owned(),
            Self::Coverage(_) => format!("add cases for the lines that `verify {suite} --coverage text` names"),
        }
    }
}

/// Which verdicts each policy has to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdicts {
    /// At least one request passes as it is, and at least one is rejected or mutated.
    Both,
}

/// How many instructions a case may execute.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fuel {
    /// At most so many.
    AtMost(u64),
    /// At most this share more than the baselines of its policies.
    Growth(Percent),
}

impl fmt::Display for Fuel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtMost(most) => most.fmt(f),
            Self::Growth(share) => write!(f, "+{share}"),
        }
    }
}

/// A text that is no [`Fuel`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid number of instructions `{0}`")]
pub struct InvalidFuel(pub String);

impl FromStr for Fuel {
    type Err = InvalidFuel;

    /// Reads `+5%` and `2000000`.
    fn from_str(text: &str) -> Result<Self, InvalidFuel> {
        let text = text.trim();
        let invalid = || InvalidFuel(text.to_owned());
        match text.strip_prefix('+') {
            Some(share) => share.parse().map(Self::Growth).map_err(|_| invalid()),
            None if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map(Self::AtMost).map_err(|_| invalid())
            }
            None => Err(invalid()),
        }
    }
}

impl Serialize for Fuel {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Fuel {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How policies may differ from their baselines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SameBehaviour {
    /// Not, but for what the suite announces.
    Same,
}

/// Which privileges the metadata of each policy declares.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Least {
    /// Those that the cases use.
    Least,
}

/// A share of something, in hundredths of a percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Percent(u16);

/// All of something.
const WHOLE: u16 = 10_000;

impl Percent {
    /// Whether `new` is more than this share above `old`.
    pub fn is_exceeded(self, old: u64, new: u64) -> bool {
        u128::from(new) * u128::from(WHOLE) > u128::from(old) * (u128::from(WHOLE) + u128::from(self.0))
    }

    /// Whether `part` of `whole` is at least this share. Of nothing there is no share.
    pub fn is_reached(self, part: usize, whole: usize) -> bool {
        whole > 0 && part as u128 * u128::from(WHOLE) >= whole as u128 * u128::from(self.0)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.0 / 100, self.0 % 100) {
            (whole, 0) => write!(f, "{whole}%"),
            (whole, rest) if rest % 10 == 0 => write!(f, "{whole}.{}%", rest / 10),
            (whole, rest) => write!(f, "{whole}.{rest:02}%"),
        }
    }
}

/// A text that is not a share between 0% and 100%.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid percentage `{0}`")]
pub struct InvalidPercent(pub String);

impl FromStr for Percent {
    type Err = InvalidPercent;

    /// Reads `100%`, `87.5 %`: two digits behind the point at most.
    fn from_str(text: &str) -> Result<Self, InvalidPercent> {
        let invalid = || InvalidPercent(text.to_owned());
        let number = text.trim().strip_suffix('%').ok_or_else(invalid)?.trim_end();
        let (whole, rest) = number.split_once('.').unwrap_or((number, "0"));
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(rest) || whole.len() > 3 || rest.len() > 2 {
            return Err(invalid());
        }
        let number = |digits: &str| digits.parse::<u16>().map_err(|_| invalid());
        let hundredths = number(whole)? * 100 + number(&format!("{rest:0<2}"))?;
        if hundredths <= WHOLE { Ok(Self(hundredths)) } else { Err(invalid()) }
    }
}

impl Serialize for Percent {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Percent {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_read_and_shown() {
        for (text, shown) in
            [("100%", "100%"), ("0%", "0%"), ("87.5 %", "87.5%"), (" 33.33%", "33.33%"), ("5.05%", "5.05%")]
        {
            assert_eq!(text.parse::<Percent>().unwrap().to_string(), shown);
        }
        for text in ["", "%", "100", "101%", "-1%", "1e2%", "99.999%", "100.01%", ".5%", "5.%", "1000%", "٣%", "+5%"] {
            assert!(text.parse::<Percent>().is_err(), "{text}");
        }
    }

    #[test]
    fn fuel_is_a_number_or_a_growth() {
        let (five, most) = (Fuel::Growth("5%".parse().unwrap()), Fuel::AtMost(2_000_000));
        for (text, fuel) in [("+5%", five), (" 2000000 ", most), ("+ 5 %", five)] {
            assert_eq!(text.parse::<Fuel>(), Ok(fuel), "{text}");
        }
        for text in ["", "5%", "-5%", "+5", "+101%", "2M", "1e6", "+", "99999999999999999999"] {
            assert!(text.parse::<Fuel>().is_err(), "{text}");
        }
        assert_eq!((five.to_string(), most.to_string()), ("+5%".into(), "2000000".into()));
        let Fuel::Growth(share) = five else { panic!() };
        assert!(!share.is_exceeded(100, 105) && share.is_exceeded(100, 106) && share.is_exceeded(0, 1));
        assert!(!share.is_exceeded(0, 0) && !share.is_exceeded(u64::MAX, u64::MAX));
    }

    #[test]
    fn shares_are_not_rounded_up() {
        let percent = |text: &str| text.parse::<Percent>().unwrap();
        for (goal, part, whole, is_reached) in [
            ("100%", 4, 4, true),
            ("100%", 9_999, 10_000, false),
            ("99.99%", 9_999, 10_000, true),
            ("66.67%", 2, 3, false),
            ("66.66%", 2, 3, true),
            ("0%", 0, 3, true),
            ("0%", 0, 0, false),
            ("100%", usize::MAX, usize::MAX, true),
        ] {
            assert_eq!(percent(goal).is_reached(part, whole), is_reached, "{goal} {part} {whole}");
        }
    }
}
