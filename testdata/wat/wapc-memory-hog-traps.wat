;; Takes memory until it gets none, then aborts, as language runtimes do.
(module
  (memory (export "memory") 1)
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (unreachable)))
