//! `manifest:` reads a policy as it is deployed: the four kinds of Kubewarden's policy resources.
//!
//! Unknown members of a `spec` are mistakes with their place, as kwctl and the API server refuse them; `admission` has the
//! other reasons why a manifest is rejected, `selection` and `allowed` what the controller makes of one that is not.

mod admission;
mod allowed;
mod entry;
mod selection;

use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use self::entry::{ManifestEntry, MetadataEntry, SpecEntry};
use super::file_limit::FileLimit;
use super::files::{Files, text};
use super::mistake::{Mistakes, mistake};
use super::read::{missing, read};
use super::resource::{self, NAMELESS, Wanted};
use super::schema::{Data, DeploymentMode, ResourceEntry};
use super::yaml::{self, Node};
use policy_verify_model::code::Code;
use policy_verify_model::deployed::{PolicyKind, UniqueName};
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::ContextAware;
use policy_verify_model::installation::Kubewarden;
use policy_verify_model::policy::{ContextAwareResource, Settings};
use policy_verify_model::source::{SourceFile, Spanned};
use policy_verify_model::suite::Deployment;

const API_VERSION: &str = "policies.kubewarden.io/v1";

/// What a manifest deploys.
pub(super) enum Deployed {
    Policy(Box<DeployedPolicy>),
    Group(Box<DeployedGroup>),
}

/// A policy that is deployed alone.
pub(super) struct DeployedPolicy {
    pub(super) module: DeployedModule,
    pub(super) deployment: Deployment,
}

/// A group of policies.
pub(super) struct DeployedGroup {
    pub(super) members: Vec<(Spanned<String>, DeployedModule)>,
    pub(super) expression: Spanned<String>,
    pub(super) message: String,
    pub(super) deployment: Deployment,
}

/// A module and what it runs with.
pub(super) struct DeployedModule {
    /// A URI with its scheme.
    pub(super) uri: Spanned<String>,
    pub(super) settings: Settings,
    pub(super) context_aware: ContextAware,
    /// Patterns of the host capabilities it may use; all of them if there is no list.
    pub(super) host_capabilities: Option<Vec<String>>,
    pub(super) timeout: Option<Duration>,
}

/// Reads the manifest a suite names as `path` or `path#name`.
pub(super) fn read_manifest(
    named: &Spanned<String>,
    kubewarden: &Kubewarden,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Option<Deployed> {
    let (node, kind) = find(named, files).map_err(|mistake| mistakes.push(mistake)).ok()?;
    let before = mistakes.added();
    let entry = read::<ManifestEntry>(&node, mistakes)?;
    let spec = &entry.spec.0;
    let written = read::<SpecEntry>(spec, mistakes);
    entry::refuse_keys(spec, kind, mistakes);
    let written = written.filter(|_| mistakes.added() == before)?;
    admission::check(&written, spec, kind, kubewarden, mistakes);
    let deployment = deployment(&entry.metadata, &written, spec, kind, kubewarden, mistakes);
    // The capabilities of cluster-wide policies are not limited, whatever their metadata declares.
    let capabilities = kubewarden.installation.namespaced_capabilities.clone().filter(|_| !kind.is_cluster());
    match kind.is_group() {
        true => group(written, spec, deployment, capabilities.as_ref(), mistakes),
        false => policy(written, spec, deployment, capabilities, mistakes),
    }
}

/// A resource that deploys a policy or a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyName {
    /// Its kind.
    pub kind: String,
    /// Its namespace, where it says one.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl PolicyName {
    /// What chooses it among the resources of a file: `Kind/name`, or `Kind/namespace/name`.
    pub fn in_file(&self) -> String {
        match &self.namespace {
            Some(namespace) => format!("{}/{namespace}/{}", self.kind, self.name),
            None => format!("{}/{}", self.kind, self.name),
        }
    }
}

/// The policies and groups that the resources of a file deploy, in their order; lists are unrolled.
///
/// # Errors
///
/// The file cannot be read, or is no YAML.
pub fn names_of_policies(path: &Path, limit: FileLimit) -> Result<Vec<PolicyName>, Diagnostic> {
    let shown = path.to_string_lossy().into_owned();
    let read = File::open(path).and_then(|file| limit.read(file)).and_then(text);
    let text = read.map_err(|error| Diagnostic::new(Code::FileNotFound, format!("cannot read `{shown}`: {error}")))?;
    let documents = yaml::parse_documents(&Arc::new(SourceFile { path: shown, text }), limit)?;
    let named = resource::unrolled(&documents).into_iter().filter_map(|node| {
        let kind = node.get("kind").and_then(Node::as_str)?;
        let known = PolicyKind::ALL.into_iter().find(|known| known.word() == kind)?;
        let namespace = resource::namespace_of(node).filter(|_| !known.is_cluster()).map(str::to_owned);
        Some(PolicyName { kind: kind.to_owned(), namespace, name: resource::name_of(node).to_owned() })
    });
    Ok(named.collect())
}

