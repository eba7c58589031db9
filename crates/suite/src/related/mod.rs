//! Requests that belong to another one: what a policy has to answer alike. `operation` and `workload` make another request,
//! [`order`] another order of lists.

mod operation;
pub mod order;
mod workload;

pub use self::operation::{as_creation, as_update};
pub use self::workload::{RelatedRequest, in_workload};

use policy_verify_model::request::AdmissionRequest;

/// Whether a request is about an object as a whole, not about a part of it.
fn is_whole(request: &AdmissionRequest) -> bool {
    request.sub_resource.as_deref().unwrap_or_default().is_empty()
}
