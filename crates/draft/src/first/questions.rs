//! Settings from `questions-ui.yml`, the form that Rancher shows for a policy: what it would send if nobody filled it in, or if
//! one question were answered otherwise.

use indexmap::IndexMap;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::yaml::emit::Node;

use super::condition;
use crate::tree::{self, Tree};

/// Most questions that are looked at.
const MOST_QUESTIONS: usize = 500;

/// Deepest questions below others, and longest path of a variable.
const DEEPEST: usize = 16;

/// Longest condition; longer ones hold.
const LONGEST_CONDITION: usize = 512;

/// Most choices of a question that are tried.
const MOST_CHOICES: usize = 8;

/// Settings in the order in which they are written.
pub type Members = IndexMap<String, Node>;

/// A form.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    questions: Vec<Question>,
    /// Whether there are more than are looked at.
    pub is_cut: bool,
}

/// A question of a form.
#[derive(Debug, Clone)]
pub struct Question {
    /// The path of its setting, such as `cpu.limit`.
    pub variable: String,
    /// The line on which it begins, counted from 1.
    pub line: usize,
    /// Its choices; none where any value of its type will do.
    pub options: Vec<Choice>,
    /// Whether the form is only sent with an answer.
    pub is_required: bool,
    kind: String,
    default: Node,
    /// When it is shown; all of these.
    conditions: Vec<String>,
}

/// A choice of a question.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The value that is sent.
    pub value: Node,
    /// The line on which it is written, counted from 1.
    pub line: usize,
}

impl Choice {
    fn of(tree: &Tree) -> Self {
        Self { value: tree.node(), line: tree.line }
    }
}

/// Settings that a form would send.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FormSettings {
    /// The settings.
    pub value: Members,
    /// The members that must be filled in, by their paths.
    pub required: Vec<String>,
}

impl Questions {
    /// Reads a form.
    ///
    /// # Errors
    ///
    /// The file is no YAML, or has no list of questions.
    pub fn read(path: &str, text: &str) -> Result<Self, Diagnostic> {
        let documents = tree::documents(path, text)?;
        let mut questions = Self::default();
        let list = documents.first().map(|document| document.list_at("questions")).unwrap_or_default();
        questions.add(&list, &[], 0);
        Ok(questions)
    }

    fn add(&mut self, list: &[&Tree], above: &[String], depth: usize) {
        for entry in list {
            if self.questions.len() >= MOST_QUESTIONS || depth > DEEPEST {
                self.is_cut = true;
                return;
            }
            let Some(variable) = entry.text_at("variable").filter(|it| !it.is_empty()) else { continue };
            let mut conditions = above.to_vec();
            conditions.extend(entry.text_at("show_if").filter(|it| it.len() <= LONGEST_CONDITION).map(str::to_owned));
            self.questions.push(Question {
                variable: variable.to_owned(),
                line: entry.line,
                kind: entry.text_at("type").unwrap_or("string").trim_end_matches('[').to_owned(),
                default: entry.get("default").map_or(Node::Null, Tree::node),
                options: entry.list_at("options").into_iter().map(Choice::of).collect(),
                is_required: entry.is_true("required"),
                conditions: conditions.clone(),
            });
            let shown_if = entry.get("show_subquestion_if").map(|it| condition::text(&it.node()));
            let shown_if = shown_if.map(|value| format!("{variable}={value}"));
            conditions.extend(shown_if.filter(|it| it.len() <= LONGEST_CONDITION));
            self.add(&entry.list_at("subquestions"), &conditions, depth + 1);
        }
    }

    /// The questions in their order, those below others included.
    pub fn all(&self) -> &[Question] {
        &self.questions
    }

    /// What the form would send. Where a question has no answer of its own among its choices, each choice is tried: the
    /// first settings have the first one.
    pub fn candidates(&self) -> Vec<FormSettings> {
        let choices = self.questions.iter().filter(|it| it.is_open()).map(|it| it.options.len()).max().unwrap_or(1);
        let mut all: Vec<FormSettings> = Vec::new();
        for choice in 0..choices.clamp(1, MOST_CHOICES) {
            let settings = self.settings(choice, None);
            if !all.contains(&settings) {
                all.push(settings);
            }
        }
        all
    }

    /// What the form would send if nothing but this question were answered: the questions that its answer shows or hides
    /// included.
    pub fn with_answer(&self, variable: &str, answer: &Node) -> FormSettings {
        self.settings(0, Some((variable, answer)))
    }

