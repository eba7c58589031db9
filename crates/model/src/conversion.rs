//! Other versions of the resource of a request, to which the API server converts it for rules with `matchPolicy:
//! Equivalent`.

use super::request::{GroupVersionKind, GroupVersionResource};

/// Another version of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Equivalent {
    /// The kind in that version.
    pub kind: GroupVersionKind,
    /// The resource in that version.
    pub resource: GroupVersionResource,
    /// How an object becomes one of that version.
    pub conversion: Conversion,
}

/// How an object becomes one of another version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conversion {
    /// It is the same object: a `Scale` has no version of its resource.
    None,
    /// Only `apiVersion` changes.
    ApiVersion,
    /// A HorizontalPodAutoscaler of `autoscaling/v2` becomes one of `autoscaling/v1`.
    AutoscalerToV1,
    /// A HorizontalPodAutoscaler of `autoscaling/v1` becomes one of `autoscaling/v2`.
    AutoscalerToV2,
    /// An Event of the core group becomes one of `events.k8s.io`.
    EventFromCore,
    /// An Event of `events.k8s.io` becomes one of the core group.
    EventToCore,
    /// A PodDisruptionBudget of `policy/v1beta1`, whose empty selector had another meaning.
    DisruptionBudget,
    /// The webhook of a CustomResourceDefinition converts.
    Webhook,
    /// The versions differ, and verify does not know how.
    Unknown,
}

impl Conversion {
    /// The way back.
    #[must_use]
    pub fn reversed(self) -> Self {
        match self {
            Self::AutoscalerToV1 => Self::AutoscalerToV2,
            Self::AutoscalerToV2 => Self::AutoscalerToV1,
            Self::EventFromCore => Self::EventToCore,
            Self::EventToCore => Self::EventFromCore,
            same => same,
        }
    }
}
