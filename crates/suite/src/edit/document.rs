//! The only document of a file becomes another one; comments and the order of members stay.

use std::sync::Arc;

use policy_verify_model::source::SourceFile;
use serde_json::Value;

use super::change::Obstacle;
use super::check::documents;
use super::editor::Editor;

/// The text in which the document reads as `change` makes it. A file with several documents, or none, has no such text.
///
/// # Errors
///
/// The text is not YAML, or cannot be changed where it is written.
pub fn with_document(file: &Arc<SourceFile>, change: impl FnOnce(&mut Value)) -> Result<String, Obstacle> {
    let editor = Editor::new(file, false);
    let read = documents(file).ok_or(Obstacle::Lost)?;
    let [old] = read.as_slice() else { return Err(Obstacle::Lost) };
    let mut new = old.clone();
    change(&mut new);
    let edits = editor.edits_of_document(old, &new)?;
    let changed = editor.apply(edits)?;
    let read = documents(&Arc::new(SourceFile { path: file.path.clone(), text: changed.clone() }));
    if read.as_deref() == Some(&[new]) { Ok(changed) } else { Err(Obstacle::Shared) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn changed(text: &str, key: &str, value: Value) -> Result<String, Obstacle> {
        let file = Arc::new(SourceFile { path: "metadata.yml".into(), text: text.into() });
        with_document(&file, |document| document[key] = value)
    }

    #[test]
    fn a_member_is_changed_where_it_is_written() {
        let text = "# head\nmutating: false # no\nlist:\n- a\n- b # second\nlast: 1\n";
        assert_eq!(changed(text, "list", json!(["a"])).unwrap(), "# head\nmutating: false # no\nlist:\n- a\nlast: 1\n");
        assert_eq!(changed(text, "list", json!([])).unwrap(), "# head\nmutating: false # no\nlist: []\nlast: 1\n");
        assert_eq!(changed(text, "last", json!(1)).unwrap(), text);
    }

    #[test]
    fn a_collection_below_its_key_becomes_empty() {
        let cases = [
            ("list:\n  - a\nlast: 1\n", "list: []\nlast: 1\n"),
            ("list: # why\n- a\n- b\nlast: 1\n", "list: # why\n  []\nlast: 1\n"),
            ("list:\n\n  # first\n  - a\nlast: 1\n", "list:\n\n  # first\n    []\nlast: 1\n"),
            ("list:\n- a: 1\n  b: 2\n\nlast: 1\n", "list: []\n\nlast: 1\n"),
            ("last: 1\nlist:\n- a", "last: 1\nlist: []"),
            ("list: [a, b]\n", "list: []\n"),
        ];
        for (text, wanted) in cases {
            assert_eq!(changed(text, "list", json!([])).as_deref(), Ok(wanted), "{text}");
        }
        assert_eq!(changed("map:\n  a: 1\nb: 2\n", "map", json!({})).unwrap(), "map: {}\nb: 2\n");
    }

    #[test]
    fn a_member_that_is_missing_is_added() {
        assert_eq!(changed("a: 1\n", "list", json!(["x/y"])).unwrap(), "a: 1\nlist: [x/y]\n");
    }

    #[test]
    fn only_a_single_document_is_changed() {
        for text in ["a: 1\n---\nb: 2\n", "", "a: [", "- 1\n"] {
            let file = Arc::new(SourceFile { path: "metadata.yml".into(), text: text.into() });
            let result = with_document(&file, |document| {
                if let Some(members) = document.as_object_mut() {
                    members.insert("list".to_owned(), json!([]));
                }
            });
            assert!(result.is_err() || result.as_deref() == Ok(text), "{text}");
        }
    }
}
