//! A request, and how it came about.

use policy_verify_model::request::Request;
use policy_verify_model::written_object::WrittenObject;

/// A request, and how it came about.
pub(super) struct Changed {
    /// The request.
    pub(super) request: Request,
    /// The paths of mappings that `set` has made.
    pub(super) created: Vec<String>,
    /// Where the members of its object are written.
    pub(super) written: WrittenObject,
}
