//! The fields of Kubernetes' objects: what a path into an object can name.
//!
//! The API server decodes objects into types before admission, so that a policy never sees a field that no type has.
//! `kubernetes-fields.txt` has a type in each line: its name, `apiVersion/kind` where it is that of an object, and its
//! fields; `[]` is a list, `{}` a mapping whose keys the user chooses, and `*` any value. Source: version 0.29 of the
//! crate `k8s-openapi`, all fields from Kubernetes 1.33 to 1.37. `AdmissionRequest` and its parts are those of
//! `k8s.io/api/admission/v1`.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::{Map, Value};

/// What a value can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    /// `[]` for each list, `{}` for each mapping around `of`.
    around: &'static str,
    /// The name of a type; `.` for a scalar, `*` for any value, with more behind it where that is known.
    of: &'static str,
}

/// The kinds of shapes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    /// Nothing is known.
    Any,
    /// A text, a number or a boolean.
    Scalar,
    /// A list.
    List,
    /// A mapping whose keys the user chooses.
    Map,
    /// A mapping with the fields of a type.
    Type,
}

/// Mappings from texts to texts, also where the object has no type.
const MAPS_OF_TEXTS: [&str; 4] = ["annotations", "labels", "matchLabels", "nodeSelector"];

/// Whether the values of such a mapping are texts, whatever the object is.
pub(crate) fn is_map_of_texts(key: &str) -> bool {
    MAPS_OF_TEXTS.contains(&key)
}

impl Default for Shape {
    fn default() -> Self {
        Self::ANY
    }
}

impl Shape {
    /// Any value.
    pub(crate) const ANY: Self = Self { around: "", of: "*" };
    const SCALAR: Self = Self { around: "", of: "." };
    /// A value of a document that is not about Kubernetes.
    pub(crate) const RAW: Self = Self { around: "", of: "*raw" };
    /// An object of an unknown kind: only its metadata is known.
    const OBJECT: Self = Self { around: "", of: "*object" };

    /// The shape of an AdmissionRequest.
    pub(crate) fn admission_request() -> Self {
        Self { around: "", of: "AdmissionRequest" }
    }

    /// The shape of a value: where nothing else is known, that of the object it is.
    pub(crate) fn of_value(self, value: &Value) -> Self {
        value.as_object().map_or(self, |members| self.of_object(members))
    }

    /// The same of a mapping.
    pub(crate) fn of_object(self, members: &Map<String, Value>) -> Self {
        let text = |key: &str| members.get(key).and_then(Value::as_str);
        match text("apiVersion").zip(text("kind")).filter(|_| self == Self::ANY) {
            Some((version, kind)) => tables().kind(version, kind).map_or(Self::OBJECT, |of| Self { around: "", of }),
            None => self,
        }
    }

    /// What kind of value it is.
    pub(crate) fn sort(self) -> Sort {
        match (self.around, self.of) {
            (around, _) if around.starts_with("[]") => Sort::List,
            (around, _) if around.starts_with("{}") => Sort::Map,
            (_, of) if of.starts_with('*') => Sort::Any,
            (_, ".") => Sort::Scalar,
            _ => Sort::Type,
        }
    }

    /// The shape of an item of a list.
    pub(crate) fn item(self) -> Self {
        if self.sort() == Sort::List { self.inner() } else { Self::ANY }
    }

    /// The shape of a member; nothing for a field that the type does not have.
    pub(crate) fn member(self, key: &str) -> Option<Self> {
        match self.sort() {
            Sort::Type => self.fields().find(|(name, _)| *name == key).map(|(_, shape)| shape),
            Sort::Map => Some(self.inner()),
            Sort::Any if self == Self::RAW => Some(self),
            Sort::Any if self == Self::OBJECT && key == "metadata" => Some(Self { around: "", of: "ObjectMeta" }),
            Sort::Any if is_map_of_texts(key) => Some(Self { around: "{}", ..Self::SCALAR }),
            Sort::Any => Some(Self::ANY),
            Sort::Scalar | Sort::List => None,
        }
    }

    /// The names of the fields of a type.
    pub(crate) fn names(self) -> impl Iterator<Item = &'static str> {
        self.fields().map(|(name, _)| name)
    }

    /// The name of the type: `PodSpec`.
    pub(crate) fn name(self) -> &'static str {
        self.of.rsplit('.').next().unwrap_or(self.of)
    }

    fn inner(self) -> Self {
        Self { around: self.around.get(2..).unwrap_or_default(), of: self.of }
    }

    fn fields(self) -> impl Iterator<Item = (&'static str, Self)> {
        tables().types.get(self.of).copied().unwrap_or_default().split(' ').filter(|field| !field.is_empty()).map(field)
    }
}

