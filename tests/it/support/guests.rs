//! Policies nobody would write: modules made for one test.

use super::testdata;

/// The module of `testdata/wat/NAME.wat`.
pub(crate) fn from_testdata(name: &str) -> Vec<u8> {
    wat::parse_file(testdata().join(format!("wat/{name}.wat"))).unwrap()
}

/// A waPC guest that gives this reply to everything.
pub(crate) fn replying(reply: &str) -> Vec<u8> {
    printing_and_replying("", reply)
}

/// A waPC guest that accepts all settings and denies every request with this message.
pub(crate) fn denying(message: &str) -> Vec<u8> {
    replying(&serde_json::json!({ "valid": true, "accepted": false, "message": message }).to_string())
}

/// A waPC guest that gives one reply to payloads below 4 KiB, and the other to longer ones.
pub(crate) fn replying_by_length(short: &str, long: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (memory (export "memory") 2)
          (data (i32.const 0) "{}")
          (data (i32.const 65536) "{}")
          (func (export "__guest_call") (param i32) (param $payload_len i32) (result i32)
            (if (i32.lt_u (local.get $payload_len) (i32.const 4096))
              (then (call $respond (i32.const 0) (i32.const {})))
              (else (call $respond (i32.const 65536) (i32.const {}))))
            (i32.const 1)))"#,
        escaped(short.as_bytes()),
        escaped(long.as_bytes()),
        short.len(),
        long.len(),
    );
    wat::parse_str(text).unwrap()
}

/// A waPC guest that writes to stdout and stderr, logs through waPC, and then replies.
pub(crate) fn printing_and_replying(output: &str, reply: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (import "wapc" "__console_log" (func $log (param i32 i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") {pages})
          (data (i32.const 0) "{iovec}")
          (data (i32.const 1024) "{output}")
          (data (i32.const 65536) "{reply}")
          (func (export "__guest_call") (param i32 i32) (result i32)
            (if (i32.const {output_len}) (then
              (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 32)))
              (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 32)))
              (call $log (i32.const 1024) (i32.const {output_len}))))
            (call $respond (i32.const 65536) (i32.const {reply_len}))
            (i32.const 1)))"#,
        pages = 2 + reply.len() / 65_536,
        iovec = escaped(&[1024u32.to_le_bytes(), u32::try_from(output.len()).unwrap().to_le_bytes()].concat()),
        output = escaped(output.as_bytes()),
        output_len = output.len(),
        reply = escaped(reply.as_bytes()),
        reply_len = reply.len(),
    );
    wat::parse_str(text).unwrap()
}

/// The module of a text.
pub(crate) fn wapc_from(text: &str) -> Vec<u8> {
    wat::parse_str(text).unwrap()
}

/// A waPC guest that fails every call with this text.
pub(crate) fn failing(text: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wapc" "__guest_error" (func $fail (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "{}")
          (func (export "__guest_call") (param i32 i32) (result i32)
            (call $fail (i32.const 0) (i32.const {}))
            (i32.const 0)))"#,
        escaped(text.as_bytes()),
        text.len(),
    );
    wat::parse_str(text).unwrap()
}

/// A waPC guest that accepts all settings and fails every request with this text.
pub(crate) fn failing_when_asked(text: &str) -> Vec<u8> {
    const VALID: &str = r#"{"valid":true}"#;
    // The operations `validate` and `validate_settings` are told apart by the length of their names.
    let text = format!(
        r#"(module
          (import "wapc" "__guest_error" (func $fail (param i32 i32)))
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (memory (export "memory") 1)
          (data (i32.const 0) "{}")
          (data (i32.const 1024) "{}")
          (func (export "__guest_call") (param $operation i32) (param i32) (result i32)
            (if (i32.eq (local.get $operation) (i32.const 8))
              (then (call $fail (i32.const 1024) (i32.const {})) (return (i32.const 0))))
            (call $respond (i32.const 0) (i32.const {}))
            (i32.const 1)))"#,
        escaped(VALID.as_bytes()),
        escaped(text.as_bytes()),
        text.len(),
        VALID.len(),
    );
    wat::parse_str(text).unwrap()
}

