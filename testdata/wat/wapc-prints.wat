;; Writes to stdout and stderr, then says yes.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":true}")
  (data (i32.const 0) "out\nerr\n")
  (data (i32.const 16) "\00\00\00\00\04\00\00\00")
  (data (i32.const 24) "\04\00\00\00\04\00\00\00")
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (drop (call $fd_write (i32.const 1) (i32.const 16) (i32.const 1) (i32.const 32)))
    (drop (call $fd_write (i32.const 2) (i32.const 24) (i32.const 1) (i32.const 32)))
    (call $respond (i32.const 1024) (i32.const 30))
    (i32.const 1)))
