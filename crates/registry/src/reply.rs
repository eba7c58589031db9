//! Error responses: the status, and the error in the body.

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;

use super::display;
use super::error::{Class, Failure};
use super::http::Response;
use super::retry::retry_after;
use super::secrets::Secrets;

/// The errors of the distribution specification, and the one of OAuth2.
#[derive(Deserialize)]
struct Envelope {
    #[serde(default)]
    errors: Vec<Detail>,
    error: Option<String>,
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Detail {
    code: Option<String>,
    message: Option<String>,
}

/// The failure of an error response.
pub(super) fn failure(response: &Response, secrets: &Secrets) -> Failure {
    let status = response.status;
    let detail = detail(response, secrets).map(|text| format!(" ({text})")).unwrap_or_default();
    let message = format!("{} returned {}{detail}", display::server(&response.url), phrase(status));
    let failure = |class| Failure::new(class, message.clone());
    match status.as_u16() {
        401 => failure(Class::Denied).with_help("log in with `docker login`"),
        403 => failure(Class::Denied)
            .with_help("the credentials lack the permission: request it, or log in with another account"),
        404 | 410 => failure(Class::NotFound)
            .with_help("check the name and the tag; private repositories may be reported this way too"),
        408 | 425 | 500 | 502 | 503 | 504 => {
            retryable(failure(Class::Unavailable), response).with_help("try again later")
        }
        429 => retryable(failure(Class::Unavailable), response)
            .with_help("too many requests: try again later, or log in for a higher limit"),
        _ => failure(Class::WrongContent),
    }
}

fn retryable(failure: Failure, response: &Response) -> Failure {
    let retry = retry_after(response.header(RETRY_AFTER));
    failure.retryable(retry)
}

/// `404 Not Found`
fn phrase(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// The first error in the body, if it has errors; without the secrets that were sent.
pub(super) fn detail(response: &Response, secrets: &Secrets) -> Option<String> {
    let envelope: Envelope = serde_json::from_slice(&response.body).ok()?;
    let (code, message) = match envelope.errors.into_iter().next() {
        Some(first) => (first.code, first.message),
        None => (envelope.error, envelope.error_description),
    };
    let text = match (code, message.filter(|message| !message.is_empty())) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (code, message) => code.or(message)?,
    };
    Some(secrets.redact(&text))
}
