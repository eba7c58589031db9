//! Label and field selectors, parsed and applied as an API server does.

use std::collections::BTreeSet;

use serde_json::Value;

/// Why a selector cannot be applied. The texts about syntax are close to those of Kubernetes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum SelectorError {
    #[error("found '{letter}', expected something else in {selector:?}")]
    Parenthesis { letter: char, selector: String },
    #[error("missing ')' in {0:?}")]
    Unclosed(String),
    #[error("{0:?}: expected one of =, ==, !=, in, notin, <, >")]
    Operator(String),
    #[error("invalid label key {0:?}")]
    Key(String),
    #[error("invalid label value {0:?}")]
    Value(String),
    #[error("for 'Gt', 'Lt' operators, the value must be an integer, not {0:?}")]
    Number(String),
    #[error("{0:?}: expected values in parentheses")]
    Set(String),
    #[error("invalid selector: '{selector}'; can't understand '{part}'")]
    Part { selector: String, part: String },
    /// Other fields depend on the kind, and on values that only an API server fills in.
    #[error("unsupported field {0:?}: `cluster` supports metadata.name and metadata.namespace")]
    UnsupportedField(String),
}

/// A label selector: all requirements must hold. The empty one selects everything.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Labels(Vec<(String, Requirement)>);

/// What is required of one label.
#[derive(Debug, PartialEq)]
enum Requirement {
    Exists,
    Absent,
    In(BTreeSet<String>),
    /// Also holds where the label is absent.
    NotIn(BTreeSet<String>),
    GreaterThan(i64),
    LessThan(i64),
}

impl Labels {
    /// Parses `a=b,c!=d,e in (f, g),h notin (i),j,!k,l>1`.
    pub(super) fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut requirements = Vec::new();
        if text.trim().is_empty() {
            return Ok(Self(requirements));
        }
        for part in split(text)? {
            requirements.push(requirement(part.trim())?);
        }
        Ok(Self(requirements))
    }

    /// How many requirements there are.
    pub(super) fn requirements(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether an object with these labels is selected.
    pub(super) fn select(&self, labels: Option<&Value>) -> bool {
        self.0.iter().all(|(key, requirement)| {
            requirement.holds(labels.and_then(|labels| labels.get(key)).and_then(Value::as_str))
        })
    }
}

impl Requirement {
    fn holds(&self, label: Option<&str>) -> bool {
        let number = || label.and_then(|label| label.parse::<i64>().ok());
        match self {
            Self::Exists => label.is_some(),
            Self::Absent => label.is_none(),
            Self::In(values) => label.is_some_and(|label| values.contains(label)),
            Self::NotIn(values) => label.is_none_or(|label| !values.contains(label)),
            Self::GreaterThan(bound) => number().is_some_and(|number| number > *bound),
            Self::LessThan(bound) => number().is_some_and(|number| number < *bound),
        }
    }
}

/// The parts between commas outside of parentheses.
fn split(text: &str) -> Result<Vec<&str>, SelectorError> {
    let (mut parts, mut start, mut is_inside) = (Vec::new(), 0, false);
    for (index, letter) in text.char_indices() {
        match letter {
            '(' if !is_inside => is_inside = true,
            ')' if is_inside => is_inside = false,
            '(' | ')' => return Err(SelectorError::Parenthesis { letter, selector: text.into() }),
            ',' if !is_inside => {
                parts.push(&text[start..index]);
                start = index + 1;
            }
            _ => {}
        }
    }
    if is_inside {
        return Err(SelectorError::Unclosed(text.into()));
    }
    parts.push(&text[start..]);
    Ok(parts)
}

fn requirement(text: &str) -> Result<(String, Requirement), SelectorError> {
    if let Some(key) = text.strip_prefix('!') {
        return Ok((label_key(key)?, Requirement::Absent));
    }
    let end = text.find(|letter: char| letter.is_whitespace() || "=!<>(".contains(letter)).unwrap_or(text.len());
    let (key, rest) = (label_key(&text[..end])?, text[end..].trim());
    let requirement = if rest.is_empty() {
        Requirement::Exists
    } else if let Some(value) = rest.strip_prefix("!=") {
        Requirement::NotIn(BTreeSet::from([label_value(value)?]))
    } else if let Some(value) = rest.strip_prefix("==").or(rest.strip_prefix('=')) {
        Requirement::In(BTreeSet::from([label_value(value)?]))
    } else if let Some(bound) = rest.strip_prefix('>') {
        Requirement::GreaterThan(number(bound)?)
    } else if let Some(bound) = rest.strip_prefix('<') {
        Requirement::LessThan(number(bound)?)
    } else if let Some(values) = rest.strip_prefix("notin") {
        Requirement::NotIn(set(values)?)
    } else if let Some(values) = rest.strip_prefix("in") {
        Requirement::In(set(values)?)
    } else {
        return Err(SelectorError::Operator(text.into()));
    };
    Ok((key, requirement))
}

