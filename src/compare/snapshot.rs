//! The whole answer to a case against the one that is kept beside the suite.
//!
//! Answers are compared as values: comments and layout of the file do not count. A reader of a pull request sees it as YAML
//! whose keys have a fixed order, with the operations of a patch instead of their base64.

use std::borrow::Cow;

use policy_verify_model::answer::{AdmissionResponse, Answer, Fault, SettingsVerdict};
use policy_verify_model::outcome::{Mismatch, MismatchKind, PartReport, PartVerdict};
use policy_verify_model::patch;
use policy_verify_model::suite::{Case, Snapshot, StoredAnswer};
use policy_verify_model::yaml::emit::Node;
use serde_json::{Map, Value, json};

use super::diff;
use super::judgement::Judgement;
use super::response::without_nulls;

/// What stands above an answer.
const HEADING: &str = "# The whole answer to a case: `verify --bless` writes it anew.\n";

/// The keys of an answer, and of the parts of a chain or a group, in their order. All others come behind them.
const KEYS: &[&str] = &[
    "case",
    "policy",
    "verdict",
    "message",
    "code",
    "status",
    "reason",
    "details",
    "warnings",
    "auditAnnotations",
    "patch",
    "fault",
    "monitored",
    "steps",
    "members",
];

/// The keys of an operation of a patch, in their order.
const OPERATION: &[&str] = &["op", "path", "from", "value"];

/// Equal lines around what differs.
const CONTEXT: usize = 3;

/// Lines of a difference that are shown.
const MOST_LINES: usize = 200;

/// Adds the difference from the snapshot of a case to a judgement. A fault where none was expected stays a fault.
///
/// A case that is known to fail and has no snapshot is judged without: else it would never be seen to pass.
pub(crate) fn with_snapshot(judgement: Judgement, case: &Case, actual: &dyn Fn(&Snapshot) -> Value) -> Judgement {
    let Some(snapshot) = &case.snapshot else { return judgement };
    let mut mismatches = match judgement {
        Judgement::Fault(fault) => return Judgement::Fault(fault),
        Judgement::Holds => Vec::new(),
        Judgement::Mismatches(mismatches) => mismatches,
    };
    if case.xfail.is_none() || !matches!(snapshot.stored, StoredAnswer::Absent) {
        mismatches.extend(compare(snapshot, &actual(snapshot)).map(|(expected, actual)| Mismatch {
            kind: MismatchKind::Snapshot,
            at: snapshot.shown.clone(),
            expected,
            actual,
            span: case.span.clone(),
        }));
    }
    mismatches.into()
}

/// What is expected and what there is, if they differ.
fn compare(snapshot: &Snapshot, actual: &Value) -> Option<(String, String)> {
    let actual = in_order(actual, Shape::Answer).to_yaml();
    let stored = match &snapshot.stored {
        StoredAnswer::Document(stored) => &stored.value,
        StoredAnswer::Absent | StoredAnswer::Unreadable(_) => {
            let (_, actual) = sides("", &actual);
            return Some(("no snapshot: run with `--bless` to write it".to_owned(), actual));
        }
    };
    let stored = in_order(stored, Shape::Answer).to_yaml();
    (stored != actual).then(|| sides(&stored, &actual))
}

/// The text of the file for an answer.
pub(crate) fn text(answer: &Value) -> String {
    format!("{HEADING}{}", in_order(answer, Shape::Answer).to_yaml())
}

/// The answer to a request. `steps` are those of a chain, or the only one.
pub(crate) fn answer<'a>(
    snapshot: &Snapshot,
    answer: Result<&AdmissionResponse, &Fault>,
    monitored: Option<&AdmissionResponse>,
    steps: impl Iterator<Item = &'a PartReport>,
    members: impl Iterator<Item = &'a PartReport>,
) -> Value {
    let mut members_of_answer = Map::from_iter([("case".to_owned(), json!(snapshot.case))]);
    match answer {
        Ok(response) => {
            members_of_answer.insert("verdict".to_owned(), json!(verdict(response)));
            members_of_answer.append(&mut of_response(response));
        }
        Err(fault) => {
            members_of_answer.insert("verdict".to_owned(), json!("fault"));
            members_of_answer.insert("fault".to_owned(), of_fault(fault));
        }
    }
    if let Some(monitored) = monitored {
        members_of_answer.insert("monitored".to_owned(), of_monitored(monitored));
    }
    let steps: Vec<Value> = steps.map(|step| of_step(step, answer.ok())).collect();
    if !steps.is_empty() {
        members_of_answer.insert("steps".to_owned(), steps.into());
    }
    insert_members(&mut members_of_answer, members);
    Value::Object(members_of_answer)
}

