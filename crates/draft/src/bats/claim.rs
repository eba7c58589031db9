//! What a test asserts about the answers of `kwctl run`, as conditions that may be unknown.

use serde_json::Value;

use super::pattern::Pattern;
use super::problem::Problem;

/// A condition: known, about an answer, or unknown.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Cond {
    Known(bool),
    Claim(Claim),
    Not(Box<Self>),
    All(Vec<Self>),
    Any(Vec<Self>),
    Unknown(Problem),
}

/// Something about an answer that can be true or false.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Claim {
    /// kwctl exits with 0.
    Success(usize),
    /// The text of the place matches.
    Matches(Place, Pattern),
    /// The value of the place is this one.
    Equals(Place, Value),
    /// The place exists, and is neither null nor false.
    Present(Place),
    /// The list, text or mapping has this many items.
    Length(Place, u64),
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    /// Number of the run in its test.
    pub(super) run: usize,
    pub(super) root: Root,
    pub(super) path: Vec<Key>,
    /// Whether the text is JSON, as jq prints it without `-r`.
    pub(super) is_json: bool,
}

/// The document that a path starts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Root {
    /// All output: the response and log lines.
    Output,
    /// The AdmissionResponse.
    Response,
    /// The decoded patch.
    Patch,
}

/// A step of a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    Name(String),
    Index(i64),
    /// Some item: the same number is the same item.
    Some(usize),
}

impl Place {
    /// The whole of a document.
    pub(super) fn whole(run: usize, root: Root) -> Self {
        Self { run, root, path: Vec::new(), is_json: false }
    }

    /// The place below, where the output is read as a response.
    pub(super) fn child(&self, key: Key) -> Self {
        let mut child = self.clone();
        if child.root == Root::Output {
            child.root = Root::Response;
        }
        // A response may be wrapped in an AdmissionReview.
        let is_wrapper =
            child.root == Root::Response && child.path.is_empty() && key == Key::Name("response".to_owned());
        if !is_wrapper {
            child.path.push(key);
        }
        child
    }

    /// Whether it is this member of the response.
    pub(super) fn is(&self, path: &[&str]) -> bool {
        self.root == Root::Response && self.names().as_deref() == Some(path)
    }

    /// The path, if it has nothing but names.
    pub(super) fn names(&self) -> Option<Vec<&str>> {
        self.path.iter().map(|key| if let Key::Name(name) = key { Some(name.as_str()) } else { None }).collect()
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.root {
            Root::Output => "output",
            Root::Response => "response",
            Root::Patch => "patch",
        })?;
        for key in &self.path {
            match key {
                Key::Name(name) => write!(f, ".{name}")?,
                Key::Index(index) => write!(f, "[{index}]")?,
                Key::Some(_) => f.write_str("[]")?,
            }
        }
        Ok(())
    }
}

/// Most parts of a condition.
const LARGEST: usize = 200;

impl Cond {
    /// Whether it has more parts than a test could mean.
    pub(super) fn is_large(&self) -> bool {
        let (mut open, mut count) = (vec![self], 0);
        while let Some(cond) = open.pop() {
            count += 1;
            match cond {
                Self::Not(inner) => open.push(inner),
                Self::All(inner) | Self::Any(inner) => open.extend(inner),
                _ => {}
            }
            if count + open.len() > LARGEST {
                return true;
            }
        }
        false
    }

    /// Why it is unknown, where it says nothing about an answer.
    pub(super) fn unknown(&self) -> Option<&Problem> {
        match self {
            Self::Unknown(problem) => Some(problem),
            _ => None,
        }
    }

    /// The opposite.
    pub(super) fn negated(self) -> Self {
        match self {
            Self::Known(known) => Self::Known(!known),
            Self::Not(inner) => *inner,
            unknown @ Self::Unknown(_) => unknown,
            other => Self::Not(Box::new(other)),
        }
    }

    /// All of them; what is known is left out.
    pub(super) fn all(conds: impl IntoIterator<Item = Self>) -> Self {
        let mut all = Vec::new();
        for cond in conds {
            match cond {
                Self::Known(true) => {}
                Self::Known(false) => return Self::Known(false),
                Self::All(inner) => all.extend(inner),
                other => all.push(other),
            }
        }
        match all.len() {
            0 => Self::Known(true),
            1 => all.remove(0),
            _ => Self::All(all),
        }
    }

    /// One of them.
    pub(super) fn any(conds: impl IntoIterator<Item = Self>) -> Self {
        Self::all(conds.into_iter().map(Self::negated)).negated().simplified()
    }

    fn simplified(self) -> Self {
        match self {
            Self::Not(inner) => match *inner {
                Self::All(all) => Self::Any(all.into_iter().map(Self::negated).collect()),
                other => Self::Not(Box::new(other)),
            },
            other => other,
        }
    }
}
