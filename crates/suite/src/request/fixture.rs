//! `unset`, `merge` and `set`: how a case differs from its fixture.

use std::collections::HashMap;

use serde_json::Value;

use super::field::{self, Place};
use super::place::{absent, child, resolved};
use super::{merge, path_advice};
use crate::fields::Shape;
use crate::mistake::{Mistakes, mistake};
use crate::path::{Path, Step};
use crate::schema::{CaseEntry, Data, Named};
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::source::Spanned;
use policy_verify_model::written_object::WrittenChange;

/// What a case has changed.
#[derive(Debug, Default)]
pub(crate) struct Changes {
    /// The paths of the mappings that `set` has made.
    pub(crate) created: Vec<String>,
    /// Where each change is written.
    pub(crate) written: Vec<WrittenChange>,
}

/// Applies the changes of a case.
pub(crate) fn change(document: &mut Value, root: Shape, case: &CaseEntry, mistakes: &mut Mistakes) -> Changes {
    let mut written = unset(document, root, &case.unset, mistakes);
    if let Some(patch) = &case.merge {
        merge::merge(document, root, &patch.0, mistakes);
        merge::add_places(&patch.0, String::new(), &mut written);
    }
    let created = set(document, root, &case.set, &mut written, mistakes);
    Changes { created, written }
}

/// Removes the values at these paths, and tells where that is written.
fn unset(document: &mut Value, root: Shape, paths: &[Spanned<String>], mistakes: &mut Mistakes) -> Vec<WrittenChange> {
    let mut written = Vec::new();
    for path in paths {
        let removed = Path::parse(&path.value).and_then(|parsed| {
            let parsed = resolved(parsed, document)?;
            remove(document, &parsed).map(|()| removed_from(parsed))
        });
        match removed {
            Ok(at) => written.push(WrittenChange { at, span: path.span.clone(), value: None }),
            Err(mistake) => mistakes.push(about(path, mistake, document, root)),
        }
    }
    written
}

/// What a removal changes: the member, or the list whose other items have another index then.
fn removed_from(path: Path) -> String {
    match path.steps.split_last() {
        Some((last, list)) if last.index(0).is_some() => {
            let list = list.to_vec();
            path.with_steps(list).to_pointer()
        }
        _ => path.to_pointer(),
    }
}

/// Sets values; gives the paths of the mappings that were missing, and adds where values are written.
fn set(
    document: &mut Value,
    root: Shape,
    values: &Named<Data>,
    written: &mut Vec<WrittenChange>,
    mistakes: &mut Mistakes,
) -> Vec<String> {
    let mut created = Vec::new();
    let mut seen: HashMap<String, &str> = HashMap::new();
    for (path, value) in &values.0 {
        let parsed = match Path::parse(&path.value).and_then(|parsed| resolved(parsed, document)) {
            Ok(parsed) => parsed,
            Err(mistake) => {
                mistakes.push(about(path, mistake, document, root));
                continue;
            }
        };
        if let Some(other) = seen.insert(parsed.to_pointer(), &path.value) {
            let message = format!("`{}` and `{other}` are the same path", path.value);
            mistakes.add_with_help(&path.span, message, "keep one of them");
        }
        match insert(document, root, &parsed, value) {
            Ok(inserted) => {
                field::check_value(&value.0, inserted.shape, mistakes);
                inserted.warn(path, &parsed, mistakes);
                let (at, value) = (parsed.to_pointer(), Some(value.0.span.clone()));
                written.push(WrittenChange { at, span: path.span.clone(), value });
                created.extend(inserted.missing);
            }
            Err(mistake) => mistakes.push(about(path, mistake, document, root)),
        }
    }
    created
}

/// The mistake of a path, with its place and, where another reading of its text fits the document, that one.
fn about(path: &Spanned<String>, found: Diagnostic, document: &Value, root: Shape) -> Diagnostic {
    let help = path_advice::advice(&path.value, document, root).or(found.help.clone());
    let message = format!("invalid path `{}`: {}", path.value, found.message);
    Diagnostic { message, help, ..found }.at(&path.span)
}

/// A mapping that loses keys: often the value was meant to be added to it.
fn replaced(path: &Spanned<String>, parsed: &Path, lost: &[String]) -> Diagnostic {
    let names = lost.iter().take(3).map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ");
    let more = lost.len().saturating_sub(3);
    let names = if more == 0 { names } else { format!("{names} and {more} more") };
    let message = format!("`set` replaces the mapping `{}`: {names} removed", path.value);
    let help = match field::nested(&parsed.steps, "{ … }") {
        Some(nested) => format!("to add to the mapping write `merge: {nested}`; to replace it add it to `unset`, too"),
        None => "to replace the mapping add it to `unset`, too".to_owned(),
    };
    mistake(&path.span, message).with_help(help)
}