/// The same, of an evaluation that is not reported yet.
pub(crate) fn evaluated(snapshot: &Snapshot, given: &Answer, steps: &[PartReport]) -> Value {
    match steps {
        [step] => answer(snapshot, given.as_ref(), step.monitored.as_ref(), std::iter::empty(), step.members.iter()),
        steps => answer(snapshot, given.as_ref(), None, steps.iter(), std::iter::empty()),
    }
}

/// The answer to a request that no rule matches.
pub(crate) fn not_applicable(snapshot: &Snapshot) -> Value {
    json!({ "case": snapshot.case, "verdict": "not-applicable" })
}

/// The answer about settings. An error of the policy counts as a rejection.
pub(crate) fn settings(snapshot: &Snapshot, verdict: &Result<SettingsVerdict, Fault>) -> Value {
    let (word, message) = match verdict {
        Ok(verdict) if verdict.valid => ("valid", verdict.message.as_deref()),
        Ok(verdict) => ("invalid", verdict.message.as_deref()),
        Err(fault) => ("invalid", Some(fault.message.as_str())),
    };
    without_nulls(&json!({ "case": snapshot.case, "verdict": word, "message": message }))
}

fn verdict(response: &AdmissionResponse) -> &'static str {
    match (response.allowed, &response.patch) {
        (false, _) => "deny",
        (true, None) => "allow",
        (true, Some(_)) => "mutate",
    }
}

/// What a response says besides its verdict. The uid is that of the request.
fn of_response(response: &AdmissionResponse) -> Map<String, Value> {
    let response = serde_json::to_value(response).expect("a response holds nothing that JSON cannot");
    let Value::Object(mut members) = without_nulls(&response) else { return Map::new() };
    for told_otherwise in ["uid", "allowed", "patchType"] {
        members.remove(told_otherwise);
    }
    if let Some(patch) = members.get_mut("patch") {
        let operations = patch.as_str().and_then(|text| patch::decode(text).ok());
        *patch = operations.unwrap_or_else(|| patch.clone());
    }
    if let Some(Value::Object(mut status)) = members.remove("status") {
        members.append(&mut status);
    }
    members
}

fn of_fault(fault: &Fault) -> Value {
    json!({ "kind": fault.kind.to_string(), "message": fault.message })
}

fn of_monitored(response: &AdmissionResponse) -> Value {
    let mut members = of_response(response);
    members.insert("verdict".to_owned(), json!(verdict(response)));
    Value::Object(members)
}

/// A step of a chain. What the whole answer says is not said again.
fn of_step(step: &PartReport, whole: Option<&AdmissionResponse>) -> Value {
    let is_whole = step.response.as_ref().is_some_and(|response| Some(response) == whole);
    let mut members = of_part(step, is_whole);
    members.insert("policy".to_owned(), json!(step.name));
    Value::Object(members)
}

fn of_part(part: &PartReport, is_told: bool) -> Map<String, Value> {
    let mut members = Map::new();
    if let Some(response) = part.response.as_ref().filter(|_| !is_told) {
        members = of_response(response);
    }
    members.insert("verdict".to_owned(), json!(part.verdict.word()));
    if let PartVerdict::NotApplicable(reason) = &part.verdict {
        members.insert("reason".to_owned(), json!(reason));
    }
    if let Some(fault) = &part.fault {
        members.insert("fault".to_owned(), of_fault(fault));
    }
    if let Some(monitored) = &part.monitored {
        members.insert("monitored".to_owned(), of_monitored(monitored));
    }
    insert_members(&mut members, part.members.iter());
    members
}

fn insert_members<'a>(of: &mut Map<String, Value>, members: impl Iterator<Item = &'a PartReport>) {
    let members: Map<String, Value> =
        members.map(|member| (member.name.clone(), Value::Object(of_part(member, false)))).collect();
    if !members.is_empty() {
        of.insert("members".to_owned(), Value::Object(members));
    }
}

