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

use policy_verify_host::live::{LiveFailure, LiveHost, LiveOptions, LiveReply};
use policy_verify_host::request::Request;
use policy_verify_registry::Registry;
use policy_verify_registry::network;
use policy_verify_registry::signature::TrustRoot;

/// The live host of a run, one for all its cases.
pub(crate) struct LiveServices {
    api_server: kubernetes::ApiServer,
    images: oci::Images,
}

impl LiveServices {
    /// A live host with registries behind this door and keyless signatures judged by this root. Nothing is connected to
    /// before it is asked.
    pub(crate) fn new(registry: Registry, trust_root: TrustRoot) -> Self {
        Self { api_server: kubernetes::ApiServer::default(), images: oci::Images::new(registry, trust_root) }
    }

    async fn ask(&self, request: &Request, options: &LiveOptions) -> Option<LiveReply> {
        let api_server = &self.api_server;
        Some(match request {
            Request::DNSLookupHost(asked) => net::look_up(&asked.host).await,
            Request::CryptoIsCertificateTrusted(asked) => crypto::judge(asked, options.clock),
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

impl LiveHost for LiveServices {
    fn answer(&self, request: &Request, options: &LiveOptions) -> Option<LiveReply> {
        network::wait(async {
            match tokio::time::timeout(options.timeout, self.ask(request, options)).await {
                Ok(reply) => reply,
                Err(_) => Some(Err(too_late(options.timeout))),
            }
        })
    }
}

fn too_late(timeout: Duration) -> LiveFailure {
    LiveFailure::Outage {
        text: format!("no answer within {}", humantime::format_duration(timeout)),
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
