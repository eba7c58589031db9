//! What context-aware Rego policies find in their `data`, gathered anew before each evaluation.
//!
//! The shapes and the texts of errors are those of policy-evaluator 1.36 (`runtimes/rego`). Objects pass through the
//! types of the `kube` crate as they do there, so members of `metadata` that Kubernetes does not know are dropped.

use std::collections::BTreeMap;

use kube_core::{DynamicObject, ObjectList};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use policy_verify_host::Host;
use policy_verify_host::reply::CallError;
use policy_verify_model::answer::{Fault, FaultKind, ServerAnswer};
use policy_verify_model::policy::ContextAwareResource;

/// Objects of one resource.
type Listed<'a> = (&'a ContextAwareResource, Vec<DynamicObject>);

/// `data.kubernetes` of mode `opa`: `PLURAL.NAME`, in namespaces `PLURAL.NAMESPACE.NAME`. Nothing if nothing is granted.
///
/// A resource without objects is not there at all, as in the server.
pub(crate) fn of_opa(host: &Host) -> Result<Option<Value>, Fault> {
    let lists = lists(host)?;
    if lists.is_empty() {
        return Ok(None);
    }
    let plurals = lists.iter().map(|(resource, _)| plural(host, resource)).collect::<Result<Vec<_>, _>>()?;
    let mut by_plural: BTreeMap<&str, Scope> = BTreeMap::new();
    for ((_, objects), plural) in lists.iter().zip(&plurals) {
        for object in objects {
            let in_namespaces = object.metadata.namespace.is_some();
            let scope = by_plural.entry(plural).or_insert_with(|| Scope { in_namespaces, members: Map::new() });
            scope.add(object)?;
        }
    }
    Ok(Some(by_plural.into_iter().map(|(plural, scope)| (plural.to_owned(), Value::Object(scope.members))).collect()))
}

/// `data` of mode `gatekeeper`: `inventory.cluster.APIVERSION.KIND.NAME` and
/// `inventory.namespace.NAMESPACE.APIVERSION.KIND.NAME`, or nothing at all if nothing is granted.
pub(crate) fn of_gatekeeper(host: &Host) -> Result<Value, Fault> {
    let lists = lists(host)?;
    if lists.is_empty() {
        return Ok(json!({}));
    }
    let (mut cluster, mut namespace) = (Map::new(), Map::new());
    for (ContextAwareResource { api_version, kind }, objects) in lists {
        for object in &objects {
            let versions = match &object.metadata.namespace {
                Some(name) => member(&mut namespace, name),
                None => &mut cluster,
            };
            member(member(versions, api_version), kind).insert(name(object)?, document(object));
        }
    }
    Ok(json!({"inventory": {"cluster": cluster, "namespace": namespace}}))
}

/// Everything the policy may read, in the order in which the server asks.
fn lists(host: &Host) -> Result<Vec<Listed<'_>>, Fault> {
    let list = |resource| {
        let reply = host.list_all(resource).map_err(|error| not_answered(&error))?;
        let list: ObjectList<DynamicObject> =
            read(&reply, "cannot convert callback response into a list of kubernetes objects")?;
        Ok((resource, list.items))
    };
    host.readable()?.iter().map(list).collect()
}

fn plural(host: &Host, resource: &ContextAwareResource) -> Result<String, Fault> {
    let reply = host.plural_name(resource).map_err(|error| not_answered(&error))?;
    read(&reply, "get plural name failure, cannot convert callback response")
}

fn read<T: DeserializeOwned>(reply: &[u8], problem: &str) -> Result<T, Fault> {
    serde_json::from_slice(reply).map_err(|error| failed(format!("{problem}: {error}")))
}

/// What is known under one plural name. The first object decides whether the others live in namespaces too: two groups
/// can have the same plural for different things.
struct Scope {
    in_namespaces: bool,
    members: Map<String, Value>,
}

impl Scope {
    fn add(&mut self, object: &DynamicObject) -> Result<(), Fault> {
        let members = match (self.in_namespaces, &object.metadata.namespace) {
            (true, Some(namespace)) => member(&mut self.members, namespace),
            (false, None) => &mut self.members,
            (false, Some(_)) => {
                return Err(failed("trying to add a namespaced resource to a list of clusterwide resources".into()));
            }
            (true, None) => {
                return Err(failed("trying to add a clusterwide resource to a list of namespaced resources".into()));
            }
        };
        members.insert(name(object)?, document(object));
        Ok(())
    }
}

/// The object of this name, made if it is missing. Nothing but objects is ever put into these maps above the documents.
fn member<'a>(members: &'a mut Map<String, Value>, name: &str) -> &'a mut Map<String, Value> {
    let value = members.entry(name).or_insert_with(|| json!({}));
    value.as_object_mut().expect("only objects stand between the top and the documents")
}

