//! What comes of comparing all cases of a policy, as the result of one test.

use std::collections::BTreeMap;
use std::fmt;

use policy_verify_model::answer::Fault;
use policy_verify_model::outcome::{Mismatch, MismatchKind};
use policy_verify_model::relation::{Relation, RelationException};
use policy_verify_model::suite::{Case, RelationCase};
use policy_verify_model::workload::Workload;
use policy_verify_model::yaml::flow;

use super::agreement::Difference;
use super::left_out::LeftOut;
use crate::compare::Judgement;

/// Requests that are shown with both answers.
const MOST_SHOWN: usize = 3;

/// Further ones that are named.
const MOST_NAMED: usize = 10;

/// The result of the test of a relation.
pub(in crate::pipeline) struct Judged {
    /// Whether it holds; or why no case says anything about it.
    pub(in crate::pipeline) judgement: Result<Judgement, String>,
    /// Advice where it does not hold, else remarks.
    pub(in crate::pipeline) warnings: Vec<String>,
}

/// Two answers that must agree and do not.
pub(super) struct Broken<'a> {
    pub(super) case: &'a Case,
    pub(super) change: String,
    pub(super) kind: Option<Workload>,
    pub(super) difference: Difference,
}

/// A request that the policy could not be asked about.
pub(super) struct NotCompared<'a> {
    pub(super) case: &'a Case,
    pub(super) change: String,
    pub(super) fault: Fault,
}

/// What came of a case.
#[derive(Default)]
pub(super) struct Compared<'a> {
    /// Why nothing did.
    pub(super) left_out: Option<LeftOut>,
    /// How many requests were compared with its own.
    pub(super) number: usize,
    pub(super) broken: Vec<Broken<'a>>,
    pub(super) not_compared: Vec<NotCompared<'a>>,
    /// Exceptions that left out a request.
    pub(super) used: Vec<&'a RelationException>,
}

/// The same for all cases.
pub(super) struct Findings<'a> {
    left_out: BTreeMap<LeftOut, usize>,
    compared: Compared<'a>,
}

impl<'a> Findings<'a> {
    /// Joins what came of the cases, in their order.
    pub(super) fn of(cases: Vec<Compared<'a>>) -> Self {
        let mut findings = Self { left_out: BTreeMap::new(), compared: Compared::default() };
        for Compared { left_out, number, broken, not_compared, used } in cases {
            if let Some(why) = left_out {
                *findings.left_out.entry(why).or_default() += 1;
            }
            let all = &mut findings.compared;
            all.number += number;
            all.broken.extend(broken);
            all.not_compared.extend(not_compared);
            all.used.extend(used);
        }
        findings
    }

    /// The result of the test.
    pub(super) fn judged(self, test: &Case, relation: &RelationCase) -> Judged {
        let Self { left_out, compared } = self;
        let Compared { number, broken, not_compared, used, .. } = compared;
        if number == 0 {
            return Judged { judgement: Err(nothing(&left_out, relation.relation)), warnings: Vec::new() };
        }
        if let Some(first) = broken.first() {
            let warnings = vec![advice(first, relation.relation)];
            let mismatches = mismatches(&broken, &not_compared, test);
            return Judged { judgement: Ok(Judgement::Mismatches(mismatches)), warnings };
        }
        if let Some(fault) = fault(&not_compared) {
            return Judged { judgement: Ok(Judgement::Fault(fault)), warnings: Vec::new() };
        }
        let is_unused = |exception: &&RelationException| !exception.kinds.is_empty() && !used.contains(exception);
        let unused = relation.exceptions.iter().filter(is_unused).map(|exception| {
            let kinds: Vec<&str> = exception.kinds.iter().map(|kind| kind.kind()).collect();
            let line = exception.span.line;
            format!("the exception for {} in line {line} is unused: no rule selects such a request", kinds.join(", "))
        });
        Judged { judgement: Ok(Judgement::Holds), warnings: unused.collect() }
    }
}

/// Why there was nothing to compare.
fn nothing(left_out: &BTreeMap<LeftOut, usize>, relation: Relation) -> String {
    if left_out.is_empty() {
        return "no case is about the policy alone".to_owned();
    }
    let reasons = left_out.iter().map(|(why, number)| {
        let cases = if *number == 1 { "1 case".to_owned() } else { format!("{number} cases") };
        format!("{} ({cases})", why.reason(relation))
    });
    format!("no case to compare: {}", reasons.collect::<Vec<_>>().join(", "))
}

/// A request by its case and what is changed: `accepts a pod` (suite.yml:16) with `wrap: Job`.
struct Named<'a>(&'a Case, &'a str);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(case, change) = self;
        write!(f, "`{}` ({}) with {change}", case.name, case.place().file_and_line())
    }
}

fn mismatches(broken: &[Broken<'_>], not_compared: &[NotCompared<'_>], test: &Case) -> Vec<Mismatch> {
    let mismatch = |expected: String, actual: String| {
        let at = String::new();
        Mismatch { kind: MismatchKind::Relation, at, expected, actual, span: test.span.clone() }
    };
    let mut mismatches: Vec<Mismatch> = broken
        .iter()
        .take(MOST_SHOWN)
        .map(|Broken { case, change, difference: Difference { expected, actual }, .. }| {
            let place = case.place().file_and_line();
            mismatch(format!("`{}` ({place}): {expected}", case.name), format!("with {change}: {actual}"))
        })
        .collect();
    let further: Vec<String> =
        broken.iter().skip(MOST_SHOWN).map(|it| Named(it.case, &it.change).to_string()).collect();
    if !further.is_empty() {
        let expected = "the same in all other requests".to_owned();
        mismatches.push(mismatch(expected, format!("{} more differ: {}", further.len(), named(&further))));
    }
    if !not_compared.is_empty() {
        let expected = "an answer to every request".to_owned();
        mismatches.push(mismatch(expected, text(not_compared)));
    }
    mismatches
}

fn named(all: &[String]) -> String {
    let more = all.len().saturating_sub(MOST_NAMED);
    let mut shown = all[..all.len() - more].join(", ");
    if more > 0 {
        shown.push_str(&format!(", and {more} more"));
    }
    shown
}

fn text(not_compared: &[NotCompared<'_>]) -> String {
    let all: Vec<String> = not_compared.iter().map(|it| Named(it.case, &it.change).to_string()).collect();
    let reason = not_compared.first().map_or("", |first| &first.fault.message);
    format!("not compared: {}: {reason}", named(&all))
}

/// The fault of a relation that could not be compared in some requests.
fn fault(not_compared: &[NotCompared<'_>]) -> Option<Fault> {
    let first = not_compared.first()?;
    let own = first.fault.help.as_ref().map(|help| format!("{help}\n")).unwrap_or_default();
    let help = format!("{own}or write an exception: {}", exception(first.case));
    Some(Fault::new(first.fault.kind, text(not_compared)).with_help(help))
}

/// What to do about a broken relation.
fn advice(broken: &Broken<'_>, relation: Relation) -> String {
    let exception = match broken.kind {
        Some(kind) => format!("{{ kinds: [{}], reason: … }}", kind.kind()),
        None => exception(broken.case),
    };
    let name = relation.name();
    format!("correct the policy, or write an exception: `{{ relation: {name}, except: [{exception}] }}`")
}

fn exception(case: &Case) -> String {
    format!("{{ case: {}, reason: … }}", flow::text(&case.name))
}
