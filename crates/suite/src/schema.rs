//! The suite as it is written: the types that parse the file, and that its JSON Schema is generated from.
//!
//! Keys are documented here once; the comments become the descriptions in the schema. Meaning is given to the values
//! in the other files of this folder.

use std::borrow::Cow;
use std::collections::BTreeMap;

use indexmap::IndexMap;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use serde_json::Value;

use super::mistake::Mistakes;
use super::read::{FromNode, keys, members, read, words};
use super::yaml::{Content, Node};
use policy_verify_model::answer::FaultKind;
use policy_verify_model::behaviour::Class;
use policy_verify_model::gate::{Least, SameBehaviour, Verdicts};
use policy_verify_model::policy::ExecutionMode;
use policy_verify_model::relation::Relation;
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::{Compat, RulesMode};
use policy_verify_model::workload::Workload;

/// A test suite for Kubewarden policies.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(title = "policy-verify suite")]
pub(crate) struct SuiteFile {
    /// Version of this format: 1.
    #[schemars(extend("const" = 1))]
    pub(crate) version: Spanned<u64>,
    /// Name shown in reports; the path of the file by default.
    pub(crate) name: Option<Spanned<String>>,
    /// Versions of verify that can run the suite, such as ">=0.1".
    pub(crate) requires: Option<Spanned<String>>,
    /// The Kubewarden whose verdicts are reproduced: its release, such as "1.38", or a mapping that also describes how it
    /// is installed. The newest final release that is known by default; `--kubewarden VERSION` overrides the release.
    pub(crate) kubewarden: Option<Either<Spanned<String>, KubewardenEntry>>,
    /// Files with cases, policies, groups, variables, kinds and defaults that belong to this suite, too: paths or globs.
    #[schemars(default, rename = "include")]
    pub(crate) _include: OneOrMany<Spanned<String>>,
    /// Values for ${name}; `--var name=value` overrides them.
    #[schemars(default, rename = "vars")]
    pub(crate) _vars: Named<Data>,
    /// CustomResourceDefinition manifests with further kinds: paths or globs.
    #[schemars(default)]
    pub(crate) crds: Vec<Spanned<String>>,
    /// Keys that every case inherits unless it has its own.
    pub(crate) defaults: Option<DefaultsEntry>,
    /// The policies under test, by name; or paths and globs of manifests, whose policies have the names of their resources.
    #[schemars(default)]
    #[schemars(with = "Policies")]
    pub(crate) policies: Named<Sound<PolicyEntry>>,
    /// Policy groups, by name. A group and a policy cannot have the same name.
    #[schemars(default)]
    #[schemars(with = "Named<GroupEntry>")]
    pub(crate) groups: Named<Sound<GroupEntry>>,
    /// Requests and the expected responses.
    #[schemars(default)]
    #[schemars(with = "Vec<CaseEntry>")]
    pub(crate) cases: Vec<Data>,
    /// Settings, and whether the policy accepts them.
    #[schemars(default)]
    #[schemars(with = "Vec<SettingsCaseEntry>")]
    pub(crate) settings_cases: Vec<Data>,
    /// What the whole run must reach, beyond its cases. Each gate is reported as a test.
    pub(crate) gates: Option<GatesEntry>,
    /// Where `--push` publishes the policies that pass.
    #[schemars(default)]
    #[schemars(with = "Vec<PublishEntry>")]
    pub(crate) publish: Vec<Sound<PublishEntry>>,
}

/// What `policies` takes: paths become a mapping before it is read.
#[derive(Debug, JsonSchema)]
#[schemars(untagged, inline)]
#[expect(dead_code, reason = "only for the schema")]
enum Policies {
    Mapping(Named<PolicyEntry>),
    Path(String),
    Paths(Vec<String>),
}

keys! {
    SuiteFile {
        required version, optional name, optional requires, optional kubewarden, optional _include, optional _vars, optional crds, optional defaults,
        optional policies, optional groups, optional cases, optional settings_cases, optional gates, optional publish,
    }
}

/// A Kubewarden and how it is installed; the defaults are those of its Helm chart.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KubewardenEntry {
    /// Its release, such as "1.38", the newest known patch of it, or "1.38.2".
    pub(crate) version: Option<Spanned<String>>,
    /// The namespace of its controller and policy servers; `kubewarden` by default.
    pub(crate) namespace: Option<Spanned<String>>,
    /// Whether policy-server allows every request in that namespace without evaluating policies; true by default.
    pub(crate) always_accept_own_namespace: Option<bool>,
    /// The resources that an AdmissionPolicy or AdmissionPolicyGroup may target; from 1.38.
    pub(crate) namespaced_policies_allowed_resources: Option<Vec<AllowedResourcesEntry>>,
    /// Patterns of host capabilities that an AdmissionPolicy or AdmissionPolicyGroup may use; all of them by default.
    pub(crate) namespaced_policies_capabilities: Option<Vec<Spanned<String>>>,
    /// Most memory of an instance, such as "256MiB", the default, or `none`; from 1.38.
    pub(crate) policy_memory_limit: Option<Spanned<String>>,
    /// Timeout of cases and policies that have none of their own, "2s" by default.
    #[schemars(with = "Option<String>")]
    pub(crate) policy_timeout: Option<Spanned<UnitText>>,
    /// The PolicyServer resource of the installation, `path` or `path#name`. Other keys replace what it says.
    pub(crate) policy_server: Option<Spanned<String>>,
}

keys! {
    KubewardenEntry {
        optional version, optional namespace, optional always_accept_own_namespace,
        optional namespaced_policies_allowed_resources, optional namespaced_policies_capabilities,
        optional policy_memory_limit, optional policy_timeout, optional policy_server,
    }
}

/// Resources of API groups.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct AllowedResourcesEntry {
    /// API groups; "" is the core group.
    pub(crate) api_groups: Vec<Spanned<String>>,
    /// Plural names of resources, such as `pods`.
    pub(crate) resources: Vec<Spanned<String>>,
}

keys! { AllowedResourcesEntry { required api_groups, required resources } }

