//! `policies:` become policy specifications; their settings and static checks.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use super::files::Files;
use super::mistake::{Mistake, Mistakes, nearest};
use super::request;
use super::schema::{self, CheckEntry, ContextAwareEntry, DeploymentMode, FileOr, PolicyEntry};
use crate::host;
use crate::model::hosting::{ContextAware, Grants};
use crate::model::policy::{ContextAwareResource, PolicyRef, Settings};
use crate::model::source::{Span, Spanned};
use crate::model::suite::{
    Check, Compat, Deployment, GroupIndex, GroupSpec, PolicyIndex, PolicySpec, SizeLimit, Step, Subject,
};

/// What a name of the suite stands for.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Named {
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
    settings: Vec<Arc<Settings>>,
    variants: Vec<HashMap<String, Arc<Settings>>>,
    declared: usize,
    /// `compat` of the defaults.
    pub(crate) compat: Compat,
}

impl Policies {
    /// Reads the policies of a suite. `compat` is that of the policies that do not say.
    pub(crate) fn read(
        written: &schema::Named<PolicyEntry>,
        compat: Compat,
        files: &Files,
        mistakes: &mut Mistakes,
    ) -> Self {
        let mut policies = Self { compat, ..Self::default() };
        for (name, entry) in &written.0 {
            policies.declare(name, entry, files, mistakes);
        }
        policies.declared = policies.specs.len();
        policies
    }

    /// Whether this is the name of a policy of the suite.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        self.specs[..self.declared].iter().any(|spec| spec.name == name)
    }

    fn declare(&mut self, name: &Spanned<String>, entry: &PolicyEntry, files: &Files, mistakes: &mut Mistakes) {
        let index = PolicyIndex(self.specs.len());
        let mut path = |named: &Option<Spanned<String>>| {
            let named = named.as_ref()?;
            let path = files.resolve(named).map_err(|mistake| mistakes.push(mistake)).ok()?;
            Some(Spanned::new(path, named.span.clone()))
        };
        let (metadata, usage) = (path(&entry.metadata), path(&entry.usage));
        if let (Some(usage), None) = (&entry.usage, &entry.metadata) {
            mistakes.add_with_help(&usage.span, "`usage` needs `metadata`", "it becomes an annotation of the metadata");
        }
        let uri = policy_ref(&entry.uri, files).unwrap_or_else(|mistake| {
            mistakes.push(mistake);
            PolicyRef::File(entry.uri.value.clone().into())
        });
        self.specs.push(PolicySpec {
            name: name.value.clone(),
            span: name.span.clone(),
            uri_text: uri_text(&uri, files),
            uri: Spanned::new(uri, entry.uri.span.clone()),
            metadata,
            usage,
            execution_mode: entry.execution_mode.clone(),
            deployment: Deployment {
                is_monitor: entry.mode == Some(DeploymentMode::Monitor),
                allowed_to_mutate: entry.allowed_to_mutate.unwrap_or(true),
                message: entry.message.clone(),
            },
            grants: grants(entry, mistakes),
            compat: entry.compat.unwrap_or(self.compat),
        });
        self.settings.push(Arc::new(entry.settings.as_ref().map_or_else(Settings::new, |s| read(s, files, mistakes))));
        let variants = entry.variants.0.iter();
        let variants = variants.map(|(name, source)| (name.value.clone(), Arc::new(read(source, files, mistakes))));
        self.variants.push(variants.collect());
        if let Some(check) = &entry.check {
            let checks = checks(check, mistakes).into_iter().map(|check| (index, check));
            self.checks.extend(checks);
        }
    }

    /// What a case means that names nothing: the only policy or group there is.
    pub(crate) fn only_one(&self, case: &Span) -> Result<Named, Mistake> {
        match (self.declared, self.groups.len()) {
            (1, 0) => Ok(Named::Policy(PolicyIndex(0))),
            (0, 1) => Ok(Named::Group(GroupIndex(0))),
            (0, 0) => {
                Err(Mistake::new(case, "the case names no policy")
                    .with_help("declare one under `policies:`".to_owned()))
            }
            (several, 0) => Err(Mistake::new(case, format!("the case names none of the {several} policies"))
                .with_help("add `policy:` to the case or to `defaults:`".to_owned())),
            (policies, groups) => {
                let message = format!("the case names none of the {} policies and groups", policies + groups);
                Err(Mistake::new(case, message)
                    .with_help("add `policy:` or `group:` to the case or to `defaults:`".to_owned()))
            }
        }
    }

    /// What a name means: a declared policy, a group, or a path to a module.
    pub(crate) fn find(&mut self, named: &Spanned<String>, files: &Files) -> Result<Named, Mistake> {
        if let Some(index) = self.specs.iter().position(|spec| spec.name == named.value) {
            return Ok(Named::Policy(PolicyIndex(index)));
        }
        if let Some(index) = self.groups.iter().position(|group| group.name == named.value) {
            return Ok(Named::Group(GroupIndex(index)));
        }
        let is_path = named.value.ends_with(".wasm") || named.value.contains('/');
        if !is_path {
            let names = self.specs.iter().map(|spec| spec.name.as_str());
            let names = names.chain(self.groups.iter().map(|group| group.name.as_str()));
            let help = match nearest(&named.value, names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("policies of this suite: {}", names.collect::<Vec<_>>().join(", ")),
            };
            return Err(Mistake::new(&named.span, format!("unknown policy `{}`", named.value)).with_help(help));
        }
        let uri = policy_ref(named, files)?;
        self.specs.push(PolicySpec {
            name: named.value.clone(),
            span: named.span.clone(),
            uri_text: uri_text(&uri, files),
            uri: Spanned::new(uri, named.span.clone()),
            metadata: None,
            usage: None,
            execution_mode: None,
            deployment: Deployment::default(),
            grants: Grants::default(),
            compat: self.compat,
        });
        self.settings.push(Arc::default());
        self.variants.push(HashMap::new());
        Ok(Named::Policy(PolicyIndex(self.specs.len() - 1)))
    }

    /// A policy that must be one: no group.
    pub(crate) fn find_policy(&mut self, named: &Spanned<String>, files: &Files) -> Result<PolicyIndex, Mistake> {
        match self.find(named, files)? {
            Named::Policy(policy) => Ok(policy),
            Named::Group(_) => Err(Mistake::new(&named.span, format!("`{}` is a group", named.value))
                .with_help("only a policy can stand here".to_owned())),
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

    /// `server` if everything a subject asks has it.
    pub(crate) fn compat_of(&self, subject: &Subject) -> Compat {
        let is_strict = |step: &Step| match step {
            Step::Policy(used) => self.specs[used.policy.0].compat == Compat::Strict,
            Step::Group(group) => self.groups[group.0].compat == Compat::Strict,
        };
        if subject.steps.iter().any(is_strict) { Compat::Strict } else { Compat::Server }
    }

    /// The settings a policy runs with by default.
    pub(crate) fn settings(&self, policy: PolicyIndex) -> Arc<Settings> {
        Arc::clone(&self.settings[policy.0])
    }

    /// The settings of a variant.
    pub(crate) fn variant(&self, policy: PolicyIndex, named: &Spanned<String>) -> Result<Arc<Settings>, Mistake> {
        let variants = &self.variants[policy.0];
        if let Some(settings) = variants.get(&named.value) {
            return Ok(Arc::clone(settings));
        }
        let policy = &self.specs[policy.0].name;
        let mut names: Vec<&str> = variants.keys().map(String::as_str).collect();
        names.sort_unstable();
        let help = match nearest(&named.value, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => format!("`{policy}` has no `variants:`"),
            None => format!("variants of `{policy}`: {}", names.join(", ")),
        };
        Err(Mistake::new(&named.span, format!("unknown variant `{}` of `{policy}`", named.value)).with_help(help))
    }
}

fn read(source: &FileOr, files: &Files, mistakes: &mut Mistakes) -> Settings {
    request::settings(source, files).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        Settings::new()
    })
}

