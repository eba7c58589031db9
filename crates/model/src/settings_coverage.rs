//! Which settings of a policy its cases set, and of which its settings cases have a value that it rejects.

use serde::{Deserialize, Serialize};

use super::source::Span;

/// The settings of a module, and what the cases of its suite exercise of them.
#[derive(Debug, Clone, PartialEq)]
pub struct SettingsCoverage {
    /// Index into the suites of the run.
    pub suite: usize,
    /// The policies that are this module.
    pub policy: String,
    /// The form of its settings, if it has one.
    pub form: Option<String>,
    /// Where the suite defines the first of these policies.
    pub span: Span,
    /// The settings that the form and the suite name.
    pub keys: Vec<KeyCoverage>,
    /// What else is to be known.
    pub notes: Vec<String>,
}

/// A setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCoverage {
    /// `cpu.limit`
    pub key: String,
    /// Verdicts that the policy gave with it.
    pub cases: usize,
    /// Settings cases in which the policy rejects another value than those it accepts.
    pub rejections: usize,
    /// The values of which the form sends one; none where it sends any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub choices: Vec<ChoiceCoverage>,
}

/// One of the values of a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChoiceCoverage {
    /// The value, on one line of YAML.
    pub value: String,
    /// Verdicts that the policy gave with it.
    pub cases: usize,
}

impl SettingsCoverage {
    /// How many settings and choices there are.
    pub fn known(&self) -> usize {
        self.counts().count()
    }

    /// How many of them a case sets.
    pub fn set(&self) -> usize {
        self.counts().filter(|cases| *cases > 0).count()
    }

    fn counts(&self) -> impl Iterator<Item = usize> {
        self.keys.iter().flat_map(|key| std::iter::once(key.cases).chain(key.choices.iter().map(|choice| choice.cases)))
    }

    /// The settings that no case sets, and the choices of the others: `cpu.limit`, `level: high`.
    pub fn never_set(&self) -> Vec<String> {
        let of_key = |key: &KeyCoverage| match key.cases {
            0 => vec![key.key.clone()],
            _ => {
                let never = key.choices.iter().filter(|choice| choice.cases == 0);
                never.map(|choice| format!("{}: {}", key.key, choice.value)).collect()
            }
        };
        self.keys.iter().flat_map(of_key).collect()
    }

    /// The settings of which no settings case has a value that the policy rejects.
    pub fn never_rejected(&self) -> Vec<String> {
        self.keys.iter().filter(|key| key.rejections == 0).map(|key| key.key.clone()).collect()
    }

    /// Adds what another shard exercises of the same settings; whether they are the same.
    pub fn add(&mut self, other: &Self) -> bool {
        let is_same_key = |(one, another): (&KeyCoverage, &KeyCoverage)| {
            one.key == another.key
                && one.choices.len() == another.choices.len()
                && one.choices.iter().zip(&another.choices).all(|(one, another)| one.value == another.value)
        };
        if self.keys.len() != other.keys.len() || !self.keys.iter().zip(&other.keys).all(is_same_key) {
            return false;
        }
        for (key, other) in self.keys.iter_mut().zip(&other.keys) {
            key.cases = key.cases.saturating_add(other.cases);
            key.rejections = key.rejections.saturating_add(other.rejections);
            for (choice, other) in key.choices.iter_mut().zip(&other.choices) {
                choice.cases = choice.cases.saturating_add(other.cases);
            }
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn coverage(counts: [usize; 4]) -> SettingsCoverage {
        let [names, level, high, rejections] = counts;
        let choices = vec![
            ChoiceCoverage { value: "low".into(), cases: level - high },
            ChoiceCoverage { value: "high".into(), cases: high },
        ];
        SettingsCoverage {
            suite: 0,
            policy: "p".into(),
            form: None,
            span: Span::unquoted("suite.yml"),
            keys: vec![
                KeyCoverage { key: "names".into(), cases: names, rejections: 0, choices: Vec::new() },
                KeyCoverage { key: "level".into(), cases: level, rejections, choices },
            ],
            notes: Vec::new(),
        }
    }

    #[test]
    fn choices_of_a_setting_that_no_case_sets_are_not_named() {
        let of = |counts| {
            let found = coverage(counts);
            (found.set(), found.known(), found.never_set().join(", "), found.never_rejected().join(", "))
        };
        assert_eq!(of([0, 0, 0, 0]), (0, 4, "names, level".to_owned(), "names, level".to_owned()));
        assert_eq!(of([1, 1, 0, 1]), (3, 4, "level: high".to_owned(), "names".to_owned()));
        assert_eq!(of([2, 2, 1, 0]).0, 4);
    }

    #[test]
    fn shards_are_added_if_they_have_the_same_settings() {
        let mut one = coverage([1, 1, 0, 0]);
        assert!(one.add(&coverage([0, 2, 2, 1])));
        assert_eq!(one, coverage([1, 3, 2, 1]));
        let mut other = coverage([0, 0, 0, 0]);
        other.keys.pop();
        assert!(!one.add(&other));
    }
}
