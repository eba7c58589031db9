//! Answers recorded by `kwctl run --record-host-capabilities-interactions`, read unchanged.
//!
//! kwctl replays a recording strictly in order, so an SDK that asks once more breaks it. Here exchanges are found by
//! content unless the suite says `order: strict`; then even the error texts are kwctl's. Nothing is ever written here.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Tagged;

use super::request::{Request, TAGS};

use policy_verify_model::hosting::{Exchange, Session};
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::yaml::{message, options, span_at, span_of_error};

/// Something wrong in a session file: where, what, and what to do about it.
pub(crate) type Mistake = (Span, String, Option<String>);

/// An entry of the file as far as its shape goes.
#[derive(Deserialize)]
struct Written {
    request: Option<serde_saphyr::Spanned<Value>>,
    response: Option<serde_saphyr::Spanned<Value>>,
}

/// Reads a session file; all its mistakes are reported at once.
pub fn read_session(file: Arc<SourceFile>, named_at: Span, is_strict: bool) -> Result<Session, Vec<Mistake>> {
    if file.text.trim().is_empty() {
        let help = "a session without exchanges is written `[]`";
        return Err(vec![(Span::start_of(&file), "the session is empty".into(), Some(help.into()))]);
    }
    let entries: Vec<serde_saphyr::Spanned<Written>> = serde_saphyr::from_str_with_options(&file.text, options())
        .map_err(|error| vec![not_a_session(&file, &error)])?;
    let mut exchanges = Vec::new();
    let mut mistakes = Vec::new();
    for entry in entries {
        let span = span_at(&file, entry.referenced);
        match read_exchange(&file, span, entry.value) {
            Ok(exchange) => exchanges.push(exchange),
            Err(found) => mistakes.extend(found),
        }
    }
    if mistakes.is_empty() { Ok(Session { file, named_at, is_strict, exchanges }) } else { Err(mistakes) }
}

fn not_a_session(file: &Arc<SourceFile>, error: &serde_saphyr::Error) -> Mistake {
    (
        span_of_error(file, error),
        format!("not a session of kwctl: {}", message(error)),
        Some("a session is a list of exchanges, each with `request` and `response`".into()),
    )
}

fn read_exchange(file: &Arc<SourceFile>, span: Span, written: Written) -> Result<Exchange, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let request = match written.request {
        Some(request) => read_request(&span_at(file, request.referenced), &request.value),
        None => Err((span.clone(), "the exchange has no `request`".into(), Some(request_help()))),
    };
    let response = match written.response {
        Some(response) => read_response(&span_at(file, response.referenced), &response.value),
        None => Err((span.clone(), "the exchange has no `response`".into(), Some(RESPONSE_HELP.into()))),
    };
    let request = request.map_err(|mistake| mistakes.push(mistake));
    let response = response.map_err(|mistake| mistakes.push(mistake));
    match (request, response) {
        (Ok(request), Ok(response)) => {
            let (variant, members) = request.to_recorded();
            Ok(Exchange { variant, members, response, span })
        }
        _ => Err(mistakes),
    }
}

/// Reads the second YAML document, the one inside of the text: a tag, then members.
fn read_request(span: &Span, value: &Value) -> Result<Request, Mistake> {
    let mistake = |message: String, help: Option<String>| (span.clone(), message, help);
    let Value::String(text) = value else {
        return Err(mistake("`request` has to be a text".into(), Some(request_help())));
    };
    let tag = serde_saphyr::from_str_with_options::<Tagged<Value>>(text, options())
        .map_err(|error| (line_inside(span, &error), format!("unreadable request: {}", message(&error)), None))?
        .1;
    let Some(tag) = tag.as_deref().and_then(|tag| tag.strip_prefix('!')) else {
        return Err(mistake("the request has no tag to say what it asks".into(), Some(request_help())));
    };
    if !TAGS.contains(&tag) {
        let help = nearest_tag(tag).map(|tag| format!("did you mean `!{tag}`?"));
        return Err(mistake(format!("unknown kind of request `!{tag}`"), help));
    }
    serde_saphyr::from_str_with_options(text, options())
        .map_err(|error| (line_inside(span, &error), format!("`!{tag}`: {}", message(&error)), None))
}

fn request_help() -> String {
    "a request is a text holding a tag and members:\nrequest: |\n  !DNSLookupHost\n  host: registry.acme.test".into()
}