fn policy_ref(uri: &Spanned<String>, files: &Files) -> Result<PolicyRef, Mistake> {
    if let Some((scheme, _)) = uri.value.split_once("://")
        && scheme != "file"
    {
        return Err(Mistake::new(&uri.span, format!("`{scheme}://` policies cannot be fetched yet"))
            .with_help("this version of verify runs modules from files: give a path".to_owned()));
    }
    files.resolve(uri).map(PolicyRef::File)
}

/// What the policy may ask. The texts about patterns are policy-server's.
fn grants(entry: &PolicyEntry, mistakes: &mut Mistakes) -> Grants {
    let host_capabilities = entry.host_capabilities.as_ref().map(|patterns| {
        for pattern in patterns {
            if let Err(message) = host::check_pattern(&pattern.value) {
                mistakes.add(&pattern.span, message);
            }
        }
        patterns.iter().map(|pattern| pattern.value.trim().to_owned()).collect()
    });
    let context_aware = match &entry.context_aware {
        None => ContextAware::Nothing,
        Some(ContextAwareEntry::Declared(false)) => ContextAware::Listed(BTreeSet::new()),
        Some(ContextAwareEntry::Declared(true)) => ContextAware::Declared,
        Some(ContextAwareEntry::Listed(resources)) => {
            let resources = resources.iter().map(|resource| ContextAwareResource {
                api_version: resource.api_version.clone(),
                kind: resource.kind.clone(),
            });
            ContextAware::Listed(resources.collect())
        }
    };
    Grants { host_capabilities, context_aware }
}

