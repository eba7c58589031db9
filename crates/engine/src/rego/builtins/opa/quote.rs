//! Texts and characters in quotes, as Go writes them.

/// A text in double quotes.
pub(crate) fn go_string(text: &str, is_ascii_only: bool) -> String {
    quoted(text.chars(), '"', is_ascii_only)
}

/// A character in single quotes.
pub(super) fn go_char(c: char, is_ascii_only: bool) -> String {
    quoted(std::iter::once(c), '\'', is_ascii_only)
}

fn quoted(chars: impl Iterator<Item = char>, mark: char, is_ascii_only: bool) -> String {
    let mut quoted = String::from(mark);
    for c in chars {
        match c {
            '\\' => quoted.push_str("\\\\"),
            c if c == mark => quoted.extend(['\\', c]),
            '\x07' => quoted.push_str("\\a"),
            '\x08' => quoted.push_str("\\b"),
            '\x0c' => quoted.push_str("\\f"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            '\x0b' => quoted.push_str("\\v"),
            c if is_printable(c) && (c.is_ascii() || !is_ascii_only) => quoted.push(c),
            c if c.is_ascii() => quoted.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if u32::from(c) < 0x10000 => quoted.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => quoted.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    quoted.push(mark);
    quoted
}

/// Whether Go takes the character for printable. The standard library knows, but only tells by escaping what is not;
/// the letter in front keeps it from also escaping what would join with the quote.
pub(super) fn is_printable(c: char) -> bool {
    matches!(c, '"' | '\'' | '\\') || format!("a{c}").escape_debug().nth(1) == Some(c)
}

/// Whether the text can stand between Go's back quotes.
pub(super) fn can_be_raw(text: &str) -> bool {
    text.chars().all(|c| c == '\t' || !matches!(c, '\0'..'\u{20}' | '`' | '\u{7f}' | '\u{feff}'))
}
