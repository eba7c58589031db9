//! The manifest of a policy, byte for byte as `kwctl push` makes it: canonical JSON with sorted keys and without
//! `mediaType`, one layer that is the module, an empty configuration.

use std::collections::BTreeMap;

use oci_client::manifest::{OciImageManifest, WASM_CONFIG_MEDIA_TYPE, WASM_LAYER_MEDIA_TYPE};
use olpc_cjson::CanonicalFormatter;
use serde::Serialize as _;

use crate::manifest::descriptor;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::Metadata;

/// The configuration of every policy.
pub(super) const CONFIG: &[u8] = b"{}";

/// The annotation of Kubewarden for the source, and the one of OCI.
const POLICY_SOURCE: &str = "io.kubewarden.policy.source";
const IMAGE_SOURCE: &str = "org.opencontainers.image.source";

/// A manifest, and the annotations it cannot carry.
pub(super) struct BuiltManifest {
    /// The bytes its digest is of.
    pub(super) bytes: String,
    /// Keys of annotations with more than one line.
    pub(super) omitted: Vec<String>,
}

/// The manifest of a module. `more` are annotations in addition to those of the metadata, and take precedence.
pub(super) fn of(module: &[u8], metadata: Option<&Metadata>, more: &BTreeMap<String, String>) -> BuiltManifest {
    let (mut annotations, omitted) = match metadata.and_then(|metadata| metadata.annotations.as_ref()) {
        Some(annotations) => {
            let (kept, omitted) = one_line(annotations);
            (Some(kept), omitted)
        }
        None => (None, Vec::new()),
    };
    if !more.is_empty() {
        annotations.get_or_insert_default().extend(more.clone());
    }
    let manifest = OciImageManifest {
        config: descriptor(WASM_CONFIG_MEDIA_TYPE, CONFIG),
        layers: vec![descriptor(WASM_LAYER_MEDIA_TYPE, module)],
        annotations,
        ..OciImageManifest::default()
    };
    BuiltManifest { bytes: canonical(&manifest), omitted }
}

/// Checks annotations from the command line.
pub fn annotations(typed: &[(String, String)]) -> Result<BTreeMap<String, String>, Diagnostic> {
    let mut annotations = BTreeMap::new();
    for (key, value) in typed {
        let error = |message: String, help: &str| Err(Diagnostic::new(Code::Usage, message).with_help(help.to_owned()));
        let shown = key.escape_debug();
        if key.is_empty() || key.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return error(
                format!("invalid annotation name `{shown}`"),
                "write `org.opencontainers.image.revision=VALUE`",
            );
        }
        if key.starts_with("io.kubewarden.") {
            let help = "write it to `annotations` in metadata.yml: manifest and module must agree";
            return error(format!("annotation `{shown}` is reserved for the metadata"), help);
        }
        let value = value.trim();
        if value.contains(char::is_control) {
            let message = format!("invalid value of annotation `{shown}`: more than one line, or control characters");
            return error(message, "write the value on one line");
        }
        if annotations.insert(key.clone(), value.to_owned()).is_some_and(|earlier| earlier != value) {
            return error(format!("duplicate annotation `{shown}`"), "remove one of the two values");
        }
    }
    Ok(annotations)
}

/// The single-line annotations, trimmed, and the keys of the others.
fn one_line(annotations: &BTreeMap<String, String>) -> (BTreeMap<String, String>, Vec<String>) {
    let mut kept = BTreeMap::new();
    let mut omitted = Vec::new();
    for (key, value) in annotations {
        if value.lines().count() <= 1 {
            kept.insert(key.clone(), value.trim().to_owned());
        } else {
            omitted.push(key.clone());
        }
    }
    if let Some(source) = kept.get(POLICY_SOURCE).cloned() {
        kept.entry(IMAGE_SOURCE.to_owned()).or_insert(source);
    }
    (kept, omitted)
}

