//! A token service for Distribution, which believes what is signed with the key of the service.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use rcgen::{CertificateParams, KeyPair, SigningKey as _};
use serde_json::{Value, json};

use super::registry::{FakeRegistry, Reply, Seen};

/// Distribution takes tokens for so long after their end.
const LEEWAY: i64 = 60;

/// How long tokens live.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// By what the service says.
    pub(crate) said: u64,
    /// By what the registry does, to the second.
    pub(crate) real: i64,
}

/// As at ghcr.io: everybody may pull, and whoever wants to push has to say who they are.
pub(crate) struct TokenService {
    pub(crate) fake: FakeRegistry,
    state: Arc<Mutex<State>>,
    bundle: tempfile::NamedTempFile,
}

struct State {
    life: Life,
    /// When the last token ends.
    end: Duration,
}

impl TokenService {
    pub(crate) fn start() -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec!["issuer".to_owned()]).unwrap().self_signed(&key).unwrap();
        let bundle = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(bundle.path(), certificate.pem()).unwrap();
        let life = Life { said: 300, real: 300 };
        let state = Arc::new(Mutex::new(State { life, end: Duration::ZERO }));
        let fake = FakeRegistry::start();
        let (der, shared) = (certificate.der().to_vec(), Arc::clone(&state));
        fake.rule(move |seen| {
            let scope = scope(seen);
            if !seen.headers.contains_key("authorization") && scope.ends_with("push") {
                return Reply::new(403, "").into();
            }
            let mut state = shared.lock().unwrap();
            let end = i64::try_from(now().as_secs()).unwrap() + state.life.real;
            state.end = Duration::from_secs(end.unsigned_abs());
            let token = token(&key, &der, &scope, end - LEEWAY);
            Reply::new(200, json!({ "token": token, "expires_in": state.life.said }).to_string()).into()
        });
        Self { fake, state, bundle }
    }

    /// From now on tokens live so long.
    pub(crate) fn tokens_live(&self, said: u64, real: i64) {
        self.state.lock().unwrap().life = Life { said, real };
    }

    /// A function that waits until the registry takes the last token no more.
    pub(crate) fn end_of_token(&self) -> impl Fn() + Send + 'static {
        let state = Arc::clone(&self.state);
        move || {
            // The end itself is still good, and so is the rest of its second.
            let end = state.lock().unwrap().end + Duration::from_millis(1050);
            std::thread::sleep(end.saturating_sub(now()));
        }
    }

    /// The lines that tell Distribution of it.
    pub(crate) fn setup(&self) -> String {
        format!(
            "auth: {{ token: {{ realm: 'http://{}/token', service: fake, issuer: issuer, rootcertbundle: '{}' }} }}\n",
            self.fake.host(),
            self.bundle.path().display()
        )
    }

    /// How many tokens were asked for.
    pub(crate) fn asked(&self) -> usize {
        self.fake.count("GET", "/token")
    }
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap()
}

/// `repository:acme/p:pull`
fn scope(seen: &Seen) -> String {
    let query = seen.path.split_once('?').map_or("", |(_, query)| query);
    let mut pairs = url::form_urlencoded::parse(query.as_bytes());
    pairs.find(|(name, _)| name == "scope").map(|(_, scope)| scope.into_owned()).unwrap_or_default()
}

/// A token as Distribution's own token services make them, for whatever is asked.
fn token(key: &KeyPair, certificate: &[u8], scope: &str, end: i64) -> String {
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let mut words = scope.split(':');
    let (kind, name, actions) = (words.next(), words.next(), words.next().unwrap_or_default());
    let head = json!({ "typ": "JWT", "alg": "ES256", "x5c": [STANDARD.encode(certificate)] });
    let claims = json!({
        "iss": "issuer", "aud": "fake", "sub": "me", "exp": end, "nbf": end - 600, "iat": end - 600, "jti": "1",
        "access": [{ "type": kind, "name": name, "actions": actions.split(',').collect::<Vec<_>>() }],
    });
    let signed = format!("{}.{}", part(head), part(claims));
    let signature = plain_signature(&key.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

/// Two numbers in DER become two numbers of 32 bytes, as JWT wants them.
fn plain_signature(der: &[u8]) -> Vec<u8> {
    let mut rest = &der[2..];
    let mut plain = Vec::new();
    for _ in 0..2 {
        let length = usize::from(rest[1]);
        let number = &rest[2..2 + length];
        let digits = &number[number.iter().position(|byte| *byte != 0).unwrap_or(length)..];
        plain.extend(std::iter::repeat_n(0, 32 - digits.len()));
        plain.extend_from_slice(digits);
        rest = &rest[2 + length..];
    }
    plain
}
