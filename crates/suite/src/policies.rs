//! The policies and groups of a suite by name, while its cases are read.

use std::collections::{BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::Arc;

use super::files::Files;
use super::mistake::{mistake, suggestion};
use super::uri;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::Grants;
use policy_verify_model::policy::{PolicyRef, Settings};
use policy_verify_model::relation::{Relation, RelationException};
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::{
    Case, Check, Compat, Deployment, GroupIndex, GroupSpec, PolicyIndex, PolicySpec, Step, Subject,
};

/// The relations of one list, each where it is written.
pub(crate) type Relations = Vec<(Spanned<Relation>, Vec<RelationException>)>;

/// What a name of the suite stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum PolicyOrGroup {
    Policy(PolicyIndex),
    Group(GroupIndex),
}

/// The policies of a suite while its cases are read.
#[derive(Default)]
pub(crate) struct Policies {
    /// What the later steps see.
    pub(crate) specs: Vec<PolicySpec>,
    /// The groups of the suite.
    pub(crate) groups: Vec<GroupSpec>,
    /// Static checks, by policy.
    pub(crate) checks: Vec<(PolicyIndex, Check)>,
    /// The relations of policies that have a list of their own, even an empty one.
    pub(crate) relations: Vec<(PolicyIndex, Relations)>,
    /// What cases need beyond the specification, by policy.
    details: Vec<Details>,
    /// The policies that entries of the suite declare; members of deployed groups and paths are others.
    declared: Vec<PolicyIndex>,
    /// `compat` of the defaults.
    pub(crate) compat: Compat,
    /// The settings of cases, by their text: cases with the same settings share them, and what is known of them.
    settings_of_cases: HashMap<String, Arc<Settings>>,
}

/// What cases need to know of a policy beyond its specification.
#[derive(Default)]
pub(crate) struct Details {
    /// The settings a policy runs with by default.
    pub(crate) settings: Arc<Settings>,
    /// Where they are written.
    pub(crate) settings_span: Option<Span>,
    /// Other settings, by the name of their variant.
    pub(crate) variants: HashMap<String, Arc<Settings>>,
    /// Where those are written.
    pub(crate) variant_spans: HashMap<String, Span>,
    /// Whether an entry of `policies:` declares it.
    pub(crate) is_declared: bool,
    /// Whether nothing is known of it but its name, because its entry or its manifest has a mistake. It may be a group.
    pub(crate) is_unread: bool,
}

impl Details {
    /// The settings of a policy and of its variants, each once.
    pub(crate) fn all_settings(&self) -> Vec<Arc<Settings>> {
        let mut variants: Vec<_> = self.variants.iter().collect();
        variants.sort_unstable_by_key(|(name, _)| *name);
        let mut all = vec![Arc::clone(&self.settings)];
        for (_, settings) in variants {
            if !all.contains(settings) {
                all.push(Arc::clone(settings));
            }
        }
        all
    }
}

impl Policies {
    /// No policies yet; `compat` is that of the policies that have none of their own.
    pub(crate) fn new(compat: Compat) -> Self {
        Self { compat, ..Self::default() }
    }

    /// Settings of a case: those of an earlier case with the same text. As values, `0.0` and `-0.0` would be the same.
    pub(crate) fn shared(&mut self, settings: Settings) -> Arc<Settings> {
        let text = serde_json::to_string(&settings).unwrap_or_default();
        Arc::clone(self.settings_of_cases.entry(text).or_insert_with(|| Arc::new(settings)))
    }

    /// Adds a policy.
    pub(crate) fn add(&mut self, spec: PolicySpec, details: Details) -> PolicyIndex {
        let index = PolicyIndex(self.specs.len());
        if details.is_declared {
            self.declared.push(index);
        }
        self.specs.push(spec);
        self.details.push(details);
        index
    }

