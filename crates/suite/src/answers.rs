//! `host:` and `replay:`: what a case answers when its policy asks the host.

use std::sync::Arc;

use super::files::Files;
use super::mistake::{Mistakes, mistake, suggestion};
use super::schema::{Data, Named, ReplayOrder};
use policy_verify_host as host;
use policy_verify_model::code::Code;
use policy_verify_model::hosting::{Session, TableAnswer, TableEntry};
use policy_verify_model::source::Spanned;

/// Capabilities whose answer is a document, so that a text names the file that holds it.
const ANSWERED_BY_DOCUMENTS: [&str; 5] = [
    "oci/v1/oci_manifest",
    "oci/v1/oci_manifest_config",
    "kubernetes/get_resource",
    "kubernetes/list_resources_all",
    "kubernetes/list_resources_by_namespace",
];

/// The entries of a `host:` table.
pub(crate) fn table(written: &Named<Named<Data>>, files: &Files, mistakes: &mut Mistakes) -> Vec<TableEntry> {
    let mut entries = Vec::new();
    for (capability, answers) in &written.0 {
        let known = host::known_capabilities();
        if !known.contains(&capability.value.as_str()) {
            let message = format!("unknown host capability `{}`", capability.value);
            let mistake = mistake(&capability.span, message).with_code(Code::UnknownName);
            mistakes.push(mistake.with_help(suggestion(&capability.value, known)));
            continue;
        }
        for (request, data) in &answers.0 {
            if let Some(answer) = answer(&capability.value, data, files, mistakes) {
                entries.push(TableEntry { capability: capability.value.clone(), request: request.clone(), answer });
            }
        }
    }
    entries
}

fn answer(capability: &str, data: &Data, files: &Files, mistakes: &mut Mistakes) -> Option<TableAnswer> {
    let node = &data.0;
    if let ([(key, text)], "error") = (node.entries(), node.entries().first().map_or("", |(key, _)| &key.name)) {
        return match text.as_str() {
            Some(text) => Some(TableAnswer::Error(text.to_owned())),
            None => {
                mistakes.add(&key.span, "`error` needs a text");
                None
            }
        };
    }
    let value = match node.as_str() {
        Some(path) if ANSWERED_BY_DOCUMENTS.contains(&capability) => {
            match files.document(&Spanned::new(path.to_owned(), node.span.clone())) {
                Ok(document) => document.value,
                Err(mistake) => {
                    mistakes.push(mistake);
                    return None;
                }
            }
        }
        _ => node.to_json(),
    };
    if let Err(error) = host::check_answer(capability, &value) {
        mistakes.add(&node.span, format!("invalid mock for `{capability}`: {error}"));
        return None;
    }
    Some(TableAnswer::Value(value))
}

/// The recording a `replay:` names.
pub(crate) fn session(
    written: Option<&Spanned<String>>,
    order: Option<&Spanned<ReplayOrder>>,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Option<Arc<Session>> {
    let Some(named) = written else {
        if let Some(order) = order {
            mistakes.add_with_help(&order.span, "`order` needs `replay`", "add `replay:`, or leave `order` out");
        }
        return None;
    };
    let is_strict = order.is_some_and(|order| order.value == ReplayOrder::Strict);
    let path = files.resolve(named).map_err(|mistake| mistakes.push(mistake)).ok()?;
    let file = match files.read_text(&path) {
        Ok(file) => file,
        Err(mistake) => {
            mistakes.push(mistake.at(&named.span));
            return None;
        }
    };
    match host::replay::read_session(file, named.span.clone(), is_strict) {
        Ok(session) => Some(Arc::new(session)),
        Err(problems) => {
            problems.into_iter().for_each(|problem| mistakes.push(problem));
            None
        }
    }
}
