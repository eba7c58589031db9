//! What cases cost: the output of `verify bench`, alone or against an earlier one.

use std::collections::{HashMap, HashSet};
use std::io;
use std::time::Duration;

use policy_verify_model::cost::{CaseCost, Costs};

use crate::page::{BAD, BOLD, DIM, ODD, PLACE, PLAIN, Page, Piece, piece, width};
use crate::style::Style;
use crate::{layout, phrases};

/// Columns of a number, with what is between it and the next one.
const NUMBER: usize = 9;

/// Columns of a number of instructions.
const INSTRUCTIONS: usize = 16;

/// Columns of a name, also where there is no room for them.
const NARROWEST: usize = 20;

/// Cases that were not timed, by name.
const MOST_NAMES: usize = 10;

/// Characters of the reason why a case was not timed.
const LONGEST_REASON: usize = 160;

/// A change that is more than this is none that a case can have.
const MOST_CHANGE: f64 = 1e6;

/// A change that is coloured: instructions are exact.
const MORE: f64 = 1.01;

/// How the result is written for people.
#[derive(Debug, Clone, Copy)]
pub struct CostOptions {
    /// Colours and columns.
    pub style: Style,
    /// How many cases are named.
    pub top: usize,
}

/// Writes a table: the cases that became dearest first where there is an earlier result, else the slowest.
pub fn text(costs: &Costs, earlier: Option<&Costs>, options: CostOptions, out: &mut dyn io::Write) -> io::Result<()> {
    let mut page = Page::new(options.style, out);
    let before: HashMap<&str, &CaseCost> =
        earlier.into_iter().flat_map(|it| &it.cases).map(|it| (&*it.id, it)).collect();
    let mut rows: Vec<Row<'_>> =
        costs.cases.iter().filter_map(|now| Row::of(now, before.get(&*now.id).copied())).collect();
    rows.sort_by(|one, other| other.change().total_cmp(&one.change()).then(other.median.cmp(&one.median)));
    if !rows.is_empty() {
        page.line(0, &header(earlier.is_some()))?;
    }
    for row in rows.iter().take(options.top) {
        let mut pieces = row.numbers(earlier.is_some());
        let left = page.columns().saturating_sub(width(&pieces)).max(NARROWEST);
        let name = if options.style.wraps { layout::fit(&row.now.id, left) } else { row.now.id.clone() };
        pieces.push(piece(name, PLAIN));
        page.line(0, &pieces)?;
    }
    if let Some(more) = rows.len().checked_sub(options.top).filter(|more| *more > 0) {
        page.line(0, &[piece(format!("and {}: --top {} names all", phrases::count(more, "case"), rows.len()), DIM)])?;
    }
    page.blank()?;
    page.line(0, &[piece(total(&rows, costs.rounds), BOLD)])?;
    if let Some(earlier) = earlier {
        page.line(0, &[piece(against_earlier(&rows), PLAIN)])?;
        let now: HashSet<&str> = costs.cases.iter().map(|case| case.id.as_str()).collect();
        let gone = earlier.cases.iter().filter(|case| !now.contains(case.id.as_str())).count();
        if gone > 0 {
            let text = format!("{} of the earlier result not measured now", phrases::count(gone, "case"));
            page.line(0, &[piece(text, ODD)])?;
        }
    }
    let untimed: Vec<&CaseCost> = costs.cases.iter().filter(|case| case.time.is_none()).collect();
    for case in untimed.iter().take(MOST_NAMES) {
        let place = piece(format!("{}:{}", case.file, case.line), PLACE);
        let reason = case.reason.as_deref().map(|text| format!(", {}", phrases::one_line(text, LONGEST_REASON)));
        let outcome = format!(": {}{}", case.outcome, reason.unwrap_or_default());
        let colour = if ["skipped", "xfailed"].contains(&case.outcome.as_str()) { DIM } else { BAD };
        page.entry(0, &[place, piece(format!(" not timed: {}", case.id), PLAIN), piece(outcome, colour)])?;
    }
    match untimed.len().checked_sub(MOST_NAMES) {
        None | Some(0) => Ok(()),
        Some(more) => page.line(0, &[piece(format!("and {more} more"), DIM)]),
    }
}

/// Reads the costs that `verify bench --report json` wrote.
///
/// # Errors
///
/// It is something else.
pub fn read(text: &str) -> Result<Costs, NoCosts> {
    let costs: Costs = serde_json::from_str(text).map_err(|error| NoCosts(error.to_string()))?;
    let impossible = costs.cases.iter().find(|case| case.time.is_some_and(|times| !times.are_possible()));
    match impossible {
        Some(case) => Err(NoCosts(format!("the times of `{}` are no times", case.id))),
        None => Ok(costs),
    }
}

/// A text that is no result of `verify bench`.
#[derive(Debug, thiserror::Error)]
#[error("it is no result of `verify bench --save`: {0}")]
pub struct NoCosts(String);

/// A case that was timed, and the same case in the earlier result.
struct Row<'a> {
    now: &'a CaseCost,
    median: Duration,
    p95: Duration,
    /// How many times as much time as before.
    time: Option<f64>,
    /// How many times as many instructions as before.
    instructions: Option<f64>,
}

impl<'a> Row<'a> {
    fn of(now: &'a CaseCost, before: Option<&CaseCost>) -> Option<Self> {
        let times = now.time?;
        let ratio = |now: f64, before: f64| Some(now / before).filter(|ratio| (0.0..MOST_CHANGE).contains(ratio));
        let time = before.and_then(|before| ratio(times.median_us, before.time?.median_us));
        let instructions = before.and_then(|before| ratio(now.instructions? as f64, before.instructions? as f64));
        Some(Self { now, median: times.median(), p95: times.p95(), time, instructions })
    }

