//! Metadata of policies: read from a module or from `metadata.yml`, and held against Kubernetes' rules for webhooks.
//!
//! kwctl reads the YAML with a fork of serde_yaml whose leniencies real files rely on; they are imitated here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use wasmparser::{Parser, Payload};

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::policy::{
    ContextAwareResource, ExecutionMode, Metadata, PolicyType, ProtocolVersion, Rule, RuleOperation,
};
use policy_verify_model::source::{SourceFile, Span, Spanned};
use policy_verify_model::yaml;

/// The custom section of a module that carries its metadata as JSON.
pub(super) const SECTION: &str = "io.kubewarden.metadata";

/// Reads the metadata a module carries: the first section of that name, if any.
pub(super) fn of_module(bytes: &[u8]) -> Result<Option<Metadata>, Diagnostic> {
    let unreadable = |message: String| Diagnostic::new(Code::Metadata, message);
    for payload in Parser::new(0).parse_all(bytes) {
        match payload.map_err(|error| unreadable(error.to_string()))? {
            Payload::CustomSection(section) if section.name() == SECTION => {
                let metadata = serde_json::from_slice(section.data()).map_err(|error| {
                    unreadable(format!("cannot deserialize custom section `{SECTION}` of wasm module: {error}"))
                })?;
                return Ok(Some(metadata));
            }
            _ => {}
        }
    }
    Ok(None)
}

/// Metadata as a file states it, with the places of what can be wrong.
#[derive(Debug)]
pub(super) struct Stated {
    /// The metadata, not yet validated.
    pub(super) metadata: Metadata,
    /// Where the lists of each rule are written.
    rules: Vec<RulePlaces>,
    /// Where each of the resources is written that the policy wants to read.
    resources: BTreeMap<ContextAwareResource, Span>,
    /// Where `executionMode` is written; the beginning of the file where it is not.
    pub(super) mode: Span,
    /// Where the file begins.
    pub(super) start: Span,
    /// Where the value of each annotation is written.
    pub(super) annotations: BTreeMap<String, Span>,
}

/// Reads `metadata.yml`. The error says where and what.
pub(super) fn of_file(file: &Arc<SourceFile>) -> Result<Stated, Spanned<String>> {
    let written: Written = serde_saphyr::from_str_with_options(&file.text, yaml::options())
        .map_err(|error| Spanned::new(yaml::message(&error), yaml::span_of_error(file, &error)))?;
    let rules_at = yaml::span_at(file, written.rules.defined);
    let rules = match written.rules.value {
        Some(rules) => rules,
        // An empty value is an empty list to kwctl, a null is not.
        None if source(file, written.rules.defined).is_empty() => Vec::new(),
        None => return Err(Spanned::new("invalid type: null, expected a list of `rules`".into(), rules_at)),
    };
    let (rule_places, rules) = rules.into_iter().map(|rule| rule.placed(file)).unzip::<_, _, Vec<_>, Vec<_>>();
    let resources: BTreeMap<ContextAwareResource, Span> = written
        .context_aware_resources
        .into_iter()
        .map(|resource| (resource.value, yaml::span_at(file, resource.referenced)))
        .collect();
    let places = written.annotations.iter().flatten();
    let annotations_at = places.map(|(key, value)| (key.clone(), yaml::span_at(file, value.defined))).collect();
    let annotations = written.annotations.map(|annotations| {
        let text = |value: serde_saphyr::Spanned<Option<String>>| match value.value {
            Some(text) => text,
            None => source(file, value.defined).to_owned(),
        };
        annotations.into_iter().map(|(key, value)| (key, text(value))).collect()
    });
    let start = Span::start_of(file);
    let mode = written.execution_mode.as_ref().map_or(start.clone(), |mode| yaml::span_at(file, mode.referenced));
    let metadata = Metadata {
        protocol_version: written.protocol_version,
        rules,
        annotations,
        mutating: written.mutating,
        background_audit: written.background_audit,
        execution_mode: written.execution_mode.map(|mode| mode.value).unwrap_or_default(),
        policy_type: written.policy_type,
        context_aware_resources: resources.keys().cloned().collect(),
        host_capabilities: written.host_capabilities,
        minimum_kubewarden_version: written.minimum_kubewarden_version,
    };
    Ok(Stated { metadata, rules: rule_places, resources, mode, start, annotations: annotations_at })
}

