//! The words for requests without a response: no connection, a proxy, TLS, a connection that broke.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use reqwest::Url;

use super::display;
use super::error::{Class, Failure, MORE_TIME, Retry};
use super::hosts::Refused;
use super::proxy::ProxyAddress;
use super::sources;
use super::tls;

const CHECK: &str = "check the host name, the proxy and the firewall";

/// No response in time.
pub(super) fn idle(url: &Url, timeout: Duration) -> Failure {
    Failure::new(Class::TimedOut, format!("no response from {} within {timeout:?}", display::server(url)))
        .with_help(MORE_TIME)
}

/// The failure of a request without response, sent through a proxy or not.
pub(super) fn failure(error: &reqwest::Error, url: &Url, proxy: Option<&ProxyAddress>) -> Failure {
    if let Some(refused) = reason_of::<Refused>(error) {
        return Failure::new(Class::Refused, refused.to_string()).with_help(refused.help());
    }
    let (reason, server, host) = (innermost(error), display::server(url), display::authority(url));
    let lower = reason.to_lowercase();
    if let Some(failure) = tls::refused_certificate(error, &host) {
        return failure;
    }
    // The TLS handshake with a server that speaks plain HTTP.
    if error.is_connect() && (lower.contains("corrupt message") || lower.contains("handshake eof")) {
        let help = format!(
            "for plain HTTP on a network you trust, write `insecure_sources: [\"{host}\"]` into {}, or into a file \
             passed with `--sources-path`",
            sources::default_file()
        );
        return Failure::new(Class::Unreachable, format!("{server} does not support TLS")).with_help(help);
    }
    let through = proxy.map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
    let needs_login = lower.contains("authorization required");
    let help = proxy.map_or_else(|| CHECK.to_owned(), |proxy| check_proxy(proxy, needs_login, &host));
    if error.is_timeout() {
        return Failure::new(Class::TimedOut, format!("connection to {server}{through} timed out")).with_help(help);
    }
    if error.is_connect() && (!is_broken_connection(error) || proxy.is_some()) {
        let failure = Failure::new(Class::Unreachable, format!("cannot connect to {server}{through}: {reason}"));
        return failure.with_help(if lower.contains("handshake") {
            "for a host with plain HTTP, add it to `insecure_sources` in sources.yaml".to_owned()
        } else {
            help
        });
    }
    let message = format!("{server} closed the connection: {reason}");
    let failure = Failure::new(Class::Unreachable, message).with_help("try again later");
    // A response that hyper cannot parse is the same the next time.
    if lower.contains("invalid") { failure } else { failure.retryable(Retry::Backoff) }
}

/// What to do about a proxy that does not connect to a host.
pub(super) fn check_proxy(proxy: &ProxyAddress, needs_login: bool, host: &str) -> String {
    let setting = proxy.setting();
    if needs_login {
        return format!("write the login of the proxy into {setting}: http://USER:PASSWORD@PROXY:PORT");
    }
    format!("check {setting}, or add `{host}` to NO_PROXY")
}

/// The last reason in the chain: those before it say where in reqwest and hyper it happened.
pub(super) fn innermost(error: &reqwest::Error) -> String {
    let mut reason = error.source();
    let mut text = None;
    while let Some(cause) = reason {
        text = Some(cause.to_string());
        reason = cause.source();
    }
    text.unwrap_or_else(|| "the request cannot be sent".into())
}

/// The error of this type in the chain.
fn reason_of<E: std::error::Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut reason = error.source();
    while let Some(cause) = reason {
        if let Some(found) = cause.downcast_ref() {
            return Some(found);
        }
        reason = cause.source();
    }
    None
}

fn is_broken_connection(error: &reqwest::Error) -> bool {
    let mut reason = error.source();
    while let Some(cause) = reason {
        if let Some(error) = cause.downcast_ref::<io::Error>() {
            use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
            if [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind()) {
                return true;
            }
        }
        reason = cause.source();
    }
    false
}
