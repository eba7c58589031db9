//! Texts that are secret or personal by their form, wherever they are.

use std::sync::LazyLock;

use regex::{Captures, Regex};

use super::kind::{self, Kind};
use super::{addresses, arguments};

/// Names whose values are secret, as they end in texts.
const NAME: &str = r"(?:[a-z0-9_.-]*(?:passw(?:or)?d|passphrase|pwd|token|secret|credentials?|api[-_]?key|(?:access|account|auth|encryption|master|private|secret|shared|signing)[-_]?key(?:[-_]?id|[-_]?base)?)|(?:[a-z0-9_.-]*[-_])?pass)";

/// A pattern, and the groups of it that are replaced.
type Form = (Regex, Vec<(usize, Kind)>);

static PATTERNS: LazyLock<Vec<Form>> = LazyLock::new(|| {
    let token = |group| vec![(group, Kind::Token)];
    let named = |rest: &str| format!(r#"(?im)\b{NAME}\\?["']?{rest}"#);
    [
        (r"-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----".to_owned(), token(0)),
        (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*".to_owned(), token(0)),
        (
            r"\b(?:gh[pousr]_|github_pat_|glpat-|xox[abeprs]-|sk-|hvs\.|npm_)[A-Za-z0-9_-]{16,}".to_owned(),
            token(0),
        ),
        (r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b".to_owned(), token(0)),
        // Before the names, which would take `Basic` for the secret.
        (
            r#"(?i)\bauthorization\\?["']?\s*[:=]\s*\\?["']?(?:(?:basic|bearer|digest|negotiate|token)\s+)?([^\s"',;\\]+)"#
                .to_owned(),
            token(1),
        ),
        (r"(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})".to_owned(), token(1)),
        (
            r"[a-zA-Z][a-zA-Z0-9+.-]*://([^\s/:@]+)(?::([^\s/@]*))?@".to_owned(),
            vec![(1, Kind::User), (2, Kind::Token)],
        ),
        // Texts in quotes may have blanks.
        (named(r#"\s*[=:]\s*\\?"([^"\\]+)\\?""#), token(1)),
        (named(r"\s*[=:]\s*'([^']+)'"), token(1)),
        (named(r#"(?:\s*=\s*|:["'])([^\s"',;&=]+[^\s"',;&]*)"#), token(1)),
        (named(r#":[ \t]+([^\s"',;&=]{4,})"#), token(1)),
        // A line of YAML or of properties.
        (format!(r#"(?im)^[ \t]*["']?{NAME}["']?[ \t]*:[ \t]+([^\s"'#|>&]+)[ \t]*$"#), token(1)),
        (format!(r#"(?i)(?:^|\s)--?{NAME}\s+["']?([^\s"'-][^\s"']*)"#), token(1)),
        (r#"\b(?:mysql|mariadb|sshpass|mongo)\w*\s(?:[^|;&\n]*?\s)?-p["']?([^\s"']+)"#.to_owned(), token(1)),
        (
            r#"\s(?:-u|--user)[\s=]+["']?([A-Za-z][^\s:"']*):([^\s"']+)"#.to_owned(),
            vec![(1, Kind::User), (2, Kind::Token)],
        ),
        (r"\b[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*\.[A-Za-z]{2,}\b".to_owned(), vec![(0, Kind::Email)]),
    ]
    .into_iter()
    .map(|(pattern, groups)| (Regex::new(&pattern).expect("the pattern is written here"), groups))
    .collect()
});

/// Words that are no secret of anybody.
const WORDS: [&str; 10] = ["true", "false", "null", "none", "nil", "yes", "no", "required", "missing", "invalid"];

fn stays(kind: Kind, text: &str) -> bool {
    match kind {
        _ if text.is_empty() => true,
        Kind::Email => text.starts_with("git@") || kind::is_placeholder(text),
        Kind::User => text == "git" || arguments::is_reference(text) || kind::is_placeholder(text),
        _ => WORDS.contains(&text) || arguments::is_reference(text) || kind::is_placeholder(text),
    }
}

/// The text with everything of such a form replaced; `None` if there is nothing.
pub(super) fn replaced(text: &str, mut placeholder: impl FnMut(Kind, &str) -> String) -> Option<String> {
    let mut changed: Option<String> = None;
    for (pattern, groups) in PATTERNS.iter() {
        let current = changed.as_deref().unwrap_or(text);
        if let Some(next) = one(pattern, groups, current, &mut placeholder) {
            changed = Some(next);
        }
    }
    let current = changed.as_deref().unwrap_or(text);
    addresses::replaced(current, |found| placeholder(Kind::Address, found)).or(changed)
}

fn one(
    pattern: &Regex,
    groups: &[(usize, Kind)],
    text: &str,
    placeholder: &mut impl FnMut(Kind, &str) -> String,
) -> Option<String> {
    let (mut out, mut seen) = (String::new(), 0);
    let found = |captures: &Captures<'_>, group: usize| captures.get(group).map(|it| it.range());
    for captures in pattern.captures_iter(text) {
        for (group, kind) in groups {
            let Some(range) = found(&captures, *group).filter(|it| !stays(*kind, &text[it.clone()])) else { continue };
            out.push_str(&text[seen..range.start]);
            out.push_str(&placeholder(*kind, &text[range.clone()]));
            seen = range.end;
        }
    }
    (seen > 0).then(|| out + &text[seen..])
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
            ("curl -H 'Authorization: Basic abc'", "curl -H 'Authorization: Basic <token>'"),
            ("{\"Authorization\":\"Basic abc\"}", "{\"Authorization\":\"Basic <token>\"}"),
            ("{\\\"token\\\":\\\"abc d\\\"}", "{\\\"token\\\":\\\"<token>\\\"}"),
            (&format!("x {jwt} y"), "x <token> y"),
            (key, "<token>"),
            (&format!("ghp_{}", "a".repeat(36)), "<token>"),
            ("--password=hunter22 -v", "--password=<token> -v"),
            ("--password=x", "--password=<token>"),
            ("app --token hunter2 -v", "app --token <token> -v"),
            ("export AWS_SECRET_ACCESS_KEY=hunter2aws; x", "export AWS_SECRET_ACCESS_KEY=<token>; x"),
            ("AWS_ACCESS_KEY_ID=a DB_PASS=b x", "AWS_ACCESS_KEY_ID=<token> DB_PASS=<token> x"),
            ("PASSWORD='two words' x", "PASSWORD='<token>' x"),
            ("sh -c 'mysql -u root -phunter2 db'", "sh -c 'mysql -u root -p<token> db'"),
            ("curl -u bob:hunter2 x", "curl -u <user>:<token> x"),
            ("a: 1\ndbPassword: x\nb: 2", "a: 1\ndbPassword: <token>\nb: 2"),
            ("db.password=x\n", "db.password=<token>\n"),
            ("DB_PASSWORD: \"hunter22\"", "DB_PASSWORD: \"<token>\""),
            ("{\"password\":\"hunter22\"}", "{\"password\":\"<token>\"}"),
            ("postgres://app:hunter22@db/x", "postgres://<user>:<token>@db/x"),
            ("https://bob:h@db.acme.test/x", "https://<user>:<token>@db.acme.test/x"),
            ("https://bob@db.acme.test/x", "https://<user>@db.acme.test/x"),
            ("at http://10.1.2.3/x", "at http://<ip>/x"),
        ] {
            let found = replaced(text, |kind, _| match kind {
                Kind::Email => "<email>".into(),
                Kind::Address => "<ip>".into(),
                Kind::User => "user-1".into(),
                _ => "token-1".into(),
            });
            let found = found.map(|it| it.replace("user-1", "<user>").replace("token-1", "<token>"));
            assert_eq!(found.as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_only_looks_like_a_secret_stays() {
        for text in [
            "ghcr.io/acme/web@sha256:0123",
            "git@github",
            "ssh://git@github.com/acme/web",
            "tokens",
            "secretName: web",
            "a=b",
            "acme/api-token:1.2.3",
            "PASSWORD=$(PASSWORD) TOKEN=${TOKEN}",
            "automountServiceAccountToken: false",
            "token == x",
            "mkdir -p /data",
            "TOKEN_FILE=/x",
        ] {
            assert_eq!(replaced(text, |_, _| "x".into()), None, "{text}");
        }
    }

    #[test]
    fn long_texts_end_quickly() {
        for piece in ["a-", "pass", "token=", "1.2.3.4.", "1.2.3.4 ", ":", "a://b:", "mysql -", "-p ", "\n \t", "@a."] {
            let text = piece.repeat(100_000 / piece.len());
            let start = std::time::Instant::now();
            let _ = replaced(&text, |_, _| "x".into());
            assert!(start.elapsed().as_secs() < 10, "{piece}: {:?}", start.elapsed());
        }
    }
}
