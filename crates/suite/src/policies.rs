//! `policies:` become policy specifications; their settings and static checks.

use std::collections::HashMap;
use std::sync::Arc;

use super::files::Files;
use super::manifest::{self, Deployed, DeployedGroup, DeployedPolicy};
use super::mistake::{Mistakes, mistake, nearest, suggestion};
use super::schema::{self, CheckEntry, FileOr, PolicyEntry};
use super::source::{Source, as_written, refuse_beside_manifest, refuse_for_group};
use super::{groups, request, signed_by};
use policy_verify_host as host;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::Grants;
use policy_verify_model::location;
use policy_verify_model::policy::{PolicyRef, Settings};
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::{
    Check, Compat, Deployment, GroupIndex, GroupSpec, Member, PolicyIndex, PolicySpec, PolicyUse, SizeLimit, Step,
    Subject,
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
    /// The policies that entries of the suite declare; members of deployed groups and paths are others.
    declared: Vec<PolicyIndex>,
    /// Those whose manifest could not be read: what they are is not known.
    unread: Vec<PolicyIndex>,
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
        policies
    }

    /// Whether this is the name of a policy of the suite, or of a group of its manifests.
    pub(crate) fn is_declared(&self, name: &str) -> bool {
        let mut names = self.specs.iter().map(|spec| &spec.name).chain(self.groups.iter().map(|group| &group.name));
        names.any(|known| known == name)
    }

    fn declare(&mut self, name: &Spanned<String>, entry: &PolicyEntry, files: &Files, mistakes: &mut Mistakes) {
        let deployed = match &entry.manifest {
            None => as_written(name, entry, files, mistakes),
            Some(manifest) => {
                refuse_beside_manifest(entry, mistakes);
                match manifest::read_manifest(manifest, files, mistakes) {
                    None => {
                        self.unread.push(PolicyIndex(self.specs.len()));
                        Source::unknown(&name.span)
                    }
                    Some(Deployed::Group(group)) => return self.declare_group(name, entry, *group, files, mistakes),
                    Some(Deployed::Policy(policy)) => {
                        for (member, _) in &entry.modules.0 {
                            let help = "one policy has one module: write `uri:`";
                            mistakes.add_with_help(&member.span, "`modules` needs the manifest of a group", help);
                        }
                        let DeployedPolicy { module, deployment } = *policy;
                        Source::deployed(module, deployment, entry.uri.as_ref(), files, mistakes)
                    }
                }
            }
        };
        let index = self.push(name.clone(), deployed, Some(entry), files, mistakes);
        self.declared.push(index);
        let variants = entry.variants.0.iter();
        let variants = variants.map(|(name, source)| (name.value.clone(), Arc::new(read(source, files, mistakes))));
        self.variants[index.0] = variants.collect();
        if let Some(check) = &entry.check {
            let checks = checks(check, mistakes).into_iter().map(|check| (index, check));
            self.checks.extend(checks);
        }
    }

    /// A group of a manifest: its members become policies of their own, `group/member`.
    fn declare_group(
        &mut self,
        name: &Spanned<String>,
        entry: &PolicyEntry,
        group: DeployedGroup,
        files: &Files,
        mistakes: &mut Mistakes,
    ) {
        refuse_for_group(name, entry, mistakes);
        let ids: Vec<&Spanned<String>> = group.members.iter().map(|(id, _)| id).collect();
        groups::check_ids(&ids, &group.expression.span, mistakes);
        groups::check_expression(&group.expression, &ids, mistakes);
        for (wanted, _) in entry.modules.0.iter().filter(|(wanted, _)| !ids.iter().any(|id| id.value == wanted.value)) {
            let known: Vec<&str> = ids.iter().map(|id| id.value.as_str()).collect();
            let message = format!("the group has no member `{}`", wanted.value);
            let mistake = mistake(&wanted.span, message).with_code(Code::UnknownName);
            mistakes.push(mistake.with_help(suggestion(&wanted.value, &known)));
        }
        let mut members = Vec::new();
        for (id, module) in group.members {
            let own = entry.modules.0.iter().find(|(member, _)| member.value == id.value).map(|(_, uri)| uri);
            let settings = Arc::new(module.settings.clone());
            let deployment = Deployment { timeout: module.timeout, ..Deployment::default() };
            let source = Source::deployed(module, deployment, own, files, mistakes);
            let member = Spanned::new(format!("{}/{}", name.value, id.value), name.span.clone());
            let policy = self.push(member, source, None, files, mistakes);
            members.push(Member { id: id.value, policy: PolicyUse { policy, settings } });
        }
        self.groups.push(GroupSpec {
            name: name.value.clone(),
            span: name.span.clone(),
            members,
            expression: group.expression,
            message: group.message,
            deployment: group.deployment,
            compat: entry.compat.unwrap_or(self.compat),
        });
    }

    /// Adds a policy; `entry` says what there is beside its source.
    fn push(
        &mut self,
        name: Spanned<String>,
        source: Source,
        entry: Option<&PolicyEntry>,
        files: &Files,
        mistakes: &mut Mistakes,
    ) -> PolicyIndex {
        let mut path = |named: Option<&Spanned<String>>| {
            let named = named?;
            let path = files.resolve(named).map_err(|mistake| mistakes.push(mistake)).ok()?;
            Some(Spanned::new(path, named.span.clone()))
        };
        let metadata = path(entry.and_then(|entry| entry.metadata.as_ref()));
        let usage = path(entry.and_then(|entry| entry.usage.as_ref()));
        if let Some(PolicyEntry { usage: Some(usage), metadata: None, .. }) = entry {
            mistakes.add_with_help(&usage.span, "`usage` needs `metadata`", "it becomes an annotation of the metadata");
        }
        let signed_by = entry.map(|entry| &entry.signed_by.0[..]).unwrap_or_default();
        let is_image = matches!(source.uri.value, PolicyRef::Registry(_));
        if let Some(signer) = signed_by.first().filter(|_| !is_image) {
            let help = "a file of the repository is what is under test; take `signedBy` out, or name the policy by registry://";
            mistakes.add_with_help(&signer.span, "only policies in a registry are signed", help);
        }
        let signed_by = signed_by::required(signed_by, files, mistakes);
        let host_capabilities = entry.and_then(|entry| host_capabilities(entry.host_capabilities.as_ref()?, mistakes));
        self.specs.push(PolicySpec {
            name: name.value,
            span: name.span,
            uri_text: uri_text(&source.uri.value, files),
            uri: source.uri,
            metadata,
            usage,
            execution_mode: entry.and_then(|entry| entry.execution_mode.clone()),
            deployment: source.deployment,
            grants: Grants { host_capabilities, context_aware: source.context_aware },
            compat: entry.and_then(|entry| entry.compat).unwrap_or(self.compat),
            signed_by,
        });
        self.settings.push(Arc::new(source.settings));
        self.variants.push(HashMap::new());
        PolicyIndex(self.specs.len() - 1)
    }

    /// What a case means that names nothing: the only policy or group there is.
    pub(crate) fn only_one(&self, case: &Span) -> Result<Named, Diagnostic> {
        match (self.declared.len(), self.groups.len()) {
            (1, 0) => Ok(Named::Policy(self.declared[0])),
            (0, 1) => Ok(Named::Group(GroupIndex(0))),
            (0, 0) => {
                Err(mistake(case, "the case names no policy").with_help("declare one under `policies:`".to_owned()))
            }
            (several, 0) => Err(mistake(case, format!("the case names none of the {several} policies"))
                .with_help("add `policy:` to the case or to `defaults:`".to_owned())),
            (policies, groups) => {
                let message = format!("the case names none of the {} policies and groups", policies + groups);
                Err(mistake(case, message)
                    .with_help("add `policy:` or `group:` to the case or to `defaults:`".to_owned()))
            }
        }
    }

    /// What a name means: a declared policy, a group, or a path to a module.
    pub(crate) fn find(&mut self, named: &Spanned<String>, files: &Files) -> Result<Named, Diagnostic> {
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
            return Err(mistake(&named.span, format!("unknown policy `{}`", named.value))
                .with_code(Code::UnknownName)
                .with_help(help));
        }
        let uri = policy_ref(named, files)?;
        let source = Source { uri: Spanned::new(uri, named.span.clone()), ..Source::unknown(&named.span) };
        Ok(Named::Policy(self.push(named.clone(), source, None, files, &mut Mistakes::default())))
    }

    /// Whether nothing is known of a policy but its name, because its manifest could not be read.
    pub(crate) fn is_unread(&self, policy: PolicyIndex) -> bool {
        self.unread.contains(&policy)
    }

    /// A policy that must be one: no group.
    pub(crate) fn find_policy(&mut self, named: &Spanned<String>, files: &Files) -> Result<PolicyIndex, Diagnostic> {
        match self.find(named, files)? {
            Named::Policy(policy) => Ok(policy),
            Named::Group(_) => Err(mistake(&named.span, format!("`{}` is a group", named.value))
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

    /// The declared policy that is meant: the one of this name, or the only one there is.
    pub(crate) fn find_declared(
        &self,
        named: Option<&Spanned<String>>,
        place: &Span,
    ) -> Result<PolicyIndex, Diagnostic> {
        let names = || self.declared.iter().map(|index| self.specs[index.0].name.as_str());
        let Some(named) = named else {
            return match self.declared[..] {
                [only] => Ok(only),
                _ => Err(mistake(place, format!("the entry does not say which of {} policies", self.declared.len()))
                    .with_help("add `policy:`".to_owned())),
            };
        };
        if let Some(index) = names().position(|name| name == named.value) {
            return Ok(self.declared[index]);
        }
        let help = match nearest(&named.value, names()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("policies of this suite: {}", names().collect::<Vec<_>>().join(", ")),
        };
        Err(mistake(&named.span, format!("unknown policy `{}`", named.value)).with_help(help))
    }

    /// The settings a policy runs with by default.
    pub(crate) fn settings(&self, policy: PolicyIndex) -> Arc<Settings> {
        Arc::clone(&self.settings[policy.0])
    }

    /// The settings of a variant.
    pub(crate) fn variant(&self, policy: PolicyIndex, named: &Spanned<String>) -> Result<Arc<Settings>, Diagnostic> {
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
        Err(mistake(&named.span, format!("unknown variant `{}` of `{policy}`", named.value))
            .with_code(Code::UnknownName)
            .with_help(help))
    }
}

pub(super) fn read(source: &FileOr, files: &Files, mistakes: &mut Mistakes) -> Settings {
    request::settings(source, files).unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        Settings::new()
    })
}

