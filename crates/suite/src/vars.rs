//! `${name}`: variables of the suite, rows of a table, the environment.

use std::cell::Cell;
use std::collections::HashMap;

use super::environment::{self, Environment};
use super::mistake::{Mistakes, mistake, nearest};
use super::yaml::{Content, Key, Node};
use policy_verify_model::code::Code;
use policy_verify_model::source::{Span, Spanned};

/// Bytes that take the places of the variables of a suite, all cases together. Variables that name each other double with
/// each line.
const MOST_BYTES: usize = 64 << 20;

/// How deep the value of a variable is nested. Deeper documents are no objects, and a risk for the stack.
const DEEPEST: usize = 200;

/// Variables in force at one place of the suite.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    variables: Vec<Variable>,
    /// Where in the list a name is.
    positions: HashMap<String, usize>,
    /// What the suite may read of the environment.
    environment: Environment,
    /// In the scope of the suite: bytes that took the places of variables so far.
    replaced: Cell<usize>,
}

#[derive(Debug)]
struct Variable {
    name: String,
    value: Node,
    /// Bytes of the value, and how deep it is nested.
    extent: (usize, usize),
    span: Span,
    is_used: Cell<bool>,
}

impl Scope {
    /// The outermost scope of a suite, which may read these variables of the environment.
    pub(crate) fn of_suite(environment: &Environment) -> Self {
        Self { environment: environment.clone(), ..Self::default() }
    }

    /// Adds a variable; one of the same name is replaced.
    pub(crate) fn define(&mut self, name: Spanned<String>, value: Node) {
        let extent = value.extent();
        let position = *self.positions.entry(name.value.clone()).or_insert(self.variables.len());
        let variable = Variable { name: name.value, value, extent, span: name.span, is_used: Cell::new(false) };
        match self.variables.get_mut(position) {
            Some(known) => *known = variable,
            None => self.variables.push(variable),
        }
    }

    /// Replaces the value of a declared variable by a text from the command line, which takes the type of the
    /// declared value. Says whether there is such a variable.
    pub(crate) fn override_with(&mut self, name: &str, text: &str) -> bool {
        let Some(position) = self.positions.get(name) else { return false };
        let variable = &mut self.variables[*position];
        variable.value.content = match &variable.value.content {
            Content::Bool(_) => text.parse().map_or_else(|_| Content::String(text.into()), Content::Bool),
            Content::Number(_) => {
                serde_json::from_str(text).map_or_else(|_| Content::String(text.into()), Content::Number)
            }
            _ => Content::String(text.into()),
        };
        variable.extent = variable.value.extent();
        true
    }

    /// Names in force.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(|variable| variable.name.as_str())
    }

    /// Places and names of variables that nothing used.
    pub(crate) fn unused(&self) -> impl Iterator<Item = (&Span, &str)> {
        self.variables.iter().filter(|known| !known.is_used.get()).map(|known| (&known.span, known.name.as_str()))
    }

    fn get(&self, name: &str) -> Option<&Variable> {
        let variable = &self.variables[*self.positions.get(name)?];
        variable.is_used.set(true);
        Some(variable)
    }

    /// Counts bytes that take the place of a variable. Says whether there is room for them, and whether there was before.
    fn replace(&self, bytes: usize) -> (bool, bool) {
        let before = self.replaced.get();
        let after = before.saturating_add(bytes);
        self.replaced.set(after);
        (after <= MOST_BYTES, before <= MOST_BYTES)
    }
}

/// A copy of `node` with every `${name}` replaced. The inner scopes come first. A text that is nothing but `${name}`
/// takes the value with its type; inside longer texts only scalars can stand.
pub(crate) fn substitute(node: &Node, scopes: &[&Scope], mistakes: &mut Mistakes) -> Node {
    let content = match &node.content {
        Content::String(text) if text.contains("${") => replace(text, &node.span, scopes, mistakes),
        Content::List(items) => Content::List(items.iter().map(|item| substitute(item, scopes, mistakes)).collect()),
        Content::Map(entries) => Content::Map(
            entries
                .iter()
                .map(|(key, value)| (substitute_key(key, scopes, mistakes), substitute(value, scopes, mistakes)))
                .collect(),
        ),
        other => other.clone(),
    };
    Node { id: node.id, span: node.span.clone(), content }
}

fn substitute_key(key: &Key, scopes: &[&Scope], mistakes: &mut Mistakes) -> Key {
    if !key.name.contains("${") {
        return key.clone();
    }
    let name = match replace(&key.name, &key.span, scopes, mistakes) {
        Content::String(name) => name,
        // A key of its own, so that it is not taken for another one.
        Content::Unknown => key.name.clone(),
        other => scalar_text(&other).unwrap_or_default(),
    };
    Key { name, span: key.span.clone() }
}

