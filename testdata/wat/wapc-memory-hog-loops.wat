;; Asks for more memory for ever and does not care whether it gets any.
(module
  (memory (export "memory") 1)
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (loop $more
      (drop (memory.grow (i32.const 1)))
      (br $more))
    (unreachable)))
