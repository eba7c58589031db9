//! Where a policy comes from and how it is deployed: by its entry, or by the manifest the entry names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files::Files;
use super::manifest::DeployedModule;
use super::mistake::{Mistakes, mistake};
use super::request;
use super::schema::{ContextAwareEntry, FileOr, PolicyEntry};
use super::uri::policy_ref;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::ContextAware;
use policy_verify_model::policy::{ContextAwareResource, PolicyRef, Settings};
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::Deployment;

/// The module of a policy and its deployment.
pub(super) struct Origin {
    pub(super) uri: Spanned<PolicyRef>,
    pub(super) settings: Settings,
    pub(super) deployment: Deployment,
    pub(super) context_aware: ContextAware,
    /// Patterns of the host capabilities that its manifest leaves it; all of them if there is no list.
    pub(super) host_capabilities: Option<Vec<String>>,
}

impl Origin {
    /// A policy without settings and grants; also one whose entry is a mistake, so that cases can still name it.
    pub(super) fn unknown(span: &Span) -> Self {
        Self {
            uri: Spanned::new(PolicyRef::File(PathBuf::new()), span.clone()),
            settings: Settings::new(),
            deployment: Deployment::default(),
            context_aware: ContextAware::Nothing,
            host_capabilities: None,
        }
    }

    /// A policy of a manifest; `own` takes the place of its module.
    pub(super) fn deployed(
        module: DeployedModule,
        deployment: Deployment,
        own: Option<&Spanned<String>>,
        files: &Files,
        mistakes: &mut Mistakes,
    ) -> Self {
        let (uri, found) = match own {
            Some(uri) => (uri, policy_ref(uri, files)),
            None => (&module.uri, module_ref(&module.uri, files)),
        };
        let uri = Spanned::new(known(found, mistakes), uri.span.clone());
        let DeployedModule { settings, context_aware, host_capabilities, .. } = module;
        Self { uri, settings, deployment, context_aware, host_capabilities }
    }
}

/// The reference of a module; where it is a mistake, an empty one.
fn known(found: Result<PolicyRef, Diagnostic>, mistakes: &mut Mistakes) -> PolicyRef {
    found.unwrap_or_else(|mistake| {
        mistakes.push(mistake);
        PolicyRef::File(PathBuf::new())
    })
}

/// A policy whose deployment is in the suite.
pub(super) fn as_written(
    name: &Spanned<String>,
    entry: &PolicyEntry,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Origin {
    for (member, _) in &entry.modules.0 {
        let help = "write `uri:` for the module of a single policy";
        mistakes.add_with_help(&member.span, "`modules` needs the manifest of a group", help);
    }
    let settings =
        entry.settings.as_ref().map_or_else(Settings::new, |source| request::settings_or_none(source, files, mistakes));
    let deployment = Deployment {
        is_monitor: entry.mode.as_ref().is_some_and(|mode| mode.value.is_monitor()),
        allowed_to_mutate: entry.allowed_to_mutate.as_ref().is_none_or(|allowed| allowed.value),
        message: entry.message.as_ref().map(|message| message.value.clone()),
        ..Deployment::default()
    };
    let context_aware = context_aware(entry.context_aware.as_ref().map(|granted| &granted.value));
    let uri = match &entry.uri {
        Some(uri) => Spanned::new(known(policy_ref(uri, files), mistakes), uri.span.clone()),
        None => {
            let help = "add `uri:` with its module, or `manifest:` with the resource that deploys it";
            let message = format!("`{}` has neither `uri` nor `manifest`", name.value);
            let mistake = mistake(&name.span, message).with_code(Code::MissingKey);
            mistakes.push(mistake.with_help(help.to_owned()));
            Origin::unknown(&name.span).uri
        }
    };
    Origin { uri, settings, deployment, context_aware, host_capabilities: None }
}

/// The `mode` of an entry, which takes the place of that in its manifest.
pub(super) fn take_mode(entry: &PolicyEntry, deployment: &mut Deployment) {
    if let Some(mode) = &entry.mode {
        deployment.is_monitor = mode.value.is_monitor();
    }
}

/// Keys whose values are in the manifest.
pub(super) fn refuse_with_manifest(entry: &PolicyEntry, mistakes: &mut Mistakes) {
    for (key, span) in [
        ("settings", entry.settings.as_ref().map(FileOr::span)),
        ("allowedToMutate", entry.allowed_to_mutate.as_ref().map(|key| &key.span)),
        ("message", entry.message.as_ref().map(|key| &key.span)),
        ("contextAware", entry.context_aware.as_ref().map(|key| &key.span)),
    ] {
        if let Some(span) = span {
            let help = "change it in the manifest, or remove `manifest`";
            let mistake =
                mistake(span, format!("`{key}` cannot be combined with `manifest`")).with_code(Code::Contradiction);
            mistakes.push(mistake.with_help(help.to_owned()));
        }
    }
}

/// Keys about a single module.
pub(super) fn refuse_for_group(name: &Spanned<String>, entry: &PolicyEntry, mistakes: &mut Mistakes) {
    if let Some(uri) = &entry.uri {
        let help = "write the modules of its members: `modules: { member: policy.wasm }`";
        let message = format!("`uri` cannot be combined with the manifest of a group, `{}`", name.value);
        mistakes.push(mistake(&uri.span, message).with_code(Code::Contradiction).with_help(help.to_owned()));
    }
    let first_capability = entry.host_capabilities.as_ref().and_then(|patterns| Some(&patterns.first()?.span));
    for (key, span) in [
        ("metadata", entry.metadata.as_ref().map(|key| &key.span)),
        ("usage", entry.usage.as_ref().map(|key| &key.span)),
        ("signedBy", entry.signed_by.0.first().map(|signer| &signer.span)),
        ("variants", entry.variants.0.first().map(|(name, _)| &name.span)),
        ("hostCapabilities", first_capability),
        ("executionMode", entry.execution_mode.as_ref().map(|key| &key.span)),
        ("check", entry.check.as_ref().map(|_| &name.span)),
        ("relations", entry.relations.as_ref().map(|_| &name.span)),
    ] {
        if let Some(span) = span {
            let message = format!("`{key}` cannot be combined with the manifest of a group");
            mistakes.add_coded(Code::Contradiction, span, message);
        }
    }
}

/// The module of a manifest. A file is on the server, unless it is in the repository.
fn module_ref(uri: &Spanned<String>, files: &Files) -> Result<PolicyRef, Diagnostic> {
    let own = "add `uri:` with a module of the repository, or `modules:` for a group";
    let Some(path) = uri.value.strip_prefix("file://") else {
        return policy_ref(uri, files)
            .map_err(|mistake| if mistake.help.is_some() { mistake } else { mistake.with_help(own.to_owned()) });
    };
    match files.within(Path::new(path)) {
        Some(path) => Ok(PolicyRef::File(path)),
        None => Err(mistake(&uri.span, format!("file not found in the repository: `{}`", uri.value))
            .with_code(Code::FileNotFound)
            .with_help(own.to_owned())),
    }
}

/// The resources the entry grants; those of the metadata are known only later.
pub(super) fn context_aware(written: Option<&ContextAwareEntry>) -> ContextAware {
    match written {
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
    }
}
