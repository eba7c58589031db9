//! Reads a JSON or ndjson report back into a run: for `verify merge`, `--failed` and `--timings`.
//!
//! Reports come from other machines and are untrusted: the caller bounds their size, and indices are looked up by name.
//! An unknown word or version is an error, never skipped.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::baseline::SuiteChanges;
use policy_verify_model::cost::SuiteUse;
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::gate::Gate;
use policy_verify_model::outcome::{
    CaseKind, CaseReport, Mismatch, Outcome, PartReport, PartVerdict, PolicyReport, RunReport, SuiteSummary,
    Unavailable, UnavailableStage,
};
use policy_verify_model::policy::Digest;
use policy_verify_model::rule_coverage::RuleCoverage;
use policy_verify_model::sabotage::HollowCases;
use policy_verify_model::settings_coverage::SettingsCoverage;
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::weakness::Weakness;

use crate::exercised::{RulesEntry, SettingsEntry};
use crate::gates::{ChangesEntry, GateEntry, HollowEntry, UsesEntry};
use crate::place::Place;
use crate::read_error::{MOST_MICROSECONDS, MOST_PLACE, MOST_SOURCE_LINES, ReadError};
use crate::{coverage, publication};

use crate::document::{Case, Counts, Difference, Document, ErrorEntry, Opening, Part, Policy, Sources, Suite, Warning};

/// Reads a JSON report, or the lines of an `ndjson` report.
///
/// # Errors
///
/// The text is not a complete report, or one of another version.
pub fn read(text: &str) -> Result<RunReport, ReadError> {
    let first = text.lines().next().unwrap_or("");
    if serde_json::from_str::<Opening<'_>>(first).is_ok() {
        return lines(text);
    }
    run(serde_json::from_str(text)?)
}

/// The opening, the cases, the closing.
fn lines(text: &str) -> Result<RunReport, ReadError> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let opening = serde_json::from_str(lines.next().unwrap_or(""))?;
    let lines: Vec<&str> = lines.collect();
    let Some((last, cases)) = lines.split_last() else { return Err(ReadError::Truncated) };
    let closing = serde_json::from_str(last).map_err(|_| ReadError::Truncated)?;
    let cases = cases.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    run(Document::of(opening, cases, closing))
}

fn run(document: Document<'_>) -> Result<RunReport, ReadError> {
    if document.version != 1 {
        return Err(ReadError::Format(document.version));
    }
    if document.tool.version != env!("CARGO_PKG_VERSION") {
        return Err(ReadError::Tool(document.tool.version.into_owned()));
    }
    let files = Files::of(&document.sources)?;
    let suites: Vec<SuiteSummary> = document.suites.iter().map(|written| suite(written, &files)).collect();
    let mut indices: HashMap<&str, usize> = HashMap::new();
    for (index, suite) in suites.iter().enumerate() {
        indices.entry(&suite.path).or_insert(index);
    }
    let index = |path: &str| indices.get(path).copied().ok_or_else(|| ReadError::UnknownSuite(path.to_owned()));
    let mut policies = Vec::new();
    for written in &document.policies {
        policies.push(policy(written, index(&written.suite)?, &files)?);
    }
    let mut cases = Vec::new();
    for written in document.cases {
        let suite = index(&written.suite)?;
        cases.push(case(written, suite, &policies, &files)?);
    }
    cases.sort_by_key(|case| (case.suite, case.position));
    let mut publications = Vec::new();
    for written in document.published {
        let suite = written.suite.as_deref().map(index).transpose()?;
        publications.push(publication::read(written, suite)?);
    }
    let rules = rules(document.rules, &index, &files)?;
    let settings = settings(document.settings, &index, &files)?;
    let hollow = hollow(document.hollow, &index)?;
    let changes = changes(document.changes, &index)?;
    let uses = uses(document.uses, &index)?;
    let gates = gates(document.gates, &index, &files)?;
    let mut coverage = Vec::new();
    for written in document.coverage {
        let suite = index(&written.suite)?;
        coverage.push(coverage::document::read(written, suite));
    }
    drop(indices);
    let run = RunReport {
        suites,
        policies,
        cases,
        warnings: document.warnings.iter().map(|written| warning(written, &files)).collect::<Result<_, _>>()?,
        errors: document.errors.iter().map(|written| warning(written, &files)).collect::<Result<_, _>>()?,
        rules,
        settings,
        hollow,
        changes,
        uses,
        gates,
        publications,
        coverage,
        started_at: document.started_at,
        duration: time(document.duration_us)?,
        shard: document.shard.map(Cow::into_owned),
        seed: document.seed,
        flags: document.flags.into_iter().map(Cow::into_owned).collect(),
    };
    check_counts(&run, &document.summary)?;
    Ok(run)
}

