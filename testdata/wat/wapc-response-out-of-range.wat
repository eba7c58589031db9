;; Hands over a reply that begins behind the end of its memory.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (call $respond (i32.const 65536) (i32.const 1))
    (i32.const 1)))
