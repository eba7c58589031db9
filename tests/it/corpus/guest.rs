//! One hostile guest: what it is asked, and how that has to end.

use crate::support::guests;

/// The deadline where it is what ends the guest.
const SHORT: u64 = 100;

/// The deadline of all others, on a machine that has much else to do.
const LONG: u64 = 60_000;

/// What a guest is asked.
pub(super) enum Ask {
    /// For a verdict about an object.
    Object,
    /// For a verdict about this document.
    Raw(String),
    /// Whether settings are valid.
    Settings,
    /// As the member `it` of a group, beside the healthy member `yes`, with this expression.
    Group(&'static str),
}

/// A row of the corpus.
pub(super) struct Hostile {
    pub(super) name: String,
    pub(super) mode: &'static str,
    pub(super) module: Vec<u8>,
    pub(super) ask: Ask,
    /// Milliseconds.
    pub(super) timeout: u64,
    /// The kind of the fault; `compile` for a policy that is unavailable.
    pub(super) kind: &'static str,
    /// Words of the message.
    pub(super) words: &'static str,
}

impl Hostile {
    /// A guest that is asked about an object, and meets a fault of this kind with these words.
    pub(super) fn new(
        mode: &'static str,
        name: impl Into<String>,
        module: Vec<u8>,
        kind: &'static str,
        words: &'static str,
    ) -> Self {
        let timeout = if kind == "timeout" { SHORT } else { LONG };
        Self { name: name.into(), mode, module, ask: Ask::Object, timeout, kind, words }
    }

    /// The guest of `testdata/wat` that has this name.
    pub(super) fn of_testdata(mode: &'static str, name: &str, kind: &'static str, words: &'static str) -> Self {
        Self::new(mode, name, guests::from_testdata(name), kind, words)
    }

    /// The same guest in another row.
    pub(super) fn named(self, name: &str) -> Self {
        Self { name: name.to_owned(), ..self }
    }

    /// The same guest, asked something else.
    pub(super) fn asked(self, ask: Ask) -> Self {
        Self { ask, ..self }
    }

    /// The same guest with a deadline of its own, in milliseconds.
    pub(super) fn within(self, timeout: u64) -> Self {
        Self { timeout, ..self }
    }
}
