;; Traps in a function that has a name.
(module
  (memory (export "memory") 1)
  (func $give_up (unreachable))
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (call $give_up)
    (i32.const 1)))
