;; Makes a gigabyte of objects of the GC proposal, keeps none of them, and accepts.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (type $block (array i64))
  (memory (export "memory") 1)
  (data (i32.const 1024) "{\"valid\":true,\"accepted\":true}")
  (func (export "__guest_call") (param i32 i32) (result i32)
    (local $left i32)
    (local.set $left (i32.const 2048))
    (loop $more
      (drop (array.new $block (i64.const 7) (i32.const 65536)))
      (local.set $left (i32.sub (local.get $left) (i32.const 1)))
      (br_if $more (local.get $left)))
    (call $respond (i32.const 1024) (i32.const 30))
    (i32.const 1)))
