//! The manifest of a policy, byte for byte as `kwctl push` makes it: canonical JSON with sorted keys and without
//! `mediaType`, one layer that is the module, an empty configuration.

use std::collections::BTreeMap;

use oci_client::manifest::{OciImageManifest, WASM_CONFIG_MEDIA_TYPE, WASM_LAYER_MEDIA_TYPE};
use olpc_cjson::CanonicalFormatter;
use serde::Serialize as _;

use crate::manifest::descriptor;
use policy_verify_model::policy::Metadata;

/// The configuration of every policy.
pub(super) const CONFIG: &[u8] = b"{}";

/// Where policies name their source, and where everybody else looks for it.
const POLICY_SOURCE: &str = "io.kubewarden.policy.source";
const IMAGE_SOURCE: &str = "org.opencontainers.image.source";

/// A manifest, and what it could not carry.
pub(super) struct Made {
    /// The bytes its digest is of.
    pub(super) bytes: String,
    /// Keys of annotations with several lines.
    pub(super) left_out: Vec<String>,
}

/// The manifest of a module. `more` are annotations beside those of the metadata, and win over them.
pub(super) fn of(module: &[u8], metadata: Option<&Metadata>, more: &BTreeMap<String, String>) -> Made {
    let (mut annotations, left_out) = match metadata.and_then(|metadata| metadata.annotations.as_ref()) {
        Some(annotations) => {
            let (kept, left_out) = one_line(annotations);
            (Some(kept), left_out)
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
    Made { bytes: canonical(&manifest), left_out }
}

/// Annotations that somebody typed for a manifest; what is wrong with them, and what to do about it.
pub fn annotations(typed: &[(String, String)]) -> Result<BTreeMap<String, String>, (String, String)> {
    let mut annotations = BTreeMap::new();
    for (key, value) in typed {
        let problem =
            |what: &str, help: &str| Err((format!("the annotation `{}` {what}", key.escape_debug()), help.into()));
        if key.is_empty() || key.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
            return problem("has no name of one word", "write org.opencontainers.image.revision=VALUE");
        }
        if key.starts_with("io.kubewarden.") {
            let help = "write it into `annotations` of metadata.yml: what the manifest says is what the module says";
            return problem("belongs to the metadata of the policy", help);
        }
        let value = value.trim();
        if value.contains(char::is_control) {
            return problem("has several lines, or control characters", "manifests of policies carry single lines");
        }
        if annotations.insert(key.clone(), value.to_owned()).is_some_and(|earlier| earlier != value) {
            return problem("has two values", "leave one of them out");
        }
    }
    Ok(annotations)
}

/// The annotations of one line, trimmed; and the keys of the others.
fn one_line(annotations: &BTreeMap<String, String>) -> (BTreeMap<String, String>, Vec<String>) {
    let mut kept = BTreeMap::new();
    let mut left_out = Vec::new();
    for (key, value) in annotations {
        if value.lines().count() <= 1 {
            kept.insert(key.clone(), value.trim().to_owned());
        } else {
            left_out.push(key.clone());
        }
    }
    if let Some(source) = kept.get(POLICY_SOURCE).cloned() {
        kept.entry(IMAGE_SOURCE.to_owned()).or_insert(source);
    }
    (kept, left_out)
}

/// Canonical JSON as kwctl writes it. That leaves control characters as they are, so that a tabulator in an annotation
/// makes a document no registry takes; only then it is written in the usual way, whose keys are sorted too.
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

    fn made(module: &[u8], metadata: Option<&Metadata>) -> Made {
        of(module, metadata, &BTreeMap::new())
    }

    fn annotations_of(metadata: &Metadata) -> BTreeMap<String, String> {
        let made = made(b"", Some(metadata)).bytes;
        serde_json::from_value(serde_json::from_str::<serde_json::Value>(&made).unwrap()["annotations"].clone())
            .unwrap()
    }

    /// What kwctl 1.36 sent for an 808 byte module with these annotations, with our digest of our module.
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
        assert!(made.bytes.starts_with(r#"{"config":{"#) && made.left_out.is_empty(), "{}", made.bytes);
    }

    #[test]
    fn annotations_of_one_line_travel_trimmed() {
        let metadata =
            metadata(&[("a", "  one line\n"), ("b", "two\nlines"), ("c", ""), ("d", "\n\n"), ("e", "x\r\n")]);
        let kept = annotations_of(&metadata);
        let kept: Vec<(&str, &str)> = kept.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        assert_eq!(kept, [("a", "one line"), ("c", ""), ("e", "x")]);
        assert_eq!(made(b"", Some(&metadata)).left_out, ["b", "d"]);
    }

    #[test]
    fn the_source_is_named_where_everybody_looks_for_it() {
        let kept = annotations_of(&metadata(&[(POLICY_SOURCE, "https://a ")]));
        assert_eq!(kept[IMAGE_SOURCE], "https://a");
        let kept = annotations_of(&metadata(&[(POLICY_SOURCE, "https://a"), (IMAGE_SOURCE, "https://b")]));
        assert_eq!(kept[IMAGE_SOURCE], "https://b");
        assert!(!annotations_of(&metadata(&[(POLICY_SOURCE, "https://a\nhttps://b")])).contains_key(IMAGE_SOURCE));
    }

    #[test]
    fn every_text_makes_a_document() {
        let evil = "a\tb \"quoted\" \\ \u{1} ü e\u{301}";
        let kept = annotations_of(&metadata(&[("a", evil)]));
        assert_eq!(kept["a"], evil);
        // Without control characters it is canonical, which composes accents.
        assert_eq!(annotations_of(&metadata(&[("a", "e\u{301}")]))["a"], "\u{e9}");
    }

    #[test]
    fn typed_annotations_stand_beside_those_of_the_metadata() {
        let typed = |pairs: &[(&str, &str)]| {
            annotations(&pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect::<Vec<_>>())
        };
        let more = typed(&[(IMAGE_SOURCE, "https://b"), ("b", " two "), ("b", "two")]).unwrap();
        let made = of(b"", Some(&metadata(&[("a", "one"), (POLICY_SOURCE, "https://a")])), &more).bytes;
        let start = r#"{"annotations":{"a":"one","b":"two","io.kubewarden.policy.source":"https://a","org.opencontainers.image.source":"https://b"}"#;
        assert!(made.starts_with(start), "{made}");
        assert!(of(b"", None, &more).bytes.starts_with(r#"{"annotations":{"b":"two""#));
        for (pairs, problem) in [
            (&[("io.kubewarden.policy.title", "x")][..], "belongs to the metadata"),
            (&[("", "x")], "has no name"),
            (&[("a b", "x")], "has no name"),
            (&[("a", "x\ny")], "has several lines"),
            (&[("a", "\u{1b}[2J")], "control characters"),
            (&[("a", "x"), ("a", "y")], "has two values"),
        ] {
            let (message, _) = typed(pairs).unwrap_err();
            assert!(message.contains(problem), "{message}");
        }
    }
}
