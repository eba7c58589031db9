//! A file in which values are changed where they are written.

use std::sync::Arc;

use policy_verify_model::source::{SourceFile, Span};
use serde_json::Value;

use super::change::{Context, Edit, Obstacle};
use super::check;
use super::tree::Tree;
use super::write::Dialect;

/// A value that is written somewhere, and the one that is to be read there.
#[derive(Debug, Clone)]
pub struct Replacement {
    /// Where it begins.
    pub place: Span,
    /// What is read there now, variables replaced.
    pub old: Value,
    /// What is to be read; the same where it has to stay.
    pub new: Value,
    /// Where the row is written that gives variables their values.
    pub row: Option<Span>,
}

/// A file in which values are changed.
#[derive(Debug)]
pub struct Editor {
    file: Arc<SourceFile>,
    tree: Option<Tree>,
    dialect: Dialect,
}

impl Editor {
    /// Reads the file. Only a suite has variables.
    pub fn new(file: &Arc<SourceFile>, is_suite: bool) -> Self {
        let is_json = file.path.ends_with(".json") || file.text.trim_start().starts_with("{\n");
        let dialect = Dialect { is_json, has_variables: is_suite };
        Self { file: Arc::clone(file), tree: Tree::of(&file.text), dialect }
    }

    /// What to change in the text so that `new` is read at its place, and which parts of it have to stay for that.
    ///
    /// # Errors
    ///
    /// Where the value does not stand there as it is read.
    pub fn edits(&self, wanted: &Replacement) -> Result<Vec<Edit>, Obstacle> {
        let tree = self.tree.as_ref().ok_or(Obstacle::Lost)?;
        let piece = tree.at(wanted.place.offset, wanted.old.is_array()).ok_or(Obstacle::Lost)?;
        let row = wanted.row.as_ref().filter(|row| row.file.path == self.file.path);
        let row = row.and_then(|row| tree.at(row.offset, false));
        let context = Context { text: &self.file.text, tree, dialect: self.dialect, row };
        let mut edits = Vec::new();
        context.change(piece, &wanted.old, &wanted.new, &mut edits)?;
        Ok(edits)
    }

    /// What to change in the text so that its only document is read as `new`.
    ///
    /// # Errors
    ///
    /// There is none, or there are several; or it cannot be changed where it is written.
    pub(super) fn edits_of_document(&self, old: &Value, new: &Value) -> Result<Vec<Edit>, Obstacle> {
        let tree = self.tree.as_ref().ok_or(Obstacle::Lost)?;
        let [root] = tree.documents() else { return Err(Obstacle::Lost) };
        let context = Context { text: &self.file.text, tree, dialect: self.dialect, row: None };
        let mut edits = Vec::new();
        context.change(root, old, new, &mut edits)?;
        Ok(edits)
    }

    /// The text with these changes.
    ///
    /// # Errors
    ///
    /// They overlap, the text could not be read any more, or something else than expectations would change.
    pub fn apply(&self, mut edits: Vec<Edit>) -> Result<String, Obstacle> {
        edits.retain(|edit| edit.text.is_some());
        edits.sort_by_key(|edit| (edit.range.start, edit.range.end));
        edits.dedup();
        let overlap = |pair: &[Edit]| pair[0].range.end > pair[1].range.start || pair[0].range == pair[1].range;
        let text = &self.file.text;
        let is_cut = |edit: &Edit| text.get(edit.range.clone()).is_none();
        if edits.windows(2).any(overlap) || edits.iter().any(is_cut) {
            return Err(Obstacle::Shared);
        }
        let line_break = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let mut changed = text.clone();
        for edit in edits.into_iter().rev() {
            let new = edit.text.unwrap_or_default().replace('\n', line_break);
            changed.replace_range(edit.range, &new);
        }
        check::check(&self.file, &changed, self.dialect.has_variables)?;
        Ok(changed)
    }
}
