//! `manifest:` reads a policy as it is deployed: the four kinds of Kubewarden's policy resources.
//!
//! Unknown members of a `spec` are mistakes with their place, as kwctl and the API server refuse them.

use std::time::Duration;

use serde_json::Value;

use super::files::Files;
use super::mistake::{Mistakes, mistake, nearest};
use super::read::{keys, missing, read};
use super::schema::{Data, DeploymentMode, Named, ResourceEntry};
use super::yaml::{self, Node};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::ContextAware;
use policy_verify_model::policy::{ContextAwareResource, Rule, RuleOperation, Settings};
use policy_verify_model::scope::{
    LabelOperator, LabelRequirement, LabelSelector, MatchPolicy, RuleScope, Scope, ScopedRule,
};
use policy_verify_model::source::Spanned;
use policy_verify_model::suite::Deployment;

const API_VERSION: &str = "policies.kubewarden.io/v1";

/// The kinds of manifests.
const KINDS: [Kind; 4] = [
    Kind { word: "AdmissionPolicy", is_cluster: false, is_group: false },
    Kind { word: "ClusterAdmissionPolicy", is_cluster: true, is_group: false },
    Kind { word: "AdmissionPolicyGroup", is_cluster: false, is_group: true },
    Kind { word: "ClusterAdmissionPolicyGroup", is_cluster: true, is_group: true },
];

/// Name of a resource that has none, as kwctl calls it.
const NAMELESS: &str = "crd-without-name";

/// The label by which the policies of a namespace select it.
const NAMESPACE_LABEL: &str = "kubernetes.io/metadata.name";

/// Longest deadline a manifest may ask for, in seconds: far above what the API server takes.
const LONGEST_TIMEOUT: u64 = 600;

#[derive(Debug, Clone, Copy)]
struct Kind {
    word: &'static str,
    is_cluster: bool,
    is_group: bool,
}

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
    pub(super) timeout: Option<Duration>,
}

/// Reads the manifest a suite names as `path` or `path#name`.
pub(super) fn read_manifest(named: &Spanned<String>, files: &Files, mistakes: &mut Mistakes) -> Option<Deployed> {
    let (node, kind) = find(named, files).map_err(|mistake| mistakes.push(mistake)).ok()?;
    let before = mistakes.added();
    let entry = read::<ManifestEntry>(&node, mistakes)?;
    let spec = &entry.spec.0;
    let written = read::<SpecEntry>(spec, mistakes);
    refuse_keys(spec, kind, mistakes);
    let written = written.filter(|_| mistakes.added() == before)?;
    let deployment = deployment(&entry.metadata, &written, kind, mistakes);
    if kind.is_group { group(written, spec, deployment, mistakes) } else { policy(written, spec, deployment, mistakes) }
}

