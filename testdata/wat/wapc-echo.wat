;; Reports the operation and the message it was given as its error.
(module
  (import "wapc" "__guest_request" (func $request (param i32 i32)))
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (call $request (i32.const 0) (i32.add (local.get $operation_len) (i32.const 1)))
    (i32.store8 (local.get $operation_len) (i32.const 0x20))
    (call $fail
      (i32.const 0)
      (i32.add (i32.add (local.get $operation_len) (i32.const 1)) (local.get $message_len)))
    (i32.const 0)))
