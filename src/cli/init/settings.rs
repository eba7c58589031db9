//! Which settings a first suite has: the first that the policy accepts, of those that its form would send, and none.

use std::path::Path;

use policy_verify::draft::first::{self, FirstSuite, FormSettings, Questions, Settings, Subject};
use policy_verify::model::outcome::Outcome;
use policy_verify::{Error, Options};

use super::super::new_suite::NewSuite;

/// A suite that is written, with its settings.
pub(super) struct Written {
    pub(super) first: FirstSuite,
    /// What the policy says about the settings, if it rejects them.
    pub(super) refusal: Option<String>,
}

/// Who writes suites.
pub(super) struct Writer<'a> {
    pub(super) subject: &'a Subject,
    pub(super) suite: &'a Path,
    pub(super) is_forced: bool,
}

impl Writer<'_> {
    fn write(&self, settings: &Settings, is_again: bool) -> Result<FirstSuite, Error> {
        let first = first::suite(self.subject, settings);
        let new = NewSuite { path: self.suite, draft: &first.draft, files: &first.files };
        new.write(self.is_forced || is_again)?;
        Ok(first)
    }
}

/// Writes the suite. Without `options` the policy is not asked, and the first settings are taken.
///
/// # Errors
///
/// The suite cannot be written, or not be run.
pub(super) fn write(
    writer: &Writer<'_>,
    form: Option<&(String, Questions)>,
    options: Option<&dyn Fn() -> Options>,
) -> Result<Written, Error> {
    let candidates = candidates(form);
    let mut refusals: Vec<String> = Vec::new();
    for (index, candidate) in candidates.iter().enumerate() {
        let mut settings = settings(candidate);
        settings.comments.extend(refusals.first().map(|refusal| {
            let file = form.map_or("", |(file, _)| file.as_str());
            format!("The policy rejects the defaults of {file}: {refusal}")
        }));
        let first = writer.write(&settings, index > 0)?;
        let asked = options.zip(first.settings_cases.first());
        match asked.map(|(options, case)| refusal(writer.suite, case, options)).transpose()?.flatten() {
            None => return Ok(Written { first, refusal: None }),
            Some(refusal) => refusals.push(refusal),
        }
    }
    let mut settings = settings(&candidates[0]);
    let refusal = refusals.into_iter().next().unwrap_or_default();
    settings.comments = vec![
        format!("The policy rejects these settings: {refusal}"),
        format!("Fill in `settings`, then run: verify {} --bless=all", writer.suite.display()),
    ];
    Ok(Written { first: writer.write(&settings, true)?, refusal: Some(refusal) })
}

/// What may be tried; at least one.
fn candidates(form: Option<&(String, Questions)>) -> Vec<FormSettings> {
    let mut all = form.map(|(_, questions)| questions.candidates()).unwrap_or_default();
    if !all.contains(&FormSettings::default()) {
        all.push(FormSettings::default());
    }
    all
}

fn settings(candidate: &FormSettings) -> Settings {
    Settings { value: candidate.value.clone(), required: candidate.required.clone(), comments: Vec::new() }
}

/// What the policy says against the settings of a settings case.
fn refusal(suite: &Path, case: &str, options: &dyn Fn() -> Options) -> Result<Option<String>, Error> {
    let mut options = options();
    options.suites = vec![suite.to_owned()];
    options.selection.exact = vec![case.to_owned()];
    options.allows_empty = true;
    let run = policy_verify::verify(&options, &())?;
    Ok(run.cases.first().and_then(|case| match &case.outcome {
        Outcome::Failed(mismatches) => Some(mismatches.first().map_or_else(String::new, |it| message(&it.actual))),
        Outcome::Error(fault) => Some(fault.message.clone()),
        _ => None,
    }))
}

/// The message in `invalid: "message"`.
fn message(actual: &str) -> String {
    let quoted = actual.strip_prefix("invalid: ").unwrap_or(actual);
    serde_json::from_str(quoted).unwrap_or_else(|_| quoted.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_those_of_the_policy() {
        for (actual, wanted) in
            [("invalid: \"a \\\"b\\\"\"", "a \"b\""), ("invalid", "invalid"), ("fault: x", "fault: x")]
        {
            assert_eq!(message(actual), wanted);
        }
    }
}
