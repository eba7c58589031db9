//! Errors of the YAML parser, told as what people get wrong: indentation, tabs, duplicate keys, anchors, quotes.

use std::sync::Arc;

use super::mistake::{mistake, nearest};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::yaml;
use serde_saphyr::budget::BudgetBreach;

/// The mistake that an error of the parser is.
pub(crate) fn mistake_of(file: &Arc<SourceFile>, error: &serde_saphyr::Error) -> Diagnostic {
    let (span, message) = (yaml::span_of_error(file, error), yaml::message(error));
    let found = too_much(&span, error)
        .or_else(|| tab(file, &span, &message))
        .or_else(|| duplicate(file, &span, &message))
        .or_else(|| anchor(file, &span, &message))
        .or_else(|| quote(file, &span, &message))
        .or_else(|| indentation(file, &span, &message));
    found
        .unwrap_or_else(|| {
            mistake(&span, format!("invalid YAML: {message}")).with_help(help(&message).map(str::to_owned))
        })
        .with_code(Code::Syntax)
}

/// A file with more than is read of it.
fn too_much(span: &Span, error: &serde_saphyr::Error) -> Option<Diagnostic> {
    let serde_saphyr::Error::Budget { breach, .. } = error.without_snippet() else { return None };
    let (what, remedy) = match breach {
        BudgetBreach::Nodes { .. } | BudgetBreach::Events { .. } => ("values", true),
        BudgetBreach::Documents { .. } => ("documents", true),
        BudgetBreach::Depth { .. } => ("levels", false),
        BudgetBreach::Aliases { .. } | BudgetBreach::Anchors { .. } | BudgetBreach::AliasAnchorRatio { .. } => {
            ("anchors and aliases", false)
        }
        _ => return None,
    };
    let mistake = mistake(span, format!("the file has more {what} than are read of one file"));
    let help = "divide the file, or raise `--max-file-size`: each 16 MiB more are as many values and documents more";
    Some(if remedy { mistake.with_help(help.to_owned()) } else { mistake })
}

/// Advice about what has no words of its own.
fn help(message: &str) -> Option<&'static str> {
    if message.contains("flow mapping") {
        return Some("close the mapping with `}`; put texts with `: `, `,` or `${…}` in quotes inside of `{ }`");
    }
    if message.contains("flow sequence") {
        return Some("close the list with `]`; put texts with `: `, `,` or `${…}` in quotes inside of `[ ]`");
    }
    if message.contains("illegal placement") {
        return Some("close the bracket or quote that is open before this place");
    }
    if message.contains("unexpected character") {
        return Some("put the text in quotes");
    }
    message.contains("mapping values").then_some("put texts with `: ` in quotes")
}

/// A line of the file, counted from 1; the place of its text.
fn span_of_line(file: &Arc<SourceFile>, line: usize) -> Span {
    let start: usize = file.text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    let text = file.text[start..].lines().next().unwrap_or_default();
    let indent = text.len() - text.trim_start().len();
    Span { file: Arc::clone(file), offset: start + indent, len: text.trim().len(), line, column: indent + 1 }
}

/// A tab where spaces belong, at the line that has it.
fn tab(file: &Arc<SourceFile>, span: &Span, message: &str) -> Option<Diagnostic> {
    if !message.contains("tab") {
        return None;
    }
    let is_indented_with_tab = |line: &str| line[..line.len() - line.trim_start().len()].contains('\t');
    let lines = file.text.lines().enumerate().skip(span.line.saturating_sub(1));
    let (index, _) = lines.take(3).find(|(_, line)| is_indented_with_tab(line))?;
    let line = index + 1;
    let message = format!("invalid YAML: line {line} is indented with a tab");
    Some(mistake(&span_of_line(file, line), message).with_help("indent with spaces, not with tabs".to_owned()))
}

