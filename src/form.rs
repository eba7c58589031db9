//! Whether a policy takes what the form of its settings sends: its defaults, each of its choices, and the keys of its questions.
//!
//! All that is known of the policy is which settings it accepts, and what it says about the others. What cannot be told from that
//! is a remark, never a pass without a word.

use policy_verify_draft::first::{FormSettings, Members, Question, Questions, put, without};
use policy_verify_model::answer::Fault;
use policy_verify_model::policy::Settings;
use policy_verify_model::yaml::emit::Node;
use policy_verify_model::yaml::flow;
use serde_json::Value;

/// Settings that a policy is asked about for one form.
const MOST_ASKED: usize = 2_000;

/// A key that no policy has.
const MADE_UP: &str = "madeUpByVerify";

/// Characters of a value in a message.
const LONGEST_VALUE: usize = 80;

/// Keys that a remark names.
const MOST_NAMES: usize = 10;

/// What the policy says to settings: nothing if it accepts them, else its message.
pub(crate) type Ask<'a> = &'a mut dyn FnMut(&Settings) -> Result<Option<String>, Fault>;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct FormFindings {
    /// What is wrong with the form.
    pub(crate) flaws: Vec<Flaw>,
    /// What could not be told.
    pub(crate) remarks: Vec<String>,
}

/// Something that is wrong with a form.
#[derive(Debug, PartialEq)]
pub(crate) struct Flaw {
    /// The line of the form.
    pub(crate) line: usize,
    /// The question, as a JSON pointer.
    pub(crate) at: String,
    /// What should be.
    pub(crate) expected: String,
    /// What is.
    pub(crate) actual: String,
}

impl Flaw {
    fn of(question: &Question, expected: String, message: &str) -> Self {
        let at = format!("/{}", question.variable.replace('~', "~0").replace('/', "~1").replace('.', "/"));
        Self { line: question.line, at, expected, actual: format!("rejected: {message}") }
    }
}

/// Asks a policy about everything that its form can send with one answer that is not the default. `own` are settings of the
/// suite, used where the form alone has none that the policy accepts.
///
/// # Errors
///
/// The policy has no answer.
pub(crate) fn judge(form: &Questions, own: &[&Settings], ask: Ask<'_>) -> Result<FormFindings, Fault> {
    let own = own.iter().filter_map(|settings| members(settings)).collect();
    let mut trial = Trial { form, own, ask, asked: 0, left_out: 0, found: FormFindings::default() };
    if form.all().is_empty() {
        let (expected, actual) = ("a list `questions`".to_owned(), "no question has a `variable`".to_owned());
        trial.found.flaws.push(Flaw { line: 1, at: "/questions".to_owned(), expected, actual });
        return Ok(trial.found);
    }
    let unknown = trial.unknown_keys()?;
    if let Some(base) = trial.base(&unknown)? {
        trial.choices(&base, &unknown)?;
    }
    Ok(trial.finish())
}

/// What is known of a key.
enum Knowledge {
    /// The policy has it.
    Known,
    /// The policy rejects it as one that it does not have, with this message.
    Unknown(String),
    /// It says the same about a key that was made up.
    Untold,
}

/// Settings that the policy accepts, and what they lack of those that the form sends.
struct Base {
    settings: Members,
    /// Whether they are those of the form, and not of the suite.
    is_of_form: bool,
    /// Answers in place of those of the form: the policy rejects its own.
    replaced: Vec<(String, Option<Node>)>,
}

/// A form while its policy is asked.
struct Trial<'a> {
    form: &'a Questions,
    own: Vec<Members>,
    ask: Ask<'a>,
    asked: usize,
    left_out: usize,
    found: FormFindings,
}

impl<'a> Trial<'a> {
    /// What the policy says against settings.
    fn rejection(&mut self, members: &Members) -> Result<Option<String>, Fault> {
        self.asked += 1;
        (self.ask)(&settings(members))
    }

