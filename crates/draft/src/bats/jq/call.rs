//! The command line of `jq`.

use serde_json::Value;

use crate::bats::problem::Problem;
use crate::bats::value::{self, Text};

/// A call of jq.
#[derive(Default)]
pub(in crate::bats) struct JqCall {
    pub(in crate::bats) filter: String,
    pub(in crate::bats) file: Option<Text>,
    pub(in crate::bats) is_raw: bool,
    pub(in crate::bats) is_asserting: bool,
    pub(in crate::bats) variables: Vec<(String, Value)>,
}

impl JqCall {
    pub(in crate::bats) fn read(arguments: &[Text]) -> Result<Self, Problem> {
        let unsupported = |flag: &str| Problem::Arguments(format!("jq {flag}").trim().to_owned());
        let mut call = Self::default();
        let (mut rest, mut has_filter) = (arguments.iter(), false);
        while let Some(argument) = rest.next() {
            let literal = value::literal(argument);
            match literal.as_deref() {
                Some("--arg" | "--argjson") => {
                    let name = rest.next().and_then(|it| value::literal(it)).ok_or_else(|| unsupported("--arg"))?;
                    let text = rest.next().and_then(|it| value::literal(it)).ok_or_else(|| unsupported("--arg"))?;
                    let is_json = literal.as_deref() == Some("--argjson");
                    let value = if is_json {
                        serde_json::from_str(&text).map_err(|_| unsupported("--argjson"))?
                    } else {
                        Value::String(text)
                    };
                    call.variables.push((name, value));
                }
                Some("--raw-output" | "--join-output") => call.is_raw = true,
                Some("--exit-status") => call.is_asserting = true,
                Some("--compact-output" | "--monochrome-output" | "--color-output" | "--sort-keys") => {}
                Some(flag) if flag.starts_with('-') && flag.len() > 1 && !has_filter => {
                    for letter in flag.chars().skip(1) {
                        match letter {
                            'r' | 'j' => call.is_raw = true,
                            'e' => call.is_asserting = true,
                            'c' | 'M' | 'C' | 'S' | 'a' => {}
                            _ => return Err(unsupported(flag)),
                        }
                    }
                }
                Some("-r") => call.is_raw = true,
                Some("-e") => call.is_asserting = true,
                Some(filter) if !has_filter => {
                    filter.clone_into(&mut call.filter);
                    has_filter = true;
                }
                None if !has_filter => return Err(unsupported("")),
                _ => call.file = Some(argument.clone()),
            }
        }
        if has_filter { Ok(call) } else { Ok(Self { filter: ".".to_owned(), ..call }) }
    }
}
