//! Hostile waPC guests.

use serde_json::{Map, Value, json};

use super::guest::{Ask, Hostile};
use crate::support::guests::{repeating, replying, wapc_when_asked, wapc_with};

const MODE: &str = "kubewarden-wapc";

const HOST_CALL: &str = r#"
    (import "wapc" "__host_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
    (import "wapc" "__host_response" (func $response (param i32)))
    (import "wapc" "__host_error" (func $error (param i32)))
    (import "wapc" "__console_log" (func $log (param i32 i32)))"#;

/// Names of a host call: binding at 1024, namespace at 1040, operation at 1056, and a payload at 1072.
const NAMES: &str = r#"
    (data (i32.const 1024) "kubewarden") (data (i32.const 1040) "oci") (data (i32.const 1056) "v1/manifest_digest")
    (data (i32.const 1088) "\22ghcr.io/acme/a:1\22")"#;

const WASI: &str = r#"
    (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
    (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
    (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))"#;

/// A guest that gives a reply made of `item` over and over.
fn giant(prefix: &str, item: &str, doublings: u32, suffix: &str) -> Vec<u8> {
    let (items, body) = repeating(prefix, item, doublings, suffix);
    wapc_with("", &items, &format!("{body} (call $respond (local.get $at) (local.get $len)) (i32.const 1)"))
}

/// A guest that does something for ever.
fn again(imports: &str, items: &str, what: &str) -> Vec<u8> {
    wapc_with(imports, items, &format!("(loop $again {what} (br $again)) (unreachable)"))
}

/// Guests that never come back by themselves.
fn endless() -> Vec<Hostile> {
    let row = |name, module| Hostile::new(MODE, name, module, "timeout", "did not answer within 100ms");
    let of_testdata = |name| Hostile::of_testdata(MODE, name, "timeout", "did not answer within 100ms");
    let settings_loop = "(func (export \"wapc_init\")) (func $for_ever (loop $again (br $again)))";
    vec![
        of_testdata("wapc-loop"),
        of_testdata("wapc-init-loops"),
        of_testdata("wapc-sleeps-for-ever"),
        of_testdata("wapc-sleeps"),
        of_testdata("wapc-memory-hog-loops"),
        row("validate-loops", again("", "", "")),
        row("start-loops", wapc_with("", "(func (export \"_start\") (loop $l (br $l)))", "(i32.const 1)")),
        row("start-section-loops", wapc_with("", "(func $s (loop $l (br $l))) (start $s)", "(i32.const 1)")),
        row("calls-for-ever", again("", settings_loop, "(call $for_ever)")),
        row("tail-calls", wapc_with("", "(func $tail (return_call $tail))", "(call $tail) (i32.const 1)")),
        row("switches", again("", "", "(block (br_table 0 0 0 (i32.const 1)))")),
        row(
            "fills-memory",
            again(
                "",
                "",
                "(drop (memory.grow (i32.const 100))) (memory.fill (i32.const 65536) (i32.const 1) (i32.const 6000000))",
            ),
        ),
        row(
            "copies-memory",
            again(
                "",
                "",
                "(drop (memory.grow (i32.const 100))) (memory.copy (i32.const 0) (i32.const 9) (i32.const 6000000))",
            ),
        ),
        row(
            "fills-a-table",
            again("", "(table $t 200000 funcref)", "(table.fill $t (i32.const 0) (ref.null func) (i32.const 200000))"),
        ),
        row("grows-by-nothing", again("", "", "(drop (memory.grow (i32.const 0)))")),
        row("wants-too-much-again", again("", "", "(drop (memory.grow (i32.const 65000)))")),
        Hostile::new(
            MODE,
            "draws-random-bytes",
            again(
                WASI,
                "",
                "(drop (memory.grow (i32.const 500))) (drop (call $random (i32.const 0) (i32.const 30000000)))",
            ),
            // Whoever meets the deadline first tells it: the guest, or the work for it.
            "timeout",
            "100ms",
        ),
        row("reads-the-clock", again(WASI, "", "(drop (call $clock (i32.const 1) (i64.const 0) (i32.const 2048)))")),
        row("yields", again(WASI, "", "(drop (call $yield))")),
        row(
            "prints-nothing",
            again(WASI, "", "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 0) (i32.const 2048)))"),
        ),
        row(
            "reads-nothing",
            again(WASI, "", "(drop (call $fd_read (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 2048)))"),
        ),
        row("throws-and-catches", again("", "(tag $e)", "(block $caught (try_table (catch $e $caught) (throw $e)))")),
        row(
            "makes-garbage",
            again("", "(type $block (array i64))", "(drop (array.new $block (i64.const 7) (i32.const 65536)))"),
        ),
        row(
            "replies-for-ever",
            again(
                "",
                "",
                "(drop (memory.grow (i32.const 200))) (call $respond (i32.const 65536) (i32.const 12000000))",
            ),
        ),
        row(
            "reads-one-answer-for-ever",
            again(
                HOST_CALL,
                NAMES,
                "(if (i32.eqz (local.get $at)) (then (local.set $at (i32.const 1)) (drop (call $call
                   (i32.const 1024) (i32.const 10) (i32.const 1040) (i32.const 3) (i32.const 1056) (i32.const 18)
                   (i32.const 1088) (i32.const 17)))))
                 (call $error (i32.const 4096))",
            ),
        ),
    ]
}