fn nearest_tag(tag: &str) -> Option<&'static str> {
    let closeness = |candidate: &str| strsim::jaro_winkler(&candidate.to_lowercase(), &tag.to_lowercase());
    let nearest = TAGS.iter().copied().max_by(|a, b| closeness(a).total_cmp(&closeness(b)))?;
    (closeness(nearest) > 0.8).then_some(nearest)
}

const RESPONSE_HELP: &str = "a response is { type: Success, payload: … } or { type: Error, message: … }";

fn read_response(span: &Span, value: &Value) -> Result<Result<String, String>, Mistake> {
    let mistake = |message: &str| Err((span.clone(), message.to_owned(), Some(RESPONSE_HELP.to_owned())));
    match (value["type"].as_str(), value["payload"].as_str(), value["message"].as_str()) {
        (Some("Success"), Some(payload), _) => Ok(Ok(payload.to_owned())),
        (Some("Success"), None, _) => mistake("a successful response needs a `payload`, a text"),
        (Some("Error"), _, Some(message)) => Ok(Err(message.to_owned())),
        (Some("Error"), _, None) => mistake("a failed response needs a `message`, a text"),
        (Some(_), ..) => mistake("the `type` of a response is `Success` or `Error`"),
        (None, ..) => mistake("the response has no `type`"),
    }
}

/// Where an error inside of the text at `span` stands in the file. Only block scalars keep their lines; in all other
/// texts the place is the text as a whole.
fn line_inside(span: &Span, error: &serde_saphyr::Error) -> Span {
    let lines: Vec<&str> = span.file.text.split_inclusive('\n').collect();
    // The place of a block scalar is its first line of text, one below its indicator.
    let above = span.line.checked_sub(2).and_then(|above| lines.get(above)).map_or("", |line| line.trim_end());
    let is_block = above.trim_end_matches(|c: char| c.is_ascii_digit() || "+-".contains(c)).ends_with(['|', '>']);
    let inner = error.location().and_then(|location| usize::try_from(location.line()).ok());
    let (true, Some(inner)) = (is_block, inner) else { return span.clone() };
    let line = span.line + inner.saturating_sub(1);
    let Some(text) = lines.get(line - 1) else { return span.clone() };
    let start: usize = lines[..line - 1].iter().map(|line| line.len()).sum();
    let indent = text.len() - text.trim_start().len();
    let len = text.trim().len();
    Span { file: Arc::clone(&span.file), offset: start + indent, len, line, column: indent + 1 }
}

/// A session being replayed for one case.
pub(super) struct Replay {
    session: Arc<Session>,
    is_used: Vec<bool>,
}

/// What a session says to a request.
#[derive(Debug, PartialEq)]
pub(super) enum Replayed {
    /// The recorded reply.
    Reply(Result<String, String>),
    /// Nothing; the next answerer may know.
    Unknown,
    /// Nothing, and nobody else may answer: the order is strict. The text is kwctl's.
    OutOfOrder(String),
}

impl Replay {
    pub(super) fn new(session: Arc<Session>) -> Self {
        let is_used = vec![false; session.exchanges.len()];
        Self { session, is_used }
    }

    /// Answers a request.
    pub(super) fn answer(&mut self, request: &Request) -> Replayed {
        if self.session.is_strict { self.next(request) } else { self.equal(request) }
    }

    /// The first equal exchange not used yet, else the last equal one once more: kwctl records every single call, and
    /// a policy may be asked more often here than it was there.
    fn equal(&mut self, request: &Request) -> Replayed {
        let (variant, members) = request.to_recorded();
        let is_equal = |index: &usize| {
            let exchange = &self.session.exchanges[*index];
            exchange.variant == variant && exchange.members == members
        };
        let equal: Vec<usize> = (0..self.is_used.len()).filter(is_equal).collect();
        let fresh = equal.iter().find(|index| !self.is_used[**index]);
        let Some(&index) = fresh.or(equal.last()) else { return Replayed::Unknown };
        self.is_used[index] = true;
        Replayed::Reply(self.session.exchanges[index].response.clone())
    }

    /// The next exchange, which is used up whether it fits or not. A check of a cached list answers nothing here, so it is
    /// passed over.
    fn next(&mut self, request: &Request) -> Replayed {
        let is_left = |(exchange, is_used): (&Exchange, &bool)| !is_used && !is_check_of_a_cache(exchange);
        let Some(index) = self.session.exchanges.iter().zip(&self.is_used).position(is_left) else {
            return Replayed::OutOfOrder("the list of recorded responses is empty".into());
        };
        self.is_used[index] = true;
        let exchange = &self.session.exchanges[index];
        match Request::from_recorded(&exchange.variant, &exchange.members) {
            Some(expected) if expected == *request => Replayed::Reply(exchange.response.clone()),
            Some(expected) => Replayed::OutOfOrder(unexpected(&format!("{expected:?}"), request)),
            None => Replayed::OutOfOrder(unexpected(&format!("{} {}", exchange.variant, exchange.members), request)),
        }
    }