    /// Whether this is the name of a policy of the suite, or of a group of its manifests.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        let mut names = self.specs.iter().map(|spec| &spec.name).chain(self.groups.iter().map(|group| &group.name));
        names.any(|known| known == name)
    }

    /// The policy or group of a case that names none: the only one there is.
    pub(crate) fn only_one(&self, case: &Span) -> Result<PolicyOrGroup, Diagnostic> {
        match (self.declared.len(), self.groups.len()) {
            (1, 0) => Ok(PolicyOrGroup::Policy(self.declared[0])),
            (0, 1) => Ok(PolicyOrGroup::Group(GroupIndex(0))),
            (0, 0) => {
                let is_for_suites = [".cases.yml", ".cases.yaml"].iter().any(|end| case.file.path.ends_with(end));
                let help = match is_for_suites {
                    true => "run a suite that includes this file and has one, or declare it under `policies:`",
                    false => "declare one under `policies:`",
                };
                Err(mistake(case, "the suite has no policy").with_code(Code::MissingKey).with_help(help.to_owned()))
            }
            (several, 0) => Err(mistake(case, format!("the case has no policy, and the suite has {several}"))
                .with_code(Code::MissingKey)
                .with_help("add `policy:` to the case or to `defaults:`".to_owned())),
            (policies, groups) => {
                let message =
                    format!("the case has no policy, and the suite has {} policies and groups", policies + groups);
                Err(mistake(case, message)
                    .with_code(Code::MissingKey)
                    .with_help("add `policy:` or `group:` to the case or to `defaults:`".to_owned()))
            }
        }
    }

    /// The policy or group of a name, or the policy of a path.
    pub(crate) fn find(&mut self, named: &Spanned<String>, files: &Files) -> Result<PolicyOrGroup, Diagnostic> {
        let known = self.specs.iter().position(|spec| spec.name == named.value);
        // A path that another file writes, too, may lead somewhere else.
        let is_it = |index: &usize| {
            let spec = &self.specs[*index];
            self.details[*index].is_declared
                || spec.span.file.path == named.span.file.path
                || uri::policy_ref(named, files).is_ok_and(|uri| uri == spec.uri.value)
        };
        if let Some(index) = known.filter(is_it) {
            return Ok(PolicyOrGroup::Policy(PolicyIndex(index)));
        }
        if let Some(index) = self.groups.iter().position(|group| group.name == named.value) {
            return Ok(PolicyOrGroup::Group(GroupIndex(index)));
        }
        let is_path = named.value.ends_with(".wasm") || named.value.contains('/');
        if !is_path {
            let names = self.specs.iter().map(|spec| spec.name.as_str());
            let names: Vec<&str> = names.chain(self.groups.iter().map(|group| group.name.as_str())).collect();
            return Err(unknown_policy(named, &names));
        }
        let uri = uri::policy_ref(named, files)?;
        let text = uri::shown(&uri, files);
        let nearby_metadata = metadata_near(&uri, &named.span, files);
        let uri = Spanned::new(uri, named.span.clone());
        let mut bare = bare(named, uri, text);
        if known.is_some() {
            bare.name = bare.uri_text.trim_start_matches("file://").to_owned();
            // The third file with this path may be the second one once more.
            if let Some(index) = self.specs.iter().position(|spec| spec.name == bare.name) {
                return Ok(PolicyOrGroup::Policy(PolicyIndex(index)));
            }
        }
        let spec = PolicySpec { compat: self.compat, nearby_metadata, ..bare };
        Ok(PolicyOrGroup::Policy(self.add(spec, Details::default())))
    }

    /// Adds a policy or group of which nothing is known but its name.
    pub(crate) fn add_unread(&mut self, name: &Spanned<String>, is_declared: bool) {
        let uri = Spanned::new(PolicyRef::File(PathBuf::new()), name.span.clone());
        let spec = PolicySpec { compat: Compat::Strict, ..bare(name, uri, String::new()) };
        self.add(spec, Details { is_declared, is_unread: true, ..Details::default() });
    }

    /// How the policy or group of a step is deployed.
    pub(crate) fn deployment_of(&self, step: &Step) -> &Deployment {
        match step {
            Step::Policy(used) => &self.specs[used.policy.0].deployment,
            Step::Group(group) => &self.groups[group.0].deployment,
        }
    }

    /// Whether nothing is known of a policy but its name, because its entry or its manifest has a mistake.
    pub(crate) fn is_unread(&self, policy: PolicyIndex) -> bool {
        self.details[policy.0].is_unread
    }

    /// The policy of a name that must not be a group's.
    pub(crate) fn find_policy(&mut self, named: &Spanned<String>, files: &Files) -> Result<PolicyIndex, Diagnostic> {
        match self.find(named, files)? {
            PolicyOrGroup::Policy(policy) => Ok(policy),
            PolicyOrGroup::Group(_) => Err(mistake(&named.span, format!("`{}` is a group, not a policy", named.value))
                .with_help("write the name of a policy".to_owned())),
        }
    }

    /// The name of a subject in reports.
    pub(crate) fn name_of(&self, subject: &Subject) -> String {
        let name = |step: &Step| match step {
            Step::Policy(used) => self.specs[used.policy.0].name.as_str(),
            Step::Group(group) => self.groups[group.0].name.as_str(),
        };
        subject.steps.iter().map(name).collect::<Vec<_>>().join(" → ")
    }

    /// `server` if all steps of a subject have it.
    pub(crate) fn compat_of(&self, subject: &Subject) -> Compat {
        let is_strict = |step: &Step| match step {
            Step::Policy(used) => self.specs[used.policy.0].compat == Compat::Strict,
            Step::Group(group) => self.groups[group.0].compat == Compat::Strict,
        };
        if subject.steps.iter().any(is_strict) { Compat::Strict } else { Compat::Server }
    }

    /// The declared policy of this name, or the only one there is.
    pub(crate) fn find_declared(
        &self,
        named: Option<&Spanned<String>>,
        place: &Span,
    ) -> Result<PolicyIndex, Diagnostic> {
        let names = || self.declared.iter().map(|index| self.specs[index.0].name.as_str());
        let Some(named) = named else {
            return match self.declared[..] {
                [only] => Ok(only),
                _ => Err(mistake(place, format!("the entry has no policy, and the suite has {}", self.declared.len()))
                    .with_code(Code::MissingKey)
                    .with_help("add `policy:`".to_owned())),
            };
        };
        if let Some(index) = names().position(|name| name == named.value) {
            return Ok(self.declared[index]);
        }
        Err(unknown_policy(named, &names().collect::<Vec<_>>()))
    }

    /// The policies that have the relations of the defaults: those that are declared, and paths that a case is about.
    pub(crate) fn with_default_relations(&self, cases: &[Case]) -> Vec<PolicyIndex> {
        let has_own = |policy: &PolicyIndex| self.relations.iter().any(|(other, _)| other == policy);
        let asked: BTreeSet<PolicyIndex> = cases.iter().filter_map(Case::only_policy).collect();
        let all = (0..self.specs.len()).map(PolicyIndex).filter(|policy| !has_own(policy) && !self.is_unread(*policy));
        all.filter(|policy| self.details[policy.0].is_declared || asked.contains(policy)).collect()
    }

    /// The settings a policy runs with by default.
    pub(crate) fn settings(&self, policy: PolicyIndex) -> Arc<Settings> {
        Arc::clone(&self.details[policy.0].settings)
    }

    /// Where the settings of a policy, or those of one of its variants, are written.
    pub(crate) fn settings_span(&self, policy: PolicyIndex, variant: Option<&str>) -> Option<&Span> {
        let details = &self.details[policy.0];
        match variant {
            Some(variant) => details.variant_spans.get(variant),
            None => details.settings_span.as_ref(),
        }
    }

    /// The settings of a variant.
    pub(crate) fn variant(&self, policy: PolicyIndex, named: &Spanned<String>) -> Result<Arc<Settings>, Diagnostic> {
        let variants = &self.details[policy.0].variants;
        if let Some(settings) = variants.get(&named.value) {
            return Ok(Arc::clone(settings));
        }
        if self.is_unread(policy) {
            return Ok(self.settings(policy));
        }
        let policy = &self.specs[policy.0].name;
        let mut names: Vec<&str> = variants.keys().map(String::as_str).collect();
        names.sort_unstable();
        let help = match names[..] {
            [] => format!("declare it under `variants:` of `{policy}`"),
            _ => suggestion(&named.value, &names),
        };
        Err(mistake(&named.span, format!("unknown variant `{}` of `{policy}`", named.value))
            .with_code(Code::UnknownName)
            .with_help(help))
    }
}