fn remove(document: &mut Value, path: &Path) -> Result<(), Diagnostic> {
    let (last, parents) = path.steps.split_last().expect("a parsed path has a step");
    let mut place = document;
    for step in parents {
        place = child(place, step)?;
    }
    match place {
        Value::Object(members) => match last.key() {
            Some(key) if members.contains_key(key) => {
                members.remove(key);
                Ok(())
            }
            _ => Err(absent(place, last)),
        },
        Value::Array(items) => match last.index(items.len()) {
            Some(index) if index < items.len() => {
                items.remove(index);
                Ok(())
            }
            _ => Err(absent(place, last)),
        },
        _ => Err(absent(place, last)),
    }
}

/// What a value replaced or needed.
#[derive(Default)]
struct Inserted {
    /// The mappings that were missing.
    missing: Vec<String>,
    /// What may be at its place.
    shape: Shape,
    /// The keys of a mapping that another one replaced and does not have.
    lost: Option<Vec<String>>,
    /// The key that a new one resembles, where keys are free.
    resembled: Option<String>,
}

impl Inserted {
    /// Warns of what is valid and often not meant.
    fn warn(&self, path: &Spanned<String>, parsed: &Path, mistakes: &mut Mistakes) {
        if let Some(lost) = &self.lost {
            mistakes.warn(replaced(path, parsed, lost));
        }
        if let (Some(near), Some(key)) = (&self.resembled, parsed.steps.last().and_then(Step::key)) {
            field::warn_of_resemblance(&path.span, key, near, mistakes);
        }
    }
}

/// The last step may be new, and all mappings before it whose steps are keys: for a list that is the index just behind
/// its end.
fn insert(document: &mut Value, root: Shape, path: &Path, value: &Data) -> Result<Inserted, Diagnostic> {
    let mut inserted = Inserted::default();
    let (last, parents) = path.steps.split_last().expect("a parsed path has a step");
    let mut place = Place { value: document, shape: root };
    for (index, step) in parents.iter().enumerate() {
        place = place.enter(step, &path.steps[index + 1], path.show(index + 1), &mut inserted.missing)?;
    }
    let shape = place.shape.of_value(place.value);
    let json = value.0.to_json();
    match place.value {
        Value::Object(members) if last.key().is_some() => {
            let key = last.key().unwrap_or_default();
            if !members.contains_key(key) {
                field::check_new(members, shape, last)?;
            }
            inserted.resembled = field::resembled(members, shape, last).map(str::to_owned);
            inserted.shape = shape.member(key).unwrap_or(Shape::ANY);
            let before = members.insert(key.to_owned(), json);
            inserted.lost = before.and_then(|before| lost(&before, &members[key]));
        }
        Value::Array(items) if last.index(items.len()).is_some_and(|index| index <= items.len()) => {
            let index = last.index(items.len()).unwrap_or_default();
            inserted.shape = shape.item();
            match items.get_mut(index) {
                Some(item) => {
                    inserted.lost = lost(item, &json);
                    *item = json;
                }
                None => items.push(json),
            }
        }
        other => return Err(absent(other, last)),
    }
    Ok(inserted)
}