/// The document that is meant.
fn find(named: &Spanned<String>, files: &Files) -> Result<(Node, Kind), Diagnostic> {
    let (path, wanted) = match named.value.split_once('#') {
        Some((path, wanted)) => (path, Some(wanted)),
        None => (named.value.as_str(), None),
    };
    let at = |message: String| mistake(&named.span, message);
    let real = files.resolve(&Spanned::new(path.to_owned(), named.span.clone()))?;
    let file = files.read_text(&real).map_err(|mistake| mistake.at(&named.span))?;
    let mut policies = Vec::new();
    for node in yaml::parse_documents(&file)? {
        let kind = node.get("kind").and_then(Node::as_str);
        if let Some(kind) = KINDS.into_iter().find(|known| kind == Some(known.word)) {
            policies.push((node, kind));
        }
    }
    let listed = policies.iter().map(|(node, _)| name_of(node).to_owned()).collect::<Vec<_>>();
    if policies.is_empty() {
        let kinds = KINDS.map(|kind| kind.word).join(", ");
        return Err(
            at(format!("no policy in `{path}`")).with_help(format!("write a resource of one of the kinds {kinds}"))
        );
    }
    let mut meant =
        policies.into_iter().filter(|(node, kind)| wanted.is_none_or(|wanted| is_meant(wanted, node, *kind)));
    match (meant.next(), meant.next(), wanted) {
        (Some((node, kind)), None, _) => match node.get("apiVersion") {
            Some(version) if version.as_str() == Some(API_VERSION) => Ok((node, kind)),
            version => {
                let span = version.map_or(&node.span, |version| &version.span);
                Err(mistake(span, "invalid `apiVersion`").with_help(format!("write `apiVersion: {API_VERSION}`")))
            }
        },
        (Some(_), Some(_), None) => Err(at(format!("expected one policy, found {} in `{path}`", listed.len()))
            .with_help(format!("add the name of one, `{path}#{}`: {}", listed[0], listed.join(", ")))),
        (Some(_), Some(_), Some(wanted)) => Err(at(format!("several policies `{wanted}` in `{path}`"))
            .with_help(format!("add the kind, as in `{path}#{}/{wanted}`", KINDS[1].word))),
        (None, _, wanted) => {
            let wanted = wanted.unwrap_or_default();
            let help = match nearest(wanted, listed.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{path}#{near}`?"),
                None => format!("write one of: {}", listed.join(", ")),
            };
            Err(at(format!("no policy `{wanted}` in `{path}`")).with_code(Code::UnknownName).with_help(help))
        }
    }
}

fn name_of(node: &Node) -> &str {
    node.get("metadata").and_then(|metadata| metadata.get("name")?.as_str()).unwrap_or(NAMELESS)
}

/// Whether `name` or `Kind/name` means a document.
fn is_meant(wanted: &str, node: &Node, kind: Kind) -> bool {
    match wanted.split_once('/') {
        Some((word, name)) => word == kind.word && name == name_of(node),
        None => wanted == name_of(node),
    }
}

struct ManifestEntry {
    metadata: MetadataEntry,
    spec: Data,
}

keys! { ManifestEntry and others { optional metadata, required spec } }

#[derive(Default)]
struct MetadataEntry {
    name: Option<String>,
    namespace: Option<String>,
}

keys! { MetadataEntry and others { optional name, optional namespace } }

/// The `spec` of all four kinds; [`refuse_keys`] says which has what. Keys that begin with an underscore have no influence on a
/// verdict.
struct SpecEntry {
    module: Option<Spanned<String>>,
    settings: Option<Data>,
    mutating: Option<bool>,
    context_aware_resources: Vec<ResourceEntry>,
    policies: Named<MemberEntry>,
    expression: Option<Spanned<String>>,
    mode: Option<DeploymentMode>,
    message: Option<String>,
    rules: Vec<RuleEntry>,
    namespace_selector: Option<SelectorEntry>,
    object_selector: Option<SelectorEntry>,
    match_conditions: Vec<ConditionEntry>,
    timeout_eval_seconds: Option<Spanned<u64>>,
    _policy_server: Option<Data>,
    _timeout_seconds: Option<Data>,
    _background_audit: Option<Data>,
    _failure_policy: Option<Data>,
    match_policy: Option<MatchPolicy>,
    _side_effects: Option<Data>,
    _allow_inside_admission_controller_namespace: Option<Data>,
}

keys! {
    SpecEntry {
        optional module, optional settings, optional mutating, optional context_aware_resources, optional policies,
        optional expression, optional mode, optional message, optional rules, optional namespace_selector,
        optional object_selector, optional match_conditions, optional timeout_eval_seconds, optional _policy_server,
        optional _timeout_seconds, optional _background_audit, optional _failure_policy, optional match_policy,
        optional _side_effects, optional _allow_inside_admission_controller_namespace,
    }
}

struct MemberEntry {
    module: Spanned<String>,
    settings: Option<Data>,
    context_aware_resources: Vec<ResourceEntry>,
    timeout_eval_seconds: Option<Spanned<u64>>,
}

keys! {
    MemberEntry {
        required module, optional settings, optional context_aware_resources, optional timeout_eval_seconds,
    }
}

