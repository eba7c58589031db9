//! `[ … ]`, `[[ … ]]`, `(( … ))`: comparisons of texts and numbers.

use serde_json::Value;

use super::claim::{Claim, Cond, Key, Place, Root};
use super::expand::text_of;
use super::jq::eval::lengths;
use super::machine::Machine;
use super::pattern::{Dialect, Pattern};
use super::problem::Problem;
use super::shell::syntax::{Condition, Word};
use super::value::{self, Part, Text};

/// Most words of `[ … ]`.
const MOST: usize = 200;

impl Machine {
    /// `[[ … ]]`
    pub(super) fn condition(&mut self, condition: &Condition) -> Result<Cond, Problem> {
        Ok(match condition {
            Condition::Not(inner) => self.condition(inner)?.negated(),
            Condition::And(left, right) => Cond::all([self.condition(left)?, self.condition(right)?]),
            Condition::Or(left, right) => Cond::any([self.condition(left)?, self.condition(right)?]),
            Condition::Unary(operator, word) => {
                let value = self.single(word)?;
                self.unary(operator, &value)
            }
            Condition::Binary(left, operator, right) => {
                let left = self.single(left)?;
                self.extended(&left, operator, right)?
            }
        })
    }

    fn extended(&mut self, left: &Text, operator: &str, right: &Word) -> Result<Cond, Problem> {
        match operator {
            "=~" => {
                let field = self.marked(right)?;
                let parts = field.into_iter().map(|(part, is_quoted)| match part {
                    Part::Literal(text) => Some((text, is_quoted)),
                    _ => None,
                });
                let Some(parts) = parts.collect::<Option<Vec<_>>>() else {
                    return Ok(Cond::Unknown(Problem::Arguments("[[ =~ ]]".to_owned())));
                };
                match Pattern::regex(&parts, Dialect::Extended) {
                    Ok(pattern) => Ok(self.matches(left, &pattern)),
                    Err(problem) => Ok(Cond::Unknown(problem)),
                }
            }
            "==" | "=" | "!=" => {
                let field = self.marked(right)?;
                let has_wildcard = |(part, is_quoted): &(Part, bool)| matches!(part, Part::Literal(text) if !is_quoted && text.contains(['*', '?', '[']));
                let cond = if field.iter().any(has_wildcard) {
                    match self.glob(right) {
                        Ok(pattern) => self.matches(left, &pattern),
                        Err(problem) => Cond::Unknown(problem),
                    }
                } else {
                    self.compare(left, "=", &text_of(field))
                };
                Ok(if operator == "!=" { cond.negated() } else { cond })
            }
            operator => {
                let right = self.single(right)?;
                Ok(self.compare(left, operator, &right))
            }
        }
    }

    /// `(( … ))`: a number of a symbolic kind is compared as in `[ … ]`.
    pub(super) fn arithmetic_condition(&mut self, expression: &str) -> Result<Cond, Problem> {
        let operators = [("==", "-eq"), ("!=", "-ne"), (">=", "-ge"), ("<=", "-le"), (">", "-gt"), ("<", "-lt")];
        if let Some((sign, operator)) = operators.iter().find(|(sign, _)| expression.contains(sign)) {
            let (left, right) = expression.split_once(sign).unwrap_or_default();
            let (left, right) = (self.operand(left)?, self.operand(right)?);
            if value::symbol(&left).is_some() || value::symbol(&right).is_some() {
                return Ok(self.compare(&left, operator, &right));
            }
        }
        let number = self.arithmetic(expression)?;
        Ok(match value::literal(&number) {
            Some(number) => Cond::Known(number != "0"),
            None => Cond::Unknown(value::unknown(&number).cloned().unwrap_or(Problem::Branch)),
        })
    }

    fn operand(&mut self, text: &str) -> Result<Text, Problem> {
        let name = text.trim().trim_start_matches('$');
        if let Some(value) = self.get(name).filter(|_| !name.is_empty()) {
            return Ok(value.clone());
        }
        if !text.contains('$') {
            return Ok(value::text(text.trim()));
        }
        let words = super::shell::parse(&format!(": {}", text.trim()), self.line, &mut self.documents);
        match words.ok().and_then(|block| first_word(&block)) {
            Some(word) => self.single(&word),
            None => Ok(value::text(text.trim())),
        }
    }

