//! Docker's credential helpers: `docker-credential-NAME get`, with a timeout and a limit on the output.
//!
//! The output is never shown: it may contain a password.

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
const MAX_BYTES: u64 = 256 * 1024;

/// The output of helpers for an unknown host.
const UNKNOWN: &str = "credentials not found in native keychain";

/// The user that stands for "the secret is an identity token".
const TOKEN_USER: &str = "<token>";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HelperOutput {
    username: String,
    secret: String,
}

/// The credential a helper has for a server; `None` for an unknown server.
pub(super) async fn get(name: &str, server: &str, max: Duration) -> Result<Option<Credential>, Failure> {
    if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "-_.".contains(letter)) {
        return Err(broken(format!("invalid name `{}` of a credential helper", name.escape_debug())));
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
        _ => broken(format!("cannot start the credential helper `{program}`: {error}")),
    })?;
    let (status, output) = match timeout(max, communicate(child, server)).await {
        Ok(Ok(done)) => done,
        Ok(Err(error)) => return Err(broken(format!("cannot read from the credential helper `{program}`: {error}"))),
        Err(_) => {
            return Err(Failure {
                class: Class::TimedOut,
                ..broken(format!("the credential helper `{program}` timed out after {max:?}"))
            });
        }
    };
    read(&program, status, &output)
}

/// Writes the server, reads what comes back, waits for the end. A child that is dropped on the way is killed.
async fn communicate(mut child: Child, server: &str) -> std::io::Result<(ExitStatus, Vec<u8>)> {
    if let Some(mut stdin) = child.stdin.take() {
        // A helper may close stdin without reading it.
        let _ = stdin.write_all(server.as_bytes()).await;
    }
    let mut output = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_BYTES + 1).read_to_end(&mut output).await?;
    }
    if output.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::new(std::io::ErrorKind::FileTooLarge, "too much output"));
    }
    Ok((child.wait().await?, output))
}

fn read(program: &str, status: ExitStatus, output: &[u8]) -> Result<Option<Credential>, Failure> {
    if !status.success() {
        let is_unknown = String::from_utf8_lossy(output).trim().eq_ignore_ascii_case(UNKNOWN);
        return if is_unknown {
            Ok(None)
        } else {
            Err(broken(format!("the credential helper `{program}` failed ({status})")))
        };
    }
    let output: HelperOutput = serde_json::from_slice(output)
        .map_err(|_| broken(format!("invalid output of the credential helper `{program}`")))?;
    let secret = Secret::new(output.secret);
    Ok(match output.username.as_str() {
        TOKEN_USER => Some(Credential::IdentityToken(secret)),
        "" if secret.expose().is_empty() => None,
        _ => Some(Credential::Password { user: output.username, password: secret }),
    })
}

fn broken(message: String) -> Failure {
    Failure::new(Class::Credentials, message)
        .with_help("run it by hand with `get` and the host on stdin, or remove it from the Docker configuration")
}