/// A waPC guest that takes all settings, and does this when it is asked for a verdict. `body` leaves the result of the call;
/// it has `$respond` and `$fail`, and at 1024 the text `bad thing`.
pub(crate) fn wapc_when_asked(body: &str) -> Vec<u8> {
    wapc_with("", "(data (i32.const 1024) \"bad thing\")", body)
}

/// The same, with these imports and these items of the module.
pub(crate) fn wapc_with(imports: &str, items: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (import "wapc" "__guest_error" (func $fail (param i32 i32)))
          {imports}
          (memory (export "memory") 1)
          (data (i32.const 0) "{{\22valid\22:true}}")
          {items}
          (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
            (local $at i32) (local $len i32)
            (if (i32.eq (local.get $operation_len) (i32.const {settings_len})) (then
              (call $respond (i32.const 0) (i32.const 14))
              (return (i32.const 1))))
            {body}))"#,
        settings_len = "validate_settings".len(),
    );
    wat::parse_str(text).unwrap()
}

/// The same in WASI. `body` has `$print` and `$exit`, and at 1024 the text `bad thing` with the end of a line.
pub(crate) fn wasi_when_asked(body: &str) -> Vec<u8> {
    wasi_with("", "(data (i32.const 1024) \"bad thing\\n\")", body)
}

/// The same, with these imports and these items of the module.
pub(crate) fn wasi_with(imports: &str, items: &str, body: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wasi_snapshot_preview1" "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          {imports}
          (memory (export "memory") 1)
          (data (i32.const 512) "{{\22valid\22:true}}")
          {items}
          (func $print (param $fd i32) (param $address i32) (param $len i32)
            (i32.store (i32.const 0) (local.get $address))
            (i32.store (i32.const 4) (local.get $len))
            (drop (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8))))
          (func (export "_start")
            (local $at i32) (local $len i32)
            (drop (call $sizes (i32.const 16) (i32.const 20)))
            (if (i32.eq (i32.load (i32.const 20)) (i32.const {settings_len})) (then
              (call $print (i32.const 1) (i32.const 512) (i32.const 14))
              (return)))
            {body}))"#,
        settings_len = "policy.wasm validate-settings ".len(),
    );
    wat::parse_str(text).unwrap()
}

/// Instructions that write `prefix`, then `item` over and over, and then `suffix` to the memory from its second page on;
/// `$at` and `$len` then say where the text is and how long. The items are doubled `doublings` times. And the segments that
/// they are made of, which are items of the module.
pub(crate) fn repeating(prefix: &str, item: &str, doublings: u32, suffix: &str) -> (String, String) {
    let len = item.len() << doublings;
    let items_at = 65_536 + prefix.len();
    let items = format!(
        "(data $prefix \"{}\") (data $item \"{}\") (data $suffix \"{}\")",
        escaped(prefix.as_bytes()),
        escaped(item.as_bytes()),
        escaped(suffix.as_bytes())
    );
    let body = format!(
        r"(drop (memory.grow (i32.const {pages})))
          (memory.init $prefix (i32.const 65536) (i32.const 0) (i32.const {prefix_len}))
          (memory.init $item (i32.const {items_at}) (i32.const 0) (i32.const {item_len}))
          (local.set $len (i32.const {item_len}))
          (block $done (loop $double
            (br_if $done (i32.ge_u (local.get $len) (i32.const {len})))
            (memory.copy
              (i32.add (i32.const {items_at}) (local.get $len)) (i32.const {items_at}) (local.get $len))
            (local.set $len (i32.shl (local.get $len) (i32.const 1)))
            (br $double)))
          (memory.init $suffix (i32.const {suffix_at}) (i32.const 0) (i32.const {suffix_len}))
          (local.set $at (i32.const 65536))
          (local.set $len (i32.const {all}))",
        pages = (prefix.len() + len + suffix.len()) / 65_536 + 1,
        prefix_len = prefix.len(),
        item_len = item.len(),
        suffix_at = items_at + len,
        suffix_len = suffix.len(),
        all = prefix.len() + len + suffix.len(),
    );
    (items, body)
}

