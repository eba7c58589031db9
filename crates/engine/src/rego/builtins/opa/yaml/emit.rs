//! A value becomes YAML: blocks, keys in natural order, quotes only where they are needed, lines folded behind their 80th
//! character.

use std::cmp::Ordering;
use std::sync::LazyLock;

use regex::Regex;

use super::super::sprintf;
use super::load::{Resolved, resolve};
use crate::rego::value::Value;

/// Keys longer than this are written in the long form.
const LONGEST_SIMPLE_KEY: usize = 128;

/// Behind this column a text is continued on another line, at its next blank.
const WIDTH: usize = 80;

/// Writes a document.
pub(super) fn document(value: &Value) -> String {
    let mut out = String::new();
    node(&mut out, value, Place::Root);
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

/// Where a node stands, with the column at which its parent's children begin.
#[derive(Clone, Copy)]
enum Place {
    Root,
    /// Behind `key:`.
    Member(usize),
    /// Behind `- `.
    Element(usize),
}

fn node(out: &mut String, value: &Value, place: Place) {
    match value {
        Value::Object(members) if !members.is_empty() => mapping(out, members, place),
        Value::Array(values) if !values.is_empty() => sequence(out, values, place),
        Value::Set(values) if !values.is_empty() => {
            let mut sorted = values.clone();
            sorted.sort_by(|one, other| one.order(other));
            sequence(out, &sorted, place);
        }
        value => {
            if let Place::Member(_) = place {
                out.push(' ');
            }
            let indent = match place {
                Place::Root => 2,
                Place::Member(column) | Place::Element(column) => column + 2,
            };
            scalar(out, value, indent);
        }
    }
}

/// Begins a child on a line of its own, unless it is the first one behind `- `.
fn begin(out: &mut String, column: usize, is_first: bool, place: Place) {
    match (is_first, place) {
        (true, Place::Root | Place::Element(_)) => {}
        _ => {
            if !out.ends_with('\n') {
                out.push('\n');
            }
            out.push_str(&" ".repeat(column));
        }
    }
}

fn mapping(out: &mut String, members: &[(Value, Value)], place: Place) {
    let column = match place {
        Place::Root => 0,
        Place::Member(column) | Place::Element(column) => column + 2,
    };
    let key_text = |key: &Value| if let Value::Text(key) = key { key.clone() } else { key.to_text() };
    let mut sorted: Vec<_> = members.iter().map(|(key, value)| (key_text(key), value)).collect();
    sorted.sort_by(|(one, _), (other, _)| order(one, other));
    for (index, (key, value)) in sorted.into_iter().enumerate() {
        begin(out, column, index == 0, place);
        let is_simple = key.len() <= LONGEST_SIMPLE_KEY && !key.contains(is_break);
        if is_simple {
            text(out, &key, column + 2, true);
            out.push(':');
        } else {
            out.push_str("? ");
            text(out, &key, column + 2, false);
            begin(out, column, false, place);
            out.push(':');
        }
        match value {
            Value::Object(members) if !is_simple && !members.is_empty() => {
                out.push(' ');
                mapping(out, members, Place::Element(column));
            }
            value => node(out, value, Place::Member(column)),
        }
    }
}

fn sequence(out: &mut String, values: &[Value], place: Place) {
    let column = match place {
        Place::Root => 0,
        // Directly under its key, without indentation.
        Place::Member(column) => column,
        Place::Element(column) => column + 2,
    };
    for (index, value) in values.iter().enumerate() {
        begin(out, column, index == 0, place);
        out.push_str("- ");
        node(out, value, Place::Element(column));
    }
}

fn scalar(out: &mut String, value: &Value, indent: usize) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(&value.to_string()),
        Value::Number(digits) => out.push_str(&number(digits)),
        Value::Text(value) => text(out, value, indent, false),
        Value::Array(_) | Value::Set(_) => out.push_str("[]"),
        Value::Object(_) => out.push_str("{}"),
    }
}

fn number(digits: &str) -> String {
    match resolve(digits) {
        Resolved::Int(digits) => digits,
        Resolved::Float(number) => sprintf::shortest(number, false),
        _ => digits.to_owned(),
    }
}