pub(super) fn policy_ref(uri: &Spanned<String>, files: &Files) -> Result<PolicyRef, Diagnostic> {
    if let Some((scheme, _)) = uri.value.split_once("://")
        && scheme != "file"
    {
        return location::parse(scheme, &uri.value)
            .map_err(|(message, help)| mistake(&uri.span, message).with_help(help));
    }
    files.resolve(uri).map(PolicyRef::File)
}

/// The patterns of capabilities a policy may use. The texts about patterns are policy-server's.
fn host_capabilities(patterns: &[Spanned<String>], mistakes: &mut Mistakes) -> Option<Vec<String>> {
    for pattern in patterns {
        if let Err(message) = host::check_pattern(&pattern.value) {
            mistakes.add(&pattern.span, message);
        }
    }
    Some(patterns.iter().map(|pattern| pattern.value.trim().to_owned()).collect())
}

/// The URI in reports: from the root of the repository, so that it is the same on every machine.
fn uri_text(uri: &PolicyRef, files: &Files) -> String {
    match uri {
        PolicyRef::File(path) => format!("file://{}", files.shown(path)),
        PolicyRef::Registry(name) => format!("registry://{name}"),
        PolicyRef::Web(url) => url.clone(),
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
    use std::collections::BTreeSet;

    use super::super::source::context_aware;
    use super::*;
    use policy_verify_model::hosting::ContextAware;
    use policy_verify_model::policy::ContextAwareResource;

    /// The grants a policy entry is read into, and the mistakes as `line:column message`.
    fn granted(text: &str) -> (Option<Grants>, Vec<String>) {
        let text = format!("uri: policy.wasm\n{text}");
        let file = Arc::new(policy_verify_model::source::SourceFile { path: "suite.yml".into(), text });
        let mut mistakes = Mistakes::default();
        let entry = super::super::read::read::<PolicyEntry>(&super::super::yaml::parse(&file).unwrap(), &mut mistakes);
        let grants = entry.map(|entry| Grants {
            host_capabilities: entry.host_capabilities.as_ref().and_then(|it| host_capabilities(it, &mut mistakes)),
            context_aware: context_aware(entry.context_aware.as_ref().map(|granted| &granted.value)),
        });
        let line = |it: Diagnostic| {
            format!("{}:{} {}", it.span.as_ref().unwrap().line, it.span.as_ref().unwrap().column, it.message)
        };
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
