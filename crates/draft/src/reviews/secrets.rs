//! Texts that are secret or personal by their form, wherever they are.

use std::sync::LazyLock;

use regex::Regex;

use super::kind::Kind;

/// Patterns, and the group of each that is replaced.
static PATTERNS: LazyLock<Vec<(Regex, Kind, usize)>> = LazyLock::new(|| {
    [
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----", Kind::Token, 0),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", Kind::Token, 0),
        (r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|hvs\.|npm_)[A-Za-z0-9_-]{16,}", Kind::Token, 0),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b", Kind::Token, 0),
        (r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})", Kind::Token, 1),
        (r#"(?i)\b[a-z0-9_-]*(?:passw(?:or)?d|token|secret|api-?key)["']?(?:\s*=\s*|:\s+|:["'])["']?([^\s"',;&]{4,})"#, Kind::Token, 1),
        (r"[a-zA-Z][a-zA-Z0-9+.-]*://[^\s/:@]+:([^\s/@]+)@", Kind::Token, 1),
        (r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b", Kind::Email, 0),
    ]
    .into_iter()
    .map(|(pattern, kind, group)| (Regex::new(pattern).expect("the pattern is written here"), kind, group))
    .collect()
});

/// The text with everything of such a form replaced; `None` if there is nothing.
pub(super) fn replaced(text: &str, mut placeholder: impl FnMut(Kind, &str) -> String) -> Option<String> {
    let mut changed: Option<String> = None;
    for (pattern, kind, group) in PATTERNS.iter() {
        let current = changed.as_deref().unwrap_or(text);
        let mut out = String::new();
        let mut seen = 0;
        for found in pattern.captures_iter(current) {
            let Some(found) = found.get(*group) else { continue };
            // What was replaced before is not replaced again.
            if found.as_str().starts_with("token-") || found.as_str().ends_with("@example.test") {
                continue;
            }
            out.push_str(&current[seen..found.start()]);
            out.push_str(&placeholder(*kind, found.as_str()));
            seen = found.end();
        }
        if seen > 0 {
            out.push_str(&current[seen..]);
            changed = Some(out);
        }
    }
    changed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_and_addresses_are_found_by_their_form() {
        let jwt = format!("eyJ{}.{}.{}", "a".repeat(10), "b".repeat(10), "c".repeat(10));
        let key = "-----BEGIN RSA PRIVATE KEY-----\nabc\n-----END RSA PRIVATE KEY-----";
        for (text, wanted) in [
            ("mail alice.b@acme.co.uk now", "mail <email> now"),
            ("Authorization: Bearer abcdefgh123", "Authorization: Bearer <token>"),
            (&format!("x {jwt} y"), "x <token> y"),
            (key, "<token>"),
            (&format!("ghp_{}", "a".repeat(36)), "<token>"),
            ("--password=hunter22 -v", "--password=<token> -v"),
            ("DB_PASSWORD: \"hunter22\"", "DB_PASSWORD: \"<token>\""),
            ("{\"password\":\"hunter22\"}", "{\"password\":\"<token>\"}"),
            ("postgres://app:hunter22@db/x", "postgres://app:<token>@db/x"),
        ] {
            let found = replaced(text, |kind, _| if kind == Kind::Email { "<email>".into() } else { "<token>".into() });
            assert_eq!(found.as_deref(), Some(wanted), "{text}");
        }
        for text in
            ["ghcr.io/acme/web@sha256:0123", "git@github", "tokens", "secretName: web", "a=b", "acme/api-token:1.2.3"]
        {
            assert_eq!(replaced(text, |_, _| "x".into()), None, "{text}");
        }
    }
}
