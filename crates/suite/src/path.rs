//! Paths into documents, in two forms: `spec.containers[0].image`, and the JSON pointer `/spec/containers/0/image`.

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;

/// A path into a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Path {
    /// Its steps, at least one.
    pub(crate) steps: Vec<Step>,
    form: Form,
}

/// How a path is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// `spec.containers[0].image`
    Dotted,
    /// `/spec/containers/0/image`
    Pointer,
}

/// One step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A key; in quotes it is meant exactly as it is written.
    Key { name: String, is_quoted: bool },
    /// The index of a list.
    Index(usize),
    /// The item of a list that has this `name`.
    Named(String),
    /// The place behind the end of a list.
    End,
    /// A part of a JSON pointer: only the document says whether it is a key or an index.
    Token(String),
}

impl Step {
    /// The key that the step is in a mapping.
    pub(crate) fn key(&self) -> Option<&str> {
        match self {
            Self::Key { name, .. } | Self::Token(name) => Some(name),
            Self::Index(_) | Self::Named(_) | Self::End => None,
        }
    }

    /// Whether the key is in quotes.
    pub(crate) fn is_quoted(&self) -> bool {
        matches!(self, Self::Key { is_quoted: true, .. })
    }

    /// The index that the step is in a list of this length.
    pub(crate) fn index(&self, length: usize) -> Option<usize> {
        match self {
            Self::Index(index) => Some(*index),
            Self::End => Some(length),
            Self::Token(token) if token == "-" => Some(length),
            Self::Token(token) => index_of(token),
            Self::Key { .. } | Self::Named(_) => None,
        }
    }
}

/// `0`, `12`; an index has no leading zeros.
fn index_of(token: &str) -> Option<usize> {
    let is_canonical = token == "0" || !token.starts_with(['0', '+']);
    token.parse().ok().filter(|_| is_canonical)
}

impl Path {
    /// Reads a path in one of both forms.
    ///
    /// # Errors
    ///
    /// Why it is invalid; the path and its place are missing.
    pub(crate) fn parse(text: &str) -> Result<Self, Diagnostic> {
        match text.strip_prefix('/') {
            Some(tokens) => Ok(Self { steps: pointer_steps(tokens)?, form: Form::Pointer }),
            None => Ok(Self { steps: dotted_steps(text)?, form: Form::Dotted }),
        }
    }

    /// A path of steps, to be written in one of the forms.
    pub(crate) fn of(steps: Vec<Step>, is_pointer: bool) -> Self {
        Self { steps, form: if is_pointer { Form::Pointer } else { Form::Dotted } }
    }

    /// A path of other steps in the same form.
    pub(crate) fn with_steps(self, steps: Vec<Step>) -> Self {
        Self { steps, ..self }
    }

    /// The path in its form.
    pub(crate) fn text(&self) -> String {
        render(&self.steps, self.form)
    }

    /// The same path as a JSON pointer.
    pub(crate) fn to_pointer(&self) -> String {
        render(&self.steps, Form::Pointer)
    }

    /// The first steps in the form in which the path is written.
    pub(crate) fn show(&self, number: usize) -> String {
        render(&self.steps[..number], self.form)
    }
}

/// Writes steps as a path, which is read as these steps. A key with both kinds of quotes cannot be in quotes: it is written
/// as it is, or, where it would end at a dot or bracket, the path is a pointer.
fn render(steps: &[Step], form: Form) -> String {
    let has_no_dotted_form = |key: &str| has_both_quotes(key) && key.contains(['.', '[']);
    let form = if steps.iter().filter_map(Step::key).any(has_no_dotted_form) { Form::Pointer } else { form };
    let mut text = String::new();
    for step in steps {
        match (form, step) {
            (Form::Pointer, Step::Key { name, .. } | Step::Token(name)) => {
                text.push('/');
                text.push_str(&escape(name));
            }
            (Form::Pointer, Step::Named(name)) => text.push_str(&format!("/{}", escape(name))),
            (Form::Dotted, Step::Named(name)) => text.push_str(&format!("[{name}]")),
            (Form::Pointer, Step::Index(index)) => text.push_str(&format!("/{index}")),
            (Form::Pointer, Step::End) => text.push_str("/-"),
            (Form::Dotted, Step::Index(index)) => text.push_str(&format!("[{index}]")),
            (Form::Dotted, Step::End) => text.push_str("[-]"),
            (Form::Dotted, Step::Key { name, .. } | Step::Token(name)) if is_plain(name) || has_both_quotes(name) => {
                text.push_str(if text.is_empty() { "" } else { "." });
                text.push_str(name);
            }
            (Form::Dotted, Step::Key { name, .. } | Step::Token(name)) => {
                let quote = if name.contains('"') { '\'' } else { '"' };
                text.push_str(&format!("[{quote}{name}{quote}]"));
            }
        }
    }
    text
}

