//! The execution mode of a module, from its metadata, the suite and its exports.
//!
//! Only contradictions are found here. Whether the module has everything its mode needs is found when it is linked;
//! then [`guess`] helps to say which mode would have been right.

use wasmparser::{BinaryReaderError, Parser, Payload};

use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::inspection::DetectedKind;
use policy_verify_model::policy::{ExecutionMode, Metadata};

/// DetectedKind at the exports of a module.
pub(super) fn kind(bytes: &[u8]) -> Result<DetectedKind, BinaryReaderError> {
    let mut detected_kind = DetectedKind::Unknown;
    for payload in Parser::new(0).parse_all(bytes) {
        let Payload::ExportSection(exports) = payload? else { continue };
        for export in exports {
            match export?.name {
                name if name.starts_with("opa_") => return Ok(DetectedKind::Rego),
                "__guest_call" => detected_kind = DetectedKind::Wapc,
                "_start" if detected_kind == DetectedKind::Unknown => detected_kind = DetectedKind::Wasi,
                _ => {}
            }
        }
    }
    Ok(detected_kind)
}

/// The mode of a module: what its metadata says, else what the suite says, else waPC.
pub(super) fn mode(
    metadata: Option<&Metadata>,
    stated: Option<ExecutionMode>,
    detected_kind: DetectedKind,
) -> Result<ExecutionMode, Diagnostic> {
    let wrong = |message: &str, help: Option<String>| Err(Diagnostic::new(Code::Metadata, message).with_help(help));
    let is_rego = detected_kind == DetectedKind::Rego;
    match (metadata.map(|metadata| metadata.execution_mode).or(stated), detected_kind) {
        (Some(ExecutionMode::Opa | ExecutionMode::Gatekeeper), _) if !is_rego => wrong(
            "Wrong value inside of policy's metadata for 'executionMode'. The policy has not been created using Rego",
            guess(detected_kind).map(|mode| format!("it detected_kind like a policy for `executionMode: {mode}`")),
        ),
        (Some(ExecutionMode::KubewardenWapc), DetectedKind::Rego) => wrong(
            "Wrong value inside of policy's metadata for 'executionMode'. This policy has been created using Rego",
            Some("write `executionMode: gatekeeper` if its entry point yields violations, else `opa`".into()),
        ),
        (Some(mode), _) => Ok(mode),
        (None, DetectedKind::Rego) => wrong(
            "The policy has been created with Rego, please specify which Opa runtime has to be used",
            Some(
                "the module has no metadata: add `metadata: metadata.yml` to the policy, or `executionMode: gatekeeper` \
                 if its entry point yields violations, else `executionMode: opa`"
                    .into(),
            ),
        ),
        (None, DetectedKind::Wasi) => wrong(
            "the module has no metadata and looks like a WASI policy, but would be run as a waPC policy",
            Some("add `metadata: metadata.yml` to the policy, or `executionMode: wasi`".into()),
        ),
        (None, DetectedKind::Wapc | DetectedKind::Unknown) => Ok(ExecutionMode::KubewardenWapc),
    }
}

/// The mode a module was probably made for; Rego modules do not show which of the two it is.
pub(super) fn guess(detected_kind: DetectedKind) -> Option<ExecutionMode> {
    match detected_kind {
        DetectedKind::Wapc => Some(ExecutionMode::KubewardenWapc),
        DetectedKind::Wasi => Some(ExecutionMode::Wasi),
        DetectedKind::Rego | DetectedKind::Unknown => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detected_kind(exports: &[&str]) -> DetectedKind {
        let exports: String = exports.iter().map(|name| format!("(func (export \"{name}\"))")).collect();
        kind(&wat::parse_str(format!("(module {exports})")).unwrap()).unwrap()
    }

    fn metadata(mode: &str) -> Metadata {
        serde_json::from_value(serde_json::json!({"rules": [], "mutating": false, "executionMode": mode})).unwrap()
    }

    #[test]
    fn exports_tell_what_a_module_is() {
        assert_eq!(detected_kind(&["_start", "__guest_call"]), DetectedKind::Wapc);
        assert_eq!(detected_kind(&["__guest_call", "_start"]), DetectedKind::Wapc);
        assert_eq!(detected_kind(&["_start"]), DetectedKind::Wasi);
        assert_eq!(detected_kind(&["_start", "opa_malloc"]), DetectedKind::Rego);
        assert_eq!(detected_kind(&["main"]), DetectedKind::Unknown);
    }

    #[test]
    fn metadata_decides_then_the_suite_then_wapc() {
        let wasi = metadata("wasi");
        assert_eq!(
            mode(Some(&wasi), None, DetectedKind::Wapc),
            Ok(ExecutionMode::Wasi),
            "a wrong choice is found when linking"
        );
        assert_eq!(mode(None, Some(ExecutionMode::Wasi), DetectedKind::Wasi), Ok(ExecutionMode::Wasi));
        assert_eq!(mode(None, None, DetectedKind::Wapc), Ok(ExecutionMode::KubewardenWapc));
        assert_eq!(mode(None, Some(ExecutionMode::Opa), DetectedKind::Rego), Ok(ExecutionMode::Opa));
    }

    #[test]
    fn rego_modules_and_rego_modes_belong_together() {
        let Diagnostic { message, help, .. } =
            mode(Some(&metadata("gatekeeper")), None, DetectedKind::Wapc).unwrap_err();
        assert!(message.ends_with("has not been created using Rego"), "{message}");
        assert!(help.unwrap().contains("executionMode: kubewarden-wapc"));
        let Diagnostic { message, .. } =
            mode(Some(&metadata("kubewarden-wapc")), None, DetectedKind::Rego).unwrap_err();
        assert!(message.ends_with("This policy has been created using Rego"), "{message}");
        let Diagnostic { message, .. } = mode(None, None, DetectedKind::Rego).unwrap_err();
        assert_eq!(message, "The policy has been created with Rego, please specify which Opa runtime has to be used");
    }

    #[test]
    fn a_wasi_policy_without_metadata_is_told_what_to_add() {
        let Diagnostic { message, help, .. } = mode(None, None, DetectedKind::Wasi).unwrap_err();
        assert!(message.contains("looks like a WASI policy"), "{message}");
        assert!(help.unwrap().contains("`executionMode: wasi`"));
    }
}
