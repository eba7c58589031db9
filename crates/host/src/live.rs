//! The interface of a live host, which answers host calls that the suite does not. This crate has no implementation:
//! registries, resolvers and clusters need network code, and replays do not.

use std::time::Duration;

use crate::request::Request;

/// Answers host calls with data from registries, resolvers and clusters.
pub trait LiveHost: Send + Sync {
    /// The reply to a request; `None` if this host does not serve such requests at all.
    fn answer(&self, request: &Request, options: &LiveOptions) -> Option<LiveReply>;
}

/// Options of the calls of one case.
#[derive(Debug, Clone, Copy, Default)]
pub struct LiveOptions {
    /// Longest wait for one reply: the timeout of the policy, which includes the wait, as in policy-server.
    pub timeout: Duration,
    /// The time at which certificates must be valid if the policy gives none: the clock of the suite, if it sets one.
    pub clock: Option<jiff::Timestamp>,
}

/// The bytes of a reply, or why there is none.
pub type LiveReply = Result<Vec<u8>, LiveFailure>;

/// Why there is no reply.
#[derive(Debug)]
pub enum LiveFailure {
    /// The call fails with this text, as it would in the cluster.
    Refused(String),
    /// The call fails with this text although there is something that a cluster ignores.
    Unseen {
        /// The text for the policy.
        text: String,
        /// What the user should know.
        remark: String,
    },
    /// The service could not be reached. A verdict must not rest on an outage, so this is a fault of the case.
    Outage {
        /// What is wrong.
        text: String,
        /// What to do about it.
        help: Option<String>,
    },
}

impl LiveFailure {
    /// An outage without advice.
    pub fn outage(text: impl Into<String>) -> Self {
        Self::Outage { text: text.into(), help: None }
    }
}