    /// By how much it became dearer, in hundredths: less is what times do from one run to the next.
    fn change(&self) -> f64 {
        (self.instructions.or(self.time).unwrap_or_default() * 100.0).round()
    }

    /// What comes before its name.
    fn numbers(&self, is_compared: bool) -> Vec<Piece> {
        let instructions = self.now.instructions.map_or_else(|| "-".to_owned(), with_spaces);
        let numbers = format!(
            "{:>NUMBER$}{:>NUMBER$}{instructions:>INSTRUCTIONS$}",
            phrases::duration(self.median),
            phrases::duration(self.p95),
        );
        let changes = [self.time, self.instructions].into_iter().filter(|_| is_compared).map(change);
        let mut pieces = vec![piece(numbers, PLAIN)];
        pieces.extend(changes);
        pieces.push(piece("   ", PLAIN));
        pieces
    }
}

fn change(ratio: Option<f64>) -> Piece {
    let text = ratio.map_or_else(|| "-".to_owned(), |ratio| format!("{ratio:.2} ×"));
    let colour = if ratio.is_some_and(|ratio| ratio > MORE) { ODD } else { PLAIN };
    piece(format!("{text:>NUMBER$}"), colour)
}

fn header(is_compared: bool) -> [Piece; 1] {
    let changes = if is_compared { format!("{:>NUMBER$}{:>NUMBER$}", "time", "instr.") } else { String::new() };
    [piece(format!("{:>NUMBER$}{:>NUMBER$}{:>INSTRUCTIONS$}{changes}   case", "median", "p95", "instructions"), DIM)]
}

fn total(rows: &[Row<'_>], rounds: usize) -> String {
    let time = phrases::duration(rows.iter().map(|row| row.median).sum());
    format!("{}, {}: {time} for all of them", phrases::count(rows.len(), "case"), phrases::count(rounds, "round"))
}

/// The middle of all changes: what one case did meanwhile does not move it.
fn against_earlier(rows: &[Row<'_>]) -> String {
    let middle = |change: fn(&Row<'_>) -> Option<f64>| {
        let mut changes: Vec<f64> = rows.iter().filter_map(change).collect();
        changes.sort_by(f64::total_cmp);
        changes.get(changes.len().saturating_sub(1) / 2).copied()
    };
    let number = rows.iter().filter(|row| row.time.is_some()).count();
    match (middle(|row| row.time), middle(|row| row.instructions)) {
        (None, _) => "no case can be compared with the earlier result".to_owned(),
        (Some(time), instructions) => {
            let instructions = instructions.map(|change| format!(", {change:.3} × the instructions"));
            format!(
                "against before: {time:.2} × the time{} (the median of {})",
                instructions.unwrap_or_default(),
                phrases::count(number, "case")
            )
        }
    }
}

/// `1 234 567`
fn with_spaces(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use policy_verify_model::cost::Times;

    use super::*;

    fn case(id: &str, micros: f64, instructions: Option<u64>) -> CaseCost {
        CaseCost {
            id: id.to_owned(),
            policy: "labels".into(),
            file: "suite.yml".into(),
            line: 7,
            outcome: "passed".into(),
            reason: None,
            time: Some(Times { least_us: micros, median_us: micros, p95_us: micros * 2.0 }),
            instructions,
        }
    }

    fn costs(cases: Vec<CaseCost>) -> Costs {
        Costs { version: "1.0.0".into(), rounds: 25, cases }
    }

    fn written(costs: &Costs, earlier: Option<&Costs>, top: usize) -> String {
        let mut out = Vec::new();
        text(costs, earlier, CostOptions { style: Style::default(), top }, &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_slowest_come_first_and_the_rest_is_counted() {
        let failed = CaseCost {
            outcome: "failed".into(),
            reason: Some("no\nowner".into()),
            time: None,
            ..case("bad\u{1b}[31m", 0.0, None)
        };
        let all =
            costs(vec![case("a", 47.0, Some(1_234_567)), case("b", 2_400.0, None), failed, case("c", 9.0, Some(12))]);
        insta::assert_snapshot!(written(&all, None, 2));
    }

    #[test]
    fn what_became_dearer_comes_first() {
        let before = costs(vec![case("a", 40.0, Some(1_000)), case("b", 100.0, Some(1_000)), case("gone", 1.0, None)]);
        let now = costs(vec![case("a", 44.0, Some(1_500)), case("b", 100.0, Some(1_000)), case("new", 7.0, Some(5))]);
        insta::assert_snapshot!(written(&now, Some(&before), 20));
    }

    #[test]
    fn what_is_written_is_read() {
        let mut all = costs(vec![case("a", 0.1, Some(u64::MAX)), case("b", 3.0, None)]);
        all.cases[1].time = None;
        let mut out = Vec::new();
        crate::json::write(&all, &mut out).unwrap();
        assert_eq!(read(&String::from_utf8(out).unwrap()).unwrap(), all);
        assert!(read("{}").is_err());
    }

    #[test]
    fn an_earlier_result_without_time_gives_no_change() {
        let before = costs(vec![case("a", 0.0, Some(0))]);
        assert!(written(&costs(vec![case("a", 5.0, Some(5))]), Some(&before), 20).contains("no case can be compared"));
    }
}
