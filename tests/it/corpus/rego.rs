//! Hostile modules of OPA's ABI, in both modes of Rego.

use super::guest::Hostile;
use crate::support::guests::{opa_with, repeating};

/// What an OPA policy answers that allows everything.
const ALLOWED: &str = r#"[{"result":{"response":{"uid":"","allowed":true}}}]"#;

/// A module that does something else when it is asked, in this function.
fn doing(function: &str, body: &str) -> Vec<u8> {
    opa_with("", ALLOWED, &[(function, body)])
}

/// A module whose results are `item` over and over.
fn giant(prefix: &str, item: &str, doublings: u32, suffix: &str) -> Vec<u8> {
    let (items, body) = repeating(prefix, item, doublings, &format!("{suffix}\0"));
    let eval = format!("{body} (i32.const 0)");
    opa_with(&items, "", &[("eval", &eval), ("opa_eval_ctx_get_result", "(i32.const 65536)")])
}

/// What fails alike in both modes.
fn of_both(mode: &'static str) -> Vec<Hostile> {
    let late = "did not answer within 100ms";
    let for_ever = "(loop $again (br $again)) (unreachable)";
    let settings = "(loop $again (br $again))";
    let grows = "(loop $again (br_if $again (i32.ne (memory.grow (i32.const 10)) (i32.const -1)))) (unreachable)";
    let row = |name: &str, module, kind, words| Hostile::new(mode, format!("{mode}-{name}"), module, kind, words);
    vec![
        row("eval-loops", doing("eval", for_ever), "timeout", late),
        row("builtins-loop", doing("builtins", for_ever), "timeout", late),
        row("dump-loops", doing("opa_json_dump", for_ever), "timeout", late),
        row("malloc-loops", doing("opa_malloc", for_ever), "timeout", late),
        row("parse-loops", doing("opa_json_parse", for_ever), "timeout", late),
        row("data-loops", doing("opa_eval_ctx_set_data", settings), "timeout", late),
        row("result-loops", doing("opa_eval_ctx_get_result", for_ever), "timeout", late),
        row("memory-hog", doing("eval", grows), "memory", "more than the 64 MiB it may have"),
        row("trap", doing("eval", "(unreachable)"), "trap", "wasm `unreachable` instruction executed"),
        row("recurses", doing("eval", "(call $eval (i32.const 0))"), "trap", "call stack exhausted"),
        row("aborts-wildly", doing("eval", "(call $abort (i32.const -1)) (i32.const 0)"), "trap", "`opa_abort`"),
        row(
            "unlisted-builtin",
            doing("eval", "(call $builtin0 (i32.const 77) (i32.const 0))"),
            "trap",
            "the built-in number 77",
        ),
        row("malloc-outside", doing("opa_malloc", "(i32.const -8)"), "trap", "`opa_malloc`"),
        row("result-outside", doing("opa_eval_ctx_get_result", "(i32.const -8)"), "trap", "`opa_json_dump`"),
        row("builtins-outside", doing("builtins", "(i32.const -8)"), "init", "`opa_json_dump`"),
        row("builtins-unreadable", doing("builtins", "(i32.const 2048)"), "init", "list of built-ins cannot be read"),
        row(
            "log-flood",
            doing("eval", "(loop $again (call $println (i32.const 2048)) (br $again)) (unreachable)"),
            "limit",
            "too much to its log",
        ),
        row("nested-result", giant("[{\"result\":", "[", 20, ""), "invalid-response", "recursion limit"),
        row("giant-result", giant("", "x", 25, ""), "limit", "longer than"),
        row(
            "misshapen-result",
            opa_with("", "[{\"result\":7}]", &[]),
            "invalid-response",
            if mode == "opa" { "cannot interpret" } else { "the entry point is a number" },
        ),
    ]
}

/// A module that calls a built-in with an argument of at least half of `bytes`, `item` over and over, between these other
/// arguments.
fn with_giant(
    bytes: usize,
    builtin: &str,
    before: &[&str],
    (prefix, item, suffix): (&str, &str, &str),
    after: &[&str],
) -> Vec<u8> {
    let doublings = (bytes / item.len()).ilog2();
    let (mut items, body) = repeating(prefix, item, doublings, &format!("{suffix}\0"));
    let mut at = 8_192;
    let mut data = |text: &str| {
        let escaped: String = text.bytes().map(|byte| format!("\\{byte:02x}")).collect();
        items += &format!("(data (i32.const {at}) \"{escaped}\\00\")");
        let address = format!("(i32.const {at})");
        at += text.len() + 1;
        address
    };
    let list = data(&format!("{{\"{builtin}\":0}}"));
    let before: String = before.iter().map(|text| data(text)).collect();
    let after_texts: String = after.iter().map(|text| data(text)).collect();
    let number = before.matches("i32.const").count() + 1 + after.len();
    // The heap is behind the text.
    let eval = format!(
        "{body} (global.set $heap (i32.const 20000000)) (drop (memory.grow (i32.const 400)))
         (drop (call $builtin{number} (i32.const 0) (i32.const 0) {before} (local.get $at) {after_texts})) (i32.const 0)"
    );
    opa_with(&items, ALLOWED, &[("builtins", &list), ("eval", &eval)])
}

