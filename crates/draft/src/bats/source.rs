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
    /// Its tags, which are comments of bats in front of it.
    pub(super) tags: Vec<String>,
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
    let mut chunks = vec![Chunk { line: 1, text, is_test: false, tags: Vec::new() }];
    let (mut at, mut start) = (0, 0);
    let (mut file_tags, mut test_tags) = (Vec::new(), Vec::new());
    for (index, line) in text.split_inclusive('\n').enumerate() {
        let trimmed = line.trim();
        if let Some(list) = trimmed.strip_prefix("# bats file_tags=") {
            file_tags = tags(list);
        } else if let Some(list) = trimmed.strip_prefix("# bats test_tags=") {
            test_tags = tags(list);
        } else if trimmed.strip_prefix("@test").is_some_and(|rest| rest.starts_with([' ', '\t'])) {
            if let Some(last) = chunks.last_mut() {
                last.text = &text[start..at];
            }
            start = at;
            let tags = file_tags.iter().cloned().chain(std::mem::take(&mut test_tags)).collect();
            chunks.push(Chunk { line: index + 1, text: &text[start..], is_test: true, tags });
        }
        at += line.len();
    }
    chunks
}

fn tags(list: &str) -> Vec<String> {
    list.split(',').map(|tag| tag.trim().to_owned()).filter(|tag| !tag.is_empty()).take(100).collect()
}
