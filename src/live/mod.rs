//! Live host calls, for runs with `--live`: the system's resolver, certificates, registries, a cluster.
//!
//! Live services are called last, if the suite has no mock for a call, and only if the access rules allow it. Their replies
//! count, errors included, as in policy-server. A service that is unavailable is a fault of the case: a verdict that rests
//! on an outage is not valid.

mod causes;
mod crypto;
mod kubernetes;
mod net;
mod oci;
mod signatures;
#[cfg(test)]
pub(super) mod testing;
#[cfg(test)]
mod tests;

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
    /// A live host with this registry client and trust root. Connections are opened on first use.
    pub(crate) fn new(registry: Registry, trust_root: TrustRoot) -> Self {
        Self { api_server: kubernetes::ApiServer::default(), images: oci::Images::new(registry, trust_root) }
    }

    async fn call(&self, request: &Request, options: &LiveOptions) -> Option<LiveReply> {
        let api_server = &self.api_server;
        Some(match request {
            Request::DNSLookupHost(asked) => net::lookup(&asked.host).await,
            Request::CryptoIsCertificateTrusted(asked) => crypto::verify(asked, options.clock),
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
            | Request::SigstoreCertificateVerify(_) => self.images.reply(request).await,
            Request::HasKubernetesListResourceAllResultChangedSinceInstant(_) => return None,
        })
    }
}

impl LiveHost for LiveServices {
    fn answer(&self, request: &Request, options: &LiveOptions) -> Option<LiveReply> {
        network::wait(async {
            match tokio::time::timeout(options.timeout, self.call(request, options)).await {
                Ok(reply) => reply,
                Err(_) => Some(Err(timed_out(options.timeout))),
            }
        })
    }
}

fn timed_out(timeout: Duration) -> LiveFailure {
    LiveFailure::Outage {
        text: format!("no answer within {}", humantime::format_duration(timeout)),
        help: Some("raise `timeout`: the time a host call takes counts, as in the cluster".into()),
    }
}
