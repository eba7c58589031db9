//! Unknown keys of `metadata.yml`. kwctl ignores them, and so do the bytes that are written; but a policy may
//! lose a right to a misspelt key, so they are named.

use std::fmt;
use std::sync::Arc;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

use policy_verify_model::inspection::IgnoredKey;
use policy_verify_model::nearest::nearest;
use policy_verify_model::source::{SourceFile, Spanned};
use policy_verify_model::yaml;

const METADATA: &[&str] = &[
    "protocolVersion",
    "rules",
    "annotations",
    "mutating",
    "backgroundAudit",
    "executionMode",
    "policyType",
    "contextAwareResources",
    "hostCapabilities",
    "minimumKubewardenVersion",
];
const RULE: &[&str] = &["apiGroups", "apiVersions", "resources", "operations"];
const RESOURCE: &[&str] = &["apiVersion", "kind"];

/// The unknown keys, from top to bottom; empty for a file of another shape, which is reported elsewhere.
pub(super) fn of_file(file: &Arc<SourceFile>) -> Vec<IgnoredKey> {
    let mut found = Vec::new();
    let mut add = |keys: &Keys, known: &[&'static str], place: &str| {
        for (name, location) in keys.0.iter().filter(|(name, _)| !known.contains(&name.as_str())) {
            let name = Spanned::new(name.clone(), yaml::span_at(file, *location));
            // `x-` and a dot say that a key is not meant for the reader.
            let is_meant = !name.value.starts_with("x-") && !name.value.starts_with('.');
            let meant = nearest(&name.value, known.iter().copied()).filter(|_| is_meant);
            found.push(IgnoredKey { name, place: place.to_owned(), meant });
        }
    };
    if let Ok(keys) = serde_saphyr::from_str_with_options::<Keys>(&file.text, yaml::options()) {
        add(&keys, METADATA, "the metadata");
    }
    if let Ok(lists) = serde_saphyr::from_str_with_options::<Lists>(&file.text, yaml::options()) {
        for (index, rule) in lists.rules.iter().flatten().enumerate() {
            add(rule, RULE, &format!("`rules[{index}]`"));
        }
        for (index, resource) in lists.context_aware_resources.iter().flatten().enumerate() {
            add(resource, RESOURCE, &format!("`contextAwareResources[{index}]`"));
        }
    }
    found.sort_by_key(|key| key.name.span.offset);
    found
}

/// The keys of a mapping, with their places.
struct Keys(Vec<(String, serde_saphyr::Location)>);

/// The mappings below the first one.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Lists {
    rules: Option<Vec<Keys>>,
    context_aware_resources: Option<Vec<Keys>>,
}

impl<'de> Deserialize<'de> for Keys {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(KeysVisitor)
    }
}

struct KeysVisitor;

impl<'de> Visitor<'de> for KeysVisitor {
    type Value = Keys;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a mapping")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Keys, A::Error> {
        let mut keys = Vec::new();
        while let Some((key, _)) = map.next_entry::<serde_saphyr::Spanned<String>, IgnoredAny>()? {
            keys.push((key.value, key.referenced));
        }
        Ok(Keys(keys))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `line name place meant` of each key.
    fn found(text: &str) -> Vec<String> {
        let file = Arc::new(SourceFile { path: "metadata.yml".into(), text: text.into() });
        let told = |key: IgnoredKey| {
            format!("{} {} {} {}", key.name.span.line, key.name.value, key.place, key.meant.unwrap_or("-"))
        };
        of_file(&file).into_iter().map(told).collect()
    }

    #[test]
    fn keys_are_found_on_every_level_and_in_order() {
        let text = "rulez: x\nrules:\n- apiGroup: ['']\n  scope: '*'\nannotations: { any: thing }\n\
                    contextAwareResources:\n- { apiversion: v1, kind: Pod }\ncontextAware: true\nx-rules: []\n";
        assert_eq!(
            found(text),
            [
                "1 rulez the metadata rules",
                "3 apiGroup `rules[0]` apiGroups",
                "4 scope `rules[0]` -",
                "7 apiversion `contextAwareResources[0]` apiVersion",
                "8 contextAware the metadata -",
                "9 x-rules the metadata -",
            ]
        );
        assert!(found("rules: []\nmutating: false\nprotocolVersion: v1\n").is_empty());
    }

    /// What is written as JSON has every key that is read.
    #[test]
    fn the_lists_are_the_keys_of_metadata() {
        let text = include_str!("../../testdata/inspect/metadata.json");
        let metadata: policy_verify_model::policy::Metadata = serde_json::from_str(text).unwrap();
        let written = serde_json::to_value(metadata).unwrap();
        let keys = |value: &serde_json::Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        let sorted =
            |keys: &[&str]| keys.iter().map(|key| (*key).to_owned()).collect::<std::collections::BTreeSet<_>>();
        for (list, value) in
            [(METADATA, &written), (RULE, &written["rules"][0]), (RESOURCE, &written["contextAwareResources"][0])]
        {
            assert_eq!(sorted(list), keys(value).into_iter().collect());
        }
    }

    #[test]
    fn other_shapes_have_no_keys() {
        assert!(found("rules: 3\n").is_empty());
        assert!(found("[1]\n").is_empty());
        assert!(found("a: [\n").is_empty());
        assert_eq!(found("rules: none\nmutatin: true\n"), ["2 mutatin the metadata mutating"]);
    }
}
