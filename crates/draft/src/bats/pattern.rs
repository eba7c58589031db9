//! Patterns of texts: those of `expr`, `grep`, `[[ … ]]` and jq, as pieces that can be looked at.

use regex::Regex;

use super::problem::Problem;

/// A pattern that searches anywhere, unless it is anchored.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Pattern {
    pub(super) pieces: Vec<Piece>,
    pub(super) starts: bool,
    pub(super) ends: bool,
}

/// A piece of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Text(String),
    /// `.*`
    Any,
    /// Another part, as the crate `regex` writes it.
    Other(String),
}

/// A dialect of regular expressions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// `grep`, `expr`: `\|`, `\+`, `\(`
    Basic,
    /// `grep -E`, `[[ =~ ]]`, jq
    Extended,
}

impl Pattern {
    /// A text that is contained.
    pub(super) fn fixed(text: &str) -> Self {
        Self { pieces: vec![Piece::Text(text.to_owned())], starts: false, ends: false }
    }

    /// A glob of the shell from literal pieces and those with wildcards; it matches whole texts.
    pub(super) fn glob(parts: &[(String, bool)]) -> Result<Self, Problem> {
        let mut pattern = Self { pieces: Vec::new(), starts: true, ends: true };
        for (text, is_quoted) in parts {
            let mut chars = text.chars().peekable();
            while let Some(next) = chars.next() {
                match next {
                    '*' if !is_quoted => pattern.push(Piece::Any),
                    '?' if !is_quoted => pattern.push(Piece::Other(".".to_owned())),
                    '[' if !is_quoted => {
                        let mut set: String = chars.by_ref().take_while(|it| *it != ']').collect();
                        if let Some(rest) = set.strip_prefix('!') {
                            set = format!("^{rest}");
                        }
                        pattern.push(Piece::Other(format!("[{}]", set.replace('[', "\\["))));
                    }
                    '\\' if !is_quoted => pattern.text(chars.next().unwrap_or('\\')),
                    other => pattern.text(other),
                }
            }
        }
        pattern.checked(parts.iter().map(|(text, _)| text.as_str()).collect::<String>().as_str())
    }

    /// As `expr` matches: from the start of the text.
    pub(super) fn at_start(mut self) -> Self {
        self.starts = true;
        self.tidied()
    }

    pub(super) fn push(&mut self, piece: Piece) {
        match (self.pieces.last_mut(), piece) {
            (Some(Piece::Text(last)), Piece::Text(more)) => last.push_str(&more),
            (Some(Piece::Other(last)), Piece::Other(more)) => last.push_str(&more),
            (Some(Piece::Any), Piece::Any) => {}
            (_, piece) => self.pieces.push(piece),
        }
    }

    pub(super) fn text(&mut self, next: char) {
        self.push(Piece::Text(next.to_string()));
    }

    /// Leaves out `.*` at the ends.
    pub(super) fn tidied(mut self) -> Self {
        while self.pieces.first() == Some(&Piece::Any) {
            self.pieces.remove(0);
            self.starts = false;
        }
        while self.pieces.last() == Some(&Piece::Any) {
            self.pieces.pop();
            self.ends = false;
        }
        self
    }

    /// The pattern, unless it is invalid or too large.
    pub(super) fn checked(self, source: &str) -> Result<Self, Problem> {
        let this = self.tidied();
        match Regex::new(&this.to_regex()) {
            Ok(_) => Ok(this),
            Err(_) => Err(Problem::Pattern(source.to_owned())),
        }
    }

    /// As the crate `regex` writes it.
    pub(super) fn to_regex(&self) -> String {
        let mut out = String::new();
        if self.pieces.contains(&Piece::Any) {
            out.push_str("(?s)");
        }
        out.push_str(if self.starts { "^" } else { "" });
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.push_str(&escaped(text)),
                Piece::Any => out.push_str(".*"),
                Piece::Other(other) => out.push_str(other),
            }
        }
        out.push_str(if self.ends { "$" } else { "" });
        out
    }

    /// The text, if it is nothing else.
    pub(super) fn as_text(&self) -> Option<&str> {
        match self.pieces.as_slice() {
            [] => Some(""),
            [Piece::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// Whether it matches a text; `None` if it is too large.
    pub(super) fn is_match(&self, text: &str) -> Option<bool> {
        Regex::new(&self.to_regex()).ok().map(|regex| regex.is_match(text))
    }

    /// For messages.
    pub(super) fn shown(&self) -> String {
        self.as_text().map_or_else(|| self.to_regex(), str::to_owned)
    }
}

/// `regex::escape` escapes more than has to be: dashes, hashes, `&` and `~`.
fn escaped(text: &str) -> String {
    let mut out = String::new();
    for next in text.chars() {
        if "\\.+*?()|[]{}^$".contains(next) {
            out.push('\\');
        }
        out.push(next);
    }
    out
}
