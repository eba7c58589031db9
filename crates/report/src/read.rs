//! Reads a JSON or ndjson report back into a run: for `verify merge`, `--failed` and `--timings`.
//!
//! Reports come from other machines and are untrusted: the caller bounds their size, and indices are looked up by name.
//! An unknown word or version is an error, never skipped.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::diagnostic::Diagnostic;
use policy_verify_model::outcome::{
    CaseKind, CaseReport, Mismatch, Outcome, PartReport, PartVerdict, PolicyReport, RunReport, SuiteSummary,
    Unavailable, UnavailableStage,
};
use policy_verify_model::policy::Digest;
use policy_verify_model::source::{SourceFile, Span};
use policy_verify_model::weakness::Weakness;

use crate::publication;
use crate::read_error::{MOST_SOURCE_LINES, ReadError};

use crate::document::{
    Case, Closing, Counts, Difference, Document, ErrorEntry, Opening, Part, Place, Policy, Sources, Suite, Warning,
};

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
    let Opening { version, tool, suites } = serde_json::from_str(lines.next().unwrap_or(""))?;
    let lines: Vec<&str> = lines.collect();
    let Some((last, cases)) = lines.split_last() else { return Err(ReadError::Truncated) };
    let closing: Closing<'_> = serde_json::from_str(last).map_err(|_| ReadError::Truncated)?;
    let cases = cases.iter().map(|line| serde_json::from_str(line)).collect::<Result<_, _>>()?;
    let Closing {
        summary,
        policies,
        started_at,
        published,
        duration_us,
        shard,
        seed,
        sources,
        warnings,
        errors,
        flags,
    } = closing;
    run(Document {
        version,
        tool,
        summary,
        policies,
        cases,
        suites,
        started_at,
        published,
        duration_us,
        shard,
        seed,
        sources,
        warnings,
        errors,
        flags,
    })
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
    let index = |path: &str| suites.iter().position(|suite| suite.path == path);
    let index = |path: &str| index(path).ok_or_else(|| ReadError::UnknownSuite(path.to_owned()));
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
    let run = RunReport {
        suites,
        policies,
        cases,
        warnings: document.warnings.iter().map(|written| warning(written, &files)).collect(),
        errors: document.errors.iter().map(|written| warning(written, &files)).collect(),
        publications,
        started_at: document.started_at,
        duration: Duration::from_micros(document.duration_us),
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
struct Files(HashMap<String, Arc<SourceFile>>);

impl Files {
    fn of(sources: &Sources<'_>) -> Result<Self, ReadError> {
        let mut files = HashMap::new();
        for (path, lines) in sources {
            let last = lines.keys().next_back().copied().unwrap_or(0);
            if last > MOST_SOURCE_LINES {
                return Err(ReadError::Line { path: path.clone().into_owned(), line: last });
            }
            let text =
                (1..=last).map(|number| lines.get(&number).map_or("", |line| line)).collect::<Vec<_>>().join("\n");
            let file = SourceFile { path: path.clone().into_owned(), text };
            files.insert(file.path.clone(), Arc::new(file));
        }
        Ok(Self(files))
    }

    fn file(&self, path: &str) -> Arc<SourceFile> {
        let unknown = || Arc::new(SourceFile { path: path.to_owned(), text: String::new() });
        self.0.get(path).map_or_else(unknown, Arc::clone)
    }

    fn span(&self, place: &Place<'_>) -> Span {
        let file = self.file(&place.file);
        let Place { line, column, length, .. } = *place;
        let start: usize = file.text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let within = file.text.get(start..).unwrap_or("").split('\n').next().unwrap_or("");
        let before = within.char_indices().nth(column.saturating_sub(1)).map_or(within.len(), |(index, _)| index);
        Span { offset: start + before, len: length, line, column, file }
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

fn warning(written: &Warning<'_>, files: &Files) -> Diagnostic {
    let warning =
        Diagnostic::new(written.code, written.message.clone()).with_help(written.help.clone().map(Cow::into_owned));
    match &written.place {
        Some(place) => warning.at(&files.span(place)),
        None => warning,
    }
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
        compile_time: Duration::from_micros(written.compile_us),
        span: files.span(&written.place),
        unavailable: unavailable.map(Arc::new),
        position: written.position,
    })
}

fn case(written: Case<'_>, suite: usize, policies: &[PolicyReport], files: &Files) -> Result<CaseReport, ReadError> {
    let outcome = outcome(&written, files)?;
    let fault = match &outcome {
        Outcome::Unavailable(_) => None,
        _ => written.fault.as_ref().map(fault).transpose()?,
    };
    let (line, column, length) = (written.line, written.column, written.length);
    let span = files.span(&Place { file: written.file, line, column, length });
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
        origin: written.origin.as_ref().map(|place| files.span(place)),
        id: written.id.into_owned(),
        name: written.name.into_owned(),
        suite,
        policy: written.policy.into_owned(),
        kind,
        outcome,
        duration: Duration::from_micros(written.duration_us),
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

fn outcome(written: &Case<'_>, files: &Files) -> Result<Outcome, ReadError> {
    let reason = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let error = || written.fault.as_ref().ok_or_else(|| ReadError::MissingError(written.id.clone().into_owned()));
    Ok(match &*written.outcome {
        "passed" => Outcome::Passed,
        "failed" => Outcome::Failed(written.mismatches.iter().map(|it| mismatch(it, files)).collect()),
        "error" if stage(&error()?.kind).is_some() => Outcome::Unavailable(Arc::new(unavailable(error()?, files)?)),
        "error" => Outcome::Error(fault(error()?)?),
        "skipped" => Outcome::Skipped(reason(&written.skip_reason)),
        "not-run" => Outcome::NotRun(reason(&written.skip_reason)),
        "xfailed" => Outcome::Xfailed(reason(&written.xfail_reason)),
        "xpassed" => Outcome::Xpassed(reason(&written.xfail_reason)),
        word => return Err(ReadError::UnknownOutcome(word.to_owned())),
    })
}

fn mismatch(written: &Difference<'_>, files: &Files) -> Mismatch {
    let (line, column, length) = (written.line, written.column, written.length);
    Mismatch {
        kind: written.kind,
        at: written.at.clone().into_owned(),
        expected: written.expected.clone().into_owned(),
        actual: written.actual.clone().into_owned(),
        span: files.span(&Place { file: written.file.clone(), line, column, length }),
    }
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
        span: written.place.as_ref().map(|place| files.span(place)),
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
}
