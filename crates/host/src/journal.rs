//! The calls of a case, for the report and for recordings.

use policy_verify_model::hosting::{Exchange, HostCall, TableEntry};
use policy_verify_model::source::Span;

use super::record::Recorded;
use super::replay::Replay;
use super::request::Request;

/// Most unused calls of a recording that are listed one by one.
const MAX_LEFTOVERS: usize = 10;

/// The calls of a case, its log, and what was left unused.
#[derive(Debug, Default)]
pub struct Journal {
    /// The calls, in order.
    pub calls: Vec<HostCall>,
    /// Lines logged through `tracing/log`.
    pub log_lines: Vec<String>,
    /// Whether lines are missing at the end of `log_lines` because there were too many.
    pub is_log_truncated: bool,
    /// Unused mocks of the case's own `host:`, and unused calls of strict recordings.
    pub unused: Vec<Unused>,
    /// Unused calls of the case's own recording if its order is not strict, and remarks of the live host.
    pub warnings: Vec<String>,
    /// The answered calls, if they are recorded. Nothing if a call had no answer: a replay of the rest would hide that.
    pub recorded: Option<Vec<Recorded>>,
    /// How many instructions the policies executed, where the engine counts them; else 0.
    pub instructions: u64,
    /// The most that the memories of one of their instances had, in bytes.
    pub memory: u64,
}

impl Journal {
    /// Adds to the recording the calls that only another evaluation made, so that a replay can answer both.
    pub fn record_more(&mut self, other: Self) {
        self.recorded = self.recorded.take().zip(other.recorded).map(|(mut recorded, other)| {
            let new: Vec<Recorded> = other.into_iter().filter(|call| !recorded.contains(call)).collect();
            recorded.extend(new);
            recorded
        });
    }
}

/// An unused mock, or an unused call of a recording.
#[derive(Debug)]
pub struct Unused {
    /// Full name of the capability.
    pub capability: String,
    /// The request it answers.
    pub request: String,
    /// Where it is written.
    pub span: Span,
}

pub(crate) fn unused_entry(entry: &TableEntry) -> Unused {
    let TableEntry { capability, request, .. } = entry;
    Unused { capability: capability.clone(), request: request.value.clone(), span: request.span.clone() }
}

pub(crate) fn unused_exchange(exchange: &Exchange) -> Unused {
    let (capability, request) = described(exchange);
    Unused { capability, request, span: exchange.span.clone() }
}

/// Capability and short form of a recorded request.
fn described(exchange: &Exchange) -> (String, String) {
    match Request::from_recorded(&exchange.variant, &exchange.members) {
        Some(request) => (request.capability().to_owned(), request.short()),
        None => (exchange.variant.clone(), exchange.members.to_string()),
    }
}

pub(crate) fn leftover_warnings(replay: &Replay) -> Vec<String> {
    let mut warnings: Vec<String> = replay
        .leftovers()
        .take(MAX_LEFTOVERS)
        .map(|exchange| {
            let (capability, request) = described(exchange);
            format!("{}: unused recorded call {capability}({request:?})", exchange.span.file_and_line())
        })
        .collect();
    let more = replay.leftovers().count().saturating_sub(MAX_LEFTOVERS);
    if more > 0 {
        warnings.push(format!("{more} more unused recorded calls"));
    }
    warnings
}