/// A metadata file that belongs to a module in all likelihood, as the file of the policy's place would name it.
pub(crate) fn metadata_near(uri: &PolicyRef, place: &Span, files: &Files) -> Option<String> {
    match uri {
        PolicyRef::File(module) => files.nearest_to(module, &METADATA_FILES, place),
        PolicyRef::Registry(_) | PolicyRef::Web(_) => files.nearest(&METADATA_FILES, place),
    }
}

/// How metadata files are called.
const METADATA_FILES: [&str; 2] = ["metadata.yml", "metadata.yaml"];

/// A policy without an entry of its own.
fn bare(name: &Spanned<String>, uri: Spanned<PolicyRef>, uri_text: String) -> PolicySpec {
    PolicySpec {
        name: name.value.clone(),
        span: name.span.clone(),
        uri_text,
        uri,
        metadata: None,
        nearby_metadata: None,
        form: None,
        settings: Vec::new(),
        usage: None,
        execution_mode: None,
        deployment: Deployment::default(),
        grants: Grants::default(),
        compat: Compat::default(),
        signed_by: Vec::new(),
        baseline: None,
    }
}

fn unknown_policy(named: &Spanned<String>, names: &[&str]) -> Diagnostic {
    let help = match names {
        [] => "declare it under `policies:`".to_owned(),
        _ => suggestion(&named.value, names),
    };
    mistake(&named.span, format!("unknown policy `{}`", named.value)).with_code(Code::UnknownName).with_help(help)
}
