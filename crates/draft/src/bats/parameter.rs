//! Values of variables, and the operations of `${…}`.

use super::claim::{Cond, Root};
use super::expand::text_of;
use super::machine::{Machine, Variable};
use super::paths;
use super::pattern::Pattern;
use super::problem::Problem;
use super::shell::syntax::{Index, Operation, Parameter, Replaced, Word};
use super::value::{self, Part, Text, text};

/// Longest text that a pattern is removed from, in bytes.
const LONGEST: usize = 4096;

impl Machine {
    /// The value, or the values of a list.
    pub(super) fn parameter(&mut self, parameter: &Parameter) -> Result<Vec<Text>, Problem> {
        let values = self.values(parameter)?;
        match &parameter.operation {
            Operation::None => {
                Ok(values.unwrap_or_else(|| vec![vec![Part::Unknown(Problem::Variable(parameter.name.clone()))]]))
            }
            Operation::Length => Ok(vec![length(parameter, values)]),
            Operation::Indirect => self.indirect(parameter, values),
            Operation::Unset(kind, has_colon, word) => self.unset(parameter, values, *kind, *has_colon, word),
            operation => {
                let unknown = || vec![vec![Part::Unknown(Problem::Variable(parameter.name.clone()))]];
                let mut changed = Vec::new();
                for value in values.unwrap_or_else(unknown) {
                    changed.push(self.changed(value, operation, &parameter.name)?);
                }
                Ok(changed)
            }
        }
    }

    /// `None` if it is not set.
    fn values(&mut self, parameter: &Parameter) -> Result<Option<Vec<Text>>, Problem> {
        let name = parameter.name.as_str();
        match name {
            "@" => return Ok(Some(self.arguments.clone())),
            "*" => return Ok(Some(vec![joined(self.arguments.clone())])),
            "#" => return Ok(Some(vec![text(self.arguments.len().to_string())])),
            "?" => return Ok(Some(vec![vec![Part::Status(self.status.clone().unwrap_or(Cond::Known(true)))]])),
            "PWD" => return Ok(Some(vec![text(format!("{}/{}", paths::ROOT, self.folder))])),
            _ => {}
        }
        if let Ok(number) = name.parse::<usize>() {
            return Ok(number.checked_sub(1).and_then(|at| self.arguments.get(at)).map(|value| vec![value.clone()]));
        }
        let index = match &parameter.index {
            Some(Index::Of(word)) => Some(self.index(name, word)?),
            _ => None,
        };
        let Some(variable) = self.variables.get(name) else {
            // The usual name of the program in variables of the environment.
            return Ok((name.eq_ignore_ascii_case("kwctl")).then(|| vec![text("kwctl")]));
        };
        Ok(match (&parameter.index, index) {
            (Some(Index::All), _) => Some(variable.values().cloned().collect()),
            (Some(Index::Joined), _) => Some(vec![joined(variable.values().cloned().collect())]),
            (_, Some(index)) => variable.get(&index).map(|value| vec![value.clone()]),
            (_, None) => variable.get("0").map(|value| vec![value.clone()]),
        })
    }

    /// The key of an index: a number, counted from the end if it is negative, or a text.
    pub(super) fn index(&mut self, name: &str, word: &Word) -> Result<String, Problem> {
        let literal = value::literal(&self.single(word)?).unwrap_or_default();
        // Lines of the output are not known one by one: each of them may be the answer.
        if name == "lines" {
            return Ok("0".to_owned());
        }
        if self.variables.get(name).is_some_and(|it| it.contains_key(&literal)) {
            return Ok(literal);
        }
        let number = value::literal(&self.arithmetic(&literal)?).and_then(|number| number.parse::<i64>().ok());
        let variable = self.variables.get(name);
        let is_named = variable.is_some_and(|it| it.keys().any(|key| key.parse::<i64>().is_err()));
        Ok(match number {
            Some(number) if number < 0 => {
                let count = i64::try_from(variable.map_or(0, Variable::len)).unwrap_or(0);
                (count + number).to_string()
            }
            Some(number) if !is_named => number.to_string(),
            _ => literal,
        })
    }

    fn indirect(&mut self, parameter: &Parameter, values: Option<Vec<Text>>) -> Result<Vec<Text>, Problem> {
        if parameter.index.is_some() {
            let keys = self.variables.get(&parameter.name).map(|it| it.keys().map(text).collect());
            return Ok(keys.unwrap_or_default());
        }
        let name = values.and_then(|values| value::literal(values.first()?));
        let target = name.and_then(|name| self.get(&name).cloned());
        Ok(vec![target.unwrap_or_else(|| vec![Part::Unknown(Problem::Variable(parameter.name.clone()))])])
    }

    fn unset(
        &mut self,
        parameter: &Parameter,
        values: Option<Vec<Text>>,
        kind: char,
        has_colon: bool,
        word: &Word,
    ) -> Result<Vec<Text>, Problem> {
        let is_empty =
            |values: &Vec<Text>| values.iter().all(|value| value::literal(value).is_some_and(|it| it.is_empty()));
        let set = values.filter(|values| !(has_colon && is_empty(values)));
        match (kind, set) {
            ('+', Some(_)) => Ok(vec![self.single(word)?]),
            ('+', None) => Ok(vec![text("")]),
            (_, Some(values)) => Ok(values),
            ('?', None) => Ok(vec![vec![Part::Unknown(Problem::Variable(parameter.name.clone()))]]),
            (_, None) => {
                let value = self.single(word)?;
                if kind == '=' {
                    self.set(&parameter.name, value.clone());
                }
                Ok(vec![value])
            }
        }
    }

