//! Expressions of policy groups: Rhai, evaluated as policy-server does it.
//!
//! A raw engine evaluates a single expression in which every member is a function without parameters. Which members are
//! evaluated is up to the expression: it stops where the result is certain. Source: `policy_group_evaluator/evaluator.rs` of
//! policy-evaluator. An expression is hostile input, so its size, depth and time are bounded.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use rhai::{Engine, EvalAltResult, OptimizationLevel, Position};

/// Longest expression, in bytes.
pub(crate) const MOST_BYTES: usize = 16 * 1024;

/// Most evaluations of members in one evaluation of an expression.
pub(crate) const MOST_CALLS: usize = 256;

/// Most steps of the interpreter; `a() && b()` takes less than ten.
const MOST_OPERATIONS: u64 = 100_000;

/// Deepest nesting: the engine's own default in optimised builds.
const DEEPEST: usize = 64;

/// Why an expression has no result.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure<E> {
    /// The expression is at fault.
    Expression(Problem),
    /// A member could not be evaluated.
    Member(E),
}

/// What is wrong with an expression.
#[derive(Debug, PartialEq, Eq)]
pub struct Problem {
    /// The message of Rhai, which policy-server has too.
    pub text: String,
    /// Where, in characters counted from 1, if it is in the first line.
    pub(crate) column: Option<usize>,
    /// The function that does not exist, if that is the problem.
    pub(crate) unknown: Option<String>,
}

impl Problem {
    fn limit(text: String) -> Self {
        Self { text, column: None, unknown: None }
    }
}

impl From<&EvalAltResult> for Problem {
    fn from(error: &EvalAltResult) -> Self {
        let position = error.position();
        let unknown = match error {
            EvalAltResult::ErrorFunctionNotFound(signature, _) => {
                signature.split_whitespace().next().map(str::to_owned)
            }
            _ => None,
        };
        Self { text: error.to_string(), column: position.position().filter(|_| position.line() == Some(1)), unknown }
    }
}

/// Whether an expression could be evaluated if every member allowed the request, which is what policy-server checks.
pub(crate) fn check(expression: &str, members: &[&str]) -> Result<(), Problem> {
    match evaluate(expression, members, |_| Ok::<_, Infallible>(true)) {
        Ok(_) => Ok(()),
        Err(Failure::Expression(problem)) => Err(problem),
        Err(Failure::Member(impossible)) => match impossible {},
    }
}

/// Whether an expression can call a member of this name.
pub(crate) fn is_usable_name(name: &str) -> bool {
    let is_letter = |letter: char| letter.is_ascii_alphabetic() || letter == '_';
    name.starts_with(is_letter)
        && name.chars().all(|letter| is_letter(letter) || letter.is_ascii_digit())
        && check(&format!("{name}()"), &[name]).is_ok()
}

/// Evaluates an expression. `ask` is called for each member the expression comes to, with its position, and says
/// whether it allows the request; an error ends the evaluation.
///
/// The functions of the engine must not borrow anything, so a call whose answer is unknown ends the evaluation, the
/// member is asked, and the evaluation starts again with one answer more: nothing but the answers decides its course.
pub fn evaluate<E>(
    expression: &str,
    members: &[&str],
    mut ask: impl FnMut(usize) -> Result<bool, E>,
) -> Result<bool, Failure<E>> {
    if expression.len() > MOST_BYTES {
        return Err(Failure::Expression(Problem::limit(format!("the expression is longer than {MOST_BYTES} bytes"))));
    }
    let calls = Arc::new(Mutex::new(Calls::default()));
    let engine = engine(members, &calls);
    let failed = |error: &EvalAltResult| Failure::Expression(error.into());
    let compiled = engine.compile_expression(expression).map_err(|error| failed(&EvalAltResult::from(error)))?;
    loop {
        let result = engine.eval_ast::<bool>(&compiled);
        let open = {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            calls.made = 0;
            calls.open.take()
        };
        let Some(member) = open else { return result.map_err(|error| failed(&error)) };
        let answer = ask(member).map_err(Failure::Member)?;
        let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
        if calls.answers.len() == MOST_CALLS {
            return Err(Failure::Expression(Problem::limit(format!(
                "the expression evaluates its members more than {MOST_CALLS} times"
            ))));
        }
        calls.answers.push(answer);
    }
}

/// The calls of members in the order in which an evaluation makes them.
#[derive(Default)]
struct Calls {
    answers: Vec<bool>,
    /// How many were made in this evaluation.
    made: usize,
    /// The member whose answer is not known yet.
    open: Option<usize>,
}

fn engine(members: &[&str], calls: &Arc<Mutex<Calls>>) -> Engine {
    let mut engine = Engine::new_raw();
    // The server evaluates the text as it stands, so nothing is folded away.
    engine.set_optimization_level(OptimizationLevel::None);
    engine.set_max_operations(MOST_OPERATIONS);
    engine.set_max_expr_depths(DEEPEST, DEEPEST / 2);
    engine.set_max_call_levels(DEEPEST);
    engine.set_max_string_size(MOST_BYTES);
    engine.set_max_array_size(MOST_CALLS);
    engine.set_max_map_size(MOST_CALLS);
    for (index, name) in members.iter().enumerate() {
        let calls = Arc::clone(calls);
        engine.register_fn(*name, move || -> Result<bool, Box<EvalAltResult>> {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            let answer = calls.answers.get(calls.made).copied();
            calls.made += 1;
            answer.ok_or_else(|| {
                calls.open = Some(index);
                Box::new(EvalAltResult::ErrorTerminated(().into(), Position::NONE))
            })
        });
    }
    engine
}

