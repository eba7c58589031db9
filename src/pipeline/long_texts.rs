//! Texts of policies in the report of a case: their beginning, once they were compared.
//!
//! A report is in memory until the run ends, and a policy may say megabytes in each case. What is compared is compared
//! whole.

use policy_verify_model::answer::{AdmissionResponse, Fault, Status, StatusCause, StatusDetails};
use policy_verify_model::hosting::HostCall;
use policy_verify_model::long_text::shortened;
use policy_verify_model::outcome::{CaseReport, Mismatch, Outcome, PartReport};

/// Bytes of a text in any run.
const LEAST: usize = 64 << 10;

/// The same for a patch, which is no text to be read and useless in part.
const LEAST_PATCH: usize = 1 << 20;

/// Bytes of the longest texts of all cases, if each case has one: runs of few cases keep longer texts.
const ALL_CASES: usize = 64 << 20;

/// Bytes of a text in a run of one case.
const MOST_BYTES: usize = 16 << 20;

/// Texts of a list: warnings, annotations, causes.
const MOST: usize = 1_000;

/// How much longer all texts of a case may be than its longest one. Beyond that, each has a few words.
const ALL_TEXTS: usize = 32;

/// Bytes of a text where a case has too many.
const FEW: usize = 200;

/// How long texts may be.
#[derive(Debug, Clone, Copy)]
pub(super) struct TextLimits {
    text: usize,
    patch: usize,
    all: usize,
}

impl TextLimits {
    /// Those of a run of this many cases. They depend on nothing else, so that a run always cuts the same texts.
    pub(super) fn of_run(cases: usize) -> Self {
        let share = (ALL_CASES / cases.max(1)).min(MOST_BYTES);
        let text = share.max(LEAST);
        // No more than twice the longest text where that is long already.
        Self { text, patch: share.max(LEAST_PATCH), all: (LEAST * ALL_TEXTS).max(2 * text) }
    }
}

/// Cuts the texts of a case that are too long.
pub(super) fn shorten(case: &mut CaseReport, limits: TextLimits) {
    let mut texts = Texts { kept: 0, limits };
    case.response.iter_mut().chain(&mut case.monitored).for_each(|response| texts.response(response));
    case.fault.iter_mut().for_each(|fault| texts.fault(fault));
    match &mut case.outcome {
        Outcome::Error(fault) => texts.fault(fault),
        Outcome::Failed(mismatches) => mismatches.iter_mut().for_each(|mismatch| texts.mismatch(mismatch)),
        _ => {}
    }
    texts.list(&mut case.warnings);
    case.calls.iter_mut().for_each(|call| texts.call(call));
    case.steps.iter_mut().chain(&mut case.members).for_each(|part| texts.part(part));
}

/// Counts what is kept.
struct Texts {
    kept: usize,
    limits: TextLimits,
}

impl Texts {
    fn text(&mut self, text: &mut String) {
        self.up_to(text, self.limits.text);
    }

    fn up_to(&mut self, text: &mut String, longest: usize) {
        let most = if self.kept + text.len().min(longest) > self.limits.all { FEW.min(longest) } else { longest };
        if text.len() > most {
            *text = shortened(text, most).into_owned();
        }
        self.kept += text.len();
    }

    fn list(&mut self, texts: &mut Vec<String>) {
        if let Some(more) = texts.len().checked_sub(MOST).filter(|more| *more > 0) {
            texts.truncate(MOST);
            texts.push(format!("… ({more} more)"));
        }
        texts.iter_mut().for_each(|text| self.text(text));
    }

    fn response(&mut self, response: &mut AdmissionResponse) {
        let AdmissionResponse { uid, allowed: _, patch_type: _, patch, status, audit_annotations, warnings } = response;
        self.text(uid);
        status.iter_mut().for_each(|status| self.status(status));
        patch.iter_mut().for_each(|patch| self.up_to(patch, self.limits.patch));
        warnings.iter_mut().for_each(|warnings| self.list(warnings));
        if let Some(annotations) = audit_annotations {
            let more = annotations.len().saturating_sub(MOST);
            let first = std::mem::take(annotations).into_iter().take(MOST).map(|(mut key, mut value)| {
                self.text(&mut key);
                self.text(&mut value);
                (key, value)
            });
            *annotations = first.collect();
            if more > 0 {
                annotations.insert("…".to_owned(), format!("{more} more"));
            }
        }
    }