/// What the whole run must reach, beyond its cases.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GatesEntry {
    /// Share of the requests that the rules select and that a case must have, such as "100%": each group, version,
    /// resource and operation of the metadata or the manifest counts, and a sample of wildcards.
    #[schemars(with = "Option<String>")]
    pub(crate) rules: Option<Spanned<UnitText>>,
    /// `both`: each policy must let a request pass as it is, and reject or mutate one.
    pub(crate) verdicts: Option<Spanned<Verdicts>>,
    /// Most cases whose expectation is weak, such as 0.
    pub(crate) weak: Option<Spanned<u64>>,
    /// Most WebAssembly instructions that a case executes, or "+5%": so much more than with the `baseline` of its policy.
    #[schemars(with = "Option<Either<u64, String>>")]
    pub(crate) fuel: Option<Spanned<UnitText>>,
    /// Most memory that a policy takes for a case, such as "16MiB".
    #[schemars(with = "Option<String>")]
    pub(crate) memory: Option<Spanned<UnitText>>,
    /// `same`: every case must be answered as the `baseline` of its policy answers it, but for `expectChange`.
    pub(crate) behaviour: Option<Spanned<SameBehaviour>>,
    /// Most cases that notice nothing when their policies give other answers, such as 0. The run tries it, as `verify sabotage`
    /// does.
    pub(crate) hollow: Option<Spanned<u64>>,
    /// `least`: the metadata of each policy must declare the host capabilities and Kubernetes resources that the cases use, and
    /// no others.
    pub(crate) privileges: Option<Spanned<Least>>,
    /// Share of the policies' own code that the cases execute, such as "80%": of lines, or of functions where the module has
    /// no lines. The run measures it without a flag.
    #[schemars(with = "Option<String>")]
    pub(crate) coverage: Option<Spanned<UnitText>>,
    /// Share of the settings and of their choices that a case must set, such as "100%": those that the form of a policy names
    /// and those of the suite.
    #[schemars(with = "Option<String>")]
    pub(crate) settings: Option<Spanned<UnitText>>,
}

keys! { GatesEntry { optional rules, optional verdicts, optional weak, optional hollow, optional fuel, optional memory, optional behaviour, optional privileges, optional coverage, optional settings } }

/// Where a policy is published when all of its tests pass.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PublishEntry {
    /// Name of the policy; needed where the suite declares several.
    pub(crate) policy: Option<Spanned<String>>,
    /// Repository in a registry, such as ghcr.io/acme/policies/safe-labels.
    pub(crate) to: Spanned<String>,
    /// Tags of the artifact.
    #[schemars(default)]
    #[schemars(length(min = 1))]
    pub(crate) tags: Vec<Spanned<String>>,
    /// Tags that are never moved once they exist.
    #[schemars(default)]
    pub(crate) immutable: Vec<Spanned<String>>,
}

keys! { PublishEntry { optional policy, required to, optional tags, optional immutable } }

/// A policy under test.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["uri"] }, { "required": ["manifest"] }]))]
pub(crate) struct PolicyEntry {
    /// Where the module is: a path, or a registry://, https:// or file:// URI. Together with `manifest` it replaces
    /// the module of the manifest.
    pub(crate) uri: Option<Spanned<String>>,
    /// Manifest of an AdmissionPolicy, ClusterAdmissionPolicy, AdmissionPolicyGroup or ClusterAdmissionPolicyGroup: a path,
    /// and behind `#` its name if the file has several.
    pub(crate) manifest: Option<Spanned<String>>,
    /// Modules that replace those of a group's members, by member.
    #[schemars(default)]
    pub(crate) modules: Named<Spanned<String>>,
    /// metadata.yml to annotate the module with, in memory.
    pub(crate) metadata: Option<Spanned<String>>,
    /// Text file for the usage annotation, usually README.md.
    pub(crate) usage: Option<Spanned<String>>,
    /// Settings of the policy, inline or a path.
    pub(crate) settings: Option<FileOr>,
    /// Other settings, picked by name in a case.
    #[schemars(default)]
    pub(crate) variants: Named<FileOr>,
    /// How the policy is deployed: `monitor` lets everything pass.
    pub(crate) mode: Option<Spanned<DeploymentMode>>,
    /// Whether its mutations are let through; true by default.
    pub(crate) allowed_to_mutate: Option<Spanned<bool>>,
    /// Message that replaces the policy's own when it rejects.
    pub(crate) message: Option<Spanned<String>>,
    /// Kubernetes resources the policy may read: `true` for those its metadata declares, or a list. None by default.
    pub(crate) context_aware: Option<Spanned<ContextAwareEntry>>,
    /// Patterns of host capabilities the policy may use, such as "oci/*"; all of them by default.
    pub(crate) host_capabilities: Option<Vec<Spanned<String>>>,
    /// How a module without metadata is called.
    pub(crate) execution_mode: Option<Spanned<ExecutionMode>>,
    /// `server`: where the policy gives no verdict, the case has the answer of policy-server, such as its rejections with
    /// code 500. `strict`, the default: it is a fault.
    pub(crate) compat: Option<Compat>,
    /// Who must have signed a policy that comes from a registry; all of them, where there are several.
    #[schemars(default)]
    pub(crate) signed_by: OneOrMany<Spanned<SignedByEntry>>,
    /// Static checks, each reported as a test of its own.
    pub(crate) check: Option<CheckEntry>,
    /// What the policy must answer alike in all cases that are about it alone, each reported as a test of its own:
    /// `workloads`, `update`, `idempotent`, `order` and `self`. It replaces `relations` of the defaults.
    pub(crate) relations: Option<Vec<RelationWritten>>,
    /// The version that the gate `behaviour` compares it with: a path, or a registry://, https:// or file:// URI.
    pub(crate) baseline: Option<Spanned<String>>,
    /// How its metadata and code are meant to differ from those of the baseline.
    #[schemars(default)]
    pub(crate) expect_change: OneOrMany<Spanned<Class>>,
}

keys! {
    PolicyEntry {
        optional uri, optional manifest, optional modules, optional metadata, optional usage, optional settings,
        optional variants, optional mode, optional allowed_to_mutate, optional message, optional context_aware,
        optional host_capabilities, optional execution_mode, optional compat, optional signed_by, optional check,
        optional relations, optional baseline, optional expect_change,
    }
}

/// A relation: its name, or more.
pub(crate) type RelationWritten = Either<Spanned<Relation>, RelationWithExceptionsEntry>;

