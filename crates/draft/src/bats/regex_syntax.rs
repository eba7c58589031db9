//! Reads regular expressions of POSIX, with what GNU adds, into pieces.

use super::pattern::{Dialect, Pattern, Piece};
use super::problem::Problem;

/// Longest pattern, in characters.
const LONGEST: usize = 64 * 1024;

/// A character, and whether it is an operator.
type Item = (char, bool);

impl Pattern {
    /// A regular expression from literal pieces and those with operators.
    pub(super) fn regex(parts: &[(String, bool)], dialect: Dialect) -> Result<Self, Problem> {
        let source: String = parts.iter().map(|(text, _)| text.as_str()).collect();
        if source.chars().count() > LONGEST {
            return Err(Problem::Limit("length of a pattern"));
        }
        read(parts, dialect).checked(&source)
    }
}

/// The pattern. What is not understood is passed on, and found out when it is compiled.
fn read(parts: &[(String, bool)], dialect: Dialect) -> Pattern {
    let items = items(parts, dialect);
    let mut pattern = Pattern::default();
    // Alternatives bind weakest: the pieces of one are no pieces of the whole.
    if has_alternatives(&items) {
        pattern.pieces.push(Piece::Other(format!("(?:{})", whole(&items))));
        return pattern;
    }
    let mut at = 0;
    while at < items.len() {
        let end = atom(&items, at);
        let (quantified, repeats) = quantifier(&items, end);
        match (&items[at..end], repeats) {
            ([('^', true)], _) if at == 0 => pattern.starts = true,
            ([('$', true)], _) if end == items.len() => pattern.ends = true,
            ([('.', true)], Some("*")) => pattern.push(Piece::Any),
            // A full stop that ends a sentence is meant as one.
            ([('.', true)], None) if items.get(end) == Some(&(' ', false)) => pattern.text('.'),
            ([(next, false)], None) => pattern.text(*next),
            // At the end nothing of it has to be there.
            (_, Some("*" | "?")) if quantified == items.len() => {}
            ([('(', true), inner @ .., (')', true)], None) if inner.iter().all(|item| !item.1) => {
                inner.iter().for_each(|item| pattern.text(item.0));
            }
            _ => pattern.push(Piece::Other(whole(&items[at..quantified]))),
        }
        at = quantified;
    }
    pattern
}

fn has_alternatives(items: &[Item]) -> bool {
    let mut depth = 0_usize;
    items.iter().any(|item| {
        match item {
            ('(', true) => depth += 1,
            (')', true) => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth == 0 && *item == ('|', true)
    })
}

/// Whether each character is an operator.
fn items(parts: &[(String, bool)], dialect: Dialect) -> Vec<Item> {
    let mut items: Vec<Item> = Vec::new();
    let mut in_set = false;
    for (text, is_quoted) in parts {
        let mut chars = text.chars().peekable();
        while let Some(next) = chars.next() {
            if *is_quoted {
                items.push((next, false));
                continue;
            }
            let is_first = items.is_empty() || matches!(items.last(), Some(('(' | '|', true)));
            match next {
                ']' if in_set && !matches!(items.last(), Some(('[', true))) => {
                    in_set = false;
                    items.push((next, true));
                }
                '[' if in_set && chars.peek() == Some(&':') => class(&mut chars, &mut items),
                // Rust has sets in sets and escapes in them.
                '[' | '\\' | '&' | '~' if in_set => items.extend([('\\', true), (next, false)]),
                _ if in_set => items.push((next, false)),
                '[' => {
                    in_set = true;
                    items.push((next, true));
                    if chars.peek() == Some(&'^') {
                        items.extend(chars.next().map(|it| (it, true)));
                    }
                }
                '\\' => escape(chars.next(), dialect, &mut items),
                '.' | '^' | '$' => items.push((next, true)),
                // A star at the start is a star.
                '*' => items.push((next, !is_first)),
                '+' | '?' | '(' | ')' | '|' => items.push((next, dialect == Dialect::Extended)),
                '{' => {
                    let counts = chars.peek().is_some_and(char::is_ascii_digit);
                    items.push((next, dialect == Dialect::Extended && counts));
                }
                '}' => {
                    let is_open = items
                        .iter()
                        .rev()
                        .find(|item| matches!(item.0, '{' | '}'))
                        .is_some_and(|it| *it == ('{', true));
                    items.push((next, is_open));
                }
                other => items.push((other, false)),
            }
        }
    }
    items
}

/// `[:alpha:]` in a set.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>, items: &mut Vec<Item>) {
    items.push(('[', true));
    for next in chars.by_ref() {
        items.push((next, true));
        if next == ']' {
            return;
        }
    }
}

fn escape(next: Option<char>, dialect: Dialect, items: &mut Vec<Item>) {
    match next {
        Some(next @ ('+' | '?' | '(' | ')' | '|' | '{' | '}')) => items.push((next, dialect == Dialect::Basic)),
        Some(next @ ('w' | 'W' | 's' | 'S' | 'b' | 'B' | 'd' | 'D')) => items.extend([('\\', true), (next, true)]),
        Some('<' | '>') => items.extend([('\\', true), ('b', true)]),
        Some('n') if dialect == Dialect::Extended => items.push(('\n', false)),
        Some(other) => items.push((other, false)),
        None => items.push(('\\', false)),
    }
}

/// The end of the atom: a character, an escape, a set or a group.
fn atom(items: &[Item], at: usize) -> usize {
    match items[at] {
        ('\\', true) => (at + 2).min(items.len()),
        ('[', true) => closing(items, at, '[', ']'),
        ('(', true) => closing(items, at, '(', ')'),
        _ => at + 1,
    }
}

fn closing(items: &[Item], at: usize, open: char, close: char) -> usize {
    let mut depth = 0_usize;
    for (index, (next, is_operator)) in items.iter().enumerate().skip(at) {
        match *is_operator {
            true if *next == open => depth += 1,
            true if *next == close => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return index + 1;
        }
    }
    items.len()
}

/// The end of the quantifier, and which it is.
fn quantifier(items: &[Item], at: usize) -> (usize, Option<&'static str>) {
    match items.get(at) {
        Some(('*', true)) => (at + 1, Some("*")),
        Some(('?', true)) => (at + 1, Some("?")),
        Some(('+', true)) => (at + 1, Some("+")),
        Some(('{', true)) => (closing(items, at, '{', '}'), Some("{}")),
        _ => (at, None),
    }
}

/// As the crate `regex` writes it.
fn whole(items: &[Item]) -> String {
    let mut out = String::new();
    let mut in_set = false;
    for (index, (next, is_operator)) in items.iter().enumerate() {
        in_set = match (next, is_operator) {
            ('[', true) => true,
            (']', true) => false,
            _ => in_set,
        };
        let follows_escape = index > 0 && items[index - 1] == ('\\', true);
        if !is_operator && !in_set && !follows_escape && "\\.+*?()|[]{}^$".contains(*next) {
            out.push('\\');
        }
        out.push(*next);
    }
    out
}
