//! Arithmetic of the shell on whole numbers.

use super::problem::Problem;

/// Deepest nesting.
const DEEPEST: usize = 30;
/// Longest expression, in bytes.
const LONGEST: usize = 1024;

/// Evaluates an expression whose expansions are done. Names are read and written by the callback.
pub(super) fn evaluate(text: &str, variable: &mut dyn FnMut(&str, Option<i64>) -> Option<i64>) -> Result<i64, Problem> {
    let unsupported = || Problem::Command(format!("(({text}))"));
    if text.trim().is_empty() || text.len() > LONGEST {
        return Err(unsupported());
    }
    let mut parser = Parser { rest: text, depth: 0, variable };
    let value = parser.assignment().ok_or_else(unsupported)?;
    if parser.rest.trim().is_empty() { Ok(value) } else { Err(unsupported()) }
}

struct Parser<'a, 'b> {
    rest: &'a str,
    depth: usize,
    variable: &'b mut dyn FnMut(&str, Option<i64>) -> Option<i64>,
}

const LEVELS: [&[&str]; 6] = [&["||"], &["&&"], &["==", "!="], &["<=", ">=", "<", ">"], &["+", "-"], &["*", "/", "%"]];

impl Parser<'_, '_> {
    fn eat(&mut self, text: &str) -> bool {
        self.rest = self.rest.trim_start();
        let rest = self.rest.strip_prefix(text);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn name(&mut self) -> Option<String> {
        self.rest = self.rest.trim_start();
        let end = self.rest.find(|it: char| !it.is_ascii_alphanumeric() && it != '_').unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at(end);
        if name.is_empty() || name.starts_with(|it: char| it.is_ascii_digit()) {
            return None;
        }
        self.rest = rest;
        Some(name.to_owned())
    }

    /// `name = value`, `name += value`, `name++`
    fn assignment(&mut self) -> Option<i64> {
        let start = self.rest;
        let prefix = ["++", "--"].into_iter().find(|operator| self.eat(operator));
        if let Some(name) = self.name() {
            let before = (self.variable)(&name, None).unwrap_or(0);
            let step = |operator: &str| if operator == "++" { 1 } else { -1 };
            if let Some(operator) = prefix {
                return (self.variable)(&name, Some(before.checked_add(step(operator))?));
            }
            if let Some(operator) = ["++", "--"].into_iter().find(|operator| self.eat(operator)) {
                (self.variable)(&name, Some(before.checked_add(step(operator))?));
                return Some(before);
            }
            if let Some(sign) = [1, -1].into_iter().find(|sign| self.eat(if *sign > 0 { "+=" } else { "-=" })) {
                let value = self.binary(0)?.checked_mul(sign)?;
                return (self.variable)(&name, Some(before.checked_add(value)?));
            }
            if !self.rest.starts_with("==") && self.eat("=") && !self.rest.starts_with('=') {
                let value = self.binary(0)?;
                return (self.variable)(&name, Some(value));
            }
        }
        self.rest = start;
        self.binary(0)
    }

    fn binary(&mut self, level: usize) -> Option<i64> {
        let Some(operators) = LEVELS.get(level) else { return self.unary() };
        let mut left = self.binary(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.eat(operator)) {
            let right = self.binary(level + 1)?;
            left = match *operator {
                "||" => i64::from(left != 0 || right != 0),
                "&&" => i64::from(left != 0 && right != 0),
                "==" => i64::from(left == right),
                "!=" => i64::from(left != right),
                "<=" => i64::from(left <= right),
                ">=" => i64::from(left >= right),
                "<" => i64::from(left < right),
                ">" => i64::from(left > right),
                "+" => left.checked_add(right)?,
                "-" => left.checked_sub(right)?,
                "*" => left.checked_mul(right)?,
                "/" => left.checked_div(right)?,
                _ => left.checked_rem(right)?,
            };
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<i64> {
        self.depth += 1;
        if self.depth > DEEPEST {
            return None;
        }
        let value = if self.eat("!") {
            self.unary().map(|value| i64::from(value == 0))
        } else if self.eat("-") {
            self.unary()?.checked_neg()
        } else if self.eat("(") {
            let value = self.assignment()?;
            self.eat(")").then_some(value)
        } else {
            let _ = self.eat("$");
            match self.name() {
                Some(name) => Some((self.variable)(&name, None).unwrap_or(0)),
                None => self.number(),
            }
        };
        self.depth -= 1;
        value
    }

    fn number(&mut self) -> Option<i64> {
        let end = self.rest.find(|it: char| !it.is_ascii_digit()).unwrap_or(self.rest.len());
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        number.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_are_calculated() {
        for (text, expected) in [
            ("1 + 2 * 3", Some(7)),
            ("(1 + 2) * 3 == 9", Some(1)),
            ("i", Some(5)),
            ("i++", Some(5)),
            ("i += 2", Some(7)),
            ("i = 3", Some(3)),
            ("i == 5 && !0", Some(1)),
            ("1 / 0", None),
            ("9223372036854775807 + 1", None),
            ("1 ? 2 : 3", None),
            (&"(".repeat(1000), None),
        ] {
            let mut value = 5;
            let result = evaluate(text, &mut |_, set| {
                value = set.unwrap_or(value);
                Some(value)
            });
            assert_eq!(result.ok(), expected, "{text}");
        }
    }
}