/// What the keys of a mapping are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    /// Those of an answer.
    Answer,
    /// Names of members of a group.
    Members,
    /// Those of an operation of a patch.
    Operation,
    /// Up to the policy.
    Any,
}

impl Shape {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::Answer => KEYS,
            Self::Operation => OPERATION,
            Self::Members | Self::Any => &[],
        }
    }

    fn of_member(self, key: &str) -> Self {
        match (self, key) {
            (Self::Answer, "monitored" | "steps") | (Self::Members, _) => Self::Answer,
            (Self::Answer, "members") => Self::Members,
            (Self::Answer, "patch") => Self::Operation,
            _ => Self::Any,
        }
    }
}

/// A value with the members of its mappings in their order: the known ones first, all others by name.
fn in_order(value: &Value, shape: Shape) -> Node {
    match value {
        Value::Null => Node::Null,
        Value::Bool(value) => Node::Bool(*value),
        Value::Number(number) => Node::Number(number.clone()),
        Value::String(text) => Node::text(text),
        Value::Array(items) => Node::List(items.iter().map(|item| in_order(item, shape)).collect()),
        Value::Object(members) => {
            let known = shape.keys().iter().filter_map(|key| Some((*key, members.get(*key)?)));
            let is_other = |(key, _): &(&str, &Value)| !shape.keys().contains(key);
            let others = members.iter().map(|(key, value)| (key.as_str(), value)).filter(is_other);
            let ordered = known.chain(others);
            Node::Map(ordered.map(|(key, value)| (key.to_owned(), in_order(value, shape.of_member(key)))).collect())
        }
    }
}

