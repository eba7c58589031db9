;; Keeps every object of the GC proposal that it makes, in a list, and never ends by itself.
(module
  (type $block (array i64))
  (rec (type $list (struct (field (ref $block)) (field (ref null $list)))))
  (memory (export "memory") 1)
  (global $kept (mut (ref null $list)) (ref.null $list))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (loop $more
      (global.set $kept
        (struct.new $list (array.new $block (i64.const 7) (i32.const 65536)) (global.get $kept)))
      (br $more))
    (i32.const 1)))
