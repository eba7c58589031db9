//! `policies: deploy/*.yaml`: the policies and groups of manifests, each by the name of its resource.

use std::collections::HashMap;

use super::files::Files;
use super::manifest;
use super::mistake::{Mistakes, mistake};
use super::yaml::{Content, Key, Node};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::{Span, Spanned};

/// The suite with a mapping of names to manifests in place of paths and globs under `policies`.
pub(crate) fn expand(mut suite: Node, files: &Files, mistakes: &mut Mistakes) -> Node {
    if let Content::Map(entries) = &mut suite.content
        && let Some((_, policies)) = entries.iter_mut().find(|(key, _)| key.name == "policies")
        && let Some(paths) = paths(policies)
    {
        policies.content = Content::Map(Deployed::read(&paths, files, mistakes));
    }
    suite
}

/// The paths and globs, if it is a text or a list of texts.
fn paths(policies: &Node) -> Option<Vec<Spanned<String>>> {
    let path = |node: &Node| Some(Spanned::new(node.as_str()?.to_owned(), node.span.clone()));
    match &policies.content {
        Content::String(_) => path(policies).map(|path| vec![path]),
        Content::List(items) if !items.is_empty() => items.iter().map(path).collect(),
        _ => None,
    }
}

/// The entries that were made, and where each name is from.
#[derive(Default)]
struct Deployed {
    entries: Vec<(Key, Node)>,
    names: HashMap<String, String>,
}

impl Deployed {
    fn read(paths: &[Spanned<String>], files: &Files, mistakes: &mut Mistakes) -> Vec<(Key, Node)> {
        let mut deployed = Self::default();
        for named in paths {
            if let Err(mistake) = deployed.add(named, files, mistakes) {
                mistakes.push(mistake);
            }
        }
        deployed.entries
    }

    fn add(&mut self, named: &Spanned<String>, files: &Files, mistakes: &mut Mistakes) -> Result<(), Diagnostic> {
        let before = self.names.len();
        for path in files.glob(named)? {
            let written = files.as_named(&path, &named.span);
            for object in files.objects(&path, None, &named.span)?.iter() {
                if let Some((kind, name)) = manifest::policy_of(&object.value) {
                    self.put(kind, name, &written, &named.span, mistakes);
                }
            }
        }
        if self.names.len() > before {
            return Ok(());
        }
        let none = mistake(&named.span, format!("no policy in `{}`", named.value)).with_code(Code::FileNotFound);
        Err(none.with_help("name manifests that deploy policies, or write a mapping of names to policies".to_owned()))
    }

    fn put(&mut self, kind: &str, name: &str, path: &str, span: &Span, mistakes: &mut Mistakes) {
        let manifest = format!("{path}#{kind}/{name}");
        if let Some(other) = self.names.insert(name.to_owned(), manifest.clone()) {
            let message = format!("two policies are called `{name}`: `{other}` and `{manifest}`");
            let help = "write a mapping of names to policies: `policies: { name: { manifest: … } }`";
            mistakes.add_with_help(span, message, help);
            return;
        }
        let key = |name: &str| Key { name: name.to_owned(), span: span.clone() };
        let manifest = Node::new(span.clone(), Content::String(manifest));
        let policy = Node::new(span.clone(), Content::Map(vec![(key("manifest"), manifest)]));
        self.entries.push((key(name), policy));
    }
}