fn is_break(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Whether the writer of YAML shows the character as it is.
fn is_printable(c: char) -> bool {
    matches!(c, '\n' | ' '..='~' | '\u{a0}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}') && c != '\u{feff}'
}

fn text(out: &mut String, text: &str, indent: usize, is_key: bool) {
    let allowed = Styles::of(text);
    let is_plain_text = matches!(resolve(text), Resolved::Text) && !is_base_60(text) && !is_timestamp(text);
    if text.contains('\n') && allowed.block && !is_key {
        return out.push_str(&literal(text, indent));
    }
    let style = match () {
        () if text.contains('\n') || !is_plain_text => Style::DoubleQuoted,
        () if allowed.plain => Style::Plain,
        () if allowed.single_quoted => Style::SingleQuoted,
        () => Style::DoubleQuoted,
    };
    write_folded(out, text, style, indent, is_key);
}

#[derive(Clone, Copy, PartialEq)]
enum Style {
    Plain,
    SingleQuoted,
    DoubleQuoted,
}

/// Writes a text. Keys stay on their line.
fn write_folded(out: &mut String, text: &str, style: Style, indent: usize, is_key: bool) {
    let mark = match style {
        Style::Plain => "",
        Style::SingleQuoted => "'",
        Style::DoubleQuoted => "\"",
    };
    let mut column = out.chars().rev().take_while(|c| *c != '\n').count() + mark.len();
    out.push_str(mark);
    let mut is_behind_blank = false;
    let mut chars = text.chars().enumerate().peekable();
    while let Some((index, c)) = chars.next() {
        if c != ' ' {
            let written = match style {
                Style::Plain => c.to_string(),
                Style::SingleQuoted if c == '\'' => "\'\'".into(),
                Style::SingleQuoted => c.to_string(),
                Style::DoubleQuoted => escaped(c),
            };
            column += written.chars().count();
            out.push_str(&written);
            is_behind_blank = false;
            continue;
        }
        let is_before_blank = chars.peek().is_some_and(|(_, next)| *next == ' ');
        let is_edge = style != Style::Plain && (index == 0 || chars.peek().is_none());
        let may_break = style == Style::DoubleQuoted || !is_before_blank;
        if !is_key && !is_behind_blank && column > WIDTH && may_break && !is_edge {
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            column = indent;
            if style == Style::DoubleQuoted && is_before_blank {
                out.push('\\');
                column += 1;
            }
        } else {
            out.push(' ');
            column += 1;
        }
        is_behind_blank = true;
    }
    out.push_str(mark);
}

/// Whether Go would take the text for a time.
fn is_timestamp(text: &str) -> bool {
    static FORM: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let clock = r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?:[.,][0-9]+)?";
        let zone = "(?:Z|[+-][0-9]{2}:[0-9]{2})";
        Regex::new(&format!("^([0-9]{{4}})-([0-9]{{1,2}})-([0-9]{{1,2}})(?:[Tt]{clock}{zone}| {clock})?$")).ok()
    });
    let Some(found) = FORM.as_ref().and_then(|form| form.captures(text)) else { return false };
    let part = |index: usize| found.get(index).and_then(|part| part.as_str().parse::<i8>().ok());
    let year = found[1].parse().unwrap_or(0);
    let is_date =
        matches!((part(2), part(3)), (Some(month), Some(day)) if jiff::civil::Date::new(year, month, day).is_ok());
    let is_below = |index: usize, limit: i8| part(index).is_none_or(|part| part < limit);
    is_date && [4, 7].into_iter().all(|hour| is_below(hour, 24) && is_below(hour + 1, 60) && is_below(hour + 2, 60))
}

/// The ways in which a text can be written.
struct Styles {
    plain: bool,
    single_quoted: bool,
    block: bool,
}