/// Both texts for a report: what differs, with some lines around it, of a bounded length.
fn sides(expected: &str, actual: &str) -> (String, String) {
    let (left, right): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let before = left.iter().zip(&right).take_while(|(one, other)| one == other).count();
    let behind = left[before..].iter().rev().zip(right[before..].iter().rev());
    let after = behind.take_while(|(one, other)| one == other).count();
    let (skipped, rest) = (before.saturating_sub(CONTEXT), after.saturating_sub(CONTEXT));
    let are_paired = left.len() == right.len();
    let side = |own: &[&str], other: &[&str]| {
        let mut shown = Vec::new();
        shown.extend((skipped > 0).then(|| Cow::Owned(format!("… {skipped} equal lines"))));
        let (start, end) = (skipped, own.len() - rest);
        for (index, line) in own[start..end.min(start + MOST_LINES)].iter().enumerate() {
            let facing = if are_paired { other[start + index] } else { "" };
            let focus = line.chars().zip(facing.chars()).take_while(|(one, other)| one == other).count();
            shown.push(Cow::Owned(diff::cut(line, if focus == line.chars().count() { 0 } else { focus })));
        }
        let left_out = (end - start).saturating_sub(MOST_LINES);
        shown.extend((left_out > 0).then(|| Cow::Owned(format!("… {left_out} more lines"))));
        shown.extend((rest > 0).then(|| Cow::Owned(format!("… {rest} equal lines"))));
        shown.join("\n")
    };
    (side(&left, &right), side(&right, &left))
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use policy_verify_model::answer::{FaultKind, Status};
    use policy_verify_model::source::{SourceFile, Span, Spanned};

    use super::*;

    fn snapshot(stored: StoredAnswer) -> Snapshot {
        Snapshot { case: "a case".into(), path: PathBuf::new(), shown: "snapshots/suite/a-case.yaml".into(), stored }
    }

    /// What is read from a text, as suites are read.
    fn stored(text: &str) -> StoredAnswer {
        let file = Arc::new(SourceFile { path: "snapshots/suite/a-case.yaml".into(), text: text.into() });
        let value = serde_saphyr::from_str_with_options(text, policy_verify_model::yaml::options()).unwrap();
        StoredAnswer::Document(Spanned::new(value, Span::start_of(&file)))
    }

    fn of(response: AdmissionResponse) -> Value {
        answer(&snapshot(StoredAnswer::Absent), Ok(&response), None, std::iter::empty(), std::iter::empty())
    }

    fn denied(message: &str) -> AdmissionResponse {
        let status = Status { message: Some(message.into()), code: Some(403), ..Status::default() };
        AdmissionResponse { uid: "u".into(), status: Some(status), ..AdmissionResponse::default() }
    }

    #[test]
    fn the_file_is_what_a_reader_wants_to_see() {
        // [{"op":"add","path":"/metadata/labels","value":{"b":1,"a":2}}]
        let patch = "W3sib3AiOiJhZGQiLCJwYXRoIjoiL21ldGFkYXRhL2xhYmVscyIsInZhbHVlIjp7ImIiOjEsImEiOjJ9fV0=";
        let mutated = AdmissionResponse {
            allowed: true,
            patch: Some(patch.into()),
            patch_type: Some("JSONPatch".into()),
            warnings: Some(vec!["one".into()]),
            ..AdmissionResponse::default()
        };
        assert_eq!(
            text(&of(mutated)),
            format!(
                "{HEADING}case: a case\nverdict: mutate\nwarnings:\n- one\npatch:\n- op: add\n  path: /metadata/labels\n  value:\n    a: 2\n    b: 1\n"
            )
        );
        assert_eq!(
            text(&of(denied("two\nlines"))),
            format!("{HEADING}case: a case\nverdict: deny\nmessage: |-\n  two\n  lines\ncode: 403\n")
        );
    }

    #[test]
    fn what_is_written_is_what_is_read() {
        for message in [
            "",
            "yes",
            "true",
            "null",
            "1",
            "0644",
            "1e3",
            "- a",
            "a: b",
            "#",
            " a ",
            "a\n",
            "\n\n",
            "a\r\nb",
            "\t",
            "\u{1b}[31m",
            "\u{feff}",
            "ü\u{2028}",
            "a\n  b\nc ",
            "${x}",
            "'\"",
            "%",
            "---",
            "...",
            "=",
            "<<",
            "0x1",
            "2026-01-01",
            "\0",
            "a\u{85}b",
            "| x",
            "\u{10ffff}",
        ] {
            let actual = of(denied(message));
            let written = text(&actual);
            assert_eq!(compare(&snapshot(stored(&written)), &actual), None, "{message:?}\n{written}");
        }
        let fault = Fault::new(FaultKind::Trap, "unreachable");
        let written = answer(
            &snapshot(StoredAnswer::Absent),
            Err(&fault),
            Some(&denied("no")),
            std::iter::empty(),
            std::iter::empty(),
        );
        assert_eq!(compare(&snapshot(stored(&text(&written))), &written), None);
    }

    #[test]
    fn comments_and_layout_do_not_count_and_everything_else_does() {
        let actual = of(denied("no"));
        for (stored_text, differs) in [
            ("{code: 403, message: 'no', case: a case, verdict: deny} # x", false),
            ("{code: 403, message: 'no', case: b case, verdict: deny}", true),
            ("{code: 403, message: 'no', case: a case, verdict: deny, more: 1}", true),
            ("{message: 'no', case: a case, verdict: deny}", true),
            ("{code: '403', message: 'no', case: a case, verdict: deny}", true),
        ] {
            assert_eq!(compare(&snapshot(stored(stored_text)), &actual).is_some(), differs, "{stored_text}");
        }
    }

    #[test]
    fn long_answers_are_shown_where_they_differ() {
        let text = |changed: &str| {
            let line = |number| if number == 500 { changed.to_owned() } else { format!("line {number}") };
            (0..1000).map(line).collect::<Vec<String>>().join("\n")
        };
        let (expected, actual) = sides(&text("one"), &text("two"));
        assert_eq!(expected.lines().count(), 9, "{expected}");
        assert!(expected.starts_with("… 497 equal lines\nline 497\n") && expected.contains("\none\n"), "{expected}");
        assert!(actual.ends_with("\ntwo\nline 501\nline 502\nline 503\n… 496 equal lines"), "{actual}");
        let (expected, actual) = sides("", &text("x"));
        assert_eq!((expected.as_str(), actual.lines().count()), ("", MOST_LINES + 1));
        let long = |middle: &str| format!("{}{middle}{}", "a".repeat(9000), "b".repeat(9000));
        let (expected, actual) = sides(&long("ONE"), &long("TWO"));
        assert!(expected.contains("ONE") && actual.contains("TWO") && actual.len() < 1000);
    }
}
