//! Which expressions of policy groups the controller accepts: CEL with calls of members, `==`, `!=`, `&&`, `||` and `!`.
//! policy-server evaluates them in another language (see `expression`), which would take more.
//!
//! Source: `policygroup_validation.go` of the controller.

use ::cel::common::ast::{Expr, LiteralValue, operators};

use crate::cel::{self, ParseError};

/// Names that CEL reserves.
const RESERVED: [&str; 21] = [
    "true",
    "false",
    "null",
    "in",
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Why an expression is not accepted.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Problem {
    /// The controller rejects it: it is not valid CEL, or uses more than the controller offers.
    #[error("rejected by the controller: compilation failed: {0}")]
    Compilation(String),
    /// The controller rejects it: its value is not a boolean.
    #[error("rejected by the controller: must evaluate to bool")]
    NotBool,
    /// It is too large to be checked here.
    #[error("{0}")]
    Limit(ParseError),
}

impl From<ParseError> for Problem {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Syntax(text) => Self::Compilation(text),
            limit @ ParseError::Limit(_) => Self::Limit(limit),
        }
    }
}

/// Whether a member cannot have this name.
pub(crate) fn is_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// Compiles an expression as the controller does.
pub(crate) fn check(expression: &str, members: &[&str]) -> Result<(), Problem> {
    let parsed = cel::parse(expression)?;
    match type_of(&parsed.expr, members)? {
        Type::Bool => Ok(()),
        Type::Other(_) => Err(Problem::NotBool),
    }
}

/// What is known of the type of an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Type {
    Bool,
    Other(&'static str),
}

fn type_of(expression: &Expr, members: &[&str]) -> Result<Type, Problem> {
    match expression {
        Expr::Literal(literal) => Ok(match literal {
            LiteralValue::Boolean(_) => Type::Bool,
            LiteralValue::Bytes(_) => Type::Other("bytes"),
            LiteralValue::Double(_) => Type::Other("double"),
            LiteralValue::Int(_) => Type::Other("int"),
            LiteralValue::Null => Type::Other("null_type"),
            LiteralValue::String(_) => Type::Other("string"),
            LiteralValue::UInt(_) => Type::Other("uint"),
        }),
        Expr::Call(call) if call.target.is_none() => {
            let name = call.func_name.as_str();
            let types =
                call.args.iter().map(|argument| type_of(&argument.expr, members)).collect::<Result<Vec<_>, _>>()?;
            let is_typed = match name {
                operators::LOGICAL_AND | operators::LOGICAL_OR | operators::LOGICAL_NOT => {
                    types.iter().all(|it| *it == Type::Bool)
                }
                operators::EQUALS | operators::NOT_EQUALS => types.windows(2).all(|pair| pair[0] == pair[1]),
                member if members.contains(&member) => types.is_empty(),
                unknown => return Err(undeclared(unknown)),
            };
            match is_typed {
                true => Ok(Type::Bool),
                false => Err(Problem::Compilation(format!("found no matching overload for '{name}'"))),
            }
        }
        Expr::Ident(name) => Err(undeclared(name)),
        _ => Err(Problem::Compilation("only members, `==`, `!=`, `&&`, `||` and `!` are declared".to_owned())),
    }
}

fn undeclared(name: &str) -> Problem {
    Problem::Compilation(format!("undeclared reference to '{name}'"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_members_and_five_operators_are_accepted() {
        for expression in [
            "a()",
            "!a() && (b() || a())",
            "a() == b()",
            "a() != true",
            "1 == 2 || a()",
            "true",
            "a() && b() && a() && b()",
        ] {
            assert_eq!(check(expression, &["a", "b"]), Ok(()), "{expression}");
        }
    }

    #[test]
    fn other_expressions_are_rejected() {
        for (expression, wanted) in [
            ("a() & b()", "rejected by the controller: compilation failed: "),
            ("if a() { b() } else { a() }", "rejected by the controller: compilation failed: "),
            ("a() > b()", "rejected by the controller: compilation failed: undeclared reference to '_>_'"),
            ("a() ? b() : a()", "rejected by the controller: compilation failed: undeclared reference to '_?_:_'"),
            ("a() + b() == true", "rejected by the controller: compilation failed: undeclared reference to '_+_'"),
            ("c()", "rejected by the controller: compilation failed: undeclared reference to 'c'"),
            ("a", "rejected by the controller: compilation failed: undeclared reference to 'a'"),
            ("a(1)", "rejected by the controller: compilation failed: found no matching overload for 'a'"),
            ("a() == 1", "rejected by the controller: compilation failed: found no matching overload for '_==_'"),
            ("a() && 1", "rejected by the controller: compilation failed: found no matching overload for '_&&_'"),
            ("1", "rejected by the controller: must evaluate to bool"),
            ("[a()].all(x, x)", "rejected by the controller: compilation failed: "),
            ("a().b()", "rejected by the controller: compilation failed: "),
            ("", "rejected by the controller: compilation failed: "),
        ] {
            let problem = check(expression, &["a", "b"]).unwrap_err().to_string();
            assert!(problem.starts_with(wanted), "{expression}: {problem}");
        }
    }

    #[test]
    fn a_limit_is_not_the_controllers() {
        let problem = check(&vec!["a()"; 200].join(" || "), &["a"]).unwrap_err();
        let limit = ParseError::Limit("has more than 256 operators and brackets".into());
        assert_eq!(problem, Problem::Limit(limit));
        assert!(!problem.to_string().contains("controller"), "{problem}");
    }
}