    /// `[ … ]`
    pub(super) fn test(&mut self, arguments: &[Text]) -> Cond {
        let literal = |at: usize| arguments.get(at).and_then(|it| value::literal(it)).unwrap_or_default();
        let find = |operator: &str| (1..arguments.len()).find(|at| arguments.len() > 3 && literal(*at) == operator);
        if arguments.len() > MOST {
            return Cond::Unknown(Problem::Arguments("[".to_owned()));
        }
        if let Some(at) = find("-o") {
            return Cond::any([self.test(&arguments[..at]), self.test(&arguments[at + 1..])]);
        }
        if let Some(at) = find("-a") {
            return Cond::all([self.test(&arguments[..at]), self.test(&arguments[at + 1..])]);
        }
        match arguments {
            [] => Cond::Known(false),
            [one] => self.unary("-n", one),
            [_, ..] if literal(0) == "!" => self.test(&arguments[1..]).negated(),
            [_, operand] => self.unary(&literal(0), operand),
            [left, _, right] => self.compare(left, &literal(1), right),
            _ => Cond::Unknown(Problem::Arguments("[".to_owned())),
        }
    }

    fn unary(&mut self, operator: &str, operand: &Text) -> Cond {
        if let Some(problem) = value::unknown(operand) {
            return Cond::Unknown(problem.clone());
        }
        let is_set = match (value::literal(operand), value::symbol(operand)) {
            (Some(literal), _) => Cond::Known(!literal.is_empty()),
            // kwctl prints a line, whatever the answer is.
            (_, Some(Part::Of(place))) if place.root == Root::Output => Cond::Known(true),
            (_, Some(Part::Of(place))) => self.claim(place, Claim::Present),
            _ => Cond::Known(true),
        };
        match operator {
            "-n" => is_set,
            "-z" => is_set.negated(),
            "-f" | "-e" | "-s" | "-r" => {
                let path = super::paths::join(&self.folder, &value::literal(operand).unwrap_or_default());
                match self.files.contains_key(&path) || self.known_files.contains(&path) {
                    true => Cond::Known(true),
                    false => Cond::Unknown(Problem::Arguments(format!("[ {operator} ]"))),
                }
            }
            operator => Cond::Unknown(Problem::Arguments(format!("[ {operator} ]"))),
        }
    }

    /// A comparison of two texts or numbers.
    pub(super) fn compare(&mut self, left: &Text, operator: &str, right: &Text) -> Cond {
        if let Some(problem) = value::unknown(left).or_else(|| value::unknown(right)) {
            return Cond::Unknown(problem.clone());
        }
        let unsupported = || Cond::Unknown(Problem::Arguments(format!("[ {operator} ]")));
        match (value::literal(left), value::literal(right)) {
            (Some(left), Some(right)) => known(&left, operator, &right).map_or_else(unsupported, Cond::Known),
            (None, Some(literal)) => self.against(left, operator, &literal),
            (Some(literal), None) => self.against(right, mirrored(operator), &literal),
            (None, None) => unsupported(),
        }
    }

    fn against(&mut self, symbolic: &Text, operator: &str, literal: &str) -> Cond {
        let unsupported = || Cond::Unknown(Problem::Arguments(format!("[ {operator} ]")));
        let number = literal.trim().parse::<i64>().ok();
        match (value::symbol(symbolic), number) {
            (Some(Part::Status(cond)), Some(code)) => status(cond, operator, code).unwrap_or_else(unsupported),
            (Some(Part::Count(cond)), Some(number)) => counted(cond, operator, number).unwrap_or_else(unsupported),
            (Some(Part::Length(place)), Some(number)) => {
                let number = u64::try_from(number).unwrap_or(0);
                let sign = match operator {
                    "-eq" | "=" | "==" => "==",
                    "-ne" | "!=" => "!=",
                    "-gt" => ">",
                    "-ge" => ">=",
                    "-lt" => "<",
                    _ => "<=",
                };
                lengths(place.clone(), sign, number).unwrap_or_else(unsupported)
            }
            (Some(Part::Truth(cond)), _) => {
                let cond = match literal.trim() {
                    "true" => cond.clone(),
                    "false" => cond.clone().negated(),
                    _ => return unsupported(),
                };
                signed(cond, operator).unwrap_or_else(unsupported)
            }
            (Some(Part::Of(place)), _) => {
                let value = expected(place, literal);
                let cond = self.claim(place, |place| Claim::Equals(place, value));
                signed(cond, operator).unwrap_or_else(unsupported)
            }
            _ => unsupported(),
        }
    }