/// Built-ins that would take minutes, or all memory.
fn builtins() -> Vec<Hostile> {
    let row = |name, bytes, builtin: &str, before: &[&str], item: (&str, &str, &str), after: &[&str], words| {
        let kind = if words == FAILED { "trap" } else { "limit" };
        Hostile::new("opa", name, with_giant(bytes, builtin, before, item, after), kind, words)
    };
    const FAILED: &str = "the built-in";
    let (steps, memory) = ("steps of work on the host", "needs more than 64 MiB of memory on the host");
    let text = ("\"", "ab", "\"");
    let long = "x".repeat(50_000);
    let copied = format!("{{\"t\":\"{long}\",\"l\":[]}}");
    let copy = r#"{"op":"copy","from":"/t","path":"/l/-"},"#;
    let anchor = format!("\"a: &a {long}\\nb: [");
    vec![
        row("regex-searches", 1 << 21, "regex.find_n", &["\"(?:.{100}){100}z\""], text, &["-1"], steps).within(10_000),
        row("regex-splits", 1 << 21, "regex.split", &["\"(?:[a-z]{0,100}x){0,100}y\""], text, &[], steps)
            .within(10_000),
        row("regex-too-large", 64, "regex.find_n", &["\"(?:[a-z]{1000}){1000}\""], text, &["1"], FAILED),
        row("regex-of-a-megabyte", 1 << 20, "regex.find_n", &[], text, &["\"a\"", "-1"], memory),
        row(
            "patch-copies",
            1 << 17,
            "json.patch",
            &[&copied],
            ("[", copy, "{\"op\":\"remove\",\"path\":\"/t\"}]"),
            &[],
            memory,
        ),
        row("patch-of-operations", 1 << 23, "json.patch", &["{}"], ("[", copy, "1]"), &[], memory),
        row("yaml-aliases", 1 << 16, "yaml.unmarshal", &[], (&anchor, "*a, ", "*a]\""), &[], memory),
        row("yaml-of-objects", 1 << 20, "yaml.marshal", &[], ("[", "{},", "1]"), &[], memory),
        row("yaml-nested", 1 << 20, "yaml.unmarshal", &[], ("\"", "[", "\""), &[], steps).within(2_000),
        row("json-of-objects", 1 << 21, "json.is_valid", &[], ("\"[", "{},", "1]\""), &[], memory),
        row("json-of-members", 1 << 22, "json.is_valid", &[], ("\"[", "{\\\"a\\\":1},", "1]\""), &[], memory),
        row("wide-number", 64, "sprintf", &["\"%999999999d\""], ("[", "1,", "1]"), &[], FAILED),
        row("many-verbs", 1 << 19, "sprintf", &[], ("\"", "%9d", "\""), &["[1]"], "the result could have"),
        row("long-format", 1 << 22, "sprintf", &[], ("\"", "%v", "\""), &["[1]"], memory),
        row("many-pairs", 1 << 21, "urlquery.decode_object", &[], ("\"", "&a", "\""), &[], memory),
        row("message-of-bytes", 1 << 20, "hex.decode", &[], ("\"", "a1", "\""), &[], "failed with a message of"),
    ]
}

/// Built-ins that are linear, with arguments that are long for their deadline.
fn giant_arguments() -> Vec<Hostile> {
    let row = |name, builtin: &str, before: &[&str], item: (&str, &str, &str), after: &[&str]| {
        let module = with_giant((16 << 20) - 64, builtin, before, item, after);
        Hostile::new("opa", name, module, "limit", "steps of work on the host").within(1_300)
    };
    let text = ("\"", "a1", "\"");
    vec![
        row("giant-base64", "base64url.encode_no_pad", &[], text, &[]),
        row("giant-hex-decode", "hex.decode", &[], ("\"", "a1", "\""), &[]),
        row("giant-patch", "json.patch", &["{}"], ("[", "{\"op\":\"add\",\"path\":\"/a\",\"value\":1},", "1]"), &[]),
        row("giant-find", "regex.find_n", &["\"a\""], text, &["-1"]),
        row("giant-format", "sprintf", &[], ("\"", "%v", "\""), &["[1]"]),
        row("giant-value", "sprintf", &["\"%v\""], ("[\"", "aa", "\"]"), &[]),
        row("giant-url-pairs", "urlquery.decode_object", &[], ("\"", "&a", "\""), &[]),
        row("giant-url-encode", "urlquery.encode", &[], ("\"", "% ", "\""), &[]),
        row("giant-yaml-text", "yaml.unmarshal", &[], text, &[]),
        row("giant-yaml-marshal", "yaml.marshal", &[], ("\"", "\\n", "\""), &[]),
    ]
}

/// All of them.
pub(super) fn guests() -> Vec<Hostile> {
    let mut all = of_both("opa");
    all.extend(of_both("gatekeeper"));
    all.extend(builtins());
    all.extend(giant_arguments());
    let listed = |list: &str| {
        opa_with(
            &format!("(data (i32.const 4096) \"{}\\00\")", list.replace('"', "\\22")),
            ALLOWED,
            &[("builtins", "(i32.const 4096)")],
        )
    };
    all.push(Hostile::new("opa", "opa-unknown-builtin", listed("{\"http.send\":0}"), "missing-builtins", "http.send"));
    // A built-in whose argument is a value that calls the built-in again.
    let again = opa_with(
        "(data (i32.const 4096) \"{\\22time.now_ns\\22:0,\\22trace\\22:1}\\00\")",
        ALLOWED,
        &[
            ("builtins", "(i32.const 4096)"),
            ("eval", "(call $builtin0 (i32.const 0) (i32.const 0))"),
            ("opa_json_parse", "(call $builtin0 (i32.const 0) (i32.const 0))"),
        ],
    );
    all.push(Hostile::new("opa", "opa-builtins-in-turns", again, "trap", "call stack exhausted"));
    all.push(Hostile::new(
        "opa",
        "opa-no-module-of-rego",
        wat::parse_str("(module (memory (export \"memory\") 1))").unwrap(),
        "metadata",
        "has not been created using Rego",
    ));
    all
}