/// A waPC guest that accepts all settings and denies every request; its message is the number, in 16 hexadecimal digits,
/// that this function of WASI, with parameters of these types, writes to address 0 when it is called like this.
pub(crate) fn denying_with(function: &str, types: &str, arguments: &str) -> Vec<u8> {
    let reply = r#"{"valid":true,"accepted":false,"message":"0000000000000000"}"#;
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (import "wasi_snapshot_preview1" "{function}" (func $read (param {types}) (result i32)))
          (memory (export "memory") 1)
          (data (i32.const 1024) "{reply}")
          (func $show (param $number i64) (local $at i32) (local $digit i32)
            (local.set $at (i32.const 16))
            (loop $next
              (local.set $at (i32.sub (local.get $at) (i32.const 1)))
              (local.set $digit (i32.wrap_i64 (i64.and (local.get $number) (i64.const 15))))
              (i32.store8
                (i32.add (i32.const {digits}) (local.get $at))
                (i32.add
                  (local.get $digit)
                  (select (i32.const 0x57) (i32.const 0x30) (i32.gt_u (local.get $digit) (i32.const 9)))))
              (local.set $number (i64.shr_u (local.get $number) (i64.const 4)))
              (br_if $next (local.get $at))))
          (func (export "__guest_call") (param i32 i32) (result i32)
            (drop (call $read {arguments}))
            (call $show (i64.load (i32.const 0)))
            (call $respond (i32.const 1024) (i32.const {reply_len}))
            (i32.const 1)))"#,
        digits = 1024 + reply.find("000").unwrap(),
        reply_len = reply.len(),
        reply = escaped(reply.as_bytes()),
    );
    wat::parse_str(text).unwrap()
}

/// A waPC guest that accepts all settings, makes this call about Kubernetes when it is asked for a verdict, and mutates the
/// object into the reply; an error of the call is its own.
pub(crate) fn calling(operation: &str, payload: &str) -> Vec<u8> {
    const VALID: &str = r#"{"valid":true}"#;
    let prefix = r#"{"accepted":true,"mutated_object":"#;
    // The operations `validate` and `validate_settings` are told apart by the length of their names.
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (import "wapc" "__guest_error" (func $fail (param i32 i32)))
          (import "wapc" "__host_call" (func $call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
          (import "wapc" "__host_response_len" (func $response_len (result i32)))
          (import "wapc" "__host_response" (func $response (param i32)))
          (import "wapc" "__host_error_len" (func $error_len (result i32)))
          (import "wapc" "__host_error" (func $error (param i32)))
          (memory (export "memory") 2)
          (data (i32.const 0) "kubewarden")
          (data (i32.const 16) "kubernetes")
          (data (i32.const 32) "{operation}")
          (data (i32.const 96) "{valid}")
          (data (i32.const 1024) "{payload}")
          (data (i32.const 65536) "{prefix}")
          (func (export "__guest_call") (param $operation i32) (param i32) (result i32)
            (local $end i32)
            (if (i32.ne (local.get $operation) (i32.const 8)) (then
              (call $respond (i32.const 96) (i32.const {valid_len}))
              (return (i32.const 1))))
            (if (i32.eqz (call $call
                (i32.const 0) (i32.const 10) (i32.const 16) (i32.const 10) (i32.const 32) (i32.const {operation_len})
                (i32.const 1024) (i32.const {payload_len}))) (then
              (call $error (i32.const 65536))
              (call $fail (i32.const 65536) (call $error_len))
              (return (i32.const 0))))
            (local.set $end (i32.add (i32.const {reply}) (call $response_len)))
            (call $response (i32.const {reply}))
            (i32.store8 (local.get $end) (i32.const 0x7d))
            (call $respond (i32.const 65536) (i32.sub (local.get $end) (i32.const 65535)))
            (i32.const 1)))"#,
        operation = escaped(operation.as_bytes()),
        operation_len = operation.len(),
        payload = escaped(payload.as_bytes()),
        payload_len = payload.len(),
        valid = escaped(VALID.as_bytes()),
        valid_len = VALID.len(),
        prefix = escaped(prefix.as_bytes()),
        reply = 65_536 + prefix.len(),
    );
    wat::parse_str(text).unwrap()
}

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}

