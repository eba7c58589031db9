//! `policies:` become policy specifications; their settings and static checks.

use std::collections::HashMap;
use std::sync::Arc;

use super::files::Files;
use super::manifest::{self, Deployed, DeployedGroup, DeployedPolicy};
use super::mistake::{Mistakes, mistake, suggestion};
use super::origin::{self, Origin};
use super::policies::{Details, Policies, metadata_near};
use super::schema::{CheckEntry, Named, PolicyEntry, Sound};
use super::{baseline, form, groups, patterns, relations, request, signed_by, size, uri};
use policy_verify_model::code::Code;
use policy_verify_model::hosting::Grants;
use policy_verify_model::installation::Kubewarden;
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::source::Spanned;
use policy_verify_model::suite::{Check, Compat, Deployment, GroupSpec, Member, PolicySpec, PolicyUse};

/// Reads the policies of a suite. `compat` is that of the policies that have none of their own.
pub(crate) fn read(
    written: &Named<Sound<PolicyEntry>>,
    compat: Compat,
    kubewarden: &Kubewarden,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Policies {
    let mut reader = Reader { policies: Policies::new(compat), kubewarden, files, mistakes };
    for (name, entry) in &written.0 {
        match &entry.0 {
            Some(entry) => reader.declare(name, entry),
            None => reader.policies.add_unread(name, true),
        }
    }
    reader.policies
}

/// The policies read so far, and what is needed to read more.
struct Reader<'a> {
    policies: Policies,
    kubewarden: &'a Kubewarden,
    files: &'a Files,
    mistakes: &'a mut Mistakes,
}

