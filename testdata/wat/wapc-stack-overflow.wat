;; Calls itself until the stack is used up.
(module
  (memory (export "memory") 1)
  (func $deeper (param i64) (result i64)
    (i64.add (call $deeper (local.get 0)) (local.get 0)))
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (drop (call $deeper (i64.const 1)))
    (i32.const 1)))