/// Guests that want more memory than they may have.
fn hogs() -> Vec<Hostile> {
    let row = |name, module, words| Hostile::new(MODE, name, module, "memory", words);
    let of_testdata = |name, words| Hostile::of_testdata(MODE, name, "memory", words);
    let too_much = "more than the 64 MiB it may have";
    let memories = format!("(memory $b {0}) (memory $c {0}) (memory $d {0}) (memory $e {0}) (memory $f {0})", 1000);
    let tables = "(table 200000 funcref) ".repeat(50);
    vec![
        of_testdata("wapc-memory-hog-traps", too_much),
        of_testdata("wapc-memory-hog-reports", too_much),
        of_testdata("wapc-memory-minimum", too_much),
        of_testdata("wapc-table-hog", "more than the 262144 it may have"),
        of_testdata("wapc-gc-hog", too_much),
        row("many-memories", wapc_with("", &memories, "(i32.const 1)"), "MiB"),
        row("many-tables", wapc_with("", &tables, "(i32.const 1)"), "MiB"),
        row("large-table", wapc_with("", "(table 100000000 funcref)", "(i32.const 1)"), "MiB"),
        row(
            "one-giant-array",
            wapc_with(
                "",
                "(type $block (array i64))",
                "(drop (array.new $block (i64.const 7) (i32.const 100000000))) (i32.const 1)",
            ),
            too_much,
        ),
        row("memory64", wapc_with("", "(memory $big i64 1000000)", "(i32.const 1)"), too_much),
    ]
}

/// Pointers to where nothing is.
fn pointers() -> Vec<Hostile> {
    let row = |name, module, words| Hostile::new(MODE, name, module, "trap", words);
    let of_testdata = |name, words| Hostile::of_testdata(MODE, name, "trap", words);
    let calls = |what: &str| wapc_with(WASI, "", &format!("(drop {what}) (i32.const 1)"));
    vec![
        of_testdata("wapc-response-out-of-range", "`__guest_response` was given"),
        of_testdata("wapc-response-overflow", "outside the policy's memory"),
        of_testdata("wapc-error-out-of-range", "`__guest_error` was given"),
        of_testdata("wapc-request-out-of-range", "`__guest_request` was given"),
        of_testdata("wapc-host-call-out-of-range", "`__host_call` was given"),
        of_testdata("wapc-wasi-out-of-range", "`random_get` was given"),
        row(
            "log-out-of-range",
            wapc_with(HOST_CALL, "", "(call $log (i32.const -1) (i32.const -1)) (i32.const 1)"),
            "`__console_log` was given",
        ),
        row(
            "answer-out-of-range",
            wapc_with(
                HOST_CALL,
                NAMES,
                "(drop (call $call
                   (i32.const 1024) (i32.const 10) (i32.const 1040) (i32.const 3) (i32.const 1056) (i32.const 18)
                   (i32.const 1088) (i32.const 17)))
                 (call $error (i32.const 65535)) (i32.const 1)",
            ),
            "`__host_error` was given",
        ),
        row(
            "buffers-out-of-range",
            calls("(call $fd_write (i32.const 1) (i32.const 65530) (i32.const 9) (i32.const 0))"),
            "`fd_write` was given",
        ),
        row("clock-out-of-range", calls("(call $clock (i32.const 1) (i64.const 0) (i32.const -4))"), "out of bounds"),
        row(
            "poll-out-of-range",
            calls("(call $poll (i32.const -64) (i32.const 0) (i32.const 1) (i32.const 0))"),
            "`poll_oneoff` was given",
        ),
    ]
}