/// A relation between requests, with exceptions.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RelationWithExceptionsEntry {
    /// The relation.
    pub(crate) relation: Spanned<Relation>,
    /// What it leaves out.
    #[schemars(default)]
    pub(crate) except: Vec<ExceptionEntry>,
}

keys! { RelationWithExceptionsEntry { required relation, optional except } }

/// What a relation leaves out, and why: a case, kinds of workloads, or these kinds in this case.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("anyOf" = [{ "required": ["case"] }, { "required": ["kinds"] }]))]
pub(crate) struct ExceptionEntry {
    /// The name of a case, or a part of the names of several.
    pub(crate) case: Option<Spanned<String>>,
    /// Kinds of workloads; for the relation `workloads`.
    pub(crate) kinds: Option<Spanned<OneOrMany<Spanned<Workload>>>>,
    /// Why.
    pub(crate) reason: Spanned<String>,
}

keys! { ExceptionEntry { optional case, optional kinds, required reason } }

/// A policy group.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GroupEntry {
    /// How the verdicts of the members make the verdict of the group: "owned() && !internal()".
    pub(crate) expression: Spanned<String>,
    /// Message of a rejection; not empty.
    pub(crate) message: Spanned<String>,
    /// The members; their names are functions of the expression.
    pub(crate) members: Named<MemberEntry>,
    /// How the group is deployed: `monitor` lets everything pass.
    pub(crate) mode: Option<DeploymentMode>,
    /// `server`: where a member gives no verdict, it has the answer of policy-server. `strict`, the default: it is a fault.
    pub(crate) compat: Option<Compat>,
}

keys! { GroupEntry { required expression, required message, required members, optional mode, optional compat } }

/// A policy and its settings.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MemberEntry {
    /// The policy: a name of `policies`, or a path.
    pub(crate) policy: Spanned<String>,
    /// Settings instead of the policy's own, inline or a path.
    pub(crate) settings: Option<FileOr>,
    /// Name of a variant of the policy's settings.
    pub(crate) variant: Option<Spanned<String>>,
}

keys! { MemberEntry { required policy, optional settings, optional variant } }

/// A step of a chain: a name of `policies` or `groups` or a path, or a policy with other settings.
pub(crate) type StepEntry = Either<Spanned<String>, MemberEntry>;

/// A required signature, by `key`, `githubOwner`, `issuer`, `certificate` or `config`.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignedByEntry {
    /// A public key in PEM, or the path of one.
    pub(crate) key: Option<Spanned<String>>,
    /// Owner of the repository on GitHub whose workflow has signed.
    pub(crate) github_owner: Option<Spanned<String>>,
    /// Name of that repository; any of the owner's by default.
    pub(crate) github_repo: Option<Spanned<String>>,
    /// Identity provider of a keyless signature, exactly as its certificate has it.
    pub(crate) issuer: Option<Spanned<String>>,
    /// E-mail address or URI that a keyless certificate was issued to.
    pub(crate) subject: Option<Spanned<String>>,
    /// URL that the URI of a keyless certificate begins with; a slash is added at the end.
    pub(crate) subject_prefix: Option<Spanned<String>>,
    /// A certificate in PEM whose key has signed, or the path of one.
    pub(crate) certificate: Option<Spanned<String>>,
    /// Trusted certificates in PEM that have signed `certificate`, or the path of a file with them.
    pub(crate) certificate_chain: Option<Spanned<String>>,
    /// Whether a transparency log must have seen the signature while `certificate` was valid.
    pub(crate) require_rekor_bundle: Option<Spanned<bool>>,
    /// Path of a verification-config.yml as kwctl reads it.
    pub(crate) config: Option<Spanned<String>>,
    /// Annotations the signature must carry.
    pub(crate) annotations: Option<Spanned<Texts>>,
    /// Whether Sigstore bundles are accepted that do not count in Kubewarden: signed with a key, or with annotations.
    #[schemars(default)]
    pub(crate) accept_bundles: bool,
}

keys! {
    SignedByEntry {
        optional key, optional github_owner, optional github_repo, optional issuer, optional subject,
        optional subject_prefix, optional certificate, optional certificate_chain, optional require_rekor_bundle,
        optional config, optional annotations, optional accept_bundles,
    }
}

/// The Kubernetes resources a policy may read.
#[derive(Debug)]
pub(crate) enum ContextAwareEntry {
    /// Those its metadata declares, or none.
    Declared(bool),
    /// These.
    Listed(Vec<ResourceEntry>),
}

impl FromNode for ContextAwareEntry {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match node.content {
            Content::List(_) => read(node, mistakes).map(Self::Listed),
            _ => read(node, mistakes).map(Self::Declared),
        }
    }
}

impl JsonSchema for ContextAwareEntry {
    fn schema_name() -> Cow<'static, str> {
        "ContextAware".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [{ "type": "boolean" }, generator.subschema_for::<Vec<ResourceEntry>>()] })
    }
}

/// A kind of Kubernetes object.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ResourceEntry {
    /// API version, such as `v1` or `apps/v1`.
    pub(crate) api_version: String,
    /// Kind, such as `Pod` or `Deployment`.
    pub(crate) kind: String,
}

keys! { ResourceEntry { required api_version, required kind } }

/// How a policy is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum DeploymentMode {
    Protect,
    Monitor,
}

impl DeploymentMode {
    /// Whether everything passes.
    pub(crate) fn is_monitor(self) -> bool {
        self == Self::Monitor
    }
}

/// Static checks of a policy.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CheckEntry {
    /// The annotation io.kubewarden.policy.version.
    pub(crate) version: Option<Spanned<String>>,
    /// Whether the metadata says that the policy mutates.
    pub(crate) mutating: Option<Spanned<bool>>,
    /// Exactly the host capabilities the metadata declares.
    pub(crate) host_capabilities: Option<Spanned<Vec<String>>>,
    /// Bound on the size of the module, such as "<= 5MiB".
    pub(crate) size: Option<Spanned<String>>,
    /// Whether the policy takes what a form sends: the path of a questions-ui.yml, or `true` for the one beside the metadata
    /// or the module. `false`: that one is not the policy's.
    pub(crate) questions: Option<Spanned<QuestionsEntry>>,
}

