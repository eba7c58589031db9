//! Patterns over the line that kwctl prints, as facts about the response: `.*"allowed":false.*"message":"no.*`

use super::fact::Fact;
use super::pattern::{Pattern, Piece};
use super::problem::Problem;

/// Stands for a part of a pattern that is no text.
const OTHER: char = '\u{1}';
/// Characters between members.
const PUNCTUATION: [char; 8] = ['{', '}', ',', '"', ':', '\\', ' ', OTHER];

/// A part between two `.*`, and what of it is not read yet.
struct Segment {
    pieces: Vec<Piece>,
    text: String,
}

/// The facts that hold if the pattern matches.
pub(super) fn facts(pattern: &Pattern) -> Result<Vec<Fact>, Problem> {
    let mut reader = Reader { segments: segments(pattern), at: 0, facts: Vec::new(), shown: pattern.shown() };
    while reader.at < reader.segments.len() {
        reader.segment()?;
    }
    Ok(reader.facts)
}

fn segments(pattern: &Pattern) -> Vec<Segment> {
    pattern
        .pieces
        .split(|piece| *piece == Piece::Any)
        .map(|pieces| Segment {
            pieces: pieces.to_vec(),
            text: pieces
                .iter()
                .map(|piece| if let Piece::Text(text) = piece { text.clone() } else { OTHER.to_string() })
                .collect(),
        })
        .collect()
}

struct Reader {
    segments: Vec<Segment>,
    at: usize,
    facts: Vec<Fact>,
    shown: String,
}

impl Reader {
    /// Reads one segment, or a member of it.
    fn segment(&mut self) -> Result<(), Problem> {
        let text = self.segments[self.at].text.clone();
        let next = self.segments.get(self.at + 1).map(|next| next.text.trim_start_matches(PUNCTUATION).to_owned());
        let Some((key, rest)) = member(&text, next.as_deref()) else { return self.free(&text) };
        let value = rest.trim_start_matches(['"', ':', ' ', '\\', OTHER]);
        match key {
            "allowed" => self.allowed(value, next.as_deref()),
            "code" => self.code(value, next.as_deref()),
            "patchType" | "JSONPatch" => {
                self.facts.push(Fact::HasPatch(true));
                self.go_on(value.trim_start_matches("JSONPatch"));
            }
            "patch" => self.patch(value),
            "message" => return self.message(rest),
            "warnings" | "auditAnnotations" => return self.list(key, value),
            // The rest of a text, such as `"uid":"…"`, says nothing about the policy.
            "uid" => self.go_on(value.split_once(',').map_or("", |(_, rest)| rest)),
            _ => self.go_on(value),
        }
        Ok(())
    }

    /// Goes on with the rest of the segment, or with the next one.
    fn go_on(&mut self, rest: &str) {
        let rest = rest.trim_start_matches(PUNCTUATION).to_owned();
        match rest.is_empty() || rest == "]" {
            true => self.at += 1,
            false => self.segments[self.at] = Segment { pieces: vec![Piece::Text(rest.clone())], text: rest },
        }
    }

    fn allowed(&mut self, value: &str, next: Option<&str>) {
        if let Some((is_allowed, rest)) = boolean(value) {
            self.facts.push(Fact::Allowed(is_allowed));
            return self.go_on(rest);
        }
        if let Some((is_allowed, rest)) = next.and_then(boolean) {
            let rest = rest.to_owned();
            self.facts.push(Fact::Allowed(is_allowed));
            self.at += 1;
            self.go_on(&rest);
        }
    }

    fn code(&mut self, value: &str, next: Option<&str>) {
        let (at, text) = if value.is_empty() {
            (self.at + 1, next.unwrap_or_default().to_owned())
        } else {
            (self.at, value.to_owned())
        };
        let end = text.find(|it: char| !it.is_ascii_digit()).unwrap_or(text.len());
        if let Ok(code) = text[..end].parse() {
            self.facts.push(Fact::Code(code));
        }
        self.at = at;
        self.go_on(&text[end..]);
    }

    fn patch(&mut self, value: &str) {
        let end = value.find(|it: char| !(it.is_ascii_alphanumeric() || "+/=".contains(it))).unwrap_or(value.len());
        let (encoded, rest) = value.split_at(end);
        match super::patch_text::decoded(encoded) {
            Some(operations) => self.facts.push(Fact::Patch(operations)),
            None => self.facts.push(Fact::HasPatch(true)),
        }
        let rest = rest.to_owned();
        self.go_on(&rest);
    }

