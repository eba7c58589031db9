//! `tracing`: the log of a policy. It is always allowed, has no reply, and is kept for the report.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::capability::{Capability, Operation};

/// The namespace `tracing`. Its only operation, `log`, never reaches the router's table: see [`LOG`].
pub(super) struct Tracing;

/// The operation that is handled before all checks.
pub(super) const LOG: (&str, &str) = ("tracing", "log");

impl Capability for Tracing {
    fn namespace(&self) -> &'static str {
        LOG.0
    }

    fn operations(&self) -> &'static [Operation] {
        &[]
    }
}

/// Most lines kept for a case.
const MAX_LINES: usize = 1_000;

/// Most bytes kept for a case.
const MAX_BYTES: usize = 256 * 1024;

/// The lines a policy logged, up to a limit: a policy may log in an endless loop.
#[derive(Debug, Default)]
pub(super) struct Log {
    pub(super) lines: Vec<String>,
    bytes: usize,
    pub(super) is_truncated: bool,
}

impl Log {
    /// Keeps the payload of a `tracing/log` call as one line.
    pub(super) fn keep(&mut self, payload: &[u8]) {
        self.push(&line(payload));
    }

    /// Keeps a text of waPC's `__console_log`, which the server logs at this level.
    pub(super) fn keep_console(&mut self, text: &str) {
        for line in text.lines() {
            self.push(&format!("INFO {line}"));
        }
    }

    fn push(&mut self, line: &str) {
        let room = MAX_BYTES - self.bytes;
        if self.is_truncated || self.lines.len() == MAX_LINES || room == 0 {
            self.is_truncated = true;
            return;
        }
        let kept = &line[..line.floor_char_boundary(room)];
        self.is_truncated = kept.len() < line.len();
        self.bytes += kept.len();
        self.lines.push(kept.to_owned());
    }
}

/// The payload of `tracing/log`.
#[derive(Deserialize)]
struct Entry {
    level: String,
    message: Option<String>,
    #[serde(flatten)]
    members: Map<String, Value>,
}

/// `LEVEL message key=value…`. An invalid entry is kept with the reason, because the server's log
/// lacks it.
fn line(payload: &[u8]) -> String {
    let entry = match serde_json::from_slice::<Entry>(payload) {
        Ok(entry) => entry,
        Err(error) => {
            return format!("ERROR not a log entry ({error}): {}", one_line(&String::from_utf8_lossy(payload)));
        }
    };
    let level = entry.level.to_uppercase();
    if !["TRACE", "DEBUG", "INFO", "WARNING", "ERROR"].contains(&level.as_str()) {
        let text = String::from_utf8_lossy(payload);
        return format!("ERROR not a log entry (unknown log level {}): {}", entry.level, one_line(&text));
    }
    let mut line = level;
    if let Some(message) = entry.message {
        line.push(' ');
        line.push_str(&one_line(&message));
    }
    let mut members = entry.members;
    let place = place_in(&mut members);
    for (key, value) in &members {
        line.push_str(&format!(" {}={}", one_line(key), plain(value)));
    }
    line + place.as_str()
}

/// The place in the policy that logged, which the Rust SDK adds to every entry.
fn place_in(members: &mut Map<String, Value>) -> String {
    let (Some(Value::String(file)), Some(Value::Number(line))) = (members.get("file"), members.get("line")) else {
        return String::new();
    };
    let place = format!(" ({}:{line})", one_line(file));
    if members.contains_key("column") {
        for key in ["file", "line", "column"] {
            members.remove(key);
        }
        return place;
    }
    String::new()
}

/// A text without white space as it is; everything else as JSON.
fn plain(value: &Value) -> String {
    match value {
        Value::String(text) if !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c == '"') => {
            text.clone()
        }
        other => other.to_string(),
    }
}

fn one_line(text: &str) -> String {
    text.trim_end().replace('\r', "\\r").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_becomes_one_line() {
        assert_eq!(
            line(br#"{"level":"Warning","message":"two\nlines","image":"app:1","why":"so so","count":2}"#),
            r#"WARNING two\nlines count=2 image=app:1 why="so so""#
        );
        assert_eq!(line(br#"{"level":"info"}"#), "INFO");
        assert_eq!(
            line(br#"{"level":"info","message":"hi","column":5,"file":"src/lib.rs","line":42,"kind":"Pod"}"#),
            "INFO hi kind=Pod (src/lib.rs:42)"
        );
    }

    #[test]
    fn invalid_entries_are_kept_with_the_reason() {
        let garbage = line(b"hello\nworld");
        assert!(garbage.starts_with("ERROR not a log entry (expected value"), "{garbage}");
        assert!(garbage.ends_with(r": hello\nworld"), "{garbage}");
        assert!(line(br#"{"level":"warn"}"#).contains("unknown log level warn"));
        assert!(line(br#"{"message":"x"}"#).contains("missing field `level`"));
    }

    #[test]
    fn lines_and_bytes_are_bounded() {
        let mut log = Log::default();
        for _ in 0..=MAX_LINES {
            log.keep(br#"{"level":"info"}"#);
        }
        assert_eq!((log.lines.len(), log.is_truncated), (MAX_LINES, true));

        let mut log = Log::default();
        log.keep_console(&"é".repeat(MAX_BYTES));
        assert!(log.is_truncated);
        assert!(log.lines[0].len() <= MAX_BYTES && log.lines[0].ends_with('é'));
        log.keep_console("more");
        assert_eq!(log.lines.len(), 1);
    }

    #[test]
    fn a_log_of_exactly_the_limit_is_not_truncated() {
        let mut log = Log::default();
        for _ in 0..MAX_LINES {
            log.keep(br#"{"level":"info"}"#);
        }
        assert!(!log.is_truncated);
    }
}