/// Whether a key needs no quotes.
fn is_plain(key: &str) -> bool {
    !key.is_empty() && !key.contains(['.', '[', ']', '/', '"', '\'', ' '])
}

fn has_both_quotes(key: &str) -> bool {
    key.contains('"') && key.contains('\'')
}

/// A key as a part of a JSON pointer.
pub(crate) fn escape(key: &str) -> String {
    key.replace('~', "~0").replace('/', "~1")
}

/// Why a path is invalid; whoever knows it adds the path and its place.
pub(crate) fn wrong(message: impl Into<String>) -> Diagnostic {
    Diagnostic::new(Code::Mistake, message)
}

/// The steps of a JSON pointer behind its first slash.
fn pointer_steps(tokens: &str) -> Result<Vec<Step>, Diagnostic> {
    tokens.split('/').map(|token| unescape(token).map(Step::Token)).collect()
}

/// A part of a JSON pointer as the key it stands for.
pub(crate) fn unescape(token: &str) -> Result<String, Diagnostic> {
    if token.is_empty() {
        return Err(wrong("it has an empty step"));
    }
    let mut parts = token.split('~');
    let mut key = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (letter, rest) = match (part.strip_prefix('0'), part.strip_prefix('1')) {
            (Some(rest), _) => ('~', rest),
            (_, Some(rest)) => ('/', rest),
            _ => return Err(wrong("invalid escape `~`").with_help("write `~0` for `~` and `~1` for `/`".to_owned())),
        };
        key.push(letter);
        key.push_str(rest);
    }
    Ok(key)
}

/// Reads `spec.containers[0].image` and `metadata.labels["app.kubernetes.io/name"]`.
fn dotted_steps(text: &str) -> Result<Vec<Step>, Diagnostic> {
    let mut steps = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (step, behind) = bracket(inside)?;
            steps.push(step);
            rest = behind.strip_prefix('.').unwrap_or(behind);
        } else {
            let end = rest.find(['.', '[']).unwrap_or(rest.len());
            if end == 0 {
                return Err(wrong("it has an empty step"));
            }
            steps.push(Step::Key { name: rest[..end].to_owned(), is_quoted: false });
            rest = rest[end..].strip_prefix('.').unwrap_or(&rest[end..]);
        }
    }
    if steps.is_empty() || text.ends_with('.') {
        return Err(wrong("it has an empty step"));
    }
    Ok(steps)
}

fn bracket(inside: &str) -> Result<(Step, &str), Diagnostic> {
    if let Some(quote) = inside.chars().next().filter(|letter| ['"', '\''].contains(letter)) {
        let (key, behind) = inside[1..].split_once(quote).ok_or_else(|| wrong("a closing quote is missing"))?;
        let behind = behind.strip_prefix(']').ok_or_else(|| wrong("`]` is missing"))?;
        return Ok((Step::Key { name: key.to_owned(), is_quoted: true }, behind));
    }
    let (index, behind) = inside.split_once(']').ok_or_else(|| wrong("`]` is missing"))?;
    let step = match index {
        "-" => Step::End,
        name if is_name(name) => Step::Named(name.to_owned()),
        index => Step::Index(index.parse().map_err(|_| wrong_index(index))?),
    };
    Ok((step, behind))
}

