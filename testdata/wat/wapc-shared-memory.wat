;; Has a memory that threads could share, which hosts of Kubewarden do not create.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 1 2 shared)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":true}")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (call $respond (i32.const 1024) (i32.const 30))
    (i32.const 1)))
