;; Hands over a reply of 17 MiB.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 300)
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (call $respond (i32.const 0) (i32.const 17825792))
    (i32.const 1)))
