;; Takes room in a table instead of a memory.
(module
  (memory (export "memory") 1)
  (table $table 1 funcref)
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1000000)) (i32.const -1))))
    (unreachable)))