/// A key that a mapping has twice, with its first place.
fn duplicate(file: &Arc<SourceFile>, span: &Span, message: &str) -> Option<Diagnostic> {
    if !message.contains("duplicate mapping key") {
        return None;
    }
    let key = file.text.get(span.offset..span.offset + span.len).filter(|key| !key.is_empty())?;
    let wrong = mistake(span, format!("invalid YAML: duplicate key `{key}`")).with_help("keep one of them".to_owned());
    let indentation = |line: &str| line.len() - line.trim_start_matches([' ', '-']).len();
    // Fewer lines than the parser counts, if some end with a carriage return alone.
    let lines: Vec<&str> = file.text.lines().take(span.line).collect();
    let (last, before) = lines.split_last()?;
    let own = indentation(last);
    let is_key = |line: &&str| indentation(line) == own && line[own..].starts_with(&format!("{key}:"));
    let mut inside =
        before.iter().enumerate().rev().take_while(|(_, line)| line.trim().is_empty() || indentation(line) >= own);
    let first = inside.find(|(_, line)| is_key(line)).filter(|_| span.column == own + 1);
    Some(match first {
        Some((index, _)) => wrong.with_related(&span_of_line(file, index + 1), "the first one"),
        None => wrong,
    })
}

/// An alias without an anchor before it.
fn anchor(file: &Arc<SourceFile>, span: &Span, message: &str) -> Option<Diagnostic> {
    if !message.contains("reference to unknown") && !message.contains("unknown anchor") {
        return None;
    }
    let rest = file.text.get(span.offset..)?.trim_start_matches('*');
    let name = rest.split([' ', ',', ']', '}', '\n', ':']).next().unwrap_or_default();
    let known: Vec<(&str, usize)> =
        file.text.match_indices('&').map(|(at, _)| (anchor_at(&file.text, at), at)).collect();
    let names = || known.iter().map(|(name, _)| *name);
    if name.contains(['.', '/', '*']) {
        let help = format!("put the text in quotes: \"*{name}\"");
        return Some(mistake(span, format!("invalid YAML: `*{name}` is an alias, not a text")).with_help(help));
    }
    let help = match known.iter().find(|(known, _)| *known == name) {
        Some((_, at)) => {
            let line = file.text[..*at].lines().count();
            format!("move the anchor `&{name}` of line {line} before its use")
        }
        None => match nearest(name, names()) {
            Some(near) => format!("did you mean `*{near}`?"),
            None => format!("define it before: `x-{name}: &{name} …`"),
        },
    };
    Some(mistake(span, format!("invalid YAML: unknown anchor `{name}`")).with_help(help))
}

/// The name behind the `&` at a byte of the text.
fn anchor_at(text: &str, at: usize) -> &str {
    text[at + 1..].split([' ', ',', ']', '}', '\n', '\r']).next().unwrap_or_default()
}

/// A quoted text that goes on in lines that are not its own: its end is missing.
fn quote(file: &Arc<SourceFile>, span: &Span, message: &str) -> Option<Diagnostic> {
    if !message.contains("quoted scalar") {
        return None;
    }
    let lines = file.text.lines().take(span.line).enumerate();
    let is_open = |line: &str| ['"', '\''].iter().any(|quote| line.matches(*quote).count() % 2 == 1);
    let (index, _) = lines.filter(|(_, line)| is_open(line)).last()?;
    let span = span_of_line(file, index + 1);
    Some(mistake(&span, "invalid YAML: a quote is not closed").with_help("close the text with its quote".to_owned()))
}

/// A line whose keys, or whose dash, are at another column than those around it.
fn indentation(file: &Arc<SourceFile>, span: &Span, message: &str) -> Option<Diagnostic> {
    let is_about_blocks =
        ["block", "mapping values", "expected key", "indentation"].iter().any(|it| message.contains(it));
    let (line, own, siblings) =
        odd_line(&file.text, span.line).filter(|_| is_about_blocks && !message.contains("flow"))?;
    let message = format!("invalid YAML: line {line} is indented by {own}, its siblings by {siblings}");
    Some(mistake(&span_of_line(file, line), message).with_help(format!("indent line {line} by {siblings} spaces")))
}

