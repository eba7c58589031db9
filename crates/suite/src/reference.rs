//! The keys of a suite as a page of Markdown, made from the JSON Schema and so from the types that parse the file.
//!
//! Written for the vocabulary that [`super::json_schema`] uses, not for any schema there is.

use std::collections::VecDeque;
use std::fmt::Write;

use serde_json::{Map, Value};

/// The page: the suite itself, then everything it refers to, in the order of its first mention.
pub fn markdown(schema: &Value) -> String {
    let mut page = Page { definitions: &schema["$defs"], waiting: VecDeque::new(), seen: Vec::new() };
    let mut text = String::from(HEAD);
    text += &page.section("The suite", schema);
    while let Some(name) = page.waiting.pop_front() {
        let definition = &page.definitions[&name];
        text += &page.section(&title(&name), definition);
    }
    text
}

const HEAD: &str = "# Every key of a suite

`verify schema --markdown` prints this page from the types that parse the file; [the suite file](suite.md) explains. A
key that is in no table is a mistake, but for `x-…`, which is ignored everywhere. A variable, `${name}`, may stand
for any boolean or word.
";

struct Page<'a> {
    definitions: &'a Value,
    /// Names of definitions that get a section and have none yet.
    waiting: VecDeque<String>,
    seen: Vec<String>,
}

impl Page<'_> {
    fn section(&mut self, title: &str, schema: &Value) -> String {
        let schema = without_variable(schema);
        let mut text = format!("\n## {title}\n");
        if let Some(description) = schema["description"].as_str() {
            let _ = write!(text, "\n{}\n", cell(description));
        }
        if let Some(properties) = schema["properties"].as_object() {
            text += &self.keys(properties, &schema["required"]);
        }
        if let Some(words) = schema["oneOf"].as_array() {
            text += "\n| word | meaning |\n|---|---|\n";
            for word in words {
                let meaning = word["description"].as_str().unwrap_or_default();
                let _ = writeln!(text, "| {} | {} |", code(&word["const"]), cell(meaning));
            }
        }
        text
    }

    fn keys(&mut self, properties: &Map<String, Value>, required: &Value) -> String {
        let mut text = String::from("\n| key | takes | meaning |\n|---|---|---|\n");
        for (key, schema) in properties {
            let takes = self.takes(schema);
            let own = schema["description"].as_str();
            let meaning = own.or_else(|| without_variable(schema)["description"].as_str()).unwrap_or_default();
            let is_required = required.as_array().is_some_and(|keys| keys.iter().any(|name| name == key));
            let must = if is_required { " Required." } else { "" };
            let _ = writeln!(text, "| `{key}` | {takes} | {}{must} |", cell(meaning));
        }
        text
    }

    /// What may stand behind a key, in words.
    fn takes(&mut self, schema: &Value) -> String {
        if let Some(reference) = schema["$ref"].as_str() {
            return self.reference(reference.trim_start_matches("#/$defs/"));
        }
        if let Some(alternatives) = schema["anyOf"].as_array() {
            let shown = alternatives.iter().filter(|alternative| !is_variable(alternative) && !is_null(alternative));
            let words: Vec<String> = shown.map(|alternative| self.takes(alternative)).collect();
            return words.join(" or ");
        }
        if let Some(words) = schema["enum"].as_array() {
            return words.iter().map(code).collect::<Vec<_>>().join(", ");
        }
        if !schema["const"].is_null() {
            return code(&schema["const"]);
        }
        let types = match &schema["type"] {
            Value::String(name) => vec![name.as_str()],
            Value::Array(names) => names.iter().filter_map(Value::as_str).filter(|name| *name != "null").collect(),
            _ => return "anything".into(),
        };
        types.iter().map(|name| self.of_type(name, schema)).collect::<Vec<_>>().join(" or ")
    }

    fn of_type(&mut self, name: &str, schema: &Value) -> String {
        match name {
            "string" => "text".into(),
            "integer" | "number" => "number".into(),
            "array" if schema["items"].is_object() => format!("list of {}", self.takes(&schema["items"])),
            "array" => "list".into(),
            "object" if schema["additionalProperties"].is_object() => {
                format!("mapping of names to {}", self.takes(&schema["additionalProperties"]))
            }
            "object" => "mapping".into(),
            other => other.into(),
        }
    }

    /// A link to the section of a definition. Those without keys or explained words need none.
    fn reference(&mut self, name: &str) -> String {
        let definition = without_variable(&self.definitions[name]).clone();
        if definition["properties"].is_null() && definition["oneOf"].is_null() {
            return self.takes(&definition);
        }
        if !self.seen.iter().any(|known| known == name) {
            self.seen.push(name.to_owned());
            self.waiting.push_back(name.to_owned());
        }
        let title = title(name);
        format!("[{}](#{})", title.to_lowercase(), title.to_lowercase().replace(' ', "-"))
    }
}

/// `SettingsCaseEntry` is shown as `Settings case`.
pub(super) fn title(name: &str) -> String {
    let mut title = String::new();
    for letter in name.trim_end_matches("Entry").chars() {
        if letter.is_uppercase() && !title.is_empty() {
            title.push(' ');
            title.extend(letter.to_lowercase());
        } else {
            title.push(letter);
        }
    }
    title
}

/// A schema without the alternative that allows a variable.
fn without_variable(schema: &Value) -> &Value {
    match schema["anyOf"].as_array().map(Vec::as_slice) {
        Some([first, second]) if is_variable(second) && schema["$ref"].is_null() => first,
        _ => schema,
    }
}

fn is_variable(schema: &Value) -> bool {
    schema["pattern"] == "\\$\\{"
}

fn is_null(schema: &Value) -> bool {
    schema["type"] == "null"
}

fn code(value: &Value) -> String {
    let text = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("`{text}`")
}

/// Text of a cell, with its markup escaped.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_of_the_schema_is_on_the_page() {
        let schema = super::super::json_schema();
        let page = markdown(&schema);
        let mut count = 0;
        let roots = schema["$defs"].as_object().unwrap().values().chain([&schema]);
        for properties in roots.filter_map(|definition| definition["properties"].as_object()) {
            for key in properties.keys() {
                assert!(page.contains(&format!("| `{key}` | ")), "{key}");
                count += 1;
            }
        }
        assert!(count > 50);
        let definitions = schema["$defs"].as_object().unwrap();
        for (name, _) in definitions.iter().filter(|(_, definition)| !definition["properties"].is_null()) {
            assert_eq!(page.matches(&format!("\n## {}\n", title(name))).count(), 1, "{name}");
        }
    }

    #[test]
    fn types_of_keys_are_in_words() {
        let page = markdown(&super::super::json_schema());
        for row in [
            "| `version` | `1` | Version of this format: 1. Required. |",
            "| `cases` | list of [case](#case) | Requests and the expected responses. |",
            "| `policies` | mapping of names to [policy](#policy) or text or list of text | The policies under test, by name; or paths and globs of manifests, whose policies have the names of their resources. |",
            "| `trap` | The policy trapped. |",
        ] {
            assert!(page.contains(row), "{row}\n{page}");
        }
        assert!(!page.contains("null"), "{page}");
    }
}
