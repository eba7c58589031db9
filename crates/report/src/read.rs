//! A report that was written becomes a run again: for `verify merge`, for `--failed`, for `--timings`.
//!
//! Reports come from other machines, so nothing in them is believed that could hurt: sizes are bounded by the caller,
//! and indices are looked up by name. What a newer verify wrote and this one does not know is an error, never skipped.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::StrDeserializer;

use policy_verify_model::answer::{Fault, FaultKind};
use policy_verify_model::outcome::{
    CaseReport, Mismatch, Outcome, PartReport, PartVerdict, PolicyReport, RunReport, SuiteSummary, Unavailable,
    UnavailableStage,
};
use policy_verify_model::source::{SourceFile, Span};

use crate::publication;

use crate::document::{
    Case, Closing, Counts, Difference, Document, Opening, Part, Place, Policy, Sources, Suite, Trouble,
};

/// Longest file a report is believed to quote from: lines are kept at their places.
const MOST_SOURCE_LINES: usize = 1_000_000;

/// Reads a JSON report, or the lines of an `ndjson` report.
///
/// # Errors
///
/// Why the text is no complete report of a version that is understood, in words.
pub fn read(text: &str) -> Result<RunReport, String> {
    let first = text.lines().next().unwrap_or("");
    if serde_json::from_str::<Opening<'_>>(first).is_ok() {
        return lines(text);
    }
    let document: Document<'_> = serde_json::from_str(text).map_err(|error| format!("not a report: {error}"))?;
    run(document)
}

/// The opening, the cases, the closing.
fn lines(text: &str) -> Result<RunReport, String> {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty());
    let at = |error: serde_json::Error| format!("not a report: {error}");
    let Opening { version, tool, suites } = serde_json::from_str(lines.next().unwrap_or("")).map_err(at)?;
    let lines: Vec<&str> = lines.collect();
    let Some((last, cases)) = lines.split_last() else { return Err(cut_off()) };
    let closing: Closing<'_> = serde_json::from_str(last).map_err(|_| cut_off())?;
    let cases = cases.iter().map(|line| serde_json::from_str(line).map_err(at)).collect::<Result<_, _>>()?;
    let Closing { summary, policies, started_at, published, duration_us, shard, seed, sources } = closing;
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
    })
}

fn cut_off() -> String {
    "the last line is missing: the run was cut off before it was over".to_owned()
}

fn run(document: Document<'_>) -> Result<RunReport, String> {
    if document.version != 1 {
        return Err(format!("version {} of the report is not understood", document.version));
    }
    if document.tool.version != env!("CARGO_PKG_VERSION") {
        let (theirs, ours) = (&document.tool.version, env!("CARGO_PKG_VERSION"));
        return Err(format!("it was written by verify {theirs}, this is {ours}"));
    }
    let files = Files::of(&document.sources)?;
    let suites: Vec<SuiteSummary> = document.suites.iter().map(|written| suite(written, &files)).collect();
    let index = |path: &str| suites.iter().position(|suite| suite.path == path);
    let index = |path: &str| index(path).ok_or_else(|| format!("the suite `{path}` is not among its suites"));
    let mut policies = Vec::new();
    for written in &document.policies {
        policies.push(policy(written, index(&written.suite)?, &files)?);
    }
    let mut cases = Vec::new();
    for written in document.cases {
        let suite = index(&written.suite)?;
        cases.push(case(written, suite, &files)?);
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
        publications,
        started_at: document.started_at,
        duration: Duration::from_micros(document.duration_us),
        shard: document.shard.map(Cow::into_owned),
        seed: document.seed,
    };
    is_complete(&run, &document.summary)?;
    Ok(run)
}

/// A report whose parts disagree was changed or cut.
fn is_complete(run: &RunReport, counts: &Counts) -> Result<(), String> {
    let found = run.summary();
    let written =
        [counts.total, counts.passed, counts.failed, counts.errors, counts.skipped, counts.xfailed, counts.not_run];
    let counted = [found.total, found.passed, found.failed, found.errors, found.skipped, found.xfailed, found.not_run];
    if written == counted { Ok(()) } else { Err("its counts are not those of its cases".to_owned()) }
}

/// The quoted lines at their places, everything between them empty.
struct Files(HashMap<String, Arc<SourceFile>>);

