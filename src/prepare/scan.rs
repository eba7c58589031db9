//! Which host capabilities a module seems to use: the names it holds, compared with those its metadata declares.
//!
//! The method is that of `kwctl annotate`: a capability counts as used when its namespace and its operation both are in
//! the data of the module. A name in dead code counts too, one that is put together at run time is missed, so that
//! nothing depends on what is found here but advice.

use std::collections::BTreeSet;

use regex::bytes::Regex;
use wasmparser::{BinaryReaderError, Parser, Payload};

use policy_verify_host as host;

/// Between two segments of data: a byte that no text has, so that no name is found across their border.
const BORDER: u8 = 0xff;

/// The full names of the capabilities whose names the data of a module holds.
pub(super) fn capabilities(bytes: &[u8]) -> Result<BTreeSet<&'static str>, BinaryReaderError> {
    let data = data(bytes)?;
    let names: Vec<(&str, &str)> = host::known_capabilities().iter().filter_map(|name| name.split_once('/')).collect();
    let is_used = |namespace: &str, operation: &str| {
        let longer = names.iter().map(|(_, other)| *other).filter(|other| *other != operation);
        let longer: Vec<&str> = longer.filter(|other| other.starts_with(operation)).collect();
        holds(&data, namespace, &[]) && holds(&data, operation, &longer)
    };
    let used = host::known_capabilities().iter().zip(&names).filter(|(_, (space, name))| is_used(space, name));
    Ok(used.map(|(capability, _)| *capability).collect())
}

/// Whether `name` stands somewhere as more than the beginning of one of the `longer` names.
fn holds(data: &[u8], name: &str, longer: &[&str]) -> bool {
    let pattern = Regex::new(&regex::escape(name)).expect("an escaped text is a pattern");
    let begins_longer = |start: usize| longer.iter().any(|longer| data[start..].starts_with(longer.as_bytes()));
    pattern.find_iter(data).any(|found| !begins_longer(found.start()))
}

fn data(bytes: &[u8]) -> Result<Vec<u8>, BinaryReaderError> {
    let mut all = Vec::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let Payload::DataSection(section) = payload? else { continue };
        for segment in section {
            all.extend_from_slice(segment?.data);
            all.push(BORDER);
        }
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(segments: &[&str]) -> Vec<&'static str> {
        let data: String = segments.iter().map(|text| format!("(data (i32.const 0) \"{text}\")")).collect();
        let bytes = wat::parse_str(format!("(module (memory 1) {data} (data \"passive dns\"))")).unwrap();
        capabilities(&bytes).unwrap().into_iter().collect()
    }

    #[test]
    fn both_parts_of_a_name_have_to_be_there() {
        assert_eq!(found(&["oci v2/verify"]), ["oci/v2/verify"]);
        assert_eq!(found(&["oci", "v2/verify"]), ["oci/v2/verify"]);
        assert!(found(&["v2/verify"]).is_empty());
        assert!(found(&["oci v2/ver", "ify"]).is_empty(), "not across segments");
        assert!(found(&["oci"]).is_empty());
    }

    #[test]
    fn the_beginning_of_a_longer_name_is_not_a_name() {
        assert_eq!(found(&["oci v1/oci_manifest_config"]), ["oci/v1/oci_manifest_config"]);
        assert_eq!(found(&["ociv1/oci_manifestv1/oci_manifest_config"]).len(), 2);
        assert_eq!(found(&["ociv1/oci_manifest_configv1/oci_manifest"]).len(), 2);
    }

    #[test]
    fn real_policies_hold_the_names_of_what_they_call() {
        let read = |name: &str| {
            let path = format!("{}/testdata/policies/{name}/policy.wasm", env!("CARGO_MANIFEST_DIR"));
            capabilities(&std::fs::read(path).unwrap()).unwrap()
        };
        assert!(read("safe-labels").is_empty());
        assert!(read("unique-host").contains("kubernetes/list_resources_all"));
        assert!(read("image-licence-go").contains("oci/v1/oci_manifest"));
        assert!(read("rego-labels").is_empty());
    }

    #[test]
    fn a_broken_module_is_an_error() {
        assert!(capabilities(b"\0asm\x01\0\0\0\x0b\xff").is_err());
    }
}
