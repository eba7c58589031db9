;; Accepts its first call only, so that an instance used twice shows.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":true}")
  (data (i32.const 0) "called before")
  (global $called (mut i32) (i32.const 0))
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (if (global.get $called) (then
      (call $fail (i32.const 0) (i32.const 13))
      (return (i32.const 0))))
    (global.set $called (i32.const 1))
    (call $respond (i32.const 1024) (i32.const 30))
    (i32.const 1)))
