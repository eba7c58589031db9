;; Refuses everything, with a message and a code.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":false,\"accepted\":false,\"message\":\"not today\",\"code\":422}")
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (call $respond (i32.const 1024) (i32.const 65))
    (i32.const 1)))
