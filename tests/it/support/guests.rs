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

/// A waPC guest that writes to stdout and stderr, logs through waPC, and then replies.
pub(crate) fn printing_and_replying(output: &str, reply: &str) -> Vec<u8> {
    let text = format!(
        r#"(module
          (import "wapc" "__guest_response" (func $respond (param i32 i32)))
          (import "wapc" "__console_log" (func $log (param i32 i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (memory (export "memory") 2)
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
        iovec = escaped(&[1024u32.to_le_bytes(), u32::try_from(output.len()).unwrap().to_le_bytes()].concat()),
        output = escaped(output.as_bytes()),
        output_len = output.len(),
        reply = escaped(reply.as_bytes()),
        reply_len = reply.len(),
    );
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

fn escaped(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("\\{byte:02x}")).collect()
}