/// [`Metadata`] as it may be written in YAML.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Written {
    protocol_version: Option<ProtocolVersion>,
    rules: serde_saphyr::Spanned<Option<Vec<WrittenRule>>>,
    /// The value of an annotation is a text whatever it looks like, `null` included.
    annotations: Option<BTreeMap<String, serde_saphyr::Spanned<Option<String>>>>,
    mutating: bool,
    #[serde(default = "yes")]
    background_audit: bool,
    execution_mode: Option<serde_saphyr::Spanned<ExecutionMode>>,
    #[serde(default)]
    policy_type: PolicyType,
    #[serde(default)]
    context_aware_resources: Vec<serde_saphyr::Spanned<ContextAwareResource>>,
    host_capabilities: Option<BTreeSet<String>>,
    minimum_kubewarden_version: Option<semver::Version>,
}

/// [`Rule`] as it may be written.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WrittenRule {
    api_groups: serde_saphyr::Spanned<Vec<String>>,
    api_versions: serde_saphyr::Spanned<Vec<String>>,
    resources: serde_saphyr::Spanned<Vec<String>>,
    operations: serde_saphyr::Spanned<Vec<RuleOperation>>,
}

impl WrittenRule {
    /// The rule, and where its lists are.
    fn placed(self, file: &Arc<SourceFile>) -> (RulePlaces, Rule) {
        let at = |location| yaml::span_at(file, location);
        let places = RulePlaces {
            api_groups: at(self.api_groups.referenced),
            api_versions: at(self.api_versions.referenced),
            resources: at(self.resources.referenced),
            operations: at(self.operations.referenced),
        };
        let rule = Rule {
            api_groups: self.api_groups.value,
            api_versions: self.api_versions.value,
            resources: self.resources.value,
            operations: self.operations.value,
        };
        (places, rule)
    }
}

/// Where the lists of a rule are written.
#[derive(Debug)]
struct RulePlaces {
    api_groups: Span,
    api_versions: Span,
    resources: Span,
    operations: Span,
}

impl RulePlaces {
    fn of(&self, list: &str) -> &Span {
        match list {
            "apiGroups" => &self.api_groups,
            "apiVersions" => &self.api_versions,
            "operations" => &self.operations,
            _ => &self.resources,
        }
    }
}

fn yes() -> bool {
    true
}

/// The text of a scalar as it is written.
fn source(file: &Arc<SourceFile>, location: serde_saphyr::Location) -> &str {
    let span = yaml::span_at(file, location);
    file.text.get(span.offset..span.offset + span.len).unwrap_or("").trim()
}

impl Stated {
    /// Everything that makes the metadata invalid, each with its place.
    pub(super) fn problems(&self) -> Vec<Spanned<String>> {
        let mut problems = Vec::new();
        for (index, (rule, places)) in self.metadata.rules.iter().zip(&self.rules).enumerate() {
            let found = problems_of_rule(rule).into_iter();
            let placed = |(list, text): (&str, String)| {
                Spanned::new(format!("rules[{index}].{list}{text}"), places.of(list).clone())
            };
            problems.extend(found.map(placed));
        }
        for resource in &self.metadata.context_aware_resources {
            let place = self.resources.get(resource).unwrap_or(&self.start);
            let found = problems_of_resource(resource).into_iter();
            problems.extend(found.map(|text| Spanned::new(format!("contextAwareResources: {text}"), place.clone())));
        }
        let protocol = match (self.metadata.protocol_version, self.metadata.execution_mode) {
            (None, _) => Some("protocolVersion is missing"),
            (Some(ProtocolVersion::Unknown), ExecutionMode::KubewardenWapc) => {
                Some("Must specify a valid protocol version")
            }
            _ => None,
        };
        problems.extend(protocol.map(|text| Spanned::new(text.to_owned(), self.start.clone())));
        problems
    }
}

fn problems_of_resource(resource: &ContextAwareResource) -> Vec<String> {
    let mut problems = Vec::new();
    if resource.api_version.is_empty() {
        problems.push(format!("`apiVersion` of kind `{}` is empty", resource.kind));
    }
    if resource.kind.is_empty() {
        problems.push(format!("`kind` of `{}` is empty", resource.api_version));
    }
    problems
}