/// Compares the counts of the summary with the cases: they differ where a report was edited or truncated.
fn check_counts(run: &RunReport, counts: &Counts) -> Result<(), ReadError> {
    let found = run.summary();
    let written =
        [counts.total, counts.passed, counts.failed, counts.errors, counts.skipped, counts.xfailed, counts.not_run];
    let counted = [found.total, found.passed, found.failed, found.errors, found.skipped, found.xfailed, found.not_run];
    if written == counted { Ok(()) } else { Err(ReadError::Counts) }
}

/// The quoted lines at their places, everything between them empty.
struct Files(HashMap<String, Quoted>);

/// A file of which some lines are known.
struct Quoted {
    file: Arc<SourceFile>,
    /// By the number of a quoted line: how many bytes are in the quoted lines before it.
    before: BTreeMap<usize, usize>,
    /// Bytes in all quoted lines.
    total: usize,
}

impl Quoted {
    /// Where a line begins, counted from 1: each line before it ends with a newline, and only quoted ones have more.
    fn start_of(&self, line: usize) -> usize {
        let before = self.before.range(line..).next().map_or(self.total, |(_, before)| *before);
        (line.saturating_sub(1) + before).min(self.file.text.len())
    }
}

impl Files {
    fn of(sources: &Sources<'_>) -> Result<Self, ReadError> {
        let mut files = HashMap::new();
        let mut room = MOST_SOURCE_LINES;
        for (path, lines) in sources {
            let last = lines.keys().next_back().copied().unwrap_or(0);
            let path = path.clone().into_owned();
            let Some(rest) = room.checked_sub(last) else { return Err(ReadError::Line { path, line: last }) };
            room = rest;
            let (mut text, mut before, mut total, mut next) = (String::new(), BTreeMap::new(), 0, 1);
            for (&number, line) in lines.iter().filter(|(number, _)| **number > 0) {
                text.extend(std::iter::repeat_n('\n', number - next));
                next = number;
                text.push_str(line);
                before.insert(number, total);
                total += line.len();
            }
            let file = Arc::new(SourceFile { path: path.clone(), text });
            files.insert(path, Quoted { file, before, total });
        }
        Ok(Self(files))
    }

    fn file(&self, path: &str) -> Arc<SourceFile> {
        let unknown = || Arc::new(SourceFile { path: path.to_owned(), text: String::new() });
        self.0.get(path).map_or_else(unknown, |quoted| Arc::clone(&quoted.file))
    }

    fn span(&self, place: &Place<'_>) -> Result<Span, ReadError> {
        let Place { line, column, length, .. } = *place;
        if line.max(column).max(length) > MOST_PLACE {
            return Err(ReadError::Place { path: place.file.clone().into_owned(), line, column, length });
        }
        let file = self.file(&place.file);
        let start = self.0.get(&*place.file).map_or(0, |quoted| quoted.start_of(line));
        let within = file.text.get(start..).unwrap_or("").split('\n').next().unwrap_or("");
        let before = within.char_indices().nth(column.saturating_sub(1)).map_or(within.len(), |(index, _)| index);
        Ok(Span { offset: start + before, len: length, line, column, file })
    }
}

