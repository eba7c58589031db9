;; Logs empty lines through waPC without end.
(module
  (import "wapc" "__console_log" (func $log (param i32 i32)))
  (memory (export "memory") 1)
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (loop $again (call $log (i32.const 0) (i32.const 0)) (br $again))
    (unreachable)))