keys! {
    CheckEntry { optional version, optional mutating, optional host_capabilities, optional size, optional questions }
}

/// A form: its path, or whether the usual file is one.
#[derive(Debug)]
pub(crate) enum QuestionsEntry {
    /// The file of the usual name is one, or is none.
    Usual(bool),
    /// A path.
    Path(String),
}

impl FromNode for QuestionsEntry {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match node.content {
            Content::Bool(is_one) => Some(Self::Usual(is_one)),
            _ => read(node, mistakes).map(Self::Path),
        }
    }
}

impl JsonSchema for QuestionsEntry {
    fn schema_name() -> Cow<'static, str> {
        "Questions".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["boolean", "string"] })
    }
}

/// Keys that every case inherits unless it has its own.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DefaultsEntry {
    /// The policy of cases that name none.
    pub(crate) policy: Option<Data>,
    /// The group of cases that name no policy.
    pub(crate) group: Option<Data>,
    /// The chain of cases that name no policy.
    pub(crate) chain: Option<Data>,
    /// Settings, inline or a path.
    pub(crate) settings: Option<Data>,
    /// Name of a variant of the policy's settings.
    pub(crate) variant: Option<Data>,
    /// The object of cases that have no request of their own, inline or a path.
    pub(crate) object: Option<Data>,
    /// The AdmissionReview or AdmissionRequest of cases that have no request of their own, inline or a path.
    pub(crate) request: Option<Data>,
    /// The document of cases that have no request of their own, inline or a path; for raw policies.
    pub(crate) raw: Option<Data>,
    /// Whether faults become the answers of policy-server (`server`) or stay faults (`strict`), for policies that do not
    /// say.
    pub(crate) compat: Option<Compat>,
    /// What every policy must answer alike in its cases, for policies that do not say.
    pub(crate) relations: Option<Vec<RelationWritten>>,
    /// The user.
    pub(crate) user: Option<Data>,
    /// Namespace of the request.
    pub(crate) namespace: Option<Data>,
    /// Operation of the request.
    pub(crate) operation: Option<Data>,
    /// Subresource of the request.
    pub(crate) subresource: Option<Data>,
    /// Whether requests are dry runs.
    pub(crate) dry_run: Option<Data>,
    /// Whether Pods, pod templates and Namespaces are filled with what the API server adds.
    pub(crate) complete: Option<Data>,
    /// Tags, for `--tag`.
    pub(crate) tags: Option<Data>,
    /// Timeout of a case, "2s" by default.
    pub(crate) timeout: Option<Data>,
    /// What happens with requests that no rule of the metadata matches: `enforce` (an error), `skip` or `ignore`.
    pub(crate) rules: Option<Data>,
    /// The current time for policies, 2026-01-01T00:00:00Z by default.
    pub(crate) clock: Option<Data>,
    /// Whether the whole answer is kept in a file beside the suite and compared; `--bless` writes it.
    pub(crate) snapshot: Option<Data>,
    /// Mocks of host calls, used after those of the case.
    #[schemars(default)]
    pub(crate) host: Named<Named<Data>>,
    /// A kwctl recording with mocks of host calls, used after those of the case.
    pub(crate) replay: Option<Spanned<String>>,
    /// `strict`: the calls of the recording must come in its order.
    pub(crate) order: Option<Spanned<ReplayOrder>>,
    /// Objects of the cluster the policies can read: paths, globs, or manifests. It is the cluster of cases that have none
    /// of their own; a case's cluster replaces it.
    pub(crate) cluster: Option<OneOrMany<FileOr>>,
}

keys! {
    DefaultsEntry {
        optional policy, optional group, optional chain, optional settings, optional variant, optional object,
        optional request, optional raw, optional compat, optional relations, optional user, optional namespace, optional operation, optional subresource,
        optional dry_run, optional complete, optional tags, optional timeout, optional rules, optional clock, optional snapshot,
        optional host, optional replay, optional order, optional cluster,
    }
}