/// A time of a report.
fn time(microseconds: u64) -> Result<Duration, ReadError> {
    match microseconds {
        0..=MOST_MICROSECONDS => Ok(Duration::from_micros(microseconds)),
        _ => Err(ReadError::Time(microseconds)),
    }
}

fn suite(written: &Suite<'_>, files: &Files) -> SuiteSummary {
    SuiteSummary {
        name: written.name.clone().into_owned(),
        path: written.path.clone().into_owned(),
        argument: written.argument.clone().into_owned(),
        span: Span::start_of(&files.file(&written.path)),
        kubewarden: written.kubewarden,
    }
}

fn warning(written: &Warning<'_>, files: &Files) -> Result<Diagnostic, ReadError> {
    let warning =
        Diagnostic::new(written.code, written.message.clone()).with_help(written.help.clone().map(Cow::into_owned));
    Ok(match &written.place {
        Some(place) => warning.at(&files.span(place)?),
        None => warning,
    })
}

fn policy(written: &Policy<'_>, suite: usize, files: &Files) -> Result<PolicyReport, ReadError> {
    let unavailable = written.error.as_ref().map(|entry| unavailable(entry, files)).transpose()?;
    Ok(PolicyReport {
        name: written.name.clone().into_owned(),
        suite,
        uri: written.uri.clone().into_owned(),
        source_digest: written.source_digest.clone().map(Cow::into_owned),
        remarks: written.remarks.clone().into_owned(),
        digest: written.digest.as_deref().map(digest).transpose()?,
        size: written.size,
        execution_mode: written.execution_mode,
        compilers: written.compilers.clone().into_owned(),
        compile_time: time(written.compile_us)?,
        span: files.span(&written.place)?,
        unavailable: unavailable.map(Arc::new),
        position: written.position,
        verdicts: written.verdicts,
        privileges: written.privileges.clone().map(Cow::into_owned),
    })
}

/// Looks up a suite by its path.
type FindSuite<'a> = &'a dyn Fn(&str) -> Result<usize, ReadError>;

fn rules(written: Vec<RulesEntry<'_>>, suite: FindSuite<'_>, files: &Files) -> Result<Vec<RuleCoverage>, ReadError> {
    let rules = |written: RulesEntry<'_>| {
        Ok(RuleCoverage {
            suite: suite(&written.suite)?,
            policy: written.policy.into_owned(),
            origin: written.origin,
            span: files.span(&written.place)?,
            requests: written.requests.into_owned(),
            notes: written.notes.into_owned(),
            mistakes: written.mistakes.into_owned(),
        })
    };
    written.into_iter().map(rules).collect()
}

fn settings(
    written: Vec<SettingsEntry<'_>>,
    suite: FindSuite<'_>,
    files: &Files,
) -> Result<Vec<SettingsCoverage>, ReadError> {
    let settings = |written: SettingsEntry<'_>| {
        Ok(SettingsCoverage {
            suite: suite(&written.suite)?,
            policy: written.policy.into_owned(),
            form: written.form.map(Cow::into_owned),
            span: files.span(&written.place)?,
            keys: written.keys.into_owned(),
            notes: written.notes.into_owned(),
        })
    };
    written.into_iter().map(settings).collect()
}

fn hollow(written: Vec<HollowEntry<'_>>, suite: FindSuite<'_>) -> Result<Vec<HollowCases>, ReadError> {
    let cases = |written: HollowEntry<'_>| {
        let HollowEntry { suite: path, tried, names } = written;
        Ok(HollowCases { suite: suite(&path)?, tried, names: names.into_owned() })
    };
    written.into_iter().map(cases).collect()
}

fn changes(written: Vec<ChangesEntry<'_>>, suite: FindSuite<'_>) -> Result<Vec<SuiteChanges>, ReadError> {
    let of_suite = |written: ChangesEntry<'_>| {
        Ok(SuiteChanges {
            suite: suite(&written.suite)?,
            compared: written.compared,
            changes: written.changes.into_owned(),
            missing: written.missing.into_owned(),
            not_compared: written.not_compared.into_owned(),
        })
    };
    written.into_iter().map(of_suite).collect()
}