    /// What was never used and could have been.
    pub(super) fn leftovers(&self) -> impl Iterator<Item = &Exchange> {
        let unused = self.session.exchanges.iter().zip(&self.is_used).filter(|(_, is_used)| !**is_used);
        unused.map(|(exchange, _)| exchange).filter(|exchange| !is_check_of_a_cache(exchange))
    }

    pub(super) fn is_strict(&self) -> bool {
        self.session.is_strict
    }

    /// The recorded exchange that differs least from a request nobody could answer, described for a person.
    pub(super) fn nearest(&self, request: &Request) -> Option<String> {
        let (variant, members) = request.to_recorded();
        let same_variant = self.session.exchanges.iter().filter(|exchange| exchange.variant == variant);
        let (differences, exchange) = same_variant
            .map(|exchange| (differences(&exchange.members, &members), exchange))
            .min_by_key(|(differences, _)| differences.len())?;
        let differing = differences.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        let more = if differences.len() > 3 { "; and more" } else { "" };
        Some(format!("the nearest recorded request, {}, differs in {differing}{more}", exchange.span.file_and_line()))
    }
}

/// What policy-server asks when it has a Gatekeeper inventory of an earlier evaluation. Cases share nothing.
fn is_check_of_a_cache(exchange: &Exchange) -> bool {
    exchange.variant == "HasKubernetesListResourceAllResultChangedSinceInstant"
}

fn unexpected(expected: &str, request: &Request) -> String {
    format!("Replay error: unexpected request. Was expecting {expected}, got {request:?} instead")
}

/// In what two requests of one variant differ, member by member.
fn differences(recorded: &Value, asked: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", recorded, asked, &mut found);
    found
}

fn compare(path: &str, recorded: &Value, asked: &Value, found: &mut Vec<String>) {
    match (recorded, asked) {
        (Value::Object(recorded), Value::Object(asked)) => {
            let mut keys: Vec<&String> = recorded.keys().chain(asked.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let [recorded, asked] = [recorded, asked].map(|side| side.get(key).unwrap_or(&Value::Null));
                compare(&path, recorded, asked, found);
            }
        }
        _ if recorded == asked => {}
        _ => found.push(format!("`{path}`: recorded {}, asked {}", brief(recorded), brief(asked))),
    }
}

