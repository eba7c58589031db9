//! The form of a policy's settings, `questions-ui.yml`: the file that `check.questions` names, or the one beside the metadata or
//! the module. What it says is read later: an error in it is one of the check, and not of the suite.

use std::path::Path;
use std::sync::Arc;

use policy_verify_model::code::Code;
use policy_verify_model::policy::PolicyRef;
use policy_verify_model::source::{SourceFile, Spanned};
use policy_verify_model::suite::{Check, PolicySpec};

use super::files::Files;
use super::mistake::{Mistakes, mistake};
use super::schema::QuestionsEntry;

/// How forms are called.
const FORMS: [&str; 2] = ["questions-ui.yml", "questions-ui.yaml"];

/// The form of a policy.
#[derive(Default)]
pub(crate) struct Form {
    /// The file.
    pub(crate) file: Option<Arc<SourceFile>>,
    /// The check that wants it.
    pub(crate) checked: Option<Check>,
}

/// Finds the form of a policy; `written` is `check.questions`.
pub(crate) fn find(
    written: Option<&Spanned<QuestionsEntry>>,
    spec: &PolicySpec,
    files: &Files,
    mistakes: &mut Mistakes,
) -> Form {
    let Some(written) = written else { return Form { file: beside(spec, files), checked: None } };
    let span = &written.span;
    let found = match &written.value {
        QuestionsEntry::Usual(false) => return Form::default(),
        QuestionsEntry::Usual(true) => beside(spec, files).ok_or_else(|| {
            let message = format!("there is no `{}` beside the metadata or the module of `{}`", FORMS[0], spec.name);
            mistake(span, message)
                .with_code(Code::FileNotFound)
                .with_help(format!("write its path: `questions: {}`", FORMS[0]))
        }),
        QuestionsEntry::Path(path) => files
            .resolve(&Spanned::new(path.clone(), span.clone()))
            .and_then(|path| files.counted_text(&path).map_err(|mistake| mistake.at(span))),
    };
    match found {
        Ok(file) => {
            let checked = Check::Questions(Spanned::new(Arc::clone(&file), span.clone()));
            Form { file: Some(file), checked: Some(checked) }
        }
        Err(mistake) => {
            mistakes.push(mistake);
            Form::default()
        }
    }
}

/// The form beside the metadata of a policy, or beside its module. One that cannot be read is none: nobody named it.
fn beside(spec: &PolicySpec, files: &Files) -> Option<Arc<SourceFile>> {
    let module = match &spec.uri.value {
        PolicyRef::File(path) => Some(path.as_path()),
        PolicyRef::Registry(_) | PolicyRef::Web(_) => None,
    };
    let metadata = spec.metadata.as_ref().map(|path| path.value.as_path());
    let folders = metadata.into_iter().chain(module).filter_map(Path::parent);
    let mut paths = folders.flat_map(|folder| FORMS.iter().map(move |name| folder.join(name)));
    paths.find(|path| files.within(path).is_some()).and_then(|path| files.counted_text(&path).ok())
}
