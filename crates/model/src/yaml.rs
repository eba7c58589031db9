//! What the YAML reader says, in our own terms: places in a file, and messages without places.
//!
//! Suites, metadata and recordings are YAML; this is what reading them has in common, and in [`emit`] what writing them
//! has, in [`flow`] how values look on one line. It knows no step.

pub mod emit;
pub mod flow;
pub mod raw;

use std::sync::Arc;

use serde_saphyr::{Error, Location, MessageFormatter as _, Options, UserMessageFormatter};

use crate::source::{SourceFile, Span};

/// YAML 1.2: `yes` and `on` are texts. Only octal numbers are those of YAML 1.1, because manifests are full of
/// `defaultMode: 0644`, which `kubectl` sends as 420. Errors come without quoted lines, which whoever shows them adds.
pub fn options() -> Options {
    options_for(1)
}

/// The same for files that may have so many times as many values, documents and anchors as usual.
pub fn options_for(times: usize) -> Options {
    let usual = serde_saphyr::Budget::default();
    let budget = serde_saphyr::budget! {
        max_events: usual.max_events.saturating_mul(times),
        max_nodes: usual.max_nodes.saturating_mul(times),
        max_documents: usual.max_documents.saturating_mul(times),
        max_anchors: usual.max_anchors.saturating_mul(times),
        max_recorded_anchor_events: usual.max_recorded_anchor_events.saturating_mul(times),
        max_recorded_anchor_bytes: usual.max_recorded_anchor_bytes.saturating_mul(times),
        max_total_scalar_bytes: usual.max_total_scalar_bytes.saturating_mul(times),
        max_merge_keys: usual.max_merge_keys.saturating_mul(times),
    };
    serde_saphyr::options! { strict_booleans: true, with_snippet: false, legacy_octal_numbers: true, budget: budget }
}

/// The boolean that a plain word is in YAML 1.1. Source: the table in `resolve.go` of `sigs.k8s.io/yaml/goyaml.v2`.
pub fn boolean_of_yaml_1_1(word: &str) -> Option<bool> {
    match word {
        "y" | "Y" | "yes" | "Yes" | "YES" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

/// The message alone, without the place and without the words of parsers.
pub fn message(error: &Error) -> String {
    let message = UserMessageFormatter.format_message(error.without_snippet());
    message
        .replace("expected sequence start", "expected a list")
        .replace("expected mapping start", "expected a mapping")
}

/// Where an error is; the start of the file where the reader does not know.
pub fn span_of_error(file: &Arc<SourceFile>, error: &Error) -> Span {
    error.location().map_or_else(|| Span::start_of(file), |location| span_at(file, location))
}

/// A place of the reader's as one of ours. Its range is cut at the end of its first line, and never points outside of
/// the text or into a character, so that it can be used for slicing.
pub fn span_at(file: &Arc<SourceFile>, location: Location) -> Span {
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    let line = number(location.line()).max(1);
    let column = number(location.column()).max(1);
    let offset = location
        .span()
        .byte_offset()
        .map(number)
        .filter(|offset| file.text.is_char_boundary(*offset))
        .unwrap_or_else(|| offset_of(&file.text, line, column));
    // Only the value itself is looked at: a file may be one long line with many values.
    let rest = &file.text[offset..];
    let written = &rest[..rest.floor_char_boundary(location.span().byte_len().map_or(0, number))];
    let len = written.lines().next().map_or(0, |line| line.trim_end_matches('\r').len());
    Span { file: Arc::clone(file), offset, len, line, column }
}

fn offset_of(text: &str, line: usize, column: usize) -> usize {
    let start: usize = text.split_inclusive('\n').take(line - 1).map(str::len).sum();
    start + text[start..].chars().take(column - 1).map(char::len_utf8).sum::<usize>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_saphyr::Spanned;
    use std::collections::BTreeMap;

    #[test]
    fn places_can_be_sliced() {
        let text = "é: ü1\nb: |\n  one\n  two\n".to_owned();
        let file = Arc::new(SourceFile { path: "file.yml".into(), text });
        let values: BTreeMap<String, Spanned<String>> =
            serde_saphyr::from_str_with_options(&file.text, options()).unwrap();
        let sliced = |key: &str| {
            let span = span_at(&file, values[key].referenced);
            (span.line, span.column, &file.text[span.offset..span.offset + span.len])
        };
        assert_eq!(sliced("é"), (1, 4, "ü1"));
        assert_eq!(sliced("b").0, 3, "a block begins with its text");
        assert!(sliced("b").2.starts_with("one"), "{:?}", sliced("b"));
    }

    #[test]
    fn offsets_are_found_from_lines_and_columns() {
        let text = "ab\ncé\nd\n";
        assert_eq!(&text[offset_of(text, 2, 2)..], "é\nd\n");
        assert_eq!(offset_of(text, 3, 99), text.len());
        assert_eq!(offset_of(text, 9, 1), text.len());
    }

    #[test]
    fn messages_have_no_place() {
        let error = serde_saphyr::from_str_with_options::<BTreeMap<String, u8>>("a: x\n", options()).unwrap_err();
        let file = Arc::new(SourceFile { path: "file.yml".into(), text: "a: x\n".into() });
        assert!(!message(&error).contains("line"), "{}", message(&error));
        assert_eq!(span_of_error(&file, &error).offset, 3);
        let error = serde_saphyr::from_str_with_options::<Vec<u8>>("a: x\n", options()).unwrap_err();
        assert_eq!(message(&error), "expected a list");
    }
}
