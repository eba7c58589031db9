//! What a terminal sees while `verify push` and `verify pull` are at it, and what a large module takes of memory.

#![cfg(target_os = "linux")]

use std::time::Duration;

use crate::push::{push, reference, repository};
use crate::support::guests;
use crate::support::program::program;
use crate::support::registry::{FakeRegistry, Reaction};

/// A module that does nothing, with as many bytes that nobody reads.
fn padded(bytes: usize) -> Vec<u8> {
    guests::padded(wat::parse_str("(module (func (export \"__guest_call\")))").unwrap(), bytes)
}

#[test]
fn a_terminal_sees_how_far_an_upload_is() {
    let target = FakeRegistry::start();
    target.latency(Duration::from_millis(150));
    let repository = repository(&target).write("policy.wasm", padded(6 << 20));
    let to = reference(&target, "v1");
    let command = format!("verify push --force policy.wasm {to} --sources-path sources.yaml");
    // Nobody watches a pipe.
    repository.shell(&command).run().exits_with(0).never_says("MiB");
    let Some(shell) = repository.terminal(&command) else { return };
    target.content().blobs.clear();
    let pushed = format!("Policy successfully pushed: {}@sha256:", to.trim_end_matches(":v1"));
    let run = shell.run().exits_with(0).says(&["pushing", "6.00 MiB/6.00 MiB", &pushed]);
    let bars = run.stdout.matches("MiB/6.00 MiB").count();
    assert!(bars > 1, "{bars} bars\n{run}");
    target.content().blobs.clear();
    repository.terminal(&command).unwrap().env("CI", "true").run().exits_with(0).never_says("MiB");
}

#[test]
fn a_terminal_sees_what_is_fetched() {
    let target = FakeRegistry::start();
    target.latency(Duration::from_millis(150));
    let repository = repository(&target);
    let to = reference(&target, "v1");
    push(&repository, &target, "v1", &[]).exits_with(0);
    let command = format!("verify pull {to} -o pulled.wasm --sources-path sources.yaml");
    repository.shell(&command).run().exits_with(0).never_says("fetching");
    let Some(shell) = repository.terminal(&command) else { return };
    shell.run().exits_with(0).says(&[&format!("fetching {to}"), "pulled.wasm: "]);
    repository.terminal(&command).unwrap().env("CI", "true").run().exits_with(0).never_says("fetching");
}

/// Reading a file takes its length twice for a moment, and the allocator keeps what was freed a moment longer; sending it
/// takes nothing more, even where it goes in one piece.
#[test]
fn a_large_module_is_sent_from_where_it_is() {
    const MODULE: usize = 64 << 20;
    let Some(time) = program("time") else { return };
    let target = FakeRegistry::start();
    target.fails(|asked| (asked.method == "PATCH").then(|| Reaction::status(405)));
    let repository = repository(&target).write("policy.wasm", padded(MODULE));
    let line = format!(
        "{} -f 'peak %M' verify push --force policy.wasm {} --sources-path sources.yaml",
        time.display(),
        reference(&target, "v1")
    );
    let run = repository.shell(&line).run().exits_with(0);
    let peak = run.stderr.lines().find_map(|line| line.strip_prefix("peak ")).unwrap();
    let peak: usize = peak.trim().parse::<usize>().unwrap() * 1024;
    assert!(peak < MODULE * 7 / 2 + (32 << 20), "{} MiB", peak >> 20);
    target.content().is_consistent();
}
