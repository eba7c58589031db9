;; Behaves like a module made by TinyGo: `_start` prepares it and ends in `proc_exit(0)`, then `wapc_init`
;; is called. A call at any other stage traps.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":true}")
  (global $steps (mut i32) (i32.const 0))
  (func (export "_start")
    (global.set $steps (i32.add (global.get $steps) (i32.const 1)))
    (call $exit (i32.const 0))
    (unreachable))
  (func (export "wapc_init")
    (if (i32.ne (global.get $steps) (i32.const 1)) (then (unreachable)))
    (global.set $steps (i32.const 2)))
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (if (i32.ne (global.get $steps) (i32.const 2)) (then (unreachable)))
    (call $respond (i32.const 1024) (i32.const 30))
    (i32.const 1)))