/// Every trap there is.
fn traps() -> Vec<Hostile> {
    let row = |name, items: &str, body: &str, words| {
        let module = wapc_with("", items, &format!("{body} (i32.const 1)"));
        Hostile::new(MODE, name, module, "trap", words)
    };
    let of_testdata = |name, words| Hostile::of_testdata(MODE, name, "trap", words);
    let table = "(type $t (func)) (type $other (func (param i64))) (func $f (type $other)) (table 2 funcref) (elem (i32.const 0) $f)";
    let gc = "(type $list (array i32)) (type $a (struct (field i32))) (type $b (struct (field i64)))";
    let frames = format!("(func $deep {} (call $deep))", "(local v128 v128 v128 v128 v128 v128 v128 v128)".repeat(200));
    vec![
        of_testdata("wapc-trap", "wasm `unreachable` instruction executed"),
        of_testdata("wapc-stack-overflow", "call stack exhausted"),
        of_testdata("wapc-exits", "the policy exited with code 2"),
        of_testdata("wapc-initialize", "unreachable"),
        of_testdata("wapc-throws", "exception"),
        row("divides-by-zero", "", "(drop (i32.div_s (i32.const 1) (i32.const 0)))", "integer divide by zero"),
        row("overflows", "", "(drop (i32.div_s (i32.const 0x80000000) (i32.const -1)))", "integer overflow"),
        row("converts-nan", "", "(drop (i32.trunc_f32_s (f32.const nan)))", "invalid conversion to integer"),
        row("converts-too-much", "", "(drop (i32.trunc_f64_u (f64.const 1e300)))", "integer overflow"),
        row("loads-outside", "", "(drop (i32.load (i32.const -8)))", "out of bounds memory access"),
        row(
            "stores-outside",
            "",
            "(i64.store offset=4294967295 (i32.const -8) (i64.const 1))",
            "out of bounds memory access",
        ),
        row(
            "fills-outside",
            "",
            "(memory.fill (i32.const 65535) (i32.const 1) (i32.const -1))",
            "out of bounds memory access",
        ),
        row(
            "copies-outside",
            "",
            "(memory.copy (i32.const 0) (i32.const 1) (i32.const -1))",
            "out of bounds memory access",
        ),
        row(
            "initialises-outside",
            "(data $d \"x\")",
            "(memory.init $d (i32.const 0) (i32.const 9) (i32.const 9))",
            "out of bounds memory access",
        ),
        row("calls-outside-the-table", table, "(call_indirect (type $t) (i32.const 99))", "undefined element"),
        row("calls-nothing", table, "(call_indirect (type $t) (i32.const 1))", "uninitialized element"),
        row("calls-another-type", table, "(call_indirect (type $t) (i32.const 0))", "indirect call type mismatch"),
        row("reads-outside-the-table", table, "(drop (table.get 0 (i32.const -1)))", "out of bounds table access"),
        row(
            "fills-outside-the-table",
            table,
            "(table.fill 0 (i32.const 1) (ref.null func) (i32.const -1))",
            "out of bounds table access",
        ),
        row("calls-a-null-reference", table, "(call_ref $t (ref.null $t))", "null reference"),
        row(
            "reads-outside-an-array",
            gc,
            "(drop (array.get $list (array.new $list (i32.const 1) (i32.const 2)) (i32.const 9)))",
            "out of bounds array access",
        ),
        row("casts-to-another-type", gc, "(drop (ref.cast (ref $b) (struct.new $a (i32.const 1))))", "cast failure"),
        row("reads-a-null-struct", gc, "(drop (struct.get $a 0 (ref.null $a)))", "null reference"),
        row("unaligned-atomic", "", "(drop (i32.atomic.load (i32.const 1)))", "unaligned atomic"),
        row(
            "waits-for-nobody",
            "",
            "(drop (memory.atomic.wait32 (i32.const 0) (i32.const 0) (i64.const -1)))",
            "atomic wait on non-shared memory",
        ),
        row("recurses-in-turns", "(func $a (call $b)) (func $b (call $a))", "(call $a)", "call stack exhausted"),
        row("recurses-in-large-frames", &frames, "(call $deep)", "call stack exhausted"),
        row(
            "recurses-through-a-table",
            "(type $t (func)) (table 1 funcref) (elem (i32.const 0) $a) (func $a (call_indirect (type $t) (i32.const 0)))",
            "(call $a)",
            "call stack exhausted",
        ),
    ]
}