    fn changed(&mut self, value: Text, operation: &Operation, name: &str) -> Result<Text, Problem> {
        let Some(literal) = value::literal(&value).filter(|it| it.len() <= LONGEST) else {
            let is_output = matches!(value.as_slice(), [Part::Of(place)] if place.root == Root::Output);
            // Parts of the output are still the output, as far as it can be told.
            return Ok(if is_output { value } else { vec![Part::Unknown(Problem::Variable(name.to_owned()))] });
        };
        let changed = match operation {
            Operation::Remove(from_start, is_longest, word) => {
                let pattern = self.glob(word)?;
                removed(&literal, *from_start, *is_longest, &pattern)
            }
            Operation::Replace(which, pattern, with) => {
                let mut pattern = self.glob(pattern)?;
                pattern.starts = *which == Replaced::Start;
                pattern.ends = *which == Replaced::End;
                let with = value::literal(&self.single(with)?).unwrap_or_default();
                replaced(&literal, *which, &pattern, &with)
            }
            Operation::Part(offset, length) => part(&literal, offset, length.as_deref()),
            Operation::Case(is_upper, is_all) => Some(cased(&literal, *is_upper, *is_all)),
            _ => Some(literal),
        };
        Ok(changed.map_or_else(|| vec![Part::Unknown(Problem::Variable(name.to_owned()))], text))
    }

    /// The pattern that a word is in `==` and in operations.
    pub(super) fn glob(&mut self, word: &Word) -> Result<Pattern, Problem> {
        let field = self.marked(word)?;
        let literal = |(part, is_quoted): (Part, bool)| match part {
            Part::Literal(text) => Ok((text, is_quoted)),
            other => Err(value::unknown(&[other]).cloned().unwrap_or(Problem::Branch)),
        };
        let parts: Result<Vec<(String, bool)>, Problem> = field.into_iter().map(literal).collect();
        Pattern::glob(&parts?)
    }

    /// The text of a word whose parts are all literal.
    pub(super) fn literal_of(&mut self, word: &Word) -> Result<Option<String>, Problem> {
        let field = self.marked(word)?;
        Ok(value::literal(&text_of(field)))
    }
}

fn joined(values: Vec<Text>) -> Text {
    let mut out = Text::new();
    for (index, value) in values.into_iter().enumerate() {
        if index > 0 {
            value::append(&mut out, text(" "));
        }
        value::append(&mut out, value);
    }
    out
}

fn length(parameter: &Parameter, values: Option<Vec<Text>>) -> Text {
    let values = values.unwrap_or_default();
    if matches!(parameter.index, Some(Index::All | Index::Joined)) || matches!(parameter.name.as_str(), "@" | "*") {
        return match parameter.name.as_str() {
            "lines" | "stderr_lines" => vec![Part::Unknown(Problem::Variable("#lines".to_owned()))],
            _ => text(values.len().to_string()),
        };
    }
    let value = values.into_iter().next().unwrap_or_default();
    match (value::literal(&value), value.as_slice()) {
        (Some(literal), _) => text(literal.chars().count().to_string()),
        (None, [Part::Of(place)]) => vec![Part::Length(place.clone())],
        _ => vec![Part::Unknown(Problem::Variable(format!("#{}", parameter.name)))],
    }
}

/// Without what matches at one end.
fn removed(literal: &str, from_start: bool, is_longest: bool, pattern: &Pattern) -> Option<String> {
    let regex = regex::Regex::new(&pattern.to_regex()).ok()?;
    let mut ends: Vec<usize> = literal.char_indices().map(|(at, _)| at).chain([literal.len()]).collect();
    if from_start == is_longest {
        ends.reverse();
    }
    let cut = ends.into_iter().find(|at| {
        let (start, end) = literal.split_at(*at);
        regex.is_match(if from_start { start } else { end })
    });
    Some(match cut {
        Some(at) if from_start => literal[at..].to_owned(),
        Some(at) => literal[..at].to_owned(),
        None => literal.to_owned(),
    })
}

fn replaced(literal: &str, which: Replaced, pattern: &Pattern, with: &str) -> Option<String> {
    if literal.len().saturating_mul(with.len()) > 1 << 20 {
        return None;
    }
    let regex = regex::Regex::new(&pattern.to_regex()).ok()?;
    let count = usize::from(which != Replaced::All);
    Some(regex.replacen(literal, count, regex::NoExpand(with)).into_owned())
}

fn part(literal: &str, offset: &str, length: Option<&str>) -> Option<String> {
    let count = i64::try_from(literal.chars().count()).ok()?;
    let offset: i64 = offset.trim().parse().ok()?;
    let start = if offset < 0 { count + offset } else { offset };
    let start = usize::try_from(start).ok()?;
    let rest = literal.chars().skip(start);
    match length.map(|length| length.trim().parse::<usize>()) {
        None => Some(rest.collect()),
        Some(Ok(length)) => Some(rest.take(length).collect()),
        Some(Err(_)) => None,
    }
}

fn cased(literal: &str, is_upper: bool, is_all: bool) -> String {
    let change = |text: &str| if is_upper { text.to_uppercase() } else { text.to_lowercase() };
    let first = literal.chars().next().map_or(0, char::len_utf8);
    let (start, end) = literal.split_at(if is_all { literal.len() } else { first });
    format!("{}{end}", change(start))
}
