//! The values of `--var` and `--allow-env`.

use policy_verify::Environment;
use policy_verify::model::diagnostic::Diagnostic;

use super::super::ci;
use super::super::problem::usage;

/// Reads `NAME=VALUE`.
pub(super) fn variable(text: &str) -> Result<(String, String), Diagnostic> {
    let (name, value) = text.split_once('=').ok_or_else(|| usage("expected NAME=VALUE"))?;
    Ok((name.to_owned(), value.to_owned()))
}

/// Variables of the environment that suites may read, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct EnvironmentNames(Vec<String>);

impl EnvironmentNames {
    /// What suites may read of the environment: these variables, and none of them where their code is a stranger's.
    pub(crate) fn environment(allowed: &[Self]) -> Environment {
        let allowed: Vec<String> = allowed.iter().flat_map(|names| names.0.clone()).collect();
        let refusal = if allowed.is_empty() { None } else { ci::foreign_code() };
        Environment { allowed, refusal }
    }
}

/// Reads `NAME`, or `NAME,OTHER`; lines and blanks separate names, too.
pub(super) fn environment_names(text: &str) -> Result<EnvironmentNames, Diagnostic> {
    let names = text.split(|letter: char| letter == ',' || letter.is_whitespace()).filter(|name| !name.is_empty());
    let is_name = |name: &str| name.chars().all(|letter| letter.is_ascii_alphanumeric() || letter == '_');
    let names: Vec<String> = names.map(str::to_owned).collect();
    match names.iter().find(|name| !is_name(name)) {
        Some(name) if name.contains('=') => {
            Err(usage("expected the name of a variable, without a value: for a value write `--var NAME=VALUE`"))
        }
        Some(name) => Err(usage(format!("invalid name of a variable of the environment: `{name}`"))),
        None => Ok(EnvironmentNames(names)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_variables_are_listed_in_any_way() {
        let names = |list: &[&str]| Ok(EnvironmentNames(list.iter().map(|name| (*name).to_owned()).collect()));
        assert_eq!(environment_names("TAG"), names(&["TAG"]));
        assert_eq!(environment_names("TAG,OTHER_1"), names(&["TAG", "OTHER_1"]));
        assert_eq!(environment_names(" TAG, OTHER\n"), names(&["TAG", "OTHER"]));
        assert_eq!(environment_names(","), names(&[]));
        for wrong in ["TAG=v1", "*", "A.B", "TAG;B", "$TAG"] {
            assert!(environment_names(wrong).is_err(), "{wrong}");
        }
    }
}
