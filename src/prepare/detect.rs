//! The execution mode of a module, from its metadata, the suite and its exports.
//!
//! Only contradictions are found here. Whether the module has everything its mode needs is found when it is linked;
//! then [`guess`] helps to say which mode would have been right.

use wasmparser::{BinaryReaderError, Parser, Payload};

use super::ferricel;
use policy_verify_model::code::Code;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::inspection::DetectedKind;
use policy_verify_model::policy::{ExecutionMode, Metadata};

/// The kind of a module, from its exports and sections.
pub(super) fn kind(bytes: &[u8]) -> Result<DetectedKind, BinaryReaderError> {
    let mut detected_kind = DetectedKind::Unknown;
    let mut allocates = false;
    for payload in Parser::new(0).parse_all(bytes) {
        let exports = match payload? {
            Payload::ExportSection(exports) => exports,
            Payload::CustomSection(section) if section.name() == ferricel::SOURCE && allocates => {
                return Ok(DetectedKind::Ferricel);
            }
            _ => continue,
        };
        for export in exports {
            match export?.name {
                name if name.starts_with("opa_") => return Ok(DetectedKind::Rego),
                "__guest_call" => detected_kind = DetectedKind::Wapc,
                "_start" if detected_kind == DetectedKind::Unknown => detected_kind = DetectedKind::Wasi,
                "cel_malloc" => allocates = true,
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
            guess(detected_kind).map(|mode| format!("it looks like a policy for `executionMode: {mode}`")),
        ),
        (Some(ExecutionMode::KubewardenWapc), DetectedKind::Rego) => wrong(
            "Wrong value inside of policy's metadata for 'executionMode'. This policy has been created using Rego",
            Some("write `executionMode: gatekeeper` if its entry point yields violations, else `opa`".into()),
        ),
        (Some(ExecutionMode::Ferricel), kind) if kind != DetectedKind::Ferricel => wrong(
            "Wrong value inside of policy's metadata for 'executionMode'. The policy is not a ValidatingAdmissionPolicy \
             compiled by ferricel",
            guess(detected_kind).map(|mode| format!("it looks like a policy for `executionMode: {mode}`")),
        ),
        (Some(ExecutionMode::KubewardenWapc), DetectedKind::Ferricel) => wrong(
            "Wrong value inside of policy's metadata for 'executionMode'. This policy has been created using ferricel",
            Some("write `executionMode: ferricel`".into()),
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
        (None, DetectedKind::Ferricel) => wrong(
            "the module has no metadata and was compiled by ferricel, but would be run as a waPC policy",
            Some("add `metadata: metadata.yml` to the policy, or `executionMode: ferricel`".into()),
        ),
        (None, DetectedKind::Wapc | DetectedKind::Unknown) => Ok(ExecutionMode::KubewardenWapc),
    }
}

/// The mode a module was probably made for; Rego modules do not show which of the two it is.
pub(super) fn guess(detected_kind: DetectedKind) -> Option<ExecutionMode> {
    match detected_kind {
        DetectedKind::Wapc => Some(ExecutionMode::KubewardenWapc),
        DetectedKind::Wasi => Some(ExecutionMode::Wasi),
        DetectedKind::Ferricel => Some(ExecutionMode::Ferricel),
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

    fn metadata_of(mode: &str) -> Metadata {
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
        let wasi = metadata_of("wasi");
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
            mode(Some(&metadata_of("gatekeeper")), None, DetectedKind::Wapc).unwrap_err();
        assert!(message.ends_with("has not been created using Rego"), "{message}");
        assert!(help.unwrap().contains("executionMode: kubewarden-wapc"));
        let Diagnostic { message, .. } =
            mode(Some(&metadata_of("kubewarden-wapc")), None, DetectedKind::Rego).unwrap_err();
        assert!(message.ends_with("This policy has been created using Rego"), "{message}");
        let Diagnostic { message, .. } = mode(None, None, DetectedKind::Rego).unwrap_err();
        assert_eq!(message, "The policy has been created with Rego, please specify which Opa runtime has to be used");
    }

    #[test]
    fn policies_of_ferricel_have_their_source_in_a_section() {
        let section = "(@custom \"ferricel.vap-source\" \"kind: ValidatingAdmissionPolicy\")";
        let of = |text: &str| kind(&wat::parse_str(text).unwrap()).unwrap();
        let allocates = "(func (export \"cel_malloc\"))";
        assert_eq!(of(&format!("(module {allocates} {section})")), DetectedKind::Ferricel);
        assert_eq!(of(&format!("(module {allocates})")), DetectedKind::Unknown, "an expression is not a policy");
        assert_eq!(of(&format!("(module {section})")), DetectedKind::Unknown);
    }

    #[test]
    fn ferricel_modules_and_its_mode_belong_together() {
        let text = |metadata: Option<&str>, kind| {
            let metadata = metadata.map(metadata_of);
            mode(metadata.as_ref(), None, kind).unwrap_err().message
        };
        assert!(
            text(Some("ferricel"), DetectedKind::Wapc)
                .ends_with("not a ValidatingAdmissionPolicy compiled by ferricel")
        );
        assert!(text(Some("kubewarden-wapc"), DetectedKind::Ferricel).ends_with("has been created using ferricel"));
        assert!(text(Some("opa"), DetectedKind::Ferricel).ends_with("has not been created using Rego"));
        assert!(text(None, DetectedKind::Ferricel).contains("was compiled by ferricel"));
        let stated = mode(None, Some(ExecutionMode::Ferricel), DetectedKind::Ferricel);
        assert_eq!(stated, Ok(ExecutionMode::Ferricel));
    }

    #[test]
    fn a_wasi_policy_without_metadata_is_told_what_to_add() {
        let Diagnostic { message, help, .. } = mode(None, None, DetectedKind::Wasi).unwrap_err();
        assert!(message.contains("looks like a WASI policy"), "{message}");
        assert!(help.unwrap().contains("`executionMode: wasi`"));
    }
}