/// Kind and name of a resource that deploys a policy or a group.
pub(crate) fn policy_of(resource: &Value) -> Option<(&str, &str)> {
    let kind = resource.get("kind")?.as_str()?;
    PolicyKind::ALL.into_iter().find(|known| known.word() == kind)?;
    Some((kind, resource.pointer("/metadata/name")?.as_str()?))
}

/// The document that is meant.
fn find(named: &Spanned<String>, files: &Files) -> Result<(Node, PolicyKind), Diagnostic> {
    let words = PolicyKind::ALL.map(PolicyKind::word);
    let (node, word) = resource::find(named, &Wanted { one: "policy", several: "policies", kinds: &words }, files)?;
    match node.get("apiVersion") {
        Some(version) if version.as_str() == Some(API_VERSION) => {
            let kind = PolicyKind::ALL.into_iter().find(|kind| kind.word() == word);
            Ok((node, kind.expect("it is one of the kinds that were looked for")))
        }
        version => {
            let span = version.map_or(&node.span, |version| &version.span);
            Err(mistake(span, "invalid `apiVersion`").with_help(format!("write `apiVersion: {API_VERSION}`")))
        }
    }
}

fn deployment(
    metadata: &MetadataEntry,
    spec: &SpecEntry,
    node: &Node,
    kind: PolicyKind,
    kubewarden: &Kubewarden,
    mistakes: &mut Mistakes,
) -> Deployment {
    let name = metadata.name.clone().unwrap_or_else(|| NAMELESS.to_owned());
    let namespace = metadata.namespace.clone().filter(|_| !kind.is_cluster());
    Deployment {
        is_monitor: spec.mode.is_some_and(DeploymentMode::is_monitor),
        allowed_to_mutate: spec.mutating.unwrap_or(false),
        // The message of a group is its own, not a replacement.
        message: spec.message.as_ref().filter(|_| !kind.is_group()).map(|message| message.value.clone()),
        unique_name: Some(UniqueName { kind, namespace, name, release: kubewarden.release }),
        scope: Some(selection::scope(metadata, spec, node, kind, kubewarden, mistakes)),
        timeout: admission::timeout(spec.timeout_eval_seconds.as_ref()),
        is_audited: Some(spec.background_audit.unwrap_or(true)),
    }
}

fn policy(
    written: SpecEntry,
    spec: &Node,
    deployment: Deployment,
    host_capabilities: Option<Vec<String>>,
    mistakes: &mut Mistakes,
) -> Option<Deployed> {
    let Some(module) = written.module else {
        missing("module", &spec.span, mistakes);
        return None;
    };
    let module = DeployedModule {
        uri: module.map(with_scheme),
        settings: settings(written.settings.as_ref(), mistakes),
        context_aware: granted(written.context_aware_resources),
        host_capabilities,
        timeout: deployment.timeout,
    };
    Some(Deployed::Policy(Box::new(DeployedPolicy { module, deployment })))
}

fn group(
    written: SpecEntry,
    spec: &Node,
    deployment: Deployment,
    host_capabilities: Option<&Vec<String>>,
    mistakes: &mut Mistakes,
) -> Option<Deployed> {
    let mut members = Vec::new();
    for (id, member) in written.policies.0 {
        let module = DeployedModule {
            uri: member.module.map(with_scheme),
            settings: settings(member.settings.as_ref(), mistakes),
            context_aware: granted(member.context_aware_resources),
            host_capabilities: host_capabilities.cloned(),
            timeout: admission::timeout(member.timeout_eval_seconds.as_ref()),
        };
        members.push((id, module));
    }
    let mut is_complete = true;
    for (key, is_given) in [
        ("policies", !members.is_empty()),
        ("expression", written.expression.is_some()),
        ("message", written.message.is_some()),
    ] {
        if !is_given {
            missing(key, &spec.span, mistakes);
            is_complete = false;
        }
    }
    let (expression, message) = (written.expression?, written.message?.value);
    is_complete.then(|| Deployed::Group(Box::new(DeployedGroup { members, expression, message, deployment })))
}

/// A module without a scheme is in a registry.
fn with_scheme(module: String) -> String {
    if module.contains("://") { module } else { format!("registry://{module}") }
}

