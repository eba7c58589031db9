//! `policyServer:` reads how policies are served from the PolicyServer resource of an installation.
//!
//! What has no influence on a verdict is not looked at: the API server has checked the resource, or will.

use std::time::Duration;

use super::files::Files;
use super::mistake::{Mistakes, mistake};
use super::patterns::host_capabilities;
use super::read::{keys, read};
use super::resource::{self, Wanted};
use policy_verify_model::installation::Installation;
use policy_verify_model::release::{Release, ReleaseError};
use policy_verify_model::source::Spanned;

const SERVER: Wanted<'_> = Wanted { one: "PolicyServer", several: "resources", kinds: &["PolicyServer"] };

/// Variables of policy-server that decide about verdicts. Sources: the flags `--policy-timeout`,
/// `--disable-timeout-protection`, `--policy-memory-limit` and `--disable-memory-limit`.
const TIMEOUT: &str = "KUBEWARDEN_POLICY_TIMEOUT";
const NO_TIMEOUT: &str = "KUBEWARDEN_DISABLE_TIMEOUT_PROTECTION";
const MEMORY_LIMIT: &str = "KUBEWARDEN_POLICY_MEMORY_LIMIT";
const NO_MEMORY_LIMIT: &str = "KUBEWARDEN_DISABLE_MEMORY_LIMIT";

struct ServerEntry {
    spec: SpecEntry,
}

keys! { ServerEntry and others { required spec } }

#[derive(Default)]
struct SpecEntry {
    image: Option<Spanned<String>>,
    env: Vec<VariableEntry>,
    namespaced_policies_capabilities: Option<Vec<Spanned<String>>>,
}

keys! { SpecEntry and others { optional image, optional env, optional namespaced_policies_capabilities } }

struct VariableEntry {
    name: String,
    value: Option<Spanned<String>>,
}

keys! { VariableEntry and others { required name, optional value } }

