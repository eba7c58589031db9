;; Throws an exception with the reply, catches it two calls above, and rethrows it through a reference.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":false,\"message\":\"thrown and caught\"}")
  (tag $reply (param i32 i32))
  (func $throw (throw $reply (i32.const 1024) (i32.const 61)))
  (func $rethrow
    (block $caught (result exnref)
      (try_table (catch_all_ref $caught) (call $throw))
      (unreachable))
    (throw_ref))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (block $caught (result i32 i32)
      (try_table (catch $reply $caught) (call $rethrow))
      (unreachable))
    (call $respond)
    (i32.const 1)))