struct RuleEntry {
    api_groups: Vec<String>,
    api_versions: Vec<String>,
    resources: Vec<String>,
    operations: Vec<RuleOperation>,
    scope: RuleScope,
}

keys! {
    RuleEntry {
        required api_groups, required api_versions, required resources, required operations, optional scope,
    }
}

#[derive(Default)]
struct SelectorEntry {
    match_labels: Named<String>,
    match_expressions: Vec<RequirementEntry>,
}

keys! { SelectorEntry { optional match_labels, optional match_expressions } }

struct RequirementEntry {
    key: String,
    operator: LabelOperator,
    values: Vec<String>,
}

keys! { RequirementEntry { required key, required operator, optional values } }

struct ConditionEntry {
    name: String,
    _expression: String,
}

keys! { ConditionEntry { required name, required _expression } }

/// Keys that the kind does not have, or that no kind has although suites have such keys.
fn refuse_keys(spec: &Node, kind: Kind, mistakes: &mut Mistakes) {
    const OF_CLUSTERS: [&str; 3] =
        ["namespaceSelector", "contextAwareResources", "allowInsideAdmissionControllerNamespace"];
    const OF_GROUPS: [&str; 2] = ["policies", "expression"];
    const OF_POLICIES: [&str; 4] = ["module", "settings", "mutating", "contextAwareResources"];
    let has = |key: &str| {
        (kind.is_cluster || !OF_CLUSTERS.contains(&key))
            && (kind.is_group || !OF_GROUPS.contains(&key))
            && (!kind.is_group || !OF_POLICIES.contains(&key))
            && !key.starts_with("x-")
    };
    let mut refuse = |node: &Node, has: &dyn Fn(&str) -> bool| {
        for (key, _) in node.entries().iter().filter(|(key, _)| !has(&key.name)) {
            let mistake = mistake(&key.span, format!("unknown key `{}`", key.name)).with_code(Code::UnknownKey);
            mistakes.push(mistake.with_help(format!("remove it: {} has no such key here", with_article(kind.word))));
        }
    };
    refuse(spec, &has);
    for (_, member) in spec.get("policies").map(Node::entries).unwrap_or_default() {
        refuse(member, &|key| !key.starts_with("x-") && (kind.is_cluster || key != "contextAwareResources"));
    }
}

fn with_article(word: &str) -> String {
    format!("{} {word}", if word.starts_with('A') { "an" } else { "a" })
}

fn deployment(metadata: &MetadataEntry, spec: &SpecEntry, kind: Kind, mistakes: &mut Mistakes) -> Deployment {
    let mut namespace_selector = selector(spec.namespace_selector.as_ref());
    // The webhook of a policy in a namespace selects that namespace. Without one it is not known which that will be.
    if let Some(namespace) = metadata.namespace.as_ref().filter(|_| !kind.is_cluster) {
        let values = vec![namespace.clone()];
        namespace_selector.0.push(LabelRequirement {
            key: NAMESPACE_LABEL.into(),
            operator: LabelOperator::In,
            values,
        });
    }
    let rules = spec.rules.iter().map(|entry| ScopedRule {
        rule: Rule {
            api_groups: entry.api_groups.clone(),
            api_versions: entry.api_versions.clone(),
            resources: entry.resources.clone(),
            operations: entry.operations.clone(),
        },
        scope: entry.scope,
    });
    Deployment {
        is_monitor: spec.mode == Some(DeploymentMode::Monitor),
        allowed_to_mutate: spec.mutating.unwrap_or(false),
        // The message of a group is its own, not a replacement.
        message: spec.message.clone().filter(|_| !kind.is_group),
        id: Some(metadata.name.clone().unwrap_or_else(|| NAMELESS.to_owned())),
        scope: Some(Scope {
            rules: rules.collect(),
            namespace_selector,
            object_selector: selector(spec.object_selector.as_ref()),
            match_conditions: spec.match_conditions.iter().map(|condition| condition.name.clone()).collect(),
            match_policy: spec.match_policy.unwrap_or_default(),
        }),
        timeout: timeout(spec.timeout_eval_seconds.as_ref(), mistakes),
    }
}