fn label_key(text: &str) -> Result<String, SelectorError> {
    let text = text.trim();
    let is_key = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    let is_usable = !text.is_empty() && text.chars().all(is_key) && text.matches('/').count() < 2;
    if is_usable { Ok(text.to_owned()) } else { Err(SelectorError::Key(text.into())) }
}

fn label_value(text: &str) -> Result<String, SelectorError> {
    let text = text.trim();
    let is_value = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    let is_usable = text.len() <= 63 && text.chars().all(is_value);
    if is_usable { Ok(text.to_owned()) } else { Err(SelectorError::Value(text.into())) }
}

fn number(text: &str) -> Result<i64, SelectorError> {
    text.trim().parse().map_err(|_| SelectorError::Number(text.into()))
}

fn set(text: &str) -> Result<BTreeSet<String>, SelectorError> {
    let inside = text.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')'));
    let inside = inside.ok_or_else(|| SelectorError::Set(text.into()))?;
    inside.split(',').map(label_value).collect()
}

/// A field selector on the fields that all kinds have.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields(Vec<Term>);

#[derive(Debug, PartialEq)]
struct Term {
    is_name: bool,
    is_equal: bool,
    value: String,
}

impl Fields {
    /// Parses `metadata.name=a,metadata.namespace!=b`.
    pub(super) fn parse(text: &str) -> Result<Self, SelectorError> {
        let mut terms = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (field, is_equal, value) = if let Some((field, value)) = part.split_once("!=") {
                (field, false, value)
            } else if let Some((field, value)) = part.split_once("==").or(part.split_once('=')) {
                (field, true, value)
            } else {
                return Err(SelectorError::Part { selector: text.into(), part: part.into() });
            };
            let is_name = match field {
                "metadata.name" => true,
                "metadata.namespace" => false,
                _ => return Err(SelectorError::UnsupportedField(field.into())),
            };
            terms.push(Term { is_name, is_equal, value: value.to_owned() });
        }
        Ok(Self(terms))
    }

    /// How many terms there are.
    pub(super) fn terms(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether the object of this name is selected.
    pub(super) fn select(&self, namespace: &str, name: &str) -> bool {
        self.0.iter().all(|term| (term.value == if term.is_name { name } else { namespace }) == term.is_equal)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn label_selectors_select_as_an_api_server_does() {
        let labels = json!({"app": "web", "tier": "", "example.com/size": "12"});
        for (selector, is_selected) in [
            ("", true),
            ("app", true),
            ("!app", false),
            ("other", false),
            ("!other", true),
            ("! other", true),
            ("app=web", true),
            ("app = web , tier==", true),
            ("app==api", false),
            ("app!=api", true),
            ("other!=api", true),
            ("other=", false),
            ("app in (api, web)", true),
            ("app in(api)", false),
            ("app notin (api,db),tier", true),
            ("other notin (web)", true),
            ("tier in ()", true),
            ("tier in (a,)", true),
            ("example.com/size>11", true),
            ("example.com/size<12", false),
            ("app>1", false),
            ("index", false),
        ] {
            assert_eq!(Labels::parse(selector).unwrap().select(Some(&labels)), is_selected, "{selector}");
        }
        assert!(Labels::parse("!app").unwrap().select(None));
        assert!(!Labels::parse("app").unwrap().select(Some(&json!(null))));
    }

    #[test]
    fn invalid_selectors_are_errors() {
        for selector in [
            "=web",
            "app=a b",
            "app in web",
            "app in (web",
            "app)",
            "a,,b",
            "app ~ web",
            "a/b/c",
            "app>x",
            "app=ä",
            ",",
        ] {
            assert!(Labels::parse(selector).is_err(), "{selector}");
        }
        for selector in ["metadata.name", "spec.nodeName=n", "status.phase!=Running"] {
            assert!(Fields::parse(selector).is_err(), "{selector}");
        }
    }

    #[test]
    fn field_selectors_compare_namespace_and_name() {
        for (selector, is_selected) in [
            ("", true),
            ("metadata.name=api", true),
            ("metadata.name==api,metadata.namespace=web", true),
            ("metadata.name!=api", false),
            ("metadata.namespace!=web", false),
            ("metadata.namespace=", false),
        ] {
            assert_eq!(Fields::parse(selector).unwrap().select("web", "api"), is_selected, "{selector}");
        }
    }
}