    fn status(&mut self, status: &mut Status) {
        let Status { status: _, message, reason: _, details, code: _ } = status;
        message.iter_mut().for_each(|message| self.text(message));
        let Some(StatusDetails { name, group, kind, uid, causes, retry_after_seconds: _ }) = details else { return };
        [name, group, kind, uid].into_iter().flatten().for_each(|text| self.text(text));
        causes.truncate(MOST);
        for StatusCause { reason: _, message, field } in causes {
            [message, field].into_iter().flatten().for_each(|text| self.text(text));
        }
    }

    fn fault(&mut self, fault: &mut Fault) {
        self.text(&mut fault.message);
        fault.help.iter_mut().for_each(|help| self.text(help));
        // It became an answer, where there is one.
        fault.at_server = None;
    }

    fn mismatch(&mut self, mismatch: &mut Mismatch) {
        let Mismatch { kind: _, at, expected, actual, span: _ } = mismatch;
        [at, expected, actual].into_iter().for_each(|text| self.text(text));
    }

    fn call(&mut self, call: &mut HostCall) {
        let HostCall { capability, request, answered_by: _, error, resource: _, reply: _ } = call;
        [capability, request].into_iter().chain(error).for_each(|text| self.text(text));
    }

    fn part(&mut self, part: &mut PartReport) {
        part.response.iter_mut().chain(&mut part.monitored).for_each(|response| self.response(response));
        part.fault.iter_mut().for_each(|fault| self.fault(fault));
        part.calls.iter_mut().for_each(|call| self.call(call));
        part.members.iter_mut().for_each(|member| self.part(member));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(length: usize) -> AdmissionResponse {
        let text = "m".repeat(length);
        AdmissionResponse {
            patch: Some("p".repeat(2 * length)),
            status: Some(Status { message: Some(text.clone()), ..Status::default() }),
            audit_annotations: Some((0..2_000).map(|number| (format!("{number:05}"), text.clone())).collect()),
            warnings: Some(vec![text; 3_000]),
            ..AdmissionResponse::default()
        }
    }

    #[test]
    fn short_texts_stay_as_they_are() {
        let mut texts = Texts { kept: 0, limits: TextLimits::of_run(1_000_000) };
        let whole = AdmissionResponse {
            audit_annotations: Some([("a".to_owned(), "b".to_owned())].into()),
            warnings: Some(vec!["w".to_owned(); MOST]),
            ..response(LEAST)
        };
        let mut shortened = whole.clone();
        texts.response(&mut shortened);
        assert_eq!(shortened, whole);
    }

    #[test]
    fn long_texts_and_lists_are_cut_and_marked() {
        let mut texts = Texts { kept: 0, limits: TextLimits::of_run(1_000_000) };
        let mut response = response(1 << 20);
        texts.response(&mut response);
        let message = response.message().unwrap();
        assert!(message.starts_with("mmm") && message.ends_with("… (983040 more bytes)"), "{}", message.len());
        assert!(response.patch.unwrap().ends_with("… (1048576 more bytes)"));
        let warnings = response.warnings.unwrap();
        assert_eq!((warnings.len(), warnings[MOST].as_str()), (MOST + 1, "… (2000 more)"));
        let annotations = response.audit_annotations.unwrap();
        assert_eq!((annotations.len(), annotations["…"].as_str()), (MOST + 1, "1000 more"));
        assert!(texts.kept < LEAST * ALL_TEXTS + 3 * MOST * (FEW + 30), "{}", texts.kept);
    }

    #[test]
    fn runs_of_few_cases_keep_longer_texts() {
        let longest = |cases| TextLimits::of_run(cases).text;
        assert_eq!([1, 100, 1_000_000].map(longest), [16 << 20, (64 << 20) / 100, 64 << 10]);
        let mut texts = Texts { kept: 0, limits: TextLimits::of_run(20) };
        let whole = AdmissionResponse { audit_annotations: None, warnings: None, ..response(1 << 20) };
        let mut shortened = whole.clone();
        texts.response(&mut shortened);
        assert_eq!(shortened, whole);
    }
}
