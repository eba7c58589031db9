//! Certificate chains, verified as in policy-server: with webpki, for any key usage.
//!
//! The last certificate of a chain is its root, and the root's own expiry does not count. Without a chain the roots are
//! Mozilla's, as they were when verify was built.

use std::sync::LazyLock;
use std::time::Duration;

use regex::Regex;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, TrustAnchor, UnixTime};
use webpki::{ALL_VERIFICATION_ALGS, EndEntityCert, Error, ExtendedKeyUsageValidator, KeyPurposeIdIter};

use policy_verify_host::live::{LiveFailure, LiveReply};
use policy_verify_host::reply::to_bytes;
use policy_verify_host::wire::crypto::{
    Certificate, CertificateEncoding, CertificateVerificationResponse, CryptoIsCertificateTrusted,
};

/// Verifies a certificate: at the time of the request, else at `clock`, else now.
pub(super) fn verify(asked: &CryptoIsCertificateTrusted, clock: Option<jiff::Timestamp>) -> LiveReply {
    let leaf = der(&asked.request.cert)?;
    let leaf = EndEntityCert::try_from(&leaf)
        .map_err(|error| refused(format!("Certificate is not a valid end-entity certificate: {error}")))?;
    let time = match &asked.request.not_after {
        Some(text) => read_time(text)?,
        None => clock.unwrap_or_else(jiff::Timestamp::now),
    };
    let reason = match &asked.request.cert_chain {
        None => mistrust(&leaf, &MOZILLA, &[], time),
        Some(chain) => {
            let mut chain = chain.iter().map(der).collect::<Result<Vec<_>, _>>()?;
            let root = chain.pop();
            let root = root.as_ref().map(webpki::anchor_from_trusted_cert).transpose();
            let root = root.map_err(|error| refused(error.to_string()))?;
            // The server collects them from the end.
            chain.reverse();
            mistrust(&leaf, root.as_slice(), &chain, time)
        }
    };
    let reply = CertificateVerificationResponse { trusted: reason.is_none(), reason: reason.unwrap_or_default() };
    Ok(to_bytes(&reply))
}

static MOZILLA: LazyLock<Vec<TrustAnchor<'static>>> = LazyLock::new(|| {
    let roots = webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter();
    roots.filter_map(|root| webpki::anchor_from_trusted_cert(root).ok()).map(|root| root.to_owned()).collect()
});

