//! What a module that ferricel compiled says about itself, in sections that compiled code does not keep.

use std::collections::BTreeSet;

use policy_verify_engine::extension_capabilities;
use serde::Deserialize;
use wasmparser::{BinaryReaderError, Parser, Payload};

/// The section with the ValidatingAdmissionPolicy in YAML.
pub(super) const SOURCE: &str = "ferricel.vap-source";

const ABI: &str = "ferricel.abi-version";
const EXTENSIONS: &str = "ferricel.extensions";

/// The version of the ABI that is implemented, as in Kubewarden 1.39.
const ABI_VERSION: u32 = 1;

/// Refuses a module of another version of the ABI. The error is the server's text.
pub(super) fn check_abi(bytes: &[u8]) -> Result<(), String> {
    let unreadable =
        |error: &dyn std::fmt::Display| format!("cannot read the ferricel ABI version of the module: {error}");
    let version = match section(bytes, ABI).map_err(|error| unreadable(&error))? {
        None => "unknown".to_owned(),
        Some(data) => {
            let text = std::str::from_utf8(data).map_err(|error| unreadable(&error))?;
            let version = text.trim().parse::<u32>().map_err(|error| unreadable(&error))?;
            if version == ABI_VERSION {
                return Ok(());
            }
            version.to_string()
        }
    };
    Err(format!(
        "the ferricel module uses ABI version {version}. This runtime supports ABI version {ABI_VERSION}. Compile the policy \
         again with a newer kwctl"
    ))
}

/// An extension, as the module lists it.
#[derive(Deserialize)]
struct Used {
    namespace: Option<String>,
    function: String,
}

/// The host capabilities behind the extensions that a module uses; none where the list is missing.
pub(super) fn capabilities(bytes: &[u8]) -> Result<BTreeSet<&'static str>, BinaryReaderError> {
    let used: Vec<Used> =
        section(bytes, EXTENSIONS)?.and_then(|data| serde_json::from_slice(data).ok()).unwrap_or_default();
    let behind = |it: &Used| extension_capabilities(it.namespace.as_deref(), &it.function);
    Ok(used.iter().flat_map(behind).copied().collect())
}

/// The data of the first custom section of a name.
fn section<'a>(bytes: &'a [u8], name: &str) -> Result<Option<&'a [u8]>, BinaryReaderError> {
    for payload in Parser::new(0).parse_all(bytes) {
        if let Payload::CustomSection(section) = payload?
            && section.name() == name
        {
            return Ok(Some(section.data()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(sections: &str) -> Vec<u8> {
        wat::parse_str(format!("(module {sections})")).unwrap()
    }

    #[test]
    fn only_one_version_of_the_abi_is_run() {
        let checked = |sections: &str| check_abi(&module(sections));
        assert_eq!(checked(r#"(@custom "ferricel.abi-version" "1")"#), Ok(()));
        let refusal = |version: &str| {
            format!(
                "the ferricel module uses ABI version {version}. This runtime supports ABI version 1. Compile the policy again \
                 with a newer kwctl"
            )
        };
        assert_eq!(checked(r#"(@custom "ferricel.abi-version" "2")"#), Err(refusal("2")));
        assert_eq!(checked(""), Err(refusal("unknown")));
        for unreadable in ["one", "\\ff", "-1", ""] {
            let error = checked(&format!(r#"(@custom "ferricel.abi-version" "{unreadable}")"#)).unwrap_err();
            assert!(error.starts_with("cannot read the ferricel ABI version of the module: "), "{error}");
        }
    }

    #[test]
    fn extensions_are_host_capabilities() {
        let list = r#"[{"namespace":"kw.k8s","function":"get"},{"namespace":"kw.sigstore","function":"keylessVerify"},{"namespace":null,"function":"isTrusted"}]"#;
        let list = list.replace('"', "\\\"");
        let found = capabilities(&module(&format!(r#"(@custom "ferricel.extensions" "{list}")"#))).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["kubernetes/get_resource", "oci/v2/verify"]);
        assert!(capabilities(&module("")).unwrap().is_empty());
    }

    #[test]
    fn every_capability_behind_an_extension_exists() {
        let known = policy_verify_host::known_capabilities();
        for (namespace, function) in [
            ("kw.k8s", "get"),
            ("kw.k8s", "list"),
            ("kw.oci", "manifest"),
            ("kw.oci", "manifestDigest"),
            ("kw.oci", "manifestConfig"),
            ("kw.net", "lookupHost"),
            ("kw.crypto", "verify"),
            ("kw.sigstore", "pubKeyVerify"),
        ] {
            let capabilities = extension_capabilities(Some(namespace), function);
            assert!(
                !capabilities.is_empty() && capabilities.iter().all(|it| known.contains(it)),
                "{namespace}.{function}"
            );
        }
    }
}
