//! `regex.find_n`, `regex.split`, `regex.template_match`; the other functions are compiled into the module.
//!
//! Patterns are Go's. The `regex` crate has the same roots, but `\d` and its like are ASCII in Go, classes cannot be
//! nested or subtracted, and a few escapes differ: [`translate`] takes care of that.

use policy_verify_model::budget::Budget;

use super::builtin::{BuiltinError, Environment, Outcome, text, truth, wrong_type};
use crate::rego::builtins::pattern::{Pattern, Refused};
use crate::rego::value::Value;

/// The most repetitions Go allows.
const MOST_REPETITIONS: u32 = 1000;

pub(crate) fn find_n(environment: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let budget = &environment.budget;
    let (pattern, text) = (compile(text(arguments, 0)?, budget)?, text(arguments, 1)?);
    let Some(Value::Number(digits)) = arguments.get(2) else { return Err(wrong_type(2, "number", arguments.get(2))) };
    let count: i64 = digits.parse().map_err(|_| "operand 3 must be integer number but got floating-point number")?;
    // A negative number stands for all matches.
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let found = pattern.find(text, count, budget)?.into_iter().map(|place| Value::text(&text[place]));
    Ok(Value::Array(found.collect()).into())
}

/// Splits as Go does: nothing is split off in front of an empty match at the beginning, nor behind one at the end.
pub(crate) fn split(environment: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let (pattern, text) = (text(arguments, 0)?, text(arguments, 1)?);
    let budget = &environment.budget;
    let regex = compile(pattern, budget)?;
    if !pattern.is_empty() && text.is_empty() {
        return Ok(Value::Array(vec![Value::text("")]).into());
    }
    let mut parts = Vec::new();
    let (mut begin, mut end) = (0, 0);
    for found in regex.find(text, usize::MAX, budget)? {
        end = found.start;
        if found.end != 0 {
            parts.push(Value::text(&text[begin..end]));
        }
        begin = found.end;
    }
    if end != text.len() {
        parts.push(Value::text(&text[begin..]));
    }
    Ok(Value::Array(parts).into())
}

/// Matches against a text with patterns between delimiters.
pub(crate) fn template_match(environment: &Environment, arguments: &[Value]) -> Result<Outcome, BuiltinError> {
    let budget = &environment.budget;
    let (template, text_) = (text(arguments, 0)?, text(arguments, 1)?);
    let (start, end) = (delimiter(text(arguments, 2)?, "start")?, delimiter(text(arguments, 3)?, "end")?);
    let unbalanced = || BuiltinError::Value(format!("unbalanced braces in {template:?}"));
    let mut pattern = String::from("^");
    let (mut level, mut begin) = (0_u32, 0);
    for (at, byte) in template.bytes().enumerate() {
        if byte == start {
            level += 1;
            if level == 1 {
                pattern.push_str(&escape(&template[begin..at]));
                begin = at + 1;
            }
        } else if byte == end {
            level = level.checked_sub(1).ok_or_else(unbalanced)?;
            if level == 0 {
                let inner = &template[begin..at];
                compile(&format!("^{inner}$"), budget)?;
                pattern.push_str(&format!("({inner})"));
                begin = at + 1;
            }
        }
    }
    if level != 0 {
        return Err(unbalanced());
    }
    pattern.push_str(&escape(&template[begin..]));
    pattern.push('$');
    truth(compile(&pattern, budget)?.is_match(text_, budget)?)
}

fn delimiter(text: &str, which: &str) -> Result<u8, BuiltinError> {
    match text.as_bytes() {
        [byte] => Ok(*byte),
        bytes => {
            Err(format!("{which} delimiter has to be exactly one character long but is {} long", bytes.len()).into())
        }
    }
}

/// Escapes the special characters of Go's patterns, and nothing else.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for c in text.chars() {
        if r"\.+*?()|[]{}^$".contains(c) {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

fn compile(pattern: &str, budget: &Budget) -> Result<Pattern, BuiltinError> {
    Pattern::new(&translate(pattern)?, budget).map_err(|refused| match refused {
        Refused::Invalid(error) => error.to_string().into(),
        Refused::Exceeded(exceeded) => exceeded.into(),
    })
}

/// A pattern of Go as one of the `regex` crate.
fn translate(pattern: &str) -> Result<String, BuiltinError> {
    let mut rest = pattern;
    let mut out = String::new();
    while let Some(c) = rest.chars().next() {
        rest = match c {
            '\\' => translate_escape(rest, false, &mut out)?,
            '[' => translate_class(rest, &mut out)?,
            '{' => translate_repetition(rest, &mut out)?,
            '(' if rest.starts_with("(?") => translate_group(rest, &mut out)?,
            c => {
                out.push(c);
                &rest[c.len_utf8()..]
            }
        };
    }
    Ok(out)
}

/// Only the flags of Go.
fn translate_group<'a>(rest: &'a str, out: &mut String) -> Result<&'a str, BuiltinError> {
    let flags = &rest[2..];
    let is_name = flags.starts_with("P<") || flags.starts_with('<');
    if !is_name && flags.starts_with(|c: char| !"imsU-:)".contains(c)) {
        return Err("invalid or unsupported Perl syntax".into());
    }
    let len = flags.find([':', ')', '<']).unwrap_or(flags.len());
    if !is_name && flags[..len].contains(|c: char| !"imsU-".contains(c)) {
        return Err("invalid or unsupported Perl syntax".into());
    }
    out.push_str("(?");
    Ok(flags)
}

