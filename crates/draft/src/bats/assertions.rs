//! Functions of bats-assert: `assert_success`, `assert_output --partial` and such.

use super::claim::Cond;
use super::machine::Machine;
use super::pattern::{Dialect, Pattern};
use super::problem::Problem;
use super::simple::value_of;
use super::value::{self, Text};

/// How a text is compared.
#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    Equal,
    Partial,
    Regex,
}

impl Machine {
    /// `None` for other functions.
    pub(super) fn assertion(&mut self, name: &str, arguments: &[Text]) -> Result<Option<Cond>, Problem> {
        let cond = match name {
            "assert_success" => self.status_is(true, &[]),
            "assert_failure" => self.status_is(false, arguments),
            "assert" => self.call(arguments.to_vec())?.0,
            "refute" => self.call(arguments.to_vec())?.0.negated(),
            "assert_equal" | "assert_equals" => self.two(arguments, "="),
            "assert_not_equal" | "refute_equal" => self.two(arguments, "!="),
            "assert_regex" => self.regex(arguments),
            "refute_regex" => self.regex(arguments).negated(),
            "assert_output" | "assert_line" | "assert_stderr" | "assert_stderr_line" => self.output_is(arguments),
            "refute_output" | "refute_line" | "refute_stderr" | "refute_stderr_line" => {
                self.output_is(arguments).negated()
            }
            _ => return Ok(None),
        };
        Ok(Some(cond))
    }

    fn status_is(&mut self, is_success: bool, arguments: &[Text]) -> Cond {
        let code = arguments.first().cloned().unwrap_or_else(|| value::text("0"));
        let status = self.get("status").cloned().unwrap_or_default();
        match (is_success, arguments.is_empty()) {
            (true, _) => self.compare(&status, "-eq", &value::text("0")),
            (false, true) => self.compare(&status, "-ne", &value::text("0")),
            (false, false) => self.compare(&status, "-eq", &code),
        }
    }

    fn two(&mut self, arguments: &[Text], operator: &str) -> Cond {
        match arguments {
            [left, right] => self.compare(left, operator, right),
            _ => Cond::Unknown(Problem::Arguments("assert_equal".to_owned())),
        }
    }

    fn regex(&mut self, arguments: &[Text]) -> Cond {
        let [subject, pattern] = arguments else { return Cond::Unknown(Problem::Arguments("assert_regex".to_owned())) };
        self.compared(subject, Comparison::Regex, pattern)
    }

    fn output_is(&mut self, arguments: &[Text]) -> Cond {
        let (mut comparison, mut texts, mut rest) = (Comparison::Equal, Vec::new(), arguments.iter());
        while let Some(argument) = rest.next() {
            match value::literal(argument).as_deref() {
                Some("-p" | "--partial") => comparison = Comparison::Partial,
                Some("-e" | "--regexp") => comparison = Comparison::Regex,
                Some("-n" | "--index") => drop(rest.next()),
                Some("--") => {}
                Some("-" | "--stdin") => texts.push(value::trimmed(self.stdin.clone().unwrap_or_default())),
                _ => texts.push(argument.clone()),
            }
        }
        let output = self.get("output").cloned().unwrap_or_default();
        if texts.is_empty() {
            // Piped in, or nothing but that there is any.
            match self.stdin.clone() {
                Some(input) => texts.push(value::trimmed(input)),
                None => return Cond::Known(true),
            }
        }
        self.compared(&output, comparison, &value_of(&texts))
    }

    fn compared(&mut self, subject: &Text, comparison: Comparison, expected: &Text) -> Cond {
        let Some(literal) = value::literal(expected) else {
            let problem = value::unknown(expected).cloned();
            return Cond::Unknown(problem.unwrap_or_else(|| Problem::Arguments("assert_output".to_owned())));
        };
        let pattern = match comparison {
            Comparison::Equal => return self.compare(subject, "=", expected),
            Comparison::Partial => Ok(Pattern::fixed(&literal)),
            Comparison::Regex => Pattern::regex(&[(literal, false)], Dialect::Extended),
        };
        match pattern {
            Ok(pattern) => self.matches(subject, &pattern),
            Err(problem) => Cond::Unknown(problem),
        }
    }
}
