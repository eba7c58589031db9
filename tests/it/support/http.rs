//! What the servers of tests have in common that answer one request of a connection with JSON, and hang up.

use std::io::{BufRead, Read as _, Write};

/// A request.
pub(crate) struct Incoming {
    /// Path and query.
    pub(crate) target: String,
    pub(crate) body: Vec<u8>,
}

/// Reads a request; nothing if the connection ends before.
pub(crate) fn read(reader: &mut impl BufRead) -> Option<Incoming> {
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let target = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        line.clear();
        if reader.read_line(&mut line).ok()? == 0 || line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = Vec::new();
    reader.take(length).read_to_end(&mut body).ok()?;
    Some(Incoming { target, body })
}

/// Answers with a document; the client may be gone.
pub(crate) fn write_json(stream: &mut impl Write, status: &str, body: &str) {
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}