impl Files {
    fn of(sources: &Sources<'_>) -> Result<Self, String> {
        let mut files = HashMap::new();
        for (path, lines) in sources {
            let last = lines.keys().next_back().copied().unwrap_or(0);
            if last > MOST_SOURCE_LINES {
                return Err(format!("it quotes line {last} of `{path}`"));
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
    }
}

fn policy(written: &Policy<'_>, suite: usize, files: &Files) -> Result<PolicyReport, String> {
    let unavailable = written.error.as_ref().map(|trouble| unavailable(trouble, files)).transpose()?;
    Ok(PolicyReport {
        name: written.name.clone().into_owned(),
        suite,
        uri: written.uri.clone().into_owned(),
        source_digest: written.source_digest.clone().map(Cow::into_owned),
        remarks: written.remarks.clone().into_owned(),
        digest: written.digest.as_deref().map(str::parse).transpose()?,
        size: written.size,
        execution_mode: written.execution_mode,
        compile_time: Duration::from_micros(written.compile_us),
        span: files.span(&written.place),
        unavailable: unavailable.map(Arc::new),
        position: written.position,
    })
}

fn case(written: Case<'_>, suite: usize, files: &Files) -> Result<CaseReport, String> {
    let outcome = outcome(&written, files)?;
    let fault = match &outcome {
        Outcome::Unavailable(_) => None,
        _ => written.fault.as_ref().map(fault).transpose()?,
    };
    let (line, column, length) = (written.line, written.column, written.length);
    Ok(CaseReport {
        span: files.span(&Place { file: written.file, line, column, length }),
        id: written.id.into_owned(),
        name: written.name.into_owned(),
        suite,
        policy: written.policy.into_owned(),
        kind: written.kind,
        outcome,
        duration: Duration::from_micros(written.duration_us),
        request: written.request.map(|request| Arc::new(request.into_owned())),
        response: written.response.map(Cow::into_owned),
        fault,
        calls: written.calls.into_owned(),
        log: written.log.into_owned(),
        warnings: written.warnings.into_owned(),
        is_weak: written.weak,
        steps: parts(written.steps)?,
        members: parts(written.members)?,
        position: written.position,
    })
}

fn outcome(written: &Case<'_>, files: &Files) -> Result<Outcome, String> {
    let reason = |text: &Option<Cow<'_, str>>| text.as_deref().unwrap_or_default().to_owned();
    let trouble = || written.fault.as_ref().ok_or_else(|| format!("the error of `{}` is missing", written.id));
    Ok(match &*written.outcome {
        "passed" => Outcome::Passed,
        "failed" => Outcome::Failed(written.mismatches.iter().map(|it| mismatch(it, files)).collect()),
        "error" if stage(&trouble()?.kind).is_some() => Outcome::Unavailable(Arc::new(unavailable(trouble()?, files)?)),
        "error" => Outcome::Error(fault(trouble()?)?),
        "skipped" => Outcome::Skipped(reason(&written.skip_reason)),
        "not-run" => Outcome::NotRun(reason(&written.skip_reason)),
        "xfailed" => Outcome::Xfailed(reason(&written.xfail_reason)),
        "xpassed" => Outcome::Xpassed(reason(&written.xfail_reason)),
        word => return Err(format!("unknown outcome `{word}`")),
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

fn parts(written: Vec<Part<'_>>) -> Result<Vec<PartReport>, String> {
    let part = |written: Part<'_>| {
        let verdict = match &*written.verdict {
            "allow" => PartVerdict::Allow,
            "mutate" => PartVerdict::Mutate,
            "deny" => PartVerdict::Deny,
            "fault" => PartVerdict::Fault,
            "not-asked" => PartVerdict::NotAsked,
            "not-applicable" => PartVerdict::NotApplicable(written.reason.unwrap_or_default().into_owned()),
            word => return Err(format!("unknown verdict `{word}`")),
        };
        Ok(PartReport {
            name: written.name.into_owned(),
            policy: written.policy.into_owned(),
            verdict,
            evaluations: written.evaluations,
            response: written.response.map(Cow::into_owned),
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

fn stage(word: &str) -> Option<UnavailableStage> {
    by_word(word)
}

fn fault(written: &Trouble<'_>) -> Result<Fault, String> {
    let kind = FaultKind::ALL.iter().find(|kind| kind.to_string() == written.kind);
    let kind = *kind.ok_or_else(|| format!("unknown kind of fault `{}`", written.kind))?;
    let fault = Fault::new(kind, written.message.clone());
    Ok(match &written.help {
        Some(help) => fault.with_help(help.clone()),
        None => fault,
    })
}

fn unavailable(written: &Trouble<'_>, files: &Files) -> Result<Unavailable, String> {
    Ok(Unavailable {
        stage: stage(&written.kind).ok_or_else(|| format!("unknown stage `{}`", written.kind))?,
        message: written.message.clone().into_owned(),
        help: written.help.clone().map(Cow::into_owned),
        span: written.place.as_ref().map(|place| files.span(place)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::style::Style;
    use crate::{by_name, names, testing};

    fn through(format: &str, run: &RunReport) -> RunReport {
        let format = by_name(format, &Style::default()).unwrap();
        read(&testing::written(&*format, run)).unwrap()
    }

    #[test]
    fn every_format_says_the_same_of_a_run_that_was_read_back() {
        let mut sample = testing::sample();
        sample.policies[0].remarks = vec!["the tag has moved".into()];
        for run in [sample, testing::hostile(), testing::failures(3, 50_000)] {
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
    fn a_stream_that_was_cut_off_is_no_report() {
        let format = by_name("ndjson", &Style::default()).unwrap();
        let text = testing::written(&*format, &testing::sample());
        let lines: Vec<&str> = text.lines().collect();
        for kept in 1..lines.len() {
            assert!(read(&lines[..kept].join("\n")).is_err(), "{kept} lines");
        }
        let without_a_case = [&lines[..3], &lines[4..]].concat().join("\n");
        assert!(read(&without_a_case).unwrap_err().contains("counts"));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
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
