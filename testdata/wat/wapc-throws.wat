;; Throws an exception that it does not catch.
(module
  (memory (export "memory") 1)
  (tag $refused)
  (func $give_up (throw $refused))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $give_up)
    (i32.const 1)))
