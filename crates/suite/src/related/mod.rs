//! Requests that belong to another one: what a policy has to answer alike. `operation` and `workload` make another request,
//! [`order`] another order of lists.

mod operation;
pub mod order;
mod workload;

pub use self::operation::{as_creation, as_update};
pub use self::workload::{RelatedRequest, in_workload};
