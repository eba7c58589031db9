//! Cases are added to a suite behind those that it has.

use std::sync::Arc;

use policy_verify_model::source::SourceFile;
use serde_json::Value;

use super::check::documents;
use super::tree::{Layout, Shape, Tree};

/// Why cases cannot be added.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPlace {
    /// The text is no mapping in YAML.
    #[error("it is not written as a mapping with indentation")]
    NoMapping,
    /// `cases` is written in brackets, is an alias, or is no list.
    #[error("its `cases:` are not a list with a dash for each case")]
    NoList,
    /// The changed text would be read as something else.
    #[error("the new cases would change something else in it")]
    Changed,
}

/// The text of a suite with more cases. `entries` gives them as items of a list, indented by so many columns.
///
/// # Errors
///
/// Where they cannot be put into the text.
pub fn append_cases(file: &Arc<SourceFile>, entries: &dyn Fn(usize) -> String) -> Result<String, NoPlace> {
    let text = file.text.as_str();
    let tree = Tree::of(text).ok_or(NoPlace::NoMapping)?;
    let [root] = tree.documents() else { return Err(NoPlace::NoMapping) };
    let Shape::Map(members, Layout::Block) = &root.shape else { return Err(NoPlace::NoMapping) };
    let (at, new) = match members.iter().find(|member| member.name == "cases") {
        Some(member) => match &member.value.shape {
            Shape::List(items, Layout::Block) if !items.is_empty() => {
                let start = member.value.range.start;
                let column = text[..start].chars().rev().take_while(|letter| *letter != '\n').count();
                (member.value.range.end, format!("\n{}", entries(column)))
            }
            _ => return Err(NoPlace::NoList),
        },
        None => (root.range.end, format!("\ncases:\n{}", entries(2))),
    };
    // What is behind the last value on its line stays there, and blank lines come after the new cases.
    let end = text[..at].trim_end().len();
    let at = text[end..].find('\n').map_or(text.len(), |rest| end + rest + 1);
    let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
    let gap = if text[..at].ends_with('\n') { "" } else { "\n" };
    let new = format!("{gap}{new}").replace('\n', line_break);
    let changed = format!("{}{new}{}", &text[..at], &text[at..]);
    if is_grown(file, &changed) { Ok(changed) } else { Err(NoPlace::Changed) }
}

/// Whether a changed suite has more cases behind those it had, and is otherwise the same.
fn is_grown(before: &Arc<SourceFile>, after: &str) -> bool {
    let after = Arc::new(SourceFile { path: before.path.clone(), text: after.to_owned() });
    let (Some(old), Some(new)) = (documents(before), documents(&after)) else { return false };
    let ([Value::Object(old)], [Value::Object(new)]) = (old.as_slice(), new.as_slice()) else { return false };
    let is_same = |(key, value): (&String, &Value)| match (key.as_str(), value, new.get(key)) {
        ("cases", Value::Array(old), Some(Value::Array(new))) => new.len() > old.len() && new.starts_with(old),
        (_, value, other) => other == Some(value),
    };
    let has_cases = new.get("cases").is_some_and(Value::is_array);
    let others = new.keys().filter(|key| *key != "cases").count();
    has_cases && others == old.keys().filter(|key| *key != "cases").count() && old.iter().all(is_same)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn appended(text: &str) -> Result<String, NoPlace> {
        let file = Arc::new(SourceFile { path: "suite.yml".to_owned(), text: text.to_owned() });
        append_cases(&file, &|column| format!("{:column$}- name: new\n{:column$}  expect: accept\n", "", ""))
    }

    #[test]
    fn cases_go_behind_those_that_are_there() {
        for (before, after) in [
            (
                "cases:\n  - name: a # first\n    expect: allow # here\n",
                "cases:\n  - name: a # first\n    expect: allow # here\n\n  - name: new\n    expect: accept\n",
            ),
            (
                "cases:\n- name: a\n  expect: allow\n\nsettingsCases: []\n",
                "cases:\n- name: a\n  expect: allow\n\n- name: new\n  expect: accept\n\nsettingsCases: []\n",
            ),
            (
                "cases:\n    - { name: a, expect: allow }",
                "cases:\n    - { name: a, expect: allow }\n\n    - name: new\n      expect: accept\n",
            ),
            (
                "cases:\r\n  - name: a\r\n    expect: allow\r\n# end\r\n",
                "cases:\r\n  - name: a\r\n    expect: allow\r\n\r\n  - name: new\r\n    expect: accept\r\n# end\r\n",
            ),
            (
                "cases:\n  - name: a\n    expect: |\n      text\n\n# next\ngates: {}\n",
                "cases:\n  - name: a\n    expect: |\n      text\n\n  - name: new\n    expect: accept\n\n# next\ngates: {}\n",
            ),
            ("version: 1\npolicies: {}\n", "version: 1\npolicies: {}\n\ncases:\n  - name: new\n    expect: accept\n"),
        ] {
            assert_eq!(appended(before).as_deref(), Ok(after), "{before}");
        }
    }

    #[test]
    fn what_has_no_place_for_cases_is_left() {
        for (text, why) in [
            ("{ version: 1, cases: [] }", NoPlace::NoMapping),
            ("cases: [{ name: a }]\n", NoPlace::NoList),
            ("cases: []\n", NoPlace::NoList),
            ("x-all: &all\n  - name: a\ncases: *all\n", NoPlace::NoList),
            ("a: 1\n---\nb: 1\n", NoPlace::NoMapping),
            ("[", NoPlace::NoMapping),
            ("", NoPlace::NoMapping),
        ] {
            assert_eq!(appended(text), Err(why), "{text}");
        }
    }
}