fn name(object: &DynamicObject) -> Result<String, Fault> {
    object.metadata.name.clone().ok_or_else(|| failed("DynamicObject does not have a name".into()))
}

fn document(object: &DynamicObject) -> Value {
    serde_json::to_value(object).expect("what was read from JSON can be written as JSON")
}

fn not_answered(error: &CallError) -> Fault {
    failed(format!("cannot perform a request via callback channel: {error}"))
}

/// There is no data, so the policy is not asked.
fn failed(text: String) -> Fault {
    Fault::new(FaultKind::Host, text.clone())
        .with_help("policy-server cannot gather the data of the policy either, and rejects the request with code 500")
        .at_server(ServerAnswer::Rejects(text))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use policy_verify_host::access::Access;
    use policy_verify_model::cluster::ClusterKind;
    use policy_verify_model::hosting::{AnsweredBy, ContextAware, Grants, HostAnswers, TableAnswer, TableEntry};
    use policy_verify_model::source::{SourceFile, Span, Spanned};
    use policy_verify_model::suite::Compat;

    const DEPLOYMENT: (&str, &str) = ("apps/v1", "Deployment");
    const NAMESPACE: (&str, &str) = ("v1", "Namespace");
    const WIDGET: (&str, &str) = ("acme.test/v1", "Widget");

    fn resource((api_version, kind): (&str, &str)) -> ContextAwareResource {
        ContextAwareResource { api_version: api_version.into(), kind: kind.into() }
    }

    /// A host that grants these resources and has these lists; it knows the plurals of the first two kinds.
    fn host(lists: &[((&str, &str), Value)]) -> Host {
        let span = Span::start_of(&Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() }));
        let entry = |((api_version, kind), items): &((&str, &str), Value)| TableEntry {
            capability: "kubernetes/list_resources_all".into(),
            request: Spanned::new(format!("{api_version}/{kind}"), span.clone()),
            answer: match items {
                Value::String(text) => TableAnswer::Error(text.clone()),
                items => TableAnswer::Value(items.clone()),
            },
        };
        let kinds = [(DEPLOYMENT, "deployments"), (NAMESPACE, "namespaces"), (("x.test/v1", "Space"), "namespaces")];
        let kinds = kinds.map(|(kind, plural)| {
            (resource(kind), ClusterKind { plural: plural.into(), is_namespaced: kind != NAMESPACE })
        });
        let answers = HostAnswers {
            own_table: lists.iter().map(entry).collect(),
            kinds: Arc::new(kinds.into()),
            ..HostAnswers::default()
        };
        let granted = lists.iter().map(|(kind, _)| resource(*kind)).collect();
        let grants = Grants { context_aware: ContextAware::Listed(granted), host_capabilities: Some(Vec::new()) };
        Host::new(Arc::new(answers)).with_access(Access::new(&grants, None, Compat::Strict))
    }

    fn object(kind: (&str, &str), metadata: Value) -> Value {
        json!({"apiVersion": kind.0, "kind": kind.1, "metadata": metadata})
    }

    fn some() -> Host {
        let api = object(DEPLOYMENT, json!({"name": "api", "namespace": "web", "managedFields": [], "new": 1}));
        let job = object(DEPLOYMENT, json!({"name": "job", "namespace": "batch"}));
        host(&[
            (NAMESPACE, json!([object(NAMESPACE, json!({"name": "web", "labels": {"a": "b"}}))])),
            (DEPLOYMENT, json!([api, job])),
        ])
    }

    #[test]
    fn opa_finds_objects_by_plural_name() {
        let host = some();
        assert_eq!(
            of_opa(&host).unwrap().unwrap(),
            json!({
                "deployments": {
                    "batch": {"job": object(DEPLOYMENT, json!({"name": "job", "namespace": "batch"}))},
                    "web": {"api": object(DEPLOYMENT, json!({"name": "api", "namespace": "web", "managedFields": []}))},
                },
                "namespaces": {"web": object(NAMESPACE, json!({"name": "web", "labels": {"a": "b"}}))},
            })
        );
        let calls: Vec<(String, String, AnsweredBy)> =
            host.journal().calls.into_iter().map(|call| (call.capability, call.request, call.answered_by)).collect();
        let call = |capability: &str, request: &str, by| (format!("kubernetes/{capability}"), request.to_owned(), by);
        assert_eq!(
            calls,
            [
                call("list_resources_all", "apps/v1/Deployment", AnsweredBy::Host),
                call("list_resources_all", "v1/Namespace", AnsweredBy::Host),
                call("get_resource_plural_name", "apps/v1/Deployment", AnsweredBy::Kinds),
                call("get_resource_plural_name", "v1/Namespace", AnsweredBy::Kinds),
            ],
            "all lists come before all names"
        );
    }

    #[test]
    fn gatekeeper_finds_objects_by_kind() {
        let host = some();
        assert_eq!(
            of_gatekeeper(&host).unwrap(),
            json!({"inventory": {
                "cluster": {"v1": {"Namespace": {"web": object(NAMESPACE, json!({"name": "web", "labels": {"a": "b"}}))}}},
                "namespace": {
                    "batch": {"apps/v1": {"Deployment": {
                        "job": object(DEPLOYMENT, json!({"name": "job", "namespace": "batch"}))
                    }}},
                    "web": {"apps/v1": {"Deployment": {
                        "api": object(DEPLOYMENT, json!({"name": "api", "namespace": "web", "managedFields": []}))
                    }}},
                },
            }})
        );
        assert_eq!(host.journal().calls.len(), 2, "plural names are for OPA");
    }

    #[test]
    fn what_is_empty_is_not_there() {
        let empty = host(&[(NAMESPACE, json!([]))]);
        assert_eq!(of_opa(&empty).unwrap(), Some(json!({})));
        assert_eq!(of_gatekeeper(&empty).unwrap(), json!({"inventory": {"cluster": {}, "namespace": {}}}));
        let ungranted = host(&[]);
        assert_eq!(of_opa(&ungranted).unwrap(), None);
        assert_eq!(of_gatekeeper(&ungranted).unwrap(), json!({}));
        assert!(ungranted.journal().calls.is_empty());
    }

    #[test]
    fn what_cannot_be_gathered_is_told_in_the_words_of_the_server() {
        let nameless = object(NAMESPACE, json!({"labels": {}}));
        let space = object(("x.test/v1", "Space"), json!({"name": "s", "namespace": "web"}));
        for (lists, opa, gatekeeper) in [
            (
                vec![(NAMESPACE, json!("503"))],
                "cannot perform a request via callback channel: 503",
                Some("cannot perform a request via callback channel: 503"),
            ),
            (
                vec![(NAMESPACE, json!([nameless]))],
                "DynamicObject does not have a name",
                Some("DynamicObject does not have a name"),
            ),
            (
                vec![(NAMESPACE, json!([object(NAMESPACE, json!({"name": 1}))]))],
                "cannot convert callback response into a list of kubernetes objects: invalid type: integer `1`",
                Some("cannot convert callback response into a list of kubernetes objects: invalid type: integer `1`"),
            ),
            (
                vec![
                    (NAMESPACE, json!([object(NAMESPACE, json!({"name": "web"}))])),
                    (("x.test/v1", "Space"), json!([space])),
                ],
                "trying to add a namespaced resource to a list of clusterwide resources",
                None,
            ),
            (
                vec![(WIDGET, json!([]))],
                "cannot perform a request via callback channel: the suite has no answer to \
                 kubernetes/get_resource_plural_name \"acme.test/v1/Widget\"",
                None,
            ),
        ] {
            let fault = of_opa(&host(&lists)).unwrap_err();
            assert_eq!(fault.kind, FaultKind::Host);
            assert!(fault.message.starts_with(opa), "{}", fault.message);
            let text = of_gatekeeper(&host(&lists)).err().map(|fault| fault.message);
            assert_eq!(text.is_some(), gatekeeper.is_some(), "{text:?}");
            assert!(text.unwrap_or_default().starts_with(gatekeeper.unwrap_or_default()));
        }
    }

    #[test]
    fn an_unknown_plural_name_is_a_fault_that_says_what_is_missing() {
        let host = host(&[(WIDGET, json!([]))]);
        of_opa(&host).unwrap_err();
        let fault = host.fault().unwrap();
        assert_eq!(fault.message, "no mock for kubernetes/get_resource_plural_name(\"acme.test/v1/Widget\")");
        assert!(fault.help.unwrap().contains("CustomResourceDefinition of acme.test/v1/Widget to `crds`"));
    }

    #[test]
    fn a_grant_that_nobody_decided_about_is_a_fault() {
        let metadata = "rules: []\nmutating: false\ncontextAwareResources: [{ apiVersion: v1, kind: Pod }]\n";
        let metadata = serde_saphyr::from_str(metadata).unwrap();
        let gather = |context_aware, compat| {
            let grants = Grants { context_aware, ..Grants::default() };
            of_gatekeeper(&Host::new(Arc::default()).with_access(Access::new(&grants, Some(&metadata), compat)))
        };
        let fault = gather(ContextAware::Nothing, Compat::Strict).unwrap_err();
        assert_eq!(fault.message, "`contextAwareResources` of the metadata declares v1/Pod, but the suite grants none");
        let nothing = ContextAware::Listed([].into());
        assert_eq!(gather(nothing, Compat::Strict).unwrap(), json!({}), "the suite says: nothing");
        assert_eq!(gather(ContextAware::Nothing, Compat::Server).unwrap(), json!({}), "the server asks nobody");
        assert!(gather(ContextAware::Declared, Compat::Strict).unwrap_err().message.contains("has no answer"));
    }
}
