//! All facts about one answer, and the expectation they are.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::claim::Key;
use super::fact::Fact;
use super::pattern::Pattern;
use super::problem::Problem;

/// What is known of one answer.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) success: Option<bool>,
    pub(super) allowed: Option<bool>,
    pub(super) messages: Vec<(Pattern, bool)>,
    pub(super) texts: Vec<(Pattern, bool)>,
    pub(super) refusals: Vec<Pattern>,
    pub(super) code: Option<u64>,
    pub(super) has_patch: Option<bool>,
    pub(super) patch: Option<Vec<Value>>,
    pub(super) operations: Vec<(Option<Key>, Map<String, Value>)>,
    pub(super) values: Vec<(Key, Vec<String>, Value)>,
    pub(super) warnings: Option<Vec<String>>,
    pub(super) some_warnings: BTreeMap<usize, String>,
    pub(super) warning_count: Option<u64>,
    pub(super) annotations: Option<Map<String, Value>>,
    pub(super) some_annotations: Map<String, Value>,
    pub(super) not_allowed: Option<bool>,
    pub(super) unexpressed: Vec<String>,
}

impl Answer {
    /// Adds a fact, unless it contradicts another one.
    pub(super) fn add(&mut self, fact: Fact) -> Result<(), Problem> {
        match fact {
            Fact::Success(success) => agree(&mut self.success, success),
            Fact::NotAllowed(value) => agree(&mut self.not_allowed, value),
            Fact::Unexpressed(claim) => add(&mut self.unexpressed, claim),
            Fact::Allowed(allowed) => agree(&mut self.allowed, allowed),
            Fact::Code(code) => agree(&mut self.code, code),
            Fact::HasPatch(has_patch) => agree(&mut self.has_patch, has_patch),
            Fact::Patch(patch) => agree(&mut self.patch, patch),
            Fact::Warnings(warnings) => agree(&mut self.warnings, warnings),
            Fact::WarningCount(count) => agree(&mut self.warning_count, count),
            Fact::Annotations(annotations) => agree(&mut self.annotations, annotations),
            Fact::Message(pattern, holds) => add(&mut self.messages, (pattern, holds)),
            Fact::Text(pattern, holds) => add(&mut self.texts, (pattern, holds)),
            Fact::Refusal(pattern) => add(&mut self.refusals, pattern),
            Fact::Operation(item, members) => return self.operation(item, members),
            Fact::Value(item, steps, value) => add(&mut self.values, (item, steps, value)),
            Fact::Warning(index, text) => {
                self.some_warnings.insert(index, text);
                true
            }
            Fact::Annotation(key, text) => {
                self.some_annotations.insert(key, Value::String(text));
                true
            }
        }
        .then_some(())
        .ok_or(Problem::Contradiction)
    }

    /// Members of the same item are put together.
    fn operation(&mut self, item: Option<Key>, members: Map<String, Value>) -> Result<(), Problem> {
        if let Some((_, known)) = self.operations.iter_mut().find(|(other, _)| item.is_some() && *other == item) {
            known.extend(members);
        } else if !self.operations.contains(&(item.clone(), members.clone())) {
            self.operations.push((item, members));
        }
        Ok(())
    }

    /// Whether anything is known.
    pub(super) fn is_empty(&self) -> bool {
        let Self { success, code, has_patch, patch, warnings, warning_count, annotations, .. } = self;
        let options =
            [success.is_some(), self.verdict().is_some(), code.is_some(), has_patch.is_some(), patch.is_some()];
        let more = [warnings.is_some(), warning_count.is_some(), annotations.is_some()];
        let lists =
            [self.messages.is_empty(), self.texts.is_empty(), self.refusals.is_empty(), self.operations.is_empty()];
        let partial = [self.values.is_empty(), self.some_warnings.is_empty(), self.some_annotations.is_empty()];
        !options.iter().chain(&more).any(|it| *it) && lists.iter().chain(&partial).all(|it| *it)
    }

    /// The verdict. Where kwctl prints one, what it is not says what it is.
    pub(super) fn verdict(&self) -> Option<bool> {
        self.allowed.or(self.not_allowed.map(|value| !value).filter(|_| self.success != Some(false)))
    }

    /// Whether the patch was looked at, and there is one.
    pub(super) fn is_mutated(&self) -> bool {
        self.has_patch == Some(true) || self.patch.is_some() || !self.operations.is_empty() || !self.values.is_empty()
    }
}

fn agree<T: PartialEq>(known: &mut Option<T>, value: T) -> bool {
    match known {
        Some(known) => *known == value,
        None => {
            *known = Some(value);
            true
        }
    }
}

fn add<T: PartialEq>(list: &mut Vec<T>, item: T) -> bool {
    if !list.contains(&item) {
        list.push(item);
    }
    true
}