impl DefaultsEntry {
    /// The keys that are copied into cases that lack them.
    pub(crate) fn inherited(&self) -> [(&'static str, &Option<Data>); 19] {
        [
            ("policy", &self.policy),
            ("group", &self.group),
            ("chain", &self.chain),
            ("settings", &self.settings),
            ("variant", &self.variant),
            ("object", &self.object),
            ("request", &self.request),
            ("raw", &self.raw),
            ("user", &self.user),
            ("namespace", &self.namespace),
            ("operation", &self.operation),
            ("subresource", &self.subresource),
            ("dryRun", &self.dry_run),
            ("complete", &self.complete),
            ("tags", &self.tags),
            ("timeout", &self.timeout),
            ("rules", &self.rules),
            ("clock", &self.clock),
            ("snapshot", &self.snapshot),
        ]
    }
}

/// A request and the expected response.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CaseEntry {
    /// What the case shows, in words; unique within the suite.
    pub(crate) name: Spanned<String>,
    /// The policy: a name of `policies` or `groups`, or a path. A list runs the case once for each.
    pub(crate) policy: Option<OneOrMany<Spanned<String>>>,
    /// The group: a name of `groups`, or of a manifest of a group.
    pub(crate) group: Option<Spanned<String>>,
    /// Policies and groups one after the other: each sees the object as the one before left it.
    pub(crate) chain: Option<Spanned<Vec<StepEntry>>>,
    /// One case for each row; the values are used as ${key}.
    #[schemars(default, rename = "each")]
    #[schemars(with = "Vec<IndexMap<String, Value>>")]
    pub(crate) _each: Option<Data>,
    /// One case for each combination; the values are used as ${key}.
    #[schemars(default, rename = "matrix")]
    #[schemars(with = "IndexMap<String, Vec<Value>>")]
    pub(crate) _matrix: Option<Data>,
    /// Settings instead of the policy's own, inline or a path.
    pub(crate) settings: Option<FileOr>,
    /// Name of a variant of the policy's settings.
    pub(crate) variant: Option<Spanned<String>>,
    /// The object, inline or a path. Alone it is created; with `oldObject` it is the object after
    /// an update.
    pub(crate) object: Option<FileOr>,
    /// The object before the change, inline or a path. Alone it is deleted.
    pub(crate) old_object: Option<FileOr>,
    /// One case for each object of these files: paths or globs. Lists are unrolled.
    pub(crate) objects: Option<OneOrMany<Spanned<String>>>,
    /// A complete AdmissionReview or AdmissionRequest, inline or a path.
    pub(crate) request: Option<FileOr>,
    /// A document that is not about Kubernetes, inline or a path; for raw policies.
    pub(crate) raw: Option<FileOr>,
    /// Operation of the request, where it cannot be inferred.
    pub(crate) operation: Option<Spanned<Operation>>,
    /// Subresource of the request, such as `status` or `scale`.
    pub(crate) subresource: Option<Spanned<String>>,
    /// The user: a name, or name and groups.
    pub(crate) user: Option<Either<String, UserEntry>>,
    /// Namespace of the request.
    pub(crate) namespace: Option<Spanned<String>>,
    /// Whether the request is a dry run.
    pub(crate) dry_run: Option<Spanned<bool>>,
    /// Fills Pods, pod templates and Namespaces with what the API server adds before webhooks see them.
    pub(crate) complete: Option<Spanned<bool>>,
    /// Members of the `options` of the request, such as `fieldManager` or `propagationPolicy`.
    pub(crate) options: Option<Spanned<Named<Data>>>,
    /// Values to put into the object, by path: `spec.containers[0].image`, or the JSON pointer
    /// `/spec/containers/0/image`. Mappings before the last step may be missing.
    #[schemars(default)]
    pub(crate) set: Named<Data>,
    /// Paths to remove from the object.
    #[schemars(default)]
    pub(crate) unset: Vec<Spanned<String>>,
    /// A JSON merge patch (RFC 7396) for the object: mappings are merged, other values replace, and
    /// empty ones remove.
    #[schemars(with = "Option<IndexMap<String, Value>>")]
    pub(crate) merge: Option<Data>,
    /// Puts the pod into a workload of this kind.
    pub(crate) wrap: Option<Spanned<Workload>>,
    /// Tags, for `--tag`.
    #[schemars(default)]
    pub(crate) tags: Vec<String>,
    /// Why the case is not run.
    pub(crate) skip: Option<Either<Spanned<String>, SkipEntry>>,
    /// Runs only cases with this mark; refused in CI, and where stdout is no terminal.
    pub(crate) only: Option<Spanned<bool>>,
    /// Why the case fails today; the day it passes, the run fails. A text covers a mismatch, never a fault.
    pub(crate) xfail: Option<Either<Spanned<String>, XfailEntry>>,
    /// Timeout, such as "200ms".
    #[schemars(with = "Option<String>")]
    pub(crate) timeout: Option<Spanned<UnitText>>,
    /// The current time for the policy.
    pub(crate) clock: Option<Spanned<String>>,
    /// Whether the whole answer is kept in a file beside the suite and compared; `--bless` writes it.
    pub(crate) snapshot: Option<Spanned<bool>>,
    /// What happens with a request that no rule of the metadata matches: `enforce` (an error), `skip` or `ignore`.
    pub(crate) rules: Option<RulesMode>,
    /// Mocks of host calls: capability, request, response.
    #[schemars(default)]
    pub(crate) host: Named<Named<Data>>,
    /// A kwctl recording with mocks of host calls.
    pub(crate) replay: Option<Spanned<String>>,
    /// `strict`: the calls of the recording must come in its order.
    pub(crate) order: Option<Spanned<ReplayOrder>>,
    /// Objects of the cluster the policy can read: paths, globs, or manifests. It answers lists and look-ups of every
    /// known kind, after `host` and `replay`; what it does not hold is not there.
    pub(crate) cluster: Option<OneOrMany<FileOr>>,
    /// The expected response.
    #[schemars(with = "Either<ExpectWord, ExpectEntry>")]
    pub(crate) expect: Data,
    /// How the answer is meant to differ from that of the policy's `baseline`, such as `new-denial`.
    #[schemars(default)]
    pub(crate) expect_change: OneOrMany<Spanned<Class>>,
}

keys! {
    CaseEntry {
        required name, optional policy, optional group, optional chain, optional _each, optional _matrix,
        optional settings, optional variant, optional object, optional old_object, optional objects, optional request,
        optional raw, optional operation, optional subresource, optional user, optional namespace, optional dry_run,
        optional complete, optional options, optional set, optional unset, optional merge, optional wrap, optional tags, optional skip, optional only, optional xfail,
        optional timeout, optional clock, optional snapshot, optional rules, optional host, optional replay,
        optional order, optional cluster, required expect, optional expect_change,
    }
}

/// Settings, and whether the policy accepts them.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SettingsCaseEntry {
    /// What the case shows, in words; unique within the suite.
    pub(crate) name: Spanned<String>,
    /// The policy: a name of `policies`, or a path.
    pub(crate) policy: Option<OneOrMany<Spanned<String>>>,
    /// One case for each row; the values are used as ${key}.
    #[schemars(default, rename = "each")]
    #[schemars(with = "Vec<IndexMap<String, Value>>")]
    pub(crate) _each: Option<Data>,
    /// One case for each combination; the values are used as ${key}.
    #[schemars(default, rename = "matrix")]
    #[schemars(with = "IndexMap<String, Vec<Value>>")]
    pub(crate) _matrix: Option<Data>,
    /// The settings, inline or a path.
    pub(crate) value: FileOr,
    /// Tags, for `--tag`.
    #[schemars(default)]
    pub(crate) tags: Vec<String>,
    /// Why the case is not run.
    pub(crate) skip: Option<Either<Spanned<String>, SkipEntry>>,
    /// Runs only cases with this mark; refused in CI, and where stdout is no terminal.
    pub(crate) only: Option<Spanned<bool>>,
    /// Why the case fails today; the day it passes, the run fails. A text covers a mismatch, never a fault.
    pub(crate) xfail: Option<Either<Spanned<String>, XfailEntry>>,
    /// Timeout, such as "200ms".
    #[schemars(with = "Option<String>")]
    pub(crate) timeout: Option<Spanned<UnitText>>,
    /// The current time for the policy.
    pub(crate) clock: Option<Spanned<String>>,
    /// Whether the whole answer is kept in a file beside the suite and compared; `--bless` writes it.
    pub(crate) snapshot: Option<Spanned<bool>>,
    /// Mocks of host calls: capability, request, response.
    #[schemars(default)]
    pub(crate) host: Named<Named<Data>>,
    /// A kwctl recording with mocks of host calls.
    pub(crate) replay: Option<Spanned<String>>,
    /// `strict`: the calls of the recording must come in its order.
    pub(crate) order: Option<Spanned<ReplayOrder>>,
    /// Objects of the cluster the policy can read: paths, globs, or manifests. It answers lists and look-ups of every
    /// known kind, after `host` and `replay`; what it does not hold is not there.
    pub(crate) cluster: Option<OneOrMany<FileOr>>,
    /// Whether the policy accepts them.
    #[schemars(with = "Either<SettingsWord, SettingsExpectEntry>")]
    pub(crate) expect: Data,
    /// How the answer is meant to differ from that of the policy's `baseline`, such as `new-denial`.
    #[schemars(default)]
    pub(crate) expect_change: OneOrMany<Spanned<Class>>,
}