/// An open block: the column of its keys or of its dashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Block {
    column: usize,
    is_list: bool,
}

/// The first line until `last` that fits no open block: its number, its column, and the column of its siblings.
fn odd_line(text: &str, last: usize) -> Option<(usize, usize, usize)> {
    let mut open: Vec<Block> = Vec::new();
    let mut has_value = false;
    let mut scalar: Option<usize> = None;
    for (index, line) in text.lines().take(last).enumerate() {
        let column = line.len() - line.trim_start().len();
        let is_text = scalar.is_some_and(|parent| column > parent);
        if line.trim().is_empty() || line.trim_start().starts_with('#') || is_text {
            continue;
        }
        scalar = None;
        let is_list = line.trim_start().starts_with("- ") || line.trim() == "-";
        let is_key = key_end(line.trim_start()).is_some();
        if !is_list && !is_key {
            continue;
        }
        let block = Block { column, is_list };
        let parent = open.last().copied();
        // A list may be at the column of the key that holds it.
        let is_deeper = parent.is_none_or(|parent| {
            !has_value && (column > parent.column || is_list && column == parent.column && !parent.is_list)
        });
        if !open.contains(&block) && !is_deeper {
            let siblings = open.iter().rev().filter(|other| other.is_list == is_list);
            let siblings = siblings.min_by_key(|other| other.column.abs_diff(column))?;
            return Some((index + 1, column, siblings.column));
        }
        open.retain(|other| other.column < column || *other == block || other.column == column && is_list);
        (has_value, scalar) = enter(line, column, &mut open);
    }
    None
}

/// Adds the blocks that a line opens; whether the last of its keys has a value, and where a text in lines begins.
fn enter(line: &str, column: usize, open: &mut Vec<Block>) -> (bool, Option<usize>) {
    let (mut column, mut rest) = (column, line.trim_start());
    let mut add = |block: Block| {
        if !open.contains(&block) {
            open.push(block);
        }
    };
    while let Some(behind) = rest.strip_prefix('-').filter(|behind| behind.is_empty() || behind.starts_with(' ')) {
        add(Block { column, is_list: true });
        column += rest.len() - behind.trim_start().len();
        rest = behind.trim_start();
    }
    if rest.is_empty() {
        return (false, None);
    }
    let Some(end) = key_end(rest) else { return (true, None) };
    add(Block { column, is_list: false });
    let value = rest[end + 1..].split(" #").next().unwrap_or_default().trim();
    let is_scalar = value.starts_with(['|', '>']);
    // An anchor or a tag is not yet a value.
    let is_open = value.is_empty() || value.starts_with(['&', '!']) && !value.contains(' ');
    (!is_open, is_scalar.then_some(column))
}

