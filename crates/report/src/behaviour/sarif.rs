//! Differences in SARIF 2.1.0, for code scanning: each at the case that shows it, or at the module.

use std::io;

use policy_verify_model::behaviour::{Behaviour, Class, Difference};
use serde_json::{Value, json};

use super::words::{number, verdict};
use crate::sarif::{Located, document};
use crate::{escape, json, phrases};

/// Writes a document with a result for each difference. What has no place in the repository is a notification: code scanning
/// takes no result without one.
pub fn sarif(behaviour: &Behaviour, out: &mut dyn io::Write) -> io::Result<()> {
    let mut rules: Vec<Class> = behaviour.differences.iter().map(|difference| difference.class).collect();
    rules.sort_unstable();
    rules.dedup();
    let mut results = Vec::new();
    let mut notes = vec![note("note", &verdict(behaviour))];
    notes.extend(behaviour.warning.iter().map(|warning| note("warning", warning)));
    for difference in &behaviour.differences {
        let message = message(difference);
        match place(difference, &behaviour.new.uri) {
            Some((path, line)) => {
                let located = Located {
                    rule: difference.class.word(),
                    index: rules.iter().position(|class| *class == difference.class).unwrap_or_default(),
                    level: level(difference.class),
                    message: &message,
                    path,
                    line,
                    column: 1,
                    identity: &difference.cause,
                };
                results.push(located.result());
            }
            None => notes.push(note(level(difference.class), &message)),
        }
    }
    for left in &behaviour.not_compared {
        let cases = phrases::count(left.number, "case");
        notes.push(note("warning", &format!("not compared, {cases}: {}, such as {}", left.reason, left.example)));
    }
    let run = json!({
        "tool": { "driver": {
            "name": "policy-verify",
            "semanticVersion": env!("CARGO_PKG_VERSION"),
            "rules": rules.into_iter().map(rule).collect::<Vec<_>>(),
        } },
        "automationDetails": { "id": "policy-verify/diff/" },
        "columnKind": "unicodeCodePoints",
        "invocations": [{
            "executionSuccessful": behaviour.shows_something(),
            "toolExecutionNotifications": notes,
        }],
        "results": results,
    });
    json::write(&document(vec![run]), out)
}

/// Where a difference is: at its case, or in the file of the new module if that is in the repository.
fn place<'a>(difference: &'a Difference, module: &'a str) -> Option<(&'a str, usize)> {
    match &difference.example {
        Some(example) => Some((example.file.as_str(), example.line)).filter(|(file, _)| !file.starts_with('<')),
        None => {
            let path = module.strip_prefix("./").unwrap_or(module);
            let is_inside =
                !path.contains("://") && !path.starts_with('/') && !path.split('/').any(|part| part == "..");
            (is_inside && !path.starts_with("sha256:")).then_some((path, 1))
        }
    }
}

fn message(difference: &Difference) -> String {
    let Difference { class, cause, old, new, .. } = difference;
    format!("{} · {}: {cause}\nold: {old}\nnew: {new}", class.title(), number(difference))
}

fn level(class: Class) -> &'static str {
    match class {
        Class::NewDenial | Class::NewAllowance | Class::Faults => "error",
        Class::Privilege | Class::OtherMutation => "warning",
        Class::Wording | Class::Cost | Class::Other => "note",
    }
}

fn rule(class: Class) -> Value {
    json!({
        "id": class.word(),
        "shortDescription": { "text": class.title() },
        "fullDescription": { "text": class.meaning() },
        "help": { "text": class.meaning(), "markdown": class.meaning() },
        "defaultConfiguration": { "level": level(class) },
        "properties": { "tags": ["kubewarden", "policy"] },
    })
}

fn note(level: &str, text: &str) -> Value {
    json!({ "level": level, "message": { "text": escape::visible(text) } })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::tests::sample;
    use super::*;
    use crate::testing::HOSTILE;

    fn written(behaviour: &Behaviour) -> Value {
        let mut bytes = Vec::new();
        sarif(behaviour, &mut bytes).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    }

    #[test]
    fn each_difference_is_a_result_of_its_class_or_a_notification() {
        let behaviour = sample("text");
        let document = written(&behaviour);
        let run = &document["runs"][0];
        let results = run["results"].as_array().unwrap();
        let notes = run["invocations"][0]["toolExecutionNotifications"].as_array().unwrap();
        let placed = behaviour.differences.iter().filter(|it| place(it, &behaviour.new.uri).is_some());
        assert_eq!(results.len(), placed.count());
        assert!(!results.is_empty() && !notes.is_empty());
        for result in results {
            let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
            assert_eq!(rule["id"], result["ruleId"]);
            assert!(!rule["fullDescription"]["text"].as_str().unwrap().is_empty());
        }
    }

    #[test]
    fn a_difference_of_the_module_is_in_its_file() {
        let mut difference = sample("text").differences.remove(0);
        difference.example = None;
        for (module, found) in [
            ("policy.wasm", Some("policy.wasm")),
            ("./a/policy.wasm", Some("a/policy.wasm")),
            ("../policy.wasm", None),
            ("/tmp/policy.wasm", None),
            ("registry://ghcr.io/acme/p:v1", None),
            ("sha256:abc", None),
        ] {
            assert_eq!(place(&difference, module).map(|(path, _)| path), found, "{module}");
        }
    }

    #[test]
    fn documents_validate_against_the_schema_of_oasis() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/sarif-2.1.0.schema.json");
        // OASIS published a pattern with a bracket that nothing opens.
        let text = std::fs::read_to_string(path).unwrap().replace("[a-zA-Z]{2}]?$", "[a-zA-Z]{2}$");
        let schema = jsonschema::validator_for(&serde_json::from_str(&text).unwrap()).unwrap();
        for behaviour in [sample("text"), sample(&HOSTILE.concat())] {
            let document = written(&behaviour);
            let errors: Vec<String> = schema.iter_errors(&document).map(|error| error.to_string()).collect();
            assert!(errors.is_empty(), "{errors:#?}");
        }
    }
}
