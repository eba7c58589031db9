//! Where the parts of the report for people begin.

/// Columns before a policy, a case and a detail of a case.
pub(super) const POLICY: usize = 2;
pub(super) const CASE: usize = 4;
pub(super) const DETAIL: usize = 6;

/// Columns of the words before the details of a case.
pub(super) const LABEL: usize = 10;
