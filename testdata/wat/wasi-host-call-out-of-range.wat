;; Calls its host with a namespace that lies outside its memory.
(module
  (import "host" "call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (func (export "_start")
    (drop (call $host_call
      (i32.const 0) (i32.const 1) (i32.const -1) (i32.const 1) (i32.const 0) (i32.const 1)
      (i32.const 0) (i32.const 0)))))
