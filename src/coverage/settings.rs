//! Which settings of each module the cases set, and of which its settings cases have a value that it rejects.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use policy_verify_draft::first::{Question, Questions};
use policy_verify_model::outcome::{CaseReport, Outcome};
use policy_verify_model::policy::{Digest, Settings};
use policy_verify_model::settings_coverage::{ChoiceCoverage, KeyCoverage, SettingsCoverage};
use policy_verify_model::suite::{Case, CaseBody, PolicyIndex, SettingsExpectation, SuiteIndex};
use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::flow;
use serde_json::Value;

use super::answered::{Answered, Subject};
use crate::evaluate::Policies;

/// Settings of a module that are told apart.
const MOST_KEYS: usize = 1_000;

/// Documents of settings of a module that are looked at for its keys.
const MOST_DOCUMENTS: usize = 5_000;

/// A module, and the policies of the suite that are it.
struct Module<'a> {
    policies: Vec<PolicyIndex>,
    form: Option<(&'a str, Questions)>,
    notes: Vec<String>,
}

/// A setting that a form or a suite names.
pub(crate) struct KnownSetting {
    /// The steps of its path.
    pub(crate) steps: Vec<String>,
    /// The values of which a form sends one.
    pub(crate) choices: Vec<Node>,
}

impl KnownSetting {
    /// Its value.
    pub(crate) fn value_in<'a>(&self, settings: &'a Settings) -> Option<&'a Value> {
        let (first, rest) = self.steps.split_first()?;
        rest.iter().try_fold(settings.get(first)?, |value, step| value.get(step))
    }

    /// The values of which a form sends one.
    pub(crate) fn choices(&self) -> Vec<Value> {
        self.choices.iter().map(|choice| serde_json::to_value(choice).unwrap_or_default()).collect()
    }

    /// `cpu.limit`; a step that has a dot itself is quoted.
    pub(crate) fn shown(&self) -> String {
        let step = |step: &String| if step.contains('.') { format!("\"{step}\"") } else { step.clone() };
        self.steps.iter().map(step).collect::<Vec<_>>().join(".")
    }
}

/// The settings of a module.
pub(crate) struct ModuleSettings {
    /// The policies that are this module.
    pub(crate) policies: Vec<PolicyIndex>,
    /// The settings that its form and the suite name.
    pub(crate) keys: Vec<KnownSetting>,
}

/// The settings of all modules of a suite.
pub(crate) fn modules_with_settings(policies: &Policies<'_>) -> Vec<ModuleSettings> {
    let settings = |module: Module<'_>| {
        let (keys, _) = known(&module, &documents(&module, policies));
        ModuleSettings { policies: module.policies, keys }
    };
    modules(policies).into_iter().map(settings).collect()
}

/// Settings in the order in which they were found, each once.
#[derive(Default)]
struct KnownSettings {
    all: Vec<KnownSetting>,
    paths: HashSet<Vec<String>>,
}

impl KnownSettings {
    fn add(&mut self, steps: Vec<String>, choices: Vec<Node>) {
        if self.all.len() <= MOST_KEYS && self.paths.insert(steps.clone()) {
            self.all.push(KnownSetting { steps, choices });
        }
    }

    /// Adds the members of a document, and those of the mappings among them whose members are `asked` for.
    fn add_members(&mut self, asked: &HashSet<Vec<String>>, above: &[String], members: &Settings) {
        for (name, value) in members {
            let steps: Vec<String> = above.iter().chain([name]).cloned().collect();
            match value {
                Value::Object(inner) if asked.contains(&steps) => self.add_members(asked, &steps, inner),
                _ => self.add(steps, Vec::new()),
            }
        }
    }
}

/// The coverage of the settings of all modules of a suite. `cases` are those that ran, with their reports.
pub(super) fn of(
    suite: SuiteIndex,
    policies: &Policies<'_>,
    answers: &[Answered],
    cases: &[(&Case, &CaseReport)],
) -> Vec<SettingsCoverage> {
    modules(policies).iter().filter_map(|module| coverage(suite, module, policies, answers, cases)).collect()
}

/// The modules of the policies that are available, in the order of the suite.
fn modules<'a>(policies: &Policies<'a>) -> Vec<Module<'a>> {
    let mut modules: Vec<Module<'a>> = Vec::new();
    let mut known: HashMap<Digest, usize> = HashMap::new();
    for (index, prepared) in policies.prepared.iter().enumerate() {
        let Some(Ok(prepared)) = prepared else { continue };
        let place = *known.entry(prepared.digest).or_insert(modules.len());
        if place == modules.len() {
            modules.push(Module { policies: Vec::new(), form: None, notes: Vec::new() });
        }
        let module = &mut modules[place];
        module.policies.push(PolicyIndex(index));
        let Some(file) = policies.suite.policies[index].form.as_ref().filter(|_| module.form.is_none()) else {
            continue;
        };
        match Questions::read(&file.path, &file.text) {
            Ok(questions) => module.form = Some((&file.path, questions)),
            Err(error) => module.notes.push(format!("`{}` is no form: {}", file.path, error.message)),
        }
    }
    modules
}

