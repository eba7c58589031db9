;; Imports functions that nobody offers.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (import "env" "abort" (func (param i32)))
  (import "wapc" "__guest_wish" (func))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":true}")
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (call $respond (i32.const 1024) (i32.const 30))
    (i32.const 1)))
