//! Error responses: the status, the server's own text, and what to do.

use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Method, StatusCode};
use serde_json::Value;

use super::display;
use super::error::{Class, Failure};
use super::http::Response;
use super::retry::retry_after;
use super::secrets::Secrets;
use super::transport;

/// Errors of one response that are shown.
const MAX_ERRORS: usize = 3;

/// The failure of an error response.
pub(super) fn failure(response: &Response, secrets: &Secrets) -> Failure {
    let detail = detail(response, secrets);
    let shown = detail.as_ref().map(|text| format!(" ({text})")).unwrap_or_default();
    let through = response.proxy.as_ref().map(|proxy| format!(" through the proxy {proxy}")).unwrap_or_default();
    let message = format!("{} returned {}{through}{shown}", display::server(&response.url), phrase(response.status));
    let failure = Failure { is_response: true, ..Failure::new(class(response.status), message) };
    let failure = match help(response, detail.as_deref().unwrap_or_default()) {
        Some(help) => failure.with_help(help),
        None => failure,
    };
    match response.status.as_u16() {
        408 | 425 | 429 | 500 | 502 | 503 | 504 => failure.retryable(retry_after(response.header(RETRY_AFTER))),
        _ => failure,
    }
}

fn class(status: StatusCode) -> Class {
    match status.as_u16() {
        401 | 403 => Class::Denied,
        404 | 410 => Class::NotFound,
        408 | 425 | 429 | 500 | 502 | 503 | 504 => Class::Unavailable,
        413 => Class::TooLarge,
        _ => Class::WrongContent,
    }
}

/// What to do about an error response with this text.
fn help(response: &Response, detail: &str) -> Option<String> {
    let host = display::authority(&response.url);
    let is_write = !matches!(response.method, Method::GET | Method::HEAD);
    if let (407 | 502 | 503 | 504, Some(proxy)) = (response.status.as_u16(), &response.proxy) {
        return Some(transport::check_proxy(
            proxy,
            response.status == StatusCode::PROXY_AUTHENTICATION_REQUIRED,
            &host,
        ));
    }
    let text = match response.status.as_u16() {
        _ if is_write && detail.contains("immutable") => "push to a new tag: the registry never moves this one".into(),
        401 => format!("log in with `docker login {host}`"),
        403 if is_write && host == "ghcr.io" => {
            "give the job `permissions: { packages: write }`, or log in with a token that has `write:packages`".into()
        }
        403 => "the credentials lack the permission: request it, or log in with another account".into(),
        404 if is_write => create_repository(&host, response.url.path()),
        404 | 410 => "check the name and the tag; private repositories may be reported this way too".into(),
        405 | 501 if is_write => "push to another registry: this one may be a mirror, or read-only".into(),
        413 => "ask the owner of the registry, or of the proxy before it, for a higher limit (nginx: \
                `client_max_body_size`)"
            .into(),
        400 | 415 | 422 if response.method == Method::PUT && response.url.path().contains("/manifests/") => {
            "ask the owner of the registry to allow artifacts of type `application/vnd.wasm.config.v1+json` (Quay: \
             `ALLOWED_OCI_ARTIFACT_TYPES`)"
                .into()
        }
        429 => "too many requests: try again later, or log in for a higher limit".into(),
        408 | 425 | 500 | 502 | 503 | 504 => "try again later".into(),
        _ => return None,
    };
    Some(text)
}

/// Help for a repository that a push does not create.
fn create_repository(host: &str, path: &str) -> String {
    let path = path.strip_prefix("/v2/").unwrap_or(path);
    let name = ["/blobs/", "/manifests/"].iter().find_map(|part| Some(path.split_once(part)?.0)).unwrap_or(path);
    if host.contains(".dkr.ecr.") || host == "public.ecr.aws" {
        return format!("create the repository first: aws ecr create-repository --repository-name {name}");
    }
    format!("create `{name}` in the registry first (its repository or project), or check the name and the permission")
}

/// `404 Not Found`
fn phrase(status: StatusCode) -> String {
    match status.canonical_reason() {
        Some(reason) => format!("{} {reason}", status.as_u16()),
        None => status.as_u16().to_string(),
    }
}

/// The text of an error response on one short line, without the secrets that were sent.
pub(super) fn detail(response: &Response, secrets: &Secrets) -> Option<String> {
    let text = match serde_json::from_slice::<Value>(&response.body) {
        Ok(document) => in_document(&document)?,
        Err(_) => plain(response)?,
    };
    Some(secrets.redact(&text)).filter(|text| !text.is_empty())
}

/// The errors of the distribution specification, those of OAuth2, or the message of another JSON document.
fn in_document(document: &Value) -> Option<String> {
    if let Some(errors) = document["errors"].as_array().filter(|errors| !errors.is_empty()) {
        let texts: Vec<String> = errors.iter().filter_map(one_error).take(MAX_ERRORS).collect();
        return Some(texts.join("; ")).filter(|text| !text.is_empty());
    }
    if let Some(code) = text(&document["error"]) {
        return Some(joined(&[Some(code), text(&document["error_description"]).or(text(&document["message"]))]));
    }
    ["message", "details", "detail", "title"].iter().find_map(|key| text(&document[*key])).map(str::to_owned)
}

/// `CODE: message: detail`
fn one_error(error: &Value) -> Option<String> {
    let message = text(&error["message"]);
    let detail = &error["detail"];
    let detail = text(detail).or(text(&detail["message"])).filter(|detail| Some(*detail) != message);
    let parts = [text(&error["code"]), message, detail];
    if parts.iter().all(Option::is_none) { text(error).map(str::to_owned) } else { Some(joined(&parts)) }
}

fn joined(parts: &[Option<&str>]) -> String {
    parts.iter().copied().flatten().collect::<Vec<_>>().join(": ")
}