fn coverage(
    suite: SuiteIndex,
    module: &Module<'_>,
    policies: &Policies<'_>,
    answers: &[Answered],
    cases: &[(&Case, &CaseReport)],
) -> Option<SettingsCoverage> {
    let is_own = |policy: &PolicyIndex| module.policies.contains(policy);
    let documents = documents(module, policies);
    let (known, mut notes) = known(module, &documents);
    let first = &policies.suite.policies[module.policies.first()?.0];
    if known.is_empty() && module.notes.is_empty() {
        return None;
    }
    notes.extend(module.notes.iter().cloned());
    let used = answers.iter().filter(|answered| matches!(&answered.subject, Subject::Policy(policy) if is_own(policy)));
    // Cases share their settings: each document is looked at once.
    let mut counts: HashMap<*const Settings, (&Settings, usize)> = HashMap::new();
    for settings in used.filter_map(|answered| answered.settings.as_ref()) {
        counts.entry(Arc::as_ptr(settings)).or_insert((settings, 0)).1 += 1;
    }
    let rejected = cases.iter().filter_map(|(case, report)| match &case.body {
        CaseBody::Settings(body) if report.outcome == Outcome::Passed && is_own(&body.policy.policy) => {
            matches!(*body.expect, SettingsExpectation::Invalid(_)).then_some(&*body.policy.settings)
        }
        _ => None,
    });
    let rejections = rejections(&known, &documents, &rejected.collect::<Vec<_>>());
    let key = |(known, rejections): (&KnownSetting, usize)| {
        let with = |holds: &dyn Fn(&Value) -> bool| {
            let of = counts.values().filter(|(settings, _)| known.value_in(settings).is_some_and(holds));
            of.map(|(_, cases)| cases).sum()
        };
        let choice = |value: &Node| {
            let wanted = serde_json::to_value(value).unwrap_or_default();
            ChoiceCoverage { value: flow::flow(value), cases: with(&|value| is_or_holds(value, &wanted)) }
        };
        KeyCoverage {
            key: known.shown(),
            cases: with(&|_| true),
            rejections,
            choices: known.choices.iter().map(choice).collect(),
        }
    };
    let names: Vec<&str> = module.policies.iter().map(|it| policies.suite.policies[it.0].name.as_str()).collect();
    Some(SettingsCoverage {
        suite: suite.0,
        policy: names.join(", "),
        form: module.form.as_ref().map(|(path, _)| (*path).to_owned()),
        span: first.span.clone(),
        keys: known.iter().zip(rejections).map(key).collect(),
        notes,
    })
}

/// The settings of a module that the suite does not expect to be rejected, each once.
fn documents<'a>(module: &Module<'_>, policies: &Policies<'a>) -> Vec<&'a Settings> {
    let suite = policies.suite;
    let own = module.policies.iter().flat_map(|policy| &suite.policies[policy.0].settings);
    let is_own = |policy: &PolicyIndex| module.policies.contains(policy);
    let of_cases = suite.cases.iter().flat_map(|case| {
        let is_rejected =
            matches!(&case.body, CaseBody::Settings(body) if matches!(*body.expect, SettingsExpectation::Invalid(_)));
        let used = if is_rejected { Vec::new() } else { suite.settings_uses(case) };
        used.into_iter().filter(|used| is_own(&used.policy)).map(|used| &used.settings)
    });
    let mut seen = HashSet::new();
    let all = own.chain(of_cases).filter(|settings| seen.insert(Arc::as_ptr(settings)));
    all.take(MOST_DOCUMENTS).map(|settings| &**settings).collect()
}

/// The settings that the form and the documents name, in their order.
fn known(module: &Module<'_>, documents: &[&Settings]) -> (Vec<KnownSetting>, Vec<String>) {
    let questions = module.form.as_ref().map(|(_, form)| form.all()).unwrap_or_default();
    let mut known = KnownSettings::default();
    for question in questions.iter().filter(|question| !has_parts(question, questions)) {
        known.add(question.variable.split('.').map(str::to_owned).collect(), question.values());
    }
    // A mapping is a setting of its own unless the form asks for its members.
    let parts =
        |known: &KnownSetting| (1..known.steps.len()).map(|length| known.steps[..length].to_vec()).collect::<Vec<_>>();
    let asked: HashSet<Vec<String>> = known.all.iter().flat_map(parts).collect();
    for settings in documents {
        known.add_members(&asked, &[], settings);
    }
    let mut known = known.all;
    let mut notes = Vec::new();
    if known.len() > MOST_KEYS {
        notes.push(format!("only the first {MOST_KEYS} settings are told apart"));
        known.truncate(MOST_KEYS);
    }
    if module.form.as_ref().is_some_and(|(_, form)| form.is_cut) {
        notes.push(format!("only the first {} questions of the form were read", questions.len()));
    }
    if documents.len() == MOST_DOCUMENTS {
        notes.push(format!("only {MOST_DOCUMENTS} documents of settings were looked at"));
    }
    (known, notes)
}

