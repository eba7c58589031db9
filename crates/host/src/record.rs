//! Writes recordings, in the format that `kwctl run --replay-host-capabilities-interactions` reads.
//!
//! Replies of the suite are recorded like those of a live host: a recording holds all calls of a case.

use super::reply::{CallError, Reply};
use super::request::Request;
pub use policy_verify_model::yaml::emit::Node;

/// A call and its reply in kwctl's format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// The request: a YAML document with a tag.
    request: String,
    /// What the policy received, or the error without the prefix of the server.
    response: Result<String, CallError>,
}

impl Recorded {
    pub(super) fn new(request: &Request, reply: &Reply) -> Self {
        let response = match reply {
            // Replies are JSON; kwctl cannot record bytes that are not UTF-8 either.
            Ok(bytes) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Err(error) => Err(error.clone()),
        };
        Self { request: document(request), response }
    }

    fn to_node(&self) -> Node {
        let response = match &self.response {
            Ok(payload) => [("type", Node::text("Success")), ("payload", Node::text(payload))],
            Err(CallError(message)) => [("type", Node::text("Error")), ("message", Node::text(message))],
        };
        let request = Node::text(&self.request);
        Node::map([("type", Node::text("Exchange")), ("request", request), ("response", Node::map(response))])
    }
}

/// The file for these calls, in their order. Without any it is `[]`.
pub fn session(calls: &[Recorded]) -> String {
    Node::List(calls.iter().map(Recorded::to_node).collect()).to_yaml()
}

/// The tag of the request, then the members in kwctl's order.
fn document(request: &Request) -> String {
    let text = serde_json::to_string(request).expect("a request holds only texts, numbers, lists and maps of texts");
    match serde_json::from_str(&text) {
        Ok(Node::Map(tagged)) => {
            let (tag, members) = tagged.into_iter().next().expect("an enum is written as one tag and its members");
            format!("!{tag}\n{}", members.to_yaml())
        }
        other => unreachable!("an enum of structs is never written as {other:?}"),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::replay;
    use crate::request::TAGS;
    use policy_verify_model::hosting::Session;
    use policy_verify_model::source::{SourceFile, Span};

    /// Every kind of request with every member in use and not, as serde_yaml 0.9.34 wrote kwctl's own types.
    const EVERY_VARIANT: &str = include_str!("../../../testdata/recordings/every-variant.yml");

    fn read(text: &str) -> Session {
        let file = Arc::new(SourceFile { path: "session.yml".into(), text: text.into() });
        let start = Span::start_of(&file);
        replay::read_session(file, start, false).unwrap()
    }

    fn written(read: &Session) -> String {
        let calls = read.exchanges.iter().map(|exchange| {
            let request = Request::from_recorded(&exchange.variant, &exchange.members).unwrap();
            let reply = exchange.response.clone().map(String::into_bytes).map_err(CallError);
            Recorded::new(&request, &reply)
        });
        session(&calls.collect::<Vec<_>>())
    }

    #[test]
    fn every_variant_is_written_as_kwctl_writes_it() {
        let session = read(EVERY_VARIANT);
        for tag in TAGS {
            assert!(session.exchanges.iter().any(|exchange| exchange.variant == *tag), "{tag} is missing in the file");
        }
        assert_eq!(written(&session), EVERY_VARIANT);
    }

    #[test]
    fn a_recording_without_calls_is_an_empty_list() {
        assert_eq!(session(&[]), "[]\n");
        assert!(read(&session(&[])).exchanges.is_empty());
    }

    #[test]
    fn any_text_is_written_and_read_back() {
        let texts = [
            "",
            " x ",
            "a\nb\n\n",
            "\n",
            "true",
            "1_000",
            "<<",
            "'",
            "- a",
            "a: b #c",
            "\u{85}\r\n\t\u{1b}[0m",
            "😀\u{2028}",
        ];
        let long_key = "k".repeat(200);
        for text in texts {
            let request = Request::from_recorded(
                "SigstorePubKeyVerify",
                &serde_json::json!({"image": text, "pub_keys": [text], "annotations": {text: text, (long_key.as_str()): text}}),
            );
            let reply: Reply = Err(text.into());
            let session = read(&session(&[Recorded::new(&request.clone().unwrap(), &reply)]));
            let Session { exchanges, .. } = session;
            assert_eq!(Request::from_recorded(&exchanges[0].variant, &exchanges[0].members), request, "{text:?}");
            assert_eq!(exchanges[0].response, Err(text.to_owned()));
        }
    }
}
