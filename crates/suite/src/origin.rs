//! Where a policy comes from and how it is deployed: what its entry says, or the manifest the entry names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::files::Files;
use super::manifest::DeployedModule;
use super::mistake::{Mistakes, mistake};
use super::request;
use super::schema::{ContextAwareEntry, DeploymentMode, FileOr, PolicyEntry};
use super::uri::policy_ref;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::hosting::ContextAware;
use policy_verify_model::policy::{ContextAwareResource, PolicyRef, Settings};
use policy_verify_model::source::{Span, Spanned};
use policy_verify_model::suite::Deployment;

/// What is known of a policy before its entry has its say.
pub(super) struct Origin {
    pub(super) uri: Spanned<PolicyRef>,
    pub(super) settings: Settings,
    pub(super) deployment: Deployment,
    pub(super) context_aware: ContextAware,
}

impl Origin {
    /// A policy without settings and grants; also one whose entry is a mistake, so that cases can still name it.
    pub(super) fn unknown(span: &Span) -> Self {
        Self {
            uri: Spanned::new(PolicyRef::File(PathBuf::new()), span.clone()),
            settings: Settings::new(),
            deployment: Deployment::default(),
            context_aware: ContextAware::Nothing,
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
        Self { uri, settings: module.settings, deployment, context_aware: module.context_aware }
    }
}

/// The place of a module; where it is a mistake, some place.
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
        mistakes.add(&member.span, "`modules` needs the manifest of a group");
    }
    let settings =
        entry.settings.as_ref().map_or_else(Settings::new, |source| request::settings_or_none(source, files, mistakes));
    let deployment = Deployment {
        is_monitor: entry.mode.as_ref().is_some_and(|mode| mode.value == DeploymentMode::Monitor),
        allowed_to_mutate: entry.allowed_to_mutate.as_ref().is_none_or(|allowed| allowed.value),
        message: entry.message.as_ref().map(|message| message.value.clone()),
        ..Deployment::default()
    };
    let context_aware = context_aware(entry.context_aware.as_ref().map(|granted| &granted.value));
    let uri = match &entry.uri {
        Some(uri) => Spanned::new(known(policy_ref(uri, files), mistakes), uri.span.clone()),
        None => {
            let help = "name its module with `uri:`, or the resource that deploys it with `manifest:`";
            let message = format!("`{}` has neither `uri` nor `manifest`", name.value);
            let mistake = mistake(&name.span, message).with_code(Code::MissingKey);
            mistakes.push(mistake.with_help(help.to_owned()));
            Origin::unknown(&name.span).uri
        }
    };
    Origin { uri, settings, deployment, context_aware }
}

/// What a manifest says cannot be said again.
pub(super) fn refuse_beside_manifest(entry: &PolicyEntry, mistakes: &mut Mistakes) {
    for (key, span) in [
        ("settings", entry.settings.as_ref().map(FileOr::span)),
        ("mode", entry.mode.as_ref().map(|key| &key.span)),
        ("allowedToMutate", entry.allowed_to_mutate.as_ref().map(|key| &key.span)),
        ("message", entry.message.as_ref().map(|key| &key.span)),
        ("contextAware", entry.context_aware.as_ref().map(|key| &key.span)),
    ] {
        if let Some(span) = span {
            let help = "change it there, or leave `manifest` out";
            let mistake = mistake(span, format!("`{key}` comes from the manifest")).with_code(Code::Contradiction);
            mistakes.push(mistake.with_help(help.to_owned()));
        }
    }
}

/// What is about one module means nothing for several.
pub(super) fn refuse_for_group(name: &Spanned<String>, entry: &PolicyEntry, mistakes: &mut Mistakes) {
    if let Some(uri) = &entry.uri {
        let help = "name the modules of its members: `modules: { member: policy.wasm }`";
        mistakes.add_with_help(&uri.span, format!("`{}` is a group and has several modules", name.value), help);
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
    ] {
        if let Some(span) = span {
            mistakes.add(span, format!("`{key}` means nothing for a group"));
        }
    }
}

/// The module of a manifest. A file is one of the machine that is deployed to, unless it is in the repository.
fn module_ref(uri: &Spanned<String>, files: &Files) -> Result<PolicyRef, Diagnostic> {
    let own = "to run a module of the repository, name it beside the manifest: `uri:`, for a group `modules:`";
    let Some(path) = uri.value.strip_prefix("file://") else {
        return policy_ref(uri, files)
            .map_err(|mistake| if mistake.help.is_some() { mistake } else { mistake.with_help(own.to_owned()) });
    };
    match files.within(Path::new(path)) {
        Some(path) => Ok(PolicyRef::File(path)),
        None => {
            Err(mistake(&uri.span, format!("`{}` is no file of the repository", uri.value)).with_help(own.to_owned()))
        }
    }
}

/// What the entry grants; what the metadata declares is known only later.
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
