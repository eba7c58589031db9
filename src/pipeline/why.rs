//! Which changes of its request change the verdict of a case: one change at a time, the smallest first.

use std::cmp::Reverse;

use policy_verify_model::answer::Answer;
use policy_verify_model::found::{Reason, Reasons};
use policy_verify_model::suite::Case;
use policy_verify_suite::{MemberPlaces, SnapshotUse};
use rayon::prelude::*;
use serde_json::Value;

use super::options::{Options, Progress};
use super::probe::Probe;
use super::ready::{self, Code, Ready};
use super::suite_words::written;
use crate::error::Error;
use crate::select::SelectedCase;
use crate::vary::{self, Edit};

/// Changes that are told of a case.
const MOST_REASONS: usize = 20;

/// Other cases whose objects tell what may be added.
const MOST_OTHERS: usize = 200;

/// Words of settings that are tried as labels, and characters of one.
const MOST_WORDS: usize = 100;
const LONGEST_WORD: usize = 253;

/// Tries every single change of the object of each selected case. A case that sends no object has no reasons.
///
/// # Errors
///
/// When nothing could be run: see [`verify`](super::verify()).
pub fn why(options: &Options, progress: &dyn Progress) -> Result<Vec<Reasons>, Error> {
    ready::with_suites(options, SnapshotUse::Compared, progress, |loaded| {
        loaded.with_policies(options, Code::Plain, progress, |ready| {
            let selected = loaded.selected.cases.iter().take_while(|_| !options.interrupt.is_stopped());
            let places = MemberPlaces::new(options.file_limit);
            let reasons = selected.filter_map(|selected| reasons(*selected, ready, &places, options)).collect();
            ready.engine.finish();
            reasons
        })
    })
}

fn reasons(selected: SelectedCase<'_>, ready: &Ready<'_>, places: &MemberPlaces, options: &Options) -> Option<Reasons> {
    let policies = &ready.policies[selected.suite.0];
    let case: &Case = selected.case;
    if policies.unavailable_for(case).is_some() {
        return None;
    }
    let probe = Probe::of(selected, policies)?;
    let object = probe.object()?;
    let usual = word(&probe.usual(policies));
    let others = others(selected, ready);
    let others: Vec<&Value> = others.iter().filter(|other| other.get("kind") == object.get("kind")).collect();
    let mut changes = vary::changes(object);
    changes.extend(vary::additions(object, &others, &words(selected, ready)));
    // What is deep inside is the smaller change.
    changes.sort_by_key(|change| (Reverse(change.at.matches('/').count()), change.edit != Edit::Remove));
    let answers = changes.par_iter().filter(|_| !options.interrupt.is_stopped()).filter_map(|change| {
        let changed = change.applied(object)?;
        let verdict = word(&probe.ask(&probe.with_object(changed), policies));
        (verdict != usual).then(|| Reason {
            change: written(change),
            at: change.at.clone(),
            file: None,
            line: None,
            verdict,
        })
    });
    let mut found: Vec<Reason> = Vec::new();
    for reason in answers.collect::<Vec<_>>() {
        // Of several changes of one place the first says enough, and so does that of a place inside.
        let is_told = |known: &Reason| {
            let is_inside = known.at.starts_with(&format!("{}/", reason.at));
            known.verdict == reason.verdict && (reason.at == known.at || is_inside)
        };
        if !found.iter().any(is_told) {
            found.push(reason);
        }
    }
    let tried = changes.len();
    found.truncate(MOST_REASONS);
    for reason in &mut found {
        let place = places.of(probe.written(), &reason.at);
        (reason.file, reason.line) = place.map(|place| (place.file.path.clone(), place.line)).unzip();
    }
    let place = case.place();
    Some(Reasons {
        id: case.id.clone(),
        file: place.file.path.clone(),
        line: place.line,
        verdict: usual,
        tried,
        changes: found,
    })
}

/// The objects of the other cases of a suite.
fn others(selected: SelectedCase<'_>, ready: &Ready<'_>) -> Vec<Value> {
    let policies = &ready.policies[selected.suite.0];
    let cases = policies.suite.cases.iter().filter(|case| case.id != selected.case.id).take(MOST_OTHERS);
    cases
        .filter_map(|case| Probe::of(SelectedCase { suite: selected.suite, case }, policies)?.object().cloned())
        .collect()
}

/// Texts in the settings of a case: labels may be called so.
fn words(selected: SelectedCase<'_>, ready: &Ready<'_>) -> Vec<String> {
    fn collect(value: &Value, words: &mut Vec<String>) {
        match value {
            Value::String(text) if text.len() <= LONGEST_WORD && !words.contains(text) => words.push(text.clone()),
            Value::Array(items) => items.iter().for_each(|item| collect(item, words)),
            Value::Object(members) => members.iter().for_each(|(key, value)| {
                collect(&Value::String(key.clone()), words);
                collect(value, words);
            }),
            _ => {}
        }
    }
    let mut words = Vec::new();
    for settings in ready.policies[selected.suite.0].suite.settings_for(selected.case) {
        settings.values().for_each(|value| collect(value, &mut words));
    }
    words.truncate(MOST_WORDS);
    words
}

/// An answer in a word. Messages do not count: the question is what becomes of the request.
fn word(answer: &Answer) -> String {
    match answer {
        Ok(response) if !response.allowed => "deny".to_owned(),
        Ok(response) if response.patch.is_some() => "mutate".to_owned(),
        Ok(_) => "allow".to_owned(),
        Err(fault) => format!("fault: {}", fault.kind),
    }
}
