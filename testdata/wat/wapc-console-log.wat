;; Logs a line through waPC, then says yes.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wapc" "__console_log" (func $log (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":true}")
  (data (i32.const 0) "a line")
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (call $log (i32.const 0) (i32.const 6))
    (call $respond (i32.const 1024) (i32.const 30))
    (i32.const 1)))
