;; Calls its host without end and never reads an answer.
(module
  (import "host" "call" (func $host_call (param i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (memory (export "memory") 1)
  (data (i32.const 0) "kubewarden")
  (data (i32.const 16) "fake")
  (data (i32.const 32) "v1/answer")
  (data (i32.const 48) "{\"question\":1}")
  (func (export "_start")
    (loop $again
      (drop (call $host_call
      (i32.const 0) (i32.const 10) (i32.const 16) (i32.const 4) (i32.const 32) (i32.const 9)
      (i32.const 48) (i32.const 14)))
      (br $again))))
