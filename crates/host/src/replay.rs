//! Answers recorded by `kwctl run --record-host-capabilities-interactions`, read unchanged.
//!
//! kwctl replays a recording strictly in order, so one more call of an SDK breaks it. Here exchanges are matched by
//! content unless the suite says `order: strict`; then even the error texts are kwctl's. Nothing is ever written here.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::Value;
use serde_saphyr::Tagged;

use super::reply::CallError;
use super::request::{Request, TAGS};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::{Exchange, Session};
use policy_verify_model::nearest::nearest;
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::yaml::{message, options, span_at, span_of_error};

/// An entry of the file as far as its shape goes.
#[derive(Deserialize)]
struct Written {
    request: Option<serde_saphyr::Spanned<Value>>,
    response: Option<serde_saphyr::Spanned<Value>>,
}

/// Reads a recording; all its mistakes are reported at once.
pub fn read_session(file: Arc<SourceFile>, named_at: Span, is_strict: bool) -> Result<Session, Vec<Diagnostic>> {
    if file.text.trim().is_empty() {
        return Err(vec![invalid("empty recording", HELP_EMPTY).at(&Span::start_of(&file))]);
    }
    let entries: Vec<serde_saphyr::Spanned<Written>> = serde_saphyr::from_str_with_options(&file.text, options())
        .map_err(|error| {
            vec![
                invalid(format!("invalid recording: {}", message(&error)), HELP_FILE).at(&span_of_error(&file, &error)),
            ]
        })?;
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

const HELP_EMPTY: &str = "write `[]` for a recording without exchanges";

const HELP_FILE: &str = "a recording is a list of exchanges, each with `request` and `response`";

const HELP_REQUEST: &str =
    "write a text with a tag and members:\nrequest: |\n  !DNSLookupHost\n  host: registry.acme.test";

const HELP_RESPONSE: &str = "write { type: Success, payload: … } or { type: Error, message: … }";

fn invalid(message: impl Into<String>, help: &str) -> Diagnostic {
    Diagnostic::new(Code::Mistake, message).with_help(help.to_owned())
}

fn read_exchange(file: &Arc<SourceFile>, span: Span, written: Written) -> Result<Exchange, Vec<Diagnostic>> {
    let mut mistakes = Vec::new();
    let request = match written.request {
        Some(request) => read_request(&span_at(file, request.referenced), &request.value),
        None => Err(invalid("missing `request`", HELP_REQUEST).at(&span)),
    };
    let response = match written.response {
        Some(response) => {
            let span = span_at(file, response.referenced);
            read_response(&response.value).map_err(|mistake| mistake.at(&span))
        }
        None => Err(invalid("missing `response`", HELP_RESPONSE).at(&span)),
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
fn read_request(span: &Span, value: &Value) -> Result<Request, Diagnostic> {
    let Value::String(text) = value else {
        return Err(invalid("invalid `request`: expected a string", HELP_REQUEST).at(span));
    };
    let unreadable = |what: &str, error: serde_saphyr::Error| {
        Diagnostic::new(Code::Mistake, format!("{what}: {}", message(&error))).at(&line_inside(span, &error))
    };
    let tag = serde_saphyr::from_str_with_options::<Tagged<Value>>(text, options())
        .map_err(|error| unreadable("invalid `request`", error))?
        .1;
    let Some(tag) = tag.as_deref().and_then(|tag| tag.strip_prefix('!')) else {
        return Err(invalid("missing tag in `request`", HELP_REQUEST).at(span));
    };
    if !TAGS.contains(&tag) {
        let help = nearest(tag, TAGS.iter().copied()).map(|tag| format!("did you mean `!{tag}`?"));
        return Err(Diagnostic::new(Code::Mistake, format!("unknown request `!{tag}`")).with_help(help).at(span));
    }
    serde_saphyr::from_str_with_options(text, options()).map_err(|error| unreadable(&format!("`!{tag}`"), error))
}

fn read_response(value: &Value) -> Result<Result<String, String>, Diagnostic> {
    match (value["type"].as_str(), value["payload"].as_str(), value["message"].as_str()) {
        (Some("Success"), Some(payload), _) => Ok(Ok(payload.to_owned())),
        (Some("Success"), None, _) => {
            Err(invalid("missing text `payload` in a response of type `Success`", HELP_RESPONSE))
        }
        (Some("Error"), _, Some(message)) => Ok(Err(message.to_owned())),
        (Some("Error"), _, None) => Err(invalid("missing text `message` in a response of type `Error`", HELP_RESPONSE)),
        (Some(other), ..) => {
            Err(invalid(format!("invalid `type` `{other}`: expected `Success` or `Error`"), HELP_RESPONSE))
        }
        (None, ..) => Err(invalid("missing `type` in `response`", HELP_RESPONSE)),
    }
}

/// The place in the file of an error inside of the text at `span`. Only block scalars keep their lines; in all other
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

/// A recording that is replayed for one case.
pub(super) struct Replay {
    session: Arc<Session>,
    is_used: Vec<bool>,
}

/// What a recording has for a request.
#[derive(Debug, PartialEq)]
pub(super) enum Replayed {
    /// The recorded reply.
    Reply(Result<String, CallError>),
    /// Nothing; the next source may have a reply.
    Unknown,
    /// Nothing, and no other source may answer because the order is strict. The text is kwctl's.
    OutOfOrder(CallError),
}

impl Replay {
    pub(super) fn new(session: Arc<Session>) -> Self {
        let is_used = vec![false; session.exchanges.len()];
        Self { session, is_used }
    }

    /// The reply to a request.
    pub(super) fn answer(&mut self, request: &Request) -> Replayed {
        if self.session.is_strict { self.next(request) } else { self.equal(request) }
    }

    /// The first equal exchange not used yet, else the last equal one once more: kwctl records every single call, and
    /// a policy may run more often here than it did there.
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
        Replayed::Reply(recorded(&self.session.exchanges[index]))
    }

    /// The next exchange, which is used up whether it is equal or not. Checks of cached lists are skipped.
    fn next(&mut self, request: &Request) -> Replayed {
        let is_left = |(exchange, is_used): (&Exchange, &bool)| !is_used && !is_check_of_a_cache(exchange);
        let Some(index) = self.session.exchanges.iter().zip(&self.is_used).position(is_left) else {
            return Replayed::OutOfOrder("the list of recorded responses is empty".into());
        };
        self.is_used[index] = true;
        let exchange = &self.session.exchanges[index];
        match Request::from_recorded(&exchange.variant, &exchange.members) {
            Some(expected) if expected == *request => Replayed::Reply(recorded(exchange)),
            Some(expected) => Replayed::OutOfOrder(unexpected(&format!("{expected:?}"), request)),
            None => Replayed::OutOfOrder(unexpected(&format!("{} {}", exchange.variant, exchange.members), request)),
        }
    }

    /// The exchanges that were not used and could have been.
    pub(super) fn leftovers(&self) -> impl Iterator<Item = &Exchange> {
        let unused = self.session.exchanges.iter().zip(&self.is_used).filter(|(_, is_used)| !**is_used);
        unused.map(|(exchange, _)| exchange).filter(|exchange| !is_check_of_a_cache(exchange))
    }

    pub(super) fn is_strict(&self) -> bool {
        self.session.is_strict
    }

    /// The recorded request that differs least from one without an answer, and how it differs.
    pub(super) fn nearest(&self, request: &Request) -> Option<String> {
        let (variant, members) = request.to_recorded();
        let same_variant = self.session.exchanges.iter().filter(|exchange| exchange.variant == variant);
        let (differences, exchange) = same_variant
            .map(|exchange| (differences(&exchange.members, &members), exchange))
            .min_by_key(|(differences, _)| differences.len())?;
        let differing = differences.iter().take(3).cloned().collect::<Vec<_>>().join("; ");
        let more = if differences.len() > 3 { "; …" } else { "" };
        Some(format!("closest recorded request ({}): {differing}{more}", exchange.span.file_and_line()))
    }
}

/// A request of policy-server when it has the Gatekeeper inventory of an earlier evaluation. Cases share nothing.
fn is_check_of_a_cache(exchange: &Exchange) -> bool {
    exchange.variant == "HasKubernetesListResourceAllResultChangedSinceInstant"
}

fn recorded(exchange: &Exchange) -> Result<String, CallError> {
    exchange.response.clone().map_err(CallError)
}

fn unexpected(expected: &str, request: &Request) -> CallError {
    CallError(format!("Replay error: unexpected request. Was expecting {expected}, got {request:?} instead"))
}

/// The members in which two requests of one variant differ.
fn differences(recorded: &Value, requested: &Value) -> Vec<String> {
    let mut found = Vec::new();
    compare("", recorded, requested, &mut found);
    found
}

fn compare(path: &str, recorded: &Value, requested: &Value, found: &mut Vec<String>) {
    match (recorded, requested) {
        (Value::Object(recorded), Value::Object(requested)) => {
            let mut keys: Vec<&String> = recorded.keys().chain(requested.keys()).collect();
            keys.sort_unstable();
            keys.dedup();
            for key in keys {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let [recorded, requested] = [recorded, requested].map(|side| side.get(key).unwrap_or(&Value::Null));
                compare(&path, recorded, requested, found);
            }
        }
        _ if recorded == requested => {}
        _ => found.push(format!("`{path}` is {} there, {} here", brief(recorded), brief(requested))),
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

    fn read(text: &str) -> Result<Session, Vec<Diagnostic>> {
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
        let line = |mistake: &Diagnostic| mistake.span.as_ref().unwrap().line;
        read(text).unwrap_err().iter().map(|mistake| format!("{}: {mistake}", line(mistake))).collect()
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
    fn all_tags_are_read() {
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
                "6: missing tag in `request`",
                "7: missing text `payload` in a response of type `Success`",
                "9: unknown request `!OciManifestDigset`",
                "11: invalid `type` `Maybe`: expected `Success` or `Error`",
                "12: invalid `request`: expected a string",
                "12: missing `response`",
                "13: missing `request`",
                "13: missing text `message` in a response of type `Error`",
            ]
        );
        assert_eq!(read(text).unwrap_err()[3].help.as_deref(), Some("did you mean `!OciManifestDigest`?"));
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

    /// A member that recordings of a later kwctl will have.
    #[test]
    fn lists_are_equal_whether_they_were_cached_or_not() {
        let written = "- request: |\n    !KubernetesListResourceAll\n    api_version: v1\n    kind: Pod\n    disable_cache: true\n  \
                       response: {type: Success, payload: '[]'}\n";
        let request = Request::from_recorded("KubernetesListResourceAll", &json!({"api_version": "v1", "kind": "Pod"}));
        for is_strict in [false, true] {
            let mut replay = replay(written, is_strict);
            assert_eq!(replay.answer(&request.clone().unwrap()), Replayed::Reply(Ok("[]".into())));
        }
    }

    #[test]
    fn a_mistake_inside_of_a_request_has_its_own_line() {
        let text = "- request: |-\n    !KubernetesGetResource\n    api_version: v1\n    kind: Pod\n    name: a\n    \
                    disable_cache: perhaps\n  response: {type: Success, payload: ''}\n";
        let Diagnostic { span, message, .. } = read(text).unwrap_err().remove(0);
        let span = span.unwrap();
        assert_eq!((span.line, span.column), (6, 5), "{message}");
        assert_eq!(&text[span.offset..span.offset + span.len], "disable_cache: perhaps");
    }

    #[test]
    fn a_recording_must_be_a_list() {
        let mistake = &read("request: x\n").unwrap_err()[0];
        assert_eq!(mistake.span.as_ref().unwrap().line, 1);
        assert!(mistake.message.starts_with("invalid recording: "), "{mistake}");
        assert_eq!(read("- [\n").unwrap_err()[0].span.as_ref().unwrap().file.path, "session.yml");
        assert_eq!(mistakes("\n"), ["1: empty recording"], "kwctl writes [] if there were no calls");
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
            "closest recorded request (session.yml:1): `namespace` is \"\" there, null here"
        );
    }

    #[test]
    fn equal_exchanges_answer_in_turn_and_the_last_one_repeats() {
        let entry = |payload: &str| {
            format!(
                "- request: |\n    !DNSLookupHost\n    host: a\n  response: {{type: Success, payload: {payload}}}\n"
            )
        };
        let mut replay = replay(&(entry("first") + entry("second").as_str()), false);
        let mut answer = || replay.answer(&dns("a"));
        assert_eq!(answer(), Replayed::Reply(Ok("first".into())));
        assert_eq!(answer(), Replayed::Reply(Ok("second".into())));
        assert_eq!(answer(), Replayed::Reply(Ok("second".into())));
        assert_eq!(replay.leftovers().count(), 0);
    }

    #[test]
    fn exchanges_are_matched_by_content_in_any_order() {
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
            matches!(replay.answer(&dns("localhost")), Replayed::OutOfOrder(error) if error.0.contains("OciManifestDigest"))
        );
        assert_eq!(
            replay.answer(&dns("localhost")),
            Replayed::OutOfOrder("the list of recorded responses is empty".into())
        );
    }

    /// kwctl checks before each evaluation but the first of a process whether a list has changed.
    #[test]
    fn checks_of_a_cache_are_skipped() {
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