    fn is_accepted(&mut self, members: &Members) -> Result<bool, Fault> {
        Ok(self.rejection(members)?.is_none())
    }

    /// The first of several settings that the policy accepts.
    fn first_accepted(&mut self, all: impl IntoIterator<Item = Members>) -> Result<Option<Members>, Fault> {
        for members in all {
            if self.is_accepted(&members)? {
                return Ok(Some(members));
            }
        }
        Ok(None)
    }

    /// Whether there is room for another question; one that there is none for is counted.
    fn has_room(&mut self) -> bool {
        let has_room = self.asked < MOST_ASKED;
        self.left_out += usize::from(!has_room);
        has_room
    }

    /// The keys that the policy does not have. Each is a flaw.
    fn unknown_keys(&mut self) -> Result<Vec<String>, Fault> {
        let sent = self.form.candidates().into_iter().map(|candidate| candidate.value);
        let tried: Vec<Members> = sent.chain(self.own.clone()).collect();
        let base = self.first_accepted(tried)?.unwrap_or_default();
        let (mut unknown, mut untold): (Vec<String>, Vec<&str>) = (Vec::new(), Vec::new());
        let form = self.form;
        for question in form.all() {
            if unknown.contains(&question.variable) || !self.has_room() {
                continue;
            }
            match self.knowledge(&base, question)? {
                Knowledge::Known => {}
                Knowledge::Untold => untold.push(&question.variable),
                Knowledge::Unknown(message) => {
                    let expected = format!("the policy has a setting `{}`", question.variable);
                    self.found.flaws.push(Flaw::of(question, expected, &message));
                    unknown.push(question.variable.clone());
                }
            }
        }
        untold.dedup();
        if !untold.is_empty() {
            let reason = "a made-up key in its place gets the same answers";
            let named = settings_named(&untold);
            self.found.remarks.push(format!("whether the policy has {named} cannot be told: {reason}"));
        }
        Ok(unknown)
    }

    /// Whether the policy has the key of a question: compared with a key that was made up.
    fn knowledge(&mut self, base: &Members, question: &Question) -> Result<Knowledge, Fault> {
        let key = question.variable.as_str();
        let (other, name) = beside(key, base);
        let sample = question.sample();
        let (Some(one), Some(made_up)) = (with(base, key, &sample), with(base, &other, &sample)) else {
            return Ok(Knowledge::Untold);
        };
        let own_name = key.rsplit('.').next().unwrap_or(key);
        match (self.rejection(&made_up)?, self.rejection(&one)?) {
            (None, None) => self.knowledge_by_type(base, key, &other),
            (None, Some(_)) | (Some(_), None) => Ok(Knowledge::Known),
            (Some(general), Some(message)) if general.contains(&name) => {
                let is_same = is_alike(&general, &name, &message, own_name);
                Ok(if is_same { Knowledge::Unknown(message) } else { Knowledge::Known })
            }
            (Some(_), Some(_)) => Ok(Knowledge::Untold),
        }
    }

    /// A policy that ignores keys may still reject values of a wrong type, where it reads them.
    fn knowledge_by_type(&mut self, base: &Members, key: &str, other: &str) -> Result<Knowledge, Fault> {
        let text = || Node::text("a");
        let values =
            [text(), Node::Number(1.into()), Node::Bool(true), Node::List(vec![text()]), Node::map([("a", text())])];
        for value in values {
            let (Some(one), Some(made_up)) = (with(base, key, &value), with(base, other, &value)) else { continue };
            if !self.is_accepted(&one)? && self.is_accepted(&made_up)? {
                return Ok(Knowledge::Known);
            }
        }
        Ok(Knowledge::Untold)
    }

