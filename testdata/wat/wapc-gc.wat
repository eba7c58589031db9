;; Denies by a message that was collected in objects of the GC proposal: a list of words, each an array, joined in memory.
(module
  (import "wapc" "__guest_response" (func $respond (param i32 i32)))
  (type $word (array i8))
  (rec (type $list (struct (field (ref $word)) (field (mut (ref null $list))))))
  (memory (export "memory") 1)
  (data $prefix "{\"valid\":true,\"accepted\":false,\"message\":\"")
  (data $first "collected ")
  (data $second "words")
  (data $suffix "\"}")
  (func $cons (param $word (ref $word)) (param $rest (ref null $list)) (result (ref null $list))
    (struct.new $list (local.get $word) (local.get $rest)))
  ;; Copies a word to an address and gives the address behind it.
  (func $copy (param $word (ref $word)) (param $at i32) (result i32)
    (local $index i32)
    (block $done
      (loop $next
        (br_if $done (i32.ge_u (local.get $index) (array.len (local.get $word))))
        (i32.store8
          (i32.add (local.get $at) (local.get $index))
          (array.get_u $word (local.get $word) (local.get $index)))
        (local.set $index (i32.add (local.get $index) (i32.const 1)))
        (br $next)))
    (i32.add (local.get $at) (local.get $index)))
  (func $join (param $list (ref null $list)) (param $at i32) (result i32)
    (block $done
      (loop $next
        (br_if $done (ref.is_null (local.get $list)))
        (local.set $at (call $copy (struct.get $list 0 (local.get $list)) (local.get $at)))
        (local.set $list (struct.get $list 1 (local.get $list)))
        (br $next)))
    (local.get $at))
  (func (export "__guest_call") (param i32 i32) (result i32)
    (local $end i32)
    (local.set $end
      (call $join
        (call $cons (array.new_data $word $prefix (i32.const 0) (i32.const 42))
          (call $cons (array.new_data $word $first (i32.const 0) (i32.const 10))
            (call $cons (array.new_data $word $second (i32.const 0) (i32.const 5))
              (call $cons (array.new_data $word $suffix (i32.const 0) (i32.const 2)) (ref.null $list)))))
        (i32.const 1024)))
    ;; An i31 carries the length, so that a wrong one is an unreadable reply.
    (call $respond
      (i32.const 1024)
      (i31.get_u (ref.i31 (i32.sub (local.get $end) (i32.const 1024)))))
    (i32.const 1)))
