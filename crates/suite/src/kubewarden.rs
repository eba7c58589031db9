//! `kubewarden:` says whose verdicts a suite reproduces: a release, and how it is installed.

use super::files::Files;
use super::mistake::{Mistakes, mistake};
use super::patterns::host_capabilities;
use super::schema::{AllowedResourcesEntry, Either, KubewardenEntry};
use super::{policy_server, size, timeout};
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::installation::{AllowedResources, Installation, Kubewarden};
use policy_verify_model::release::Release;
use policy_verify_model::source::Spanned;

/// The word that lifts the memory limit.
const NO_LIMIT: &str = "none";

/// Smallest memory limit: policy-server takes whole mebibytes and refuses 0.
const SMALLEST_MEMORY_LIMIT: u64 = 1 << 20;

/// Reads the key. `own` is the release of the command line.
pub(super) fn read(
    written: Option<&Either<Spanned<String>, KubewardenEntry>>,
    own: Option<Release>,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Kubewarden {
    let (version, entry) = match written {
        None => (None, None),
        Some(Either::Scalar(version)) => (Some(version), None),
        Some(Either::Mapping(entry)) => (entry.version.as_ref(), Some(entry)),
    };
    let pinned = version.and_then(|version| release(version, own.is_some(), mistakes));
    let mut served = Installation::default();
    let server = entry.and_then(|entry| entry.policy_server.as_ref());
    let deployed = server.and_then(|named| policy_server::apply(named, &mut served, files, mistakes));
    let release = own.or(pinned).or(deployed).unwrap_or_default();
    let installation = match entry {
        Some(entry) => installation(entry, served, mistakes),
        None => served,
    };
    Kubewarden { release, installation }
}

/// The release of the suite; one that the command line replaces needs no warning.
fn release(version: &Spanned<String>, is_replaced: bool, mistakes: &mut Mistakes) -> Option<Release> {
    match version.value.parse::<Release>() {
        Ok(release) => {
            if let Some(warning) = newer_than_known(release).filter(|_| !is_replaced) {
                mistakes.warn(warning.at(&version.span));
            }
            Some(release)
        }
        Err(error) => {
            mistakes.add_with_help(&version.span, error.to_string(), error.help());
            None
        }
    }
}

/// The warning about a release that is newer than every known one.
pub fn newer_than_known(release: Release) -> Option<Diagnostic> {
    let treated_as = release.treated_as()?;
    let message = format!("Kubewarden {release} is newer than this version of verify, which treats it as {treated_as}");
    Some(Diagnostic::new(Code::Mistake, message).with_help("update verify".to_owned()))
}

/// The installation of an entry; `usual` has what it does not say.
fn installation(entry: &KubewardenEntry, usual: Installation, mistakes: &mut Mistakes) -> Installation {
    let allowed = entry.namespaced_policies_allowed_resources.as_ref();
    let capabilities = entry.namespaced_policies_capabilities.as_ref();
    Installation {
        namespace: entry.namespace.as_ref().and_then(|it| namespace(it, mistakes)).unwrap_or(usual.namespace),
        always_accepts_own_namespace: entry.always_accept_own_namespace.unwrap_or(usual.always_accepts_own_namespace),
        allowed_resources: allowed.map_or(usual.allowed_resources, |entries| allowed_resources(entries, mistakes)),
        namespaced_capabilities: match capabilities {
            Some(patterns) => Some(host_capabilities(patterns, mistakes)),
            None => usual.namespaced_capabilities,
        },
        memory_limit: match &entry.policy_memory_limit {
            Some(limit) => memory_limit(limit, mistakes),
            None => usual.memory_limit,
        },
        timeout: timeout::read(entry.policy_timeout.as_ref(), mistakes).unwrap_or(usual.timeout),
    }
}

fn namespace(written: &Spanned<String>, mistakes: &mut Mistakes) -> Option<String> {
    if written.value.trim().is_empty() {
        mistakes.add_with_help(&written.span, "the namespace is empty", "write `kubewarden`");
        return None;
    }
    Some(written.value.clone())
}

/// The allow list. The controller skips entries with wildcards or subresources, and logs them.
fn allowed_resources(entries: &[AllowedResourcesEntry], mistakes: &mut Mistakes) -> Vec<AllowedResources> {
    let mut keep = |items: &[Spanned<String>], skipped: fn(&str) -> Option<&'static str>| {
        let mut kept = Vec::new();
        for item in items {
            match skipped(&item.value) {
                None => kept.push(item.value.clone()),
                Some(reason) => {
                    let message = format!("`{}` is ignored by the controller: {reason}", item.value);
                    mistakes.warn(mistake(&item.span, message).with_help("write names of resources".to_owned()));
                }
            }
        }
        kept
    };
    let allowed = entries.iter().map(|entry| AllowedResources {
        api_groups: keep(&entry.api_groups, |group| group.contains('*').then_some("wildcards are not permitted")),
        resources: keep(&entry.resources, |resource| match resource {
            "" => Some("empty strings are not permitted"),
            _ if resource.contains('*') => Some("wildcards are not permitted"),
            _ if resource.contains('/') => Some("subresources are not permitted, list the parent resource instead"),
            _ => None,
        }),
    });
    allowed.filter(|entry| !entry.api_groups.is_empty() && !entry.resources.is_empty()).collect()
}