/// Why a certificate is not trusted; `None` if it is.
fn mistrust(
    leaf: &EndEntityCert<'_>,
    roots: &[TrustAnchor<'_>],
    intermediates: &[CertificateDer<'_>],
    time: jiff::Timestamp,
) -> Option<String> {
    // A time before 1970 wraps around, as in the server.
    let time = UnixTime::since_unix_epoch(Duration::from_secs(time.as_second().cast_unsigned()));
    let verified = leaf.verify_for_usage(ALL_VERIFICATION_ALGS, roots, intermediates, time, AnyUsage, None, None);
    match verified.err()? {
        Error::InvalidSignatureForPublicKey | Error::UnknownIssuer => {
            Some("Certificate is not trusted by the provided cert chain".into())
        }
        Error::CertExpired { .. } => Some("Certificate is being used after its expiration date".into()),
        Error::CertNotValidYet { .. } => Some("Certificate is being used before its validity date".into()),
        other => Some(format!("Certificate not trusted: {other}")),
    }
}

/// Accepts certificates for any usage.
struct AnyUsage;

impl ExtendedKeyUsageValidator for AnyUsage {
    fn validate(&self, _: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        Ok(())
    }
}

fn der(certificate: &Certificate) -> Result<CertificateDer<'_>, LiveFailure> {
    match certificate.encoding {
        CertificateEncoding::Der => Ok(CertificateDer::from_slice(&certificate.data)),
        CertificateEncoding::Pem => CertificateDer::from_pem_slice(&certificate.data)
            .map_err(|error| refused(format!("Certificate PEM data is not valid: {error}"))),
    }
}

fn read_time(text: &str) -> Result<jiff::Timestamp, LiveFailure> {
    // jiff accepts more formats.
    static RFC_3339: LazyLock<Regex> = LazyLock::new(|| {
        let pattern = r"^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)$";
        Regex::new(pattern).expect("the pattern is written here")
    });
    let time = RFC_3339.is_match(text).then(|| text.parse().ok()).flatten();
    time.ok_or_else(|| refused("Timestamp not_after is not in RFC3339 format".into()))
}

fn refused(text: String) -> LiveFailure {
    LiveFailure::Refused(text)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, date_time_ymd};
    use serde_json::{Value, json};

    use super::*;
    use policy_verify_host::request::Request;

    /// A certificate in DER, with what is needed to sign others.
    struct Made(Vec<u8>, Issuer<'static, KeyPair>);

    /// A certificate that holds during the year 2026, signed by `issuer` or by itself.
    fn made(name: &str, is_authority: bool, issuer: Option<&Made>) -> Made {
        made_in(2026, name, is_authority, issuer)
    }

    fn made_in(year: i32, name: &str, is_authority: bool, issuer: Option<&Made>) -> Made {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name);
        (params.not_before, params.not_after) = (date_time_ymd(year, 1, 1), date_time_ymd(year, 12, 31));
        if is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        } else {
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::CodeSigning];
        }
        let key = KeyPair::generate().unwrap();
        let certificate = match issuer {
            Some(Made(_, issuer)) => params.signed_by(&key, issuer),
            None => params.self_signed(&key),
        };
        Made(certificate.unwrap().der().to_vec(), Issuer::new(params, key))
    }

    fn certificate(made: &Made) -> Value {
        json!({"encoding": "Der", "data": made.0})
    }

    /// The reply about a leaf and a chain, in the middle of 2026 or at the given time.
    fn judged(leaf: &Value, chain: &Value, not_after: &str) -> Result<Value, String> {
        let members = json!({"request": {"cert": leaf, "cert_chain": chain, "not_after": not_after}});
        let Some(Request::CryptoIsCertificateTrusted(asked)) =
            Request::from_recorded("CryptoIsCertificateTrusted", &members)
        else {
            panic!("the request is complete")
        };
        match verify(&asked, Some("2026-07-01T00:00:00Z".parse().unwrap())) {
            Ok(reply) => Ok(serde_json::from_slice(&reply).unwrap()),
            Err(LiveFailure::Refused(text)) => Err(text),
            Err(outage) => panic!("{outage:?}"),
        }
    }

    fn trusted() -> Value {
        json!({"trusted": true, "reason": ""})
    }

    fn mistrusted(reason: &str) -> Value {
        json!({"trusted": false, "reason": reason})
    }

    #[test]
    fn a_chain_is_followed_to_its_last_certificate() {
        let root = made("root", true, None);
        let (middle, unrelated) = (made("middle", true, Some(&root)), made("unrelated", true, None));
        let leaf = made("leaf.test", false, Some(&middle));
        let [root, middle, unrelated, leaf] = [&root, &middle, &unrelated, &leaf].map(certificate);
        let untrusted_chain = mistrusted("Certificate is not trusted by the provided cert chain");
        for (chain, expected) in [
            (json!([middle, root]), trusted()),
            (json!([unrelated, middle, root]), trusted()),
            (json!([middle]), trusted()),
            (json!([root]), untrusted_chain.clone()),
            (json!([root, middle]), trusted()),
            (json!([middle, unrelated]), untrusted_chain.clone()),
            (json!([leaf]), untrusted_chain.clone()),
            (json!([]), untrusted_chain.clone()),
            (json!(null), untrusted_chain.clone()),
        ] {
            assert_eq!(
                judged(&leaf, &chain, "").unwrap(),
                expected,
                "{} certificates",
                chain.as_array().map_or(0, Vec::len)
            );
        }
    }

    #[test]
    fn a_self_signed_certificate_is_trusted_by_itself() {
        let leaf = certificate(&made("leaf.test", false, None));
        assert_eq!(judged(&leaf, &json!([leaf]), "").unwrap(), trusted());
    }

    #[test]
    fn the_time_is_of_the_request_or_the_clock() {
        let root = made_in(2020, "root", true, None);
        let leaf = made("leaf.test", false, Some(&root));
        let (chain, leaf) = (json!([certificate(&root)]), certificate(&leaf));
        let after = mistrusted("Certificate is being used after its expiration date");
        for (time, expected) in [
            ("", trusted()),
            ("2026-01-01T00:00:00Z", trusted()),
            ("2027-01-01T01:00:00+02:00", after.clone()),
            ("2027-06-01T00:00:00.5Z", after.clone()),
            ("2025-12-31T23:59:59Z", mistrusted("Certificate is being used before its validity date")),
            ("1969-12-31T23:59:59Z", after),
        ] {
            assert_eq!(judged(&leaf, &chain, time).unwrap(), expected, "{time}");
        }
        for time in ["tomorrow", "2026-01-01", "2026-01-01T00:00Z", "2026-13-01T00:00:00Z"] {
            assert_eq!(judged(&leaf, &chain, time).unwrap_err(), "Timestamp not_after is not in RFC3339 format");
        }
    }

    #[test]
    fn invalid_certificates_are_refused_with_the_text_of_policy_server() {
        let leaf = certificate(&made("leaf.test", false, None));
        let error = |cert: &Value, chain: &Value| judged(cert, chain, "").unwrap_err();
        let garbage = json!({"encoding": "Der", "data": [1, 2]});
        let text = json!({"encoding": "Pem", "data": [104, 105]});
        assert!(error(&text, &json!([])).starts_with("Certificate PEM data is not valid: "));
        assert!(error(&leaf, &json!([text])).starts_with("Certificate PEM data is not valid: "));
        let bad = "Certificate is not a valid end-entity certificate: ";
        assert!(error(&garbage, &json!([])).starts_with(bad));
        assert_eq!(error(&leaf, &json!([garbage])), error(&garbage, &json!([])).replace(bad, ""));
    }

    #[test]
    fn mozillas_roots_are_there() {
        assert!(MOZILLA.len() > 50);
        let root = json!({"encoding": "Der", "data": webpki_root_certs::TLS_SERVER_ROOT_CERTS[0].as_ref()});
        let error = judged(&root, &json!(null), "").unwrap();
        assert_eq!(error["trusted"], false, "an authority is not a leaf, {error}");
    }
}