    /// Settings to try the choices with: the defaults of the form, if the policy accepts them. Defaults that it rejects are
    /// flaws.
    fn base(&mut self, unknown: &[String]) -> Result<Option<Base>, Fault> {
        let mut candidates = self.form.candidates();
        candidates.iter_mut().for_each(|it| unknown.iter().for_each(|key| it.value = without(&it.value, key)));
        let sent = candidates.iter().map(|candidate| candidate.value.clone());
        if let Some(settings) = self.first_accepted(sent.collect::<Vec<_>>())? {
            return Ok(Some(Base { settings, is_of_form: true, replaced: Vec::new() }));
        }
        let Some(first) = candidates.into_iter().next() else { return Ok(None) };
        let unanswered = self.unanswered(&first);
        let (settings, mut replaced) = self.answered(&first.value, &unanswered);
        if !unanswered.is_empty() {
            let verb = if unanswered.len() == 1 {
                "is required and has no default"
            } else {
                "are required and have no defaults"
            };
            self.found.remarks.push(format!("{} {verb}", settings_named(&unanswered)));
        }
        let Some(message) = self.rejection(&settings)? else {
            return Ok(Some(Base { settings, is_of_form: true, replaced }));
        };
        let culprits = self.culprits(&settings)?;
        if culprits.is_empty() && replaced.len() == unanswered.len() {
            let expected = "the policy accepts the defaults of the form".to_owned();
            self.found.flaws.push(Flaw::of(&self.form.all()[0], expected, &message));
        }
        let repaired = culprits.iter().fold(settings, |settings, (key, own)| match own {
            Some(value) => with(&settings, key, value).unwrap_or(settings),
            None => without(&settings, key),
        });
        replaced.extend(culprits);
        if self.is_accepted(&repaired)? {
            return Ok(Some(Base { settings: repaired, is_of_form: true, replaced }));
        }
        let own = self.own.clone();
        if let Some(settings) = self.first_accepted(own)? {
            return Ok(Some(Base { settings, is_of_form: false, replaced: Vec::new() }));
        }
        if self.found.flaws.is_empty() {
            let expected = "settings that the policy accepts, to try the choices with".to_owned();
            let help =
                "neither those of the form nor those of the policy in the suite are; add `settings` to the policy";
            let flaw = Flaw::of(&self.form.all()[0], expected, &message);
            self.found.flaws.push(Flaw { actual: format!("{}\n{help}", flaw.actual), ..flaw });
        }
        Ok(None)
    }

