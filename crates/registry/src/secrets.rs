//! Passwords and tokens: a type that does not print them, and their removal from the texts of servers.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A text that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

impl Secret {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, only for sending it.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// Every secret sent so far. A hostile server may send them back in its messages.
#[derive(Default)]
pub(super) struct Secrets(Mutex<Vec<String>>);

/// Shorter texts occur by chance: replacing them would reveal the secret.
const MIN_LENGTH: usize = 4;

/// Characters of a server's text that are shown.
const MAX_TEXT: usize = 300;

impl Secrets {
    /// Remembers a secret that is about to be sent; of a header also its parts.
    pub(super) fn remember(&self, secret: &str) {
        self.add(secret);
        if let Some(token) = secret.strip_prefix("Bearer ") {
            self.add(token);
        }
        if let Some(encoded) = secret.strip_prefix("Basic ") {
            self.add(encoded);
            let decoded = STANDARD.decode(encoded).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            if let Some((_, password)) = decoded.as_deref().and_then(|decoded| decoded.split_once(':')) {
                self.add(password);
            }
        }
    }

    /// Adds a secret as it is, and form-encoded.
    fn add(&self, secret: &str) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for text in [secret, &encoded] {
            if text.len() >= MIN_LENGTH && !known.iter().any(|it| it == text) {
                known.push(text.to_owned());
            }
        }
        known.sort_by_key(|it| std::cmp::Reverse(it.len()));
    }

    /// The text of a server on one short line, with `[secret]` in place of secrets.
    pub(super) fn redact(&self, text: &str) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = known.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "[secret]"));
        let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
        let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(MAX_TEXT) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secrets]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_redacted() {
        let secrets = Secrets::default();
        secrets.remember("hunter2");
        secrets.remember("hunter2-and-more");
        secrets.remember("abc");
        assert_eq!(secrets.redact("you sent\nhunter2-and-more,\thunter2 abc"), "you sent [secret], [secret] abc");
        assert_eq!(format!("{secrets:?} {:?}", Secret::new("hunter2")), "[secrets] [secret]");
    }

    #[test]
    fn parts_of_a_header_are_redacted() {
        let secrets = Secrets::default();
        secrets.remember("Basic cm9ib3Q6aHVudGVyMg==");
        secrets.remember("Bearer abc.def");
        assert_eq!(
            secrets.redact("Basic cm9ib3Q6aHVudGVyMg== cm9ib3Q6aHVudGVyMg== robot:hunter2 abc.def"),
            "[secret] [secret] robot:[secret] [secret]"
        );
    }

    #[test]
    fn form_encoded_secrets_are_redacted() {
        let secrets = Secrets::default();
        secrets.remember("a+b/c==");
        assert_eq!(secrets.redact("refresh_token=a%2Bb%2Fc%3D%3D or a+b/c=="), "refresh_token=[secret] or [secret]");
    }

    #[test]
    fn long_texts_are_truncated() {
        let text = Secrets::default().redact(&"é".repeat(1000));
        assert_eq!(text.chars().count(), MAX_TEXT + 1);
    }
}
