//! The text of a dump in pieces that are parsed alone: a document, or an item of a list.
//!
//! A list of YAML is split at the lines that begin its items. What is inside of an item is indented further than that, so a
//! text inside of an item is never taken for the beginning of another one: where a dump is written in another way, its pieces
//! are no YAML, and are reported.

use std::collections::VecDeque;
use std::io::{self, BufRead};
use std::sync::Arc;

use crate::file_limit::FileLimit;

/// Bytes of one object: ten times the largest one that etcd stores by default.
const LONGEST: usize = 16 << 20;

/// A part of a dump that is parsed alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// The file, as reports show it.
    pub(super) path: Arc<str>,
    /// Line of the file on which the text begins, counted from 1.
    pub(super) line: usize,
    /// The text; nothing where it is too long.
    pub(super) text: Option<String>,
    /// How it is written.
    pub(super) form: Form,
}

/// How a [`Piece`] is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// A document of YAML.
    Yaml,
    /// An object of JSON.
    Json,
    /// What is around the items of a list, in YAML: its kind has to be that of a list.
    Frame,
}

/// The pieces of one dump, in their order.
pub struct Pieces<R> {
    from: R,
    path: Arc<str>,
    limit: FileLimit,
    /// Bytes read so far.
    bytes: usize,
    /// Lines read so far.
    lines: usize,
    yaml: Splitter,
    found: VecDeque<Piece>,
    is_begun: bool,
    is_over: bool,
}

impl<R: BufRead> Pieces<R> {
    /// The pieces of what is read; reports call it `path`.
    pub fn new(from: R, path: &str, limit: FileLimit) -> Self {
        Self {
            from,
            path: path.into(),
            limit,
            bytes: 0,
            lines: 0,
            yaml: Splitter::default(),
            found: VecDeque::new(),
            is_begun: false,
            is_over: false,
        }
    }

    fn push(&mut self, parts: Vec<Part>) {
        let path = &self.path;
        self.found.extend(parts.into_iter().map(|Part { line, text, form }| Piece {
            path: Arc::clone(path),
            line,
            text: Some(text).filter(|text| text.len() <= LONGEST),
            form,
        }));
    }

    /// The next line; nothing at the end.
    fn line(&mut self) -> io::Result<Option<String>> {
        let mut bytes = Vec::new();
        self.from.read_until(b'\n', &mut bytes)?;
        if bytes.is_empty() {
            return Ok(None);
        }
        self.bytes += bytes.len();
        self.limit.check(self.bytes)?;
        let text = String::from_utf8(bytes)
            .map_err(|_| io::Error::other(format!("line {} is not UTF-8 text", self.lines + 1)))?;
        let text = if self.lines == 0 { text.trim_start_matches('\u{feff}').to_owned() } else { text };
        self.lines += 1;
        Ok(Some(text))
    }

    /// Everything, where it is a list of JSON; else it is read as YAML, which JSON is, too.
    fn begin(&mut self) -> io::Result<()> {
        let is_json = self.from.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
        if !is_json {
            return Ok(());
        }
        let mut text = String::new();
        while let Some(line) = self.line()? {
            text.push_str(&line);
        }
        self.is_over = true;
        let parts = json_items(&text).unwrap_or_else(|| {
            let mut yaml = Splitter::default();
            let lines = text.split_inclusive('\n').enumerate();
            let mut parts: Vec<Part> = lines.flat_map(|(index, line)| yaml.line(index + 1, line)).collect();
            parts.extend(yaml.finish());
            parts
        });
        self.push(parts);
        Ok(())
    }
}

impl<R: BufRead> Iterator for Pieces<R> {
    type Item = io::Result<Piece>;

