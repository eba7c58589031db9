//! New keys of an object: whether they can be meant, and the mappings that are made for them.

use serde_json::{Map, Value};

use super::place::child;
use crate::fields::{Shape, Sort};
use crate::mistake::{Mistakes, mistake, nearest};
use crate::path::{Step, wrong};
use crate::yaml::{Content, Node};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Span;

/// A value and what is known of it.
pub(super) struct Place<'a> {
    pub(super) value: &'a mut Value,
    pub(super) shape: Shape,
}

impl<'a> Place<'a> {
    /// The value at a step that another one follows. A mapping that is missing is made, and its path, `shown`, is added to
    /// `created`.
    pub(super) fn enter(
        self,
        step: &Step,
        next: &Step,
        shown: String,
        created: &mut Vec<String>,
    ) -> Result<Place<'a>, Diagnostic> {
        let shape = self.shape.of_value(self.value);
        let inner = match self.value {
            Value::Array(_) => shape.item(),
            _ => step.key().and_then(|key| shape.member(key)).unwrap_or(Shape::ANY),
        };
        if let (Value::Object(members), Some(key)) = (&mut *self.value, step.key())
            && members.get(key).is_none_or(Value::is_null)
        {
            if !members.contains_key(key) {
                check_new(members, shape, step)?;
            }
            check_creatable(inner, key, next, &shown)?;
            members.insert(key.to_owned(), Map::new().into());
            created.push(shown);
        }
        Ok(Place { value: child(self.value, step)?, shape: inner })
    }
}

/// Only mappings are made: what a list or a text would be is not known.
fn check_creatable(shape: Shape, key: &str, next: &Step, shown: &str) -> Result<(), Diagnostic> {
    let is_list = shape.sort() == Sort::List || (shape.sort() == Sort::Any && next.index(0).is_some());
    if is_list || next.key().is_none() {
        let help = format!("set the whole list: `{shown}: [ … ]`");
        return Err(wrong(format!("the list `{key}` is missing")).with_help(help));
    }
    match shape.sort() {
        Sort::Scalar => Err(wrong(format!("no key `{key}`"))),
        _ => Ok(()),
    }
}

/// Whether a mapping can get this key. In quotes it is meant as it is written.
pub(super) fn check_new(members: &Map<String, Value>, shape: Shape, step: &Step) -> Result<(), Diagnostic> {
    let Some(key) = step.key().filter(|_| !step.is_quoted()) else { return Ok(()) };
    let near = || nearest(key, members.keys().map(String::as_str));
    match shape.sort() {
        Sort::Type if shape.member(key).is_none() => Err(unknown_field(key, shape)),
        Sort::Any if key.contains('/') && !matches!(step, Step::Token(_)) => {
            Err(wrong("it has `/`, but it is not a JSON pointer").with_help(in_quotes(key)))
        }
        Sort::Any => near().map_or(Ok(()), |near| {
            let help = format!("did you mean `{near}`? {}", in_quotes(key));
            Err(wrong(format!("the new key `{key}` resembles `{near}`")).with_help(help))
        }),
        _ => Ok(()),
    }
}

/// The key that a new one of the user resembles: it is allowed, and often a typing error.
pub(super) fn resembled<'a>(members: &'a Map<String, Value>, shape: Shape, step: &Step) -> Option<&'a str> {
    let key = step.key().filter(|key| !step.is_quoted() && !key.contains(['.', '/']))?;
    let is_new = shape.sort() == Sort::Map && !members.contains_key(key);
    is_new.then(|| nearest(key, members.keys().map(String::as_str)))?
}

/// A field that the API server does not send to a policy.
fn unknown_field(key: &str, shape: Shape) -> Diagnostic {
    if key.contains('/') {
        return wrong("it has `/`, but it is not a JSON pointer").with_help(in_quotes(key));
    }
    let help = match nearest(key, shape.names()) {
        Some(near) => format!("did you mean `{near}`?"),
        None if shape.name() == "PodSpec" && ["template", "jobTemplate"].contains(&key) => {
            "write the path in the Pod: `wrap` puts the changed Pod into the workload".to_owned()
        }
        None => format!("remove it: the API server sends no such field. {}", in_quotes(key)),
    };
    let message = format!("unknown field `{key}` of {}", shape.name());
    Diagnostic::new(Code::UnknownKey, message).with_help(help)
}

fn in_quotes(key: &str) -> String {
    format!("To add the key all the same, put it in quotes: `[\"{key}\"]`")
}

/// The keys of a value that is set, nested ones included.
pub(super) fn check_value(node: &Node, shape: Shape, mistakes: &mut Mistakes) {
    match &node.content {
        Content::List(items) => items.iter().for_each(|item| check_value(item, shape.item(), mistakes)),
        Content::Map(entries) => {
            for (key, value) in entries {
                match shape.member(&key.name) {
                    Some(shape) => check_value(value, shape, mistakes),
                    None if shape.sort() == Sort::Type => mistakes.push(unknown_field(&key.name, shape).at(&key.span)),
                    None => {}
                }
            }
        }
        _ => {}
    }
}

/// Warns of a key that resembles another one.
pub(super) fn warn_of_resemblance(at: &Span, key: &str, near: &str, mistakes: &mut Mistakes) {
    let help = format!("did you mean `{near}`? {}", in_quotes(key));
    mistakes.warn(mistake(at, format!("the new key `{key}` resembles `{near}`")).with_help(help));
}

/// Steps as nested mappings in YAML: `{ metadata: { labels: { … } } }`; nothing where one of them is an index.
pub(super) fn nested(steps: &[Step], inside: &str) -> Option<String> {
    steps
        .iter()
        .rev()
        .try_fold(inside.to_owned(), |inner, step| step.key().map(|key| format!("{{ {}: {inner} }}", yaml_key(key))))
}

/// A key as YAML: in quotes where it needs them.
fn yaml_key(key: &str) -> String {
    let is_plain = key.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_./".contains(letter));
    if is_plain && key.starts_with(|letter: char| letter.is_ascii_alphabetic()) {
        key.to_owned()
    } else {
        Value::from(key).to_string()
    }
}