/// The URI in reports: from the root of the repository, so that it is the same on every machine.
fn uri_text(uri: &PolicyRef, files: &Files) -> String {
    match uri {
        PolicyRef::File(path) => format!("file://{}", files.shown(path)),
    }
}

fn checks(entry: &CheckEntry, mistakes: &mut Mistakes) -> Vec<Check> {
    let size = entry.size.as_ref().and_then(|size| {
        let limit = size_limit(&size.value).map_err(|message| mistakes.add(&size.span, message)).ok()?;
        Some(Check::Size(Spanned::new(limit, size.span.clone())))
    });
    [
        entry.version.clone().map(Check::Version),
        entry.mutating.clone().map(Check::Mutating),
        entry.host_capabilities.clone().map(Check::HostCapabilities),
        size,
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Reads `<= 5MiB`, `< 300 KiB`, `2MB`: a bound without a sign is inclusive.
fn size_limit(text: &str) -> Result<SizeLimit, String> {
    let (is_inclusive, bound) = match text.trim().strip_prefix('<') {
        Some(rest) => match rest.strip_prefix('=') {
            Some(rest) => (true, rest),
            None => (false, rest),
        },
        None => (true, text.trim()),
    };
    let bound = bound.trim();
    let digits = bound.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(bound.len());
    let factor: u64 = match bound[digits..].trim() {
        "" | "B" => 1,
        "kB" | "KB" => 1_000,
        "MB" => 1_000_000,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        "GiB" => 1 << 30,
        unit => return Err(format!("`{unit}` is no unit of size; known are B, kB, MB, KiB, MiB, GiB")),
    };
    let number: u64 = bound[..digits].parse().map_err(|_| format!("`{text}` is no bound such as `<= 5MiB`"))?;
    let bytes = number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too large"))?;
    Ok(SizeLimit { is_inclusive, bytes, text: text.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The grants a policy entry is read into, and the mistakes as `line:column message`.
    fn granted(text: &str) -> (Option<Grants>, Vec<String>) {
        let text = format!("uri: policy.wasm\n{text}");
        let file = Arc::new(crate::model::source::SourceFile { path: "suite.yml".into(), text });
        let mut mistakes = Mistakes::default();
        let entry = super::super::read::read::<PolicyEntry>(&super::super::yaml::parse(&file).unwrap(), &mut mistakes);
        let grants = entry.map(|entry| grants(&entry, &mut mistakes));
        let line = |it: Mistake| format!("{}:{} {}", it.span.line, it.span.column, it.message);
        (grants, mistakes.into_sorted().into_iter().map(line).collect())
    }

    #[test]
    fn grants_are_read() {
        let read = |text| granted(text).0.unwrap();
        assert_eq!(read(""), Grants::default());
        assert_eq!(read("contextAware: true").context_aware, ContextAware::Declared);
        assert_eq!(read("contextAware: false").context_aware, ContextAware::Listed(BTreeSet::new()));
        let pod = ContextAwareResource { api_version: "v1".into(), kind: "Pod".into() };
        let listed = read("contextAware: [{ apiVersion: v1, kind: Pod }]").context_aware;
        assert_eq!(listed, ContextAware::Listed([pod].into()));
        assert_eq!(read("hostCapabilities: []").host_capabilities, Some(Vec::new()));
        assert_eq!(read("hostCapabilities: [' oci/* ']").host_capabilities, Some(vec!["oci/*".to_owned()]));
    }

    #[test]
    fn bad_patterns_are_mistakes_where_they_are_written() {
        let (_, mistakes) = granted("hostCapabilities: [foo/*, oci/v1/verify, oci/v1]");
        assert_eq!(
            mistakes,
            [
                "2:20 invalid pattern \"foo/*\": unknown segment \"foo\", valid options at this level are: crypto, \
                 kubernetes, net, oci",
                "2:42 invalid pattern \"oci/v1\": not a complete capability path; use \"oci/v1/*\" to allow all \
                 capabilities under it",
            ]
        );
        let (_, mistakes) = granted("contextAware: [{ apiVersion: v1, kinds: Pod }]");
        assert!(mistakes.contains(&"2:34 unknown key `kinds`".to_owned()), "{mistakes:?}");
    }

    #[test]
    fn bounds_of_size_are_read() {
        for (text, is_inclusive, bytes) in
            [("<= 5MiB", true, 5 << 20), ("< 300 KiB", false, 300 << 10), ("2MB", true, 2_000_000), ("<=7", true, 7)]
        {
            let limit = size_limit(text).unwrap();
            assert_eq!((limit.is_inclusive, limit.bytes), (is_inclusive, bytes), "{text}");
        }
        for text in ["", "MiB", "> 5MiB", "5 bananas", "99999999999999999999"] {
            assert!(size_limit(text).is_err(), "{text}");
        }
    }
}
