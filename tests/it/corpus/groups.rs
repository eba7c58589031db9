//! Hostile members of groups.

use super::guest::{Ask, Hostile};
use crate::support::guests::{from_testdata, wapc_when_asked};

/// All of them.
pub(super) fn guests() -> Vec<Hostile> {
    let row = |name, module, kind, words, expression| {
        Hostile::new("kubewarden-wapc", name, module, kind, words).asked(Ask::Group(expression))
    };
    let late = "did not answer within 100ms";
    vec![
        row("member-loops", from_testdata("wapc-loop"), "timeout", late, "yes() && it()"),
        row(
            "member-validate-loops",
            wapc_when_asked("(loop $l (br $l)) (unreachable)"),
            "timeout",
            late,
            "yes() && it()",
        ),
        row("member-traps", wapc_when_asked("(unreachable)"), "trap", "unreachable", "yes() && it()"),
        row("member-is-asked-often", wapc_when_asked("(unreachable)"), "trap", "unreachable", "it() || it() || yes()"),
        row("member-hogs", from_testdata("wapc-memory-hog-traps"), "memory", "more than the 64 MiB", "it() || yes()"),
        row("member-floods", from_testdata("wapc-stdout-flood"), "limit", "too much to stdout", "it() && yes()"),
        row("member-mumbles", from_testdata("wapc-garbage-reply"), "invalid-response", "I think so", "yes() && it()"),
    ]
}