/// Guests that fail before they are asked anything.
fn starts() -> Vec<Hostile> {
    let of_testdata = |name, words| Hostile::of_testdata(MODE, name, "init", words);
    let row = |name, items, words| Hostile::new(MODE, name, wapc_with("", items, "(i32.const 1)"), "init", words);
    vec![
        of_testdata("wapc-init-traps", "the policy failed in its `wapc_init`"),
        of_testdata("wapc-start-exits", "the policy failed in its `_start`"),
        of_testdata("wapc-start-section-traps", "could not be instantiated"),
        of_testdata("wapc-shared-memory", "could not be instantiated"),
        row("data-outside", "(data (i32.const 65530) \"0123456789\")", "could not be instantiated"),
        row("elements-outside", "(table 1 funcref) (func $f) (elem (i32.const 9) $f)", "could not be instantiated"),
        row("start-recurses", "(func $s (export \"_start\") (call $s))", "the policy failed in its `_start`"),
    ]
}

/// Replies, logs and calls that are too many, too long, or no replies at all.
fn replies() -> Vec<Hostile> {
    let row = |name, module, kind, words| Hostile::new(MODE, name, module, kind, words);
    let of_testdata = |name, kind, words| Hostile::of_testdata(MODE, name, kind, words);
    let fails = {
        let (items, body) = repeating("", "0123456789abcdef", 20, "");
        wapc_with("", &items, &format!("{body} (call $fail (local.get $at) (local.get $len)) (i32.const 0)"))
    };
    let calls = |name_len: u32, payload_len: u32| {
        format!(
            "(drop (memory.grow (i32.const 800)))
             (drop (call $call (i32.const 1024) (i32.const 10) (i32.const 1040) (i32.const 3)
               (i32.const 1056) (i32.const {name_len}) (i32.const 65536) (i32.const {payload_len})))"
        )
    };
    let reply = "{\"accepted\":true,\"mutated_object\":{\"l\":[";
    vec![
        of_testdata("wapc-garbage-reply", "invalid-response", "it begins with `I think so`"),
        of_testdata("wapc-empty-reply", "invalid-response", "reply is empty"),
        of_testdata("wapc-accepted-missing", "invalid-response", "missing field `valid`"),
        of_testdata("wapc-succeeds-silently", "settings", "No error message OR response set for call success"),
        of_testdata("wapc-reply-too-long", "limit", "reply of 17825792 bytes"),
        of_testdata("wapc-stdout-flood", "limit", "too much to stdout"),
        of_testdata("wapc-console-log-flood", "limit", "too much to its log"),
        of_testdata("wapc-host-call-flood", "limit", "more than 10000 host calls"),
        row("error-of-16-mib", fails, "guest", "0123456789abcdef"),
        row(
            "nested-reply",
            giant("{\"accepted\":true,\"mutated_object\":", "[", 20, ""),
            "invalid-response",
            "recursion limit",
        ),
        row(
            "reply-of-small-objects",
            giant(reply, "{},{},{},{},", 17, "0]}}"),
            "limit",
            "needs more than 64 MiB of memory on the host",
        ),
        row(
            "reply-of-small-lists",
            giant(reply, "[],[],[],[],", 20, "0]}}"),
            "limit",
            "needs more than 64 MiB of memory on the host",
        ),
        row(
            "reply-of-warnings",
            giant("{\"accepted\":true,\"warnings\":[", "\"\",\"\",\"\",\"\",", 19, "\"\"]}"),
            "limit",
            "needs more than 64 MiB of memory on the host",
        ),
        row(
            "number-of-a-million-digits",
            giant("{\"accepted\":true,\"mutated_object\":{\"n\":", "9999999999999999", 16, "}}"),
            "invalid-response",
            "number out of range",
        ),
        row(
            "reply-of-nul-bytes",
            giant("", "\0\0\0\0", 20, ""),
            "invalid-response",
            "expected value at line 1 column 1",
        ),
        row(
            "reply-that-is-no-text",
            wapc_with(
                "",
                "(data (i32.const 1024) \"{\\22accepted\\22:\\ff\\fe}\")",
                "(call $respond (i32.const 1024) (i32.const 15)) (i32.const 1)",
            ),
            "invalid-response",
            "expected value at line 1 column 13",
        ),
        row(
            "code-of-100-digits",
            giant("{\"accepted\":false,\"code\":", "9", 6, "}"),
            "invalid-response",
            "expected u16",
        ),
        row(
            "long-name-of-a-call",
            wapc_with(HOST_CALL, NAMES, &format!("{} (i32.const 1)", calls(60_000, 4))),
            "limit",
            "the name of a host call has 60000 bytes",
        ),
        row("long-payloads", again(HOST_CALL, NAMES, &calls(18, 40_000_000)), "limit", "bytes with its host"),
        row(
            "call-without-a-mock",
            wapc_with(
                HOST_CALL,
                NAMES,
                "(drop (call $call (i32.const 1024) (i32.const 10) (i32.const 1040) (i32.const 3)
                   (i32.const 1056) (i32.const 18) (i32.const 1088) (i32.const 18)))
                 (i32.const 1)",
            ),
            "host",
            "no mock for oci/v1/manifest_digest",
        ),
    ]
}