    /// The questions that the form asks, and that are required and have no answer.
    fn unanswered(&self, sent: &FormSettings) -> Vec<&'a str> {
        let form: &'a Questions = self.form;
        let is_sent = |question: &&Question| question.is_unanswered() && sent.required.contains(&question.variable);
        form.all().iter().filter(is_sent).map(|question| question.variable.as_str()).collect()
    }

    /// The settings with the answers that the suite has for these questions.
    fn answered(&self, sent: &Members, unanswered: &[&str]) -> (Members, Vec<(String, Option<Node>)>) {
        let mut settings = sent.clone();
        let mut given = Vec::new();
        for key in unanswered {
            let Some(value) = self.own_value(key) else { continue };
            if put(&mut settings, key, value.clone()) {
                given.push(((*key).to_owned(), Some(value)));
            }
        }
        (settings, given)
    }

    fn own_value(&self, key: &str) -> Option<Node> {
        self.own.iter().find_map(|own| at(own, key)).filter(|value| !matches!(value, Node::Null)).cloned()
    }

    /// The questions whose default alone makes the policy reject the settings, with the value that the suite has there. Each is
    /// a flaw.
    fn culprits(&mut self, settings: &Members) -> Result<Vec<(String, Option<Node>)>, Fault> {
        let mut culprits: Vec<(String, Option<Node>)> = Vec::new();
        let form = self.form;
        for question in form.all() {
            let key = &question.variable;
            let has_others = form.all().iter().any(|it| it.variable.starts_with(&format!("{key}.")));
            let Some(value) = at(settings, key).filter(|_| !has_others) else { continue };
            if culprits.iter().any(|(known, _)| known == key) || !self.has_room() {
                continue;
            }
            let own = self.own_value(key).filter(|own| own != value);
            let instead = own.as_ref().and_then(|own| with(settings, key, own));
            let is_culprit = self.is_accepted(&without(settings, key))?
                || instead.map(|instead| self.is_accepted(&instead)).transpose()?.unwrap_or(false);
            if is_culprit {
                let message = self.rejection(settings)?.unwrap_or_default();
                let expected = format!("the policy accepts the default {} of `{key}`", shown(value));
                self.found.flaws.push(Flaw::of(question, expected, &message));
                culprits.push((key.clone(), own));
            }
        }
        Ok(culprits)
    }

    /// Tries every choice of every question.
    fn choices(&mut self, base: &Base, unknown: &[String]) -> Result<(), Fault> {
        let form = self.form;
        for question in form.all().iter().filter(|question| !unknown.contains(&question.variable)) {
            for (index, value) in question.values().into_iter().enumerate() {
                if at(&base.settings, &question.variable) == Some(&value) || !self.has_room() {
                    continue;
                }
                let line = question.options.get(index).map_or(question.line, |choice| choice.line);
                self.choice(base, unknown, question, &value, line)?;
            }
        }
        Ok(())
    }

    fn choice(
        &mut self,
        base: &Base,
        unknown: &[String],
        question: &Question,
        value: &Node,
        line: usize,
    ) -> Result<(), Fault> {
        let key = question.variable.as_str();
        let form = self.form.with_answer(key, value);
        let mut sent = if base.is_of_form { form.value.clone() } else { base.settings.clone() };
        unknown.iter().for_each(|key| sent = without(&sent, key));
        for (other, instead) in base.replaced.iter().filter(|(other, _)| other != key) {
            match instead.clone().filter(|_| at(&sent, other).is_some()) {
                Some(instead) => drop(put(&mut sent, other, instead)),
                None => sent = without(&sent, other),
            }
        }
        // A question that is not shown has its answer all the same.
        let is_there = put(&mut sent, key, value.clone());
        let Some(message) = self.rejection(&sent)?.filter(|_| is_there) else { return Ok(()) };
        let is_new = |it: &&str| base.is_of_form && at(&base.settings, it).is_none();
        let unanswered: Vec<&str> = self.unanswered(&form).into_iter().filter(is_new).collect();
        if unanswered.is_empty() {
            let expected = format!("the policy accepts the choice {} of `{key}`", shown(value));
            self.found.flaws.push(Flaw { line, ..Flaw::of(question, expected, &message) });
        } else {
            let needed = settings_named(&unanswered);
            self.found.remarks.push(format!("the choice {} of `{key}` needs an answer of {needed}", shown(value)));
        }
        Ok(())
    }

    fn finish(mut self) -> FormFindings {
        if self.left_out > 0 {
            let left_out = self.left_out;
            self.found.remarks.push(format!("{left_out} keys and choices of the form were not tried: it has too many"));
        }
        if self.form.is_cut {
            self.found.remarks.push(format!("only the first {} questions were tried", self.form.all().len()));
        }
        self.found.flaws.sort_by_key(|flaw| flaw.line);
        self.found
    }
}

/// A key that was made up, beside another one, and its last step.
fn beside(key: &str, base: &Members) -> (String, String) {
    let mut name = MADE_UP.to_owned();
    let path = |name: &str| match key.rsplit_once('.') {
        Some((above, _)) => format!("{above}.{name}"),
        None => name.to_owned(),
    };
    while at(base, &path(&name)).is_some() {
        name.push('X');
    }
    (path(&name), name)
}