    /// A claim about a place; items of a list are those that were selected.
    pub(super) fn claim(&self, place: &Place, claim: impl FnOnce(Place) -> Claim) -> Cond {
        let selected =
            place.path.iter().filter_map(|key| if let Key::Some(item) = key { self.selected.get(item) } else { None });
        let conds: Vec<Cond> = selected.flatten().cloned().collect();
        Cond::all(conds.into_iter().chain([Cond::Claim(claim(place.clone()))]))
    }

    /// Whether a text matches.
    pub(super) fn matches(&mut self, subject: &Text, pattern: &Pattern) -> Cond {
        if let Some(problem) = value::unknown(subject) {
            return Cond::Unknown(problem.clone());
        }
        if pattern.pieces.is_empty() && !(pattern.starts && pattern.ends) {
            return Cond::Known(true);
        }
        match (value::literal(subject), value::symbol(subject)) {
            (Some(literal), _) => match pattern.is_match(&literal) {
                Some(is_match) => Cond::Known(is_match),
                None => Cond::Unknown(Problem::Pattern(pattern.shown())),
            },
            (None, Some(Part::Of(place))) => self.claim(place, |place| Claim::Matches(place, pattern.clone())),
            (None, Some(Part::Truth(cond))) if pattern.as_text() == Some("true") => cond.clone(),
            (None, Some(Part::Truth(cond))) if pattern.as_text() == Some("false") => cond.clone().negated(),
            _ => Cond::Unknown(Problem::Arguments("[[ ]]".to_owned())),
        }
    }
}

fn first_word(block: &super::shell::syntax::Block) -> Option<Word> {
    match &block.first()?.first.stages.first()?.command {
        super::shell::syntax::Command::Simple(simple) => simple.words.get(1).cloned(),
        _ => None,
    }
}

/// The value that a text is equal to, as jq prints values.
fn expected(place: &Place, literal: &str) -> Value {
    let text = || Value::String(literal.to_owned());
    let is_document = place.root == Root::Patch && (place.path.is_empty() || literal.starts_with(['{', '[']));
    if place.is_json || is_document || literal == "null" {
        return serde_json::from_str(literal).unwrap_or_else(|_| text());
    }
    text()
}

fn mirrored(operator: &str) -> &str {
    match operator {
        "-gt" => "-lt",
        "-lt" => "-gt",
        "-ge" => "-le",
        "-le" => "-ge",
        other => other,
    }
}

fn signed(cond: Cond, operator: &str) -> Option<Cond> {
    match operator {
        "=" | "==" | "-eq" => Some(cond),
        "!=" | "-ne" => Some(cond.negated()),
        _ => None,
    }
}

/// kwctl exits with 0 or 1; `cond` stands for 0.
fn status(cond: &Cond, operator: &str, code: i64) -> Option<Cond> {
    let is_zero = match (operator, code) {
        ("-gt", 0) | ("-ge", 1) => false,
        ("-lt", 1) | ("-le", 0) => true,
        ("=" | "==" | "-eq", code) => code == 0,
        ("!=" | "-ne", 0) => false,
        _ => return None,
    };
    Some(if is_zero { cond.clone() } else { cond.clone().negated() })
}

/// A number that is not 0 if the condition holds. How much it is then is not known.
fn counted(cond: &Cond, operator: &str, number: i64) -> Option<Cond> {
    match (operator, number) {
        ("-ne" | "!=" | "-gt", 0) | ("-ge" | "-eq" | "=" | "==", 1) => Some(cond.clone()),
        ("-eq" | "=" | "==" | "-le", 0) | ("-lt", 1) => Some(cond.clone().negated()),
        ("-ge", 0) => Some(Cond::Known(true)),
        ("-ne" | "!=", number) => Some(Cond::Unknown(Problem::Vacuous(format!("{operator} {number}")))),
        _ => None,
    }
}

fn known(left: &str, operator: &str, right: &str) -> Option<bool> {
    match operator {
        "=" | "==" => return Some(left == right),
        "!=" => return Some(left != right),
        "<" => return Some(left < right),
        ">" => return Some(left > right),
        _ => {}
    }
    let (left, right): (i64, i64) = (left.trim().parse().ok()?, right.trim().parse().ok()?);
    match operator {
        "-eq" => Some(left == right),
        "-ne" => Some(left != right),
        "-gt" => Some(left > right),
        "-ge" => Some(left >= right),
        "-lt" => Some(left < right),
        "-le" => Some(left <= right),
        _ => None,
    }
}