/// Whether other questions ask for its members.
fn has_parts(question: &Question, questions: &[Question]) -> bool {
    let inside = format!("{}.", question.variable);
    questions.iter().any(|it| it.variable.starts_with(&inside))
}

/// How many of the rejected settings are about each of the known ones: they have another value there than all that are
/// accepted. Where settings only lack something, they are about what they lack, if that is a single one.
fn rejections(known: &[KnownSetting], accepted: &[&Settings], rejected: &[&Settings]) -> Vec<usize> {
    let text = |settings: &Settings, known: &KnownSetting| known.value_in(settings).map(Value::to_string);
    let of_key =
        |known: &KnownSetting| -> HashSet<Option<String>> { accepted.iter().map(|it| text(it, known)).collect() };
    let usual: Vec<HashSet<Option<String>>> = known.iter().map(of_key).collect();
    let mut counts = vec![0; known.len()];
    for settings in rejected {
        let unusual = known.iter().zip(&usual).enumerate().filter_map(|(index, (known, usual))| {
            let value = text(settings, known);
            (!usual.contains(&value)).then_some((index, value.is_some()))
        });
        let (others, lacking): (Vec<_>, Vec<_>) = unusual.partition(|(_, is_there)| *is_there);
        let about = if others.is_empty() && lacking.len() == 1 { lacking } else { others };
        about.into_iter().for_each(|(index, _)| counts[index] += 1);
    }
    counts
}

/// Whether a value is the choice, or a list with it.
fn is_or_holds(value: &Value, choice: &Value) -> bool {
    value == choice || value.as_array().is_some_and(|items| items.contains(choice))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn known(paths: &[&str]) -> Vec<KnownSetting> {
        let steps = |path: &&str| path.split('.').map(str::to_owned).collect();
        paths.iter().map(|path| KnownSetting { steps: steps(path), choices: Vec::new() }).collect()
    }

    #[test]
    fn a_rejection_is_about_what_differs_from_all_accepted_settings() {
        let known = known(&["a", "b.c", "d"]);
        let accepted = [json!({ "a": 1, "b": { "c": 1 } }), json!({ "a": 2, "b": { "c": 1 }, "d": 1 })];
        for (rejected, counts) in [
            (json!({ "a": 3, "b": { "c": 1 } }), [1, 0, 0]),
            (json!({ "a": 1, "b": { "c": 1 }, "d": 2 }), [0, 0, 1]),
            (json!({ "a": 0, "b": { "c": 0 } }), [1, 1, 0]),
            (json!({ "a": 2 }), [0, 1, 0]),
            (json!({}), [0, 0, 0]),
            (json!({ "a": 1, "b": { "c": 1 } }), [0, 0, 0]),
        ] {
            let accepted: Vec<&Settings> = accepted.iter().map(|it| it.as_object().unwrap()).collect();
            assert_eq!(rejections(&known, &accepted, &[rejected.as_object().unwrap()]), counts, "{rejected}");
        }
    }

    #[test]
    fn members_are_settings_where_the_form_asks_for_them() {
        let form = "questions: [{ variable: cpu, type: map }, { variable: cpu.limit, type: boolean }]";
        let form = Questions::read("q.yml", form).unwrap();
        let module = Module { policies: Vec::new(), form: Some(("q.yml", form)), notes: Vec::new() };
        let settings = json!({ "cpu": { "limit": true, "other": 1 }, "labels": { "a": 1 }, "b.c": 1 });
        let (known, notes) = super::known(&module, &[settings.as_object().unwrap()]);
        let keys: Vec<(String, usize)> = known.iter().map(|it| (it.shown(), it.choices.len())).collect();
        let mut found = keys.clone();
        found.sort();
        let wanted = [("\"b.c\"", 0), ("cpu.limit", 2), ("cpu.other", 0), ("labels", 0)];
        assert_eq!(found, wanted.map(|(key, choices)| (key.to_owned(), choices)));
        assert_eq!((keys[0].0.as_str(), notes.len()), ("cpu.limit", 0));
    }
}