fn uses(written: Vec<UsesEntry<'_>>, suite: FindSuite<'_>) -> Result<Vec<SuiteUse>, ReadError> {
    let of_suite = |written: UsesEntry<'_>| {
        let UsesEntry { suite: path, cases, problems } = written;
        Ok(SuiteUse { suite: suite(&path)?, cases: cases.into_owned(), problems: problems.into_owned() })
    };
    written.into_iter().map(of_suite).collect()
}

fn gates(written: Vec<GateEntry<'_>>, suite: FindSuite<'_>, files: &Files) -> Result<Vec<Gate>, ReadError> {
    let gate = |written: GateEntry<'_>| {
        Ok(Gate {
            suite: suite(&written.suite)?,
            goal: written.goal,
            span: files.span(&written.place)?,
            skipped: written.skip_reason.map(Cow::into_owned),
        })
    };
    written.into_iter().map(gate).collect()
}

fn case(written: Case<'_>, suite: usize, policies: &[PolicyReport], files: &Files) -> Result<CaseReport, ReadError> {
    let outcome = outcome(&written, files)?;
    let fault = match &outcome {
        Outcome::Unavailable(_) => None,
        _ => written.fault.as_ref().map(fault).transpose()?,
    };
    let (line, column, length) = (written.line, written.column, written.length);
    let span = files.span(&Place { file: written.file, line, column, length })?;
    // Reports call it a check; a check has a place of its own, an unused policy that of its policy.
    let is_policy =
        |policy: &PolicyReport| policy.suite == suite && policy.name == written.policy && policy.span == span;
    let is_unused_policy = matches!(outcome, Outcome::Unavailable(_)) && policies.iter().any(is_policy);
    let kind = match written.kind {
        CaseKind::Check if is_unused_policy => CaseKind::UnusedPolicy,
        kind => kind,
    };
    Ok(CaseReport {
        span,
        origin: written.origin.as_ref().map(|place| files.span(place)).transpose()?,
        id: written.id.into_owned(),
        name: written.name.into_owned(),
        suite,
        policy: written.policy.into_owned(),
        kind,
        outcome,
        duration: time(written.duration_us)?,
        instructions: None,
        memory: None,
        request: written.request.map(|request| Arc::new(request.into_owned())),
        response: written.response.map(Cow::into_owned),
        monitored: written.monitored.map(Cow::into_owned),
        fault,
        calls: written.calls.into_owned(),
        log: written.log.into_owned(),
        warnings: written.warnings.into_owned(),
        weakness: written.weakness.or(written.weak.then_some(Weakness::AnyRejection)),
        steps: parts(written.steps)?,
        members: parts(written.members)?,
        position: written.position,
    })
}

/// Whether nothing of a case belongs to another outcome: a pass has no mismatch, and only what was skipped has a reason
/// for that.
fn is_consistent(written: &Case<'_>) -> bool {
    let outcome = &*written.outcome;
    let has = |reason: &Option<Cow<'_, str>>| reason.is_some();
    (written.mismatches.is_empty() || outcome == "failed")
        && (!has(&written.skip_reason) || ["skipped", "not-run"].contains(&outcome))
        && (!has(&written.xfail_reason) || ["xfailed", "xpassed"].contains(&outcome))
}

fn outcome(written: &Case<'_>, files: &Files) -> Result<Outcome, ReadError> {
    if !is_consistent(written) {
        let (id, outcome) = (written.id.clone().into_owned(), written.outcome.clone().into_owned());
        return Err(ReadError::Contradiction { id, outcome });
    }
    let reason = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let error = || written.fault.as_ref().ok_or_else(|| ReadError::MissingError(written.id.clone().into_owned()));
    Ok(match &*written.outcome {
        "passed" => Outcome::Passed,
        "failed" => Outcome::Failed(written.mismatches.iter().map(|it| mismatch(it, files)).collect::<Result<_, _>>()?),
        "error" if stage(&error()?.kind).is_some() => Outcome::Unavailable(Arc::new(unavailable(error()?, files)?)),
        "error" => Outcome::Error(fault(error()?)?),
        "skipped" => Outcome::Skipped(reason(&written.skip_reason)),
        "not-run" => Outcome::NotRun(reason(&written.skip_reason)),
        "xfailed" => Outcome::Xfailed(reason(&written.xfail_reason)),
        "xpassed" => Outcome::Xpassed(reason(&written.xfail_reason)),
        word => return Err(ReadError::UnknownOutcome(word.to_owned())),
    })
}

