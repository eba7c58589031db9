;; Takes memory until it gets none, and reports that as an error of its own.
(module
  (import "wapc" "__guest_error" (func $fail (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "no memory left")
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (loop $more
      (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
    (call $fail (i32.const 1024) (i32.const 14))
    (i32.const 0)))