/// The module with a section of `size` bytes that nothing reads.
pub(crate) fn padded(module: Vec<u8>, size: usize) -> Vec<u8> {
    with_section(module, "filler", &vec![7; size])
}

/// The module with metadata that matches every request, as `verify annotate` attaches it.
pub(crate) fn annotated(module: Vec<u8>) -> Vec<u8> {
    let any = ["*"];
    let rule = serde_json::json!({ "apiGroups": any, "apiVersions": any, "resources": any, "operations": any });
    let metadata = serde_json::json!({
        "protocolVersion": "v1", "rules": [rule], "mutating": true, "executionMode": "kubewarden-wapc",
    });
    with_section(module, "io.kubewarden.metadata", metadata.to_string().as_bytes())
}

/// The module with one more custom section, whose name is short.
pub(crate) fn with_section(mut module: Vec<u8>, name: &str, content: &[u8]) -> Vec<u8> {
    let content = [&[u8::try_from(name.len()).unwrap()], name.as_bytes(), content].concat();
    module.push(0);
    let mut length = content.len();
    loop {
        let byte = u8::try_from(length & 0x7f).unwrap();
        length >>= 7;
        module.push(if length == 0 { byte } else { byte | 0x80 });
        if length == 0 {
            break;
        }
    }
    module.extend(content);
    module
}

/// A module of OPA's ABI that allows everything, but for what is given: bodies of its exports, by their names. The results
/// of an evaluation are the text at 2048, `result`. Its values are their own texts, so that it needs no parser.
pub(crate) fn opa_with(items: &str, result: &str, bodies: &[(&str, &str)]) -> Vec<u8> {
    const EXPORTS: [(&str, &str, &str); 13] = [
        ("builtins", "(result i32)", "(i32.const 1024)"),
        ("entrypoints", "(result i32)", "(i32.const 1024)"),
        ("opa_heap_ptr_get", "(result i32)", "(global.get $heap)"),
        ("opa_heap_ptr_set", "(param i32)", "(global.set $heap (local.get 0))"),
        (
            "opa_malloc",
            "(param i32) (result i32)",
            "(global.get $heap) (global.set $heap (i32.add (global.get $heap) (local.get 0)))",
        ),
        ("opa_json_parse", "(param i32 i32) (result i32)", "(local.get 0)"),
        ("opa_json_dump", "(param i32) (result i32)", "(local.get 0)"),
        ("opa_eval_ctx_new", "(result i32)", "(i32.const 8)"),
        ("opa_eval_ctx_set_input", "(param i32 i32)", ""),
        ("opa_eval_ctx_set_data", "(param i32 i32)", ""),
        ("opa_eval_ctx_set_entrypoint", "(param i32 i32)", ""),
        ("opa_eval_ctx_get_result", "(param i32) (result i32)", "(i32.const 2048)"),
        ("eval", "(param i32) (result i32) (local $at i32) (local $len i32)", "(i32.const 0)"),
    ];
    let functions = EXPORTS.map(|(name, parameters, usual)| {
        let body = bodies.iter().find(|(given, _)| *given == name).map_or(usual, |(_, body)| body);
        format!("(func ${name} (export \"{name}\") {parameters} {body})\n")
    });
    let text = format!(
        r#"(module
          (import "env" "memory" (memory 5))
          (import "env" "opa_abort" (func $abort (param i32)))
          (import "env" "opa_println" (func $println (param i32)))
          (import "env" "opa_builtin0" (func $builtin0 (param i32 i32) (result i32)))
          (import "env" "opa_builtin1" (func $builtin1 (param i32 i32 i32) (result i32)))
          (import "env" "opa_builtin2" (func $builtin2 (param i32 i32 i32 i32) (result i32)))
          (import "env" "opa_builtin3" (func $builtin3 (param i32 i32 i32 i32 i32) (result i32)))
          (import "env" "opa_builtin4" (func $builtin4 (param i32 i32 i32 i32 i32 i32) (result i32)))
          (export "memory" (memory 0))
          (global $heap (mut i32) (i32.const 131072))
          (global (export "opa_wasm_abi_version") i32 (i32.const 1))
          (global (export "opa_wasm_abi_minor_version") i32 (i32.const 2))
          (data (i32.const 1024) "{{}}\00")
          (data (i32.const 2048) "{}\00")
          {items}
          {})"#,
        escaped(result.as_bytes()),
        functions.concat(),
    );
    wat::parse_str(text).unwrap()
}