impl Reader<'_> {
    fn declare(&mut self, name: &Spanned<String>, entry: &PolicyEntry) {
        let mut is_unread = false;
        let origin = match &entry.manifest {
            None => origin::as_written(name, entry, self.files, self.mistakes),
            Some(manifest) => {
                origin::refuse_with_manifest(entry, self.mistakes);
                match manifest::read_manifest(manifest, self.kubewarden, self.files, self.mistakes) {
                    None => {
                        is_unread = true;
                        Origin::unknown(&name.span)
                    }
                    Some(Deployed::Group(group)) => return self.declare_group(name, entry, *group),
                    Some(Deployed::Policy(policy)) => self.deployed(entry, *policy),
                }
            }
        };
        let variants = entry.variants.0.iter().map(|(name, source)| {
            (name.value.clone(), Arc::new(request::settings_or_none(source, self.files, self.mistakes)))
        });
        let variants: HashMap<_, _> = variants.collect();
        let settings = Arc::new(origin.settings.clone());
        let spec = self.spec(name.clone(), origin, Some(entry));
        let settings_span = entry.settings.as_ref().map(|settings| settings.span().clone());
        let spans = entry.variants.0.iter().map(|(name, source)| (name.value.clone(), source.span().clone()));
        let variant_spans = spans.collect();
        let details = Details { settings, settings_span, variants, variant_spans, is_declared: true, is_unread };
        let written = entry.check.as_ref().and_then(|check| check.questions.as_ref());
        let form = form::find(written, &spec, self.files, self.mistakes);
        let spec = PolicySpec { form: form.file, settings: details.all_settings(), ..spec };
        let index = self.policies.add(spec, details);
        if let Some(written) = &entry.relations {
            self.policies.relations.push((index, relations::read(written, self.mistakes)));
        }
        if let Some(check) = &entry.check {
            let checks = checks(check, form.checked, self.mistakes).into_iter().map(|check| (index, check));
            self.policies.checks.extend(checks);
        }
    }

    fn deployed(&mut self, entry: &PolicyEntry, mut policy: DeployedPolicy) -> Origin {
        origin::take_mode(entry, &mut policy.deployment);
        self.warn_of_capabilities(entry, &policy.deployment);
        for (member, _) in &entry.modules.0 {
            let help = "write `uri:` for the module of a single policy";
            self.mistakes.add_with_help(&member.span, "`modules` needs the manifest of a group", help);
        }
        Origin::deployed(policy.module, policy.deployment, entry.uri.as_ref(), self.files, self.mistakes)
    }

    /// The controller lets cluster-wide policies use all host capabilities.
    fn warn_of_capabilities(&mut self, entry: &PolicyEntry, deployment: &Deployment) {
        let Some(first) = entry.host_capabilities.as_ref().and_then(|patterns| patterns.first()) else { return };
        if let Some(name) = deployment.unique_name.as_ref().filter(|name| name.kind.is_cluster()) {
            let message = format!("no cluster limits `hostCapabilities` of {}", name.kind.with_article());
            let help = "remove `hostCapabilities`".to_owned();
            self.mistakes.warn(mistake(&first.span, message).with_help(help));
        }
    }

    /// A group of a manifest: its members become policies of their own, `group/member`.
    fn declare_group(&mut self, name: &Spanned<String>, entry: &PolicyEntry, mut group: DeployedGroup) {
        origin::take_mode(entry, &mut group.deployment);
        origin::refuse_for_group(name, entry, self.mistakes);
        let ids: Vec<&Spanned<String>> = group.members.iter().map(|(id, _)| id).collect();
        groups::check_ids(&ids, &group.expression.span, self.mistakes);
        groups::check_expression(&group.expression, &ids, self.mistakes);
        for (wanted, _) in entry.modules.0.iter().filter(|(wanted, _)| !ids.iter().any(|id| id.value == wanted.value)) {
            let known: Vec<&str> = ids.iter().map(|id| id.value.as_str()).collect();
            let message = format!("the group has no member `{}`", wanted.value);
            let mistake = mistake(&wanted.span, message).with_code(Code::UnknownName);
            self.mistakes.push(mistake.with_help(suggestion(&wanted.value, &known)));
        }
        let mut members = Vec::new();
        for (id, module) in group.members {
            let own = entry.modules.0.iter().find(|(member, _)| member.value == id.value).map(|(_, uri)| uri);
            let settings = Arc::new(module.settings.clone());
            let deployment = Deployment { timeout: module.timeout, ..Deployment::default() };
            let origin = Origin::deployed(module, deployment, own, self.files, self.mistakes);
            let member = Spanned::new(format!("{}/{}", name.value, id.value), name.span.clone());
            let spec = self.spec(member, origin, None);
            let details = Details { settings: Arc::clone(&settings), ..Details::default() };
            let spec = PolicySpec { settings: details.all_settings(), ..spec };
            let policy = self.policies.add(spec, details);
            members.push(Member { id: id.value, policy: PolicyUse { policy, settings } });
        }
        self.policies.groups.push(GroupSpec {
            name: name.value.clone(),
            span: name.span.clone(),
            members,
            expression: group.expression,
            message: group.message,
            deployment: group.deployment,
            compat: entry.compat.unwrap_or(self.policies.compat),
        });
    }

    /// The specification of a policy; `entry` has the keys that are not about its origin.
    fn spec(&mut self, name: Spanned<String>, origin: Origin, entry: Option<&PolicyEntry>) -> PolicySpec {
        let mut path = |named: Option<&Spanned<String>>| {
            let named = named?;
            let path = self.files.resolve(named).map_err(|mistake| self.mistakes.push(mistake)).ok()?;
            Some(Spanned::new(path, named.span.clone()))
        };
        let metadata = path(entry.and_then(|entry| entry.metadata.as_ref()));
        let usage = path(entry.and_then(|entry| entry.usage.as_ref()));
        if let Some(PolicyEntry { usage: Some(usage), metadata: None, .. }) = entry {
            let help = "add `metadata:`, or remove `usage`";
            self.mistakes.add_with_help(&usage.span, "`usage` needs `metadata`", help);
        }
        let signed_by = entry.map(|entry| &entry.signed_by.0[..]).unwrap_or_default();
        let is_image = matches!(origin.uri.value, PolicyRef::Registry(_));
        if let Some(signer) = signed_by.first().filter(|_| !is_image) {
            let help = "remove `signedBy`, or write a `registry://` URI";
            self.mistakes.add_with_help(&signer.span, "`signedBy` needs a policy in a registry", help);
        }
        let signed_by = signed_by::required(signed_by, self.kubewarden.release, self.files, self.mistakes);
        let written = entry.and_then(|entry| entry.host_capabilities.as_ref());
        let own = written.map(|patterns| patterns::host_capabilities(patterns, self.mistakes));
        let host_capabilities = own.or(origin.host_capabilities);
        let nearby_metadata = match metadata {
            Some(_) => None,
            None => metadata_near(&origin.uri.value, &name.span, self.files),
        };
        PolicySpec {
            name: name.value,
            span: name.span,
            uri_text: uri::shown(&origin.uri.value, self.files),
            uri: origin.uri,
            metadata,
            nearby_metadata,
            form: None,
            settings: Vec::new(),
            usage,
            execution_mode: entry.and_then(|entry| entry.execution_mode.clone()),
            deployment: origin.deployment,
            grants: Grants { host_capabilities, context_aware: origin.context_aware },
            compat: entry.and_then(|entry| entry.compat).unwrap_or(self.policies.compat),
            signed_by,
            baseline: entry.and_then(|entry| baseline::read(entry, self.files, self.mistakes)),
        }
    }
}

fn checks(entry: &CheckEntry, form: Option<Check>, mistakes: &mut Mistakes) -> Vec<Check> {
    let size = entry.size.as_ref().and_then(|size| {
        let limit = size::limit(&size.value).map_err(|mistake| mistakes.push(mistake.at(&size.span))).ok()?;
        Some(Check::Size(Spanned::new(limit, size.span.clone())))
    });
    [
        entry.version.clone().map(Check::Version),
        entry.mutating.clone().map(Check::Mutating),
        entry.host_capabilities.clone().map(Check::HostCapabilities),
        size,
        form,
    ]
    .into_iter()
    .flatten()
    .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::origin::context_aware;
    use super::*;
    use policy_verify_model::diagnostic::Diagnostic;
    use policy_verify_model::hosting::ContextAware;
    use policy_verify_model::policy::ContextAwareResource;

    /// The grants a policy entry is read into, and the mistakes as `line:column message`.
    fn granted(text: &str) -> (Option<Grants>, Vec<String>) {
        let text = format!("uri: policy.wasm\n{text}");
        let file = Arc::new(policy_verify_model::source::SourceFile { path: "suite.yml".into(), text });
        let mut mistakes = Mistakes::default();
        let entry = super::super::read::read::<PolicyEntry>(&super::super::yaml::parse(&file).unwrap(), &mut mistakes);
        let grants = entry.map(|entry| Grants {
            host_capabilities: entry
                .host_capabilities
                .as_ref()
                .map(|it| patterns::host_capabilities(it, &mut mistakes)),
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
}
