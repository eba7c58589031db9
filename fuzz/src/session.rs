//! Recordings of host calls, which pull requests bring with them.

use std::sync::Arc;

use policy_verify_host::replay::read_session;
use policy_verify_host::request::Request;
use policy_verify_model::hosting::{Exchange, HostAnswers, Session};
use policy_verify_model::source::{SourceFile, Span};
use serde_json::json;

use super::checks;

/// What is read of a recording is read again when it is written in another way; a mistake has a place.
pub fn session(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let session = match read(text) {
        Ok(session) => session,
        Err(mistakes) => {
            assert!(!mistakes.is_empty());
            return mistakes.iter().for_each(checks::mistake);
        }
    };
    let exchanges = session.exchanges.iter().map(written).collect::<Vec<_>>();
    let again = read(json!(exchanges).to_string()).unwrap_or_else(|mistakes| panic!("{exchanges:?}: {mistakes:?}"));
    let parts = |it: &Exchange| (it.variant.clone(), it.members.clone(), it.response.clone());
    let (first, second) = (session.exchanges.iter().map(parts), again.exchanges.iter().map(parts));
    assert_eq!(first.collect::<Vec<_>>(), second.collect::<Vec<_>>());
    for exchange in &session.exchanges {
        checks::place(&exchange.span);
        let request = Request::from_recorded(&exchange.variant, &exchange.members);
        assert!(request.is_some_and(|request| !request.capability().is_empty()), "{exchange:?}");
    }
    let answers = HostAnswers { own_session: Some(Arc::new(session)), ..HostAnswers::default() };
    policy_verify_host::Host::new(Arc::new(answers)).journal().warnings.iter().for_each(|warning| {
        assert!(!warning.is_empty());
    });
}

fn read(text: String) -> Result<Session, Vec<policy_verify_model::diagnostic::Diagnostic>> {
    let file = Arc::new(SourceFile { path: "session.yml".into(), text });
    read_session(Arc::clone(&file), Span::start_of(&file), false)
}

/// An exchange in JSON, which is YAML, and so is its request.
fn written(exchange: &Exchange) -> serde_json::Value {
    let response = match &exchange.response {
        Ok(payload) => json!({ "type": "Success", "payload": payload }),
        Err(message) => json!({ "type": "Error", "message": message }),
    };
    let request = format!("!{} {}", exchange.variant, exchange.members);
    json!({ "type": "Exchange", "request": request, "response": response })
}
