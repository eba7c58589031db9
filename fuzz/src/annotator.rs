//! Modules: what annotating makes of them.

use policy_verify::fuzzing::{annotate, inspect};
use policy_verify_model::diagnostic::Diagnostic;
use wasmparser::{Parser, Payload};

use super::checks;

const METADATA: &str =
    "rules: []\nmutating: false\nexecutionMode: wasi\nannotations: { io.kubewarden.policy.title: t }\n";

/// Metadata that is attached to any module is found in it, attaching it again changes nothing, and everything else of the
/// module stays.
pub fn annotator(bytes: &[u8]) {
    if let Err(problem) = inspect(bytes) {
        checks::mistake(&problem.into());
    }
    let annotated = match annotate(bytes, METADATA) {
        Ok(annotated) => annotated,
        Err(problems) => {
            assert!(!problems.is_empty());
            return problems.into_iter().map(Diagnostic::from).for_each(|it| checks::mistake(&it));
        }
    };
    let is_valid = wasmparser::validate(bytes).is_ok();
    match inspect(&annotated) {
        Ok(inspection) => {
            let title = inspection.metadata.and_then(|it| it.annotations?.remove("io.kubewarden.policy.title"));
            assert_eq!(title.as_deref(), Some("t"));
        }
        Err(error) => assert!(!is_valid, "{error:?}"),
    }
    assert_eq!(annotate(&annotated, METADATA).ok().as_ref(), Some(&annotated), "annotated again");
    assert_eq!(sections(bytes), sections(&annotated));
    if is_valid {
        wasmparser::validate(&annotated).unwrap_or_else(|error| panic!("no longer valid: {error}"));
    }
}

/// The contents of the sections that annotating leaves alone: all but imports and custom ones.
fn sections(bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let payloads = Parser::new(0).parse_all(bytes).map_while(Result::ok);
    let kept = payloads.filter(|it| !matches!(it, Payload::CustomSection(_) | Payload::ImportSection(_)));
    kept.filter_map(|it| it.as_section()).filter_map(|(id, range)| Some((id, bytes.get(range)?))).collect()
}