/// The names of the variables a text uses.
pub(crate) fn names_in(text: &str) -> Vec<&str> {
    let mut names = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let (inner, behind) = after.split_once('}').unwrap_or((after, ""));
        if !before.ends_with('$') {
            names.push(inner);
        }
        rest = behind;
    }
    names
}

fn replace(text: &str, span: &Span, scopes: &[&Scope], mistakes: &mut Mistakes) -> Content {
    if let Some(name) = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'))
        && !name.contains('}')
    {
        return value_of(name, span, scopes, mistakes);
    }
    let mut result = String::with_capacity(text.len());
    let mut is_known = true;
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        if let Some(before) = before.strip_suffix('$') {
            result.push_str(before);
            result.push_str("${");
            rest = after;
            continue;
        }
        result.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            mistakes.add_with_help(span, "`${` without `}`", "close it with `}`, or write `$${` for a literal `${`");
            return Content::Unknown;
        };
        let value = value_of(name, span, scopes, mistakes);
        match scalar_text(&value) {
            Some(value) => result.push_str(&value),
            None => {
                is_known = false;
                if !matches!(value, Content::Unknown) {
                    let message = format!("`${{{name}}}` is not a scalar and cannot be part of a text");
                    mistakes.add_coded(Code::Variable, span, message);
                }
            }
        }
        rest = behind;
    }
    result.push_str(rest);
    if is_known { Content::String(result) } else { Content::Unknown }
}

fn value_of(name: &str, span: &Span, scopes: &[&Scope], mistakes: &mut Mistakes) -> Content {
    if let Some(written) = name.strip_prefix("env:") {
        return of_environment(written, span, scopes, mistakes);
    }
    if let Some(Variable { value, extent: (bytes, depth), .. }) = scopes.iter().find_map(|scope| scope.get(name)) {
        if *depth > DEEPEST {
            let mistake = mistake(span, format!("the variable `{name}` is nested deeper than {DEEPEST} levels"));
            mistakes.push(mistake.with_code(Code::Variable).with_help("write a value with fewer levels".to_owned()));
            return Content::Unknown;
        }
        return match scopes.last().map_or((true, true), |scope| scope.replace(*bytes)) {
            (true, _) => value.content.clone(),
            // The first such place is to blame.
            (false, false) => Content::Unknown,
            (false, true) => {
                let mib = MOST_BYTES >> 20;
                let mistake = mistake(
                    span,
                    format!("with the value of `{name}`, variables make the suite larger than {mib} MiB"),
                );
                mistakes.push(mistake.with_code(Code::Variable).with_help(
                    "use variables that are smaller, or in fewer places: a variable that names another one twice doubles it".to_owned(),
                ));
                Content::Unknown
            }
        };
    }
    let known: Vec<&str> = scopes.iter().flat_map(|scope| scope.names()).collect();
    let help = match nearest(name, known.iter().copied()) {
        Some(candidate) => format!("did you mean `${{{candidate}}}`?"),
        None => "declare it under `vars:`, or write `$${` for a literal `${`".into(),
    };
    let mistake = mistake(span, format!("unknown variable `{name}`")).with_code(Code::Variable);
    mistakes.push(mistake.with_help(help));
    Content::Unknown
}

/// The value of `${env:NAME}` or `${env:NAME:-default}`. A default takes the place of what is not set, never of what is set
/// and not allowed: a run would silently test something else.
fn of_environment(written: &str, span: &Span, scopes: &[&Scope], mistakes: &mut Mistakes) -> Content {
    let (name, default) = match written.split_once(":-") {
        Some((name, default)) => (name, Some(default)),
        None => (written, None),
    };
    let none = Environment::default();
    let environment = scopes.last().map_or(&none, |scope| &scope.environment);
    let found = environment.look_up(name);
    let (message, help) = match (found, default) {
        (environment::Variable::Is(text), _) => return Content::String(text),
        (environment::Variable::Unset, Some(default)) => return Content::String(default.into()),
        (environment::Variable::Refused(reason), Some(default)) => {
            let message = format!("the environment variable `{name}` is not read: {reason}");
            mistakes.warn(mistake(span, message).with_help(format!("the default is used: `{default}`")));
            return Content::String(default.into());
        }
        (environment::Variable::Refused(reason), None) => (
            format!("the environment variable `{name}` is not read: {reason}"),
            format!("give a default: `${{env:{name}:-default}}`"),
        ),
        (environment::Variable::Unset, None) if environment.allows(name) => (
            format!("the environment variable `{name}` is not set"),
            format!("set it, or give a default: `${{env:{name}:-default}}`"),
        ),
        (environment::Variable::Unset | environment::Variable::NotAllowed, _) => (
            format!("the environment variable `{name}` is not allowed"),
            format!("to let the suite read it, run with `--allow-env {name}` (on GitHub: the input `allow-env`)"),
        ),
    };
    mistakes.push(mistake(span, message).with_code(Code::Variable).with_help(help));
    Content::Unknown
}