/// Canonical JSON as kwctl writes it. It does not escape control characters, so a tab in an annotation would make invalid
/// JSON; only then ordinary JSON is written, with sorted keys too.
fn canonical(manifest: &OciImageManifest) -> String {
    let value = serde_json::to_value(manifest).expect("a manifest is texts, numbers and maps of texts");
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, CanonicalFormatter::new());
    let written = value.serialize(&mut serializer);
    match String::from_utf8(bytes) {
        Ok(text) if written.is_ok() && serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => text,
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(annotations: &[(&str, &str)]) -> Metadata {
        let annotations: BTreeMap<&str, &str> = annotations.iter().copied().collect();
        serde_json::from_value(serde_json::json!({"rules": [], "mutating": false, "annotations": annotations})).unwrap()
    }

    fn made(module: &[u8], metadata: Option<&Metadata>) -> BuiltManifest {
        of(module, metadata, &BTreeMap::new())
    }

    fn annotations_of(metadata: &Metadata) -> BTreeMap<String, String> {
        let made = made(b"", Some(metadata)).bytes;
        serde_json::from_value(serde_json::from_str::<serde_json::Value>(&made).unwrap()["annotations"].clone())
            .unwrap()
    }

    /// The manifest of kwctl 1.36 for an 808 byte module with these annotations, with the digest of this module.
    #[test]
    fn the_bytes_are_those_of_kwctl() {
        let metadata = metadata(&[
            ("io.kubewarden.policy.title", "t"),
            ("org.opencontainers.image.source", "https://example.com/src"),
        ]);
        let module = [7; 808];
        let digest = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(module));
        let expected = format!(
            r#"{{"annotations":{{"io.kubewarden.policy.title":"t","org.opencontainers.image.source":"https://example.com/src"}},"config":{{"digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","mediaType":"application/vnd.wasm.config.v1+json","size":2}},"layers":[{{"digest":"sha256:{digest}","mediaType":"application/vnd.wasm.content.layer.v1+wasm","size":808}}],"schemaVersion":2}}"#
        );
        assert_eq!(made(&module, Some(&metadata)).bytes, expected);
    }

    #[test]
    fn a_module_without_metadata_has_no_annotations() {
        let made = made(b"x", None);
        assert!(made.bytes.starts_with(r#"{"config":{"#) && made.omitted.is_empty(), "{}", made.bytes);
    }

    #[test]
    fn single_line_annotations_are_trimmed() {
        let metadata =
            metadata(&[("a", "  one line\n"), ("b", "two\nlines"), ("c", ""), ("d", "\n\n"), ("e", "x\r\n")]);
        let kept = annotations_of(&metadata);
        let kept: Vec<(&str, &str)> = kept.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(kept, [("a", "one line"), ("c", ""), ("e", "x")]);
        assert_eq!(made(b"", Some(&metadata)).omitted, ["b", "d"]);
    }

    #[test]
    fn the_source_is_copied_to_the_oci_annotation() {
        let kept = annotations_of(&metadata(&[(POLICY_SOURCE, "https://a ")]));
        assert_eq!(kept[IMAGE_SOURCE], "https://a");
        let kept = annotations_of(&metadata(&[(POLICY_SOURCE, "https://a"), (IMAGE_SOURCE, "https://b")]));
        assert_eq!(kept[IMAGE_SOURCE], "https://b");
        assert!(!annotations_of(&metadata(&[(POLICY_SOURCE, "https://a\nhttps://b")])).contains_key(IMAGE_SOURCE));
    }

    #[test]
    fn every_annotation_makes_valid_json() {
        let evil = "a\tb \"quoted\" \\ \u{1} ü e\u{301}";
        let kept = annotations_of(&metadata(&[("a", evil)]));
        assert_eq!(kept["a"], evil);
        // Without control characters it is canonical, which composes accents.
        assert_eq!(annotations_of(&metadata(&[("a", "e\u{301}")]))["a"], "\u{e9}");
    }

    #[test]
    fn typed_annotations_are_added_to_those_of_the_metadata() {
        let typed = |pairs: &[(&str, &str)]| {
            annotations(&pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect::<Vec<_>>())
        };
        let more = typed(&[(IMAGE_SOURCE, "https://b"), ("b", " two "), ("b", "two")]).unwrap();
        let made = of(b"", Some(&metadata(&[("a", "one"), (POLICY_SOURCE, "https://a")])), &more).bytes;
        let start = r#"{"annotations":{"a":"one","b":"two","io.kubewarden.policy.source":"https://a","org.opencontainers.image.source":"https://b"}"#;
        assert!(made.starts_with(start), "{made}");
        assert!(of(b"", None, &more).bytes.starts_with(r#"{"annotations":{"b":"two""#));
        for (pairs, problem) in [
            (&[("io.kubewarden.policy.title", "x")][..], "is reserved for the metadata"),
            (&[("", "x")], "invalid annotation name"),
            (&[("a b", "x")], "invalid annotation name"),
            (&[("a", "x\ny")], "more than one line"),
            (&[("a", "\u{1b}[2J")], "control characters"),
            (&[("a", "x"), ("a", "y")], "duplicate annotation"),
        ] {
            let message = typed(pairs).unwrap_err().message;
            assert!(message.contains(problem), "{message}");
        }
    }
}