fn memory_limit(written: &Spanned<String>, mistakes: &mut Mistakes) -> Option<u64> {
    if written.value == NO_LIMIT {
        return None;
    }
    match size::bytes(&written.value) {
        Ok(bytes) if bytes < SMALLEST_MEMORY_LIMIT => {
            mistakes.add_with_help(
                &written.span,
                "the memory limit must be at least 1MiB",
                "write `256MiB`, or `none`",
            );
            None
        }
        Ok(bytes) => Some(bytes),
        Err(mistake) => {
            mistakes.push(mistake.at(&written.span).with_help("write `256MiB`, or `none`".to_owned()));
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::super::yaml;
    use super::*;
    use policy_verify_model::source::SourceFile;

    /// What a text is read into, and the mistakes and warnings as `line:column message`.
    fn read_with(text: &str, own: Option<Release>) -> (Kubewarden, Vec<String>, Vec<String>) {
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: text.into() });
        let mut mistakes = Mistakes::default();
        let entry = crate::read::read(&yaml::parse(&file).unwrap(), &mut mistakes);
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("suite.yml"), "").unwrap();
        let files = Files::of_suite(&folder.path().join("suite.yml"), None, |_| Ok(())).unwrap();
        let kubewarden = read(entry.as_ref(), own, &files, &mut mistakes);
        let line = |it: Diagnostic| {
            let span = it.span.as_ref().unwrap();
            format!("{}:{} {}", span.line, span.column, it.message)
        };
        let warnings = mistakes.take_warnings().into_iter().map(line).collect();
        (kubewarden, mistakes.into_sorted().into_iter().map(line).collect(), warnings)
    }

    fn read_text(text: &str) -> (Kubewarden, Vec<String>, Vec<String>) {
        read_with(text, None)
    }

    #[test]
    fn a_release_alone_has_the_defaults_of_the_chart() {
        let (kubewarden, mistakes, warnings) = read_text("'1.37'");
        assert_eq!((mistakes.len(), warnings.len()), (0, 0));
        assert_eq!(kubewarden.release.to_string(), "1.37.2");
        assert_eq!(kubewarden.installation, Installation::default());
        assert_eq!(kubewarden.memory_limit(), None);
        assert_eq!(read_text("v1.38.0").0.memory_limit(), Some(256 << 20));
    }

    #[test]
    fn the_command_line_wins() {
        let own = "1.39".parse().ok();
        assert_eq!(read_with("'1.37'", own).0.release, own.unwrap());
        let (kubewarden, _, warnings) = read_with("{ version: '1.44', namespace: kw }", own);
        assert_eq!((kubewarden.release, kubewarden.installation.namespace.as_str()), (own.unwrap(), "kw"));
        assert!(warnings.is_empty(), "{warnings:?}");
    }

    #[test]
    fn every_setting_of_an_installation_is_read() {
        let (Kubewarden { installation, .. }, mistakes, warnings) = read_text(
            "{ version: '1.38', namespace: kw, alwaysAcceptOwnNamespace: false, policyMemoryLimit: 64MiB,\n\
             policyTimeout: 5s, namespacedPoliciesCapabilities: [' oci/* '],\n\
             namespacedPoliciesAllowedResources: [{ apiGroups: [''], resources: [pods] }] }",
        );
        assert_eq!((mistakes, warnings), (vec![], vec![]));
        let pods = AllowedResources { api_groups: vec![String::new()], resources: vec!["pods".into()] };
        let wanted = Installation {
            namespace: "kw".into(),
            always_accepts_own_namespace: false,
            allowed_resources: vec![pods],
            namespaced_capabilities: Some(vec!["oci/*".into()]),
            memory_limit: Some(64 << 20),
            timeout: Duration::from_secs(5),
        };
        assert_eq!(installation, wanted);
        assert_eq!(read_text("{ policyMemoryLimit: none }").0.installation.memory_limit, None);
    }

    #[test]
    fn mistakes_stand_at_their_place() {
        for (text, wanted) in [
            ("1.38", "1:1 expected a text, found a number"),
            ("latest", "1:1 invalid Kubewarden version `latest`"),
            ("'1.35'", "1:1 unsupported Kubewarden version `1.35`: 1.36.0 is the oldest supported release"),
            ("{ versoin: '1.38' }", "1:3 unknown key `versoin`"),
            ("{ namespace: '' }", "1:14 the namespace is empty"),
            ("{ policyMemoryLimit: 0MiB }", "1:22 the memory limit must be at least 1MiB"),
            ("{ policyMemoryLimit: lots }", "1:22 unknown unit of size `lots`"),
            ("{ policyTimeout: 2 }", "1:18 a timeout needs a unit"),
            (
                "{ namespacedPoliciesCapabilities: [foo/*] }",
                "1:36 invalid pattern \"foo/*\": unknown segment \"foo\", valid options at this level are: crypto, \
                 kubernetes, net, oci",
            ),
        ] {
            assert_eq!(read_text(text).1, [wanted], "{text}");
        }
    }

    #[test]
    fn entries_that_the_controller_skips_are_warned_about() {
        let (kubewarden, mistakes, warnings) = read_text(
            "{ namespacedPoliciesAllowedResources: [{ apiGroups: ['*'], resources: [pods] },\n\
             { apiGroups: [apps], resources: [deployments, pods/exec, '', 'x*'] }] }",
        );
        assert!(mistakes.is_empty(), "{mistakes:?}");
        let deployments = AllowedResources { api_groups: vec!["apps".into()], resources: vec!["deployments".into()] };
        assert_eq!(kubewarden.installation.allowed_resources, [deployments]);
        assert_eq!(
            warnings,
            [
                "1:54 `*` is ignored by the controller: wildcards are not permitted",
                "2:47 `pods/exec` is ignored by the controller: subresources are not permitted, list the parent \
                 resource instead",
                "2:58 `` is ignored by the controller: empty strings are not permitted",
                "2:62 `x*` is ignored by the controller: wildcards are not permitted",
            ]
        );
    }

    #[test]
    fn a_newer_release_is_one_warning() {
        let (kubewarden, mistakes, warnings) = read_text("'1.44'");
        assert!(mistakes.is_empty() && kubewarden.release.limits_memory());
        let wanted = "1:1 Kubewarden 1.44.0 is newer than this version of verify, which treats it as 1.39.0";
        assert_eq!(warnings, [wanted]);
    }
}
