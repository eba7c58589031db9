;; Calls its host with a payload that lies outside its memory.
(module
  (import "wapc" "__host_call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "__guest_call") (param $operation_len i32) (param $message_len i32) (result i32)
    (drop (call $host_call
      (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 0) (i32.const 1)
      (i32.const 0x7fff0000) (i32.const 16)))
    (i32.const 1)))
