//! What can be told of commands without running them: whether they fail, and whether they do anything.

use super::shell::syntax::{Block, Command, Piece, Pipeline, Simple, Statement};

/// Commands that change nothing a test asserts.
pub(super) const HARMLESS: [&str; 19] = [
    "echo",
    "printf",
    "true",
    ":",
    "mkdir",
    "rm",
    "touch",
    "sleep",
    "trap",
    "sync",
    "shopt",
    "chmod",
    "wait",
    "bats_require_minimum_version",
    "bats_load_library",
    "bats_test_begin",
    "bats_test_function",
    "clear",
    "kill",
];

/// Whether the commands end in a failure, whatever the answers are.
pub(super) fn always_fails(block: &Block) -> bool {
    block.iter().any(|statement| statement.rest.is_empty() && pipeline_fails(&statement.first))
}

/// Whether the pipeline does.
pub(super) fn pipeline_fails(pipeline: &Pipeline) -> bool {
    let [stage] = pipeline.stages.as_slice() else { return false };
    match &stage.command {
        Command::Group(block) | Command::Subshell(block) => !pipeline.is_negated && always_fails(block),
        Command::Simple(simple) => simple_fails(simple) != pipeline.is_negated && is_flow(simple),
        _ => false,
    }
}

fn is_flow(simple: &Simple) -> bool {
    matches!(name(simple), Some("return" | "exit" | "false" | "true" | "fail" | "flunk" | "die"))
}

fn simple_fails(simple: &Simple) -> bool {
    let argument = simple.words.get(1).and_then(|word| plain(word));
    match name(simple) {
        Some("false" | "fail" | "flunk" | "die") => true,
        Some("return" | "exit") => argument.is_some_and(|code| code != "0"),
        _ => false,
    }
}

/// Whether the commands do nothing but print.
pub(super) fn is_harmless(block: &Block) -> bool {
    block.iter().all(|statement: &Statement| {
        pipeline_is_harmless(&statement.first)
            && statement.rest.iter().all(|(_, pipeline)| pipeline_is_harmless(pipeline))
    })
}

/// Whether the pipeline does.
pub(super) fn pipeline_is_harmless(pipeline: &Pipeline) -> bool {
    pipeline.stages.iter().all(|stage| match &stage.command {
        Command::Simple(simple) => {
            simple.assignments.is_empty() && name(simple).is_some_and(|name| HARMLESS.contains(&name))
        }
        Command::Group(block) => is_harmless(block),
        _ => false,
    })
}

fn name(simple: &Simple) -> Option<&str> {
    simple.words.first().and_then(|word| plain(word))
}

fn plain(word: &[Piece]) -> Option<&str> {
    match word {
        [Piece::Literal(text, _)] => Some(text),
        _ => None,
    }
}