fn text(value: &Value) -> Option<&str> {
    value.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// A body that is not JSON: of a web page its title, or its text without tags.
fn plain(response: &Response) -> Option<String> {
    let body = str::from_utf8(&response.body).ok()?.trim();
    let is_page = body.starts_with('<') || response.header(CONTENT_TYPE).is_some_and(|it| it.starts_with("text/html"));
    if !is_page {
        return Some(body.to_owned())
            .filter(|body| !body.is_empty() && !body.contains('\0') && !body.starts_with(['{', '[']));
    }
    let title = body.split_once("<title>").and_then(|(_, rest)| rest.split_once("</title>")).map(|(title, _)| title);
    let page = title.map_or_else(|| without_tags(body), str::to_owned);
    // Web servers repeat the status.
    Some(page).filter(|page| !page.trim().is_empty() && page.trim() != phrase(response.status))
}

fn without_tags(page: &str) -> String {
    let mut parts = page.split('<');
    let first = parts.next().unwrap_or_default();
    let rest = parts.map(|part| part.split_once('>').map_or("", |(_, text)| text));
    std::iter::once(first).chain(rest).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use reqwest::Url;
    use reqwest::header::HeaderMap;

    fn response(method: Method, url: &str, status: u16, content_type: &'static str, body: &str) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, content_type.parse().unwrap());
        let (status, url) = (StatusCode::from_u16(status).unwrap(), Url::parse(url).unwrap());
        Response { method, status, headers, body: body.as_bytes().to_vec(), url, proxy: None }
    }

    fn shown(content_type: &'static str, body: &str) -> Option<String> {
        detail(&response(Method::GET, "https://a.test/v2/p/manifests/v1", 400, content_type, body), &Secrets::default())
    }

    #[test]
    fn the_text_of_the_server_is_found() {
        let json = |body: &str| shown("application/json", body);
        for (body, expected) in [
            (r#"{"errors":[{"code":"DENIED","message":"no"}]}"#, "DENIED: no"),
            (r#"{"errors":[{"code":"A","message":"b"},{"code":"C"},{"message":"d"},{"code":"E"}]}"#, "A: b; C; d"),
            (
                r#"{"errors":[{"code":"MANIFEST_INVALID","message":"manifest invalid","detail":{"message":"type"}}]}"#,
                "MANIFEST_INVALID: manifest invalid: type",
            ),
            (r#"{"errors":[{"status":403,"message":"artifactory"}]}"#, "artifactory"),
            (r#"{"errors":["text"]}"#, "text"),
            (r#"{"error":"invalid_grant","error_description":"expired"}"#, "invalid_grant: expired"),
            (r#"{"details":"incorrect username or password"}"#, "incorrect username or password"),
            (r#"{"message":"a\nb"}"#, "a b"),
        ] {
            assert_eq!(json(body).as_deref(), Some(expected), "{body}");
        }
        for body in ["", "{}", "[]", "null", r#"{"errors":[]}"#, r#"{"errors":[{}]}"#, r#"{"errors":null}"#, "{ broken"]
        {
            assert_eq!(json(body), None, "{body}");
        }
        assert_eq!(shown("text/plain", "  access\u{1b} denied\n").as_deref(), Some("access denied"));
        assert_eq!(shown("text/html", "<html><title>Request blocked</title>x").as_deref(), Some("Request blocked"));
        assert_eq!(shown("text/html", "<h1>Blocked</h1><p>by <b>policy</b>").as_deref(), Some("Blocked by policy"));
        assert_eq!(shown("text/html", "<title>400 Bad Request</title>"), None);
        assert_eq!(shown("application/octet-stream", "a\0b"), None);
        assert_eq!(shown("text/plain", &"é".repeat(1000)).unwrap().chars().count(), 301);
    }

    #[test]
    fn every_refusal_has_its_remedy() {
        let manifest = "https://a.test/v2/acme/p/manifests/v1";
        let upload = "https://a.test/v2/acme/p/blobs/uploads/";
        let ecr = "https://1.dkr.ecr.eu-west-1.amazonaws.com/v2/acme/p/blobs/uploads/";
        for (method, url, status, body, help) in [
            (Method::POST, ecr, 404, "NAME_UNKNOWN", "aws ecr create-repository --repository-name acme/p"),
            (Method::POST, upload, 404, "project acme not found", "create `acme/p` in the registry first"),
            (Method::GET, manifest, 404, "", "check the name and the tag"),
            (Method::PUT, manifest, 415, "", "ALLOWED_OCI_ARTIFACT_TYPES"),
            (Method::PUT, manifest, 400, "MANIFEST_INVALID", "ALLOWED_OCI_ARTIFACT_TYPES"),
            (Method::PUT, manifest, 400, "the repository is immutable", "push to a new tag"),
            (Method::PUT, manifest, 412, "configured as immutable", "push to a new tag"),
            (Method::PATCH, upload, 413, "", "client_max_body_size"),
            (Method::POST, upload, 405, "UNSUPPORTED", "may be a mirror"),
            (Method::POST, upload, 401, "who are you", "docker login a.test"),
            (Method::POST, "https://ghcr.io/v2/acme/p/blobs/uploads/", 403, "", "packages: write"),
            (Method::POST, upload, 403, "", "lack the permission"),
            (Method::GET, manifest, 429, "", "too many requests"),
            (Method::GET, manifest, 503, "", "try again later"),
        ] {
            let failure = failure(&response(method, url, status, "text/plain", body), &Secrets::default());
            assert!(failure.help.as_ref().unwrap().contains(help), "{status} {body}: {failure:?}");
            assert!(failure.message.contains(body), "{failure:?}");
        }
    }
}