/// Where the key of a line ends: at a colon that a blank or nothing follows.
fn key_end(line: &str) -> Option<usize> {
    let line = line.strip_prefix("- ").map_or(line, |_| line);
    let is_end = |at: &usize| line[at + 1..].is_empty() || line[at + 1..].starts_with(' ');
    line.match_indices(':').map(|(at, _)| at).find(is_end)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml as nodes;

    /// `line:column message; help`
    fn read(text: &str) -> String {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() });
        let mistake = nodes::parse(&file).unwrap_err();
        let span = mistake.span.as_ref().unwrap();
        format!("{}:{} {}; {}", span.line, span.column, mistake.message, mistake.help.as_deref().unwrap_or("-"))
    }

    /// Found by the fuzz target `suite`.
    #[test]
    fn a_duplicate_key_behind_carriage_returns_is_a_mistake() {
        for text in ["a: 1\rb: 2\ra: 3\r", "a: 1\rb: 2\r\na: 3\r", "a: 1\r\rb: [1\r\n]\ra:\r"] {
            assert!(
                read(text).contains("invalid YAML: duplicate key `a`; keep one of them"),
                "{text:?}: {}",
                read(text)
            );
        }
    }

    #[test]
    fn lines_that_are_indented_otherwise_are_named_with_their_siblings() {
        for (text, line, own, siblings) in [
            ("cases:\n  - name: a\n   object: pod.yaml\n    expect: allow\n", 3, 3, 4),
            ("cases:\n  - name: a\n    object: pod.yaml\n  expect: allow\n", 4, 2, 4),
            ("cases:\n  - name: a\n    object: pod.yaml\n      expect: allow\n", 4, 6, 4),
            ("cases:\n  - name: a\n    expect: allow\n - name: b\n   expect: allow\n", 4, 1, 2),
            ("cases:\n  - name: a\n    expect: allow\n    - name: b\n", 4, 4, 2),
            ("a:\n  b: 1\n c: 2\n", 3, 1, 2),
            ("a: 1\n b: 2\n", 2, 1, 0),
            ("a:\n    b: |\n      text: x\n    c: 1\n  d: 2\n", 5, 2, 4),
        ] {
            let wanted = format!("invalid YAML: line {line} is indented by {own}, its siblings by {siblings}; ");
            let found = read(text);
            assert!(found.contains(&wanted) && found.starts_with(&format!("{line}:")), "{text}\n{found}");
            assert!(found.ends_with(&format!("indent line {line} by {siblings} spaces")), "{found}");
        }
    }

    #[test]
    fn other_mistakes_are_not_blamed_on_the_indentation() {
        for (text, words) in [
            ("cases:\n  - name: rejects: a pod\n    expect: allow\n", "put texts with `: ` in quotes"),
            ("a:\n- b: 1\n- c: {d: 1\n  e: 2\n", "close the mapping with `}`"),
            ("a: [1\nb: 2\n", "close the bracket or quote that is open before this place"),
            ("a: @b\n", "put the text in quotes"),
            ("a: \"b\n  c: d\ne: f\n", "1:1 invalid YAML: a quote is not closed; close the text with its quote"),
        ] {
            let found = read(text);
            assert!(found.contains(words) && !found.contains("siblings"), "{text}\n{found}");
        }
    }

    #[test]
    fn tabs_are_at_the_line_that_has_them() {
        for text in ["a:\n  - b: c\n\td: e\n", "a:\n  b: c\n\t\td: e\n", "a:\n  b:\n\t\td: e\n"] {
            let found = read(text);
            let wanted = "invalid YAML: line 3 is indented with a tab; indent with spaces, not with tabs";
            assert!(found.starts_with("3:") && found.ends_with(wanted), "{text:?}\n{found}");
        }
    }

    #[test]
    fn duplicate_keys_have_both_places() {
        assert_eq!(read("a:\n  b: 1\n  c: 2\n  b: 3\n"), "4:3 invalid YAML: duplicate key `b`; keep one of them");
        let place = |text: &str| {
            let file = Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() });
            let related = nodes::parse(&file).unwrap_err().related;
            related.first().map(|related| related.span.line)
        };
        assert_eq!(place("a:\n  b: 1\n  c: 2\n  b: 3\n"), Some(2));
        assert_eq!(place("- b: 1\n  c: 2\n  b: 3\n"), Some(1));
        assert_eq!(place("x:\n  b: 0\na:\n  c: { b: 1, b: 2 }\n"), None);
    }

    #[test]
    fn anchors_are_named() {
        for (text, wanted) in [
            ("a: *pod\n", "1:4 invalid YAML: unknown anchor `pod`; define it before: `x-pod: &pod …`"),
            ("x: &pods 1\na: *pod\n", "2:4 invalid YAML: unknown anchor `pod`; did you mean `*pods`?"),
            (
                "a: *pod\nx: &pod 1\n",
                "1:4 invalid YAML: unknown anchor `pod`; move the anchor `&pod` of line 2 before its use",
            ),
            ("a: *.yaml\n", "1:4 invalid YAML: `*.yaml` is an alias, not a text; put the text in quotes: \"*.yaml\""),
        ] {
            assert_eq!(read(text), wanted);
        }
    }
}
