;; Ends its `_start` with exit code 1.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":true}")
  (func (export "_start") (call $exit (i32.const 1)))
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (call $respond (i32.const 1024) (i32.const 30))
    (i32.const 1)))
