//! What a suite that gets more cases has already.

/// What is there already.
pub trait Present {
    /// Whether a case has this name.
    fn has_case(&self, name: &str) -> bool;

    /// `apiVersion` and kind of the object in the file at this path, relative to the suite; two empty texts for a file that has
    /// no single object, nothing where there is no file.
    fn object_in(&self, path: &str) -> Option<(String, String)>;
}

/// A suite that has nothing yet.
pub(super) struct Nothing;

impl Present for Nothing {
    fn has_case(&self, _: &str) -> bool {
        false
    }

    fn object_in(&self, _: &str) -> Option<(String, String)> {
        None
    }
}
