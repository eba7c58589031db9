//! The execution mode of a module, from its metadata, the suite and its exports.
//!
//! Only contradictions are found here. Whether the module has everything its mode needs is found when it is linked;
//! then [`guess`] helps to say which mode would have been right.

use wasmparser::{BinaryReaderError, Parser, Payload};

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::inspection::Looks;
use policy_verify_model::policy::{ExecutionMode, Metadata};

/// Looks at the exports of a module.
pub(super) fn looks(bytes: &[u8]) -> Result<Looks, BinaryReaderError> {
    let mut looks = Looks::Unknown;
    for payload in Parser::new(0).parse_all(bytes) {
        let Payload::ExportSection(exports) = payload? else { continue };
        for export in exports {
            match export?.name {
                name if name.starts_with("opa_") => return Ok(Looks::Rego),
                "__guest_call" => looks = Looks::Wapc,
                "_start" if looks == Looks::Unknown => looks = Looks::Wasi,
                _ => {}
            }
        }
    }
    Ok(looks)
}

/// The mode of a module: what its metadata says, else what the suite says, else waPC.
pub(super) fn mode(
    metadata: Option<&Metadata>,
    stated: Option<ExecutionMode>,
    looks: Looks,
) -> Result<ExecutionMode, Diagnostic> {
    let wrong = |message: &str, help: Option<String>| Err(Diagnostic::new(Code::Metadata, message).with_help(help));
    let is_rego = looks == Looks::Rego;
    match (metadata.map(|metadata| metadata.execution_mode).or(stated), looks) {
        (Some(ExecutionMode::Opa | ExecutionMode::Gatekeeper), _) if !is_rego => wrong(
            "Wrong value inside of policy's metadata for 'executionMode'. The policy has not been created using Rego",
            guess(looks).map(|mode| format!("it looks like a policy for `executionMode: {mode}`")),
        ),
        (Some(ExecutionMode::KubewardenWapc), Looks::Rego) => wrong(
            "Wrong value inside of policy's metadata for 'executionMode'. This policy has been created using Rego",
            Some("write `executionMode: gatekeeper` if its entry point yields violations, else `opa`".into()),
        ),
        (Some(mode), _) => Ok(mode),
        (None, Looks::Rego) => wrong(
            "The policy has been created with Rego, please specify which Opa runtime has to be used",
            Some(
                "the module has no metadata: add `metadata: metadata.yml` to the policy, or `executionMode: gatekeeper` \
                 if its entry point yields violations, else `executionMode: opa`"
                    .into(),
            ),
        ),
        (None, Looks::Wasi) => wrong(
            "the module has no metadata and looks like a WASI policy, but would be run as a waPC policy",
            Some("add `metadata: metadata.yml` to the policy, or `executionMode: wasi`".into()),
        ),
        (None, Looks::Wapc | Looks::Unknown) => Ok(ExecutionMode::KubewardenWapc),
    }
}

/// The mode a module was probably made for; Rego modules do not show which of the two it is.
pub(super) fn guess(looks: Looks) -> Option<ExecutionMode> {
    match looks {
        Looks::Wapc => Some(ExecutionMode::KubewardenWapc),
        Looks::Wasi => Some(ExecutionMode::Wasi),
        Looks::Rego | Looks::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn looks(exports: &[&str]) -> Looks {
        let exports: String = exports.iter().map(|name| format!("(func (export \"{name}\"))")).collect();
        super::looks(&wat::parse_str(format!("(module {exports})")).unwrap()).unwrap()
    }

    fn metadata(mode: &str) -> Metadata {
        serde_json::from_value(serde_json::json!({"rules": [], "mutating": false, "executionMode": mode})).unwrap()
    }

    #[test]
    fn exports_tell_what_a_module_is() {
        assert_eq!(looks(&["_start", "__guest_call"]), Looks::Wapc);
        assert_eq!(looks(&["__guest_call", "_start"]), Looks::Wapc);
        assert_eq!(looks(&["_start"]), Looks::Wasi);
        assert_eq!(looks(&["_start", "opa_malloc"]), Looks::Rego);
        assert_eq!(looks(&["main"]), Looks::Unknown);
    }

    #[test]
    fn metadata_decides_then_the_suite_then_wapc() {
        let wasi = metadata("wasi");
        assert_eq!(
            mode(Some(&wasi), None, Looks::Wapc),
            Ok(ExecutionMode::Wasi),
            "a wrong choice is found when linking"
        );
        assert_eq!(mode(None, Some(ExecutionMode::Wasi), Looks::Wasi), Ok(ExecutionMode::Wasi));
        assert_eq!(mode(None, None, Looks::Wapc), Ok(ExecutionMode::KubewardenWapc));
        assert_eq!(mode(None, Some(ExecutionMode::Opa), Looks::Rego), Ok(ExecutionMode::Opa));
    }

    #[test]
    fn rego_modules_and_rego_modes_belong_together() {
        let Diagnostic { message, help, .. } = mode(Some(&metadata("gatekeeper")), None, Looks::Wapc).unwrap_err();
        assert!(message.ends_with("has not been created using Rego"), "{message}");
        assert!(help.unwrap().contains("executionMode: kubewarden-wapc"));
        let Diagnostic { message, .. } = mode(Some(&metadata("kubewarden-wapc")), None, Looks::Rego).unwrap_err();
        assert!(message.ends_with("This policy has been created using Rego"), "{message}");
        let Diagnostic { message, .. } = mode(None, None, Looks::Rego).unwrap_err();
        assert_eq!(message, "The policy has been created with Rego, please specify which Opa runtime has to be used");
    }

    #[test]
    fn a_wasi_policy_without_metadata_is_told_what_to_add() {
        let Diagnostic { message, help, .. } = mode(None, None, Looks::Wasi).unwrap_err();
        assert!(message.contains("looks like a WASI policy"), "{message}");
        assert!(help.unwrap().contains("`executionMode: wasi`"));
    }
}
