//! Which variables of the environment a suite may read: a suite may be a stranger's, and tokens are in the environment.

use std::env;

/// The variables that `${env:NAME}` reads: those that the run names. By default there are none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    /// Names that the run allows.
    pub allowed: Vec<String>,
    /// Why this run reads none of them all the same: it has a stranger's code.
    pub refusal: Option<String>,
}

/// Parts of the names of secrets.
const SECRET_NAMES: &[&str] = &["TOKEN", "SECRET", "PASSW", "KEY", "CREDENTIAL", "AUTH"];

/// Whether the name of a variable says that its value is a secret.
pub fn is_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|part| name.contains(part))
}

/// What a suite gets of a variable.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Variable<'a> {
    /// Its value, which is not empty.
    Is(String),
    /// It is not set, or empty.
    Unset,
    /// It is set, and the run does not name it.
    NotAllowed,
    /// The run names it, and reads no variables for this reason.
    Refused(&'a str),
}

impl Environment {
    /// Looks up a variable. The value of one that is not allowed is never read.
    pub(crate) fn look_up(&self, name: &str) -> Variable<'_> {
        if !self.allows(name) {
            let is_set = env::var_os(name).is_some_and(|value| !value.is_empty());
            return if is_set { Variable::NotAllowed } else { Variable::Unset };
        }
        if let Some(reason) = &self.refusal {
            return Variable::Refused(reason);
        }
        match env::var(name).ok().filter(|value| !value.is_empty()) {
            Some(value) => Variable::Is(value),
            None => Variable::Unset,
        }
    }

    /// The values of variables whose names say that they are secrets: a server that a suite sends them to may send them
    /// back.
    pub fn secrets(&self) -> Vec<String> {
        let named = self.allowed.iter().filter(|name| self.refusal.is_none() && is_secret(name));
        named.filter_map(|name| env::var(name).ok()).collect()
    }

    /// Whether the run names a variable.
    pub(crate) fn allows(&self, name: &str) -> bool {
        self.allowed.iter().any(|allowed| allowed == name)
    }
}