impl Styles {
    fn of(text: &str) -> Self {
        let chars: Vec<char> = text.chars().collect();
        let is_blank_at = |index: usize| chars.get(index).is_none_or(|c| matches!(c, ' ' | '\t') || is_break(*c));
        let has_indicator = text.starts_with("---")
            || text.starts_with("...")
            || text.starts_with(['#', ',', '[', ']', '{', '}', '&', '*', '!', '|', '>', '\'', '"', '%', '@', '`'])
            || (text.starts_with(['?', ':', '-']) && is_blank_at(1))
            || chars.iter().enumerate().skip(1).any(|(index, c)| match c {
                ':' => is_blank_at(index + 1),
                '#' => is_blank_at(index - 1),
                _ => false,
            });
        let pair = |first: fn(char) -> bool, second: fn(char) -> bool| {
            chars.windows(2).any(|pair| first(pair[0]) && second(pair[1]))
        };
        let is_space = |c: char| c == ' ';
        let is_special = pair(is_space, is_break) || !chars.iter().all(|c| is_printable(*c));
        let has_edge = [chars.first(), chars.last()].into_iter().flatten().any(|c| *c == ' ' || is_break(*c));
        let break_space = pair(is_break, is_space);
        Self {
            plain: !has_indicator && !is_special && !has_edge && !chars.iter().any(|c| is_break(*c)),
            single_quoted: !break_space && !is_special,
            block: !is_special && !text.ends_with(' '),
        }
    }
}

/// Numbers of base 60, which other readers of YAML 1.1 take for numbers.
fn is_base_60(text: &str) -> bool {
    let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'_';
    let mut parts = whole.split(':');
    let is_start =
        parts.next().is_some_and(|it| it.starts_with(|c: char| c.is_ascii_digit()) && it.bytes().all(is_digit));
    let mut count = 0;
    let are_parts = parts.all(|part| {
        count += 1;
        matches!(part.as_bytes(), [b'0'..=b'9'] | [b'0'..=b'5', b'0'..=b'9'])
    });
    is_start && are_parts && count > 0 && fraction.bytes().all(is_digit)
}

/// A character between double quotes.
fn escaped(c: char) -> String {
    let short = match c {
        '\0' => '0',
        '\x07' => 'a',
        '\x08' => 'b',
        '\t' => 't',
        '\n' => 'n',
        '\x0b' => 'v',
        '\x0c' => 'f',
        '\r' => 'r',
        '\x1b' => 'e',
        '"' | '\\' => c,
        '\u{85}' => 'N',
        '\u{2028}' => 'L',
        '\u{2029}' => 'P',
        c if is_printable(c) => return c.to_string(),
        c if u32::from(c) <= 0xff => return format!("\\x{:02X}", u32::from(c)),
        c if u32::from(c) <= 0xffff => return format!("\\u{:04X}", u32::from(c)),
        c => return format!("\\U{:08X}", u32::from(c)),
    };
    format!("\\{short}")
}

/// A block behind `|`, with what it needs to say about its first blank and its last line ends.
fn literal(text: &str, indent: usize) -> String {
    let mut out = String::from('|');
    if text.starts_with([' ', '\n']) {
        out.push('2');
    }
    if !text.ends_with('\n') {
        out.push('-');
    } else if text == "\n" || text.ends_with("\n\n") {
        out.push('+');
    }
    out.push('\n');
    for line in text.split_inclusive('\n') {
        if line != "\n" {
            out.push_str(&" ".repeat(indent));
        }
        out.push_str(line);
    }
    out
}

/// Letters last, numbers inside by their value.
fn order(one: &str, other: &str) -> Ordering {
    let (one, other): (Vec<char>, Vec<char>) = (one.chars().collect(), other.chars().collect());
    let Some(at) = one.iter().zip(&other).position(|(one, other)| one != other) else {
        return one.len().cmp(&other.len());
    };
    let (a, b) = (one[at], other[at]);
    match (a.is_alphabetic(), b.is_alphabetic()) {
        (true, true) => return a.cmp(&b),
        (false, true) => return Ordering::Less,
        (true, false) => return Ordering::Greater,
        _ => {}
    }
    let mut start = 0_u128;
    if a == '0' || b == '0' {
        let before = one[..at].iter().rev().take_while(|c| c.is_ascii_digit());
        start = before.into_iter().any(|c| *c != '0').into();
    }
    let run = |chars: &[char]| {
        let digits = chars[at..].iter().take_while(|c| c.is_ascii_digit());
        digits.fold((start, 0), |(number, len): (u128, usize), digit| {
            let digit = u128::from(digit.to_digit(10).unwrap_or(0));
            (number.saturating_mul(10).saturating_add(digit), len + 1)
        })
    };
    run(&one).cmp(&run(&other)).then(a.cmp(&b))
}