/// A value as JSON, cut where it becomes a certificate.
fn brief(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    if text.len() <= MOST { text } else { format!("{}…", &text[..text.floor_char_boundary(MOST)]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const RECORDED: &str = r#"- type: Exchange
  request: |
    !DNSLookupHost
    host: localhost
  response:
    type: Success
    payload: '{"ips":["127.0.0.1"]}'
- request: |
    !KubernetesGetResource
    api_version: v1
    kind: Namespace
    name: web
    namespace: null
    disable_cache: false
    field_masks: null
  response:
    type: Success
    payload: '{"kind":"Namespace"}'
- type: Exchange
  request: |
    !OciManifestDigest
    image: registry.example.com/app:1
  response:
    type: Error
    message: 'something failed'
"#;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: "session.yml".into(), text: text.into() })
    }

    fn read(text: &str) -> Result<Session, Vec<Mistake>> {
        let file = file(text);
        let named_at = Span::start_of(&file);
        read_session(file, named_at, false)
    }

    fn replay(text: &str, is_strict: bool) -> Replay {
        let session = read(text).unwrap();
        Replay::new(Arc::new(Session { is_strict, ..session }))
    }

    fn dns(host: &str) -> Request {
        Request::from_recorded("DNSLookupHost", &json!({"host": host})).unwrap()
    }

    /// The mistakes, each as `line: message`.
    fn mistakes(text: &str) -> Vec<String> {
        read(text).unwrap_err().into_iter().map(|(span, message, _)| format!("{}: {message}", span.line)).collect()
    }

    #[test]
    fn a_recording_of_kwctl_is_read_unchanged() {
        let session = read(RECORDED).unwrap();
        let lines: Vec<usize> = session.exchanges.iter().map(|exchange| exchange.span.line).collect();
        assert_eq!(lines, [1, 8, 19]);
        assert_eq!(session.exchanges[0].variant, "DNSLookupHost");
        assert_eq!(session.exchanges[0].response, Ok(r#"{"ips":["127.0.0.1"]}"#.into()));
        assert_eq!(session.exchanges[1].members["namespace"], json!(null));
        assert_eq!(session.exchanges[2].response, Err("something failed".into()));
        assert!(read("[]\n").unwrap().exchanges.is_empty());
    }

    #[test]
    fn every_tag_with_members_is_understood() {
        let crypto = "- request: \"!CryptoIsCertificateTrusted {request: {cert: {encoding: Pem, data: [45, 46]}, \
                      cert_chain: null, not_after: ''}}\"\n  response: {type: Error, message: no}\n";
        let members = &read(crypto).unwrap().exchanges[0].members;
        assert_eq!(members["request"]["cert"], json!({"encoding": "Pem", "data": [45, 46]}));
        let verify = "- request: |\n    !SigstoreKeylessVerify\n    image: app:1\n    keyless:\n    - issuer: i\n      subject: s\n    \
                      annotations:\n      env: prod\n  response: {type: Error, message: no}\n";
        let members = &read(verify).unwrap().exchanges[0].members;
        assert_eq!(
            *members,
            json!({"image": "app:1", "keyless": [{"issuer": "i", "subject": "s"}], "annotations": {"env": "prod"}})
        );
        let rego = "- request: |\n    !HasKubernetesListResourceAllResultChangedSinceInstant\n    api_version: v1\n    \
                    kind: Pod\n    since:\n      secs: 0\n      nanos: 5\n  response: {type: Success, payload: 'false'}\n";
        assert_eq!(read(rego).unwrap().exchanges[0].members["kind"], json!("Pod"));
    }

    #[test]
    fn all_mistakes_are_reported_with_their_lines() {
        let text = "- request: |\n    !DNSLookupHost\n    hots: x\n  response: {type: Success, payload: ''}\n\
                    - request: |\n    host: x\n  response: {type: Success}\n\
                    - request: |\n    !OciManifestDigset\n    image: x\n  response: {type: Maybe}\n\
                    - request: {DNSLookupHost: {host: x}}\n\
                    - response: {type: Error, message: 5}\n";
        assert_eq!(
            mistakes(text),
            [
                "3: `!DNSLookupHost`: missing field `host`",
                "6: the request has no tag to say what it asks",
                "7: a successful response needs a `payload`, a text",
                "9: unknown kind of request `!OciManifestDigset`",
                "11: the `type` of a response is `Success` or `Error`",
                "12: `request` has to be a text",
                "12: the exchange has no `response`",
                "13: the exchange has no `request`",
                "13: a failed response needs a `message`, a text",
            ]
        );
        let (_, _, help) = &read(text).unwrap_err()[3];
        assert_eq!(help.as_deref(), Some("did you mean `!OciManifestDigest`?"));
    }

    #[test]
    fn a_missing_boolean_is_a_mistake_but_a_missing_option_is_not() {
        let get = |rest: &str| {
            format!(
                "- request: |\n    !KubernetesGetResource\n    api_version: v1\n    kind: Namespace\n    name: web\n{rest}  \
                 response: {{type: Success, payload: ''}}\n"
            )
        };
        assert_eq!(mistakes(&get("")), ["5: `!KubernetesGetResource`: missing field `disable_cache`"]);
        let session = read(&get("    disable_cache: true\n")).unwrap();
        assert_eq!(session.exchanges[0].members["namespace"], json!(null));
    }

    #[test]
    fn a_mistake_inside_of_a_request_is_found_on_its_line() {
        let text = "- request: |-\n    !KubernetesGetResource\n    api_version: v1\n    kind: Pod\n    name: a\n    \
                    disable_cache: perhaps\n  response: {type: Success, payload: ''}\n";
        let (span, message, _) = read(text).unwrap_err().remove(0);
        assert_eq!((span.line, span.column), (6, 5), "{message}");
        assert_eq!(&text[span.offset..span.offset + span.len], "disable_cache: perhaps");
    }

    #[test]
    fn what_is_no_list_is_no_session() {
        let (span, message, _) = &read("request: x\n").unwrap_err()[0];
        assert_eq!(span.line, 1);
        assert!(message.starts_with("not a session of kwctl: "), "{message}");
        assert_eq!(read("- [\n").unwrap_err()[0].0.file.path, "session.yml");
        assert_eq!(mistakes("\n"), ["1: the session is empty"], "kwctl writes [] when nothing was asked");
    }

    #[test]
    fn an_empty_text_is_not_null() {
        let get = |namespace: &str| {
            let text = format!(
                "- request: |\n    !KubernetesGetResource\n    api_version: v1\n    kind: Pod\n    name: a\n    namespace: \
                 {namespace}\n    disable_cache: true\n  response: {{type: Success, payload: found}}\n"
            );
            replay(&text, false)
        };
        let asked = json!({"api_version": "v1", "kind": "Pod", "name": "a", "disable_cache": true});
        let asked = Request::from_recorded("KubernetesGetResource", &asked).unwrap();
        assert_eq!(get("null").answer(&asked), Replayed::Reply(Ok("found".into())));
        assert_eq!(get("''").answer(&asked), Replayed::Unknown);
        assert_eq!(
            get("''").nearest(&asked).unwrap(),
            "the nearest recorded request, session.yml:1, differs in `namespace`: recorded \"\", asked null"
        );
    }

    #[test]
    fn equal_exchanges_answer_in_turn_and_the_last_one_for_ever() {
        let entry = |payload: &str| {
            format!(
                "- request: |\n    !DNSLookupHost\n    host: a\n  response: {{type: Success, payload: {payload}}}\n"
            )
        };
        let mut replay = replay(&(entry("first") + entry("second").as_str()), false);
        let mut ask = || replay.answer(&dns("a"));
        assert_eq!(ask(), Replayed::Reply(Ok("first".into())));
        assert_eq!(ask(), Replayed::Reply(Ok("second".into())));
        assert_eq!(ask(), Replayed::Reply(Ok("second".into())));
        assert_eq!(replay.leftovers().count(), 0);
    }

    #[test]
    fn content_matters_and_not_the_order() {
        let mut replay = replay(RECORDED, false);
        let digest = Request::from_recorded("OciManifestDigest", &json!({"image": "registry.example.com/app:1"}));
        assert_eq!(replay.answer(&digest.unwrap()), Replayed::Reply(Err("something failed".into())));
        assert_eq!(replay.answer(&dns("elsewhere")), Replayed::Unknown);
        let left: Vec<&str> = replay.leftovers().map(|exchange| exchange.variant.as_str()).collect();
        assert_eq!(left, ["DNSLookupHost", "KubernetesGetResource"]);
    }

    #[test]
    fn strict_order_fails_in_the_words_of_kwctl() {
        let mut replay = replay(RECORDED, true);
        assert_eq!(replay.answer(&dns("localhost")), Replayed::Reply(Ok(r#"{"ips":["127.0.0.1"]}"#.into())));
        assert_eq!(
            replay.answer(&dns("localhost")),
            Replayed::OutOfOrder(
                "Replay error: unexpected request. Was expecting KubernetesGetResource { api_version: \"v1\", kind: \
                 \"Namespace\", name: \"web\", namespace: None, disable_cache: false, field_masks: None }, got \
                 DNSLookupHost { host: \"localhost\" } instead"
                    .into()
            )
        );
        assert!(
            matches!(replay.answer(&dns("localhost")), Replayed::OutOfOrder(text) if text.contains("OciManifestDigest"))
        );
        assert_eq!(
            replay.answer(&dns("localhost")),
            Replayed::OutOfOrder("the list of recorded responses is empty".into())
        );
    }

    /// kwctl asks before each evaluation but the first of a process whether a list has changed.
    #[test]
    fn checks_of_a_cache_are_passed_over() {
        let check = "- request: |\n    !HasKubernetesListResourceAllResultChangedSinceInstant\n    api_version: v1\n    kind: \
                     Pod\n    since: {secs: 1, nanos: 2}\n  response: {type: Success, payload: 'true'}\n";
        let list = "- request: |\n    !KubernetesListResourceAll\n    api_version: v1\n    kind: Pod\n  response: {type: \
                    Success, payload: '{}'}\n";
        let members = json!({"api_version": "v1", "kind": "Pod"});
        let request = Request::from_recorded("KubernetesListResourceAll", &members).unwrap();
        for is_strict in [true, false] {
            let mut replay = replay(&format!("{check}{list}{check}"), is_strict);
            assert_eq!(replay.answer(&request), Replayed::Reply(Ok("{}".into())), "{is_strict}");
            assert_eq!(replay.leftovers().count(), 0, "{is_strict}");
        }
    }
}
