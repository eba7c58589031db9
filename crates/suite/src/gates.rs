//! Entries of `gates:`: what the whole run must reach.

use super::mistake::Mistakes;
use super::schema::{GatesEntry, UnitText};
use super::size;
use policy_verify_model::gate::{Goal, InvalidFuel, Percent};
use policy_verify_model::source::Spanned;

/// The goals of a suite, in the order of their keys here.
pub(super) fn read(written: Option<&GatesEntry>, mistakes: &mut Mistakes) -> Vec<Spanned<Goal>> {
    let Some(GatesEntry { rules, verdicts, weak, hollow, fuel, memory, behaviour, privileges, coverage, settings }) =
        written
    else {
        return Vec::new();
    };
    let rules = rules.as_ref().and_then(|share| percent(share, mistakes));
    let rules = rules.map(|share| Spanned::new(Goal::Rules(share.value), share.span));
    let verdicts = verdicts.as_ref().map(|it| Spanned::new(Goal::Verdicts(it.value), it.span.clone()));
    let at_most = |goal: fn(usize) -> Goal, most: &Spanned<u64>| {
        Spanned::new(goal(usize::try_from(most.value).unwrap_or(usize::MAX)), most.span.clone())
    };
    let weak = weak.as_ref().map(|most| at_most(Goal::Weak, most));
    let hollow = hollow.as_ref().map(|most| at_most(Goal::Hollow, most));
    let privileges = privileges.as_ref().map(|it| Spanned::new(Goal::Privileges(it.value), it.span.clone()));
    let fuel = fuel.as_ref().and_then(|most| {
        let read = most.value.0.parse().map_err(|error: InvalidFuel| {
            mistakes.add_with_help(&most.span, error.to_string(), "write a number, or `+5%`");
        });
        Some(Spanned::new(Goal::Fuel(read.ok()?), most.span.clone()))
    });
    let memory = memory.as_ref().and_then(|most| {
        let read = size::bytes(&most.value.0).map_err(|mistake| mistakes.push(mistake.at(&most.span)));
        Some(Spanned::new(Goal::Memory(read.ok()?), most.span.clone()))
    });
    let behaviour = behaviour.as_ref().map(|it| Spanned::new(Goal::Behaviour(it.value), it.span.clone()));
    let coverage = coverage.as_ref().and_then(|share| percent(share, mistakes));
    let coverage = coverage.map(|share| Spanned::new(Goal::Coverage(share.value), share.span));
    let settings = settings.as_ref().and_then(|share| percent(share, mistakes));
    let settings = settings.map(|share| Spanned::new(Goal::Settings(share.value), share.span));
    [rules, verdicts, weak, hollow, fuel, memory, behaviour, privileges, coverage, settings]
        .into_iter()
        .flatten()
        .collect()
}

/// Reads a share; one that is a mistake is none.
fn percent(written: &Spanned<UnitText>, mistakes: &mut Mistakes) -> Option<Spanned<Percent>> {
    let text = &written.value.0;
    match text.parse() {
        Ok(share) => Some(Spanned::new(share, written.span.clone())),
        Err(error) => {
            let with_unit = format!("{}%", text.trim());
            let (message, help) = match with_unit.parse::<Percent>() {
                Ok(_) => ("a percentage needs its sign".to_owned(), format!("write `{with_unit}`")),
                Err(_) => (error.to_string(), "write a percentage from `0%` to `100%`".to_owned()),
            };
            mistakes.add_with_help(&written.span, message, help);
            None
        }
    }
}