/// A module of OPA's ABI that calls a built-in with these arguments, which are texts of JSON, and allows. Its values are
/// their own texts, so that it needs no parser.
pub(crate) fn opa_calling(builtin: &str, arguments: &[String]) -> Vec<u8> {
    let list = format!("{{\"{builtin}\":0}}");
    let result = r#"[{"result":{"response":{"uid":"","allowed":true}}}]"#;
    let mut at = 327_680;
    let mut segments = String::new();
    let mut copies = String::new();
    let mut addresses = String::new();
    for (index, text) in arguments.iter().map(String::as_str).chain([list.as_str(), result]).enumerate() {
        let len = text.len();
        segments += &format!("(data $t{index} \"{}\\00\")\n", escaped(text.as_bytes()));
        copies += &format!("(memory.init $t{index} (i32.const {at}) (i32.const 0) (i32.const {}))\n", len + 1);
        if index < arguments.len() {
            addresses += &format!("(i32.const {at}) ");
        }
        at += len + 1;
    }
    let result_at = at - result.len() - 1;
    let list_at = result_at - list.len() - 1;
    let number = arguments.len();
    let text = format!(
        r#"(module
          (import "env" "memory" (memory 5))
          (import "env" "opa_builtin{number}" (func $builtin (param i32 i32 {parameters}) (result i32)))
          (export "memory" (memory 0))
          (global $heap (mut i32) (i32.const {at}))
          (global (export "opa_wasm_abi_version") i32 (i32.const 1))
          (global (export "opa_wasm_abi_minor_version") i32 (i32.const 2))
          {segments}
          (func (export "builtins") (result i32)
            (drop (memory.grow (i32.const {pages})))
            {copies}
            (i32.const {list_at}))
          (func (export "entrypoints") (result i32) (i32.const {list_at}))
          (func (export "opa_heap_ptr_get") (result i32) (global.get $heap))
          (func (export "opa_heap_ptr_set") (param i32) (global.set $heap (local.get 0)))
          (func (export "opa_malloc") (param i32) (result i32)
            (global.get $heap)
            (global.set $heap (i32.add (global.get $heap) (local.get 0))))
          (func (export "opa_json_parse") (param i32 i32) (result i32) (local.get 0))
          (func (export "opa_json_dump") (param i32) (result i32) (local.get 0))
          (func (export "opa_eval_ctx_new") (result i32) (i32.const 8))
          (func (export "opa_eval_ctx_set_input") (param i32 i32))
          (func (export "opa_eval_ctx_set_data") (param i32 i32))
          (func (export "opa_eval_ctx_set_entrypoint") (param i32 i32))
          (func (export "opa_eval_ctx_get_result") (param i32) (result i32) (i32.const {result_at}))
          (func (export "eval") (param i32) (result i32)
            (drop (call $builtin (i32.const 0) (i32.const 8) {addresses}))
            (i32.const 0)))"#,
        parameters = "i32 ".repeat(number),
        pages = at / 65_536 + 64,
    );
    wat::parse_str(text).unwrap()
}

/// A module with a function whose jumps carry `values` values to each of `blocks` places: what a compiler has to move grows
/// with both.
pub(crate) fn jumps(blocks: usize, values: usize) -> Vec<u8> {
    let labels: Vec<String> = (0..blocks).map(|label| label.to_string()).collect();
    // Winch knows no tail calls, so that it is Cranelift that compiles.
    let items = format!(
        "(func $tail (return_call $tail))\n(type $all (func (result {})))\n(func (param i32) {} {} local.get 0 br_table {} {} {})",
        "i32 ".repeat(values),
        "block (type $all) ".repeat(blocks),
        "i32.const 0 ".repeat(values),
        labels.join(" "),
        "end ".repeat(blocks),
        "drop ".repeat(values)
    );
    wapc_with("", &items, "(i32.const 1)")
}
