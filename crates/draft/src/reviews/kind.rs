//! The kinds of personal data, and their placeholders.

use std::sync::LazyLock;

use regex::Regex;

use super::addresses;

/// Placeholders, also in front of the host of a URL.
static PLACEHOLDER: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"^(?:(?:token|value|secret|user|group|extra|manager)-[0-9]+(?:@.*)?|person-[0-9]+@example\.test)$";
    Regex::new(pattern).expect("the pattern is written here")
});

/// Whether the text was replaced before.
pub(super) fn is_placeholder(text: &str) -> bool {
    PLACEHOLDER.is_match(text)
}

/// What kind of data is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Names of users.
    User,
    /// Groups of users.
    Group,
    /// What an authenticator adds to users.
    Extra,
    /// Ids of users and objects.
    Uid,
    /// Addresses of mail.
    Email,
    /// IP addresses.
    Address,
    /// Names of the programs that write fields.
    Manager,
    /// Bytes of ConfigMaps.
    Binary,
    /// Values of Secrets.
    Secret,
    /// Values of environment variables.
    Variable,
    /// Tokens, passwords and keys.
    Token,
    /// Lists of field managers, which are removed.
    ManagedFields,
    /// Copies of the object in an annotation, which are emptied.
    LastApplied,
}

impl Kind {
    /// Its name behind a number.
    pub fn name(self, count: usize) -> String {
        let name = match self {
            Self::User => "user name",
            Self::Group => "group",
            Self::Extra => "extra value",
            Self::Uid => "uid",
            Self::Email => "email address",
            Self::Address => "IP address",
            Self::Manager => "field manager",
            Self::Binary => "value of binary data",
            Self::Secret => "value of Secrets",
            Self::Variable => "value of environment variables",
            Self::Token => "token",
            Self::ManagedFields => "list of field managers",
            Self::LastApplied => "last-applied annotation",
        };
        match (count, name.split_once(' ')) {
            (1, _) => name.to_owned(),
            (_, Some(("value" | "list", rest))) => format!("{}s {rest}", &name[..name.len() - rest.len() - 1]),
            (_, Some(("email" | "IP", _))) => format!("{name}es"),
            _ => format!("{name}s"),
        }
    }

    /// The placeholder with a number for a text.
    pub(super) fn placeholder(self, number: usize, original: &str) -> String {
        match self {
            Self::User => format!("user-{number}"),
            Self::Group => format!("group-{number}"),
            Self::Extra => format!("extra-{number}"),
            Self::Uid => format!("00000000-0000-4000-8000-{number:012}"),
            Self::Email => format!("person-{number}@example.test"),
            Self::Address => addresses::placeholder(original, number),
            Self::Manager => format!("manager-{number}"),
            Self::Binary => format!("data-{number}"),
            Self::Secret => format!("secret-{number}"),
            Self::Variable => format!("value-{number}"),
            Self::Token => format!("token-{number}"),
            Self::ManagedFields | Self::LastApplied => String::new(),
        }
    }
}