keys! {
    SettingsCaseEntry {
        required name, optional policy, optional _each, optional _matrix, required value, optional tags,
        optional skip, optional only, optional xfail, optional timeout, optional clock, optional snapshot, optional host,
        optional replay, optional order, optional cluster, required expect, optional expect_change,
    }
}

/// Operation of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub(crate) enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

impl Operation {
    /// The word in the request.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// How a recording is matched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ReplayOrder {
    /// Calls must come in the recorded order, as in kwctl.
    Strict,
    /// Calls are matched by their request.
    Content,
}

/// The user of a request.
#[derive(Debug, Clone, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct UserEntry {
    /// Name of the user.
    pub(crate) username: Option<String>,
    /// Unique id of the user.
    pub(crate) uid: Option<String>,
    /// Groups of the user.
    pub(crate) groups: Option<Vec<String>>,
    /// Anything an authenticator adds.
    pub(crate) extra: Option<Data>,
}

keys! { UserEntry { optional username, optional uid, optional groups, optional extra } }

/// Why a case is not run, and for how long.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SkipEntry {
    /// Why.
    pub(crate) reason: Spanned<String>,
    /// The day from which the case runs again, as 2027-01-31.
    pub(crate) until: Option<Spanned<String>>,
}

keys! { SkipEntry { required reason, optional until } }

/// How a case fails today.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct XfailEntry {
    /// Why.
    pub(crate) reason: Spanned<String>,
    /// The kind of fault that is covered; a mismatch then is not. Without it, mismatches are covered and faults are not.
    pub(crate) fault: Option<Spanned<FaultKind>>,
}

keys! { XfailEntry { required reason, optional fault } }

/// Verdicts that need no more than a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum ExpectWord {
    /// Allowed, and not mutated.
    Allow,
    /// Allowed, mutated or not.
    Accept,
    /// Allowed, and mutated in any way.
    Mutate,
    /// Rejected by the policy, with any message.
    Deny,
    /// No rule of the metadata matches the request.
    NotApplicable,
}

/// A verdict and its details.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExpectEntry {
    /// Allowed, and not mutated.
    #[schemars(default)]
    #[schemars(with = "Option<bool>")]
    pub(crate) allow: Given,
    /// Allowed, mutated or not.
    #[schemars(default)]
    #[schemars(with = "Option<bool>")]
    pub(crate) accept: Given,
    /// Allowed, and mutated like this.
    #[schemars(default)]
    #[schemars(with = "Option<MutateEntry>")]
    pub(crate) mutate: Given,
    /// Rejected by the policy, with this message.
    #[schemars(default)]
    #[schemars(with = "Option<Either<String, TextEntry>>")]
    pub(crate) deny: Given,
    /// A fault of this kind.
    #[schemars(default)]
    #[schemars(with = "Option<Either<FaultKind, FaultEntry>>")]
    pub(crate) fault: Given,
    /// The AdmissionResponse: every given key must match; inline or a path.
    pub(crate) response: Option<Spanned<FileOr>>,
    /// Compare the whole response.
    pub(crate) exactly: Option<Spanned<bool>>,
    /// Status code.
    pub(crate) code: Option<Spanned<u16>>,
    /// All warnings, in order.
    pub(crate) warnings: Option<Spanned<Vec<String>>>,
    /// All audit annotations.
    pub(crate) audit_annotations: Option<Spanned<IndexMap<String, String>>>,
    /// The host calls the policy makes: each of these at least once, in any order, and no others. An empty list means
    /// that it makes none. Log lines do not count.
    pub(crate) calls: Option<Spanned<Vec<CallWritten>>>,
    /// Verdicts of members of the group; other members may have any verdict.
    #[schemars(default)]
    #[schemars(with = "Named<Either<MemberSays, MemberDenies>>")]
    pub(crate) members: Named<Data>,
    /// How the policy is deployed. With `monitor` everything else here is about the answer of the policy itself, which
    /// monitor mode turns into a response that allows.
    pub(crate) mode: Option<Spanned<DeploymentMode>>,
}

keys! {
    ExpectEntry {
        optional allow, optional accept, optional mutate, optional deny, optional fault, optional response,
        optional exactly, optional code, optional warnings, optional audit_annotations, optional calls,
        optional members, optional mode,
    }
}

/// The verdict of a member of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum MemberSays {
    /// It allows.
    Allow,
    /// It rejects or mutates.
    Deny,
    /// Not evaluated: the expression is decided without it.
    NotAsked,
}

/// How a member of a group rejects.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MemberDenies {
    /// It rejects, with this message.
    #[schemars(with = "Either<String, TextEntry>")]
    pub(crate) deny: Data,
}

keys! { MemberDenies { required deny } }

/// A host call: the name of its capability, or more.
pub(crate) type CallWritten = Either<Spanned<String>, CallEntry>;

/// A host call.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CallEntry {
    /// Name of the capability, such as "kubernetes/list_resources_all".
    pub(crate) capability: Spanned<String>,
    /// The request, in the short form of `host:`; any by default.
    pub(crate) request: Option<Spanned<String>>,
}

keys! { CallEntry { required capability, optional request } }