/// The name of a list, and what is wrong with it.
fn problems_of_rule(rule: &Rule) -> Vec<(&'static str, String)> {
    let mut problems = Vec::new();
    let mut list = |name: &'static str, length: usize, has_wildcard: bool, advice: &str| {
        if length == 0 {
            problems.push((name, format!(" is empty{advice}")));
        } else if has_wildcard && length > 1 {
            problems.push((name, ": no other elements can be defined when `*` is used".to_owned()));
        }
    };
    let has_star = |texts: &[String]| texts.iter().any(|text| text == "*");
    list("apiGroups", rule.api_groups.len(), has_star(&rule.api_groups), ": the core group is written `\"\"`");
    list("apiVersions", rule.api_versions.len(), has_star(&rule.api_versions), "");
    list("operations", rule.operations.len(), rule.operations.contains(&RuleOperation::All), "");
    list("resources", rule.resources.len(), false, "");
    problems.extend(problems_of_resources(&rule.resources).into_iter().map(|text| ("resources", format!(": {text}"))));
    problems
}

/// Kubernetes' rules for the resources of a webhook (`validateResources` in pkg/apis/admissionregistration), without
/// their dependence on the order of the list: which entry comes first says nothing about what was meant.
fn problems_of_resources(resources: &[String]) -> Vec<String> {
    let mut problems = Vec::new();
    let has = |wanted: &str| resources.iter().any(|resource| resource == wanted);
    for resource in resources {
        if resource.is_empty() {
            problems.push("an empty resource is not allowed".to_owned());
        }
        let Some((name, sub)) = resource.split_once('/') else { continue };
        if sub != "*" && has(&format!("{name}/*")) {
            problems.push(format!("if `{name}/*` is present, must not specify `{resource}`"));
        }
        if name != "*" && has(&format!("*/{sub}")) {
            problems.push(format!("if `*/{sub}` is present, must not specify `{resource}`"));
        }
    }
    if has("*/*") && resources.len() > 1 {
        problems.push("if `*/*` is present, must not specify other resources".into());
    }
    let is_plain = |resource: &String| !resource.is_empty() && resource != "*" && !resource.contains('/');
    if has("*") && resources.iter().any(is_plain) {
        problems.push("if `*` is present, must not specify other resources without subresources".into());
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(text: &str) -> Arc<SourceFile> {
        Arc::new(SourceFile { path: "metadata.yml".into(), text: text.into() })
    }

    fn read(text: &str) -> Metadata {
        of_file(&file(text)).unwrap().metadata
    }

    /// `line:column: message` of the error.
    fn error(text: &str) -> String {
        let error = of_file(&file(text)).unwrap_err();
        format!("{}:{}: {}", error.span.line, error.span.column, error.value)
    }

    /// `line: message` of each problem of metadata whose only rule is changed in this way.
    fn problems(text: &str) -> Vec<String> {
        let mut stated = of_file(&file(text)).unwrap();
        stated.metadata.protocol_version = Some(ProtocolVersion::V1);
        stated.problems().into_iter().map(|problem| format!("{}: {}", problem.span.line, problem.value)).collect()
    }

    fn resources(list: &[&str]) -> Vec<String> {
        problems_of_resources(&list.iter().map(|&text| text.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_file_is_read_with_its_defaults() {
        let metadata = read(
            "rules:\n- apiGroups: ['']\n  apiVersions: [v1]\n  resources: [pods]\n  operations: [CREATE, '*']\nmutating: false\n\
             contextAware: true\nminimumKubewardenVersion: 1.25.0\n",
        );
        assert_eq!(metadata.rules[0].operations, [RuleOperation::Create, RuleOperation::All]);
        assert!(metadata.background_audit && !metadata.mutating);
        assert_eq!(metadata.execution_mode, ExecutionMode::KubewardenWapc);
        assert_eq!(metadata.annotations, None);
        assert_eq!(metadata.minimum_kubewarden_version, Some(semver::Version::new(1, 25, 0)));
    }

    #[test]
    fn empty_rules_are_rules_but_null_is_not() {
        assert!(read("rules:\nmutating: false\n").rules.is_empty());
        assert!(read("mutating: false\nrules:\n").rules.is_empty());
        assert!(read("rules: # none\nmutating: false\n").rules.is_empty());
        assert!(read("rules: []\nmutating: false\n").rules.is_empty());
        for null in ["null", "~", "Null"] {
            let error = error(&format!("mutating: false\nrules: {null}\n"));
            assert!(error.starts_with("2:8: invalid type: null"), "{error}");
        }
        assert!(error("mutating: false\n").contains("missing field `rules`"));
        assert!(error("rules:\n").contains("missing field `mutating`"));
    }

    #[test]
    fn scalars_are_texts_in_annotations() {
        let annotations = read(
            "rules: []\nmutating: false\nannotations:\n  a: true\n  b: 1.0\n  c: 12\n  d: null\n  e:\n  f: ~\n  g: |\n    two\n    lines\n  \
             h: 'null'\n",
        );
        let annotations = annotations.annotations.unwrap();
        let texts: Vec<(&str, &str)> = annotations.iter().map(|(key, text)| (key.as_str(), text.as_str())).collect();
        assert_eq!(
            texts,
            [
                ("a", "true"),
                ("b", "1.0"),
                ("c", "12"),
                ("d", "null"),
                ("e", ""),
                ("f", "~"),
                ("g", "two\nlines\n"),
                ("h", "null")
            ]
        );
        assert!(error("rules: []\nmutating: false\nannotations:\n  a: [x]\n").starts_with("4:6: "));
        assert!(error("rules: []\nmutating: false\nannotations:\n  a: {x: y}\n").starts_with("4:6: "));
    }

    #[test]
    fn mistakes_have_a_place() {
        let text = "rules:\n- apiGroups: ['']\n  apiVersions: [v1]\n  resources: [pods]\n  operations: [create]\nmutating: false\n";
        let error_text = error(text);
        assert!(error_text.starts_with("5:16: ") && error_text.contains("create"), "{error_text}");
        assert!(error("rules: []\nmutating: yes\n").starts_with("2:11: "));
        assert!(error("rules: []\nmutating: false\nexecutionMode: kubewarden\n").starts_with("3:16: "));
    }

    #[test]
    fn all_problems_are_found_at_once() {
        let text = "mutating: false\nrules:\n- apiGroups: []\n  apiVersions: [v1, '*']\n  resources: [pods, '*/*']\n  operations: ['*', CREATE]\n\
                    - apiGroups: ['*']\n  apiVersions: ['*']\n  resources: []\n  operations: ['*']\n\
                    contextAwareResources:\n- apiVersion: ''\n  kind: Pod\n";
        assert_eq!(
            problems(text),
            [
                "3: rules[0].apiGroups is empty: the core group is written `\"\"`",
                "4: rules[0].apiVersions: no other elements can be defined when `*` is used",
                "6: rules[0].operations: no other elements can be defined when `*` is used",
                "5: rules[0].resources: if `*/*` is present, must not specify other resources",
                "9: rules[1].resources is empty",
                "12: contextAwareResources: `apiVersion` of kind `Pod` is empty",
            ]
        );
    }

    #[test]
    fn wildcards_and_what_they_cover_exclude_each_other() {
        for fine in [
            &["pods", "pods/log"][..],
            &["*", "pods/log"],
            &["*/*"],
            &["pods/*", "jobs/status"],
            &["*/scale", "pods/log"],
        ] {
            assert_eq!(resources(fine), Vec::<String>::new(), "{fine:?}");
        }
        for wrong in [
            &["pods/*", "pods/log"][..],
            &["pods/log", "pods/*"],
            &["*/log", "pods/log"],
            &["*", "pods"],
            &["pods", "*"],
            &[""],
            &["*/*", "pods"],
        ] {
            assert_eq!(resources(wrong).len(), 1, "{wrong:?}");
        }
    }

    #[test]
    fn the_protocol_has_to_be_known_for_wapc_alone() {
        let mut stated = of_file(&file("rules: []\nmutating: false\n")).unwrap();
        assert_eq!(stated.problems()[0].value, "protocolVersion is missing");
        stated.metadata.protocol_version = Some(ProtocolVersion::Unknown);
        assert_eq!(stated.problems()[0].value, "Must specify a valid protocol version");
        stated.metadata.execution_mode = ExecutionMode::Wasi;
        assert!(stated.problems().is_empty());
    }

    #[test]
    fn a_module_carries_metadata_or_not() {
        let module = |sections: &str| wat::parse_str(format!("(module {sections})")).unwrap();
        assert_eq!(of_module(&module("")), Ok(None));
        let two = r#"(@custom "io.kubewarden.metadata" "{\"rules\":[],\"mutating\":true}")
                     (@custom "io.kubewarden.metadata" "{\"rules\":[],\"mutating\":false}")"#;
        assert!(of_module(&module(two)).unwrap().unwrap().mutating, "the first section counts");
        let error = of_module(&module(r#"(@custom "io.kubewarden.metadata" "{\"rules\":[]}")"#)).unwrap_err().message;
        assert_eq!(
            error,
            "cannot deserialize custom section `io.kubewarden.metadata` of wasm module: missing field `mutating` at line 1 \
             column 12"
        );
        assert!(of_module(b"\0asm\x01\0\0\0\x01\xff").is_err());
    }
}