/// The text of a scalar, as it stands inside another text.
pub(crate) fn scalar_text(content: &Content) -> Option<String> {
    match content {
        Content::Null => Some(String::new()),
        Content::Bool(value) => Some(value.to_string()),
        Content::Number(value) => Some(value.to_string()),
        Content::String(text) => Some(text.clone()),
        Content::List(_) | Content::Map(_) | Content::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::yaml::parse;
    use super::*;
    use policy_verify_model::source::SourceFile;

    fn node(text: &str) -> Node {
        parse(&Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() })).unwrap()
    }

    fn scope(text: &str) -> Scope {
        let mut scope = Scope::default();
        for (key, value) in node(text).entries() {
            scope.define(Spanned::new(key.name.clone(), key.span.clone()), value.clone());
        }
        scope
    }

    #[test]
    fn values_keep_their_type_and_texts_are_joined() {
        let scope = scope("{n: 3, team: a, list: [1]}");
        for (written, wanted) in [
            ("'${n}'", serde_json::json!(3)),
            ("'${list}'", serde_json::json!([1])),
            ("'x-${n}-${team}'", serde_json::json!("x-3-a")),
            ("'$${n}'", serde_json::json!("${n}")),
            ("{'${team}': '${n}'}", serde_json::json!({"a": 3})),
            ("'${env:POLICY_VERIFY_SURELY_UNSET:-d}'", serde_json::json!("d")),
        ] {
            let mut mistakes = Mistakes::default();
            assert_eq!(substitute(&node(written), &[&scope], &mut mistakes).to_json(), wanted, "{written}");
            assert!(mistakes.is_empty(), "{mistakes:?}");
        }
    }

    #[test]
    fn unknown_names_and_lists_inside_texts_are_mistakes() {
        let scope = scope("{team: a, list: [1]}");
        for written in ["'${tem}'", "'x ${list}'", "'${env:POLICY_VERIFY_SURELY_UNSET}'", "'x ${team'"] {
            let mut mistakes = Mistakes::default();
            substitute(&node(written), &[&scope], &mut mistakes);
            assert_eq!(mistakes.added(), 1, "{written}: {mistakes:?}");
        }
    }

    #[test]
    fn only_allowed_variables_of_the_environment_are_read() {
        let environment = |allowed: &[&str], refusal: Option<&str>| Environment {
            allowed: allowed.iter().map(|name| (*name).to_owned()).collect(),
            refusal: refusal.map(str::to_owned),
        };
        let path = std::env::var("PATH").unwrap();
        for (environment, written, wanted, messages) in [
            (environment(&["PATH"], None), "${env:PATH}", Some(path.as_str()), [0, 0]),
            (environment(&["PATH"], None), "${env:PATH:-d}", Some(&path), [0, 0]),
            (environment(&[], None), "${env:PATH}", None, [1, 0]),
            (environment(&[], None), "${env:PATH:-d}", None, [1, 0]),
            (environment(&["OTHER", "PAT", "path"], None), "${env:PATH}", None, [1, 0]),
            (environment(&["PATH"], Some("a fork")), "${env:PATH}", None, [1, 0]),
            (environment(&["PATH"], Some("a fork")), "${env:PATH:-d}", Some("d"), [0, 1]),
            (environment(&[], Some("a fork")), "${env:PATH:-d}", None, [1, 0]),
        ] {
            let mut mistakes = Mistakes::default();
            let (row, suite) = (Scope::default(), Scope::of_suite(&environment));
            let value = substitute(&node(&format!("'{written}'")), &[&row, &suite], &mut mistakes);
            assert_eq!(value.as_str(), wanted, "{environment:?} {written}");
            assert_eq!([mistakes.added(), mistakes.take_warnings().len()], messages, "{environment:?} {written}");
        }
    }

    #[test]
    fn what_is_used_is_known() {
        let scope = scope("{a: 1, b: 2}");
        substitute(&node("'${b}'"), &[&scope], &mut Mistakes::default());
        assert_eq!(scope.unused().map(|(_, name)| name).collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn a_text_from_the_command_line_takes_the_declared_type() {
        let mut scope = scope("{n: 3, b: true, s: x}");
        assert!(scope.override_with("n", "4") && scope.override_with("b", "false") && scope.override_with("s", "1.10"));
        assert!(!scope.override_with("unknown", "1"));
        let json = substitute(&node("['${n}', '${b}', '${s}']"), &[&scope], &mut Mistakes::default()).to_json();
        assert_eq!(json, serde_json::json!([4, false, "1.10"]));
    }
}
