//! Passwords and tokens: a type that does not print them, and their removal from the texts of servers.

use std::fmt;
use std::sync::{Mutex, PoisonError};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};

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

    /// Adds a secret as it is, and in every form that a server can be expected to give it.
    fn add(&self, secret: &str) {
        if secret.len() < MIN_LENGTH {
            return;
        }
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for form in forms(secret) {
            if form.len() >= MIN_LENGTH && !known.contains(&form) {
                known.push(form);
            }
        }
        known.sort_by_key(|it| std::cmp::Reverse(it.len()));
    }

    /// The text of a server on one short line, with `[secret]` in place of secrets.
    pub(super) fn redact(&self, text: &str) -> String {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let text = known.iter().fold(text.to_owned(), |text, secret| without(text, secret));
        let words = text.split(|letter: char| letter.is_whitespace() || letter.is_control());
        let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        match line.char_indices().nth(MAX_TEXT) {
            Some((end, _)) => format!("{}…", &line[..end]),
            None => line,
        }
    }
}

/// A secret as it is, reversed, and encoded: as a form, in JSON, in hexadecimal, and in base64 wherever in a longer text it
/// stands. All in lower case, for letters are compared without it.
fn forms(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let json = serde_json::Value::from(secret).to_string();
    let mut forms = vec![
        secret.to_owned(),
        secret.chars().rev().collect(),
        url::form_urlencoded::byte_serialize(bytes).collect(),
        bytes.iter().map(|byte| format!("%{byte:02x}")).collect(),
        json.trim_matches('"').to_owned(),
        bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        bytes.iter().map(|byte| format!("{byte:02x} ")).collect::<String>().trim_end().to_owned(),
        bytes.iter().map(|byte| format!("{byte:02x}:")).collect::<String>().trim_end_matches(':').to_owned(),
    ];
    for before in 0..3 {
        // Six bits are a character; what bytes before and behind have a part in differs from text to text.
        let padded = [&[0; 2][..before], bytes].concat();
        let own = (before * 8).div_ceil(6)..(padded.len() * 8) / 6;
        for encoded in [STANDARD.encode(&padded), URL_SAFE.encode(&padded)] {
            forms.extend(encoded.get(own.clone()).map(str::to_owned));
        }
    }
    forms.iter_mut().for_each(|form| form.make_ascii_lowercase());
    forms
}

/// A text with `[secret]` in place of a secret, whatever the case of its letters. The secret is in lower case.
fn without(text: String, secret: &str) -> String {
    let lower = text.to_ascii_lowercase();
    let mut rest = 0;
    let mut redacted = String::new();
    for (at, found) in lower.match_indices(secret) {
        redacted.push_str(&text[rest..at]);
        redacted.push_str("[secret]");
        rest = at + found.len();
    }
    if rest == 0 {
        return text;
    }
    redacted.push_str(&text[rest..]);
    redacted
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
    fn other_forms_of_a_secret_are_redacted() {
        let secrets = Secrets::default();
        let secret = "Hunter2/\"ü+x?";
        secrets.remember(secret);
        let reversed: String = secret.chars().rev().collect();
        let hex =
            |separator: &str| secret.bytes().map(|byte| format!("{byte:02X}")).collect::<Vec<_>>().join(separator);
        let percent: String = secret.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for form in [
            secret.to_owned(),
            secret.to_ascii_lowercase(),
            secret.to_ascii_uppercase(),
            reversed.clone(),
            reversed.to_ascii_uppercase(),
            hex(""),
            hex("").to_lowercase(),
            hex(":"),
            hex(" "),
            percent,
            "Hunter2/\\\"ü+x?".to_owned(),
        ] {
            assert_eq!(secrets.redact(&format!("a {form} b")), "a [secret] b", "{form}");
        }
        for around in ["", "a", "me:", "user", "a longer name"] {
            for text in [format!("{around}{secret}"), format!("{around}{secret}{around}")] {
                for encoded in [STANDARD.encode(&text), URL_SAFE.encode(&text)] {
                    let redacted = secrets.redact(&encoded);
                    assert!(redacted.contains("[secret]") && redacted.len() < encoded.len(), "{text}: {redacted}");
                }
            }
        }
        // What is too short to be one is left alone, and so is a text without it.
        secrets.remember("ab");
        assert_eq!(secrets.redact("ab ABBA 6162 Hunter"), "ab ABBA 6162 Hunter");
    }

    #[test]
    fn long_texts_are_truncated() {
        let text = Secrets::default().redact(&"é".repeat(1000));
        assert_eq!(text.chars().count(), MAX_TEXT + 1);
    }
}