/// How the object is mutated.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MutateEntry {
    /// The mutated object has these keys, inline or a path.
    pub(crate) object: Option<Spanned<FileOr>>,
    /// The mutated object is exactly this, inline or a path.
    pub(crate) exactly: Option<Spanned<FileOr>>,
    /// Paths or JSON pointers; nothing else may change.
    pub(crate) only: Option<Spanned<OneOrMany<Spanned<String>>>>,
    /// The patch has at least these operations.
    pub(crate) includes: Option<Spanned<Vec<Data>>>,
    /// The patch is exactly this.
    pub(crate) patch: Option<Spanned<Vec<Data>>>,
    /// A second pass changes nothing.
    pub(crate) idempotent: Option<Spanned<bool>>,
}

keys! {
    MutateEntry {
        optional object, optional exactly, optional only, optional includes, optional patch, optional idempotent,
    }
}

/// What a text looks like.
#[derive(Debug, Default, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TextEntry {
    /// The text holds each of these.
    #[schemars(default)]
    pub(crate) contains: OneOrMany<Spanned<String>>,
    /// Each of these regular expressions matches somewhere in the text.
    #[schemars(default)]
    pub(crate) matches: OneOrMany<Spanned<String>>,
    /// The text holds none of these.
    #[schemars(default)]
    pub(crate) not: OneOrMany<Spanned<String>>,
}

keys! { TextEntry { optional contains, optional matches, optional not } }

/// A fault that is expected.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FaultEntry {
    /// The kind of fault.
    pub(crate) kind: Spanned<FaultKind>,
    /// The message holds each of these.
    #[schemars(default)]
    pub(crate) contains: OneOrMany<Spanned<String>>,
    /// Each of these regular expressions matches somewhere in the message.
    #[schemars(default)]
    pub(crate) matches: OneOrMany<Spanned<String>>,
}

keys! { FaultEntry { required kind, optional contains, optional matches } }

/// The expected validation of settings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SettingsWord {
    /// The policy accepts them.
    Valid,
    /// The policy rejects them, with any message.
    Invalid,
}

/// How a policy rejects settings.
#[derive(Debug, JsonSchema)]
#[schemars(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SettingsExpectEntry {
    /// The policy rejects them, with this text.
    pub(crate) invalid: Either<Spanned<String>, TextEntry>,
}

keys! { SettingsExpectEntry { required invalid } }

/// A value kept as it is written, to be read later.
#[derive(Debug, Clone)]
pub(crate) struct Data(pub(crate) Node);

impl FromNode for Data {
    fn from_node(node: &Node, _: &mut Mistakes) -> Option<Self> {
        Some(Self(node.clone()))
    }
}

/// An entry without a mistake in its shape; nothing where there is one: what such an entry lacks is no second mistake.
#[derive(Debug)]
pub(crate) struct Sound<T>(pub(crate) Option<T>);

impl<T: FromNode> FromNode for Sound<T> {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        let before = mistakes.added();
        let entry = read(node, mistakes);
        Some(Self(entry.filter(|_| mistakes.added() == before && !node.has_unknown())))
    }
}

/// A key that counts as given even when its value is empty (`deny:`).
#[derive(Debug, Default)]
pub(crate) struct Given(pub(crate) Option<Node>);

impl FromNode for Given {
    fn from_node(node: &Node, _: &mut Mistakes) -> Option<Self> {
        Some(Self(Some(node.clone())))
    }
}

impl JsonSchema for Data {
    fn schema_name() -> Cow<'static, str> {
        "AnyValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        true.into()
    }
}

/// A duration with its unit, as it is written.
#[derive(Debug, Clone)]
pub(crate) struct UnitText(pub(crate) String);

impl FromNode for UnitText {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match &node.content {
            // `timeout: 2` is a number to YAML.
            Content::Number(number) => Some(Self(number.to_string())),
            _ => read(node, mistakes).map(Self),
        }
    }
}

/// A path (if it is a text) or the document itself.
#[derive(Debug, Clone)]
pub(crate) enum FileOr {
    File(Spanned<String>),
    Inline(Node),
}

impl FileOr {
    /// Where it is written.
    pub(crate) fn span(&self) -> &Span {
        match self {
            Self::File(path) => &path.span,
            Self::Inline(node) => &node.span,
        }
    }
}

impl FromNode for FileOr {
    fn from_node(node: &Node, _: &mut Mistakes) -> Option<Self> {
        match node.as_str() {
            Some(path) => Some(Self::File(Spanned::new(path.to_owned(), node.span.clone()))),
            None => (!node.is_unknown()).then(|| Self::Inline(node.clone())),
        }
    }
}

impl JsonSchema for FileOr {
    fn schema_name() -> Cow<'static, str> {
        "FileOrInline".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "A path relative to the suite, or the document itself.", "type": ["string", "object", "array", "null"] })
    }
}

/// A scalar, or a mapping with details.
#[derive(Debug)]
pub(crate) enum Either<S, M> {
    Scalar(S),
    Mapping(M),
}

impl<S: FromNode, M: FromNode> FromNode for Either<S, M> {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match node.content {
            Content::Map(_) => read(node, mistakes).map(Self::Mapping),
            _ => read(node, mistakes).map(Self::Scalar),
        }
    }
}

impl<S: JsonSchema, M: JsonSchema> JsonSchema for Either<S, M> {
    fn schema_name() -> Cow<'static, str> {
        format!("{}Or{}", S::schema_name(), M::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "anyOf": [generator.subschema_for::<S>(), generator.subschema_for::<M>()] })
    }
}

/// One value or a list of them.
#[derive(Debug, Clone)]
pub(crate) struct OneOrMany<T>(pub(crate) Vec<T>);

impl<T> Default for OneOrMany<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromNode> FromNode for OneOrMany<T> {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        match node.content {
            Content::List(_) => read(node, mistakes).map(Self),
            _ => read(node, mistakes).map(|value| Self(vec![value])),
        }
    }
}

impl<T: JsonSchema> JsonSchema for OneOrMany<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("OneOrMany{}", T::schema_name()).into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let one = generator.subschema_for::<T>();
        json_schema!({ "anyOf": [one.clone(), { "type": "array", "items": one }] })
    }
}

/// A mapping whose keys are names the user chooses, in the order they are written.
#[derive(Debug, Clone)]
pub(crate) struct Named<T>(pub(crate) Vec<(Spanned<String>, T)>);

