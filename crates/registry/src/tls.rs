//! Words for certificates that are refused, and for variables that name no certificates.

use std::env;
use std::error::Error;
use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use policy_verify_files::bounded;
use rustls::CertificateError;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, UnixTime};

use super::display;
use super::error::{Class, Failure};
use super::sources;

/// Bundles of all authorities of the web have less than a megabyte.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Names of a certificate that are shown.
const MAX_NAMES: usize = 5;

const UNSET: &str = "correct it, or unset it to trust the certificates of the system";

/// The failure of a TLS handshake with `host` (`host[:port]`), if its certificate is the reason.
pub(super) fn refused_certificate(error: &(dyn Error + 'static), host: &str) -> Option<Failure> {
    let certificate = match tls_error(error)? {
        rustls::Error::InvalidCertificate(certificate) => certificate,
        _ => return None,
    };
    let failure = |what: String| Failure::new(Class::Unreachable, format!("invalid certificate of `{host}`: {what}"));
    Some(match certificate {
        CertificateError::Expired => failure("expired".into()).with_help(RENEW),
        CertificateError::ExpiredContext { not_after, .. } => {
            failure(format!("expired on {}", date(*not_after))).with_help(RENEW)
        }
        CertificateError::NotValidYet => failure("not valid yet".into()).with_help(CLOCK),
        CertificateError::NotValidYetContext { not_before, .. } => {
            failure(format!("not valid before {}", date(*not_before))).with_help(CLOCK)
        }
        CertificateError::NotValidForName => failure("it is for another name".into()).with_help(other_name(host)),
        CertificateError::NotValidForNameContext { presented, .. } => {
            failure(format!("it is for other names: {}", names(presented))).with_help(other_name(host))
        }
        CertificateError::UnknownIssuer => failure(format!("unknown issuer{}", trusted())).with_help(trust(host)),
        CertificateError::BadSignature => {
            failure("signed with another key than that of the trusted authority of this name".into())
                .with_help(trust(host))
        }
        CertificateError::Revoked => failure("revoked".into()).with_help(RENEW),
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            let help = format!(
                "make a certificate for the server with `openssl req -x509 -addext \
                 basicConstraints=critical,CA:FALSE`, or add \"{host}\" to `insecure_sources` in {}",
                sources::default_file()
            );
            failure("it is that of an authority, which a server cannot use".into()).with_help(help)
        }
        other => failure(display::shortened(&other.to_string())).with_help(trust(host)),
    })
}

const RENEW: &str = "ask the owner of the server for a new certificate, and check the clock of this machine";

const CLOCK: &str = "check the clock of this machine";

fn other_name(host: &str) -> String {
    format!("use a name of the certificate, or ask the owner of the server for a certificate with `{host}`")
}

fn trust(host: &str) -> String {
    let host_only = "set SSL_CERT_FILE to a PEM file with the certificate of its authority";
    format!("{host_only}, or add it to `source_authorities` of \"{host}\" in {}", sources::default_file())
}

/// What is trusted instead of the certificates of the system.
fn trusted() -> String {
    let set: Vec<String> = ["SSL_CERT_FILE", "SSL_CERT_DIR"]
        .into_iter()
        .filter_map(|name| Some(format!("{name} `{}`", env::var_os(name)?.to_string_lossy())))
        .collect();
    if set.is_empty() { String::new() } else { format!(", not in {}", set.join(" or ")) }
}

fn names(presented: &[String]) -> String {
    let shown: Vec<String> = presented.iter().take(MAX_NAMES).map(|name| format!("`{}`", plain_name(name))).collect();
    if shown.is_empty() { "none".into() } else { shown.join(", ") }
}

/// `DnsName("a.test")` is `a.test`.
fn plain_name(name: &str) -> String {
    let inner = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')')).unwrap_or(name);
    display::shortened(inner.trim_matches('"'))
}

fn date(time: UnixTime) -> String {
    let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds)
        .map_or_else(|_| "an unknown date".into(), |time| time.strftime("%Y-%m-%d").to_string())
}

/// The error of rustls in a chain of errors.
fn tls_error<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<rustls::Error>() {
            return Some(found);
        }
        // The error within an I/O error is not its source, but its source's parent.
        if let Some(inner) = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref)
            && let Some(found) = tls_error(inner)
        {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// Checks that `SSL_CERT_FILE` and `SSL_CERT_DIR` name certificates, where they are set.
pub(super) fn check_variables() -> Result<(), Failure> {
    let file = env::var_os("SSL_CERT_FILE");
    let folders = env::var_os("SSL_CERT_DIR");
    file.map_or(Ok(()), |file| check_file(&file))?;
    folders.map_or(Ok(()), |folders| check_folders(&folders))
}

fn invalid(what: String) -> Failure {
    Failure::new(Class::Unreachable, what)
}

fn check_file(file: &OsStr) -> Result<(), Failure> {
    let path = Path::new(file);
    if file.is_empty() {
        return Err(invalid("SSL_CERT_FILE is empty".into()).with_help(UNSET));
    }
    let bytes = bounded::read(path, MAX_BYTES).map_err(|error| {
        invalid(format!("cannot read `{}`, which SSL_CERT_FILE names: {error}", path.display())).with_help(UNSET)
    })?;
    if has_certificate(&bytes) {
        return Ok(());
    }
    let message = format!("no certificate in PEM format in `{}`, which SSL_CERT_FILE names", path.display());
    Err(invalid(message)
        .with_help("write PEM, from DER with `openssl x509 -inform der -in FILE`, or unset the variable"))
}

fn check_folders(folders: &OsStr) -> Result<(), Failure> {
    let folders: Vec<PathBuf> = env::split_paths(folders).filter(|folder| !folder.as_os_str().is_empty()).collect();
    let mut files = Vec::new();
    for folder in &folders {
        let entries = fs::read_dir(folder).map_err(|error| {
            invalid(format!("cannot read `{}`, which SSL_CERT_DIR names: {error}", folder.display())).with_help(UNSET)
        })?;
        files.extend(entries.flatten().map(|entry| entry.path()).filter(|path| path.is_file()));
    }
    let mut contents = files.iter().filter_map(|path| bounded::read(path, MAX_BYTES).ok());
    if folders.is_empty() || contents.any(|bytes| has_certificate(&bytes)) {
        return Ok(());
    }
    let shown = folders.iter().map(|folder| format!("`{}`", folder.display())).collect::<Vec<_>>().join(", ");
    Err(invalid(format!("no certificate in PEM format in {shown}, which SSL_CERT_DIR names")).with_help(UNSET))
}

fn has_certificate(bytes: &[u8]) -> bool {
    CertificateDer::pem_slice_iter(bytes).any(|certificate| certificate.is_ok())
}
