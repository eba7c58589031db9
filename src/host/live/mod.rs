//! Answers from the real world, for runs that ask for it: the system's resolver, certificates, registries, a cluster.
//!
//! The world is asked last, about what nothing of the suite answers, and only after the access rules. What it says counts,
//! its errors too, as in policy-server. A world that cannot be reached says nothing: a verdict that rests on an outage is
//! none, so that is a fault of the case.

mod crypto;
mod kubernetes;
mod net;
mod oci;
mod signatures;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

use std::error::Error;
use std::fmt::Write as _;
use std::time::Duration;

use super::request::Request;
use crate::network;
use crate::registry::Registry;
use crate::signature::TrustRoot;

/// The world outside, one for all cases of a run.
pub(crate) struct World {
    api_server: kubernetes::ApiServer,
    images: oci::Images,
}

/// How the world is asked in one case.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Terms {
    /// Longest wait for one answer: the deadline of the policy, which goes on meanwhile as in policy-server.
    pub(crate) patience: Duration,
    /// What certificates are judged by where the policy gives no time: the clock of the suite, if it sets one.
    pub(crate) clock: Option<jiff::Timestamp>,
}

/// What the world says to a request.
pub(super) type Said = Result<Vec<u8>, Failure>;

/// Why there is no reply.
#[derive(Debug)]
pub(super) enum Failure {
    /// The call fails with this text, as it would in the cluster.
    Refused(String),
    /// It fails with this text, and there is something the cluster does not look at.
    Unseen {
        /// What the policy is told.
        text: String,
        /// What the user should know.
        remark: String,
    },
    /// Nobody could be asked.
    Outage {
        /// What is wrong.
        text: String,
        /// What to do about it.
        help: Option<String>,
    },
}

impl Failure {
    fn outage(text: impl Into<String>) -> Self {
        Self::Outage { text: text.into(), help: None }
    }
}

impl World {
    /// The world, with registries behind this door and keyless signatures judged by this root. Nothing is connected to
    /// before it is asked.
    pub(crate) fn new(registry: Registry, trust_root: TrustRoot) -> Self {
        Self { api_server: kubernetes::ApiServer::default(), images: oci::Images::new(registry, trust_root) }
    }

    /// Asks; nothing if the world has no answer to such requests.
    pub(super) fn answer(&self, request: &Request, terms: &Terms) -> Option<Said> {
        network::wait(async {
            match tokio::time::timeout(terms.patience, self.ask(request, terms)).await {
                Ok(said) => said,
                Err(_) => Some(Err(too_late(terms.patience))),
            }
        })
    }

    async fn ask(&self, request: &Request, terms: &Terms) -> Option<Said> {
        let api_server = &self.api_server;
        Some(match request {
            Request::DNSLookupHost(asked) => net::look_up(&asked.host).await,
            Request::CryptoIsCertificateTrusted(asked) => crypto::judge(asked, terms.clock),
            Request::KubernetesListResourceAll(asked) => api_server.list(&asked.into()).await,
            Request::KubernetesListResourceNamespace(asked) => api_server.list(&asked.into()).await,
            Request::KubernetesGetResource(asked) => api_server.get(asked).await,
            Request::KubernetesCanI(asked) => api_server.can_i(asked).await,
            Request::KubernetesGetResourcePluralName(asked) => api_server.plural(asked).await,
            Request::OciManifestDigest(_)
            | Request::OciManifest(_)
            | Request::OciManifestAndConfig(_)
            | Request::SigstorePubKeyVerify(_)
            | Request::SigstoreKeylessVerify(_)
            | Request::SigstoreKeylessPrefixVerify(_)
            | Request::SigstoreGithubActionsVerify(_)
            | Request::SigstoreCertificateVerify(_) => self.images.ask(request).await,
            Request::HasKubernetesListResourceAllResultChangedSinceInstant(_) => return None,
        })
    }
}

fn too_late(patience: Duration) -> Failure {
    Failure::Outage {
        text: format!("no answer within {}", humantime::format_duration(patience)),
        help: Some(
            "the deadline of the policy goes on while its host waits, as in the cluster; raise `timeout`".into(),
        ),
    }
}

/// An error and its causes in the server's rendering: the message, then an indented list.
fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let causes: Vec<String> =
        std::iter::successors(error.source(), |&cause| cause.source()).map(|cause| cause.to_string()).collect();
    if causes.is_empty() {
        return text;
    }
    text.push_str("\n\nCaused by:");
    for (number, cause) in causes.iter().enumerate() {
        let label = if causes.len() > 1 { format!("{number}: ") } else { String::new() };
        let indent = format!("\n{:width$}", "", width = 4 + label.len());
        let _ = write!(text, "\n    {label}{}", cause.lines().collect::<Vec<_>>().join(&indent));
    }
    text
}
