//! Hostile WASI programs.

use super::guest::{Ask, Hostile};
use crate::support::guests::{repeating, wasi_when_asked, wasi_with};

const MODE: &str = "wasi";

const CALL: &str = "(import \"host\" \"call\" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))";

const NAMES: &str = r#"(data (i32.const 1024) "kubewarden") (data (i32.const 1040) "oci") (data (i32.const 1056) "v1/manifest_digest")"#;

/// A program that prints a reply made of `item` over and over.
fn giant(prefix: &str, item: &str, doublings: u32, suffix: &str) -> Vec<u8> {
    let (items, body) = repeating(prefix, item, doublings, suffix);
    wasi_with("", &items, &format!("{body} (call $print (i32.const 1) (local.get $at) (local.get $len))"))
}

/// All of them.
pub(super) fn guests() -> Vec<Hostile> {
    let row = |name, module, kind, words| Hostile::new(MODE, name, module, kind, words);
    let of_testdata = |name, kind, words| Hostile::of_testdata(MODE, name, kind, words);
    let late = "did not answer within 100ms";
    let again = |what: &str| wasi_when_asked(&format!("(loop $again {what} (br $again))"));
    let calls = |name_len: u32, payload_len: u32| {
        let body = format!(
            "(drop (memory.grow (i32.const 800)))
             (loop $again
               (drop (call $call (i32.const 1024) (i32.const 10) (i32.const 1040) (i32.const 3)
                 (i32.const 1056) (i32.const {name_len}) (i32.const 65536) (i32.const {payload_len})))
               (br $again))"
        );
        wasi_with(CALL, NAMES, &body)
    };
    let table = "(type $t (func)) (table 2 funcref)";
    vec![
        of_testdata("wasi-loop", "timeout", late),
        of_testdata("wasi-loop", "timeout", late).asked(Ask::Settings).named("wasi-settings-loop"),
        row("wasi-validate-loops", again(""), "timeout", late),
        row("wasi-prints-nothing", again("(call $print (i32.const 1) (i32.const 0) (i32.const 0))"), "timeout", late),
        row(
            "wasi-fills-memory",
            again("(memory.fill (i32.const 4096) (i32.const 1) (i32.const 60000))"),
            "timeout",
            late,
        ),
        row("wasi-start-section-loops", wasi_with("", "(func $s (loop $l (br $l))) (start $s)", ""), "timeout", late),
        of_testdata("wasi-memory-hog", "memory", "more than the 64 MiB it may have"),
        row(
            "wasi-memory-minimum",
            wasi_with("", "(memory $big 2000)", ""),
            "memory",
            "more than the 64 MiB it may have",
        ),
        row(
            "wasi-table-hog",
            wasi_with("", table, "(drop (table.grow 0 (ref.null func) (i32.const 1000000)))"),
            "memory",
            "more than the 262144 it may have",
        ),
        of_testdata("wasi-trap", "trap", "wasm `unreachable` instruction executed"),
        row("wasi-recurses", wasi_with("", "(func $a (call $a))", "(call $a)"), "trap", "call stack exhausted"),
        row(
            "wasi-loads-outside",
            wasi_when_asked("(drop (i32.load (i32.const -8)))"),
            "trap",
            "out of bounds memory access",
        ),
        row(
            "wasi-calls-nothing",
            wasi_with("", table, "(call_indirect (type $t) (i32.const 1))"),
            "trap",
            "uninitialized element",
        ),
        row(
            "wasi-prints-from-outside",
            wasi_when_asked("(call $print (i32.const 1) (i32.const -9) (i32.const 100))"),
            "trap",
            "`fd_write` was given",
        ),
        of_testdata("wasi-host-call-out-of-range", "trap", "`host.call` was given"),
        of_testdata("wasi-exit-1", "settings", "bad thing"),
        of_testdata("wasi-exit-134", "settings", "rejects these settings"),
        row(
            "wasi-exits-oddly",
            wasi_when_asked("(call $exit (i32.const -2147483648))"),
            "guest",
            "exited with code -2147483648",
        ),
        of_testdata("wasi-garbage-reply", "invalid-response", "expected value at line 1 column 1"),
        of_testdata("wasi-silent", "invalid-response", "reply is empty"),
        row(
            "wasi-nested-reply",
            giant("{\"accepted\":true,\"mutated_object\":", "[", 20, ""),
            "invalid-response",
            "recursion limit",
        ),
        row(
            "wasi-reply-of-small-objects",
            giant("{\"accepted\":true,\"mutated_object\":{\"l\":[", "{},{},{},{},", 17, "0]}}"),
            "limit",
            "needs more than 64 MiB of memory on the host",
        ),
        of_testdata("wasi-stdout-flood", "limit", "bytes for stdout"),
        of_testdata("wasi-stderr-flood", "limit", "bytes for stderr"),
        of_testdata("wasi-host-call-flood", "limit", "more than 10000 host calls"),
        row("wasi-long-name-of-a-call", calls(60_000, 4), "limit", "the name of a host call has 60000 bytes"),
        row("wasi-long-payloads", calls(18, 40_000_000), "limit", "bytes with its host"),
        row("wasi-without-start", wasi_without_start(), "compile", "_start"),
    ]
}

/// A module with a memory and nothing else.
fn wasi_without_start() -> Vec<u8> {
    wat::parse_str("(module (memory (export \"memory\") 1))").unwrap()
}