    fn list(&mut self, key: &str, value: &str) -> Result<(), Problem> {
        let mut values = serde_json::Deserializer::from_str(value).into_iter::<serde_json::Value>();
        let parsed = values.next().and_then(Result::ok);
        let rest = value.get(values.byte_offset()..).unwrap_or_default().to_owned();
        let place = [key];
        let fact = parsed.and_then(|parsed| super::member::equal(&place, &parsed));
        self.facts.extend(fact.ok_or_else(|| Problem::Claim(self.shown.clone()))?);
        self.go_on(&rest);
        Ok(())
    }

    /// The text behind `"message"`.
    fn message(&mut self, rest: &str) -> Result<(), Problem> {
        let value = rest.trim_start_matches('"').trim_start_matches([':', ' ']);
        let is_start = value.starts_with('"');
        let value = value.strip_prefix('"').unwrap_or(value).to_owned();
        // The pieces behind the key; a key is one text.
        let mut pieces = self.segments[self.at].pieces.clone();
        let consumed = self.segments[self.at].text.len() - value.len();
        if let Some(Piece::Text(first)) = pieces.first_mut() {
            *first = first.get(consumed..).unwrap_or_default().to_owned();
        }
        pieces.retain(|piece| *piece != Piece::Text(String::new()));
        let starts = is_start && !pieces.is_empty();
        self.segments[self.at] = Segment { pieces, text: value };
        let pattern = self.text(starts)?;
        if !pattern.pieces.is_empty() || pattern.ends {
            self.facts.push(Fact::Message(pattern, true));
        }
        Ok(())
    }

    /// A text that no key is in front of.
    fn free(&mut self, text: &str) -> Result<(), Problem> {
        for marker in ["Provided settings are not valid", "settings are not valid", "ettings not valid", "not valid"] {
            if let Some((_, rest)) = text.split_once(marker).filter(|(before, _)| before.len() < 24) {
                return self.refusal(rest);
            }
        }
        if text.trim_matches(PUNCTUATION).is_empty() && !text.contains(OTHER) {
            self.at += 1;
            return Ok(());
        }
        if let Some((key, value)) = annotation(text) {
            self.facts.push(Fact::Annotation(key, value));
            self.at += 1;
            return Ok(());
        }
        let starts = text.starts_with('"') && !self.segments[self.at].pieces.is_empty();
        if starts && let Some(Piece::Text(first)) = self.segments[self.at].pieces.first_mut() {
            first.remove(0);
            self.segments[self.at].text.remove(0);
        }
        let pattern = self.text(starts)?;
        self.facts.push(Fact::Text(pattern, true));
        Ok(())
    }

    /// The message that follows the words about settings. Older releases print it as `Some("…")`.
    fn refusal(&mut self, rest: &str) -> Result<(), Problem> {
        let rest = rest.trim_start_matches([':', ' ', '.', '!']);
        let rest = rest.strip_prefix("Some(").unwrap_or(rest).trim_start_matches('"');
        let pieces = match self.segments[self.at].pieces.as_slice() {
            [Piece::Text(_)] if rest.is_empty() => Vec::new(),
            [Piece::Text(_)] => vec![Piece::Text(rest.trim_end_matches(')').trim_end_matches('"').to_owned())],
            other => other.to_vec(),
        };
        self.segments[self.at] = Segment { text: rest.to_owned(), pieces };
        let mut pattern = Pattern::default();
        while let Some(segment) = self.segments.get(self.at) {
            if !pattern.pieces.is_empty() {
                pattern.push(Piece::Any);
            }
            segment.pieces.iter().for_each(|piece| pattern.push(piece.clone()));
            self.at += 1;
        }
        self.facts.push(Fact::Refusal(pattern.tidied()));
        Ok(())
    }

