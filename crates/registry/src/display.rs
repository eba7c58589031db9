//! How messages name servers, images and URLs.

use oci_client::Reference;
use reqwest::Url;

/// `host[:port]`, as `sources.yaml` lists hosts.
pub(crate) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// A server in backquotes. Never more of its URL: registries redirect to signed URLs.
pub(crate) fn server(url: &Url) -> String {
    format!("`{}`", authority(url))
}

/// `registry://host/repository:tag`.
pub(crate) fn image(image: &Reference) -> String {
    format!("registry://{image}")
}

/// A URL without its query and fragment, which may hold secrets.
pub(crate) fn url(url: &Url) -> String {
    let mut url = url.clone();
    if url.query().is_some() {
        url.set_query(Some("…"));
    }
    url.set_fragment(None);
    url.to_string().replace("%E2%80%A6", "…")
}

/// Untrusted text, shortened and without control characters.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(100).collect()
}
