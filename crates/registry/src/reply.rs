//! What the status of an answer means, and what a registry has to say about it.

use reqwest::StatusCode;
use reqwest::header::RETRY_AFTER;
use serde::Deserialize;

use super::display;
use super::error::{Again, Class, Failure};
use super::http::Answer;
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

/// The failure an answer stands for whose status is none of success.
pub(super) fn failure(answer: &Answer, secrets: &Secrets) -> Failure {
    let status = answer.status;
    let says = says(answer, secrets).map(|text| format!(" ({text})")).unwrap_or_default();
    let message = format!("{} answers {}{says}", display::server(&answer.url), phrase(status));
    let failure = |class| Failure::new(class, message.clone());
    match status.as_u16() {
        401 => failure(Class::Denied).with_help("log in by `docker login`"),
        403 => failure(Class::Denied)
            .with_help("the credentials do not allow this: ask for the right, or log in as somebody else"),
        404 | 410 => failure(Class::NotFound).with_help("check the name and the tag; a private name may look the same"),
        408 | 425 | 500 | 502 | 503 | 504 => again(failure(Class::Unavailable), answer).with_help("try again later"),
        429 => again(failure(Class::Unavailable), answer)
            .with_help("too many requests: try again later, or log in to be allowed more of them"),
        _ => failure(Class::WrongContent),
    }
}

fn again(failure: Failure, answer: &Answer) -> Failure {
    let again: Again = retry_after(answer.header(RETRY_AFTER));
    failure.trying_again(again)
}

/// `404 Not Found`
fn phrase(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// The first error of the body, if it is a body of errors; without the secrets that were sent.
pub(super) fn says(answer: &Answer, secrets: &Secrets) -> Option<String> {
    let envelope: Envelope = serde_json::from_slice(&answer.body).ok()?;
    let (code, message) = match envelope.errors.into_iter().next() {
        Some(first) => (first.code, first.message),
        None => (envelope.error, envelope.error_description),
    };
    let text = match (code, message.filter(|message| !message.is_empty())) {
        (Some(code), Some(message)) => format!("{code}: {message}"),
        (code, message) => code.or(message)?,
    };
    Some(secrets.scrub(&text))
}
