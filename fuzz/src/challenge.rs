//! `WWW-Authenticate`: which server gets credentials, and what it is asked for.

use policy_verify_registry::fuzzing::challenges;
use url::Url;

/// Any header gives challenges whose realm is a URL, and any service that is written in quotes is read back.
pub fn challenge(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let base = Url::parse("https://registry.test/v2/").expect("a URL");
    for (realm, service) in challenges(&text, &base).into_iter().flatten() {
        assert!(["https", "http"].contains(&realm.scheme()), "{realm}");
        let again = Url::parse(realm.as_str()).unwrap_or_else(|error| panic!("{realm}: {error}"));
        assert_eq!(again, realm);
        assert!(service.is_none_or(|service| service.len() <= text.len()));
    }
    // What a header can hold, as `reqwest` reads it.
    if text.chars().all(|letter| letter == '\t' || (' '..='~').contains(&letter)) {
        let quoted = text.replace('\\', "\\\\").replace('"', "\\\"");
        let header = format!("Basic realm=\"{quoted}\", Bearer realm=\"https://a.test/t\",service=\"{quoted}\"");
        let realm = Url::parse("https://a.test/t").expect("a URL");
        assert_eq!(challenges(&header, &base), [None, Some((realm, Some(text.into_owned())))], "{header}");
    }
}