fn mismatch(written: &Difference<'_>, files: &Files) -> Result<Mismatch, ReadError> {
    let (line, column, length) = (written.line, written.column, written.length);
    Ok(Mismatch {
        kind: written.kind,
        at: written.at.clone().into_owned(),
        expected: written.expected.clone().into_owned(),
        actual: written.actual.clone().into_owned(),
        span: files.span(&Place { file: written.file.clone(), line, column, length })?,
    })
}

fn parts(written: Vec<Part<'_>>) -> Result<Vec<PartReport>, ReadError> {
    let part = |written: Part<'_>| {
        let verdict = match &*written.verdict {
            "allow" => PartVerdict::Allow,
            "mutate" => PartVerdict::Mutate,
            "deny" => PartVerdict::Deny,
            "warn" => PartVerdict::Warn,
            "fault" => PartVerdict::Fault,
            "not-asked" => PartVerdict::NotAsked,
            "not-applicable" => PartVerdict::NotApplicable(written.reason.unwrap_or_default().into_owned()),
            word => return Err(ReadError::UnknownVerdict(word.to_owned())),
        };
        Ok(PartReport {
            name: written.name.into_owned(),
            policy: written.policy.into_owned(),
            verdict,
            evaluations: written.evaluations,
            response: written.response.map(Cow::into_owned),
            monitored: written.monitored.map(Cow::into_owned),
            fault: written.fault.as_ref().map(fault).transpose()?,
            calls: written.calls.into_owned(),
            members: parts(written.members)?,
        })
    };
    written.into_iter().map(part).collect()
}

/// The value whose name in reports is `word`.
fn by_word<T: for<'a> Deserialize<'a>>(word: &str) -> Option<T> {
    let word: StrDeserializer<'_, serde::de::value::Error> = word.into_deserializer();
    T::deserialize(word).ok()
}

fn unknown_kind(written: &ErrorEntry<'_>) -> ReadError {
    ReadError::UnknownKind(written.kind.clone().into_owned())
}

fn digest(text: &str) -> Result<Digest, ReadError> {
    text.parse().map_err(|_| ReadError::Digest(text.to_owned()))
}

fn stage(word: &str) -> Option<UnavailableStage> {
    by_word(word)
}

fn fault(written: &ErrorEntry<'_>) -> Result<Fault, ReadError> {
    let kind = FaultKind::ALL.iter().find(|kind| kind.to_string() == written.kind);
    let kind = *kind.ok_or_else(|| unknown_kind(written))?;
    let fault = Fault::new(kind, written.message.clone());
    Ok(match &written.help {
        Some(help) => fault.with_help(help.clone()),
        None => fault,
    })
}