fn selector(written: Option<&SelectorEntry>) -> LabelSelector {
    let Some(written) = written else { return LabelSelector::default() };
    let labels = written.match_labels.0.iter().map(|(key, value)| LabelRequirement {
        key: key.value.clone(),
        operator: LabelOperator::In,
        values: vec![value.clone()],
    });
    let expressions = written.match_expressions.iter().map(|entry| LabelRequirement {
        key: entry.key.clone(),
        operator: entry.operator,
        values: entry.values.clone(),
    });
    LabelSelector(labels.chain(expressions).collect())
}

fn timeout(written: Option<&Spanned<u64>>, mistakes: &mut Mistakes) -> Option<Duration> {
    let written = written?;
    if !(1..=LONGEST_TIMEOUT).contains(&written.value) {
        let message = format!("timeout must be greater than 0 and at most {LONGEST_TIMEOUT} seconds");
        mistakes.add_with_help(&written.span, message, "write `2`");
        return None;
    }
    Some(Duration::from_secs(written.value))
}

fn policy(written: SpecEntry, spec: &Node, deployment: Deployment, mistakes: &mut Mistakes) -> Option<Deployed> {
    let Some(module) = written.module else {
        missing("module", &spec.span, mistakes);
        return None;
    };
    let module = DeployedModule {
        uri: module.map(with_scheme),
        settings: settings(written.settings.as_ref(), mistakes),
        context_aware: granted(written.context_aware_resources),
        timeout: deployment.timeout,
    };
    Some(Deployed::Policy(Box::new(DeployedPolicy { module, deployment })))
}

fn group(written: SpecEntry, spec: &Node, deployment: Deployment, mistakes: &mut Mistakes) -> Option<Deployed> {
    let mut members = Vec::new();
    for (id, member) in written.policies.0 {
        let module = DeployedModule {
            uri: member.module.map(with_scheme),
            settings: settings(member.settings.as_ref(), mistakes),
            context_aware: granted(member.context_aware_resources),
            timeout: timeout(member.timeout_eval_seconds.as_ref(), mistakes).or(deployment.timeout),
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
    let (expression, message) = (written.expression?, written.message?);
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
    use policy_verify_model::source::{SourceFile, Span};

    /// The manifest in `text`, which must have no mistakes.
    fn deployed(text: &str) -> Deployed {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in [("suite.yml", ""), ("p.yaml", text)] {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let files = Files::of_suite(&folder.path().join("suite.yml"), |_| Ok(())).unwrap();
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
        let mut mistakes = Mistakes::default();
        let named = Spanned::new("p.yaml".to_owned(), Span::start_of(&file));
        let deployed = read_manifest(&named, &files, &mut mistakes);
        let found: Vec<String> = mistakes.into_sorted().into_iter().map(|it| it.message).collect();
        assert_eq!(found, Vec::<String>::new());
        deployed.unwrap()
    }

    fn policy(kind: &str, spec: &str) -> DeployedPolicy {
        let head = format!("apiVersion: {API_VERSION}\nkind: {kind}\n");
        match deployed(&format!("{head}metadata: {{ namespace: shop }}\nspec: {{ {spec} }}\n")) {
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
        let scope = Some(Scope::default());
        let id = Some(NAMELESS.to_owned());
        let wanted = Deployment { allowed_to_mutate: false, id, scope, ..Deployment::default() };
        assert_eq!(deployment, wanted);
    }

    #[test]
    fn a_policy_of_a_namespace_selects_it() {
        let selector = |kind: &str| policy(kind, "module: m").deployment.scope.unwrap().namespace_selector.0;
        assert_eq!(selector("ClusterAdmissionPolicy"), []);
        let [requirement] = &selector("AdmissionPolicy")[..] else { panic!("there is one requirement") };
        assert_eq!(
            (requirement.key.as_str(), requirement.values.as_slice()),
            (NAMESPACE_LABEL, &["shop".to_owned()][..])
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