impl<T> Default for Named<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: FromNode> FromNode for Named<T> {
    fn from_node(node: &Node, mistakes: &mut Mistakes) -> Option<Self> {
        if matches!(node.content, Content::Null) {
            return Some(Self::default());
        }
        let members = members(node, mistakes)?.into_iter();
        Some(Self(members.map(|(key, value)| (Spanned::new(key.name.clone(), key.span.clone()), value)).collect()))
    }
}

impl<T: JsonSchema> JsonSchema for Named<T> {
    fn schema_name() -> Cow<'static, str> {
        format!("Named{}", T::schema_name()).into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": ["object", "null"], "additionalProperties": generator.subschema_for::<T>() })
    }
}

/// Texts by names the user chooses.
pub(crate) type Texts = BTreeMap<String, String>;

/// A verification-config.yml, as kwctl reads it.
#[derive(Debug)]
pub(crate) struct VerificationFile {
    pub(crate) api_version: Spanned<String>,
    pub(crate) all_of: Option<Spanned<Vec<SignatureEntry>>>,
    pub(crate) any_of: Option<AnyOfEntry>,
}

keys! { VerificationFile { required api_version, optional all_of, optional any_of } }

/// Signatures of which some are enough.
#[derive(Debug)]
pub(crate) struct AnyOfEntry {
    pub(crate) minimum_matches: Option<Spanned<u8>>,
    pub(crate) signatures: Spanned<Vec<SignatureEntry>>,
}

keys! { AnyOfEntry { optional minimum_matches, required signatures } }

/// A signature of a verification-config.yml; which keys belong to it depends on its kind.
#[derive(Debug)]
pub(crate) struct SignatureEntry {
    pub(crate) kind: Spanned<SignatureKind>,
    pub(crate) owner: Option<Spanned<String>>,
    pub(crate) repo: Option<Spanned<String>>,
    pub(crate) key: Option<Spanned<String>>,
    pub(crate) issuer: Option<Spanned<String>>,
    pub(crate) subject: Option<Spanned<SubjectEntry>>,
    pub(crate) annotations: Option<Texts>,
}

keys! {
    SignatureEntry {
        required kind, optional owner, optional repo, optional key, optional issuer, optional subject,
        optional annotations,
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SignatureKind {
    PubKey,
    GenericIssuer,
    GithubAction,
}

#[derive(Debug)]
pub(crate) struct SubjectEntry {
    pub(crate) equal: Option<String>,
    pub(crate) url_prefix: Option<Spanned<String>>,
}

keys! { SubjectEntry { optional equal, optional url_prefix } }

words!(DeploymentMode, ExpectWord, MemberSays, Operation, ReplayOrder, SettingsWord, SignatureKind);

/// The JSON Schema of a suite file, from the types alone.
pub(crate) fn plain_schema() -> Value {
    let mut schema = schemars::schema_for!(SuiteFile).to_value();
    allow_extensions_and_variables(&mut schema);
    schema
}

/// What holds for every mapping of the format: `x-*` keys are ignored, and `${name}` may stand for any scalar.
fn allow_extensions_and_variables(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if members.contains_key("properties") {
                members.insert("patternProperties".into(), serde_json::json!({ "^x-": true }));
            }
            for member in members.values_mut() {
                allow_extensions_and_variables(member);
            }
            let is_scalar = |name: &str| ["boolean", "integer"].contains(&name);
            // Words with a description of their own are written as alternatives.
            let are_words = |list: &Vec<Value>| list.iter().all(|word| word.get("const").is_some());
            let is_limited = members.contains_key("enum")
                || members.get("oneOf").and_then(Value::as_array).is_some_and(are_words)
                || members.get("type").is_some_and(|kind| match kind {
                    Value::String(name) => is_scalar(name),
                    Value::Array(names) => names.iter().filter_map(Value::as_str).any(is_scalar),
                    _ => false,
                });
            if is_limited && !members.contains_key("const") {
                let variable = serde_json::json!({ "type": "string", "pattern": "\\$\\{" });
                let strict = std::mem::take(members);
                members.insert("anyOf".into(), Value::Array(vec![Value::Object(strict), variable]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(allow_extensions_and_variables),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::read::{Fields as _, key_of};
    use super::*;

    #[test]
    fn a_variable_may_stand_for_every_word() {
        let schema = plain_schema();
        for name in ["ExpectWord", "SettingsWord", "Operation", "Workload", "RulesMode", "ReplayOrder", "FaultKind"] {
            let variable = &schema["$defs"][name]["anyOf"][1]["pattern"];
            assert_eq!(variable, "\\$\\{", "{name}: {}", schema["$defs"][name]);
        }
    }
    /// The keys of a definition that have to be there, as the schema and as the reader have them.
    fn assert_same_keys(definition: &Value, fields: &[(&str, &str)]) {
        let mut known: Vec<String> = fields.iter().map(|(_, field)| key_of(field)).collect();
        known.sort_unstable();
        let mut documented: Vec<&String> = definition["properties"].as_object().unwrap().keys().collect();
        documented.sort_unstable();
        assert_eq!(documented, known.iter().collect::<Vec<_>>());
        let required: Vec<Value> =
            fields.iter().filter(|(need, _)| *need == "required").map(|(_, field)| key_of(field).into()).collect();
        assert_eq!(definition["required"].as_array().cloned().unwrap_or_default(), required, "{definition}");
    }

    #[test]
    fn the_schema_has_the_keys_that_are_read() {
        let schema = plain_schema();
        assert_same_keys(&schema, SuiteFile::FIELDS);
        macro_rules! definitions {
            ($($entry:ident)*) => { $(assert_same_keys(&schema["$defs"][stringify!($entry)], $entry::FIELDS);)* };
        }
        definitions!(
            KubewardenEntry AllowedResourcesEntry PublishEntry PolicyEntry GroupEntry MemberEntry SignedByEntry ResourceEntry CheckEntry RelationWithExceptionsEntry
            ExceptionEntry DefaultsEntry
            CaseEntry SettingsCaseEntry UserEntry SkipEntry XfailEntry ExpectEntry MemberDenies CallEntry MutateEntry TextEntry
            FaultEntry SettingsExpectEntry
        );
    }
}
