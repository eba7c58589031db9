//! The documents of a file: JSON, lines of JSON, or YAML, one after the other.

use serde_json::Value;

use crate::tree::{self, Tree};

/// Most bytes of a file.
const LONGEST: usize = 512 << 20;

/// Most lines of a file that are told to be no JSON.
const MOST_ERRORS: usize = 100;

/// What is done with each document and its line.
type Each<'a> = &'a mut dyn FnMut(usize, Result<Value, String>);

/// Gives each document of a text, or what is wrong with it.
pub(super) fn each_record(path: &str, text: &str, each: Each<'_>) {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() > LONGEST {
        return each(1, Err(format!("the file is longer than {} MiB", LONGEST >> 20)));
    }
    if text.trim().is_empty() {
        return each(1, Err("the file is empty".to_owned()));
    }
    if has_lines(text) {
        return lines(text, each);
    }
    if text.trim_start().starts_with(['{', '[']) && values(text, each) {
        return;
    }
    match tree::documents(path, text) {
        Ok(documents) if documents.is_empty() => each(1, Err("the file is empty".to_owned())),
        Ok(documents) => documents.iter().for_each(|document| each(document.line, Ok(Tree::json(document)))),
        Err(error) => each(error.span.as_ref().map_or(1, |span| span.line), Err(error.message)),
    }
}

/// Whether the first line is a document of its own, and others follow.
fn has_lines(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let first = lines.next().unwrap_or_default();
    first.trim_start().starts_with('{') && lines.next().is_some() && serde_json::from_str::<Value>(first).is_ok()
}

fn lines(text: &str, each: Each<'_>) {
    let mut errors = 0;
    for (index, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match serde_json::from_str(line) {
            Ok(value) => each(index + 1, Ok(value)),
            Err(error) => {
                errors += 1;
                if errors > MOST_ERRORS {
                    return each(
                        index + 1,
                        Err("too many lines are invalid: the rest of the file is not read".to_owned()),
                    );
                }
                each(index + 1, Err(format!("the line is invalid JSON: {}", message(&error))));
            }
        }
    }
}

/// Documents of several lines; whether the first one is JSON at all.
fn values(text: &str, each: Each<'_>) -> bool {
    let mut stream = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let (mut line, mut seen, mut count) = (1, 0, 0);
    loop {
        let start = stream.byte_offset();
        let start = start + text[start..].len() - text[start..].trim_start().len();
        line += text[seen..start].matches('\n').count();
        seen = start;
        match stream.next() {
            Some(Ok(value)) => each(line, Ok(value)),
            Some(Err(_)) if count == 0 => return false,
            Some(Err(error)) => {
                each(error.line(), Err(format!("invalid JSON, the rest of the file is not read: {}", message(&error))));
                return true;
            }
            None => return true,
        }
        count += 1;
    }
}

fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Vec<(usize, Result<String, String>)> {
        let mut all = Vec::new();
        each_record("a", text, &mut |line, value| all.push((line, value.map(|it| it.to_string()))));
        all
    }

    #[test]
    fn documents_are_found_in_every_form() {
        for (text, wanted) in [
            ("{\"a\":1}", vec![(1, "{\"a\":1}")]),
            ("{\"a\":1}\n\n{\"a\":2}\n", vec![(1, "{\"a\":1}"), (3, "{\"a\":2}")]),
            ("{\n\"a\": 1\n}\n{\n\"a\": 2\n}\n", vec![(1, "{\"a\":1}"), (4, "{\"a\":2}")]),
            ("\n[\n1]\n", vec![(2, "[1]")]),
            ("a: 1\n---\na: 2\n", vec![(1, "{\"a\":1}"), (3, "{\"a\":2}")]),
            ("{ a: 1 }\n---\n{ a: 2 }\n", vec![(1, "{\"a\":1}"), (3, "{\"a\":2}")]),
        ] {
            let wanted: Vec<_> = wanted.into_iter().map(|(line, text)| (line, Ok(text.to_owned()))).collect();
            assert_eq!(read(text), wanted, "{text}");
        }
    }

    #[test]
    fn what_is_no_document_is_told_at_its_line() {
        let found = read("{\"a\":1}\n{\"a\":\n{\"a\":3}\n");
        assert_eq!((found.len(), found[1].0, found[1].1.is_err(), found[2].1.is_ok()), (3, 2, true, true));
        let found = read("{\n\"a\":1}\n{\n\"a\": }\n");
        assert!(found[1].0 == 4 && found[1].1.as_ref().unwrap_err().contains("the rest"), "{found:?}");
        for text in ["", " \n", "a: [\n", &"[".repeat(100_000), &"{\"a\":".repeat(100_000)] {
            assert!(matches!(read(text).as_slice(), [(_, Err(_))]), "{:?}", read(text));
        }
        let broken = format!("{{}}\n{}", "{\n".repeat(1_000));
        assert_eq!(read(&broken).len(), 1 + MOST_ERRORS + 1);
    }
}