/// Mutations whose patches would repeat a long key, or move a long list, again and again.
fn patches() -> Vec<Hostile> {
    let key = "k".repeat(1 << 19);
    let members = |value: u8| json!({ &key: (0..200).map(|at| (at.to_string(), json!(value))).collect::<Map<_, _>>() });
    let mutating =
        |document: &Value| replying(&format!("{{\"valid\":true,\"accepted\":true,\"mutated_object\":{document}}}"));
    let row = |name, before: &Value, after: &Value| {
        let words = "the patch to the mutated object needs more";
        Hostile::new(MODE, name, mutating(after), "limit", words).asked(Ask::Raw(before.to_string()))
    };
    vec![
        row("patch-of-long-keys", &members(2), &members(1)),
        row("patch-of-a-long-list", &json!({"l": vec![0; 900_000]}), &json!({"l": []})),
    ]
}

/// Modules that lack what waPC needs.
fn misfits() -> Vec<Hostile> {
    let of_testdata = |name, words| Hostile::of_testdata(MODE, name, "compile", words);
    vec![
        of_testdata("wapc-no-memory", "memory"),
        of_testdata("wapc-odd-signature", "__guest_call"),
        of_testdata("wapc-unknown-import", "import"),
    ]
}

/// All of them.
pub(super) fn guests() -> Vec<Hostile> {
    let mut all = [endless(), hogs(), pointers(), traps(), starts(), replies(), misfits()]
        .into_iter()
        .flatten()
        .collect::<Vec<_>>();
    let settings = wapc_with("", "", "(i32.const 1)");
    let loops = |name| Hostile::of_testdata(MODE, name, "timeout", "did not answer within 100ms");
    let raw = || Ask::Raw("{}".to_owned());
    all.extend(patches());
    all.push(loops("wapc-loop").asked(Ask::Settings).named("settings-loop"));
    all.push(loops("wapc-init-loops").asked(raw()).named("raw-init-loops"));
    all.push(
        Hostile::new(MODE, "raw-validate-loops", again("", "", ""), "timeout", "did not answer within 100ms")
            .asked(raw()),
    );
    all.push(Hostile::new(MODE, "raw-traps", wapc_when_asked("(unreachable)"), "trap", "unreachable").asked(raw()));
    all.push(Hostile::new(MODE, "raw-without-reply", settings, "guest", "No error message OR response").asked(raw()));
    all
}