/// What items of lists are called in Kubernetes; `_` is in names of variables.
fn is_name(text: &str) -> bool {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || "-._".contains(letter);
    text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') && text.chars().all(is_part)
}

fn wrong_index(index: &str) -> Diagnostic {
    let wrong = wrong(format!("`[{index}]` is neither an index nor a key in quotes"));
    wrong.with_help(match index.parse::<i64>() {
        Ok(_) => "write the index from the start of the list, or `[-]` to append".to_owned(),
        Err(_) => format!("write `[0]` or `[\"{index}\"]`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Step {
        Step::Key { name: name.into(), is_quoted: false }
    }

    fn quoted(name: &str) -> Step {
        Step::Key { name: name.into(), is_quoted: true }
    }

    fn token(name: &str) -> Step {
        Step::Token(name.into())
    }

    #[test]
    fn paths_are_read_into_steps() {
        for (text, steps) in [
            ("a", vec![key("a")]),
            ("spec.containers[0].image", vec![key("spec"), key("containers"), Step::Index(0), key("image")]),
            (
                "metadata.labels[\"app.kubernetes.io/name\"]",
                vec![key("metadata"), key("labels"), quoted("app.kubernetes.io/name")],
            ),
            ("['a'][1]", vec![quoted("a"), Step::Index(1)]),
            ("a[-]", vec![key("a"), Step::End]),
            ("a[web-1].b", vec![key("a"), Step::Named("web-1".into()), key("b")]),
            ("/a", vec![token("a")]),
            ("/spec/containers/0/image", vec![token("spec"), token("containers"), token("0"), token("image")]),
            ("/a/x.y~1z~0", vec![token("a"), token("x.y/z~")]),
        ] {
            assert_eq!(Path::parse(text).unwrap().steps, steps, "{text}");
        }
        for text in
            ["", ".a", "a..b", "a.", "a[", "a[x y]", "a[-1]", "a[\"x]", "a[\"x\"", "/", "/a/", "//a", "/a~2", "/a~"]
        {
            assert!(Path::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn both_forms_are_the_same_pointer() {
        for (text, pointer) in [
            ("metadata.labels.owner", "/metadata/labels/owner"),
            ("/metadata/labels/owner", "/metadata/labels/owner"),
            ("spec.containers[0].image", "/spec/containers/0/image"),
            ("metadata.labels[\"a.b/c~d\"]", "/metadata/labels/a.b~1c~0d"),
            ("/metadata/labels/a.b~1c~0d", "/metadata/labels/a.b~1c~0d"),
        ] {
            let path = Path::parse(text).unwrap();
            assert_eq!(path.to_pointer(), pointer, "{text}");
            assert_eq!(path.text(), text);
        }
    }

    /// Found by the fuzz target `path`.
    #[test]
    fn a_path_is_read_as_it_is_shown() {
        for (text, shown) in [
            ("a\"b", "['a\"b']"),
            ("a'b.c[0]", "[\"a'b\"].c[0]"),
            ("a.b\"c'[0]", "a.b\"c'[0]"),
            ("a[\"\"].b\"c'", "a[\"\"].b\"c'"),
            ("['b\"/c'][-]", "['b\"/c'][-]"),
        ] {
            let path = Path::parse(text).unwrap();
            assert_eq!(path.text(), shown, "{text}");
            assert_eq!(Path::parse(shown).unwrap().to_pointer(), path.to_pointer(), "{text}");
        }
        let both = Path::of(vec![key("a"), key("b.\"c'"), Step::Index(0)], false);
        assert_eq!(both.text(), "/a/b.\"c'/0");
    }

    #[test]
    fn only_the_document_says_what_a_token_is() {
        for (token, length, index) in [
            ("0", 1, Some(0)),
            ("12", 1, Some(12)),
            ("-", 3, Some(3)),
            ("01", 1, None),
            ("+1", 1, None),
            ("a", 1, None),
        ] {
            let step = Step::Token(token.into());
            assert_eq!((step.index(length), step.key()), (index, Some(token)), "{token}");
        }
    }
}