/// A brace that does not begin a repetition is an ordinary character.
fn translate_repetition<'a>(rest: &'a str, out: &mut String) -> Result<&'a str, BuiltinError> {
    let inner = &rest[1..];
    let end = inner.find('}').map(|end| &inner[..end]);
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let bounds = end.map(|inner| inner.split_once(',').unwrap_or((inner, inner)));
    match bounds {
        Some((least, most)) if is_number(least) && (most.is_empty() || is_number(most)) => {
            let is_allowed = |text: &str| text.is_empty() || text.parse().is_ok_and(|n: u32| n <= MOST_REPETITIONS);
            if !is_allowed(least) || !is_allowed(most) {
                return Err("invalid repeat count".into());
            }
            out.push('{');
        }
        _ => out.push_str("\\{"),
    }
    Ok(inner)
}

fn translate_class<'a>(rest: &'a str, out: &mut String) -> Result<&'a str, BuiltinError> {
    out.push('[');
    let mut rest = &rest[1..];
    if let Some(negated) = rest.strip_prefix('^') {
        out.push('^');
        rest = negated;
    }
    let mut is_first = true;
    loop {
        if !is_first && let Some(after) = rest.strip_prefix(']') {
            out.push(']');
            return Ok(after);
        }
        is_first = false;
        if rest.starts_with("[:")
            && let Some(end) = rest.find(":]")
        {
            out.push_str(&rest[..end + 2]);
            rest = &rest[end + 2..];
            continue;
        }
        let is_group = rest.starts_with('\\') && rest[1..].starts_with(['d', 'D', 'w', 'W', 's', 'S', 'p', 'P']);
        rest = translate_class_character(rest, out)?;
        if !is_group && rest.starts_with('-') && !rest.starts_with("-]") {
            out.push('-');
            rest = translate_class_character(&rest[1..], out)?;
        }
    }
}

fn translate_class_character<'a>(rest: &'a str, out: &mut String) -> Result<&'a str, BuiltinError> {
    match rest.chars().next() {
        None => Err("missing closing ]".into()),
        Some('\\') => translate_escape(rest, true, out),
        // These would nest, subtract or intersect classes.
        Some(c @ ('[' | ']' | '&' | '~' | '-' | '^')) => {
            out.extend(['\\', c]);
            Ok(&rest[1..])
        }
        Some(c) => {
            out.push(c);
            Ok(&rest[c.len_utf8()..])
        }
    }
}

fn translate_escape<'a>(rest: &'a str, is_in_class: bool, out: &mut String) -> Result<&'a str, BuiltinError> {
    let escaped = &rest[1..];
    let c = escaped.chars().next().ok_or("trailing backslash at end of expression")?;
    let after = &escaped[c.len_utf8()..];
    let ascii = match (c, is_in_class) {
        ('d', false) => "[0-9]",
        ('d', true) => "0-9",
        ('D', _) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('w', true) => "0-9A-Za-z_",
        ('W', _) => "[^0-9A-Za-z_]",
        ('s', false) => r"[\t\n\f\r ]",
        ('s', true) => r"\t\n\f\r ",
        ('S', _) => r"[^\t\n\f\r ]",
        ('b', false) => r"(?-u:\b)",
        ('B', false) => r"(?-u:\B)",
        ('A', false) => r"\A",
        ('z', false) => r"\z",
        _ => "",
    };
    if !ascii.is_empty() {
        out.push_str(ascii);
        return Ok(after);
    }
    match c {
        'Q' if !is_in_class => {
            let end = after.find("\\E");
            out.push_str(&regex::escape(&after[..end.unwrap_or(after.len())]));
            Ok(end.map_or("", |end| &after[end + 2..]))
        }
        'E' if !is_in_class => Ok(after),
        '0'..='7' => translate_octal(escaped, out),
        'x' | 'p' | 'P' | 'a' | 'f' | 't' | 'n' | 'r' | 'v' => {
            out.extend(['\\', c]);
            // The braces of `\x{…}` and `\p{…}` are part of the escape.
            let len = after.strip_prefix('{').and_then(|it| it.find('}')).map_or(0, |end| end + 2);
            out.push_str(&after[..len]);
            Ok(&after[len..])
        }
        '<' | '>' => {
            out.push(c);
            Ok(after)
        }
        c if c.is_ascii_punctuation() => {
            out.extend(['\\', c]);
            Ok(after)
        }
        c => Err(format!("invalid escape sequence: `\\{c}`").into()),
    }
}

fn translate_octal<'a>(digits: &'a str, out: &mut String) -> Result<&'a str, BuiltinError> {
    let len = digits.bytes().take(3).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
    // A single digit would be a reference to a group, except for zero.
    if len < 2 && !digits.starts_with('0') {
        return Err("invalid escape sequence".into());
    }
    let code = u32::from_str_radix(&digits[..len], 8).map_err(|error| error.to_string())?;
    out.push_str(&format!("\\x{{{code:x}}}"));
    Ok(&digits[len..])
}