    fn next(&mut self) -> Option<io::Result<Piece>> {
        loop {
            if let Some(piece) = self.found.pop_front() {
                return Some(Ok(piece));
            }
            if self.is_over {
                return None;
            }
            let read = match std::mem::replace(&mut self.is_begun, true) {
                false => self.begin().map(|()| None),
                true => self.line().map(Some),
            };
            match read {
                Ok(None) => {}
                Ok(Some(Some(line))) => {
                    let parts = self.yaml.line(self.lines, &line);
                    self.push(parts);
                }
                Ok(Some(None)) => {
                    self.is_over = true;
                    let parts = self.yaml.finish();
                    self.push(parts);
                }
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

/// A part of a text, and the line on which it begins.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    line: usize,
    text: String,
    form: Form,
}

/// Splits YAML, line by line.
#[derive(Default)]
struct Splitter {
    /// The document without the items of its list.
    document: String,
    /// Line on which it begins.
    line: usize,
    list: List,
}

/// Where a document is with its list.
#[derive(Default)]
enum List {
    /// There was none so far.
    #[default]
    None,
    /// The key `items` was read, in this line.
    Announced(usize),
    /// An item is being read.
    Item {
        /// Columns before the dash.
        indent: usize,
        line: usize,
        text: String,
    },
    /// All items were read.
    Over,
}

impl Splitter {
    /// Takes a line; the parts that it ends.
    fn line(&mut self, number: usize, line: &str) -> Vec<Part> {
        let content = line.trim();
        if let Some(rest) = after_marker(line) {
            let parts = self.finish();
            (self.line, self.document) = (number, format!("   {rest}"));
            return parts;
        }
        let is_nothing = content.is_empty() || content.starts_with('#');
        let column = line.len() - line.trim_start_matches(' ').len();
        let is_item = !is_nothing && (content == "-" || content.starts_with("- "));
        match &mut self.list {
            List::Announced(_) if is_nothing => return Vec::new(),
            List::Announced(_) if is_item => {
                self.list = List::Item { indent: column, line: number, text: without_dash(line, column) };
                return Vec::new();
            }
            List::Announced(announced) => {
                // No list of objects, so the document is read as a whole.
                let empty = number.saturating_sub(*announced + 1);
                self.document.push_str("items:\n");
                self.document.push_str(&"\n".repeat(empty));
                self.list = List::None;
            }
            List::Item { indent, text, .. } if is_nothing || column > *indent => {
                push(text, line);
                return Vec::new();
            }
            List::Item { indent, .. } if is_item && column == *indent => {
                let next = List::Item { indent: column, line: number, text: without_dash(line, column) };
                return part_of(std::mem::replace(&mut self.list, next)).into_iter().collect();
            }
            List::Item { .. } => {
                let parts = part_of(std::mem::replace(&mut self.list, List::Over)).into_iter().collect();
                push(&mut self.document, line);
                return parts;
            }
            List::None | List::Over => {}
        }
        if self.document.trim().is_empty() {
            if is_nothing || line.starts_with('%') {
                return Vec::new();
            }
            (self.line, self.document) = (number, String::new());
        }
        if matches!(self.list, List::None) && line.trim_end() == "items:" {
            self.list = List::Announced(number);
        } else {
            push(&mut self.document, line);
        }
        Vec::new()
    }

    /// The end of a document; the parts that it ends.
    fn finish(&mut self) -> Vec<Part> {
        let Self { mut document, line, list } = std::mem::take(self);
        let mut form = Form::Yaml;
        let item = match list {
            List::None => None,
            List::Announced(_) => {
                document.push_str("items:\n");
                None
            }
            list => {
                form = Form::Frame;
                part_of(list)
            }
        };
        let has_text = form == Form::Frame || !document.trim().is_empty();
        let rest = has_text.then_some(Part { line: line.max(1), text: document, form });
        item.into_iter().chain(rest).collect()
    }
}

/// Adds a line to a text that is not too long already; the rest is left out.
fn push(text: &mut String, line: &str) {
    if text.len() <= LONGEST {
        text.push_str(line);
    }
}

fn part_of(list: List) -> Option<Part> {
    match list {
        List::Item { line, text, .. } => Some(Part { line, text, form: Form::Yaml }),
        _ => None,
    }
}

/// What is behind the marker between two documents, if a line is one.
fn after_marker(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("---").or_else(|| line.strip_prefix("..."))?;
    rest.starts_with(char::is_whitespace).then_some(rest).or(rest.is_empty().then_some(rest))
}

/// The line with blanks in place of the dash.
fn without_dash(line: &str, column: usize) -> String {
    format!("{}  {}", &line[..column], line[column + 1..].strip_prefix(' ').unwrap_or(&line[column + 1..]))
}

/// The items of a list in JSON, and what is around them; nothing if the text is not such a list.
fn json_items(text: &str) -> Option<Vec<Part>> {
    let bytes = text.as_bytes();
    let mut scan = Scan { bytes, at: 0, line: 1 };
    scan.skip_blanks();
    scan.expect(b'{')?;
    let begin = loop {
        scan.skip_blanks();
        let key = scan.string()?;
        scan.skip_blanks();
        scan.expect(b':')?;
        scan.skip_blanks();
        if key == b"items" && scan.peek() == Some(b'[') {
            break scan.at;
        }
        scan.value()?;
        scan.skip_blanks();
        scan.expect(b',')?;
    };
    scan.expect(b'[')?;
    let mut parts = Vec::new();
    loop {
        scan.skip_blanks();
        if scan.peek() == Some(b']') {
            break;
        }
        let (from, line) = (scan.at, scan.line);
        scan.value()?;
        parts.push(Part { line, text: text.get(from..scan.at)?.to_owned(), form: Form::Json });
        scan.skip_blanks();
        if scan.peek() == Some(b',') {
            scan.at += 1;
        }
    }
    scan.at += 1;
    let frame = format!("{}[]{}", text.get(..begin)?, text.get(scan.at..)?);
    parts.push(Part { line: 1, text: frame, form: Form::Frame });
    Some(parts)
}

/// A walk through JSON that looks for the ends of values only.
struct Scan<'a> {
    bytes: &'a [u8],
    at: usize,
    line: usize,
}

impl<'a> Scan<'a> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek() == Some(byte)).then(|| self.at += 1)
    }

    fn skip_blanks(&mut self) {
        while let Some(byte) = self.peek().filter(u8::is_ascii_whitespace) {
            self.line += usize::from(byte == b'\n');
            self.at += 1;
        }
    }

    /// A text without its quotes, as it is written.
    fn string(&mut self) -> Option<&'a [u8]> {
        self.expect(b'"')?;
        let from = self.at;
        loop {
            match self.peek()? {
                b'"' => break,
                b'\\' => self.at += 2,
                _ => self.at += 1,
            }
        }
        let text = self.bytes.get(from..self.at)?;
        self.at += 1;
        Some(text)
    }

    /// Passes over a value.
    fn value(&mut self) -> Option<()> {
        let mut depth = 0_usize;
        loop {
            self.skip_blanks();
            match self.peek()? {
                b'"' => drop(self.string()?),
                b'{' | b'[' => {
                    depth += 1;
                    self.at += 1;
                }
                b'}' | b']' => {
                    depth = depth.checked_sub(1)?;
                    self.at += 1;
                }
                b',' | b':' if depth == 0 => return None,
                b',' | b':' => self.at += 1,
                _ => {
                    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b",:]}\"[{".contains(byte);
                    let rest = &self.bytes[self.at..];
                    self.at += rest.iter().position(is_end).unwrap_or(rest.len());
                }
            }
            if depth == 0 {
                return Some(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> Vec<(usize, String, Form)> {
        let pieces = Pieces::new(text.as_bytes(), "dump.yaml", FileLimit::default());
        pieces.map(|piece| piece.unwrap()).map(|it| (it.line, it.text.unwrap(), it.form)).collect()
    }

    #[test]
    fn a_list_of_yaml_is_split_at_its_items() {
        let text = "apiVersion: v1\nitems:\n- kind: A\n  data: |\n    - x\n\n    # y\n# z\n- kind: B\nkind: List\n";
        for (text, first) in [
            (text.to_owned(), 3),
            (
                text.replace("\n- kind", "\n  - kind")
                    .replace("\n  data", "\n    data")
                    .replace("\n    - x", "\n      - x"),
                3,
            ),
        ] {
            let found = pieces(&text);
            assert_eq!(
                found.iter().map(|it| (it.0, it.2)).collect::<Vec<_>>(),
                [(first, Form::Yaml), (9, Form::Yaml), (1, Form::Frame)]
            );
            assert!(found[0].1.trim_start().starts_with("kind: A\n") && found[0].1.contains("- x\n\n"), "{found:?}");
            assert_eq!(found[1].1.trim(), "kind: B");
            assert_eq!(found[2].1, "apiVersion: v1\nkind: List\n");
        }
    }

    #[test]
    fn documents_are_pieces() {
        let found = pieces("# a\n%YAML 1.2\n---\na: 1\n--- # c\nb: 2\n...\n---\n{ c: 3 }\n---\n");
        let found: Vec<_> = found.iter().map(|(line, text, _)| (*line, text.trim().to_owned())).collect();
        assert_eq!(found, [(4, "a: 1".to_owned()), (5, "# c\nb: 2".to_owned()), (9, "{ c: 3 }".to_owned())]);
        for text in ["a: 1\nitems: []\nkind: List\n", "items:\n\n  a: 1\nkind: Menu\n", "kind: List\nitems:\n"] {
            let found = pieces(text);
            assert_eq!((found.len(), found[0].2, found[0].1.as_str()), (1, Form::Yaml, text), "{text}");
        }
    }

    #[test]
    fn a_list_of_json_is_split_at_its_items() {
        let text = "{\n \"kind\": \"List\", \"x\": [1, {\"items\": 2}],\n \"items\": [\n  {\"a\": \"}\\\"]\"},\n  {\"b\": [{}]}\n ]\n}\n";
        assert_eq!(
            pieces(text),
            [
                (4, "{\"a\": \"}\\\"]\"}".to_owned(), Form::Json),
                (5, "{\"b\": [{}]}".to_owned(), Form::Json),
                (1, "{\n \"kind\": \"List\", \"x\": [1, {\"items\": 2}],\n \"items\": []\n}\n".to_owned(), Form::Frame),
            ]
        );
        for text in ["{ kind: List, items: [{ a: 1 }] }\n", "{\"a\": 1}\n", "{\"items\": [1\n", "{\"items\": [,]}\n"] {
            let found = pieces(text);
            assert_eq!((found.len(), found[0].2, found[0].1.as_str()), (1, Form::Yaml, text), "{text}");
        }
    }

    #[test]
    fn what_is_too_long_or_no_text_is_said() {
        let limited = |text: &[u8], limit| {
            Pieces::new(text, "d", FileLimit::of_bytes(limit)).find_map(Result::err).unwrap().to_string()
        };
        assert!(limited(b"a: 1\nb: 2\n", 6).contains("larger than 6 bytes"));
        assert_eq!(limited(b"a: 1\nb: \xff\n", 99), "line 2 is not UTF-8 text");
        let long = format!("a: {}\n---\nb: 1\n", "x".repeat(LONGEST));
        let found: Vec<Piece> =
            Pieces::new(long.as_bytes(), "d", FileLimit::of_bytes(1 << 30)).map(|it| it.unwrap()).collect();
        assert_eq!((found.len(), found[0].text.is_none(), found[1].text.is_some()), (2, true, true));
    }
}
