//! What answers host calls when the suite does not: the interface of a live host, which has no implementation here.
//!
//! Reaching registries, resolvers and clusters needs network code that nobody who replays answers has to build.

use std::time::Duration;

use crate::request::Request;

/// Answers host calls from the real world.
pub trait LiveHost: Send + Sync {
    /// The reply to a request; `None` if this host does not serve such requests at all.
    fn answer(&self, request: &Request, options: &LiveOptions) -> Option<LiveReply>;
}

/// How a live host is asked in one case.
#[derive(Debug, Clone, Copy, Default)]
pub struct LiveOptions {
    /// Longest wait for one reply: the deadline of the policy, which goes on meanwhile as in policy-server.
    pub timeout: Duration,
    /// What certificates are judged by where the policy gives no time: the clock of the suite, if it sets one.
    pub clock: Option<jiff::Timestamp>,
}

/// The bytes of a reply, or why there is none.
pub type LiveReply = Result<Vec<u8>, LiveFailure>;

/// Why there is no reply.
#[derive(Debug)]
pub enum LiveFailure {
    /// The call fails with this text, as it would in the cluster.
    Refused(String),
    /// The call fails with this text, and there is something the cluster does not look at.
    Unseen {
        /// What the policy is told.
        text: String,
        /// What the user should know.
        remark: String,
    },
    /// The service could not be reached. A verdict that rests on an outage is none, so this is a fault of the case.
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