/// The keys that a mapping has and the mapping that replaces it does not.
fn lost(before: &Value, after: &Value) -> Option<Vec<String>> {
    let (before, after) = before.as_object().zip(after.as_object())?;
    let lost: Vec<String> = before.keys().filter(|key| !after.contains_key(*key)).cloned().collect();
    (!lost.is_empty()).then_some(lost)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use serde_json::json;

    use super::*;
    use crate::read::read;
    use crate::yaml;
    use policy_verify_model::source::SourceFile;

    fn pod() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": { "labels": { "owner": "a", "app": "web" }, "annotations": { "example.com/team": "x" } },
            "spec": { "containers": [{ "name": "web" }] },
        })
    }

    /// What the changes in `text` make of a document: the document with its warnings, or the mistakes.
    fn changed(mut document: Value, root: Shape, text: &str) -> Result<(Value, Vec<String>, Vec<String>), Vec<String>> {
        let text = format!("{{ name: n, object: x, expect: allow, {text} }}");
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text });
        let mut mistakes = Mistakes::default();
        let case: CaseEntry = read(&yaml::parse(&file).unwrap(), &mut mistakes).unwrap();
        let created = change(&mut document, root, &case, &mut mistakes).created;
        let shown = |it: Diagnostic| format!("{}; {}", it.message, it.help.unwrap_or_default());
        let warnings = mistakes.take_warnings().into_iter().map(shown).collect();
        match mistakes.is_empty() {
            true => Ok((document, warnings, created)),
            false => Err(mistakes.into_sorted().into_iter().map(shown).collect()),
        }
    }

    /// The value at a pointer after the changes, which have no warnings.
    #[track_caller]
    fn value(text: &str, pointer: &str) -> Value {
        let (document, warnings, _) = changed(pod(), Shape::ANY, text).unwrap();
        assert_eq!(warnings, Vec::<String>::new(), "{text}");
        document.pointer(pointer).cloned().unwrap_or_default()
    }

    #[track_caller]
    fn refused(text: &str) -> String {
        let mistakes = changed(pod(), Shape::ANY, text).unwrap_err();
        assert_eq!(mistakes.len(), 1, "{mistakes:?}");
        mistakes[0].clone()
    }

    #[test]
    fn items_of_lists_are_found_by_their_names() {
        assert_eq!(value("set: { 'spec.containers[web].image': b }", "/spec/containers/0/image"), "b");
        assert_eq!(value("unset: ['spec.containers[web]']", "/spec/containers"), json!([]));
        assert_eq!(value("set: { 'spec.containers[web]': { name: x } }", "/spec/containers/0/name"), "x");
        for (text, says) in [
            ("set: { 'spec.containers[wbe].image': b }", "did you mean `[web]`?"),
            ("unset: ['spec.containers[other-thing]']", "no item `other-thing` in a list with 1 item; its items: web"),
            ("set: { 'metadata.labels[owner]': b }", "not a key; write `metadata.labels.owner`"),
            ("set: { 'kind[web]': b }", "item `web` of a value that is not a list"),
            ("set: { 'spec.containers[web].image': b, 'spec.containers[0].image': c }", "are the same path"),
        ] {
            let found = refused(text);
            assert!(found.contains(says), "{text}: {found}");
        }
    }

    #[test]
    fn both_forms_of_paths_set_and_remove() {
        for path in ["metadata.labels.owner", "/metadata/labels/owner", "metadata[\"labels\"].owner"] {
            assert_eq!(value(&format!("set: {{ '{path}': b }}"), "/metadata/labels/owner"), "b", "{path}");
            assert_eq!(value(&format!("unset: ['{path}']"), "/metadata/labels"), json!({ "app": "web" }), "{path}");
        }
        for path in ["/metadata/annotations/example.com~1team", "metadata.annotations[\"example.com/team\"]"] {
            assert_eq!(value(&format!("set: {{ '{path}': b }}"), "/metadata/annotations/example.com~1team"), "b");
            assert_eq!(value(&format!("unset: ['{path}']"), "/metadata/annotations"), json!({}));
        }
        for path in ["spec.containers[0].image", "/spec/containers/0/image"] {
            assert_eq!(value(&format!("set: {{ '{path}': b }}"), "/spec/containers/0/image"), "b");
        }
        for path in ["spec.containers[1]", "spec.containers[-]", "/spec/containers/1", "/spec/containers/-"] {
            let containers = value(&format!("set: {{ '{path}': {{ name: b }} }}"), "/spec/containers");
            assert_eq!(containers, json!([{ "name": "web" }, { "name": "b" }]), "{path}");
        }
        assert_eq!(value("set: { metadata.labels.a/b: x }", "/metadata/labels/a~1b"), "x");
    }

    #[test]
    fn new_keys_that_no_object_has_are_mistakes() {
        for (text, mistake) in [
            (
                "set: { metadata.label: { a: b } }",
                "invalid path `metadata.label`: unknown field `label` of ObjectMeta; did you mean `labels`?",
            ),
            (
                "set: { /metadata/label: { a: b } }",
                "invalid path `/metadata/label`: unknown field `label` of ObjectMeta; did you mean `labels`?",
            ),
            (
                "set: { metadata/labels/owner: x }",
                "invalid path `metadata/labels/owner`: it has `/`, but it is not a JSON pointer; write `metadata.labels.owner`",
            ),
            (
                "unset: [metadata/labels/owner]",
                "invalid path `metadata/labels/owner`: no key `metadata/labels/owner`; write `metadata.labels.owner`",
            ),
            (
                "set: { spec.template.spec.hostNetwork: true }",
                "invalid path `spec.template.spec.hostNetwork`: unknown field `template` of PodSpec; write the path in the Pod: \
                 `wrap` puts the changed Pod into the workload",
            ),
            (
                "set: { spec.securityContex.runAsUser: 0 }",
                "invalid path `spec.securityContex.runAsUser`: unknown field `securityContex` of PodSpec; did you mean `securityContext`?",
            ),
            (
                "set: { spec.securityContext: { runAsNonRot: true } }",
                "unknown field `runAsNonRot` of PodSecurityContext; did you mean `runAsNonRoot`?",
            ),
            (
                "set: { metadata.labels.app.kubernetes.io/name: x }",
                "invalid path `metadata.labels.app.kubernetes.io/name`: key `kubernetes` of a value that is not a mapping; \
                 put a key with dots in quotes: `metadata.labels[\"app.kubernetes.io/name\"]`",
            ),
            (
                "set: { /metadata/annotations/example.com/owner: x }",
                "invalid path `/metadata/annotations/example.com/owner`: no key `example.com`; write `/metadata/annotations/example.com~1owner`",
            ),
            (
                "set: { 'spec.containers[0].resources.limits.nvidia.com/gpu': 1 }",
                "invalid path `spec.containers[0].resources.limits.nvidia.com/gpu`: no key `nvidia`; put a key with dots in quotes: \
                 `spec.containers[0].resources.limits[\"nvidia.com/gpu\"]`",
            ),
            (
                "set: { spec.containers.0.image: x }",
                "invalid path `spec.containers.0.image`: key `0` of a list with 1 item; write `spec.containers[0].image`",
            ),
            (
                "set: { metadata.labels.owner: x, /metadata/labels/owner: y }",
                "`/metadata/labels/owner` and `metadata.labels.owner` are the same path; keep one of them",
            ),
        ] {
            assert_eq!(refused(text), mistake);
        }
    }

    #[test]
    fn keys_in_quotes_are_meant_as_they_are_written() {
        assert_eq!(value("set: { 'metadata[\"label\"]': x }", "/metadata/label"), "x");
        assert_eq!(value("set: { 'spec[\"a/b\"]': x }", "/spec/a~1b"), "x");
        let help = refused("set: { spec.brandNewField: 1 }");
        assert!(help.ends_with("put it in quotes: `[\"brandNewField\"]`"), "{help}");
        let (document, warnings, _) = changed(pod(), Shape::ANY, "set: { metadata.labels.ownr: x }").unwrap();
        assert_eq!(document["metadata"]["labels"]["ownr"], "x");
        let help = "did you mean `owner`? To add the key all the same, put it in quotes: `[\"ownr\"]`";
        assert_eq!(warnings, [format!("the new key `ownr` resembles `owner`; {help}")]);
        assert_eq!(value("set: { 'metadata.labels[\"ownr\"]': x }", "/metadata/labels/ownr"), "x");
    }

    #[test]
    fn keys_of_documents_without_types_may_not_resemble_others() {
        let raw = || json!({ "user": "tonio", "context": {} });
        for (root, text, mistake) in [
            (Shape::RAW, "set: { usr: x }", "the new key `usr` resembles `user`"),
            (Shape::RAW, "set: { contxt.a: x }", "the new key `contxt` resembles `context`"),
            (Shape::RAW, "set: { a/b: x }", "it has `/`, but it is not a JSON pointer"),
            (Shape::admission_request(), "set: { objct: x }", "unknown field `objct` of AdmissionRequest"),
        ] {
            let found = changed(raw(), root, text).unwrap_err();
            assert!(found[0].contains(mistake), "{text}: {found:?}");
        }
        let (document, warnings, _) = changed(raw(), Shape::RAW, "set: { action: eats, context.a: x }").unwrap();
        assert_eq!((document["action"].as_str(), document["context"]["a"].as_str()), (Some("eats"), Some("x")));
        assert_eq!(warnings, Vec::<String>::new());
    }

    #[test]
    fn missing_mappings_are_made() {
        for path in ["spec.securityContext.seccompProfile.type", "/spec/securityContext/seccompProfile/type"] {
            let (document, _, created) = changed(pod(), Shape::ANY, &format!("set: {{ {path}: Unconfined }}")).unwrap();
            assert_eq!(document["spec"]["securityContext"]["seccompProfile"]["type"], "Unconfined");
            let parents: Vec<&str> = path
                .match_indices(['.', '/'])
                .skip(1 + usize::from(path.starts_with('/')))
                .map(|(at, _)| &path[..at])
                .collect();
            assert_eq!(created, parents);
        }
        let null = json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "labels": null } });
        let (document, _, created) = changed(null, Shape::ANY, "set: { metadata.labels.a: b }").unwrap();
        assert_eq!((document["metadata"]["labels"]["a"].as_str(), created.len()), (Some("b"), 1));
        for (text, mistake) in [
            (
                "set: { 'spec.volumes[0].name': x }",
                "the list `volumes` is missing; set the whole list: `spec.volumes: [ … ]`",
            ),
            (
                "set: { /spec/volumes/0/name: x }",
                "the list `volumes` is missing; set the whole list: `/spec/volumes: [ … ]`",
            ),
            ("set: { /spec/volumes/-: x }", "the list `volumes` is missing; "),
            (
                "set: { 'spec.containers[3].name': x }",
                "index 3 is out of range of a list with 1 item; the last index is 0",
            ),
            ("set: { 'spec.containers[-].name': x }", "`-` is the place behind the end of a list; the last index is 0"),
            ("set: { 'spec.containers[5]': x }", "index 5 is out of range of a list with 1 item; "),
            ("unset: ['spec.containers[-]']", "`-` is the place behind the end of a list; the last index is 0"),
            ("unset: [/spec/containers/1]", "is the place behind the end of a list"),
            ("unset: [spec.hostNetwork]", "no key `hostNetwork`; "),
            ("set: { metadata.name.first: x }", "no key `name`; "),
        ] {
            let found = refused(text);
            assert!(found.contains(mistake), "{text}: {found}");
        }
    }

    #[test]
    fn a_mapping_that_loses_keys_has_a_warning() {
        let (document, warnings, _) = changed(pod(), Shape::ANY, "set: { metadata.labels: { owner: b } }").unwrap();
        assert_eq!(document["metadata"]["labels"], json!({ "owner": "b" }));
        let help = "to add to the mapping write `merge: { metadata: { labels: { … } } }`; to replace it add it to `unset`, too";
        assert_eq!(warnings, [format!("`set` replaces the mapping `metadata.labels`: `app` removed; {help}")]);
        for text in [
            "unset: [metadata.labels], set: { metadata.labels: { owner: b } }",
            "set: { metadata.labels: { owner: b, app: web, more: x } }",
            "set: { metadata.labels: null }",
        ] {
            assert_eq!(changed(pod(), Shape::ANY, text).unwrap().1, Vec::<String>::new(), "{text}");
        }
    }

    #[test]
    fn a_merge_patch_adds_replaces_and_removes() {
        let (document, warnings, _) = changed(
            pod(),
            Shape::ANY,
            "merge: { metadata: { labels: { app: null, team: b }, annotations: null }, spec: { securityContext: { runAsUser: 0 }, \
             containers: [{ name: other }] } }, set: { spec.hostNetwork: true }",
        )
        .unwrap();
        assert_eq!(document["metadata"], json!({ "labels": { "owner": "a", "team": "b" } }));
        assert_eq!(
            document["spec"],
            json!({ "containers": [{ "name": "other" }], "securityContext": { "runAsUser": 0 }, "hostNetwork": true })
        );
        assert_eq!(warnings, Vec::<String>::new());
        for (text, mistake) in [
            (
                "merge: { metadata: { label: { a: b } } }",
                "invalid `merge`: unknown field `label` of ObjectMeta; did you mean `labels`?",
            ),
            (
                "merge: { metadata: { labels: { ownr: null } } }",
                "invalid `merge`: no key `ownr`; did you mean `owner`?",
            ),
            ("merge: { spec: { securityContext: { runAsUser: null } } }", "invalid `merge`: no key `runAsUser`; "),
            (
                "merge: { spec: { dnsConfig: { options: [{ nam: x }] } } }",
                "unknown field `nam` of PodDNSConfigOption; did you mean `name`?",
            ),
            (
                "merge: { spec: { containers: { image: x } } }",
                "`containers` is a list; write `set: { '….containers[0].…': … }`",
            ),
            (
                "merge: { metadata.labels: { a: b } }",
                "`metadata.labels` is a path: `merge` needs nested keys; write `merge: { metadata: { labels: … } }`",
            ),
            (
                "merge: { /metadata/labels: { a: b } }",
                "`/metadata/labels` is a path: `merge` needs nested keys; write `merge: { metadata: { labels: … } }`",
            ),
            ("merge: [a]", "`merge` needs a mapping, found a list"),
        ] {
            let found = refused(text);
            assert!(found.contains(mistake), "{text}: {found}");
        }
    }
}