    fn settings(&self, choice: usize, given: Option<(&str, &Node)>) -> FormSettings {
        let answer = |question: &Question| match given {
            Some((variable, answer)) if variable == question.variable => answer.clone(),
            _ => question.answer(choice),
        };
        let answers: IndexMap<&str, String> =
            self.questions.iter().rev().map(|it| (it.variable.as_str(), condition::text(&answer(it)))).collect();
        let mut settings = FormSettings::default();
        for question in &self.questions {
            if !question.conditions.iter().all(|it| condition::holds(it, &answers)) {
                continue;
            }
            if put(&mut settings.value, &question.variable, answer(question)) && question.is_required {
                settings.required.push(question.variable.clone());
            }
        }
        settings.required.dedup();
        settings
    }
}

impl Question {
    /// Whether it is required and has nothing that could be sent: Rancher sends no form with such a question.
    pub fn is_unanswered(&self) -> bool {
        let is_empty = match self.typed() {
            Node::Null => true,
            Node::Text(text) => text.is_empty(),
            Node::List(items) => items.is_empty(),
            Node::Map(members) => members.is_empty(),
            Node::Bool(_) | Node::Number(_) => false,
        };
        self.is_required && is_empty && self.options.is_empty()
    }

    /// What is sent for it if nobody answers it; where that is nothing, the first choice or an empty value of its type.
    pub fn sample(&self) -> Node {
        match (self.answer(0), self.options.first()) {
            (Node::Null, Some(first)) => first.value.clone(),
            (Node::Null, None) => self.empty(),
            (answer, _) => answer,
        }
    }

    /// The values of which one is sent: its choices, or those of a boolean.
    pub fn values(&self) -> Vec<Node> {
        match self.kind.as_str() {
            "boolean" if self.options.is_empty() => vec![Node::Bool(true), Node::Bool(false)],
            _ => self.options.iter().map(|choice| choice.value.clone()).collect(),
        }
    }

    /// Whether its default is none of its choices.
    fn is_open(&self) -> bool {
        let default = self.typed();
        !self.options.is_empty() && self.options.iter().all(|choice| choice.value != default)
    }

    /// Its answer if nobody fills it in; nothing where that would be nothing.
    fn answer(&self, choice: usize) -> Node {
        if self.is_open() {
            return self.options[choice.min(self.options.len() - 1)].value.clone();
        }
        match self.typed() {
            Node::Null if self.is_required => self.empty(),
            Node::Text(text) if text.is_empty() && !self.is_required => Node::Null,
            other => other,
        }
    }

    /// Its default, as a value of its type: forms write numbers and booleans as texts, too.
    fn typed(&self) -> Node {
        let Node::Text(text) = &self.default else { return self.default.clone() };
        match self.kind.as_str() {
            "int" | "float" => text.parse().map_or(Node::Null, Node::Number),
            "boolean" => text.parse().map_or(Node::Null, Node::Bool),
            "array" | "sequence" | "listofstrings" if text.is_empty() => Node::List(Vec::new()),
            "map" if text.is_empty() => Node::map([]),
            _ => self.default.clone(),
        }
    }

    fn empty(&self) -> Node {
        match self.kind.as_str() {
            "int" | "float" => Node::Number(0.into()),
            "boolean" => Node::Bool(false),
            "array" | "sequence" | "listofstrings" => Node::List(Vec::new()),
            "map" => Node::map([]),
            _ => Node::text(""),
        }
    }
}

/// Puts a value at a path such as `cpu.limit`, if it is one; whether it is there now.
pub fn put(members: &mut Members, path: &str, value: Node) -> bool {
    if matches!(value, Node::Null) || path.split('.').count() > DEEPEST {
        return false;
    }
    match path.split_once('.') {
        None => {
            // Members of a mapping may be there already, and an empty default does not take them away.
            let is_kept = matches!((members.get(path), &value), (Some(Node::Map(_)), Node::Map(new)) if new.is_empty());
            if !is_kept {
                members.insert(path.to_owned(), value);
            }
            true
        }
        Some((first, rest)) => match members.entry(first.to_owned()).or_insert_with(|| Node::map([])) {
            Node::Map(inner) => put(inner, rest, value),
            _ => false,
        },
    }
}

/// The settings without the member at a path.
pub fn without(members: &Members, path: &str) -> Members {
    let mut members = members.clone();
    match path.split_once('.') {
        None => drop(members.shift_remove(path)),
        Some((first, rest)) => {
            if let Some(Node::Map(inner)) = members.get_mut(first) {
                *inner = without(inner, rest);
            }
        }
    }
    members
}

