//! Helpers that keep docker's credentials: `docker-credential-NAME get`, with a time limit and a bound on what they say.
//!
//! What a helper prints is never repeated: it may be a password.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::credential::Credential;
use super::error::{Class, Failure};
use super::secrets::Secret;

/// Far above any token.
const MOST_BYTES: u64 = 256 * 1024;

/// How helpers say that they know nothing about a host.
const UNKNOWN: &str = "credentials not found in native keychain";

/// The user that stands for "the secret is an identity token".
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    username: String,
    secret: String,
}

/// Asks a helper about a server; none when it knows none.
pub(super) async fn ask(name: &str, server: &str, most: Duration) -> Result<Option<Credential>, Failure> {
    if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter)) {
        return Err(broken("the name of a credential helper may hold letters, digits, `-`, `_` and `.`".into()));
    }
    let program = format!("docker-credential-{name}");
    let spawned = Command::new(&program)
        .arg("get")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn();
    let child = spawned.map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => broken(format!("the credential helper `{program}` is not installed")),
        _ => broken(format!("the credential helper `{program}` cannot be started: {error}")),
    })?;
    let (status, output) = match timeout(most, converse(child, server)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return Err(broken(format!("the credential helper `{program}` cannot be read: {error}"))),
        Err(_) => {
            return Err(Failure {
                class: Class::TimedOut,
                ..broken(format!("the credential helper `{program}` did not answer within {most:?}"))
            });
        }
    };
    read(&program, status, &output)
}

/// Writes the server, reads what comes back, waits for the end. A child that is dropped on the way is killed.
async fn converse(mut child: Child, server: &str) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    if let Some(mut stdin) = child.stdin.take() {
        // A helper that does not want to know more has closed it.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MOST_BYTES + 1).read_to_end(&mut output).await?;
    }
    if output.len() as u64 > MOST_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "it writes too much"));
    }
    Ok((child.wait().await?, output))
}

fn read(program: &str, status: ExitStatus, output: &[u8]) -> Result<Option<Credential>, Failure> {
    if !status.success() {
        let says_unknown = String::from_utf8_lossy(output).trim().eq_ignore_ascii_case(UNKNOWN);
        return if says_unknown {
            Ok(None)
        } else {
            Err(broken(format!("the credential helper `{program}` failed ({status})")))
        };
    }
    let answer: Answer = serde_json::from_slice(output)
        .map_err(|_| broken(format!("the credential helper `{program}` wrote something that is no credential")))?;
    let secret = Secret::new(answer.secret);
    Ok(match answer.username.as_str() {
        TOKEN_USER => Some(Credential::IdentityToken(secret)),
        "" if secret.expose().is_empty() => None,
        _ => Some(Credential::Password { user: answer.username, password: secret }),
    })
}

fn broken(message: String) -> Failure {
    Failure::new(Class::Credentials, message)
        .with_help("run it by hand with `get` and the host on stdin, or take it out of the configuration of docker")
}