/// Whether two messages are the same but for the key that they are about. Places in the settings differ with its length.
fn is_alike(one: &str, name: &str, other: &str, other_name: &str) -> bool {
    let without_places = |message: &str| -> String { message.chars().filter(|it| !it.is_ascii_digit()).collect() };
    without_places(&one.replace(name, other_name)) == without_places(other)
}

/// The settings with a value at a path, if there can be one.
fn with(members: &Members, path: &str, value: &Node) -> Option<Members> {
    let mut members = members.clone();
    put(&mut members, path, value.clone()).then_some(members)
}

/// The value at a path.
fn at<'a>(members: &'a Members, path: &str) -> Option<&'a Node> {
    match path.split_once('.') {
        None => members.get(path),
        Some((first, rest)) => match members.get(first)? {
            Node::Map(inner) => at(inner, rest),
            _ => None,
        },
    }
}

fn members(settings: &Settings) -> Option<Members> {
    match Node::of(settings) {
        Ok(Node::Map(members)) => Some(members),
        _ => None,
    }
}

fn settings(members: &Members) -> Settings {
    match serde_json::to_value(members) {
        Ok(Value::Object(settings)) => settings,
        _ => Settings::new(),
    }
}

/// A value on one line, cut where it is long.
fn shown(value: &Node) -> String {
    let text = flow::flow(value);
    match text.char_indices().nth(LONGEST_VALUE) {
        Some((end, _)) => format!("`{}…`", &text[..end]),
        None => format!("`{text}`"),
    }
}

