;; Counts the length of its reply with atomic instructions, on a memory of its own.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":false,\"message\":\"counted\"}")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (i32.atomic.store (i32.const 16) (i32.const 41))
    (drop (i32.atomic.rmw.add (i32.const 16) (i32.const 10)))
    (drop (i32.atomic.rmw.cmpxchg (i32.const 16) (i32.const 7) (i32.const 0)))
    (atomic.fence)
    ;; No thread waits, so none is woken.
    (drop (memory.atomic.notify (i32.const 16) (i32.const 1)))
    (call $respond (i32.const 1024) (i32.atomic.load (i32.const 16)))
    (i32.const 1)))