/// Reads `containers[]=Container`, `labels{}`, `image`.
fn field(text: &'static str) -> (&'static str, Shape) {
    let (left, of) = text.split_once('=').unwrap_or((text, "."));
    let (name, around) = left.split_at(left.find(['[', '{']).unwrap_or(left.len()));
    (name, Shape { around, of })
}

struct Tables {
    /// The fields of each type.
    types: HashMap<&'static str, &'static str>,
    /// The types of kinds, by `apiVersion/kind`.
    kinds: HashMap<&'static str, &'static str>,
}

impl Tables {
    fn kind(&self, version: &str, kind: &str) -> Option<&'static str> {
        self.kinds.get(format!("{version}/{kind}").as_str()).copied()
    }
}

fn tables() -> &'static Tables {
    static TABLES: OnceLock<Tables> = OnceLock::new();
    TABLES.get_or_init(|| {
        let mut tables = Tables { types: HashMap::new(), kinds: HashMap::new() };
        for (head, fields) in include_str!("kubernetes-fields.txt").lines().filter_map(|line| line.split_once(": ")) {
            let (name, kind) = head.split_once(' ').unwrap_or((head, ""));
            tables.types.insert(name, fields);
            if !kind.is_empty() {
                tables.kinds.insert(kind, name);
            }
        }
        tables
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kinds::Kinds;

    fn shape(object: &Value, path: &[&str]) -> Option<Shape> {
        path.iter().try_fold(Shape::ANY.of_value(object), |shape, key| match shape.sort() {
            Sort::List => shape.item().member(key),
            _ => shape.member(key),
        })
    }

    #[test]
    fn fields_of_objects_are_known() {
        let pod = json!({ "apiVersion": "v1", "kind": "Pod" });
        for (path, sort) in [
            ([].as_slice(), Some(Sort::Type)),
            (&["metadata", "labels"], Some(Sort::Map)),
            (&["metadata", "labels", "owner"], Some(Sort::Scalar)),
            (&["metadata", "label"], None),
            (&["spec", "securityContext", "runAsUser"], Some(Sort::Scalar)),
            (&["spec", "containers"], Some(Sort::List)),
            (&["spec", "containers", "securityContext", "privileged"], Some(Sort::Scalar)),
            (&["spec", "containers", "resources", "limits"], Some(Sort::Map)),
            (&["spec", "template"], None),
            (&["status", "anything"], Some(Sort::Any)),
        ] {
            assert_eq!(shape(&pod, path).map(Shape::sort), sort, "{path:?}");
        }
        let deployment = json!({ "apiVersion": "apps/v1", "kind": "Deployment" });
        assert_eq!(shape(&deployment, &["spec", "template", "spec"]).unwrap().name(), "PodSpec");
        let custom = json!({ "apiVersion": "acme.test/v1", "kind": "Widget" });
        assert_eq!(shape(&custom, &["metadata", "label"]), None);
        assert_eq!(shape(&custom, &["spec", "x"]), Some(Shape::ANY));
        assert_eq!(shape(&custom, &["spec", "selector", "matchLabels"]).unwrap().sort(), Sort::Map);
    }

    #[test]
    fn every_type_that_a_field_names_is_in_the_table() {
        let tables = tables();
        assert!(tables.types.len() > 600 && tables.kinds.len() > 100, "{} {}", tables.types.len(), tables.kinds.len());
        for name in tables.types.keys() {
            let shape = Shape { around: "", of: name };
            for (field, shape) in shape.fields() {
                assert!([".", "*"].contains(&shape.of) || tables.types.contains_key(shape.of), "{name}.{field}");
            }
        }
    }

    #[test]
    fn the_kinds_of_workloads_and_of_the_core_group_have_types() {
        let kinds = Kinds::default();
        let known = kinds.stored().filter(|info| ["", "apps", "batch"].contains(&&*info.group) && info.version == "v1");
        for info in known {
            let object = json!({ "apiVersion": info.api_version(), "kind": info.kind });
            assert_eq!(Shape::ANY.of_value(&object).sort(), Sort::Type, "{}", info.kind);
        }
    }
}
