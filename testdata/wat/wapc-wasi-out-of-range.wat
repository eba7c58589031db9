;; Wants random bytes written behind the end of its memory.
(module
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (drop (call $random (i32.const 65535) (i32.const 2)))
    (i32.const 1)))