    /// The pattern of a text that ends at a quote, or in front of the next member.
    fn text(&mut self, starts: bool) -> Result<Pattern, Problem> {
        let mut pattern = Pattern { starts, ..Pattern::default() };
        let mut is_first = true;
        while let Some(segment) = self.segments.get(self.at) {
            let next = self.segments.get(self.at + 1).map(|next| next.text.as_str());
            if !is_first && member(&segment.text, next).is_some() {
                break;
            }
            if !is_first {
                pattern.push(Piece::Any);
            }
            is_first = false;
            let pieces = segment.pieces.clone();
            for (index, piece) in pieces.iter().enumerate() {
                let Piece::Text(text) = piece else {
                    pattern.push(piece.clone());
                    continue;
                };
                let (inside, outside) = quoted(text);
                pattern.push(Piece::Text(unescaped(inside)));
                if let Some(outside) = outside {
                    pattern.ends = true;
                    return self.end(outside, index + 1 == pieces.len(), pattern);
                }
            }
            self.at += 1;
        }
        pattern.pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(pattern.tidied())
    }

    /// What follows the quote has to be JSON again.
    fn end(&mut self, outside: &str, is_last: bool, pattern: Pattern) -> Result<Pattern, Problem> {
        let rest = outside.trim_start_matches(['}', ']', ',', '"']);
        let is_json = rest.is_empty() || member(rest, None).is_some();
        if !is_last || !is_json || outside.starts_with(':') {
            return Err(Problem::Claim(self.shown.clone()));
        }
        let rest = rest.to_owned();
        self.go_on(&rest);
        let mut pattern = pattern;
        pattern.pieces.retain(|piece| *piece != Piece::Text(String::new()));
        Ok(pattern.tidied())
    }
}

/// The member of the response that a text begins with, and what follows its name.
fn member<'a>(text: &'a str, next: Option<&str>) -> Option<(&'static str, &'a str)> {
    const KEYS: [&str; 10] = [
        "allowed",
        "patchType",
        "JSONPatch",
        "patch",
        "message",
        "code",
        "status",
        "warnings",
        "auditAnnotations",
        "uid",
    ];
    let start = text.trim_start_matches(PUNCTUATION);
    KEYS.iter().find_map(|key| {
        let rest = start.strip_prefix(key)?;
        let is_key = rest.starts_with(['"', '\\', OTHER])
            || rest.is_empty()
            || (rest.starts_with(':') && text.len() > start.len());
        let value = rest.trim_start_matches(['"', ':', ' ', '\\', OTHER]);
        let follows = |test: fn(&str) -> bool| {
            test(value) || (value.is_empty() && next.is_some_and(|next| test(next.trim_start_matches(PUNCTUATION))))
        };
        let is_member = is_key
            && match *key {
                "allowed" => follows(|it| boolean(it).is_some()),
                "code" => follows(|it| it.starts_with(|it: char| it.is_ascii_digit())),
                "message" => rest.starts_with('"') || next.is_some() && rest.is_empty(),
                "status" | "uid" | "warnings" | "auditAnnotations" => rest.starts_with('"'),
                _ => true,
            };
        is_member.then_some((*key, rest))
    })
}

/// `"key":"value"` with quotes that are not escaped: of the response, only the audit annotations have keys of their own.
fn annotation(text: &str) -> Option<(String, String)> {
    let members: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(&format!("{{{}}}", text.trim_matches(','))).ok()?;
    match members.iter().next() {
        Some((key, serde_json::Value::String(value))) if members.len() == 1 => Some((key.clone(), value.clone())),
        _ => None,
    }
}

fn boolean(text: &str) -> Option<(bool, &str)> {
    let cases = [("true", true), ("false", false)];
    let whole = cases.iter().find_map(|(word, value)| Some((*value, text.strip_prefix(word)?)));
    // `false*` is `fals`, as far as it has to be there.
    whole.or(match text {
        "tru" => Some((true, "")),
        "fals" => Some((false, "")),
        _ => None,
    })
}

/// The text up to a quote that is not escaped, and what follows it.
fn quoted(text: &str) -> (&str, Option<&str>) {
    let mut is_escaped = false;
    for (at, next) in text.char_indices() {
        match next {
            '\\' => is_escaped = !is_escaped,
            '"' if !is_escaped => return (&text[..at], Some(&text[at + 1..])),
            _ => is_escaped = false,
        }
    }
    (text, None)
}

/// The text that is escaped in JSON; as it is if it is none.
fn unescaped(text: &str) -> String {
    serde_json::from_str(&format!("\"{text}\"")).unwrap_or_else(|_| text.to_owned())
}