fn unavailable(written: &ErrorEntry<'_>, files: &Files) -> Result<Unavailable, ReadError> {
    Ok(Unavailable {
        stage: stage(&written.kind).ok_or_else(|| unknown_kind(written))?,
        message: written.message.clone().into_owned(),
        help: written.help.clone().map(Cow::into_owned),
        span: written.place.as_ref().map(|place| files.span(place)).transpose()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use policy_verify_model::code::Code;

    use crate::format::Format;
    use crate::style::Style;
    use crate::{by_name, names, testing};

    fn through(format: &str, run: &RunReport) -> RunReport {
        let format = by_name(format, &Style::default()).unwrap();
        read(&testing::written(&*format, run)).unwrap()
    }

    #[test]
    fn every_format_writes_the_same_after_a_round_trip() {
        let mut sample = testing::sample();
        sample.policies[0].remarks = vec!["the tag has moved".into()];
        let warning = Diagnostic::new(Code::Mistake, "the controller ignores `matchLabels`").at(&sample.cases[1].span);
        sample.warnings = vec![warning.with_help("write `matchExpressions`".to_owned())];
        for run in [sample, testing::hostile(), testing::failures(3, 50_000), testing::not_started()] {
            for through_format in ["json", "ndjson"] {
                let again = through(through_format, &run);
                for name in names() {
                    let style = Style { verbosity: 1, ..Style::default() };
                    let format: Box<dyn Format> = by_name(name, &style).unwrap();
                    let (before, after) = (testing::written(&*format, &run), testing::written(&*format, &again));
                    assert!(before == after, "{name} after {through_format}\n{before}\n-----\n{after}");
                }
            }
        }
    }

    #[test]
    fn unused_policies_and_checks_are_told_apart() {
        let mut run = testing::sample();
        let policy = run.policies.iter().find(|policy| policy.unavailable.is_some()).unwrap().clone();
        let mut unused = run.cases.last().unwrap().clone();
        (unused.kind, unused.span) = (CaseKind::UnusedPolicy, policy.span.clone());
        let mut check = unused.clone();
        (check.kind, check.span.column) = (CaseKind::Check, check.span.column + 1);
        run.cases.extend([unused, check]);
        let kinds = |run: &RunReport| run.cases.iter().rev().take(2).map(|case| case.kind).collect::<Vec<_>>();
        let text = testing::written(&*by_name("json", &Style::default()).unwrap(), &run);
        assert_eq!(text.matches("\"kind\": \"check\"").count(), 2);
        let mut found = kinds(&read(&text).unwrap());
        found.sort_by_key(|kind| *kind == CaseKind::Check);
        assert_eq!(found, [CaseKind::UnusedPolicy, CaseKind::Check]);
    }

    #[test]
    fn truncated_stream_is_rejected() {
        let format = by_name("ndjson", &Style::default()).unwrap();
        let text = testing::written(&*format, &testing::sample());
        let lines: Vec<&str> = text.lines().collect();
        for kept in 1..lines.len() {
            assert!(read(&lines[..kept].join("\n")).is_err(), "{kept} lines");
        }
        let without_a_case = [&lines[..3], &lines[4..]].concat().join("\n");
        assert!(read(&without_a_case).is_err_and(|error| matches!(error, ReadError::Counts)));
    }

    #[test]
    fn unknown_versions_and_words_are_rejected() {
        let format = by_name("json", &Style::default()).unwrap();
        let text = testing::written(&*format, &testing::sample());
        for (from, to) in [
            ("\"version\": 1,", "\"version\": 2,"),
            (concat!("\"version\": \"", env!("CARGO_PKG_VERSION"), "\""), "\"version\": \"99.0.0\""),
            ("\"outcome\": \"skipped\"", "\"outcome\": \"fixed\""),
            ("\"kind\": \"timeout\"", "\"kind\": \"tired\""),
            ("\"suite\": \"ingress/suite.yml\"", "\"suite\": \"gone.yml\""),
        ] {
            assert!(text.contains(from), "{from}");
            assert!(read(&text.replace(from, to)).is_err(), "{from} → {to}");
        }
        assert!(read("").is_err() && read("{}").is_err() && read("<xml/>").is_err());
    }

    /// The report of the sample with one change.
    fn changed(change: impl FnOnce(&mut serde_json::Value)) -> Result<RunReport, ReadError> {
        let text = testing::written(&*by_name("json", &Style::default()).unwrap(), &testing::sample());
        let mut document = serde_json::from_str(&text).unwrap();
        change(&mut document);
        read(&document.to_string())
    }

    #[test]
    fn outcomes_that_contradict_their_case_are_rejected() {
        let with = |index: usize, key: &str, value: serde_json::Value| {
            changed(|document| document["cases"][index][key] = value).is_err_and(|error| {
                matches!(error, ReadError::Contradiction { .. } | ReadError::Counts | ReadError::UnknownOutcome(_))
            })
        };
        let text = testing::written(&*by_name("json", &Style::default()).unwrap(), &testing::sample());
        let sample: serde_json::Value = serde_json::from_str(&text).unwrap();
        let cases = sample["cases"].as_array().unwrap();
        let at = |outcome: &str| cases.iter().position(|case| case["outcome"] == outcome).unwrap();
        let mismatches = cases[at("failed")]["mismatches"].clone();
        for outcome in ["passed", "skipped", "xfailed", "error"] {
            assert!(with(at(outcome), "mismatches", mismatches.clone()), "{outcome}");
        }
        assert!(with(at("passed"), "skip_reason", "later".into()));
        assert!(with(at("passed"), "xfail_reason", "known".into()));
        let passing = changed(|document| {
            document["cases"][at("failed")]["outcome"] = "passed".into();
            document["summary"]["passed"] = (document["summary"]["passed"].as_u64().unwrap() + 1).into();
            document["summary"]["failed"] = (document["summary"]["failed"].as_u64().unwrap() - 1).into();
        });
        assert!(matches!(passing, Err(ReadError::Contradiction { .. })), "{passing:?}");
    }

    #[test]
    fn places_and_times_that_cannot_be_are_rejected() {
        for key in ["line", "column", "length"] {
            for number in [u64::MAX, u64::MAX / 2, 1 << 32] {
                let found = changed(|document| document["cases"][0][key] = number.into());
                assert!(matches!(found, Err(ReadError::Place { .. })), "{key} {number}: {found:?}");
                let found = changed(|document| document["policies"][0]["place"][key] = number.into());
                assert!(matches!(found, Err(ReadError::Place { .. })), "{key} {number}: {found:?}");
            }
        }
        for pointer in ["/duration_us", "/cases/0/duration_us", "/policies/0/compile_us"] {
            let found = changed(|document| *document.pointer_mut(pointer).unwrap() = u64::MAX.into());
            assert!(matches!(found, Err(ReadError::Time(u64::MAX))), "{pointer}: {found:?}");
        }
        // What can be is harmless in every format.
        for (key, number) in [("line", 1_000_000), ("line", 0), ("column", 0), ("column", 70_000), ("length", 1 << 24)]
        {
            let run = changed(|document| document["cases"][0][key] = number.into()).unwrap();
            for name in names() {
                testing::written(&*by_name(name, &Style::default()).unwrap(), &run);
            }
        }
    }

    #[test]
    fn quoted_lines_are_bounded_over_all_files_and_found_at_once() {
        let found = changed(|document| {
            for number in 0..5_000 {
                document["sources"][format!("{number}.yml")] = serde_json::json!({ "900000": "x" });
            }
        });
        assert!(matches!(found, Err(ReadError::Line { .. })), "{found:?}");
        let start = std::time::Instant::now();
        let run = changed(|document| {
            let file = document["cases"][0]["file"].as_str().unwrap().to_owned();
            document["sources"][&file]["800000"] = "the last line".into();
            let case = document["cases"][0].clone();
            let cases = document["cases"].as_array_mut().unwrap();
            for number in 0..2_000 {
                let mut case = case.clone();
                case["id"] = format!("{number}").into();
                case["line"] = 799_000.into();
                cases.push(case);
            }
            for key in ["total", "passed"] {
                document["summary"][key] = (document["summary"][key].as_u64().unwrap() + 2_000).into();
            }
        })
        .unwrap();
        assert!(start.elapsed() < Duration::from_secs(5), "{:?}", start.elapsed());
        let deep: Vec<&CaseReport> = run.cases.iter().filter(|case| case.span.line == 799_000).collect();
        assert_eq!(deep.len(), 2_000);
        assert_eq!(deep[0].span.file.text[deep[0].span.offset..].lines().count(), 1_001);
    }
}
