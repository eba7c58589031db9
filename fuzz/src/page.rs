//! The tags of an HTML page, read as a browser reads them: also those that nobody meant.

use std::collections::BTreeSet;

/// The tags of a page, each with the names of its attributes: `a href`, `/a`.
pub(crate) fn tags(page: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = page;
    while let Some(start) = rest.find('<') {
        rest = &rest[start + 1..];
        let is_tag = rest.starts_with(|letter: char| letter.is_ascii_alphabetic() || "/!?".contains(letter));
        if !is_tag {
            continue;
        }
        let (tag, behind) = tag(rest);
        // What a browser does not parse: it ends at the closing tag alone.
        rest = match ["script", "style"].into_iter().find(|name| *name == tag) {
            Some(name) => behind.split_once(&format!("</{name}>")).map_or("", |(_, behind)| behind),
            None => behind,
        };
        found.insert(tag);
    }
    found
}

/// A tag behind its `<`, and what follows it.
fn tag(text: &str) -> (String, &str) {
    let end = text.find(|letter: char| letter.is_ascii_whitespace() || letter == '>').unwrap_or(text.len());
    let mut tag = text[..end].to_ascii_lowercase();
    let mut rest = &text[end..];
    loop {
        rest = rest.trim_start_matches(|letter: char| letter.is_ascii_whitespace() || letter == '/');
        if rest.is_empty() || rest.starts_with('>') {
            return (tag, rest.strip_prefix('>').unwrap_or(rest));
        }
        let is_end = |letter: char| letter.is_ascii_whitespace() || "=>/".contains(letter);
        let end = rest.char_indices().skip(1).find(|(_, letter)| is_end(*letter)).map_or(rest.len(), |(end, _)| end);
        tag.push(' ');
        tag.push_str(&rest[..end].to_ascii_lowercase());
        rest = value(rest[end..].trim_start());
    }
}

/// What follows the value of an attribute, if it has one.
fn value(text: &str) -> &str {
    let Some(value) = text.strip_prefix('=').map(str::trim_start) else { return text };
    match value.chars().next() {
        Some(quote @ ('"' | '\'')) => value[1..].split_once(quote).map_or("", |(_, behind)| behind),
        _ => &value[value.find(|letter: char| letter.is_ascii_whitespace() || letter == '>').unwrap_or(value.len())..],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_found_as_a_browser_finds_them() {
        let found = tags(
            "<!doctype html><p class=\"a>b\">1 < 2 <3</p><IMG/src=x onerror=alert(1)><style>a<b{}</style><a\nhref='x' y>",
        );
        let found: Vec<&str> = found.iter().map(String::as_str).collect();
        assert_eq!(found, ["!doctype html", "/p", "a href y", "img/src=x onerror", "p class", "style"]);
    }
}