fn settings(written: Option<&Data>, mistakes: &mut Mistakes) -> Settings {
    match written.map(|written| written.0.to_json()) {
        None | Some(Value::Null) => Settings::new(),
        Some(Value::Object(settings)) => settings,
        Some(_) => {
            let span = written.map(|written| &written.0.span).expect("it was read above");
            mistakes.add(span, "Invalid settings in CRD, not an object");
            Settings::new()
        }
    }
}

/// What a manifest does not list is not granted.
fn granted(resources: Vec<ResourceEntry>) -> ContextAware {
    let resource = |entry: ResourceEntry| ContextAwareResource { api_version: entry.api_version, kind: entry.kind };
    ContextAware::Listed(resources.into_iter().map(resource).collect())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use policy_verify_model::scope::{LabelOperator, Scope};
    use policy_verify_model::source::{SourceFile, Span};

    const RULES: &str = "rules: [{ apiGroups: [''], apiVersions: [v1], resources: [pods], operations: [CREATE] }]";

    /// The manifest in `text`, which must have no mistakes.
    fn deployed(text: &str) -> Deployed {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("suite.yml", ""), ("p.yaml", text)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let files = Files::of_suite(&folder.path().join("suite.yml"), None, |_| Ok(())).unwrap();
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
        let mut mistakes = Mistakes::default();
        let named = Spanned::new("p.yaml".to_owned(), Span::start_of(&file));
        let deployed = read_manifest(&named, &Kubewarden::default(), &files, &mut mistakes);
        let found: Vec<String> = mistakes.into_sorted().into_iter().map(|it| it.message).collect();
        assert_eq!(found, Vec::<String>::new());
        deployed.unwrap()
    }

    fn policy(kind: &str, spec: &str) -> DeployedPolicy {
        let head = format!("apiVersion: {API_VERSION}\nkind: {kind}\n");
        match deployed(&format!("{head}metadata: {{ namespace: shop }}\nspec: {{ {RULES}, {spec} }}\n")) {
            Deployed::Policy(policy) => *policy,
            Deployed::Group(_) => panic!("it is a policy"),
        }
    }

    #[test]
    fn a_module_without_a_scheme_is_in_a_registry() {
        for (written, meant) in [
            ("ghcr.io/acme/p:v1", "registry://ghcr.io/acme/p:v1"),
            ("./p.wasm", "registry://./p.wasm"),
            ("registry://ghcr.io/acme/p:v1", "registry://ghcr.io/acme/p:v1"),
            ("https://acme.test/p.wasm", "https://acme.test/p.wasm"),
            ("file:///p.wasm", "file:///p.wasm"),
        ] {
            let policy = policy("AdmissionPolicy", &format!("module: '{written}'"));
            assert_eq!(policy.module.uri.value, meant);
        }
    }

    #[test]
    fn what_is_missing_has_the_defaults_of_the_resource() {
        let DeployedPolicy { module, deployment } = policy("ClusterAdmissionPolicy", "module: m");
        assert_eq!((module.settings, module.context_aware), (Settings::new(), granted(Vec::new())));
        let Deployment { is_monitor, allowed_to_mutate, message, unique_name, scope, timeout, .. } = deployment;
        assert_eq!((is_monitor, allowed_to_mutate, message, timeout), (false, false, None, None));
        assert_eq!(unique_name.unwrap().for_request(None), format!("kw.cap.{NAMELESS}"));
        let scope = scope.unwrap();
        let rules = scope.rules.clone();
        let excluded_namespace = Some("kubewarden".to_owned());
        assert_eq!(scope, Scope { rules, excluded_namespace, ..Scope::default() });
    }

    #[test]
    fn a_policy_of_a_namespace_selects_it() {
        let selector = |kind: &str| policy(kind, "module: m").deployment.scope.unwrap().namespace_selector.0;
        assert_eq!(selector("ClusterAdmissionPolicy"), []);
        let [requirement] = &selector("AdmissionPolicy")[..] else { panic!("there is one requirement") };
        assert_eq!(
            (requirement.key.as_str(), requirement.values.as_slice()),
            (policy_verify_model::scope::NAMESPACE_NAME_LABEL, &["shop".to_owned()][..])
        );
    }

    #[test]
    fn selectors_join_labels_and_expressions() {
        let spec = "module: m, objectSelector: { matchLabels: { a: '1' }, matchExpressions: [{ key: b, operator: NotIn, values: [x, z] }] }";
        let found = policy("AdmissionPolicy", spec).deployment.scope.unwrap().object_selector.0;
        let found: Vec<(&str, LabelOperator, usize)> =
            found.iter().map(|it| (it.key.as_str(), it.operator, it.values.len())).collect();
        assert_eq!(found, [("a", LabelOperator::In, 1), ("b", LabelOperator::NotIn, 2)]);
    }
}