/// Reads the resource that a suite names as `path` or `path#name` into the settings of an installation. The release is that
/// of its image, where the tag is one.
pub(super) fn apply(
    named: &Spanned<String>,
    installation: &mut Installation,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Option<Release> {
    let (node, _) = resource::find(named, &SERVER, files).map_err(|mistake| mistakes.push(mistake)).ok()?;
    let SpecEntry { image, env, namespaced_policies_capabilities } = read::<ServerEntry>(&node, mistakes)?.spec;
    for VariableEntry { name, value } in &env {
        if let Some(value) = value {
            variable(name, value, installation, mistakes);
        }
    }
    if let Some(patterns) = namespaced_policies_capabilities {
        installation.namespaced_capabilities = Some(host_capabilities(&patterns, mistakes));
    }
    release(&image?, mistakes)
}

/// The release that the tag of an image names, if it names one.
fn release(image: &Spanned<String>, mistakes: &mut Mistakes) -> Option<Release> {
    let (_, tag) = image.value.split('@').next()?.rsplit_once(':')?;
    match tag.parse() {
        Ok(release) => Some(release),
        Err(error @ ReleaseError::TooOld(_)) => {
            mistakes.warn(mistake(&image.span, error.to_string()).with_help(error.help().to_owned()));
            None
        }
        // `latest`, a branch, the port of a registry.
        Err(ReleaseError::Invalid(_)) => None,
    }
}

fn variable(name: &str, value: &Spanned<String>, installation: &mut Installation, mistakes: &mut Mistakes) {
    let text = value.value.trim();
    let is_on = text.eq_ignore_ascii_case("true");
    match (name, text.parse::<u64>()) {
        (TIMEOUT, Ok(seconds @ 1..)) => installation.timeout = Duration::from_secs(seconds),
        (MEMORY_LIMIT, Ok(mebibytes @ 1..)) => installation.memory_limit = mebibytes.checked_mul(1 << 20),
        (TIMEOUT | MEMORY_LIMIT, _) => {
            let message = format!("invalid value `{text}` of {name}: policy-server does not start");
            mistakes.add_with_help(&value.span, message, "write a whole number greater than 0");
        }
        (NO_MEMORY_LIMIT, _) if is_on => installation.memory_limit = None,
        (NO_TIMEOUT, _) if is_on => {
            let warning = mistake(&value.span, format!("{NO_TIMEOUT} is ignored: verify ends every evaluation"));
            mistakes
                .warn(warning.with_help("set `policyTimeout` in `kubewarden:` to the longest time to wait".to_owned()));
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use policy_verify_model::source::{SourceFile, Span};

    /// What a resource makes of the usual installation, its release, and the mistakes and warnings.
    fn applied(resource: &str, named: &str) -> (Installation, Option<Release>, Vec<String>) {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("suite.yml"), "").unwrap();
        std::fs::write(folder.path().join("server.yaml"), resource).unwrap();
        let files = Files::of_suite(&folder.path().join("suite.yml"), None, |_| Ok(())).unwrap();
        let mut mistakes = Mistakes::default();
        let mut installation = Installation::default();
        let file = Arc::new(SourceFile { path: "suite.yml".into(), text: String::new() });
        let named = Spanned::new(named.to_owned(), Span::start_of(&file));
        let release = apply(&named, &mut installation, &files, &mut mistakes);
        let mut texts: Vec<String> = mistakes.take_warnings().into_iter().map(|it| it.message).collect();
        texts.extend(mistakes.into_sorted().into_iter().map(|it| it.message));
        (installation, release, texts)
    }

    fn server(spec: &str) -> String {
        format!(
            "apiVersion: policies.kubewarden.io/v1\nkind: PolicyServer\nmetadata: {{ name: default }}\nspec: {spec}\n"
        )
    }

    #[test]
    fn what_decides_about_verdicts_is_read() {
        let spec = "{ image: 'ghcr.io:443/kubewarden/policy-server:v1.37.2', replicas: 2, namespacedPoliciesCapabilities: [oci/*], \
                    env: [{ name: KUBEWARDEN_POLICY_TIMEOUT, value: '7' }, { name: KUBEWARDEN_POLICY_MEMORY_LIMIT, value: '64' }, \
                    { name: KUBEWARDEN_LOG_LEVEL, value: info }, { name: SECRET, valueFrom: { secretKeyRef: {} } }] }";
        let (installation, release, texts) = applied(&server(spec), "server.yaml");
        assert_eq!(texts, [""; 0]);
        assert_eq!(release, "1.37.2".parse().ok());
        let wanted = Installation {
            namespaced_capabilities: Some(vec!["oci/*".into()]),
            timeout: Duration::from_secs(7),
            memory_limit: Some(64 << 20),
            ..Installation::default()
        };
        assert_eq!(installation, wanted);
        let unlimited = server("{ env: [{ name: KUBEWARDEN_DISABLE_MEMORY_LIMIT, value: 'true' }] }");
        assert_eq!(applied(&unlimited, "server.yaml").0.memory_limit, None);
    }

    #[test]
    fn an_image_without_a_release_leaves_the_default() {
        for image in ["ghcr.io/kubewarden/policy-server", "policy-server:latest", "registry:5000/policy-server"] {
            assert_eq!(applied(&server(&format!("{{ image: '{image}' }}")), "server.yaml").1, None, "{image}");
        }
        let (_, release, texts) = applied(&server("{ image: 'policy-server:v1.30.0' }"), "server.yaml");
        assert_eq!((release, texts.len()), (None, 1), "{texts:?}");
    }

    #[test]
    fn the_one_that_is_meant_is_found() {
        let two = format!("{}---\nkind: Namespace\n---\n{}", server("{}"), server("{}").replace("default", "second"));
        assert_eq!(applied(&two, "server.yaml#second").2, [""; 0]);
        for (text, named, wanted) in [
            (two.as_str(), "server.yaml", "expected one PolicyServer, found 2 in `server.yaml`"),
            (&two, "server.yaml#third", "no PolicyServer `third` in `server.yaml`"),
            ("kind: Pod\n", "server.yaml", "no PolicyServer in `server.yaml`"),
        ] {
            assert_eq!(applied(text, named).2, [wanted]);
        }
    }

    #[test]
    fn values_that_keep_the_server_from_starting_are_mistakes() {
        for (name, value) in [(TIMEOUT, "0"), (TIMEOUT, "2s"), (MEMORY_LIMIT, "0"), (MEMORY_LIMIT, "256MiB")] {
            let text = server(&format!("{{ env: [{{ name: {name}, value: '{value}' }}] }}"));
            let wanted = format!("invalid value `{value}` of {name}: policy-server does not start");
            assert_eq!(applied(&text, "server.yaml").2, [wanted]);
        }
        let endless = server("{ env: [{ name: KUBEWARDEN_DISABLE_TIMEOUT_PROTECTION, value: 'true' }] }");
        assert!(applied(&endless, "server.yaml").2[0].contains("is ignored: verify ends every evaluation"));
    }
}
