//! The same run with other paths. Machines read paths from the root of the repository; at a terminal a path is useful that
//! starts in the working directory, where editors and shells open it.

use std::collections::HashMap;
use std::sync::Arc;

use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::explanation::Explanations;
use policy_verify_model::outcome::{CaseReport, Outcome, RunReport, SuiteSummary, Unavailable};
use policy_verify_model::source::{SourceFile, Span};

/// The run with each path replaced by what `shown` makes of it.
pub fn run(run: &RunReport, shown: &dyn Fn(&str) -> String) -> RunReport {
    let mut files = Files { shown, known: HashMap::new() };
    let mut run = run.clone();
    run.suites.iter_mut().for_each(|suite| files.suite(suite));
    for policy in &mut run.policies {
        files.replace(&mut policy.span);
        policy.unavailable.iter_mut().for_each(|why| files.unavailable(why));
    }
    run.cases.iter_mut().for_each(|case| files.case(case));
    run.rules.iter_mut().for_each(|rules| files.replace(&mut rules.span));
    run.settings.iter_mut().for_each(|settings| files.replace(&mut settings.span));
    run.gates.iter_mut().for_each(|gate| files.replace(&mut gate.span));
    run.warnings.iter_mut().chain(&mut run.errors).for_each(|it| files.diagnostic(it));
    run
}

/// The explanations with each path replaced by what `shown` makes of it.
pub fn explanations(mut explanations: Explanations, shown: &dyn Fn(&str) -> String) -> Explanations {
    let mut files = Files { shown, known: HashMap::new() };
    explanations.suites.iter_mut().for_each(|suite| files.suite(suite));
    for explanation in &mut explanations.cases {
        files.case(&mut explanation.case);
        files.replace(&mut explanation.expect);
    }
    explanations
}

/// The diagnostic with each path replaced by what `shown` makes of it.
pub fn diagnostic(diagnostic: &Diagnostic, shown: &dyn Fn(&str) -> String) -> Diagnostic {
    let mut diagnostic = diagnostic.clone();
    Files { shown, known: HashMap::new() }.diagnostic(&mut diagnostic);
    diagnostic
}

struct Files<'a> {
    shown: &'a dyn Fn(&str) -> String,
    /// By path and length of the text: a file is copied once for all its places.
    known: HashMap<(String, usize), Arc<SourceFile>>,
}

impl Files<'_> {
    fn replace(&mut self, span: &mut Span) {
        let key = (span.file.path.clone(), span.file.text.len());
        let known = self.known.entry(key).or_insert_with(|| {
            let path = (self.shown)(&span.file.path);
            if path == span.file.path {
                return Arc::clone(&span.file);
            }
            Arc::new(SourceFile { path, text: span.file.text.clone() })
        });
        span.file = Arc::clone(known);
    }

    fn suite(&mut self, suite: &mut SuiteSummary) {
        let path = (self.shown)(&suite.path);
        if suite.name == suite.path {
            suite.name.clone_from(&path);
        }
        suite.path = path;
        self.replace(&mut suite.span);
    }

    fn case(&mut self, case: &mut CaseReport) {
        self.replace(&mut case.span);
        match &mut case.outcome {
            Outcome::Failed(mismatches) => mismatches.iter_mut().for_each(|it| self.replace(&mut it.span)),
            Outcome::Unavailable(why) => self.unavailable(why),
            _ => {}
        }
    }

    fn diagnostic(&mut self, diagnostic: &mut Diagnostic) {
        diagnostic.span.iter_mut().for_each(|span| self.replace(span));
        diagnostic.related.iter_mut().for_each(|related| self.replace(&mut related.span));
    }

    fn unavailable(&mut self, why: &mut Arc<Unavailable>) {
        let mut moved = (**why).clone();
        moved.span.iter_mut().for_each(|span| self.replace(span));
        *why = Arc::new(moved);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;

    #[test]
    fn every_place_is_replaced() {
        let mut sample = testing::sample();
        sample.warnings = testing::not_started().errors;
        let moved = run(&sample, &|path| format!("../{path}"));
        let text = testing::written(&*crate::by_name("json", &crate::Style::default()).unwrap(), &moved);
        let document: serde_json::Value = serde_json::from_str(&text).unwrap();
        let mut places = 0;
        let mut rest = vec![&document];
        while let Some(value) = rest.pop() {
            for (key, value) in value.as_object().into_iter().flatten() {
                if ["file", "path"].contains(&key.as_str()) {
                    places += 1;
                    assert!(value.as_str().is_some_and(|path| path.starts_with("../")), "{key}: {value}");
                }
                if key != "request" && key != "response" {
                    rest.push(value);
                }
            }
            rest.extend(value.as_array().into_iter().flatten());
        }
        assert!(places > 20, "{places}");
    }
}
