//! When a question is shown: `rule=A||rule=B`, `kind=x&&is_on=true`.

use indexmap::IndexMap;
use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::flow;

/// Whether a condition holds; `&&` binds closer than `||`. One that cannot be read holds.
pub(super) fn holds(condition: &str, answers: &IndexMap<&str, String>) -> bool {
    condition.split("||").any(|all| all.split("&&").all(|one| is_true(one, answers)))
}

fn is_true(one: &str, answers: &IndexMap<&str, String>) -> bool {
    let (pair, is_equal) = match one.split_once("!=") {
        Some(pair) => (Some(pair), false),
        None => (one.split_once('='), true),
    };
    let Some((variable, wanted)) = pair else { return true };
    let answer = answers.get(variable.trim()).map_or("", String::as_str);
    (answer == wanted.trim()) == is_equal
}

/// A value as conditions write it.
pub(super) fn text(value: &Node) -> String {
    match value {
        Node::Null => String::new(),
        Node::Text(text) => text.clone(),
        other => flow::flow(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_compare_answers() {
        let answers = IndexMap::from([("rule", "A".to_owned()), ("cpu.on", text(&Node::Bool(false)))]);
        for (condition, wanted) in [
            ("rule=A", true),
            ("rule=B", false),
            ("rule=B||rule=A", true),
            (" rule = A && cpu.on = false ", true),
            ("rule=A&&cpu.on=true", false),
            ("rule=A&&cpu.on=true||rule=A", true),
            ("rule!=A", false),
            ("other!=A", true),
            ("other=", true),
            ("nonsense", true),
        ] {
            assert_eq!(holds(condition, &answers), wanted, "{condition}");
        }
    }
}
