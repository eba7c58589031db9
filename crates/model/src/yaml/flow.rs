//! A value on one line of YAML, as people write it in suites: `{ deny: "no owner", code: 400 }`.

use super::emit::{self, Node};

/// The value on one line.
pub fn flow(node: &Node) -> String {
    let mut out = String::new();
    write(&mut out, node);
    out
}

/// A text on one line, as a key or a value: plain where every reader takes it for the same text, else in double quotes.
pub fn text(text: &str) -> String {
    match emit::is_plain(text) && !text.contains([',', '[', ']', '{', '}']) {
        true => text.to_owned(),
        false => emit::double_quoted(text),
    }
}

fn write(out: &mut String, node: &Node) {
    match node {
        Node::Null => out.push_str("null"),
        Node::Bool(value) => out.push_str(&value.to_string()),
        Node::Number(number) => out.push_str(&number.to_string()),
        Node::Text(it) => out.push_str(&text(it)),
        Node::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { ", " });
                write(out, item);
            }
            out.push(']');
        }
        Node::Map(members) if members.is_empty() => out.push_str("{}"),
        Node::Map(members) => {
            for (index, (key, value)) in members.iter().enumerate() {
                out.push_str(if index == 0 { "{ " } else { ", " });
                out.push_str(&text(key));
                out.push_str(": ");
                write(out, value);
            }
            out.push_str(" }");
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn texts_are_quoted_where_they_would_be_something_else() {
        for (value, written) in [
            (json!("no owner"), "no owner"),
            (json!("a, b"), "\"a, b\""),
            (json!("key: value"), "\"key: value\""),
            (json!("true"), "\"true\""),
            (json!("1.10"), "\"1.10\""),
            (json!("yes"), "\"yes\""),
            (json!(""), "\"\""),
            (json!("two\nlines"), "\"two\\nlines\""),
            (json!({ "code": 400, "deny": "it's", "warnings": [] }), "{ code: 400, deny: it's, warnings: [] }"),
            (json!({ "a/b": { "c": [1, null, true, {}] } }), "{ a/b: { c: [1, null, true, {}] } }"),
        ] {
            assert_eq!(flow(&Node::of(&value).unwrap()), written);
            let read: Value = serde_saphyr::from_str(written).unwrap();
            assert_eq!(read, value, "{written}");
        }
    }
}
