//! CEL as text: parsed within bounds, because manifests are hostile input.

use ::cel::IdedExpr;
use ::cel::common::ast::{EntryExpr, Expr};
use ::cel::parser::PrattParser;

/// Longest expression, in bytes.
const MOST_BYTES: usize = 16 * 1024;

/// Deepest nesting of an expression.
const DEEPEST: u16 = 64;

/// Most nodes of an expression.
const MOST_NODES: usize = 1_024;

/// Most signs of an expression that can nest: brackets, operators, selections.
const MOST_SIGNS: usize = 256;

/// Why an expression is not parsed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ParseError {
    /// It is not CEL. The text is the parser's.
    #[error("{0}")]
    Syntax(String),
    /// It is larger than is parsed here; a cluster may take it.
    #[error("the expression {0}, which is more than verify parses")]
    Limit(String),
}

/// Parses an expression. Nesting and nodes are counted while it is read, and the
/// depth of the result is checked, so that no later step exhausts its stack.
pub(crate) fn parse(expression: &str) -> Result<IdedExpr, ParseError> {
    let limit = |excess: String| Err(ParseError::Limit(excess));
    if expression.len() > MOST_BYTES {
        return limit(format!("is longer than {MOST_BYTES} bytes"));
    }
    if signs(expression) > MOST_SIGNS {
        return limit(format!("has more than {MOST_SIGNS} operators and brackets"));
    }
    let parser = PrattParser::new().max_recursion_depth(DEEPEST).max_expression_node_count(MOST_NODES);
    let parsed = parser.parse(expression).map_err(|errors| {
        let first = errors.errors.first().map(|error| error.msg.clone());
        ParseError::Syntax(first.unwrap_or_else(|| "syntax error".to_owned()))
    })?;
    if is_deeper_than(&parsed.expr, DEEPEST) {
        return limit(format!("has more than {DEEPEST} levels"));
    }
    Ok(parsed)
}

/// How many signs of an expression can nest, without those in its texts. The parser bounds the nesting of some of them only
/// after it has used up its stack. Where texts are not simple to tell, everything counts.
fn signs(expression: &str) -> usize {
    let is_sign = |letter: &char| "([{?.!-+*/%<>=&|".contains(*letter);
    if expression.contains(['\\', '#']) || expression.contains("'''") || expression.contains("\"\"\"") {
        return expression.chars().filter(is_sign).count();
    }
    let mut quote = None;
    let outside = expression.chars().filter(|letter| match quote {
        Some(open) => {
            if *letter == open || *letter == '\n' {
                quote = None;
            }
            false
        }
        None => {
            quote = Some(*letter).filter(|letter| matches!(letter, '\'' | '"'));
            is_sign(letter)
        }
    });
    outside.count()
}

/// The parts of an expression.
pub(crate) fn parts(expression: &Expr) -> Vec<&Expr> {
    match expression {
        Expr::Unspecified | Expr::Ident(_) | Expr::Literal(_) => Vec::new(),
        Expr::Call(call) => call.target.iter().map(|it| &it.expr).chain(call.args.iter().map(|it| &it.expr)).collect(),
        Expr::Comprehension(it) => {
            vec![&it.iter_range.expr, &it.accu_init.expr, &it.loop_cond.expr, &it.loop_step.expr, &it.result.expr]
        }
        Expr::List(list) => list.elements.iter().map(|it| &it.expr).collect(),
        Expr::Map(map) => map.entries.iter().flat_map(|it| parts_of_entry(&it.expr)).collect(),
        Expr::Select(select) => vec![&select.operand.expr],
        Expr::Struct(it) => it.entries.iter().flat_map(|it| parts_of_entry(&it.expr)).collect(),
    }
}

fn parts_of_entry(entry: &EntryExpr) -> Vec<&Expr> {
    match entry {
        EntryExpr::StructField(field) => vec![&field.value.expr],
        EntryExpr::MapEntry(entry) => vec![&entry.key.expr, &entry.value.expr],
    }
}

fn is_deeper_than(expression: &Expr, levels: u16) -> bool {
    match levels.checked_sub(1) {
        None => true,
        Some(levels) => parts(expression).into_iter().any(|part| is_deeper_than(part, levels)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_expressions_end() {
        for expression in [
            format!("{}a{}", "(".repeat(5_000), ")".repeat(5_000)),
            format!("{}a", "!".repeat(5_001)),
            format!("{}a", "- ".repeat(5_001)),
            "[".repeat(10_000),
            format!("a{}", ".b".repeat(5_000)),
            format!("a{}", "[0]".repeat(5_000)),
            format!("{}a", "a ? a : ".repeat(2_000)),
            format!("a{}", " == a".repeat(3_000)),
            format!("{}a{}", "[].map(x, ".repeat(100), ")".repeat(100)),
            "a ".repeat(8_000),
            format!("'{}'", "a".repeat(MOST_BYTES)),
            vec!["a()"; 500].join(" && "),
        ] {
            // What is parsed is shallow.
            assert!(
                parse(&expression).is_err_and(|it| !it.to_string().is_empty())
                    || parts(&parse(&expression).unwrap().expr).len() < 9
            );
        }
        assert_eq!(
            parse(&format!("a{}", " == a".repeat(100))).unwrap_err(),
            ParseError::Limit("has more than 64 levels".into())
        );
    }

    #[test]
    fn usual_expressions_are_parsed() {
        for expression in [
            "request.userInfo.username != 'system:admin'",
            "!(request.resource.group == 'coordination.k8s.io' && request.resource.resource == 'leases')",
            "!('system:nodes' in request.userInfo.groups)",
            "has(object.metadata.labels) && object.spec.containers.all(c, c.image.startsWith('ghcr.io/'))",
            "authorizer.group('').resource('pods').check('create').allowed()",
        ] {
            assert!(parse(expression).is_ok(), "{expression}");
        }
    }
}
