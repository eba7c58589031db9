//! An entry of `policies.yml`: its id and its document.
//!
//! Format: policy-server 1.36, `config.rs`; the key is the id in the path of a request.

use std::path::Path;

use policy_verify_model::yaml::emit::Node;
use sha2::{Digest as _, Sha256};

/// How many hexadecimal digits of the digest are in an id.
const DIGITS: usize = 12;

/// Longest part of an id that comes from the name of a policy.
const LONGEST_NAME: usize = 80;

/// What a policy-server serves under one id.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    /// The key in `policies.yml` and the last part of the path: the name, `-`, and the beginning of a digest.
    pub(crate) id: String,
    /// The name in the messages of a cluster.
    pub(crate) name: String,
    /// The value in `policies.yml`.
    pub(crate) document: Node,
}

impl Entry {
    /// An entry. `identity` stands for the modules: the paths in the document differ between machines.
    pub(super) fn new(name: &str, document: Node, identity: &[String]) -> Self {
        let content = serde_json::json!([name, without_modules(&document), identity]).to_string();
        let digest = hex::encode(Sha256::digest(content));
        Self { id: format!("{}-{}", plain_name(name), &digest[..DIGITS]), name: name.to_owned(), document }
    }

    /// A text of the server with the name of the policy in place of the id.
    pub(crate) fn with_name(&self, text: &str) -> String {
        text.replace(&self.id, &self.name)
    }
}

/// The document without the addresses of its modules.
fn without_modules(document: &Node) -> Node {
    match document {
        Node::Map(members) => {
            let kept = members.iter().filter(|(key, _)| *key != "module");
            let inner = kept.map(|(key, value)| match key.as_str() {
                "policies" => {
                    let Node::Map(members) = value else { return (key.clone(), value.clone()) };
                    let members = members.iter().map(|(id, member)| (id.clone(), without_modules(member)));
                    (key.clone(), Node::Map(members.collect()))
                }
                _ => (key.clone(), value.clone()),
            });
            Node::Map(inner.collect())
        }
        other => other.clone(),
    }
}

/// A name as a part of a path or of a file name: letters, digits, `.`, `_` and `-`, of a bounded length.
pub(crate) fn plain_name(name: &str) -> String {
    let is_plain = |letter: &char| letter.is_ascii_alphanumeric() || ['.', '_', '-'].contains(letter);
    let plain: String = name.chars().map(|letter| if is_plain(&letter) { letter } else { '-' }).collect();
    let plain = plain.trim_matches(['.', '-']);
    if plain.is_empty() { "policy".to_owned() } else { plain.chars().take(LONGEST_NAME).collect() }
}

/// The URI of a file.
pub(crate) fn file_uri(path: &Path) -> String {
    let path = path.to_string_lossy().replace('\\', "/");
    if path.starts_with('/') { format!("file://{path}") } else { format!("file:///{path}") }
}

/// The text of `policies.yml`.
pub(crate) fn policies_yml(entries: &[Entry]) -> String {
    let mut document = Node::map([]);
    entries.iter().for_each(|entry| document.push(&entry.id, entry.document.clone()));
    document.to_yaml()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(module: &str, identity: &str, owner: &str) -> Entry {
        let settings = Node::map([("owner", Node::text(owner))]);
        let document = Node::map([("module", Node::text(module)), ("settings", settings)]);
        Entry::new("labels", document, &[identity.to_owned()])
    }

    #[test]
    fn ids_depend_on_the_module_and_the_settings_and_not_on_paths() {
        let one = entry("file:///a/p.wasm", "sha256:1", "me");
        assert_eq!(one.id, entry("file:///b/p.wasm", "sha256:1", "me").id);
        assert_ne!(one.id, entry("file:///a/p.wasm", "sha256:2", "me").id);
        assert_ne!(one.id, entry("file:///a/p.wasm", "sha256:1", "you").id);
        assert!(one.id.starts_with("labels-"), "{}", one.id);
        assert_eq!(one.with_name(&format!("by {}.", one.id)), "by labels.");
    }

    #[test]
    fn a_setting_called_module_counts() {
        let with = |module: &str| {
            let settings = Node::map([("module", Node::text(module))]);
            Entry::new("p", Node::map([("settings", settings)]), &[]).id
        };
        assert_ne!(with("a"), with("b"));
    }

    #[test]
    fn names_become_parts_of_paths() {
        for (name, plain) in [
            ("safe-labels", "safe-labels"),
            ("../a b/c.wasm", "a-b-c.wasm"),
            ("日本", "policy"),
            ("kw.cap.x", "kw.cap.x"),
        ] {
            assert_eq!(plain_name(name), plain);
        }
        assert_eq!(plain_name(&"a".repeat(300)).len(), LONGEST_NAME);
    }
}