#[cfg(test)]
mod tests {
    use policy_verify_model::yaml::flow;

    use super::*;

    fn settings(text: &str) -> Vec<String> {
        let all = Questions::read("questions-ui.yml", text).unwrap().candidates();
        all.into_iter().map(|it| format!("{} {}", flow::flow(&Node::Map(it.value)), it.required.join(" "))).collect()
    }

    #[test]
    fn defaults_are_the_settings() {
        for (text, wanted) in [
            ("questions: []", "{} "),
            ("other: 1", "{} "),
            (
                "questions:
- { variable: description, type: string, default: null, required: false, hide_input: true }
- { variable: names, type: 'array[', default: [] }
- { variable: rule, type: enum, default: Any, options: [One, Any], required: true }
- { variable: most, type: int, default: '5' }
- { variable: is_on, type: boolean, default: 'true' }
- { variable: text, type: string, default: '' }
- { variable: needed, type: string, default: '', required: true }
- { variable: labels, type: 'map[' , default: '' }
- { type: string, default: a }
",
                "{ names: [], rule: Any, most: 5, is_on: true, needed: \"\", labels: {} } rule needed",
            ),
            (
                "questions:
- variable: cpu
  type: map[
  default: {}
  show_subquestion_if: {}
- { variable: memory.ignore, type: boolean, default: false }
- { variable: memory.limit, type: string, default: 1Gi, show_if: memory.ignore=false }
- { variable: memory.other, type: string, default: x, show_if: memory.ignore=true }
- { variable: memory, type: map, default: {} }
",
                "{ cpu: {}, memory: { ignore: false, limit: 1Gi } } ",
            ),
        ] {
            assert_eq!(settings(text), [wanted], "{text}");
        }
    }

    #[test]
    fn every_choice_is_tried_where_none_is_the_default() {
        let text = "questions:
- variable: user
  type: map[
  default: {}
  subquestions:
    - { variable: user.rule, type: enum, default: '', options: [Ranges, Any] }
    - { variable: user.ranges, type: 'sequence[', default: [], show_if: user.rule=Ranges }
";
        assert_eq!(settings(text), ["{ user: { rule: Ranges, ranges: [] } } ", "{ user: { rule: Any } } "]);
    }

    #[test]
    fn another_answer_shows_other_questions() {
        let text = "questions:
- { variable: rule, type: enum, default: Any, options: [Any, Ranges] }
- { variable: ranges, type: 'array[', default: [], required: true, show_if: rule=Ranges }
- { variable: is_on, type: boolean, default: true }
";
        let form = Questions::read("questions-ui.yml", text).unwrap();
        let sent = form.with_answer("rule", &form.all()[0].options[1].value);
        assert_eq!(flow::flow(&Node::Map(sent.value)), "{ rule: Ranges, ranges: [], is_on: true }");
        assert_eq!(form.all().iter().map(Question::is_unanswered).collect::<Vec<_>>(), [false, true, false]);
        assert_eq!(form.all().iter().map(|it| it.line).collect::<Vec<_>>(), [2, 3, 4]);
        assert_eq!(form.all()[2].values(), [Node::Bool(true), Node::Bool(false)]);
    }

    #[test]
    fn hostile_forms_are_bounded() {
        let many = "questions:\n".to_owned() + &"- { variable: a, type: int, default: 1 }\n".repeat(5000);
        assert!(Questions::read("q.yml", &many).unwrap().is_cut);
        let path = vec!["a"; 10_000].join(".");
        assert_eq!(settings(&format!("questions: [{{ variable: {path}, type: int, default: 1 }}]")), ["{} "]);
        assert_eq!(
            settings(
                "questions: [1, [], { variable: [] }, { variable: x.y, default: 1 }, { variable: x, default: 2 }]"
            ),
            ["{ x: 2 } "]
        );
        assert_eq!(settings("questions: [{ variable: x, default: 2 }, { variable: x.y, default: 1 }]"), ["{ x: 2 } "]);
        assert!(Questions::read("q.yml", "a: [").is_err());
    }

    #[test]
    fn a_member_can_be_left_out() {
        let whole = Questions::read("q", "questions: [{ variable: a.b, default: 1 }, { variable: a.c, default: 2 }]");
        let whole = whole.unwrap().settings(0, None).value;
        for (path, left) in [("a.b", "{ a: { c: 2 } }"), ("a", "{}"), ("x.y", "{ a: { b: 1, c: 2 } }")] {
            assert_eq!(flow::flow(&Node::Map(without(&whole, path))), left, "{path}");
        }
    }
}