#[cfg(test)]
mod tests {
    use super::*;

    const MEMBERS: [&str; 3] = ["a", "b", "c"];

    /// The result, and the members evaluated in their order; `denying` reject.
    fn evaluated(expression: &str, denying: &str) -> (Result<bool, String>, String) {
        let mut asked = String::new();
        let result = evaluate(expression, &MEMBERS, |index| {
            asked.push_str(MEMBERS[index]);
            Ok::<_, Infallible>(!denying.contains(MEMBERS[index]))
        });
        let result = result.map_err(|failure| match failure {
            Failure::Expression(problem) => problem.text,
            Failure::Member(impossible) => match impossible {},
        });
        (result, asked)
    }

    #[test]
    fn members_are_evaluated_until_the_result_is_certain() {
        for (expression, denying, result, asked) in [
            ("a()", "", true, "a"),
            ("a() && b()", "", true, "ab"),
            ("a() && b()", "a", false, "a"),
            ("a() || b()", "", true, "a"),
            ("a() || b()", "a", true, "ab"),
            ("a() || (b() && c())", "a", true, "abc"),
            ("a() || (b() && c())", "ab", false, "ab"),
            ("!a()", "", false, "a"),
            ("a() == b()", "ab", true, "ab"),
            ("a() != b()", "b", true, "ab"),
            ("b() && a() && b()", "", true, "bab"),
            ("a() || a() || b()", "a", true, "aab"),
            ("true", "", true, ""),
            ("false && a()", "", false, ""),
            ("if a() { b() } else { c() }", "a", true, "ac"),
        ] {
            assert_eq!(
                evaluated(expression, denying),
                (Ok(result), asked.to_owned()),
                "{expression} without {denying}"
            );
        }
    }

    #[test]
    fn errors_are_those_of_the_engine() {
        let error = |expression: &str, denying: &str| evaluated(expression, denying).0.unwrap_err();
        assert_eq!(error("a() && d()", ""), "Function not found: d () (line 1, position 8)");
        assert_eq!(check("d()", &MEMBERS).unwrap_err().text, "Function not found: d () (line 1, position 1)");
        assert!(error("a() &&", "").contains("line 1"), "{}", error("a() &&", ""));
        assert!(error("1 + 1", "").contains("bool"), "{}", error("1 + 1", ""));
        assert!(error("a", "").contains("Variable not found"), "{}", error("a", ""));
        // What is never reached is never noticed, here as in the server.
        assert_eq!(check("a() || d()", &MEMBERS), Ok(()));
        assert_eq!(error("a() || d()", "a"), "Function not found: d () (line 1, position 8)");
    }

    #[test]
    fn a_failing_member_ends_the_evaluation() {
        let mut asked = 0;
        let result = evaluate("a() || b()", &MEMBERS, |_| {
            asked += 1;
            Err("trap")
        });
        assert_eq!((result, asked), (Err(Failure::Member("trap")), 1));
    }

    #[test]
    fn statements_are_refused() {
        for expression in ["let x = a(); x", "while true {}", "import \"x\" as y", "fn f() { true } f()"] {
            assert!(evaluated(expression, "").0.is_err(), "{expression}");
        }
    }

    #[test]
    fn hostile_expressions_end() {
        let many_calls = vec!["a()"; 300].join(" || ");
        let deep = format!("{}a(){}", "(".repeat(5_000), ")".repeat(5_000));
        let not = format!("{}a()", "!".repeat(5_000));
        let long = format!("a() {}", " ".repeat(MOST_BYTES));
        let some_calls = format!("({})", vec!["a()"; 16].join(" || "));
        let text = evaluated(&vec![some_calls; 17].join(" || "), "abc").0.unwrap_err();
        assert!(text.contains("the expression evaluates its members more than 256 times"), "{text}");
        for expression in [
            r#"eval("loop {}")"#,
            r#"eval("loop { a() }")"#,
            r#"eval("let x = \"x\"; loop { x += x }")"#,
            r#"eval("fn f() { f() } f()")"#,
            &many_calls,
            &deep,
            &not,
            &long,
        ] {
            assert!(evaluated(expression, "abc").0.is_err(), "{}", &expression[..expression.len().min(40)]);
        }
    }

    #[test]
    fn names_of_members_are_identifiers() {
        for name in ["a", "_a", "is_signed2", "Owned"] {
            assert!(is_usable_name(name), "{name}");
        }
        for name in ["", "2a", "a-b", "a.b", "a b", "if", "true", "fn", "ä", "a()", "eval"] {
            assert!(!is_usable_name(name), "{name}");
        }
    }
}
