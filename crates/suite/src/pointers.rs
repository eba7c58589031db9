//! Places in a mutated object: `only`, and the operations of an expected patch.

use serde_json::Value;

use super::fields::{self, Shape};
use super::mistake::{Mistakes, mistake};
use super::path::{Path, Step};
use super::request::path_advice;
use super::schema::Data;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Spanned;

/// The JSON pointers of paths in both forms; those that are wrong are left out.
pub(crate) fn of_paths(paths: &[Spanned<String>], mistakes: &mut Mistakes) -> Vec<Spanned<String>> {
    let pointer = |path: &Spanned<String>| pointer(&path.value).map_err(|mistake| mistakes.push(at(path, mistake)));
    let pointers: Vec<Option<String>> = paths.iter().map(pointer).map(Result::ok).collect();
    let written = paths.iter().zip(pointers);
    written.filter_map(|(path, pointer)| Some(Spanned::new(pointer?, path.span.clone()))).collect()
}

fn at(path: &Spanned<String>, found: Diagnostic) -> Diagnostic {
    let message = format!("invalid path `{}`: {}", path.value, found.message);
    Diagnostic { message, ..found }.at(&path.span)
}

fn pointer(text: &str) -> Result<String, Diagnostic> {
    let wrong = |message: &str| Diagnostic::new(Code::Mistake, message).with_help(advice(text));
    let path = Path::parse(text)?;
    let is_slashed = |step: &Step| !step.is_quoted() && step.key().is_some_and(|key| key.contains('/'));
    if !text.starts_with('/') && path.steps.iter().any(is_slashed) {
        return Err(wrong("it has `/`, but it is not a JSON pointer"));
    }
    if path.steps.iter().any(|step| *step == Step::End || step.key() == Some("-")) {
        let help = "write the list, or the index that the new item has".to_owned();
        return Err(wrong("`-` is the place behind the end of a list").with_help(help));
    }
    if path.steps.iter().any(|step| matches!(step, Step::Named(_))) {
        let help = "write the index of the item".to_owned();
        return Err(wrong("the item of a list cannot be named here").with_help(help));
    }
    let map = path.steps.iter().position(|step| step.key().is_some_and(fields::is_map_of_texts));
    if map.is_some_and(|map| map + 2 < path.steps.len()) {
        return Err(wrong("a label or annotation has no keys"));
    }
    Ok(path.to_pointer())
}

fn advice(text: &str) -> Option<String> {
    path_advice::advice(text, &Value::Null, Shape::ANY)
}

/// Refuses operations whose `path` or `from` is no JSON pointer: they are in no patch.
pub(crate) fn check_operations(operations: &[Data], mistakes: &mut Mistakes) {
    for operation in operations {
        for key in ["path", "from"] {
            let Some(node) = operation.0.get(key) else { continue };
            let Some(text) = node.as_str().filter(|text| !text.is_empty() && !text.starts_with('/')) else { continue };
            let pointer = path_advice::read(text, &Value::Null, Shape::ANY).map(|steps| Path::of(steps, true).text());
            let help = pointer.map(|pointer| format!("write `{key}: {pointer}`"));
            mistakes.push(mistake(&node.span, format!("invalid JSON pointer `{text}`")).with_help(help));
        }
    }
}