/// `the setting a`, `the settings a, b`: at most some of them.
fn settings_named(keys: &[&str]) -> String {
    let mut names: Vec<String> = keys.iter().take(MOST_NAMES).map(|key| format!("`{key}`")).collect();
    let more = keys.len().saturating_sub(MOST_NAMES);
    names.extend((more > 0).then(|| format!("and {more} more")));
    format!("the setting{} {}", if keys.len() == 1 { "" } else { "s" }, names.join(", "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const FORM: &str = "questions:
- { variable: names, type: 'array[', default: [a] }
- variable: level
  type: enum
  default: low
  options:
    - low
    - high
- { variable: most, type: int, default: 3 }
- { variable: cpu.limit, type: string, default: 1 }
";

    /// What is found with a policy that says this against settings, as `LINE AT: ACTUAL`, and the remarks.
    fn found(form: &str, own: &Value, says: impl Fn(&Settings) -> Option<String>) -> Vec<String> {
        let own = own.as_object().unwrap();
        let form = Questions::read("questions-ui.yml", form).unwrap();
        let found = judge(&form, &[own], &mut |settings| Ok(says(settings))).unwrap();
        let flaws = found.flaws.into_iter().map(|it| format!("{} {}: {}, {}", it.line, it.at, it.expected, it.actual));
        flaws.chain(found.remarks).collect()
    }

    /// A policy with these settings: a list, one of two words, a number and a limit.
    fn strict(settings: &Settings) -> Option<String> {
        let known = ["names", "level", "most", "cpu"];
        let is_other = |key: &&String| !known.contains(&key.as_str());
        if let Some(other) = settings.keys().find(is_other) {
            return Some(format!("unknown field `{other}`, expected one of {known:?} at column {}", 12 + other.len()));
        }
        typed(settings)
    }

    /// The same, for which other keys mean nothing.
    fn typed(settings: &Settings) -> Option<String> {
        let is = |key: &str, holds: fn(&Value) -> bool| settings.get(key).is_none_or(holds);
        let is_right = is("names", Value::is_array)
            && is("level", |level| level == "low" || level == "high")
            && is("most", |most| most.as_u64().is_some_and(|most| most < 10))
            && is("cpu", |cpu| cpu.get("limit").is_some_and(|limit| limit.is_string() || limit.is_number()));
        (!is_right).then(|| "a value is wrong".to_owned())
    }

    #[test]
    fn a_form_that_fits_has_no_flaws() {
        assert_eq!(found(FORM, &json!({}), strict), [""; 0]);
    }

    #[test]
    fn each_flaw_is_named_and_nothing_else() {
        let wrong = "the policy accepts";
        for (right, instead, wanted) in [
            ("    - high\n", "    - high\n    - middle\n", format!("9 /level: {wrong} the choice `middle` of `level`, rejected: a value is wrong")),
            ("default: 3", "default: 30", format!("9 /most: {wrong} the default `30` of `most`, rejected: a value is wrong")),
            (
                "variable: names",
                "variable: name",
                "2 /name: the policy has a setting `name`, rejected: unknown field `name`, expected one of [\"names\", \"level\", \"most\", \
                 \"cpu\"] at column 16"
                    .to_owned(),
            ),
            (
                "variable: most",
                "variable: mots",
                "9 /mots: the policy has a setting `mots`, rejected: unknown field `mots`, expected one of [\"names\", \"level\", \"most\", \
                 \"cpu\"] at column 16"
                    .to_owned(),
            ),
        ] {
            assert_eq!(found(&FORM.replace(right, instead), &json!({}), strict), [wanted], "{instead}");
        }
    }

    #[test]
    fn of_a_policy_that_ignores_keys_types_tell() {
        assert_eq!(found(FORM, &json!({}), typed), [""; 0]);
        let remark = "whether the policy has the setting `mots` cannot be told: a made-up key in its place gets the same \
                      answers";
        assert_eq!(found(&FORM.replace("variable: most", "variable: mots"), &json!({}), typed), [remark]);
        let all = found(FORM, &json!({}), |_| None);
        assert!(
            all.len() == 1 && all[0].contains("the settings `names`, `level`, `most`, `cpu.limit` cannot"),
            "{all:?}"
        );
    }

    #[test]
    fn a_form_that_needs_an_answer_has_that_of_the_suite() {
        let needs_team = |settings: &Settings| match settings.get("team").and_then(Value::as_str) {
            None | Some("") => Some("team is empty".to_owned()),
            Some(_) => settings.get("level").filter(|it| *it != "low").map(|_| "unknown level".to_owned()),
        };
        let form = "questions:\n- { variable: team, type: string, required: true }\n\
                    - { variable: level, type: enum, default: low, options: [low, high] }\n";
        let high = "3 /level: the policy accepts the choice `high` of `level`, rejected: unknown level";
        let required = "the setting `team` is required and has no default";
        let untold = "whether the policy has the settings `team`, `level` cannot be told";
        let with_own = found(form, &json!({ "team": "a" }), needs_team);
        assert_eq!(with_own[0], high);
        assert!(with_own.contains(&required.to_owned()), "{with_own:?}");
        let alone = found(form, &json!({}), needs_team);
        assert!(alone[0].starts_with("2 /team: settings that the policy accepts"), "{alone:?}");
        assert!(alone.iter().any(|it| it.starts_with(untold)), "{alone:?}");
    }

    #[test]
    fn a_fault_ends_the_trial_and_large_forms_are_bounded() {
        use policy_verify_model::answer::FaultKind;
        let form = Questions::read("q.yml", FORM).unwrap();
        let fault = || Fault::new(FaultKind::Trap, "unreachable");
        assert!(judge(&form, &[], &mut |_| Err(fault())).is_err());
        let options: Vec<String> = (0..5_000).map(|number| number.to_string()).collect();
        let large = format!("questions: [{{ variable: a, type: int, options: [{}] }}]", options.join(", "));
        let all = found(&large, &json!({}), |settings| (!settings["a"].is_number()).then(|| "no".to_owned()));
        assert!(all.len() == 1 && all[0].ends_with("were not tried: it has too many"), "{all:?}");
    }

    #[test]
    fn what_is_no_form_is_a_flaw() {
        assert_eq!(
            found("other: 1", &json!({}), |_| None),
            ["1 /questions: a list `questions`, no question has a `variable`"]
        );
    }
}
