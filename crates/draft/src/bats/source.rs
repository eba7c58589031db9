//! Bats files as text: where their tests begin and end.

/// Longest name of a test, in characters.
const LONGEST_NAME: usize = 200;

/// A part of a bats file: a test with what follows it up to the next one, or what comes before the first one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chunk<'a> {
    /// The line it starts on, from 1.
    pub(super) line: usize,
    pub(super) text: &'a str,
    /// Whether it is a test.
    pub(super) is_test: bool,
}

impl Chunk<'_> {
    /// The name of the test, as it is written.
    pub(super) fn name(&self) -> String {
        let first = self.text.lines().next().unwrap_or_default().trim_start();
        let name = first.strip_prefix("@test").unwrap_or(first).trim();
        let mut chars = name.chars();
        let quote = chars.next().filter(|it| matches!(it, '"' | '\''));
        let Some(quote) = quote else {
            return name.split('{').next().unwrap_or_default().trim().chars().take(LONGEST_NAME).collect();
        };
        let (mut text, mut is_escaped) = (String::new(), false);
        for next in chars.take(LONGEST_NAME) {
            match next {
                '\\' if quote == '"' && !is_escaped => is_escaped = true,
                next if next == quote && !is_escaped => break,
                next => {
                    text.push(next);
                    is_escaped = false;
                }
            }
        }
        text
    }

    /// The lines of the test itself: up to its closing brace.
    pub(super) fn lines(&self) -> Vec<&str> {
        let lines: Vec<&str> = self.text.lines().collect();
        let end = lines.iter().position(|line| line.starts_with('}')).map_or(lines.len(), |end| end + 1);
        lines[..end].to_vec()
    }
}

/// The parts of a file.
pub(super) fn chunks(text: &str) -> Vec<Chunk<'_>> {
    let mut starts = vec![(1, 0, false)];
    let mut at = 0;
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let rest = line.trim_start().strip_prefix("@test");
        if rest.is_some_and(|rest| rest.starts_with([' ', '\t'])) {
            starts.push((index + 1, at, true));
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).map(|start| start.1).chain([text.len()]).collect::<Vec<_>>();
    starts
        .into_iter()
        .zip(ends)
        .map(|((line, start, is_test), end)| Chunk { line, text: &text[start..end], is_test })
        .collect()
}
